"""What programs make of the examples, and how good it is."""

import dagster as dg
from pydantic import Field

from liftgraph_dagster.defs.assets.examples import dataset_splits
from liftgraph_dagster.defs.metadata import (
    batches_digest,
    batches_metadata,
    evaluations_digest,
    evaluations_metadata,
)
from liftgraph_dagster.defs.partitions import graphs
from liftgraph_dagster.defs.resources import Installation

_OWNERS = ["team:evaluation"]


class ExecutionsConfig(dg.Config):
    """What to run."""

    programs: list[str] = Field(default_factory=list)
    """Names of programs; empty for all that the graph declares."""
    everything: bool = False
    """Every example that is not sealed, instead of the graph's sample."""


@dg.asset(
    partitions_def=graphs,
    deps=[dataset_splits],
    group_name="evaluation",
    kinds={"llm", "postgres"},
    owners=_OWNERS,
    code_version="1",
)
def baseline_executions(
    context: dg.AssetExecutionContext,
    config: ExecutionsConfig,
    liftgraph: dg.ResourceParam[Installation],
) -> dg.MaterializeResult[None]:
    """The graph's declared programs, run over its examples as durable executions."""
    graph = context.partition_key
    batches = liftgraph.run(
        lambda lg: lg.execute_programs(
            graph, config.programs, everything=config.everything, on_run=liftgraph.on_run
        )
    )
    return dg.MaterializeResult(
        metadata=batches_metadata(batches),
        data_version=dg.DataVersion(batches_digest(batches)),
    )


@dg.asset(
    partitions_def=graphs,
    deps=[baseline_executions],
    group_name="evaluation",
    kinds={"python", "postgres"},
    owners=_OWNERS,
    code_version="1",
)
def baseline_scores(
    context: dg.AssetExecutionContext, liftgraph: dg.ResourceParam[Installation]
) -> dg.MaterializeResult[None]:
    """The scores of those executions by the graph's metric; a failed execution scores 0."""
    graph = context.partition_key
    evaluations = liftgraph.run(lambda lg: lg.score_stored(graph))
    return dg.MaterializeResult(
        metadata=evaluations_metadata(evaluations),
        data_version=dg.DataVersion(evaluations_digest(evaluations)),
    )
