from __future__ import annotations

import copy
from typing import Any

import pytest

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.dataset import Dataset
from liftgraph_dagster.evaluation.example import Example, read_examples
from liftgraph_dagster.prompt_to_code.examples import files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.metrics.code import CodeQuality
from liftgraph_dagster.prompt_to_code.metrics.end_to_end import EndToEnd, end_to_end
from liftgraph_dagster.prompt_to_code.metrics.ir import IRQuality
from liftgraph_dagster.prompt_to_code.outcome import Expected
from tests.unit.prompt_to_code.metrics.factories import (
    ADD,
    make_ir,
    make_label,
    make_outcome,
    make_signature,
    right_outcome,
)

SUBTRACT = ADD.replace("+", "-")


@pytest.fixture(scope="module")
def examples() -> tuple[Example, ...]:
    return Dataset(graph.name, tuple(read_examples(graph, files()))).examples


def test_the_score_is_a_geometric_mean_of_the_stages() -> None:
    outcome = make_outcome(make_ir(""), SUBTRACT)
    ir, code = (stage(make_label(), outcome).value for stage in (IRQuality(), CodeQuality()))

    assert ir == pytest.approx(0.30 / 0.55)
    assert end_to_end(make_label(), outcome).value == pytest.approx(ir**0.4 * code**0.6)


@pytest.mark.parametrize(
    ("ir", "code", "value"),
    [
        (make_ir(), ADD, 1.0),
        (make_ir(), "def", 0.01**0.6),
        (make_ir("", make_signature("xyz", {}, "str")), "def", 0.01),
    ],
)
def test_a_failed_stage_counts_as_the_floor(ir: Any, code: str, value: float) -> None:
    assert end_to_end(make_label(), make_outcome(ir, code)).value == pytest.approx(value)


def test_the_graph_is_scored_by_it() -> None:
    assert graph.metric is end_to_end


def test_the_parts_are_the_stages_and_their_parts() -> None:
    parts = end_to_end(make_label(), make_outcome()).parts

    assert parts == dict.fromkeys(
        [
            "ir_quality", "ir_quality.intent", "ir_quality.signature",
            "code_quality", "code_quality.parses", "code_quality.tests", "code_quality.syntax",
            "code_quality.text",
        ],
        1.0,
    )  # fmt: skip


def test_the_feedback_begins_with_the_stages_and_tells_what_is_wrong_in_each() -> None:
    outcome = make_outcome(make_ir(signature=make_signature(returns="str")), SUBTRACT)

    lines = end_to_end(make_label(), outcome).feedback.splitlines()

    assert lines[:4] == [
        "ir_quality 0.89 (intent 1.00, signature 0.80)",
        "code_quality 0.42 (parses 1.00, tests 0.25, syntax 0.90, text 0.94)",
        "signature 0.80: wrong returns; expected `def add(a: int, b: int) -> int:`, got "
        "`def add(a: int, b: int) -> str:`.",
        "tests 0.25: 1 of 4 pass; `add(1, 2)` should return 3, but it returned -1.",
    ]


@pytest.mark.parametrize("stage", [IRQuality, CodeQuality])
def test_another_version_of_a_stage_is_another_version(
    stage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "version", "another")

    assert EndToEnd().version != end_to_end.version


@pytest.mark.parametrize("prediction", [None, {}, "right", {"ir": 1}], ids=str)
def test_what_is_no_outcome_is_refused(prediction: Any) -> None:
    with pytest.raises(InputError, match="the outcome is none of prompt_to_code"):
        end_to_end(make_label(), prediction)


def test_each_label_scores_1_against_itself(examples: tuple[Example, ...]) -> None:
    metric = EndToEnd()
    wrong = {}
    for example in examples:
        outcome = right_outcome(Expected.model_validate(example.expected))
        scored = metric(example, outcome.model_dump(mode="json"))
        if scored.value != 1.0:
            wrong[example.id] = scored.feedback

    assert len(examples) == 258
    assert wrong == {}


def test_the_order_of_what_a_label_lists_does_not_count(examples: tuple[Example, ...]) -> None:
    wrong = []
    for example in examples:
        expected = Expected.model_validate(example.expected)
        reverse = copy.deepcopy(expected)
        for listed in (reverse.ir.effects, reverse.ir.assertions, reverse.ir.holes):
            listed.reverse()
        if IRQuality()(example, right_outcome(reverse)).value != 1.0:
            wrong.append(example.id)

    assert wrong == []
