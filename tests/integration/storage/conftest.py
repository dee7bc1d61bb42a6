from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def shared_url(postgres: EmbeddedPostgres) -> str:
    """The address of a database that tests use one after the other."""
    postgres.create_database("storage")
    return postgres.url("storage")


@pytest.fixture
async def emptied(shared_url: str) -> AsyncIterator[Database]:
    """A migrated database whose tables are empty: cheaper than one of the test's own."""
    database = await Database.open(shared_url)
    async with database.connection() as connection:
        await connection.execute("TRUNCATE programs, graph_versions, datasets CASCADE")
    yield database
    await database.close()
