"""Executions in PostgreSQL: `execution.store.StateStore` over `sql/executions.sql`."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from liftgraph_dagster.errors import ErrorClass
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    ExecutionId,
    Lease,
    Next,
    NodeError,
    NodeEvent,
    Status,
    Usage,
)
from liftgraph_dagster.execution.store import (
    Commit,
    ExecutionFilter,
    busy,
    cancelled_event,
    ended,
    fenced,
    finished_at,
    unknown,
    unknown_version,
)
from liftgraph_dagster.storage.codec import pack, unpack
from liftgraph_dagster.storage.database import Database

_EVENT_COLUMNS = (
    "at", "kind", "node", "node_type", "branch", "attempt", "duration_us", "reads", "input_digest",
    "output", "state_patch", "next_node", "next_args", "error", "note", "calls", "prompt_tokens",
    "cached_tokens", "completion_tokens", "model_us", "model", "cost", "evidence",
)  # fmt: skip
_NO_LIMIT = 2**31 - 1


class PostgresStateStore:
    """Executions in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, graph: str, version: str, manifest: Mapping[str, str]) -> None:
        await self._database.fetch(
            "remember_version", version=version, graph=graph, manifest=dict(manifest)
        )

    async def manifest(self, version: str) -> Mapping[str, str]:
        row = await self._database.fetch_one("get_manifest", version=version)
        if row is None:
            raise unknown_version(version)
        manifest: dict[str, str] = row["manifest"]
        return manifest

    async def create(self, execution: Execution) -> None:
        await self._database.fetch(
            "create_execution",
            id=execution.id,
            graph=execution.graph,
            graph_version=execution.graph_version,
            program_digest=execution.program_digest,
            user_id=execution.user_id,
            status=execution.status.value,
            input=pack(execution.input),
            attrs=_searchable(execution.attrs),
            initial=pack(execution.initial),
            state=None if execution.state == execution.initial else pack(execution.state),
            flags=dict(execution.flags),
            parent_id=execution.parent_id,
            forked_at_rev=execution.forked_at_rev,
            created_at=execution.created_at,
        )

    async def get(self, execution_id: ExecutionId) -> Execution:
        row = await self._database.fetch_one("get_execution", id=_uuid(execution_id))
        if row is None:
            raise unknown(execution_id)
        return _execution(row)

    async def commit(self, execution_id: ExecutionId, commit: Commit) -> None:
        columns = _columns(commit.events)
        moved = await self._database.fetch_one(
            "commit_events",
            id=_uuid(execution_id),
            rev=commit.rev,
            count=len(commit.events),
            status=commit.status.value if commit.status else None,
            finished_at=finished_at(commit.status) if commit.status else None,
            state=pack(commit.state),
            attrs=None if commit.attrs is None else _searchable(commit.attrs),
            graph_version=commit.graph_version,
            **columns,
        )
        if moved is None:
            await self.get(execution_id)  # an unknown id is an error of its own
            raise fenced(execution_id, commit.rev)

    async def history(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int | None = None
    ) -> list[NodeEvent]:
        rows = await self._database.fetch(
            "get_history",
            id=_uuid(execution_id),
            after=after,
            limit=_NO_LIMIT if limit is None else limit,
        )
        if not rows:
            await self.get(execution_id)  # an unknown id is an error, not an empty history
        return [_event(row) for row in rows]

    async def find(self, where: ExecutionFilter, *, limit: int = 50) -> list[Execution]:
        rows = await self._database.fetch(
            "list_executions",
            graph=where.graph,
            status=where.status.value if where.status else None,
            user_id=where.user_id,
            program_digest=where.program_digest,
            graph_version=where.graph_version,
            attrs=None if where.attrs is None else _searchable(where.attrs),
            before=where.before,
            limit=limit,
        )
        return [_execution(row) for row in rows]

    async def acquire(
        self, execution_id: ExecutionId, owner: str, *, ttl_s: float, instead_of: str | None = None
    ) -> Lease:
        execution = await self.get(execution_id)
        if execution.status.ended:
            raise ended(execution)
        row = await self._database.fetch_one(
            "acquire_lease", id=execution_id, owner=owner, ttl_s=ttl_s, instead_of=instead_of
        )
        if row is None:
            raise busy(execution_id, await self.holder(execution_id) or "another process")
        return Lease(execution_id, owner, row["epoch"])

    async def renew(self, lease: Lease, *, ttl_s: float) -> bool:
        row = await self._database.fetch_one(
            "renew_lease",
            id=lease.execution_id,
            owner=lease.owner,
            epoch=lease.epoch,
            ttl_s=ttl_s,
        )
        return row is not None

    async def release(self, lease: Lease) -> None:
        await self._database.fetch(
            "release_lease", id=lease.execution_id, owner=lease.owner, epoch=lease.epoch
        )

    async def holder(self, execution_id: ExecutionId) -> str | None:
        row = await self._database.fetch_one("get_holder", id=_uuid(execution_id))
        return row["owner"] if row else None

    async def cancel(self, execution_id: ExecutionId, *, reason: str) -> Execution:
        event = cancelled_event(reason)
        moved = await self._database.fetch_one(
            "cancel_execution",
            id=_uuid(execution_id),
            finished_at=finished_at(Status.CANCELLED),
            at=event.started_at,
            kind=event.kind.value,
            note=_without_nul(event.note),
        )
        execution = await self.get(execution_id)
        if moved is None:
            raise ended(execution)
        return execution


def _uuid(execution_id: str) -> str:
    """Return the id. Raises NotFound for a text that is no UUID at all."""
    try:
        return str(UUID(execution_id))
    except ValueError as exc:
        raise unknown(execution_id) from exc


def _execution(row: asyncpg.Record) -> Execution:
    return Execution(
        id=ExecutionId(str(row["id"])),
        graph=row["graph"],
        graph_version=row["graph_version"],
        program_digest=row["program_digest"],
        status=Status(row["status"]),
        rev=row["rev"],
        input=unpack(row["input"]) or b"",
        initial=unpack(row["initial"]) or b"",
        state=unpack(row["initial"] if row["state"] is None else row["state"]) or b"",
        state_rev=row["state_rev"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        user_id=row["user_id"],
        attrs=row["attrs"],
        flags=row["flags"],
        parent_id=ExecutionId(str(row["parent_id"])) if row["parent_id"] else None,
        forked_at_rev=row["forked_at_rev"],
    )


def _columns(events: Sequence[NodeEvent]) -> dict[str, list[Any]]:
    rows = [_row(event) for event in events]
    return {name: [row[name] for row in rows] for name in _EVENT_COLUMNS}


def _row(event: NodeEvent) -> dict[str, Any]:
    usage = event.usage
    return {
        "at": event.started_at,
        "kind": event.kind.value,
        "node": event.node,
        "node_type": event.node_type,
        "branch": event.branch,
        "attempt": event.attempt,
        "duration_us": round(event.duration_s * 1e6),
        "reads": ",".join(event.reads),
        "input_digest": bytes.fromhex(event.input_digest) if event.input_digest else None,
        "output": pack(event.output),
        "state_patch": pack(event.state_patch),
        "next_node": event.next.node if event.next else None,
        "next_args": event.next.args if event.next else None,
        "error": _error_json(event.error),
        "note": _without_nul(event.note),
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "cached_tokens": usage.cached_tokens,
        "completion_tokens": usage.completion_tokens,
        "model_us": round(usage.model_seconds * 1e6),
        "model": usage.model,
        "cost": usage.cost,
        "evidence": pack(event.evidence),
    }


def _event(row: asyncpg.Record) -> NodeEvent:
    leads_on = row["next_args"] is not None
    return NodeEvent(
        kind=EventKind(row["kind"]),
        node=row["node"],
        node_type=row["node_type"],
        branch=row["branch"],
        attempt=row["attempt"],
        started_at=row["at"].astimezone(dt.UTC),
        duration_s=row["duration_us"] / 1e6,
        reads=tuple(row["reads"].split(",")) if row["reads"] else (),
        input_digest=row["input_digest"].hex() if row["input_digest"] else None,
        output=unpack(row["output"]),
        state_patch=unpack(row["state_patch"]),
        next=Next(row["next_node"], row["next_args"]) if leads_on else None,
        error=_error(row["error"]),
        note=row["note"],
        usage=Usage(
            calls=row["calls"],
            prompt_tokens=row["prompt_tokens"],
            cached_tokens=row["cached_tokens"],
            completion_tokens=row["completion_tokens"],
            model_seconds=row["model_us"] / 1e6,
            model=row["model"],
            cost=row["cost"],
        ),
        seq=row["seq"],
        evidence=unpack(row["evidence"]),
    )


def _error_json(error: NodeError | None) -> bytes | None:
    if error is None:
        return None
    fields = {"class": error.error_class, "type": error.type, "message": error.message}
    return json.dumps(fields).encode()


def _error(data: bytes | None) -> NodeError | None:
    if data is None:
        return None
    fields = json.loads(data)
    return NodeError(ErrorClass(fields["class"]), fields["type"], fields["message"])


def _searchable(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return `attrs` as jsonb can hold it: U+0000 becomes U+FFFD. The state keeps the original."""
    cleaned: dict[str, Any] = _without_nul(dict(attrs))
    return cleaned


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case list() | tuple():
            return [_without_nul(item) for item in value]
        case dict():
            return {_without_nul(key): _without_nul(item) for key, item in value.items()}
        case _:
            return value
