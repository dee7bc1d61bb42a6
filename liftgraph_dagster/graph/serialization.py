"""How states, and the fields of nodes, are written as JSON and read back as they were.

A pydantic model inside of a state has a configuration of its own, which may turn NaN into null and
bytes into text. Here one configuration holds for every model inside, and sets are written in order,
so that equal values have equal JSON.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import pydantic
from pydantic_core import CoreConfig, CoreSchema, SchemaSerializer, SchemaValidator, to_json

CONFIG = CoreConfig(ser_json_inf_nan="constants", ser_json_bytes="base64", val_json_bytes="base64")
"""NaN and infinities stay what they are; bytes are base64."""

_CONFIGURED = frozenset({"model", "dataclass", "typed-dict"})
_NO_SCHEMA = frozenset({"cls", "default", "expected", "function", "metadata", "values"})
"""Keys of a core schema that hold values, not schemas."""


@cache
def serializer(kind: type) -> SchemaSerializer:
    """Return what writes instances of `kind`, a model or a dataclass, as JSON."""
    return SchemaSerializer(_core_schema(kind), CONFIG, _use_prebuilt=False)


@cache
def validator(kind: type) -> SchemaValidator:
    """Return what reads instances of `kind` from JSON."""
    return SchemaValidator(_core_schema(kind), CONFIG, _use_prebuilt=False)


@cache
def _core_schema(kind: type) -> CoreSchema:
    return cast(CoreSchema, _adapted(pydantic.TypeAdapter(kind).core_schema))


def _adapted(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(_adapted(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    copy = {key: s if key in _NO_SCHEMA else _adapted(s) for key, s in schema.items()}
    kind = schema.get("type")
    if kind in _CONFIGURED:
        copy["config"] = schema.get("config", {}) | CONFIG
    if kind in ("set", "frozenset") and "serialization" not in schema:
        copy["serialization"] = {"type": "function-plain", "function": _in_order}
    return copy


def is_cut(value: Any, stored: Any) -> bool:
    """Return True when `stored`, which was read from the JSON of `value`, lacks a part of it that
    JSON leaves out without a word: a secret, an excluded field, a field of a subclass, one of two
    keys that are written alike."""
    if isinstance(value, pydantic.SecretStr | pydantic.SecretBytes):
        return bool(value != stored)
    if isinstance(value, pydantic.BaseModel) and isinstance(stored, pydantic.BaseModel):
        if type(value) is not type(stored):
            return isinstance(value, type(stored))
        kind = type(value)
        if any(
            f.exclude and getattr(value, n) != getattr(stored, n)
            for n, f in kind.model_fields.items()
        ):
            return True
        return any(is_cut(getattr(value, n), getattr(stored, n)) for n in kind.model_fields)
    if isinstance(value, dict) and isinstance(stored, dict):
        return len(value) != len(stored) or any(map(is_cut, value.values(), stored.values()))
    if isinstance(value, list | tuple) and isinstance(stored, list | tuple):
        return any(map(is_cut, value, stored))
    return False


def equal(left: Any, right: Any) -> bool:
    """Return True when both have the same JSON: NaN equals NaN, and 1 is neither True nor 1.0."""
    return _json(left) == _json(right)


def _json(value: Any) -> bytes:
    return to_json(value, inf_nan_mode="constants", bytes_mode="base64", serialize_unknown=True)


def _in_order(items: Any) -> list[Any]:
    return sorted(items, key=_json)
