"""Running a program over examples: each example is one durable execution.

What has been run before by the same program, graph version and model is reused, what was
interrupted is resumed. An outage stops the batch, with everything kept; it is never a score.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from liftgraph_dagster.errors import ExecutionEnded, ExecutionFenced, NodeFailed
from liftgraph_dagster.evaluation.dataset import Dataset
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.scores import Batch, ExampleRun
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.history import MAIN
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import EventKind, Execution, Status, Usage
from liftgraph_dagster.execution.store import ExecutionFilter
from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import decode
from liftgraph_dagster.graph.version import source
from liftgraph_dagster.providers.adapter import prompt_version

_ALL = 1_000_000
_FINISHED = (Status.SUCCEEDED, Status.FAILED)


class BatchRunner:
    """Runs batches on an executor.

    Args:
        model: name and revision of the language model; part of what makes a run reusable.
        concurrency: executions at the same time.
        on_run: told of each example when it is done.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        model: str,
        concurrency: int,
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> None:
        self._executor = executor
        self._model = model
        self._concurrency = concurrency
        self._on_run = on_run

    async def run(
        self,
        graph: Graph[Any],
        program: Program,
        dataset: Dataset,
        examples: Sequence[Example],
        asker: Callable[[], Awaitable[Asker]],
    ) -> Batch:
        """Run `program` over `examples` and return what came out, in their order.

        Raises what stopped it when that says nothing about the program: a model server or a
        database that is down. Everything done until then is kept and will be reused.
        """
        known = await self._known(graph, program, dataset)
        slots = asyncio.Semaphore(self._concurrency)

        async def run_one(example: Example) -> ExampleRun:
            async with slots:
                done = await self._run_one(graph, program, dataset, example, known, asker)
            if self._on_run is not None:
                self._on_run(done)
            return done

        tasks: list[asyncio.Task[ExampleRun]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(run_one(example)) for example in examples]
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
        """Return what `program` has made of `examples` so far, in their order; nothing is run."""
        known = await self._known(graph, program, dataset)
        finished = [
            (example, known[example.id])
            for example in examples
            if example.id in known and known[example.id].status in _FINISHED
        ]
        runs = [await self._done(graph, *pair, reused=True) for pair in finished]
        return self._batch(graph, program, dataset, runs)

    def _conditions(self, graph: Graph[Any], dataset: Dataset) -> dict[str, str]:
        """Return what must be equal, beside graph version and program, for a run to be reused."""
        return {
            "dataset": dataset.digest,
            "model": self._model,
            "prompt": prompt_version(),
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
        )

    async def _known(
        self, graph: Graph[Any], program: Program, dataset: Dataset
    ) -> dict[str, Execution]:
        """Return the newest execution of each example that can be reused or resumed."""
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
            execution.attrs["example"]: execution
            for execution in reversed(executions)
            if execution.status is not Status.CANCELLED
        }

    async def _run_one(
        self,
        graph: Graph[Any],
        program: Program,
        dataset: Dataset,
        example: Example,
        known: dict[str, Execution],
        asker: Callable[[], Awaitable[Asker]],
    ) -> ExampleRun:
        execution = known.get(example.id)
        if execution and execution.status in _FINISHED:
            return await self._done(graph, example, execution, reused=True)
        if execution is None:
            execution = await self._executor.accept(
                graph,
                program.digest,
                example.input,
                attrs=self._conditions(graph, dataset) | {"example": example.id},
            )
        try:
            execution = await self._executor.run(graph, execution.id, await asker())
        except NodeFailed:
            execution = await self._executor.store.get(execution.id)
            if execution.status is not Status.FAILED:
                raise  # an outage
        except (ExecutionEnded, ExecutionFenced):  # somebody cancelled it meanwhile
            execution = await self._executor.store.get(execution.id)
            if not execution.status.ended:
                raise
        return await self._done(graph, example, execution, reused=False)

    async def _done(
        self, graph: Graph[Any], example: Example, execution: Execution, *, reused: bool
    ) -> ExampleRun:
        events = await self._executor.store.history(execution.id)
        nodes = [event for event in events if event.kind is EventKind.NODE]
        errors = [event.error for event in events if event.error]
        failure = None
        outcome = None
        if execution.status is Status.SUCCEEDED:
            outcome = graph.outcome(decode(graph.state, execution.state))
        else:
            failure = errors[-1].message if errors else execution.status.value
        return ExampleRun(
            example=example,
            execution=execution,
            outcome=outcome,
            headline=graph.headline(outcome) if outcome is not None else "",
            usage=sum((event.usage for event in nodes), Usage()),
            seconds=sum(event.duration_s for event in nodes if event.branch == MAIN),
            nodes=len(nodes),
            failure=failure,
            reused=reused,
        )
