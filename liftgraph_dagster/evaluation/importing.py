"""Examples from other people's files, and ours to files and back.

A *map* says where each field of an example comes from. It is written `field=path`, as in
`input=inputs.question,expected=outputs,family=metadata.topic`, or as a JSON object of such texts:

- a path names a column, then what lies inside it: `inputs.question`, `labels.0`;
- `question|prompt` is the first of these paths that is there;
- `answer:json` reads a cell of CSV or Parquet as JSON when it holds an object, an array or a
  quoted text; otherwise cells are the texts that they are;
- `'billing'` stands for itself;
- `input.text=question,input.language=lang` makes an object.

A *recipe* is the map of a well-known export. Without map and recipe a file is in our own form, that
of `write_examples`: the fields of `Example`, of which `id`, `family` and the labels may be missing.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.example import Example, Label, checked_examples
from liftgraph_dagster.evaluation.rows import Place, Row, read_rows, write_csv, write_parquet
from liftgraph_dagster.graph.digest import digest, short
from liftgraph_dagster.graph.graph import Graph

FIELDS = tuple(Example.model_fields)
_TEXTS = ("id", "family")
"""The fields that CSV and Parquet hold as they are; the others they hold as JSON."""
_ASSIGNMENT = re.compile(r"\s*([\w.]+)\s*=\s*('[^']*'|[^',]+?)\s*(?:,|$)")


@dataclass(frozen=True)
class Lookup:
    """A value that lies somewhere in a row."""

    paths: tuple[str, ...]
    """The first that is there counts."""
    json: bool = False
    optional: bool = False
    """Rows may lack it."""


@dataclass(frozen=True)
class Constant:
    """A value that is the same for all rows."""

    value: Any


Origin = Lookup | Constant | Mapping[str, Any]
"""Where a field comes from. A mapping makes an object: by name, where each member comes from."""
FieldMap = Mapping[str, Origin]


def parse_map(text: str) -> FieldMap:
    """Return the map that `text` describes, written `field=path,...`. Raises InputError."""
    fields: dict[str, Any] = {}
    end = 0
    while end < len(text):
        found = _ASSIGNMENT.match(text, end)
        if found is None:
            raise InputError(
                f"--map cannot be read at {text[end:]!r}; write it as "
                "input=PATH,expected=PATH,family='constant', or name a file of JSON"
            )
        end = found.end()
        *parents, name = found[1].split(".")
        inner = fields
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                break
        if not isinstance(inner, dict) or name in inner:
            raise InputError(f"--map says twice where {found[1]} comes from")
        inner[name] = found[2]
    return _field_map(fields)


def read_map(file: Path) -> FieldMap:
    """Return the map that a file of JSON describes. Raises InputError."""
    try:
        raw = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as exc:
        raise InputError(f"the map {file} cannot be read: {exc}") from exc
    if not isinstance(raw, dict):
        raise InputError(f"the map {file} is no object of fields and paths")
    return _field_map(raw)


def _field_map(raw: Mapping[str, Any]) -> FieldMap:
    for name in raw:
        if name not in FIELDS:
            raise InputError(
                f"an example has no field {name!r} that a map could fill"
                f"{_nearest(name, FIELDS)}; its fields are {', '.join(FIELDS)}"
            )
    return {name: _origin(name, value) for name, value in raw.items()}


def _origin(name: str, raw: Any) -> Origin:
    if isinstance(raw, Mapping):
        return {key: _origin(f"{name}.{key}", value) for key, value in raw.items()}
    if not isinstance(raw, str):
        return Constant(raw)
    if len(raw) > 1 and raw[0] == raw[-1] == "'":
        return Constant(raw[1:-1])
    path = raw.removesuffix(":json")
    paths = tuple(part.strip() for part in path.split("|"))
    if not all(paths):
        raise InputError(f"the map names no column for {name}: {raw!r}")
    return Lookup(paths, json=path != raw)


RECIPES: Mapping[str, FieldMap] = {
    "langsmith": {
        "id": Lookup(("id",), optional=True),
        "input": Lookup(("inputs",), json=True),
        "expected": Lookup(("outputs",), json=True),
    },
    "langfuse": {
        "id": Lookup(("id",), optional=True),
        "input": Lookup(("input",), json=True),
        "expected": Lookup(("expectedOutput", "expected_output"), json=True),
    },
    "mlflow": {
        "id": Lookup(("dataset_record_id",), optional=True),
        "input": Lookup(("inputs",), json=True),
        "expected": Lookup(("expectations",), json=True),
    },
    "huggingface": {
        "id": Lookup(("id", "_id", "idx"), optional=True),
        "input": Lookup(("input", "question", "prompt", "instruction", "text")),
        "expected": Lookup(
            ("expected", "output", "answer", "completion", "response", "label", "target")
        ),
    },
}
"""The exports of dataset examples (LangSmith), dataset items (Langfuse) and evaluation datasets
(MLflow); of Hugging Face the usual names of plain columns. Their splits are not ours: a split
follows from the family."""


def import_examples(
    graph: Graph[Any], file: Path, fields: FieldMap | None = None, label: Label | None = None
) -> list[Example]:
    """Return the examples in `file`, each checked against what `graph` takes and expects.

    Args:
        fields: where the fields come from; None for a file in our own form.
        label: who labelled the rows that do not say so themselves.

    What a row does not say: the id is a digest of the input, so that a corrected label leaves the
    example the same; the family is `family_of` the input. Raises DatasetError for the first row
    that cannot be used, InputError for a map without input or expected outcome.
    """
    for name in ("input", "expected"):
        if fields is not None and name not in fields:
            raise InputError(f"the map does not say where `{name}` comes from; add {name}=PATH")
    rows = read_rows(file)
    return checked_examples(graph, ((row.place, _example(row, fields, label)) for row in rows))


def family_of(value: Any) -> str:
    """Return the family of an input that nobody has given one: inputs that differ in upper and
    lower case, white space and numbers only are of one family."""
    return f"auto-{short(digest(_normalised(value)))}"


def _normalised(value: Any) -> Any:
    match value:
        case str():
            return " ".join(re.sub(r"\d+(?:[.,]\d+)*", "0", value.casefold()).split())
        case bool() | None:
            return value
        case int() | float():
            return 0
        case Mapping():
            return {key: _normalised(item) for key, item in value.items()}
        case _:
            return [_normalised(item) for item in value]


def _example(row: Row, fields: FieldMap | None, label: Label | None) -> dict[str, Any]:
    """Return the row as the fields of an Example."""
    if not isinstance(row.value, Mapping):
        raise row.place.error("-", "not an object of columns and values")
    raw = _own(row) if fields is None else _mapped(row, fields)
    raw["labelled_by"] = _labels(row.place, raw.get("labelled_by"), label)
    try:
        if raw.get("family") in (None, ""):
            raw["family"] = family_of(raw["input"])
        if raw.get("id") in (None, ""):
            raw["id"] = f"row-{short(digest(raw['input']))}"
    except (ValueError, RecursionError) as exc:
        raise row.place.error("input", f"no value of JSON: {exc}") from exc
    return raw


def _labels(place: Place, named: Any, label: Label | None) -> Any:
    """Return the labels that a row names, or the one that is given for those that name none. A
    mere name of a person gets its kind and date from that one."""
    if named not in (None, "", []) and not isinstance(named, str):
        return named
    if label is None:
        raise place.error(
            "labelled_by",
            "the row does not say who labelled it, and of what kind that is; add --labelled-by "
            "NAME --kind human|author|synthetic",
        )
    return [label.model_copy(update={"who": named}) if named else label]


def _own(row: Row) -> dict[str, Any]:
    raw = dict(row.value)
    for name in ("input", "expected"):
        if name not in raw:
            raise _missing(row, (name,))
    if row.texts:
        for name in (set(FIELDS) - set(_TEXTS)) & raw.keys():
            raw[name] = _parsed(row.place, name, raw[name])
    return raw


def _mapped(row: Row, fields: FieldMap) -> dict[str, Any]:
    raw = {name: _value(row, name, origin) for name, origin in fields.items()}
    if raw["expected"] is None:
        raise row.place.error("expected", "the row has no label")
    for name in _TEXTS:
        if isinstance(raw.get(name), int) and not isinstance(raw[name], bool):
            raw[name] = str(raw[name])
    return {
        name: value
        for name, value in raw.items()
        if name in ("input", "expected") or value not in (None, "")
    }


def _value(row: Row, name: str, origin: Origin) -> Any:
    if isinstance(origin, Constant):
        return origin.value
    if isinstance(origin, Mapping):
        return {key: _value(row, f"{name}.{key}", inner) for key, inner in origin.items()}
    for path in origin.paths:
        for value in _at(row, path, row.value, path):
            return _maybe_json(value) if origin.json and row.texts else value
    if origin.optional:
        return None
    raise _missing(row, origin.paths)


def _at(row: Row, path: str, inside: Any, rest: str) -> Iterator[Any]:
    """Yield the value at `rest` of `path`, inside a part of the row, if it is there. A column whose
    name has a dot in it comes before what lies inside another."""
    if isinstance(inside, str) and row.texts:
        inside = _parsed(row.place, path.removesuffix(f".{rest}"), inside)
    if isinstance(inside, Sequence) and not isinstance(inside, str):
        inside = {str(index): item for index, item in enumerate(inside)}
    if not isinstance(inside, Mapping):
        return
    if rest in inside:
        yield inside[rest]
        return
    parts = rest.split(".")
    for count in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:count])
        if head in inside:
            yield from _at(row, path, inside[head], ".".join(parts[count:]))
            return


def _missing(row: Row, paths: Sequence[str]) -> Exception:
    """Return the error for a path that leads nowhere."""
    columns = list(row.value)
    missing = " or ".join(map(repr, paths)) + _nearest(paths[0], columns)
    there = ", ".join(map(str, columns)) or "nothing"
    return row.place.error(paths[0], f"the row has no {missing}; it has {there}")


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return the question whether one of `names` was meant, if one of them is near."""
    by_lower = {str(one).lower(): one for one in names}
    head = name.partition(".")[0]
    if head in by_lower.values():
        return ""
    found = difflib.get_close_matches(head.lower(), by_lower, n=1, cutoff=0.5)
    return f" (did you mean {by_lower[found[0]]!r}?)" if found else ""


def _maybe_json(value: Any) -> Any:
    """Return the object, array or text that `value` is the JSON of, or `value` itself."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "[", '"'):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _parsed(place: Place, column: str, text: Any) -> Any:
    if text is None or text == "":
        return None
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as exc:
        raise place.error(
            column,
            f"not JSON: {exc}. Columns of plain texts are read by a map: --map "
            "input=COLUMN,expected=COLUMN",
        ) from exc


def write_examples(examples: Iterable[Example], file: Path) -> None:
    """Write examples in our own form; the suffix of `file` names the format. `import_examples`
    returns them as they were.

    Raises InputError for another suffix than .jsonl, .csv and .parquet and for a file that cannot
    be written, ConfigurationError for Parquet without pyarrow.
    """
    bodies = [example.model_dump(mode="json") for example in examples]
    try:
        match file.suffix.lower():
            case ".jsonl":
                lines = [json.dumps(body, ensure_ascii=False) + "\n" for body in bodies]
                file.write_bytes("".join(lines).encode())
            case ".csv":
                write_csv(file, FIELDS, [_cells(body) for body in bodies])
            case ".parquet":
                write_parquet(file, FIELDS, [_cells(body) for body in bodies])
            case suffix:
                raise InputError(
                    f"{file.name}: {suffix or 'no suffix'} names no format that is written here; "
                    "use .jsonl, .csv or .parquet"
                )
    except OSError as exc:
        raise InputError(f"{file} cannot be written: {exc.strerror}") from exc


def _cells(body: Mapping[str, Any]) -> list[str]:
    return [body[n] if n in _TEXTS else json.dumps(body.get(n)) for n in FIELDS]
