"""One metric out of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from liftgraph_dagster.errors import ConfigurationError, InputError
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Metric, Scored, as_metric, check_scored
from liftgraph_dagster.graph.digest import digest


class Weighted:
    """The weighted mean of other metrics.

        score = sum of w_i * s_i / sum of w_i

    over the parts that apply to an example: all but those whose metric has a method `applies` that
    says no (there is no label to compare with). The version is a digest of the parts' names,
    versions and weights. The feedback names each part that is not perfect.

        Weighted({"summary": (0.7, ChrF("summary")), "topic": (0.3, ExactMatch("topic"))})

    Args:
        parts: by the name of the part, its weight, greater than 0, and its metric.
        name: of the whole, as it stands in the scores.

    Raises ConfigurationError for no parts and for a weight that is not positive and finite.
    """

    def __init__(
        self,
        parts: Mapping[str, tuple[float, Metric | Callable[..., Any]]],
        *,
        name: str = "weighted",
    ) -> None:
        if not parts:
            raise ConfigurationError(f"metric {name} has no parts; give at least one")
        for part, (weight, _) in parts.items():
            check_weight(weight, f"part {part} of metric {name}")
        self.name = name
        self.parts = {part: (weight, as_metric(metric)) for part, (weight, metric) in parts.items()}
        self.version = digest(
            {part: [w, metric.name, metric.version] for part, (w, metric) in self.parts.items()}
        )[:12]

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        scores = {
            part: check_scored(metric, example, metric(example, prediction, trace))
            for part, (_, metric) in self.parts.items()
            if _applies(metric, example)
        }
        if not scores:
            raise InputError(
                f"no part of metric {self.name} applies to example {example.id}: its label has "
                "nothing that one of them compares"
            )
        weights = {part: self.parts[part][0] for part in scores}
        flags = {flag: None for scored in scores.values() for flag in scored.flags}
        return Scored(
            weighted_mean({part: scored.value for part, scored in scores.items()}, weights),
            feedback({part: (scored.value, scored.feedback) for part, scored in scores.items()}),
            {part: scored.value for part, scored in scores.items()},
            tuple(flags),
        )


def weighted_mean(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Return the mean of `values`, weighted by those of `weights` that belong to them."""
    total = math.fsum(weights[name] for name in values)
    return min(1.0, math.fsum(weights[name] * value for name, value in values.items()) / total)


def feedback(parts: Mapping[str, tuple[float, str]]) -> str:
    """Return one line for each part that is not perfect: its name, its value, what is wrong."""
    return "\n".join(
        f"{name} {value:.2f}: {said}".rstrip(": ")
        for name, (value, said) in parts.items()
        if value < 1
    )


def check_weight(weight: Any, what: str) -> None:
    """Raise ConfigurationError, naming `what` it is the weight of, unless it is a positive finite
    number."""
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise ConfigurationError(f"the weight of {what} is {weight!r}; give a number")
    if not math.isfinite(weight) or weight <= 0:
        raise ConfigurationError(f"the weight of {what} is {weight}; give one above 0")


def _applies(metric: Metric, example: Example) -> bool:
    applies = getattr(metric, "applies", None)
    return True if applies is None else bool(applies(example))
