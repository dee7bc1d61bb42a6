from __future__ import annotations

import asyncio
import os
from typing import Any

import pydantic
import pytest

from liftgraph_dagster.errors import (
    ExecutionBusy,
    ExecutionEnded,
    ExecutionFenced,
    InputError,
    NotFound,
)
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.owner import new_owner
from liftgraph_dagster.execution.records import Lease, Status, new_execution_id, now
from liftgraph_dagster.execution.store import ExecutionFilter, MemoryStateStore
from liftgraph_dagster.graph.graph import Graph
from tests.factories import function_node, make_graph
from tests.support import tickets
from tests.unit.execution.bench import Bench, Hold, Letter, letters


class Order(pydantic.BaseModel):
    text: str


def begin_with_an_order(order: Order) -> Letter:
    return Letter(text=order.text)


begin_with_an_order.__annotations__["order"] = Order


def taking(start: Any) -> Graph[Letter]:
    return make_graph(Letter, function_node("Only"), start=start)


class WatchedStore(MemoryStateStore):
    """Keeps executions, and tells when a lease was renewed."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed = asyncio.Event()

    async def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        self.renewed.set()
        return await super().renew(lease, ttl_s=ttl_s)


async def test_an_execution_is_stored_before_anything_runs() -> None:
    bench, before = Bench(), now()

    execution = await bench.executor.accept(letters, "digest", "Hello.", user_id="ada")

    assert await bench.get(execution.id) == execution
    assert (execution.status, execution.rev, execution.state_rev) == (Status.RUNNING, 0, 0)
    assert execution.input == b'"Hello."'
    assert execution.state.startswith(b'{"text":"Hello."')
    assert (execution.program_digest, execution.user_id) == ("digest", "ada")
    assert before <= execution.created_at <= now()
    assert bench.calls == []


async def test_an_execution_is_pinned_to_the_version_of_its_graph() -> None:
    bench = Bench()

    execution = await bench.get(await bench.accept())

    assert execution.graph_version == letters.version
    assert await bench.store.manifest(letters.version) == letters.manifest


async def test_an_execution_has_the_attributes_of_its_first_state_and_those_it_was_given() -> None:
    graph = make_graph(Letter, function_node("Only"), attrs=lambda letter: {"words": letter.words})
    bench = Bench(graph)

    execution = await bench.executor.accept(graph, "program", None, attrs={"example": "a"})

    assert execution.attrs == {"words": 0, "example": "a"}


@pytest.mark.parametrize(
    ("graph", "value"),
    [
        pytest.param(tickets.graph, 7, id="another type"),
        pytest.param(tickets.graph, "\ud800", id="lone surrogate"),
        pytest.param(taking(lambda _: Letter(text="\ud800")), 1, id="lone surrogate in the state"),
        pytest.param(
            taking(begin_with_an_order), Order(text="\ud800"), id="lone surrogate in a model"
        ),
        pytest.param(taking(lambda _: Letter()), b"\xff", id="bytes that are no text"),
        pytest.param(taking(lambda _: Letter()), object(), id="no JSON value"),
    ],
)
async def test_an_input_that_cannot_be_used_is_refused_and_nothing_is_stored(
    graph: Graph[Any], value: Any
) -> None:
    bench = Bench(graph)

    with pytest.raises(InputError):
        await bench.accept(value)

    assert await bench.store.find(ExecutionFilter()) == []


async def test_an_unknown_execution_is_named() -> None:
    execution_id = new_execution_id()

    with pytest.raises(NotFound, match=f"^execution {execution_id} does not exist here"):
        await Bench().run(execution_id)


async def test_an_execution_that_has_succeeded_cannot_go_on() -> None:
    bench = Bench()
    execution_id = await bench.accept()
    await bench.run(execution_id)

    with pytest.raises(ExecutionEnded, match=f"^execution {execution_id} has succeeded"):
        await bench.run(execution_id)


async def test_an_execution_that_was_cancelled_cannot_go_on() -> None:
    bench = Bench()
    execution_id = await bench.accept()
    await bench.store.cancel(execution_id, reason="not needed")

    with pytest.raises(ExecutionEnded, match=f"^execution {execution_id} has cancelled"):
        await bench.run(execution_id)


async def test_of_two_runners_of_one_execution_exactly_one_goes_on() -> None:
    hold = Hold({"draft": "Sorry."})
    bench = Bench(draft=hold)
    execution_id = await bench.accept()

    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    with pytest.raises(ExecutionBusy) as caught:
        await bench.run(execution_id)
    hold.let_go.set()
    done = await running

    assert f"execution {execution_id} is being run by process {os.getpid()} on" in str(caught.value)
    assert caught.value.execution_id == execution_id
    assert done.status is Status.SUCCEEDED
    assert bench.calls.count("draft") == 1


@pytest.mark.parametrize("answer", [{"draft": "Sorry."}, ValueError("boom")])
async def test_a_lease_is_given_back_however_a_run_ends(answer: Any) -> None:
    bench = Bench(draft=answer)
    execution_id = await bench.accept()

    await asyncio.wait([asyncio.create_task(bench.run(execution_id))])

    assert await bench.store.holder(execution_id) is None


async def test_a_dead_runner_is_succeeded_at_once() -> None:
    bench = Bench()
    execution_id = await bench.accept()
    with new_owner() as owner:
        await bench.store.acquire(execution_id, owner, ttl_s=600)

    assert (await bench.run(execution_id)).status is Status.SUCCEEDED


async def test_a_living_runner_is_not_succeeded() -> None:
    bench = Bench()
    execution_id = await bench.accept()

    with new_owner() as owner:
        await bench.store.acquire(execution_id, owner, ttl_s=600)
        with pytest.raises(ExecutionBusy):
            await bench.run(execution_id)

    assert bench.calls == []


async def test_a_runner_of_another_machine_is_succeeded_when_its_lease_has_run_out() -> None:
    bench = Bench()
    execution_id = await bench.accept()
    await bench.store.acquire(execution_id, "elsewhere/machine/1/2/token", ttl_s=600)
    with pytest.raises(ExecutionBusy, match="is being run by process 1 on elsewhere"):
        await bench.run(execution_id)
    lease = await bench.store.acquire(
        execution_id, "other", ttl_s=0, instead_of="elsewhere/machine/1/2/token"
    )

    assert lease.epoch == 2
    assert (await bench.run(execution_id)).status is Status.SUCCEEDED


async def test_a_lease_is_renewed_while_a_node_runs() -> None:
    hold, store = Hold({"draft": "Sorry."}), WatchedStore()
    bench = Bench(draft=hold)
    bench.executor = Executor(store, lease_s=0.01)
    execution_id = await bench.accept()

    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    store.renewed.clear()
    await asyncio.wait_for(store.renewed.wait(), 10)
    hold.let_go.set()

    assert (await running).status is Status.SUCCEEDED


async def test_a_runner_that_lost_its_lease_is_fenced_once_the_other_has_moved_on() -> None:
    hold = Hold({"draft": "Sorry."})
    bench = Bench(draft=[hold, {"draft": "Sorry."}])
    execution_id = await bench.accept()

    first = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    holder = await bench.store.holder(execution_id)
    await bench.store.acquire(execution_id, "nobody", ttl_s=0, instead_of=holder)
    second = await bench.run(execution_id)
    hold.let_go.set()

    with pytest.raises(ExecutionFenced, match=f"^execution {execution_id} has moved on"):
        await first
    assert await bench.get(execution_id) == second.evolve(
        finished_at=(await bench.get(execution_id)).finished_at
    )
