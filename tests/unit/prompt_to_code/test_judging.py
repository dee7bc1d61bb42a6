"""What counts as the expected value, and what does not."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.prompt_to_code.judging import equal, passes
from liftgraph_dagster.prompt_to_code.outcome import Test as Case
from liftgraph_dagster.sandbox.sandbox import Ending, Outcome
from liftgraph_dagster.sandbox.values import Opaque

NAN = math.nan

LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=12,
)


def returned(value: Any) -> Outcome:
    return Outcome(Ending.RETURNED, value=value)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("3", 3),
        ("3", 3.0),
        ("3.0", 3),
        ("0.3", 0.1 + 0.2),
        ("[0.3]", [0.1 + 0.2]),
        ("{'a': 0.3}", {"a": 0.1 + 0.2}),
        ("{0.3}", {0.1 + 0.2}),
        ("1e999", math.inf),
        ("0.0", -0.0),
        ("{'a': 1, 'b': 2}", {"b": 2, "a": 1}),
        ("(1, [2])", (1, [2])),
        ("None", None),
        ("b'a'", b"a"),
        ("1j", 1j),
        ("set()", set()),
        ("{1}", frozenset({1})),
        ("[0.0, 1000000000.5]", [0.0, 1000000000.5]),
    ],
)
def test_a_call_that_returns_the_value_passes(expected: str, found: Any) -> None:
    assert passes(Case(args="()", returns=expected), returned(found))


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ("1", True),
        ("True", 1),
        ("[1]", [True]),
        ("{1: 2}", {True: 2}),
        ("(1, 2)", [1, 2]),
        ("[1, 2]", (1, 2)),
        ("[1, 2]", [2, 1]),
        ("[1]", [1, 1]),
        ("'1'", 1),
        ("b'a'", "a"),
        ("0.3", 0.3000001),
        ("0.0", 1e-300),
        ("10000000000", 10000000001),
        ("1e308", 10**400),
        ("None", 0),
        ("None", False),
        ("{'a': 1}", {"a": 1, "b": 2}),
        ("{'a': 1}", {"b": 1}),
        ("{1, 2}", {1, 3}),
        ("0", NAN),
        ("'list'", Opaque("builtins.generator", "list")),
    ],
)
def test_a_call_that_returns_another_value_fails(expected: str, found: Any) -> None:
    assert not passes(Case(args="()", returns=expected), returned(found))


def test_not_a_number_equals_itself() -> None:
    assert equal([NAN, {"a": NAN}], [NAN, {"a": float("nan")}])


@given(LITERALS)
def test_a_value_equals_its_own_literal(value: Any) -> None:
    text = repr(value)
    if "nan" not in text and "inf" not in text:
        assert equal(ast.literal_eval(text), value)


@given(LITERALS, LITERALS)
def test_equality_does_not_depend_on_the_side(a: Any, b: Any) -> None:
    assert equal(a, b) == equal(b, a)


@pytest.mark.parametrize(
    ("raises", "error", "bases"),
    [
        ("ValueError", "ValueError", ()),
        ("ValueError", "UnicodeDecodeError", ()),
        ("LookupError", "KeyError", ()),
        ("Exception", "ZeroDivisionError", ()),
        ("ValueError", "Empty", ("Empty", "ValueError", "Exception")),
        ("Empty", "Empty", ("Empty", "Exception")),
    ],
)
def test_a_call_that_raises_the_class_or_a_derived_one_passes(
    raises: str, error: str, bases: tuple[str, ...]
) -> None:
    outcome = Outcome(Ending.RAISED, error=error, bases=bases)

    assert passes(Case(args="()", raises=raises), outcome)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Ending.RAISED, error="Exception", bases=("Exception",)),
        Outcome(Ending.RAISED, error="TypeError"),
        Outcome(Ending.DIED, error="ValueError"),
        Outcome(Ending.TIMEOUT),
        Outcome(Ending.NOT_RUN),
        Outcome(Ending.RETURNED, value="ValueError"),
    ],
)
def test_a_call_that_does_not_raise_the_class_fails(outcome: Outcome) -> None:
    assert not passes(Case(args="()", raises="ValueError"), outcome)


@pytest.mark.parametrize("ending", [e for e in Ending if e is not Ending.RETURNED])
def test_only_a_call_that_returned_can_pass_a_test_of_its_value(ending: Ending) -> None:
    assert not passes(Case(args="()", returns="None"), Outcome(ending))


@pytest.mark.parametrize("text", ["", "f()", "1 +", "(" * 500 + ")" * 500])
def test_an_expected_value_that_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no Python literal"):
        passes(Case(args="()", returns=text), returned(1))
