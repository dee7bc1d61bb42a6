"""Metrics: how good an outcome is, in [0, 1], and why.

A metric has DSPy's shape, `(example, prediction, trace=None)`, so that an optimizer can call it as
it is. A plain function that returns a number is one, too: `as_metric` names and versions it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol

from liftgraph_dagster.errors import ConfigurationError, ErrorClass, LiftGraphError
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.version import source

if TYPE_CHECKING:
    import dspy


@dataclass(frozen=True)
class Scored:
    """A metric's verdict on one outcome."""

    value: float
    """In [0, 1]; 1 is best."""
    feedback: str = ""
    """What is wrong, in words that a model or a person can act on."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the value is made of, part by part, each in [0, 1]; empty for a metric of one part."""
    flags: tuple[str, ...] = ()
    """What sets this score apart: scores with different flags have no common mean. `no_execution`:
    there was code and nothing ran it."""

    def __float__(self) -> float:
        return float(self.value)


class Metric(Protocol):
    """Scores an outcome against an example."""

    name: str
    version: str
    """Changes whenever a score could change."""

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored: ...


def as_metric(metric: Metric | Callable[..., Any]) -> Metric:
    """Return `metric` itself when it has a name and a version, and a function wrapped as one: its
    name is the function's, its version a digest of the function's code.

    The function returns `Scored`, a number, or what DSPy's optimizers take: an object with `score`
    and `feedback`. Raises ConfigurationError for anything that cannot be called.
    """
    if hasattr(metric, "name") and hasattr(metric, "version"):
        return metric
    if not callable(metric):
        raise ConfigurationError(f"{metric!r} is not a metric: it is neither a function nor Metric")
    return _FunctionMetric(metric)


def apply_metric(metric: Metric, example: Example, outcome: Any) -> Scored:
    """Return the metric's verdict.

    Raises ConfigurationError, naming metric and example, when the metric raises or returns
    something that is no score in [0, 1]: a fault of the metric is never a score. An outage of its
    model or of the sandbox passes as it is: that is no fault of the metric, and no score either.
    """
    try:
        scored = metric(example, outcome)
    except Exception as exc:
        if isinstance(exc, LiftGraphError) and exc.error_class is not ErrorClass.PERMANENT:
            raise
        raise ConfigurationError(
            f"metric {metric.name} raised on example {example.id}: {type(exc).__name__}: {exc}"
        ) from exc
    return check_scored(metric, example, scored)


def check_scored(metric: Metric, example: Example, scored: Any) -> Scored:
    """Return what a metric returned. Raises ConfigurationError when it is no score in [0, 1]."""
    where = f"metric {metric.name} returned {{}} on example {example.id}; {{}}"
    if not isinstance(scored, Scored):
        raise ConfigurationError(where.format(repr(scored), "return Scored(...)"))
    for name, value in {"": scored.value, **scored.parts}.items():
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ConfigurationError(where.format(_part(name, value), "a score is a number"))
        if not 0 <= value <= 1:  # nor for NaN
            raise ConfigurationError(where.format(_part(name, value), "a score lies in [0, 1]"))
    if not isinstance(scored.feedback, str):
        said = f"the feedback {scored.feedback!r}"
        raise ConfigurationError(where.format(said, "feedback is a text, empty when there is none"))
    return scored


def _part(name: str, value: Any) -> str:
    return f"{value!r} as its part {name}" if name else str(value)


def as_dspy(metric: Metric) -> Callable[..., dspy.Prediction]:
    """Return `metric` as the function that DSPy's optimizers take.

    It returns `dspy.Prediction(score, feedback)`, which GEPA reads the feedback of and everything
    else adds up, compares and averages as the number. The example may be a `dspy.Example` that has
    the fields of ours. A bootstrapping optimizer keeps every demonstration unless it is given a
    `metric_threshold`, for a Prediction is never false. Raises what `apply_metric` does.
    """
    from dspy import Prediction  # here, because it takes seconds and scoring needs none of it

    def scored(
        example: Any,
        prediction: Any,
        trace: Any = None,  # noqa: ARG001  # DSPy passes these by position and by name
        pred_name: str | None = None,  # noqa: ARG001
        pred_trace: Any = None,  # noqa: ARG001
    ) -> dspy.Prediction:
        found = apply_metric(metric, example, prediction)
        return Prediction(score=float(found.value), feedback=found.feedback)

    scored.__name__ = metric.name
    return scored


class _FunctionMetric:
    """A plain function as a metric."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.version = digest(source(function))[:12]
        self._function = function

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        returned: Any = self._function(example, prediction, trace)
        if isinstance(returned, Scored):
            return returned
        number = getattr(returned, "score", returned)
        if not isinstance(number, Real):
            return returned  # type: ignore[no-any-return]  # `apply_metric` says what is wrong
        return Scored(float(number), str(getattr(returned, "feedback", "") or ""))
