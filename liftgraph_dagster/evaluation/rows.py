"""The rows of a file, each with its place: JSON Lines, a JSON array, CSV, Parquet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from liftgraph_dagster.errors import ConfigurationError, DatasetError, InputError


@dataclass(frozen=True)
class Place:
    """Where a row stands."""

    file: str
    number: int = 0
    """From 1; 0 for the file as a whole."""
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.number}" if self.number else self.file

    def error(self, field: str, message: str) -> DatasetError:
        """Return the error for what is wrong here."""
        return DatasetError(message, file=self.file, line=self.number, field=field, unit=self.unit)


@dataclass(frozen=True)
class Row:
    """One row."""

    place: Place
    value: Any
    """Any JSON value; an object by column in CSV and Parquet."""
    texts: bool = False
    """True where a text may be the JSON of something else, for want of a better type."""


def read_rows(file: Path) -> Iterator[Row]:
    """Yield the rows of `file`; its suffix names the format.

    Raises DatasetError at the first row that cannot be read, InputError for another suffix, and
    ConfigurationError for Parquet without pyarrow.
    """
    readers = {
        ".jsonl": json_lines, ".ndjson": json_lines, ".json": _json_array, ".csv": _csv,
        ".parquet": _parquet,
    }  # fmt: skip
    if file.suffix.lower() not in readers:
        raise InputError(
            f"{file.name} is in no format that is read here; the suffix has to be one of "
            f"{', '.join(readers)}"
        )
    return readers[file.suffix.lower()](file)


def json_lines(file: Path) -> Iterator[Row]:
    """Yield the lines of a file of JSON Lines, whatever its suffix; blank ones are left out."""
    for number, line in enumerate(_content(file).splitlines(), 1):
        if line.strip():
            place = Place(file.name, number)
            yield Row(place, _json(place, line))


def write_csv(file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows of texts as CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    file.write_bytes(text.getvalue().encode())


def write_parquet(file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows of texts as Parquet. Raises ConfigurationError without pyarrow."""
    pyarrow, parquet = _pyarrow()
    cells = [[row[index] for row in rows] for index in range(len(columns))]
    arrays = [pyarrow.array(column, type=pyarrow.string()) for column in cells]
    parquet.write_table(pyarrow.table(arrays, names=list(columns)), file)


def _json_array(file: Path) -> Iterator[Row]:
    """Yield the items of an array, or of the `data` of an object, as servers answer."""
    found = _json(Place(file.name), _content(file))
    if isinstance(found, dict) and "data" in found:
        found = found["data"]
    if not isinstance(found, list):
        raise Place(file.name).error(
            "-", "not an array of rows, nor an object whose `data` is one; name a file of JSON "
            "Lines .jsonl"
        )  # fmt: skip
    for number, item in enumerate(found, 1):
        yield Row(Place(file.name, number, "row"), item)


def _csv(file: Path) -> Iterator[Row]:
    try:
        text = _content(file).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise Place(file.name).error("-", f"not UTF-8: {exc}") from exc
    with _long_cells():
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        columns: list[str] | None = None
        ended = 0
        while True:
            place = Place(file.name, ended + 1)
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error as exc:
                raise place.error("-", f"not CSV: {exc}") from exc
            ended = reader.line_num
            if not cells:
                continue
            if columns is None:
                columns = _header(place, cells)
            elif len(cells) != len(columns):
                raise place.error(
                    "-", f"{len(cells)} cells, but the header names {len(columns)} columns"
                )
            else:
                yield Row(place, dict(zip(columns, cells, strict=True)), texts=True)


def _header(place: Place, cells: list[str]) -> list[str]:
    for index, name in enumerate(cells):
        if name in cells[:index]:
            raise place.error(name or "-", "two columns bear this name")
    return cells


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _parquet(file: Path) -> Iterator[Row]:
    pyarrow, parquet = _pyarrow()
    content = _content(file)
    try:
        found = parquet.read_table(pyarrow.BufferReader(content)).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as exc:
        raise Place(file.name).error("-", f"not Parquet: {exc}") from exc
    for number, values in enumerate(found, 1):
        place = Place(file.name, number, "row")
        yield Row(place, {name: _plain(place, name, v) for name, v in values.items()}, texts=True)


def _plain(place: Place, column: str, value: Any) -> Any:
    """Return a cell of a column of any type as JSON has it: times as text in ISO 8601."""
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, UnicodeDecodeError, ValueError) as exc:
        raise place.error(column, f"no value of JSON: {exc}") from exc


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as exc:
        raise ConfigurationError(
            "Parquet needs pyarrow, which is not installed; get it by "
            "pip install 'liftgraph-dagster[parquet]'"
        ) from exc
    return pyarrow, pyarrow.parquet


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise Place(file.name).error("-", f"the file cannot be read: {exc.strerror}") from exc


def _json(place: Place, text: bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise place.error("-", f"not JSON: {exc}") from exc


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")
