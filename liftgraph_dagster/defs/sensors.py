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
    seen = _remembered(context)

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
            dg.RunRequest(partition_key=graph)  # no key: labels may become what they were before
            for graph, digest in found.items()
            if seen.get(graph, digest) != digest
        ],
        cursor=json.dumps(found),
    )


def _remembered(context: dg.SensorEvaluationContext) -> dict[str, str]:
    """Return the digest of each graph's examples at the last look; none when the cursor is not of
    ours, as somebody may have set it by hand."""
    try:
        seen = json.loads(context.cursor or "{}")
    except ValueError:
        seen = None
    if isinstance(seen, dict):
        return seen
    context.log.warning(f"the cursor {context.cursor!r} cannot be read; this look only remembers")
    return {}
