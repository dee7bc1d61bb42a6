from __future__ import annotations

import json
from typing import Any

import pydantic
import pytest

from liftgraph_dagster.errors import ErrorClass
from liftgraph_dagster.execution.records import NodeEvent, Status
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import GraphState, decode, encode
from tests.factories import function_node, make_graph
from tests.unit.execution.bench import Bench


async def walked(graph: Graph[Any]) -> tuple[Any, list[NodeEvent]]:
    """Run an execution of `graph`; return its last state and its history."""
    bench = Bench(graph)
    execution = await bench.run(await bench.accept())
    return decode(graph.state, execution.state), await bench.events(execution.id)


class Detail(pydantic.BaseModel):
    name: str = ""
    weight: float = 1.0


class Typed(GraphState):
    number: int = 0
    detail: Detail = Detail()
    tags: set[int] = set()


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("number", "5", 5),
        ("detail", {"name": "a"}, {"name": "a", "weight": 1.0}),
        ("detail", {"name": "a", "weight": 2}, {"name": "a", "weight": 2.0}),
        ("tags", [3, 3], [3]),
    ],
)
async def test_a_value_of_another_form_is_the_writer_s_change_and_nobody_else_s(
    field: str, value: Any, stored: Any
) -> None:
    """The node after it changes nothing and declares to write nothing; it is not to blame."""
    after = function_node("After")
    writer = function_node("Writer", lambda: {field: value}, writes=(field,), to=after)

    state, (wrote, idle) = await walked(make_graph(Typed, writer, after))

    assert json.loads(encode(state))[field] == stored
    assert json.loads(wrote.state_patch or b"") == {field: stored}
    assert idle.state_patch is None


async def test_a_set_whose_order_changes_as_it_is_read_is_nobody_s_change() -> None:
    def sparse() -> dict[str, set[int]]:
        numbers = set(range(100))
        for number in range(100):
            if number not in (1, 8, 9):
                numbers.discard(number)
        return {"tags": numbers}

    after = function_node("After")
    writer = function_node("Writer", sparse, writes=("tags",), to=after)

    state, (_, idle) = await walked(make_graph(Typed, writer, after))

    assert state.tags == {1, 8, 9}
    assert idle.state_patch is None


class Bounded(GraphState):
    count: int = pydantic.Field(default=0, le=3)


@pytest.mark.parametrize("value", ["many", None, 4])
async def test_a_node_that_leaves_a_value_that_the_state_cannot_hold_fails_by_its_name(
    value: Any,
) -> None:
    writer = function_node("Writer", lambda: {"count": value}, writes=("count",))
    bench = Bench(make_graph(Bounded, writer))
    execution_id = await bench.accept()

    error = await bench.fail(execution_id)

    assert error.node == "Writer"
    assert "count" in str(error)
    assert (await bench.get(execution_id)).status is Status.FAILED


async def test_an_execution_can_go_on_after_a_value_that_the_state_could_not_hold() -> None:
    values: list[Any] = ["many", 2]
    after = function_node("After")
    writer = function_node("Writer", lambda: {"count": values.pop(0)}, writes=("count",), to=after)
    bench = Bench(make_graph(Bounded, writer, after))
    execution_id = await bench.accept()
    error = await bench.fail(execution_id)

    execution = await bench.run(execution_id)

    assert error.error_class is not ErrorClass.TRANSIENT
    assert execution.state == b'{"count":2}'
