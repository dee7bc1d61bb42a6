"""The database or the model server goes away in the middle: a clear error, nothing lost, and the
execution goes on when they are back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from liftgraph_dagster import LiftGraph
from liftgraph_dagster.errors import ErrorClass, NodeFailed, StorageError
from liftgraph_dagster.execution.records import EventKind, Status
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from tests.support.model_server import ANSWERS, ModelServer

pytestmark = pytest.mark.postgres

PROMPT = "Round the price."


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer().serve() as server:
        yield server


@pytest.fixture
def own_server(session_home: Path, tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that a test may kill."""
    home = session_home / tmp_path.name
    with EmbeddedPostgres(home) as server:
        server.create_database("liftgraph")
        yield server


def server_pid(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


@pytest.mark.parametrize("call", [1, 3, len(ANSWERS)])
async def test_a_database_killed_in_the_middle_loses_no_committed_node(
    call: int, own_server: EmbeddedPostgres, model: ModelServer, tmp_path: Path
) -> None:
    async def kill(number: int, _: str) -> None:
        if number == call:
            os.kill(server_pid(own_server), signal.SIGKILL)

    model.before = kill
    settings = Settings(
        home=tmp_path, database_url=own_server.url("liftgraph"), model_url=model.url, lease_s=1.0
    )
    async with LiftGraph(settings) as lg:
        execution = await lg.accept("prompt_to_code", PROMPT)
        with pytest.raises(StorageError) as caught:
            await lg.resume(execution.id)
    model.before = None
    own_server.stop()
    own_server.start()
    async with LiftGraph(settings) as lg:
        before = model.calls.copy()
        committed = {e.node for e in await lg.history(execution.id) if e.kind is EventKind.NODE}
        result = await lg.resume(execution.id)

    again = {name.removesuffix("Signature") for name in model.calls - before}
    assert "went away" in str(caught.value)
    assert f"liftgraph execution resume {execution.id}" in str(caught.value)
    assert not again & committed
    assert result.execution.status is Status.SUCCEEDED


@pytest.mark.parametrize("call", [1, 3, len(ANSWERS)])
async def test_a_model_server_killed_in_the_middle_suspends_the_execution(
    call: int, settings: Settings
) -> None:
    first = ModelServer()
    with first.serve() as model:

        async def die(number: int, _: str) -> None:
            if number >= call:
                raise ConnectionAbortedError

        model.before = die
        model_url = model.url
        gone = replace(settings, model_url=model.url)
        async with LiftGraph(gone) as lg:
            execution = await lg.accept("prompt_to_code", PROMPT)
            with pytest.raises(NodeFailed) as caught:
                await lg.resume(execution.id)
            suspended = await lg.execution(execution.id)
    with ModelServer().serve(urlsplit(model_url).port or 0) as back:
        async with LiftGraph(gone) as lg:
            result = await lg.resume(execution.id)

    assert caught.value.error_class is ErrorClass.TRANSIENT
    assert f"liftgraph execution resume {execution.id}" in str(caught.value)
    assert suspended.status is Status.SUSPENDED
    assert result.execution.status is Status.SUCCEEDED
    assert back.total <= len(ANSWERS)


async def test_a_model_server_that_is_not_there_suspends_the_execution_before_its_first_node(
    settings: Settings,
) -> None:
    with ModelServer().serve() as model:
        gone = replace(settings, model_url=model.url)
    async with LiftGraph(gone) as lg:
        execution = await lg.accept("prompt_to_code", PROMPT)
        with pytest.raises(NodeFailed, match="cannot be reached") as caught:
            await lg.resume(execution.id)
        suspended = await lg.execution(execution.id)

    assert caught.value.node == "ExtractIntent"
    assert suspended.status is Status.SUSPENDED
