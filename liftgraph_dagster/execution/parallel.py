"""Running the branches of a Parallel: at the same time, each on its own copy, merged in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from liftgraph_dagster.graph.merge import Branch, merge
from liftgraph_dagster.graph.node import Node, Parallel
from liftgraph_dagster.graph.state import GraphState, changed, decode, encode, members

Walk = Callable[[int, Node[Any], GraphState], Awaitable[GraphState]]
"""Runs a branch, given its index, its first node and its copy of the state, to its end."""


async def run_branches(parallel: Parallel[Any], state: GraphState, walk: Walk) -> None:
    """Run all branches of `parallel` by `walk` and merge their states into `state`.

    When a branch raises, its siblings are cancelled and its error is raised, unwrapped: of several
    the one of the first branch in declared order. `state` is untouched then.
    """
    before = members(state)
    snapshot = encode(state)
    tasks: list[asyncio.Task[GraphState]] = []
    try:
        async with asyncio.TaskGroup() as group:
            for index, node_type in enumerate(parallel.branches):
                copy = decode(type(state), snapshot)
                tasks.append(group.create_task(_walk(walk, index, node_type(), copy)))
    except ExceptionGroup:
        error = _first_error(tasks)
        raise error from error.__cause__
    branches = [
        Branch(
            node_type.__name__, task.result(), frozenset(changed(before, members(task.result())))
        )
        for node_type, task in zip(parallel.branches, tasks, strict=True)
    ]
    merge(type(parallel).__name__, state, branches)


async def _walk(walk: Walk, index: int, node: Node[Any], state: GraphState) -> GraphState:
    return await walk(index, node, state)


def _first_error(tasks: list[asyncio.Task[GraphState]]) -> BaseException:
    errors = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    return next(error for error in errors if error is not None)
