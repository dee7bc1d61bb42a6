"""How alike two texts are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.metric import Scored
from liftgraph_dagster.evaluation.metrics.values import shown, text_at, value_at

_ORDER = 6
_BETA = 2


def chrf(hypothesis: str, reference: str) -> float:
    """Return the character n-gram F-score of a text against a reference, in [0, 1].

        P = mean over n of |common n-grams| / |n-grams of the hypothesis|,  n = 1..6
        R = mean over n of |common n-grams| / |n-grams of the reference|
        chrF = (1 + b^2) P R / (b^2 P + R),  b = 2

    Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation". Whitespace does not
    count, n-grams are counted as often as they occur, and an order for which one of the texts is
    too short is left out, as in sacrebleu 2 (there times 100). Two texts without a character are
    equal: 1.
    """
    a, b = "".join(hypothesis.split()), "".join(reference.split())
    if not a or not b:
        return float(a == b)
    precision = recall = 0.0
    orders = min(_ORDER, len(a), len(b))
    for n in range(1, orders + 1):
        ours = Counter([a[i : i + n] for i in range(len(a) - n + 1)])
        theirs = Counter([b[i : i + n] for i in range(len(b) - n + 1)])
        common = sum(min(count, theirs[gram]) for gram, count in ours.items() if gram in theirs)
        precision += common / (len(a) - n + 1)
        recall += common / (len(b) - n + 1)
    precision, recall = precision / orders, recall / orders
    if precision + recall == 0:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)


def token_f1(predicted: Sequence[str], expected: Sequence[str]) -> float:
    """Return the F1 of two bags of tokens, 2 |common| / (|predicted| + |expected|), in [0, 1].

    As SQuAD counts it (Rajpurkar et al. 2016). Two empty bags are equal: 1.
    """
    if not predicted and not expected:
        return 1.0
    common = (Counter(predicted) & Counter(expected)).total()
    return 2 * common / (len(predicted) + len(expected))


def words(text: str) -> list[str]:
    """Return the words and numbers of a text in small letters. Articles count, unlike in SQuAD."""
    return re.findall(r"\w+", text.casefold())


class ExactMatch:
    """1 when the outcome equals what is expected, else 0.

        score = [outcome == expected]

    Args:
        path: compares only what stands there, as in `intent.summary`; everything by default.
    """

    version = "1"

    def __init__(self, path: str = "") -> None:
        self.name = f"exact_match({path})" if path else "exact_match"
        self.path = path

    def applies(self, example: Example) -> bool:
        """Return True when the example says what is expected there."""
        return value_at(example.expected, self.path) is not None

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        expected = value_at(example.expected, self.path)
        got = value_at(prediction, self.path)
        if got == expected and isinstance(got, bool) == isinstance(expected, bool):
            return Scored(1.0)
        return Scored(0.0, f"Expected {shown(expected)}, got {shown(got)}.")


class TokenF1:
    """F1 of the words that two texts share; see `token_f1`.

    Args:
        path: where the texts stand in outcome and label, as in `intent.summary`.
    """

    version = "1"

    def __init__(self, path: str = "") -> None:
        self.name = f"token_f1({path})" if path else "token_f1"
        self.path = path

    def applies(self, example: Example) -> bool:
        """Return True when the example says what is expected there."""
        return value_at(example.expected, self.path) is not None

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        expected = words(text_at(example.expected, self.path, "label"))
        got = words(text_at(prediction, self.path, "outcome"))
        value = token_f1(got, expected)
        missing = sorted((Counter(expected) - Counter(got)).elements())
        surplus = sorted((Counter(got) - Counter(expected)).elements())
        notes = [f"missing: {' '.join(missing)}"] if missing else []
        notes += [f"not expected: {' '.join(surplus)}"] if surplus else []
        return Scored(value, f"Words {'; '.join(notes)}." if notes else "")


class ChrF:
    """Character n-gram F-score of two texts; see `chrf`.

    Args:
        path: where the texts stand in outcome and label, as in `intent.summary`.
    """

    version = "1"

    def __init__(self, path: str = "") -> None:
        self.name = f"chrf({path})" if path else "chrf"
        self.path = path

    def applies(self, example: Example) -> bool:
        """Return True when the example says what is expected there."""
        return value_at(example.expected, self.path) is not None

    def __call__(self, example: Example, prediction: Any, trace: Any = None) -> Scored:
        expected = text_at(example.expected, self.path, "label")
        got = text_at(prediction, self.path, "outcome")
        value = chrf(got, expected)
        return Scored(value, "" if value == 1 else f"Expected {shown(expected)}, got {shown(got)}.")
