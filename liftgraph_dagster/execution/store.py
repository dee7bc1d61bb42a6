"""Where executions are kept: the promise (`StateStore`) and the version in memory.

The PostgreSQL version is `storage.executions`. Both pass `tests/conformance/test_state_store.py`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from liftgraph_dagster.errors import ExecutionBusy, ExecutionEnded, ExecutionFenced, NotFound
from liftgraph_dagster.execution.owner import describe
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    ExecutionId,
    Lease,
    NodeEvent,
    Status,
    now,
)

LEASE_S = 30.0
"""Seconds after which an execution whose process fell silent may be taken over."""


@dataclass(frozen=True)
class Commit:
    """One step forward: events, and with them what else becomes true in the same transaction."""

    rev: int
    """The `rev` that the writer saw; the commit is refused when the store has moved on."""
    events: Sequence[NodeEvent]
    status: Status | None = None
    state: bytes | None = None
    """Snapshot of the state after these events."""
    attrs: Mapping[str, Any] | None = None
    """Added to the attributes that are there."""
    graph_version: str | None = None
    """Version of the graph that the execution goes on under."""


@dataclass(frozen=True)
class ExecutionFilter:
    """Which executions to list; what is None does not filter."""

    graph: str | None = None
    status: Status | None = None
    user_id: str | None = None
    program_digest: str | None = None
    graph_version: str | None = None
    attrs: Mapping[str, Any] | None = None
    """Attributes that must all be there, with these values."""
    before: ExecutionId | None = None
    """Only older ones: the last id of the page before."""


class StateStore(Protocol):
    """Keeps executions. Each method is one transaction."""

    async def create(self, execution: Execution) -> None:
        """Store a new execution. Its graph's version has been remembered before."""

    async def get(self, execution_id: ExecutionId) -> Execution:
        """Return an execution. Raises NotFound."""

    async def remember(self, graph: str, version: str, manifest: Mapping[str, str]) -> None:
        """Store what a version of a graph consists of; nothing happens when it is known."""

    async def manifest(self, version: str) -> Mapping[str, str]:
        """Return what a version of a graph consists of. Raises NotFound."""

    async def commit(self, execution_id: ExecutionId, commit: Commit) -> None:
        """Append events and advance `rev`, all or nothing. Raises ExecutionFenced when the
        execution is not at `commit.rev` any more."""

    async def history(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int | None = None
    ) -> list[NodeEvent]:
        """Return the events after place `after`, oldest first."""

    async def find(self, where: ExecutionFilter, *, limit: int = 50) -> list[Execution]:
        """Return executions, newest first."""

    async def acquire(
        self, execution_id: ExecutionId, owner: str, *, ttl_s: float, instead_of: str | None = None
    ) -> Lease:
        """Take the lease when it is free, has run out, or is held by `instead_of`. Raises
        ExecutionBusy, naming the holder, or ExecutionEnded."""

    async def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        """Hold the lease for `ttl_s` more seconds. False when another owner has it."""

    async def release(self, lease: Lease) -> None:
        """Give the lease back. Nothing happens when another owner has it."""

    async def holder(self, execution_id: ExecutionId) -> str | None:
        """Return who holds the lease now, or None."""

    async def cancel(self, execution_id: ExecutionId, *, reason: str) -> Execution:
        """End an execution; the process that runs it is fenced off. Raises ExecutionEnded when it
        has ended already."""


@dataclass
class _Kept:
    execution: Execution
    events: list[NodeEvent] = field(default_factory=list)
    lease: Lease | None = None
    lease_until: float = 0.0


class MemoryStateStore:
    """Executions in this process: for optimizers' rollouts and for tests."""

    def __init__(self) -> None:
        self._kept: dict[ExecutionId, _Kept] = {}
        self._manifests: dict[str, Mapping[str, str]] = {}

    async def create(self, execution: Execution) -> None:
        self._kept[execution.id] = _Kept(execution)

    async def get(self, execution_id: ExecutionId) -> Execution:
        return self._find(execution_id).execution

    async def remember(self, graph: str, version: str, manifest: Mapping[str, str]) -> None:
        self._manifests.setdefault(version, dict(manifest))

    async def manifest(self, version: str) -> Mapping[str, str]:
        if version not in self._manifests:
            raise unknown_version(version)
        return self._manifests[version]

    async def commit(self, execution_id: ExecutionId, commit: Commit) -> None:
        kept = self._find(execution_id)
        if kept.execution.rev != commit.rev:
            raise fenced(execution_id, commit.rev)
        rev = commit.rev + len(commit.events)
        for seq, event in enumerate(commit.events, commit.rev + 1):
            kept.events.append(replace(event, seq=seq))
        changes: dict[str, Any] = {"rev": rev}
        if commit.state is not None:
            changes |= {"state": commit.state, "state_rev": rev}
        if commit.attrs is not None:
            changes["attrs"] = {**kept.execution.attrs, **commit.attrs}
        if commit.graph_version is not None:
            changes["graph_version"] = commit.graph_version
        if commit.status is not None:
            changes |= {"status": commit.status, "finished_at": finished_at(commit.status)}
        kept.execution = kept.execution.evolve(**changes)

    async def history(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int | None = None
    ) -> list[NodeEvent]:
        events = self._find(execution_id).events[after:]
        return events if limit is None else events[:limit]

    async def find(self, where: ExecutionFilter, *, limit: int = 50) -> list[Execution]:
        found = [kept.execution for kept in self._kept.values() if _matches(kept.execution, where)]
        return sorted(found, key=lambda execution: execution.id, reverse=True)[:limit]

    async def acquire(
        self, execution_id: ExecutionId, owner: str, *, ttl_s: float, instead_of: str | None = None
    ) -> Lease:
        kept = self._find(execution_id)
        if kept.execution.status.ended:
            raise ended(kept.execution)
        held = kept.lease
        if held and kept.lease_until > time.monotonic() and held.owner != instead_of:
            raise busy(execution_id, held.owner)
        kept.lease = Lease(execution_id, owner, held.epoch + 1 if held else 1)
        kept.lease_until = time.monotonic() + ttl_s
        return kept.lease

    async def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        kept = self._kept.get(lease.execution_id)
        if kept is None or kept.lease != lease:
            return False
        kept.lease_until = time.monotonic() + ttl_s
        return True

    async def release(self, lease: Lease) -> None:
        kept = self._kept.get(lease.execution_id)
        if kept and kept.lease == lease:
            kept.lease_until = 0.0

    async def holder(self, execution_id: ExecutionId) -> str | None:
        kept = self._kept.get(execution_id)
        held = kept.lease if kept and kept.lease_until > time.monotonic() else None
        return held.owner if held else None

    async def cancel(self, execution_id: ExecutionId, *, reason: str) -> Execution:
        kept = self._find(execution_id)
        if kept.execution.status.ended:
            raise ended(kept.execution)
        await self.commit(
            execution_id,
            Commit(kept.execution.rev, [cancelled_event(reason)], status=Status.CANCELLED),
        )
        return kept.execution

    def _find(self, execution_id: ExecutionId) -> _Kept:
        if execution_id not in self._kept:
            raise unknown(execution_id)
        return self._kept[execution_id]


def _matches(execution: Execution, where: ExecutionFilter) -> bool:
    return (
        where.graph in (None, execution.graph)
        and where.status in (None, execution.status)
        and where.user_id in (None, execution.user_id)
        and where.program_digest in (None, execution.program_digest)
        and where.graph_version in (None, execution.graph_version)
        and (where.before is None or execution.id < where.before)
        and all(
            key in execution.attrs and _same(execution.attrs[key], value)
            for key, value in (where.attrs or {}).items()
        )
    )


def _same(left: Any, right: Any) -> bool:
    """Return True for two equal values of JSON, where 1 is 1.0 but not true."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def cancelled_event(reason: str) -> NodeEvent:
    """Return the line of history that a cancellation leaves."""
    return NodeEvent(EventKind.STATUS, note=f"cancelled: {reason}")


def finished_at(status: Status) -> Any:
    """Return now for a status that ends an execution, else None."""
    return now() if status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED) else None


def unknown(execution_id: str) -> NotFound:
    """Return the error for an id that no execution has."""
    return NotFound(
        f"execution {execution_id} does not exist here. `liftgraph execution list` shows those "
        "that do; an id is given in full"
    )


def unknown_version(version: str) -> NotFound:
    """Return the error for a graph version that was never stored."""
    return NotFound(f"graph version {version} is not known here")


def busy(execution_id: str, owner: str) -> ExecutionBusy:
    """Return the error for an execution that another process holds."""
    return ExecutionBusy(
        f"execution {execution_id} is being run by {describe(owner)}. Wait for it, or stop it with "
        f"`liftgraph execution cancel {execution_id}`",
        execution_id=execution_id,
    )


def ended(execution: Execution) -> ExecutionEnded:
    """Return the error for an execution that can never go on."""
    return ExecutionEnded(
        f"execution {execution.id} has {execution.status}; it cannot go on. Start a new one",
        execution_id=execution.id,
    )


def fenced(execution_id: str, rev: int) -> ExecutionFenced:
    """Return the error for a commit on a `rev` that is no longer the latest."""
    return ExecutionFenced(
        f"execution {execution_id} has moved on from rev {rev}: another process runs it or has "
        "cancelled it. What this process did after that was not stored",
        execution_id=execution_id,
    )
