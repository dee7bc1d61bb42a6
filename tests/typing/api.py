"""What mypy infers for the authors of graphs. Checked, never run."""

from __future__ import annotations

from typing import Any, assert_type
from uuid import UUID

import dspy
from pydantic_graph import End

from liftgraph_dagster import (
    Candidates,
    Context,
    FunctionNode,
    Graph,
    GraphState,
    LiftGraph,
    Parallel,
    SignatureNode,
)
from liftgraph_dagster.app import Result
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.persistence import StatePersistence
from liftgraph_dagster.graph.node import SignatureBound
from liftgraph_dagster.providers.adapter import ProviderAdapter
from liftgraph_dagster.providers.contract import Provider
from liftgraph_dagster.providers.scripted import ScriptedProvider


class Ticket(GraphState):
    text: str
    topic: str = ""
    guesses: Candidates[str] = Candidates()


class Topic(dspy.Signature):
    text: str = dspy.InputField()
    topic: str = dspy.OutputField()


class Classify(SignatureNode[Ticket]):
    signature = Topic

    async def run(self, ctx: Context[Ticket]) -> Shout | End[None]:
        assert_type(ctx.state, Ticket)
        assert_type(ctx.state.topic, str)
        assert_type(ctx.state.guesses.options[0].value, str)
        await self.ask(ctx)
        return Shout() if ctx.state.topic else End(None)


class Shout(FunctionNode[Ticket]):
    writes = ("topic",)

    def call(self, topic: str) -> dict[str, str]:
        return {"topic": topic.upper()}

    async def run(self, ctx: Context[Ticket]) -> End[None]:
        await self.ask(ctx)
        return End(None)


class Both(Parallel[Ticket]):
    branches = (Classify, Shout)

    async def run(self, ctx: Context[Ticket]) -> End[None]:
        await self.fan_out(ctx)
        return End(None)


class Overriding(SignatureNode[Ticket]):
    signature = Topic
    writes = ("topic",)

    def extract_inputs(self, state: Ticket) -> dict[str, Any]:
        return {"text": state.text.strip()}

    def update_state(self, state: Ticket, prediction: dspy.Prediction) -> None:
        state.topic = prediction.topic

    async def run(self, ctx: Context[Ticket]) -> End[None]:
        await self.ask(ctx)
        return End(None)


graph = Graph(
    "tickets",
    state=Ticket,
    nodes=[Classify, Shout],
    start=lambda text: Ticket(text=text),
    outcome=lambda state: state.topic,
)
assert_type(graph, Graph[Ticket])
assert_type(graph.begin("hello"), Ticket)

# The contract of hole H6: a node is bound to a signature over one state type.
bound: SignatureBound[Ticket] = Overriding()

# The contract of hole H1.
provider: Provider = ScriptedProvider(lambda request: {"answer": request.model})
adapter = ProviderAdapter(provider)
assert_type(adapter.supports_xgrammar, bool)


async def use_adapter() -> None:
    assert_type(await adapter("hello", temperature=0.0), dspy.Prediction)


# The contract of hole H2.
async def use_persistence(executor: Executor, execution_id: UUID) -> None:
    persistence = StatePersistence(graph, executor)
    state = await persistence.load(execution_id)
    assert_type(state, Ticket)
    await persistence.save(execution_id, state)
    await persistence.update_node_output(execution_id, "Classify", {"topic": "billing"})


async def use() -> None:
    async with LiftGraph(graphs=[graph], provider=provider) as lg:
        assert_type(await lg.run("tickets", "hello"), Result)
