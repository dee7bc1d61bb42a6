from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from liftgraph_dagster.execution.records import EventKind, Execution, Next, NodeEvent, Status
from liftgraph_dagster.execution.walker import SNAPSHOT_EVERY
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import Context, End, FunctionNode
from liftgraph_dagster.graph.state import decode, encode
from tests.factories import function_node, make_graph, parallel_node
from tests.unit.execution.bench import DONE, Bench, Letter, Reply, letters


async def walked(graph: Graph[Any], value: Any = DONE.text) -> tuple[Any, list[NodeEvent]]:
    """Run an execution of `graph`; return its last state and its history."""
    bench = Bench(graph)
    execution = await bench.run(await bench.accept(value))
    return decode(graph.state, execution.state), await bench.events(execution.id)


async def test_an_execution_runs_to_its_end() -> None:
    bench = Bench()

    execution = await bench.run(await bench.accept())

    assert execution.status is Status.SUCCEEDED
    assert decode(Letter, execution.state) == DONE
    assert await bench.finished(execution.id) == ["Count", "Topic", "Tone", "Read", "Reply"]


async def test_what_is_returned_is_what_is_stored() -> None:
    bench = Bench()

    execution = await bench.run(await bench.accept())
    stored = await bench.get(execution.id)

    assert stored.finished_at is not None
    assert execution == stored.evolve(finished_at=None)


async def test_each_node_is_committed_before_the_next_begins() -> None:
    seen: dict[str, list[str]] = {}

    async def look(request: Any) -> dict[str, str]:
        seen["draft"] = await bench.finished(execution_id)
        return {"draft": "Sorry."}

    bench = Bench(draft=look)
    execution_id = await bench.accept()
    await bench.run(execution_id)

    assert seen == {"draft": ["Count", "Topic", "Tone", "Read"]}


async def test_a_node_s_event_tells_what_it_read_answered_changed_and_where_it_leads() -> None:
    _, (count, *_) = await walked(letters)

    assert (count.node, count.node_type, count.branch, count.attempt) == (
        "Count",
        "function",
        "",
        1,
    )
    assert count.reads == ("text",)
    assert count.output == count.state_patch == b'{"words":4}'
    assert count.input_digest is not None
    assert count.next == Next("Read")


async def test_a_model_s_node_has_its_usage() -> None:
    _, events = await walked(letters)

    usage = {event.node: event.usage.calls for event in events if event.kind is EventKind.NODE}
    assert usage == {"Count": 0, "Topic": 1, "Tone": 1, "Read": 0, "Reply": 2}


async def test_the_history_is_numbered_from_one() -> None:
    _, events = await walked(letters)

    assert [event.seq for event in events] == list(range(1, 8))


async def test_predictors_stand_before_their_node() -> None:
    _, events = await walked(letters)

    assert [(event.kind, event.node) for event in events[-3:]] == [
        (EventKind.PREDICTOR, "draft"),
        (EventKind.PREDICTOR, "polish"),
        (EventKind.NODE, "Reply"),
    ]


async def test_branches_have_lines_of_their_own() -> None:
    _, events = await walked(letters)

    assert [(event.node, event.branch) for event in events if event.branch] == [
        ("Topic", "Read.0"),
        ("Tone", "Read.1"),
    ]


async def test_a_predictor_in_a_branch_stands_on_the_branch_s_line() -> None:
    graph = make_graph(Letter, parallel_node("Both", Reply), Reply)

    _, events = await walked(graph)

    assert [(event.node, event.branch) for event in events] == [
        ("draft", "Both.0"),
        ("polish", "Both.0"),
        ("Reply", "Both.0"),
        ("Both", ""),
    ]


async def test_a_node_that_changes_nothing_stores_no_patch() -> None:
    _, (event,) = await walked(make_graph(Letter, function_node("Idle")))

    assert event.state_patch is None
    assert event.output == b"{}"


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
async def test_branches_are_merged_in_declared_order_whatever_finishes_first(
    order: tuple[str, ...],
) -> None:
    may_finish = {name: asyncio.Event() for name in order}

    def branch(name: str) -> type[FunctionNode[Letter]]:
        async def note(log: list[str]) -> dict[str, list[str]]:
            await may_finish[name].wait()
            return {"log": [*log, name]}

        return function_node(name.upper(), note, writes=("log",))

    def release_the_next(_: Execution, event: NodeEvent) -> None:
        following = order[order.index(event.node.lower()) + 1 :] if event.branch else ()
        if following:
            may_finish[following[0]].set()

    branches = [branch(name) for name in "abc"]
    bench = Bench(make_graph(Letter, parallel_node("All", *branches), *branches))
    bench.executor.observers.append(release_the_next)
    may_finish[order[0]].set()
    execution = await bench.run(await bench.accept())

    finished = await bench.finished(execution.id)
    assert finished == [*map(str.upper, order), "All"]
    assert decode(Letter, execution.state).log == ["a", "b", "c"]


async def test_a_parallel_inside_of_a_parallel_is_merged_twice() -> None:
    one, two, three = (
        function_node(name, lambda log, name=name: {"log": [*log, name]}, writes=("log",),
                      reads=("log",))
        for name in ("One", "Two", "Three")
    )  # fmt: skip
    inner = parallel_node("Inner", one, two)
    graph = make_graph(Letter, parallel_node("Outer", three, inner), three, inner, one, two)

    letter, events = await walked(graph)

    assert letter.log == ["Three", "One", "Two"]
    assert {event.node: event.branch for event in events} == {
        "Three": "Outer.0",
        "One": "Outer.1/Inner.0",
        "Two": "Outer.1/Inner.1",
        "Inner": "Outer.1",
        "Outer": "",
    }


class Loop(FunctionNode[Letter]):
    """Count down from the number of words."""

    writes = ("words",)

    def call(self, words: int) -> dict[str, int]:
        return {"words": words - 1}

    async def run(self, ctx: Context[Letter]) -> Loop | End[None]:
        await self.ask(ctx)
        return Loop() if ctx.state.words else End(None)


def counting_down(rounds: int) -> Graph[Letter]:
    return make_graph(Letter, Loop, start=lambda _: Letter(words=rounds))


async def test_a_snapshot_is_taken_every_so_many_nodes() -> None:
    bench = Bench(counting_down(2 * SNAPSHOT_EVERY + 5))
    snapshots: list[int] = []
    bench.executor.observers.append(lambda execution, _: snapshots.append(execution.state_rev))

    await bench.run(await bench.accept())

    assert sorted({*snapshots}) == [0, SNAPSHOT_EVERY, 2 * SNAPSHOT_EVERY, 2 * SNAPSHOT_EVERY + 5]


async def test_a_state_at_the_end_is_a_snapshot() -> None:
    bench = Bench()

    execution = await bench.run(await bench.accept())

    assert execution.state == encode(DONE)
    assert execution.state_rev == execution.rev == 7


async def test_the_attributes_are_projected_when_an_execution_ends() -> None:
    graph = make_graph(Letter, function_node("Set", lambda: {"topic": "post"}, writes=("topic",)),
                       attrs=lambda letter: {"topic": letter.topic})  # fmt: skip
    bench = Bench(graph)
    execution = await bench.run(await bench.accept())

    assert (await bench.get(execution.id)).attrs == {"topic": "post"}


async def test_observers_are_told_of_each_event_once_it_is_stored() -> None:
    told: list[tuple[int, int, str]] = []

    def observe(execution: Execution, event: NodeEvent) -> None:
        told.append((execution.rev, event.seq, event.node))

    bench = Bench()
    bench.executor.observers.append(observe)
    await bench.run(await bench.accept())

    assert told == [
        (1, 1, "Count"),
        (2, 2, "Topic"),
        (3, 3, "Tone"),
        (4, 4, "Read"),
        (7, 5, "draft"),
        (7, 6, "polish"),
        (7, 7, "Reply"),
    ]
