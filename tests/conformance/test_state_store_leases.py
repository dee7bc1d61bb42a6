"""What `execution.store.StateStore` promises about leases, in memory and in PostgreSQL.

A lease of 0 seconds has run out as soon as it is taken.
"""

from __future__ import annotations

import asyncio

import pytest

from liftgraph_dagster.errors import ExecutionBusy, ExecutionEnded
from liftgraph_dagster.execution.records import (
    EventKind,
    ExecutionId,
    Lease,
    NodeEvent,
    Status,
    new_execution_id,
)
from liftgraph_dagster.execution.store import Commit, StateStore
from tests.conformance.conftest import stored

ADA = "desk/boot/17/4711/aaaa"
BOB = "shelf/boot/18/4712/bbbb"


@pytest.fixture
async def execution_id(store: StateStore) -> ExecutionId:
    return (await stored(store)).id


async def test_a_free_lease_is_taken(store: StateStore, execution_id: ExecutionId) -> None:
    lease = await store.acquire(execution_id, ADA, ttl_s=60)

    assert lease == Lease(execution_id, ADA, 1)
    assert await store.holder(execution_id) == ADA


async def test_nobody_holds_what_was_never_taken(
    store: StateStore, execution_id: ExecutionId
) -> None:
    assert await store.holder(execution_id) is None


async def test_a_held_lease_is_refused_and_names_its_holder(
    store: StateStore, execution_id: ExecutionId
) -> None:
    await store.acquire(execution_id, ADA, ttl_s=60)
    with pytest.raises(ExecutionBusy, match="process 17 on desk") as caught:
        await store.acquire(execution_id, BOB, ttl_s=60)

    assert caught.value.execution_id == execution_id
    assert await store.holder(execution_id) == ADA


async def test_leases_of_two_executions_do_not_touch(store: StateStore) -> None:
    one, other = await stored(store), await stored(store)
    await store.acquire(one.id, ADA, ttl_s=60)
    lease = await store.acquire(other.id, BOB, ttl_s=60)

    assert lease.epoch == 1


async def test_of_concurrent_owners_exactly_one_gets_the_lease(
    store: StateStore, execution_id: ExecutionId
) -> None:
    outcomes = await asyncio.gather(
        *(store.acquire(execution_id, f"owner {n}", ttl_s=60) for n in range(8)),
        return_exceptions=True,
    )
    leases = [outcome for outcome in outcomes if isinstance(outcome, Lease)]

    assert len(leases) == 1
    assert {type(o) for o in outcomes if not isinstance(o, Lease)} == {ExecutionBusy}
    assert await store.holder(execution_id) == leases[0].owner


async def test_a_lease_that_ran_out_has_no_holder(
    store: StateStore, execution_id: ExecutionId
) -> None:
    await store.acquire(execution_id, ADA, ttl_s=0)

    assert await store.holder(execution_id) is None


async def test_a_lease_that_ran_out_is_taken_over_under_a_new_epoch(
    store: StateStore, execution_id: ExecutionId
) -> None:
    await store.acquire(execution_id, ADA, ttl_s=0)
    lease = await store.acquire(execution_id, BOB, ttl_s=60)

    assert lease == Lease(execution_id, BOB, 2)


async def test_a_released_lease_is_free(store: StateStore, execution_id: ExecutionId) -> None:
    await store.release(await store.acquire(execution_id, ADA, ttl_s=60))

    assert await store.holder(execution_id) is None


async def test_the_epoch_counts_on_after_a_release(
    store: StateStore, execution_id: ExecutionId
) -> None:
    await store.release(await store.acquire(execution_id, ADA, ttl_s=60))
    lease = await store.acquire(execution_id, ADA, ttl_s=60)

    assert lease.epoch == 2


async def test_a_lease_is_taken_from_the_holder_that_is_named(
    store: StateStore, execution_id: ExecutionId
) -> None:
    await store.acquire(execution_id, ADA, ttl_s=60)
    lease = await store.acquire(execution_id, BOB, ttl_s=60, instead_of=ADA)

    assert lease == Lease(execution_id, BOB, 2)
    assert await store.holder(execution_id) == BOB


async def test_a_lease_is_not_taken_from_a_holder_that_is_not_named(
    store: StateStore, execution_id: ExecutionId
) -> None:
    await store.acquire(execution_id, ADA, ttl_s=60)
    with pytest.raises(ExecutionBusy):
        await store.acquire(execution_id, BOB, ttl_s=60, instead_of="somebody else")

    assert await store.holder(execution_id) == ADA


async def test_of_two_heirs_of_a_dead_holder_one_gets_the_lease(
    store: StateStore, execution_id: ExecutionId
) -> None:
    await store.acquire(execution_id, ADA, ttl_s=60)
    outcomes = await asyncio.gather(
        *(store.acquire(execution_id, f"heir {n}", ttl_s=60, instead_of=ADA) for n in range(4)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Lease) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ExecutionBusy) for outcome in outcomes) == 3


async def test_a_renewed_lease_lasts(store: StateStore, execution_id: ExecutionId) -> None:
    lease = await store.acquire(execution_id, ADA, ttl_s=0)
    renewed = await store.renew(lease, ttl_s=60)

    assert renewed
    assert await store.holder(execution_id) == ADA


async def test_a_lease_that_another_has_is_not_renewed(
    store: StateStore, execution_id: ExecutionId
) -> None:
    lost = await store.acquire(execution_id, ADA, ttl_s=0)
    await store.acquire(execution_id, BOB, ttl_s=0)
    renewed = await store.renew(lost, ttl_s=60)

    assert not renewed
    assert await store.holder(execution_id) is None


async def test_a_lease_of_an_older_epoch_is_not_renewed(
    store: StateStore, execution_id: ExecutionId
) -> None:
    old = await store.acquire(execution_id, ADA, ttl_s=0)
    await store.acquire(execution_id, ADA, ttl_s=60)

    assert not await store.renew(old, ttl_s=60)


async def test_a_lease_that_another_has_is_not_released(
    store: StateStore, execution_id: ExecutionId
) -> None:
    lost = await store.acquire(execution_id, ADA, ttl_s=0)
    await store.acquire(execution_id, BOB, ttl_s=60)
    await store.release(lost)

    assert await store.holder(execution_id) == BOB


async def test_a_lease_of_an_older_epoch_is_not_released(
    store: StateStore, execution_id: ExecutionId
) -> None:
    old = await store.acquire(execution_id, ADA, ttl_s=0)
    await store.acquire(execution_id, ADA, ttl_s=60)
    await store.release(old)

    assert await store.holder(execution_id) == ADA


@pytest.mark.parametrize(
    "status", [Status.RUNNING, Status.WAITING, Status.SUSPENDED, Status.FAILED]
)
async def test_what_can_go_on_can_be_held(
    status: Status, store: StateStore, execution_id: ExecutionId
) -> None:
    await store.commit(execution_id, Commit(0, [NodeEvent(EventKind.STATUS)], status=status))

    assert await store.acquire(execution_id, ADA, ttl_s=60)


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.CANCELLED])
async def test_what_has_ended_cannot_be_held(
    status: Status, store: StateStore, execution_id: ExecutionId
) -> None:
    await store.commit(execution_id, Commit(0, [NodeEvent(EventKind.STATUS)], status=status))
    with pytest.raises(ExecutionEnded, match=status) as caught:
        await store.acquire(execution_id, ADA, ttl_s=60)

    assert caught.value.execution_id == execution_id
    assert await store.holder(execution_id) is None


async def test_an_unknown_execution_has_no_holder(store: StateStore) -> None:
    assert await store.holder(new_execution_id()) is None


async def test_a_lease_of_an_unknown_execution_is_not_renewed(store: StateStore) -> None:
    assert not await store.renew(Lease(new_execution_id(), ADA, 1), ttl_s=60)


async def test_a_lease_of_an_unknown_execution_is_released_in_silence(store: StateStore) -> None:
    await store.release(Lease(new_execution_id(), ADA, 1))
