from __future__ import annotations

import asyncio
import itertools
from typing import Annotated, Any

import pytest

from liftgraph_dagster.errors import GraphError
from liftgraph_dagster.execution.parallel import run_branches
from liftgraph_dagster.graph.merge import append, last
from liftgraph_dagster.graph.node import Node, Parallel
from liftgraph_dagster.graph.state import GraphState
from tests.factories import function_node, parallel_node


class Board(GraphState):
    plain: str = "as it was"
    lines: Annotated[list[str], append] = []
    latest: Annotated[str, last] = ""


NAMES = ("First", "Second", "Third")
BRANCHES = [function_node(name) for name in NAMES]


def both(*branches: type[Node[Any]]) -> Parallel[Any]:
    return parallel_node("Both", *(branches or BRANCHES))()


async def sign(index: int, node: Node[Any], state: Board) -> Board:
    """Write the node's name where branches may write together."""
    state.lines.append(type(node).__name__)
    state.latest = type(node).__name__
    return state


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_branches_are_merged_in_declared_order_whatever_finishes_first(
    order: tuple[int, ...],
) -> None:
    may_finish = [asyncio.Event() for _ in order]
    finished: list[int] = []

    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        await may_finish[index].wait()
        finished.append(index)
        if following := list(order[order.index(index) + 1 :]):
            may_finish[following[0]].set()
        return await sign(index, node, state)

    board = Board(lines=["before"])
    may_finish[order[0]].set()
    await run_branches(both(), board, walk)

    assert finished == list(order)
    assert board == Board(lines=["before", *NAMES], latest="Third")


async def test_branches_run_at_the_same_time() -> None:
    all_here = asyncio.Barrier(len(NAMES))

    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        await all_here.wait()
        return state

    await asyncio.wait_for(run_branches(both(), Board(), walk), 10)

    assert all_here.n_waiting == 0


async def test_each_branch_works_on_a_copy_of_its_own() -> None:
    board = Board(lines=["before"])
    seen: list[Board] = []

    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        seen.append(state.model_copy(deep=True))
        return await sign(index, node, state)

    await run_branches(both(), board, walk)

    assert seen == [Board(lines=["before"])] * 3


async def test_a_branch_gets_its_index_and_its_first_node() -> None:
    seen: list[tuple[int, type[Any]]] = []

    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        seen.append((index, type(node)))
        return state

    await run_branches(both(), Board(), walk)

    assert seen == list(enumerate(BRANCHES))


async def test_a_branch_may_return_another_state_than_the_one_it_got() -> None:
    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        return Board(lines=[str(index)])

    board = Board()
    await run_branches(both(), board, walk)

    assert board.lines == ["0", "1", "2"]


async def test_no_branches_change_nothing() -> None:
    board = Board(lines=["before"])

    await run_branches(parallel_node("Both")(), board, sign)

    assert board == Board(lines=["before"])


async def test_a_branch_that_raises_stops_its_siblings_and_leaves_the_state() -> None:
    waiting, stopped = asyncio.Event(), []

    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        if index == 1:
            await waiting.wait()
            raise KeyError("second")
        try:
            await sign(index, node, state)
            waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(index)
            raise
        return state

    board = Board()
    with pytest.raises(KeyError, match="second"):
        await run_branches(both(), board, walk)

    assert sorted(stopped) == [0, 2]
    assert board == Board()


async def test_of_several_errors_the_first_in_declared_order_is_raised() -> None:
    now, waiting = asyncio.Event(), asyncio.Barrier(len(NAMES) + 1)

    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        await waiting.wait()
        await now.wait()
        if index == 0:
            return state
        raise KeyError(NAMES[index])

    running = asyncio.create_task(run_branches(both(*BRANCHES), Board(), walk))
    await waiting.wait()
    now.set()

    with pytest.raises(KeyError, match="Second"):
        await running


async def test_the_error_of_a_branch_keeps_its_cause() -> None:
    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        raise RuntimeError("outside") from ValueError("inside")

    with pytest.raises(RuntimeError, match="outside") as caught:
        await run_branches(both(), Board(), walk)

    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_cancellation_from_outside_reaches_every_branch() -> None:
    stopped: list[int] = []
    all_here = asyncio.Barrier(len(NAMES) + 1)

    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        await all_here.wait()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(index)
        return state

    running = asyncio.create_task(run_branches(both(), Board(), walk))
    await all_here.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(stopped) == [0, 1, 2]


async def test_two_branches_that_wrote_one_field_are_named() -> None:
    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        if index != 1:
            state.plain = str(index)
        return state

    with pytest.raises(GraphError) as caught:
        await run_branches(both(), Board(), walk)

    assert "field 'plain' is written by more than one branch of Both: First, Third." in str(
        caught.value
    )


async def test_a_field_set_to_the_value_it_had_was_not_written() -> None:
    async def walk(index: int, node: Node[Any], state: Board) -> Board:
        state.plain = "as it was" if index else "changed"
        return state

    board = Board()
    await run_branches(both(), board, walk)

    assert board.plain == "changed"
