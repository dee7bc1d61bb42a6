from __future__ import annotations

from typing import Annotated, Any

import dspy
from pydantic_graph import Edge, End

from liftgraph_dagster.graph.mermaid import mermaid
from liftgraph_dagster.graph.node import Context, FunctionNode, ModuleNode, Parallel
from liftgraph_dagster.graph.state import GraphState
from tests.factories import function_node, make_graph, parallel_node
from tests.support import tickets


class Page(GraphState):
    text: str = ""


class Check(FunctionNode[Page]):
    writes = ()

    def call(self) -> dict[str, Any]:
        return {}

    async def run(
        self, ctx: Context[Page]
    ) -> Annotated[Spread, Edge(label="good")] | Annotated[End[None], Edge(label="bad")]:
        return End(None)


class Wrap(ModuleNode[Page]):
    module = dspy.Module
    reads = writes = ()

    async def run(self, ctx: Context[Page]) -> Tail:
        return Tail()


class Tail(FunctionNode[Page]):
    writes = ()

    def call(self) -> dict[str, Any]:
        return {}

    async def run(self, ctx: Context[Page]) -> End[None]:
        return End(None)


class Note(Tail):
    pass


class Spread(Parallel[Page]):
    branches = (Wrap, Note)

    async def run(self, ctx: Context[Page]) -> Check:
        return Check()


def test_a_line_of_nodes_is_drawn_from_start_to_end() -> None:
    assert mermaid(tickets.graph) == (
        "flowchart LR\n"
        "    start_([start])\n"
        "    end_([end])\n"
        "    Classify[Classify]\n"
        "    Route(Route)\n"
        "    start_ --> Classify\n"
        "    Classify --> Route\n"
        "    Route --> end_\n"
    )


def test_branches_stand_in_a_frame_and_lead_to_no_end() -> None:
    graph = make_graph(Page, Check, Spread, Wrap, Tail, Note)

    assert mermaid(graph) == (
        "flowchart LR\n"
        "    start_([start])\n"
        "    end_([end])\n"
        "    Check(Check)\n"
        "    subgraph Spread\n"
        "        Wrap[[Wrap]]\n"
        "        Note(Note)\n"
        "        Tail(Tail)\n"
        "    end\n"
        "    start_ --> Check\n"
        "    Check -- good --> Spread\n"
        "    Check -- bad --> end_\n"
        "    Spread --> Check\n"
        "    Wrap --> Tail\n"
    )


def test_a_parallel_inside_of_a_parallel_is_drawn_once() -> None:
    one, two = function_node("One"), function_node("Two")
    inner = parallel_node("Inner", one, two)
    graph = make_graph(Page, parallel_node("Outer", inner), inner, one, two)

    drawn = [line.strip() for line in mermaid(graph).splitlines()]

    assert drawn.count("subgraph Inner") == 1
    assert "Inner[Inner]" not in drawn
    assert drawn.count("One(One)") == 1
