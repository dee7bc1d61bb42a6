from __future__ import annotations

import pytest
from scipy import stats

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.proportions import (
    clopper_pearson_upper,
    mcnemar_mid_p,
    n_to_exclude,
    newcombe_interval,
)


def test_mid_p_of_the_published_example() -> None:
    """Fagerland, Lydersen and Laake 2013, Bentur et al.: 1 and 7 discordant pairs."""
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.0390625)


@pytest.mark.parametrize(("b", "c", "p"), [(0, 0, 1.0), (1, 1, 0.75), (0, 5, 2**-5), (5, 0, 2**-5)])
def test_mid_p_by_hand(b: int, c: int, p: float) -> None:
    # 1, 1: 1 - P(1 of 2) / 2 = 1 - .25; 0, 5: 2 * 2^-5 - 2^-5
    assert mcnemar_mid_p(b, c) == pytest.approx(p)


def test_mid_p_is_the_exact_p_less_half_of_its_last_term_on_either_side() -> None:
    exact = stats.binomtest(86, 236, 0.5).pvalue

    assert mcnemar_mid_p(86, 150) == pytest.approx(exact - stats.binom.pmf(86, 236, 0.5))


def test_the_paired_interval_of_the_published_example() -> None:
    """Fagerland, Lydersen and Laake 2014, the same data: -.507 to -.026."""
    low, high = newcombe_interval(1, 1, 7, 12)

    assert (round(low, 3), round(high, 3)) == (-0.507, -0.026)


def test_programs_that_change_places_mirror_the_paired_interval() -> None:
    low, high = newcombe_interval(30, 9, 4, 7)

    assert newcombe_interval(30, 4, 9, 7) == pytest.approx((-high, -low))


@pytest.mark.parametrize("table", [(20, 0, 0, 0), (0, 0, 0, 20), (10, 0, 0, 10), (0, 20, 0, 0)])
def test_the_paired_interval_of_an_extreme_table_stays_within_its_bounds(
    table: tuple[int, int, int, int],
) -> None:
    low, high = newcombe_interval(*table)

    assert -1 <= low <= (table[1] - table[2]) / 20 <= high <= 1
    assert low < high


@pytest.mark.parametrize(("n", "limit"), [(20, 0.1391083), (50, 0.0581551)])
def test_the_upper_limit_of_what_never_happened(n: int, limit: float) -> None:
    assert clopper_pearson_upper(0, n) == pytest.approx(limit, abs=5e-8)


@pytest.mark.parametrize(("events", "n"), [(1, 20), (7, 20), (20, 20), (0, 0)])
def test_the_upper_limit_is_that_of_scipy(events: int, n: int) -> None:
    known = 1.0
    if n:
        test = stats.binomtest(events, n, alternative="less")
        known = test.proportion_ci(0.95, method="exact").high

    assert clopper_pearson_upper(events, n) == pytest.approx(known)


@pytest.mark.parametrize(
    ("rate", "events", "n"), [(0.1, 0, 29), (0.05, 0, 59), (0.1, 1, 46), (0.05, 1, 93)]
)
def test_the_examples_that_exclude_a_rate_of_severe_regressions(
    rate: float, events: int, n: int
) -> None:
    assert n_to_exclude(rate, events) == n


@pytest.mark.parametrize(
    "call",
    [
        lambda: mcnemar_mid_p(-1, 2),
        lambda: newcombe_interval(0, 0, 0, 0),
        lambda: newcombe_interval(5, -1, 0, 0),
        lambda: clopper_pearson_upper(3, 2),
        lambda: n_to_exclude(0.0),
    ],
)
def test_counts_that_cannot_be_are_refused(call: object) -> None:
    with pytest.raises(InputError):
        call()  # type: ignore[operator]
