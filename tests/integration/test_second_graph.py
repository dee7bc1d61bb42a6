"""The platform knows nothing of the graph that ships: the tickets graph of `tests.support.tickets`,
thirty lines of another domain, gets all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liftgraph_dagster import Context, LiftGraph
from liftgraph_dagster.errors import NodeFailed
from liftgraph_dagster.evaluation.dataset import Split
from liftgraph_dagster.execution.records import Status
from liftgraph_dagster.settings import Settings
from liftgraph_dagster.storage.embedded import EmbeddedPostgres
from tests.factories import (
    TICKETS,
    example_line,
    nodes_of,
    tickets_graph,
    topic_provider,
    write_labelled_tickets,
    write_lines,
)
from tests.integration.conftest import ROOT, variables
from tests.support import tickets

pytestmark = pytest.mark.postgres

OPEN = ["billing-1", "billing-2", "password-1"]
"""The tickets that are not sealed."""


@pytest.fixture
def registered(settings: Settings) -> Settings:
    """The graph is registered by the name of its module, like any user's."""
    return replace(settings, graphs=("tests.support.tickets",))


@pytest.fixture
def labelled(settings: Settings, tmp_path: Path) -> dict[str, Any]:
    """What opens an installation with a copy of the graph that has examples."""
    file = write_lines(tmp_path / "tickets.jsonl", [example_line(id) for id in TICKETS])
    return {
        "settings": replace(settings, graphs=()),
        "graphs": [tickets_graph(examples=[file])],
        "provider": topic_provider(),
    }


@pytest.fixture(scope="module")
def dagster(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Dagster knows after its assets were materialized twice, in a process of its own."""
    postgres.create_database("second_graph")
    folder = tmp_path_factory.mktemp("work")
    installation = Settings(
        home=folder,
        database_url=postgres.url("second_graph"),
        graphs=(write_labelled_tickets(folder),),
    )
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/materialize_tickets.py"],
        env=variables(installation, folder),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("topic", "desk"), [("billing", "accounts"), ("login", "support")])
async def test_it_runs(registered: Settings, topic: str, desk: str) -> None:
    async with LiftGraph(registered, provider=topic_provider(topic)) as lg:
        result = await lg.run("tickets", "I was charged twice.")

    assert result.outcome == desk


async def test_it_is_stored_node_by_node(registered: Settings) -> None:
    async with LiftGraph(registered, provider=topic_provider()) as lg:
        execution = (await lg.run("tickets", "I was charged twice.")).execution
    async with LiftGraph(registered, provider=topic_provider()) as lg:
        stored = await lg.execution(execution.id)
        history = await lg.history(execution.id)

    assert (stored.status, stored.rev) == (Status.SUCCEEDED, 2)
    assert stored.state == b'{"text":"I was charged twice.","topic":"billing","desk":"accounts"}'
    assert [(event.node, event.state_patch) for event in history] == [
        ("Classify", b'{"topic":"billing"}'),
        ("Route", b'{"desk":"accounts"}'),
    ]


class Classify(tickets.Classify):
    async def run(self, ctx: Context[tickets.Ticket]) -> Route:
        await self.ask(ctx)
        return Route()


class Route(tickets.Route):
    """The same node, in a world that is broken for a while."""

    broken = True

    def call(self, topic: str) -> dict[str, str]:
        if Route.broken:
            raise OSError("no route")
        return super().call(topic)


async def test_it_is_resumed_by_another_installation_where_it_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = topic_provider()
    graph = tickets_graph(nodes=[Classify, Route])
    installation = {
        "settings": replace(settings, graphs=()), "graphs": [graph], "provider": provider,
    }  # fmt: skip

    async with LiftGraph(**installation) as lg:
        execution = await lg.accept("tickets", "I was charged twice.")
        with pytest.raises(NodeFailed, match="no route"):
            await lg.resume(execution.id)
    monkeypatch.setattr(Route, "broken", False)
    async with LiftGraph(**installation) as lg:
        result = await lg.resume(execution.id)
        history = await lg.history(execution.id)

    assert (result.execution.id, result.outcome) == (execution.id, "accounts")
    assert nodes_of(history) == [("Classify", 1), ("Route", 1), ("", 1), ("Route", 2)]
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("split", "ids", "mean"),
    [(Split.TRAIN, ["billing-1", "billing-2"], 1.0), (Split.DEV, ["password-1"], 0.0)],
)
async def test_it_is_evaluated(
    labelled: dict[str, Any], split: Split, ids: list[str], mean: float
) -> None:
    async with LiftGraph(**labelled) as lg:
        evaluation = await lg.evaluate("tickets", split=split)

    assert [score.example_id for score in evaluation.scores] == ids
    assert evaluation.summary.mean == mean
    assert {score.metric for score in evaluation.scores} == {"route_is_right"}


def test_its_assets_are_materialized_as_its_own_partition(dagster: dict[str, Any]) -> None:
    first = dagster["runs"][0]
    scores = first["baseline_scores"]["metadata"]

    assert {first[asset]["partition"] for asset in first if asset != "checks"} == {"tickets"}
    assert first["labelled_examples"]["metadata"]["dagster/row_count"] == len(TICKETS)
    assert first["baseline_executions"]["metadata"]["executions"] == len(OPEN)
    assert (scores["baseline n"], scores["baseline mean"]) == (3, round(2 / 3, 4))
    assert "password-1" in scores["worst examples"].splitlines()[2]
    assert first["checks"] == [
        "examples_valid", "no_family_in_two_splits", "no_input_in_two_splits",
    ]  # fmt: skip


def test_its_assets_made_again_are_the_same_and_ask_no_model(dagster: dict[str, Any]) -> None:
    first, second = dagster["runs"]
    versions = [
        {asset: run[asset]["version"] for asset in run if asset != "checks"}
        for run in (first, second)
    ]

    assert versions[0] == versions[1]
    assert len(set(versions[0].values())) == 4
    assert second["baseline_executions"]["metadata"]["reused"] == len(OPEN)
    assert dagster["requests"] == len(OPEN)


async def test_the_dataset_of_its_asset_is_that_of_its_examples(
    dagster: dict[str, Any], labelled: dict[str, Any]
) -> None:
    async with LiftGraph(**labelled) as lg:
        dataset = await lg.dataset("tickets")

    assert dagster["runs"][0]["labelled_examples"]["version"] == dataset.digest
