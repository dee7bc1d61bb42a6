"""`liftgraph materialize`: what `make run` calls."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import click

from liftgraph_dagster.app import Evaluation, LiftGraph
from liftgraph_dagster.cli.progress import BatchProgress
from liftgraph_dagster.cli.show import command, console, print_evaluations
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.evaluation.scores import ExampleRun
from liftgraph_dagster.services import database_server, environment
from liftgraph_dagster.settings import Settings


@click.command()
@click.argument("graph", default="prompt_to_code")
@click.option("--all", "everything", is_flag=True, help="All examples that are not sealed.")
def materialize(graph: str, everything: bool) -> None:
    """Materialize labelled_examples, baseline_executions and baseline_scores of GRAPH.

    Runs the graph's declared programs over its sample of labelled examples, through Dagster, and
    prints one table.
    """
    with database_server(Settings.from_environment()) as settings:
        os.environ.update(environment(settings))
        examples, programs = asyncio.run(_work(settings, graph, everything=everything))
        with BatchProgress(len(examples) * programs) as progress:
            _materialize(settings, graph, progress, everything=everything)
        evaluations = asyncio.run(_evaluations(settings, graph, examples))
    print_evaluations(graph, evaluations, with_executions=False)
    _what_next(graph, evaluations[0].batch.runs[0])


def _materialize(
    settings: Settings, graph: str, progress: BatchProgress, *, everything: bool
) -> None:
    import dagster as dg
    from dagster._core.errors import DagsterExecutionInterruptedError

    from liftgraph_dagster.defs.assets.evaluation import (
        ExecutionsConfig,
        baseline_executions,
        baseline_scores,
    )
    from liftgraph_dagster.defs.assets.examples import dataset_splits, labelled_examples
    from liftgraph_dagster.defs.resources import Installation, configure_instance

    configure_instance(Path(os.environ["DAGSTER_HOME"]))
    installation = Installation(settings, observers=[progress.on_event], on_run=progress.on_run)
    with dg.DagsterInstance.get() as instance:
        try:
            dg.materialize(
                [labelled_examples, dataset_splits, baseline_executions, baseline_scores],
                instance=instance,
                partition_key=graph,
                resources={"liftgraph": installation},
                run_config=dg.RunConfig(
                    ops={"baseline_executions": ExecutionsConfig(everything=everything)},
                    loggers={"console": {"config": {"log_level": "CRITICAL"}}},
                ),
            )
        except DagsterExecutionInterruptedError:  # Dagster's name for a Ctrl-C
            raise KeyboardInterrupt from None


async def _work(
    settings: Settings, graph: str, *, everything: bool
) -> tuple[Sequence[Example], int]:
    """Return the examples to run and the number of programs."""
    async with LiftGraph(settings) as lg:
        dataset = await lg.dataset(graph)
        examples = lg.first_look(graph, dataset, everything=everything)
        return examples, len(lg.graph(graph).programs)


async def _evaluations(
    settings: Settings, graph: str, examples: Sequence[Example]
) -> list[Evaluation]:
    async with LiftGraph(settings) as lg:
        return await lg.score_stored(graph, examples)


def _what_next(graph: str, run: ExampleRun) -> None:
    out = console()
    out.print("\nWhat next", style="bold")
    for what, line in (
        ("How the first row came about:", f"{command()} execution show {run.execution.id}"),
        ("Your own input:", f'{command()} run {graph} "..."'),
        ("More examples:", f"{command()} evaluate {graph} --program baseline --split dev"),
        ("The same assets in Dagster's page, on http://127.0.0.1:3000:", "make dev"),
    ):
        out.print(f"  {what}", style="bright_black")
        out.print(f"    {line}", soft_wrap=True)
