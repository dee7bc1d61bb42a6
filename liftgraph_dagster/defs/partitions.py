"""A partition is a graph."""

import dagster as dg

from liftgraph_dagster.app import load_graphs
from liftgraph_dagster.settings import Settings

graphs = dg.StaticPartitionsDefinition(sorted(load_graphs(Settings.from_environment())))
