"""The loop: one node after another, each committed before the next begins.

A node gets a copy of the state; when it has returned, its change of the state, its answer and the
next node are committed together. Branches of a Parallel are walked by the same loop, each on its
own line of history.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import dspy
import pydantic
from pydantic_graph import End, GraphRunContext

from liftgraph_dagster.errors import (
    ErrorClass,
    ExecutionFenced,
    GraphError,
    LiftGraphError,
    NodeFailed,
    StorageError,
)
from liftgraph_dagster.execution.ask import Answer, Answerer
from liftgraph_dagster.execution.history import MAIN, Position, branch_line, is_inside
from liftgraph_dagster.execution.parallel import run_branches
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    Next,
    NodeError,
    NodeEvent,
    Status,
    now,
)
from liftgraph_dagster.execution.store import Commit, StateStore
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.node import CallNode, Node, Parallel
from liftgraph_dagster.graph.serialization import is_cut, serializer, validator
from liftgraph_dagster.graph.state import (
    GraphState,
    Members,
    changed,
    decode,
    encode,
    json_object,
    members,
)
from liftgraph_dagster.providers.engine import our_error

SNAPSHOT_EVERY = 32
"""Main-line nodes between two snapshots: what a resume has to fold at the most."""

Observer = Callable[[Execution, NodeEvent], None]
"""Told of each event once it is stored. Must not block."""

_NOT_ITS_FAULT = frozenset(
    {
        ErrorClass.TRANSIENT,
        ErrorClass.RATE_LIMITED,
        ErrorClass.TIMEOUT,
        ErrorClass.CONFIGURATION,
        ErrorClass.CANCELLED,
    }
)
"""Errors that say nothing of the graph and its program: the execution waits, it has not failed."""


class Walker:
    """Walks one execution from where it stands to its end."""

    def __init__(
        self,
        graph: Graph[Any],
        execution: Execution,
        answerer: Answerer,
        lines: dict[str, Position],
        store: StateStore,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.graph = graph
        self.execution = execution
        self.answerer = answerer
        self._lines = lines
        self._store = store
        self._observers = observers
        self._committing = asyncio.Lock()
        self._since_snapshot = 0

    @property
    def main(self) -> Position:
        """Where the main line stands."""
        return self._lines[MAIN]

    @property
    def in_branches(self) -> bool:
        """True while a Parallel has been begun and not been joined."""
        return len(self._lines) > 1

    @property
    def next_node(self) -> Node[Any] | None:
        """The node that the main line goes on with; None at the end."""
        return self._first(self.main, self.graph.first)

    async def run(self) -> Execution:
        """Walk to the end and return the execution. Raises as `Executor.run` does."""
        if self.execution.status is not Status.RUNNING:
            await self.commit([_resumed(self.execution)], status=Status.RUNNING)
        try:
            await self.walk(MAIN, self.next_node, self.main.state)
        except GraphError as exc:  # before a node could begin
            note = NodeEvent(EventKind.STATUS, note=f"cannot go on: {exc}")
            await self.commit([note], status=Status.FAILED)
            raise
        except NodeFailed as exc:
            await self._stop(exc)
            raise
        except asyncio.CancelledError:
            await self._interrupted()
            raise
        except StorageError as exc:
            raise StorageError(
                f"{exc}. Execution {self.execution.id} is stored up to rev {self.execution.rev}; "
                f"go on with `liftgraph execution resume {self.execution.id}`"
            ) from exc
        return self.execution

    async def walk(self, line: str, node: Node[Any] | None, data: bytes) -> GraphState:
        """Run `line` from `node` to its end and return its last state."""
        state: GraphState = decode(self.graph.state, data)
        before: Members = members(state)
        while node is not None:
            node, state, before = await self._step(line, node, state, before)
        return state

    async def step(self) -> Execution:
        """Run the next node of the main line and return the execution. Raises as `run` does."""
        node = self.next_node
        if node is not None:
            state = decode(self.graph.state, self.main.state)
            await self._step(MAIN, node, state, members(state))
        return self.execution

    async def _step(
        self, line: str, node: Node[Any], state: GraphState, before: Members
    ) -> tuple[Node[Any] | None, GraphState, Members]:
        """Run one node and commit what it did; return the next node, the new state and its
        members."""
        runtime = _StepRuntime(self, line, before)
        started_at, started = now(), time.perf_counter()
        try:
            following = await node.run(GraphRunContext(state=state, deps=runtime))
            left = encode(state)
            state = _as_stored(node, state, left)
            after = members(state)
            fields = changed(before, after)
            _check_writes(node, fields)
            where = self._next(node, following)
            ending = line == MAIN and where.node is None
            attrs = self.graph.projection(state) if ending else None
        except (asyncio.CancelledError, KeyboardInterrupt, StorageError):
            raise
        except (NodeFailed, ExecutionFenced) as exc:
            if isinstance(node, Parallel):  # of a branch, which has recorded it
                raise
            raise await self._failed(line, node, exc, started_at, started) from exc
        except BaseException as exc:  # a node that calls sys.exit has failed, too
            raise await self._failed(line, node, exc, started_at, started) from exc
        event = NodeEvent(
            EventKind.NODE,
            node=type(node).__name__,
            node_type=node.kind,
            branch=line,
            attempt=self._attempt(line),
            started_at=started_at,
            duration_s=time.perf_counter() - started,
            reads=node.reads or (),
            state_patch=json_object(after[name] for name in fields) if fields else None,
            next=where,
            **runtime.recorded(),
        )
        await self.commit(
            [*runtime.predictors(line), event],
            status=Status.SUCCEEDED if ending else None,
            state=self._snapshot(line, after, ending=ending),
            attrs=attrs,
        )
        self._lines = {n: at for n, at in self._lines.items() if not is_inside(n, line)}
        self._lines[line] = Position(json_object(after.values()), where)
        return (following if isinstance(following, Node) else None), state, after

    async def commit(
        self,
        events: Sequence[NodeEvent],
        *,
        status: Status | None = None,
        state: bytes | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        """Commit events of any line; branches take turns. A cancellation waits until the store has
        answered: half of a commit's outcome is worse than a moment's delay."""
        await _to_the_end(self._commit(Commit(0, events, status, state, attrs)))

    async def _commit(self, draft: Commit) -> None:
        async with self._committing:
            rev = self.execution.rev
            try:
                await self._store.commit(self.execution.id, dataclasses.replace(draft, rev=rev))
            except ExecutionFenced:
                await self._explain_fence()
                raise
            after = rev + len(draft.events)
            changes: dict[str, Any] = {"rev": after}
            if draft.status is not None:
                changes["status"] = draft.status
            if draft.state is not None:
                changes |= {"state": draft.state, "state_rev": after}
            self.execution = self.execution.evolve(**changes)
        for seq, event in enumerate(draft.events, rev + 1):
            for observer in self._observers:
                observer(self.execution, dataclasses.replace(event, seq=seq))

    async def fan_out(self, line: str, parallel: Parallel[Any], state: GraphState) -> None:
        """Run the branches of `parallel`, each from where it stands, on lines of their own."""

        async def walk(index: int, node: Node[Any], copy: GraphState) -> GraphState:
            own = branch_line(line, type(parallel).__name__, index)
            stored = self._lines.get(own)
            if stored is None:
                return await self.walk(own, node, encode(copy))
            return await self.walk(own, self._first(stored, type(node).__name__), stored.state)

        await run_branches(parallel, state, walk)

    def _first(self, position: Position, otherwise: str) -> Node[Any] | None:
        return make_node(self.graph, position.next or Next(otherwise))

    def _next(self, node: Node[Any], following: Any) -> Next:
        name = None if isinstance(following, End) else type(following).__name__
        if name not in {edge.node for edge in self.graph.edges[type(node).__name__]}:
            raise GraphError(
                f"{type(node).__name__}.run returned {name or 'End'}, which its return annotation "
                "does not name"
            )
        return Next(name, b"{}" if name is None else _node_args(following))

    def _attempt(self, line: str) -> int:
        position = self._lines.get(line)
        return 1 + (position.failures if position else 0)

    def _snapshot(self, line: str, after: Members, *, ending: bool) -> bytes | None:
        if line != MAIN:
            return None
        self._since_snapshot += 1
        if not ending and self._since_snapshot < SNAPSHOT_EVERY:
            return None
        self._since_snapshot = 0
        return json_object(after.values())

    async def _failed(
        self, line: str, node: Node[Any], exc: BaseException, started_at: Any, started: float
    ) -> NodeFailed:
        """Record that `node` raised and return the error to raise for it."""
        ours = our_error(exc)
        error_class = ours.error_class if ours else ErrorClass.UNKNOWN
        message = _said(ours or exc)
        name, attempt = type(node).__name__, self._attempt(line)
        event = NodeEvent(
            EventKind.ERROR,
            node=name,
            node_type=node.kind,
            branch=line,
            attempt=attempt,
            started_at=started_at,
            duration_s=time.perf_counter() - started,
            error=NodeError(error_class, type(ours or exc).__name__, message[:4000]),
        )
        await self.commit([event])
        return NodeFailed(
            f"node {name} of execution {self.execution.id} failed (attempt {attempt}, "
            f"{error_class}): {message}. The state before it is stored; go on with "
            f"`liftgraph execution resume {self.execution.id}`",
            execution_id=self.execution.id,
            node=name,
            error_class=error_class,
        )

    async def _stop(self, exc: NodeFailed) -> None:
        status = Status.SUSPENDED if exc.error_class in _NOT_ITS_FAULT else Status.FAILED
        await self.commit([], status=status)

    async def _interrupted(self) -> None:
        """Leave the execution suspended, if the store can still be reached."""
        with contextlib.suppress(LiftGraphError, asyncio.TimeoutError):
            async with asyncio.timeout(5):
                await self.commit([], status=Status.SUSPENDED)

    async def _explain_fence(self) -> None:
        current = await self._store.get(self.execution.id)
        if current.status is Status.CANCELLED:
            raise ExecutionFenced(
                f"execution {current.id} was cancelled while it ran; what had been stored is kept",
                execution_id=current.id,
            )


class _StepRuntime:
    """The `deps` of one step: answers the node's question, or runs its branches."""

    def __init__(self, walker: Walker, line: str, before: Members) -> None:
        self._walker = walker
        self._line = line
        self._before = before
        self._fanned_out = False
        self._answer: Answer | None = None

    async def ask(self, node: CallNode[Any], state: Any) -> dspy.Prediction:
        if self._answer is not None:
            raise GraphError(
                f"{type(node).__name__}.run asked twice; a node asks one question. Split it in two"
            )
        self._answer = await self._walker.answerer.answer(node, state)
        node.update_state(state, self._answer.prediction)
        return self._answer.prediction

    async def fan_out(self, node: Parallel[Any], state: Any) -> None:
        name = type(node).__name__
        if self._fanned_out:
            raise GraphError(f"{name}.run fanned out twice; split it in two nodes")
        if fields := changed(self._before, members(state)):
            raise GraphError(
                f"{name}.run changed {', '.join(fields)} before it fanned out, which a resume "
                "could not repeat. Change the state in the node before, or after the join"
            )
        self._fanned_out = True
        await self._walker.fan_out(self._line, node, state)

    def recorded(self) -> dict[str, Any]:
        """Return what the node's event says about the question."""
        answer = self._answer
        if answer is None:
            return {}
        return {
            "input_digest": answer.input_digest,
            "output": answer.output,
            "usage": answer.usage,
            "evidence": answer.evidence,
        }

    def predictors(self, line: str) -> list[NodeEvent]:
        events = self._answer.predictors if self._answer else ()
        return [dataclasses.replace(event, branch=line) for event in events]


def make_node(graph: Graph[Any], where: Next) -> Node[Any] | None:
    """Return the node that `where` names, with its fields; None at the end.

    Raises GraphError when the graph has no such node any more.
    """
    if where.node is None:
        return None
    node_type = graph.nodes.get(where.node)
    if node_type is None:
        raise GraphError(
            f"the execution goes on at node {where.node}, which graph {graph.name!r} does not have"
        )
    if not dataclasses.is_dataclass(node_type):
        return node_type()
    try:
        node: Node[Any] = validator(node_type).validate_json(where.args)
    except pydantic.ValidationError as exc:
        raise GraphError(f"node {where.node} cannot be made again: {_problem(exc)}") from exc
    return node


def _node_args(node: Any) -> bytes:
    if dataclasses.is_dataclass(node):
        kind: type = type(node)
        return serializer(kind).to_json(node)
    if vars(node):
        raise GraphError(
            f"{type(node).__name__} carries {', '.join(vars(node))} but is not a dataclass, so it "
            "cannot be stored. Make it a dataclass, or put the values into the state"
        )
    return b"{}"


def _said(exc: BaseException) -> str:
    """Return what an error says; its name where it says nothing or cannot be asked."""
    try:
        return str(exc) or type(exc).__name__
    except Exception:
        return type(exc).__name__


def _as_stored(node: Node[Any], state: GraphState, left: bytes) -> GraphState:
    """Return the state that `node` left, as it will be read again. Raises GraphError, naming node
    and field, when the state type cannot hold it or not all of it."""
    state_type = type(state)
    try:
        stored = decode(state_type, left)
    except pydantic.ValidationError as exc:
        raise GraphError(
            f"{type(node).__name__} left a value that {state_type.__name__} cannot hold: "
            f"{_problem(exc)}"
        ) from exc
    for name in state_type.model_fields:
        if is_cut(getattr(state, name), getattr(stored, name)):
            raise GraphError(
                f"{type(node).__name__} left a value in {state_type.__name__}.{name} that would "
                "come back from storage without a part of it: a secret, an excluded field, or a "
                "field of a subclass. Declare the field by a type that is stored in full"
            )
    return stored


def _problem(exc: pydantic.ValidationError) -> str:
    problem = exc.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def _check_writes(node: Node[Any], fields: Sequence[str]) -> None:
    if node.writes is None or isinstance(node, Parallel):
        return
    if undeclared := [name for name in fields if name not in node.writes]:
        raise GraphError(
            f"{type(node).__name__} changed {', '.join(undeclared)}, which it does not declare in "
            f"`writes` ({', '.join(node.writes) or 'nothing'})"
        )


def _resumed(execution: Execution) -> NodeEvent:
    return NodeEvent(EventKind.STATUS, note=f"resumed; was {execution.status}")


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` to its end, also when this task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
