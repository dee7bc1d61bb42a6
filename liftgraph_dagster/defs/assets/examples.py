"""Labelled examples, and how they are divided."""

import dagster as dg

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.defs.checks import SPLITS, VALID, check_splits, check_valid
from liftgraph_dagster.defs.metadata import dataset_metadata, splits_metadata
from liftgraph_dagster.defs.partitions import graphs
from liftgraph_dagster.defs.resources import Installation
from liftgraph_dagster.evaluation.dataset import Dataset, split_of
from liftgraph_dagster.graph.digest import digest

_OWNERS = ["team:evaluation"]


@dg.asset(
    partitions_def=graphs,
    group_name="examples",
    kinds={"json", "postgres"},
    owners=_OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            VALID,
            asset="labelled_examples",
            description="Every line is what its graph takes and expects.",
        )
    ],
)
def labelled_examples(
    context: dg.AssetExecutionContext, liftgraph: dg.ResourceParam[Installation]
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # with a check, Dagster wants the bare class
    """The graph's labelled examples, checked and stored under the digest of their content."""
    graph = context.partition_key
    dataset = liftgraph.run(lambda lg: lg.dataset(graph))
    return dg.MaterializeResult(
        metadata=dataset_metadata(dataset),
        data_version=dg.DataVersion(dataset.digest),
        check_results=[check_valid(dataset)],
    )


@dg.asset(
    partitions_def=graphs,
    deps=[labelled_examples],
    group_name="examples",
    kinds={"python", "postgres"},
    owners=_OWNERS,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(name, asset="dataset_splits", description=description)
        for name, description in SPLITS.items()
    ],
)
def dataset_splits(
    context: dg.AssetExecutionContext, liftgraph: dg.ResourceParam[Installation]
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # with a check, Dagster wants the bare class
    """What each example may be used for: learning, choosing or, once, judging; by its family."""
    graph = context.partition_key

    async def work(lg: LiftGraph) -> tuple[Dataset, list[str]]:
        dataset = await lg.dataset(graph)
        return dataset, await lg.moved_families(graph)

    dataset, moved = liftgraph.run(work)
    splits = {example.id: split_of(example.family) for example in dataset.examples}
    return dg.MaterializeResult(
        metadata=splits_metadata(dataset),
        data_version=dg.DataVersion(digest(splits)),
        check_results=check_splits(dataset, moved),
    )
