"""Where the labelled examples of `prompt_to_code` lie, and which to look at first."""

from __future__ import annotations

from pathlib import Path

SAMPLE = (
    "sum-numbers-1",
    "trim-text-1",
    "triangle-1",
    "count-words-1",
    "pad-text-1",
    "percentage-1",
    "round-number-1",
    "vowels-1",
    "divisibility-2",
    "fibonacci-1",
    "collatz-1",
    "second-largest-1",
)
"""Twelve examples of the train and dev splits, from trivial to hard."""


def files() -> list[Path]:
    """Return the files of examples: in the installed package, or in the source tree beside it."""
    packaged = Path(__file__).with_name("data")
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "evals/prompt_to_code"
    return sorted(folder.glob("examples-*.jsonl"))
