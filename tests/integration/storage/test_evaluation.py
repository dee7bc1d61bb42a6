from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from liftgraph_dagster.errors import (
    ErrorClass,
    InputError,
    LiftGraphError,
    NotFound,
    StorageError,
)
from liftgraph_dagster.evaluation.dataset import Dataset, Split, split_of
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Metric, as_metric
from liftgraph_dagster.evaluation.scores import Score
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import Status
from liftgraph_dagster.storage.codec import unpack
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.evaluation import PostgresEvaluationStore
from liftgraph_dagster.storage.executions import PostgresStateStore
from liftgraph_dagster.storage.programs import PostgresProgramStore
from tests.factories import TICKETS, make_example, make_execution
from tests.support import tickets

pytestmark = pytest.mark.postgres

DATASET = Dataset("tickets", tuple(make_example(id) for id in TICKETS))
PROGRAM = Program("tickets")
METRIC: Metric = as_metric(tickets.route_is_right)


@pytest.fixture
async def store(emptied: Database) -> AsyncIterator[PostgresEvaluationStore]:
    """A store that knows the program and the dataset above."""
    await PostgresProgramStore(emptied).save(PROGRAM)
    await PostgresStateStore(emptied).remember("tickets", "version", {})
    store = PostgresEvaluationStore(emptied)
    await store.save_dataset(DATASET)
    return store


async def score(emptied: Database, example_id: str = "billing-1", **changes: Any) -> Score:
    """Return a score of an execution that is stored."""
    execution = make_execution(Status.RUNNING, program_digest=PROGRAM.digest)
    await PostgresStateStore(emptied).create(execution)
    made = Score(
        graph="tickets",
        dataset_digest=DATASET.digest,
        example_id=example_id,
        family=TICKETS[example_id][0],
        program_digest=PROGRAM.digest,
        program_name=PROGRAM.name,
        metric=METRIC.name,
        metric_version=METRIC.version,
        execution_id=execution.id,
        value=0.5,
    )
    return replace(made, **changes)


async def scores(store: PostgresEvaluationStore) -> list[Score]:
    return await store.scores(PROGRAM.digest, DATASET.digest, METRIC)


async def examples(emptied: Database, dataset: Dataset) -> dict[str, tuple[str, Example]]:
    """Return split and example by id, as the tables have them."""
    async with emptied.connection() as connection:
        rows = await connection.fetch(
            "SELECT id, split, body FROM examples WHERE dataset_digest = $1", dataset.digest
        )
    return {
        row["id"]: (row["split"], Example.model_validate_json(unpack(row["body"]) or b""))
        for row in rows
    }


async def test_a_dataset_is_stored_with_its_examples_and_their_splits(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    assert await examples(emptied, DATASET) == {
        example.id: (split_of(example.family).value, example) for example in DATASET.examples
    }


async def test_a_dataset_is_counted(store: PostgresEvaluationStore, emptied: Database) -> None:
    async with emptied.connection() as connection:
        row = await connection.fetchrow("SELECT graph, n, families FROM datasets")

    assert tuple(row) == ("tickets", len(TICKETS), 3)


@pytest.mark.parametrize("text", ["", "ünï\0🙂", "x" * 2**20], ids=["nothing", "unicode", "1 MB"])
async def test_an_example_comes_back_as_it_was(
    text: str, store: PostgresEvaluationStore, emptied: Database
) -> None:
    example = make_example(input=text, expected={"n": 10**30, "zero": -0.0, "none": None})
    dataset = Dataset("tickets", (example,))
    await store.save_dataset(dataset)
    [(_, kept)] = (await examples(emptied, dataset)).values()

    assert kept.model_dump_json() == example.model_dump_json()


async def test_a_dataset_that_is_there_can_be_saved_again(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    await store.save_dataset(DATASET)

    assert (await examples(emptied, DATASET)).keys() == TICKETS.keys()


async def test_two_datasets_may_share_examples(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    smaller = Dataset("tickets", DATASET.examples[:2])
    await store.save_dataset(smaller)

    assert (await examples(emptied, DATASET)).keys() == TICKETS.keys()
    assert len(await examples(emptied, smaller)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"value": 0.0, "failure": "ünï\0🙂", "feedback": "two\nlines"},
        {"value": 0.0, "failure": "late", "failure_class": ErrorClass.TIMEOUT},
        {"value": 1.0, "failure": "", "feedback": "\0"},
        {"value": 1 / 3, "feedback": "x" * 2**20, "repeat": 7},
        {"program_name": "tuned", "family": "ünï"},
    ],
    ids=["plain", "failure", "class of a failure", "empty failure", "1 MB of feedback", "names"],
)
async def test_a_score_comes_back_as_it_was(
    changes: dict[str, Any], store: PostgresEvaluationStore, emptied: Database
) -> None:
    saved = await score(emptied, **changes)
    await store.save([saved])

    assert await scores(store) == [saved]


async def test_scores_come_by_example_and_repeat(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    saved = [
        await score(emptied, example_id, repeat=repeat)
        for example_id in sorted(TICKETS)
        for repeat in range(2)
    ]
    await store.save(saved[::-1])

    assert await scores(store) == saved


async def test_no_scores_can_be_saved(store: PostgresEvaluationStore) -> None:
    await store.save([])

    assert await scores(store) == []


async def test_a_score_of_the_same_execution_and_metric_replaces_the_older(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    older = await score(
        emptied,
        value=0.0,
        failure="no answer",
        failure_class=ErrorClass.VALIDATION,
        feedback="none",
    )
    newer = replace(older, value=1.0, failure=None, failure_class=None, feedback="right")
    await store.save([older])
    await store.save([newer])

    assert await scores(store) == [newer]


async def test_a_score_that_replaces_another_does_so_in_every_field(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    older = await score(emptied)
    newer = replace(older, program_name="renamed", family="other", example_id="other", repeat=3)
    await store.save([older])
    await store.save([newer])

    assert await scores(store) == [newer]


@pytest.mark.parametrize("field", ["metric", "metric_version"])
async def test_a_score_of_another_metric_stands_beside(
    field: str, store: PostgresEvaluationStore, emptied: Database
) -> None:
    saved = await score(emptied)
    await store.save([saved, replace(saved, value=1.0, **{field: "another"})])

    assert await scores(store) == [saved]


async def test_scores_of_another_dataset_stand_apart(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    smaller = Dataset("tickets", DATASET.examples[:2])
    await store.save_dataset(smaller)
    await store.save([await score(emptied, dataset_digest=smaller.digest)])

    assert await scores(store) == []


async def test_scores_of_another_program_stand_apart(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    other = Program("tickets", {"Classify": {}})
    await PostgresProgramStore(emptied).save(other)
    await store.save([await score(emptied, program_digest=other.digest)])

    assert await scores(store) == []


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
async def test_a_value_out_of_range_stores_no_score_of_the_batch(
    value: float, store: PostgresEvaluationStore, emptied: Database
) -> None:
    good, bad = await score(emptied), await score(emptied, value=value)
    with pytest.raises((LiftGraphError, asyncpg.PostgresError)):
        await store.save([good, bad])

    assert await scores(store) == []


def dataset(*ids: str, graph: str = "tickets") -> Dataset:
    return Dataset(graph, tuple(make_example(id) for id in ids))


def becomes(after: Dataset) -> Callable[[Dataset | None], Dataset]:
    return lambda _: after


async def test_a_dataset_comes_back_as_it_was(store: PostgresEvaluationStore) -> None:
    examples = (
        make_example(input="ünï\0🙂", expected={"n": 10**30, "zero": -0.0}, source="execution 7"),
        make_example("outage-1", input="x" * 2**20, difficulty=3),
    )
    await store.save_dataset(Dataset("tickets", examples))

    back = await store.get_dataset(Dataset("tickets", examples).digest)

    assert back == Dataset("tickets", examples)


async def test_a_dataset_that_is_there_in_part_is_not_taken_for_the_whole(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    async with emptied.connection() as connection:
        await connection.execute("DELETE FROM examples WHERE id = 'billing-1'")

    with pytest.raises(StorageError, match="in part only"):
        await store.get_dataset(DATASET.digest)


async def test_an_unknown_dataset_is_named(store: PostgresEvaluationStore) -> None:
    for reference in ("letters", "0" * 64, "", "ünï"):
        with pytest.raises(NotFound, match="there is no dataset"):
            await store.find_dataset(reference)


async def test_a_name_stands_for_the_dataset_it_moved_to_last(
    store: PostgresEvaluationStore,
) -> None:
    first, second = dataset("billing-1"), dataset("billing-1", "outage-1")

    moves = [await store.move_name("tickets", "smoke", becomes(one)) for one in (first, second)]

    assert moves == [(None, first), (first, second)]
    assert await store.find_dataset("smoke") == second


async def test_what_a_name_stood_for_is_kept_under_its_digest(
    store: PostgresEvaluationStore,
) -> None:
    first = dataset("billing-1")
    for one in (first, dataset("outage-1")):
        await store.move_name("tickets", "smoke", becomes(one))

    assert await store.find_dataset(first.digest) == first
    assert await store.find_dataset(first.digest[:8]) == first


async def test_a_name_may_go_back(store: PostgresEvaluationStore) -> None:
    first, second = dataset("billing-1"), dataset("outage-1")
    for one in (first, second, first):
        await store.move_name("tickets", "smoke", becomes(one))

    assert await store.find_dataset("smoke") == first


async def test_a_name_that_does_not_move_is_not_counted(store: PostgresEvaluationStore) -> None:
    for _ in range(2):
        await store.move_name("tickets", "smoke", becomes(dataset("billing-1")))

    [entry, _] = await store.list_datasets()
    assert (entry.name, entry.number) == ("smoke", 1)


async def test_of_two_that_move_a_name_at_once_neither_is_lost(
    store: PostgresEvaluationStore,
) -> None:
    ids = [f"new-{number}" for number in range(8)]

    def add(id: str) -> Callable[[Dataset | None], Dataset]:
        return lambda before: (before or dataset()).with_example(make_example(id=id))

    await asyncio.gather(*(store.move_name("tickets", "smoke", add(id)) for id in ids))

    found = await store.find_dataset("smoke")
    assert sorted(example.id for example in found.examples) == ids


async def test_a_name_belongs_to_a_graph(store: PostgresEvaluationStore) -> None:
    mine, other = dataset("billing-1"), dataset("billing-1", graph="letters")
    for one in (mine, other):
        await store.move_name(one.graph, "smoke", becomes(one))

    assert await store.find_dataset("smoke", "letters") == other
    with pytest.raises(InputError, match="of the graphs letters, tickets; add --graph"):
        await store.find_dataset("smoke")
    with pytest.raises(NotFound, match="of graph 'paint'"):
        await store.find_dataset("smoke", "paint")


async def test_the_beginning_of_several_digests_is_refused(
    store: PostgresEvaluationStore, emptied: Database
) -> None:
    async with emptied.connection() as connection:
        for end in "ab":
            await connection.execute(
                "INSERT INTO datasets (digest, graph, n, families) VALUES ($1, 'tickets', 0, 0)",
                "123456" + end * 58,
            )

    with pytest.raises(InputError, match="give more of the digest"):
        await store.find_dataset("123456")


async def test_a_list_has_what_names_stand_for_and_what_never_had_one(
    store: PostgresEvaluationStore,
) -> None:
    newest = dataset("billing-1", "outage-1")
    for one in (dataset("billing-1"), newest):
        await store.move_name("tickets", "smoke", becomes(one))

    named, unnamed = await store.list_datasets("tickets")

    assert (named.name, named.number, named.digest) == ("smoke", 2, newest.digest)
    assert (named.n, named.families) == (2, 2)
    assert named.splits == {Split.TRAIN: 1, Split.DEV: 0, Split.SEALED: 1}
    assert (unnamed.name, unnamed.digest) == (None, DATASET.digest)
    assert await store.list_datasets("letters") == []
