from __future__ import annotations

import datetime as dt
import time
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftgraph_dagster.execution.records import (
    NO_USAGE,
    EventKind,
    Next,
    NodeEvent,
    Status,
    Usage,
    new_execution_id,
    now,
)
from tests.factories import make_execution

usages = st.builds(
    Usage,
    calls=st.integers(0, 9),
    prompt_tokens=st.integers(0, 9),
    cached_tokens=st.integers(0, 9),
    completion_tokens=st.integers(0, 9),
    model_seconds=st.integers(0, 9).map(float),
    model=st.sampled_from([None, "a", "b"]),
    cost=st.none() | st.integers(0, 9).map(float),
)


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        (Status.RUNNING, False),
        (Status.WAITING, False),
        (Status.SUSPENDED, False),
        (Status.FAILED, False),
        (Status.SUCCEEDED, True),
        (Status.CANCELLED, True),
    ],
)
def test_a_status_says_whether_an_execution_can_go_on(status: Status, ended: bool) -> None:
    assert status.ended is ended


def test_usage_is_added_field_by_field() -> None:
    one = Usage(1, 10, 2, 5, 0.5, model="a", cost=1.0)
    other = Usage(2, 20, 4, 7, 1.5, model="b", cost=2.5)

    assert one + other == Usage(3, 30, 6, 12, 2.0, model="b", cost=3.5)


@given(one=usages, two=usages, three=usages)
@settings(deadline=None)
def test_usage_adds_up_whatever_is_added_first(one: Usage, two: Usage, three: Usage) -> None:
    assert (one + two) + three == one + (two + three)


@given(usage=usages)
@settings(deadline=None)
def test_no_usage_adds_nothing(usage: Usage) -> None:
    assert usage + NO_USAGE == NO_USAGE + usage == usage


@pytest.mark.parametrize(
    ("one", "other", "cost"),
    [(None, None, None), (1.0, None, 1.0), (None, 0.0, 0.0), (1.0, 2.0, 3.0)],
)
def test_a_cost_is_known_when_one_of_the_costs_is(
    one: float | None, other: float | None, cost: float | None
) -> None:
    assert (Usage(cost=one) + Usage(cost=other)).cost == cost


def test_tokens_are_those_in_and_out() -> None:
    assert Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=3).tokens == 13


def test_an_execution_id_is_a_uuid_of_version_7() -> None:
    made = uuid.UUID(new_execution_id())

    assert made.version == 7
    assert made.variant == uuid.RFC_4122


def test_an_execution_id_begins_with_the_millisecond_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_execution_id()).int >> 80
    after = time.time_ns() // 1_000_000

    assert before <= made <= after


def test_execution_ids_are_unique() -> None:
    assert len({new_execution_id() for _ in range(1000)}) == 1000


def test_now_is_aware_and_in_utc() -> None:
    assert now().utcoffset() == dt.timedelta(0)


def test_events_are_dated_when_they_are_made() -> None:
    before = now()
    event = NodeEvent(EventKind.NODE)

    assert before <= event.started_at <= now()


def test_an_execution_evolves_into_a_copy() -> None:
    execution = make_execution(Status.RUNNING)

    evolved = execution.evolve(status=Status.FAILED, rev=9)

    assert (evolved.id, evolved.status, evolved.rev) == (execution.id, Status.FAILED, 9)
    assert (execution.status, execution.rev) == (Status.RUNNING, 2)


def test_a_next_node_carries_nothing_unless_told() -> None:
    assert Next("Route") == Next("Route", b"{}")
