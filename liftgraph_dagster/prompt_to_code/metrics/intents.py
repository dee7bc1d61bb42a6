"""How alike two sentences are that say what a function is for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from liftgraph_dagster.evaluation.metrics.text import chrf, token_f1, words

CONTRADICTED = 0.3
"""What is left of the similarity of two sentences of which one says what the other denies."""

_ANTONYMS = (
    ("even", "odd"), ("first", "last"), ("smallest", "largest"), ("smallest", "biggest"),
    ("minimum", "maximum"), ("min", "max"), ("lowest", "highest"), ("least", "most"),
    ("shortest", "longest"), ("smaller", "larger"), ("smaller", "greater"), ("smaller", "bigger"),
    ("shorter", "longer"), ("less", "more"), ("less", "greater"), ("lower", "higher"),
    ("fewer", "more"), ("below", "above"), ("under", "over"), ("before", "after"),
    ("ascending", "descending"), ("rising", "falling"), ("increasing", "decreasing"),
    ("increase", "decrease"), ("uppercase", "lowercase"), ("upper", "lower"), ("capital", "small"),
    ("left", "right"), ("beginning", "end"), ("start", "end"), ("begins", "ends"),
    ("starts", "ends"), ("oldest", "newest"), ("earliest", "latest"), ("add", "subtract"),
    ("add", "remove"), ("keep", "remove"), ("keep", "drop"), ("insert", "delete"),
    ("include", "exclude"), ("with", "without"), ("sum", "product"), ("sum", "difference"),
    ("multiply", "divide"), ("positive", "negative"), ("true", "false"), ("valid", "invalid"),
    ("equal", "different"), ("same", "different"), ("encode", "decode"), ("encrypt", "decrypt"),
    ("vowels", "consonants"), ("rows", "columns"), ("horizontal", "vertical"), ("inner", "outer"),
    ("inside", "outside"), ("open", "closed"), ("win", "lose"), ("deposit", "withdraw"),
    ("keys", "values"), ("all", "none"), ("union", "intersection"), ("full", "empty"),
)  # fmt: skip
_NEGATIONS = frozenset(
    {"not", "no", "never", "none", "neither", "nor", "cannot", "without", "nothing", "unless"}
)
_NUMBERS = {
    "zero": "0", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
}  # fmt: skip
"""`one` is more often a pronoun than a number, so it is none."""


def text_similarity(predicted: str, expected: str) -> float:
    """Return how alike two sentences are, in [0, 1].

        similarity = (0.5 chrF + 0.5 token F1) * (0.3 if one contradicts the other else 1)

    chrF as in `chrf`, both in small letters; token F1 of the words. The guard is needed: measures
    of surface put "the sum of even numbers" nearer to "the sum of odd numbers" than to any
    paraphrase, and so do embeddings.
    """
    alike = 0.5 * chrf(predicted.casefold(), expected.casefold())
    alike += 0.5 * token_f1(words(predicted), words(expected))
    return alike * CONTRADICTED if contradiction(predicted, expected) else alike


def contradiction(predicted: str, expected: str) -> str:
    """Return in words why one sentence contradicts the other; empty when nothing shows that it
    does.

    Three signs: an antonym (each sentence has one word of a pair and lacks the other), numbers
    (both name some, and not the same), a negation in one of them alone.
    """
    ours, theirs = _tokens(predicted), _tokens(expected)
    for pair in _ANTONYMS:
        for a, b in (pair, pair[::-1]):
            if a in ours and b in theirs and b not in ours and a not in theirs:
                return f"it says {a} where {b} is expected"
    numbers, expected_numbers = _numbers(ours), _numbers(theirs)
    if numbers and expected_numbers and numbers != expected_numbers:
        return f"it says {_list(numbers)} where {_list(expected_numbers)} is expected"
    denies, should = _denies(ours), _denies(theirs)
    if denies != should:
        return "it denies what is asked for" if denies else "it lacks a negation"
    return ""


def _tokens(text: str) -> list[str]:
    """Return words in small letters; numbers in one piece, `don't` as `do` and `not`."""
    plain = re.sub(r"n['’]t\b", " not", text.casefold())
    return re.findall(r"\d+(?:\.\d+)?|\w+", plain)


def _numbers(tokens: Sequence[str]) -> frozenset[str]:
    named = (_NUMBERS.get(token, token) for token in tokens)
    return frozenset(token for token in named if token[0].isdigit())


def _denies(tokens: Sequence[str]) -> bool:
    return not _NEGATIONS.isdisjoint(tokens)


def _list(numbers: frozenset[str]) -> str:
    return " and ".join(sorted(numbers))
