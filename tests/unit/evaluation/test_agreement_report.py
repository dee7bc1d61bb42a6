from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from liftgraph_dagster.evaluation.agreement import Shown
from liftgraph_dagster.evaluation.agreement_report import AgreementReport, agreement_report
from liftgraph_dagster.evaluation.marks import Mark
from tests.factories import make_mark

ADA = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 5, 1, 3, 2, 4]
BOB = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 5, 1, 3, 2, 5]
NOISE = [5, 1, 4, 2, 3, 3, 5, 1, 2, 4, 4, 5, 2, 1, 3, 1, 5, 2, 4, 3]


def outcome(number: int) -> str:
    """Return the digest of the outcome of an example."""
    return sha256(str(number).encode()).hexdigest()


def marks(rater: str, values: Sequence[int], **changes: Any) -> list[Mark]:
    """Return the marks of a rater, one for each example."""
    return [
        make_mark(f"e{number}", outcome=outcome(number), rater=rater, value=value, **changes)
        for number, value in enumerate(values)
    ]


def scores(values: Sequence[float]) -> dict[tuple[str, str], float]:
    return {(f"e{number}", outcome(number)): value for number, value in enumerate(values)}


def report(*several: list[Mark], metric: str | None = "quality", **known: Any) -> AgreementReport:
    return agreement_report([m for some in several for m in some], known.get("scores", {}),
                            metric=metric)  # fmt: skip


def test_without_marks_only_the_construct_may_be_claimed() -> None:
    found = report()

    assert (
        found.claim
        == "metric validity: construct (dose-response) only, and that where it was measured"
    )
    assert found.scales == ()


def test_two_raters_who_agree_meet_the_criterion_on_every_coefficient() -> None:
    (scale,) = report(marks("ada", ADA), marks("bob", BOB)).scales

    assert scale.verdict.shown is Shown.MET
    assert [coefficient.name for coefficient in scale.between] == [
        "Krippendorff's alpha (ordinal)", "Cohen's kappa (weights: quadratic)", "Fleiss' kappa",
        "ICC(2,1)", "ICC(3,1)",
    ]  # fmt: skip
    for coefficient in scale.between:
        assert coefficient.estimate is not None
        assert coefficient.estimate.low < coefficient.estimate.value > 0.8
    assert (scale.outcomes, scale.shared) == (20, 20)


def test_two_raters_who_differ_do_not_show_agreement() -> None:
    (scale,) = report(marks("ada", ADA), marks("bob", NOISE)).scales

    assert scale.verdict.shown is Shown.NOT_SHOWN


def test_one_rater_leaves_agreement_undefined_however_steady() -> None:
    (scale,) = report(marks("ada", ADA), marks("ada", ADA, pass_number=2)).scales

    assert scale.verdict.shown is Shown.UNDEFINED
    assert scale.verdict.reason == "there is one rater; agreement needs two"
    assert scale.between[0].estimate is None
    assert "it needs two" in scale.between[0].reason


def test_a_second_pass_is_a_retest_of_its_rater_and_changes_no_agreement() -> None:
    (once,) = report(marks("ada", ADA), marks("bob", BOB)).scales
    (twice,) = report(
        marks("ada", ADA), marks("ada", NOISE, pass_number=2), marks("bob", BOB)
    ).scales

    assert twice.between == once.between
    assert [retest.name for retest in twice.retests] == ["ada, pass 1 and 2"]
    assert twice.retests[0].estimate is not None
    assert twice.retests[0].estimate.value < 0.5
    assert once.retests == ()


def test_validity_is_of_the_mean_mark_and_the_score() -> None:
    found = report(marks("ada", ADA), marks("bob", BOB), scores=scores([v / 5 for v in ADA]))
    (scale,) = found.scales

    assert found.claim == "metric validity: quality against human marks"
    assert scale.validity is not None
    assert scale.validity.spearman.value > 0.95
    assert scale.validity.spearman.n == 20


@pytest.mark.parametrize(
    ("known", "reason"),
    [({}, "no marked outcome has a score here"), (scores([0.5] * 20), "all equal")],
)
def test_validity_that_cannot_be_had_says_why_and_claims_the_construct_alone(
    known: dict[Any, float], reason: str
) -> None:
    found = report(marks("ada", ADA), scores=known)

    assert found.scales[0].validity is None
    assert reason in found.scales[0].validity_reason
    assert "construct" in found.claim


def test_binary_marks_have_nominal_coefficients_and_no_icc() -> None:
    halves = [int(value > 3) for value in ADA]
    (scale,) = report(
        marks("ada", halves, scale="binary:code"), marks("bob", halves, scale="binary:code")
    ).scales

    assert str(scale.scale) == "binary:code"
    assert [coefficient.name for coefficient in scale.between] == [
        "Krippendorff's alpha (nominal)", "Cohen's kappa (weights: none)", "Fleiss' kappa",
    ]  # fmt: skip


def test_scales_are_reported_apart() -> None:
    found = report(marks("ada", ADA), marks("bob", [1] * 20, scale="binary"))

    assert [str(scale.scale) for scale in found.scales] == ["binary", "ordinal"]
    assert {len(scale.raters) for scale in found.scales} == {1}


def test_raters_with_no_outcome_in_common_determine_no_coefficient() -> None:
    (scale,) = report(marks("ada", ADA[:3]), [make_mark("other", rater="bob")]).scales

    assert scale.shared == 0
    assert all(coefficient.estimate is None for coefficient in scale.between)
    assert all(coefficient.reason for coefficient in scale.between)
    assert scale.verdict.shown is Shown.UNDEFINED


def test_a_third_rater_who_marked_half_counts_in_alpha() -> None:
    (two,) = report(marks("ada", ADA), marks("bob", BOB)).scales
    (three,) = report(marks("ada", ADA), marks("bob", BOB), marks("cy", NOISE[:10])).scales

    assert two.between[0].estimate is not None
    assert three.between[0].estimate is not None
    assert three.between[0].estimate.value < two.between[0].estimate.value
    assert three.raters == ("ada", "bob", "cy")
