"""Bootstrap intervals whose unit is the cluster: an item with all its ratings, or a family."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from liftgraph_dagster.errors import Undefined

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Statistic = Callable[[Indices], float]
"""Gives a number for the items at these places; raises Undefined when they determine none."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A number with a two-sided interval."""

    value: float
    low: float | None
    """None when there is no lower bound: too many resamples left the statistic undefined."""
    high: float | None
    n: int
    """Items."""
    clusters: int
    level: float
    method: str
    """How the interval was made, with resamples and seed."""


def percentile_interval(
    statistic: Statistic,
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the statistic of all items with its percentile interval.

    `clusters` has the cluster of each item; whole clusters are drawn with replacement. A resample
    that leaves the statistic undefined counts as the lowest value for the lower bound and as the
    highest for the upper one, so that it can only widen the interval.

    Raises Undefined when the items determine no value, or lie in one cluster alone.
    """
    value = statistic(np.arange(len(clusters)))
    drawn = _replicates(statistic, clusters, resamples, seed)
    tail = (1 - level) / 2
    low = np.quantile(np.nan_to_num(drawn, nan=-np.inf), tail, method="inverted_cdf")
    high = np.quantile(np.nan_to_num(drawn, nan=np.inf), 1 - tail, method="inverted_cdf")
    return Estimate(
        value=value,
        low=_finite(low),
        high=_finite(high),
        n=len(clusters),
        clusters=len(set(clusters)),
        level=level,
        method=f"percentile bootstrap, {resamples} resamples of clusters, seed {seed}",
    )


def bca_interval(
    statistic: Statistic,
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the statistic of all items with its bias-corrected and accelerated interval (Efron
    1987): z0 from the share of resamples below the value, ties counted half, and the acceleration
    from leaving out one cluster at a time.

    Raises Undefined when a resample does, when all are equal, or when all lie on one side of the
    value, where the correction has no finite value.
    """
    value = statistic(np.arange(len(clusters)))
    drawn = _replicates(statistic, clusters, resamples, seed)
    if np.isnan(drawn).any() or np.ptp(drawn) == 0:
        raise Undefined(
            "the BCa interval is undefined: the resamples do not vary, or have no value"
        )
    share = np.mean(drawn < value) + 0.5 * np.mean(drawn == value)
    if not 0 < share < 1:
        raise Undefined("the BCa interval is undefined: every resample lies on one side")
    low, high = np.quantile(drawn, _bca_levels(share, _left_out(statistic, clusters), level))
    return Estimate(
        value=value,
        low=float(low),
        high=float(high),
        n=len(clusters),
        clusters=len(set(clusters)),
        level=level,
        method=f"BCa bootstrap, {resamples} resamples of clusters, seed {seed}",
    )


def _bca_levels(share: float, left_out: Floats, level: float) -> list[float]:
    """Return the two levels of the resamples' distribution that bound a BCa interval."""
    normal = NormalDist()
    centred = left_out.mean() - left_out
    spread = float((centred**2).sum())
    acceleration = float((centred**3).sum()) / (6 * spread**1.5) if spread else 0.0
    z0 = normal.inv_cdf(share)
    levels = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = z0 + normal.inv_cdf(tail)
        levels.append(normal.cdf(z0 + z / (1 - acceleration * z)))
    return levels


def _replicates(
    statistic: Statistic, clusters: Sequence[Hashable], resamples: int, seed: int
) -> Floats:
    """Return the statistic of each resample, NaN where it is undefined."""
    members = _members(clusters)
    if len(members) < 2:
        raise Undefined(f"an interval needs two clusters; there is {len(members)}")
    generator = np.random.default_rng(seed)
    draws = generator.integers(len(members), size=(resamples, len(members)))
    return np.array(
        [_or_nan(statistic, np.concatenate([members[place] for place in draw])) for draw in draws]
    )


def _left_out(statistic: Statistic, clusters: Sequence[Hashable]) -> Floats:
    members = _members(clusters)
    return np.array([statistic(np.concatenate(rest)) for rest in _all_but_one(members)])


def _all_but_one(members: list[Indices]) -> Iterator[list[Indices]]:
    for place in range(len(members)):
        yield members[:place] + members[place + 1 :]


def _members(clusters: Sequence[Hashable]) -> list[Indices]:
    places: dict[Hashable, list[int]] = {}
    for place, cluster in enumerate(clusters):
        places.setdefault(cluster, []).append(place)
    return [np.array(found, dtype=np.intp) for found in places.values()]


def _or_nan(statistic: Statistic, indices: Indices) -> float:
    try:
        return statistic(indices)
    except Undefined:
        return np.nan


def _finite(bound: float) -> float | None:
    return float(bound) if np.isfinite(bound) else None
