"""Running a program over examples: each example is one durable execution.

An example is run once, or several times: then each repeat is an execution of its own, with a seed
of its own. What has been run before by the same program, graph version, model and temperature is
reused, what was interrupted is resumed. An outage stops the batch, with everything kept; it is
never a score.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from liftgraph_dagster.errors import (
    ErrorClass,
    ExecutionBusy,
    ExecutionEnded,
    ExecutionFenced,
    InputError,
    NodeFailed,
)
from liftgraph_dagster.evaluation.dataset import Dataset
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.scores import Batch, ExampleRun
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.history import MAIN
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    NodeEvent,
    Status,
    Usage,
)
from liftgraph_dagster.execution.store import ExecutionFilter
from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import decode
from liftgraph_dagster.graph.version import source
from liftgraph_dagster.providers.adapter import prompt_version

_ALL = 1_000_000
_LOOK_AGAIN_S = 0.5
_FINISHED = (Status.SUCCEEDED, Status.FAILED)
_HOTTEST = 2.0
REPEAT_TEMPERATURE = 0.7
"""What repeats are sampled at when nobody says otherwise."""


@dataclass(frozen=True)
class Sampling:
    """How the language model's answers are drawn in one execution. A node that sets its own
    temperature or seed keeps them."""

    temperature: float = 0.0
    seed: int = 0


def sampling_of(execution: Execution) -> Sampling:
    """Return how an execution draws its answers: as a batch began it, else greedily."""
    attrs = execution.attrs
    if {"dataset", "example", "repeat", "temperature"} <= attrs.keys():
        return Sampling(attrs["temperature"], attrs["repeat"])
    return Sampling()


def check_sampling(repeats: int, temperature: float | None) -> float:
    """Return the temperature of a batch: 0 unless it is given, for several repeats 0.7.

    Raises InputError for less than one repeat, a temperature out of [0, 2], and several repeats
    at temperature 0, which would be one answer several times.
    """
    if repeats < 1:
        raise InputError(f"an example is run at least once, not {repeats} times")
    if temperature is None:
        return REPEAT_TEMPERATURE if repeats > 1 else 0.0
    if not 0 <= temperature <= _HOTTEST:
        raise InputError(f"the temperature lies in [0, {_HOTTEST:g}]; {temperature} does not")
    if repeats > 1 and temperature == 0:
        raise InputError(
            f"{repeats} repeats at temperature 0 would give one answer {repeats} times; give a "
            f"temperature above 0, for example {REPEAT_TEMPERATURE}"
        )
    return temperature


class BatchRunner:
    """Runs batches on an executor.

    Args:
        model: name and revision of the language model; part of what makes a run reusable.
        concurrency: executions at the same time.
        temperature: of the language model; part of what makes a run reusable.
        on_run: told of each execution when it is done.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        model: str,
        concurrency: int,
        temperature: float = 0.0,
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> None:
        self._executor = executor
        self._model = model
        self._concurrency = concurrency
        self._temperature = temperature
        self._on_run = on_run

    async def run(
        self,
        graph: Graph[Any],
        program: Program,
        dataset: Dataset,
        examples: Sequence[Example],
        asker: Callable[[Sampling], Awaitable[Asker]],
        *,
        repeats: int = 1,
    ) -> Batch:
        """Run `program` over `examples`, each `repeats` times, and return what came out, in their
        order.

        Raises what stopped it when that says nothing about the program: a model server or a
        database that is down. Everything done until then is kept and will be reused.
        """
        known = await self._known(graph, program, dataset)
        slots = asyncio.Semaphore(self._concurrency)

        async def run_one(example: Example, repeat: int) -> ExampleRun:
            async with slots:
                done = await self._run_one(graph, program, dataset, example, repeat, known, asker)
            if self._on_run is not None:
                self._on_run(done)
            return done

        tasks: list[asyncio.Task[ExampleRun]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [
                    group.create_task(run_one(example, repeat))
                    for example in examples
                    for repeat in range(repeats)
                ]
        except ExceptionGroup as exc:
            raise exc.exceptions[0] from None
        return self._batch(graph, program, dataset, [task.result() for task in tasks])

    async def stored(
        self,
        graph: Graph[Any],
        program: Program,
        dataset: Dataset,
        examples: Sequence[Example],
    ) -> Batch:
        """Return what `program` has made of `examples` so far, in their order, all repeats of
        them; nothing is run."""
        known = await self._known(graph, program, dataset)
        repeats: dict[str, list[int]] = {}
        for example_id, repeat in sorted(known):
            if known[example_id, repeat].status in _FINISHED:
                repeats.setdefault(example_id, []).append(repeat)
        finished = [
            (example, repeat, known[example.id, repeat])
            for example in examples
            for repeat in repeats.get(example.id, ())
        ]
        runs = [await self._done(graph, *one, reused=True) for one in finished]
        return self._batch(graph, program, dataset, runs)

    def _conditions(self, graph: Graph[Any], dataset: Dataset) -> dict[str, Any]:
        """Return what must be equal, beside graph version and program, for a run to be reused."""
        return {
            "dataset": dataset.digest,
            "model": self._model,
            "prompt": prompt_version(),
            "temperature": self._temperature,
            "start": digest(source(graph.start)),
        }

    def _batch(
        self, graph: Graph[Any], program: Program, dataset: Dataset, runs: Sequence[ExampleRun]
    ) -> Batch:
        return Batch(
            graph=graph.name,
            program_name=program.name,
            program_digest=program.digest,
            dataset_digest=dataset.digest,
            model=self._model,
            runs=tuple(runs),
            temperature=self._temperature,
        )

    async def _known(
        self, graph: Graph[Any], program: Program, dataset: Dataset
    ) -> dict[tuple[str, int], Execution]:
        """Return the newest execution of each example and repeat that can be reused or resumed."""
        executions = await self._executor.store.find(
            ExecutionFilter(
                graph=graph.name,
                graph_version=graph.version,
                program_digest=program.digest,
                attrs=self._conditions(graph, dataset),
            ),
            limit=_ALL,
        )
        return {
            (execution.attrs["example"], execution.attrs["repeat"]): execution
            for execution in reversed(executions)
            if execution.status is not Status.CANCELLED
        }

    async def _run_one(
        self,
        graph: Graph[Any],
        program: Program,
        dataset: Dataset,
        example: Example,
        repeat: int,
        known: dict[tuple[str, int], Execution],
        asker: Callable[[Sampling], Awaitable[Asker]],
    ) -> ExampleRun:
        execution = known.get((example.id, repeat))
        if execution and execution.status in _FINISHED:
            return await self._done(graph, example, repeat, execution, reused=True)
        if execution is None:
            execution = await self._executor.accept(
                graph,
                program.digest,
                example.input,
                attrs=self._conditions(graph, dataset) | {"example": example.id, "repeat": repeat},
            )
        answerer = await asker(Sampling(self._temperature, repeat))
        execution = await self._finished(graph, execution, answerer)
        return await self._done(graph, example, repeat, execution, reused=False)

    async def _finished(
        self, graph: Graph[Any], execution: Execution, answerer: Asker
    ) -> Execution:
        """Run an execution to its end, or wait while another evaluation does; return it."""
        while True:
            try:
                return await self._executor.run(graph, execution.id, answerer)
            except ExecutionBusy:
                await asyncio.sleep(_LOOK_AGAIN_S)
            except NodeFailed:
                execution = await self._executor.store.get(execution.id)
                if execution.status is not Status.FAILED:
                    raise  # an outage
                return execution
            except (ExecutionEnded, ExecutionFenced):  # by the other one, or somebody cancelled it
                execution = await self._executor.store.get(execution.id)
                if not execution.status.ended:
                    raise
                return execution

    async def _done(
        self,
        graph: Graph[Any],
        example: Example,
        repeat: int,
        execution: Execution,
        *,
        reused: bool,
    ) -> ExampleRun:
        events = await self._executor.store.history(execution.id)
        nodes = [event for event in events if event.kind is EventKind.NODE]
        failure, failure_class = None, None
        outcome = None
        if execution.status is Status.SUCCEEDED:
            outcome = graph.outcome(decode(graph.state, execution.state))
        else:
            failure, failure_class = _failure(execution, events)
        return ExampleRun(
            example=example,
            execution=execution,
            outcome=outcome,
            headline=graph.headline(outcome) if outcome is not None else "",
            usage=sum((event.usage for event in nodes), Usage()),
            seconds=sum(event.duration_s for event in nodes if event.branch == MAIN),
            nodes=len(nodes),
            failure=failure,
            failure_class=failure_class,
            repeat=repeat,
            reused=reused,
        )


def _failure(execution: Execution, events: Sequence[NodeEvent]) -> tuple[str, ErrorClass]:
    """Return why an execution has no outcome, and the class of that."""
    if execution.status is Status.CANCELLED:
        return execution.status.value, ErrorClass.CANCELLED
    errors = [event.error for event in events if event.error]
    if errors:
        return errors[-1].message, errors[-1].error_class
    return execution.status.value, ErrorClass.UNKNOWN
