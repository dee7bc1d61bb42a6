"""Datasets: examples under one digest, divided by family into train, dev and sealed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from liftgraph_dagster.errors import InputError, NotFound
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.graph.digest import canonical_json, digest


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


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{6,64}")


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

    def filled_split(self, name: Split) -> tuple[Example, ...]:
        """Return the examples of a split. Raises InputError, with the sizes of all, when it has
        none."""
        found = self.split(name)
        if not found:
            sizes = ", ".join(f"{split} has {len(self.split(split))}" for split in Split)
            raise InputError(
                f"dataset {self.digest[:12]} of {self.graph!r} has no examples in split {name}: "
                f"{sizes}. Ask for another split, or add examples of other families"
            )
        return found

    def open(self) -> tuple[Example, ...]:
        """Return the examples that may be looked at without a plan: train and dev."""
        return tuple(e for e in self.examples if not is_sealed(e))

    def with_example(self, example: Example) -> Dataset:
        """Return a copy with `example`, instead of the one of its id if there is one."""
        others = tuple(other for other in self.examples if other.id != example.id)
        return Dataset(self.graph, (*others, example))

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


@dataclass(frozen=True)
class StoredDataset:
    """What lists say about a dataset of the database."""

    digest: str
    graph: str
    name: str | None
    """None for the examples of the graph's own files."""
    number: int | None
    """How often the name has moved, from 1."""
    n: int
    families: int
    splits: Mapping[Split, int]
    """Number of examples."""
    since: dt.datetime


@dataclass(frozen=True)
class Difference:
    """What changed between two datasets, by id of the examples."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    """The fields of the example that differ."""


def differences(before: Dataset, after: Dataset) -> Difference:
    """Return what changed from `before` to `after`, in the order of the ids."""
    old = {example.id: example.model_dump(mode="json") for example in before.examples}
    new = {example.id: example.model_dump(mode="json") for example in after.examples}
    fields = {
        id: tuple(name for name in Example.model_fields if _differs(old[id], new[id], name))
        for id in sorted(old.keys() & new.keys())
    }
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed={id: names for id, names in fields.items() if names},
    )


def inputs_in_two_splits(dataset: Dataset) -> list[tuple[str, str]]:
    """Return the ids of examples whose input is that of an earlier one in another split, with the
    id of the earlier; upper case and spaces do not count."""
    first: dict[str, Example] = {}
    found = []
    for example in dataset.examples:
        value = example.input
        text = value if isinstance(value, str) else canonical_json(value).decode()
        text = " ".join(text.casefold().split())
        other = first.setdefault(text, example)
        if split_of(other.family) is not split_of(example.family):
            found.append((other.id, example.id))
    return found


def refuse_leaks(dataset: Dataset, added: Sequence[Example]) -> None:
    """Raise InputError when the input of one of the `added` examples also stands in another split
    of the dataset they belong to: what is learned from would be what is judged by."""
    ids = {example.id for example in added}
    families = {example.id: example.family for example in dataset.examples}
    for pair in inputs_in_two_splits(dataset):
        new, old = pair if pair[0] in ids else pair[::-1]
        if new in ids:
            raise InputError(
                f"example {new!r} has the input of {old!r}, which is in another split; give it the "
                f"same family, {families[old]!r}, or leave it out"
            )


def check_dataset_name(name: str) -> None:
    """Raise InputError for a name that a dataset cannot bear."""
    if not _NAME.fullmatch(name) or is_digest(name):
        raise InputError(
            f"{name!r} cannot be the name of a dataset: it takes 1 to 64 letters, digits, '.', '_' "
            "or '-', the first one a letter or digit, and must not look like a digest"
        )


def is_digest(reference: str) -> bool:
    """Return True for a text that is a dataset's digest, or the beginning of one."""
    return _DIGEST.fullmatch(reference) is not None


def split_of(family: str) -> Split:
    """Return the split that a family belongs to. It depends on the family's name alone, so that
    new examples never move old ones."""
    place = int.from_bytes(sha256(f"liftgraph split {family}".encode()).digest()[:8]) / 2**64
    return next(split for split, end in _SHARES if place < end)


def is_sealed(example: Example) -> bool:
    """Return True for an example that programs are judged by: nobody is to look at it before."""
    return split_of(example.family) is Split.SEALED


def refuse_sealed(examples: Sequence[Example]) -> None:
    """Raise InputError when one of `examples` is sealed."""
    for example in examples:
        if is_sealed(example):
            raise InputError(
                f"example {example.id!r} is sealed: it is opened only by a registered comparison, "
                "so that a verdict on it can be trusted. Use --split train or --split dev"
            )


def _differs(one: Mapping[str, object], other: Mapping[str, object], field: str) -> bool:
    """Return True when a field of two examples is not the same JSON: 1 is not 1.0 nor true."""
    return digest(one.get(field)) != digest(other.get(field))
