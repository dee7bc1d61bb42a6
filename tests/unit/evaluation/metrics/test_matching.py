from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.evaluation.metrics.matching import Pair, match

NUMBERS = st.lists(st.integers(0, 5), max_size=6)


def near(a: int, b: int) -> float:
    """Return 1 for equal numbers, 0 for those 2 or more apart."""
    return max(0.0, 1 - abs(a - b) / 2)


@pytest.mark.parametrize(
    ("predicted", "expected", "score"),
    [
        ([], [], 1.0),
        ([1], [], 0.0),
        ([], [1], 0.0),
        ([1], [1], 1.0),
        ([1, 1], [1], 2 / 3),  # 2 * 1 / 3
        ([1, 5], [5, 1], 1.0),
        ([1, 2], [2, 3], 0.5),  # 2-2 and nothing for 1-3, or 1-2 and 2-3 at 0.5 each; 2 * 1 / 4
        ([0, 3, 9], [1, 9], 0.6),  # 2 * (0.5 + 1) / 5
    ],
)
def test_the_score_is_the_soft_f1_of_the_best_pairing(
    predicted: list[int], expected: list[int], score: float
) -> None:
    assert match(predicted, expected, near).score == pytest.approx(score)


def test_greedy_pairing_is_not_good_enough() -> None:
    """The most similar pair, 0.9, would leave 0 for the rest; the best sum is 0.8 + 0.8."""
    table = {(0, 0): 0.9, (0, 1): 0.8, (1, 0): 0.8, (1, 1): 0.0}

    found = match([0, 1], [0, 1], lambda a, b: table[a, b])

    assert (found.score, found.pairs) == (pytest.approx(0.8), [Pair(1, 0, 0.8), Pair(0, 1, 0.8)])


def test_items_that_have_nothing_in_common_are_no_pair() -> None:
    assert match([0, 5], [0], near).pairs == [Pair(0, 0, 1.0)]


@given(NUMBERS, NUMBERS)
def test_no_pairing_has_a_larger_sum(predicted: list[int], expected: list[int]) -> None:
    few, many = sorted((predicted, expected), key=len)
    best = max(
        sum(near(a, b) for a, b in zip(few, chosen, strict=True))
        for chosen in itertools.permutations(many, len(few))
    )
    total = len(few) + len(many)

    assert match(predicted, expected, near).score == pytest.approx(2 * best / total if total else 1)


@given(NUMBERS, NUMBERS, st.randoms(use_true_random=False))
def test_the_order_does_not_count(
    predicted: list[int], expected: list[int], rng: random.Random
) -> None:
    shuffled = [*predicted]
    rng.shuffle(shuffled)

    assert match(shuffled, expected, near).score == match(predicted, expected, near).score


@pytest.mark.parametrize(
    "table",
    [[[0.8, 0.7], [0.2, 0.1]], [[0.2, 0.9, 0.5], [0.2, 0.6, 0.0], [0.1, 0.4, 0.1]]],
    ids=["two items", "three items"],
)
def test_of_two_best_pairings_either_has_the_same_score_to_the_last_bit(
    table: list[list[float]],
) -> None:
    """0.8 + 0.1 and 0.7 + 0.2 are two numbers in floating point; the order chooses one of them."""
    items = range(len(table))
    orders = itertools.permutations(items)

    scores = {match(order, items, lambda p, e: table[p][e]).score for order in orders}

    assert len(scores) == 1


@given(NUMBERS, NUMBERS, st.integers(0, 5), st.integers(0, 5))
def test_a_changed_item_moves_the_score_by_its_share_at_the_most(
    predicted: list[int], expected: list[int], place: int, changed: int
) -> None:
    if not predicted or not expected:
        return
    other = [*predicted]
    other[place % len(other)] = changed

    moved = abs(match(other, expected, near).score - match(predicted, expected, near).score)

    assert moved <= 2 / (len(predicted) + len(expected)) + 1e-12
