"""The paired comparison against published numbers, scipy, and what must not change it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.paired import (
    bca,
    d_av,
    d_z,
    differences,
    g_z,
    hedges_correction,
    paired_t,
    sign_flip,
    survives_worst_case,
    worst_cases_to_overturn,
)

A = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2]
B = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
SLEEP = np.subtract(B, A)
"""Student 1908, R's data set `sleep`: hours of sleep gained under two drugs."""

FLOAT_NOISE = np.subtract([0.7, 0.5, 0.3], [0.6, 0.4, 0.2])
"""Three differences of .1 that are not quite equal."""

SAMPLES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=3, max_size=12)


def test_the_t_test_of_students_sleep_data() -> None:
    test = paired_t(SLEEP)

    assert test.mean == pytest.approx(1.58)
    assert test.t == pytest.approx(4.0621277, abs=5e-8)
    assert test.df == 9
    assert test.p == pytest.approx(0.00283289, abs=5e-9)
    assert test.interval() == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


def test_effect_sizes_of_students_sleep_data() -> None:
    d, g = d_z(SLEEP), g_z(SLEEP)

    assert d.value == pytest.approx(1.2845576, abs=5e-8)
    assert (d.low, d.high) == pytest.approx((0.4146278, 2.1180165), abs=5e-8)
    assert hedges_correction(9) == pytest.approx(0.9138749, abs=5e-8)
    assert g.value == pytest.approx(1.1739249, abs=5e-8)
    assert (g.low, g.high) == pytest.approx((0.3789, 1.9356), abs=5e-5)
    assert d_av(A, B) == pytest.approx(0.8321811, abs=5e-8)


def test_the_sign_flips_of_students_sleep_data_are_counted_exactly() -> None:
    found = sign_flip(SLEEP)

    assert found.p == 0.00390625  # 2 of 2^9: one difference is 0
    assert (found.exact, found.flips) == (True, 512)


def test_drawn_flips_agree_with_the_t_test() -> None:
    d = np.random.default_rng(4).normal(0.1, 0.3, 60)

    found = sign_flip(d, seed=1)

    assert (found.exact, found.flips) == (False, 9_999)
    assert found.p == pytest.approx(paired_t(d).p, abs=0.01)
    assert found == sign_flip(d, seed=1)


def test_drawn_flips_are_never_zero() -> None:
    assert sign_flip(np.ones(40)).p == 1 / 10_000


def test_sums_that_differ_by_rounding_are_ties() -> None:
    """.1 + .2 - .3 is not 0 in floating point; of 8 flips all but none reach it."""
    assert sign_flip([0.1, 0.2, -0.3]).p == 1.0


def test_whole_clusters_are_flipped() -> None:
    clusters = [0, 0, 0, 1, 1, 1, 2, 2, 2]

    found = sign_flip([0.1] * 9, clusters)

    assert (found.p, found.flips) == (2 / 8, 8)


def test_repeats_are_averaged() -> None:
    assert differences([[0, 1], [0, 0]], [[1, 1], [0, 1]]).tolist() == [0.5, 0.5]


def test_copies_within_their_cluster_change_neither_interval_nor_p() -> None:
    clusters = np.repeat(np.arange(10), 7).tolist()

    copied, alone = paired_t(np.repeat(SLEEP, 7), clusters), paired_t(SLEEP)

    assert copied.interval() == pytest.approx(alone.interval())
    assert copied.p == pytest.approx(alone.p)
    assert (copied.n, copied.clusters) == (70, 10)


def test_the_clustered_error_by_hand() -> None:
    # mean .1; cluster sums of residuals (.2, -.2): SE^2 = 2/1 * (.04 + .04) / 4^2 = .01
    test = paired_t([0.2, 0.2, 0.0, 0.0], ["a", "a", "b", "b"])

    assert (test.mean, test.se, test.t) == pytest.approx((0.1, 0.1, 1.0))


@pytest.mark.parametrize(
    ("d", "p", "note", "interval"),
    [
        ([0.0] * 5, 1.0, "identical", (0.0, 0.0)),
        ([0.1] * 5, 2**-4, "constant", (0.1, 0.1)),
        ([-0.1] * 6, 2**-5, "constant", (-0.1, -0.1)),
        (FLOAT_NOISE, 2**-2, "constant", (0.1, 0.1)),
    ],
)
def test_without_variance_there_is_no_t_and_p_is_that_of_the_sign_test(
    d: Any, p: float, note: str, interval: tuple[float, float]
) -> None:
    test = paired_t(d)

    assert (test.t, test.p, test.note) == (None, p, note)
    assert test.interval() == pytest.approx(interval)
    with pytest.raises(Undefined, match=f"d_z is undefined: {note}"):
        d_z(d)


def test_clusters_that_do_not_vary_count_as_no_variance() -> None:
    assert paired_t([0.3, -0.1, 0.3, -0.1], ["a", "a", "b", "b"]).note == "constant"


def test_one_cluster_gives_a_mean_and_nothing_else() -> None:
    test = paired_t([0.1, 0.2], ["a", "a"])

    assert (test.mean, test.p, test.note) == (pytest.approx(0.15), None, "one cluster")
    with pytest.raises(Undefined, match="no interval"):
        test.interval()


@pytest.mark.parametrize("function", [paired_t, d_z, sign_flip, bca, survives_worst_case])
@pytest.mark.parametrize(
    ("d", "says"), [([], "no differences"), ([0.1, math.nan], "no number"), ([math.inf], "number")]
)
def test_what_is_no_number_is_refused_and_never_left_out(function: Any, d: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        function(d)


@pytest.mark.parametrize(
    ("baseline", "candidate", "says"),
    [
        ([1, 2], [1], "2 and 1 examples are not pairs"),
        ([1, math.nan], [1, 1], "no number"),
        ([[[1]]], [[[1]]], "shape"),
    ],
)
def test_scores_that_are_no_pairs_are_refused(baseline: Any, candidate: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        differences(baseline, candidate)


def test_each_difference_needs_its_cluster() -> None:
    with pytest.raises(InputError, match="2 differences and 1 clusters"):
        paired_t([0.1, 0.2], ["a"])


@given(d=SAMPLES)
@settings(deadline=None)
def test_programs_that_change_places_change_the_sign_alone(d: list[float]) -> None:
    one, two = paired_t(d), paired_t(np.negative(d))

    assert two.mean == pytest.approx(-one.mean, abs=1e-12)
    assert two.p == pytest.approx(one.p)
    assert sign_flip(np.negative(d)).p == sign_flip(d).p


@given(d=SAMPLES, order=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_examples_does_not_count(d: list[float], order: Any) -> None:
    mixed = order.sample(d, len(d))

    assert paired_t(mixed).p == pytest.approx(paired_t(d).p)
    assert sign_flip(mixed).p == sign_flip(d).p


def test_a_change_of_unit_leaves_the_effect_size() -> None:
    assert d_z(SLEEP * 2).low == pytest.approx(d_z(SLEEP).low)


@pytest.mark.parametrize("mean", [5.0, -5.0, 0.0])
def test_the_interval_of_an_effect_holds_it_even_far_out(mean: float) -> None:
    """There scipy's noncentral t has no number for the far tail."""
    effect = d_z(np.random.default_rng(0).normal(mean, 0.1, 100))

    assert effect.low < effect.value < effect.high


def test_bca_is_that_of_scipy() -> None:
    known = stats.bootstrap(
        (SLEEP,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(0)
    ).confidence_interval

    found = bca(SLEEP, resamples=20_000)

    assert (found.low, found.high) == pytest.approx(tuple(known), abs=0.05)


def test_rare_breaks_make_t_sure_of_nothing_and_the_worst_case_guard_stops_it() -> None:
    """+.05 on most and -.95 on one in twenty has the mean 0; without a break in the sample t is
    certain."""
    lucky = np.full(20, 0.05)
    lucky[:2] = 0.06

    assert paired_t(lucky).interval()[0] > 0
    assert not survives_worst_case(lucky)
    assert worst_cases_to_overturn(lucky) == 1


def test_the_worst_cases_that_overturn_a_large_improvement_are_counted() -> None:
    # 40 differences alternate .2 and .4; with k of -1 the mean is (12 - k) / (40 + k).
    d = [0.2, 0.4] * 20

    found = worst_cases_to_overturn(d)

    assert survives_worst_case(d, unseen=found - 1)
    assert not survives_worst_case(d, unseen=found)
    assert 2 < found < 12


def test_nothing_is_overturned_where_nothing_is_concluded() -> None:
    assert worst_cases_to_overturn([0.1, -0.1, 0.2, -0.2]) == 0


def test_the_worst_case_guard_counts_clusters() -> None:
    """Two families gain .45, two gain .05: forty examples are evidence, four families are none."""
    d, families = np.repeat([0.45, 0.05, 0.45, 0.05], 10), np.repeat(range(4), 10).tolist()

    assert survives_worst_case(d)
    assert not survives_worst_case(d, families)


@pytest.mark.parametrize("n", [20, 50])
def test_t_claims_an_improvement_of_nothing_at_its_level(n: int) -> None:
    """2,000 null samples; one-sided 2.5 % with a Monte Carlo error of .35 points."""
    samples = np.random.default_rng(n).normal(0, 0.2, (2000, n))
    t = samples.mean(axis=1) / (samples.std(axis=1, ddof=1) / math.sqrt(n))
    assert paired_t(samples[0]).t == pytest.approx(t[0])

    share = float((t > stats.t.ppf(0.975, n - 1)).mean())

    assert 0.015 < share < 0.035
