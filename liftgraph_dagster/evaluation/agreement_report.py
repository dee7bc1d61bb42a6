"""What a graph's marks say together: agreement between raters, retests, the metric's validity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from liftgraph_dagster.errors import Undefined
from liftgraph_dagster.evaluation.agreement import (
    AgreementVerdict,
    Weights,
    agreement_verdict,
    alpha_with_interval,
    fleiss_kappa,
    kappa_with_interval,
)
from liftgraph_dagster.evaluation.bootstrap import Estimate, Floats, percentile_interval
from liftgraph_dagster.evaluation.icc import Model, icc
from liftgraph_dagster.evaluation.marks import Mark, Scale, ScaleKind
from liftgraph_dagster.evaluation.validity import CONSTRUCT_ONLY, Validity, metric_validity

Key = tuple[str, str]
"""Example and digest of the outcome."""


@dataclass(frozen=True)
class Coefficient:
    """A coefficient, or why there is none."""

    name: str
    estimate: Estimate | None
    reason: str = ""
    """Why it is undefined."""


@dataclass(frozen=True)
class ScaleReport:
    """What the marks on one scale say."""

    scale: Scale
    raters: tuple[str, ...]
    outcomes: int
    """Marked by anybody."""
    shared: int
    """Marked by two raters or more."""
    median_seconds: float
    between: tuple[Coefficient, ...]
    """Agreement between raters, each by the earliest pass; Krippendorff's alpha comes first."""
    verdict: AgreementVerdict
    retests: tuple[Coefficient, ...]
    """Each rater's second pass against the first. It says how steady a rater is, and nothing of
    agreement between raters."""
    validity: Validity | None
    """Of the metric's scores against the raters' mean marks."""
    validity_reason: str
    """Why there is no validity."""


@dataclass(frozen=True)
class AgreementReport:
    """What a graph's marks say, scale by scale."""

    metric: str | None
    scales: tuple[ScaleReport, ...]

    @property
    def claim(self) -> str:
        """What may be said of the metric, in one line."""
        if self.metric and any(scale.validity for scale in self.scales):
            return f"metric validity: {self.metric} against human marks"
        return CONSTRUCT_ONLY


def agreement_report(
    marks: Sequence[Mark], scores: Mapping[Key, float], *, metric: str | None, seed: int = 0
) -> AgreementReport:
    """Return what `marks` say. `scores` has the metric's score of outcomes by example and digest;
    intervals draw whole examples, with `seed`."""
    scales = sorted({mark.scale for mark in marks}, key=str)
    return AgreementReport(
        metric,
        tuple(
            _scale_report(scale, [m for m in marks if m.scale == scale], scores, seed)
            for scale in scales
        ),
    )


def _scale_report(
    scale: Scale, marks: Sequence[Mark], scores: Mapping[Key, float], seed: int
) -> ScaleReport:
    raters = sorted({mark.rater for mark in marks})
    keys = sorted({_key(mark) for mark in marks})
    earliest = [_earliest(m for m in marks if m.rater == rater) for rater in raters]
    ratings = _table(earliest, keys)
    between = _between(scale, ratings, [example for example, _ in keys], seed)
    validity, reason = _validity(ratings, keys, scores, seed)
    return ScaleReport(
        scale=scale,
        raters=tuple(raters),
        outcomes=len(keys),
        shared=int(((~np.isnan(ratings)).sum(axis=0) >= 2).sum()),
        median_seconds=median(mark.seconds for mark in marks),
        between=between,
        verdict=agreement_verdict(between[0].estimate, raters=len(raters)),
        retests=_retests(scale, marks, seed),
        validity=validity,
        validity_reason=reason,
    )


def _between(
    scale: Scale, ratings: Floats, clusters: list[str], seed: int
) -> tuple[Coefficient, ...]:
    level = scale.level
    found = [
        _coefficient(
            f"Krippendorff's alpha ({level.value})",
            partial(alpha_with_interval, ratings, level, clusters=clusters, seed=seed),
        )
    ]
    if len(ratings) < 2:
        return tuple(found)
    complete = np.flatnonzero(~np.isnan(ratings).any(axis=0))
    whole = ratings[:, complete]
    theirs = [clusters[int(place)] for place in complete]
    ordinal = scale.kind is ScaleKind.ORDINAL
    if len(ratings) == 2:
        weights = Weights.QUADRATIC if ordinal else Weights.NONE
        kappa = partial(
            kappa_with_interval,
            whole[0], whole[1], list(scale.words), weights, clusters=theirs, seed=seed,
        )  # fmt: skip
        found.append(_coefficient(f"Cohen's kappa (weights: {weights.value})", kappa))
    found.append(_coefficient("Fleiss' kappa", partial(_fleiss, scale, whole, theirs, seed)))
    if ordinal:
        found.append(_coefficient("ICC(2,1)", partial(_icc, whole, Model.TWO_WAY_RANDOM)))
        found.append(_coefficient("ICC(3,1)", partial(_icc, whole, Model.TWO_WAY_MIXED)))
    return tuple(found)


def _fleiss(scale: Scale, ratings: Floats, clusters: list[str], seed: int) -> Estimate:
    if not ratings.shape[1]:
        raise Undefined("no outcome was marked by every rater")
    counts = np.stack([(ratings == mark).sum(axis=0) for mark in scale.words], axis=1)
    return percentile_interval(lambda items: fleiss_kappa(counts[items]), clusters, seed=seed)


def _icc(ratings: Floats, model: Model) -> Estimate:
    found = icc(ratings, model)
    return Estimate(
        found.value, found.low, found.high, found.items, found.items, found.level, "F interval"
    )


def _retests(scale: Scale, marks: Sequence[Mark], seed: int) -> tuple[Coefficient, ...]:
    found = []
    for rater in sorted({mark.rater for mark in marks}):
        mine = [mark for mark in marks if mark.rater == rater]
        passes = sorted({mark.pass_number for mark in mine})[:2]
        if len(passes) < 2:
            continue
        both = [{_key(m): m for m in mine if m.pass_number == number} for number in passes]
        keys = sorted(both[0].keys() & both[1].keys())
        alpha = partial(
            alpha_with_interval,
            _table(both, keys), scale.level, clusters=[example for example, _ in keys], seed=seed,
        )  # fmt: skip
        found.append(_coefficient(f"{rater}, pass {passes[0]} and {passes[1]}", alpha))
    return tuple(found)


def _validity(
    ratings: Floats, keys: Sequence[Key], scores: Mapping[Key, float], seed: int
) -> tuple[Validity | None, str]:
    scored = [place for place, key in enumerate(keys) if key in scores]
    if not scored:
        return None, "no marked outcome has a score here"
    marks = [float(np.nanmean(ratings[:, place])) for place in scored]
    values = [scores[keys[place]] for place in scored]
    try:
        return metric_validity(values, marks, [keys[p][0] for p in scored], seed=seed), ""
    except Undefined as exc:
        return None, str(exc)


def _coefficient(name: str, make: Callable[[], Estimate]) -> Coefficient:
    try:
        return Coefficient(name, make())
    except Undefined as exc:
        return Coefficient(name, None, str(exc))


def _earliest(marks: Iterable[Mark]) -> dict[Key, Mark]:
    """Return each outcome's mark of the earliest pass."""
    found: dict[Key, Mark] = {}
    for mark in sorted(marks, key=lambda mark: mark.pass_number):
        found.setdefault(_key(mark), mark)
    return found


def _table(rows: Sequence[Mapping[Key, Mark]], keys: Sequence[Key]) -> Floats:
    """Return marks by row and key, NaN where there is none."""
    return np.array([[row[key].value if key in row else np.nan for key in keys] for row in rows])


def _key(mark: Mark) -> Key:
    return mark.example_id, mark.outcome
