"""What is stored about an execution: its row, the lines of its history, its lease."""

from __future__ import annotations

import datetime as dt
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NewType

from liftgraph_dagster.errors import ErrorClass

ExecutionId = NewType("ExecutionId", str)
"""A UUID of version 7: ids sort by the time at which they were made."""


class Status(StrEnum):
    """Where an execution stands."""

    RUNNING = "running"
    """Accepted; a process holds its lease, or died holding it."""
    WAITING = "waiting"
    """Waits for a person."""
    SUSPENDED = "suspended"
    """Stopped by something that may pass: a server down, an interrupt. Can be resumed."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """A node raised and nothing could be done. Can be resumed at that node."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True when the execution can never go on."""
        return self in (Status.SUCCEEDED, Status.CANCELLED)


class EventKind(StrEnum):
    """What a line of the history tells."""

    NODE = "node"
    """A node finished: its output, its change of the state, where it leads."""
    PREDICTOR = "predictor"
    """A predictor inside a ModuleNode answered."""
    ERROR = "error"
    """A node raised; the state is as it was before."""
    EDIT = "edit"
    """Somebody changed the state from outside."""
    VERSION = "version"
    """It goes on under another version of its graph. Its patch, if any, is the whole state, and
    branches begin again from there."""
    STATUS = "status"
    """The execution was resumed, suspended or cancelled."""


@dataclass(frozen=True)
class Next:
    """Where a line of execution goes on."""

    node: str | None
    """Name of the next node; None at the end."""
    args: bytes = b"{}"
    """The next node's own fields, JSON."""


@dataclass(frozen=True)
class Usage:
    """What a node's model calls used. Costs are None where no price is known."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    model_seconds: float = 0.0
    model: str | None = None
    cost: float | None = None

    @property
    def tokens(self) -> int:
        """Tokens in and out together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        known = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            model_seconds=self.model_seconds + other.model_seconds,
            model=other.model or self.model,
            cost=sum(known) if known else None,
        )


NO_USAGE = Usage()


@dataclass(frozen=True)
class NodeError:
    """What a node raised."""

    error_class: ErrorClass
    type: str
    """Name of the exception's class."""
    message: str


@dataclass(frozen=True)
class NodeEvent:
    """One append-only line of an execution's history."""

    kind: EventKind
    node: str = ""
    node_type: str = ""
    """`signature`, `module`, `function`, `parallel`, `predictor`; empty for a change of status."""
    branch: str = ""
    """Path of the branch it happened in, as `Draft.0/Inner.1`; empty on the main line."""
    attempt: int = 1
    started_at: dt.datetime = field(default_factory=lambda: now())
    duration_s: float = 0.0
    reads: tuple[str, ...] = ()
    """State fields that the inputs were made of."""
    input_digest: str | None = None
    """Digest of the inputs. They are rebuilt from the state at this line; storing them again
    made a history 13 times larger."""
    output: bytes | None = None
    """The answer, JSON."""
    state_patch: bytes | None = None
    """The fields of the state that changed, JSON."""
    next: Next | None = None
    error: NodeError | None = None
    """What was raised."""
    note: str | None = None
    """Why the status changed."""
    usage: Usage = NO_USAGE
    evidence: bytes | None = None
    """What the model's probabilities say of the answer, JSON, see `providers.evidence`; None when
    the node asks for no `logprobs`."""
    seq: int = 0
    """Place in the history, from 1; given by the store."""


@dataclass(frozen=True)
class Execution:
    """One run of a graph under a program on one input."""

    id: ExecutionId
    graph: str
    graph_version: str
    program_digest: str
    status: Status
    rev: int
    """Number of lines of history; the fence against a second writer."""
    input: bytes
    """The input, JSON."""
    initial: bytes
    """The state before the first node, JSON."""
    state: bytes
    """The latest snapshot: the state at `state_rev`, JSON."""
    state_rev: int
    created_at: dt.datetime
    finished_at: dt.datetime | None = None
    user_id: str | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, Any] = field(default_factory=dict)
    parent_id: ExecutionId | None = None
    forked_at_rev: int | None = None

    def evolve(self, **changes: Any) -> Execution:
        """Return a copy with `changes`."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Lease:
    """The right of one process to move an execution on."""

    execution_id: ExecutionId
    owner: str
    epoch: int
    """Counts the owners; a larger one is newer."""


def new_execution_id() -> ExecutionId:
    """Return a fresh UUID of version 7 (RFC 9562): 48 bits of milliseconds, 74 random bits."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return ExecutionId(str(uuid.UUID(int=value)))


def now() -> dt.datetime:
    """Return the time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)
