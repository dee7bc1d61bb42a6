"""One pass of a rater through outcomes: which comes next, and what a key does. Pure, no terminal.

The rater sees input and outcome alone. Equal outcomes of two programs are marked once, and the
order is shuffled anew for each pass, so that nothing tells whose outcome it is.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.marks import Mark, Scale, new_mark
from liftgraph_dagster.evaluation.scores import Batch
from liftgraph_dagster.execution.records import ExecutionId
from liftgraph_dagster.graph.digest import digest


@dataclass(frozen=True)
class Item:
    """An outcome of an example, to be marked."""

    example: Example
    outcome: Any
    outcome_digest: str
    execution_id: ExecutionId
    """One of the executions that had this outcome."""

    @property
    def key(self) -> tuple[str, str]:
        """Example and outcome, by which marks are found."""
        return self.example.id, self.outcome_digest

    def shown(self, scale: Scale) -> Any:
        """Return what the rater is asked about: the outcome, or the scale's part of it."""
        return self.outcome[scale.part] if scale.part else self.outcome


def items_of(batches: Iterable[Batch]) -> list[Item]:
    """Return the outcomes in `batches`, equal ones of an example once. A failed execution has no
    outcome that could be marked."""
    found: dict[tuple[str, str], Item] = {}
    for batch in batches:
        for run in batch.runs:
            if run.succeeded:
                name = digest(run.outcome)
                item = Item(run.example, run.outcome, name, run.execution.id)
                found.setdefault(item.key, item)
    return list(found.values())


def with_part(items: Iterable[Item], part: str) -> list[Item]:
    """Return the items whose outcome has a part of this name; all, when it is empty."""
    return [item for item in items if not part or _has(item.outcome, part)]


def shuffled(items: Iterable[Item], *, seed: int, pass_number: int) -> list[Item]:
    """Return the items in the order of one pass: it depends on seed, pass and items alone."""
    ordered = sorted(items, key=lambda item: item.key)
    random.Random(f"{seed} {pass_number}").shuffle(ordered)
    return ordered


@dataclass
class Pass:
    """A rater's way through `items`, in their order.

    `begin` makes it from what the rater has marked before.
    """

    graph: str
    rater: str
    number: int
    scale: Scale
    waiting: list[Item]
    """The first is the one that is shown."""
    done: list[tuple[Item, Mark | None]] = field(default_factory=list)
    """What was marked, or skipped (None), in order of time."""

    @classmethod
    def begin(
        cls,
        items: Sequence[Item],
        known: Iterable[Mark],
        *,
        graph: str,
        rater: str,
        number: int,
        scale: Scale,
    ) -> Pass:
        """Return the pass as it stands after the marks in `known`; those of other raters, passes
        and scales do not count."""
        by_key = {item.key: item for item in items}
        mine = [
            mark
            for mark in sorted(known, key=lambda mark: (mark.at, mark.id))
            if (mark.rater, mark.pass_number, mark.scale) == (rater, number, scale)
        ]
        done = [(by_key[key], mark) for mark in mine if (key := _key(mark)) in by_key]
        marked = {item.key for item, _ in done}
        waiting = [item for item in items if item.key not in marked]
        return cls(graph, rater, number, scale, waiting, list(done))

    @property
    def current(self) -> Item | None:
        """The item that is shown; None at the end."""
        return self.waiting[0] if self.waiting else None

    @property
    def marked(self) -> int:
        """Number of items with a mark."""
        return sum(mark is not None for _, mark in self.done)

    @property
    def total(self) -> int:
        """Number of items of the pass."""
        return len(self.done) + len(self.waiting)

    def mark(self, value: int, *, seconds: float) -> Mark:
        """Mark the current item and go on. Returns the mark, to be stored."""
        item = self.waiting[0]
        mark = new_mark(
            graph=self.graph,
            example_id=item.example.id,
            outcome=item.outcome_digest,
            execution_id=item.execution_id,
            rater=self.rater,
            pass_number=self.number,
            scale=self.scale,
            value=value,
            seconds=round(seconds, 3),
        )
        self.done.append((self.waiting.pop(0), mark))
        return mark

    def skip(self) -> None:
        """Leave the current item without a mark; it comes again when the pass is resumed."""
        self.done.append((self.waiting.pop(0), None))

    def undo(self) -> Mark | None:
        """Go back to the item before. Returns its mark, to be removed; None when it was skipped or
        nothing lies before."""
        if not self.done:
            return None
        item, mark = self.done.pop()
        self.waiting.insert(0, item)
        return mark


def _key(mark: Mark) -> tuple[str, str]:
    return mark.example_id, mark.outcome


def _has(outcome: Any, part: str) -> bool:
    return isinstance(outcome, dict) and part in outcome
