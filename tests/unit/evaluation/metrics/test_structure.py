from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.metrics.structure import JsonSimilarity
from tests.factories import make_example

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


def similarity(a: Any, b: Any, **options: Any) -> float:
    return JsonSimilarity(**options).similarity(a, b)


@pytest.mark.parametrize(
    ("a", "b", "score"),
    [
        ({}, {}, 1.0),
        ([], [], 1.0),
        ({}, [], 0.0),
        ({"a": 1, "b": 2}, {"a": 1, "c": 2}, 1 / 3),  # of the keys a, b, c
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "y": "2"}}, 0.5),
        ([1, 2], [2, 1], 1.0),
        ([1], [1, 1], 2 / 3),  # 2 * 1 / 3
        ("abcd", "abed", 0.75),  # one deletion, one insertion: 1 - 2 / 8
        (8, 10, 0.8),  # 1 - 2 / 10
        (-1, 1, 0.0),
        (0, 0.0, 1.0),
        (1, True, 0.0),
        (None, None, 1.0),
        (None, 0, 0.0),
        (True, False, 0.0),
    ],
)
def test_the_similarity_is_that_of_the_parts(a: Any, b: Any, score: float) -> None:
    assert similarity(a, b) == pytest.approx(score)


@given(JSON)
def test_a_value_is_like_itself(value: Any) -> None:
    assert similarity(value, value) == 1.0


@given(JSON, JSON)
def test_the_similarity_is_symmetric_and_in_0_to_1(a: Any, b: Any) -> None:
    found = similarity(a, b)

    assert 0 <= found <= 1
    assert found == pytest.approx(similarity(b, a))


def test_ordered_lists_are_compared_by_position() -> None:
    assert similarity([1, 2, 3], [1, 3, 2], ordered=True) == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_objects_with_a_key_are_paired_by_it() -> None:
    ours = [{"id": 1, "text": "x"}, {"id": 2, "text": "y"}]
    theirs = [{"id": 2, "text": "x"}, {"id": 1, "text": "y"}]

    found = [similarity(ours, theirs), similarity(ours, theirs, key="id")]

    # assigned freely: texts equal, ids 1 and 2: (1 + 0.5) / 2; by key: ids equal, texts not
    assert found == [pytest.approx(0.75), pytest.approx(0.5)]


def test_a_key_and_an_order_exclude_each_other() -> None:
    with pytest.raises(InputError, match="by key or by position, not by both"):
        JsonSimilarity(key="id", ordered=True)


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}, b"x"], ids=repr)
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="is no value of JSON"):
        JsonSimilarity()(make_example(expected={"a": 1}), {"a": value})


def test_the_feedback_names_the_first_differences() -> None:
    scored = JsonSimilarity()(
        make_example(expected={"a": 1, "b": {"c": "x"}, "d": 0}), {"a": 2, "b": {"c": "x"}}
    )

    assert scored.feedback == "a: expected 1, got 2. d: expected 0, got null."


def test_values_nested_beyond_what_can_be_compared_are_named() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    metric = JsonSimilarity()

    with pytest.raises(InputError, match="nested too deeply"):
        metric(make_example(expected=[1]).model_copy(update={"expected": deep}), deep)
