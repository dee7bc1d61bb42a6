"""Joining the states of parallel branches, in declared order.

A branch works on its own copy. At the join each field that branches changed is merged: by the
field's reducer when it has one, else by taking the one branch's value. Two branches that changed
one field without a reducer are an error; the order in which branches finished plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liftgraph_dagster.errors import GraphError
from liftgraph_dagster.graph.serialization import equal
from liftgraph_dagster.graph.state import GraphState


@dataclass(frozen=True)
class Reducer:
    """How to merge one field; put it into the field's annotation.

    notes: Annotated[list[str], append] = []
    """

    name: str
    reduce: Callable[[Any, Sequence[Any]], Any]
    """Gets the value before the branches and the branches' values in declared order (only of the
    branches that changed the field); returns the merged value."""


def _append(base: list[Any], values: Sequence[list[Any]]) -> list[Any]:
    merged = list(base)
    for value in values:
        if len(value) < len(base) or not all(map(equal, value, base)):
            raise ValueError("a branch changed items that were already in the list")
        merged.extend(value[len(base) :])
    return merged


def _union(base: dict[Any, Any], values: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    merged = dict(base)
    writer: dict[Any, Any] = {}
    for value in values:
        for key, item in value.items():
            if key in base and equal(base[key], item):
                continue
            if key in writer and not equal(writer[key], item):
                raise ValueError(f"two branches wrote the key {key!r} with different values")
            writer[key] = item
            merged[key] = item
    return merged


append = Reducer("append", _append)
"""Each branch's new list items, after the items that were there."""

union = Reducer("union", _union)
"""The keys of all branches; one key with two different values is an error."""

add = Reducer("add", lambda base, values: base + sum(value - base for value in values))
"""The sum of what each branch added."""

maximum = Reducer("maximum", lambda base, values: max([base, *values]))
"""The largest value."""

last = Reducer("last", lambda _, values: values[-1])
"""The value of the last branch, in declared order, that changed the field."""


@dataclass(frozen=True)
class Branch:
    """What one branch of a Parallel left behind."""

    node: str
    """Name of the branch's first node."""
    state: GraphState
    changed: frozenset[str]
    """Fields that differ from the state before the branches."""


def reducers(state_type: type[GraphState]) -> dict[str, Reducer]:
    """Return the reducer of each field that has one."""
    return {
        name: item
        for name, field in state_type.model_fields.items()
        for item in field.metadata
        if isinstance(item, Reducer)
    }


def merge(parallel: str, state: GraphState, branches: Sequence[Branch]) -> None:
    """Write into `state`, the state before the branches, what `branches` changed.

    Raises GraphError, naming `parallel`, the field and the nodes, when two branches changed a
    field that has no reducer, or when a reducer refuses the values.
    """
    declared = reducers(type(state))
    for name in type(state).model_fields:
        writers = [branch for branch in branches if name in branch.changed]
        if not writers:
            continue
        values = [getattr(branch.state, name) for branch in writers]
        setattr(state, name, _merged(parallel, name, state, writers, values, declared))


def _merged(
    parallel: str,
    name: str,
    state: GraphState,
    writers: Sequence[Branch],
    values: Sequence[Any],
    declared: Mapping[str, Reducer],
) -> Any:
    nodes = ", ".join(branch.node for branch in writers)
    reducer = declared.get(name)
    if reducer is None:
        if len(values) > 1:
            raise conflict(parallel, name, nodes)
        return values[0]
    try:
        return reducer.reduce(getattr(state, name), values)
    except (ValueError, TypeError) as exc:
        raise GraphError(
            f"reducer {reducer.name!r} cannot merge field {name!r} at {parallel}, "
            f"written by {nodes}: {exc}"
        ) from exc


def conflict(parallel: str, field: str, nodes: str) -> GraphError:
    """Return the error for two branches that write one field without a reducer."""
    return GraphError(
        f"field {field!r} is written by more than one branch of {parallel}: {nodes}. Give the "
        f"field a reducer, for example {field}: Annotated[..., append], or let one node write it."
    )
