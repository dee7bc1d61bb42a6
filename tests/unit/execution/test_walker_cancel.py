from __future__ import annotations

import asyncio
from typing import Any

import pytest

from liftgraph_dagster.errors import ExecutionFenced, NodeFailed
from liftgraph_dagster.execution.records import EventKind, Execution, ExecutionId, NodeEvent, Status
from liftgraph_dagster.execution.store import Commit, MemoryStateStore
from liftgraph_dagster.graph.state import decode
from tests.unit.execution.bench import DONE, Bench, Hold, Letter


class SlowStore(MemoryStateStore):
    """Keeps executions, and takes its time for commits once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def commit(self, execution_id: ExecutionId, commit: Commit) -> None:
        self.begun.set()
        await self.may_answer.wait()
        await super().commit(execution_id, commit)


@pytest.mark.parametrize("field", ["topic", "draft"])
@pytest.mark.parametrize("ends", ["well", "badly"])
async def test_an_execution_cancelled_while_it_runs_is_fenced(field: str, ends: str) -> None:
    """`topic` is asked in a branch, `draft` on the main line."""
    hold = Hold({field: "too late"} if ends == "well" else ValueError("too late"))
    bench = Bench(**{field: hold})
    execution_id = await bench.accept()

    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    await bench.store.cancel(execution_id, reason="not needed")
    hold.let_go.set()

    with pytest.raises(ExecutionFenced) as caught:
        await running
    assert str(caught.value) == (
        f"execution {execution_id} was cancelled while it ran; what had been stored is kept"
    )


async def test_nothing_is_stored_after_a_cancellation() -> None:
    hold = Hold({"draft": "too late"})
    bench = Bench(draft=hold)
    execution_id = await bench.accept()

    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    cancelled = await bench.store.cancel(execution_id, reason="not needed")
    hold.let_go.set()
    await asyncio.wait([running])

    assert isinstance(running.exception(), ExecutionFenced)
    assert await bench.get(execution_id) == cancelled
    assert [event.note for event in await bench.events(execution_id, EventKind.STATUS)] == [
        "cancelled: not needed"
    ]
    assert "Reply" not in await bench.finished(execution_id)


async def test_an_execution_that_another_process_moved_on_is_fenced() -> None:
    hold = Hold({"draft": "too late"})
    bench = Bench(draft=hold)
    execution_id = await bench.accept()

    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    rev = (await bench.get(execution_id)).rev
    await bench.store.commit(execution_id, Commit(rev, [NodeEvent(EventKind.STATUS)]))
    hold.let_go.set()

    with pytest.raises(ExecutionFenced, match=f"^execution {execution_id} has moved on from rev"):
        await running


async def test_an_interrupted_execution_is_suspended_and_goes_on_later() -> None:
    hold = Hold({"tone": "angry"})
    bench = Bench(tone=[hold, {"tone": "angry"}])
    execution_id = await bench.accept()

    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    interrupted = await bench.get(execution_id)
    done = await bench.run(execution_id)

    assert interrupted.status is Status.SUSPENDED
    assert decode(Letter, done.state) == DONE


async def test_an_interruption_is_no_failure_of_the_node() -> None:
    hold = Hold({"topic": "billing"})
    bench = Bench(topic=hold)
    execution_id = await bench.accept()

    running = asyncio.create_task(bench.run(execution_id))
    await hold.asked.wait()
    running.cancel()
    await asyncio.wait([running])

    assert await bench.events(execution_id, EventKind.ERROR) == []


async def test_an_interruption_waits_until_a_commit_that_has_begun_is_known_to_be_stored() -> None:
    bench = Bench()
    bench.executor.store = store = SlowStore()
    execution_id = await bench.accept()
    seen: list[str] = []
    bench.executor.observers.append(lambda _, event: seen.append(event.node))

    store.may_answer.clear()
    running = asyncio.create_task(bench.run(execution_id))
    await store.begun.wait()
    running.cancel()
    store.may_answer.set()
    await asyncio.wait([running])

    assert running.cancelled()
    assert seen == ["Count"]
    assert await bench.finished(execution_id) == ["Count"]
    assert (await bench.get(execution_id)).status is Status.SUSPENDED


async def test_a_failing_branch_stops_its_siblings_and_their_work_is_asked_again() -> None:
    hold = Hold({"tone": "angry"})

    async def fail_after_tone_was_asked(_: Any) -> Any:
        await hold.asked.wait()
        return ValueError("boom")

    bench = Bench(
        topic=[fail_after_tone_was_asked, {"topic": "billing"}], tone=[hold, {"tone": "angry"}]
    )
    execution_id = await bench.accept()
    with pytest.raises(NodeFailed):
        await bench.run(execution_id)
    finished = await bench.finished(execution_id)
    done: Execution = await bench.run(execution_id)

    assert finished == ["Count"]
    assert decode(Letter, done.state) == DONE
    assert sorted(bench.calls) == ["draft", "reply", "tone", "tone", "topic", "topic"]
