"""Successes and failures of two programs on the same examples, and rare events."""

from __future__ import annotations

import math

from scipy import stats

from liftgraph_dagster.errors import InputError

SEVERE = -0.5
"""A difference this low or lower is a severe regression."""


def mcnemar_mid_p(b: int, c: int) -> float:
    """Return McNemar's two-sided mid-p of `b` against `c` discordant pairs (Fagerland, Lydersen and
    Laake 2013); 1 when there is none."""
    if b < 0 or c < 0:
        raise InputError(f"numbers of pairs cannot be negative: {b}, {c}")
    if b + c == 0:
        return 1.0
    point = float(stats.binom.pmf(min(b, c), b + c, 0.5))
    if b == c:
        return 1 - point / 2
    return 2 * float(stats.binom.cdf(min(b, c), b + c, 0.5)) - point


def newcombe_interval(
    both: int, first: int, second: int, neither: int, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference of two paired proportions, the first's minus the
    second's (Newcombe 1998, method 10: Wilson intervals, squared and added, with the correlation).

    The arguments count the pairs in which both succeed, only one does, neither does. Raises
    InputError when there is no pair.
    """
    n = both + first + second + neither
    if n == 0 or min(both, first, second, neither) < 0:
        raise InputError("an interval needs at least one pair, and no negative number of them")
    z = float(stats.norm.ppf((1 + level) / 2))
    p1, p2 = (both + first) / n, (both + second) / n
    (low1, high1), (low2, high2) = _wilson(p1, n, z), _wilson(p2, n, z)
    phi = _phi(both, first, second, neither)
    below = _added(p1 - low1, high2 - p2, phi)
    above = _added(high1 - p1, p2 - low2, phi)
    return p1 - p2 - below, p1 - p2 + above


def clopper_pearson_upper(events: int, n: int, confidence: float = 0.95) -> float:
    """Return the one-sided exact upper limit of a rate (Clopper and Pearson 1934); 1 for n = 0."""
    if not 0 <= events <= n:
        raise InputError(f"{events} events in {n} examples cannot be")
    if events == n:
        return 1.0
    return float(stats.beta.ppf(confidence, events + 1, n - events))


def n_to_exclude(rate: float, events: int = 0, confidence: float = 0.95) -> int:
    """Return the smallest number of examples with which `events` events exclude `rate`."""
    if not 0 < rate < 1:
        raise InputError(f"a rate to exclude lies between 0 and 1; {rate} does not")
    n = events + 1
    while clopper_pearson_upper(events, n, confidence) >= rate:
        n += 1
    return n


def _wilson(p: float, n: int, z: float) -> tuple[float, float]:
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def _phi(a: int, b: int, c: int, d: int) -> float:
    """Return the correlation of the pairs, drawn towards 0 when it is positive."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if not margins:
        return 0.0
    product = a * d - b * c
    corrected = max(product - (a + b + c + d) / 2, 0) if product > 0 else product
    return corrected / math.sqrt(margins)


def _added(one: float, two: float, phi: float) -> float:
    return math.sqrt(max(one * one - 2 * phi * one * two + two * two, 0.0))
