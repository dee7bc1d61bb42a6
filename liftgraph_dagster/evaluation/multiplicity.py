"""Many p-values at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.bootstrap import Floats


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that one false claim among all has at most the level's chance
    (Holm 1979); in their order."""
    p, order = _sorted(p_values)
    adjusted = np.maximum.accumulate(p * np.arange(len(p), 0, -1))
    return _back(adjusted, order)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that the expected share of false claims stays at the level
    (Benjamini and Hochberg 1995); in their order. For exploring, and named so."""
    p, order = _sorted(p_values)
    stepped = p * len(p) / np.arange(1, len(p) + 1)
    return _back(np.minimum.accumulate(stepped[::-1])[::-1], order)


def _sorted(p_values: Sequence[float]) -> tuple[Floats, list[int]]:
    p = np.asarray(p_values, dtype=float)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError("p-values lie in [0, 1]")
    order = [int(place) for place in np.argsort(p, kind="stable")]
    return p[order], order


def _back(adjusted: Floats, order: list[int]) -> list[float]:
    found = [0.0] * len(order)
    for place, value in zip(order, adjusted, strict=True):
        found[place] = min(float(value), 1.0)
    return found
