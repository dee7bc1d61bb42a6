from __future__ import annotations

from typing import Any

import pytest

from liftgraph_dagster.errors import ConfigurationError, ErrorClass
from liftgraph_dagster.evaluation.metric import Scored, as_metric
from liftgraph_dagster.evaluation.scores import Batch, ExampleRun, score_batch, summarize
from liftgraph_dagster.execution.records import Status
from tests.factories import make_execution, make_run
from tests.support.tickets import route_is_right


class Halves:
    name = "halves"
    version = "2"

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> Scored:
        return Scored(0.5, f"{prediction} for {example.id}")


def failed_run(id: str, status: Status = Status.FAILED) -> ExampleRun:
    return make_run(
        id,
        execution=make_execution(status),
        outcome=None,
        failure="the answer is no JSON",
        failure_class=ErrorClass.VALIDATION,
    )


def make_batch(*runs: ExampleRun) -> Batch:
    return Batch("tickets", "baseline", "p" * 64, "d" * 64, "scripted", runs)


def test_a_score_says_what_was_scored_and_by_what() -> None:
    run = make_run("billing-1")

    score = score_batch(make_batch(run), Halves())[0]

    assert vars(score) == {
        "graph": "tickets",
        "dataset_digest": "d" * 64,
        "example_id": "billing-1",
        "family": "billing",
        "program_digest": "p" * 64,
        "program_name": "baseline",
        "metric": "halves",
        "metric_version": "2",
        "execution_id": run.execution.id,
        "value": 0.5,
        "feedback": "accounts for billing-1",
        "failure": None,
        "failure_class": None,
        "repeat": 0,
    }


def test_scores_come_in_the_order_of_the_runs() -> None:
    batch = make_batch(*(make_run(id) for id in ("password-1", "billing-2", "billing-1")))

    ids = [score.example_id for score in score_batch(batch, Halves())]

    assert ids == ["password-1", "billing-2", "billing-1"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_a_run_without_outcome_scores_0_and_says_why(status: Status) -> None:
    score = score_batch(make_batch(failed_run("billing-1", status)), Halves())[0]

    assert (score.value, score.feedback, score.failure) == (0.0, "", "the answer is no JSON")


def test_a_failure_keeps_its_class() -> None:
    score = score_batch(make_batch(failed_run("billing-1")), Halves())[0]

    assert score.failure_class is ErrorClass.VALIDATION


def test_repeats_of_an_example_are_scored_one_by_one() -> None:
    runs = [make_run("billing-1", repeat=repeat) for repeat in range(3)]

    scores = score_batch(make_batch(*runs), Halves())

    assert [(score.example_id, score.repeat) for score in scores] == [
        ("billing-1", 0), ("billing-1", 1), ("billing-1", 2),
    ]  # fmt: skip
    assert [run.sample for run in runs] == ["billing-1", "billing-1#1", "billing-1#2"]


def test_a_run_without_outcome_is_not_shown_to_the_metric() -> None:
    """A metric that scores None well would reward failing."""

    def likes_nothing(example, outcome, trace=None):
        return 1.0 if outcome is None else 0.0

    score = score_batch(make_batch(failed_run("billing-1")), as_metric(likes_nothing))[0]

    assert score.value == 0.0


def test_a_fault_of_the_metric_stops_the_scoring() -> None:
    def broken(example, outcome, trace=None):
        raise ZeroDivisionError

    with pytest.raises(ConfigurationError, match="broken raised on example billing-1"):
        score_batch(make_batch(make_run("billing-1")), as_metric(broken))


def test_the_value_is_a_float_whatever_the_metric_returns() -> None:
    def whole(example, outcome, trace=None):
        return Scored(1)

    score = score_batch(make_batch(make_run("billing-1")), as_metric(whole))[0]

    assert type(score.value) is float


def test_a_summary_counts_failures_as_0() -> None:
    batch = make_batch(
        make_run("billing-1"),
        make_run("password-1", outcome="accounts"),
        failed_run("billing-2"),
        make_run("outage-1", outcome="support"),
    )

    summary = summarize(batch, score_batch(batch, as_metric(route_is_right)))

    assert summary.n == 4
    assert summary.mean == 0.5  # (1 + 0 + 0 + 1) / 4
    assert summary.failures == 1
    assert summary.tokens == 48  # 4 * (10 + 2)
    assert summary.seconds == 6.0  # 4 * 1.5


def test_an_empty_batch_has_no_mean() -> None:
    with pytest.raises(ValueError, match="empty batch"):
        summarize(make_batch(), [])


@pytest.mark.parametrize(
    ("status", "succeeded"), [(status, status is Status.SUCCEEDED) for status in Status]
)
def test_only_a_succeeded_execution_has_an_outcome(status: Status, succeeded: bool) -> None:
    assert make_run("billing-1", execution=make_execution(status)).succeeded is succeeded
