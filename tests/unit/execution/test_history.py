from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftgraph_dagster.errors import ErrorClass
from liftgraph_dagster.execution.history import (
    MAIN,
    Position,
    branch_line,
    is_inside,
    positions,
    states_before,
)
from liftgraph_dagster.execution.records import EventKind, Next, NodeError, NodeEvent, Status
from tests.factories import make_execution

START = b'{"a":0}'


def node(
    name: str, to: str | None = None, *, on: str = MAIN, patch: dict[str, Any] | None = None
) -> NodeEvent:
    """Return the event of a node that finished."""
    data = json.dumps(patch).encode() if patch else None
    return NodeEvent(EventKind.NODE, node=name, branch=on, state_patch=data, next=Next(to))


def error(name: str, *, on: str = MAIN) -> NodeEvent:
    what = NodeError(ErrorClass.UNKNOWN, "KeyError", "gone")
    return NodeEvent(EventKind.ERROR, node=name, branch=on, error=what)


def edit(patch: dict[str, Any]) -> NodeEvent:
    return NodeEvent(EventKind.EDIT, state_patch=json.dumps(patch).encode())


def numbered(events: Iterable[NodeEvent]) -> list[NodeEvent]:
    return [replace(event, seq=seq) for seq, event in enumerate(events, 1)]


def stand(*events: NodeEvent, state: bytes = START, state_rev: int = 0) -> dict[str, Any]:
    """Return for each open line its state, parsed, its next node and its failures."""
    execution = make_execution(Status.RUNNING, state=state, state_rev=state_rev)
    return {
        line: (json.loads(at.state), at.next.node if at.next else "its first", at.failures)
        for line, at in positions(execution, numbered(events)).items()
    }


def test_an_execution_without_history_stands_before_its_first_node() -> None:
    execution = make_execution(Status.RUNNING, state=START, state_rev=0)

    assert positions(execution, []) == {MAIN: Position(START, None, 0)}


def test_the_main_line_stands_behind_its_last_node() -> None:
    assert stand(node("A", "B", patch={"a": 1}), node("B", "C", patch={"b": 2})) == {
        MAIN: ({"a": 1, "b": 2}, "C", 0)
    }


def test_a_finished_line_has_no_next_node() -> None:
    assert stand(node("A")) == {MAIN: ({"a": 0}, None, 0)}


def test_the_fields_of_the_next_node_are_kept() -> None:
    event = replace(node("A"), next=Next("B", b'{"count":3}'))
    execution = make_execution(Status.RUNNING, state=START, state_rev=0)

    assert positions(execution, numbered([event]))[MAIN].next == Next("B", b'{"count":3}')


def test_failures_are_counted_until_the_node_has_finished() -> None:
    failing = [node("A", "B"), error("B"), error("B")]

    assert stand(*failing) == {MAIN: ({"a": 0}, "B", 2)}
    assert stand(*failing, node("B", "C")) == {MAIN: ({"a": 0}, "C", 0)}


def test_a_failure_before_the_first_node_is_counted() -> None:
    assert stand(error("A")) == {MAIN: ({"a": 0}, "its first", 1)}


def test_an_edit_changes_the_state_and_nothing_else() -> None:
    assert stand(node("A", "B"), error("B"), edit({"a": 5})) == {MAIN: ({"a": 5}, "B", 1)}


def test_a_snapshot_holds_what_the_main_line_did_up_to_its_rev() -> None:
    events = [node("A", "B", patch={"a": 1}), node("B", "C", patch={"a": 2}), edit({"b": 3})]

    assert stand(*events, state=b'{"a":7}', state_rev=2) == {MAIN: ({"a": 7, "b": 3}, "C", 0)}


def test_lines_that_change_no_state_are_passed_over() -> None:
    status = NodeEvent(EventKind.STATUS, note="resumed")
    predictor = NodeEvent(EventKind.PREDICTOR, node="draft", output=b"{}")

    assert stand(node("A", "B"), status, predictor) == {MAIN: ({"a": 0}, "B", 0)}


def test_a_branch_opens_on_the_state_of_the_line_it_left() -> None:
    events = [
        node("A", "Both", patch={"a": 1}),
        node("One", on="Both.0", patch={"b": 2}),
        error("Two", on="Both.1"),
    ]

    assert stand(*events) == {
        MAIN: ({"a": 1}, "Both", 0),
        "Both.0": ({"a": 1, "b": 2}, None, 0),
        "Both.1": ({"a": 1}, "its first", 1),
    }


def test_a_branch_opens_on_a_snapshot() -> None:
    events = [node("A", "Both", patch={"a": 1}), node("One", on="Both.0", patch={"b": 2})]

    lines = stand(*events, state=b'{"a":1}', state_rev=1)

    assert lines["Both.0"] == ({"a": 1, "b": 2}, None, 0)


def test_a_snapshot_while_branches_are_under_way_keeps_what_they_did() -> None:
    """An execution that goes on under another version of its graph is stored as a whole."""
    events = [node("One", "Two", on="Both.0", patch={"b": 2}), NodeEvent(EventKind.STATUS)]

    assert stand(*events, state_rev=2)["Both.0"] == ({"a": 0, "b": 2}, "Two", 0)


def test_branches_close_when_their_parallel_has_finished() -> None:
    events = [
        node("One", on="Both.0", patch={"b": 1}),
        node("Two", on="Both.1", patch={"c": 1}),
        node("Both", "End", patch={"b": 1, "c": 1}),
    ]

    assert stand(*events) == {MAIN: ({"a": 0, "b": 1, "c": 1}, "End", 0)}


def test_a_parallel_that_is_run_again_opens_its_branches_anew() -> None:
    events = [
        node("One", on="Both.0", patch={"b": 1}),
        node("Both", "Both", patch={"a": 9}),
        error("One", on="Both.0"),
    ]

    assert stand(*events)["Both.0"] == ({"a": 9}, "its first", 1)


def test_inner_branches_close_with_the_inner_parallel_only() -> None:
    events = [
        node("One", "Inner", on="Outer.0", patch={"b": 1}),
        node("Two", on="Outer.1"),
        node("Three", on="Outer.0/Inner.0", patch={"c": 1}),
        node("Inner", on="Outer.0", patch={"c": 1}),
    ]

    assert stand(*events).keys() == {MAIN, "Outer.0", "Outer.1"}


def test_a_branch_that_begins_with_a_parallel_opens_on_the_state_of_the_main_line() -> None:
    events = [node("A", "Outer", patch={"a": 1}), node("One", on="Outer.0/Inner.0", patch={"b": 2})]

    assert stand(*events)["Outer.0/Inner.0"] == ({"a": 1, "b": 2}, None, 0)


@given(
    patches=st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(), min_size=1)),
    data=st.data(),
)
@settings(deadline=None)
def test_a_snapshot_at_any_rev_gives_the_same_state(
    patches: list[dict[str, int]], data: st.DataObject
) -> None:
    rev = data.draw(st.integers(0, len(patches)))
    events = [node("A", "A", patch=patch) for patch in patches]
    snapshot = {"a": 0}
    for patch in patches[:rev]:
        snapshot |= patch

    assert (
        stand(*events, state=json.dumps(snapshot).encode(), state_rev=rev)[MAIN][0]
        == (stand(*events)[MAIN][0])
    )


def before(*events: NodeEvent) -> list[Any]:
    return [json.loads(state) for state in states_before(START, numbered(events)).values()]


def test_the_state_before_a_node_is_what_the_line_had_made_of_it() -> None:
    events = [node("A", "B", patch={"a": 1}), error("B"), node("B", patch={"a": 2}), edit({"b": 1})]

    assert before(*events) == [{"a": 0}, {"a": 1}, {"a": 1}, {"a": 2}]


def test_a_branch_sees_nothing_of_its_siblings() -> None:
    events = [
        node("A", "Both", patch={"a": 1}),
        node("One", on="Both.0", patch={"b": 1}),
        node("Two", on="Both.1", patch={"c": 1}),
        node("Both", "B", patch={"b": 1, "c": 1}),
        node("B"),
    ]

    assert before(*events) == [{"a": 0}, {"a": 1}, {"a": 1}, {"a": 1}, {"a": 1, "b": 1, "c": 1}]


@pytest.mark.parametrize("between", [NodeEvent(EventKind.STATUS), error("Both")])
def test_what_is_said_on_the_main_line_leaves_a_branch_as_it_is(between: NodeEvent) -> None:
    events = [node("One", "Two", on="Both.0", patch={"b": 1}), between, node("Two", on="Both.0")]

    assert before(*events)[-1] == {"a": 0, "b": 1}


def test_branches_of_a_second_round_see_the_first() -> None:
    events = [
        node("One", on="Both.0", patch={"b": 1}),
        node("Both", "Both", patch={"b": 1}),
        node("One", on="Both.0", patch={"b": 2}),
    ]

    assert before(*events)[-1] == {"a": 0, "b": 1}


def test_a_branch_that_begins_with_a_parallel_sees_the_main_line() -> None:
    events = [node("A", "Outer", patch={"a": 1}), node("One", on="Outer.0/Inner.0")]

    assert before(*events) == [{"a": 0}, {"a": 1}]


@pytest.mark.parametrize(("parent", "line"), [(MAIN, "Both.1"), ("Draft.0", "Draft.0/Both.1")])
def test_a_branch_is_named_by_its_path(parent: str, line: str) -> None:
    assert branch_line(parent, "Both", 1) == line


@pytest.mark.parametrize(
    ("line", "outer", "inside"),
    [
        ("Both.1", MAIN, True),
        ("Both.1/Inner.0", MAIN, True),
        ("Both.1/Inner.0", "Both.1", True),
        ("Both.1", "Both.1", False),
        (MAIN, MAIN, False),
        ("Both.10", "Both.1", False),
        ("Both.1", "Both.1/Inner.0", False),
        (MAIN, "Both.1", False),
    ],
)
def test_a_line_is_inside_of_those_that_lead_to_it(line: str, outer: str, inside: bool) -> None:
    assert is_inside(line, outer) is inside
