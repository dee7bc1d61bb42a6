"""Python values as JSON, between a confined program and us.

Neither side trusts the other with more than data: nothing is evaluated, imported or unpickled.
Instances of a builtin's subclass travel as the builtin (a `Counter` as a dict), because `==` does
not tell them apart; anything else travels as its type's name and can equal nothing.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 60


@dataclass(frozen=True)
class Opaque:
    """A value that is no literal: a generator, a function, an instance of a class."""

    type: str
    text: str


def encode(value: Any, *, max_bytes: int) -> str:
    """Return `value` as JSON. Raises ValueError when it is longer than `max_bytes` or nested
    deeper than `MAX_DEPTH`."""
    budget = [max_bytes]
    text = json.dumps(_plain(value, budget, 0))
    if len(text) > max_bytes:
        raise ValueError("the value is too large")
    return text


def encode_opaque(value: Any, text: str) -> str:
    """Return JSON of the name of a value's type and `text` about it, whatever the value is."""
    name = str(type.__dict__["__name__"].__get__(type(value)))[:200]
    return json.dumps({"o": [name, text[:200]]})


def decode(plain: Any) -> Any:
    """Return the value that was encoded, given the parsed JSON. Raises ValueError for JSON that
    `encode` does not write."""
    return _value(plain, 0)


def _plain(value: Any, budget: list[int], depth: int) -> Any:
    budget[0] -= 1
    if depth > MAX_DEPTH or budget[0] < 0:
        raise ValueError("the value is too large")
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        budget[0] -= str.__len__(value)
        return str.__str__(value)
    if isinstance(value, int):
        return {"i": format(int(value), "x")} if abs(int(value)) >= 2**53 else int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"f": float.__repr__(value)}
    if isinstance(value, complex):
        return {"c": [float.hex(value.real), float.hex(value.imag)]}
    if isinstance(value, bytes | bytearray):
        budget[0] -= len(value)
        return {"b": bytes(value).hex()}
    return _container(value, budget, depth + 1)


def _container(value: Any, budget: list[int], depth: int) -> Any:
    if isinstance(value, list):
        return [_plain(item, budget, depth) for item in list.__iter__(value)]
    if isinstance(value, dict):
        pairs = dict.items(value)
        return {"d": [[_plain(k, budget, depth), _plain(v, budget, depth)] for k, v in pairs]}
    kind: Any
    for kind, tag in ((tuple, "t"), (frozenset, "z"), (set, "s")):
        if isinstance(value, kind):
            return {tag: [_plain(item, budget, depth) for item in kind.__iter__(value)]}
    found = type(value)
    return {"o": [f"{found.__module__}.{found.__qualname__}"[:200], _text(value)]}


def _text(value: Any) -> str:
    try:
        return repr(value)[:200]
    except Exception as exc:
        return f"(no repr: {type(exc).__name__})"


def _value(plain: Any, depth: int) -> Any:
    if depth > MAX_DEPTH + 2:
        raise ValueError("nested too deeply")
    if plain is None or isinstance(plain, bool | int | float | str):
        return plain
    if isinstance(plain, list):
        return [_value(item, depth + 1) for item in plain]
    if not (isinstance(plain, dict) and len(plain) == 1):
        raise ValueError("not an encoded value")
    ((tag, inner),) = plain.items()
    try:
        return _tagged(tag, inner, depth + 1)
    except (TypeError, KeyError, IndexError, OverflowError) as exc:
        raise ValueError(f"not an encoded value: {exc}") from exc


def _tagged(tag: str, inner: Any, depth: int) -> Any:
    match tag:
        case "i":
            return int(inner, 16)
        case "f":
            return float(inner)
        case "c":
            return complex(float.fromhex(inner[0]), float.fromhex(inner[1]))
        case "b":
            return bytes.fromhex(inner)
        case "t":
            return tuple(_value(item, depth) for item in inner)
        case "s":
            return {_value(item, depth) for item in inner}
        case "z":
            return frozenset(_value(item, depth) for item in inner)
        case "d":
            return {_value(key, depth): _value(item, depth) for key, item in inner}
        case "o":
            return Opaque(str(inner[0]), str(inner[1]))
        case _:
            raise ValueError(f"unknown tag {tag!r}")
