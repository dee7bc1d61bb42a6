from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from liftgraph_dagster.errors import InputError, Undefined
from liftgraph_dagster.evaluation.icc import Model, icc

SHROUT_FLEISS = np.transpose(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)
"""Shrout and Fleiss 1979, table 2: six targets, four judges."""


@pytest.mark.parametrize(
    ("model", "averaged", "value", "low", "high"),
    [
        (Model.ONE_WAY, False, 0.17, -0.13, 0.72),
        (Model.TWO_WAY_RANDOM, False, 0.29, 0.02, 0.76),
        (Model.TWO_WAY_MIXED, False, 0.71, 0.34, 0.95),
        (Model.ONE_WAY, True, 0.44, -0.88, 0.91),
        (Model.TWO_WAY_RANDOM, True, 0.62, 0.07, 0.93),
        (Model.TWO_WAY_MIXED, True, 0.91, 0.68, 0.99),
    ],
)
def test_the_six_coefficients_of_shrout_and_fleiss(
    model: Model, averaged: bool, value: float, low: float, high: float
) -> None:
    """Values from the article; bounds as R's psych::ICC prints them for the same data."""
    found = icc(SHROUT_FLEISS, model, averaged=averaged)

    assert [round(found.value, 2), round(found.low, 2), round(found.high, 2)] == [value, low, high]
    assert (found.items, found.raters) == (6, 4)


@pytest.mark.parametrize("model", Model)
def test_a_change_of_unit_changes_nothing(model: Model) -> None:
    assert icc(SHROUT_FLEISS * 1e-6, model).low == pytest.approx(icc(SHROUT_FLEISS, model).low)


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("averaged", [False, True])
def test_raters_who_always_agree_give_one_without_an_interval(model: Model, averaged: bool) -> None:
    found = icc([[1, 3, 5], [1, 3, 5]], model, averaged=averaged)

    assert (found.value, found.low, found.high) == (pytest.approx(1), None, None)


def test_a_harsher_rater_lowers_absolute_agreement_and_not_consistency() -> None:
    shifted = [[1, 3, 5, 2], [2, 4, 6, 3]]

    assert icc(shifted, Model.TWO_WAY_MIXED).value == pytest.approx(1)
    assert icc(shifted, Model.TWO_WAY_RANDOM).value < 0.9


@pytest.mark.parametrize(
    ("ratings", "averaged", "error", "reason"),
    [
        ([[1, 2, 3]], False, Undefined, r"1 rater\(s\)"),
        ([[1], [2]], False, Undefined, r"1 item\(s\)"),
        ([[3, 3], [3, 3]], False, Undefined, "all marks are equal"),
        ([[1, 2], [2, 1]], True, Undefined, "the items' means do not differ"),
        ([[1, np.nan], [1, 2]], False, InputError, "every item marked by every rater"),
        ([1, 2, 3], False, InputError, "shape"),
    ],
)
def test_ratings_that_determine_no_coefficient_are_refused(
    ratings: Any, averaged: bool, error: type[InputError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        icc(ratings, Model.ONE_WAY, averaged=averaged)


def test_marks_that_differ_by_rater_alone_have_no_consistency_to_measure() -> None:
    with pytest.raises(Undefined, match="no variance of its kind"):
        icc([[1, 1, 1], [2, 2, 2]], Model.TWO_WAY_MIXED)
