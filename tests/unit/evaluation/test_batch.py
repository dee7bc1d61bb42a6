"""Batches on the memory store, with a scripted model and the tickets graph."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from liftgraph_dagster.errors import ErrorClass, InputError, NodeFailed, ProviderError
from liftgraph_dagster.evaluation.batch import (
    BatchRunner,
    Sampling,
    check_sampling,
    sampling_of,
)
from liftgraph_dagster.evaluation.dataset import Dataset
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.scores import Batch, ExampleRun
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.program import Program, declared_program
from liftgraph_dagster.execution.records import Status
from liftgraph_dagster.execution.store import ExecutionFilter, MemoryStateStore
from liftgraph_dagster.providers.engine import language_model
from liftgraph_dagster.providers.scripted import Answer, ScriptedProvider
from tests.factories import make_example, nodes_of, tickets_graph, topic_provider
from tests.support import tickets

EXAMPLES = tuple(make_example(id) for id in ("billing-1", "billing-2", "password-1"))
GRAPH = tickets_graph()


class Bench:
    """A memory store, a scripted model and what a batch needs besides."""

    def __init__(self, provider: ScriptedProvider | None = None) -> None:
        self.provider = provider or topic_provider()
        self.executor = Executor(MemoryStateStore())
        self.store = self.executor.store
        self.graph = GRAPH
        self.program: Program = declared_program(GRAPH, "baseline")
        self.dataset = Dataset("tickets", EXAMPLES)
        self.model = "scripted"
        self.concurrency = 4
        self.repeats = 1
        self.temperature = 0.0
        self.seen: list[ExampleRun] = []

    def runner(self) -> BatchRunner:
        return BatchRunner(
            self.executor,
            model=self.model,
            concurrency=self.concurrency,
            temperature=self.temperature,
            on_run=self.seen.append,
        )

    async def run(self) -> Batch:
        async def asker(sampling: Sampling) -> Asker:
            lm = language_model(self.provider, **vars(sampling))
            return Asker(self.graph, self.program, lm)

        examples = self.dataset.examples
        return await self.runner().run(
            self.graph, self.program, self.dataset, examples, asker, repeats=self.repeats
        )

    async def stored(self, *examples: Example) -> Batch:
        return await self.runner().stored(
            self.graph, self.program, self.dataset, examples or self.dataset.examples
        )

    async def statuses(self) -> dict[str, Status]:
        found = await self.store.find(ExecutionFilter(), limit=100)
        return {one.attrs["example"]: one.status for one in found}


def ids(batch: Batch) -> list[str]:
    return [run.execution.id for run in batch.runs]


def failing_for(text: str, error: Exception) -> ScriptedProvider:
    """Return a model that raises for the ticket with this text."""

    def topic(asked: str) -> Answer:
        if text in asked:
            raise error
        return {"topic": "billing"}

    return topic_provider(topic)


def down(error_class: ErrorClass = ErrorClass.TRANSIENT) -> ProviderError:
    return ProviderError("the server is down", error_class=error_class)


async def test_each_example_is_one_execution_in_the_order_of_the_examples() -> None:
    batch = await Bench().run()

    assert [run.example for run in batch.runs] == list(EXAMPLES)
    assert len(set(ids(batch))) == 3


async def test_a_run_says_what_came_out_and_what_it_cost() -> None:
    bench = Bench()

    run = (await bench.run()).runs[0]

    assert run.succeeded
    assert (run.outcome, run.headline, run.nodes) == ("accounts", "accounts", 2)
    assert (run.usage.calls, run.usage.completion_tokens) == (1, 2)  # {"topic": "billing"}
    assert (run.failure, run.reused) == (None, False)


async def test_an_execution_can_be_found_by_dataset_example_and_model() -> None:
    bench = Bench()

    run = (await bench.run()).runs[0]

    wanted = {"dataset": bench.dataset.digest, "example": "billing-1", "model": "scripted"}
    assert wanted.items() <= run.execution.attrs.items()


async def test_what_was_run_before_is_reused() -> None:
    bench = Bench()
    first = await bench.run()
    bench.provider.requests.clear()

    second = await bench.run()

    assert ids(second) == ids(first)
    assert bench.provider.requests == []
    assert [run.reused for run in second.runs] == [True, True, True]
    assert [run.outcome for run in second.runs] == [run.outcome for run in first.runs]


def begin_in_capitals(text: str) -> tickets.Ticket:
    return tickets.Ticket(text=text.upper())


class Route(tickets.Route):
    def call(self, topic: str) -> dict[str, str]:
        return {"desk": "support"}


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "scripted-2"},
        {"temperature": 0.5},
        {"program": Program("tickets", {"Classify": {"self": {"instructions": "Guess."}}})},
        {"dataset": Dataset("tickets", (*EXAMPLES[:2], make_example("password-1", difficulty=1)))},
        {"graph": tickets_graph(nodes=[tickets.Classify, Route])},
        {"graph": tickets_graph(start=begin_in_capitals)},
    ],
    ids=["model", "temperature", "program", "dataset", "graph", "start"],
)
async def test_another_model_temperature_program_dataset_or_graph_is_not_answered_by_old_runs(
    changes: dict[str, Any],
) -> None:
    bench = Bench()
    first = await bench.run()

    vars(bench).update(changes)
    second = await bench.run()

    assert not set(ids(second)) & set(ids(first))


async def test_a_wrong_answer_is_a_failure_of_the_program_and_is_not_run_again() -> None:
    bench = Bench(topic_provider(lambda text: {"topic": 7} if "receipt" in text else {"topic": ""}))
    first = await bench.run()
    requests = len(bench.provider.requests)

    second = await bench.run()

    assert [run.execution.status for run in first.runs] == [
        Status.SUCCEEDED, Status.FAILED, Status.SUCCEEDED,
    ]  # fmt: skip
    assert "does not match its schema" in (second.runs[1].failure or "")
    assert second.runs[1].failure_class is ErrorClass.VALIDATION
    assert (second.runs[1].outcome, second.runs[1].headline) == (None, "")
    assert len(bench.provider.requests) == requests


@pytest.mark.parametrize(
    "error_class",
    [
        ErrorClass.TRANSIENT,
        ErrorClass.TIMEOUT,
        ErrorClass.RATE_LIMITED,
        ErrorClass.CONFIGURATION,
    ],
)
async def test_an_outage_or_a_wrong_key_stops_the_batch_and_is_never_a_score(
    error_class: ErrorClass,
) -> None:
    bench = Bench(failing_for("receipt", down(error_class)))

    with pytest.raises(NodeFailed, match="the server is down"):
        await bench.run()

    assert (await bench.statuses())["billing-2"] is Status.SUSPENDED
    assert Status.FAILED not in (await bench.statuses()).values()


async def test_what_was_done_before_an_outage_is_kept_and_the_rest_is_resumed() -> None:
    bench = Bench(failing_for("receipt", down()))
    bench.concurrency = 1
    with pytest.raises(NodeFailed):
        await bench.run()
    [kept] = (await bench.stored()).runs
    [suspended] = await bench.store.find(ExecutionFilter(attrs={"example": "billing-2"}))
    bench.provider = topic_provider()

    batch = await bench.run()

    assert [run.reused for run in batch.runs] == [True, False, False]
    assert ids(batch)[:2] == [kept.execution.id, suspended.id]
    assert len(bench.provider.requests) == 2


async def test_a_resumed_run_is_no_failure() -> None:
    bench = Bench(failing_for("receipt", down()))
    with pytest.raises(NodeFailed):
        await bench.run()
    bench.provider = topic_provider()

    run = (await bench.run()).runs[1]

    history = await bench.store.history(run.execution.id)
    assert (run.succeeded, run.failure, run.nodes) == (True, None, 2)
    assert nodes_of(history) == [("Classify", 1), ("", 1), ("Classify", 2), ("Route", 1)]


async def test_an_interrupted_batch_leaves_its_executions_resumable() -> None:
    asked = asyncio.Event()

    async def hang(_: Any) -> Answer:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    bench = Bench(ScriptedProvider(hang))
    task = asyncio.create_task(bench.run())
    await asked.wait()
    task.cancel()
    await asyncio.wait([task])
    begun = await bench.store.find(ExecutionFilter())
    bench.provider = topic_provider()

    batch = await bench.run()

    assert task.cancelled()
    assert {execution.id for execution in begun} <= set(ids(batch))
    assert all(run.succeeded for run in batch.runs)


async def test_a_cancelled_execution_is_not_used_again() -> None:
    bench = Bench(failing_for("receipt", down()))
    with pytest.raises(NodeFailed):
        await bench.run()
    [suspended] = await bench.store.find(
        ExecutionFilter(status=Status.SUSPENDED, attrs={"example": "billing-2"})
    )
    await bench.store.cancel(suspended.id, reason="too slow")
    bench.provider = topic_provider()

    run = (await bench.run()).runs[1]

    assert run.succeeded
    assert run.execution.id != suspended.id


async def test_an_execution_that_somebody_cancels_does_not_stop_the_others() -> None:
    bench = Bench()

    async def cancel_one(request: Any) -> Answer:
        if "receipt" in request.messages[-1].content:
            [mine] = await bench.store.find(ExecutionFilter(attrs={"example": "billing-2"}))
            await bench.store.cancel(mine.id, reason="too slow")
        return {"topic": "billing"}

    bench.provider = ScriptedProvider(cancel_one)

    batch = await bench.run()

    assert [run.succeeded for run in batch.runs] == [True, False, True]
    assert batch.runs[1].failure == "cancelled"
    assert batch.runs[1].failure_class is ErrorClass.CANCELLED


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_as_many_executions_run_at_once_as_allowed_and_no_more(concurrency: int) -> None:
    running, most = 0, 0
    full = asyncio.Event()

    async def count(_: Any) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == concurrency:
            full.set()
        await full.wait()
        for _turn in range(50):  # one more, if it were let in, would come now
            await asyncio.sleep(0)
        running -= 1
        return {"topic": "billing"}

    bench = Bench(ScriptedProvider(count))
    bench.concurrency = concurrency

    await bench.run()

    assert most == concurrency


async def test_each_finished_example_is_told_of() -> None:
    bench = Bench()

    batch = await bench.run()

    assert sorted(run.example.id for run in bench.seen) == sorted(e.id for e in EXAMPLES)
    assert {run.execution.id for run in bench.seen} == set(ids(batch))


async def test_stored_returns_what_is_finished_and_runs_nothing() -> None:
    bench = Bench(failing_for("receipt", down()))
    bench.concurrency = 1
    with pytest.raises(NodeFailed):
        await bench.run()
    requests = len(bench.provider.requests)

    batch = await bench.stored()

    assert [run.example.id for run in batch.runs] == ["billing-1"]
    assert batch.runs[0].reused
    assert len(bench.provider.requests) == requests


async def test_stored_returns_only_the_examples_asked_for_in_their_order() -> None:
    bench = Bench()
    await bench.run()

    batch = await bench.stored(EXAMPLES[2], EXAMPLES[0])

    assert [run.example for run in batch.runs] == [EXAMPLES[2], EXAMPLES[0]]


async def test_of_two_runs_of_one_example_the_newer_counts() -> None:
    bench = Bench()
    first = await bench.run()
    attrs = first.runs[0].execution.attrs
    newer = await bench.executor.accept(GRAPH, bench.program.digest, "again", attrs=attrs)
    await bench.store.create(replace(newer, status=Status.FAILED))

    batch = await bench.stored()

    assert batch.runs[0].execution.id == newer.id


def repeated(provider: ScriptedProvider | None = None, repeats: int = 3) -> Bench:
    """Return a bench that runs each example several times."""
    bench = Bench(provider)
    bench.repeats, bench.temperature = repeats, 0.7
    return bench


async def test_each_repeat_is_an_execution_of_its_own() -> None:
    batch = await repeated().run()

    assert [(run.example.id, run.repeat) for run in batch.runs] == [
        (example.id, repeat) for example in EXAMPLES for repeat in range(3)
    ]
    assert [run.execution.attrs["repeat"] for run in batch.runs] == [0, 1, 2] * 3
    assert len(set(ids(batch))) == 9
    assert batch.temperature == 0.7


async def test_the_calls_of_each_repeat_have_a_seed_of_their_own() -> None:
    bench = repeated()

    await bench.run()

    asked = {
        (request.messages[-1].content, request.seed, request.temperature)
        for request in bench.provider.requests
    }
    texts = {f"text: {example.input}" for example in EXAMPLES}
    assert asked == {(text, seed, 0.7) for text in texts for seed in range(3)}


async def test_more_repeats_add_to_those_there_are() -> None:
    bench = repeated(repeats=2)
    first = await bench.run()
    bench.provider.requests.clear()
    bench.repeats = 3

    second = await bench.run()

    assert [run.reused for run in second.runs] == [True, True, False] * 3
    assert set(ids(first)) < set(ids(second))
    assert len(bench.provider.requests) == 3


async def test_repeats_are_resumed_one_by_one() -> None:
    bench = repeated(failing_for("receipt", down()))
    bench.concurrency = 1
    with pytest.raises(NodeFailed):
        await bench.run()
    begun = {one.id for one in await bench.store.find(ExecutionFilter(), limit=100)}
    bench.provider = topic_provider()

    batch = await bench.run()

    assert [run.reused for run in batch.runs] == [True] * 3 + [False] * 6
    assert begun <= set(ids(batch))
    assert len(bench.provider.requests) == 6


async def test_a_repeat_that_fails_leaves_the_others_alone() -> None:
    def script(request: Any) -> Answer:
        wrong = request.seed == 1 and "receipt" in request.messages[-1].content
        return {"topic": 7 if wrong else "billing"}

    batch = await repeated(ScriptedProvider(script)).run()

    assert [run.sample for run in batch.runs if not run.succeeded] == ["billing-2#1"]


async def test_stored_returns_all_repeats_in_order() -> None:
    bench = repeated()
    batch = await bench.run()

    stored = await bench.stored(EXAMPLES[1])

    assert ids(stored) == ids(batch)[3:6]


async def test_an_execution_says_how_its_answers_are_drawn() -> None:
    """Whoever resumes it later, by its id alone, draws them in the same way."""
    batch = await repeated().run()

    assert [sampling_of(run.execution) for run in batch.runs[:3]] == [
        Sampling(0.7, seed) for seed in range(3)
    ]


async def test_attributes_of_a_graph_are_not_taken_for_a_sampling() -> None:
    bench = Bench()
    attrs = {"temperature": 36.6, "repeat": "often"}
    execution = await bench.executor.accept(GRAPH, "program", "text", attrs=attrs)

    assert sampling_of(execution) == Sampling(0.0, 0)


@pytest.mark.parametrize(
    ("repeats", "temperature", "drawn"),
    [(1, None, 0.0), (2, None, 0.7), (1, 0.0, 0.0), (1, 1.5, 1.5), (3, 0.1, 0.1), (1, 2.0, 2.0)],
)
def test_the_temperature_of_a_batch(repeats: int, temperature: float | None, drawn: float) -> None:
    assert check_sampling(repeats, temperature) == drawn


@pytest.mark.parametrize(
    ("repeats", "temperature", "says"),
    [
        (0, None, "at least once"),
        (2, 0.0, "would give one answer 2 times"),
        (1, -0.1, "lies in"),
        (1, 2.1, "lies in"),
        (1, float("nan"), "lies in"),
    ],
)
def test_repeats_that_would_say_nothing_are_refused(
    repeats: int, temperature: float, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check_sampling(repeats, temperature)


async def test_an_example_that_another_evaluation_is_running_is_waited_for() -> None:
    bench = Bench()
    await bench.run()
    bench.graph = tickets_graph(start=begin_in_capitals)
    started, let_go = asyncio.Event(), asyncio.Event()

    async def hold(_: Any) -> Answer:
        started.set()
        await let_go.wait()
        return {"topic": "billing"}

    bench.provider = ScriptedProvider(hold)
    first = asyncio.create_task(bench.run())
    await started.wait()
    second = asyncio.create_task(bench.run())
    for _turn in range(50):
        await asyncio.sleep(0)
    let_go.set()

    assert ids(await second) == ids(await first)
    assert len(bench.provider.requests) == len(EXAMPLES)
