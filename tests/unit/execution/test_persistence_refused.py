"""What cannot be read or written from outside of a run, and what is said about it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pydantic
import pytest

from liftgraph_dagster.errors import (
    ExecutionBusy,
    ExecutionEnded,
    ExecutionError,
    InputError,
    NotFound,
    VersionMismatch,
)
from liftgraph_dagster.execution.persistence import StatePersistence
from liftgraph_dagster.execution.records import new_execution_id
from liftgraph_dagster.graph.state import GraphState, decode
from tests.factories import function_node, make_graph
from tests.unit.execution.bench import DONE, Bench, Hold, Letter, letters, stopped

BOOM = ValueError("boom")


@pytest.mark.parametrize(
    ("answers", "node", "comes"),
    [
        pytest.param({}, "Reply", "Count", id="another node"),
        pytest.param({}, "Nobody", "Count", id="no node of the graph"),
        pytest.param({"tone": BOOM}, "Tone", "Read", id="node of a branch"),
        pytest.param({"tone": BOOM}, "Read", "Read", id="parallel"),
    ],
)
async def test_an_output_for_another_node_than_the_next_is_refused_by_both_names(
    answers: dict[str, Any], node: str, comes: str
) -> None:
    bench, execution_id, states = await stopped(**answers)
    before = await bench.get(str(execution_id))

    with pytest.raises(InputError) as caught:
        await states.update_node_output(execution_id, node, {"words": 1})

    assert str(caught.value) == f"execution {execution_id} goes on at {comes}, not at '{node}'"
    assert await bench.get(str(execution_id)) == before


@pytest.mark.parametrize(
    ("answers", "node", "output", "said"),
    [
        ({}, "Count", {"words": "many"}, "output of Count: words: Input should be a valid integer"),
        ({}, "Count", {}, "output of Count: words: Field required"),
        ({"draft": BOOM}, "Reply", {"reply": 7}, "output of Reply: reply: Input should be a valid"),
    ],
)
async def test_an_output_of_the_wrong_form_is_refused_and_nothing_is_stored(
    answers: dict[str, Any], node: str, output: dict[str, Any], said: str
) -> None:
    bench, execution_id, states = await stopped(**answers)
    before = await bench.get(str(execution_id))

    with pytest.raises(InputError) as caught:
        await states.update_node_output(execution_id, node, output)

    assert str(caught.value).startswith(said)
    assert await bench.get(str(execution_id)) == before


async def writing(states: StatePersistence[Any], execution_id: UUID, what: str) -> None:
    """Write by `save` or by `update_node_output`."""
    if what == "save":
        await states.save(execution_id, DONE)
    else:
        await states.update_node_output(execution_id, "Count", {"words": 1})


both = pytest.mark.parametrize("what", ["save", "update_node_output"])


@both
async def test_an_execution_that_runs_cannot_be_written(what: str) -> None:
    hold = Hold({"draft": "Sorry."})
    bench = Bench(draft=hold)
    execution_id = await bench.accept()
    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()

    with pytest.raises(ExecutionBusy, match=f"^execution {execution_id} is being run by process"):
        await writing(StatePersistence(letters, bench.executor), UUID(execution_id), what)

    hold.let_go.set()
    assert decode(Letter, (await running).state) == DONE


@both
async def test_an_execution_that_has_ended_cannot_be_written(what: str) -> None:
    bench, execution_id, states = await stopped()
    await bench.run(str(execution_id))

    with pytest.raises(ExecutionEnded, match=f"^execution {execution_id} has succeeded"):
        await writing(states, execution_id, what)


@both
async def test_an_unknown_execution_cannot_be_written(what: str) -> None:
    unknown = UUID(new_execution_id())

    with pytest.raises(NotFound, match=f"^execution {unknown} does not exist here"):
        await writing(StatePersistence(letters, Bench().executor), unknown, what)


@both
async def test_an_execution_of_another_version_cannot_be_written(what: str) -> None:
    bench, execution_id, _ = await stopped()
    changed = make_graph(Letter, function_node("Count", writes=("words",)))

    with pytest.raises(VersionMismatch) as caught:
        await writing(StatePersistence(changed, bench.executor), execution_id, what)

    assert "Reply" in caught.value.changed


async def test_an_unknown_execution_cannot_be_loaded() -> None:
    unknown = UUID(new_execution_id())

    with pytest.raises(NotFound, match=f"^execution {unknown} does not exist here"):
        await StatePersistence(letters, Bench().executor).load(unknown)


async def test_a_state_of_another_version_cannot_be_loaded() -> None:
    class Short(GraphState):
        text: str

    bench, execution_id, _ = await stopped()
    changed = make_graph(Short, function_node("Count"))

    with pytest.raises(pydantic.ValidationError, match=r"topic\n\s+Extra inputs"):
        await StatePersistence(changed, bench.executor).load(execution_id)


async def test_a_state_cannot_be_saved_while_branches_are_under_way() -> None:
    bench, execution_id, states = await stopped(tone=BOOM)
    before = await bench.get(str(execution_id))

    with pytest.raises(ExecutionError) as caught:
        await states.save(execution_id, DONE)

    assert str(caught.value) == (
        f"execution {execution_id} is inside a Parallel; its state can be changed when the "
        "branches have been joined"
    )
    assert await bench.get(str(execution_id)) == before


class Another(GraphState):
    colour: str = "red"


@pytest.mark.parametrize(
    ("state", "named"),
    [
        pytest.param(Letter.model_construct(words="many"), "words", id="wrong type"),
        pytest.param(Letter.model_construct(text="\ud800"), "text", id="lone surrogate"),
        pytest.param(Another(), "Another", id="state of another graph"),
    ],
)
async def test_a_state_that_could_not_be_loaded_again_is_not_saved(
    state: GraphState, named: str
) -> None:
    bench, execution_id, states = await stopped()
    before = await bench.get(str(execution_id))

    with pytest.raises(InputError, match=named):
        await states.save(execution_id, state)

    assert await bench.get(str(execution_id)) == before


@both
async def test_a_writer_gives_the_lease_back(what: str) -> None:
    bench, execution_id, states = await stopped()

    await writing(states, execution_id, what)

    assert await bench.store.holder(str(execution_id)) is None
