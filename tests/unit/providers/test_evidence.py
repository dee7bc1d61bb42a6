"""Log-probabilities of tokens, laid over the values that they spell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.providers.contract import TokenLogprob
from liftgraph_dagster.providers.evidence import NEVER, evidence_in, evidence_of, with_evidence

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def tokens(*pieces: tuple[str, float]) -> list[TokenLogprob]:
    return [TokenLogprob(token=text, logprob=logprob) for text, logprob in pieces]


def in_pieces(raw: bytes, cuts: Sequence[int], logprob: float = -1.0) -> list[TokenLogprob]:
    """Return tokens that spell `raw`, cut at these places, be it in the middle of a character."""
    edges = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [
        TokenLogprob(token="?", bytes=list(raw[start:end]), logprob=logprob)
        for start, end in pairwise(edges)
    ]


def test_each_value_has_the_tokens_that_spell_it() -> None:
    found = evidence_in(
        tokens(
            ('{"', -9), ("name", -9), ('": ', -9), ('"tw', -0.5), ('ice"', -0.25), (', "', -9),
            ('n": ', -9), ("17", -0.125), ("}", -9),
        )
    )  # fmt: skip

    assert found == {
        "/name": {"logprob": -0.75, "mean_logprob": -0.375, "min_logprob": -0.5, "tokens": 2},
        "/n": {"logprob": -0.125, "mean_logprob": -0.125, "min_logprob": -0.125, "tokens": 1},
    }


def test_a_token_over_an_edge_counts_on_both_sides() -> None:
    found = evidence_in(tokens(('{"a": [1', -1), (", 2", -2), ("]}", -4)))

    assert {pointer: one["logprob"] for pointer, one in found.items()} == {
        "/a/0": -1, "/a/1": -2, "/a": -7,
    }  # fmt: skip


def test_what_stands_around_the_object_counts_for_nothing() -> None:
    found = evidence_in(tokens(("```json\n", -50), ('{"a": ', -1), ("7", -2), ("}\n```", -3)))

    assert found["/a"]["logprob"] == -2


def test_an_impossible_token_leaves_the_sum_finite() -> None:
    found = evidence_in(tokens(('{"a": ', 0), ("7", -3.4e38), ("}", 0)))

    assert found["/a"]["logprob"] == NEVER


@pytest.mark.parametrize(
    "text",
    ["", "Sure!", '{"a": 1', '{"a"', '{"a" 1}', '{"a": }', "{'a': 1}", '{1: 2}', '{"a": [1 2]}',
     '{"a": ' + "[" * 100_000, "[1]"],
)  # fmt: skip
def test_what_is_no_object_has_no_evidence(text: str) -> None:
    assert evidence_in(tokens((text, -1))) == {}


def test_half_a_character_is_no_text() -> None:
    assert evidence_in(in_pieces('{"a": "é"}'.encode()[:-3], [])) == {}


def pointers(value: Any, pointer: str = "") -> set[str]:
    """Return the JSON Pointers of all that a value holds (RFC 6901)."""
    match value:
        case dict():
            items = [(key.replace("~", "~0").replace("/", "~1"), one) for key, one in value.items()]
        case list():
            items = [(str(index), one) for index, one in enumerate(value)]
        case _:
            items = []
    below = {inner for key, one in items for inner in pointers(one, f"{pointer}/{key}")}
    return below | {pointer} if pointer else below


@given(st.dictionaries(st.text(), JSON, max_size=4), st.lists(st.integers(0)), st.booleans())
def test_every_value_has_evidence_however_the_text_is_cut(
    value: dict[str, Any], cuts: list[int], ascii_only: bool
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()

    found = evidence_in(in_pieces(raw, cuts))

    assert found.keys() == pointers(value)
    for one in found.values():
        assert one["tokens"] >= 1
        assert one["logprob"] == -one["tokens"]
        assert one["mean_logprob"] == one["min_logprob"] == -1


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4), st.sampled_from([None, 2]))
def test_a_value_has_as_many_tokens_as_bytes_when_each_byte_is_one(
    value: dict[str, Any], indent: int | None
) -> None:
    raw = json.dumps(value, ensure_ascii=False, indent=indent).encode()

    found = evidence_in(in_pieces(raw, range(len(raw))))

    for key, one in value.items():
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        if not isinstance(one, dict | list):
            assert found[pointer]["tokens"] == len(json.dumps(one, ensure_ascii=False).encode())


def test_evidence_is_found_again_by_the_path_of_a_value() -> None:
    prediction = dspy.Prediction(values=[{"a/b": 1}])
    with_evidence(
        prediction, evidence_in(tokens(('{"values": [{"a/b": ', -1), ("1", -2), ("}]}", 0)))
    )

    assert evidence_of(prediction, "values", 0, "a/b")["logprob"] == -2
    assert evidence_of(prediction, "values", 1) == {}
    assert dict(prediction) == {"values": [{"a/b": 1}]}


def test_a_prediction_without_evidence_has_none() -> None:
    assert evidence_of(dspy.Prediction(a=1), "a") == {}
