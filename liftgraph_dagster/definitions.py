"""Everything that Dagster knows of LiftGraph."""

import dagster as dg

from liftgraph_dagster.defs.assets.evaluation import (
    baseline_executions,
    baseline_scores,
    labelled_examples,
)
from liftgraph_dagster.defs.resources import Installation

defs = dg.Definitions(
    assets=[labelled_examples, baseline_executions, baseline_scores],
    resources={"liftgraph": Installation()},
)
