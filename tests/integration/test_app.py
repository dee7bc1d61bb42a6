"""LiftGraph from Python, on PostgreSQL and with a scripted model."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liftgraph_dagster import LiftGraph
from liftgraph_dagster.app import Evaluation
from liftgraph_dagster.errors import (
    ConfigurationError,
    DatasetError,
    InputError,
    NotFound,
    StorageError,
)
from liftgraph_dagster.evaluation.dataset import Dataset, Split
from liftgraph_dagster.evaluation.metric import as_metric
from liftgraph_dagster.execution.records import EventKind, Status
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.database import Database
from tests.factories import (
    TICKETS,
    example_line,
    make_example,
    tickets_graph,
    topic_provider,
    write_lines,
)
from tests.support.tickets import route_is_right

pytestmark = pytest.mark.postgres


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The labelled tickets."""
    return write_lines(tmp_path / "tickets.jsonl", [example_line(id) for id in TICKETS])


@pytest.fixture
def bare(database_url: str, tmp_path: Path) -> Settings:
    """No graph and no model, but those that the test gives."""
    return Settings(home=tmp_path, database_url=database_url, graphs=())


def opened(settings: Settings, file: Path | None = None, **changes: Any) -> LiftGraph:
    """Return an installation with the tickets graph."""
    graph: Graph[Any] = tickets_graph(examples=[file] if file else (), **changes)
    return LiftGraph(settings, graphs=[graph], provider=topic_provider())


async def count(settings: Settings, table: str) -> int:
    """Return the number of rows of `table`."""
    assert settings.database_url is not None
    database = await Database.open(settings.database_url)
    try:
        async with database.connection() as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await database.close()


async def test_run_returns_the_outcome_and_the_finished_execution(bare: Settings) -> None:
    async with opened(bare) as lg:
        result = await lg.run("tickets", "I was charged twice.", user_id="ada")
        stored = await lg.execution(result.execution.id)

    assert result.outcome == "accounts"
    assert (stored.status, stored.user_id) == (Status.SUCCEEDED, "ada")


async def test_what_was_accepted_is_there_before_it_runs(bare: Settings) -> None:
    async with opened(bare) as lg:
        execution = await lg.accept("tickets", "I was charged twice.")
        history = await lg.history(execution.id)
        [listed] = await lg.executions(status=Status.RUNNING)

    assert listed.id == execution.id
    assert history == []


@pytest.mark.parametrize(
    "value", [7, None, "half \ud83d of a pair", ["text"]], ids=["7", "None", "surrogate", "list"]
)
async def test_an_input_that_is_refused_leaves_nothing_behind(bare: Settings, value: Any) -> None:
    async with opened(bare) as lg:
        with pytest.raises(InputError, match="input of tickets"):
            await lg.run("tickets", value)

        assert await lg.executions() == []


async def test_an_unknown_program_leaves_nothing_behind(bare: Settings) -> None:
    async with opened(bare) as lg:
        with pytest.raises(NotFound, match="has no program 'best'; it has baseline"):
            await lg.run("tickets", "I was charged twice.", program="best")

        assert await lg.executions() == []


async def test_an_execution_whose_graph_is_gone_can_be_looked_at_but_not_resumed(
    bare: Settings,
) -> None:
    async with opened(bare) as lg:
        execution = await lg.accept("tickets", "I was charged twice.")
    async with LiftGraph(bare, provider=topic_provider()) as lg:
        trace = await lg.trace(execution.id)

        with pytest.raises(NotFound, match="no graph 'tickets'"):
            await lg.resume(execution.id)

    assert trace.execution.id == execution.id


async def test_observers_are_told_of_each_stored_event(bare: Settings) -> None:
    seen: list[tuple[int, str]] = []
    graph = tickets_graph()
    observer = [lambda execution, event: seen.append((event.seq, event.node))]

    async with LiftGraph(bare, graphs=[graph], provider=topic_provider(), observers=observer) as lg:
        await lg.run("tickets", "I was charged twice.")

    assert seen == [(1, "Classify"), (2, "Route")]


async def test_a_trace_has_the_inputs_that_were_never_stored(bare: Settings) -> None:
    async with opened(bare) as lg:
        result = await lg.run("tickets", "I was charged twice.")
        trace = await lg.trace(result.execution.id)

    assert [(line.event.kind, line.inputs, line.output) for line in trace.lines] == [
        (EventKind.NODE, {"text": "I was charged twice."}, {"topic": "billing"}),
        (EventKind.NODE, {"topic": "billing"}, {"desk": "accounts"}),
    ]


async def test_a_dataset_is_stored_under_its_digest_once(bare: Settings, file: Path) -> None:
    async with opened(bare, file) as lg:
        first = await lg.dataset("tickets")
        again = await lg.dataset("tickets")

    expected = Dataset("tickets", tuple(make_example(id) for id in TICKETS))
    assert first.digest == again.digest == expected.digest
    assert (await count(bare, "datasets"), await count(bare, "examples")) == (1, 4)


async def test_a_bad_line_stops_before_anything_is_stored(bare: Settings, file: Path) -> None:
    write_lines(file, [example_line("billing-1"), example_line("billing-2") | {"family": ""}])

    async with opened(bare, file) as lg:
        with pytest.raises(DatasetError, match=r"tickets\.jsonl, line 2, field family"):
            await lg.evaluate("tickets")

    assert (await count(bare, "datasets"), await count(bare, "examples")) == (0, 0)


async def test_a_graph_without_examples_cannot_be_evaluated(bare: Settings) -> None:
    async with opened(bare) as lg:
        with pytest.raises(InputError, match="'tickets' has no labelled examples"):
            await lg.evaluate("tickets")


async def test_no_door_opens_the_sealed_split(bare: Settings, file: Path) -> None:
    async with opened(bare, file, sample=["billing-1", "outage-1"]) as lg:
        dataset = await lg.dataset("tickets")
        doors = [
            lg.evaluate("tickets", split=Split.SEALED),
            lg.execute_examples("tickets", "baseline", dataset.split(Split.SEALED), dataset),
            lg.execute_examples("tickets", "baseline", dataset.examples, dataset),
            lg.execute_programs("tickets"),
        ]
        for door in doors:
            with pytest.raises(InputError, match="'outage-1' is sealed"):
                await door

        assert await lg.executions() == []


async def test_everything_is_everything_but_the_sealed(bare: Settings, file: Path) -> None:
    async with opened(bare, file, sample=["billing-1"]) as lg:
        [sample] = await lg.execute_programs("tickets")
        [batch] = await lg.execute_programs("tickets", everything=True)

    assert [run.example.id for run in sample.runs] == ["billing-1"]
    assert [run.example.id for run in batch.runs] == ["billing-1", "billing-2", "password-1"]


async def test_scores_are_stored_with_their_metric(bare: Settings, file: Path) -> None:
    async with opened(bare, file) as lg:
        evaluation: Evaluation = await lg.evaluate("tickets", split=Split.TRAIN)
        batch = evaluation.batch
        stored = await lg.evaluations.scores(
            batch.program_digest, batch.dataset_digest, as_metric(route_is_right)
        )

    assert evaluation.summary.mean == 1.0
    assert tuple(stored) == evaluation.scores


async def test_a_fault_of_the_metric_is_no_score(bare: Settings, file: Path) -> None:
    def twice(example: Any, outcome: Any, trace: Any = None) -> float:
        return 2.0

    async with opened(bare, file, metric=twice) as lg:
        with pytest.raises(ConfigurationError, match="metric twice returned 2"):
            await lg.evaluate("tickets")

    assert await count(bare, "scores") == 0


async def test_the_loop_goes_on_while_a_metric_works(bare: Settings, file: Path) -> None:
    loop = asyncio.get_running_loop()

    def waiting(example: Any, outcome: Any, trace: Any = None) -> float:
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(0, 0.5), loop).result(30)

    async with opened(bare, file, metric=waiting) as lg:
        evaluation = await lg.evaluate("tickets")

    assert evaluation.summary.mean == 0.5


async def test_a_graph_without_a_metric_cannot_be_scored(bare: Settings, file: Path) -> None:
    async with opened(bare, file, metric=None) as lg:
        with pytest.raises(ConfigurationError, match="has no metric"):
            await lg.evaluate("tickets")


async def test_nothing_can_be_scored_before_something_was_run(bare: Settings, file: Path) -> None:
    async with opened(bare, file) as lg:
        with pytest.raises(InputError, match="nothing has been run"):
            await lg.score_stored("tickets")


async def test_what_was_run_is_scored_without_running_it_again(bare: Settings, file: Path) -> None:
    async with opened(bare, file) as lg:
        await lg.evaluate("tickets", split=Split.TRAIN)
        before = await lg.executions()
        [evaluation] = await lg.score_stored("tickets")

        assert await lg.executions() == before
    assert [score.example_id for score in evaluation.scores] == ["billing-1", "billing-2"]


async def test_the_model_is_the_providers(bare: Settings) -> None:
    async with opened(bare) as lg:
        assert await lg.model() == "scripted"


async def test_a_database_that_cannot_be_reached_is_named_with_its_setting(
    bare: Settings,
) -> None:
    unreachable = replace(bare, database_url="postgresql://nobody@127.0.0.1:9/lg")

    with pytest.raises(StorageError, match=r"cannot be reached.*LIFTGRAPH_DATABASE_URL"):
        async with LiftGraph(unreachable):
            pass


@pytest.mark.parametrize("url", ["postgresql://a:b@h:port/lg", "mysql://h/lg", "lg"])
async def test_an_address_that_is_none_is_a_setting_to_change(bare: Settings, url: str) -> None:
    with pytest.raises(ConfigurationError, match="LIFTGRAPH_DATABASE_URL"):
        async with LiftGraph(replace(bare, database_url=url)):
            pass


async def test_a_database_that_does_not_exist_is_a_setting_to_change(bare: Settings) -> None:
    url = str(bare.database_url).replace("/test_", "/no_such_database_")

    with pytest.raises(ConfigurationError, match=r"refuses us.*LIFTGRAPH_DATABASE_URL"):
        async with LiftGraph(replace(bare, database_url=url)):
            pass
