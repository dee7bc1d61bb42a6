"""What `execution.store.StateStore` promises, kept in memory and in PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from liftgraph_dagster.errors import (
    ExecutionEnded,
    ExecutionFenced,
    NotFound,
)
from liftgraph_dagster.execution.records import (
    EventKind,
    ExecutionId,
    NodeEvent,
    Status,
    new_execution_id,
)
from liftgraph_dagster.execution.store import Commit, ExecutionFilter, StateStore
from tests.conformance.conftest import PROGRAMS, stored

STEP = NodeEvent(EventKind.NODE, node="Classify")
UNKNOWN_IDS = [new_execution_id(), ExecutionId("no uuid")]


def steps(*nodes: str) -> list[NodeEvent]:
    return [NodeEvent(EventKind.NODE, node=node) for node in nodes]


async def nodes(store: StateStore, execution_id: ExecutionId, **page: Any) -> list[str]:
    return [event.node for event in await store.history(execution_id, **page)]


async def test_a_created_execution_is_there(store: StateStore) -> None:
    parent = await stored(store)
    execution = await stored(
        store,
        user_id="ada",
        attrs={"desk": "accounts"},
        flags={"shade": "blue"},
        parent_id=parent.id,
        forked_at_rev=1,
    )

    assert await store.get(execution.id) == execution


async def test_a_new_execution_has_no_history(store: StateStore) -> None:
    execution = await stored(store)

    assert await store.history(execution.id) == []


@pytest.mark.parametrize("unknown", UNKNOWN_IDS, ids=["uuid", "text"])
@pytest.mark.parametrize(
    "call",
    [
        lambda store, id: store.get(id),
        lambda store, id: store.history(id),
        lambda store, id: store.history(id, after=3),
        lambda store, id: store.commit(id, Commit(0, [STEP])),
        lambda store, id: store.acquire(id, "ada", ttl_s=60),
        lambda store, id: store.cancel(id, reason="enough"),
    ],
    ids=["get", "history", "later history", "commit", "acquire", "cancel"],
)
async def test_an_unknown_execution_is_not_found(
    call: Any, unknown: ExecutionId, store: StateStore
) -> None:
    with pytest.raises(NotFound, match=unknown):
        await call(store, unknown)


async def test_a_manifest_is_remembered(store: StateStore) -> None:
    await store.remember("tickets", "v1", {"Classify": "a", "état": "b"})

    assert await store.manifest("v1") == {"Classify": "a", "état": "b"}


async def test_a_known_manifest_stays(store: StateStore) -> None:
    await store.remember("tickets", "v1", {"Classify": "a"})
    await store.remember("tickets", "v1", {"Classify": "b"})

    assert await store.manifest("v1") == {"Classify": "a"}


async def test_an_unknown_version_is_not_found(store: StateStore) -> None:
    with pytest.raises(NotFound, match="v9"):
        await store.manifest("v9")


async def test_a_commit_advances_rev_by_its_events(store: StateStore) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, steps("A", "B")))
    await store.commit(execution.id, Commit(2, steps("C")))

    assert (await store.get(execution.id)).rev == 3


async def test_events_have_their_places_in_order(store: StateStore) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, steps("A", "B")))
    await store.commit(execution.id, Commit(2, steps("C")))
    history = await store.history(execution.id)

    assert [(event.seq, event.node) for event in history] == [(1, "A"), (2, "B"), (3, "C")]


async def test_events_alone_change_nothing_else(store: StateStore) -> None:
    execution = await stored(store, attrs={"desk": "?"})
    await store.commit(execution.id, Commit(0, [STEP]))

    assert await store.get(execution.id) == execution.evolve(rev=1)


async def test_a_commit_stores_what_comes_with_the_events(store: StateStore) -> None:
    execution = await stored(store, attrs={"desk": "?", "topic": "billing"})
    commit = Commit(
        0,
        steps("A", "B"),
        status=Status.SUSPENDED,
        state=b'{"text":""}',
        attrs={"desk": "accounts"},
        graph_version="newer version",
    )
    await store.commit(execution.id, commit)

    assert await store.get(execution.id) == execution.evolve(
        rev=2,
        status=Status.SUSPENDED,
        state=b'{"text":""}',
        state_rev=2,
        attrs={"desk": "accounts", "topic": "billing"},
        graph_version="newer version",
    )


@pytest.mark.parametrize(
    ("status", "is_finished"),
    [
        (Status.RUNNING, False),
        (Status.WAITING, False),
        (Status.SUSPENDED, False),
        (Status.SUCCEEDED, True),
        (Status.FAILED, True),
        (Status.CANCELLED, True),
    ],
)
async def test_finished_at_tells_whether_it_is_finished(
    status: Status, is_finished: bool, store: StateStore
) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, [STEP], status=Status.FAILED))
    await store.commit(execution.id, Commit(1, [STEP], status=status))
    finished_at = (await store.get(execution.id)).finished_at

    assert (finished_at is not None) == is_finished


async def test_finished_at_stays_when_the_status_is_not_set(store: StateStore) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, [STEP], status=Status.FAILED))
    failed = await store.get(execution.id)
    await store.commit(execution.id, Commit(1, [STEP]))

    assert await store.get(execution.id) == failed.evolve(rev=2)


@pytest.mark.parametrize("rev", [0, 1, 3, 4])
async def test_a_commit_on_another_rev_is_fenced_and_stores_nothing(
    rev: int, store: StateStore
) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, steps("A", "B")))
    before = await store.get(execution.id)
    with pytest.raises(ExecutionFenced) as caught:
        await store.commit(
            execution.id, Commit(rev, steps("C"), Status.SUCCEEDED, b"{}", {"desk": "x"})
        )

    assert caught.value.execution_id == execution.id
    assert await store.get(execution.id) == before
    assert await nodes(store, execution.id) == ["A", "B"]


async def test_of_concurrent_commits_at_one_rev_exactly_one_wins(store: StateStore) -> None:
    execution = await stored(store)
    names = [f"Writer{number}" for number in range(8)]
    outcomes = await asyncio.gather(
        *(store.commit(execution.id, Commit(0, steps(name, name))) for name in names),
        return_exceptions=True,
    )
    winners = [name for name, lost in zip(names, outcomes, strict=True) if lost is None]

    assert len(winners) == 1
    assert {type(lost) for lost in outcomes if lost} == {ExecutionFenced}
    assert await nodes(store, execution.id) == winners * 2
    assert (await store.get(execution.id)).rev == 2


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ({}, ["A", "B", "C"]),
        ({"after": 1}, ["B", "C"]),
        ({"after": 3}, []),
        ({"after": 9}, []),
        ({"limit": 2}, ["A", "B"]),
        ({"limit": 0}, []),
        ({"limit": 9}, ["A", "B", "C"]),
        ({"after": 1, "limit": 1}, ["B"]),
    ],
)
async def test_a_history_is_read_in_pages(
    page: dict[str, int], expected: list[str], store: StateStore
) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, steps("A", "B", "C")))

    assert await nodes(store, execution.id, **page) == expected


async def test_histories_do_not_mix(store: StateStore) -> None:
    one, other = await stored(store), await stored(store)
    await store.commit(one.id, Commit(0, steps("A")))
    await store.commit(other.id, Commit(0, steps("B")))

    assert await nodes(store, one.id) == ["A"]


async def found(store: StateStore, where: ExecutionFilter, **page: int) -> list[ExecutionId]:
    return [execution.id for execution in await store.find(where, **page)]


async def test_executions_are_found_newest_first(store: StateStore) -> None:
    ids = sorted([(await stored(store)).id for _ in range(5)], reverse=True)

    assert await found(store, ExecutionFilter()) == ids


async def test_a_found_execution_is_whole(store: StateStore) -> None:
    execution = await stored(store, attrs={"desk": "accounts"}, user_id="ada")

    assert await store.find(ExecutionFilter()) == [execution]


async def test_pages_hold_each_execution_once(store: StateStore) -> None:
    ids = sorted([(await stored(store)).id for _ in range(5)], reverse=True)
    first = await found(store, ExecutionFilter(), limit=2)
    second = await found(store, ExecutionFilter(before=first[-1]), limit=2)
    third = await found(store, ExecutionFilter(before=second[-1]), limit=2)

    assert [first, second, third] == [ids[:2], ids[2:4], ids[4:]]


OTHER: dict[str, Any] = {
    "graph": "letters",
    "status": Status.FAILED,
    "user_id": "bob",
    "program_digest": PROGRAMS[1].digest,
    "graph_version": "newer version",
    "attrs": {"desk": "support"},
}


@pytest.mark.parametrize("field", OTHER)
async def test_a_filter_keeps_those_that_match(field: str, store: StateStore) -> None:
    await stored(store, user_id="ada", attrs={"desk": "accounts"})
    await stored(store)
    other = await stored(store, **OTHER)

    assert await found(store, ExecutionFilter(**{field: OTHER[field]})) == [other.id]


async def test_filters_must_all_match(store: StateStore) -> None:
    both = await stored(store, user_id="ada", attrs={"desk": "accounts"})
    await stored(store, user_id="ada", attrs={"desk": "support"})
    await stored(store, user_id="bob", attrs={"desk": "accounts"})

    where = ExecutionFilter(user_id="ada", attrs={"desk": "accounts"})
    assert await found(store, where) == [both.id]


@pytest.mark.parametrize(
    ("attrs", "wanted", "is_found"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({"a": ["x", "y"]}, {"a": ["x", "y"]}, True),
        ({"a": ["x", "y"]}, {"a": ["x"]}, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, False),
        ({"a": "ünï\0"}, {"a": "ünï\0"}, True),
    ],
)
async def test_attributes_are_found_by_their_values(
    attrs: dict[str, Any], wanted: dict[str, Any], is_found: bool, store: StateStore
) -> None:
    execution = await stored(store, attrs=attrs)

    expected = [execution.id] if is_found else []
    assert await found(store, ExecutionFilter(attrs=wanted)) == expected


async def test_a_cancelled_execution_has_ended(store: StateStore) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, [STEP]))
    cancelled = await store.cancel(execution.id, reason="too late")

    assert cancelled == await store.get(execution.id)
    assert (cancelled.status, cancelled.rev) == (Status.CANCELLED, 2)
    assert cancelled.finished_at is not None


async def test_a_cancellation_stands_in_the_history(store: StateStore) -> None:
    execution = await stored(store)
    await store.cancel(execution.id, reason="too late")
    [event] = await store.history(execution.id)

    assert event.kind is EventKind.STATUS
    assert "too late" in (event.note or "")


async def test_a_cancellation_fences_off_the_process_that_runs_it(store: StateStore) -> None:
    execution = await stored(store)
    await store.acquire(execution.id, "ada", ttl_s=60)
    await store.cancel(execution.id, reason="too late")

    with pytest.raises(ExecutionFenced):
        await store.commit(execution.id, Commit(0, [STEP]))


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.CANCELLED])
async def test_what_has_ended_cannot_be_cancelled(status: Status, store: StateStore) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, [STEP], status=status))
    with pytest.raises(ExecutionEnded, match=execution.id):
        await store.cancel(execution.id, reason="too late")

    assert (await store.get(execution.id)).rev == 1


async def test_a_cancellation_among_commits_comes_through(store: StateStore) -> None:
    execution = await stored(store)

    async def walk() -> int:
        for rev in range(1000):
            try:
                await store.commit(execution.id, Commit(rev, [STEP]))
            except ExecutionFenced:
                return rev
            await asyncio.sleep(0)
        raise AssertionError("nobody fenced it off")

    done, cancelled = await asyncio.gather(walk(), store.cancel(execution.id, reason="too late"))

    assert cancelled.status is Status.CANCELLED
    assert (await store.get(execution.id)).rev == done + 1


async def test_of_concurrent_cancellations_one_succeeds(store: StateStore) -> None:
    execution = await stored(store)
    outcomes = await asyncio.gather(
        *(store.cancel(execution.id, reason="enough") for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(outcome, ExecutionEnded) for outcome in outcomes) == 3
    assert (await store.get(execution.id)).rev == 1
