from __future__ import annotations

import math
from typing import Any

import pytest

from liftgraph_dagster.errors import ConfigurationError, InputError
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.evaluation.metrics.text import ChrF, ExactMatch
from liftgraph_dagster.evaluation.metrics.weighted import Weighted
from tests.factories import make_example


class Fixed:
    """Says the same of everything."""

    name = "fixed"
    version = "1"

    def __init__(self, value: float, feedback: str = "", flags: tuple[str, ...] = ()) -> None:
        self.scored = Scored(value, feedback, flags=flags)

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> Scored:
        return self.scored


def both(first: float = 1, second: float = 1) -> Weighted:
    return Weighted({"topic": (first, ExactMatch("topic")), "desk": (second, ExactMatch("desk"))})


def test_the_score_is_the_weighted_mean() -> None:
    metric = Weighted({"a": (3, Fixed(0.5)), "b": (1, Fixed(1.0))})

    assert metric(make_example(), "accounts").value == pytest.approx(0.625)  # (1.5 + 1) / 4


def test_parts_without_a_label_do_not_count() -> None:
    scored = both(1, 9)(make_example(expected={"topic": "billing"}), {"topic": "billing"})

    assert (scored.value, scored.parts) == (1.0, {"topic": 1.0})


def test_a_label_that_no_part_compares_is_refused() -> None:
    with pytest.raises(InputError, match="no part of metric weighted applies to example billing-1"):
        both()(make_example(expected="accounts"), "accounts")


def test_the_feedback_names_each_part_that_is_not_perfect() -> None:
    metric = Weighted(
        {"a": (1, Fixed(0.5, "half")), "b": (1, Fixed(1.0, "fine")), "c": (1, Fixed(0.0))}
    )

    assert metric(make_example(), "").feedback == "a 0.50: half\nc 0.00"


def test_flags_of_the_parts_are_flags_of_the_whole() -> None:
    metric = Weighted({"a": (1, Fixed(1.0, flags=("x",))), "b": (1, Fixed(1.0, flags=("x", "y")))})

    assert metric(make_example(), "").flags == ("x", "y")


@pytest.mark.parametrize(
    "other",
    [
        both(2),
        Weighted({"topic": (1, ExactMatch("topic")), "desk": (1, ChrF("desk"))}),
        Weighted({"topic": (1, ExactMatch("topic"))}),
    ],
    ids=["weight", "metric", "parts"],
)
def test_other_weights_or_parts_are_another_version(other: Weighted) -> None:
    assert other.version != both().version


def test_the_same_weights_and_parts_are_the_same_version() -> None:
    assert both().version == both().version


def test_a_plain_function_can_be_a_part() -> None:
    metric = Weighted({"a": (1, lambda example, outcome, trace=None: 0.25)})

    assert metric(make_example(), "").value == 0.25


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf, "1", True, None], ids=repr)
def test_a_weight_is_a_number_above_0(weight: Any) -> None:
    with pytest.raises(ConfigurationError, match="the weight of part a of metric weighted is"):
        Weighted({"a": (weight, Fixed(1.0))})


def test_parts_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="metric weighted has no parts"):
        Weighted({})


@pytest.mark.parametrize("value", [math.nan, 2.0, "good"], ids=repr)
def test_a_part_that_returns_no_score_is_named(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"metric fixed returned .* on example billing-1"):
        Weighted({"a": (1, Fixed(value))})(make_example(), "")
