"""Metrics: how good an outcome is, in [0, 1], and why.

A metric has DSPy's shape, `(example, prediction, trace=None)`, so that an optimizer can call it as
it is. A plain function that returns a number is one, too: `as_metric` names and versions it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.graph.digest import digest
from liftgraph_dagster.graph.version import source


@dataclass(frozen=True)
class Scored:
    """A metric's verdict on one outcome."""

    value: float
    """In [0, 1]; 1 is best."""
    feedback: str = ""
    """What is wrong, in words that a model or a person can act on."""


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
    something that is no score in [0, 1]: a fault of the metric is never a score.
    """
    try:
        scored = metric(example, outcome)
    except Exception as exc:
        raise ConfigurationError(
            f"metric {metric.name} raised on example {example.id}: {type(exc).__name__}: {exc}"
        ) from exc
    if not isinstance(scored, Scored) or not isinstance(scored.value, int | float):
        raise ConfigurationError(
            f"metric {metric.name} returned {scored!r} on example {example.id}; return Scored(...)"
        )
    if math.isnan(scored.value) or not 0 <= scored.value <= 1:
        raise ConfigurationError(
            f"metric {metric.name} returned {scored.value} on example {example.id}; a score lies "
            "in [0, 1]"
        )
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
