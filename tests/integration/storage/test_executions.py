"""What `PostgresStateStore` does beyond the promises of tests/conformance/: how it keeps things,
and that nothing of asyncpg comes through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from liftgraph_dagster.errors import LiftGraphError, StorageError
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    ExecutionId,
    NodeEvent,
    Status,
)
from liftgraph_dagster.execution.store import Commit, ExecutionFilter
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.executions import PostgresStateStore
from liftgraph_dagster.storage.programs import PostgresProgramStore
from tests.factories import make_execution

pytestmark = pytest.mark.postgres

PROGRAM = Program("tickets")


def fresh(**changes: Any) -> Execution:
    defaults = {"rev": 0, "state_rev": 0, "program_digest": PROGRAM.digest}
    return make_execution(Status.RUNNING, **defaults | changes)


@pytest.fixture
async def store(emptied: Database) -> AsyncIterator[PostgresStateStore]:
    await PostgresProgramStore(emptied).save(PROGRAM)
    store = PostgresStateStore(emptied)
    await store.remember("tickets", "version", {})
    return store


async def test_what_cannot_be_stored_leaves_nothing_of_its_commit(
    store: PostgresStateStore,
) -> None:
    execution = fresh()
    await store.create(execution)
    events = [NodeEvent(EventKind.NODE), NodeEvent(EventKind.NODE, attempt=2**15)]
    with pytest.raises((LiftGraphError, asyncpg.PostgresError)):
        await store.commit(execution.id, Commit(0, events, status=Status.SUCCEEDED))

    assert await store.get(execution.id) == execution
    assert await store.history(execution.id) == []


@pytest.mark.parametrize("user_id", ["a\0b", "a\ud800b"], ids=["U+0000", "lone surrogate"])
async def test_a_user_that_cannot_be_stored_is_an_error_of_ours(
    user_id: str, store: PostgresStateStore
) -> None:
    with pytest.raises(LiftGraphError):
        await store.create(fresh(user_id=user_id))


@pytest.mark.parametrize("user_id", ["a\0b", "a\ud800b"], ids=["U+0000", "lone surrogate"])
async def test_a_user_that_cannot_be_searched_for_is_an_error_of_ours(
    user_id: str, store: PostgresStateStore
) -> None:
    with pytest.raises(LiftGraphError):
        await store.find(ExecutionFilter(user_id=user_id))


async def test_a_page_after_what_is_no_id_is_an_error_of_ours(store: PostgresStateStore) -> None:
    """`liftgraph execution list --before nonsense` comes here."""
    with pytest.raises(LiftGraphError) as caught:
        await store.find(ExecutionFilter(before=ExecutionId("nonsense")))

    assert not isinstance(caught.value, StorageError)


async def test_large_values_are_compressed(store: PostgresStateStore, emptied: Database) -> None:
    body = b'"' + b"x" * 2**20 + b'"'
    execution = fresh(input=body, state=body)
    await store.create(execution)
    event = NodeEvent(EventKind.NODE, output=body, state_patch=body)
    await store.commit(execution.id, Commit(0, [event]))
    async with emptied.connection() as connection:
        sizes = await connection.fetchrow(
            "SELECT length(input), length(state), length(output), length(state_patch) "
            "FROM graph_executions JOIN node_events ON execution_id = id"
        )

    assert max(sizes) < 10_000


async def test_leases_run_on_the_clock_of_the_database(
    store: PostgresStateStore, emptied: Database
) -> None:
    execution = fresh()
    await store.create(execution)
    await store.acquire(execution.id, "ada", ttl_s=1000)
    async with emptied.connection() as connection:
        left = await connection.fetchval(
            "SELECT extract(epoch FROM until - now()) FROM execution_leases"
        )

    assert 900 < left <= 1000


async def test_people_can_read_a_history_at_a_prompt(
    store: PostgresStateStore, emptied: Database
) -> None:
    execution = fresh()
    await store.create(execution)
    events = [
        NodeEvent(EventKind.NODE, node="Classify", output='{"topic":"ünï"}'.encode()),
        NodeEvent(EventKind.NODE, node="Route", output=b'"' + b"x" * 2**20 + b'"'),
        NodeEvent(EventKind.STATUS),
    ]
    await store.commit(execution.id, Commit(0, events))
    async with emptied.connection() as connection:
        rows = await connection.fetch("SELECT output FROM node_events_readable ORDER BY seq")

    assert [row["output"] for row in rows] == ['{"topic":"ünï"}', "(compressed)", None]
