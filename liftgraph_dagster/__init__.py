"""Typed graphs of language-model calls: durable, optimized, proven, calibrated, released.

The names below are all that a graph's author needs. They are imported on first use, because the
command line must answer `--help` before pydantic, DSPy and Dagster have been read from disk.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_graph import End

    from liftgraph_dagster.app import LiftGraph
    from liftgraph_dagster.graph.candidates import Candidates
    from liftgraph_dagster.graph.graph import Graph
    from liftgraph_dagster.graph.node import (
        Context,
        FunctionNode,
        ModuleNode,
        Parallel,
        SignatureNode,
    )
    from liftgraph_dagster.graph.state import GraphState

__version__ = "0.1.0"

__all__ = [
    "Candidates",
    "Context",
    "End",
    "FunctionNode",
    "Graph",
    "GraphState",
    "LiftGraph",
    "ModuleNode",
    "Parallel",
    "SignatureNode",
]

_HOME = {
    "Candidates": "liftgraph_dagster.graph.candidates",
    "Context": "liftgraph_dagster.graph.node",
    "End": "pydantic_graph",
    "FunctionNode": "liftgraph_dagster.graph.node",
    "Graph": "liftgraph_dagster.graph.graph",
    "GraphState": "liftgraph_dagster.graph.state",
    "LiftGraph": "liftgraph_dagster.app",
    "ModuleNode": "liftgraph_dagster.graph.node",
    "Parallel": "liftgraph_dagster.graph.node",
    "SignatureNode": "liftgraph_dagster.graph.node",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
