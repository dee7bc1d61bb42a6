"""What the model's own probabilities say of each value of an answer.

A server reports the log-probability of each token that it generated, before the grammar's mask.
Here they are laid over the answer again: each JSON value gets those of the tokens that spell it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import dspy

from liftgraph_dagster.providers.contract import TokenLogprob

Evidence = Mapping[str, Mapping[str, float]]
"""By JSON Pointer (RFC 6901) of a value, as `/suggestions/0/values/1`: what is known about it."""

NEVER = -100.0
"""Log-probabilities below this one count as this one: servers write "impossible" as they like."""

_SPACE = " \t\n\r"
_decoder = json.JSONDecoder()


def evidence_in(tokens: Sequence[TokenLogprob]) -> dict[str, dict[str, float]]:
    """Return the evidence for each value of the JSON object that `tokens` spell; nothing when they
    spell none.

    `logprob` is the sum over the tokens that share a character with the value, that of the text as
    a whole; `mean_logprob` the mean and `min_logprob` the least of them; `tokens` their number. A
    token that reaches over the edge of a value counts for the values on both sides. What the model
    writes around the object, as a code fence, counts for nothing.
    """
    pieces = [_bytes(token) for token in tokens]
    ends = list(accumulate(map(len, pieces)))
    try:
        text = b"".join(pieces).decode()
        spans = dict(_spans(text, text.index("{"), ""))
    except (ValueError, IndexError, RecursionError):
        return {}
    begins = [0, *ends[:-1]]
    found = {}
    for pointer, (begin, end) in spans.items():
        first, last = len(text[:begin].encode()), len(text[:end].encode())
        values = [
            max(token.logprob, NEVER)
            for token, start, stop in zip(tokens, begins, ends, strict=True)
            if start < last and stop > first
        ]
        if pointer:
            found[pointer] = {
                "logprob": sum(values),
                "mean_logprob": sum(values) / len(values),
                "min_logprob": min(values),
                "tokens": float(len(values)),
            }
    return found


def evidence_of(prediction: dspy.Prediction, *path: str | int) -> dict[str, float]:
    """Return the evidence for the value at `path` of an answer, as `("values", 1)`; nothing when
    the node asked for none."""
    evidence: Evidence = getattr(prediction, "_evidence", {})
    return dict(evidence.get("".join(f"/{_escaped(part)}" for part in path), {}))


def with_evidence(prediction: dspy.Prediction, evidence: Evidence) -> None:
    """Keep `evidence` with the prediction, for `evidence_of`."""
    prediction._evidence = evidence


def _bytes(token: TokenLogprob) -> bytes:
    """Return what a token wrote. A token may hold part of a character only."""
    return token.token.encode() if token.bytes is None else bytes(token.bytes)


def _spans(text: str, at: int, pointer: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the pointer of each value of the JSON at `at`, and where it begins and ends; the whole
    comes last. Raises ValueError or IndexError where it is no JSON."""
    end = at
    match text[at]:
        case "{":
            end = _skip(text, at + 1)
            while text[end] != "}":
                key, end = _key(text, end)
                for inner in _spans(text, end, f"{pointer}/{_escaped(key)}"):
                    yield inner
                    end = inner[1][1]
                end = _next(text, end, "}")
            end += 1
        case "[":
            end = _skip(text, at + 1)
            index = 0
            while text[end] != "]":
                for inner in _spans(text, end, f"{pointer}/{index}"):
                    yield inner
                    end = inner[1][1]
                end = _next(text, end, "]")
                index += 1
            end += 1
        case _:
            _, end = _decoder.raw_decode(text, at)
    yield pointer, (at, end)


def _key(text: str, at: int) -> tuple[str, int]:
    """Return the key at `at`, and where its value begins."""
    if text[at] != '"':
        raise ValueError("no key")
    key, at = _decoder.raw_decode(text, at)
    at = _skip(text, at)
    if text[at] != ":":
        raise ValueError("no colon")
    return key, _skip(text, at + 1)


def _next(text: str, at: int, closing: str) -> int:
    """Return where the next element begins after one that ended at `at`, or the closing bracket."""
    at = _skip(text, at)
    if text[at] == ",":
        return _skip(text, at + 1)
    if text[at] != closing:
        raise ValueError("no comma")
    return at


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def _escaped(part: Any) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
