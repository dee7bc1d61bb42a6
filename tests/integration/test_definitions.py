"""What Dagster is told, with the graph that ships: checks, the sensor, pictures."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

import dagster as dg
import pytest

from liftgraph_dagster import LiftGraph
from liftgraph_dagster.definitions import defs
from liftgraph_dagster.defs.assets.examples import dataset_splits, labelled_examples
from liftgraph_dagster.defs.checks import check_splits, label_checks
from liftgraph_dagster.defs.resources import Installation
from liftgraph_dagster.defs.sensors import new_labels
from liftgraph_dagster.evaluation.dataset import Dataset, is_sealed
from liftgraph_dagster.evaluation.example import Label, LabelKind, read_examples
from liftgraph_dagster.prompt_to_code.examples import files
from liftgraph_dagster.prompt_to_code.graph import graph
from liftgraph_dagster.settings import Settings
from tests.factories import make_example

pytestmark = pytest.mark.postgres

GRAPH = "prompt_to_code"
ADA = Label(who="ada", kind=LabelKind.HUMAN, on=dt.date(2026, 11, 25))


def materialized(settings: Settings, *checks: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [labelled_examples, dataset_splits, *checks],
        partition_key=GRAPH,
        resources={"liftgraph": Installation(settings)},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def look(settings: Settings, cursor: str | None = None) -> dg.SensorResult:
    """Return what the sensor of new labels says."""
    context = dg.build_sensor_context(cursor=cursor)
    result = new_labels(context, liftgraph=Installation(settings))
    assert isinstance(result, dg.SensorResult)
    return result


def add_label(settings: Settings, **changes: Any) -> None:
    """Add an example to the graph's own, a copy of one of its files."""
    old = read_examples(graph, files()[:1])[0]
    new = old.model_copy(update={"id": "added-1", "labelled_by": (ADA,)} | changes)
    after = Dataset(GRAPH, (new,))

    async def work() -> None:
        async with LiftGraph(settings) as lg:
            await lg.evaluations.move_name(GRAPH, GRAPH, lambda _: after)

    asyncio.run(work())


def test_dagster_takes_all_definitions() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_examples_that_ship_pass_every_check_but_the_slow_one(settings: Settings) -> None:
    [references] = [one for one in label_checks() if "references_pass" in str(one.check_keys)]

    result = materialized(settings, references)

    evaluations = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert set(evaluations) == {
        "examples_valid", "no_family_in_two_splits", "no_input_in_two_splits", "enough_examples",
        "references_pass",
    }  # fmt: skip
    assert [name for name, one in evaluations.items() if not one.passed] == []
    assert evaluations["references_pass"].description == (
        "prompt_to_code: 0 of 258 examples have a problem"
    )


def test_a_graphs_label_checks_are_checks_of_its_examples() -> None:
    names = {key.name for one in label_checks() for key in one.check_keys}

    assert names == {"references_pass", "mutants_die"}


def test_the_splits_are_shown_in_a_picture(settings: Settings) -> None:
    result = materialized(settings)

    [made] = result.asset_materializations_for_node("dataset_splits")
    assert str(made.metadata["picture"].value).startswith("![examples by split")
    assert "](data:image/png;base64,iVBOR" in str(made.metadata["picture"].value)
    assert made.metadata["sealed families"].value >= 20


def test_an_input_in_two_splits_is_found() -> None:
    """Written otherwise, it is the same input all the same."""
    same = {"input": " I was CHARGED  twice. "}
    dataset = Dataset("tickets", (make_example("billing-1"), make_example("password-1", **same)))

    found = {one.check_name: one for one in check_splits(dataset, ["billing"])}

    assert not found["no_family_in_two_splits"].passed
    assert found["no_family_in_two_splits"].description == "in two splits: billing"
    assert not found["no_input_in_two_splits"].passed
    assert "billing-1, password-1" in (found["no_input_in_two_splits"].description or "")
    assert found["enough_examples"].severity is dg.AssetCheckSeverity.WARN
    assert "2 train" not in (found["enough_examples"].description or "")
    assert "1 dev, wanted 50" in (found["enough_examples"].description or "")


def test_new_labels_are_materialized_once(settings: Settings) -> None:
    first = look(settings)
    again = look(settings, first.cursor)
    add_label(settings)
    after = look(settings, again.cursor)
    later = look(settings, after.cursor)

    assert (first.run_requests, again.run_requests, later.run_requests) == ([], [], [])
    [request] = after.run_requests or []
    assert request.partition_key == GRAPH
    assert request.run_key is None  # Dagster starts one run for a key, ever


@pytest.mark.parametrize("cursor", ["garbage", "null", "5", "[]"])
def test_a_broken_cursor_is_a_first_look(settings: Settings, cursor: str) -> None:
    first = look(settings, cursor)

    assert first.run_requests == []
    assert set(json.loads(first.cursor or "")) == {GRAPH}


def test_the_inputs_of_sealed_examples_are_not_shown(settings: Settings) -> None:
    result = materialized(settings)

    [made] = result.asset_materializations_for_node("labelled_examples")
    shown = str(made.metadata["examples"].value)
    sealed = [one for one in read_examples(graph, files())[:8] if is_sealed(one)]
    assert len(sealed) > 0
    assert all(one.id in shown and one.input[:30] not in shown for one in sealed)


def test_labels_that_cannot_be_read_start_nothing_and_are_looked_at_again(
    settings: Settings,
) -> None:
    first = look(settings)
    add_label(settings, expected={})

    broken = look(settings, first.cursor)
    add_label(settings)
    mended = look(settings, broken.cursor)

    assert (broken.run_requests, broken.cursor) == ([], first.cursor)
    assert len(mended.run_requests or []) == 1
