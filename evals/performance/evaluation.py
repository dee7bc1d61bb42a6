"""What does an evaluation add to the executions that it runs?

A thousand executions of a graph of two nodes on PostgreSQL, with a scripted model: once by the bare
executor, once by `LiftGraph.evaluate`, which looks up what can be reused, reads what came out, and
stores a score for each. Both with as many at once; each round has its own examples; the share is
the median of the rounds', because a round's two halves meet the same disk.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import dspy
from rich.console import Console
from rich.table import Table

from liftgraph_dagster import Context, End, FunctionNode, Graph, GraphState, LiftGraph
from liftgraph_dagster.evaluation.dataset import Dataset, Split
from liftgraph_dagster.evaluation.example import Example
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.graph.node import SignatureNode
from liftgraph_dagster.providers.engine import language_model
from liftgraph_dagster.providers.scripted import ScriptedProvider
from liftgraph_dagster.services import database_server
from liftgraph_dagster.settings import Settings

EXECUTIONS = 1000
ROUNDS = 5
AT_ONCE = 8
BAR = 0.80
FAMILY = "billing"
"""It is in the train split."""


class Ticket(GraphState):
    """A support ticket on its way to a desk."""

    text: str
    topic: str = ""
    desk: str = ""


class FindTopic(dspy.Signature):
    """Name the topic of the ticket in one word."""

    text: str = dspy.InputField()
    topic: str = dspy.OutputField()


class Classify(SignatureNode[Ticket]):
    signature = FindTopic

    async def run(self, ctx: Context[Ticket]) -> Route:
        await self.ask(ctx)
        return Route()


class Route(FunctionNode[Ticket]):
    writes = ("desk",)

    async def call(self, topic: str) -> dict[str, str]:
        return {"desk": topic}

    async def run(self, ctx: Context[Ticket]) -> End[None]:
        await self.ask(ctx)
        return End(None)


def start(text: str) -> Ticket:
    return Ticket(text=text)


def is_right(example: Example, outcome: str, _: object = None) -> float:
    return float(outcome == example.expected)


graph = Graph(
    "bench",
    state=Ticket,
    nodes=[Classify, Route],
    start=start,
    outcome=lambda state: state.desk,
    metric=is_right,
)


def dataset(number: int) -> Dataset:
    """Return a thousand examples that no other round has."""
    label = {"who": "bench", "kind": "synthetic", "on": "2026-01-01"}
    raw = {"family": FAMILY, "expected": "billing", "labelled_by": [label]}
    examples = [
        Example.model_validate(raw | {"id": f"{number}-{n}", "input": f"Ticket {number}-{n}."})
        for n in range(EXECUTIONS)
    ]
    return Dataset("bench", tuple(examples))


async def bare(lg: LiftGraph, program: Program, asker: Asker, texts: Sequence[str]) -> float:
    """Return the executions a second of the executor alone."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(text: str) -> None:
        async with slots:
            accepted = await lg.executor.accept(graph, program.digest, text)
            await lg.executor.run(graph, accepted.id, asker)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for text in texts:
            group.create_task(one(text))
    return len(texts) / (time.perf_counter() - started)


async def evaluated(lg: LiftGraph, data: Dataset) -> float:
    """Return the executions a second of an evaluation."""
    started = time.perf_counter()
    evaluation = await lg.evaluate("bench", split=Split.TRAIN, dataset=data)
    seconds = time.perf_counter() - started
    assert (evaluation.summary.n, evaluation.summary.mean) == (EXECUTIONS, 1.0)
    return EXECUTIONS / seconds


async def main(settings: Settings) -> None:
    provider = ScriptedProvider(lambda _: {"topic": "billing"})
    async with LiftGraph(settings, graphs=[graph], provider=provider) as lg:
        program = await lg.program("bench", "baseline")
        asker = Asker(graph, program, language_model(provider, temperature=0.0, seed=0))
        rates: list[tuple[float, float]] = []
        for number in range(ROUNDS):
            data = dataset(number)
            await lg.evaluations.save_dataset(data)
            texts = [example.input for example in data.examples]
            if number % 2:  # whoever comes second finds a larger table and warm caches
                second = await evaluated(lg, data)
                first = await bare(lg, program, asker, texts)
            else:
                first = await bare(lg, program, asker, texts)
                second = await evaluated(lg, data)
            rates.append((first, second))
    table = Table("round", "bare executions/s", "evaluated/s", "share", box=None)
    for number, (first, second) in enumerate(rates, 1):
        table.add_row(str(number), f"{first:,.0f}", f"{second:,.0f}", f"{second / first:.0%}")
    Console().print(table)
    share = statistics.median(second / first for first, second in rates)
    verdict = "met" if share >= BAR else "missed"
    print(f"n = {EXECUTIONS} x {ROUNDS}, median share {share:.0%}; bar {BAR:.0%} {verdict}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="liftgraph-bench-") as home:
        Path(home).chmod(0o755)
        bench = Settings(home=Path(home), graphs=(), concurrency=AT_ONCE)
        with database_server(bench) as settings:
            asyncio.run(main(replace(settings, graphs=())))
