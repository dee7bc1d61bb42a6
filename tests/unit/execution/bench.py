"""A small graph with every kind of node, and a bench to run graphs on, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import dspy
import pytest
from pydantic_graph import End

from liftgraph_dagster.errors import NodeFailed
from liftgraph_dagster.execution.ask import Asker
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.persistence import StatePersistence
from liftgraph_dagster.execution.program import Program
from liftgraph_dagster.execution.records import EventKind, Execution, ExecutionId, NodeEvent
from liftgraph_dagster.execution.store import MemoryStateStore
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.merge import append
from liftgraph_dagster.graph.node import Context, FunctionNode, ModuleNode, Parallel, SignatureNode
from liftgraph_dagster.graph.state import GraphState
from liftgraph_dagster.providers.adapter import ProviderAdapter
from liftgraph_dagster.providers.contract import ChatRequest
from liftgraph_dagster.providers.scripted import ScriptedProvider


class Letter(GraphState):
    """A letter that wants a reply."""

    text: str = ""
    topic: str = ""
    tone: str = ""
    words: int = 0
    reply: str = ""
    log: Annotated[list[str], append] = []


class FindTopic(dspy.Signature):
    """Name the topic."""

    text: str = dspy.InputField()
    topic: str = dspy.OutputField()


class FindTone(dspy.Signature):
    """Name the tone."""

    text: str = dspy.InputField()
    tone: str = dspy.OutputField()


class Draft(dspy.Signature):
    """Draft a reply."""

    topic: str = dspy.InputField()
    draft: str = dspy.OutputField()


class Polish(dspy.Signature):
    """Polish the draft."""

    draft: str = dspy.InputField()
    tone: str = dspy.InputField()
    reply: str = dspy.OutputField()


class DraftAndPolish(dspy.Module):
    """An existing module with two predictors."""

    def __init__(self) -> None:
        super().__init__()
        self.draft = dspy.Predict(Draft)
        self.polish = dspy.Predict(Polish)

    async def aforward(self, topic: str, tone: str) -> dspy.Prediction:
        drafted = await self.draft.acall(topic=topic)
        return await self.polish.acall(draft=drafted.draft, tone=tone)


class Count(FunctionNode[Letter]):
    writes = ("words",)

    def call(self, text: str) -> dict[str, int]:
        return {"words": len(text.split())}

    async def run(self, ctx: Context[Letter]) -> Read:
        await self.ask(ctx)
        return Read()


class Read(Parallel[Letter]):
    async def run(self, ctx: Context[Letter]) -> Reply:
        await self.fan_out(ctx)
        return Reply()


class Topic(SignatureNode[Letter]):
    signature = FindTopic
    lm_config = {"temperature": 0.5, "max_tokens": 20}

    async def run(self, ctx: Context[Letter]) -> End[None]:
        await self.ask(ctx)
        return End(None)


class Tone(SignatureNode[Letter]):
    signature = FindTone

    async def run(self, ctx: Context[Letter]) -> End[None]:
        await self.ask(ctx)
        return End(None)


class Reply(ModuleNode[Letter]):
    module = DraftAndPolish
    reads = ("topic", "tone")
    writes = ("reply",)

    async def run(self, ctx: Context[Letter]) -> End[None]:
        await self.ask(ctx)
        return End(None)


Read.branches = (Topic, Tone)


def start(text: str) -> Letter:
    return Letter(text=text)


letters = Graph(
    "letters",
    state=Letter,
    nodes=[Count, Read, Topic, Tone, Reply],
    start=start,
    outcome=lambda letter: letter.reply,
)

ANSWERS = {
    "topic": {"topic": "billing"},
    "tone": {"tone": "angry"},
    "draft": {"draft": "Sorry."},
    "reply": {"reply": "We are sorry."},
}

DONE = Letter(
    text="I was charged twice.", topic="billing", tone="angry", words=4, reply="We are sorry."
)


def asked(request: ChatRequest) -> str:
    """Return the name of the output field that a request asks for."""
    assert request.response_format is not None
    (name,) = request.response_format.json_schema.json_schema["properties"]
    return name


class Hold:
    """An answer of the model that waits until it is let go."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, _: Any) -> Any:
        self.asked.set()
        await self.let_go.wait()
        return self.answer


class Bench:
    """A graph on a store in memory, whose model answers by the name of the output field.

    An answer is what the model says, an exception it raises, a function that makes one of them, or
    a list of answers, one a call.
    """

    def __init__(self, graph: Graph[Any] = letters, **answers: Any) -> None:
        self.graph = graph
        self.answers: dict[str, Any] = ANSWERS | answers
        self.provider = ScriptedProvider(self._script)
        self.executor = Executor(MemoryStateStore())

    @property
    def store(self) -> Any:
        return self.executor.store

    @property
    def calls(self) -> list[str]:
        """The output fields that the model was asked for, in order."""
        return [asked(request) for request in self.provider.requests]

    def asker(self, nodes: Mapping[str, Any] | None = None) -> Asker:
        program = Program(self.graph.name, nodes or {}, name="tested")
        return Asker(self.graph, program, ProviderAdapter(self.provider).lm)

    async def accept(self, value: Any = DONE.text) -> ExecutionId:
        return (await self.executor.accept(self.graph, "program", value)).id

    async def run(self, execution_id: ExecutionId, **options: Any) -> Execution:
        return await self.executor.run(self.graph, execution_id, self.asker(), **options)

    async def fail(self, execution_id: ExecutionId, **options: Any) -> NodeFailed:
        """Run an execution that is expected to fail, and return its error."""
        with pytest.raises(NodeFailed) as caught:
            await self.run(execution_id, **options)
        return caught.value

    async def get(self, execution_id: ExecutionId) -> Execution:
        return await self.store.get(execution_id)

    async def events(
        self, execution_id: ExecutionId, kind: EventKind | None = None
    ) -> list[NodeEvent]:
        history = await self.store.history(execution_id)
        return [event for event in history if kind in (None, event.kind)]

    async def finished(self, execution_id: ExecutionId) -> list[str]:
        """Return the nodes that have finished, in order."""
        return [event.node for event in await self.events(execution_id, EventKind.NODE)]

    def once_finished(self, node: str, answer: Any) -> Hold:
        """Return an answer that the model gives once `node` has been committed."""
        hold = Hold(answer)

        def observe(_: Execution, event: NodeEvent) -> None:
            if event.node == node and event.kind is EventKind.NODE:
                hold.let_go.set()

        self.executor.observers.append(observe)
        return hold

    async def _script(self, request: ChatRequest) -> Any:
        answer = self.answers[asked(request)]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def stopped(
    graph: Graph[Any] = letters, **answers: Any
) -> tuple[Bench, UUID, StatePersistence[Any]]:
    """Return an execution that stands where an answer raised, or at its first node, with access
    to its state."""
    bench = Bench(graph, **answers)
    execution_id = await bench.accept()
    if answers:
        await bench.fail(execution_id)
    return bench, UUID(execution_id), StatePersistence(graph, bench.executor)
