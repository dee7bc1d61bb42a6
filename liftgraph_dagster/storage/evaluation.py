"""Datasets and scores in PostgreSQL, over `sql/evaluation.sql`."""

from __future__ import annotations

from collections.abc import Sequence

from liftgraph_dagster.evaluation.dataset import Dataset, split_of
from liftgraph_dagster.evaluation.metric import Metric
from liftgraph_dagster.evaluation.scores import Score
from liftgraph_dagster.execution.records import ExecutionId
from liftgraph_dagster.storage.codec import pack
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
                }
            )
            for row in rows
        ]


def _row(score: Score) -> dict[str, object]:
    return vars(score) | {
        "feedback": score.feedback.encode(),
        "failure": score.failure.encode() if score.failure is not None else None,
    }
