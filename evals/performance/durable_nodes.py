"""What does a node cost, in memory and durably on PostgreSQL, alone and side by side?

A chain of twenty nodes that compute nothing, on a state of about 2 KB: what is left is the price of
running nodes durably. Rates are nodes a second, best of three rounds.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from liftgraph_dagster import Context, End, FunctionNode, Graph, GraphState
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.program import declared_program
from liftgraph_dagster.execution.store import MemoryStateStore, StateStore
from liftgraph_dagster.services import database_server
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.database import Database
from liftgraph_dagster.storage.executions import PostgresStateStore
from liftgraph_dagster.storage.programs import PostgresProgramStore

STEPS = 20
ROUNDS = 3


class Chain(GraphState):
    """A counter and something to carry."""

    text: str
    count: int = 0


class Step(FunctionNode[Chain]):
    writes = ("count",)

    def call(self, count: int) -> dict[str, int]:
        return {"count": count + 1}

    async def run(self, ctx: Context[Chain]) -> Step | End[None]:
        await self.ask(ctx)
        return Step() if ctx.state.count < STEPS else End(None)


graph = Graph(
    "chain",
    state=Chain,
    nodes=[Step],
    start=lambda text: Chain(text=text),
    outcome=lambda state: state.count,
)


async def nodes_per_second(store: StateStore, executions: int) -> float:
    """Return the best rate of several rounds of `executions` chains at once."""
    executor = Executor(store)
    program = declared_program(graph, "baseline")
    asker = Asker(graph, program, None)

    async def one() -> None:
        accepted = await executor.accept(graph, program.digest, "x" * 2000)
        await executor.run(graph, accepted.id, asker)

    best = 0.0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(executions)))
        best = max(best, executions * STEPS / (time.perf_counter() - started))
    return best


async def main(url: str) -> None:
    database = await Database.open(url)
    await PostgresProgramStore(database).save(declared_program(graph, "baseline"))
    stores: dict[str, StateStore] = {
        "memory": MemoryStateStore(),
        "PostgreSQL": PostgresStateStore(database),
    }
    table = Table("store", "executions at once", "nodes/s", "of memory", box=None)
    for executions in (1, 8, 32):
        rates = {name: await nodes_per_second(store, executions) for name, store in stores.items()}
        for name, rate in rates.items():
            share = f"{rate / rates['memory']:.0%}"
            table.add_row(name, str(executions), f"{rate:,.0f}", share)
    await database.close()
    Console().print(table)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="liftgraph-bench-") as home:
        Path(home).chmod(0o755)
        with database_server(Settings(home=Path(home))) as settings:
            assert settings.database_url is not None
            asyncio.run(main(settings.database_url))
