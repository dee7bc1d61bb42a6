"""Coefficients against published numbers and against packages that others wrote."""

from __future__ import annotations

from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.agreement import (
    Level,
    Shown,
    Weights,
    agreement_verdict,
    alpha_with_interval,
    cohen_kappa,
    confusion,
    fleiss_kappa,
    kappa_with_interval,
    krippendorff_alpha,
)
from liftgraph_dagster.evaluation.bootstrap import Estimate

NONE = np.nan
CANONICAL = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
    [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
]
"""Krippendorff, "Computing Krippendorff's alpha-reliability", section C: four observers."""

FLEISS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
"""The worked example of the article "Fleiss' kappa": 14 raters, 10 items, 5 marks."""

RATERS = st.integers(2, 4)


def random_ratings(seed: int, raters: int = 3, items: int = 15) -> Any:
    """Return ratings 1 to 5 of raters who agree in part; some are missing."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(1, 6, items)
    ratings = np.clip(truth + generator.integers(-1, 2, (raters, items)), 1, 5).astype(float)
    ratings[generator.random((raters, items)) < 0.2] = np.nan
    return ratings


def estimate(value: float, low: float | None) -> Estimate:
    """Return an alpha with this lower bound."""
    return Estimate(value, low, 1.0, n=20, clusters=20, level=0.95, method="given")


@pytest.mark.parametrize(
    ("level", "published"),
    [(Level.NOMINAL, 0.7434), (Level.ORDINAL, 0.8154), (Level.INTERVAL, 0.8491)],
)
def test_alpha_of_the_canonical_example_is_the_published_one(
    level: Level, published: float
) -> None:
    assert krippendorff_alpha(CANONICAL, level) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("seed", range(5))
def test_alpha_equals_that_of_the_package_krippendorff(level: Level, seed: int) -> None:
    ratings = random_ratings(seed)

    known = krippendorff.alpha(ratings, level_of_measurement=level.value)

    assert krippendorff_alpha(ratings, level) == pytest.approx(known, abs=1e-12)


@given(seed=st.integers(0, 10_000), raters=RATERS)
@settings(deadline=None, max_examples=30)
def test_alpha_does_not_depend_on_the_order_of_raters_and_items(seed: int, raters: int) -> None:
    ratings = random_ratings(seed, raters)
    generator = np.random.default_rng(seed)
    mixed = ratings[generator.permutation(raters)][:, generator.permutation(ratings.shape[1])]

    assert krippendorff_alpha(mixed, Level.ORDINAL) == pytest.approx(
        krippendorff_alpha(ratings, Level.ORDINAL)
    )


def test_alpha_is_one_for_raters_who_always_agree() -> None:
    assert krippendorff_alpha([[1, 2, 5], [1, 2, 5]], Level.ORDINAL) == 1.0


def test_alpha_is_negative_for_raters_who_agree_less_than_chance() -> None:
    assert krippendorff_alpha([[1, 2, 1, 2], [2, 1, 2, 1]], Level.NOMINAL) < 0


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [
        ([[1, 2, 3]], "1 rater; it needs two"),
        ([[1, NONE], [NONE, 2]], "no item was marked twice"),
        ([[NONE, NONE], [NONE, NONE]], "no item was marked twice"),
        ([[4, 4, 4], [4, 4, 4]], "all marks are equal"),
    ],
)
def test_alpha_without_what_it_needs_is_undefined(ratings: Any, reason: str) -> None:
    with pytest.raises(Undefined, match=reason):
        krippendorff_alpha(ratings, Level.ORDINAL)


def test_ratings_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"the shape \(raters, items\)"):
        krippendorff_alpha([1, 2, 3], Level.NOMINAL)


def test_the_interval_of_alpha_holds_alpha_and_says_how_it_was_made() -> None:
    found = alpha_with_interval(CANONICAL, Level.ORDINAL, resamples=500, seed=7)

    assert found.value == pytest.approx(0.8154, abs=5e-5)
    assert found.low is not None
    assert found.high is not None
    assert -1 < found.low < found.value < found.high <= 1
    assert (found.n, found.level) == (12, 0.95)
    assert found.method == "percentile bootstrap, 500 resamples of clusters, seed 7"


def test_the_interval_of_alpha_draws_whole_clusters() -> None:
    """Ten copies of each item, in clusters of their item, are no more evidence than one."""
    ratings = random_ratings(3, items=20)
    copies, clusters = np.repeat(ratings, 10, axis=1), np.repeat(np.arange(20), 10).tolist()

    alone = alpha_with_interval(ratings, Level.INTERVAL, resamples=300)
    copied = alpha_with_interval(copies, Level.INTERVAL, clusters=clusters, resamples=300)

    assert copied.low == pytest.approx(alone.low, abs=0.03)
    assert (copied.n, copied.clusters) == (200, 20)


def test_kappa_of_the_textbook_table() -> None:
    # observed (20 + 15) / 50 = .7, expected (25 * 30 + 25 * 20) / 2500 = .5, (.7 - .5) / .5
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)


@pytest.mark.parametrize("weights", Weights)
@pytest.mark.parametrize("seed", range(5))
def test_kappa_equals_that_of_scikit_learn(weights: Weights, seed: int) -> None:
    one, two = np.nan_to_num(random_ratings(seed, raters=2, items=30), nan=3.0)
    scale = [1, 2, 3, 4, 5]

    known = cohen_kappa_score(
        one, two, labels=scale, weights=None if weights is Weights.NONE else weights.value
    )

    assert cohen_kappa(confusion(one, two, scale), weights) == pytest.approx(known, abs=1e-12)


def test_kappa_does_not_count_what_one_rater_has_not_marked() -> None:
    found = kappa_with_interval([1, 2, 1, 2, NONE], [1, 2, 1, 2, 1], [1, 2], resamples=100)

    assert (found.value, found.n) == (1.0, 4)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([[0, 0], [0, 0]], "the table is empty"),
        ([[9, 0], [0, 0]], "one and the same mark throughout"),
    ],
)
def test_kappa_without_what_it_needs_is_undefined(table: Any, reason: str) -> None:
    with pytest.raises(Undefined, match=reason):
        cohen_kappa(table)


def test_kappa_refuses_a_table_that_is_not_square() -> None:
    with pytest.raises(InputError, match="square"):
        cohen_kappa([[1, 2, 3], [4, 5, 6]])


def test_kappa_of_fleiss_is_the_published_one() -> None:
    assert fleiss_kappa(FLEISS) == pytest.approx(0.2099307, abs=5e-8)


@pytest.mark.parametrize(
    ("counts", "error", "reason"),
    [
        ([[1, 1], [2, 1]], InputError, "same number of ratings"),
        ([[1, 0], [0, 1]], Undefined, "one rating"),
        ([[2, 0], [2, 0]], Undefined, "all marks are equal"),
        ([], InputError, "table of items by marks"),
    ],
)
def test_kappa_of_fleiss_without_what_it_needs_is_refused(
    counts: Any, error: type[InputError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        fleiss_kappa(counts)


@pytest.mark.parametrize(
    ("value", "low", "raters", "shown"),
    [
        (0.85, 0.70, 2, Shown.MET),
        (0.80, 0.70, 2, Shown.NOT_SHOWN),
        (0.85, 0.667, 2, Shown.NOT_SHOWN),
        (0.85, None, 2, Shown.NOT_SHOWN),
        (0.99, 0.95, 1, Shown.UNDEFINED),
        (0.99, 0.95, 0, Shown.UNDEFINED),
    ],
)
def test_agreement_is_met_only_by_estimate_and_lower_bound_of_two_raters(
    value: float, low: float | None, raters: int, shown: Shown
) -> None:
    assert agreement_verdict(estimate(value, low), raters=raters).shown is shown


def test_agreement_of_one_rater_is_undefined_and_says_so() -> None:
    verdict = agreement_verdict(estimate(0.99, 0.95), raters=1)

    assert verdict.reason == "there is one rater; agreement needs two"


def test_agreement_without_a_coefficient_is_undefined() -> None:
    assert agreement_verdict(None, raters=2).shown is Shown.UNDEFINED
