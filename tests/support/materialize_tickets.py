"""Materializes the assets of the tickets graph, twice, with a scripted model; prints what Dagster
then knows of them.

In a process of its own: partitions are read from the environment when the assets are imported.
"""

from __future__ import annotations

import json
from typing import Any

import dagster as dg

from liftgraph_dagster.defs.assets.evaluation import (
    ExecutionsConfig,
    baseline_executions,
    baseline_scores,
)
from liftgraph_dagster.defs.assets.examples import dataset_splits, labelled_examples
from liftgraph_dagster.defs.resources import Installation
from tests.factories import topic_provider


def materialize(instance: dg.DagsterInstance, installation: Installation) -> dict[str, Any]:
    """Return partition, data version and metadata of each asset, and the checks that passed."""
    result = dg.materialize(
        [labelled_examples, dataset_splits, baseline_executions, baseline_scores],
        instance=instance,
        partition_key="tickets",
        resources={"liftgraph": installation},
        run_config=dg.RunConfig(
            ops={"baseline_executions": ExecutionsConfig(everything=True)},
            loggers={"console": {"config": {"log_level": "CRITICAL"}}},
        ),
    )
    made = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
    ]
    return {
        one.asset_key.to_user_string(): {
            "partition": one.partition,
            "version": one.tags["dagster/data_version"],
            "metadata": {name: value.value for name, value in one.metadata.items()},
        }
        for one in made
    } | {"checks": [one.check_name for one in result.get_asset_check_evaluations() if one.passed]}


def main() -> None:
    provider = topic_provider()
    with dg.DagsterInstance.ephemeral() as instance:
        runs = [materialize(instance, Installation(provider=provider)) for _ in range(2)]
    print(json.dumps({"runs": runs, "requests": len(provider.requests)}))


if __name__ == "__main__":
    main()
