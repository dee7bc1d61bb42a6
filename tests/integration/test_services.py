from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from liftgraph_dagster.services import DAGSTER_DATABASE, DATABASE, database_server, environment
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from tests.support.servers import new_home, query, servers

pytestmark = pytest.mark.postgres


@pytest.fixture
def home() -> Iterator[Path]:
    with new_home() as home:
        yield home


@pytest.fixture(scope="module")
def embedded() -> Iterator[Settings]:
    """Settings whose database server is embedded, and runs."""
    with new_home() as home, database_server(Settings(home=home)) as settings:
        yield settings


async def test_our_database_can_be_opened(embedded: Settings) -> None:
    assert embedded.database_url is not None
    database = await Database.open(embedded.database_url)
    rows = await database.fetch("list_programs", graph="tickets")
    await database.close()

    assert rows == []


def test_dagsters_database_can_be_opened_by_sqlalchemy(embedded: Settings) -> None:
    engine = sqlalchemy.create_engine(environment(embedded)["LIFTGRAPH_DAGSTER_DATABASE_URL"])
    with engine.connect() as connection:
        name = connection.execute(sqlalchemy.text("SELECT current_database()")).scalar()
    engine.dispose()

    assert name == DAGSTER_DATABASE


def test_both_databases_are_there(embedded: Settings) -> None:
    names = query(
        EmbeddedPostgres(embedded.home),
        "SELECT array_agg(datname ORDER BY datname) FROM pg_database WHERE datname ~ 'liftgraph'",
    )

    assert names == [DATABASE, DAGSTER_DATABASE]


def test_a_database_of_dagsters_that_is_set_is_kept(embedded: Settings) -> None:
    given = Settings(home=embedded.home, dagster_database_url="postgresql://h/dagster")
    with database_server(given) as settings:
        assert settings.dagster_database_url == "postgresql://h/dagster"


def test_the_server_is_stopped_afterwards(home: Path) -> None:
    with database_server(Settings(home=home)):
        server = EmbeddedPostgres(home)
        running = servers(server)

    assert len(running) == 1
    assert servers(server) == []


def test_the_server_is_stopped_after_an_interrupt(home: Path) -> None:
    with pytest.raises(KeyboardInterrupt), database_server(Settings(home=home)):
        signal.raise_signal(signal.SIGINT)

    assert servers(EmbeddedPostgres(home)) == []
