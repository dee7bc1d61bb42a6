"""The state of one execution, read and written from outside of its run.

For people and programs that look into an execution or put it right: load its state, store a changed
one, give a node's output by hand. What they do stands in the history like everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic
from uuid import UUID

import pydantic

from liftgraph_dagster.errors import ExecutionError, InputError
from liftgraph_dagster.execution.ask import Given, prediction_of
from liftgraph_dagster.execution.executor import Executor
from liftgraph_dagster.execution.history import MAIN, positions
from liftgraph_dagster.execution.records import EventKind, ExecutionId, NodeEvent
from liftgraph_dagster.execution.walker import Walker
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import CallNode
from liftgraph_dagster.graph.state import StateT, changed, decode, encode, json_object, members


class StatePersistence(Generic[StateT]):
    """Saves and loads the states of a graph's executions.

    Each write is one transaction: it is there as a whole or not at all. Writers take the
    execution's lease, and raise ExecutionBusy while another process runs it and ExecutionEnded
    when it has ended.
    """

    def __init__(self, graph: Graph[StateT], executor: Executor) -> None:
        self._graph = graph
        self._executor = executor

    async def load(self, execution_id: UUID) -> StateT:
        """Return the state after the last committed node of the main line.

        Raises NotFound, and pydantic.ValidationError when another version of the graph wrote it.
        """
        store = self._executor.store
        execution = await store.get(_id(execution_id))
        events = await store.history(execution.id, after=execution.state_rev)
        main_line = [event for event in events if event.branch == MAIN]
        return decode(self._graph.state, positions(execution, main_line)[MAIN].state)

    async def save(self, execution_id: UUID, state: StateT) -> None:
        """Store `state` as the execution's state; it goes on from there.

        Raises ExecutionError while branches of a Parallel are under way, whose copies would not
        have the change, and InputError, naming the field, for a state that could not be loaded.
        """
        async with self._executor.holding(_id(execution_id)):
            walker = await self._walker(execution_id, {})
            if walker.in_branches:
                raise ExecutionError(
                    f"execution {execution_id} is inside a Parallel; its state can be changed when "
                    "the branches have been joined",
                    execution_id=str(execution_id),
                )
            state = self._as_stored(state)
            before = members(decode(self._graph.state, walker.main.state))
            after = members(state)
            fields = changed(before, after)
            patch = json_object(after[name] for name in fields)
            event = NodeEvent(
                EventKind.EDIT,
                state_patch=patch if fields else None,
                note=f"state saved from outside: {', '.join(fields) or 'nothing'} changed",
            )
            await walker.commit([event], state=encode(state))

    async def update_node_output(
        self, execution_id: UUID, node: str, output: Mapping[str, Any]
    ) -> None:
        """Store `output` as what `node`, the node that comes next, has answered.

        The node itself says, as ever, what becomes of the state and where to go. Raises InputError
        when another node comes next or the output has not the node's types.
        """
        async with self._executor.holding(_id(execution_id)):
            walker = await self._walker(execution_id, output)
            coming = walker.next_node
            if not isinstance(coming, CallNode) or type(coming).__name__ != node:
                raise InputError(
                    f"execution {execution_id} goes on at "
                    f"{type(coming).__name__ if coming else 'its end'}, not at {node!r}"
                )
            prediction_of(coming, self._graph.state, output)  # refuse it before anything is stored
            await walker.step()

    def _as_stored(self, state: StateT) -> StateT:
        """Return `state` as it will be loaded again. Raises InputError when it could not be."""
        expected = self._graph.state
        if not isinstance(state, expected):
            raise InputError(f"{type(state).__name__} is not {expected.__name__}")
        try:
            return decode(expected, encode(state))
        except pydantic.ValidationError as exc:
            problem = exc.errors(include_url=False, include_input=False)[0]
            raise InputError(
                f"{expected.__name__}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            ) from exc

    async def _walker(self, execution_id: UUID, output: Mapping[str, Any]) -> Walker:
        return await self._executor.walker(self._graph, _id(execution_id), Given(output))


def _id(execution_id: UUID) -> ExecutionId:
    return ExecutionId(str(execution_id))
