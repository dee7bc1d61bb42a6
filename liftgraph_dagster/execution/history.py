"""Reading a history: where each line of an execution stands, and its state at any rev.

The main line runs from the first node to the end. A Parallel opens a line for each branch, named
by the path of the branch (`Draft.0`); its lines close when the Parallel itself is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
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
        if event.kind not in (EventKind.NODE, EventKind.ERROR, EventKind.EDIT):
            continue
        line = event.branch
        position = lines.get(line) or Position(lines[_parent(line)].state)
        if event.kind is EventKind.ERROR:
            lines[line] = replace(position, failures=position.failures + 1)
            continue
        state = position.state
        # The snapshot already holds what the main line did up to its rev.
        if event.state_patch and (line != MAIN or event.seq > execution.state_rev):
            state = apply_patches(state, [event.state_patch])
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
            lines[line] = lines[_parent(line)]
        found[event.seq] = lines[line]
        if event.state_patch:
            lines[line] = apply_patches(lines[line], [event.state_patch])
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


def _parent(line: str) -> str:
    return line.rpartition("/")[0]
