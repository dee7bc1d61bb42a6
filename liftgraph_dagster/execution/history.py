"""Reading a history: where each line of an execution stands, and its state at any rev.

The main line runs from the first node to the end. A Parallel opens a line for each branch, named
by the path of the branch (`Draft.0`); its lines close when the Parallel itself is recorded.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from liftgraph_dagster.execution.records import EventKind, Execution, Next, NodeEvent
from liftgraph_dagster.graph.state import apply_patches

MAIN = ""


@dataclass(frozen=True)
class Position:
    """Where one line stands."""

    state: bytes
    """The line's state, JSON."""
    next: Next | None = None
    """The node to run next; None before the line's first node."""
    failures: int = 0
    """How often that node has raised."""


def positions(execution: Execution, events: Iterable[NodeEvent]) -> dict[str, Position]:
    """Return the position of each open line. `events` is the whole history, oldest first."""
    lines = {MAIN: Position(execution.state)}
    for event in events:
        if event.kind in (EventKind.STATUS, EventKind.PREDICTOR):
            continue
        line = event.branch
        position = lines.get(line) or Position(lines[_nearest(line, lines)].state)
        if event.kind is EventKind.ERROR:
            lines[line] = replace(position, failures=position.failures + 1)
            continue
        state = position.state
        # The snapshot already holds what the main line did up to its rev.
        if event.state_patch and (line != MAIN or event.seq > execution.state_rev):
            state = _after(state, event)
        if event.kind is EventKind.VERSION:
            if event.state_patch:
                lines = {MAIN: replace(position, state=state)}
            continue
        if event.kind is EventKind.EDIT:
            lines[line] = replace(position, state=state)
            continue
        lines = {name: at for name, at in lines.items() if not is_inside(name, line)}
        lines[line] = Position(state, event.next)
    return lines


def states_before(initial: bytes, events: Iterable[NodeEvent]) -> dict[int, bytes]:
    """Return the state that each event's line had before it, by the event's place."""
    found: dict[int, bytes] = {}
    lines = {MAIN: initial}
    for event in events:
        line = event.branch
        if line not in lines:
            lines[line] = lines[_nearest(line, lines)]
        found[event.seq] = lines[line]
        if event.state_patch:
            lines[line] = _after(lines[line], event)
        if event.kind is EventKind.NODE:
            lines = {name: state for name, state in lines.items() if not is_inside(name, line)}
    return found


def branch_line(parent: str, parallel: str, index: int) -> str:
    """Return the name of a branch's line."""
    own = f"{parallel}.{index}"
    return f"{parent}/{own}" if parent else own


def is_inside(line: str, outer: str) -> bool:
    """Return True when `line` was opened by a Parallel on `outer`, or deeper."""
    return line != outer and (outer == MAIN or line.startswith(f"{outer}/"))


def _after(state: bytes, event: NodeEvent) -> bytes:
    """Return the state that `event`, which has a patch, leaves behind."""
    assert event.state_patch is not None
    if event.kind is EventKind.VERSION:
        return event.state_patch
    return apply_patches(state, [event.state_patch])


def _nearest(line: str, lines: Container[str]) -> str:
    """Return the open line that `line` branched off: a branch that begins with a Parallel has done
    nothing itself yet."""
    parent = line.rpartition("/")[0]
    return parent if parent in lines else _nearest(parent, lines)
