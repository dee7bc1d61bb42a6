"""Lists whose order does not count: which items belong together, and how alike they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Item = TypeVar("Item")

_UNITS = 2.0**40
"""Similarities are added as whole multiples of 1 / _UNITS. Such sums are exact (below 2**53), so
that two best pairings, of which the order of the items chooses one, have the very same score."""


class Pair(NamedTuple):
    """Two items that belong together."""

    predicted: int
    """Index in the predicted list."""
    expected: int
    similarity: float


class Matching(NamedTuple):
    """The best pairing of two lists."""

    score: float
    """Soft F1, in [0, 1]."""
    pairs: list[Pair]
    """In the order of the expected items; only pairs that are somewhat alike."""


def match(
    predicted: Sequence[Item],
    expected: Sequence[Item],
    similarity: Callable[[Item, Item], float],
) -> Matching:
    """Return the pairing of two lists with the largest sum of similarities, and its soft F1:

        2 * sum of the similarities of the pairs / (|predicted| + |expected|)

    which is 1 for two empty lists, does not depend on an order, and moves by at most
    2 / (|predicted| + |expected|) when one item changes. The pairing is the optimum of the
    assignment problem (Kuhn 1955), by scipy's `linear_sum_assignment`. `similarity` lies in [0, 1].
    """
    # Here, because it takes half a second, and loading a graph needs none of it.
    from scipy.optimize import linear_sum_assignment

    if not predicted or not expected:
        return Matching(float(len(predicted) == len(expected)), [])
    values = np.array([[similarity(p, e) for e in expected] for p in predicted])
    units = np.rint(values * _UNITS)
    rows, columns = linear_sum_assignment(units, maximize=True)
    pairs = [
        Pair(int(p), int(e), float(values[p, e]))
        for p, e in sorted(zip(rows, columns, strict=True), key=lambda pair: int(pair[1]))
        if values[p, e] > 0
    ]
    total = float(units[rows, columns].sum()) / _UNITS
    return Matching(2 * total / (len(predicted) + len(expected)), pairs)
