"""Scores computed by hand."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.errors import ConfigurationError, InputError
from liftgraph_dagster.evaluation.metric import apply_metric
from liftgraph_dagster.prompt_to_code.ir import IR, HoleKind, TypedHole
from liftgraph_dagster.prompt_to_code.metrics.ir import (
    WEIGHTS,
    IRQuality,
    compare_ir,
    hole_similarity,
    ir_quality,
)
from tests.unit.prompt_to_code.metrics.factories import (
    make_hole,
    make_ir,
    make_label,
    make_outcome,
    make_signature,
)

LOUD = ["raises ValueError when a is negative", "prints the sum"]
CLAIMS = ["result == a + b", "result - a == b", "result > a"]
WRONG = make_signature("xyz", {}, "str")
IRS = st.builds(
    make_ir,
    st.sampled_from(["Add.", "Return the sum of two numbers.", "Return the odd numbers.", ""]),
    st.sampled_from([make_signature(), WRONG, make_signature("plus", {"x": None})]),
    effects=st.lists(st.sampled_from([*LOUD, "logs"]), max_size=3),
    assertions=st.just([]),
    holes=st.lists(
        st.builds(
            make_hole,
            st.sampled_from(["digits", "digit", "ties"]),
            st.sampled_from(["int", "float", "str"]),
            st.sampled_from(HoleKind),
        ),
        max_size=3,
    ),
)
"""Without assertions, so that nothing is run."""


def test_the_weights_add_up_to_1() -> None:
    assert math.fsum(WEIGHTS.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("predicted", "expected", "value"),
    [
        (make_ir(), make_ir(), 1.0),
        (make_ir(signature=WRONG), make_ir(), 0.25 / 0.55),
        (make_ir(""), make_ir(), 0.30 / 0.55),
        (make_ir(effects=LOUD), make_ir(effects=LOUD), 1.0),
        (make_ir(), make_ir(effects=LOUD), 0.55 / 0.70),
        (make_ir(effects=LOUD[:1]), make_ir(effects=LOUD), 0.65 / 0.70),  # 2 * 1 / 3
        (make_ir(), make_ir(holes=[make_hole()]), 0.55 / 0.65),
        (make_ir(), make_ir(assertions=CLAIMS), 0.55 / 0.75),
        (make_ir(assertions=CLAIMS[:1]), make_ir(assertions=["b + a - result == 0"]), 1.0),
        (make_ir(), make_ir(effects=LOUD, assertions=CLAIMS, holes=[make_hole()]), 0.55),
    ],
)
def test_the_score_is_the_weighted_mean_of_the_components_that_there_are(
    predicted: IR, expected: IR, value: float
) -> None:
    assert ir_quality(predicted, expected) == pytest.approx(value)


@pytest.mark.parametrize(
    ("surplus", "value"),
    [
        ({"effects": LOUD}, 0.55 / 0.70),
        ({"assertions": CLAIMS}, 0.55 / 0.75),
        ({"holes": [make_hole()]}, 0.55 / 0.65),
    ],
    ids=["effects", "assertions", "holes"],
)
def test_what_nobody_asked_for_is_an_error_too(surplus: dict[str, Any], value: float) -> None:
    assert ir_quality(make_ir(**surplus), make_ir()) == pytest.approx(value)


@pytest.mark.parametrize(
    ("predicted", "value"),
    [
        (make_hole(), 1.0),
        (make_hole("xyz_xy"), 0.5),
        (make_hole("digit"), 0.5 * 0.5 * 5 / 6 + 0.5),
        (make_hole(type_hint="float"), 0.85),  # 0.5 + 0.3 * 0.5 + 0.2
        (make_hole(kind=HoleKind.EFFECT), 0.8),
    ],
)
def test_a_hole_is_identifier_type_and_kind(predicted: TypedHole, value: float) -> None:
    assert hole_similarity(predicted, make_hole()) == pytest.approx(value)


def test_assertions_over_parameters_of_other_names_are_understood() -> None:
    drafted = make_ir(
        signature=make_signature(parameters={"x": "int", "y": "int"}),
        assertions=["result == x + y"],
    )

    assert compare_ir(drafted, make_ir(assertions=["result == a + b"])).parts["assertions"] == 1.0


@given(IRS)
def test_a_representation_is_like_itself(ir: IR) -> None:
    assert ir_quality(ir, ir) == 1.0


@given(IRS, IRS)
def test_the_score_lies_in_0_to_1(predicted: IR, expected: IR) -> None:
    assert 0 <= ir_quality(predicted, expected) <= 1


@given(IRS, IRS, st.randoms(use_true_random=False))
def test_the_order_of_effects_and_holes_does_not_count(
    predicted: IR, expected: IR, rng: random.Random
) -> None:
    shuffled = predicted.model_copy(deep=True)
    rng.shuffle(shuffled.effects)
    rng.shuffle(shuffled.holes)

    assert ir_quality(shuffled, expected) == ir_quality(predicted, expected)


def test_the_order_of_assertions_does_not_count() -> None:
    expected = make_ir(assertions=["result >= a + b", "a <= result"])

    scores = [ir_quality(make_ir(assertions=a), expected) for a in (CLAIMS, CLAIMS[::-1])]

    assert scores[0] == scores[1]


@given(IRS, IRS, st.sampled_from(["effects", "holes"]), st.integers(0, 2), IRS)
def test_a_changed_item_moves_the_score_by_its_share_of_the_weight(
    predicted: IR, expected: IR, component: str, place: int, other: IR
) -> None:
    """The Lipschitz bound: w_c / (sum of w_c) * 2 / (number drafted + number expected)."""
    items, donors = getattr(predicted, component), getattr(other, component)
    if not items or not donors:
        return
    changed = predicted.model_copy(deep=True)
    getattr(changed, component)[place % len(items)] = donors[0]

    moved = abs(ir_quality(changed, expected) - ir_quality(predicted, expected))

    weights = sum(WEIGHTS[part] for part in compare_ir(predicted, expected).parts)
    count = len(items) + len(getattr(expected, component))
    assert moved <= WEIGHTS[component] / weights * 2 / count + 1e-12


def test_the_feedback_names_what_is_wrong_component_by_component() -> None:
    scored = compare_ir(
        make_ir(
            "Return the sum of the even numbers.",
            make_signature("plus", returns=None),
            effects=["prints the sum"],
            assertions=["result >= a + b"],
            holes=[make_hole("ties", "str")],
        ),
        make_ir(
            "Return the sum of the odd numbers.",
            effects=["prints the sum", "raises ValueError when a is negative"],
            assertions=["result == a + b"],
            holes=[make_hole()],
        ),
    )

    lines = [line.split(": ", 1)[1] for line in scored.feedback.splitlines()]
    assert lines == [
        "expected 'Return the sum of the odd numbers.', got 'Return the sum of the even numbers.'; "
        "it says even where odd is expected.",
        "wrong name, returns; expected `def add(a: int, b: int) -> int:`, got "
        "`def plus(a: int, b: int):`.",
        "missing `raises ValueError when a is negative`.",
        "expected `result == a + b`, got `result >= a + b`.",
        "expected `digits (int, implementation)`, got `ties (str, implementation)`.",
    ]


def test_the_feedback_of_a_right_representation_is_empty() -> None:
    assert compare_ir(make_ir(effects=LOUD), make_ir(effects=LOUD)).feedback == ""


def test_the_metric_reads_label_and_outcome() -> None:
    scored = IRQuality()(make_label(), make_outcome(make_ir(signature=WRONG)))

    assert scored.value == pytest.approx(0.25 / 0.55)


@pytest.mark.parametrize(
    ("prediction", "field"),
    [
        ({}, "field ir: Field required"),
        (None, "field -: Input should be"),
        ("right", "field -: Input should be"),
        (math.nan, "field -: Input should be"),
        (make_outcome() | {"code": math.nan}, "field code: Input should be a valid string"),
        (make_outcome() | {"ir": "add"}, "field ir: Input should be"),
        (make_outcome() | {"ir": {"intent": {"summary": "x"}}}, "field ir.signature: Field"),
    ],
    ids=str,
)
def test_what_is_no_outcome_is_refused_by_field(prediction: Any, field: str) -> None:
    with pytest.raises(InputError, match=f"the outcome is none of prompt_to_code: {field}"):
        IRQuality()(make_label(), prediction)


def test_a_label_of_another_graph_is_refused_by_field() -> None:
    label = make_label().model_copy(update={"expected": {"code": "x"}})

    with pytest.raises(InputError, match=r"the label of example billing-1 is none of .*: field ir"):
        IRQuality()(label, make_outcome())


def test_a_batch_learns_which_example_could_not_be_scored() -> None:
    with pytest.raises(ConfigurationError, match=r"metric ir_quality raised on example billing-1"):
        apply_metric(IRQuality(), make_label(), {})
