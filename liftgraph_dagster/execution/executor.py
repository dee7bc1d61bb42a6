"""Starting and resuming executions: each node is one commit, and what was committed never runs
again.

An `Executor` accepts inputs, holds leases, fits executions to the version of their graph, and hands
them to the loop in `execution.walker`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pydantic
from pydantic_core import PydanticSerializationError, from_json, to_json

from liftgraph_dagster.errors import (
    ExecutionBusy,
    ExecutionError,
    InputError,
    StorageError,
    VersionMismatch,
)
from liftgraph_dagster.execution.ask import Answerer
from liftgraph_dagster.execution.history import MAIN, Position, positions
from liftgraph_dagster.execution.owner import is_dead, new_owner
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    ExecutionId,
    Lease,
    Next,
    NodeEvent,
    Status,
    new_execution_id,
    now,
)
from liftgraph_dagster.execution.store import LEASE_S, Commit, StateStore
from liftgraph_dagster.execution.walker import Observer, Walker, make_node
from liftgraph_dagster.graph.graph import Graph
from liftgraph_dagster.graph.state import decode, encode, refuse_surrogates


class Executor:
    """Starts and runs executions on a store.

    Args:
        store: where executions are kept.
        lease_s: seconds after which another machine may take over from a process that fell silent.
        observers: told of each stored event.
    """

    def __init__(
        self,
        store: StateStore,
        *,
        lease_s: float = LEASE_S,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.store = store
        self.lease_s = lease_s
        self.observers = list(observers)

    async def accept(
        self,
        graph: Graph[Any],
        program_digest: str,
        value: Any,
        *,
        user_id: str | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> Execution:
        """Store a new execution and return it; nothing has run yet.

        Raises InputError, and stores nothing, for an input that the graph does not take.
        """
        refuse_surrogates(user_id, "the user's name")
        state = graph.begin(value)
        initial = encode(state)
        try:
            decode(graph.state, initial)
        except pydantic.ValidationError as exc:
            raise InputError(
                f"the first state of {graph.name} could not be read again: "
                f"{exc.errors(include_url=False, include_input=False)[0]['msg']}"
            ) from exc
        execution = Execution(
            id=new_execution_id(),
            graph=graph.name,
            graph_version=graph.version,
            program_digest=program_digest,
            status=Status.RUNNING,
            rev=0,
            input=_input(graph, value),
            initial=initial,
            state=initial,
            state_rev=0,
            created_at=now(),
            user_id=user_id,
            attrs=graph.projection(state) | dict(attrs or {}),
        )
        await self.store.remember(graph.name, graph.version, graph.manifest)
        await self.store.create(execution)
        return execution

    async def run(
        self,
        graph: Graph[Any],
        execution_id: ExecutionId,
        answerer: Answerer,
        *,
        accept_version: bool = False,
    ) -> Execution:
        """Run an execution from where it stands to its end and return it.

        Raises ExecutionBusy when another process runs it, ExecutionEnded when it has ended,
        VersionMismatch when it began under another version of the graph, and NodeFailed when a
        node raises; then the execution is suspended or failed and can be resumed.
        """
        async with self.holding(execution_id):
            walker = await self.walker(graph, execution_id, answerer, accept_version=accept_version)
            return await walker.run()

    async def walker(
        self,
        graph: Graph[Any],
        execution_id: ExecutionId,
        answerer: Answerer,
        *,
        accept_version: bool = False,
    ) -> Walker:
        """Return the loop over an execution, where it stands now. Hold its lease meanwhile.

        Raises VersionMismatch as `run` does.
        """
        execution = await self.store.get(execution_id)
        lines = positions(execution, await self.store.history(execution_id))
        if execution.graph_version != graph.version:
            execution, lines = await self._fit(
                graph, execution, lines, accept_version=accept_version
            )
        return Walker(graph, execution, answerer, lines, self.store, self.observers)

    @contextlib.asynccontextmanager
    async def holding(self, execution_id: ExecutionId) -> AsyncIterator[Lease]:
        """Hold the lease of an execution: nobody else can move it on meanwhile.

        A process of this machine that died with the lease is succeeded at once, any other holder
        when its lease runs out. Raises ExecutionBusy, ExecutionEnded and NotFound.
        """
        with new_owner() as owner:
            lease = await self._acquire(execution_id, owner)
            try:
                async with self._heartbeat(lease):
                    yield lease
            finally:
                with contextlib.suppress(StorageError):
                    await self.store.release(lease)

    async def _acquire(self, execution_id: ExecutionId, owner: str) -> Lease:
        try:
            return await self.store.acquire(execution_id, owner, ttl_s=self.lease_s)
        except ExecutionBusy:
            holder = await self.store.holder(execution_id)
            if holder is not None and not is_dead(holder):
                raise
            return await self.store.acquire(
                execution_id, owner, ttl_s=self.lease_s, instead_of=holder
            )

    @contextlib.asynccontextmanager
    async def _heartbeat(self, lease: Lease) -> AsyncIterator[None]:
        """Renew the lease while the body runs. When another owner has it the next commit is
        fenced, so nothing more needs to be done here than to stop renewing."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(self.lease_s / 3)
                with contextlib.suppress(StorageError):
                    if not await self.store.renew(lease, ttl_s=self.lease_s):
                        return

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()

    async def _fit(
        self,
        graph: Graph[Any],
        execution: Execution,
        lines: dict[str, Position],
        *,
        accept_version: bool,
    ) -> tuple[Execution, dict[str, Position]]:
        """Make an execution of another version of the graph fit this one, or refuse it."""
        differing = graph.changed_since(await self.store.manifest(execution.graph_version))
        if graph.migrate is None and not accept_version:
            raise VersionMismatch(
                f"execution {execution.id} began under version {execution.graph_version[:12]} of "
                f"graph {graph.name!r}; this is {graph.version[:12]}. Changed: "
                f"{', '.join(differing)}. Resume it with --accept-version, or give the graph a "
                "`migrate` function",
                execution_id=execution.id,
                changed=differing,
            )
        main = lines[MAIN]
        make_node(graph, main.next or Next(graph.first))  # or refuse, before anything has moved
        state = _migrated(graph, execution, main.state)
        moved = state != main.state
        event = NodeEvent(
            EventKind.VERSION,
            state_patch=state if moved else None,
            note=f"goes on under version {graph.version[:12]}; changed: {', '.join(differing)}",
        )
        await self.store.remember(graph.name, graph.version, graph.manifest)
        await self.store.commit(
            execution.id,
            Commit(execution.rev, [event], state=state, graph_version=graph.version),
        )
        if moved:  # the branches' copies have not moved along: they begin again
            lines = {}
        return await self.store.get(execution.id), lines | {
            MAIN: dataclasses.replace(main, state=state)
        }


def _input(graph: Graph[Any], value: Any) -> bytes:
    try:
        return to_json(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError) as exc:
        raise InputError(f"input of {graph.name} is no JSON value: {exc}") from exc


def _migrated(graph: Graph[Any], execution: Execution, state: bytes) -> bytes:
    """Return the state as this version of the graph has it."""
    fields = from_json(state)
    if graph.migrate is not None:
        fields = graph.migrate(fields)
    try:
        return encode(decode(graph.state, to_json(fields, inf_nan_mode="constants")))
    except pydantic.ValidationError as exc:
        problem = exc.errors(include_url=False, include_input=False)[0]
        raise ExecutionError(
            f"the state of execution {execution.id} does not fit {graph.state.__name__}: "
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}. Give the graph a `migrate` "
            "function that makes it fit",
            execution_id=execution.id,
        ) from exc
