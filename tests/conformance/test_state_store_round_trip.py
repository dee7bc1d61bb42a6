"""What `execution.store.StateStore` is given comes back as it was, byte for byte."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from liftgraph_dagster.errors import ErrorClass
from liftgraph_dagster.execution.records import (
    EventKind,
    Execution,
    Next,
    NodeError,
    NodeEvent,
    Usage,
    new_execution_id,
)
from liftgraph_dagster.execution.store import Commit, StateStore
from tests.conformance.conftest import fresh, stored

many = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

huge_ints = st.integers(min_value=-(10**300), max_value=10**300)
long_texts = st.integers(0, 20_000).map("ü\0".__mul__)
leaves = (
    st.none() | st.booleans() | huge_ints | st.floats() | st.just(-0.0) | st.text() | long_texts
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
json_bytes = values.map(lambda value: to_json(value, inf_nan_mode="constants"))
names = st.text(st.characters(codec="utf-8", exclude_characters="\0,"), min_size=1)
labels = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
times = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))
seconds = st.integers(0, 10**10).map(lambda us: us / 1e6)
counts = st.integers(0, 2**31 - 1)
usages = st.builds(
    Usage,
    calls=counts,
    prompt_tokens=counts,
    cached_tokens=counts,
    completion_tokens=counts,
    model_seconds=seconds,
    model=st.none() | labels,
    cost=st.none() | st.floats(0, 1e9),
)
events = st.builds(
    NodeEvent,
    kind=st.sampled_from(EventKind),
    node=labels,
    node_type=labels,
    branch=labels,
    attempt=st.integers(1, 2**15 - 1),
    started_at=times,
    duration_s=seconds,
    reads=st.lists(names, max_size=4).map(tuple),
    input_digest=st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
    output=st.none() | json_bytes,
    state_patch=st.none() | json_bytes,
    next=st.none() | st.builds(Next, node=st.none() | names, args=json_bytes),
    error=st.none()
    | st.builds(NodeError, error_class=st.sampled_from(ErrorClass), type=names, message=st.text()),
    note=st.none() | names,
    usage=usages,
    evidence=st.none() | json_bytes,
)
executions = st.builds(
    fresh,
    input=json_bytes,
    state=json_bytes,
    created_at=times,
    user_id=st.none() | labels,
    attrs=st.dictionaries(labels, st.none() | st.booleans() | labels | st.integers(-99, 99)),
    flags=st.dictionaries(labels, labels),
    forked_at_rev=st.none() | counts,
)

BODIES = {
    "nothing": b"",
    "empty text": b'""',
    "U+0000": b'"\\u0000"',
    "negative zero": b"-0.0",
    "exponent": b"1E+2",
    "spaces": b' {"a" : 1}\n',
    "key order": b'{"b":1,"a":2}',
    "key twice": b'{"a":1,"a":2}',
    "huge int": b"1" + b"0" * 5000,
    "emoji": '"🙂\u2028"'.encode(),
    "just below compression": b'"' + b"x" * 8189 + b'"',
    "just above compression": b'"' + b"x" * 8190 + b'"',
    "1 MB of one letter": b'"' + b"x" * 2**20 + b'"',
    "1 MB of noise": b'"' + random.Random(0).randbytes(2**19).hex().encode() + b'"',
}


@pytest.fixture(params=BODIES.values(), ids=list(BODIES))
def body(request: pytest.FixtureRequest) -> bytes:
    return request.param


@many
@given(execution=executions)
async def test_an_execution_comes_back_as_it_was(store: StateStore, execution: Execution) -> None:
    execution = execution.evolve(id=new_execution_id())
    await store.create(execution)

    assert await store.get(execution.id) == execution


@many
@given(events=st.lists(events, max_size=3))
async def test_events_come_back_as_they_were(store: StateStore, events: list[NodeEvent]) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, events))

    expected = [replace(event, seq=seq) for seq, event in enumerate(events, 1)]
    assert await store.history(execution.id) == expected


async def test_every_body_of_an_execution_comes_back_as_it_was(
    body: bytes, store: StateStore
) -> None:
    execution = await stored(store, input=body, state=body)

    kept = await store.get(execution.id)
    assert (kept.input, kept.state) == (body, body)


async def test_every_snapshot_comes_back_as_it_was(body: bytes, store: StateStore) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, [NodeEvent(EventKind.NODE)], state=body))

    assert (await store.get(execution.id)).state == body


async def test_every_body_of_an_event_comes_back_as_it_was(body: bytes, store: StateStore) -> None:
    execution = await stored(store)
    event = NodeEvent(
        EventKind.NODE, output=body, state_patch=body, next=Next("Route", body), seq=1
    )
    await store.commit(execution.id, Commit(0, [event]))

    assert await store.history(execution.id) == [event]


@pytest.mark.parametrize("note", ["", "ünï\u2028🙂", "two\nlines", "x" * 2**20, None])
async def test_a_note_comes_back_as_it_was(note: str | None, store: StateStore) -> None:
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, [NodeEvent(EventKind.STATUS, note=note)]))
    [event] = await store.history(execution.id)

    assert event.note == note


async def test_a_note_loses_no_more_than_its_nuls(store: StateStore) -> None:
    """A column of text holds no U+0000; a mark may stand in its place."""
    execution = await stored(store)
    await store.commit(execution.id, Commit(0, [NodeEvent(EventKind.STATUS, note="a\0b")]))
    [event] = await store.history(execution.id)

    assert event.note in ("a\0b", "a\ufffdb")


async def test_attributes_lose_no_more_than_their_nuls(store: StateStore) -> None:
    """jsonb holds no U+0000; the state keeps the original."""
    execution = await stored(store, attrs={"a\0": ["\0", {"\0b": "\0"}]})

    kept = (await store.get(execution.id)).attrs
    assert kept in ({"a\0": ["\0", {"\0b": "\0"}]}, {"a\ufffd": ["\ufffd", {"\ufffdb": "\ufffd"}]})


@pytest.mark.parametrize(
    "value", [1.5e308, 5e-324, 2**63 - 1, -(2**63), 2**64, 10**300], ids="{:.3g}".format
)
async def test_numbers_of_any_size_can_be_attributes(value: int | float, store: StateStore) -> None:
    """jsonb writes 1.5e308 in 309 digits, which read as an integer."""
    execution = await stored(store, attrs={"value": value})
    kept = (await store.get(execution.id)).attrs["value"]

    assert type(value)(kept) == value
