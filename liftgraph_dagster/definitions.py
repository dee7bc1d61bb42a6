"""Everything that Dagster knows of LiftGraph."""

import dagster as dg

from liftgraph_dagster.defs.assets.evaluation import baseline_executions, baseline_scores
from liftgraph_dagster.defs.assets.examples import dataset_splits, labelled_examples
from liftgraph_dagster.defs.checks import label_checks
from liftgraph_dagster.defs.resources import Installation
from liftgraph_dagster.defs.sensors import new_labels

defs = dg.Definitions(
    assets=[labelled_examples, dataset_splits, baseline_executions, baseline_scores],
    asset_checks=label_checks(),
    sensors=[new_labels],
    resources={"liftgraph": Installation()},
)
