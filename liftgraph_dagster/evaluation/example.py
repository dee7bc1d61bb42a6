"""Labelled examples: an input, what is expected, who says so.

A file holds one JSON object a line. A line that cannot be used stops the reading with its file,
line and field; nothing has been stored then.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pydantic

from liftgraph_dagster.errors import DatasetError, InputError
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import refuse_surrogates

Name = Annotated[str, pydantic.StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]


class LabelKind(StrEnum):
    """What sort of labeller made a label. A model is never counted as a rater."""

    HUMAN = "human"
    AUTHOR = "author"
    """Whoever wrote the example."""
    SYNTHETIC = "synthetic"
    """A language model; no person has reviewed it."""


class Label(pydantic.BaseModel):
    """Who made the labels of an example."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    who: str
    kind: LabelKind
    on: dt.date


class Example(pydantic.BaseModel):
    """One labelled example."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    id: Name
    family: Name
    """Examples of one family vary one task; they are never in two splits."""
    input: Any
    """What the graph is given."""
    expected: Any
    """What a right outcome is; its form is the graph's."""
    labelled_by: tuple[Label, ...] = pydantic.Field(min_length=1)
    difficulty: int | None = pydantic.Field(None, ge=1, le=5)
    """From 1 (trivial) to 5, when the author gave one."""


def read_examples(graph: Graph[Any], files: Iterable[Path]) -> list[Example]:
    """Return the examples in `files`, each checked against what `graph` takes and expects.

    Raises DatasetError for the first line that cannot be used.
    """
    examples: dict[str, Example] = {}
    for file in files:
        for number, line in _lines(file):
            example = _example(file, number, line)
            _check(graph, file, number, example)
            if example.id in examples:
                raise _error(file, number, "id", f"{example.id!r} stands in an earlier line too")
            examples[example.id] = example
    return list(examples.values())


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    try:
        content = file.read_bytes()
    except OSError as exc:
        raise _error(file, 0, "-", f"the file cannot be read: {exc.strerror}") from exc
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            yield number, line


def _example(file: Path, number: int, line: bytes) -> Example:
    try:
        raw = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise _error(file, number, "-", f"not JSON: {exc}") from exc
    try:
        return Example.model_validate(raw)
    except pydantic.ValidationError as exc:
        raise _invalid(file, number, "", exc) from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _check(graph: Graph[Any], file: Path, number: int, example: Example) -> None:
    try:
        refuse_surrogates(example.input, "input")
        graph.begin(example.input)
    except Exception as exc:
        raise _error(file, number, "input", str(exc)) from exc
    try:
        refuse_surrogates(example.expected, "expected")
    except InputError as exc:
        raise _error(file, number, "expected", str(exc)) from exc
    if graph.expected is not None:
        try:
            graph.expected.model_validate(example.expected)
        except pydantic.ValidationError as exc:
            raise _invalid(file, number, "expected.", exc) from exc


def _invalid(file: Path, number: int, prefix: str, exc: pydantic.ValidationError) -> DatasetError:
    problem = exc.errors(include_url=False, include_input=False)[0]
    field = prefix + ".".join(str(part) for part in problem["loc"])
    return _error(file, number, field or "-", problem["msg"])


def _error(file: Path, number: int, field: str, message: str) -> DatasetError:
    return DatasetError(message, file=file.name, line=number, field=field)
