"""Marks in PostgreSQL, over `sql/marks.sql`."""

from __future__ import annotations

from liftgraph_dagster.evaluation.marks import Mark
from liftgraph_dagster.storage.database import Database


class PostgresMarkStore:
    """Keeps marks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, mark: Mark) -> None:
        """Store a mark. Of two marks of one place the later stays."""
        await self._database.fetch(
            "save_mark", **mark.model_dump(by_alias=True) | {"scale": str(mark.scale)}
        )

    async def remove(self, mark: Mark) -> None:
        """Remove a mark and no other; nothing happens when it is not there, or when its place
        holds a later one."""
        graph, example_id, outcome, rater, number, scale = mark.place
        await self._database.fetch(
            "remove_mark",
            id=mark.id,
            graph=graph,
            example_id=example_id,
            outcome=outcome,
            rater=rater,
            number=number,
            scale=scale,
        )

    async def of_graph(self, graph: str) -> list[Mark]:
        """Return the marks of a graph's outcomes, oldest first."""
        rows = await self._database.fetch("list_marks", graph=graph)
        return [
            Mark.model_validate(
                {**row, "id": str(row["id"]), "execution_id": str(row["execution_id"])}
            )
            for row in rows
        ]
