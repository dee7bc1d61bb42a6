"""One database: its schema, and what becomes of its errors once it is open."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from liftgraph_dagster.errors import ConfigurationError, LiftGraphError, StorageError
from liftgraph_dagster.storage.database import Database, migrations
from tests.support.postgres_proxy import PostgresProxy

pytestmark = pytest.mark.postgres


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def applied(url: str) -> dict[str, dt.datetime]:
    async with connected(url) as connection:
        rows = await connection.fetch("SELECT name, applied_at FROM schema_migrations")
        return {row["name"]: row["applied_at"] for row in rows}


async def tables(url: str) -> set[str]:
    async with connected(url) as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in rows}


async def open_and_close(url: str) -> None:
    await (await Database.open(url)).close()


async def test_all_migrations_apply_to_an_empty_database(database_url: str) -> None:
    await open_and_close(database_url)

    assert (await applied(database_url)).keys() == migrations().keys()
    assert {"graph_executions", "node_events", "scores"} <= await tables(database_url)


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(name.partition("_")[0]) for name in migrations())

    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_migration_is_applied_once(database_url: str) -> None:
    await open_and_close(database_url)
    first = await applied(database_url)
    await open_and_close(database_url)

    assert await applied(database_url) == first


async def test_concurrent_opens_of_an_empty_database_all_succeed(database_url: str) -> None:
    await asyncio.gather(*(open_and_close(database_url) for _ in range(4)))

    assert (await applied(database_url)).keys() == migrations().keys()


async def test_a_database_of_a_newer_release_is_refused(database_url: str) -> None:
    await open_and_close(database_url)
    async with connected(database_url) as connection:
        await connection.execute("INSERT INTO schema_migrations (name) VALUES ('9999_later')")

    with pytest.raises(ConfigurationError, match=r"\(9999_later\)\. Upgrade LiftGraph"):
        await Database.open(database_url)


async def test_a_migration_that_fails_leaves_nothing(database_url: str) -> None:
    async with connected(database_url) as connection:
        await connection.execute("CREATE TABLE datasets (x integer)")
    with pytest.raises((LiftGraphError, asyncpg.PostgresError)):
        await Database.open(database_url)

    assert await tables(database_url) == {"datasets"}


async def test_a_database_that_is_refused_keeps_no_connection(database_url: str) -> None:
    await open_and_close(database_url)
    async with connected(database_url) as connection:
        await connection.execute("INSERT INTO schema_migrations (name) VALUES ('9999_later')")
        with pytest.raises(ConfigurationError):
            await Database.open(database_url)
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    assert others == 0


async def test_the_first_row_is_fetched_or_none(database: Database) -> None:
    await database.fetch("save_program", digest="d", graph="g", name="n", body=b"{}")
    found = await database.fetch_one("get_program", digest="d")

    assert found is not None
    assert found["body"] == b"{}"
    assert await database.fetch_one("get_program", digest="other") is None


async def test_rows_are_stored_all_or_none(database: Database) -> None:
    await database.fetch("save_dataset", digest="d", graph="g", n=2, families=1)
    example = {"dataset_digest": "d", "family": "f", "body": b"{}"}
    with pytest.raises((LiftGraphError, asyncpg.PostgresError)):
        await database.fetch_many(
            "save_example",
            [example | {"id": "a", "split": "dev"}, example | {"id": "b", "split": "nonsense"}],
        )
    async with database.connection() as connection:
        stored = await connection.fetchval("SELECT count(*) FROM examples")

    assert stored == 0


async def test_more_statements_than_connections_wait_their_turn(database_url: str) -> None:
    database = await Database.open(database_url, connections=2)
    rows = await asyncio.gather(
        *(database.fetch("list_programs", graph="tickets") for _ in range(20))
    )
    await database.close()

    assert rows == [[]] * 20


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[PostgresProxy]:
    proxy = PostgresProxy(database_url)
    await proxy.start()
    yield proxy
    await proxy.stop()


async def test_a_database_that_went_away_for_many_rows_is_a_storage_error(
    proxy: PostgresProxy,
) -> None:
    database = await Database.open(proxy.url)
    await proxy.stop()
    with pytest.raises(StorageError, match="went away"):
        await database.fetch_many(
            "save_program", [{"digest": "d", "graph": "g", "name": "n", "body": b"{}"}]
        )

    await database.close()


async def test_a_database_that_is_back_is_used_again(proxy: PostgresProxy) -> None:
    database = await Database.open(proxy.url)
    await proxy.stop()
    for _ in range(2):  # the connection it had is lost, then no new one can be made
        with pytest.raises(StorageError, match="went away"):
            await database.fetch("list_programs", graph="tickets")
    await proxy.start()

    assert await database.fetch("list_programs", graph="tickets") == []
    await database.close()


async def waiting(connection: asyncpg.Connection) -> int:
    """Return the process of the session that waits for a lock, once one does."""
    async with asyncio.timeout(10):
        while True:
            pid = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if pid is not None:
                return pid
            await asyncio.sleep(0.01)


async def test_a_session_ended_in_the_middle_of_a_statement_is_a_storage_error(
    database: Database, database_url: str
) -> None:
    async with connected(database_url) as other, other.transaction():
        await other.execute("LOCK TABLE programs IN ACCESS EXCLUSIVE MODE")
        fetching = asyncio.create_task(database.fetch("list_programs", graph="tickets"))
        await other.execute("SELECT pg_terminate_backend($1::integer)", await waiting(other))

        with pytest.raises(StorageError, match="went away"):
            await fetching


async def test_closing_gives_up_a_statement_that_hangs(database_url: str) -> None:
    database = await Database.open(database_url)
    async with connected(database_url) as other, other.transaction():
        await other.execute("LOCK TABLE programs IN ACCESS EXCLUSIVE MODE")
        fetching = asyncio.create_task(database.fetch("list_programs", graph="tickets"))
        await waiting(other)
        await database.close()

        with pytest.raises(StorageError):
            await fetching
