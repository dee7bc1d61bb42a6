"""Opening a database that cannot be used: one clear sentence, and never the password in it.

The version check is tried on a server that is asked through a proxy which changes its answer. Not
covered: whether our statements run on PostgreSQL 15 to 17; only the embedded version is here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from liftgraph_dagster.errors import ConfigurationError, LiftGraphError, StorageError
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from tests.support.postgres_proxy import PostgresProxy

pytestmark = pytest.mark.postgres

SECRET = "s3cret"
_roles = itertools.count(1)


async def refusal(url: str) -> LiftGraphError:
    """Return the error that opening `url` ends in."""
    with pytest.raises(LiftGraphError) as caught:
        await Database.open(url)
    return caught.value


def assert_clear(error: LiftGraphError) -> None:
    message = str(error)
    assert SECRET not in message
    assert "\n" not in message
    assert "LIFTGRAPH_DATABASE_URL" in message


@asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[int]:
    """Give the port of a server that is no PostgreSQL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@127.0.0.1:1/liftgraph",
        f"postgresql://ada:{SECRET}@no-such-host.invalid/liftgraph",
        "postgresql://ada@/liftgraph?host=/no/such/directory&port=5432",
        f"postgresql://ada@127.0.0.1:1/liftgraph?password={SECRET}",
    ],
    ids=["closed port", "unknown host", "no socket", "password as a parameter"],
)
async def test_an_unreachable_server_is_a_storage_error(url: str) -> None:
    error = await refusal(url)

    assert isinstance(error, StorageError)
    assert "liftgraph" in str(error)
    assert "cannot be reached" in str(error)
    assert_clear(error)


@pytest.mark.parametrize(
    "answer", [b"", b"N", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["nothing", "N", "HTTP"]
)
@pytest.mark.parametrize("parameters", ["", "?sslmode=disable"])
async def test_a_server_that_is_no_postgresql_is_a_storage_error(
    answer: bytes, parameters: str
) -> None:
    async with listening(answer) as port:
        error = await refusal(f"postgresql://ada:{SECRET}@127.0.0.1:{port}/db{parameters}")

    assert isinstance(error, StorageError)
    assert "cannot be reached" in str(error)
    assert_clear(error)


async def test_the_address_of_a_server_is_told() -> None:
    error = await refusal(f"postgresql://ada:{SECRET}@127.0.0.1:1/liftgraph")

    assert "liftgraph at 127.0.0.1:1" in str(error)


async def test_a_local_socket_is_told_in_good_english() -> None:
    error = await refusal("postgresql:///liftgraph?host=/no/such/directory")

    assert "at on" not in str(error)


@pytest.mark.parametrize(
    "password",
    [
        f"a/{SECRET}",
        f"12/{SECRET}",
        f"{SECRET}/b",
        f"a?{SECRET}",
        f"{SECRET}?b",
        f"a#{SECRET}",
        f"{SECRET}#b",
        f"a:{SECRET}",
        f"{SECRET}@b",
        f"a%{SECRET}",
        f"a[{SECRET}",
        f"a]{SECRET}",
        f"a {SECRET}",
    ],
)
async def test_a_password_that_should_have_been_escaped_is_not_shown(password: str) -> None:
    """Generated passwords hold such characters, and people paste them as they are."""
    error = await refusal(f"postgresql://ada:{password}@127.0.0.1:1/liftgraph")

    assert_clear(error)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://ada:{SECRET}@127.0.0.1/liftgraph",
        f"postgresql+psycopg2://ada:{SECRET}@127.0.0.1/liftgraph",
        f"ada:{SECRET}@127.0.0.1/liftgraph",
        f"postgresql://ada:{SECRET}@127.0.0.1:port/liftgraph",
        f"postgresql://ada:{SECRET}@[::1/liftgraph",
        f"postgresql://ada:{SECRET}@127.0.0.1/liftgraph?sslmode=nonsense",
        "nonsense",
    ],
)
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert_clear(await refusal(url))


async def test_a_database_that_does_not_exist_is_a_configuration_error(
    postgres: EmbeddedPostgres,
) -> None:
    error = await refusal(postgres.url("no_such_database"))

    assert isinstance(error, ConfigurationError)
    assert 'database "no_such_database" does not exist' in str(error)
    assert_clear(error)


async def test_a_user_that_does_not_exist_is_a_configuration_error(database_url: str) -> None:
    error = await refusal(database_url.replace("postgres@", "nobody_here@"))

    assert isinstance(error, ConfigurationError)
    assert 'role "nobody_here" does not exist' in str(error)
    assert_clear(error)


@pytest.fixture(scope="module")
def guarded(session_home: Path) -> Iterator[EmbeddedPostgres]:
    """A server that asks its user ada for a password."""
    server = EmbeddedPostgres(session_home / "guarded")

    async def create_ada() -> None:
        connection = await asyncpg.connect(server.url("postgres"))
        await connection.execute(f"CREATE ROLE ada LOGIN SUPERUSER PASSWORD '{SECRET}'")
        await connection.close()

    with server:
        asyncio.run(create_ada())
    rules = server.data / "pg_hba.conf"
    rules.write_text("local all ada scram-sha-256\n" + rules.read_text())
    with server:
        yield server


async def test_a_wrong_password_is_a_configuration_error(guarded: EmbeddedPostgres) -> None:
    url = guarded.url("postgres").replace("postgres@", f"ada:not-{SECRET}@")
    error = await refusal(url)

    assert isinstance(error, ConfigurationError)
    assert 'password authentication failed for user "ada"' in str(error)
    assert_clear(error)


async def test_a_missing_password_is_a_configuration_error(guarded: EmbeddedPostgres) -> None:
    error = await refusal(guarded.url("postgres").replace("postgres@", "ada@"))

    assert isinstance(error, ConfigurationError)
    assert_clear(error)


async def test_the_right_password_opens(guarded: EmbeddedPostgres) -> None:
    database = await Database.open(guarded.url("postgres").replace("postgres@", f"ada:{SECRET}@"))

    assert await database.fetch("list_programs", graph="tickets") == []
    await database.close()


@pytest.mark.parametrize(
    "prepare",
    [
        "CREATE ROLE {role} LOGIN",
        "CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role};"
        "ALTER ROLE {role} SET default_transaction_read_only = on",
        "CREATE ROLE {role}",
    ],
    ids=["may create nothing", "may only read", "may not log in"],
)
async def test_a_user_without_the_rights_is_a_configuration_error(
    prepare: str, database_url: str
) -> None:
    role = f"role_{next(_roles)}"
    connection = await asyncpg.connect(database_url)
    await connection.execute(prepare.format(role=role))
    await connection.close()
    error = await refusal(database_url.replace("postgres@", f"{role}@"))

    assert isinstance(error, ConfigurationError)
    assert_clear(error)


async def test_a_user_without_a_free_connection_is_a_storage_error(database_url: str) -> None:
    role = f"role_{next(_roles)}"
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
    await connection.close()
    error = await refusal(database_url.replace("postgres@", f"{role}@"))

    assert isinstance(error, StorageError)
    assert "too many connections" in str(error)


@asynccontextmanager
async def server_of_version(number: int, url: str) -> AsyncIterator[str]:
    connection = await asyncpg.connect(url)
    real = await connection.fetchval("SHOW server_version_num")
    await connection.close()
    proxy = PostgresProxy(url, rewrite=(real.encode(), str(number).encode()))
    await proxy.start()
    yield proxy.url
    await proxy.stop()


@pytest.mark.parametrize(("number", "major"), [(140012, 14), (149999, 14), (130000, 13)])
async def test_a_server_that_is_too_old_is_a_configuration_error(
    number: int, major: int, database_url: str
) -> None:
    async with server_of_version(number, database_url) as url:
        error = await refusal(url)

    assert isinstance(error, ConfigurationError)
    assert f"is PostgreSQL {major}; LiftGraph needs 15 or newer" in str(error)


@pytest.mark.parametrize("number", [150000, 160004, 190000])
async def test_a_server_that_is_new_enough_opens(number: int, database_url: str) -> None:
    async with server_of_version(number, database_url) as url:
        database = await Database.open(url)
        await database.close()
