"""`liftgraph evaluate`"""

from __future__ import annotations

import asyncio

import click

from liftgraph_dagster.app import Evaluation, LiftGraph
from liftgraph_dagster.cli.progress import BatchProgress
from liftgraph_dagster.cli.show import print_evaluations, print_json
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
@click.option(
    "--dataset", metavar="REF", help="A dataset's name or digest; the graph's own files otherwise."
)
@click.option(
    "--repeats",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Executions of each example, each with a seed of its own.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    help="Of the language model; 0 unless given, for several repeats 0.7.",
)
@click.option("--metric", metavar="NAME", help="The metric; the graph's first one otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    graph: str,
    program: str,
    split: str,
    dataset: str | None,
    repeats: int,
    temperature: float | None,
    metric: str | None,
    as_json: bool,
) -> None:
    """Run a program of GRAPH over a split of labelled examples and score it.

    What was run before is reused; what was interrupted is resumed.
    """

    async def work() -> Evaluation:
        async with LiftGraph() as lg:
            found = await lg.dataset(graph, dataset)
            examples = found.filled_split(Split(split))
            with BatchProgress(len(examples) * repeats) as progress:
                lg.executor.observers.append(progress.on_event)
                return await lg.evaluate(
                    graph,
                    program=program,
                    split=Split(split),
                    dataset=found,
                    repeats=repeats,
                    temperature=temperature,
                    metric=metric,
                    on_run=progress.on_run,
                )

    evaluation = asyncio.run(work())
    if as_json:
        print_json(
            {
                "graph": graph,
                "program": evaluation.batch.program_name,
                "program_digest": evaluation.batch.program_digest,
                "dataset_digest": evaluation.batch.dataset_digest,
                "split": split,
                "model": evaluation.batch.model,
                "temperature": evaluation.batch.temperature,
                "repeats": repeats,
                **vars(evaluation.summary),
                "scores": [vars(score) for score in evaluation.scores],
            }
        )
    else:
        print_evaluations(graph, [evaluation])
