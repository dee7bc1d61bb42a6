from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import dspy
import numpy as np
import pytest

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, ProviderError
from liftgraph_dagster.evaluation.metric import Scored, apply_metric, as_dspy, as_metric
from tests.factories import make_example
from tests.support.tickets import route_is_right

EXAMPLE = make_example()


def exact(example, outcome, trace=None):
    """Return 1 for the labelled outcome."""
    return float(outcome == example.expected)


class Kind:
    """A callable object that is not a `Metric`."""

    def __call__(self, example, outcome, trace=None):
        return 0.5


class Named:
    name = "named"
    version = "3"

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> Scored:
        return Scored(0.25, "short")


def returning(value: Any) -> Any:
    """Return a metric that returns `value`, whatever it is asked."""

    def metric(example, outcome, trace=None):
        return value

    return as_metric(metric)


def raising(example, outcome, trace=None):
    raise KeyError("desk")


def test_a_metric_is_taken_as_it_is() -> None:
    metric = Named()

    assert as_metric(metric) is metric


def test_a_function_is_named_after_itself() -> None:
    assert as_metric(route_is_right).name == "route_is_right"


def test_a_callable_object_is_named_after_its_class() -> None:
    assert as_metric(Kind()).name == "Kind"


@pytest.mark.parametrize("metric", [None, 0.5, "exact"])
def test_what_cannot_be_called_is_no_metric(metric: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a metric"):
        as_metric(metric)


def test_the_version_of_a_callable_object_is_that_of_its_class() -> None:
    """Not of the object: its scores would be scored again by each process."""
    assert as_metric(Kind()).version == as_metric(Kind()).version


def test_functions_with_different_code_have_different_versions() -> None:
    assert as_metric(exact).version != as_metric(raising).version


def test_a_docstring_does_not_change_the_version() -> None:
    def one(example, outcome, trace=None):
        """Say something."""
        return 1

    with_docstring = as_metric(one).version

    def one(example, outcome, trace=None):
        """Say something else."""
        return 1

    assert as_metric(one).version == with_docstring


@pytest.mark.parametrize(
    ("returned", "scored"),
    [
        (1, Scored(1.0)),
        (0, Scored(0.0)),
        (0.25, Scored(0.25)),
        (True, Scored(1.0)),
        (Scored(0.5, "half"), Scored(0.5, "half")),
        (SimpleNamespace(score=0.5, feedback="half"), Scored(0.5, "half")),
        (SimpleNamespace(score=1, feedback=None), Scored(1.0, "")),
        (SimpleNamespace(score=1), Scored(1.0, "")),
    ],
)
def test_a_function_returns_a_number_or_a_number_with_feedback(
    returned: Any, scored: Scored
) -> None:
    assert apply_metric(returning(returned), EXAMPLE, "accounts") == scored


def test_a_metric_sees_the_example_and_the_outcome() -> None:
    scores = [apply_metric(as_metric(exact), EXAMPLE, o).value for o in ("accounts", "support")]

    assert scores == [1.0, 0.0]


@pytest.mark.parametrize(
    "returned",
    [
        math.nan, math.inf, -math.inf, 2.0, -0.1, 1.0000001, "good", "0.5", None, [], {},
        Scored(math.nan), Scored(2.0), Scored("good"),
        SimpleNamespace(score=math.nan), SimpleNamespace(score=2.0), SimpleNamespace(score="good"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_score_in_0_to_1_is_the_metrics_fault(returned: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"metric metric .* on example billing-1"):
        apply_metric(returning(returned), EXAMPLE, "accounts")


@pytest.mark.parametrize("returned", ["good", None, []], ids=str)
def test_a_wrong_return_value_is_not_reported_as_an_exception(returned: Any) -> None:
    """Its author would look for a `raise` that is not there."""
    with pytest.raises(ConfigurationError, match="returned"):
        apply_metric(returning(returned), EXAMPLE, "accounts")


def test_a_metric_of_the_full_form_must_return_scored() -> None:
    class Plain(Named):
        def __call__(self, example: Any, prediction: Any, trace: Any = None) -> Any:
            return 0.5

    with pytest.raises(ConfigurationError, match=r"metric named returned 0\.5 .*return Scored"):
        apply_metric(Plain(), EXAMPLE, "accounts")


def test_a_metric_that_raises_is_named_with_the_example_and_the_cause() -> None:
    with pytest.raises(
        ConfigurationError, match="metric raising raised on example billing-1: KeyError: 'desk'"
    ) as caught:
        apply_metric(as_metric(raising), EXAMPLE, "accounts")

    assert isinstance(caught.value.__cause__, KeyError)


def test_an_outage_within_a_metric_is_no_fault_of_the_metric() -> None:
    def judged_from_afar(example, outcome, trace=None):
        raise ProviderError("the judge cannot be reached", error_class=ErrorClass.TRANSIENT)

    with pytest.raises(ProviderError, match="the judge cannot be reached"):
        apply_metric(as_metric(judged_from_afar), EXAMPLE, "billing")


def test_dspy_gets_a_score_with_feedback() -> None:
    """GEPA takes the feedback of a Prediction, and of nothing else."""
    found = as_dspy(Named())(EXAMPLE, "accounts", None, "classify", None)

    assert isinstance(found, dspy.Prediction)
    assert (found.score, found.feedback) == (0.25, "short")


def test_dspy_adds_up_and_compares_scores_as_numbers() -> None:
    scored = as_dspy(Named())(EXAMPLE, "accounts")

    assert (sum([scored, scored]), scored >= 0.25, float(scored)) == (0.5, True, 0.25)


def test_dspys_evaluation_takes_a_metric() -> None:
    devset = [dspy.Example(**EXAMPLE.model_dump()).with_inputs("input")] * 2
    evaluate = dspy.Evaluate(devset=devset, metric=as_dspy(as_metric(exact)), num_threads=1)

    assert evaluate(lambda input: "accounts").score == 100.0


def test_a_metric_under_dspy_never_returns_what_is_no_score() -> None:
    with pytest.raises(ConfigurationError, match="metric metric returned nan on example billing-1"):
        as_dspy(returning(math.nan))(EXAMPLE, "accounts")


def test_a_score_is_a_number() -> None:
    assert float(Scored(0.25, "short")) == 0.25


@pytest.mark.parametrize(
    ("scored", "words"),
    [
        (Scored(0.5, None), "the feedback None"),  # type: ignore[arg-type]
        (Scored(True), "returned True .*a score is a number"),
        (Scored("0.5"), "returned 0.5 .*a score is a number"),  # type: ignore[arg-type]
        (Scored(0.5, parts={"a": math.nan}), "nan as its part a"),
        (Scored(0.5, parts={"a": 2.0}), "2.0 as its part a .*lies in"),
    ],
)
def test_each_field_of_a_score_is_checked(scored: Scored, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        apply_metric(returning(scored), EXAMPLE, "billing")


def test_a_number_of_numpy_is_a_number() -> None:
    assert float(apply_metric(returning(Scored(np.float32(0.5))), EXAMPLE, "billing")) == 0.5
