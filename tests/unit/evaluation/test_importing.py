from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liftgraph_dagster.errors import DatasetError, InputError
from liftgraph_dagster.evaluation.example import Example, Label, LabelKind
from liftgraph_dagster.evaluation.importing import (
    RECIPES,
    Constant,
    FieldMap,
    Lookup,
    family_of,
    import_examples,
    parse_map,
    read_map,
    write_examples,
)
from liftgraph_dagster.graph.graph import Graph
from tests.factories import TICKETS, example_line, make_example, tickets_graph, write_lines
from tests.support import tickets

GRAPH = tickets_graph()
ADA = Label(who="ada", kind=LabelKind.HUMAN, on=dt.date(2026, 11, 25))
FORMATS = ("jsonl", "csv", "parquet")


def begin_anything(value: Any) -> tickets.Ticket:
    return tickets.Ticket(text="")


ANYTHING: Graph[Any] = tickets_graph(start=begin_anything)
"""Takes any input, expects anything."""


def imported(
    file: Path,
    mapping: str | FieldMap | None = None,
    *,
    graph: Graph[Any] = ANYTHING,
    label: Label | None = ADA,
) -> list[Example]:
    fields = parse_map(mapping) if isinstance(mapping, str) else mapping
    return import_examples(graph, file, fields, label)


def refusal(*arguments: Any, **options: Any) -> DatasetError:
    """Return the error that importing raises."""
    with pytest.raises(DatasetError) as caught:
        imported(*arguments, **options)
    return caught.value


def write_csv(tmp_path: Path, *rows: list[str]) -> Path:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    file = tmp_path / "a.csv"
    file.write_text(text.getvalue())
    return file


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\0\n,é"), inner),
    max_leaves=8,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
LABELS = st.builds(
    Label, who=NAMES, kind=st.sampled_from(LabelKind), on=st.dates(dt.date(1970, 1, 1))
)
EXAMPLES = st.lists(
    st.builds(
        Example,
        id=NAMES,
        family=NAMES,
        input=JSON,
        expected=JSON,
        labelled_by=st.lists(LABELS, min_size=1, max_size=3).map(tuple),
        difficulty=st.none() | st.integers(1, 5),
        source=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    ),
    unique_by=lambda example: example.id,
    max_size=4,
)


@pytest.mark.parametrize("suffix", FORMATS)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(EXAMPLES)
def test_what_was_exported_is_imported_as_it_was(
    tmp_path: Path, suffix: str, examples: list[Example]
) -> None:
    file = tmp_path / f"a.{suffix}"
    write_examples(examples, file)

    back = imported(file, label=None)

    assert [one.model_dump_json() for one in back] == [one.model_dump_json() for one in examples]


@pytest.mark.parametrize("suffix", FORMATS)
def test_exports_of_one_dataset_are_alike_in_every_format(tmp_path: Path, suffix: str) -> None:
    examples = [make_example(id) for id in TICKETS]
    write_examples(examples, tmp_path / f"a.{suffix}")

    assert imported(tmp_path / f"a.{suffix}", graph=GRAPH, label=None) == examples


@pytest.mark.parametrize("name", ["a.json", "a", "a.xlsx"])
def test_a_format_that_is_not_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.jsonl, \.csv or \.parquet"):
        write_examples([make_example()], tmp_path / name)

    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_examples([make_example()], tmp_path / "missing" / f"a.{suffix}")


@pytest.mark.parametrize(
    ("recipe", "row"),
    [
        (
            "langsmith",
            {"id": "x", "inputs": {"q": "a"}, "outputs": {"a": 1}, "metadata": {"t": "b"},
             "created_at": "2026-01-01T00:00:00", "split": "test"},
        ),
        (
            "langfuse",
            {"id": "x", "input": {"q": "a"}, "expectedOutput": {"a": 1}, "metadata": None,
             "sourceTraceId": None, "status": "ACTIVE", "datasetName": "d"},
        ),
        (
            "mlflow",
            {"dataset_record_id": "x", "inputs": {"q": "a"}, "expectations": {"a": 1},
             "tags": {"t": "b"}, "source": {"human": {"user_name": "ada"}}},
        ),
        ("huggingface", {"id": "x", "question": {"q": "a"}, "answer": {"a": 1}, "split": "test"}),
    ],
)  # fmt: skip
def test_a_recipe_reads_an_export(tmp_path: Path, recipe: str, row: dict[str, Any]) -> None:
    file = write_lines(tmp_path / "a.jsonl", [row])

    [example] = imported(file, RECIPES[recipe])

    assert (example.id, example.input, example.expected) == ("x", {"q": "a"}, {"a": 1})
    assert example.labelled_by == (ADA,)


@pytest.mark.parametrize("recipe", ["langsmith", "langfuse", "mlflow"])
def test_a_recipe_reads_the_json_in_the_cells_of_a_csv(tmp_path: Path, recipe: str) -> None:
    fields = RECIPES[recipe]
    columns = [fields[name].paths[0] for name in ("id", "input", "expected")]  # type: ignore[union-attr]
    file = write_csv(tmp_path, columns, ["x", '{"q": "a"}', '{"a": 1}'], ["y", "plain", '"1"'])

    first, second = imported(file, fields)

    assert (first.input, first.expected) == ({"q": "a"}, {"a": 1})
    assert (second.input, second.expected) == ("plain", "1")


def test_a_map_changes_single_fields_of_a_recipe(tmp_path: Path) -> None:
    row = {"inputs": {"q": "a"}, "outputs": {"desk": "b"}, "metadata": {"topic": "c"}}
    file = write_lines(tmp_path / "a.jsonl", [row])
    changes = parse_map("input=inputs.q,expected=outputs.desk,family=metadata.topic")

    [example] = imported(file, {**RECIPES["langsmith"], **changes}, graph=GRAPH)

    assert (example.input, example.expected, example.family) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("row", "mapping", "value"),
    [
        ({"a": {"b": {"c": 1}}}, "a.b.c", 1),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"a.b": {"c": 1}}, "a.b.c", 1),
        ({"a": ["x", {"b": 1}]}, "a.1.b", 1),
        ({"b": 1}, "a|b", 1),
        ({"a": 2, "b": 1}, "a|b", 2),
        ({"a": None}, "a", None),
        ({"a": "[1]"}, "a", "[1]"),
        ({"a": "[1]"}, "a:json", "[1]"),  # in JSON a text is a text
        ({}, "'a, b'", "a, b"),
        ({}, "''", ""),
    ],
)
def test_a_path_finds_its_value(
    tmp_path: Path, row: dict[str, Any], mapping: str, value: Any
) -> None:
    file = write_lines(tmp_path / "a.jsonl", [row | {"y": 0}])

    [example] = imported(file, f"input={mapping},expected=y")

    assert example.input == value


@pytest.mark.parametrize(
    ("cell", "mapping", "value"),
    [
        ("7", "a", "7"),
        ("7", "a:json", "7"),
        ('{"b": 7}', "a", '{"b": 7}'),
        ('{"b": 7}', "a:json", {"b": 7}),
        ('{"b": 7}', "a.b", 7),
        ("[bold] move", "a:json", "[bold] move"),
        ('"quoted"', "a:json", "quoted"),
    ],
)
def test_a_cell_of_a_csv_is_a_text_unless_a_map_looks_into_it(
    tmp_path: Path, cell: str, mapping: str, value: Any
) -> None:
    file = write_csv(tmp_path, ["a", "y"], [cell, "0"])

    [example] = imported(file, f"input={mapping},expected=y")

    assert example.input == value


def test_several_columns_make_one_input(tmp_path: Path) -> None:
    file = write_csv(tmp_path, ["question", "lang", "y"], ["a", "en", "0"])

    [example] = imported(file, "input.text=question,input.in.language=lang,expected=y")

    assert example.input == {"text": "a", "in": {"language": "en"}}


def test_a_map_can_be_a_file(tmp_path: Path) -> None:
    raw = {"input": {"text": "q"}, "expected": "y", "family": "'all'", "difficulty": 3}
    (tmp_path / "map.json").write_text(json.dumps(raw))
    file = write_csv(tmp_path, ["q", "y"], ["a", "0"])

    [example] = imported(file, read_map(tmp_path / "map.json"))

    assert (example.input, example.family, example.difficulty) == ({"text": "a"}, "all", 3)


def test_a_written_map_is_read() -> None:
    assert parse_map(" input = a.b|c:json , family='x, y'") == {
        "input": Lookup(("a.b", "c"), json=True),
        "family": Constant("x, y"),
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("input", "cannot be read at 'input'"),
        ("input=a,,expected=b", "cannot be read at ',expected=b'"),
        ("input='a", "cannot be read"),
        ("input=a,input=b", "says twice where input comes from"),
        ("input=a,input.b=c", "says twice where input.b comes from"),
        ("input=|a", "names no column for input"),
        ("input=:json", "names no column for input"),
        ("inptu=a", "no field 'inptu' that a map could fill .did you mean 'input'"),
        ("metadata=a", "its fields are id, family, input"),
    ],
)
def test_a_map_that_cannot_be_used_says_where(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_map(text)


@pytest.mark.parametrize("content", ["{", "[]", '{"inptu": "a"}', None])
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "map.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(InputError, match="map"):
        read_map(file)


@pytest.mark.parametrize("mapping", ["input=q", "expected=q"])
def test_a_map_without_input_or_label_is_refused(tmp_path: Path, mapping: str) -> None:
    with pytest.raises(InputError, match="the map does not say where"):
        imported(write_csv(tmp_path, ["q"], ["a"]), mapping)


def test_a_wrong_column_is_refused_with_those_there_are_and_the_nearest(tmp_path: Path) -> None:
    file = write_csv(tmp_path, ["Question", "answer"], ["a", "b"])

    error = refusal(file, "input=question,expected=answer")

    assert (error.line, error.field) == (2, "question")
    assert str(error).endswith(
        "the row has no 'question' (did you mean 'Question'?); it has Question, answer"
    )


def test_a_path_that_leads_nowhere_inside_a_column_is_refused_at_its_row(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [{"q": {"a": 1}, "y": 0}, {"q": {"b": 1}, "y": 0}])

    error = refusal(file, "input=q.a,expected=y")

    assert (error.file, error.line, error.field) == ("a.jsonl", 2, "q.a")


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"input": 7}, "input", "valid string"),
        ({"input": "half \ud83d of a pair"}, "input", "surrogate"),
        ({"expected": {"desk": 7}}, "expected.desk", "valid string"),
        ({"expected": {"dest": "a"}}, "expected.desk", "Field required"),
        ({"expected": None}, "expected", "the row has no label"),
        ({"difficulty": 9}, "difficulty", "less than or equal to 5"),
        ({"id": True}, "id", "valid string"),
        ({"family": {"a": 1}}, "family", "valid string"),
        ({"id": "first"}, "id", "the input and the label of a.jsonl, line 1 again; remove one"),
        ({"id": "first", "input": "b"}, "id", "'first' stands in a.jsonl, line 1 too"),
    ],
)
def test_a_row_that_the_graph_does_not_take_is_named_with_its_field(
    tmp_path: Path, changes: dict[str, Any], field: str, says: str
) -> None:
    class Desk(pydantic.BaseModel):
        desk: str

    row = {"id": "first", "family": "f", "input": "a", "expected": {"desk": "b"}, "difficulty": 1}
    second = row | {"id": "second"} | changes
    file = write_lines(tmp_path / "a.jsonl", [row, second])
    mapping = "id=id,family=family,input=input,expected=expected,difficulty=difficulty"

    error = refusal(file, mapping, graph=tickets_graph(expected=Desk))

    assert (error.line, error.field) == (2, field)
    assert says in str(error)


def test_rows_of_one_input_and_two_labels_are_refused(tmp_path: Path) -> None:
    file = write_csv(
        tmp_path, ["q", "desk"], ["I paid twice.", "accounts"], ["I paid twice.", "it"]
    )

    error = refusal(file, "input=q,expected=desk")

    assert error.line == 3
    assert "the input of a.csv, line 2 again, with another label" in str(error)


def test_a_corrected_label_leaves_the_example_the_same(tmp_path: Path) -> None:
    mapping = "input=q,expected=desk"
    [first] = imported(write_csv(tmp_path, ["q", "desk"], ["I paid twice.", "it"]), mapping)
    [second] = imported(write_csv(tmp_path, ["q", "desk"], ["I paid twice.", "accounts"]), mapping)

    assert (first.id, first.family) == (second.id, second.family)


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_too_large_for_json_is_refused(tmp_path: Path, number: str) -> None:
    file = write_lines(tmp_path / "a.jsonl", ['{"q": %s, "y": 0}' % number])  # noqa: UP031

    assert refusal(file, "input=q,expected=y").field == "input"


def test_a_row_that_is_no_object_is_refused(tmp_path: Path) -> None:
    assert refusal(write_lines(tmp_path / "a.jsonl", ["[1]"])).line == 1


def test_nobody_labels_by_default(tmp_path: Path) -> None:
    file = write_csv(tmp_path, ["q", "y"], ["a", "b"])

    error = refusal(file, "input=q,expected=y", label=None)

    assert error.field == "labelled_by"
    assert "--labelled-by NAME --kind human|author|synthetic" in str(error)


def test_labels_of_the_row_come_before_the_one_that_is_given(tmp_path: Path) -> None:
    bob = {"who": "bob", "kind": "author", "on": "2026-01-01"}
    file = write_lines(tmp_path / "a.jsonl", [example_line() | {"labelled_by": [bob]}])

    [example] = imported(file)

    assert example.labelled_by == (Label.model_validate(bob),)


def test_a_column_of_names_says_who_labelled(tmp_path: Path) -> None:
    file = write_csv(tmp_path, ["q", "y", "who"], ["a", "b", "eve"], ["c", "d", ""])

    first, second = imported(file, "input=q,expected=y,labelled_by=who")

    assert first.labelled_by == (ADA.model_copy(update={"who": "eve"}),)
    assert second.labelled_by == (ADA,)


def test_an_id_follows_from_the_input(tmp_path: Path) -> None:
    rows = [["q", "y"], ["a", "b"], ["b", "b"], ["c", "c"]]
    file = write_csv(tmp_path, *rows)

    ids = [example.id for example in imported(file, "input=q,expected=y")]
    again = [example.id for example in imported(file, "input=q,expected=y")]

    assert len(set(ids)) == 3
    assert ids == again


def test_a_row_that_stands_twice_is_refused(tmp_path: Path) -> None:
    error = refusal(write_csv(tmp_path, ["q", "y"], ["a", "b"], ["a", "b"]), "input=q,expected=y")

    assert (error.line, error.field) == (3, "id")


def test_numbers_are_names_too(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [{"id": 7, "topic": 0, "q": "a", "y": "b"}])

    [example] = imported(file, "id=id,family=topic,input=q,expected=y")

    assert (example.id, example.family) == ("7", "0")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I was charged twice.", "i  was CHARGED\ttwice.\n"),
        ("Order 66 is late", "Order 1,234.5 is late"),
        ({"a": "Order 1", "n": 3}, {"n": 4.5, "a": "order 2"}),
        (["a 1", None], ["A 2", None]),
        ("Straße", "STRASSE"),
    ],
)
def test_near_duplicates_are_of_one_family(one: Any, other: Any) -> None:
    assert family_of(one) == family_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I was charged twice.", "I was charged once."),
        ({"a": 1}, {"b": 1}),
        (True, False),
        (None, 0),
        ("", None),
        (["a"], "a"),
    ],
)
def test_different_inputs_are_of_different_families(one: Any, other: Any) -> None:
    assert family_of(one) != family_of(other)


def test_the_family_of_an_input_never_changes() -> None:
    """A change would move examples from one split to another."""
    assert family_of("Order 66 is late") == "auto-4f3c35659c82"


def test_our_own_form_says_what_plain_texts_need(tmp_path: Path) -> None:
    error = refusal(write_csv(tmp_path, ["input", "expected"], ["a", "b"]))

    assert "--map input=COLUMN,expected=COLUMN" in str(error)


def test_our_own_form_may_lack_id_family_and_labels(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [{"input": "a", "expected": "b"}])

    [example] = imported(file)

    assert (example.family, example.labelled_by) == (family_of("a"), (ADA,))


@pytest.mark.parametrize("missing", ["input", "expected"])
def test_our_own_form_has_input_and_label(tmp_path: Path, missing: str) -> None:
    row = {name: value for name, value in example_line().items() if name != missing}

    assert refusal(write_lines(tmp_path / "a.jsonl", [row])).field == missing
