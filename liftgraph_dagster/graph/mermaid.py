"""A graph as a Mermaid flowchart, for READMEs, pull requests and the Dagster page."""

from __future__ import annotations

from typing import Any

from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import Parallel

_SHAPES = {"signature": ("[", "]"), "module": ("[[", "]]"), "function": ("(", ")")}


def mermaid(graph: Graph[Any]) -> str:
    """Return the Mermaid text of `graph`: boxes ask a model, rounded boxes run code, a framed
    group holds the branches of a Parallel."""
    branches = _branch_nodes(graph)
    inside = {name for names in branches.values() for name in names}
    lines = ["flowchart LR", "    start_([start])", "    end_([end])"]
    for name, node in graph.nodes.items():
        if issubclass(node, Parallel):
            lines.append(f"    subgraph {name}")
            lines += [f"        {_box(graph, branch)}" for branch in branches[name]]
            lines.append("    end")
        elif name not in inside:
            lines.append(f"    {_box(graph, name)}")
    lines.append(f"    start_ --> {graph.first}")
    for name, edges in graph.edges.items():
        for edge in edges:
            if edge.node is None and name in inside:
                continue  # the end of a branch is the join, not the end of the graph
            arrow = f"-- {edge.label} -->" if edge.label else "-->"
            lines.append(f"    {name} {arrow} {edge.node or 'end_'}")
    return "\n".join(lines) + "\n"


def _branch_nodes(graph: Graph[Any]) -> dict[str, list[str]]:
    return {
        name: graph.reachable(branch.__name__ for branch in node.branches)
        for name, node in graph.nodes.items()
        if issubclass(node, Parallel)
    }


def _box(graph: Graph[Any], name: str) -> str:
    opening, closing = _SHAPES.get(graph.nodes[name].kind, ("[", "]"))
    return f"{name}{opening}{name}{closing}"
