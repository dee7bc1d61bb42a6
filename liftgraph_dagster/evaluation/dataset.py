"""Datasets: examples under one digest, divided by family into train, dev and sealed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from liftgraph_dagster.errors import InputError, NotFound
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.graph.digest import digest


class Split(StrEnum):
    """What examples may be used for."""

    TRAIN = "train"
    """Optimizers learn from these."""
    DEV = "dev"
    """Programs are chosen by these."""
    SEALED = "sealed"
    """Programs are judged by these, once, under a plan."""


_SHARES = ((Split.TRAIN, 0.33), (Split.DEV, 0.60), (Split.SEALED, 1.0))
"""Upper ends of the splits' shares of the families."""


@dataclass(frozen=True)
class Dataset:
    """The labelled examples of a graph at one moment."""

    graph: str
    examples: tuple[Example, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content; the order of the examples does not count."""
        rows = [example.model_dump(mode="json") for example in self.examples]
        return digest({"graph": self.graph, "examples": sorted(rows, key=lambda row: row["id"])})

    @property
    def families(self) -> int:
        """Number of families."""
        return len({example.family for example in self.examples})

    def split(self, name: Split) -> tuple[Example, ...]:
        """Return the examples of a split."""
        return tuple(e for e in self.examples if split_of(e.family) is name)

    def open(self) -> tuple[Example, ...]:
        """Return the examples that may be looked at without a plan: train and dev."""
        return tuple(e for e in self.examples if split_of(e.family) is not Split.SEALED)

    def pick(self, ids: Iterable[str]) -> tuple[Example, ...]:
        """Return the examples with these ids, in that order. Raises NotFound for an unknown id
        and InputError for a sealed one."""
        by_id = {example.id: example for example in self.examples}
        picked = []
        for example_id in ids:
            if example_id not in by_id:
                raise NotFound(f"the dataset of {self.graph} has no example {example_id!r}")
            picked.append(by_id[example_id])
        refuse_sealed(picked)
        return tuple(picked)


def split_of(family: str) -> Split:
    """Return the split that a family belongs to. It depends on the family's name alone, so that
    new examples never move old ones."""
    place = int.from_bytes(sha256(f"liftgraph split {family}".encode()).digest()[:8]) / 2**64
    return next(split for split, end in _SHARES if place < end)


def refuse_sealed(examples: Sequence[Example]) -> None:
    """Raise InputError when one of `examples` is sealed."""
    for example in examples:
        if split_of(example.family) is Split.SEALED:
            raise InputError(
                f"example {example.id!r} is sealed: it is opened only by a registered comparison, "
                "so that a verdict on it can be trusted. Use --split train or --split dev"
            )
