from __future__ import annotations

from typing import Annotated, Any

import pydantic
import pytest
from pydantic_graph import Edge, End

from liftgraph_dagster.errors import GraphError, InputError
from liftgraph_dagster.graph.graph import Graph, Successor
from liftgraph_dagster.graph.merge import append
from liftgraph_dagster.graph.node import Context, FunctionNode
from liftgraph_dagster.graph.state import GraphState
from tests.factories import function_node, make_graph, parallel_node, tickets_graph
from tests.support import tickets


class Page(GraphState):
    """A page on its way to print."""

    text: str = ""
    title: str = ""
    notes: Annotated[list[str], append] = []


class Check(FunctionNode[Page]):
    writes = ()

    def call(self, text: str) -> dict[str, Any]:
        return {}

    async def run(self, ctx: Context[Page]) -> Annotated[Print, Edge(label="good")] | End[None]:
        await self.ask(ctx)
        return End(None)


class Print(FunctionNode[Page]):
    writes = ()

    def call(self, text: str) -> dict[str, Any]:
        return {}

    async def run(self, ctx: Context[Page]) -> Check | End[None]:
        await self.ask(ctx)
        return End(None)


A, B = function_node("A"), function_node("B")
TITLE = function_node("Title", writes=("title",))
NOTE = function_node("Note", writes=("notes",))
TO_NOTE = function_node("ToNote", to=NOTE)


def test_candidates_outside_of_the_state_are_refused() -> None:
    with pytest.raises(GraphError) as caught:
        make_graph(Page, A, candidates=["text", "guesses"])

    assert str(caught.value) == "graph 'tested': candidates field 'guesses' is not in Page"


def test_a_start_without_one_parameter_is_refused() -> None:
    with pytest.raises(GraphError) as caught:
        make_graph(Page, A, start=lambda text, title: Page(text=text, title=title))

    assert str(caught.value) == "graph 'tested': `start` takes one parameter, the input"


def test_edges_are_read_from_the_annotations_with_their_labels() -> None:
    graph = make_graph(Page, Check, Print)

    assert graph.edges == {
        "Check": (Successor("Print", "good"), Successor(None)),
        "Print": (Successor("Check"), Successor(None)),
    }


def test_a_postponed_annotation_may_name_nodes_of_a_function_s_body() -> None:
    class Last(FunctionNode[Page]):
        writes = ()

        def call(self) -> dict[str, Any]:
            return {}

        async def run(self, ctx: Context[Page]) -> End[None]:
            return End(None)

    class First(Last):
        async def run(self, ctx: Context[Page]) -> Last:
            return Last()

    assert make_graph(Page, First, Last).edges["First"] == (Successor("Last"),)


def test_an_execution_begins_at_the_first_node() -> None:
    assert make_graph(Page, Print, Check).first == "Print"


def test_what_is_reachable_comes_nearest_first_with_the_branches() -> None:
    spread = parallel_node("P", TITLE, TO_NOTE, to=B)
    graph = make_graph(Page, spread, TITLE, TO_NOTE, NOTE, B)

    assert graph.reachable(["P"]) == ["P", "B", "Title", "ToNote", "Note"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(7, "input of tickets: Input should be a valid string", id="another type"),
        pytest.param("a\ud800b", "input of tickets is not valid Unicode: lone surrogate U+D800 at "
                     "position 1", id="lone surrogate"),
    ],
)  # fmt: skip
def test_an_input_of_the_wrong_form_is_refused_by_name(value: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        tickets.graph.begin(value)

    assert said in str(caught.value)


def test_an_input_that_start_cannot_use_is_refused_with_the_state_s_field() -> None:
    graph = make_graph(Page, A, start=lambda text: Page(text=text))

    with pytest.raises(InputError, match=r"^input of tested: text: Input should be a valid string"):
        graph.begin(7)


def test_a_lone_surrogate_inside_of_an_input_is_found() -> None:
    graph = make_graph(Page, A)

    with pytest.raises(InputError, match=r"^input of tested\.pages\[1\] is not valid Unicode"):
        graph.begin({"pages": ["a", "\udfff"]})


def test_an_input_takes_the_type_that_start_asks_for() -> None:
    class Order(pydantic.BaseModel):
        text: str

    def start(order: Order) -> Page:
        return Page(text=order.text)

    start.__annotations__["order"] = Order

    assert make_graph(Page, A, start=start).begin({"text": "hi"}) == Page(text="hi")


@pytest.mark.parametrize(
    ("graph", "takes_text"), [(tickets.graph, True), (make_graph(Page, A), False)]
)
def test_a_graph_knows_whether_it_takes_a_text(graph: Graph[Any], takes_text: bool) -> None:
    assert graph.takes_text is takes_text


@pytest.mark.parametrize(("graph", "asks"), [(tickets.graph, True), (make_graph(Page, A), False)])
def test_a_graph_knows_whether_it_asks_a_model(graph: Graph[Any], asks: bool) -> None:
    assert graph.asks_model is asks


def test_what_changed_is_named_also_what_came_and_went() -> None:
    graph = make_graph(Page, A)
    manifest = graph.manifest | {"state": "another", "Gone": "digest"}
    del manifest["A"]

    assert graph.changed_since(manifest) == ("A", "Gone", "state")


def test_nothing_has_changed_since_the_same_version() -> None:
    assert tickets_graph().changed_since(tickets.graph.manifest) == ()


def test_every_graph_has_a_baseline_program() -> None:
    graph = make_graph(Page, A, programs={"tuned": {}})

    assert dict(graph.programs) == {"baseline": {}, "tuned": {}}


def test_a_graph_without_attrs_projects_nothing() -> None:
    assert make_graph(Page, A).projection(Page(title="T")) == {}


def test_a_graph_projects_what_its_attrs_take_from_the_state() -> None:
    graph = make_graph(Page, A, attrs=lambda page: {"title": page.title})

    assert graph.projection(Page(title="T")) == {"title": "T"}


def test_a_description_comes_from_the_state_type() -> None:
    assert make_graph(Page, A).description == "A page on its way to print."


def test_a_graph_shows_its_name_and_version() -> None:
    graph = make_graph(Page, A)

    assert repr(graph) == f"Graph('tested', 1 nodes, version {graph.version[:12]})"
