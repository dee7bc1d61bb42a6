"""An execution for people: its timeline, with the inputs and outputs of each node.

Inputs are not stored; they are rebuilt from the state before the node, as a replay would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from liftgraph_dagster.execution.history import states_before
from liftgraph_dagster.execution.records import EventKind, Execution, Next, NodeEvent
from liftgraph_dagster.execution.walker import make_node
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import CallNode
from liftgraph_dagster.graph.state import decode


@dataclass(frozen=True)
class TraceLine:
    """One event with what went in and what came out."""

    event: NodeEvent
    inputs: Any
    """None for events that have none, or when they cannot be rebuilt any more."""
    output: Any


@dataclass(frozen=True)
class Trace:
    """An execution and its timeline, oldest first."""

    execution: Execution
    lines: tuple[TraceLine, ...]
    outcome: Any
    """None until the execution has succeeded."""


def trace(graph: Graph[Any] | None, execution: Execution, events: Sequence[NodeEvent]) -> Trace:
    """Return the timeline of an execution. Without its graph, or when the graph has changed,
    inputs are left out."""
    same = graph is not None and graph.version == execution.graph_version
    before = states_before(execution.initial, events)
    lines = tuple(
        TraceLine(
            event,
            inputs=_inputs(graph, event, before[event.seq]) if graph and same else None,
            output=from_json(event.output) if event.output is not None else None,
        )
        for event in events
    )
    outcome = None
    if graph is not None and same and execution.status.value == "succeeded":
        outcome = graph.outcome(decode(graph.state, execution.state))
    return Trace(execution, lines, outcome)


def _inputs(graph: Graph[Any], event: NodeEvent, state: bytes) -> Any:
    if event.kind not in (EventKind.NODE, EventKind.ERROR):
        return None
    node = make_node(graph, Next(event.node)) if event.node in graph.nodes else None
    if not isinstance(node, CallNode):
        return None
    try:
        inputs = node.extract_inputs(decode(graph.state, state))
    except Exception:  # the node's own code, on a state that another version may have written
        return None
    return from_json(to_json(inputs, inf_nan_mode="constants", bytes_mode="base64"))
