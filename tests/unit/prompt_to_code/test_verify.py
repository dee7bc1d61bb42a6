"""The labelled examples that ship, and examples that are wrong on purpose."""

from __future__ import annotations

from typing import Any

import pytest

from liftgraph_dagster.evaluation.example import Example, read_examples
from liftgraph_dagster.prompt_to_code.examples import files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.outcome import Expected
from liftgraph_dagster.prompt_to_code.verify import mutants_die, mutate, references_pass
from tests.factories import make_example

SIGN = """
def sign(n):
    if n < 0:
        return -1
    if n > 0:
        return 1
    return 0
"""
GOOD = [("(-3,)", "-1"), ("(3,)", "1"), ("(0,)", "0"), ("(1,)", "1"), ("(-1,)", "-1")]


def labelled(code: str = SIGN, tests: list[tuple[str, str]] = GOOD) -> Example:
    expected: dict[str, Any] = {
        "ir": {"intent": {"summary": "Return the sign."}, "signature": {"name": "sign"}},
        "code": code,
        "tests": [{"args": args, "returns": returns} for args, returns in tests],
    }
    return make_example(expected=expected)


def test_every_reference_code_that_ships_passes_all_its_tests() -> None:
    examples = read_examples(graph, files())

    problems = {example.id: references_pass(example) for example in examples}

    assert len(problems) >= 258
    assert {name: found for name, found in problems.items() if found} == {}


def test_an_example_whose_tests_notice_every_change_has_no_problem() -> None:
    assert references_pass(labelled()) == []
    assert mutants_die(labelled()) == []
    assert mutate(Expected.model_validate(labelled().expected)).survivors == ()


def test_a_reference_that_fails_a_test_says_which() -> None:
    wrong = labelled(tests=[*GOOD, ("(2,)", "2")])

    assert references_pass(wrong) == [
        "the reference code fails: sign(2,) is to return 2, but it returned 1"
    ]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def sign(", "the reference code does not load: it raised SyntaxError"),
        ("import missing\n", "the reference code does not load: it raised ModuleNotFoundError"),
        ("def other(n): return n\n", "but it is not defined"),
        ("import os\ndef sign(n): os._exit(2)\n", "but it ended its process: exit code 2"),
    ],
)
def test_a_reference_that_cannot_be_called_says_why(code: str, says: str) -> None:
    assert says in references_pass(labelled(code=code))[0]


def test_tests_that_notice_too_little_name_what_they_miss() -> None:
    weak = labelled(tests=[("(3,)", "1")] * 4)

    problems = mutants_die(weak)

    assert problems[0].endswith("are noticed by its tests, wanted are 80%")
    assert "not noticed: line 3, n < 0 becomes n <= 0" in problems


def test_one_survivor_is_allowed() -> None:
    """It may compute the same as the original."""
    two_survive = labelled("def sign(n):\n    return n * 1\n", [("(0,)", "0")] * 4)
    one_survives = labelled("def sign(n):\n    return n + n\n", [("(0,)", "0")] * 4)

    assert mutants_die(two_survive) != []
    assert mutants_die(one_survives) == []


def test_many_mutants_must_be_noticed_but_for_a_fifth() -> None:
    code = "def sign(n):\n    return (n > 0) - (n < 0)\n"

    assert mutants_die(labelled(code, [("(-3,)", "-1"), ("(3,)", "1")] * 2)) != []


def test_a_reference_that_does_not_compile_is_a_problem_of_both_checks() -> None:
    broken = labelled(code="def (")

    assert references_pass(broken)[0].startswith("the reference code does not load")
    assert mutants_die(broken)[0].startswith("the reference code does not compile")
