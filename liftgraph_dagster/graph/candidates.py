"""Candidates: alternatives for one open question, with evidence, whose confidence can be
calibrated."""

from __future__ import annotations

from typing import Generic, TypeVar

import pydantic

T = TypeVar("T")


class Candidate(pydantic.BaseModel, Generic[T]):
    """One alternative."""

    model_config = pydantic.ConfigDict(extra="forbid")

    value: T
    """What is proposed."""
    evidence: dict[str, float] = {}
    """What is known about it without a label: log-probabilities, agreement, checks passed."""
    confidence: float | None = None
    """Probability in [0, 1] that it is right; None until a calibrator has scored it."""
    calibrator: str | None = None
    """Digest of the calibrator that gave the confidence."""


class Candidates(pydantic.BaseModel, Generic[T]):
    """The alternatives for one open question, best first."""

    model_config = pydantic.ConfigDict(extra="forbid")

    options: list[Candidate[T]] = []
    chosen: int | None = None
    """Index of the alternative that was taken; None while the question is open."""
