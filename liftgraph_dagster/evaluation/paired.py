"""Two programs on the same examples: the mean difference, its test, its interval, its size.

A difference is the candidate's score minus the baseline's, each the mean of its repeats; what
failed has scored 0. Examples of one family are one cluster: their differences are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.bootstrap import RESAMPLES, Estimate, Floats, bca_interval

EXACT_UP_TO = 16
"""Non-zero differences (or clusters) up to which every sign flip is tried."""
MONTE_CARLO = 9_999
"""Sign flips that are drawn beyond that."""


@dataclass(frozen=True)
class PairedT:
    """The paired t-test of a mean difference, with standard errors clustered (CR1)."""

    n: int
    clusters: int
    mean: float
    se: float | None
    """None with fewer than two clusters; 0 when the clusters do not vary."""
    t: float | None
    """None where there is no variance to divide by."""
    p: float | None
    """Two-sided; without variance that of the exact sign test; None with one cluster."""
    note: str = ""
    """What is unusual: `identical`, `constant` or `one cluster`."""

    @property
    def df(self) -> int:
        """Degrees of freedom."""
        return self.clusters - 1

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the two-sided interval of the mean. Its lower limit at 0.90 is the one-sided limit
        at 95 %. Raises Undefined with fewer than two clusters."""
        if self.se is None:
            raise Undefined("a mean difference has no interval with fewer than two clusters")
        half = float(stats.t.ppf((1 + level) / 2, self.df)) * self.se if self.se else 0.0
        return self.mean - half, self.mean + half


@dataclass(frozen=True)
class EffectSize:
    """A standardized mean difference with its interval."""

    value: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class SignFlip:
    """The permutation test that flips the signs of differences."""

    p: float
    """Two-sided."""
    exact: bool
    """True when every flip was tried."""
    flips: int
    seed: int


def differences(baseline: npt.ArrayLike, candidate: npt.ArrayLike) -> Floats:
    """Return candidate minus baseline for each example: scores of shape (n,), or (n, repeats), of
    which the mean is taken. Raises InputError for a score that is no number: a fault of the metric
    is never left out in silence."""
    means = [_item_means(scores) for scores in (baseline, candidate)]
    if means[0].shape != means[1].shape:
        raise InputError(f"{len(means[0])} and {len(means[1])} examples are not pairs")
    return means[1] - means[0]


def paired_t(differences: npt.ArrayLike, clusters: Sequence[Hashable] | None = None) -> PairedT:
    """Return the paired t-test; without `clusters` every example is one.

        SE^2 = G / (G - 1) * sum over clusters of (sum of d - mean)^2 / n^2,   t with G - 1 df

    which for clusters of one example is the ordinary s^2 / n. Differences that do not vary beyond
    rounding have no t: all zero gives p = 1; constant ones p = 2^(1 - G), the exact sign test.

    Raises InputError for no differences, or one that is no number.
    """
    d = _numbers(differences)
    sums, sizes = _cluster_sums(d, clusters)
    g, mean = len(sums), float(d.mean())
    if g < 2:
        return PairedT(len(d), g, mean, se=None, t=None, p=None, note="one cluster")
    residuals = sums - sizes * mean
    tolerance = 1e-12 + 1e-9 * float(np.abs(d).max())
    if np.abs(residuals / sizes).max() <= tolerance:
        if abs(mean) <= tolerance:
            return PairedT(len(d), g, 0.0, se=0.0, t=None, p=1.0, note="identical")
        return PairedT(len(d), g, mean, se=0.0, t=None, p=2.0 ** (1 - g), note="constant")
    se = math.sqrt(g / (g - 1) * float((residuals**2).sum())) / len(d)
    t = mean / se
    return PairedT(len(d), g, mean, se=se, t=t, p=float(2 * stats.t.sf(abs(t), g - 1)))


def d_z(differences: npt.ArrayLike, level: float = 0.95) -> EffectSize:
    """Return Cohen's d of paired differences, mean / sd, with the exact interval from the
    noncentral t. It grows with the number of repeats although nothing improves; never compare it
    across different numbers. Raises Undefined where the differences do not vary."""
    d = _numbers(differences)
    test = paired_t(d)
    if test.t is None:
        raise Undefined(f"d_z is undefined: {test.note}")
    root = math.sqrt(test.n)
    low = _noncentrality(test.t, test.df, (1 + level) / 2) / root
    high = _noncentrality(test.t, test.df, (1 - level) / 2) / root
    return EffectSize(test.t / root, low, high, level)


def g_z(differences: npt.ArrayLike, level: float = 0.95) -> EffectSize:
    """Return d_z without its small-sample bias: J(n - 1) d_z (Hedges 1981). Raises Undefined."""
    effect = d_z(differences, level)
    j = hedges_correction(np.size(differences) - 1)
    return EffectSize(j * effect.value, j * effect.low, j * effect.high, level)


def hedges_correction(df: int) -> float:
    """Return J(df) = gamma(df / 2) / (sqrt(df / 2) gamma((df - 1) / 2)); 0 for df = 1."""
    if df < 2:
        return 0.0
    return math.exp(
        float(special.gammaln(df / 2)) - float(special.gammaln((df - 1) / 2))
    ) / math.sqrt(df / 2)


def d_av(baseline: npt.ArrayLike, candidate: npt.ArrayLike) -> float:
    """Return the mean difference over the root mean square of both standard deviations (Lakens
    2013); steadier than d_z under repeats. Raises Undefined when neither side varies."""
    one, two = _item_means(baseline), _item_means(candidate)
    if len(one) < 2:
        raise Undefined("d_av is undefined with fewer than two examples")
    spread = math.sqrt((float(one.var(ddof=1)) + float(two.var(ddof=1))) / 2)
    if spread <= 1e-12:
        raise Undefined("d_av is undefined: neither program's scores vary")
    return float(differences(one, two).mean()) / spread


def sign_flip(
    differences: npt.ArrayLike, clusters: Sequence[Hashable] | None = None, *, seed: int = 0
) -> SignFlip:
    """Return the permutation test of the mean difference that flips whole clusters.

    All flips of up to 16 clusters with a non-zero sum are tried, else 9,999 are drawn and
    p = (1 + extreme) / (flips + 1). Sums equal within 1e-12 are ties.
    """
    sums, _ = _cluster_sums(_numbers(differences), clusters)
    moving = sums[np.abs(sums) > 1e-12]
    observed = abs(float(moving.sum())) - 1e-12 * max(1.0, float(np.abs(moving).sum()))
    if len(moving) <= EXACT_UP_TO:
        flips = 2 ** len(moving)
        bits = np.arange(flips)[:, None] >> np.arange(len(moving)) & 1
        extreme = int((np.abs((1 - 2 * bits) @ moving) >= observed).sum())
        return SignFlip(extreme / flips, exact=True, flips=flips, seed=seed)
    signs = np.random.default_rng(seed).integers(0, 2, (MONTE_CARLO, len(moving)), dtype=np.int8)
    extreme = int((np.abs((1 - 2 * signs) @ moving) >= observed).sum())
    p = (1 + extreme) / (MONTE_CARLO + 1)
    return SignFlip(p, exact=False, flips=MONTE_CARLO, seed=seed)


def bca(
    differences: npt.ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the mean difference with its BCa interval over clusters, for reading beside that of t.
    It is no test: below 50 examples it claims too often. Raises Undefined without variation."""
    d = _numbers(differences)
    groups = range(len(d)) if clusters is None else clusters
    return bca_interval(
        lambda items: float(d[items].mean()), groups, resamples=resamples, seed=seed
    )


def survives_worst_case(
    differences: npt.ArrayLike, clusters: Sequence[Hashable] | None = None, *, unseen: int = 1
) -> bool:
    """Return whether the mean is still above 0, one-sided at 5 %, after `unseen` more examples with
    the difference -1, each a cluster of its own. The t-test alone says "improved" too often when
    rare examples break badly."""
    d = _numbers(differences)
    groups: list[Hashable] = list(range(len(d)) if clusters is None else clusters)
    added: list[Hashable] = [("unseen", number) for number in range(unseen)]
    test = paired_t(np.append(d, -np.ones(unseen)), groups + added)
    return test.se is not None and test.interval(0.90)[0] > 0


def worst_cases_to_overturn(
    differences: npt.ArrayLike, clusters: Sequence[Hashable] | None = None
) -> int:
    """Return how many unseen examples with the difference -1 undo the conclusion; 0 when there is
    none to undo."""
    unseen = 0
    while survives_worst_case(differences, clusters, unseen=unseen):
        unseen += 1
    return unseen


def _noncentrality(t: float, df: int, share: float) -> float:
    """Return the noncentrality under which t has this share below it."""

    def surplus(noncentrality: float) -> float:
        below = float(stats.nct.cdf(t, df, noncentrality))
        if math.isnan(below):  # scipy has NaN for some tails near 0
            below = float(noncentrality < t)
        return below - share

    low, high = t - 10, t + 10
    while surplus(low) < 0:
        low -= 10 + abs(low)
    while surplus(high) > 0:
        high += 10 + abs(high)
    return float(optimize.brentq(surplus, low, high, xtol=1e-10))


def _cluster_sums(d: Floats, clusters: Sequence[Hashable] | None) -> tuple[Floats, Floats]:
    """Return the sum and the size of each cluster."""
    if clusters is None:
        return d, np.ones(len(d))
    if len(clusters) != len(d):
        raise InputError(f"{len(d)} differences and {len(clusters)} clusters: each needs one")
    places = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    codes = np.array([places[cluster] for cluster in clusters])
    return np.bincount(codes, weights=d).astype(float), np.bincount(codes).astype(float)


def _item_means(scores: npt.ArrayLike) -> Floats:
    table = np.asarray(scores, dtype=float)
    if table.ndim not in (1, 2) or not table.size:
        raise InputError(f"scores have the shape (n,) or (n, repeats); these have {table.shape}")
    _numbers(table)
    return table.mean(axis=1) if table.ndim == 2 else table


def _numbers(values: npt.ArrayLike) -> Floats:
    found = np.asarray(values, dtype=float)
    if not found.size:
        raise InputError("there are no differences")
    if not np.isfinite(found).all():
        raise InputError("a score is no number: mend the metric; nothing is left out in silence")
    return found
