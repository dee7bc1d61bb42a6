"""How alike two JSON values are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rapidfuzz.distance import Indel

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.evaluation.metrics.matching import match
from liftgraph_dagster.evaluation.metrics.values import shown, value_at

_MOST_SHOWN = 5


class JsonSimilarity:
    """How alike two JSON values are, part by part, in [0, 1].

        object   sum over the keys of both, of the similarity of their values / number of keys
        list     2 * sum of the similarities of paired items / (number of both), see `match`
        text     1 - Indel distance / (length of both)
        number   max(0, 1 - |a - b| / max(|a|, |b|))
        else     1 if equal, else 0; so are true, false, null, and values of two kinds

    Two empty objects or lists are equal: 1.

    Args:
        path: compares only what stands there; everything by default.
        key: pairs the objects of a list by what stands under this key, and objects that lack it
            not at all; without it, the pairing is the one with the largest sum.
        ordered: pairs the items of a list by position instead.
    """

    version = "1"

    def __init__(self, path: str = "", *, key: str | None = None, ordered: bool = False) -> None:
        if key is not None and ordered:
            raise InputError("items are paired by key or by position, not by both; drop one")
        options = [path, f"key={key}" if key else "", "ordered" if ordered else ""]
        given = ", ".join(filter(None, options))
        self.name = f"json_similarity({given})" if given else "json_similarity"
        self.path = path
        self.key = key
        self.ordered = ordered

    def applies(self, example: Example) -> bool:
        """Return True when the example says what is expected there."""
        return value_at(example.expected, self.path) is not None

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        expected = value_at(example.expected, self.path)
        got = value_at(prediction, self.path)
        try:
            return Scored(self.similarity(got, expected), _differences(got, expected))
        except RecursionError:
            raise InputError(
                "the outcome or the label is nested too deeply to be compared; compare a part of "
                "it, by `path`"
            ) from None

    def similarity(self, a: Any, b: Any) -> float:
        """Return how alike two values are. Raises InputError for NaN, infinities, and what JSON
        does not have."""
        _check(a)
        _check(b)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            keys = [*a, *(key for key in b if key not in a)]
            alike = (self.similarity(a[k], b[k]) for k in keys if k in a and k in b)
            return math.fsum(alike) / len(keys) if keys else 1.0
        if isinstance(a, list | tuple) and isinstance(b, list | tuple):
            return self._lists(list(a), list(b))
        if isinstance(a, str) and isinstance(b, str):
            return float(Indel.normalized_similarity(a, b))
        if _is_number(a) and _is_number(b):
            return _numbers_alike(a, b)
        return float(type(a) is type(b) and a == b)

    def _lists(self, a: list[Any], b: list[Any]) -> float:
        if self.ordered:
            pairs = zip(a, b, strict=False)
            total = math.fsum(self.similarity(x, y) for x, y in pairs)
            return 2 * total / (len(a) + len(b)) if a or b else 1.0
        return match(a, b, self._items).score

    def _items(self, a: Any, b: Any) -> float:
        both = isinstance(a, Mapping) and isinstance(b, Mapping)
        if (
            self.key is not None
            and both
            and (self.key not in a or a.get(self.key) != b.get(self.key))
        ):
            return 0.0
        return self.similarity(a, b)


def _numbers_alike(a: float, b: float) -> float:
    try:
        return 1.0 if a == b else max(0.0, 1 - abs(a - b) / max(abs(a), abs(b)))
    except OverflowError:  # an int beyond all floats: the other is nothing beside it
        return 0.0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{value} is no value of JSON; correct the outcome or the label")
    if not isinstance(value, Mapping | list | tuple | str | int | float | bool | None):
        raise InputError(
            f"{type(value).__name__} is no value of JSON; let the graph's outcome return plain data"
        )


def _differences(got: Any, expected: Any) -> str:
    """Return the first differences in words; empty when there is none."""
    found = list(_walk(got, expected, ""))
    more = f" And {len(found) - _MOST_SHOWN} more." if len(found) > _MOST_SHOWN else ""
    return " ".join(found[:_MOST_SHOWN]) + more


def _walk(got: Any, expected: Any, path: str) -> list[str]:
    if isinstance(got, Mapping) and isinstance(expected, Mapping):
        keys = [*expected, *(key for key in got if key not in expected)]
        return [
            line
            for key in keys
            for line in _walk(got.get(key), expected.get(key), f"{path}.{key}" if path else key)
        ]
    if got == expected and type(got) is type(expected):
        return []
    at = f"{path}: expected" if path else "Expected"
    return [f"{at} {shown(expected)}, got {shown(got)}."]
