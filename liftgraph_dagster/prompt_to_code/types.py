"""Python type hints as text: which are types, and how alike two of them are."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass

from liftgraph_dagster.sandbox.syntax import parse_expression

_ALIASES = {
    "List": "list", "Dict": "dict", "Set": "set", "FrozenSet": "frozenset", "Tuple": "tuple",
    "Type": "type", "Text": "str", "NoneType": "None",
}  # fmt: skip
_KNOWN = {
    "Any", "Callable", "Iterable", "Iterator", "Sequence", "Mapping", "Collection", "Generator",
    "MutableMapping", "MutableSequence", "Hashable", "Literal", "Optional", "Union", "Annotated",
    "datetime", "date", "time", "timedelta", "Decimal", "Fraction", "Path", "Pattern", "Match",
    "Counter", "defaultdict", "deque", "OrderedDict", "None", "object", "Self", "TypeVar", "T",
}  # fmt: skip
_TOWER = ("bool", "int", "float", "complex")


@dataclass(frozen=True)
class Type:
    """A type in normal form: unions flat and unordered, aliases resolved, module prefixes gone."""

    name: str
    """`list`, `int`, `Union`, `Literal`, ..."""
    arguments: tuple[Type, ...] = ()


def is_type_hint(text: str) -> bool:
    """Return True when `text` is a type that a reader would know: a builtin, a name from `typing`
    or the standard library's common types, with arguments of the same sort."""
    try:
        return _is_known(parse(text))
    except ValueError:
        return False


def parse(text: str) -> Type:
    """Return the normal form of a type hint. Raises ValueError when it is none."""
    try:
        return _normal(_tree(text))
    except RecursionError as exc:
        raise ValueError(f"{text[:80]!r}... is not a type hint: too long") from exc


def written(text: str) -> str:
    """Return a type hint as one would write it on one line. Raises ValueError as `parse` does."""
    parse(text)
    return ast.unparse(_tree(text))


def similarity(left: str | None, right: str | None) -> float:
    """Return how alike two type hints are, in [0, 1].

    1 for equal normal forms; 0.5 for two numbers (bool < int < float), and for `Any` or `object`
    against anything; with one generic origin 0.5 + 0.5 * the mean similarity of the arguments;
    unions by their best pairing; else 0. An unreadable or missing hint is like nothing, except
    that two missing ones are equal.
    """
    if left is None or right is None:
        return float(left == right)
    try:
        return _similarity(parse(left), parse(right))
    except ValueError:
        return float(left.strip() == right.strip())


def _tree(text: str) -> ast.expr:
    try:
        tree = parse_expression(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise ValueError(f"{text!r} is not a type hint") from exc
    if "#" in text and "#" not in ast.unparse(tree):
        raise ValueError(f"{text!r} is not a type hint: it ends in a comment")
    return tree


def _normal(tree: ast.expr) -> Type:
    match tree:
        case ast.Constant(value=None):
            return Type("None")
        case ast.Constant(value=str() as quoted):
            return parse(quoted)
        case ast.Name(id=name):
            return Type(_ALIASES.get(name, name))
        case ast.Attribute(value=ast.Name() | ast.Attribute() as module, attr=name):
            _normal(module)
            return Type(_ALIASES.get(name, name))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _union([_normal(left), _normal(right)])
        case ast.Subscript(value=value, slice=inner):
            return _generic(_normal(value).name, inner)
        case _:
            raise ValueError(f"{ast.unparse(tree)!r} is not a type hint")


def _generic(origin: str, inner: ast.expr) -> Type:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if origin == "Literal":
        literals = {Type(ast.unparse(part)) for part in parts}
        return Type("Literal", tuple(sorted(literals, key=repr)))
    if origin == "Annotated":
        return _normal(parts[0])
    arguments = [_argument(part) for part in parts]
    if origin == "Optional":
        return _union([*arguments, Type("None")])
    if origin == "Union":
        return _union(arguments)
    return Type(origin, tuple(arguments))


def _argument(tree: ast.expr) -> Type:
    """Return the normal form of what may stand in brackets only: `...`, and lists of types."""
    match tree:
        case ast.Constant(value=value) if value is ...:
            return Type("Ellipsis")
        case ast.List(elts=parts):
            return Type("[]", tuple(_normal(part) for part in parts))
        case _:
            return _normal(tree)


def _union(parts: list[Type]) -> Type:
    flat = {p for part in parts for p in (part.arguments if part.name == "Union" else (part,))}
    if len(flat) == 1:
        return flat.pop()
    return Type("Union", tuple(sorted(flat, key=repr)))


def _is_known(found: Type) -> bool:
    if found.name == "Literal":
        return bool(found.arguments)
    if found.name in ("Union", "[]", "Ellipsis"):
        return all(_is_known(part) for part in found.arguments)
    is_builtin = isinstance(getattr(builtins, found.name, None), type)
    return (is_builtin or found.name in _KNOWN) and all(map(_is_known, found.arguments))


def _similarity(left: Type, right: Type) -> float:
    if left == right:
        return 1.0
    if {left.name, right.name} & {"Any", "object"}:
        return 0.5
    if "Union" in (left.name, right.name):
        return _union_similarity(left, right)
    if left.name in _TOWER and right.name in _TOWER:
        return 0.5
    if left.name != right.name:
        return 0.0
    pairs = list(zip(left.arguments, right.arguments, strict=False))
    longest = max(len(left.arguments), len(right.arguments))
    return 0.5 + 0.5 * sum(_similarity(a, b) for a, b in pairs) / longest


def _union_similarity(left: Type, right: Type) -> float:
    """Return the soft Dice coefficient of the members, paired greedily by similarity."""
    ours = list(left.arguments if left.name == "Union" else (left,))
    theirs = list(right.arguments if right.name == "Union" else (right,))
    scored = sorted(
        ((_similarity(a, b), i, j) for i, a in enumerate(ours) for j, b in enumerate(theirs)),
        reverse=True,
    )
    total, used = 0.0, set()
    for score, i, j in scored:
        if (0, i) not in used and (1, j) not in used:
            used |= {(0, i), (1, j)}
            total += score
    return 2 * total / (len(ours) + len(theirs))
