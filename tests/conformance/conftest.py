"""The stores that keep one promise, and what an execution needs before it can be stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import Execution, Status
from liftgraph_dagster.execution.store import MemoryStateStore, StateStore
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from liftgraph_dagster.storage.executions import PostgresStateStore
from liftgraph_dagster.storage.programs import PostgresProgramStore
from tests.factories import make_execution

PROGRAMS = [Program("tickets"), Program("tickets", {"Classify": {}})]
VERSIONS = ["version", "newer version"]


@pytest.fixture(scope="session")
def shared_url(postgres: EmbeddedPostgres) -> str:
    """The address of one database for all promises: hundreds of them would cost minutes."""
    postgres.create_database("conformance")
    return postgres.url("conformance")


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[StateStore]:
    """An empty store that knows the programs and versions above."""
    if request.param == "memory":
        memory = MemoryStateStore()
        await _prepare(memory)
        yield memory
        return
    database = await Database.open(request.getfixturevalue("shared_url"))
    async with database.connection() as connection:
        await connection.execute("TRUNCATE programs, graph_versions CASCADE")
    for program in PROGRAMS:
        await PostgresProgramStore(database).save(program)
    kept = PostgresStateStore(database)
    await _prepare(kept)
    yield kept
    await database.close()


async def _prepare(store: StateStore) -> None:
    for version in VERSIONS:
        await store.remember("tickets", version, {"Classify": version})


def fresh(status: Status = Status.RUNNING, **changes: object) -> Execution:
    """Return an execution as it is before its first commit."""
    defaults = {"rev": 0, "state_rev": 0, "program_digest": PROGRAMS[0].digest}
    return make_execution(status, **defaults | changes)


async def stored(
    store: StateStore, status: Status = Status.RUNNING, **changes: object
) -> Execution:
    """Return an execution that `store` has."""
    execution = fresh(status, **changes)
    await store.create(execution)
    return execution
