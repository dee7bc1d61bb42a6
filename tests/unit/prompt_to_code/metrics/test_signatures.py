"""Scores computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.prompt_to_code.ir import Parameter, Signature
from liftgraph_dagster.prompt_to_code.metrics.signatures import (
    name_similarity,
    paired,
    parameters_similarity,
    signature_similarity,
)
from tests.unit.prompt_to_code.metrics.factories import make_signature

HINTS = st.sampled_from(["int", "float", "str", None])
PARAMETERS = st.lists(
    st.builds(Parameter, name=st.sampled_from("abc"), type_hint=HINTS), max_size=4
)
SIGNATURES = st.builds(
    Signature,
    name=st.from_regex(r"[a-z_]{1,6}", fullmatch=True),
    parameters=PARAMETERS,
    returns=HINTS,
)


def parameters(*pairs: tuple[str, str | None]) -> list[Parameter]:
    return [Parameter(name=name, type_hint=hint) for name, hint in pairs]


@pytest.mark.parametrize(
    ("drafted", "expected", "value"),
    [
        ("add", "add", 1.0),
        ("add", "add_numbers", 3 / 22),  # 0.5 * (1 - 8 / 11)
        ("sum_all", "sum_two", 2 / 7),  # 0.5 * (1 - 3 / 7): the characters `sum_`
        ("add", "xyz", 0.0),
        ("dad", "add", 1 / 3),  # two letters change places: 0.5 * (1 - 1 / 3)
        ("", "add", 0.0),
        ("", "", 1.0),
        ("Add", "add", 1 / 3),
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
        ([("ab", "int")], [("a", "int")], 0.625),  # 2 * (0.5 * 0.25 + 0.5) / 2
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


def test_the_pairs_say_which_parameter_stands_for_which() -> None:
    pairs = paired(
        parameters(("x", None), ("b", None), ("y", None)),
        parameters(("a", None), ("b", None), ("c", None)),
    )

    assert [(a.name, b.name) for a, b in pairs] == [("x", "a"), ("b", "b"), ("y", "c")]


@pytest.mark.parametrize(
    ("drafted", "value"),
    [
        (make_signature(), 1.0),
        (make_signature("xyz"), 0.7),
        (make_signature(parameters={}), 0.5),
        (make_signature(returns="str"), 0.8),
        (make_signature(returns="float"), 0.9),
        (make_signature(returns=None), 0.8),
        (make_signature("xyz", {}, "str"), 0.0),
    ],
)
def test_a_signature_is_name_parameters_and_returns(drafted: Signature, value: float) -> None:
    assert signature_similarity(drafted, make_signature()) == pytest.approx(value)


@given(SIGNATURES, SIGNATURES)
def test_the_similarity_lies_in_0_to_1(drafted: Signature, expected: Signature) -> None:
    assert 0 <= signature_similarity(drafted, expected) <= 1


@given(SIGNATURES)
def test_a_signature_is_like_itself(signature: Signature) -> None:
    assert signature_similarity(signature, signature) == 1.0
