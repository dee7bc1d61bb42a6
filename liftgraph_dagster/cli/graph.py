"""`liftgraph graph`"""

from __future__ import annotations

import json

import click
from rich.text import Text

from liftgraph_dagster.app import load_graphs
from liftgraph_dagster.cli.show import console, print_json
from liftgraph_dagster.errors import NotFound
from liftgraph_dagster.graph.mermaid import mermaid
from liftgraph_dagster.settings import Settings


@click.group()
def graph() -> None:
    """List and show graphs."""


@graph.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(as_json: bool) -> None:
    """List the registered graphs."""
    graphs = load_graphs(Settings.from_environment())
    if as_json:
        print_json(
            [
                {"name": name, "version": found.version, "nodes": list(found.nodes)}
                for name, found in graphs.items()
            ]
        )
        return
    for name, found in graphs.items():
        click.echo(f"{name}  {len(found.nodes)} nodes, version {found.version[:12]}")
        click.echo(f"    {found.description}")


@graph.command()
@click.argument("name")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print a Mermaid flowchart.")
def show(name: str, as_mermaid: bool) -> None:
    """Show a graph's input, nodes and programs."""
    graphs = load_graphs(Settings.from_environment())
    if name not in graphs:
        raise NotFound(f"there is no graph {name!r}; registered are {', '.join(sorted(graphs))}")
    found = graphs[name]
    if as_mermaid:
        click.echo(mermaid(found), nl=False)
        return
    out = console()
    out.print(Text.assemble((name, "bold"), f"  version {found.version[:12]}"))
    out.print(found.description)
    out.print(f"input     {json.dumps(found.input_schema)}")
    out.print(f"programs  {', '.join(found.programs)}")
    for node, node_type in found.nodes.items():
        leads = ", ".join(edge.node or "end" for edge in found.edges[node])
        reads, writes = ", ".join(node_type.reads or ()), ", ".join(node_type.writes or ())
        out.print(Text.assemble((node, "bold"), f"  {node_type.kind} -> {leads}"))
        if reads or writes:
            out.print(f"    reads {reads or '-'}; writes {writes or '-'}", style="bright_black")
