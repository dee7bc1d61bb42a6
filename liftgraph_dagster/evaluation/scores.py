"""Scores: one row for each example, program, metric and repeat; and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from liftgraph_dagster.errors import ErrorClass
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Metric, apply_metric
from liftgraph_dagster.execution.records import Execution, ExecutionId, Status, Usage


@dataclass(frozen=True)
class Score:
    """One metric of one example under one program."""

    graph: str
    dataset_digest: str
    example_id: str
    family: str
    program_digest: str
    program_name: str
    metric: str
    metric_version: str
    execution_id: ExecutionId
    value: float
    """In [0, 1]; 0 when the execution failed."""
    feedback: str = ""
    failure: str | None = None
    """Why there is no outcome; None when there is one."""
    failure_class: ErrorClass | None = None
    repeat: int = 0


@dataclass(frozen=True)
class ExampleRun:
    """What a program made of one example."""

    example: Example
    execution: Execution
    outcome: Any
    """None when the execution failed."""
    headline: str
    """The outcome in one line; empty when the execution failed."""
    usage: Usage
    seconds: float
    """From the first node to the last, waiting included."""
    nodes: int
    failure: str | None = None
    failure_class: ErrorClass | None = None
    repeat: int = 0
    """From 0: which of the executions of this example it is."""
    reused: bool = False
    """True when it had been run before, by the same program, graph version and model."""

    @property
    def sample(self) -> str:
        """Id of example and repeat together; the example's own for the first."""
        return f"{self.example.id}#{self.repeat}" if self.repeat else self.example.id

    @property
    def succeeded(self) -> bool:
        """True when there is an outcome."""
        return self.execution.status is Status.SUCCEEDED


@dataclass(frozen=True)
class Batch:
    """A program's executions over some examples."""

    graph: str
    program_name: str
    program_digest: str
    dataset_digest: str
    model: str
    runs: tuple[ExampleRun, ...]
    """In the order of the examples; the repeats of one follow each other."""
    temperature: float = 0.0


@dataclass(frozen=True)
class Summary:
    """What the scores of one program add up to. A failure counts as 0."""

    n: int
    mean: float
    failures: int
    tokens: int
    seconds: float
    """Of all executions, one after the other."""


class ScoreStore(Protocol):
    """Keeps scores."""

    async def save(self, scores: Sequence[Score]) -> None:
        """Store scores; one of the same execution and metric version replaces the older."""


def score_batch(batch: Batch, metric: Metric) -> list[Score]:
    """Return a score for each run of `batch`. A failed execution scores 0 and says why."""
    return [_score(batch, run, metric) for run in batch.runs]


def summarize(batch: Batch, scores: Sequence[Score]) -> Summary:
    """Return the sums over a batch's scores. Raises ValueError for an empty batch."""
    if not scores:
        raise ValueError("an empty batch has no mean")
    return Summary(
        n=len(scores),
        mean=sum(score.value for score in scores) / len(scores),
        failures=sum(score.failure is not None for score in scores),
        tokens=sum(run.usage.tokens for run in batch.runs),
        seconds=sum(run.seconds for run in batch.runs),
    )


def _score(batch: Batch, run: ExampleRun, metric: Metric) -> Score:
    scored = apply_metric(metric, run.example, run.outcome) if run.succeeded else None
    return Score(
        graph=batch.graph,
        dataset_digest=batch.dataset_digest,
        example_id=run.example.id,
        family=run.example.family,
        program_digest=batch.program_digest,
        program_name=batch.program_name,
        metric=metric.name,
        metric_version=metric.version,
        execution_id=run.execution.id,
        value=float(scored.value) if scored else 0.0,
        feedback=scored.feedback if scored else "",
        failure=run.failure,
        failure_class=run.failure_class,
        repeat=run.repeat,
    )
