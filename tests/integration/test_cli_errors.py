"""What goes wrong on the command line: an exit code of the table and one sentence on stderr."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli import exits
from liftgraph_dagster.settings import Settings
from tests.integration.conftest import Cli, Done

pytestmark = pytest.mark.postgres

UNKNOWN = "00000000-0000-7000-8000-000000000000"
INPUTS: dict[str, bytes] = {
    "megabyte.json": json.dumps("x" * 1_000_000).encode(),
    "surrogate.json": b'"half \\ud83d of a pair"',
    "latin.json": '"né"'.encode("latin-1"),
    "deep.json": b"[" * 100_000,
}


@pytest.fixture(autouse=True)
def inputs(folder: Path) -> None:
    for name, content in INPUTS.items():
        (folder / name).write_bytes(content)


def complaint(done: Done) -> str:
    """Return the one sentence that a failed command said."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    assert done.stdout == ""
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([""], "at least 1 character"),
        (["--input", "megabyte.json"], "at most 4000 characters"),
        (["--input", "surrogate.json"], "lone surrogate U+D83D at position 5"),
        ([b"half \xff"], "lone surrogate U+DCFF at position 5"),
        (["--input", "latin.json"], "latin.json is not JSON"),
        (["--input", "deep.json"], "deep.json is not JSON"),
        (["Add.", "--user", b"\xff"], "surrogate"),
    ],
    ids=str,
)
def test_an_input_that_cannot_be_used_is_refused(cli: Cli, arguments: list[Any], says: str) -> None:
    done = cli("run", "prompt_to_code", *arguments)

    assert says in complaint(done)
    assert done.returncode == exits.INPUT


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "letters", "hi"], "no graph 'letters'; registered are prompt_to_code, tickets"),
        (["graph", "show", "letters"], "no graph 'letters'; registered are"),
        (["run", "tickets", "hi", "--program", "best"], "no program 'best'; it has baseline"),
        (["execution", "show", UNKNOWN], f"execution {UNKNOWN} does not exist here"),
        (["execution", "resume", UNKNOWN], f"execution {UNKNOWN} does not exist here"),
        (["execution", "cancel", UNKNOWN], f"execution {UNKNOWN} does not exist here"),
        (["execution", "show", "12"], "execution 12 does not exist here"),
        (["execution", "list", "--before", "12"], "execution 12 does not exist here"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_named(cli: Cli, arguments: list[str], says: str) -> None:
    done = cli(*arguments)

    assert says in complaint(done)
    assert done.returncode == exits.NOT_FOUND


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"LIFTGRAPH_MODLE": "x"}, "LIFTGRAPH_MODLE is not a setting"),
        ({"LIFTGRAPH_GRAPHS": "missing"}, "'missing', named in LIFTGRAPH_GRAPHS"),
        ({"LIFTGRAPH_MODEL_URL": "http://[::1"}, "http://[::1"),
    ],
    ids=lambda value: "=".join(*value.items()) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_used_are_named(
    cli: Cli, variables: dict[str, str], says: str
) -> None:
    done = cli("run", "tickets", "hi", "--json", **variables)

    assert says in complaint(done)
    assert done.returncode == exits.CONFIGURATION


def test_a_database_that_cannot_be_reached_is_named_with_its_setting(cli: Cli) -> None:
    url = "postgresql://ada:s3cret@127.0.0.1:9/lg"

    done = cli("execution", "list", LIFTGRAPH_DATABASE_URL=url)

    said = complaint(done)
    assert "the database lg at 127.0.0.1:9 cannot be reached" in said
    assert "LIFTGRAPH_DATABASE_URL" in said
    assert "s3cret" not in said
    assert done.returncode == exits.DATABASE


async def test_the_sealed_split_is_not_opened(cli: Cli, installation: Settings) -> None:
    done = cli("evaluate", "tickets", "--split", "sealed")

    async with LiftGraph(replace(installation, graphs=())) as lg:
        begun = await lg.executions()
    assert "example 'outage-1' is sealed" in complaint(done)
    assert done.returncode == exits.INPUT
    assert begun == []


def test_a_bad_line_of_a_dataset_is_named(cli: Cli, folder: Path) -> None:
    with (folder / "tickets.jsonl").open("a") as file:
        file.write('{"id": "x"}\n')

    done = cli("evaluate", "tickets")

    assert "tickets.jsonl, line 5, field family: " in complaint(done)
    assert done.returncode == exits.INPUT


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "tickets"],
        ["execution", "list", "--status", "done"],
        ["paint"],
        ["--verbose"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_says_how_to_get_help(cli: Cli, arguments: list[str]) -> None:
    done = cli(*arguments)

    assert done.returncode == exits.USAGE
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_traceback_is_shown_only_on_demand_and_changes_no_exit_code(cli: Cli) -> None:
    plain = cli("graph", "show", "letters")
    debug = cli("--debug", "graph", "show", "letters")

    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert "no graph 'letters'" in debug.stderr
    assert debug.returncode == plain.returncode == exits.NOT_FOUND
