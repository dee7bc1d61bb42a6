"""How far raters agree: coefficients with intervals, and when agreement is shown.

Ratings are arrays of shape (raters, items); NaN where a rater has not marked an item. A coefficient
that the ratings do not determine raises Undefined with the reason.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.bootstrap import (
    RESAMPLES,
    Estimate,
    Floats,
    percentile_interval,
)

RELIABLE = 0.8
TENTATIVE = 0.667
"""Krippendorff 2004: conclusions need alpha of at least .8, tentative ones of at least .667."""


class Level(StrEnum):
    """What the differences between marks mean."""

    NOMINAL = "nominal"
    """Marks are equal or not."""
    ORDINAL = "ordinal"
    """Marks have an order."""
    INTERVAL = "interval"
    """Differences of marks have a size."""


class Weights(StrEnum):
    """How much a disagreement counts in Cohen's kappa, by its distance in places."""

    NONE = "none"
    LINEAR = "linear"
    QUADRATIC = "quadratic"


class Shown(StrEnum):
    """Whether agreement is shown."""

    MET = "met"
    NOT_SHOWN = "not shown"
    UNDEFINED = "undefined"


@dataclass(frozen=True)
class AgreementVerdict:
    """What an agreement coefficient says."""

    shown: Shown
    reason: str


def agreement_verdict(estimate: Estimate | None, *, raters: int) -> AgreementVerdict:
    """Return whether agreement of `raters` raters is shown: the estimate is above 0.8 and the
    lower bound of its interval above 0.667.

    Undefined with fewer than two raters, whatever the estimate: a rater who agrees with an earlier
    self is no second rater. Undefined, too, without an estimate.
    """
    if raters < 2:
        who = "there is one rater" if raters == 1 else "there is no rater"
        return AgreementVerdict(Shown.UNDEFINED, f"{who}; agreement needs two")
    if estimate is None:
        return AgreementVerdict(Shown.UNDEFINED, "the marks determine no coefficient")
    if estimate.value <= RELIABLE:
        return AgreementVerdict(Shown.NOT_SHOWN, f"{estimate.value:.3f} is not above {RELIABLE}")
    if estimate.low is None or estimate.low <= TENTATIVE:
        bound = "there is no lower bound" if estimate.low is None else f"{estimate.low:.3f}"
        return AgreementVerdict(
            Shown.NOT_SHOWN, f"the lower bound, {bound}, is not above {TENTATIVE}"
        )
    return AgreementVerdict(
        Shown.MET,
        f"{estimate.value:.3f} is above {RELIABLE} and its lower bound, {estimate.low:.3f}, above "
        f"{TENTATIVE}",
    )


def krippendorff_alpha(ratings: npt.ArrayLike, level: Level) -> float:
    """Return Krippendorff's alpha (Krippendorff 2011, "Computing Krippendorff's alpha-reliability",
    section C): 1 - observed / expected disagreement; at most 1, 0 for chance, negative below it.

    Items with fewer than two marks do not count. Raises Undefined for one rater, when no item has
    two marks, and when all pairable marks are equal: nothing varies that one could agree on.
    """
    table = _ratings(ratings)
    values = np.unique(table[~np.isnan(table)])
    counts = (table[:, :, None] == values).sum(axis=0).astype(float)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        raise Undefined("alpha is undefined: no item was marked twice")
    pairable = counts.sum(axis=1)
    coincidences = (counts / (pairable - 1)[:, None]).T @ counts
    coincidences -= np.diag((counts / (pairable - 1)[:, None]).sum(axis=0))
    totals = coincidences.sum(axis=1)
    distances = _distances(values, totals, level)
    expected = (np.outer(totals, totals) * distances).sum() / (totals.sum() - 1)
    if expected == 0:
        raise Undefined("alpha is undefined: all marks are equal")
    return float(1 - (coincidences * distances).sum() / expected)


def alpha_with_interval(
    ratings: npt.ArrayLike,
    level: Level,
    *,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return Krippendorff's alpha with a percentile bootstrap interval of 95 %.

    Whole items are drawn, each with all its marks; with `clusters`, one for each item, whole
    clusters. Raises Undefined as `krippendorff_alpha` does.
    """
    table = _ratings(ratings)
    return percentile_interval(
        lambda items: krippendorff_alpha(table[:, items], level),
        range(table.shape[1]) if clusters is None else clusters,
        resamples=resamples,
        seed=seed,
    )


def cohen_kappa(table: npt.ArrayLike, weights: Weights = Weights.NONE) -> float:
    """Return Cohen's kappa of a square table of counts: rows are the first rater's marks, columns
    the second's, both in the order of the scale (Cohen 1960, 1968).

    Raises Undefined for an empty table and when chance alone would agree always.
    """
    counts = np.asarray(table, dtype=float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise InputError(f"kappa needs a square table of counts; this one is {counts.shape}")
    if not counts.sum():
        raise Undefined("kappa is undefined: the table is empty")
    shares = counts / counts.sum()
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    places = np.arange(len(counts))
    apart = np.abs(places[:, None] - places).astype(float)
    match weights:
        case Weights.NONE:
            apart = (apart > 0).astype(float)
        case Weights.QUADRATIC:
            apart **= 2
        case Weights.LINEAR:
            pass
    if not (expected * apart).sum():
        raise Undefined("kappa is undefined: both raters gave one and the same mark throughout")
    return float(1 - (shares * apart).sum() / (expected * apart).sum())


def confusion(first: npt.ArrayLike, second: npt.ArrayLike, scale: Sequence[float]) -> Floats:
    """Return the table of counts of two raters' marks, in the order of `scale`; items that one of
    them has not marked do not count."""
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return np.array([[np.sum((one == a) & (two == b)) for b in scale] for a in scale], dtype=float)


def kappa_with_interval(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    scale: Sequence[float],
    weights: Weights = Weights.NONE,
    *,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return Cohen's kappa of two raters with a percentile bootstrap interval of 95 % over items,
    or over `clusters`. Items that one of them has not marked do not count."""
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    both = np.flatnonzero(~np.isnan(one) & ~np.isnan(two))
    one, two = one[both], two[both]
    return percentile_interval(
        lambda items: cohen_kappa(confusion(one[items], two[items], scale), weights),
        range(len(both)) if clusters is None else [clusters[int(place)] for place in both],
        resamples=resamples,
        seed=seed,
    )


def fleiss_kappa(counts: npt.ArrayLike) -> float:
    """Return Fleiss' kappa (Fleiss 1971). `counts` has shape (items, marks of the scale): how many
    raters gave that mark; every item has the same number of ratings, at least two.

    Raises InputError for unequal numbers and Undefined when one mark alone was given.
    """
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2 or not table.size:
        raise InputError("Fleiss' kappa needs a table of items by marks")
    ratings = table.sum(axis=1)
    if (ratings != ratings[0]).any():
        raise InputError("Fleiss' kappa needs the same number of ratings for every item")
    if ratings[0] < 2:
        raise Undefined("Fleiss' kappa is undefined: every item has one rating; it needs two")
    agreed = ((table**2).sum(axis=1) - ratings) / (ratings * (ratings - 1))
    expected = float(((table.sum(axis=0) / table.sum()) ** 2).sum())
    if expected == 1:
        raise Undefined("Fleiss' kappa is undefined: all marks are equal")
    return float((agreed.mean() - expected) / (1 - expected))


def _ratings(ratings: npt.ArrayLike) -> Floats:
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2:
        raise InputError(f"ratings have the shape (raters, items); these have {table.shape}")
    if len(table) < 2:
        raise Undefined(f"agreement is undefined with {len(table)} rater; it needs two")
    return table


def _distances(values: Floats, totals: Floats, level: Level) -> Floats:
    """Return the squared distances of each two values; those of an ordinal scale depend on how
    often the values between them were given."""
    match level:
        case Level.NOMINAL:
            return 1 - np.eye(len(values))
        case Level.INTERVAL:
            return np.asarray((values[:, None] - values) ** 2)
        case Level.ORDINAL:
            middles = np.cumsum(totals) - totals / 2
            return np.asarray((middles[:, None] - middles) ** 2)
