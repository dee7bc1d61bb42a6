"""Programs in PostgreSQL, over `sql/programs.sql`."""

from __future__ import annotations

from liftgraph_dagster.errors import NotFound
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.storage.codec import pack, unpack
from liftgraph_dagster.storage.database import Database


class PostgresProgramStore:
    """Keeps programs by digest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, program: Program) -> None:
        """Store a program; nothing happens when one of its digest is there."""
        await self._database.fetch(
            "save_program",
            digest=program.digest,
            graph=program.graph,
            name=program.name,
            body=pack(program.to_json()),
        )

    async def get(self, digest: str) -> Program:
        """Return the program with this digest. Raises NotFound."""
        row = await self._database.fetch_one("get_program", digest=digest)
        if row is None:
            raise NotFound(f"program {digest} is not stored here")
        return Program.from_json(unpack(row["body"]) or b"")

    async def of_graph(self, graph: str) -> list[Program]:
        """Return the stored programs of a graph, newest first."""
        rows = await self._database.fetch("list_programs", graph=graph)
        return [Program.from_json(unpack(row["body"]) or b"") for row in rows]
