"""LiftGraph: the one place where everything meets.

async with LiftGraph() as lg:
    result = await lg.run("prompt_to_code", "Add two numbers.")
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import dspy
import httpx

from liftgraph_dagster.errors import (
    ConfigurationError,
    GraphError,
    InputError,
    NotFound,
)
from liftgraph_dagster.evaluation.batch import BatchRunner
from liftgraph_dagster.evaluation.dataset import Dataset, Split, refuse_sealed
from liftgraph_dagster.evaluation.example import Example, read_examples
from liftgraph_dagster.evaluation.metric import as_metric
from liftgraph_dagster.evaluation.scores import (
    Batch,
    ExampleRun,
    Score,
    Summary,
    score_batch,
    summarize,
)
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.program import Program, declared_program
from liftgraph_dagster.execution.records import (
    Execution,
    ExecutionId,
    NodeEvent,
    Status,
)
from liftgraph_dagster.execution.store import ExecutionFilter
from liftgraph_dagster.execution.trace import Trace, trace
from liftgraph_dagster.execution.walker import Observer
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import decode, refuse_surrogates
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.contract import Provider
from liftgraph_dagster.providers.engine import language_model
from liftgraph_dagster.providers.local.gateway import Gateway
from liftgraph_dagster.providers.local.model import LocalModel
from liftgraph_dagster.services import database_server
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.evaluation import PostgresEvaluationStore
from liftgraph_dagster.storage.executions import PostgresStateStore
from liftgraph_dagster.storage.programs import PostgresProgramStore

T = TypeVar("T")

MAX_TOKENS = 384
"""Longest answer of the embedded model; the outputs of the shipped signatures fit."""


@dataclass(frozen=True)
class Result:
    """A finished execution and what it was for."""

    execution: Execution
    outcome: Any


@dataclass(frozen=True)
class Evaluation:
    """A program's scores on some examples."""

    batch: Batch
    scores: tuple[Score, ...]
    summary: Summary


class LiftGraph:
    """An open installation: database, language model, graphs. An async context manager.

    Args:
        settings: how it is set up; read from the environment by default.
        graphs: graphs beside those that the settings name.
        provider: a language model instead of the one that the settings name.
        observers: told of every event once it is stored.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        graphs: Sequence[Graph[Any]] = (),
        provider: Provider | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.settings = settings or Settings.from_environment()
        self.graphs = load_graphs(self.settings, graphs)
        self._given = provider
        self._observers = observers
        self._exit = contextlib.AsyncExitStack()
        self._lm: dspy.LM | None = None
        self._provider: Provider | None = None
        self._lm_lock = asyncio.Lock()
        self._askers: dict[tuple[str, str], Asker] = {}

    async def __aenter__(self) -> Self:
        try:
            servers = _in_thread(database_server(self.settings))
            settings = await self._exit.enter_async_context(servers)
            assert settings.database_url is not None
            database = await Database.open(settings.database_url)
            self._exit.push_async_callback(database.close)
        except BaseException:
            await self._exit.aclose()
            raise
        self.executor = Executor(
            PostgresStateStore(database),
            lease_s=self.settings.lease_s,
            observers=self._observers,
        )
        self.store = self.executor.store
        self.programs = PostgresProgramStore(database)
        self.evaluations = PostgresEvaluationStore(database)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._exit.aclose()

    def graph(self, name: str) -> Graph[Any]:
        """Return a registered graph. Raises NotFound, naming those there are."""
        if name not in self.graphs:
            raise NotFound(
                f"there is no graph {name!r}; registered are {', '.join(sorted(self.graphs))}. "
                "LIFTGRAPH_GRAPHS names the modules that hold graphs"
            )
        return self.graphs[name]

    async def run(
        self, graph: str, value: Any, *, program: str = "baseline", user_id: str | None = None
    ) -> Result:
        """Run a graph on an input and return its outcome.

        Raises InputError, and stores nothing, for an input that the graph does not take;
        NodeFailed when a node raises, and then the execution can be resumed.
        """
        execution = await self.accept(graph, value, program=program, user_id=user_id)
        return await self.resume(execution.id)

    async def accept(
        self, graph: str, value: Any, *, program: str = "baseline", user_id: str | None = None
    ) -> Execution:
        """Store a new execution and return it; `resume` runs it."""
        found = self.graph(graph)
        chosen = await self.program(graph, program)
        return await self.executor.accept(found, chosen.digest, value, user_id=user_id)

    async def resume(self, execution_id: str, *, accept_version: bool = False) -> Result:
        """Run an execution from where it stands to its end.

        Raises as `Executor.run` does.
        """
        execution = await self.execution(execution_id)
        graph = self.graph(execution.graph)
        program = await self.programs.get(execution.program_digest)
        done = await self.executor.run(
            graph,
            execution.id,
            await self._asker(graph, program),
            accept_version=accept_version,
        )
        return Result(done, graph.outcome(decode(graph.state, done.state)))

    async def cancel(self, execution_id: str, *, reason: str = "asked for") -> Execution:
        """End an execution; a process that runs it stops at its next node."""
        return await self.store.cancel(ExecutionId(execution_id), reason=reason)

    async def execution(self, execution_id: str) -> Execution:
        """Return an execution. Raises NotFound."""
        return await self.store.get(ExecutionId(execution_id))

    async def history(self, execution_id: str) -> list[NodeEvent]:
        """Return the history of an execution, oldest first."""
        return await self.store.history(ExecutionId(execution_id))

    async def trace(self, execution_id: str) -> Trace:
        """Return an execution with the inputs and outputs of its nodes."""
        execution = await self.execution(execution_id)
        events = await self.history(execution_id)
        return trace(self.graphs.get(execution.graph), execution, events)

    async def executions(
        self,
        *,
        graph: str | None = None,
        status: Status | None = None,
        user_id: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Execution]:
        """Return executions, newest first; `before` is the last id of the page before. Raises
        NotFound when no execution has that id."""
        refuse_surrogates([graph, user_id], "the name")
        if before is not None:
            await self.execution(before)
        return await self.store.find(
            ExecutionFilter(
                graph=graph,
                status=status,
                user_id=user_id,
                before=ExecutionId(before) if before else None,
            ),
            limit=limit,
        )

    async def program(self, graph: str, name: str) -> Program:
        """Return a program that the graph's code declares, stored. Raises NotFound."""
        program = declared_program(self.graph(graph), name)
        await self.programs.save(program)
        return program

    async def dataset(self, graph: str) -> Dataset:
        """Read the graph's labelled examples, store them under their digest, and return them.

        Raises DatasetError, naming file, line and field, and stores nothing then.
        """
        found = self.graph(graph)
        examples = await asyncio.to_thread(read_examples, found, found.examples)
        if not examples:
            raise InputError(f"graph {graph!r} has no labelled examples")
        dataset = Dataset(graph, tuple(examples))
        await self.evaluations.save_dataset(dataset)
        return dataset

    async def execute_examples(
        self,
        graph: str,
        program: str,
        examples: Sequence[Example],
        dataset: Dataset,
        *,
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> Batch:
        """Run a program over examples; what was run before is reused. Raises InputError when one
        of them is sealed."""
        refuse_sealed(examples)
        found = self.graph(graph)
        chosen = await self.program(graph, program)
        runner = await self._runner(on_run)
        return await runner.run(
            found, chosen, dataset, examples, lambda: self._asker(found, chosen)
        )

    async def execute_programs(
        self,
        graph: str,
        programs: Sequence[str] = (),
        *,
        everything: bool = False,
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> list[Batch]:
        """Run programs (all that the graph declares, unless named) over the graph's sample, or over
        every example that is not sealed."""
        dataset = await self.dataset(graph)
        examples = self.first_look(graph, dataset, everything=everything)
        return [
            await self.execute_examples(graph, program, examples, dataset, on_run=on_run)
            for program in programs or self.graph(graph).programs
        ]

    def first_look(
        self, graph: str, dataset: Dataset, *, everything: bool = False
    ) -> tuple[Example, ...]:
        """Return the examples of the graph's sample; without one, or for everything, all that
        are not sealed."""
        sample = self.graph(graph).sample
        return dataset.pick(sample) if sample and not everything else dataset.open()

    async def score_stored(
        self, graph: str, examples: Sequence[Example] | None = None
    ) -> list[Evaluation]:
        """Score what the graph's declared programs have made of `examples`, or of all, so far;
        nothing is run. Raises InputError when that is nothing."""
        found = self.graph(graph)
        dataset = await self.dataset(graph)
        runner = await self._runner()
        wanted = dataset.examples if examples is None else examples
        programs = [await self.program(graph, name) for name in found.programs]
        stored = [await runner.stored(found, program, dataset, wanted) for program in programs]
        batches = [batch for batch in stored if batch.runs]
        if not batches:
            raise InputError(
                f"nothing has been run on the examples of {graph!r} yet; run "
                f"`liftgraph evaluate {graph}`, or materialize baseline_executions"
            )
        return [await self.score(batch) for batch in batches]

    async def score(self, batch: Batch) -> Evaluation:
        """Score a batch by its graph's metric and store the scores."""
        metric = self.graph(batch.graph).metric
        if metric is None:
            raise ConfigurationError(
                f"graph {batch.graph!r} has no metric; give it one: Graph(..., metric=...)"
            )
        # In a thread: a metric may run code or ask a model, and executions go on meanwhile.
        scores = await asyncio.to_thread(score_batch, batch, as_metric(metric))
        await self.evaluations.save(scores)
        return Evaluation(batch, tuple(scores), summarize(batch, scores))

    async def evaluate(
        self,
        graph: str,
        *,
        program: str = "baseline",
        split: Split = Split.DEV,
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> Evaluation:
        """Run a program over a split and score it. Raises InputError for an empty split and for
        the sealed one."""
        dataset = await self.dataset(graph)
        examples = dataset.split(split)
        if not examples:
            raise InputError(f"the dataset of {graph!r} has no examples in split {split}")
        return await self.score(
            await self.execute_examples(graph, program, examples, dataset, on_run=on_run)
        )

    async def model(self) -> str:
        """Return name and revision of the language model."""
        await self._language_model()
        assert self._provider is not None
        return self._provider.model

    async def _runner(self, on_run: Callable[[ExampleRun], None] | None = None) -> BatchRunner:
        return BatchRunner(
            self.executor,
            model=await self.model(),
            concurrency=self.settings.concurrency,
            on_run=on_run,
        )

    async def _asker(self, graph: Graph[Any], program: Program) -> Asker:
        key = (graph.version, program.digest)
        if key not in self._askers:
            lm = await self._language_model() if graph.asks_model else None
            self._askers[key] = Asker(graph, program, lm)
        return self._askers[key]

    async def _language_model(self) -> dspy.LM:
        async with self._lm_lock:
            if self._lm is None:
                self._provider = await self._open_provider()
                self._lm = language_model(
                    self._provider, temperature=0.0, max_tokens=MAX_TOKENS, seed=0
                )
        return self._lm

    async def _open_provider(self) -> Provider:
        if self._given is not None:
            return self._given
        settings = self.settings
        if settings.model_url:
            provider = HttpProvider(
                settings.model_url, model=settings.model, api_key=settings.model_api_key
            )
        else:
            gateway = Gateway(LocalModel())
            self._exit.push_async_callback(asyncio.to_thread, gateway.close)
            provider = HttpProvider(
                "http://embedded",
                model=gateway.model.revision,
                name="local",
                transport=httpx.ASGITransport(app=gateway.app()),
            )
        self._exit.push_async_callback(provider.aclose)
        return provider


@contextlib.asynccontextmanager
async def _in_thread(manager: contextlib.AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave `manager` in a thread. When that is cancelled half-way, what has been begun
    is finished and undone."""
    entering = asyncio.ensure_future(asyncio.to_thread(manager.__enter__))
    try:
        value = await asyncio.shield(entering)
    except asyncio.CancelledError:
        await asyncio.wait([entering])
        if entering.exception() is None:
            await asyncio.to_thread(manager.__exit__, None, None, None)
        raise
    try:
        yield value
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


def load_graphs(settings: Settings, given: Sequence[Graph[Any]] = ()) -> Mapping[str, Graph[Any]]:
    """Return the graphs that the settings name, and those given, by name.

    Raises GraphError for a module that cannot be imported or holds no `graph`, and for two graphs
    of one name.
    """
    graphs: dict[str, Graph[Any]] = {}
    for graph in [*(_load(module) for module in settings.graphs), *given]:
        if graph.name in graphs:
            raise GraphError(f"two graphs are named {graph.name!r}")
        graphs[graph.name] = graph
    return graphs


def _load(module: str) -> Graph[Any]:
    try:
        found = importlib.import_module(module)
    except GraphError:
        raise
    except Exception as exc:
        raise GraphError(
            f"the module {module!r}, named in LIFTGRAPH_GRAPHS, cannot be imported: "
            f"{type(exc).__name__}: {exc}"
        ) from exc
    graph = getattr(found, "graph", None)
    if graph is None:
        raise GraphError(f"the module {module!r} has no attribute `graph`")
    if not isinstance(graph, Graph):
        raise GraphError(f"`graph` in {module!r} is {type(graph).__name__}, not a Graph")
    return graph
