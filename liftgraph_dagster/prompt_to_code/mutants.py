"""Small changes to a function, each of which its tests should notice.

One change a mutant: an operator, a constant, a bound moved by one, a condition turned round, which
swaps the branches (the operators that Jia and Harman 2011 call ROR, AOR, LCR, CRP and UOI). Type
hints, docstrings and what an exception says are left alone: no test can notice them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from liftgraph_dagster.sandbox.syntax import parse

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.FloorDiv,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_TURNED = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
"""Comparisons of which `_COMPARISONS` gives the opposite."""
_UNNOTICED = {"annotation", "returns", "type_comment"}
"""Fields of the syntax tree that no call depends on."""


@dataclass(frozen=True)
class Mutant:
    """A program with one change."""

    code: str
    line: int
    """Where the change is, counted from 1 in the original."""
    change: str
    """The changed expression, before and after."""


def mutants(code: str) -> Iterator[Mutant]:
    """Yield all mutants of `code`, in the order of its text. Raises SyntaxError."""
    tree = parse(code)
    for place, node in enumerate(_noticed(tree)):
        for changed in _changes(node):
            mutated = copy.deepcopy(tree)
            target = list(_noticed(mutated))[place]
            target.__class__ = changed.__class__
            target.__dict__ = changed.__dict__
            text = ast.unparse(ast.fix_missing_locations(mutated))
            yield Mutant(f"{text}\n", _line(node), f"{_short(node)} becomes {_short(changed)}")


def _noticed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `node` that a call can depend on."""
    for field, value in ast.iter_fields(node):
        if field in _UNNOTICED or isinstance(node, ast.Raise):
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield child
                yield from _noticed(child)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                changed = copy.deepcopy(node)
                changed.ops[index] = _COMPARISONS[type(op)]()
                yield changed
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _ARITHMETIC:
            arithmetic = copy.deepcopy(node)
            arithmetic.op = _ARITHMETIC[type(op)]()
            yield arithmetic
        case ast.BoolOp(op=op):
            boolean = copy.deepcopy(node)
            boolean.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield boolean
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield copy.deepcopy(operand)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if _turns(test):
            turned = copy.deepcopy(node)
            turned.test = _negation(test)
            yield turned
        case ast.comprehension(ifs=conditions):
            for index, condition in enumerate(conditions):
                if _turns(condition):
                    turned_filter = copy.deepcopy(node)
                    turned_filter.ifs[index] = _negation(condition)
                    yield turned_filter
        case ast.match_case(guard=ast.expr() as guard) if _turns(guard):
            turned_case = copy.deepcopy(node)
            turned_case.guard = _negation(guard)
            yield turned_case
        case ast.Constant(value=value):
            yield from (ast.copy_location(ast.Constant(new), node) for new in _others(value))
        case ast.Call(func=ast.Name(id="range"), args=args):
            for index, bound in enumerate(args[:2]):
                if not isinstance(bound, ast.Constant):
                    moved = copy.deepcopy(node)
                    moved.args[index] = _plus_one(bound)
                    yield moved
        case ast.Slice(lower=lower, upper=upper):
            for name, end in (("lower", lower), ("upper", upper)):
                if end is not None and not isinstance(end, ast.Constant):
                    moved_slice = copy.deepcopy(node)
                    setattr(moved_slice, name, _plus_one(end))
                    yield moved_slice


def _turns(condition: ast.expr) -> bool:
    """Return False where a change of the condition itself turns it: `a == b`, `not a`, `True`."""
    match condition:
        case ast.Compare(ops=[op]):
            return not isinstance(op, _TURNED)
        case ast.UnaryOp(op=ast.Not()) | ast.Constant(value=bool()):
            return False
        case _:
            return True


def _negation(condition: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), copy.deepcopy(condition))


def _others(value: object) -> list[bool | int | float | str]:
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, value - 1]
        case float():
            return [value + 1.0]
        case str():
            return ["" if value else "X"]
        case _:
            return []


def _plus_one(bound: ast.expr) -> ast.expr:
    return ast.BinOp(copy.deepcopy(bound), ast.Add(), ast.Constant(1))


def _line(node: ast.AST) -> int:
    match node:
        case ast.comprehension(target=part) | ast.match_case(pattern=part):
            return part.lineno
        case _:
            return int(getattr(node, "lineno", 0))


def _short(node: ast.AST) -> str:
    shown = node
    match node:
        case ast.If(test=condition) | ast.While(test=condition):
            shown = condition
        case ast.match_case(guard=ast.expr() as condition):
            shown = condition
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(shown))).strip()
