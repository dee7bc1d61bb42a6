"""Scores computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.prompt_to_code.ir import Parameter
from liftgraph_dagster.prompt_to_code.metrics import (
    name_similarity,
    parameters_similarity,
    signature_quality,
)
from tests.factories import make_example

Drafted = tuple[str, list[tuple[str, str | None]], str | None]

ADD: Drafted = ("add", [("a", "int"), ("b", "int")], "int")
SIGNATURES = st.tuples(
    st.from_regex(r"[a-z_]{1,6}", fullmatch=True),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["int", "float", "str", None])),
        max_size=4,
    ),
    st.sampled_from(["int", "float", "str", None]),
)


def signature(drafted: Drafted) -> dict[str, Any]:
    name, parameters, returns = drafted
    return {
        "name": name,
        "parameters": [{"name": n, "type_hint": hint} for n, hint in parameters],
        "returns": returns,
    }


def score(
    drafted: Drafted,
    expected: Drafted = ADD,
    *,
    problem: str | None = None,
    parses: bool | None = None,
    check: dict[str, Any] | None = None,
) -> Scored:
    """Return the score of a drafted signature, with code that is right unless there is a
    `problem`."""
    label = {
        "ir": {"intent": {"summary": "Add."}, "signature": signature(expected)},
        "code": "def add(a: int, b: int) -> int:\n    return a + b\n",
        "tests": [{"args": "(1, 2)", "returns": "3"}] * 4,
    }
    outcome = {
        "ir": {"intent": {"summary": "Add."}, "signature": signature(drafted)},
        "header": "",
        "suggestions": {},
        "code": "",
        "check": {
            "parses": problem is None if parses is None else parses,
            "defines": problem is None,
            "problems": [problem] if problem else [],
        }
        | (check or {}),
    }
    return signature_quality(make_example(expected=label), outcome)


def parameters(*pairs: tuple[str, str | None]) -> list[Parameter]:
    return [Parameter(name=name, type_hint=hint) for name, hint in pairs]


@pytest.mark.parametrize(
    ("drafted", "expected", "value"),
    [
        ("add", "add", 1.0),
        ("add", "add_numbers", 3 / 14),  # 0.5 * 2 * 3 / (3 + 11)
        ("add_numbers", "add", 3 / 14),
        ("sum_all", "sum_two", 2 / 7),  # 0.5 * 2 * 4 / (7 + 7): the characters `sum_`
        ("add", "xyz", 0.0),
        ("", "add", 0.0),
        ("Add", "add", 1 / 3),  # 0.5 * 2 * 2 / (3 + 3)
    ],
)
def test_a_name_that_differs_is_worth_half_at_the_most(
    drafted: str, expected: str, value: float
) -> None:
    assert name_similarity(drafted, expected) == pytest.approx(value)


@pytest.mark.parametrize(
    ("drafted", "expected", "value"),
    [
        ([], [], 1.0),
        ([("a", "int")], [], 0.0),
        ([], [("a", "int")], 0.0),
        ([("a", "int")], [("a", "int")], 1.0),
        ([("b", "int")], [("a", "int")], 0.5),  # 2 * (0 + 0.5) / 2
        ([("a", "float")], [("a", "int")], 0.75),  # 2 * (0.5 + 0.25) / 2
        ([("a", None)], [("a", "int")], 0.5),
        ([("a", "int"), ("b", "int")], [("a", "int")], 2 / 3),  # 2 * 1 / 3
        ([("b", "str"), ("a", "int")], [("a", "int"), ("b", "str")], 1.0),  # by name
        ([("x", "int"), ("a", "int")], [("a", "int"), ("b", "str")], 0.5),  # 2 * (1 + 0) / 4
        ([("x", "int"), ("y", "str")], [("a", "int"), ("b", "str")], 0.5),  # by position
        ([("x", "int"), ("b", "str")], [("b", "str"), ("a", "int")], 0.75),  # 2 * (0.5 + 1) / 4
        ([("a", "int"), ("a", "int")], [("a", "int"), ("b", "int")], 0.75),  # 2 * (1 + 0.5) / 4
        ([("a", "str"), ("a", "int")], [("a", "str")], 2 / 3),
    ],
)
def test_parameters_are_paired_by_name_and_the_rest_by_position(
    drafted: list[tuple[str, str]], expected: list[tuple[str, str]], value: float
) -> None:
    found = parameters_similarity(parameters(*drafted), parameters(*expected))

    assert found == pytest.approx(value)


@pytest.mark.parametrize(
    ("drafted", "problem", "value"),
    [
        (ADD, None, 1.0),
        (ADD, "does not compile", 0.75),
        (("add", ADD[1], "float"), None, 0.925),  # 1 - 0.15 * (1 - 0.5)
        (("add", ADD[1], None), None, 0.85),  # 1 - 0.15
        (("add", [], "int"), None, 0.65),  # 1 - 0.35
        (("xyz", ADD[1], "int"), None, 0.75),  # 1 - 0.25
        # 0.25 * 3/14 + 0.35 * 2 * (1 + 0.25) / 4 + 0.15 * 0.5 + 0.25
        (("add_numbers", [("a", "int"), ("c", "float")], "float"), None, 0.5973214286),
        (("xyz", [], "str"), "does not compile", 0.0),
    ],
)
def test_a_score_is_the_weighted_sum_of_its_parts(
    drafted: Drafted, problem: str | None, value: float
) -> None:
    assert score(drafted, problem=problem).value == pytest.approx(value)


@given(SIGNATURES, SIGNATURES, st.sampled_from([None, "does not compile"]))
def test_a_score_lies_in_0_to_1(drafted: Drafted, expected: Drafted, problem: str | None) -> None:
    assert 0 <= score(drafted, expected, problem=problem).value <= 1


@given(SIGNATURES)
def test_the_labelled_signature_scores_1(drafted: Drafted) -> None:
    assert score(drafted, drafted).value == pytest.approx(1.0)


def test_code_that_parses_and_defines_another_function_is_not_right() -> None:
    assert score(ADD, problem="does not define add", parses=True).value == 0.75


def test_code_that_defines_the_function_counts_although_it_does_not_load() -> None:
    assert score(ADD, check={"problems": ["raises NameError at load"]}).value == 1.0
    assert score(ADD, check={"problems": ["raises NameError at load"]}).feedback == (
        "The signature is right and the code compiles."
    )


@pytest.mark.parametrize(
    ("drafted", "problem", "feedback"),
    [
        (ADD, None, "The signature is right and the code compiles."),
        (ADD, "does not compile: line 2", "Not right: code. does not compile: line 2"),
        (
            ("plus", ADD[1], None),
            None,
            "Not right: name, returns. Expected `def add(a: int, b: int) -> int:`, got "
            "`def plus(a: int, b: int):`.",
        ),
    ],
)
def test_the_feedback_says_what_is_wrong(
    drafted: Drafted, problem: str | None, feedback: str
) -> None:
    assert score(drafted, problem=problem).feedback == feedback
