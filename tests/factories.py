"""Values with sensible defaults, for tests that care about one part of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from pydantic_graph import End

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.marks import Mark
from liftgraph_dagster.evaluation.scores import ExampleRun
from liftgraph_dagster.execution.records import (
    Execution,
    NodeEvent,
    Status,
    Usage,
    new_execution_id,
    now,
)
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import Context, FunctionNode, Node, Parallel
from liftgraph_dagster.graph.state import GraphState
from liftgraph_dagster.providers.scripted import Answer, ScriptedProvider
from tests.support import tickets

TICKETS = {
    "billing-1": ("billing", "I was charged twice.", "accounts"),
    "billing-2": ("billing", "Where is my receipt?", "accounts"),
    "password-1": ("password", "I forgot my password.", "support"),
    "outage-1": ("outage", "The page does not load.", "support"),
}
"""Family, input and label by id. The families are in train, train, dev and sealed."""


def make_example(id: str = "billing-1", **changes: Any) -> Example:
    """Return a labelled ticket."""
    return Example.model_validate(example_line(id) | changes)


def example_line(id: str = "billing-1") -> dict[str, Any]:
    """Return a labelled ticket as a line of a file has it."""
    family, text, desk = TICKETS.get(id, TICKETS["billing-1"])
    return {
        "id": id,
        "family": family,
        "input": text,
        "expected": desk,
        "labelled_by": [{"who": "ada", "kind": "human", "on": "2026-11-25"}],
    }


def write_lines(file: Path, lines: Iterable[Any]) -> Path:
    """Write `lines` as JSON Lines, texts as they are, and return the file."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return file


def tickets_graph(**changes: Any) -> Graph[tickets.Ticket]:
    """Return a copy of the tickets graph with `changes` to its arguments."""
    arguments: dict[str, Any] = {
        "state": tickets.Ticket,
        "nodes": [tickets.Classify, tickets.Route],
        "start": tickets.start,
        "outcome": tickets.graph.outcome,
        "metric": tickets.route_is_right,
    }
    return Graph("tickets", **arguments | changes)


LABELLED_TICKETS = """
from pathlib import Path
from tests.factories import tickets_graph

def ends_in_a_stop(example):
    return [] if example.input.endswith(".") else [f"{example.input!r} does not end in a stop"]

graph = tickets_graph(
    examples=[Path(__file__).with_name("tickets.jsonl")],
    label_checks={"ends_in_a_stop": ends_in_a_stop, "has_a_desk": lambda example: []},
)
"""


def write_labelled_tickets(folder: Path) -> str:
    """Write a module of the tickets graph with labelled examples, and return its name."""
    folder.mkdir(exist_ok=True)
    write_lines(folder / "tickets.jsonl", [example_line(id) for id in TICKETS])
    (folder / "labelled_tickets.py").write_text(LABELLED_TICKETS)
    return "labelled_tickets"


def topic_provider(topic: str | Callable[[str], Answer] = "billing") -> ScriptedProvider:
    """Return a model that names `topic` for every ticket, or answers what `topic` makes of the
    ticket's text."""

    def script(request: Any) -> Answer:
        if isinstance(topic, str):
            return {"topic": topic}
        return topic(request.messages[-1].content)

    return ScriptedProvider(script)


def make_execution(status: Status = Status.SUCCEEDED, **changes: Any) -> Execution:
    """Return the row of an execution of the tickets graph."""
    execution = Execution(
        id=new_execution_id(),
        graph="tickets",
        graph_version="version",
        program_digest="program",
        status=status,
        rev=2,
        input=b'"I was charged twice."',
        initial=b'{"text":"I was charged twice.","topic":"","desk":""}',
        state=b'{"text":"I was charged twice.","topic":"billing","desk":"accounts"}',
        state_rev=2,
        created_at=now(),
    )
    return replace(execution, **changes)


def usage(prompt: int = 0, completion: int = 0) -> Usage:
    """Return what one model call used."""
    return Usage(calls=1, prompt_tokens=prompt, completion_tokens=completion)


def make_run(id: str = "billing-1", **changes: Any) -> ExampleRun:
    """Return what a program made of a labelled ticket: 12 tokens, 1.5 seconds."""
    values: dict[str, Any] = {
        "example": make_example(id),
        "execution": make_execution(),
        "outcome": "accounts",
        "headline": "to accounts",
        "usage": usage(prompt=10, completion=2),
        "seconds": 1.5,
        "nodes": 2,
    }
    return ExampleRun(**values | changes)


def make_mark(example_id: str = "billing-1", **changes: Any) -> Mark:
    """Return a mark that ada gave to an outcome of a ticket."""
    values: dict[str, Any] = {
        "id": new_execution_id(),
        "graph": "tickets",
        "example_id": example_id,
        "outcome": "a" * 64,
        "execution_id": new_execution_id(),
        "rater": "ada",
        "pass_number": 1,
        "scale": "ordinal",
        "value": 4,
        "seconds": 2.5,
        "at": now(),
    }
    return Mark.model_validate(values | changes)


def nodes_of(events: Iterable[NodeEvent]) -> list[tuple[str, int]]:
    """Return node and attempt of each event, in order."""
    return [(event.node, event.attempt) for event in events]


def nothing() -> dict[str, Any]:
    """Answer nothing."""
    return {}


def function_node(
    name: str, call: Callable[..., Any] = nothing, *, to: type[Node[Any]] | None = None, **own: Any
) -> type[FunctionNode[Any]]:
    """Return a node that calls `call` on the state fields that its parameters name, then goes
    on to `to`, else ends. It declares to write nothing, unless `own`, its attributes, say so."""

    async def run(self: Any, ctx: Context[Any]) -> Any:
        await self.ask(ctx)
        return to() if to else End(None)

    run.__annotations__["return"] = to or End[None]
    attributes = {
        "call": staticmethod(call),
        "reads": tuple(signature(call).parameters),
        "writes": (),
        "run": run,
        "__module__": __name__,
    }
    return type(name, (FunctionNode,), attributes | own)


def parallel_node(
    name: str, *branches: type[Node[Any]], to: type[Node[Any]] | None = None
) -> type[Parallel[Any]]:
    """Return a node that runs `branches` and goes on to `to`, else ends."""

    async def run(self: Any, ctx: Context[Any]) -> Any:
        await self.fan_out(ctx)
        return to() if to else End(None)

    run.__annotations__["return"] = to or End[None]
    attributes = {"branches": branches, "run": run, "__module__": __name__}
    return type(name, (Parallel,), attributes)


def make_graph(state: type[GraphState], *nodes: Any, **changes: Any) -> Graph[Any]:
    """Return a graph named `tested` over `nodes`; its input is ignored, its outcome the state."""
    arguments: dict[str, Any] = {"start": lambda _: state(), "outcome": lambda last: last}
    return Graph("tested", state=state, nodes=nodes, **arguments | changes)
