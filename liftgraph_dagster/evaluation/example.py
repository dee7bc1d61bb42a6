"""Labelled examples: an input, what is expected, who says so.

A file holds one JSON object a line. A line that cannot be used stops the reading with its file,
line and field; nothing has been stored then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pydantic

from liftgraph_dagster.errors import DatasetError, InputError
from liftgraph_dagster.evaluation.rows import Place, json_lines
from liftgraph_dagster.graph.digest import canonical_json
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

    who: Name
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
    source: str | None = None
    """What it was made of, when that is known: `execution ID`."""

    @pydantic.model_serializer(mode="wrap")
    def _without_unknown_source(self, dump: pydantic.SerializerFunctionWrapHandler) -> Any:
        """Leave an unknown source out, so that it changes no digest."""
        fields = dump(self)
        if self.source is None:
            fields.pop("source", None)
        return fields


def read_examples(graph: Graph[Any], files: Iterable[Path]) -> list[Example]:
    """Return the examples in `files`, each checked against what `graph` takes and expects.

    Raises DatasetError for the first line that cannot be used.
    """
    rows = (row for file in files for row in json_lines(file))
    return checked_examples(graph, ((row.place, row.value) for row in rows))


def checked_examples(graph: Graph[Any], rows: Iterable[tuple[Place, Any]]) -> list[Example]:
    """Return the examples that `rows` hold, as objects or as Examples, each checked against what
    `graph` takes and expects.

    Raises DatasetError for the first row that cannot be used, or has the id of an earlier one.
    """
    examples: dict[str, Example] = {}
    places: dict[str, Place] = {}
    for place, raw in rows:
        try:
            example = Example.model_validate(raw)
        except pydantic.ValidationError as exc:
            raise _invalid(place, "", exc) from exc
        _check(graph, place, example)
        if example.id in examples:
            raise _twice(place, example, places[example.id], examples[example.id])
        examples[example.id], places[example.id] = example, place
    return list(examples.values())


def _twice(place: Place, example: Example, earlier: Place, first: Example) -> DatasetError:
    """Return the error for two rows of one id: rows of one input have that unless ids are given."""
    if example.input != first.input:
        problem = f"{example.id!r} stands in {earlier} too; give each an id of its own"
    elif example.expected != first.expected:
        problem = f"the input of {earlier} again, with another label; keep the right one"
    else:
        problem = f"the input and the label of {earlier} again; remove one"
    return place.error("id", problem)


def _check(graph: Graph[Any], place: Place, example: Example) -> None:
    given = {
        "input": example.input,
        "expected": example.expected,
        "source": example.source,
        "labelled_by": [label.who for label in example.labelled_by],
    }
    for field, value in given.items():
        try:
            refuse_surrogates(value, field)
            canonical_json(value)
        except (InputError, ValueError, TypeError, RecursionError) as exc:
            raise place.error(field, str(exc)) from exc
    try:
        graph.begin(example.input)
    except Exception as exc:
        raise place.error("input", str(exc)) from exc
    if graph.expected is not None:
        try:
            graph.expected.model_validate(example.expected)
        except pydantic.ValidationError as exc:
            raise _invalid(place, "expected.", exc) from exc


def _invalid(place: Place, prefix: str, exc: pydantic.ValidationError) -> DatasetError:
    problem = exc.errors(include_url=False, include_input=False)[0]
    field = prefix + ".".join(str(part) for part in problem["loc"])
    return place.error(field or "-", problem["msg"])
