from __future__ import annotations

from typing import Any

import pytest

from liftgraph_dagster.execution.records import EventKind, ExecutionId, Status
from liftgraph_dagster.execution.trace import Trace, trace
from liftgraph_dagster.graph.state import GraphState
from tests.factories import function_node, make_graph, parallel_node
from tests.unit.execution.bench import ANSWERS, DONE, Bench, Letter, stopped

BOOM = ValueError("boom")


async def traced(bench: Bench, execution_id: ExecutionId) -> Trace:
    return trace(bench.graph, await bench.get(execution_id), await bench.events(execution_id))


async def run(bench: Bench) -> Trace:
    execution_id = await bench.accept()
    await bench.run(execution_id)
    return await traced(bench, execution_id)


async def test_each_node_has_its_inputs_and_its_output() -> None:
    lines = {line.event.node: (line.inputs, line.output) for line in (await run(Bench())).lines}

    assert lines == {
        "Count": ({"text": DONE.text}, {"words": 4}),
        "Topic": ({"text": DONE.text}, {"topic": "billing"}),
        "Tone": ({"text": DONE.text}, {"tone": "angry"}),
        "Read": (None, None),
        "draft": (None, {"draft": "Sorry."}),
        "polish": (None, {"reply": "We are sorry."}),
        "Reply": ({"topic": "billing", "tone": "angry"}, {"reply": "We are sorry."}),
    }


async def test_lines_come_as_they_happened() -> None:
    lines = (await run(Bench())).lines

    assert [line.event.seq for line in lines] == list(range(1, 8))


async def test_an_execution_that_has_succeeded_has_an_outcome() -> None:
    assert (await run(Bench())).outcome == "We are sorry."


async def test_an_execution_that_has_not_succeeded_has_none() -> None:
    bench = Bench(draft=BOOM)
    execution_id = await bench.accept()
    await bench.fail(execution_id)

    assert (await traced(bench, execution_id)).outcome is None


async def test_a_failure_has_the_inputs_of_its_node_and_no_output() -> None:
    bench = Bench(tone=BOOM)
    execution_id = await bench.accept()
    await bench.fail(execution_id)

    (line,) = (
        line
        for line in (await traced(bench, execution_id)).lines
        if line.event.kind is EventKind.ERROR
    )
    assert (line.inputs, line.output) == ({"text": DONE.text}, None)


async def test_lines_that_are_no_nodes_have_no_inputs() -> None:
    bench = Bench(draft=[BOOM, ANSWERS["draft"]])
    execution_id = await bench.accept()
    await bench.fail(execution_id)
    await bench.run(execution_id)

    (line,) = (
        line
        for line in (await traced(bench, execution_id)).lines
        if line.event.kind is EventKind.STATUS
    )
    assert (line.inputs, line.output) == (None, None)


async def test_inputs_are_those_before_the_node_wrote_over_them() -> None:
    def shout(text: str) -> dict[str, str]:
        return {"text": text.upper()}

    last = function_node("Last", shout, writes=("text",))
    first = function_node("First", shout, writes=("text",), to=last)
    graph = make_graph(Letter, first, last, start=lambda text: Letter(text=text))

    lines = (await run(Bench(graph))).lines

    assert [line.inputs for line in lines] == [{"text": DONE.text}, {"text": DONE.text.upper()}]


async def test_awkward_inputs_are_told_as_json_has_them() -> None:
    class Odd(GraphState):
        raw: bytes = b"\xff"
        ratio: float = -0.0

    node = function_node("Only", lambda raw, ratio: {})

    (line,) = (await run(Bench(make_graph(Odd, node)))).lines

    assert repr(line.inputs) == "{'raw': '_w==', 'ratio': -0.0}"


async def test_branches_that_begin_with_a_parallel_have_their_inputs() -> None:
    one = function_node("One", lambda text: {})
    inner = parallel_node("Inner", one)
    graph = make_graph(
        Letter,
        parallel_node("Outer", inner),
        inner,
        one,
        start=lambda text: Letter(text=text),
    )

    lines = (await run(Bench(graph))).lines

    assert lines[0].inputs == {"text": DONE.text}


@pytest.mark.parametrize("known", [False, True])
async def test_without_its_graph_or_with_another_version_inputs_and_outcome_are_left_out(
    known: bool,
) -> None:
    bench = Bench()
    execution_id = await bench.accept()
    await bench.run(execution_id)
    other = make_graph(Letter, function_node("Count")) if known else None

    found = trace(other, await bench.get(execution_id), await bench.events(execution_id))

    assert found.outcome is None
    assert {repr(line.inputs) for line in found.lines} == {"None"}
    assert found.lines[0].output == {"words": 4}


@pytest.mark.parametrize("error", [ValueError, KeyError, AttributeError])
async def test_inputs_that_cannot_be_rebuilt_are_left_out(error: type[Exception]) -> None:
    """What a node reads from elsewhere may be gone by now."""
    there = [{}]

    def extract_inputs(self: Any, state: Letter) -> dict[str, Any]:
        if not there:
            raise error("gone")
        return there.pop()

    node = function_node("Only", extract_inputs=extract_inputs)
    bench = Bench(make_graph(Letter, node))
    execution_id = await bench.accept()
    await bench.run(execution_id)

    (line,) = (await traced(bench, execution_id)).lines

    assert line.inputs is None


async def test_inputs_after_a_migration_are_those_that_the_node_was_asked() -> None:
    def boom() -> dict[str, Any]:
        raise BOOM

    def ask(topic: str) -> dict[str, str]:
        return {"reply": topic}

    def graph(call: Any, **changes: Any) -> Any:
        only = function_node("Only", call, writes=("reply",), helpers=(call,))
        return make_graph(Letter, only, **changes)

    bench = Bench(graph(boom))
    execution_id = await bench.accept()
    await bench.fail(execution_id)
    bench.graph = graph(ask, migrate=lambda fields: fields | {"topic": "migrated"})
    await bench.run(execution_id)

    found = await traced(bench, execution_id)

    assert found.execution.status is Status.SUCCEEDED
    assert found.lines[-1].output == {"reply": "migrated"}
    assert found.lines[-1].inputs in ({"topic": "migrated"}, None)


async def test_inputs_after_an_edit_are_those_that_the_node_was_asked() -> None:
    bench, execution_id, states = await stopped()
    await states.save(execution_id, Letter(text="One two."))
    await bench.run(str(execution_id))

    lines = {line.event.node: line for line in (await traced(bench, str(execution_id))).lines}
    assert (lines["Count"].inputs, lines["Count"].output) == ({"text": "One two."}, {"words": 2})
