from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftgraph_dagster.prompt_to_code.metrics.intents import contradiction, text_similarity

TRIPLES = [
    # expected, a paraphrase, what contradicts it
    ("Return the sum of even numbers.", "Add up the even numbers.",
     "Return the sum of odd numbers."),
    ("Return the first word.", "Give back the first word of the text.", "Return the last word."),
    ("Return the largest number.", "Find the largest of the numbers.",
     "Return the smallest number."),
    ("Sort the names in ascending order.", "Put the names in ascending order.",
     "Sort the names in descending order."),
    ("Return the words that have 3 letters.", "Return all words of 3 letters.",
     "Return the words that have 4 letters."),
    ("Return True if the text is valid.", "Tell whether the text is valid.",
     "Return True if the text is not valid."),
    ("Keep the vowels.", "Return only the vowels of the text.", "Keep the consonants."),
    ("Return the text in uppercase.", "Turn the text into uppercase letters.",
     "Return the text in lowercase."),
    ("Remove the blank lines.", "Remove all lines that are blank.", "Keep the blank lines."),
    ("Return the numbers below the limit.", "Return all numbers that are below the limit.",
     "Return the numbers above the limit."),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "paraphrase", "opposite"), TRIPLES)
def test_a_paraphrase_is_nearer_than_a_contradiction(
    expected: str, paraphrase: str, opposite: str
) -> None:
    assert text_similarity(paraphrase, expected) > text_similarity(opposite, expected)


@pytest.mark.parametrize(("expected", "paraphrase", "opposite"), TRIPLES)
def test_a_contradiction_is_seen_both_ways_and_a_paraphrase_is_none(
    expected: str, paraphrase: str, opposite: str
) -> None:
    assert not contradiction(paraphrase, expected)
    assert contradiction(opposite, expected)
    assert contradiction(expected, opposite)


@pytest.mark.parametrize(
    ("predicted", "expected", "why"),
    [
        ("the odd ones", "the even ones", "it says odd where even is expected"),
        ("3 letters", "four letters", "it says 3 where 4 is expected"),
        ("between 1 and 9", "between 1 and 10", "it says 1 and 9 where 1 and 10 is expected"),
        ("it isn't empty", "it is empty", "it denies what is asked for"),
        ("it is empty", "it is not empty", "it lacks a negation"),
        ("two words", "2 words", ""),
        ("3 words", "the words", ""),  # left out, not contradicted
        ("the even and odd ones", "the even ones", ""),
        ("one of them", "2 of them", ""),
    ],
)
def test_the_reason_of_a_contradiction_is_told(predicted: str, expected: str, why: str) -> None:
    assert contradiction(predicted, expected) == why


def test_a_contradiction_leaves_three_tenths() -> None:
    # chrF of "ab 3" and "ab 4", without spaces "ab3" and "ab4": P = R = (2/3 + 1/2 + 0) / 3 = 7/18;
    # token F1: 2 * 1 / 4 = 1/2
    assert text_similarity("ab 3", "ab 4") == pytest.approx(0.3 * (7 / 36 + 1 / 4))


def test_capitals_do_not_count() -> None:
    assert text_similarity("RETURN the Sum", "return the sum") == 1.0


@given(st.text(max_size=60))
def test_a_sentence_is_like_itself(text: str) -> None:
    assert text_similarity(text, text) == 1.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_similarity_lies_in_0_to_1(predicted: str, expected: str) -> None:
    assert 0 <= text_similarity(predicted, expected) <= 1
