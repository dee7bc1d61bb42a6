"""How many examples and repeats an improvement needs to be seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from liftgraph_dagster.errors import InputError, Undefined


@dataclass(frozen=True)
class Components:
    """Where the variance of repeated scores lies."""

    between: float
    """Between examples, without the noise of the repeats; at least 0."""
    within: float
    """Between repeats of one example."""
    n: int
    repeats: int


def power(d: float, n: float, alpha: float = 0.05, *, sides: int = 2) -> float:
    """Return the chance that a paired t-test of `n` differences claims an effect of size `d` (in
    standard deviations of the differences), from the noncentral t."""
    df, noncentrality = n - 1, d * math.sqrt(n)
    critical = float(stats.t.ppf(1 - alpha / sides, df))
    above = float(stats.nct.sf(critical, df, noncentrality))
    if sides == 1:
        return above
    below = float(stats.nct.cdf(-critical, df, noncentrality))
    return above + (0.0 if math.isnan(below) else below)  # scipy has NaN for some tails near 0


def n_for(d: float, target: float = 0.8, alpha: float = 0.05, *, sides: int = 2) -> float:
    """Return the number of examples, with its fraction, with which an effect of size `d` is claimed
    with the chance `target`; round it up. Raises InputError for no effect."""
    if not d > 0:
        raise InputError(f"an effect to look for is above 0; {d} is not")
    if power(d, 2.0, alpha, sides=sides) >= target:
        return 2.0
    high = 4.0
    while power(d, high, alpha, sides=sides) < target:
        high *= 2
    missing = lambda n: power(d, n, alpha, sides=sides) - target  # noqa: E731
    return float(optimize.brentq(missing, 2.0, high, xtol=1e-9))


def n_for_difference(difference: float, sd: float, target: float = 0.8, alpha: float = 0.05) -> int:
    """Return the whole number of examples with which a mean difference is claimed with the chance
    `target` when differences have the standard deviation `sd`."""
    return math.ceil(n_for(difference / sd, target, alpha) - 1e-9) if sd > 0 else 2


def n_for_non_inferiority(
    margin: float, sd: float, target: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the whole number of examples with which programs that are equal in truth are shown not
    to differ by more than `margin` downwards, one-sided."""
    return math.ceil(n_for(margin / sd, target, alpha, sides=1) - 1e-9) if sd > 0 else 2


def detectable(n: int, target: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest effect size that `n` examples claim with the chance `target`. Raises
    Undefined with fewer than two."""
    if n < 2:
        raise Undefined(f"{n} example(s) detect no effect; it needs two")
    high = 1.0
    while power(high, n, alpha) < target:
        high *= 2
    return float(optimize.brentq(lambda d: power(d, n, alpha) - target, 1e-9, high, xtol=1e-12))


def upper_sd(sd: float, df: int, confidence: float = 0.8) -> float:
    """Return the one-sided upper limit of a standard deviation estimated with `df` degrees of
    freedom: planning with the estimate itself falls short half of the time."""
    return sd * math.sqrt(df / float(stats.chi2.ppf(1 - confidence, df)))


def components(scores: npt.ArrayLike) -> Components:
    """Return the variance components of scores of shape (examples, repeats), by one-way ANOVA.
    Raises Undefined with fewer than two repeats or examples: then they cannot be told apart."""
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise InputError("scores are numbers of the shape (examples, repeats)")
    n, k = table.shape
    if n < 2 or k < 2:
        raise Undefined(f"variance components need two examples and two repeats; got {n} and {k}")
    within = float(table.var(axis=1, ddof=1).mean())
    between = float(table.mean(axis=1).var(ddof=1)) - within / k
    return Components(max(between, 0.0), within, n, k)


def n_with_repeats(
    difference: float,
    between: float,
    within: tuple[float, float] = (0.0, 0.0),
    repeats: tuple[int, int] = (1, 1),
    *,
    target: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """Return the number of examples, with its fraction, for a mean difference when each program is
    run so many times on each (Miller 2024, eq. 9):

        n = (z(1 - alpha/2) + z(target))^2 (between + within_a/K_a + within_b/K_b) / difference^2

    `between` is the variance of the true differences, `within` that of either program's repeats.
    """
    z = float(stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(target))
    noise = sum(variance / k for variance, k in zip(within, repeats, strict=True))
    return z * z * (between + noise) / difference**2


def advised_repeats(between: float, within: float, *, most: int = 10) -> int:
    """Return after how many repeats noise is at most a fifth of the variance of a difference, up to
    `most`: from there more examples help more than more repeats. `within` is the sum of both
    programs' variances between repeats."""
    if between <= 0:
        return most if within > 0 else 1
    return max(1, min(most, math.ceil(4 * within / between)))
