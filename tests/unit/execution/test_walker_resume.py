from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pydantic
import pytest
from pydantic_graph import End

from liftgraph_dagster.errors import ProviderError, StorageError
from liftgraph_dagster.execution.records import EventKind, Status
from liftgraph_dagster.execution.walker import SNAPSHOT_EVERY
from liftgraph_dagster.graph.node import Context, FunctionNode
from liftgraph_dagster.graph.state import decode, encode
from tests.factories import function_node, make_graph, nodes_of, parallel_node
from tests.unit.execution.bench import ANSWERS, DONE, Bench, Letter

ASKED_BY = {"topic": "Topic", "tone": "Tone", "draft": "Reply", "reply": "Reply"}
GONE = ProviderError("no answer")


class Flaky:
    """A function that raises a few times before it answers."""

    def __init__(self, failures: int, answer: dict[str, Any] | None = None) -> None:
        self.failures = failures
        self.answer = answer or {}
        self.calls = 0

    def __call__(self) -> dict[str, Any]:
        self.calls += 1
        if self.calls <= self.failures:
            raise ValueError(f"failure {self.calls}")
        return self.answer


@pytest.mark.parametrize("failing", ANSWERS)
async def test_resume_repeats_no_finished_node(failing: str) -> None:
    bench = Bench(**{failing: [GONE, ANSWERS[failing]]})
    execution_id = await bench.accept()
    await bench.fail(execution_id)
    finished = await bench.finished(execution_id)
    bench.provider.requests.clear()

    await bench.run(execution_id)

    again = {ASKED_BY[name] for name in bench.calls}
    assert not again & {*finished}
    assert Counter(await bench.finished(execution_id)) == dict.fromkeys(
        ["Count", "Topic", "Tone", "Read", "Reply"], 1
    )


@pytest.mark.parametrize("failing", ANSWERS)
async def test_a_resumed_execution_ends_in_the_state_of_an_uninterrupted_one(failing: str) -> None:
    bench = Bench(**{failing: [GONE, GONE, ANSWERS[failing]]})
    execution_id = await bench.accept()
    await bench.fail(execution_id)
    await bench.fail(execution_id)

    execution = await bench.run(execution_id)

    assert execution.state == encode(DONE)


async def test_a_finished_branch_waits_for_its_sibling_over_any_number_of_failures() -> None:
    bench = Bench()
    bench.answers["topic"] = [bench.once_finished("Tone", GONE), GONE, GONE, ANSWERS["topic"]]
    execution_id = await bench.accept()
    for _ in range(3):
        await bench.fail(execution_id)
    await bench.run(execution_id)

    assert Counter(bench.calls) == {"topic": 4, "tone": 1, "draft": 1, "reply": 1}


async def test_attempts_are_counted_until_the_node_has_finished() -> None:
    after = function_node("After", Flaky(1))
    bench = Bench(make_graph(Letter, function_node("Only", Flaky(2), to=after), after))
    execution_id = await bench.accept()
    for _ in range(3):
        await bench.fail(execution_id)
    await bench.run(execution_id)

    events = [e for e in await bench.events(execution_id) if e.kind is not EventKind.STATUS]
    assert nodes_of(events) == [
        ("Only", 1),
        ("Only", 2),
        ("Only", 3),
        ("After", 1),
        ("After", 2),
    ]


async def test_attempts_are_counted_in_branches_too() -> None:
    flaky = function_node("Flaky", Flaky(2))
    bench = Bench(make_graph(Letter, parallel_node("Both", flaky), flaky))
    execution_id = await bench.accept()
    first, second = await bench.fail(execution_id), await bench.fail(execution_id)
    await bench.run(execution_id)

    assert "(attempt 1, unknown): failure 1." in str(first)
    assert "(attempt 2, unknown): failure 2." in str(second)
    assert nodes_of(await bench.events(execution_id, EventKind.NODE)) == [("Flaky", 3), ("Both", 1)]


async def test_a_resume_says_what_the_status_was() -> None:
    bench = Bench(topic=[ValueError("boom"), GONE, ANSWERS["topic"]])
    execution_id = await bench.accept()
    await bench.fail(execution_id)
    await bench.fail(execution_id)
    await bench.run(execution_id)

    notes = [event.note for event in await bench.events(execution_id, EventKind.STATUS)]
    assert notes == ["resumed; was failed", "resumed; was suspended"]


async def test_an_execution_whose_process_died_goes_on_where_it_stood() -> None:
    """A store that goes away leaves what a killed process leaves: the status is still running."""
    lost: list[Any] = [StorageError("gone"), {}]

    def lose() -> dict[str, Any]:
        if isinstance(answer := lost.pop(0), StorageError):
            raise answer
        return answer

    flaky, first = function_node("Second", lose), Flaky(0)
    bench = Bench(make_graph(Letter, function_node("First", first, to=flaky), flaky))
    execution_id = await bench.accept()
    with pytest.raises(StorageError):
        await bench.run(execution_id)
    left = await bench.get(execution_id)
    done = await bench.run(execution_id)

    assert (left.status, done.status) == (Status.RUNNING, Status.SUCCEEDED)
    assert first.calls == 1


class Step(FunctionNode[Letter]):
    """Count up; at some number raise once."""

    writes = ("words",)
    failing_at: ClassVar[dict[int, int]]

    def call(self, words: int) -> dict[str, int]:
        if self.failing_at.pop(words, 0):
            raise ValueError("boom")
        return {"words": words + 1}

    async def run(self, ctx: Context[Letter]) -> Step | End[None]:
        await self.ask(ctx)
        return Step() if ctx.state.words < 2 * SNAPSHOT_EVERY else End(None)


@pytest.mark.parametrize("at", [1, SNAPSHOT_EVERY - 1, SNAPSHOT_EVERY, SNAPSHOT_EVERY + 9])
async def test_an_execution_goes_on_from_the_last_snapshot_and_what_came_after(at: int) -> None:
    Step.failing_at = {at: 1}
    bench = Bench(make_graph(Letter, Step))
    execution_id = await bench.accept()
    await bench.fail(execution_id)

    execution = await bench.run(execution_id)

    assert decode(Letter, execution.state).words == 2 * SNAPSHOT_EVERY
    assert len(await bench.finished(execution_id)) == 2 * SNAPSHOT_EVERY


async def test_a_branch_that_begins_with_a_parallel_is_resumed() -> None:
    done, flaky = Flaky(0, {"topic": "a"}), Flaky(1, {"tone": "b"})
    one = function_node("One", done, writes=("topic",))
    two = function_node("Two", flaky, writes=("tone",))
    inner = parallel_node("Inner", one, two)
    bench = Bench(make_graph(Letter, parallel_node("Outer", inner), inner, one, two))
    execution_id = await bench.accept()
    await bench.fail(execution_id)

    execution = await bench.run(execution_id)

    assert decode(Letter, execution.state) == Letter(topic="a", tone="b")


async def test_branches_that_cannot_be_merged_are_not_run_again() -> None:
    cut = Flaky(0, {"log": []})
    cutting = function_node("Cut", cut, writes=("log",))
    graph = make_graph(
        Letter,
        parallel_node("Both", cutting),
        cutting,
        start=lambda _: Letter(log=["before"]),
    )
    bench = Bench(graph)
    execution_id = await bench.accept()
    await bench.fail(execution_id)

    error = await bench.fail(execution_id)

    assert error.node == "Both"
    assert cut.calls == 1


class Part(pydantic.BaseModel):
    name: str


@dataclass
class Carry(FunctionNode[Letter]):
    """A node with fields of its own, which fails at first."""

    text: str = ""
    number: int = 0
    ratio: float = 0.0
    raw: bytes = b""
    when: dt.date | None = None
    parts: list[Part] = field(default_factory=list)

    reads = writes = ()
    seen: ClassVar[list[str]]

    def call(self) -> dict[str, Any]:
        type(self).seen.append(repr(self))
        if len(type(self).seen) == 1:
            raise ValueError("boom")
        return {}

    async def run(self, ctx: Context[Letter]) -> End[None]:
        await self.ask(ctx)
        return End(None)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "\0 ü \U0001f600", "number": 10**30},
        {"ratio": -0.0},
        {"ratio": float("nan")},
        {"ratio": float("-inf")},
        {"raw": b"\xff\x00"},
        {"when": dt.date(2026, 11, 25)},
        {"parts": [Part(name="a"), Part(name="b")]},
    ],
    ids=repr,
)
async def test_a_node_is_resumed_with_its_fields(fields: dict[str, Any]) -> None:
    class Begin(FunctionNode[Letter]):
        writes = ()

        def call(self) -> dict[str, Any]:
            return {}

        async def run(self, ctx: Context[Letter]) -> Carry:
            await self.ask(ctx)
            return Carry(**fields)

    Carry.seen = []
    bench = Bench(make_graph(Letter, Begin, Carry))
    execution_id = await bench.accept()
    await bench.fail(execution_id)

    await bench.run(execution_id)

    assert Carry.seen == [repr(Carry(**fields))] * 2


async def test_the_first_node_of_a_graph_may_have_fields_with_defaults() -> None:
    Carry.seen = ["not the first"]
    bench = Bench(make_graph(Letter, Carry))

    await bench.run(await bench.accept())

    assert Carry.seen[1:] == [repr(Carry())]
