"""`liftgraph execution`"""

from __future__ import annotations

import asyncio
import shlex

import click

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli.run import show_result
from liftgraph_dagster.cli.show import (
    execution_json,
    print_execution,
    print_executions,
    print_json,
)
from liftgraph_dagster.execution.records import Status


@click.group()
def execution() -> None:
    """List, show, resume and cancel executions."""


@execution.command("list")
@click.option("--graph", help="Only of this graph.")
@click.option("--status", type=click.Choice([status.value for status in Status]))
@click.option("--user", help="Only of this user.")
@click.option("--before", metavar="ID", help="Only older ones than this: the next page.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(
    graph: str | None,
    status: str | None,
    user: str | None,
    before: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List executions, newest first."""
    asked = {"graph": graph, "status": status, "user": user, "limit": limit}
    again = [f"--{name} {shlex.quote(str(value))}" for name, value in asked.items() if value]

    async def work() -> None:
        async with LiftGraph() as lg:
            found = await lg.executions(
                graph=graph,
                status=Status(status) if status else None,
                user_id=user,
                before=before,
                limit=limit,
            )
        if as_json:
            print_json([execution_json(one) for one in found])
        else:
            page_is_full = len(found) == limit
            print_executions(found, older=" ".join(again) if page_is_full else None)

    asyncio.run(work())


@execution.command()
@click.argument("execution_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(execution_id: str, as_json: bool) -> None:
    """Show an execution's timeline, with the inputs and outputs of its nodes."""

    async def work() -> None:
        async with LiftGraph() as lg:
            trace = await lg.trace(execution_id)
        print_execution(trace, as_json=as_json)

    asyncio.run(work())


@execution.command()
@click.argument("execution_id", metavar="ID")
@click.option("--accept-version", is_flag=True, help="Go on although the graph's code has changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resume(execution_id: str, accept_version: bool, as_json: bool) -> None:
    """Run an execution from where it stands to its end."""

    async def work() -> None:
        async with LiftGraph() as lg:
            result = await lg.resume(execution_id, accept_version=accept_version)
            await show_result(lg, result, as_json=as_json)

    asyncio.run(work())


@execution.command()
@click.argument("execution_id", metavar="ID")
@click.option("--reason", default="asked for on the command line", show_default=True)
def cancel(execution_id: str, reason: str) -> None:
    """End an execution; a process that runs it stops at its next node."""

    async def work() -> None:
        async with LiftGraph() as lg:
            await lg.cancel(execution_id, reason=reason)
        click.echo(f"execution {execution_id} is cancelled")

    asyncio.run(work())
