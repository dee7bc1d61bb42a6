"""Does a metric say what people say? Rank correlation of its scores with human judgements."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, rankdata

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.bootstrap import (
    RESAMPLES,
    Estimate,
    Floats,
    percentile_interval,
)

CONSTRUCT_ONLY = "metric validity: construct (dose-response) only, and that where it was measured"
"""What can be said of a metric while nobody has marked an outcome."""


class Reaction(StrEnum):
    """What a user did with an outcome, the worst first."""

    REJECTED = "rejected"
    CHANGED = "changed"
    ACCEPTED = "accepted"


@dataclass(frozen=True)
class Validity:
    """How a metric's scores go with human judgements."""

    spearman: Estimate
    kendall: Estimate
    """Kendall's tau-b, which allows for ties."""


def metric_validity(
    scores: npt.ArrayLike,
    judgements: npt.ArrayLike,
    clusters: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Validity:
    """Return Spearman's rho and Kendall's tau-b of a metric's scores with human judgements, each
    with a percentile bootstrap interval of 95 % over `clusters`.

    The three have one entry for each outcome; judgements are marks (the mean of the raters') or
    `reaction_ranks`. Raises InputError when lengths differ or a number is missing, Undefined with
    fewer than three outcomes, in one cluster, or when scores or judgements are all equal.
    """
    one, two = np.asarray(scores, dtype=float), np.asarray(judgements, dtype=float)
    if not len(one) == len(two) == len(clusters):
        raise InputError(
            f"{len(one)} scores, {len(two)} judgements and {len(clusters)} clusters: "
            "validity needs one of each for every outcome"
        )
    if not (np.isfinite(one).all() and np.isfinite(two).all()):
        raise InputError("a score or a judgement is no number; leave the outcome out")
    if len(one) < 3:
        raise Undefined(f"validity is undefined with {len(one)} outcome(s); it needs three")

    def interval(correlation: Callable[[Floats, Floats], float]) -> Estimate:
        return percentile_interval(
            lambda items: correlation(one[items], two[items]),
            clusters,
            resamples=resamples,
            seed=seed,
        )

    return Validity(spearman=interval(spearman_rho), kendall=interval(kendall_tau_b))


def reaction_ranks(reactions: Iterable[Reaction]) -> Floats:
    """Return reactions as ordered categories: rejected 0, changed 1, accepted 2."""
    order = list(Reaction)
    return np.array([order.index(reaction) for reaction in reactions], dtype=float)


def spearman_rho(one: npt.ArrayLike, two: npt.ArrayLike) -> float:
    """Return the correlation of the ranks, ties at their mean rank. Raises Undefined when one side
    does not vary."""
    first, second = _varying(one), _varying(two)
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def kendall_tau_b(one: npt.ArrayLike, two: npt.ArrayLike) -> float:
    """Return Kendall's tau-b. Raises Undefined when one side does not vary."""
    return float(kendalltau(_varying(one), _varying(two), method="asymptotic").statistic)


def _varying(values: npt.ArrayLike) -> Floats:
    found = np.asarray(values, dtype=float)
    if len(found) < 2 or np.ptp(found) == 0:
        raise Undefined("a rank correlation is undefined: scores or judgements are all equal")
    return found
