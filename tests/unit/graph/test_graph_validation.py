from __future__ import annotations

from typing import Annotated, Any

import dspy
import pytest
from pydantic_graph import End

from liftgraph_dagster.errors import GraphError
from liftgraph_dagster.graph.merge import append
from liftgraph_dagster.graph.node import Context, FunctionNode, ModuleNode, Parallel, SignatureNode
from liftgraph_dagster.graph.state import GraphState
from tests.factories import function_node, make_graph, parallel_node


class Page(GraphState):
    """A page on its way to print."""

    text: str = ""
    title: str = ""
    notes: Annotated[list[str], append] = []


class Summarize(dspy.Signature):
    """Find a summary."""

    text: str = dspy.InputField()
    summary: str = dspy.OutputField()


class Spin(FunctionNode[Page]):
    writes = ()

    def call(self) -> dict[str, Any]:
        return {}

    async def run(self, ctx: Context[Page]) -> Spin:
        return Spin()


async def run_to_the_end(self: Any, ctx: Any) -> End[None]:
    return End(None)


async def run_to_an_unknown_name(self: Any, ctx: Any) -> Gone | End[None]:  # noqa: F821
    return End(None)


async def run_without_annotation(self, ctx):
    return End(None)


def update_title(self: Any, state: Page, prediction: dspy.Prediction) -> None:
    state.title = "changed"


def titled(name: str, **own: Any) -> type[FunctionNode[Page]]:
    """Return a node that declares to write the title."""
    return function_node(name, writes=("title",), **own)


A, B = function_node("A"), function_node("B")
TITLE_A, TITLE_B = titled("TitleA"), titled("TitleB")
TO_TITLE_B = function_node("ToTitleB", to=TITLE_B)
NOTE_A, NOTE_B = (function_node(name, writes=("notes",)) for name in ("NoteA", "NoteB"))
TO_NOTE_B = function_node("ToNoteB", to=NOTE_B)
WRITES_TWICE = titled("WritesTwice", to=TITLE_B)
UPDATING = function_node("Updating", writes=None, update_state=update_title)
TITLES = parallel_node("Titles", TITLE_A, TITLE_B)
DEEP_TITLES = parallel_node("DeepTitles", TITLE_A, TO_TITLE_B)
OUTER_TITLES = parallel_node("OuterTitles", TITLES, A)

REFUSED: dict[str, tuple[list[Any], str]] = {
    "no nodes": ([], "graph 'tested' has no nodes"),
    "no class": ([A, "B"], "graph 'tested': 'B' is not a node class"),
    "another class": ([A, Page], "Page'> is not a node class"),
    "one name twice": ([A, function_node("A")], "graph 'tested' has two nodes named A"),
    "no annotation": (
        [function_node("A", run=run_without_annotation)],
        "graph 'tested': A.run has no return annotation",
    ),
    "no run": (
        [type("F", (FunctionNode,), {"call": lambda self: {}, "writes": ()})],
        "graph 'tested': node F has no run",
    ),
    "successor that nobody knows": (
        [function_node("A", run=run_to_an_unknown_name)],
        "graph 'tested': A.run leads to Gone, which is neither a node of the graph nor known",
    ),
    "successor that is left out": (
        [function_node("A", to=B)],
        "graph 'tested': A.run leads to B, which is not among the graph's nodes",
    ),
    "successor that is another class of the name": (
        [function_node("A", to=function_node("B")), B],
        "graph 'tested': A.run leads to B, which is not among the graph's nodes",
    ),
    "unreachable nodes": (
        [A, B, function_node("C")],
        "graph 'tested': no way leads from A to B, C.",
    ),
    "no end": ([Spin], "graph 'tested' has no end: no node's run returns End"),
    "no end but that of a branch": (
        [parallel_node("P", A, to=Spin), A, Spin],
        "graph 'tested' has no end: no node's run returns End",
    ),
    "unknown field read": (
        [function_node("A", reads=("colour",))],
        "graph 'tested': node A reads 'colour', which is not a field of Page",
    ),
    "unknown field written": (
        [function_node("A", writes=("colour",))],
        "graph 'tested': node A writes 'colour', which is not a field of Page",
    ),
    "signature that writes an unknown field": (
        [type("S", (SignatureNode,), {"signature": Summarize, "run": run_to_the_end})],
        "graph 'tested': node S writes 'summary', which is not a field of Page",
    ),
    "no signature": (
        [type("S", (SignatureNode,), {"reads": (), "writes": (), "run": run_to_the_end})],
        "graph 'tested': node S has no signature",
    ),
    "no module": (
        [type("M", (ModuleNode,), {"reads": (), "writes": (), "run": run_to_the_end})],
        "graph 'tested': node M has no module",
    ),
    "no call": (
        [type("F", (FunctionNode,), {"reads": (), "writes": (), "run": run_to_the_end})],
        "graph 'tested': node F has no call",
    ),
    "no branches": (
        [type("P", (Parallel,), {"run": run_to_the_end})],
        "graph 'tested': node P has no branches",
    ),
    "neither reads nor extract_inputs": (
        [type("M", (ModuleNode,), {"module": dspy.Module, "writes": (), "run": run_to_the_end})],
        "graph 'tested': node M neither declares `reads` nor overrides `extract_inputs`",
    ),
    "neither writes nor update_state": (
        [function_node("A", writes=None)],
        "graph 'tested': node A neither declares `writes` nor overrides `update_state`",
    ),
    "branch that is left out": (
        [parallel_node("P", A)],
        "graph 'tested': P has the branch A, which is not among the graph's nodes",
    ),
    "branch that does not say what it writes": (
        [parallel_node("P", UPDATING, A), UPDATING, A],
        "Updating runs in a branch of P and overrides update_state, so it must declare `writes`",
    ),
    "two branch writers": (
        [TITLES, TITLE_A, TITLE_B],
        "field 'title' is written by more than one branch of Titles in graph 'tested': "
        "TitleA, TitleB.",
    ),
    "a branch writer behind another node": (
        [DEEP_TITLES, TITLE_A, TO_TITLE_B, TITLE_B],
        "field 'title' is written by more than one branch of DeepTitles in graph 'tested': "
        "TitleA, TitleB.",
    ),
    "two branch writers in a Parallel inside a Parallel": (
        [OUTER_TITLES, TITLES, TITLE_A, TITLE_B, A],
        "field 'title' is written by more than one branch of Titles in graph 'tested'",
    ),
}


@pytest.mark.parametrize(("nodes", "said"), REFUSED.values(), ids=REFUSED)
def test_a_graph_that_cannot_run_is_refused_by_the_names_of_its_parts(
    nodes: list[Any], said: str
) -> None:
    with pytest.raises(GraphError) as caught:
        make_graph(Page, *nodes)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([parallel_node("P", NOTE_A, NOTE_B), NOTE_A, NOTE_B], id="with a reducer"),
        pytest.param([parallel_node("P", TITLE_A, NOTE_A), TITLE_A, NOTE_A], id="other fields"),
        pytest.param(
            [parallel_node("P", WRITES_TWICE, A), WRITES_TWICE, TITLE_B, A], id="one branch, twice"
        ),
    ],
)
def test_branches_may_write_what_can_be_merged(nodes: list[Any]) -> None:
    assert make_graph(Page, *nodes).first == "P"
