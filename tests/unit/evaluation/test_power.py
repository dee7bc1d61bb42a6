from __future__ import annotations

import math

import numpy as np
import pytest

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.power import (
    advised_repeats,
    components,
    detectable,
    n_for,
    n_for_difference,
    n_for_non_inferiority,
    n_with_repeats,
    power,
    upper_sd,
)


@pytest.mark.parametrize(
    ("d", "exact", "whole"), [(0.2, 198.15, 199), (0.5, 33.367, 34), (0.8, 14.303, 15)]
)
def test_the_examples_for_an_effect_are_those_of_gpower(d: float, exact: float, whole: int) -> None:
    assert n_for(d) == pytest.approx(exact, abs=0.005)
    assert math.ceil(n_for(d)) == whole


@pytest.mark.parametrize(
    ("d", "n", "alpha", "published"), [(0.5, 34, 0.05, 0.8077775), (0.2, 60, 0.10, 0.4555818)]
)
def test_power_is_that_of_gpower_and_r(d: float, n: int, alpha: float, published: float) -> None:
    assert power(d, n, alpha) == pytest.approx(published, abs=5e-8)


def test_power_counts_claims_in_either_direction() -> None:
    assert power(-0.5, 34) == pytest.approx(power(0.5, 34))
    assert power(0.0, 34) == pytest.approx(0.05)


def test_power_of_a_huge_effect_is_one() -> None:
    """There scipy's noncentral t has no number for the far tail."""
    assert power(5.0, 50) == pytest.approx(1.0)


@pytest.mark.parametrize(("n", "d"), [(20, 0.66), (50, 0.404), (200, 0.199)])
def test_what_so_many_examples_detect(n: int, d: float) -> None:
    assert round(detectable(n), 3) == pytest.approx(d, abs=0.0005)


@pytest.mark.parametrize(
    ("difference", "sd", "n"),
    [(0.05, 0.45, 638), (0.10, 0.45, 161), (0.05, 0.17, 93), (0.10, 0.17, 25)],
)
def test_the_examples_for_a_difference(difference: float, sd: float, n: int) -> None:
    assert n_for_difference(difference, sd) == n


@pytest.mark.parametrize(("sd", "n"), [(0.17, 73), (0.27, 182), (0.45, 503)])
def test_the_examples_for_non_inferiority_by_five_points(sd: float, n: int) -> None:
    assert n_for_non_inferiority(0.05, sd) == n


def test_the_sample_size_of_miller() -> None:
    assert n_with_repeats(0.03, 1 / 9) == pytest.approx(968.997, abs=0.001)


def test_repeats_divide_their_own_noise_alone() -> None:
    once = n_with_repeats(0.1, 0.0, (0.2, 0.4), (1, 1))
    more = n_with_repeats(0.1, 0.0, (0.2, 0.4), (2, 4))

    assert more / once == pytest.approx((0.1 + 0.1) / 0.6)


def test_components_by_hand() -> None:
    # within: variances 0 and 2, mean 1; means 1 and 3 have variance 2; between = 2 - 1 / 2
    found = components([[1, 1], [2, 4]])

    assert (found.within, found.between) == pytest.approx((1.0, 1.5))


def test_components_are_found_again() -> None:
    generator = np.random.default_rng(2)
    scores = generator.normal(0, 0.3, (4000, 1)) + generator.normal(0, 0.2, (4000, 3))

    found = components(scores)

    assert found.between == pytest.approx(0.09, rel=0.06)
    assert found.within == pytest.approx(0.04, rel=0.06)


def test_the_variance_between_examples_is_never_negative() -> None:
    assert components([[0, 1], [1, 0]]).between == 0.0


@pytest.mark.parametrize(
    ("between", "within", "repeats"), [(0.1, 0.1, 4), (0.4, 0.1, 1), (0.01, 1.0, 10), (0.1, 0, 1),
                                       (0.0, 0.1, 10), (0.0, 0.0, 1)],
)  # fmt: skip
def test_the_repeats_that_leave_noise_a_fifth(between: float, within: float, repeats: int) -> None:
    assert advised_repeats(between, within) == repeats


def test_a_standard_deviation_is_planned_with_its_upper_limit() -> None:
    # chi2 with 9 degrees of freedom has 20 % below 5.380
    assert upper_sd(1.0, 9) == pytest.approx(math.sqrt(9 / 5.380), abs=1e-4)


def test_without_variance_two_examples_do() -> None:
    assert n_for_difference(0.1, 0.0) == n_for_non_inferiority(0.1, 0.0) == 2


@pytest.mark.parametrize("d", [0.0, -0.5, math.nan])
def test_no_effect_cannot_be_looked_for(d: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        n_for(d)


def test_what_determines_no_components_is_refused() -> None:
    with pytest.raises(Undefined, match="got 3 and 1"):
        components([[1], [2], [3]])
    with pytest.raises(InputError, match="shape"):
        components([1.0, 2.0])
    with pytest.raises(Undefined, match="needs two"):
        detectable(1)
