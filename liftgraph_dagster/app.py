"""LiftGraph: the one place where everything meets.

async with LiftGraph() as lg:
    result = await lg.run("prompt_to_code", "Add two numbers.")
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import dspy
import httpx
from pydantic_core import from_json, to_jsonable_python

from liftgraph_dagster.errors import (
    ConfigurationError,
    GraphError,
    InputError,
    NotFound,
)
from liftgraph_dagster.evaluation.batch import (
    BatchRunner,
    Sampling,
    check_sampling,
    sampling_of,
)
from liftgraph_dagster.evaluation.dataset import (
    Dataset,
    Split,
    StoredDataset,
    check_dataset_name,
    refuse_leaks,
    refuse_sealed,
)
from liftgraph_dagster.evaluation.example import (
    Example,
    Label,
    checked_examples,
    read_examples,
)
from liftgraph_dagster.evaluation.importing import FieldMap, family_of, import_examples
from liftgraph_dagster.evaluation.label_check import LabelCheck, check_labels
from liftgraph_dagster.evaluation.labelling import Item, items_of
from liftgraph_dagster.evaluation.marks import MarkStore
from liftgraph_dagster.evaluation.metric import Metric, as_metric
from liftgraph_dagster.evaluation.rows import Place
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
from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import decode, refuse_surrogates
from liftgraph_dagster.providers.client import HttpProvider
from liftgraph_dagster.providers.contract import Provider
from liftgraph_dagster.providers.endpoint import Credentials
from liftgraph_dagster.providers.engine import language_model
from liftgraph_dagster.providers.local.gateway import Gateway
from liftgraph_dagster.providers.local.model import LocalModel
from liftgraph_dagster.providers.retry import IN_PROCESS
from liftgraph_dagster.services import database_server
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.evaluation import PostgresEvaluationStore
from liftgraph_dagster.storage.executions import PostgresStateStore
from liftgraph_dagster.storage.marks import PostgresMarkStore
from liftgraph_dagster.storage.programs import PostgresProgramStore

if TYPE_CHECKING:
    from liftgraph_dagster.evaluation.agreement_report import AgreementReport

T = TypeVar("T")

MAX_TOKENS = 384
"""Longest answer of the embedded model; the outputs of the shipped signatures fit."""


@dataclass(frozen=True)
class Result:
    """A finished execution and what it was for."""

    execution: Execution
    outcome: Any


@dataclass(frozen=True)
class NameMoved:
    """What a dataset's name stood for, and what it stands for now."""

    before: Dataset | None
    after: Dataset


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
        self._provider: Provider | None = None
        self._provider_lock = asyncio.Lock()
        self._askers: dict[tuple[str, str, Sampling], Asker] = {}

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
        self.marks: MarkStore = PostgresMarkStore(database)
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
            await self._asker(graph, program, sampling_of(execution)),
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

    async def dataset(self, graph: str, reference: str | None = None) -> Dataset:
        """Return labelled examples of a graph, each checked against what it takes and expects.

        Without a `reference`, or with the graph's own name, they are the graph's own: those of its
        files and those that were added to its name in the database, stored under their digest.
        Any other name, or a digest, stands for a dataset of the database.

        Raises DatasetError, naming file or dataset, line and field, and stores nothing then.
        """
        found = self.graph(graph)
        if reference not in (None, graph):
            dataset = await self.evaluations.find_dataset(reference, graph)
            checked_examples(found, _rows(f"dataset {reference}", dataset))
            return dataset
        added = await self.evaluations.named_dataset(graph, graph)
        dataset = await _own_dataset(found, added)
        if not dataset.examples:
            raise InputError(
                f"graph {graph!r} has no labelled examples of its own; add some by `liftgraph "
                f"dataset add --graph {graph} --from-execution ID --labelled-by NAME --kind KIND`, "
                "or name a dataset of the database, see `liftgraph dataset list`"
            )
        await self.evaluations.save_dataset(dataset)
        return dataset

    async def moved_families(self, graph: str) -> list[str]:
        """Return the families that stand in more than one split in the stored datasets of a
        graph: what a program once learned from would now be what it is judged by."""
        return await self.evaluations.moved_families(self.graph(graph).name)

    async def check_labels(self, dataset: Dataset, names: Collection[str] = ()) -> list[LabelCheck]:
        """Return what the label checks of a dataset's graph, all unless named, say of its
        examples. Raises NotFound for a check that the graph does not declare."""
        checks = self.graph(dataset.graph).label_checks
        if missing := [name for name in names if name not in checks]:
            raise NotFound(
                f"graph {dataset.graph!r} has no label check {missing[0]!r}; it has "
                f"{', '.join(checks) or 'none'}"
            )
        return [
            await asyncio.to_thread(check_labels, name, check, dataset.examples)
            for name, check in checks.items()
            if not names or name in names
        ]

    async def find_dataset(self, reference: str, graph: str | None = None) -> Dataset:
        """Return a dataset as it is stored, by name or digest, or a graph's own by the name of the
        graph. A stored one may no longer be what its graph takes. Raises NotFound, and InputError
        for what stands for more than one."""
        refuse_surrogates(reference, "the dataset's name")
        if reference in self.graphs and graph in (None, reference):
            return await self.dataset(reference)
        return await self.evaluations.find_dataset(reference, graph)

    async def datasets(self, graph: str | None = None) -> list[StoredDataset]:
        """Return what the names of datasets stand for, and what was read from graphs' files,
        newest first."""
        return await self.evaluations.list_datasets(graph)

    async def read_import(
        self, graph: str, file: Path, fields: FieldMap | None = None, label: Label | None = None
    ) -> Dataset:
        """Return the examples in a file, see `import_examples`; nothing is stored. Raises
        InputError for a file without rows."""
        found = self.graph(graph)
        examples = await asyncio.to_thread(import_examples, found, file, fields, label)
        if not examples:
            raise InputError(f"{file} has no rows")
        return Dataset(graph, tuple(examples))

    async def name_dataset(self, dataset: Dataset, name: str) -> NameMoved:
        """Store a dataset and let `name` stand for it. Under the name of its graph it is added to
        the examples of the graph's files; raises DatasetError for an id that is among them, and
        InputError for an input that they have in another split."""
        check_dataset_name(name)
        if name == dataset.graph:
            refuse_leaks(await _own_dataset(self.graph(dataset.graph), dataset), dataset.examples)
        return NameMoved(*await self.evaluations.move_name(dataset.graph, name, lambda _: dataset))

    async def add_execution(
        self,
        graph: str,
        name: str,
        execution_id: str,
        label: Label,
        *,
        expected: Any = None,
        family: str | None = None,
    ) -> NameMoved:
        """Make an example of an execution's input and add it to a named dataset, which may be
        new; an example made of it before is replaced.

        Args:
            expected: what a right outcome is; None when the execution's own outcome is right.
            family: None for `family_of` the input.

        Raises InputError for an execution of another graph or without an outcome, when `expected`
        or the outcome is not what the graph expects, and when the graph's own examples, to which
        it would be added, have its input in another split.
        """
        check_dataset_name(name)
        found = self.graph(graph)
        execution = await self.execution(execution_id)
        if execution.graph != graph:
            raise InputError(
                f"execution {execution_id} is of graph {execution.graph!r}, not {graph!r}"
            )
        if expected is None and execution.status is not Status.SUCCEEDED:
            raise InputError(
                f"execution {execution_id} is {execution.status} and has no outcome; say what is "
                "expected by --expected FILE.json"
            )
        value = from_json(execution.input)
        example = {
            "id": f"execution-{execution.id}",
            "family": family if family is not None else family_of(value),
            "input": value,
            "expected": expected
            if expected is not None
            else to_jsonable_python(found.outcome(decode(found.state, execution.state))),
            "labelled_by": [label],
            "source": f"execution {execution.id}",
        }
        [checked] = checked_examples(found, [(Place(f"execution {execution.id}"), example)])

        if name == graph:
            before = await _own_dataset(found, await self.evaluations.named_dataset(graph, graph))
            refuse_leaks(before.with_example(checked), [checked])

        def add(now: Dataset | None) -> Dataset:
            return (now or Dataset(graph, ())).with_example(checked)

        return NameMoved(*await self.evaluations.move_name(graph, name, add))

    async def execute_examples(
        self,
        graph: str,
        program: str,
        examples: Sequence[Example],
        dataset: Dataset,
        *,
        repeats: int = 1,
        temperature: float | None = None,
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> Batch:
        """Run a program over examples, each `repeats` times; what was run before is reused. Raises
        InputError when one of them is sealed, and as `check_sampling` does."""
        refuse_sealed(examples)
        drawn = check_sampling(repeats, temperature)
        found = self.graph(graph)
        chosen = await self.program(graph, program)
        runner = await self._runner(on_run, temperature=drawn)
        return await runner.run(
            found,
            chosen,
            dataset,
            examples,
            lambda sampling: self._asker(found, chosen, sampling),
            repeats=repeats,
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
        batches = await self._stored(graph, await self.dataset(graph), examples)
        if not batches:
            raise _nothing_run(graph)
        return [await self.score(batch) for batch in batches]

    async def outcomes_to_mark(self, graph: str, split: Split | None = None) -> list[Item]:
        """Return what the graph's declared programs have made of the examples of a split, or of
        all that are not sealed, so far. Raises InputError for the sealed split, and when there is
        no outcome."""
        dataset = await self.dataset(graph)
        examples = dataset.split(split) if split else dataset.open()
        refuse_sealed(examples)
        items = items_of(await self._stored(graph, dataset, examples))
        if not items:
            raise _nothing_run(graph)
        return items

    async def agreement(self, graph: str, *, seed: int = 0) -> AgreementReport:
        """Return how far the raters of a graph's outcomes agree, and how its metric's scores go
        with their marks. Scores are those of outcomes that are stored here and not sealed."""
        # Here, because scipy.stats takes a second, and nothing else that a command does needs it.
        from liftgraph_dagster.evaluation.agreement_report import agreement_report

        marks = await self.marks.of_graph(self.graph(graph).name)
        if not marks:
            return agreement_report([], {}, metric=None, seed=seed)
        metric = self.graph(graph).metric
        if metric is None:
            return agreement_report(marks, {}, metric=None, seed=seed)
        dataset = await self.dataset(graph)
        batches = await self._stored(graph, dataset, dataset.open())
        evaluations = [await self.score(batch) for batch in batches]
        scores = {
            (score.example_id, digest(run.outcome)): score.value
            for evaluation in evaluations
            for run, score in zip(evaluation.batch.runs, evaluation.scores, strict=True)
            if run.succeeded
        }
        return agreement_report(marks, scores, metric=as_metric(metric).name, seed=seed)

    async def _stored(
        self, graph: str, dataset: Dataset, examples: Sequence[Example] | None
    ) -> list[Batch]:
        """Return what each declared program has made of `examples`, or of all, where that is
        anything."""
        found = self.graph(graph)
        runner = await self._runner()
        wanted = dataset.examples if examples is None else examples
        programs = [await self.program(graph, name) for name in found.programs]
        stored = [await runner.stored(found, program, dataset, wanted) for program in programs]
        return [batch for batch in stored if batch.runs]

    def metric(self, graph: str, name: str | None = None) -> Metric:
        """Return a metric that a graph declares, its first one unless it is named. Raises
        ConfigurationError when it has none, NotFound when none has that name."""
        found = self.graph(graph)
        metrics = [as_metric(one) for one in (found.metric, *found.metrics) if one is not None]
        if not metrics:
            raise ConfigurationError(
                f"graph {graph!r} has no metric; give it one: Graph(..., metric=...)"
            )
        for metric in metrics:
            if name in (None, metric.name):
                return metric
        raise NotFound(
            f"graph {graph!r} has no metric {name!r}; it has "
            f"{', '.join(metric.name for metric in metrics)}"
        )

    async def score(self, batch: Batch, metric: str | None = None) -> Evaluation:
        """Score a batch by a metric of its graph, the first one unless it is named, and store the
        scores."""
        found = self.metric(batch.graph, metric)
        # In a thread: a metric may run code or ask a model, and executions go on meanwhile.
        scores = await asyncio.to_thread(score_batch, batch, found)
        await self.evaluations.save(scores)
        return Evaluation(batch, tuple(scores), summarize(batch, scores))

    async def evaluate(
        self,
        graph: str,
        *,
        program: str = "baseline",
        split: Split = Split.DEV,
        dataset: Dataset | str | None = None,
        repeats: int = 1,
        temperature: float | None = None,
        metric: str | None = None,
        on_run: Callable[[ExampleRun], None] | None = None,
    ) -> Evaluation:
        """Run a program over a split, each example `repeats` times, and score it.

        Args:
            dataset: the examples; the name or digest of some in the database; None for the graph's
                own. What a name stands for is looked up once.
            temperature: of the language model, in [0, 2]; None for 0, for several repeats 0.7.
            metric: the name of one that the graph declares; None for its first.

        Raises InputError for an empty split and for the sealed one, and as `check_sampling` does.
        """
        self.metric(graph, metric)
        check_sampling(repeats, temperature)
        if not isinstance(dataset, Dataset):
            dataset = await self.dataset(graph, dataset)
        examples = dataset.filled_split(split)
        batch = await self.execute_examples(
            graph,
            program,
            examples,
            dataset,
            repeats=repeats,
            temperature=temperature,
            on_run=on_run,
        )
        return await self.score(batch, metric)

    async def model(self) -> str:
        """Return name and revision of the language model."""
        return (await self._ready_provider()).model

    async def _runner(
        self, on_run: Callable[[ExampleRun], None] | None = None, *, temperature: float = 0.0
    ) -> BatchRunner:
        return BatchRunner(
            self.executor,
            model=await self.model(),
            concurrency=self.settings.concurrency,
            temperature=temperature,
            on_run=on_run,
        )

    async def _asker(self, graph: Graph[Any], program: Program, sampling: Sampling) -> Asker:
        key = (graph.version, program.digest, sampling)
        if key not in self._askers:
            lm = await self._language_model(sampling) if graph.asks_model else None
            self._askers[key] = Asker(graph, program, lm)
        return self._askers[key]

    async def _language_model(self, sampling: Sampling) -> dspy.LM:
        return language_model(
            await self._ready_provider(),
            temperature=sampling.temperature,
            max_tokens=MAX_TOKENS,
            seed=sampling.seed,
        )

    async def _ready_provider(self) -> Provider:
        async with self._provider_lock:
            if self._provider is None:
                self._provider = await self._open_provider()
        return self._provider

    async def _open_provider(self) -> Provider:
        if self._given is not None:
            return self._given
        settings = self.settings
        if settings.model_url:
            provider = HttpProvider(
                settings.model_url, model=settings.model, credentials=_credentials(settings)
            )
        else:
            gateway = Gateway(LocalModel())
            self._exit.push_async_callback(asyncio.to_thread, gateway.close)
            provider = HttpProvider(
                "http://embedded",
                model=gateway.model.revision,
                name="local",
                policy=IN_PROCESS,
                transport=httpx.ASGITransport(app=gateway.app()),
            )
        self._exit.push_async_callback(provider.aclose)
        return provider


def _credentials(settings: Settings) -> Credentials:
    return Credentials(
        api_key=settings.model_api_key,
        modal_key=settings.modal_key,
        modal_secret=settings.modal_secret,
    )


async def _own_dataset(graph: Graph[Any], added: Dataset | None) -> Dataset:
    """Return the examples of a graph's files and those that were added to its name; one that is in
    both counts once. Raises DatasetError for two that differ under one id."""
    read = Dataset(graph.name, tuple(await asyncio.to_thread(read_examples, graph, graph.examples)))
    if added is None:
        return read
    others = Dataset(graph.name, tuple(one for one in added.examples if one not in read.examples))
    rows = chain(_rows(f"the files of {graph.name}", read), _rows(f"dataset {graph.name}", others))
    return Dataset(graph.name, tuple(checked_examples(graph, rows)))


def _rows(name: str, dataset: Dataset) -> Iterator[tuple[Place, Example]]:
    for number, example in enumerate(dataset.examples, 1):
        yield Place(name, number, "example"), example


def _nothing_run(graph: str) -> InputError:
    return InputError(
        f"nothing has been run on the examples of {graph!r} yet; run "
        f"`liftgraph evaluate {graph}`, or materialize baseline_executions"
    )


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
