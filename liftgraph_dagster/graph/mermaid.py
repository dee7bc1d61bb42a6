"""A graph as a Mermaid flowchart, for READMEs, pull requests and the Dagster page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import Parallel

_SHAPES = {"signature": ("[", "]"), "module": ("[[", "]]"), "function": ("(", ")")}


def mermaid(graph: Graph[Any]) -> str:
    """Return the Mermaid text of `graph`: boxes ask a model, rounded boxes run code, a framed
    group holds the branches of a Parallel."""
    frames = _frames(graph)
    inside = {name for names in frames.values() for name in names}
    lines = ["flowchart LR", "    start_([start])", "    end_([end])"]
    for name in graph.nodes:
        if name not in inside:
            lines += _drawn(graph, frames, name, "    ")
    lines.append(f"    start_ --> {graph.first}")
    for name, edges in graph.edges.items():
        for edge in edges:
            if edge.node is None and name in inside:
                continue  # the end of a branch is the join, not the end of the graph
            arrow = f"-- {edge.label} -->" if edge.label else "-->"
            lines.append(f"    {name} {arrow} {edge.node or 'end_'}")
    return "\n".join(lines) + "\n"


def _frames(graph: Graph[Any]) -> dict[str, list[str]]:
    """Return the nodes in each Parallel's frame, those of a Parallel inside of it left out."""
    reached = {
        name: graph.reachable(branch.__name__ for branch in node.branches)
        for name, node in graph.nodes.items()
        if issubclass(node, Parallel)
    }
    return {
        name: [
            node
            for node in nodes
            if not any(node in reached[inner] for inner in nodes if inner in reached)
        ]
        for name, nodes in reached.items()
    }


def _drawn(
    graph: Graph[Any], frames: dict[str, list[str]], name: str, indent: str
) -> Iterator[str]:
    if name not in frames:
        yield f"{indent}{_box(graph, name)}"
        return
    yield f"{indent}subgraph {name}"
    for inner in frames[name]:
        yield from _drawn(graph, frames, inner, f"{indent}    ")
    yield f"{indent}end"


def _box(graph: Graph[Any], name: str) -> str:
    opening, closing = _SHAPES.get(graph.nodes[name].kind, ("[", "]"))
    return f"{name}{opening}{name}{closing}"
