"""Datasets and scores in PostgreSQL, over `sql/evaluation.sql`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from liftgraph_dagster.errors import ErrorClass, InputError, NotFound, StorageError
from liftgraph_dagster.evaluation.dataset import (
    Dataset,
    Split,
    StoredDataset,
    is_digest,
    split_of,
)
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Metric
from liftgraph_dagster.evaluation.scores import Score
from liftgraph_dagster.execution.records import ExecutionId
from liftgraph_dagster.storage.codec import pack, unpack
from liftgraph_dagster.storage.database import Database


class PostgresEvaluationStore:
    """Keeps datasets and scores."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_dataset(self, dataset: Dataset) -> None:
        """Store a dataset with its examples; nothing happens when it is there."""
        await self._database.fetch(
            "save_dataset",
            digest=dataset.digest,
            graph=dataset.graph,
            n=len(dataset.examples),
            families=dataset.families,
        )
        await self._database.fetch_many(
            "save_example",
            [
                {
                    "dataset_digest": dataset.digest,
                    "id": example.id,
                    "family": example.family,
                    "split": split_of(example.family).value,
                    "body": pack(example.model_dump_json().encode()),
                }
                for example in dataset.examples
            ],
        )

    async def get_dataset(self, digest: str) -> Dataset:
        """Return a stored dataset. Raises NotFound, and StorageError for one whose examples are
        not all there."""
        rows = await self._database.fetch("get_dataset", digest=digest)
        if not rows:
            raise NotFound(f"there is no dataset {digest} here")
        examples = [Example.model_validate_json(unpack(row["body"]) or b"") for row in rows]
        dataset = Dataset(rows[0]["graph"], tuple(examples))
        if dataset.digest != digest:
            raise StorageError(
                f"dataset {digest[:12]} has been stored in part only, or was changed; import it "
                "again, or read its files again"
            )
        return dataset

    async def move_name(
        self, graph: str, name: str, change: Callable[[Dataset | None], Dataset]
    ) -> tuple[Dataset | None, Dataset]:
        """Let a name stand for what `change` makes of the dataset that it stands for now, None at
        first. Returns both. When somebody else moves the name meanwhile, `change` is called
        again."""
        while True:
            newest = next(iter(await self._named(name, graph)), None)
            before = await self.get_dataset(newest["digest"]) if newest else None
            after = change(before)
            await self.save_dataset(after)
            if before is not None and before.digest == after.digest:
                return before, after
            number = newest["number"] + 1 if newest else 1
            if await self._database.fetch_one(
                "move_name", graph=graph, name=name, number=number, digest=after.digest
            ):
                return before, after

    async def named_dataset(self, graph: str, name: str) -> Dataset | None:
        """Return what a name stands for now; None when it stands for nothing."""
        newest = next(iter(await self._named(name, graph)), None)
        return await self.get_dataset(newest["digest"]) if newest else None

    async def find_dataset(self, reference: str, graph: str | None = None) -> Dataset:
        """Return what a name stands for now, or the dataset with this digest; the beginning of the
        digest will do. Raises NotFound, and InputError for what stands for more than one."""
        named = await self._named(reference, graph)
        found = [row["digest"] for row in named]
        if not found and is_digest(reference):
            rows = await self._database.fetch("find_digest", beginning=reference, graph=graph)
            found = [row["digest"] for row in rows]
        if not found:
            raise NotFound(
                f"there is no dataset {reference!r}{f' of graph {graph!r}' if graph else ''}; "
                "`liftgraph dataset list` shows those there are"
            )
        if len(found) > 1:
            which = f"of the graphs {', '.join(row['graph'] for row in named)}; add --graph"
            raise InputError(
                f"{reference!r} stands for several datasets"
                f"{f', {which}' if named else '; give more of the digest'}"
            )
        return await self.get_dataset(found[0])

    async def moved_families(self, graph: str) -> list[str]:
        """Return the families of a graph that are in more than one split, by name."""
        rows = await self._database.fetch("moved_families", graph=graph)
        return [row["family"] for row in rows]

    async def list_datasets(self, graph: str | None = None) -> list[StoredDataset]:
        """Return what names stand for now, and the datasets that never had a name, newest
        first."""
        rows = await self._database.fetch("list_datasets", graph=graph)
        return [
            StoredDataset(
                digest=row["digest"],
                graph=row["graph"],
                name=row["name"],
                number=row["number"],
                n=row["n"],
                families=row["families"],
                splits={split: row[split.value] for split in Split},
                since=row["since"],
            )
            for row in rows
        ]

    async def _named(self, name: str, graph: str | None) -> Sequence[Mapping[str, Any]]:
        """Return what a name stands for now, for each graph that has it."""
        return await self._database.fetch("find_name", name=name, graph=graph)

    async def save(self, scores: Sequence[Score]) -> None:
        """Store scores; one of the same execution and metric version replaces the older."""
        await self._database.fetch_many("save_score", [_row(score) for score in scores])

    async def scores(self, program_digest: str, dataset_digest: str, metric: Metric) -> list[Score]:
        """Return the stored scores of a program on a dataset, by example."""
        rows = await self._database.fetch(
            "get_scores",
            program_digest=program_digest,
            dataset_digest=dataset_digest,
            metric=metric.name,
            metric_version=metric.version,
        )
        return [
            Score(
                **{
                    **row,
                    "execution_id": ExecutionId(str(row["execution_id"])),
                    "feedback": row["feedback"].decode(),
                    "failure": row["failure"].decode() if row["failure"] is not None else None,
                    "failure_class": row["failure_class"] and ErrorClass(row["failure_class"]),
                }
            )
            for row in rows
        ]


def _row(score: Score) -> dict[str, object]:
    return vars(score) | {
        "feedback": score.feedback.encode(),
        "failure": score.failure.encode() if score.failure is not None else None,
        "failure_class": score.failure_class.value if score.failure_class else None,
    }
