"""Predicates, Python expressions over a function's parameters and `result`, in canonical form.

Two predicates of one canonical form say the same, of values other than NaN. The converse does not
hold.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from liftgraph_dagster.sandbox.syntax import parse_expression

_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE,
    ast.LtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_SYMMETRIC = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot)
_FOLDED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_LONGEST_BITS = 10_000
_NUMERIC = frozenset({"len", "sum", "abs", "round", "int", "float", "ord", "pow"})
"""Builtins that return numbers when they return: what stands beside them in a sum is one, too."""


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return a predicate with its free names replaced, all at once; variables that it binds itself
    get names that stand nowhere else. Returns it unchanged when it is no expression."""
    tree = _parsed(text)
    if tree is None or not names:
        return text
    prefix = "v"
    while any(prefix in word for word in (text, *names.values())):
        prefix += "_"
    try:
        return ast.unparse(_Scope(names, prefix).visit(tree))
    except (RecursionError, ValueError):  # a number too long to write
        return text


def canonical(text: str, *, total: bool = True) -> str | None:
    """Return the canonical form of a predicate; None when it is no Python expression, or one too
    large.

    Negations are pushed down to the comparisons, chains of comparisons are taken apart, `a > b`
    is written `b < a`, operands are sorted where their order does not count (`and`, `or`, `==`,
    `*`, and `+` where it adds numbers), constants are folded, the variables of comprehensions are
    numbered, and `bool(...)` around a condition is dropped. NaN is no value here: `not a < b` is
    `a >= b`, unless `total` is False, as it has to be where names stand for sets, or the predicate
    makes sets itself.
    """
    tree = _parsed(text)
    if tree is None:
        return None
    total = total and not any(map(_makes_sets, ast.walk(tree)))
    try:
        values = _Scope({}, "$").visit(_Values(total).visit(tree))
        return ast.dump(_condition(values, negate=False, total=total))
    except (RecursionError, ValueError):
        return None


def constants(text: str) -> list[Any]:
    """Return the constants of a predicate that can be written down; none when it is no
    expression."""
    tree = _parsed(text)
    parts = ast.walk(tree) if tree is not None else []
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    return [value for value in values if not _is_long(value)]


def _parsed(text: str) -> ast.expr | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # of its `is 1` and its "\\d"
            return parse_expression(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Values(ast.NodeTransformer):
    """Canonical form of whatever is no condition: arithmetic, calls, literals."""

    def __init__(self, total: bool) -> None:
        self._total = total

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        node = ast.BinOp(self.visit(node.left), node.op, self.visit(node.right))
        folded = _fold(node)
        if folded is not None:
            return folded
        if isinstance(node.op, ast.Mult | ast.Add):
            operands = _flat(node, type(node.op))
            if isinstance(node.op, ast.Mult) or any(map(_is_number, operands)):
                return _chained(sorted(operands, key=ast.dump), node.op)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Not):
            found = _condition(self.visit(node.operand), negate=True, total=self._total)
            return (
                found if _is_truth(found) else ast.Call(ast.Name("bool", ast.Load()), [found], [])
            )
        operand = self.visit(node.operand)
        match node.op, operand:
            case ast.USub(), ast.Constant(value=int() | float() as number):
                return ast.Constant(-number)
            case ast.UAdd(), ast.Constant(value=int() | float()):
                return operand
        return ast.UnaryOp(node.op, operand)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        sides = [self.visit(side) for side in (node.left, *node.comparators)]
        compared = ast.Compare(sides[0], node.ops, sides[1:])
        return _condition(compared, negate=False, total=self._total)


class _Scope(ast.NodeTransformer):
    """Replaces names: the free ones as they are given, and the variables of comprehensions and
    lambdas by `prefix` and a number, in the order in which they are bound.

    The first iterable of a comprehension and the defaults of a lambda lie outside its scope.
    """

    def __init__(self, names: Mapping[str, str], prefix: str, bound: int = 0) -> None:
        self._names = names
        self._prefix = prefix
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self._names.get(node.arg, node.arg))

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        given = node.args
        defaults = [self.visit(value) for value in given.defaults]
        kw_defaults = [value and self.visit(value) for value in given.kw_defaults]
        given.defaults, given.kw_defaults = [], []
        inner = self._binding(part.arg for part in ast.walk(given) if isinstance(part, ast.arg))
        inner.generic_visit(node)
        given.defaults, given.kw_defaults = defaults, kw_defaults
        return node

    def _comprehension(self, node: Any) -> ast.AST:
        first = node.generators[0]
        iterable, first.iter = self.visit(first.iter), ast.Constant(None)
        inner = self._binding(
            part.id
            for generator in node.generators
            for part in ast.walk(generator.target)
            if isinstance(part, ast.Name)
        )
        inner.generic_visit(node)
        first.iter = iterable
        return node  # type: ignore[no-any-return]

    visit_GeneratorExp = visit_ListComp = visit_SetComp = visit_DictComp = _comprehension

    def _binding(self, names: Iterable[str]) -> _Scope:
        """Return the scope inside, where these names are bound."""
        start = self._bound
        bound = {name: f"{self._prefix}{start + i}" for i, name in enumerate(dict.fromkeys(names))}
        return _Scope({**self._names, **bound}, self._prefix, start + len(bound))


def _condition(node: ast.expr, *, negate: bool, total: bool) -> ast.expr:
    """Return a condition in negation normal form, or that of its opposite."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _condition(operand, negate=not negate, total=total)
        case ast.Call(func=ast.Name(id="bool"), args=[inner], keywords=[]):
            return _condition(inner, negate=negate, total=total)
        case ast.Constant(value=bool() as value):
            return ast.Constant(value is not negate)
        case ast.BoolOp(op=op, values=values):
            is_and = isinstance(op, ast.And) is not negate
            parts = [_condition(value, negate=negate, total=total) for value in values]
            return _joined(is_and, parts)
        case ast.Compare(left=left, ops=ops, comparators=right):
            sides = [left, *right]
            links = [
                _comparison(a, op, b, negate=negate, total=total)
                for a, op, b in zip(sides, ops, right, strict=False)
            ]
            return _joined(not negate, links)
        case _:
            return ast.UnaryOp(ast.Not(), node) if negate else node


def _comparison(
    left: ast.expr, op: ast.cmpop, right: ast.expr, *, negate: bool, total: bool
) -> ast.expr:
    if negate and not total and isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        return ast.UnaryOp(ast.Not(), _comparison(left, op, right, negate=False, total=total))
    kind = _NEGATED[type(op)] if negate else type(op)
    if kind in _MIRRORED:
        kind, left, right = _MIRRORED[kind], right, left
    elif kind in _SYMMETRIC:
        left, right = sorted((left, right), key=ast.dump)
    return ast.Compare(left, [kind()], [right])


def _joined(is_and: bool, parts: list[ast.expr]) -> ast.expr:
    """Return an `and` or `or` without nesting, repetition or order."""
    op: type[ast.boolop] = ast.And if is_and else ast.Or
    flat = [
        inner
        for part in parts
        for inner in (
            part.values if isinstance(part, ast.BoolOp) and isinstance(part.op, op) else [part]
        )
    ]
    different = {ast.dump(part): part for part in flat}
    ordered = [different[dump] for dump in sorted(different)]
    return ordered[0] if len(ordered) == 1 else ast.BoolOp(op(), ordered)


def _flat(node: ast.expr, op: type[ast.operator]) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, op):
        return [*_flat(node.left, op), *_flat(node.right, op)]
    return [node]


def _chained(operands: list[ast.expr], op: ast.operator) -> ast.expr:
    chained = operands[0]
    for operand in operands[1:]:
        chained = ast.BinOp(chained, op, operand)
    return chained


def _call_bool(node: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("bool", ast.Load()), [node], [])


def _is_truth(node: ast.expr) -> bool:
    """Return True for what is True or False whatever its names stand for."""
    match node:
        case ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Constant(value=bool()):
            return True
        case ast.BoolOp(values=values):
            return all(map(_is_truth, values))
        case _:
            return False


def _makes_sets(node: ast.AST) -> bool:
    match node:
        case ast.Set() | ast.SetComp() | ast.Name(id="set" | "frozenset"):
            return True
        case ast.Attribute(attr="keys" | "items"):
            return True
        case _:
            return False


def _is_long(value: Any) -> bool:
    """Return True for a number that Python refuses to write in decimal, or nearly."""
    return isinstance(value, int) and value.bit_length() > _LONGEST_BITS


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return type(value) in (int, float)
        case ast.Call(func=ast.Name(id=name)):
            return name in _NUMERIC
        case ast.BinOp(op=ast.Sub() | ast.Div() | ast.FloorDiv() | ast.Pow()):
            return not isinstance(node.op, ast.Sub)  # `-` is for sets, too
        case _:
            return False


def _fold(node: ast.BinOp) -> ast.expr | None:
    """Return the constant that an operation on two numbers gives; None for anything else."""
    fold = _FOLDED.get(type(node.op))
    match node.left, node.right:
        case ast.Constant(value=int() | float() as a), ast.Constant(value=int() | float() as b):
            if fold is None or isinstance(a, bool) or isinstance(b, bool):
                return None
            try:
                value = fold(a, b)
            except (ArithmeticError, ValueError):
                return None
            return None if _is_long(value) else ast.Constant(value)
        case _:
            return None
