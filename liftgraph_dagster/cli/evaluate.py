"""`liftgraph evaluate`"""

from __future__ import annotations

import asyncio

import click

from liftgraph_dagster.app import LiftGraph
from liftgraph_dagster.cli.progress import BatchProgress
from liftgraph_dagster.cli.show import print_evaluations, print_json
from liftgraph_dagster.errors import InputError
from liftgraph_dagster.evaluation.dataset import Split


@click.command()
@click.argument("graph")
@click.option("--program", default="baseline", show_default=True, help="The program to run.")
@click.option(
    "--split",
    type=click.Choice([split.value for split in Split]),
    default=Split.DEV.value,
    show_default=True,
    help="The examples to run it on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(graph: str, program: str, split: str, as_json: bool) -> None:
    """Run a program of GRAPH over a split of its labelled examples and score it.

    What was run before is reused; what was interrupted is resumed.
    """
    asyncio.run(_evaluate(graph, program, Split(split), as_json))


async def _evaluate(graph: str, program: str, split: Split, as_json: bool) -> None:
    async with LiftGraph() as lg:
        examples = (await lg.dataset(graph)).split(split)
        if not examples:
            raise InputError(f"the dataset of {graph!r} has no examples in split {split}")
        with BatchProgress(len(examples)) as progress:
            lg.executor.observers.append(progress.on_event)
            evaluation = await lg.evaluate(
                graph, program=program, split=split, on_run=progress.on_run
            )
    if as_json:
        print_json(
            {
                "graph": graph,
                "program": evaluation.batch.program_name,
                "program_digest": evaluation.batch.program_digest,
                "dataset_digest": evaluation.batch.dataset_digest,
                "split": split.value,
                "model": evaluation.batch.model,
                **vars(evaluation.summary),
                "scores": [vars(score) for score in evaluation.scores],
            }
        )
    else:
        print_evaluations(graph, [evaluation])
