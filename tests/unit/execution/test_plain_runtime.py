from __future__ import annotations

from typing import Any

import pytest
from pydantic_graph import GraphBuilder, GraphRunContext

from liftgraph_dagster.execution.ask import PlainRuntime
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import decode, encode
from tests.support import tickets
from tests.unit.execution.bench import DONE, Bench, Count, Letter, Read, Reply, Topic, letters

LETTER = Letter(text="I was charged twice.", topic="billing", tone="angry")


async def test_the_plain_runtime_writes_answers_into_the_state() -> None:
    letter = LETTER.model_copy(update={"topic": ""})

    answer = await PlainRuntime(Bench().asker()).ask(Topic(), letter)

    assert answer.topic == letter.topic == "billing"


async def test_the_plain_runtime_merges_the_branches_of_a_parallel() -> None:
    letter = Letter(text="I was charged twice.")

    await Read().run(GraphRunContext(state=letter, deps=PlainRuntime(Bench().asker())))

    assert letter == LETTER


async def run_by_pydantic_graph(graph: Graph[Any], nodes: list[type[Any]], bench: Bench) -> Any:
    """Run `nodes`, the main line of `graph`, under pydantic-graph's own runner."""
    builder = GraphBuilder(
        state_type=graph.state, deps_type=PlainRuntime, input_type=nodes[0], output_type=type(None)
    )
    builder.add(builder.edge_from(builder.start_node).to(nodes[0]), *map(builder.node, nodes))
    state = graph.begin(DONE.text)
    await builder.build().run(state=state, deps=PlainRuntime(bench.asker()), inputs=nodes[0]())
    return state


@pytest.mark.parametrize(
    ("graph", "main_line"),
    [
        pytest.param(tickets.graph, [tickets.Classify, tickets.Route], id="linear"),
        pytest.param(letters, [Count, Read, Reply], id="with a Parallel"),
    ],
)
async def test_nodes_reach_an_equal_state_under_the_runner_of_pydantic_graph(
    graph: Graph[Any], main_line: list[type[Any]]
) -> None:
    ours, theirs = Bench(graph), Bench(graph)

    execution = await ours.run(await ours.accept())
    state = await run_by_pydantic_graph(graph, main_line, theirs)

    assert execution.state == encode(state)
    assert state != graph.begin(DONE.text)
    assert decode(graph.state, execution.state) == state
    assert ours.calls == theirs.calls
