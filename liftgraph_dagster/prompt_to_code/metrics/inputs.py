"""Values of a function's parameters and of its result, made up to try predicates on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from liftgraph_dagster.prompt_to_code.types import Type, parse
from liftgraph_dagster.sandbox.syntax import literal

_RELATED = 0.7
"""Share of the results that are computed from the parameters. A predicate tells how the result
depends on them, and a result drawn without looking would fail nearly all predicates alike."""
_TRIES = 40
"""How many ways are tried to make a result of the type that is asked for."""
_INTEGERS: tuple[int, ...] = (*range(-3, 13), 15, 20, 30, 50, 99, 100, 101, 365, 1000, -10, -100)
_FLOATS = (*(float(n) for n in range(-2, 11)), 0.5, 1.5, 2.25, -0.5, 0.1, 99.9, 100.0, 1000.0)
_TEXTS = (
    "", "a", "b", "A", " ", "ab", "ba", "aba", "Abc", "abc", "abc abc", "Hello World", "hello",
    "racecar", "a b c", " pad ", "x,y", "a-b", "key=1", "12", "3.5", "-1", "()", "(]", "Ünï",
    "the quick brown fox", "one\ntwo", "madam", "aaa", "zZ9!",
)  # fmt: skip
_KNOWN = 0.4
"""Share of the texts and whole numbers that are made of known constants."""
_SIZES = (0, 1, 1, 2, 2, 3, 3, 4, 6)
_DEEPEST = 3


class Inputs:
    """A source of rows of values; one seed gives one list of rows.

    Values have the types that the hints name, small and often equal to one another; where a hint is
    open or unknown they have several. Most results are computed from the row's own parameters: a
    length, a sum, a sorted list, the text in capitals.

    Args:
        parameters: the type hint of each parameter, by name.
        returns: the type hint of the result.
        constants: numbers and texts to use as values, too, and near them; of other types none.
        seed: of the random numbers.
    """

    def __init__(
        self,
        parameters: Mapping[str, str | None],
        returns: str | None,
        *,
        constants: Iterable[Any] = (),
        seed: str,
    ) -> None:
        self._parameters = {name: _type(hint) for name, hint in parameters.items()}
        self._returns = _type(returns)
        self._random = random.Random(seed)
        known = list(constants)
        self._texts = [value for value in known if isinstance(value, str)]
        self._numbers: list[int] = [int(value) for value in known if type(value) in (int, float)]

    def rows(self, n: int) -> list[dict[str, Any]]:
        """Return `n` rows of values by name, `result` among them."""
        return [self._row() for _ in range(n)]

    def _row(self) -> dict[str, Any]:
        row = {name: self._value(kind, 0) for name, kind in self._parameters.items()}
        return row | {"result": self._result(row)}

    def _result(self, row: Mapping[str, Any]) -> Any:
        if row and self._random.random() < _RELATED:
            # In sorted order: that of a set differs from process to process.
            given = [sorted(v, key=repr) if isinstance(v, set) else v for v in row.values()]
            for _ in range(_TRIES):
                made = self._made_of(given)
                if made and _conforms(made[0], self._returns):
                    return made[0]
        return self._value(self._returns, 0)

    def _made_of(self, values: list[Any]) -> list[Any]:
        """Return what a function might make of some values, alone in a list; an empty list where
        it does not take them."""
        if len(values) > 1 and self._random.random() < 0.5:
            return _tried(self._random.choice(_JOINERS), *self._random.sample(values, 2))
        return _tried(self._random.choice(_MAKERS), self._random.choice(values))

    def _value(self, kind: Type, depth: int) -> Any:
        """Return a value of a type."""
        choose = self._random.choice
        arguments = kind.arguments
        match kind.name:
            case "int":
                return self._integer()
            case "float" | "complex" | "Decimal" | "Fraction":
                return float(self._integer()) if self._random.random() < 0.3 else choose(_FLOATS)
            case "bool":
                return self._random.random() < 0.5
            case "str":
                return self._text()
            case "bytes":
                return self._text().encode()
            case "None":
                return None
            case "Union":
                return self._value(choose(arguments), depth)
            case "Literal":
                return _literal(choose(arguments).name)
            case "tuple" if arguments and arguments[-1].name != "Ellipsis":
                return tuple(self._value(argument, depth + 1) for argument in arguments)
            case "tuple":
                return tuple(self._items(kind, depth))
            case "set" | "frozenset":
                return set(map(_hashable, self._items(kind, depth)))
            case "dict" | "Mapping" | "MutableMapping" | "Counter" | "defaultdict" | "OrderedDict":
                return self._dict(kind, depth)
            case "list" | "Sequence" | "Iterable" | "Collection" | "MutableSequence" | "deque":
                items = self._items(kind, depth)
                in_order = _tried(sorted, items) if self._random.random() < 0.3 else []
                return in_order[0] if in_order else items
            case _:
                return self._value(choose(_ANYTHING), depth + 1)

    def _integer(self) -> int:
        if self._numbers and self._random.random() < _KNOWN:
            return self._random.choice(self._numbers) + self._random.choice((-1, 0, 0, 0, 1))
        return self._random.choice(_INTEGERS)

    def _text(self) -> str:
        text = self._random.choice(_TEXTS)
        if not self._texts or self._random.random() > _KNOWN:
            return text
        known = self._random.choice(self._texts)
        return self._random.choice((known, known + text, text + known, text + known + text))

    def _items(self, kind: Type, depth: int) -> list[Any]:
        item = kind.arguments[0] if kind.arguments else _ELEMENT
        return [self._value(item, depth + 1) for _ in range(self._size(depth))]

    def _dict(self, kind: Type, depth: int) -> dict[Any, Any]:
        key, item = kind.arguments if len(kind.arguments) == 2 else (Type("str"), _ELEMENT)
        return {
            _hashable(self._value(key, depth + 1)): self._value(item, depth + 1)
            for _ in range(self._size(depth))
        }

    def _size(self, depth: int) -> int:
        return self._random.choice(_SIZES) if depth < _DEEPEST else 0


def _type(hint: str | None) -> Type:
    try:
        return parse(hint or "Any")
    except ValueError:
        return Type("Any")


_ELEMENT = Type("int")
_ANYTHING = (
    Type("int"), Type("str"), Type("float"), Type("bool"), Type("None"), Type("list"), Type("dict"),
)  # fmt: skip
_PYTHON: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "bool": (bool,), "str": (str,), "bytes": (bytes,),
    "None": (type(None),), "list": (list,), "tuple": (tuple,), "dict": (dict,), "set": (set,),
    "frozenset": (set,), "Sequence": (list,), "Mapping": (dict,), "Iterable": (list,),
}  # fmt: skip


def _conforms(value: Any, kind: Type) -> bool:
    """Return True when a value has a type, as far as it is looked into."""
    if kind.name == "Union":
        return any(_conforms(value, member) for member in kind.arguments)
    if kind.name in ("Any", "object"):
        return True
    python = _PYTHON.get(kind.name, ())
    if not isinstance(value, python) or (isinstance(value, bool) and kind.name != "bool"):
        return False
    arguments = kind.arguments
    if isinstance(value, tuple) and arguments and arguments[-1].name != "Ellipsis":
        return len(value) == len(arguments) and all(map(_conforms, value, arguments))
    if isinstance(value, list | set | tuple) and arguments:
        return all(_conforms(item, arguments[0]) for item in value)
    if isinstance(value, dict) and len(arguments) == 2:
        items = value.items()
        return all(_conforms(k, arguments[0]) and _conforms(v, arguments[1]) for k, v in items)
    return True


def _tried(make: Callable[..., Any], *values: Any) -> list[Any]:
    try:
        return [make(*values)]
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
        return []


def _none(value: Any) -> None:
    """Return what a function returns that has not found anything."""


_MAKERS: tuple[Callable[[Any], Any], ...] = (
    lambda v: v, len, sum, min, max, sorted, bool, abs, set, str, list,
    lambda v: v + 1, lambda v: v - 1, lambda v: 2 * v, lambda v: v * v, lambda v: v / 2,
    lambda v: v // 2, lambda v: -v, lambda v: v % 2 == 0, lambda v: not v, lambda v: v > 0,
    lambda v: v[0], lambda v: v[-1], lambda v: v[1:], lambda v: v[:-1], lambda v: v[::-1],
    lambda v: v == v[::-1], lambda v: list(dict.fromkeys(v)), lambda v: sum(v) / len(v),
    lambda v: sorted(v, reverse=True), lambda v: sorted(set(v)), lambda v: [*v, *v],
    lambda v: v.upper(), lambda v: v.lower(), lambda v: v.title(), lambda v: v.strip(),
    lambda v: v.split(), lambda v: v.replace(" ", ""), lambda v: "".join(sorted(v)),
    lambda v: list(v.keys()), lambda v: list(v.values()), lambda v: sum(v.values()),
    lambda v: max(v, key=v.get), lambda v: {item: v.count(item) for item in v},
    lambda v: {b: a for a, b in v.items()}, lambda v: v.split()[-1], lambda v: (min(v), max(v)),
    lambda v: [item for item in v if item > 0], lambda v: [item for item in v if item % 2 == 0],
    lambda v: [a + 1 for a in v], lambda v: [a * a for a in v], lambda v: round(v, 1),
    lambda v: divmod(v, 10), lambda v: len(set(v)), lambda v: len(v.split()), _none,
)  # fmt: skip
_JOINERS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda a, b: b in a, lambda a, b: a + b, lambda a, b: a - b,
    lambda a, b: a * b if abs(a) + abs(b) < 10**6 else a,
    lambda a, b: a / b, lambda a, b: a // b, lambda a, b: a % b, max,
    lambda a, b: a == b, lambda a, b: a < b, lambda a, b: a | b, lambda a, b: a.count(b),
    lambda a, b: a.index(b), lambda a, b: a.split(b), lambda a, b: [x for x in a if x in b],
    lambda a, b: [x for x in a if x != b], lambda a, b: [x for x in a if x < b],
    lambda a, b: a[b], lambda a, b: a[:b], lambda a, b: [*a, b], lambda a, b: divmod(a, b),
    lambda a, b: a.startswith(b), lambda a, b: list(zip(a, b, strict=False)),
)  # fmt: skip


def _literal(text: str) -> Any:
    try:
        return literal(text)
    except ValueError:
        return text


def _hashable(value: Any) -> Any:
    return value if not isinstance(value, list | dict | set) else str(value)
