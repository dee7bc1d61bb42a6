from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydantic
import pytest

from liftgraph_dagster.errors import DatasetError
from liftgraph_dagster.evaluation.example import read_examples
from tests.factories import example_line, make_example, tickets_graph, write_lines

GRAPH = tickets_graph()


class Desk(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    desk: str


def line(**changes: Any) -> str:
    return json.dumps(example_line() | changes)


def without(field: str) -> str:
    return json.dumps({k: v for k, v in example_line().items() if k != field})


def label(**changes: Any) -> list[Any]:
    return [example_line()["labelled_by"][0] | changes]


def refusal(tmp_path: Path, *lines: str, graph: Any = GRAPH) -> DatasetError:
    """Return the error that reading a file of these lines raises."""
    with pytest.raises(DatasetError) as caught:
        read_examples(graph, [write_lines(tmp_path / "some.jsonl", lines)])
    return caught.value


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("not JSON", "-"),
        ('{"id": "a",', "-"),
        (line(expected=float("nan")), "-"),
        ("[]", "-"),
        ('"text"', "-"),
        ("[" * 100_000, "-"),
        (without("id"), "id"),
        (without("family"), "family"),
        (without("input"), "input"),
        (without("expected"), "expected"),
        (without("labelled_by"), "labelled_by"),
        (line(id=""), "id"),
        (line(id=7), "id"),
        (line(family=""), "family"),
        (line(inputs="a misspelt field"), "inputs"),
        (line(labelled_by=[]), "labelled_by"),
        (line(labelled_by=label(kind="model")), "labelled_by.0.kind"),
        (line(labelled_by=label(on="yesterday")), "labelled_by.0.on"),
        (line(labelled_by=label(model="gpt")), "labelled_by.0.model"),
        (line(difficulty="hard"), "difficulty"),
        (line(difficulty=0), "difficulty"),
        (line(difficulty=6), "difficulty"),
        (line(input=7), "input"),
        (line(input=None), "input"),
        (line(input="half \ud83d of a pair"), "input"),
    ],
)
def test_a_bad_line_gives_file_line_and_field(tmp_path: Path, text: str, field: str) -> None:
    error = refusal(tmp_path, line(id="good"), "", text)

    assert (error.file, error.line, error.field) == ("some.jsonl", 3, field)
    assert str(error).startswith(f"some.jsonl, line 3, field {field}: ")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "a\0b"}, "id"),
        ({"family": "a\0b"}, "family"),
        ({"expected": {"desk": ["\udc00"]}}, "expected"),
    ],
    ids=["NUL in id", "NUL in family", "surrogate"],
)
def test_what_no_database_can_keep_is_refused_with_its_field(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    """Found later, at the digest or in PostgreSQL, it would name neither file nor line."""
    error = refusal(tmp_path, line(**changes))

    assert (error.line, error.field.partition(".")[0]) == (1, field)


@pytest.mark.parametrize(
    ("expected", "field"),
    [({}, "expected.desk"), ({"desk": 7}, "expected.desk"), ({"desk": "a", "b": 1}, "expected.b"),
     ("accounts", "expected.")],
)  # fmt: skip
def test_a_label_that_is_not_of_the_graphs_form_is_refused(
    tmp_path: Path, expected: Any, field: str
) -> None:
    error = refusal(tmp_path, line(expected=expected), graph=tickets_graph(expected=Desk))

    assert error.field == field


def test_an_id_in_two_files_is_refused_where_it_stands_again(tmp_path: Path) -> None:
    first = write_lines(tmp_path / "a.jsonl", [line(id="x")])
    second = write_lines(tmp_path / "b.jsonl", [line(id="y"), line(id="x")])

    with pytest.raises(DatasetError, match="the input and the label of a") as caught:
        read_examples(GRAPH, [first, second])

    assert (caught.value.file, caught.value.line, caught.value.field) == ("b.jsonl", 2, "id")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.jsonl.*No such file"):
        read_examples(GRAPH, [tmp_path / "gone.jsonl"])


def test_examples_come_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    files = [
        write_lines(tmp_path / "b.jsonl", [line(id="3"), line(id="1")]),
        write_lines(tmp_path / "a.jsonl", [line(id="2")]),
    ]

    assert [example.id for example in read_examples(GRAPH, files)] == ["3", "1", "2"]


@pytest.mark.parametrize(
    "content",
    [b"%s\r\n\r\n", b"\n  \n%s", b"\xef\xbb\xbf%s\n"],
    ids=["CRLF", "blank lines, no end of line", "byte order mark"],
)
def test_a_file_as_editors_leave_it_is_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(content % line().encode())

    assert read_examples(GRAPH, [file]) == [make_example()]


@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "a\0b", "né 🙂", "a\\nb"])
def test_any_unicode_text_is_an_input(tmp_path: Path, text: str) -> None:
    """A line ends at the end of a line of the file, not at a character that some call one."""
    raw = json.dumps(example_line() | {"input": text}, ensure_ascii=False)
    file = write_lines(tmp_path / "a.jsonl", [raw])

    assert read_examples(GRAPH, [file])[0].input == text


def test_a_graph_without_a_form_takes_any_label(tmp_path: Path) -> None:
    expected = {"any": [1, None, {"thing": True}]}
    file = write_lines(tmp_path / "a.jsonl", [line(expected=expected)])

    assert read_examples(GRAPH, [file])[0].expected == expected


def test_an_example_cannot_be_changed() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        make_example().input = "other"
