from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from liftgraph_dagster.errors import ConfigurationError, DatasetError, InputError
from liftgraph_dagster.evaluation.rows import read_rows


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def values(file: Path) -> list[Any]:
    return [row.value for row in read_rows(file)]


def parquet(tmp_path: Path, **columns: list[Any]) -> Path:
    file = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"q": "1"}\n\n{"q": "2"}\n'),
        ("a.ndjson", '{"q": "1"}\r\n{"q": "2"}'),
        ("A.JSON", '[{"q": "1"}, {"q": "2"}]'),
        ("a.json", '{"data": [{"q": "1"}, {"q": "2"}], "meta": {"page": 1}}'),
        ("a.csv", "q\n1\n\n2\n"),
        ("a.csv", "\ufeffq\r\n1\r\n2"),
    ],
)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, content: str) -> None:
    assert values(written(tmp_path, name, content)) == [{"q": "1"}, {"q": "2"}]


def test_parquet_gives_the_rows_with_json_values(tmp_path: Path) -> None:
    file = parquet(tmp_path, q=["a", None], at=[dt.date(2026, 11, 25)] * 2, deep=[{"x": [1]}] * 2)

    assert values(file) == [
        {"q": "a", "at": "2026-11-25", "deep": {"x": [1]}},
        {"q": None, "at": "2026-11-25", "deep": {"x": [1]}},
    ]


def test_a_row_knows_the_line_that_it_begins_at(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", 'q,a\n"two\nlines",1\n\nlast,2\n')

    assert [row.place.number for row in read_rows(file)] == [2, 5]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    assert values(written(tmp_path, "a.csv", f"q\n{'x' * 500_000}\n")) == [{"q": "x" * 500_000}]


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("a.jsonl", '{"q": 1}\n{', 2, "not JSON"),
        ("a.json", '{"q": 1}', 0, "not an array of rows"),
        ("a.json", "[1,", 0, "not JSON"),
        ("a.json", '{"data": 1}', 0, "not an array of rows"),
        ("a.csv", "q,a\n1,2\n1,2,3\n", 3, "3 cells, but the header names 2 columns"),
        ("a.csv", "q,a\n1\n", 2, "1 cells, but the header names 2 columns"),
        ("a.csv", "q,a,q\n", 1, "two columns bear this name"),
        ("a.csv", 'q\n"open', 2, "not CSV"),
        ("a.csv", "né".encode("latin-1"), 0, "not UTF-8"),
        ("a.parquet", b"PAR1 not really", 0, "not Parquet"),
        ("a.parquet", b"", 0, "not Parquet"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, line: int, says: str
) -> None:
    file = written(tmp_path, name, content)

    with pytest.raises(DatasetError, match=says) as caught:
        values(file)

    assert (caught.value.file, caught.value.line) == (name, line)


def test_a_value_that_json_cannot_carry_is_named_with_row_and_column(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.parquet, row 2, field q"):
        values(parquet(tmp_path, q=[b"fine", b"\xff"]))


@pytest.mark.parametrize("name", ["a.xlsx", "a", "jsonl"])
def test_another_suffix_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.jsonl, \.ndjson, \.json, \.csv, \.parquet"):
        read_rows(written(tmp_path, name, "{}"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=f"{name}, field -: .*No such file"):
        values(tmp_path / name)


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = parquet(tmp_path, q=["a"])
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigurationError, match=r"liftgraph-dagster\[parquet\]"):
        values(file)


def test_reading_leaves_the_limit_of_cells_as_it_was(tmp_path: Path) -> None:
    import csv

    before = csv.field_size_limit()

    values(written(tmp_path, "a.csv", f"q\n{json.dumps('x')}\n"))

    assert csv.field_size_limit() == before
