# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Acquire, release, renew, drain, expiry."""

import asyncio
import gc
import math

import lpcase
import pytest
from gi.repository import Lp


async def test_options(manager):
    async with await manager.acquire(owner="x", lease_seconds=30, timeout=2.0, wait=True, priority=3) as lease:
        assert (lease.owner, lease.lease_seconds, lease.grace_seconds) == ("x", 30, 15)
        assert lease.state == Lp.LeaseState.ACTIVE
        assert lease.manager is manager
        assert manager.leased_count == 1
        assert lease.hard_expires_at - lease.soft_expires_at == 15_000_000
    assert lease.state == Lp.LeaseState.RELEASED
    assert manager.leased_count == 0


async def test_defaults(manager):
    async with await manager.acquire() as lease:
        assert (lease.owner, lease.lease_seconds) == (None, 300)


async def test_request_object(manager):
    async with await manager.acquire(Lp.Request(owner="y")) as lease:
        assert lease.owner == "y"
    with pytest.raises(TypeError):
        await manager.acquire(Lp.Request(), owner="y")
    with pytest.raises(TypeError, match="lease_second"):
        await manager.acquire(lease_second=5)


@pytest.mark.parametrize("name, value", [
    ("lease_seconds", -1), ("lease_seconds", 0), ("lease_seconds", math.nan), ("lease_seconds", "1"),
    ("timeout", -1), ("timeout", math.inf), ("timeout", True), ("priority", 1.5)])
async def test_bad_values(manager, name, value):
    with pytest.raises(ValueError, match=name):
        await manager.acquire(**{name: value})


async def test_bad_types(manager):
    with pytest.raises(TypeError, match="owner"):
        await manager.acquire(owner=5)
    with pytest.raises(TypeError, match="wait"):
        await manager.acquire(wait="no")


async def test_no_wait(manager):
    async with await manager.acquire(owner="holder"):
        for options in ({"wait": False}, {"timeout": 0}):
            with pytest.raises(Lp.LeaseUnavailableError, match="holder"):
                await manager.acquire(**options)
        with pytest.raises(Lp.LeaseUnavailableError):
            manager.try_acquire()
    async with await manager.acquire(wait=False):
        pass


async def test_time_out(manager):
    async with await manager.acquire(owner="holder"):
        with pytest.raises(TimeoutError, match="holder"):
            await manager.acquire(timeout=0.01)
        with pytest.raises(Lp.LeasePoolError):
            await manager.acquire(timeout=0.01)
    assert manager.stats()["timed_out"] == 2


async def test_waiters_are_served_in_order(manager):
    order = []

    async def use(number):
        async with await manager.acquire():
            order.append(number)

    async with await manager.acquire():
        tasks = []
        for number in range(5):
            tasks.append(asyncio.ensure_future(use(number)))
            await lpcase.until(lambda: manager.waiting_count == number + 1, "it waits")
    await asyncio.gather(*tasks)
    assert order == list(range(5))


async def test_release_takes_effect_at_once_and_may_be_awaited(manager):
    lease = await manager.acquire()
    lease.release()
    assert manager.leased_count == 0
    await lease.release()
    lease = await manager.acquire()
    await lease.release()
    assert lease.state == Lp.LeaseState.RELEASED


async def test_release_by_id(manager):
    lease = await manager.acquire()
    released = manager.release(lease.id)
    assert released and manager.leased_count == 0
    assert await released is True
    assert await manager.release(lease.id) is False
    assert not manager.release("no-such-lease")


async def test_leases(managers):
    manager = managers(3)
    await manager.start()
    leases = [await manager.acquire(owner=owner) for owner in "abc"]
    assert [lease.owner for lease in manager.leases] == ["a", "b", "c"]
    assert {lease.id for lease in manager.leases} == {lease.id for lease in leases}
    assert all(lease.state == Lp.LeaseState.ACTIVE for lease in manager.leases)
    for lease in leases:
        await lease.release()
    await lpcase.until(lambda: not manager.leases, "the list is empty")


async def test_blocks_that_raise_release(manager):
    with pytest.raises(KeyError):
        async with await manager.acquire():
            raise KeyError
    assert manager.leased_count == 0
    with pytest.raises(KeyError):
        with await manager.acquire():
            raise KeyError
    assert manager.leased_count == 0


async def test_dropped_leases_are_released(manager):
    lease = await manager.acquire(owner="forgetful")
    assert manager.leased_count == 1
    del lease
    gc.collect()
    assert manager.leased_count == 0


async def test_draining(manager):
    """A released lease refuses work, and its executor is back when what was accepted has ended."""
    with lpcase.closed_gate() as gate:
        async with await manager.acquire() as lease:
            futures = [lease.submit(gate, n) for n in range(3)]
            await gate.wait_entered()
        assert lease.state == Lp.LeaseState.DRAINING
        assert manager.stats()["draining"] == 1
        with pytest.raises(Lp.LeaseExpiredError):
            lease.submit(int)
        drained = asyncio.ensure_future(lease.drain())
        with pytest.raises(TimeoutError):
            await manager.acquire(timeout=0.01)
        gate.open()
        await drained
        assert [future.result() for future in futures] == [0, 1, 2]
        assert manager.leased_count == 0


async def test_soft_and_hard_expiry(managers):
    manager = managers(lease_grace_seconds=0.02, cancel_grace_seconds=0.01, function_module=lpcase.FUNCTIONS_MODULE)
    await manager.start()
    expiring = []
    manager.connect("lease-expiring", lambda _manager, info: expiring.append(info.owner))
    with lpcase.closed_gate() as gate:
        lease = await manager.acquire(owner="late")
        lease.renew(0.05)
        with pytest.raises(Lp.LeaseExpiredError, match="late"):
            await lease.run(gate)
        assert lease.state == Lp.LeaseState.EXPIRED
        for call in (lease.run(int), lease.call("echo")):
            with pytest.raises(Lp.LeaseExpiredError):
                await call
        with pytest.raises(Lp.LeaseExpiredError):
            lease.submit(int)
        with pytest.raises(Lp.LeaseExpiredError):
            lease.renew()
        await lpcase.until(lambda: expiring, "the signal came")
        assert expiring == ["late"]
        # A replacement, though the thread still is in the gate.
        assert await manager.run(int) == 0


async def test_renew(manager):
    lease = await manager.acquire(lease_seconds=10)
    before = lease.soft_expires_at
    lease.renew()
    assert before <= lease.soft_expires_at < before + 10_000_000
    lease.renew(100)
    assert lease.soft_expires_at > before + 80_000_000
    for bad in (0, math.nan, "1"):
        with pytest.raises(ValueError, match="seconds"):
            lease.renew(bad)
    lease.release()


async def test_stopped(managers):
    manager = managers(cancel_grace_seconds=0.01)
    await manager.start()
    with lpcase.closed_gate() as gate:
        lease = await manager.acquire()
        job = asyncio.ensure_future(lease.run(gate))
        whole = asyncio.ensure_future(manager.run(int))
        waiter = asyncio.ensure_future(manager.acquire())
        await gate.wait_entered()
        await manager.stop()
        for waiting in (job, waiter, whole):
            with pytest.raises(Lp.LeasePoolNotStartedError):
                await waiting
        assert lease.state == Lp.LeaseState.STOPPED
        with pytest.raises(Lp.LeaseExpiredError):
            await lease.run(int)


async def test_says_what_it_is(manager):
    async with await manager.acquire(owner="me") as lease:
        assert lease.id in repr(lease) and "me" in repr(lease) and "active" in repr(lease)
        assert lease.id in repr(manager.leases[0])
