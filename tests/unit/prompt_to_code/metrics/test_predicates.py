from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.prompt_to_code.metrics.predicates import canonical, constants, renamed

NAMES = st.sampled_from("abc")
ATOMS = st.builds(lambda a, op, b: f"{a} {op} {b}", NAMES, st.sampled_from(
    ["<", "<=", ">", ">=", "==", "!="]), NAMES)  # fmt: skip
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.builds(lambda x, op, y: f"({x} {op} {y})", inner, st.sampled_from(
        ["and", "or"]), inner) | st.builds(lambda x: f"(not {x})", inner),
    max_leaves=5,
)  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a > b", "b < a"),
        ("a >= b", "b <= a"),
        ("a == b", "b == a"),
        ("a and b", "b and a"),
        ("a or (b or c)", "(c or a) or b"),
        ("a and a", "a"),
        ("not a == b", "a != b"),
        ("not a in b", "a not in b"),
        ("not (a < b or c)", "not c and a >= b"),
        ("not (a and not b)", "b or not a"),
        ("not not a", "a"),
        ("bool(a)", "a"),
        ("0 <= x < 10", "x < 10 and x >= 0"),
        ("0 <= x < 2 * 5", "0 <= x < 10"),
        ("x == -1", "-1 == x"),
        ("x == 7 // 2", "x == 3"),
        ("len(a) + 1 == n", "n == 1 + len(a)"),
        ("a * b == c", "c == b * a"),
        ("all(x < y for x, y in z)", "all(b > a for a, b in z)"),
        ("sorted(a, key=lambda x: -x) == b", "b == sorted(a, key=lambda y: -y)"),
        ("(a > 0) == (b > 0)", "(0 < b) == (0 < a)"),
        (" a  <b", "a < b"),
        ("not True", "False"),
        ("x == bool(a)", "x == (not not a)"),
        ("x == (not not (a < b))", "x == (a < b)"),
        ("[y for x in a for y in x]", "[u for v in a for u in v]"),
        ("x == sum(a for a in a)", "x == sum(b for b in a)"),
    ],
)
def test_predicates_that_say_the_same_have_one_form(one: str, other: str) -> None:
    assert canonical(one) == canonical(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a < b", "b < a"),
        ("a < b", "a <= b"),
        ("a and b", "a or b"),
        ("a - b == c", "b - a == c"),
        ("a + b == c", "b + a == c"),  # texts and lists do not commute
        ("a in b", "b in a"),
        ("x == (a or b)", "x == (b or a)"),  # a value, not a condition
        ("x", "not x"),
        ("x == 1", "x == True"),
        ("all(x for x in a)", "any(x for x in a)"),
        ("all(x < n for x in a)", "all(n < n for x in a)"),
        ("x == a", "x == (not not a)"),  # a value that is true is not True
        ("a + b == c", "(not not a) + b == c"),
        ("x == sum(a for a in a)", "x == sum(b for b in b)"),  # the iterable is outside
        ("f(lambda x, y=x: y)", "f(lambda z, y=x: z)"),
        ("set(a) >= set(b)", "not set(a) < set(b)"),  # neither may hold the other
        ("a.keys() > b", "not a.keys() <= b"),
    ],
)
def test_predicates_that_differ_have_two_forms(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@given(CONDITIONS, st.tuples(*[st.integers(0, 2)] * 3))
def test_negation_normal_form_keeps_the_meaning(text: str, values: tuple[int, int, int]) -> None:
    """A condition and its opposite written out have different forms; twice negated, the same."""
    scope = dict(zip("abc", values, strict=True))
    assert eval(text, scope.copy()) is (not eval(f"not ({text})", scope.copy()))

    assert canonical(f"not (not {text})") == canonical(text)


@given(CONDITIONS, CONDITIONS, st.tuples(*[st.integers(0, 2)] * 3))
def test_one_form_is_one_meaning(one: str, other: str, values: tuple[int, int, int]) -> None:
    scope = dict(zip("abc", values, strict=True))
    if canonical(one) == canonical(other):
        assert eval(one, scope.copy()) is eval(other, scope.copy())


@pytest.mark.parametrize("text", ["", "a <", "a = b", "return a", "(" * 500, "a\x00b"])
def test_what_is_no_expression_has_no_form(text: str) -> None:
    assert canonical(text) is None


def test_a_division_by_zero_stays_as_it_is() -> None:
    assert canonical("x == 1 / 0") is not None


def test_names_are_replaced_all_at_once() -> None:
    assert renamed("a < b and len(b) > 1", {"a": "b", "b": "a"}) == "b < a and len(a) > 1"


@pytest.mark.parametrize(
    ("text", "names", "other"),
    [
        ("all(x <= limit for x in r)", {"limit": "x"}, "all(y <= x for y in r)"),
        ("sorted(n, key=lambda n: -n)", {"n": "k"}, "sorted(k, key=lambda n: -n)"),
        ("all(v0 < v for v0 in r)", {"v": "v0"}, "all(u < v0 for u in r)"),
        ("sum(a for a in a)", {"a": "b"}, "sum(x for x in b)"),
    ],
)
def test_what_a_predicate_binds_itself_is_not_mistaken_for_a_parameter(
    text: str, names: dict[str, str], other: str
) -> None:
    assert canonical(renamed(text, names)) == canonical(other)


def test_sets_are_ordered_in_part_only() -> None:
    assert canonical("not a < b") == canonical("a >= b")
    assert canonical("not a < b", total=False) != canonical("a >= b", total=False)


@pytest.mark.parametrize(
    "text", [f"x == 0x{'f' * 5000}", f"x == {'9' * 4000} * {'9' * 4000}", f"x == -0x{'f' * 5000}"]
)
def test_a_number_too_long_to_write_stops_nothing(text: str) -> None:
    canonical(text)
    assert renamed(text, {"x": "y"})
    assert all(len(str(value)) < 5000 for value in constants(text))


def test_what_cannot_be_read_is_not_renamed() -> None:
    assert renamed("a <", {"a": "b"}) == "a <"


def test_the_constants_are_found_wherever_they_stand() -> None:
    assert sorted(constants("x == 3 or f('y', [2.5])"), key=str) == [2.5, 3, "y"]
    assert constants("x <") == []
