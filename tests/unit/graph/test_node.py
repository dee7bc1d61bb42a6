from __future__ import annotations

from typing import Any

import dspy
import pytest
from pydantic_graph import End, GraphRunContext

from liftgraph_dagster.errors import GraphError
from liftgraph_dagster.graph.node import (
    CallNode,
    Context,
    FunctionNode,
    ModuleNode,
    Parallel,
    SignatureNode,
)
from liftgraph_dagster.graph.state import GraphState


class Page(GraphState):
    text: str = ""
    title: str = ""
    length: int = 0


class FindTitle(dspy.Signature):
    """Find a title."""

    text: str = dspy.InputField()
    length: int = dspy.InputField()
    title: str = dspy.OutputField()


class Find(SignatureNode[Page]):
    signature = FindTitle

    async def run(self, ctx: Context[Page]) -> End[None]:
        await self.ask(ctx)
        return End(None)


class Overriding(SignatureNode[Page]):
    signature = FindTitle

    def extract_inputs(self, state: Page) -> dict[str, Any]:
        return {"text": state.text.strip(), "length": 10}

    def update_state(self, state: Page, prediction: dspy.Prediction) -> None:
        state.title = prediction.title.upper()

    async def run(self, ctx: Context[Page]) -> End[None]:
        return End(None)


class Declaring(SignatureNode[Page]):
    signature = FindTitle
    reads = ("text",)
    writes = ("title", "length")


class Measure(FunctionNode[Page]):
    def call(self, text: str, title: str) -> dict[str, Any]:
        return {}


class MeasureStatic(FunctionNode[Page]):
    @staticmethod
    def call(text: str, title: str) -> dict[str, Any]:
        return {}


class MeasureAll(FunctionNode[Page]):
    def extract_inputs(self, state: Page) -> dict[str, Any]:
        return {"page": state}

    def call(self, page: Page) -> dict[str, Any]:
        return {}


class Wrap(ModuleNode[Page]):
    module = dspy.Module

    async def run(self, ctx: Context[Page]) -> End[None]:
        return End(None)


class Spread(Parallel[Page]):
    branches = (Find,)

    async def run(self, ctx: Context[Page]) -> End[None]:
        await self.fan_out(ctx)
        return End(None)


class Answering:
    """A runtime that answers every question with one title and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.fanned_out: list[Any] = []

    async def ask(self, node: CallNode[Any], state: Any) -> dspy.Prediction:
        self.asked.append((node, state))
        prediction = dspy.Prediction(title="A title")
        node.update_state(state, prediction)
        return prediction

    async def fan_out(self, node: Parallel[Any], state: Any) -> None:
        self.fanned_out.append((node, state))


@pytest.mark.parametrize(
    ("node", "reads", "writes"),
    [
        (Find, ("text", "length"), ("title",)),
        (Overriding, None, None),
        (Declaring, ("text",), ("title", "length")),
        (Measure, ("text", "title"), None),
        (MeasureStatic, ("text", "title"), None),
        (MeasureAll, None, None),
        (Wrap, None, None),
        (Spread, None, None),
    ],
)
def test_a_node_reads_and_writes_what_its_question_says_or_what_it_declares(
    node: type[Any], reads: tuple[str, ...] | None, writes: tuple[str, ...] | None
) -> None:
    assert (node.reads, node.writes) == (reads, writes)


def test_inputs_are_the_state_fields_that_are_read() -> None:
    page = Page(text="A text", length=6, title="old")

    assert Find().extract_inputs(page) == {"text": "A text", "length": 6}


def test_an_answer_is_written_to_the_state_fields_that_are_written() -> None:
    page = Page(text="A text", title="old")

    Find().update_state(page, dspy.Prediction(title="new", text="ignored"))

    assert page == Page(text="A text", title="new")


def test_an_overridden_method_takes_the_place_of_the_field_names() -> None:
    page = Page(text=" A text ")

    Overriding().update_state(page, dspy.Prediction(title="new"))

    assert Overriding().extract_inputs(page) == {"text": "A text", "length": 10}
    assert page.title == "NEW"


def test_inputs_that_nobody_declared_name_the_node_and_the_way_out() -> None:
    with pytest.raises(GraphError) as caught:
        Wrap().extract_inputs(Page())

    assert str(caught.value) == "Wrap neither declares `reads` nor overrides `extract_inputs`"


def test_outputs_that_nobody_declared_name_the_node_and_the_way_out() -> None:
    with pytest.raises(GraphError) as caught:
        Wrap().update_state(Page(), dspy.Prediction())

    assert str(caught.value) == "Wrap neither declares `writes` nor overrides `update_state`"


async def test_a_node_asks_whoever_runs_it() -> None:
    runtime, page, node = Answering(), Page(), Find()

    end = await node.run(GraphRunContext(state=page, deps=runtime))

    assert runtime.asked == [(node, page)]
    assert page.title == "A title"
    assert isinstance(end, End)


async def test_asking_returns_the_answer() -> None:
    answer = await Find().ask(GraphRunContext(state=Page(), deps=Answering()))

    assert answer.title == "A title"


async def test_a_parallel_leaves_its_branches_to_whoever_runs_it() -> None:
    runtime, page, node = Answering(), Page(), Spread()

    await node.run(GraphRunContext(state=page, deps=runtime))

    assert runtime.fanned_out == [(node, page)]


@pytest.mark.parametrize(
    ("node", "kind"),
    [(Find, "signature"), (Wrap, "module"), (Measure, "function"), (Spread, "parallel")],
)
def test_a_node_says_its_kind(node: type[Any], kind: str) -> None:
    assert node.kind == kind
