"""What does one save and one load of an execution cost, beside one flush of the same disk?

A save is the commit of one node with its change of the state, durable when it returns. A load reads
the execution and its history and rebuilds the state; the history grows to 32 nodes, where a
snapshot would cut it. A cycle is what a program outside of a run does: `StatePersistence` loads the
state and saves a changed one, under the execution's lease; 100 in a row. p50 and p95, milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

from liftgraph_dagster import Context, End, FunctionNode, Graph, GraphState
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.history import positions
from liftgraph_dagster.execution.persistence import StatePersistence
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    Next,
    NodeEvent,
    Status,
    new_execution_id,
    now,
)
from liftgraph_dagster.execution.store import Commit
from liftgraph_dagster.graph.state import encode
from liftgraph_dagster.services import database_server
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.executions import PostgresStateStore
from liftgraph_dagster.storage.programs import PostgresProgramStore

EXECUTIONS = 10
NODES = 32
CYCLES = 100
SIZES = {"2 KB": 2_000, "20 KB": 20_000, "200 KB": 200_000}


class Document(GraphState):
    """A text and a counter."""

    text: str
    count: int = 0


class Count(FunctionNode[Document]):
    """Counts."""

    writes = ("count",)

    def call(self, count: int) -> dict[str, int]:
        return {"count": count + 1}

    async def run(self, ctx: Context[Document]) -> End[None]:
        await self.ask(ctx)
        return End(None)


def begin(text: str) -> Document:
    """Return the first state."""
    return Document(text=text)


DOCUMENTS = Graph(
    "documents", state=Document, nodes=[Count], start=begin, outcome=lambda state: state.count
)


class Clock:
    """Collects durations in milliseconds."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []

    @contextmanager
    def lap(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.milliseconds.append((time.perf_counter() - started) * 1000)

    def row(self) -> list[str]:
        return [f"{np.percentile(self.milliseconds, p):.2f}" for p in (50, 95)]


async def save_and_load(store: PostgresStateStore, program: Program, size: int) -> list[Clock]:
    """Return the clocks of saves and of loads of a state of about `size` bytes."""
    saves, loads = Clock(), Clock()
    text = os.urandom(size // 2).hex()
    await store.remember(program.graph, "1", {})
    for _ in range(EXECUTIONS):
        execution = Execution(
            id=new_execution_id(),
            graph=program.graph,
            graph_version="1",
            program_digest=program.digest,
            status=Status.RUNNING,
            rev=0,
            input=b"null",
            initial=encode(Document(text=text)),
            state=encode(Document(text=text)),
            state_rev=0,
            created_at=now(),
        )
        await store.create(execution)
        for rev in range(NODES):
            patch = b'{"count":%d}' % (rev + 1)
            event = NodeEvent(EventKind.NODE, node="Count", state_patch=patch, next=Next("Count"))
            with saves.lap():
                await store.commit(execution.id, Commit(rev, [event]))
            with loads.lap():
                found = await store.get(execution.id)
                positions(found, await store.history(execution.id))
    return [saves, loads]


async def cycles(store: PostgresStateStore, program: Program, size: int) -> Clock:
    """Return the clock of loading a state, changing it and saving it, 100 times in a row."""
    clock = Clock()
    executor = Executor(store)
    persistence = StatePersistence(DOCUMENTS, executor)
    execution = await executor.accept(DOCUMENTS, program.digest, os.urandom(size // 2).hex())
    for _ in range(CYCLES):
        with clock.lap():
            state = await persistence.load(UUID(execution.id))
            state.count += 1
            await persistence.save(UUID(execution.id), state)
    return clock


def flushes(folder: Path) -> Clock:
    """Return the clock of writing a page to a file and flushing it."""
    clock = Clock()
    with (folder / "flush").open("wb") as file:
        for _ in range(EXECUTIONS * NODES):
            with clock.lap():
                file.write(bytes(8192))
                file.flush()
                os.fdatasync(file.fileno())
    return clock


async def main(url: str, folder: Path) -> None:
    database = await Database.open(url)
    program = Program("bench")
    await PostgresProgramStore(database).save(program)
    table = Table("", "p50 ms", "p95 ms", box=None)
    table.add_row("one flush of the disk", *flushes(folder).row())
    for name, size in SIZES.items():
        saves, loads = await save_and_load(PostgresStateStore(database), program, size)
        table.add_row(f"save, state of {name}", *saves.row())
        table.add_row(f"load, state of {name}", *loads.row())
        cycle = await cycles(PostgresStateStore(database), program, size)
        table.add_row(f"cycle, state of {name}", *cycle.row())
    await database.close()
    Console().print(table)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="liftgraph-bench-") as home:
        Path(home).chmod(0o755)
        with database_server(Settings(home=Path(home))) as settings:
            assert settings.database_url is not None
            asyncio.run(main(settings.database_url, Path(home)))
