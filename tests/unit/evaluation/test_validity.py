from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.validity import (
    Reaction,
    kendall_tau_b,
    metric_validity,
    reaction_ranks,
    spearman_rho,
)

GENERATOR = np.random.default_rng(11)
MARKS = GENERATOR.integers(1, 6, 60).astype(float)
SCORES = np.clip(MARKS / 5 + GENERATOR.normal(0, 0.2, 60), 0, 1)


def test_spearman_equals_that_of_scipy() -> None:
    assert spearman_rho(SCORES, MARKS) == pytest.approx(stats.spearmanr(SCORES, MARKS).statistic)


def test_kendall_by_counting_pairs() -> None:
    # 1 2 2 3 and 1 3 2 3: 4 concordant, 0 discordant, one tie in each: 4 / sqrt(5 * 5)
    assert kendall_tau_b([1, 2, 2, 3], [1, 3, 2, 3]) == pytest.approx(4 / 5)


def test_a_metric_that_goes_with_the_marks_is_valid_with_intervals() -> None:
    found = metric_validity(SCORES, MARKS, range(60), resamples=300, seed=3)

    for estimate in (found.spearman, found.kendall):
        assert 0 < estimate.low < estimate.value < estimate.high < 1
        assert estimate.n == 60
    assert found.kendall.value < found.spearman.value


def test_validity_does_not_depend_on_the_scale_of_the_marks() -> None:
    found = [
        metric_validity(SCORES, marks, range(60), resamples=100) for marks in (MARKS, MARKS**3)
    ]

    assert found[0] == found[1]


def test_a_reversed_metric_reverses_the_sign() -> None:
    found = metric_validity(1 - SCORES, MARKS, range(60), resamples=100)

    assert found.spearman.value == pytest.approx(-spearman_rho(SCORES, MARKS))


def test_copies_within_a_family_are_no_more_evidence() -> None:
    families = np.repeat(np.arange(60), 4).tolist()

    copied = metric_validity(np.repeat(SCORES, 4), np.repeat(MARKS, 4), families, resamples=200)

    alone = metric_validity(SCORES, MARKS, range(60), resamples=200)
    assert copied.spearman.low == pytest.approx(alone.spearman.low, abs=0.01)


def test_reactions_of_users_are_ordered_categories() -> None:
    reactions = [Reaction.ACCEPTED, Reaction.REJECTED, Reaction.CHANGED, Reaction.ACCEPTED]

    ranks = reaction_ranks(reactions)

    assert ranks.tolist() == [2, 0, 1, 2]
    assert metric_validity([0.9, 0.1, 0.5, 0.8], ranks, range(4)).spearman.value > 0.9


@pytest.mark.parametrize(
    ("scores", "marks", "clusters", "error", "reason"),
    [
        ([0.1, 0.2], [1, 2, 3], [1, 2, 3], InputError, "2 scores, 3 judgements and 3 clusters"),
        ([0.1, np.nan, 1], [1, 2, 3], [1, 2, 3], InputError, "no number"),
        ([0.1, 0.2], [1, 2], [1, 2], Undefined, r"2 outcome\(s\)"),
        ([0.5, 0.5, 0.5], [1, 2, 3], [1, 2, 3], Undefined, "all equal"),
        ([0.1, 0.2, 0.3], [4, 4, 4], [1, 2, 3], Undefined, "all equal"),
        ([0.1, 0.2, 0.3], [1, 2, 3], ["a", "a", "a"], Undefined, "two clusters"),
    ],
)
def test_what_determines_no_validity_is_refused(
    scores: Any, marks: Any, clusters: Any, error: type[InputError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        metric_validity(scores, marks, clusters)
