"""Metrics: how good an outcome is, in [0, 1], and why.

A metric has DSPy's shape, so that an optimizer can call it as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from liftgraph_dagster.errors import ConfigurationError
from liftgraph_dagster.evaluation.example import Example


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
