"""What a person wants to see of a materialization."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from liftgraph_dagster.app import Evaluation
from liftgraph_dagster.defs.pictures import scores_picture, splits_picture
from liftgraph_dagster.evaluation.dataset import Dataset, Split, is_sealed
from liftgraph_dagster.evaluation.scores import Batch
from liftgraph_dagster.graph.digest import digest, digest_bytes, short

Metadata = dict[str, Any]


def dataset_metadata(dataset: Dataset) -> Metadata:
    """Return size, splits and digest of a dataset, with its first examples."""
    first = [
        {
            "example": e.id,
            "family": e.family,
            "input": "sealed" if is_sealed(e) else _cell(str(e.input), 80),
        }
        for e in dataset.examples[:8]
    ]
    return {
        "dagster/row_count": len(dataset.examples),
        "families": dataset.families,
        **{split.value: len(dataset.split(split)) for split in Split},
        "digest": short(dataset.digest),
        "examples": _table(first),
    }


def splits_metadata(dataset: Dataset) -> Metadata:
    """Return the number of examples and families of each split, with a picture."""
    found: Metadata = {"picture": splits_picture(dataset)}
    for split in Split:
        examples = dataset.split(split)
        found[split.value] = len(examples)
        found[f"{split.value} families"] = len({example.family for example in examples})
    return found | {"dataset digest": short(dataset.digest)}


def batches_metadata(batches: Sequence[Batch]) -> Metadata:
    """Return counts, tokens and seconds of what programs were run, with the failures."""
    runs = [run for batch in batches for run in batch.runs]
    failed = [
        {
            "program": batch.program_name,
            "example": run.example.id,
            "failure": _cell(run.failure, 120),
        }
        for batch in batches
        for run in batch.runs
        if run.failure
    ]
    shown = [
        {
            "program": batch.program_name,
            "example": run.example.id,
            "outcome": _cell(run.headline, 80) or "-",
            "execution": run.execution.id,
        }
        for batch in batches
        for run in batch.runs[:6]
    ]
    return {
        "executions": len(runs),
        "failures": len(failed),
        "reused": sum(run.reused for run in runs),
        "tokens": sum(run.usage.tokens for run in runs),
        "seconds": round(sum(run.seconds for run in runs), 1),
        "model": batches[0].model,
        "dataset digest": short(batches[0].dataset_digest),
        **{f"{b.program_name} digest": short(b.program_digest) for b in batches},
        "outcomes": _table(shown),
        **({"failed": _table(failed)} if failed else {}),
    }


def evaluations_metadata(evaluations: Sequence[Evaluation]) -> Metadata:
    """Return n, mean and failures of each program, with its worst examples."""
    found: Metadata = {}
    for evaluation in evaluations:
        name, summary = evaluation.batch.program_name, evaluation.summary
        found |= {
            f"{name} n": summary.n,
            f"{name} mean": round(summary.mean, 4),
            f"{name} failures": summary.failures,
            f"{name} tokens": summary.tokens,
            f"{name} seconds": round(summary.seconds, 1),
            f"{name} digest": short(evaluation.batch.program_digest),
        }
    worst = sorted(
        (score for evaluation in evaluations for score in evaluation.scores),
        key=lambda score: score.value,
    )
    first = evaluations[0].scores[0]
    return found | {
        "picture": scores_picture(evaluations),
        "metric": f"{first.metric} version {first.metric_version}",
        "dataset digest": short(first.dataset_digest),
        "worst examples": _table(
            [
                {
                    "program": score.program_name,
                    "example": score.example_id,
                    "score": round(score.value, 3),
                    "why": _cell(score.failure or score.feedback, 140),
                    "execution": score.execution_id,
                }
                for score in worst[:8]
            ]
        ),
    }


def batches_digest(batches: Sequence[Batch]) -> str:
    """Return the digest of what came out: equal outcomes, equal digest."""
    return digest(
        [
            [batch.program_digest, run.example.id, digest_bytes(run.execution.state)]
            for batch in batches
            for run in batch.runs
        ]
    )


def evaluations_digest(evaluations: Sequence[Evaluation]) -> str:
    """Return the digest of the scores."""
    return digest(
        [
            [s.program_digest, s.example_id, s.metric, s.metric_version, s.value]
            for evaluation in evaluations
            for s in evaluation.scores
        ]
    )


def _table(rows: Sequence[dict[str, Any]]) -> dg.MetadataValue:
    """Return rows as Markdown; Dagster's own table wraps long texts one word a line."""
    if not rows:
        return dg.MetadataValue.md("none")
    columns = list(rows[0])
    lines = [
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(str(row[column]) for column in columns) + " |" for row in rows),
    ]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(text: str | None, width: int) -> str:
    flat = " ".join((text or "").split()).replace("|", "\\|")
    return flat if len(flat) <= width else flat[: width - 1] + "…"
