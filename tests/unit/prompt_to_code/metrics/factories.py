"""Outcomes and labels of `prompt_to_code` with sensible defaults."""

from __future__ import annotations

from typing import Any

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.prompt_to_code.ir import (
    IR,
    Assertion,
    Effect,
    HoleKind,
    Intent,
    Parameter,
    Signature,
    TypedHole,
)
from liftgraph_dagster.prompt_to_code.outcome import Expected, Outcome, Test
from liftgraph_dagster.prompt_to_code.state import CodeCheck
from tests.factories import make_example

ADD = "def add(a: int, b: int) -> int:\n    return a + b\n"
TESTS = [("(1, 2)", "3"), ("(0, 0)", "0"), ("(-1, 1)", "0"), ("(5, 7)", "12")]


def make_signature(
    name: str = "add",
    parameters: dict[str, str | None] | None = None,
    returns: str | None = "int",
) -> Signature:
    hints = {"a": "int", "b": "int"} if parameters is None else parameters
    return Signature(
        name=name,
        parameters=[Parameter(name=n, type_hint=hint) for n, hint in hints.items()],
        returns=returns,
    )


def make_ir(
    summary: str = "Return the sum of two numbers.",
    signature: Signature | None = None,
    *,
    effects: list[str] | None = None,
    assertions: list[str] | None = None,
    holes: list[TypedHole] | None = None,
) -> IR:
    return IR(
        intent=Intent(summary=summary),
        signature=signature or make_signature(),
        effects=[Effect(description=text) for text in effects or []],
        assertions=[Assertion(predicate=text) for text in assertions or []],
        holes=holes or [],
    )


def make_hole(
    identifier: str = "digits", type_hint: str = "int", kind: HoleKind = HoleKind.IMPLEMENTATION
) -> TypedHole:
    return TypedHole(identifier=identifier, type_hint=type_hint, kind=kind)


def make_tests(pairs: list[tuple[str, str]] | None = None) -> list[Test]:
    return [Test(args=args, returns=returns) for args, returns in pairs or TESTS]


def make_label(ir: IR | None = None, code: str = ADD) -> Example:
    expected = Expected(ir=ir or make_ir(), code=code, tests=make_tests())
    return make_example(expected=expected.model_dump(mode="json"))


def make_outcome(ir: IR | None = None, code: str = ADD) -> dict[str, Any]:
    found = ir or make_ir()
    return Outcome(
        ir=found,
        header=found.signature.header(),
        suggestions={},
        code=code,
        check=CodeCheck(parses=True),
    ).model_dump(mode="json")


def right_outcome(expected: Expected) -> Outcome:
    """Return the outcome that does all that a label says."""
    return Outcome(
        ir=expected.ir,
        header=expected.ir.signature.header(),
        suggestions=expected.fillings,
        code=expected.code,
        check=CodeCheck(parses=True),
    )
