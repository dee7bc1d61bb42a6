from __future__ import annotations

import pytest

from liftgraph_dagster.prompt_to_code.ir import Assertion, Signature
from liftgraph_dagster.prompt_to_code.metrics.assertions import match_assertions
from liftgraph_dagster.prompt_to_code.metrics.behaviour import INPUTS, agreement, verdicts
from tests.unit.prompt_to_code.metrics.factories import make_signature

NUMBERS = make_signature("total", {"numbers": "list[int]"}, "int")


def score(
    drafted: list[str],
    expected: list[str],
    signature: Signature = NUMBERS,
    names: dict[str, str] | None = None,
) -> float:
    ours, theirs = ([Assertion(predicate=text) for text in texts] for texts in (drafted, expected))
    return match_assertions(ours, theirs, signature, names or {}).score


@pytest.mark.parametrize(
    ("drafted", "expected", "value"),
    [
        ("1111", "1100", 0.0),  # (1 + 0) / 2 = 0.5
        ("1100", "1100", 1.0),
        ("0011", "1100", 0.0),
        ("1000", "1100", 0.5),  # (1/2 + 1) / 2 = 0.75
        ("1x00", "1100", 0.5),
        ("11x0", "1100", 0.5),  # raising is not failing
        ("10000000", "11000000", 0.5),  # both halves weigh the same
        ("00000001", "10000000", 0.0),  # 6 of 8 agree
        ("xxxx", "1100", 0.0),
    ],
)
def test_agreement_is_2a_minus_1_over_two_halves(drafted: str, expected: str, value: float) -> None:
    assert agreement(drafted, expected) == pytest.approx(value)


@pytest.mark.parametrize("expected", ["1111", "0000", "0x0x", "xxxx"])
def test_inputs_on_which_the_label_says_one_thing_cannot_tell(expected: str) -> None:
    assert agreement(expected, expected) is None


def test_each_predicate_says_something_of_each_input() -> None:
    said = verdicts(["True", "result > 0", "numbers[10]", "1 +"], {"numbers": "list[int]"}, "int",
                    expected=["result > 0"])  # fmt: skip

    assert said[0] == "1" * INPUTS
    assert set(said[1] or "") == {"0", "1"}
    assert "x" in (said[2] or "")
    assert said[3] is None


def test_at_least_200_inputs_are_tried() -> None:
    assert INPUTS >= 200


def test_a_predicate_that_does_not_end_says_nothing_and_harms_no_other() -> None:
    said = verdicts(["[0 for _ in iter(int, 1)]", "True"], {"n": "int"}, "int", expected=["n > 0"])

    assert said == [None, "1" * INPUTS]


def test_a_predicate_that_changes_its_input_does_not_change_the_next_ones() -> None:
    parameters = {"numbers": "list[int]"}
    alone = verdicts(["len(numbers) > 1"], parameters, "int", expected=["result > 0"])
    after = verdicts(
        ["numbers.clear() or True", "len(numbers) > 1"], parameters, "int", expected=["result > 0"]
    )

    assert after[1] == alone[0]


def test_a_predicate_can_do_no_harm_here() -> None:
    said = verdicts(
        ["__import__('os').system('true') == 0", "open('/etc/passwd')"],
        {"n": "int"}, "int", expected=["n > 0"],
    )  # fmt: skip

    assert [set(verdict or "1") for verdict in said] == [{"0"}, {"x"}]


@pytest.mark.parametrize(
    ("drafted", "expected", "value"),
    [
        ([], [], 1.0),
        ([], ["result >= 0"], 0.0),
        (["result >= 0"], [], 0.0),
        (["0 <= result"], ["result >= 0"], 1.0),
        (["0 <= result", "result == sum(numbers)"], ["result == sum(numbers)", "result >= 0"], 1.0),
        (["0 <= result"], ["result >= 0", "len(numbers) > 1"], 2 / 3),
        (["True"], ["result >= 0"], 0.0),
        (["not result >= 0"], ["result >= 0"], 0.0),
        (["result <"], ["result < 3"], 0.5 * 4 / 5),  # by its text: 2 * 2 / 5
    ],
)
def test_assertions_are_compared_by_what_they_say(
    drafted: list[str], expected: list[str], value: float
) -> None:
    assert score(drafted, expected) == pytest.approx(value)


@pytest.mark.parametrize(
    ("drafted", "expected"),
    [
        ("sum(numbers) - result == 0", "result == sum(numbers)"),
        ("result == sum(n for n in numbers)", "result == sum(numbers)"),
        ("len(numbers) != 0", "numbers"),
    ],
)
def test_another_wording_of_the_same_is_found_by_trying(drafted: str, expected: str) -> None:
    assert score([drafted], [expected]) == 1.0


def test_what_is_nearly_the_same_lies_between() -> None:
    near = score(["result > 0"], ["result >= 0"])
    far = score(["result > 50"], ["result >= 0"])

    assert 0 < far < near < 1


def test_two_rare_conditions_that_have_little_in_common_do_not_agree() -> None:
    """They agree on most inputs, for both fail there."""
    assert score(["result == max(numbers)"], ["result == sum(numbers)"]) < 0.5


def test_drafted_parameters_of_other_names_are_those_they_stand_for() -> None:
    assert score(["result == sum(xs)"], ["result == sum(numbers)"], names={"xs": "numbers"}) == 1.0
    assert (
        score(["sum(xs) - result == 0"], ["result == sum(numbers)"], names={"xs": "numbers"}) == 1
    )


def test_without_the_names_the_same_predicate_means_nothing() -> None:
    assert score(["sum(xs) - result == 0"], ["result == sum(numbers)"]) == 0


def test_the_order_does_not_count() -> None:
    drafted = ["result > 0", "len(numbers) > 2", "result == max(numbers)"]
    expected = ["result >= 0", "len(numbers) > 1"]

    assert score(drafted[::-1], expected[::-1]) == score(drafted, expected)


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('sys')._getframe(1).f_globals.update(verdict=lambda p, r: "
        "'1' if len(repr(r)) & 1 else '0') or len(repr(0)) == -3",
        "setattr(__import__('builtins'), 'max', lambda *a: 1) or result == 1",
        "__import__('sys')._getframe(1).f_globals['ROWS'].clear() or result == 1",
    ],
)
def test_a_draft_cannot_change_what_the_expected_assertion_says(attack: str) -> None:
    assert score([attack], ["result == max(numbers)"]) < 0.5


def test_a_right_draft_is_worth_1_whatever_it_calls_its_variables() -> None:
    signature = make_signature("f", {"values": "list[int]", "x": "int"}, "bool")
    names = {"items": "values", "limit": "x"}

    found = score(
        ["all(x < limit for x in items)"], ["all(n < x for n in values)"], signature, names
    )

    assert found == 1.0


def test_sets_of_which_neither_holds_the_other_tell_two_assertions_apart() -> None:
    signature = make_signature("f", {"a": "set[int]", "b": "set[int]"}, "bool")

    assert score(["a >= b"], ["not a < b"], signature) < 1.0
