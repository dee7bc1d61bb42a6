"""Whether a candidate replaces the baseline: a pure function of a frozen plan and the scores.

INVALID         the evidence is not what the plan speaks of
REJECT          worse, harmful to a guardrail, failing more often, or not better by what matters
DEPLOY          better, and still so with one unseen worst case, no guardrail harmed, sealed data
NEED_MORE_DATA  none of these; says how many examples would tell
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TypeVar

import numpy as np

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.bootstrap import Estimate, Floats
from liftgraph_dagster.evaluation.multiplicity import holm
from liftgraph_dagster.evaluation.paired import (
    EffectSize,
    PairedT,
    SignFlip,
    bca,
    d_av,
    d_z,
    differences,
    g_z,
    paired_t,
    sign_flip,
    worst_cases_to_overturn,
)
from liftgraph_dagster.evaluation.power import advised_repeats, components, n_for, upper_sd
from liftgraph_dagster.evaluation.proportions import SEVERE, clopper_pearson_upper, mcnemar_mid_p
from liftgraph_dagster.graph.digest import digest

T = TypeVar("T")

FEWEST_CLUSTERS = 6
"""With fewer no exact test reaches 5 %, and clustered errors are not to be trusted."""
FEW_CLUSTERS = 20
FUTILITY_FROM = 100
"""Below that many examples a futility verdict is wrong too often."""
FUTILITY_MOST_TIES = 0.8


class Verdict(StrEnum):
    """What to do with a candidate."""

    INVALID = "INVALID"
    REJECT = "REJECT"
    DEPLOY = "DEPLOY"
    NEED_MORE_DATA = "NEED_MORE_DATA"


@dataclass(frozen=True)
class Plan:
    """What is compared, fixed before either program has run on the examples."""

    graph: str
    baseline: str
    """Digest of the program."""
    candidate: str
    dataset: str
    """Digest of the dataset."""
    metric: str
    metric_version: str
    examples: tuple[str, ...]
    """Ids, all of which are scored."""
    smallest_gain: float
    """The smallest mean difference that matters."""
    guardrails: Mapping[str, float] = field(default_factory=dict)
    """Metrics that must not fall, each with the margin that is allowed."""
    repeats: int = 1
    openings: int = 1
    """How often the sealed examples may have been opened, this time included."""
    alpha: float = 0.05
    power: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.smallest_gain < 1:
            raise InputError(f"a smallest gain lies between 0 and 1: {self.smallest_gain}")
        if any(not 0 < margin < 1 for margin in self.guardrails.values()):
            raise InputError("a guardrail's margin lies between 0 and 1")
        if not self.examples or len(set(self.examples)) < len(self.examples):
            raise InputError("a plan names its examples, each once")
        if min(self.repeats, self.openings) < 1:
            raise InputError("repeats and openings are at least 1")
        if not (0 < self.alpha < 1 and 0 < self.power < 1):
            raise InputError("alpha and power lie between 0 and 1")

    @property
    def digest(self) -> str:
        """SHA-256 of the plan."""
        return digest(asdict(self) | {"guardrails": dict(self.guardrails)})


@dataclass(frozen=True)
class Arm:
    """What one program scored on the examples."""

    program: str
    examples: tuple[str, ...]
    scores: Floats
    """Shape (examples, repeats), in [0, 1]; what failed has 0."""
    failed: tuple[bool, ...]
    """Whether an example failed in any repeat."""
    guardrails: Mapping[str, Floats] = field(default_factory=dict)
    """Scores of the guardrails' metrics, of the same shape."""


@dataclass(frozen=True)
class Evidence:
    """What a comparison found."""

    plan_digest: str
    """Of the plan as it was registered."""
    dataset: str
    metric_version: str
    baseline: Arm
    candidate: Arm
    families: tuple[str, ...]
    """The cluster of each example, in the order of the baseline."""
    sealed: bool
    """True when the examples were sealed until this comparison."""
    openings: int
    """How often they have been opened by now, this time included."""
    leaks: tuple[str, ...] = ()
    """Examples that the leakage check found in the candidate or its training examples."""
    earlier_p_values: tuple[float, ...] = ()
    """Of the other candidates that were ever tested on these examples."""


@dataclass(frozen=True)
class Numbers:
    """What was measured. None where the data determine no value."""

    test: PairedT
    interval: tuple[float, float]
    """Of the mean difference, two-sided at 1 - alpha."""
    p_holm: float
    """The test's p-value, adjusted for all candidates ever tested on these examples."""
    d_z: EffectSize | None
    g_z: EffectSize | None
    d_av: float | None
    sign_flip: SignFlip
    bca: Estimate | None
    """Secondary."""
    worst_cases_to_overturn: int
    """Unseen examples with the difference -1 that would undo the improvement."""
    severe: int
    """Examples that lost half a point or more."""
    severe_rate_upper: float
    """One-sided 95 % limit of their rate."""
    failures: tuple[int, int]
    """Examples that failed, under the baseline and under the candidate."""
    failures_p: float
    """McNemar's mid-p of the two."""
    ties: float
    """Share of examples without a difference."""
    guardrails: Mapping[str, tuple[float, float]]
    """90 % interval of each guardrail's mean difference: its ends are one-sided 95 % limits."""
    n_required: int | None
    """Examples that would show the smallest gain with the plan's power."""
    repeats_advised: int | None
    """None with one repeat: noise and examples cannot be told apart."""


@dataclass(frozen=True)
class Decision:
    """The verdict, why, and from what."""

    verdict: Verdict
    reasons: tuple[str, ...]
    numbers: Numbers | None
    """None when the evidence is invalid."""


def decide(plan: Plan, evidence: Evidence) -> Decision:
    """Return the verdict of `plan` on `evidence`; the same two always give the same."""
    if faults := _faults(plan, evidence):
        return Decision(Verdict.INVALID, tuple(faults), None)
    numbers = _numbers(plan, evidence)
    cautions = _cautions(plan, evidence, numbers)
    if against := _against(plan, numbers):
        return Decision(Verdict.REJECT, (*against, *cautions), numbers)
    missing = _missing(plan, evidence, numbers)
    if not missing:
        low = numbers.interval[0]
        shown = f"better by {numbers.test.mean:+.3f}, at least {low:+.3f}"
        return Decision(Verdict.DEPLOY, (shown, *cautions), numbers)
    return Decision(Verdict.NEED_MORE_DATA, (*missing, _advice(plan, numbers), *cautions), numbers)


def _faults(plan: Plan, evidence: Evidence) -> list[str]:
    """Return what makes the evidence unfit for the plan."""
    one, two = evidence.baseline, evidence.candidate
    faults = []
    if evidence.plan_digest != plan.digest:
        faults.append("the plan is not the registered one")
    if (one.program, two.program) != (plan.baseline, plan.candidate):
        faults.append("the programs are not those of the plan")
    if evidence.dataset != plan.dataset:
        faults.append("the dataset is not that of the plan")
    if evidence.metric_version != plan.metric_version:
        faults.append(f"the metric's version is {evidence.metric_version}, not that of the plan")
    if one.examples != two.examples:
        faults.append("the two programs were not scored on the same examples")
    if sorted(one.examples) != sorted(plan.examples):
        faults.append("the examples are not those of the plan")
    if evidence.leaks:
        faults.append(f"examples leaked into the candidate: {', '.join(evidence.leaks)}")
    if evidence.openings > plan.openings:
        faults.append(
            f"the examples have been opened {evidence.openings} times; the plan allows "
            f"{plan.openings}"
        )
    return faults or _faults_of_scores(plan, evidence)


def _faults_of_scores(plan: Plan, evidence: Evidence) -> list[str]:
    shape = (len(plan.examples), plan.repeats)
    faults = []
    for name, arm in (("baseline", evidence.baseline), ("candidate", evidence.candidate)):
        if arm.guardrails.keys() != plan.guardrails.keys():
            faults.append(f"the guardrails of the {name} are not those of the plan")
        for metric, scores in {plan.metric: arm.scores, **arm.guardrails}.items():
            if scores.shape != shape:
                faults.append(f"{metric} of the {name} has the shape {scores.shape}, not {shape}")
            elif not ((scores >= 0) & (scores <= 1)).all():  # False for NaN, too
                faults.append(f"{metric} of the {name} has scores that are none in [0, 1]")
        if len(arm.failed) != shape[0]:
            faults.append(f"the {name} does not say of every example whether it failed")
    if len(evidence.families) != shape[0]:
        faults.append("not every example has a family")
    if (families := len(set(evidence.families))) < FEWEST_CLUSTERS:
        faults.append(f"{families} families are too few to judge by; {FEWEST_CLUSTERS} are needed")
    return faults


def _numbers(plan: Plan, evidence: Evidence) -> Numbers:
    one, two, families = evidence.baseline, evidence.candidate, evidence.families
    d = differences(one.scores, two.scores)
    test = paired_t(d, families)
    assert test.p is not None  # there are six families
    severe = int((d <= SEVERE).sum())
    changes = list(zip(one.failed, two.failed, strict=True))
    guarded = {
        name: paired_t(differences(one.guardrails[name], two.guardrails[name]), families)
        for name in plan.guardrails
    }
    return Numbers(
        test=test,
        interval=test.interval(1 - plan.alpha),
        p_holm=holm([test.p, *evidence.earlier_p_values])[0],
        d_z=_or_none(lambda: d_z(d)),
        g_z=_or_none(lambda: g_z(d)),
        d_av=_or_none(lambda: d_av(one.scores, two.scores)),
        sign_flip=sign_flip(d, families, seed=plan.seed),
        bca=_or_none(lambda: bca(d, families, seed=plan.seed)),
        worst_cases_to_overturn=worst_cases_to_overturn(d, families),
        severe=severe,
        severe_rate_upper=clopper_pearson_upper(severe, len(d)),
        failures=(sum(one.failed), sum(two.failed)),
        failures_p=mcnemar_mid_p(changes.count((True, False)), changes.count((False, True))),
        ties=float((np.abs(d) <= 1e-12).mean()),
        guardrails={name: guard.interval(0.90) for name, guard in guarded.items()},
        n_required=_n_required(plan, test),
        repeats_advised=_repeats(one.scores, two.scores),
    )


def _against(plan: Plan, numbers: Numbers) -> list[str]:
    """Return what speaks for rejecting the candidate."""
    reasons = []
    if numbers.interval[1] < 0:
        reasons.append(f"worse: the mean difference is at most {numbers.interval[1]:+.3f}")
    for name, (_, high) in numbers.guardrails.items():
        if high < -plan.guardrails[name]:
            reasons.append(f"guardrail {name} fell by more than {plan.guardrails[name]}")
    before, after = numbers.failures
    if after > before and numbers.failures_p < 0.05:
        reasons.append(f"it fails more often: {after} examples instead of {before}")
    upper = numbers.test.interval(0.90)[1]
    if _futility_can_be_judged(numbers) and upper < plan.smallest_gain:
        reasons.append(
            f"the gain is at most {upper:+.3f}, less than the {plan.smallest_gain} that matter"
        )
    return reasons


def _missing(plan: Plan, evidence: Evidence, numbers: Numbers) -> list[str]:
    """Return what is missing for deploying the candidate."""
    reasons = []
    if numbers.interval[0] <= 0 or numbers.p_holm >= plan.alpha:
        low, high = numbers.interval
        reasons.append(
            f"not shown to be better: {numbers.test.mean:+.3f} in [{low:+.3f}, {high:+.3f}], p = "
            f"{numbers.p_holm:.4f} among {1 + len(evidence.earlier_p_values)} candidate(s)"
        )
    elif numbers.worst_cases_to_overturn <= 1:
        reasons.append("one unseen example that breaks would undo the improvement")
    for name, (low, _) in numbers.guardrails.items():
        if low <= -plan.guardrails[name]:
            reasons.append(
                f"guardrail {name} is not shown to hold: it may have fallen by {-low:.3f}"
            )
    if not evidence.sealed:
        reasons.append("the examples were not sealed; programs are never deployed from dev")
    return reasons


def _cautions(plan: Plan, evidence: Evidence, numbers: Numbers) -> list[str]:
    """Return what a reader should know beside the verdict."""
    cautions = []
    if (families := len(set(evidence.families))) < FEW_CLUSTERS:
        cautions.append(f"caution: {families} families; fewer than {FEW_CLUSTERS} are few")
    if numbers.test.note:
        cautions.append(f"caution: the differences have no variance ({numbers.test.note})")
    if numbers.severe and plan.repeats < 3:
        cautions.append(
            f"caution: {numbers.severe} example(s) lost half a point or more; with fewer than "
            "three repeats that may be the model's noise"
        )
    return cautions


def _advice(plan: Plan, numbers: Numbers) -> str:
    parts = []
    if numbers.n_required is not None:
        parts.append(
            f"a gain of {plan.smallest_gain} needs about {numbers.n_required} examples; there are "
            f"{numbers.test.n}"
        )
    if numbers.repeats_advised is not None and numbers.repeats_advised > plan.repeats:
        parts.append(f"{numbers.repeats_advised} repeats instead of {plan.repeats} would help")
    parts.append("these examples have been opened: judge the next candidate by new ones")
    return "; ".join(parts)


def _futility_can_be_judged(numbers: Numbers) -> bool:
    return numbers.test.n >= FUTILITY_FROM and numbers.ties <= FUTILITY_MOST_TIES


def _n_required(plan: Plan, test: PairedT) -> int | None:
    """Return the examples needed, from the upper 80 % limit of the standard deviation; clusters
    count by what they do to the standard error."""
    if not test.se:
        return None
    sd = upper_sd(test.se * math.sqrt(test.n), test.df)
    return math.ceil(n_for(plan.smallest_gain / sd, plan.power, plan.alpha))


def _repeats(one: Floats, two: Floats) -> int | None:
    if one.shape[1] < 2:
        return None
    within = components(one).within + components(two).within
    d = differences(one, two)
    between = max(float(d.var(ddof=1)) - within / one.shape[1], 0.0)
    return advised_repeats(between, within)


def _or_none(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except Undefined:
        return None
