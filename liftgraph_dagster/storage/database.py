"""One PostgreSQL database: a pool of connections, its schema, its errors in our words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from importlib import resources

import asyncpg

from liftgraph_dagster.errors import ConfigurationError, InputError, StorageError
from liftgraph_dagster.storage.queries import statements

MINIMUM_VERSION = 150000
"""PostgreSQL 15, the oldest that hosted services offer."""
_MIGRATION_LOCK = 0x4C494654  # "LIFT"

_ADDRESS = re.compile(
    r"postgres(ql)?://([^@/?#]*@)?(?P<host>[^@/?#]*)(/(?P<name>[^@/?#]*))?(\?[^@#]*)?"
)
_FORM = (
    "its form is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with each of / ? # @ % [ ] in a "
    "password written as %2F, %3F, ..."
)
_CONNECTION_ERRORS = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a statement on a connection whose last words are still arriving
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
)


class Database:
    """A migrated database. Make it with `Database.open`."""

    def __init__(self, pool: asyncpg.Pool, where: str) -> None:
        self._pool = pool
        self._where = where

    @classmethod
    async def open(cls, url: str, *, connections: int = 8) -> Database:
        """Connect and bring the schema up to date.

        Raises StorageError when the server cannot be reached; ConfigurationError when the address
        is none, the server refuses us or is older than PostgreSQL 15, or its schema is newer than
        this release. No message holds a password.
        """
        where = _where(url)
        try:
            pool = await asyncpg.create_pool(
                url, min_size=0, max_size=connections, init=_prepare_connection, timeout=10
            )
        except ValueError as exc:
            raise ConfigurationError(
                f"LIFTGRAPH_DATABASE_URL names the database {where} in a way that cannot be read; "
                f"{_FORM}"
            ) from exc
        database = cls(pool, where)
        try:
            async with pool.acquire() as connection:
                await _check_version(connection, where)
                await _migrate(connection, where)
        except BaseException as exc:
            await database.close()
            if refusal := _refusal(exc, where):
                raise refusal from exc
            raise
        return database

    async def close(self) -> None:
        """Close all connections; running statements are given up after a second."""
        try:
            async with asyncio.timeout(1):
                await self._pool.close()
        except (TimeoutError, *_CONNECTION_ERRORS):
            self._pool.terminate()

    async def fetch(self, name: str, /, **values: object) -> list[asyncpg.Record]:
        """Run the statement `name` and return its rows. Raises StorageError when the database is
        not there."""
        statement = statements()[name]
        arguments = statement.arguments(values)
        async with self._translated():
            rows: list[asyncpg.Record] = await self._pool.fetch(statement.text, *arguments)
        return rows

    async def fetch_one(self, name: str, /, **values: object) -> asyncpg.Record | None:
        """Run the statement `name` and return its first row, or None."""
        rows = await self.fetch(name, **values)
        return rows[0] if rows else None

    async def fetch_many(self, name: str, rows: list[dict[str, object]]) -> None:
        """Run the statement `name` once for each of `rows`, in one transaction."""
        statement = statements()[name]
        async with self._translated():
            await self._pool.executemany(
                statement.text, [statement.arguments(values) for values in rows]
            )

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Borrow a connection, for what needs more than one statement."""
        async with self._translated(), self._pool.acquire() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except _CONNECTION_ERRORS as exc:
            raise StorageError(
                f"the database {self._where} went away: {exc or type(exc).__name__}"
            ) from exc
        except asyncpg.DataError as exc:
            raise InputError(f"a value cannot be stored or looked for: {exc}") from exc


def migrations() -> dict[str, str]:
    """Return the text of each migration by its name."""
    folder = resources.files(__package__).joinpath("migrations")
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return {file.name.removesuffix(".sql"): file.read_text() for file in files}


async def _check_version(connection: asyncpg.Connection, where: str) -> None:
    number = int(await connection.fetchval("SHOW server_version_num"))
    if number < MINIMUM_VERSION:
        raise ConfigurationError(
            f"the database {where} is PostgreSQL {number // 10000}; LiftGraph needs "
            f"{MINIMUM_VERSION // 10000} or newer"
        )


async def _migrate(connection: asyncpg.Connection, where: str) -> None:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {r["name"] for r in await connection.fetch("SELECT name FROM schema_migrations")}
        known = migrations()
        if unknown := sorted(done - known.keys()):
            raise ConfigurationError(
                f"the database {where} has migrations that this release does not know "
                f"({', '.join(unknown)}). Upgrade LiftGraph"
            )
        for name in sorted(known.keys() - done):
            await connection.execute(known[name])
            await connection.execute("INSERT INTO schema_migrations (name) VALUES ($1)", name)


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        encoder=json.dumps,  # of integers of any size
        decoder=json.loads,
        schema="pg_catalog",
    )


def _refusal(exc: BaseException, where: str) -> StorageError | ConfigurationError | None:
    """Return what `exc`, raised while the database was opened, means in our words."""
    says = " ".join(str(exc).split()) or type(exc).__name__
    if isinstance(exc, ValueError):  # a parameter of the address; it may quote a password
        return ConfigurationError(
            f"LIFTGRAPH_DATABASE_URL names the database {where} in a way that cannot be read; "
            f"{_FORM}"
        )
    if isinstance(exc, (*_CONNECTION_ERRORS, TimeoutError)):
        return StorageError(
            f"the database {where} cannot be reached: {says}. Check that the server runs and that "
            "LIFTGRAPH_DATABASE_URL is its address"
        )
    if isinstance(exc, asyncpg.PostgresError):
        return ConfigurationError(
            f"the database {where} refuses us: {says}. Check the user with its rights, the "
            "password and the database's name in LIFTGRAPH_DATABASE_URL"
        )
    return None


def _where(url: str) -> str:
    """Return the address without user, password and parameters. Raises ConfigurationError for
    what is no address; a password that should have been escaped is never taken for a host."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        raise ConfigurationError(f"LIFTGRAPH_DATABASE_URL is no address of a database; {_FORM}")
    host = found["host"]
    return f"{found['name'] or '(default)'} {f'at {host}' if host else 'on a local socket'}"
