"""How often is the comparison wrong, and how often does it see what is there?

Differences are drawn whose true mean is known, and judged by the functions that judge programs. A
claim is "improved": the lower limit of the two-sided 95 % interval is above 0, or for sign flips
p < .05 with a positive mean. `rule` are the two statistical conditions of a deployment: the
interval, and the same with one unseen worst case; the earlier simulation had at most 3.2 % of it
without a difference. Nominal is 2.5 %. Percentages; beside them, in brackets, the figures of an
earlier simulation by other code, whose scenarios had the same standard deviation and share of ties.

    python evals/operating_characteristics.py [REPLICATES]      (default 2000, some minutes)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from liftgraph_dagster.evaluation.bootstrap import Floats
from liftgraph_dagster.evaluation.paired import paired_t, sign_flip, survives_worst_case

SIZES = (20, 50, 200)
FLIP_REPLICATES = 1000
"""Drawing 9,999 flips of 200 differences costs most of the time."""
Draw = Callable[[np.random.Generator, int, float], Floats]
"""Draws n differences with this true mean."""


@dataclass(frozen=True)
class Scenario:
    """A kind of differences, and what the earlier simulation found for it."""

    name: str
    draw: Draw
    gain: float
    null_t: tuple[float, ...]
    null_flip: tuple[float, ...]
    power_t: tuple[float, ...] = ()
    power_flip: tuple[float, ...] = ()


def two_sided(ties: float, low: float, high: float) -> Draw:
    """Return differences that are 0 with this chance, else of this size in either direction."""

    def draw(generator: np.random.Generator, n: int, mean: float) -> Floats:
        moved = generator.random(n) >= ties
        up = (1 + mean / ((1 - ties) * (low + high) / 2)) / 2
        sign = np.where(generator.random(n) < up, 1.0, -1.0)
        return moved * sign * generator.uniform(low, high, n)

    return draw


def smooth(generator: np.random.Generator, n: int, mean: float) -> Floats:
    """Draw normal differences."""
    return np.clip(generator.normal(mean, 0.17, n), -1, 1)


def rare_break(generator: np.random.Generator, n: int, mean: float) -> Floats:
    """Draw a small gain on most examples and a break on one in 25, which has the mean 0."""
    return np.where(generator.random(n) < 0.04, -0.96, 0.04) + mean


SCENARIOS = (
    Scenario(
        "bimodal, sd .45, 43 % ties", two_sided(0.43, 0.34, 0.82), 0.068,
        (2.2, 2.8, 2.6), (2.3, 2.9, 2.5), (10, 19, 59), (9, 19, 59),
    ),
    Scenario(
        "smooth, sd .17", smooth, 0.05,
        (2.3, 2.1, 2.1), (2.4, 2.1, 2.2), (24, 54, 98), (24, 54, 98),
    ),
    Scenario(
        "sd .27, 88 % ties", two_sided(0.88, 0.60, 0.95), 0.09,
        (0.6, 1.9, 2.6), (0.03, 0.7, 2.1), (13, 75, 100), (3, 58, 100),
    ),
    Scenario(
        "binary, 20 % discordant", two_sided(0.80, 1.0, 1.0), 0.10,
        (2.2, 1.9, 2.8), (0.3, 1.2, 1.8), (15, 33, 91), (8, 25, 88),
    ),
    Scenario(
        "rare break, sd .195", rare_break, 0.0, (45, 12.9, 7.6), (45, 12.9, 6.8),
    ),
)  # fmt: skip


def claims_t(d: Floats) -> bool:
    """Return whether the paired t-test says "improved"."""
    return paired_t(d).interval()[0] > 0


def claims_flip(d: Floats, seed: int) -> bool:
    """Return whether the sign flips say "improved"."""
    return d.mean() > 0 and sign_flip(d, seed=seed).p < 0.05


def claims_rule(d: Floats) -> bool:
    """Return whether the statistical conditions of a deployment hold."""
    return claims_t(d) and survives_worst_case(d)


def samples(scenario: Scenario, n: int, mean: float, replicates: int) -> Iterator[Floats]:
    generator = np.random.default_rng([n, round(mean * 1000), 17])
    for _ in range(replicates):
        yield scenario.draw(generator, n, mean)


def row(scenario: Scenario, n: int, mean: float, replicates: int) -> list[str]:
    """Return the shares of claims of one scenario and size."""
    place = SIZES.index(n)
    t, flip = (
        (scenario.power_t, scenario.power_flip) if mean else (scenario.null_t, scenario.null_flip)
    )
    drawn = list(samples(scenario, n, mean, replicates))
    flipped = drawn[:FLIP_REPLICATES]
    return [
        scenario.name,
        str(n),
        f"{mean:+.3f}",
        f"{_share([claims_t(d) for d in drawn])} [{t[place]:g}]",
        f"{_share([claims_flip(d, i) for i, d in enumerate(flipped)])} [{flip[place]:g}]",
        _share([claims_rule(d) for d in drawn]),
    ]


def clusters(g: int, replicates: int) -> list[str]:
    """Return the two-sided type I error of families of 7 with intraclass correlation .4."""
    generator = np.random.default_rng(g)
    families = np.repeat(np.arange(g), 7).tolist()
    naive, normal, clustered = [], [], []
    for _ in range(replicates):
        shared = np.repeat(generator.normal(0, np.sqrt(0.4), g), 7)
        d = 0.2 * (shared + generator.normal(0, np.sqrt(0.6), 7 * g))
        test = paired_t(d, families)
        assert test.t is not None
        assert test.p is not None
        naive.append((paired_t(d).p or 0) < 0.05)
        normal.append(abs(test.t) > stats.norm.ppf(0.975))
        clustered.append(test.p < 0.05)
    return [str(g), *(_share(claims) for claims in (naive, normal, clustered))]


def futility(scenario: Scenario, n: int, replicates: int) -> str:
    """Return how often a true gain is taken for less than itself, one-sided at 5 %."""
    gain = scenario.gain or 0.05
    drawn = samples(scenario, n, gain, replicates)
    return _share([paired_t(d).interval(0.90)[1] < gain for d in drawn])


def _share(claims: list[bool]) -> str:
    return f"{100 * float(np.mean(claims)):.1f}"


def main(replicates: int) -> None:
    out = Console(width=110, highlight=False, markup=False)
    flips = min(replicates, FLIP_REPLICATES)
    out.print(f"{replicates} replicates, {flips} for sign flips; earlier figures in brackets\n")
    table = Table("scenario", "n", "true gain", "t", "sign flip", "rule", box=None)
    for scenario in SCENARIOS:
        for mean in (0.0, scenario.gain) if scenario.gain else (0.0,):
            for n in SIZES:
                table.add_row(*row(scenario, n, mean, replicates))
    out.print(table)
    out.print("\nFamilies of 7, correlation .4: two-sided type I error, nominal 5")
    table = Table("families", "t over examples", "CR1 with z", "CR1 with t(G - 1)", box=None)
    for g, earlier in ((4, "18"), (10, "9.6"), (40, "5.7")):
        count, naive, normal, clustered = clusters(g, replicates)
        table.add_row(count, f"{naive} [22-37]", f"{normal} [{earlier}]", f"{clustered} [4.6-5.4]")
    out.print(table)
    out.print("\nA true gain taken for futile, nominal 5 (judged from n = 100 and below 80 % ties)")
    table = Table("scenario", "n = 20", "n = 50", "n = 100", "n = 200", box=None)
    for scenario in SCENARIOS:
        table.add_row(
            scenario.name, *(futility(scenario, n, replicates) for n in (20, 50, 100, 200))
        )
    out.print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
