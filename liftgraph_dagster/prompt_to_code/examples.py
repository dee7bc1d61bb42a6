"""Where the labelled examples of `prompt_to_code` lie, and which to look at first."""

from __future__ import annotations

from pathlib import Path

SAMPLE: tuple[str, ...] = ()
"""Twelve examples of the train and dev splits, from trivial to hard."""


def files() -> list[Path]:
    """Return the files of examples: in the installed package, or in the source tree beside it."""
    packaged = Path(__file__).with_name("data")
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "evals/prompt_to_code"
    return sorted(folder.glob("examples-*.jsonl"))
