"""The state of a graph: a pydantic model that survives storage byte for byte.

A state is stored as JSON: once in full, then for each node only the fields that changed (a
*patch*). The executor goes on from what it has stored, never from the object it stored, so an
execution that was resumed and one that was not have met the same states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import pydantic
from pydantic_core import PydanticSerializationError, from_json, to_json

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.graph.serialization import serializer, validator

_REPLACED = "\ufffd".encode()


class GraphState(pydantic.BaseModel):
    """Base class of every graph's state.

    Unknown fields are refused. Everything inside comes back from storage as it was: see
    `graph.serialization`.
    """

    model_config = pydantic.ConfigDict(extra="forbid", validate_by_name=True)


StateT = TypeVar("StateT", bound=GraphState)

Members = Mapping[str, bytes]
"""Field name to the field's member of the JSON object: `"name":value`."""


def members(state: GraphState) -> dict[str, bytes]:
    """Return the JSON member of each field of `state`.

    Equal bytes mean an unchanged field; comparing values would not do, because 0.0 == -0.0 and
    1 == True. Raises InputError, naming the field, when a text holds a lone surrogate, which
    neither a database nor a model server can carry.
    """
    dump = serializer(type(state)).to_json
    found = {}
    for name in type(state).model_fields:
        try:
            member = dump(state, include={name}, warnings=False)[1:-1]
            if _REPLACED in member:  # a lone surrogate in a key is replaced without a word
                refuse_surrogates(getattr(state, name), "it")
        except (PydanticSerializationError, ValueError, InputError) as exc:
            raise InputError(
                f"field {name!r} of {type(state).__name__} cannot be stored: {exc}"
            ) from exc
        if member:
            found[name] = member
    return found


def json_object(parts: Iterable[bytes]) -> bytes:
    """Return the JSON object with these members."""
    return b"{" + b",".join(parts) + b"}"


def encode(state: GraphState) -> bytes:
    """Return `state` as JSON. Raises InputError as `members` does."""
    return json_object(members(state).values())


def decode(state_type: type[StateT], data: bytes) -> StateT:
    """Return the state that `data` describes. Raises pydantic.ValidationError if it is none."""
    state: StateT = validator(state_type).validate_json(data)
    return state


def changed(before: Members, after: Members) -> tuple[str, ...]:
    """Return the names of the fields whose JSON differs, in the order of the state type."""
    return tuple(name for name, member in after.items() if before.get(name) != member)


def apply_patches(state: bytes, patches: Iterable[bytes]) -> bytes:
    """Return the JSON of the state after `patches`, given the JSON of the state before.

    Numbers keep their form: JSON is parsed and written by the serializer that wrote it.
    """
    changes = [from_json(patch) for patch in patches]
    if not changes:
        return state
    fields = from_json(state)
    for change in changes:
        fields.update(change)
    return to_json(fields, inf_nan_mode="constants")


def refuse_surrogates(value: Any, where: str) -> None:
    """Raise InputError when `value`, or a text inside it, holds a lone surrogate."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as exc:
            raise InputError(
                f"{where} is not valid Unicode: lone surrogate U+{ord(value[exc.start]):04X} at "
                f"position {exc.start}. Repair the text first, for example with "
                "text.encode('utf-8', 'replace').decode()"
            ) from exc
    elif isinstance(value, dict):
        for key, item in value.items():
            refuse_surrogates(key, where)
            refuse_surrogates(item, f"{where}.{key}")
    elif isinstance(value, pydantic.BaseModel):
        refuse_surrogates(vars(value), where)
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            refuse_surrogates(item, f"{where}[{index}]")
