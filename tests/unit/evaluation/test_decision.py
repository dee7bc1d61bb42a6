from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.decision import Arm, Evidence, Plan, Verdict, decide

N = 120
NOISE = np.random.default_rng(8).normal(0, 0.1, N)
NOISE -= NOISE.mean()
"""Differences of standard deviation .1 and mean 0."""


def plan(n: int = N, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "graph": "tickets",
        "baseline": "b" * 64,
        "candidate": "c" * 64,
        "dataset": "d" * 64,
        "metric": "quality",
        "metric_version": "1",
        "examples": tuple(f"e{number}" for number in range(n)),
        "smallest_gain": 0.05,
    }
    return Plan(**values | changes)


def evidence(of: Plan, d: Any, **changes: Any) -> Evidence:
    """Return what a comparison under `of` found when the candidate's score differed by `d`."""
    d = np.asarray(d, dtype=float)
    repeated = np.repeat(np.full((len(d), 1), 0.5), of.repeats, axis=1)
    unharmed = dict.fromkeys(of.guardrails, repeated)
    nobody = (False,) * len(d)
    values: dict[str, Any] = {
        "plan_digest": of.digest,
        "dataset": of.dataset,
        "metric_version": of.metric_version,
        "baseline": Arm(of.baseline, of.examples, repeated, nobody, unharmed),
        "candidate": Arm(of.candidate, of.examples, repeated + d[:, None], nobody, unharmed),
        "families": tuple(f"f{number}" for number in range(len(d))),
        "sealed": True,
        "openings": 1,
    }
    return Evidence(**values | changes)


def verdict(of: Plan, d: Any, **changes: Any) -> tuple[Verdict, str]:
    found = decide(of, evidence(of, d, **changes))
    return found.verdict, " | ".join(found.reasons)


def test_a_clear_improvement_on_sealed_examples_is_deployed() -> None:
    found, why = verdict(plan(), NOISE + 0.1)

    assert found is Verdict.DEPLOY
    assert why.startswith("better by +0.100, at least +0.08")


def test_the_same_improvement_on_dev_examples_is_not() -> None:
    found, why = verdict(plan(), NOISE + 0.1, sealed=False)

    assert found is Verdict.NEED_MORE_DATA
    assert "never deployed from dev" in why


def test_a_worse_candidate_is_rejected() -> None:
    found, why = verdict(plan(), NOISE - 0.1)

    assert found is Verdict.REJECT
    assert "worse: the mean difference is at most -0.08" in why


def test_too_small_a_gain_is_rejected_as_futile_with_enough_examples() -> None:
    found, why = verdict(plan(), NOISE + 0.01)

    assert found is Verdict.REJECT
    assert "less than the 0.05 that matter" in why


def test_futility_is_not_judged_by_fewer_than_a_hundred_examples() -> None:
    d = np.tile([0.05, -0.05], 45)

    assert verdict(plan(90), d)[0] is Verdict.NEED_MORE_DATA


def test_futility_is_not_judged_when_nearly_all_differences_are_ties() -> None:
    d = np.zeros(N)
    d[:10] = [0.1, -0.1] * 5

    assert verdict(plan(), d)[0] is Verdict.NEED_MORE_DATA


def test_a_small_sample_is_told_how_many_examples_it_needs() -> None:
    """The standard deviation .1 of 11 degrees of freedom has the upper 80 % limit .126; a gain of
    .05 is .398 of that, which needs 52."""
    d = np.tile([0.1, -0.1], 6) * np.sqrt(11 / 12)

    found = decide(plan(12), evidence(plan(12), d))

    assert found.verdict is Verdict.NEED_MORE_DATA
    assert found.numbers is not None
    assert found.numbers.n_required == 52
    assert "needs about 52 examples; there are 12" in " ".join(found.reasons)


def test_an_improvement_that_one_unseen_break_would_undo_is_not_deployed() -> None:
    d = np.full(20, 0.04) + np.tile([0.001, -0.001], 10)

    found, why = verdict(plan(20), d)

    assert found is Verdict.NEED_MORE_DATA
    assert "one unseen example that breaks would undo the improvement" in why


def test_a_constant_gain_of_five_examples_too_few_is_never_certain() -> None:
    found, why = verdict(plan(6), np.full(6, 0.4))

    assert found is Verdict.NEED_MORE_DATA
    assert "no variance (constant)" in why


def test_identical_programs_are_not_deployed() -> None:
    assert verdict(plan(), np.zeros(N))[0] is Verdict.NEED_MORE_DATA


def test_earlier_candidates_on_the_same_examples_raise_the_bar() -> None:
    of, d = plan(smallest_gain=0.03), NOISE + 0.032

    alone, _ = verdict(of, d)
    last, why = verdict(of, d, earlier_p_values=(0.9,) * 100)

    assert (alone, last) == (Verdict.DEPLOY, Verdict.NEED_MORE_DATA)
    assert "among 101 candidate(s)" in why


def guarded(of: Plan, d: Any) -> Evidence:
    """Return evidence of a clear improvement whose guardrail `speed` differed by `d`."""
    found = evidence(of, NOISE + 0.1)
    scores = np.full((N, 1), 0.5) + np.asarray(d)[:, None]
    return replace(found, candidate=replace(found.candidate, guardrails={"speed": scores}))


@pytest.mark.parametrize(
    ("shift", "expected", "says"),
    [
        (0.0, Verdict.DEPLOY, "better"),
        (-0.05, Verdict.NEED_MORE_DATA, "guardrail speed is not shown to hold"),
        (-0.2, Verdict.REJECT, "guardrail speed fell by more than 0.05"),
    ],
)
def test_a_guardrail_holds_is_not_shown_to_or_is_broken(
    shift: float, expected: Verdict, says: str
) -> None:
    of = plan(guardrails={"speed": 0.05})

    found = decide(of, guarded(of, NOISE + shift))

    assert found.verdict is expected
    assert says in " ".join(found.reasons)


def test_a_candidate_that_fails_more_often_is_rejected_whatever_it_scores() -> None:
    of = plan()
    good = evidence(of, NOISE + 0.1)
    failing = replace(good.candidate, failed=(True,) * 8 + (False,) * (N - 8))

    found = decide(of, replace(good, candidate=failing))

    assert found.verdict is Verdict.REJECT
    assert "it fails more often: 8 examples instead of 0" in found.reasons


def test_a_candidate_that_fails_less_often_is_not_rejected_for_it() -> None:
    of = plan()
    good = evidence(of, NOISE + 0.1)
    failing = replace(good.baseline, failed=(True,) * 8 + (False,) * (N - 8))

    assert decide(of, replace(good, baseline=failing)).verdict is Verdict.DEPLOY


def test_families_are_one_cluster_each() -> None:
    """Copies of ten answers are ten answers."""
    of, d = plan(), np.repeat(np.tile([0.3, -0.1], 5), 12)
    families = tuple(np.repeat([f"f{number}" for number in range(10)], 12))

    assert verdict(of, d)[0] is Verdict.DEPLOY
    found, why = verdict(of, d, families=families)
    assert found is Verdict.NEED_MORE_DATA
    assert "10 families; fewer than 20 are few" in why


INVALID: dict[str, dict[str, Any]] = {
    "the plan is not the registered one": {"plan_digest": "0" * 64},
    "the dataset is not that of the plan": {"dataset": "0" * 64},
    "the metric's version is 2": {"metric_version": "2"},
    "leaked into the candidate: e3": {"leaks": ("e3",)},
    "opened 2 times; the plan allows 1": {"openings": 2},
    "5 families are too few": {"families": tuple(f"f{n % 5}" for n in range(N))},
    "not every example has a family": {"families": ("f",) * 7},
}


@pytest.mark.parametrize("says", INVALID)
def test_evidence_that_does_not_fit_the_plan_is_invalid(says: str) -> None:
    found = decide(plan(), evidence(plan(), NOISE + 0.1, **INVALID[says]))

    assert (found.verdict, found.numbers) == (Verdict.INVALID, None)
    assert says in " ".join(found.reasons)


INVALID_ARMS: dict[str, dict[str, Any]] = {
    "not scored on the same examples": {"examples": tuple(f"e{n}" for n in range(1, N + 1))},
    "the programs are not those of the plan": {"program": "0" * 64},
    "quality of the candidate has scores that are none": {"scores": np.full((N, 1), np.nan)},
    "has scores that are none in [0, 1]": {"scores": np.full((N, 1), 1.5)},
    "quality of the candidate has the shape (3, 1)": {"scores": np.ones((3, 1))},
    "guardrails of the candidate are not those": {"guardrails": {"speed": np.ones((N, 1))}},
    "the candidate does not say of every example": {"failed": (False,)},
}


@pytest.mark.parametrize("says", INVALID_ARMS)
def test_scores_that_do_not_fit_the_plan_are_invalid(says: str) -> None:
    good = evidence(plan(), NOISE + 0.1)
    bad = replace(good.candidate, **INVALID_ARMS[says])

    found = decide(plan(), replace(good, candidate=bad))

    assert found.verdict is Verdict.INVALID
    assert says in " ".join(found.reasons)


@pytest.mark.parametrize(
    "changes",
    [
        {"smallest_gain": 0.0},
        {"guardrails": {"speed": 0.0}},
        {"examples": ()},
        {"examples": ("e1", "e1")},
        {"repeats": 0},
        {"openings": 0},
        {"alpha": 1.0},
        {"power": 0.0},
    ],
)
def test_a_plan_that_cannot_be_judged_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        plan(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"smallest_gain": 0.06}, {"guardrails": {"speed": 0.1}}, {"alpha": 0.01}, {"openings": 2}],
)
def test_another_plan_has_another_digest(changes: dict[str, Any]) -> None:
    assert plan(**changes).digest != plan().digest
    assert plan().digest == plan().digest


def test_the_same_plan_and_evidence_give_the_same_decision() -> None:
    of = plan()
    found = evidence(of, NOISE + 0.02)

    assert decide(of, found) == decide(of, found)


def test_severe_regressions_are_counted_bounded_and_doubted_with_few_repeats() -> None:
    d = NOISE + 0.1
    d[0] = -0.5

    found = decide(plan(), evidence(plan(), d))

    assert found.numbers is not None
    assert found.numbers.severe == 1
    assert 1 / N < found.numbers.severe_rate_upper < 0.05
    assert "1 example(s) lost half a point or more" in " ".join(found.reasons)


def test_repeats_are_advised_when_there_are_some_to_learn_from() -> None:
    of = plan(repeats=2)
    noisy = evidence(of, NOISE)
    scores = 0.5 + np.random.default_rng(1).normal(0, 0.15, (N, 2))
    noisy = replace(noisy, candidate=replace(noisy.candidate, scores=np.clip(scores, 0, 1)))

    found = decide(of, noisy)

    assert found.numbers is not None
    assert found.numbers.repeats_advised > 2
    once = decide(plan(), evidence(plan(), NOISE)).numbers
    assert once is not None
    assert once.repeats_advised is None
