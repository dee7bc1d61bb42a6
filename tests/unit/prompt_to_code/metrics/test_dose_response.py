"""The worse an answer is made, the lower its score."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.dose_response import (
    DOSES,
    corrupt_code,
    corrupt_ir,
    has_all_doses,
    normalized,
    outcome_at,
    scores,
)
from liftgraph_dagster.evaluation.dataset import Dataset
from liftgraph_dagster.evaluation.example import Example, read_examples
from liftgraph_dagster.prompt_to_code.examples import files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.prompt_to_code.metrics.code import CodeQuality
from liftgraph_dagster.prompt_to_code.metrics.end_to_end import EndToEnd
from liftgraph_dagster.prompt_to_code.metrics.ir import IRQuality

OPEN = Dataset(graph.name, tuple(read_examples(graph, files()))).open()
CODES = {example.id: example.expected["code"] for example in OPEN}
QUICK = [e for e in OPEN if has_all_doses(CODES[e.id]) and "while" not in CODES[e.id]][::2]
"""Without loops that a corruption could make endless."""


@pytest.mark.parametrize(
    "metric", [IRQuality(), CodeQuality(), EndToEnd()], ids=lambda metric: metric.name
)
@settings(max_examples=2, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_the_mean_falls_with_each_corrupted_unit(
    metric: IRQuality | CodeQuality | EndToEnd, seed: int
) -> None:
    means = scores(metric, QUICK, seed).mean(axis=0)

    assert means[0] == 1.0
    assert all(np.diff(means) < 0)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(OPEN), st.integers(0, DOSES - 1), st.integers(0, 2**32))
def test_one_more_corrupted_unit_moves_ir_quality_by_less_than_its_heaviest_component(
    example: Example, k: int, seed: int
) -> None:
    """At most the weight of the signature, .30, renormalised over intent and signature; a list
    that appears where there was none adds its component, and is bounded by the same."""
    label = normalized(example)
    metric = IRQuality()
    less, more = (
        metric(label, outcome_at(metric, label.expected, dose, str(seed))).value
        for dose in (k, k + 1)
    )

    assert abs(less - more) <= 0.30 / 0.55


@given(st.sampled_from(OPEN), st.integers(0, 2**32))
def test_a_dose_of_0_leaves_all_as_it_is(example: Example, seed: int) -> None:
    label = normalized(example).expected

    assert corrupt_ir(label.ir, 0, random.Random(seed)) == label.ir
    assert corrupt_code(label.code, 0, random.Random(seed)) == label.code


@given(st.sampled_from(OPEN), st.integers(1, DOSES - 1), st.integers(0, 2**32))
def test_each_dose_changes_something(example: Example, k: int, seed: int) -> None:
    label = normalized(example).expected

    assert corrupt_ir(label.ir, k, random.Random(seed)) != label.ir
    assert corrupt_code(label.code, k, random.Random(seed)) != label.code
