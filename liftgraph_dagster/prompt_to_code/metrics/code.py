"""How good generated code is."""

from __future__ import annotations

import ast
import builtins
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from rapidfuzz.distance import Indel

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.evaluation.metrics import text, weighted
from liftgraph_dagster.evaluation.metrics.text import chrf
from liftgraph_dagster.evaluation.metrics.weighted import feedback, weighted_mean
from liftgraph_dagster.prompt_to_code import judging, outcome, running
from liftgraph_dagster.prompt_to_code.judging import described
from liftgraph_dagster.prompt_to_code.metrics.reading import (
    read_expected,
    read_outcome,
    version_of,
)
from liftgraph_dagster.prompt_to_code.outcome import Test
from liftgraph_dagster.prompt_to_code.running import run_tests
from liftgraph_dagster.sandbox import program, values
from liftgraph_dagster.sandbox.sandbox import Limits
from liftgraph_dagster.sandbox.syntax import parse

WEIGHTS = {"parses": 0.05, "tests": 0.75, "syntax": 0.10, "text": 0.10}
WEIGHTS_WITHOUT_TESTS = {"parses": 0.05, "syntax": 0.55, "text": 0.40}
NO_EXECUTION = "no_execution"
"""The flag of a score that rests on no test."""
LIMITS = Limits()
"""Of the tests of one example."""


def code_quality(
    predicted: str,
    expected: str,
    tests: Sequence[Test],
    *,
    function_name: str | None = None,
    weights: Sequence[float] | None = None,
) -> float:
    """Return how good code is, in [0, 1]: 0 if it does not compile, else

        .05 + .75 * (sum of w_t * pass_t / sum of w_t) + .10 * syntax + .10 * text

    syntax: similarity of the syntax trees, see `syntax_similarity`; text: `chrf` of the sources.
    Both only break ties: what counts is what the code does. A test that times out, or is not
    reached, has failed. Without tests it is .05 + .55 syntax + .40 text, a score that must not be
    averaged with tested ones; `compare_code` flags it.

    Piecewise constant in the tests, so not differentiable; one test of n moves it by .75 / n.

    Args:
        predicted: the source to judge.
        expected: the reference source.
        tests: calls of the function, and what they give.
        function_name: of the predicted function; by default the reference's where it is defined,
            else the last function that is.
        weights: of the tests, each above 0; all equal by default.

    Raises InputError for weights that do not fit, SandboxUnavailable where code must not be run,
    SandboxDied when the sandbox went away.
    """
    scored = compare_code(predicted, expected, tests, function_name=function_name, weights=weights)
    return scored.value


def compare_code(
    predicted: str,
    expected: str,
    tests: Sequence[Test],
    *,
    function_name: str | None = None,
    weights: Sequence[float] | None = None,
) -> Scored:
    """Return `code_quality` with its parts, and what is wrong with each: of the tests, the first
    that fails, with its arguments, what it expects and what it got."""
    shares = _shares(tests, weights)
    flags = () if tests else (NO_EXECUTION,)
    try:
        ours = parsed(predicted)
    except ValueError as exc:
        return Scored(
            0.0, f"parses 0.00: the code does not compile: {exc}.", {"parses": 0.0}, flags
        )
    try:
        theirs = parsed(expected)
    except ValueError as exc:
        raise InputError(f"the expected code does not compile: {exc}; correct the label") from exc
    found = {"parses": (1.0, "")}
    if tests:
        found["tests"] = _tested(predicted, function_name or _entry(ours, theirs), tests, shares)
    found["syntax"] = (syntax_similarity(ours, theirs), "another structure than the reference.")
    found["text"] = (chrf(predicted, expected), "another text than the reference.")
    parts = {name: value for name, (value, _) in found.items()}
    said = feedback(found)
    if not tests:
        said = f"{said}\nNothing was run: there is no test.".lstrip()
    return Scored(
        weighted_mean(parts, WEIGHTS if tests else WEIGHTS_WITHOUT_TESTS), said, parts, flags
    )


class CodeQuality:
    """`code_quality` of an outcome of `prompt_to_code` as a metric: of its code under the name that
    its own signature declares, by the tests of the label."""

    name = "code_quality"
    version = version_of(
        sys.modules[__name__], text, weighted, judging, outcome, running, program, values
    )

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        outcome, expected = read_outcome(prediction), read_expected(example)
        return compare_code(
            outcome.code,
            expected.code,
            expected.tests,
            function_name=outcome.ir.signature.name,
        )


def parsed(code: str) -> ast.Module:
    """Return the syntax tree of code that compiles. Raises ValueError saying why it does not."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of its `is 1` and its "\\d"
            return parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise ValueError(str(exc) or type(exc).__name__) from exc


def syntax_similarity(a: ast.Module, b: ast.Module) -> float:
    """Return how alike two syntax trees are, in [0, 1].

        1 - Indel distance / (length of both)

    of their nodes in preorder. Names that the code gives are numbered in the order in which they
    appear; those of builtins and attributes, and constants, count as they are; docstrings and type
    hints do not count. Indel: the fewest insertions and deletions, so the similarity is twice the
    longest common subsequence over the sum of the lengths.
    """
    return float(Indel.normalized_similarity(preorder(a), preorder(b)))


def preorder(tree: ast.Module) -> list[str]:
    """Return the nodes of a syntax tree as `syntax_similarity` compares them."""
    numbers: dict[str, str] = {}
    return list(_preorder(tree, numbers))


def _preorder(node: ast.AST, numbers: dict[str, str]) -> Iterator[str]:
    yield _label(node, numbers)
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "annotation", "returns", "type_comment", "kind"):
            continue
        parts = value if isinstance(value, list) else [value]
        if name == "body" and _documents(node):
            parts = parts[1:]
        for part in parts:
            if isinstance(part, ast.AST):
                yield from _preorder(part, numbers)


def _documents(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node, clean=False) is not None
    )


def _label(node: ast.AST, numbers: dict[str, str]) -> str:
    kind = type(node).__name__
    match node:
        case ast.Name(id=name):
            return f"Name {name if _is_builtin(name) else _number(name, numbers)}"
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return f"{kind} {_number(name, numbers)}"
        case ast.Attribute(attr=name) | ast.alias(name=name) | ast.keyword(arg=name):
            return f"{kind} {name}"
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return f"{kind} {value:x}"  # in decimal, Python refuses a long one
        case ast.Constant(value=value):
            return f"{kind} {value!r}"
        case _:
            return kind


def _number(name: str, numbers: dict[str, str]) -> str:
    return numbers.setdefault(name, str(len(numbers)))


def _is_builtin(name: str) -> bool:
    return hasattr(builtins, name)


def _entry(ours: ast.Module, theirs: ast.Module) -> str:
    """Return the name to call when nobody says it; empty when the code defines no function."""
    defined, wanted = _functions(ours), _functions(theirs)
    return next((name for name in wanted if name in defined), defined[-1] if defined else "")


def _functions(tree: ast.Module) -> list[str]:
    return [part.name for part in tree.body if isinstance(part, ast.FunctionDef)]


def _shares(tests: Sequence[Test], weights: Sequence[float] | None) -> list[float]:
    """Return what each test is worth; the sum is 1."""
    found = [1.0] * len(tests) if weights is None else list(weights)
    if len(found) != len(tests):
        raise InputError(f"{len(found)} weights for {len(tests)} tests; give one for each")
    for weight in found:
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise InputError(f"the weight of a test is {weight!r}; give a number")
        if not math.isfinite(weight) or weight <= 0:
            raise InputError(f"the weight of a test is {weight}; give one above 0")
    total = math.fsum(found)
    return [weight / total for weight in found]


def _tested(
    code: str, function_name: str, tests: Sequence[Test], shares: Sequence[float]
) -> tuple[float, str]:
    passed, report = run_tests(code, function_name, tests, LIMITS)
    value = min(1.0, math.fsum(share for share, ok in zip(shares, passed, strict=True) if ok))
    if all(passed):
        return 1.0, ""
    count = f"{sum(passed)} of {len(tests)} pass"
    if not report.loaded.returned:
        return value, f"{count}; the code does not load: it {described(report.loaded, LIMITS)}."
    first = passed.index(False)
    test = tests[first]
    expected = f"return {test.returns}" if test.raises is None else f"raise {test.raises}"
    called = f"{function_name}{_arguments(test.args)}"
    return (
        value,
        f"{count}; `{called}` should {expected}, but it {described(report.calls[first], LIMITS)}.",
    )


def _arguments(args: str) -> str:
    """Return a tuple's text as the arguments of a call."""
    return args.removesuffix(",)") + ")" if args.endswith(",)") else args
