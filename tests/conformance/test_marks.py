"""What `evaluation.marks.MarkStore` promises, kept in memory and in PostgreSQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest

from liftgraph_dagster.evaluation.marks import Mark, MarkStore, MemoryMarkStore
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.marks import PostgresMarkStore
from tests.factories import make_mark

LATER = dt.timedelta(minutes=1)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def marks(request: pytest.FixtureRequest) -> AsyncIterator[MarkStore]:
    """An empty store."""
    if request.param == "memory":
        yield MemoryMarkStore()
        return
    database = await Database.open(request.getfixturevalue("shared_url"))
    async with database.connection() as connection:
        await connection.execute("TRUNCATE marks")
    yield PostgresMarkStore(database)
    await database.close()


async def saved(store: MarkStore, *several: Mark) -> list[Mark]:
    """Save marks one after the other and return what the store has then."""
    for mark in several:
        await store.save(mark)
    return await store.of_graph("tickets")


async def test_a_saved_mark_is_there_to_the_last_field(marks: MarkStore) -> None:
    mark = make_mark(scale="binary:desk", value=1, pass_number=2, seconds=12.345)

    assert await saved(marks, mark) == [mark]


async def test_marks_come_oldest_first(marks: MarkStore) -> None:
    early = make_mark("billing-1")
    late = make_mark("billing-2", at=early.at + LATER)

    assert await saved(marks, late, early) == [early, late]


async def test_marks_of_another_graph_are_not_there(marks: MarkStore) -> None:
    assert await saved(marks, make_mark(graph="letters")) == []


@pytest.mark.parametrize(
    "other",
    [
        {"example_id": "billing-2"},
        {"outcome": "b" * 64},
        {"rater": "bob"},
        {"pass_number": 2},
        {"scale": "ordinal:desk"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_marks_of_two_places_are_both_kept(marks: MarkStore, other: dict[str, Any]) -> None:
    first = make_mark()
    second = make_mark(**other, at=first.at + LATER)

    assert await saved(marks, first, second) == [first, second]


async def test_of_two_marks_of_one_place_the_later_stays(marks: MarkStore) -> None:
    first = make_mark(value=2)
    second = make_mark(value=4, at=first.at + LATER)

    assert await saved(marks, first, second) == [second]
    assert await saved(marks, first) == [second]


async def test_a_mark_saved_twice_is_there_once(marks: MarkStore) -> None:
    mark = make_mark()

    assert await saved(marks, mark, mark) == [mark]


async def test_a_removed_mark_is_gone(marks: MarkStore) -> None:
    kept, removed = make_mark("billing-1"), make_mark("billing-2")
    await saved(marks, kept, removed)

    await marks.remove(removed)

    assert await marks.of_graph("tickets") == [kept]


async def test_a_mark_of_another_place_under_the_same_id_stays(marks: MarkStore) -> None:
    """So it is after a file was imported under another rater's name."""
    kept = make_mark()
    removed = make_mark(rater="bob", id=kept.id, at=kept.at)
    await saved(marks, kept, removed)

    await marks.remove(removed)

    assert await marks.of_graph("tickets") == [kept]


async def test_removing_a_mark_leaves_the_later_one_of_its_place(marks: MarkStore) -> None:
    first = make_mark(value=2)
    second = make_mark(value=4, at=first.at + LATER)
    await saved(marks, first, second)

    await marks.remove(first)

    assert await marks.of_graph("tickets") == [second]


async def test_removing_what_is_not_there_does_nothing(marks: MarkStore) -> None:
    mark = make_mark()
    await saved(marks, mark)

    await marks.remove(make_mark("billing-2"))

    assert await marks.of_graph("tickets") == [mark]
