"""`liftgraph dataset`, and what `liftgraph evaluate` does with a dataset of the database."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli import exits
from liftgraph_dagster.settings import Settings
from tests.factories import TICKETS, example_line, tickets_graph, topic_provider, write_lines
from tests.integration.conftest import NOWHERE, Cli, Done
from tests.integration.test_cli import json_of

pytestmark = pytest.mark.postgres

BY_ADA = ("--labelled-by", "ada", "--kind", "human", "--labelled-on", "2026-11-25")
SMOKE = ("--graph", "tickets", "--name", "smoke")
SECRET = "The page does not load."
"""Stands in the sealed ticket."""


def complaint(done: Done) -> str:
    """Return the one sentence that a failed command said."""
    [line] = done.stderr.splitlines()
    assert done.stdout == ""
    return line


@pytest.fixture
def smoke(cli: Cli, folder: Path) -> str:
    """The labelled tickets, imported as `smoke`; their digest."""
    assert cli("dataset", "import", "tickets.jsonl", *SMOKE).returncode == exits.SUCCESS
    digest: str = json_of(cli("dataset", "show", "smoke", "--json"))["digest"]
    return digest


async def one_execution(installation: Settings) -> str:
    """Return the id of an execution of the tickets graph that has succeeded."""
    settings = replace(installation, graphs=())
    async with LiftGraph(settings, graphs=[tickets_graph()], provider=topic_provider()) as lg:
        return (await lg.run("tickets", "I was charged twice.")).execution.id


def test_an_import_says_what_it_read_and_hides_what_is_sealed(cli: Cli) -> None:
    done = cli("dataset", "import", "tickets.jsonl", *SMOKE)

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.returncode == exits.SUCCESS, done.stderr
    assert lines[0].endswith("n = 4, 3 families; train 2, dev 1, sealed 1")
    assert lines[2] == "billing-1 billing train I was charged twice. accounts"
    assert lines[5] == "outage-1 sealed"
    assert lines[6].startswith("smoke stands for ")


@pytest.mark.parametrize(
    ("texts", "warned"),
    [
        (["Ticket 1 about a bill.", "Ticket 2 about a bill."], True),
        (["A ticket about a bill.", "A ticket about a password."], False),
        (["Ticket 1 about a bill."], False),
    ],
    ids=["inputs alike", "inputs that differ", "one example"],
)
def test_examples_that_are_all_of_one_family_are_warned_of(
    cli: Cli, folder: Path, texts: list[str], warned: bool
) -> None:
    """They all go to one split, which may be the sealed one."""
    write_lines(folder / "alike.jsonl", [{"q": text, "desk": "accounts"} for text in texts])

    done = cli(
        "dataset", "import", "alike.jsonl", *SMOKE, "--map", "input=q,expected=desk", *BY_ADA
    )

    assert done.returncode == exits.SUCCESS, done.stderr
    assert ("all examples are of one family" in done.stderr) == warned


def test_an_empty_split_is_named_with_the_sizes_of_the_others(cli: Cli, folder: Path) -> None:
    write_lines(folder / "one.jsonl", [{"q": "I was charged twice.", "desk": "accounts"}])
    cli("dataset", "import", "one.jsonl", *SMOKE, "--map", "input=q,expected=desk", *BY_ADA)

    done = cli("evaluate", "tickets", "--dataset", "smoke", "--split", "dev")

    assert done.returncode == exits.INPUT
    assert "has no examples in split dev: train has 1, dev has 0, sealed has 0" in done.stderr


def test_a_dry_run_stores_nothing(cli: Cli) -> None:
    done = cli("dataset", "import", "tickets.jsonl", *SMOKE, "--dry-run")

    assert done.stdout.splitlines()[-1] == "Nothing was stored."
    assert json_of(cli("dataset", "list", "--json")) == []


def test_a_csv_is_imported_by_a_map(cli: Cli, folder: Path) -> None:
    (folder / "a.csv").write_text("text,desk,topic\nI paid twice.,accounts,billing\n")
    mapping = "input=text,expected=desk,family=topic"

    done = cli("dataset", "import", "a.csv", *SMOKE, "--map", mapping, *BY_ADA)
    [example] = json_of(cli("dataset", "show", "smoke", "--json"))["examples"]

    assert done.returncode == exits.SUCCESS, done.stderr
    assert (example["input"], example["expected"]) == ("I paid twice.", "accounts")
    assert example["labelled_by"] == [{"who": "ada", "kind": "human", "on": "2026-11-25"}]


def test_a_recipe_and_a_map_file_work_together(cli: Cli, folder: Path) -> None:
    row = {"id": "x", "inputs": {"q": "I paid twice."}, "outputs": {"desk": "accounts"}}
    write_lines(folder / "export.jsonl", [row])
    mapping = {"input": "inputs.q", "expected": "outputs.desk", "family": "'billing'"}
    (folder / "map.json").write_text(json.dumps(mapping))
    options = ("--recipe", "langsmith", "--map", "map.json", *BY_ADA)

    done = cli("dataset", "import", "export.jsonl", *SMOKE, *options)
    [example] = json_of(cli("dataset", "show", "smoke", "--json"))["examples"]

    assert done.returncode == exits.SUCCESS, done.stderr
    assert (example["id"], example["input"]) == ("x", "I paid twice.")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--map", "input=txt,expected=desk"], exits.INPUT, "did you mean 'text'?); it has text, "),
        (["--map", "input=text,expected=desk"], exits.INPUT, "line 2, field labelled_by"),
        (["--map", "input=text"], exits.INPUT, "does not say where `expected` comes from"),
        (["--map", "gone.json"], exits.INPUT, "the map gone.json cannot be read"),
        (["--recipe", "mlflow"], exits.INPUT, "no 'inputs'"),
        ([], exits.INPUT, "no 'input'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_file_that_cannot_be_imported_is_named(
    cli: Cli, folder: Path, arguments: list[str], code: int, says: str
) -> None:
    (folder / "a.csv").write_text("text,desk\nI paid twice.,accounts\n")

    done = cli("dataset", "import", "a.csv", *SMOKE, *arguments)

    assert says in complaint(done)
    assert done.returncode == code


@pytest.mark.parametrize(
    ("graph", "name", "code"),
    [("letters", "smoke", exits.NOT_FOUND), ("tickets", "a b", exits.INPUT)],
)
def test_a_graph_and_a_name_that_cannot_be_are_refused(
    cli: Cli, graph: str, name: str, code: int
) -> None:
    done = cli("dataset", "import", "tickets.jsonl", "--graph", graph, "--name", name)

    assert done.stderr.startswith("Error: ")
    assert done.returncode == code


def test_half_a_label_is_a_wrong_command_line(cli: Cli) -> None:
    done = cli("dataset", "import", "tickets.jsonl", *SMOKE, "--labelled-by", "ada")

    assert done.returncode == exits.USAGE
    assert "--labelled-by and --kind together" in done.stderr


async def test_an_execution_becomes_an_example(cli: Cli, installation: Settings) -> None:
    execution_id = await one_execution(installation)

    done = cli("dataset", "add", *SMOKE, "--from-execution", execution_id, *BY_ADA)
    [example] = json_of(
        cli("dataset", "show", "smoke", "--include-sealed", "--json")
    )["examples"]  # fmt: skip

    assert done.returncode == exits.SUCCESS, done.stderr
    assert done.stdout.splitlines()[0] == f"example execution-{execution_id}"
    assert (example["expected"], example["source"]) == ("accounts", f"execution {execution_id}")


async def test_a_corrected_outcome_replaces_the_example(
    cli: Cli, installation: Settings, folder: Path, smoke: str
) -> None:
    execution_id = await one_execution(installation)
    (folder / "right.json").write_text('"support"')
    arguments = ("add", *SMOKE, "--from-execution", execution_id, "--family", "billing", *BY_ADA)
    cli("dataset", *arguments)
    first = json_of(cli("dataset", "show", "smoke", "--json"))["digest"]

    done = cli("dataset", *arguments, "--expected", "right.json")
    changes = json_of(cli("dataset", "diff", first[:12], "smoke", "--json"))

    assert f"; before it was {first[:12]}, n = 5" in done.stdout
    assert changes == {
        "added": [], "removed": [], "changed": {f"execution-{execution_id}": ["expected"]},
    }  # fmt: skip


@pytest.mark.parametrize("content", ["{", "null"])
async def test_a_file_that_does_not_say_what_is_expected_is_refused(
    cli: Cli, folder: Path, content: str
) -> None:
    (folder / "right.json").write_text(content)

    done = cli(
        "dataset", "add", *SMOKE, "--from-execution", "12", "--expected", "right.json", *BY_ADA
    )

    assert "right.json" in complaint(done)
    assert done.returncode == exits.INPUT


def test_a_list_has_names_and_files(cli: Cli, smoke: str, folder: Path) -> None:
    write_lines(folder / "tickets.jsonl", [example_line("billing-1")])
    shown = cli("dataset", "show", "tickets")

    named = {one["name"]: one for one in json_of(cli("dataset", "list", "--json"))}
    table = cli("dataset", "list", "--graph", "tickets").stdout
    other = json_of(cli("dataset", "list", "--graph", "prompt_to_code", "--json"))

    assert shown.returncode == exits.SUCCESS
    assert (named["smoke"]["digest"], named["smoke"]["n"]) == (smoke, 4)
    assert named["smoke"]["splits"] == {"train": 2, "dev": 1, "sealed": 1}
    assert named[None]["n"] == 1
    assert f"smoke    tickets  {smoke[:12]}" in table
    assert other == []


def test_sealed_examples_are_counted_and_named_and_nothing_more(cli: Cli, smoke: str) -> None:
    table = cli("dataset", "show", "smoke")
    shown = json_of(cli("dataset", "show", "smoke", "--json"))
    sealed = json_of(cli("dataset", "show", "smoke", "--split", "sealed", "--json"))

    assert SECRET not in table.stdout
    assert "outage-1" in table.stdout
    assert shown["splits"]["sealed"] == 1
    assert sealed["examples"] == [{"id": "outage-1", "split": "sealed"}]


def test_sealed_examples_are_shown_on_demand_with_a_warning(cli: Cli, smoke: str) -> None:
    done = cli("dataset", "show", "smoke", "--include-sealed")
    without = cli("dataset", "show", "smoke", "--split", "train", "--include-sealed")

    assert SECRET in done.stdout
    assert done.stderr.startswith("Warning: sealed examples are shown.")
    assert without.stderr == ""


def test_a_difference_is_shown_by_id(cli: Cli, smoke: str, folder: Path) -> None:
    lines: list[Any] = [example_line(id) for id in TICKETS if id != "outage-1"]
    lines[0]["expected"] = "support"
    write_lines(folder / "b.jsonl", [*lines, example_line() | {"id": "new"}])
    cli("dataset", "import", "b.jsonl", *SMOKE)

    done = cli("dataset", "diff", smoke, "smoke")

    assert done.stdout.splitlines() == [
        "+ new", "- outage-1", "~ billing-1  expected", "1 added, 1 removed, 1 changed",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_what_was_exported_is_imported_as_it_was(cli: Cli, smoke: str, suffix: str) -> None:
    file = f"back.{suffix}"

    exported = cli("dataset", "export", "smoke", "--to", file, "--include-sealed")
    imported = cli("dataset", "import", file, *SMOKE)

    assert exported.stdout == f"4 examples in {file}\n"
    assert "Warning: sealed" in exported.stderr
    assert imported.stdout.splitlines()[-1] == f"smoke stands for {smoke[:12]}, n = 4, as before"


def test_an_export_leaves_out_what_is_sealed(cli: Cli, smoke: str, folder: Path) -> None:
    done = cli("dataset", "export", "smoke", "--to", "open.jsonl")

    assert "3 examples in open.jsonl; 1 sealed ones were left out" in done.stdout
    assert SECRET not in (folder / "open.jsonl").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "gone"),
        ("diff", "gone", "smoke"),
        ("export", "gone", "--to", "a.csv"),
        ("add", *SMOKE, "--from-execution", "12", *BY_ADA),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_is_not_there_is_named(cli: Cli, arguments: tuple[str, ...]) -> None:
    done = cli("dataset", *arguments)

    assert complaint(done).startswith("Error: ")
    assert done.returncode == exits.NOT_FOUND


def test_evaluate_takes_a_dataset_by_name_or_digest(cli: Cli, smoke: str, model_url: str) -> None:
    arguments = ("evaluate", "tickets", "--split", "train", "--json")

    by_name = json_of(cli(*arguments, "--dataset", "smoke", LIFTGRAPH_MODEL_URL=model_url))
    by_digest = json_of(cli(*arguments, "--dataset", smoke[:10], LIFTGRAPH_MODEL_URL=NOWHERE))

    assert by_name["dataset_digest"] == smoke
    assert by_digest["scores"] == by_name["scores"]


def test_evaluate_repeats_and_each_row_names_its_execution(cli: Cli, model_url: str) -> None:
    arguments = ("evaluate", "tickets", "--repeats", "2")

    done = cli(*arguments, LIFTGRAPH_MODEL_URL=model_url)
    found = json_of(cli(*arguments, "--json", LIFTGRAPH_MODEL_URL=NOWHERE))
    shown = [cli("execution", "show", one["execution_id"]) for one in found["scores"]]

    assert (found["n"], found["repeats"], found["temperature"]) == (2, 2, 0.7)
    assert [(one["example_id"], one["repeat"]) for one in found["scores"]] == [
        ("password-1", 0), ("password-1", 1),
    ]  # fmt: skip
    assert all(one["execution_id"] in done.stdout for one in found["scores"])
    assert [one.returncode for one in shown] == [exits.SUCCESS] * 2
    assert "1 examples x 2 repeats" in done.stdout
    assert "2/2  password-1" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--repeats", "2", "--temperature", "0"], exits.INPUT, "one answer 2 times"),
        (["--repeats", "0"], exits.USAGE, "--repeats"),
        (["--temperature", "3"], exits.USAGE, "--temperature"),
        (["--metric", "best"], exits.NOT_FOUND, "no metric 'best'; it has route_is_right"),
        (["--dataset", "gone"], exits.NOT_FOUND, "no dataset 'gone'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_evaluation_that_cannot_be_is_refused(
    cli: Cli, options: list[str], code: int, says: str
) -> None:
    done = cli("evaluate", "tickets", *options)

    assert says in done.stderr
    assert done.returncode == code


async def test_an_example_is_added_to_the_graphs_own_unless_a_name_is_given(
    cli: Cli, installation: Settings
) -> None:
    execution_id = await one_execution(installation)

    done = cli("dataset", "add", "--graph", "tickets", "--from-execution", execution_id, *BY_ADA)
    shown = json_of(cli("dataset", "show", "tickets", "--json"))

    assert done.stdout.splitlines()[-1].startswith("tickets stands for ")
    assert [one["id"] for one in shown["examples"]] == [*TICKETS, f"execution-{execution_id}"]


def test_a_check_of_labels_names_what_to_correct_and_hides_what_is_sealed(cli: Cli) -> None:
    done = cli("dataset", "check", "tickets")

    assert done.returncode == exits.INPUT
    assert done.stderr == "Error: 1 of 4 examples have a label to correct\n"
    assert [line.split() for line in done.stdout.splitlines()[1:3]] == [
        ["ends_in_a_stop", "4", "1"], ["has_a_desk", "4", "0"],
    ]  # fmt: skip
    assert "billing-2 (ends_in_a_stop)\n  'Where is my receipt?' does not end" in done.stdout


def test_labels_without_a_problem_are_a_success(cli: Cli) -> None:
    done = cli("dataset", "check", "tickets", "--only", "has_a_desk", "--json")

    assert done.returncode == exits.SUCCESS
    assert json_of(done) == [{"name": "has_a_desk", "checked": 4, "problems": {}}]


def test_a_check_that_the_graph_does_not_declare_is_named(cli: Cli) -> None:
    done = cli("dataset", "check", "tickets", "--only", "is_kind")

    assert done.returncode == exits.NOT_FOUND
    assert "no label check 'is_kind'; it has ends_in_a_stop, has_a_desk" in complaint(done)


@pytest.mark.parametrize(
    ("who", "code", "words"),
    [
        (" ", exits.USAGE, "--labelled-by names somebody"),
        (b"\xff", exits.INPUT, "--labelled-by"),
    ],
)
def test_a_labeller_needs_a_name_that_can_be_stored(
    cli: Cli, who: str | bytes, code: int, words: str
) -> None:
    done = cli(
        "dataset", "import", "tickets.jsonl", *SMOKE, "--labelled-by", who, "--kind", "human"
    )

    assert done.returncode == code
    assert words in done.stderr


def test_resamples_cannot_be_seeded_below_zero(cli: Cli) -> None:
    done = cli("agreement", "tickets", "--seed", "-1")

    assert done.returncode == exits.USAGE
    assert "--seed" in done.stderr
