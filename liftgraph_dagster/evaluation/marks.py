"""Marks: what people say of outcomes, and where marks are kept.

What is marked is an example together with an outcome, whichever program made it and on whichever
machine; so marks that come with a file fit the executions of a fresh database.

The PostgreSQL version of the store is `storage.marks`. Both pass `tests/conformance/test_marks.py`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NewType, Protocol

import pydantic

from liftgraph_dagster.errors import DatasetError, InputError
from liftgraph_dagster.evaluation.agreement import Level
from liftgraph_dagster.evaluation.example import Name
from liftgraph_dagster.execution.records import new_execution_id, now

MarkId = NewType("MarkId", str)
"""A UUID of version 7."""

_RATER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class ScaleKind(StrEnum):
    """How an outcome is marked."""

    ORDINAL = "ordinal"
    """1 to 5."""
    BINARY = "binary"
    """0 or 1."""


class Scale(pydantic.BaseModel):
    """What is marked, and how. As text `ordinal`, or with a part of the outcome `binary:code`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    kind: ScaleKind = ScaleKind.ORDINAL
    part: str = ""
    """Name of the part of the outcome that is marked; empty for the whole."""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.part}" if self.part else self.kind.value

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Return the scale that `text` describes. Raises ValueError."""
        kind, _, part = text.partition(":")
        return cls(kind=ScaleKind(kind), part=part)

    @property
    def words(self) -> dict[int, str]:
        """What each mark means, the worst first."""
        return _WORDS[self.kind]

    @property
    def level(self) -> Level:
        """What the differences between marks mean."""
        return Level.ORDINAL if self.kind is ScaleKind.ORDINAL else Level.NOMINAL


_WORDS = {
    ScaleKind.ORDINAL: {
        1: "useless",
        2: "mostly wrong",
        3: "half right",
        4: "right but for details",
        5: "right as it is",
    },
    ScaleKind.BINARY: {0: "no, it is wrong", 1: "yes, it is right"},
}


def _scale(value: Any) -> Any:
    return Scale.parse(value) if isinstance(value, str) else value


def _in_utc(at: dt.datetime) -> dt.datetime:
    try:
        return at.astimezone(dt.UTC)
    except OverflowError as exc:
        raise ValueError("a time beyond the years 1 to 9999 in UTC") from exc


def _rater(name: str) -> str:
    if not _RATER.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name of a rater: up to 64 letters, digits, - and _, without spaces"
        )
    return name


class Mark(pydantic.BaseModel):
    """What one rater said of one outcome."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: Annotated[MarkId, pydantic.Field(pattern=_UUID)]
    graph: Name
    example_id: Name
    outcome: Annotated[str, pydantic.Field(pattern="^[0-9a-f]{64}$")]
    """Digest of the outcome."""
    execution_id: Annotated[str, pydantic.Field(pattern=_UUID)]
    """The execution whose outcome was shown."""
    rater: Annotated[str, pydantic.AfterValidator(_rater)]
    pass_number: Annotated[int, pydantic.Field(ge=1, le=1000, alias="pass", strict=True)]
    """1 for the first time the rater went through the outcomes, then 2, ..."""
    scale: Annotated[
        Scale, pydantic.BeforeValidator(_scale), pydantic.PlainSerializer(str, return_type=str)
    ]
    value: pydantic.StrictInt
    seconds: Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
    """From when the outcome was shown until the key was pressed."""
    at: Annotated[pydantic.AwareDatetime, pydantic.AfterValidator(_in_utc)]

    @pydantic.model_validator(mode="after")
    def _on_the_scale(self) -> Mark:
        if self.value not in self.scale.words:
            raise ValueError(f"a mark on the scale {self.scale} is one of {list(self.scale.words)}")
        return self

    @property
    def place(self) -> tuple[str, str, str, str, int, str]:
        """What there is one mark of: outcome of an example, rater, pass, scale."""
        scale = str(self.scale)
        return (self.graph, self.example_id, self.outcome, self.rater, self.pass_number, scale)


class MarkStore(Protocol):
    """Keeps marks. Each method is one transaction."""

    async def save(self, mark: Mark) -> None:
        """Store a mark. Of two marks of one place the later stays."""

    async def remove(self, mark: Mark) -> None:
        """Remove a mark and no other; nothing happens when it is not there, or when its place
        holds a later one."""

    async def of_graph(self, graph: str) -> list[Mark]:
        """Return the marks of a graph's outcomes, oldest first."""


class MemoryMarkStore:
    """Keeps marks in memory."""

    def __init__(self) -> None:
        self._marks: dict[tuple[Any, ...], Mark] = {}

    async def save(self, mark: Mark) -> None:
        """Store a mark. Of two marks of one place the later stays."""
        known = self._marks.get(mark.place)
        if known is None or known.at < mark.at:
            self._marks[mark.place] = mark

    async def remove(self, mark: Mark) -> None:
        """Remove a mark and no other; nothing happens when it is not there, or when its place
        holds a later one."""
        known = self._marks.get(mark.place)
        if known is not None and known.id == mark.id:
            del self._marks[mark.place]

    async def of_graph(self, graph: str) -> list[Mark]:
        """Return the marks of a graph's outcomes, oldest first."""
        found = [mark for mark in self._marks.values() if mark.graph == graph]
        return sorted(found, key=lambda mark: (mark.at, mark.id))


def new_mark(**values: Any) -> Mark:
    """Return a mark made now. Raises InputError when a value cannot be used."""
    try:
        return Mark(id=MarkId(new_execution_id()), at=now(), **values)
    except pydantic.ValidationError as exc:
        raise InputError(f"a mark cannot be made: {_problem(exc)}") from exc


def check_rater(name: str) -> str:
    """Return `name` when it can be a rater's. Raises InputError."""
    try:
        return _rater(name)
    except ValueError as exc:
        raise InputError(str(exc)) from exc


def write_marks(marks: Sequence[Mark], file: Path) -> None:
    """Write marks as JSON Lines, one mark a line; folders are made. Raises InputError when the
    file cannot be written."""
    lines = [
        json.dumps(mark.model_dump(mode="json", by_alias=True), ensure_ascii=False) + "\n"
        for mark in marks
    ]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines), encoding="utf-8")
    except OSError as exc:
        raise InputError(f"the marks cannot be written to {file}: {exc.strerror}") from exc


def read_marks(graph: str, file: Path) -> list[Mark]:
    """Return the marks in a file, in its order.

    Raises DatasetError, naming line and field, for the first that cannot be used or belongs to
    another graph.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError as exc:
        raise _error(file, 0, "-", f"the file cannot be read: {exc.strerror}") from exc
    return [_read(graph, file, number, line) for number, line in enumerate(lines, 1) if line]


def _read(graph: str, file: Path, number: int, line: bytes) -> Mark:
    try:
        mark = Mark.model_validate(json.loads(line))
    except pydantic.ValidationError as exc:
        problem = exc.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or "-"
        raise _error(file, number, field, problem["msg"]) from exc
    except (ValueError, RecursionError) as exc:
        raise _error(file, number, "-", f"not JSON: {exc}") from exc
    if mark.graph != graph:
        raise _error(file, number, "graph", f"a mark of {mark.graph!r}, not of {graph!r}")
    return mark


def _problem(exc: pydantic.ValidationError) -> str:
    return str(exc.errors(include_url=False, include_input=False)[0]["msg"])


def _error(file: Path, number: int, field: str, message: str) -> DatasetError:
    return DatasetError(message, file=file.name, line=number, field=field)
