"""How good an outcome of `prompt_to_code` is as a whole."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.graph.digest import digest, short
from liftgraph_dagster.prompt_to_code.metrics.code import CodeQuality
from liftgraph_dagster.prompt_to_code.metrics.ir import IRQuality
from liftgraph_dagster.prompt_to_code.metrics.reading import read_expected, read_outcome, version_of

EXPONENTS = {"ir_quality": 0.4, "code_quality": 0.6}
FLOOR = 0.01


class EndToEnd:
    """How good an outcome is as a whole, in [0.01, 1].

        score = max(ir_quality, 0.01)^0.4 * max(code_quality, 0.01)^0.6

    A weighted geometric mean: a stage that fails cannot be made up for by the other, and the floor
    leaves a difference between one failed stage and two. The feedback begins with the value of each
    stage and its parts, so that an optimizer can tell which prompt to change; `parts` holds the
    same numbers as `ir_quality`, `ir_quality.intent`, ..., `code_quality.tests`, ...
    """

    name = "end_to_end"

    def __init__(self) -> None:
        self.stages = (IRQuality(), CodeQuality())
        own = version_of(sys.modules[__name__])
        self.version = short(digest([own, *(stage.version for stage in self.stages)]))

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        read = example.model_copy(update={"expected": read_expected(example)})
        outcome = read_outcome(prediction)
        scores = {stage.name: stage(read, outcome) for stage in self.stages}
        value = 1.0
        for name, scored in scores.items():
            value *= max(scored.value, FLOOR) ** EXPONENTS[name]
        return Scored(
            min(value, 1.0), _feedback(scores), _parts(scores), scores["code_quality"].flags
        )


def _parts(scores: Mapping[str, Scored]) -> dict[str, float]:
    found: dict[str, float] = {}
    for stage, scored in scores.items():
        found[stage] = scored.value
        found |= {f"{stage}.{part}": value for part, value in scored.parts.items()}
    return found


def _feedback(scores: Mapping[str, Scored]) -> str:
    """Return a line of values for each stage, then what is wrong, stage by stage."""
    lines = [f"{stage} {scored.value:.2f} ({_vector(scored)})" for stage, scored in scores.items()]
    lines += [scored.feedback for scored in scores.values() if scored.feedback]
    return "\n".join(lines)


def _vector(scored: Scored) -> str:
    return ", ".join(f"{part} {value:.2f}" for part, value in scored.parts.items())


end_to_end = EndToEnd()
