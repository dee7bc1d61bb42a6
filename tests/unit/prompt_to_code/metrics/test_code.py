"""Scores computed by hand."""

from __future__ import annotations

import ast
import math
from typing import Any

import pytest

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.metrics.text import chrf
from liftgraph_dagster.prompt_to_code import outcome as labels
from liftgraph_dagster.prompt_to_code.metrics.code import (
    CodeQuality,
    code_quality,
    compare_code,
    preorder,
    syntax_similarity,
)
from tests.unit.prompt_to_code.metrics.factories import (
    ADD,
    make_ir,
    make_label,
    make_outcome,
    make_signature,
    make_tests,
)

RENAMED = "def plus(x: int, y: int) -> int:\n    return x + y\n"
SUBTRACT = ADD.replace("+", "-")
ENDLESS = "def add(a, b):\n    while a == 1: pass\n    return a + b\n"


def syntax(one: str, other: str) -> float:
    return syntax_similarity(ast.parse(one), ast.parse(other))


def test_the_reference_itself_scores_1() -> None:
    assert code_quality(ADD, ADD, make_tests()) == 1.0


@pytest.mark.parametrize("code", ["", "# nothing\n"])
def test_code_that_defines_nothing_passes_nothing(code: str) -> None:
    scored = compare_code(code, ADD, make_tests())

    assert (scored.parts["parses"], scored.parts["tests"]) == (1.0, 0.0)


@pytest.mark.parametrize("code", ["def add(a, b)\n", "return 1\n", "(" * 300, "x = '\x00'"])
def test_code_that_does_not_compile_scores_0(code: str) -> None:
    scored = compare_code(code, ADD, make_tests())

    assert scored.value == 0.0
    assert scored.feedback.startswith("parses 0.00: the code does not compile: ")


def test_the_score_is_the_weighted_sum_of_its_parts() -> None:
    scored = compare_code(SUBTRACT, ADD, make_tests())

    # of 4 tests only add(0, 0) passes; of 10 nodes one differs, so 1 - 2 / 20: Module, FunctionDef,
    # arguments, arg, arg, Return, BinOp, Name, Add, Name
    assert scored.parts == {
        "parses": 1.0,
        "tests": 0.25,
        "syntax": pytest.approx(0.9),
        "text": pytest.approx(chrf(SUBTRACT, ADD)),
    }
    assert scored.value == pytest.approx(
        0.05 + 0.75 * 0.25 + 0.10 * 0.9 + 0.10 * chrf(SUBTRACT, ADD)
    )


def test_without_tests_the_score_rests_on_surface_and_is_flagged() -> None:
    scored = compare_code(SUBTRACT, ADD, [])

    assert scored.value == pytest.approx(0.05 + 0.55 * 0.9 + 0.40 * chrf(SUBTRACT, ADD))
    assert scored.flags == ("no_execution",)
    assert scored.feedback.endswith("Nothing was run: there is no test.")


def test_with_tests_the_score_is_not_flagged() -> None:
    assert compare_code(ADD, ADD, make_tests()).flags == ()


def test_what_the_code_does_counts_for_more_than_how_it_looks() -> None:
    other = "def add(a, b):\n    total = a\n    total += b\n    return total\n"

    assert code_quality(other, ADD, make_tests()) > code_quality(SUBTRACT, ADD, make_tests())


def test_tests_can_have_weights() -> None:
    scored = compare_code(SUBTRACT, ADD, make_tests(), weights=[1, 5, 1, 1])

    assert scored.parts["tests"] == pytest.approx(5 / 8)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], "2 weights for 4 tests"),
        ([1, 1, 1, math.nan], "the weight of a test is nan"),
        ([1, 1, 1, -1], "the weight of a test is -1"),
        ([1, 1, 1, 0], "the weight of a test is 0"),
        ([1, 1, 1, "1"], "the weight of a test is '1'"),
        ([1, 1, 1, True], "the weight of a test is True"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        code_quality(ADD, ADD, make_tests(), weights=weights)


def test_a_reference_that_does_not_compile_is_the_labels_fault() -> None:
    with pytest.raises(InputError, match="the expected code does not compile"):
        code_quality(ADD, "def", make_tests())


def test_a_test_that_times_out_has_failed() -> None:
    scored = compare_code(ENDLESS, ADD, make_tests())

    assert scored.parts["tests"] == 0.75
    assert "`add(1, 2)` should return 3, but it did not end within 2 seconds" in scored.feedback


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (SUBTRACT, "1 of 4 pass; `add(1, 2)` should return 3, but it returned -1."),
        (
            "def add(a, b):\n    return 1 / (b - 2)\n",
            "0 of 4 pass; `add(1, 2)` should return 3, but it raised ZeroDivisionError: ",
        ),
        ("def add(a, b): exit()\n", "should return 3, but it raised NameError"),
        ("def add(a, b): raise SystemExit\n", "should return 3, but it raised SystemExit."),
        ("import json_of_mine\n" + ADD, "0 of 4 pass; the code does not load: it raised "),
    ],
)
def test_the_feedback_shows_the_first_failing_test(code: str, said: str) -> None:
    assert said in compare_code(code, ADD, make_tests()).feedback


def test_the_feedback_says_which_exception_was_expected() -> None:
    tests = [labels.Test(args="(1,)", raises="ValueError")]
    scored = compare_code("def f(x): return x\n", "def f(x): raise ValueError\n", tests)

    assert "`f(1)` should raise ValueError, but it returned 1." in scored.feedback


def test_the_feedback_of_right_code_is_empty() -> None:
    assert compare_code(ADD, ADD, make_tests()).feedback == ""


@pytest.mark.parametrize(
    ("code", "name", "share"),
    [
        (RENAMED, None, 1.0),
        (RENAMED, "plus", 1.0),
        (RENAMED, "add", 0.0),
        (f"{SUBTRACT}\n{RENAMED}", None, 0.25),  # `add` is defined, so it is meant
        (f"{SUBTRACT}\n{RENAMED}", "plus", 1.0),
        ("x = 1\n", None, 0.0),
    ],
)
def test_the_function_is_the_named_one_or_the_references_or_the_last(
    code: str, name: str | None, share: float
) -> None:
    assert compare_code(code, ADD, make_tests(), function_name=name).parts["tests"] == share


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        (ADD, RENAMED, 1.0),
        (ADD, ADD.replace(": int", ""), 1.0),
        (ADD, ADD.replace("return", '"""Add."""\n    return'), 1.0),
        ("x = 1", "x = 2", 0.75),  # Module, Assign, Name, Constant: 1 - 2 / 8
        ("x = len(y)", "x = sum(y)", 5 / 6),  # of 6 nodes one differs: 1 - 2 / 12
        ("x.a", "x.b", 0.75),
        ("x = y", "", 0.4),  # Module, Assign, Name, Name and Module: 1 - 3 / 5
    ],
)
def test_syntax_is_compared_without_the_names_that_the_code_gives(
    one: str, other: str, value: float
) -> None:
    assert syntax(one, other) == pytest.approx(value)


def test_names_are_numbered_in_the_order_in_which_they_appear() -> None:
    assert preorder(ast.parse("a = len(b) + a")) == [
        "Module", "Assign", "Name 0", "BinOp", "Call", "Name len", "Name 1", "Add", "Name 0",
    ]  # fmt: skip


def test_the_metric_runs_the_code_under_the_name_of_its_own_signature() -> None:
    outcome = make_outcome(make_ir(signature=make_signature("plus")), RENAMED)

    assert CodeQuality()(make_label(), outcome).parts["tests"] == 1.0


def test_code_under_another_name_than_its_signature_declares_passes_nothing() -> None:
    outcome = make_outcome(make_ir(signature=make_signature("plus")), ADD)

    assert CodeQuality()(make_label(), outcome).parts["tests"] == 0.0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def add(a, b): return 10 ** 5000\n", "it returned a number too long to write."),
        ("def add(a, b): return [10 ** 5000]\n", "it returned a number too long to write."),
        (f"def add(a, b): return 0x{'f' * 5000}\n", "it returned a number too long to write."),
        ("def add(a, b): return [0] * 10 ** 6\n", "it returned Opaque(type='list', "),
        ("def plus(a, b): return a + b\n", "it is not defined."),
    ],
)
def test_odd_results_are_failed_tests_with_a_reason(code: str, said: str) -> None:
    scored = compare_code(code, ADD, make_tests(), function_name="add")

    assert scored.parts["tests"] == 0
    assert said in scored.feedback


@pytest.mark.parametrize(
    ("code", "raises"),
    [
        ("x = 1\n", "NameError"),
        ("def f(n): return [0] * 10 ** 6\n", "ValueError"),
        ("def f(n):\n    for _ in range(100): n = [n]\n    return n\n", "ValueError"),
    ],
)
def test_what_the_program_did_not_raise_passes_no_test_of_an_exception(
    code: str, raises: str
) -> None:
    tests = [labels.Test(args="(1,)", raises=raises)]

    scored = compare_code(code, f"def f(n): raise {raises}\n", tests, function_name="f")

    assert scored.parts["tests"] == 0
