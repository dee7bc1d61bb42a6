"""Intraclass correlation: how much of the marks' variance lies between the items.

Models of Shrout and Fleiss 1979 with their F intervals, as in McGraw and Wong 1996.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.stats import f as f_distribution

from liftgraph_dagster.errors import InputError, Undefined


class Model(StrEnum):
    """Where the raters come from."""

    ONE_WAY = "ICC(1)"
    """Each item has raters of its own."""
    TWO_WAY_RANDOM = "ICC(2)"
    """All items have the same raters, a sample of those there could be; absolute agreement."""
    TWO_WAY_MIXED = "ICC(3)"
    """All items have the same raters, the only ones of interest; consistency."""


@dataclass(frozen=True)
class IntraclassCorrelation:
    """One coefficient with its interval."""

    model: Model
    averaged: bool
    """True for the mean mark of all raters, False for one rater's mark."""
    value: float
    low: float | None
    """None when the marks leave no residual variance: then there is no F interval."""
    high: float | None
    items: int
    raters: int
    level: float


@dataclass(frozen=True)
class _MeanSquares:
    items: float
    raters: float
    within: float
    """Within items."""
    error: float
    """Within items, without what lies between raters."""
    n: int
    k: int


def icc(
    ratings: npt.ArrayLike, model: Model, *, averaged: bool = False, level: float = 0.95
) -> IntraclassCorrelation:
    """Return the intraclass correlation of `ratings`, shape (raters, items).

    Raises InputError when a mark is missing (leave the item out), Undefined with fewer than two
    raters or items, and when all marks are equal.
    """
    squares = _mean_squares(ratings)
    single = _single(squares, model)
    low, high = _interval(squares, model, 1 - level)
    if averaged:
        value = _average(single, squares.k)
        low, high = (None if b is None else _average(b, squares.k) for b in (low, high))
    else:
        value = single
    return IntraclassCorrelation(model, averaged, value, low, high, squares.n, squares.k, level)


def _mean_squares(ratings: npt.ArrayLike) -> _MeanSquares:
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2:
        raise InputError(f"ratings have the shape (raters, items); these have {table.shape}")
    k, n = table.shape
    if k < 2 or n < 2:
        raise Undefined(f"the ICC is undefined: {k} rater(s), {n} item(s); it needs two of each")
    if np.isnan(table).any():
        raise InputError("the ICC needs every item marked by every rater; leave the others out")
    mean = table.mean()
    items = k * ((table.mean(axis=0) - mean) ** 2).sum()
    raters = n * ((table.mean(axis=1) - mean) ** 2).sum()
    within = ((table - table.mean(axis=0)) ** 2).sum()
    error = ((table - table.mean(axis=0) - table.mean(axis=1)[:, None] + mean) ** 2).sum()
    tiny = 1e-12 * float((table**2).sum())
    items, raters, within, error = (
        0.0 if square <= tiny else float(square) for square in (items, raters, within, error)
    )
    if not items and not within:
        raise Undefined("the ICC is undefined: all marks are equal")
    return _MeanSquares(
        items=items / (n - 1),
        raters=raters / (k - 1),
        within=within / (n * (k - 1)),
        error=error / ((n - 1) * (k - 1)),
        n=n,
        k=k,
    )


def _single(squares: _MeanSquares, model: Model) -> float:
    k, residual = squares.k, _residual(squares, model)
    between_raters = 0.0
    if model is Model.TWO_WAY_RANDOM:
        between_raters = k * (squares.raters - squares.error) / squares.n
    whole = squares.items + (k - 1) * residual + between_raters
    if whole <= 0:
        raise Undefined(f"{model.value} is undefined: the marks have no variance of its kind")
    return (squares.items - residual) / whole


def _residual(squares: _MeanSquares, model: Model) -> float:
    return squares.within if model is Model.ONE_WAY else squares.error


def _interval(
    squares: _MeanSquares, model: Model, alpha: float
) -> tuple[float, float] | tuple[None, None]:
    if not _residual(squares, model):
        return None, None
    if model is Model.TWO_WAY_RANDOM:
        return _interval_random(squares, alpha)
    n, k = squares.n, squares.k
    residual_df = n * (k - 1) if model is Model.ONE_WAY else (n - 1) * (k - 1)
    ratio = squares.items / _residual(squares, model)
    low = ratio / f_distribution.ppf(1 - alpha / 2, n - 1, residual_df)
    high = ratio * f_distribution.ppf(1 - alpha / 2, residual_df, n - 1)
    return tuple(float((f - 1) / (f + k - 1)) for f in (low, high))  # type: ignore[return-value]


def _interval_random(squares: _MeanSquares, alpha: float) -> tuple[float, float]:
    """Return the interval of ICC(2,1), with Satterthwaite's degrees of freedom."""
    n, k, error = squares.n, squares.k, squares.error
    rho, ratio = _single(squares, Model.TWO_WAY_RANDOM), squares.raters / error
    a, b = k * rho * ratio, n * (1 + (k - 1) * rho) - k * rho
    df = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    upper = f_distribution.ppf(1 - alpha / 2, n - 1, df)
    lower = f_distribution.ppf(1 - alpha / 2, df, n - 1)
    raters = k * squares.raters + (k * n - k - n) * error
    low = n * (squares.items - upper * error) / (upper * raters + n * squares.items)
    high = n * (lower * squares.items - error) / (raters + n * lower * squares.items)
    return float(low), float(high)


def _average(single: float, k: int) -> float:
    """Return the coefficient of the mean of k marks (Spearman and Brown)."""
    whole = 1 + (k - 1) * single
    if whole <= 1e-12:
        raise Undefined("the ICC of the mean mark is undefined: the items' means do not differ")
    return k * single / whole
