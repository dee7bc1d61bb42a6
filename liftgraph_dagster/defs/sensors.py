"""What begins by itself."""

import json

import dagster as dg

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.defs.assets.examples import dataset_splits, labelled_examples
from liftgraph_dagster.defs.partitions import graphs
from liftgraph_dagster.defs.resources import Installation
from liftgraph_dagster.errors import LiftGraphError


@dg.sensor(
    target=[labelled_examples, dataset_splits],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_labels(
    context: dg.SensorEvaluationContext, liftgraph: dg.ResourceParam[Installation]
) -> dg.SensorResult:
    """Materializes the examples of a graph whose labels have changed: its files, or what was added
    to its name. The first look only remembers."""
    seen: dict[str, str] = json.loads(context.cursor or "{}")

    async def look(lg: LiftGraph) -> dict[str, str]:
        found = dict(seen)
        for graph in graphs.get_partition_keys():
            try:
                found[graph] = (await lg.dataset(graph)).digest
            except LiftGraphError as exc:  # the labels of one graph do not keep the others waiting
                context.log.warning(f"labels of {graph}: {exc}")
        return found

    found = liftgraph.run(look)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=f"{graph} {digest}", partition_key=graph)
            for graph, digest in found.items()
            if seen.get(graph, digest) != digest
        ],
        cursor=json.dumps(found),
    )
