from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.multiplicity import benjamini_hochberg, holm

PUBLISHED = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
    0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip
"""Benjamini and Hochberg 1995, section 3.2."""


def rejected(adjusted: list[float]) -> int:
    return sum(p <= 0.05 for p in adjusted)


def test_the_published_example_has_three_rejections_by_holm_and_four_by_bh() -> None:
    assert (rejected(holm(PUBLISHED)), rejected(benjamini_hochberg(PUBLISHED))) == (3, 4)


def test_holm_by_hand_in_the_order_given() -> None:
    # sorted .01 .03 .04: times 3, 2, 1 = .03 .06 .04, and never less than the one before
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_bh_is_that_of_scipy(p_values: list[float]) -> None:
    known = false_discovery_control(p_values, method="bh").tolist()

    assert benjamini_hochberg(p_values) == pytest.approx(known)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_one_p_value_stays_and_none_gives_none(adjust: object) -> None:
    assert adjust([0.03]) == [0.03]  # type: ignore[operator]
    assert adjust([]) == []  # type: ignore[operator]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(InputError, match=r"lie in \[0, 1\]"):
        holm([0.5, p])
