"""Scores computed by hand, and by sacrebleu."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.metrics.text import (
    ChrF,
    ExactMatch,
    TokenF1,
    chrf,
    token_f1,
    words,
)
from tests.factories import make_example


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score"),
    [
        ("aa", "ab", 0.25),  # P = R = (1/2 + 0) / 2, so F is the same
        ("abc", "abd", 7 / 18),  # P = R = (2/3 + 1/2 + 0) / 3
        ("a", "ab", 5 / 9),  # only n = 1: P = 1, R = 1/2; 5 * 0.5 / (4 + 0.5)
        ("ab", "a", 5 / 6),  # P = 1/2, R = 1; 5 * 0.5 / (2 + 1)
        ("a b", "ab", 1.0),  # whitespace does not count
        ("abc", "xyz", 0.0),
        ("", "", 1.0),
        ("", "a", 0.0),
        ("a", " ", 0.0),
        ("aaa", "a", 5 / 7),  # P = 1/3, R = 1: 5/3 / (4/3 + 1)
    ],
)
def test_chrf_is_the_f2_of_mean_precision_and_mean_recall(
    hypothesis: str, reference: str, score: float
) -> None:
    assert chrf(hypothesis, reference) == pytest.approx(score)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score"),
    [
        ("the cat sat on the mat", "the cat is on the mat", 0.645779420625287),
        (
            "Return the sum of even numbers.",
            "Return the sum of odd numbers.",
            0.7417482027266256,
        ),
        ("a", "abcdef", 0.2),
        (
            "def f(x):\n    return x + 1\n",
            "def add_one(x):\n    return 1 + x\n",
            0.45413085679669574,
        ),
        (
            "Niemand hat die Absicht, eine Mauer zu errichten",
            "Die Mauer steht noch fünfzig Jahre",
            0.22488548616103488,
        ),
    ],
)
def test_chrf_is_what_sacrebleu_says(hypothesis: str, reference: str, score: float) -> None:
    """Of sacrebleu 2.6.0: CHRF().sentence_score(hypothesis, [reference]).score / 100."""
    assert chrf(hypothesis, reference) == pytest.approx(score, abs=1e-12)


@given(st.text(max_size=30), st.text(max_size=30))
def test_chrf_lies_in_0_to_1(hypothesis: str, reference: str) -> None:
    assert 0 <= chrf(hypothesis, reference) <= 1


@given(st.text(max_size=30))
def test_a_text_is_like_itself(text: str) -> None:
    assert (chrf(text, text), token_f1(words(text), words(text))) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("predicted", "expected", "score"),
    [
        ([], [], 1.0),
        (["a"], [], 0.0),
        ([], ["a"], 0.0),
        (["a", "b"], ["b", "a"], 1.0),
        (["a", "a"], ["a"], 2 / 3),  # 2 * 1 / 3
        (["a", "a", "b"], ["a", "a", "c", "d"], 4 / 7),  # 2 * 2 / 7
    ],
)
def test_token_f1_counts_common_tokens_as_often_as_they_occur(
    predicted: list[str], expected: list[str], score: float
) -> None:
    assert token_f1(predicted, expected) == pytest.approx(score)


def test_words_are_small_and_without_punctuation() -> None:
    assert words("Return the sum, not the MEAN: 2.") == [
        "return", "the", "sum", "not", "the", "mean", "2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("got", "expected", "score"),
    [
        ("accounts", "accounts", 1.0),
        ("Accounts", "accounts", 0.0),
        ({"a": [1]}, {"a": [1]}, 1.0),
        (1, True, 0.0),
        (None, "accounts", 0.0),
    ],
)
def test_an_exact_match_is_1_or_0(got: Any, expected: Any, score: float) -> None:
    assert ExactMatch()(make_example(expected=expected), got).value == score


def test_an_exact_match_says_what_it_expected_and_got() -> None:
    scored = ExactMatch("desk")(make_example(expected={"desk": "accounts"}), {"desk": "support"})

    assert scored.feedback == 'Expected "accounts", got "support".'


def test_token_f1_says_which_words_are_missing_and_which_are_not_expected() -> None:
    scored = TokenF1()(make_example(expected="sum of even numbers"), "sum of odd numbers")

    assert (scored.value, scored.feedback) == (0.75, "Words missing: even; not expected: odd.")


def test_a_metric_with_a_path_looks_there_alone() -> None:
    example = make_example(expected={"intent": {"summary": "Add."}, "name": "add"})

    assert ChrF("intent.summary")(example, {"intent": {"summary": "Add."}}).value == 1.0


@pytest.mark.parametrize("metric", [ChrF("summary"), TokenF1("summary")], ids=lambda m: m.name)
@pytest.mark.parametrize(
    ("expected", "got", "whose"),
    [
        ({"summary": "Add."}, {}, "outcome has no text at summary but NoneType null"),
        ({"summary": "Add."}, {"summary": 3}, "outcome has no text at summary but int 3"),
        ({"summary": 3.5}, {"summary": "Add."}, "label has no text at summary but float 3.5"),
    ],
)
def test_what_is_no_text_is_refused_by_name(
    metric: Any, expected: Any, got: Any, whose: str
) -> None:
    with pytest.raises(InputError, match=whose):
        metric(make_example(expected=expected), got)


@pytest.mark.parametrize("kind", [ExactMatch, TokenF1, ChrF])
def test_a_metric_applies_where_there_is_a_label(kind: Any) -> None:
    labelled = make_example(expected={"summary": "Add."})

    assert [kind(path).applies(labelled) for path in ("summary", "other")] == [True, False]


@pytest.mark.parametrize("kind", [ExactMatch, TokenF1, ChrF])
def test_the_path_stands_in_the_name(kind: Any) -> None:
    assert kind("a.b").name == f"{kind().name}(a.b)"
