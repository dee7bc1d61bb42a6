"""What the tests stand on: one embedded PostgreSQL and one embedded model a session."""

from __future__ import annotations

import itertools
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import uvicorn

from liftgraph_dagster.providers.local.gateway import Gateway
from liftgraph_dagster.providers.local.model import LocalModel
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.embedded import EmbeddedPostgres

_numbers = itertools.count(1)

# A shell that starts the tests in the background has them ignore interrupts, and all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    """A home that every user may enter: as root the server runs as another one."""
    home = Path(tempfile.mkdtemp(prefix="liftgraph-tests-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(session_home: Path) -> Iterator[EmbeddedPostgres]:
    """The embedded server, running."""
    with EmbeddedPostgres(session_home) as server:
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """The address of an empty database of this test's own."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(name)
    return postgres.url(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of this test's own, open."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def settings(database_url: str, postgres: EmbeddedPostgres, tmp_path: Path) -> Settings:
    """An installation of this test's own on the session's server."""
    dagster = f"test_{next(_numbers)}_dagster"
    postgres.create_database(dagster)
    return Settings(
        home=tmp_path, database_url=database_url, dagster_database_url=postgres.url(dagster)
    )


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    """The address of the embedded model, served on a port."""
    config = uvicorn.Config(Gateway(LocalModel()).app(), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the embedded model's server did not start")
        thread.join(0.02)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join(10)
