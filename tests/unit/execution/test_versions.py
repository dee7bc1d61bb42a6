"""What becomes of an execution whose graph has changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import make_dataclass
from typing import Any

import pytest

from liftgraph_dagster.errors import ExecutionError, LiftGraphError, VersionMismatch
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.records import EventKind, ExecutionId, Status
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import Context
from liftgraph_dagster.graph.state import GraphState
from tests.factories import function_node, make_graph, nothing, parallel_node
from tests.unit.execution.bench import Bench


class Old(GraphState):
    text: str = "as it was"
    title: str = ""
    note: str = ""


class New(GraphState):
    text: str = "as it was"
    title: str = ""
    length: int = 0


def boom() -> dict[str, Any]:
    raise ValueError("boom")


def write_title() -> dict[str, str]:
    return {"title": "T"}


def once_flaky(answer: dict[str, Any] | None = None) -> Callable[[], dict[str, Any]]:
    """Return a function that raises once before it answers."""
    raised: list[Exception] = []

    def flaky() -> dict[str, Any]:
        if not raised:
            raised.append(ValueError("again"))
            raise raised[0]
        return answer or {}

    return flaky


def graph(
    second: Callable[..., Any] = nothing, state: type[GraphState] = Old, **changes: Any
) -> Graph[Any]:
    """Return a version of a graph of two nodes: it differs by what `Second` calls."""
    follow = function_node("Second", second, writes=("title",), helpers=(second,))
    return make_graph(state, function_node("First", to=follow), follow, **changes)


async def begun(old: Graph[Any] | None = None) -> tuple[Bench, ExecutionId]:
    """Return an execution that has failed at `Second` under another version."""
    bench = Bench(old or graph(boom))
    execution_id = await bench.accept()
    await bench.fail(execution_id)
    return bench, execution_id


def without_note(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "note"} | {"length": 9}


async def test_another_version_is_refused_by_the_names_of_what_changed() -> None:
    bench, execution_id = await begun()
    old, bench.graph = bench.graph, graph(write_title)

    with pytest.raises(VersionMismatch) as caught:
        await bench.run(execution_id)

    assert caught.value.changed == ("Second",)
    assert caught.value.execution_id == execution_id
    assert str(caught.value) == (
        f"execution {execution_id} began under version {old.version[:12]} of graph 'tested'; this "
        f"is {bench.graph.version[:12]}. Changed: Second. Resume it with --accept-version, or give "
        "the graph a `migrate` function"
    )


async def test_a_refused_execution_is_as_it_was() -> None:
    bench, execution_id = await begun()
    before = await bench.get(execution_id)
    bench.graph = graph(write_title)

    with pytest.raises(VersionMismatch):
        await bench.run(execution_id)

    assert await bench.get(execution_id) == before
    assert await bench.store.holder(execution_id) is None


async def test_state_edges_and_nodes_that_came_and_went_are_named() -> None:
    bench, execution_id = await begun()
    third = function_node("Third")
    bench.graph = make_graph(New, function_node("First", to=third), third)

    with pytest.raises(VersionMismatch) as caught:
        await bench.run(execution_id)

    assert caught.value.changed == ("Second", "Third", "edges", "state")


async def test_an_accepted_version_goes_on_where_the_execution_stands() -> None:
    bench, execution_id = await begun()
    bench.graph = graph(write_title)

    execution = await bench.run(execution_id, accept_version=True)

    assert execution.state == b'{"text":"as it was","title":"T","note":""}'
    assert execution.graph_version == bench.graph.version
    assert await bench.finished(execution_id) == ["First", "Second"]


async def test_an_accepted_version_stands_in_the_history() -> None:
    bench, execution_id = await begun()
    bench.graph = graph(write_title)
    await bench.run(execution_id, accept_version=True)

    first, *_ = await bench.events(execution_id, EventKind.VERSION)
    assert first.note == f"goes on under version {bench.graph.version[:12]}; changed: Second"


async def test_a_version_is_accepted_once_and_for_all() -> None:
    bench, execution_id = await begun()
    bench.graph = graph(once_flaky({"title": "T"}))
    await bench.fail(execution_id, accept_version=True)

    assert (await bench.run(execution_id)).status is Status.SUCCEEDED


async def test_a_third_version_is_compared_with_the_second() -> None:
    bench, execution_id = await begun()
    bench.graph = graph(boom, New, migrate=without_note)
    await bench.fail(execution_id)
    third = function_node("Third")
    bench.graph = make_graph(New, function_node("First", to=third), third)

    with pytest.raises(VersionMismatch) as caught:
        await bench.run(execution_id)

    assert caught.value.changed == ("Second", "Third", "edges")


async def test_a_graph_with_a_migration_needs_no_word() -> None:
    seen: list[dict[str, Any]] = []

    def migrate(fields: dict[str, Any]) -> dict[str, Any]:
        seen.append(dict(fields))
        return without_note(fields)

    bench, execution_id = await begun()
    bench.graph = graph(write_title, New, migrate=migrate)

    execution = await bench.run(execution_id)

    assert seen == [{"text": "as it was", "title": "", "note": ""}]
    assert execution.state == b'{"text":"as it was","title":"T","length":9}'


async def test_a_migration_is_not_called_for_the_same_version() -> None:
    bench, execution_id = await begun(graph(boom, migrate=without_note))

    await bench.fail(execution_id)

    assert (await bench.get(execution_id)).state == b'{"text":"as it was","title":"","note":""}'


@pytest.mark.parametrize(
    ("migrate", "said"),
    [
        (
            None,
            "does not fit New: note: Extra inputs are not permitted. Give the graph a `migrate`",
        ),
        (
            lambda fields: without_note(fields) | {"length": "long"},
            "does not fit New: length: Input should be a valid integer",
        ),
    ],
)
async def test_a_state_that_does_not_fit_names_the_field_and_changes_nothing(
    migrate: Any, said: str
) -> None:
    bench, execution_id = await begun()
    before = await bench.get(execution_id)
    bench.graph = graph(write_title, New, migrate=migrate)

    with pytest.raises(ExecutionError) as caught:
        await bench.run(execution_id, accept_version=True)

    assert f"the state of execution {execution_id} {said}" in str(caught.value)
    assert await bench.get(execution_id) == before


async def test_a_next_node_that_the_graph_has_no_more_is_named() -> None:
    bench, execution_id = await begun()
    bench.graph = make_graph(Old, function_node("First"))

    with pytest.raises(LiftGraphError) as caught:
        await bench.run(execution_id, accept_version=True)

    assert str(caught.value).startswith(
        "the execution goes on at node Second, which graph 'tested' does not have"
    )


async def test_an_execution_that_cannot_go_on_is_not_left_running() -> None:
    bench, execution_id = await begun()
    bench.graph = make_graph(Old, function_node("First"))

    with pytest.raises(LiftGraphError):
        await bench.run(execution_id, accept_version=True)

    assert (await bench.get(execution_id)).status is Status.FAILED


def carrying(field: str, helper: Callable[..., Any]) -> Graph[Any]:
    """Return a version of a graph whose second node has a field of its own, of this name."""
    base = function_node("Second", boom, helpers=(helper,))
    second = make_dataclass("Second", [(field, str)], bases=(base,))

    async def lead(self: Any, ctx: Context[Old]) -> Any:
        await self.ask(ctx)
        return second("a")

    lead.__annotations__["return"] = second
    return make_graph(Old, function_node("First", run=lead), second)


async def test_fields_of_a_node_that_do_not_fit_any_more_are_named() -> None:
    bench, execution_id = await begun(carrying("label", boom))
    bench.graph = carrying("name", nothing)

    with pytest.raises(LiftGraphError, match=r"Second.*name: Field required"):
        await bench.run(execution_id, accept_version=True)


def spread(
    state: type[GraphState], out: dict[str, str], second: Callable[..., Any], **changes: Any
) -> tuple[Graph[Any], list[str]]:
    """Return a version of a graph with two branches, and a list of the calls of the first."""
    calls: list[str] = []

    def first() -> dict[str, str]:
        calls.append("first")
        return out

    one = function_node("One", first, writes=tuple(out))
    two = function_node("Two", second, helpers=(second,))
    return make_graph(state, parallel_node("Both", one, two), one, two, **changes), calls


async def test_branches_keep_what_they_have_done_when_the_state_type_is_the_same() -> None:
    old, _ = spread(Old, {"title": "T"}, boom)
    bench, execution_id = await begun(old)
    bench.graph, calls = spread(Old, {"title": "T2"}, nothing)

    execution = await bench.run(execution_id, accept_version=True)

    assert calls == []
    assert execution.state == b'{"text":"as it was","title":"T","note":""}'


async def test_branches_keep_what_they_have_done_over_another_failure() -> None:
    old, _ = spread(Old, {"title": "T"}, boom)
    bench, execution_id = await begun(old)
    bench.graph, calls = spread(Old, {"title": "T2"}, once_flaky())
    await bench.fail(execution_id, accept_version=True)

    execution = await bench.run(execution_id)

    assert calls == []
    assert execution.state == b'{"text":"as it was","title":"T","note":""}'


async def test_branches_begin_again_when_the_state_type_has_changed() -> None:
    old, _ = spread(Old, {"title": "T", "note": "N"}, boom)
    bench, execution_id = await begun(old)
    bench.graph, calls = spread(New, {"title": "T2"}, nothing, migrate=without_note)

    execution = await bench.run(execution_id)

    assert calls == ["first"]
    assert execution.state == b'{"text":"as it was","title":"T2","length":9}'


async def test_branches_that_began_again_go_on_after_another_failure() -> None:
    old, _ = spread(Old, {"title": "T", "note": "N"}, boom)
    bench, execution_id = await begun(old)
    bench.graph, calls = spread(New, {"title": "T2"}, once_flaky(), migrate=without_note)
    await bench.fail(execution_id)

    execution = await bench.run(execution_id)

    assert calls == ["first"]
    assert execution.state == b'{"text":"as it was","title":"T2","length":9}'


async def test_another_executor_on_the_same_store_knows_the_versions() -> None:
    bench, execution_id = await begun()
    bench.graph = graph(write_title)
    bench.executor = Executor(bench.store)

    with pytest.raises(VersionMismatch, match="Changed: Second"):
        await bench.run(execution_id)
