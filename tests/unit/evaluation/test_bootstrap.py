from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from liftgraph_dagster.errors import Undefined
from liftgraph_dagster.evaluation.bootstrap import (
    Indices,
    Statistic,
    bca_interval,
    percentile_interval,
)

VALUES = np.random.default_rng(5).exponential(size=40)


def mean(indices: Indices) -> float:
    return float(VALUES[indices].mean())


def mean_unless_it_lacks_the_first(indices: Indices) -> float:
    if 0 not in indices:
        raise Undefined("the first value is missing")
    return mean(indices)


@pytest.mark.parametrize(
    ("interval", "method"), [(percentile_interval, "percentile"), (bca_interval, "BCa")]
)
def test_an_interval_of_a_mean_is_that_of_scipy(interval: object, method: str) -> None:
    """The draws differ, so the bounds agree within the noise of 20,000 resamples."""
    known = stats.bootstrap(
        (VALUES,), np.mean, n_resamples=20_000, method=method, rng=np.random.default_rng(1)
    ).confidence_interval

    found = interval(mean, range(40), resamples=20_000)  # type: ignore[operator]

    assert (found.low, found.high) == pytest.approx(tuple(known), abs=0.02)


@pytest.mark.parametrize("interval", [percentile_interval, bca_interval])
def test_the_same_seed_gives_the_same_interval_and_another_seed_another(interval: object) -> None:
    found = [interval(mean, range(40), resamples=50, seed=seed) for seed in (1, 1, 2)]  # type: ignore[operator]

    assert found[0] == found[1]
    assert found[1].low != found[2].low


def test_copies_within_a_cluster_leave_the_interval_as_it_is() -> None:
    def mean_of_copies(indices: Indices) -> float:
        return float(np.repeat(VALUES, 3)[indices].mean())

    alone = percentile_interval(mean, range(40), resamples=200)
    copies = percentile_interval(mean_of_copies, np.repeat(range(40), 3).tolist(), resamples=200)

    assert (copies.low, copies.high) == pytest.approx((alone.low, alone.high))
    assert (copies.n, copies.clusters) == (120, 40)


def test_an_undefined_resample_can_only_widen_the_interval() -> None:
    """A resample of 40 lacks a given value with probability .36: more than either tail."""
    found = percentile_interval(mean_unless_it_lacks_the_first, range(40), resamples=500)

    assert found.value == pytest.approx(VALUES.mean())
    assert (found.low, found.high) == (None, None)


@pytest.mark.parametrize("interval", [percentile_interval, bca_interval])
def test_one_cluster_has_no_interval(interval: object) -> None:
    with pytest.raises(Undefined, match="two clusters; there is 1"):
        interval(mean, ["one"] * 40)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("statistic", "reason"),
    [(lambda _: 1.0, "do not vary"), (mean_unless_it_lacks_the_first, "have no value")],
)
def test_bca_says_when_it_is_undefined(statistic: Statistic, reason: str) -> None:
    with pytest.raises(Undefined, match=reason):
        bca_interval(statistic, range(40), resamples=100)


def test_bca_is_undefined_when_every_resample_lies_on_one_side() -> None:
    def whole(indices: Indices) -> float:
        return 2.0 if len(set(indices)) == 40 else mean(indices)

    with pytest.raises(Undefined, match="one side"):
        bca_interval(whole, range(40), resamples=100)
