"""The command `liftgraph`, run as people run it: a process, its exit code, what it prints."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import liftgraph_dagster
from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli import exits
from liftgraph_dagster.execution.records import Status
from liftgraph_dagster.settings import Settings
from tests.factories import tickets_graph, topic_provider
from tests.integration.conftest import COMMAND, NOWHERE, Cli, Done, variables
from tests.support.model_server import ModelServer

pytestmark = pytest.mark.postgres


def json_of(done: Done) -> Any:
    """Return what a successful command printed for programs."""
    assert done.returncode == exits.SUCCESS, done.stderr
    return json.loads(done.stdout)


async def three_executions(installation: Settings) -> list[str]:
    """Store three executions of the tickets graph, the first one run, and return their ids."""
    settings = replace(installation, graphs=())
    async with LiftGraph(settings, graphs=[tickets_graph()], provider=topic_provider()) as lg:
        first = (await lg.run("tickets", "one", user_id="ada")).execution
        others = [await lg.accept("tickets", text, user_id="bob") for text in ("two", "three")]
    return [first.id, *(other.id for other in others)]


def test_run_prints_the_outcome_and_how_to_look_at_the_execution(cli: Cli, model_url: str) -> None:
    done = cli("run", "tickets", "I was charged twice.", LIFTGRAPH_MODEL_URL=model_url)

    said, execution_id = done.stderr.split()
    assert done.returncode == exits.SUCCESS
    assert done.stdout.splitlines()[0] in ("accounts", "support")
    assert said == "execution"
    assert f"execution show {UUID(execution_id)}" in done.stdout


def test_run_takes_its_input_from_a_file_and_prints_json(
    cli: Cli, model_url: str, folder: Path
) -> None:
    (folder / "input.json").write_text('"I was charged twice."')

    done = cli("run", "tickets", "--input", "input.json", "--json", LIFTGRAPH_MODEL_URL=model_url)

    result = json_of(done)
    assert result.keys() == {"id", "graph", "status", "outcome"}
    assert (result["graph"], result["status"]) == ("tickets", "succeeded")
    assert done.stderr == ""


def test_the_graph_that_ships_makes_a_function_of_a_prompt(cli: Cli) -> None:
    with ModelServer().serve() as model:
        done = cli(
            "run", "prompt_to_code", "Round the price.", "--json", LIFTGRAPH_MODEL_URL=model.url
        )

    outcome = json_of(done)["outcome"]
    assert outcome["code"] == (
        "def round_price(price: float) -> float:\n    return round(price, 2)\n"
    )
    assert outcome["suggestions"] == {"digits": ["2", "0"]}
    assert outcome["check"] == {
        "parses": True,
        "defines": True,
        "loads": True,
        "confined_by": outcome["check"]["confined_by"],
        "problems": [],
    }
    assert "seccomp" in outcome["check"]["confined_by"]


def test_a_nul_character_and_the_user_go_in_and_come_out(
    cli: Cli, model_url: str, folder: Path
) -> None:
    (folder / "input.json").write_text(json.dumps("I paid\0 twice."))
    arguments = ("run", "tickets", "--input", "input.json", "--user", "ada", "--json")

    result = json_of(cli(*arguments, LIFTGRAPH_MODEL_URL=model_url))
    shown = json_of(cli("execution", "show", result["id"], "--json"))

    assert (shown["input"], shown["user"]) == ("I paid\0 twice.", "ada")
    assert shown["events"][0]["inputs"] == {"text": "I paid\0 twice."}


async def test_executions_are_an_array_newest_first(cli: Cli, installation: Settings) -> None:
    ids = await three_executions(installation)

    found = json_of(cli("execution", "list", "--json"))

    assert [(one["id"], one["status"]) for one in found] == [
        (ids[2], "running"), (ids[1], "running"), (ids[0], "succeeded"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "places"),
    [
        (["--graph", "tickets"], [2, 1, 0]),
        (["--graph", "prompt_to_code"], []),
        (["--user", "ada", "--status", "succeeded"], [0]),
        (["--user", "bob"], [2, 1]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
async def test_a_list_is_filtered(
    cli: Cli, installation: Settings, options: list[str], places: list[int]
) -> None:
    ids = await three_executions(installation)

    found = json_of(cli("execution", "list", "--json", *options))

    assert [one["id"] for one in found] == [ids[place] for place in places]


async def test_a_list_comes_in_pages(cli: Cli, installation: Settings) -> None:
    ids = await three_executions(installation)

    first = cli("execution", "list", "--graph", "tickets", "--limit", "2")
    second = json_of(cli("execution", "list", "--limit", "2", "--before", ids[1], "--json"))

    assert f"execution list --graph tickets --limit 2 --before {ids[1]}" in first.stdout
    assert [one["id"] for one in second] == [ids[0]]


async def test_an_execution_is_shown_with_inputs_and_outputs(
    cli: Cli, installation: Settings
) -> None:
    ids = await three_executions(installation)

    done = cli("execution", "show", ids[0])

    lines = [line.strip() for line in done.stdout.splitlines()]
    assert done.returncode == exits.SUCCESS
    assert lines[0] == f"tickets  succeeded  {ids[0]}"
    assert 'in  {"text": "one"}' in lines
    assert 'out {"topic": "billing"}' in lines
    assert 'in  {"topic": "billing"}' in lines
    assert lines[-1] == "accounts"


async def test_an_execution_is_cancelled_with_a_reason(cli: Cli, installation: Settings) -> None:
    ids = await three_executions(installation)

    done = cli("execution", "cancel", ids[1], "--reason", "a [typo]")

    async with LiftGraph(replace(installation, graphs=())) as lg:
        cancelled, history = await lg.execution(ids[1]), await lg.history(ids[1])
    assert done.returncode == exits.SUCCESS
    assert cancelled.status is Status.CANCELLED
    assert history[-1].note == "cancelled: a [typo]"


def test_an_execution_without_a_model_server_is_suspended_and_goes_on_later(
    cli: Cli, model_url: str
) -> None:
    done = cli("run", "tickets", "I was charged twice.", "--json")
    [suspended] = json_of(cli("execution", "list", "--json"))
    resumed = json_of(
        cli("execution", "resume", suspended["id"], "--json", LIFTGRAPH_MODEL_URL=model_url)
    )

    [said] = done.stderr.splitlines()
    assert done.returncode == exits.EXECUTION
    assert f"the model server at {NOWHERE} cannot be reached" in said
    assert f"liftgraph execution resume {suspended['id']}" in said
    assert suspended["status"] == "suspended"
    assert (resumed["id"], resumed["status"]) == (suspended["id"], "succeeded")


async def test_what_has_ended_cannot_be_resumed(cli: Cli, installation: Settings) -> None:
    ids = await three_executions(installation)

    done = cli("execution", "resume", ids[0])

    assert done.returncode == exits.EXECUTION
    assert done.stderr.splitlines() == [
        f"Error: execution {ids[0]} has succeeded; it cannot go on. Start a new one"
    ]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["run", "prompt_to_code", "Round the price."], {"suspended"}),
        (["materialize", "tickets"], {"suspended", "running"}),
    ],
    ids=["run", "materialize"],
)
def test_an_interrupt_suspends_what_has_begun(
    arguments: list[str], left: set[str], cli: Cli, installation: Settings, folder: Path
) -> None:
    """Ctrl-C reaches every process of the terminal; none of them prints a traceback. Of a batch an
    execution may have been accepted and not begun: it stays `running`, and is begun next time."""
    asked, answer = threading.Event(), threading.Event()

    async def hang(number: int, _: str) -> None:
        asked.set()
        await asyncio.to_thread(answer.wait)

    server = ModelServer()
    server.before = hang
    with server.serve():
        process = subprocess.Popen(
            [COMMAND, *arguments],
            cwd=folder,
            start_new_session=True,
            env=variables(installation) | {"LIFTGRAPH_MODEL_URL": server.url},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert asked.wait(60)
            os.killpg(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=60)
        finally:
            answer.set()
            process.kill()

    executions = json_of(cli("execution", "list", "--json"))
    found = {execution["status"] for execution in executions}
    assert "suspended" in found
    assert found <= left
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "Interrupted."
    assert process.returncode == exits.INTERRUPTED


def test_evaluate_scores_a_split_and_runs_nothing_twice(cli: Cli, model_url: str) -> None:
    arguments = ("evaluate", "tickets", "--split", "train", "--json")

    first = json_of(cli(*arguments, LIFTGRAPH_MODEL_URL=model_url))
    second = json_of(cli(*arguments, LIFTGRAPH_MODEL_URL=NOWHERE))

    assert (first["graph"], first["program"], first["split"]) == ("tickets", "baseline", "train")
    assert (first["n"], first["failures"]) == (2, 0)
    assert first["mean"] == sum(score["value"] for score in first["scores"]) / 2
    assert [score["example_id"] for score in first["scores"]] == ["billing-1", "billing-2"]
    assert second["scores"] == first["scores"]


def test_evaluate_prints_a_table_and_its_progress_beside_it(cli: Cli, model_url: str) -> None:
    done = cli("evaluate", "tickets", LIFTGRAPH_MODEL_URL=model_url)

    assert done.returncode == exits.SUCCESS
    assert "n = 1, mean of route_is_right" in done.stdout
    assert done.stderr.startswith("1/1  password-1  succeeded")


def test_graphs_are_listed_with_nodes_and_version(cli: Cli) -> None:
    found = {one["name"]: one for one in json_of(cli("graph", "list", "--json"))}

    assert list(found) == ["prompt_to_code", "tickets"]
    assert found["tickets"]["nodes"] == ["Classify", "Route"]
    assert found["tickets"]["version"] == tickets_graph().version


def test_a_graph_is_shown_with_what_its_nodes_read_and_write(cli: Cli) -> None:
    done = cli("graph", "show", "tickets")

    assert done.returncode == exits.SUCCESS
    assert "Classify  signature -> Route\n    reads text; writes topic\n" in done.stdout
    assert "programs  baseline\n" in done.stdout


def test_a_graph_is_drawn(cli: Cli) -> None:
    done = cli("graph", "show", "tickets", "--mermaid")

    assert done.stdout.startswith("flowchart LR\n")
    assert "    Classify --> Route\n    Route --> end_\n" in done.stdout


def test_doctor_finds_everything_in_place(cli: Cli, model_url: str) -> None:
    done = cli("doctor", LIFTGRAPH_MODEL_URL=model_url)

    found = [line.split()[:2] for line in done.stdout.splitlines()]
    assert done.returncode == exits.SUCCESS, done.stdout
    assert found == [
        ["ok", subject]
        for subject in ("python", "packages", "home", "database", "model", "sandbox", "graphs")
    ]


def test_doctor_says_what_is_missing_and_how_to_get_it(cli: Cli) -> None:
    done = cli("doctor", LIFTGRAPH_DATABASE_URL="postgresql://nobody@127.0.0.1:9/x")

    missing = {
        line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("missing")
    }
    assert done.returncode == exits.CONFIGURATION
    assert missing.keys() == {"database", "model"}
    assert "LIFTGRAPH_DATABASE_URL" in missing["database"]
    assert "LIFTGRAPH_MODEL_URL" in missing["model"]


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version").stdout == f"liftgraph, version {liftgraph_dagster.__version__}\n"
