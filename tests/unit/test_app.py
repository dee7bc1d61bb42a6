"""Graphs by the names of their modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from liftgraph_dagster.app import LiftGraph, load_graphs
from liftgraph_dagster.errors import GraphError, NotFound
from liftgraph_dagster.settings import Settings
from tests.factories import tickets_graph

GRAPH = tickets_graph()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that a test may write."""
    monkeypatch.syspath_prepend(tmp_path)
    yield "graph_of_a_test"
    sys.modules.pop("graph_of_a_test", None)


def test_graphs_are_known_by_their_own_names() -> None:
    settings = Settings(graphs=("tests.support.tickets", "liftgraph_dagster.prompt_to_code.graph"))

    assert list(load_graphs(settings)) == ["tickets", "prompt_to_code"]


def test_graphs_can_be_handed_over_as_well() -> None:
    assert load_graphs(Settings(graphs=()), [GRAPH]) == {"tickets": GRAPH}


def test_two_graphs_of_one_name_are_refused() -> None:
    with pytest.raises(GraphError, match="two graphs are named 'tickets'"):
        load_graphs(Settings(graphs=("tests.support.tickets",)), [GRAPH])


def test_an_unknown_graph_is_named_with_those_there_are() -> None:
    lg = LiftGraph(Settings(graphs=()), graphs=[GRAPH])

    with pytest.raises(NotFound, match="no graph 'letters'; registered are tickets"):
        lg.graph("letters")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "has no attribute `graph`"),
        ("graph = 'tickets'", "is str, not a Graph"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("graph = Graph(", "was never closed"),
        ("graph = Graph()", "name 'Graph' is not defined"),
        ("import re\ngraph = re.no_such_name", "'no_such_name'"),
    ],
)
def test_a_module_without_a_usable_graph_is_named_with_the_cause(
    tmp_path: Path, module: str, code: str, says: str
) -> None:
    (tmp_path / f"{module}.py").write_text(code)

    with pytest.raises(GraphError, match=rf"{module}.*{says}"):
        load_graphs(Settings(graphs=(module,)))


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(GraphError, match="module 'no_such_module', named in LIFTGRAPH_GRAPHS"):
        load_graphs(Settings(graphs=("no_such_module",)))


def test_a_graph_that_refuses_itself_says_so_through_its_module(
    tmp_path: Path, module: str
) -> None:
    (tmp_path / f"{module}.py").write_text(
        "from tests.factories import tickets_graph\ngraph = tickets_graph(nodes=[])\n"
    )

    with pytest.raises(GraphError, match="graph 'tickets' has no nodes"):
        load_graphs(Settings(graphs=(module,)))
