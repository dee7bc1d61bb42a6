from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from liftgraph_dagster.errors import DatasetError, InputError
from liftgraph_dagster.evaluation.agreement import Level
from liftgraph_dagster.evaluation.marks import (
    Scale,
    check_rater,
    new_mark,
    read_marks,
    write_marks,
)
from tests.factories import make_mark


def line(**changes: Any) -> dict[str, Any]:
    """Return a mark as a line of a file has it."""
    return make_mark().model_dump(mode="json", by_alias=True) | changes


def written(folder: Path, *lines: Any) -> Path:
    """Return a file of these lines."""
    file = folder / "marks-ada.jsonl"
    file.write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines))
    return file


@pytest.mark.parametrize("text", ["ordinal", "binary", "binary:code", "ordinal:a:b"])
def test_a_scale_is_written_as_text_and_read_back(text: str) -> None:
    assert str(Scale.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "values", "level"),
    [("ordinal", [1, 2, 3, 4, 5], Level.ORDINAL), ("binary:code", [0, 1], Level.NOMINAL)],
)
def test_a_scale_has_its_marks_and_their_level(text: str, values: list[int], level: Level) -> None:
    scale = Scale.parse(text)

    assert (list(scale.words), scale.level) == (values, level)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": 6}, r"the scale ordinal is one of \[1, 2, 3, 4, 5\]"),
        ({"value": 2, "scale": "binary"}, r"the scale binary is one of \[0, 1\]"),
        ({"rater": "../ada"}, "no name of a rater"),
        ({"rater": ""}, "no name of a rater"),
        ({"pass_number": 0}, "greater than or equal to 1"),
        ({"scale": "stars"}, "not a valid ScaleKind"),
        ({"seconds": float("nan")}, "finite"),
        ({"outcome": "abc"}, "match pattern"),
        ({"id": "no uuid"}, "match pattern"),
        ({"at": "2026-11-25T10:00:00"}, "timezone"),
    ],
)
def test_what_is_no_mark_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        make_mark(**changes)


def test_a_mark_off_the_scale_is_never_made() -> None:
    with pytest.raises(InputError, match=r"a mark cannot be made: .*one of \[1, 2, 3, 4, 5\]"):
        new_mark(**make_mark().model_dump(exclude={"id", "at"}) | {"value": 9})


@pytest.mark.parametrize("name", ["", "ada lovelace", "a/b", "-rf", "x" * 65])
def test_a_name_that_no_file_should_have_is_no_rater(name: str) -> None:
    with pytest.raises(InputError, match="no name of a rater"):
        check_rater(name)


def test_written_marks_are_read_back(tmp_path: Path) -> None:
    marks = [make_mark(), make_mark("billing-2", scale="binary:desk", value=0, pass_number=2)]
    file = tmp_path / "evals" / "tickets" / "marks-ada.jsonl"

    write_marks(marks, file)

    assert read_marks("tickets", file) == marks


@pytest.mark.parametrize(
    ("bad", "field", "says"),
    [
        (line(value=6), "-", "one of [1, 2, 3, 4, 5]"),
        (line(seconds=-1), "seconds", "greater than or equal to 0"),
        (line(stars=3), "stars", "not permitted"),
        (line(graph="letters"), "graph", "a mark of 'letters', not of 'tickets'"),
        (line(value="4"), "value", "valid integer"),
        (line(value=True), "value", "valid integer"),
        (line(at="0001-01-01T00:00:00+14:00"), "at", "beyond the years 1 to 9999"),
        ("{", "-", "not JSON"),
        ("[" * 100_000, "-", "not JSON"),
        ("3", "-", "dictionary"),
    ],
)
def test_a_line_that_is_no_mark_is_named(tmp_path: Path, bad: Any, field: str, says: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_marks("tickets", written(tmp_path, line(), bad))

    assert (caught.value.file, caught.value.line, caught.value.field) == (
        "marks-ada.jsonl", 2, field,
    )  # fmt: skip
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"marks\.jsonl.*cannot be read"):
        read_marks("tickets", tmp_path / "marks.jsonl")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "evals").write_text("a file, not a folder")

    with pytest.raises(InputError, match="cannot be written to"):
        write_marks([make_mark()], tmp_path / "evals" / "marks-ada.jsonl")
