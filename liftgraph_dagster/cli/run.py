"""`liftgraph run`"""

from __future__ import annotations

import asyncio
import codecs
import json
from pathlib import Path
from typing import Any

import click

from liftgraph_dagster.app import LiftGraph, Result
from liftgraph_dagster.cli.show import print_json, print_result
from liftgraph_dagster.errors import InputError
from liftgraph_dagster.graph.graph import Graph


@click.command()
@click.argument("graph")
@click.argument("text", required=False)
@click.option(
    "--input",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the input from a JSON file.",
)
@click.option("--program", default="baseline", show_default=True, help="The program to run.")
@click.option("--user", help="Whom the execution belongs to.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def run(
    graph: str, text: str | None, file: Path | None, program: str, user: str | None, as_json: bool
) -> None:
    """Run GRAPH on TEXT, or on the JSON of a file, and print the outcome.

    A graph that does not take a plain text takes TEXT as JSON.
    """
    if (text is None) == (file is None):
        raise click.UsageError("Give either TEXT or --input FILE.")
    asyncio.run(_run(graph, text, file, program, user, as_json))


async def _run(
    name: str, text: str | None, file: Path | None, program: str, user: str | None, as_json: bool
) -> None:
    async with LiftGraph() as lg:
        graph = lg.graph(name)
        value = _from_file(file) if file else _from_text(graph, text or "")
        execution = await lg.accept(name, value, program=program, user_id=user)
        if not as_json:
            click.echo(f"execution {execution.id}", err=True)
        result = await lg.resume(execution.id)
        await show_result(lg, result, as_json=as_json)


async def show_result(lg: LiftGraph, result: Result, *, as_json: bool) -> None:
    """Print a finished execution."""
    history = await lg.history(result.execution.id)
    if as_json:
        execution = result.execution
        print_json(
            {
                "id": execution.id,
                "graph": execution.graph,
                "status": execution.status,
                "outcome": result.outcome,
            }
        )
    else:
        print_result(result, history)


def _from_file(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes().removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{file} is not JSON: {exc}") from exc


def _from_text(graph: Graph[Any], text: str) -> Any:
    if graph.takes_text:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InputError(
            f"graph {graph.name!r} takes JSON of this schema: {json.dumps(graph.input_schema)}; "
            f"the text is not JSON: {exc}"
        ) from exc
