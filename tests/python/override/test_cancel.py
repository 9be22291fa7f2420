# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Cancelling tasks and asyncio.wait_for(): the acquire or the job is cancelled, and nothing leaks."""

import asyncio
import concurrent.futures
import gc
import random
import threading

import lpcase
import pytest
from gi.repository import Gio, GLib, Lp

ROUNDS = 2000 if lpcase.THOROUGH else 200


async def cancelled(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def until_cancelled():
    """A function of a job that looks whether it is cancelled."""
    stopped = threading.Event()
    cancellable = Lp.current_job().get_cancellable()
    cancellable.connect(lambda *_: stopped.set())
    assert stopped.wait(lpcase.SECONDS)
    cancellable.set_error_if_cancelled()


async def test_cancelled_waiter_leaves_and_the_lease_goes_on(manager):
    lease = await manager.acquire()
    first = asyncio.ensure_future(manager.acquire(owner="first"))
    await lpcase.until(lambda: manager.waiting_count == 1, "the first waits")
    second = asyncio.ensure_future(manager.acquire(owner="second"))
    await lpcase.until(lambda: manager.waiting_count == 2, "the second waits")
    await cancelled(first)
    await lpcase.until(lambda: manager.waiting_count == 1, "the first has left")
    lease.release()
    (await second).release()
    assert (manager.leased_count, manager.waiting_count) == (0, 0)


async def test_wait_for_an_acquire(manager):
    async with await manager.acquire():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(manager.acquire(), 0.01)
        await lpcase.until(lambda: manager.waiting_count == 0, "nobody waits")
    async with await asyncio.wait_for(manager.acquire(), lpcase.SECONDS):
        assert manager.leased_count == 1
    assert manager.leased_count == 0


async def test_cancelled_before_it_began(manager):
    task = asyncio.ensure_future(manager.acquire())
    await cancelled(task)
    assert manager.leased_count == 0


async def test_granted_when_it_is_cancelled(manager):
    """The lease is there, the task has not been told yet."""
    task = asyncio.ensure_future(manager.acquire())
    await asyncio.sleep(0)
    await lpcase.until(lambda: manager.leased_count == 1 or task.done(), "it is granted")
    if task.done():
        task.result().release()
    else:
        await cancelled(task)
    await lpcase.until(lambda: manager.leased_count == 0, "it is back")


async def test_cancelled_in_the_same_step_as_the_result(manager, event_loop):
    """The future of the call has its result, and the task, which has not run since, is cancelled."""
    futures = []
    create_future = event_loop.create_future

    def remember():
        futures.append(create_future())
        return futures[-1]

    lease = await manager.acquire()
    event_loop.create_future = remember
    try:
        task = event_loop.create_task(manager.acquire())
        await asyncio.sleep(0)
    finally:
        event_loop.create_future = create_future
    # Its callbacks are called in a later step of the loop than the one that sets the result.
    set_result = []

    def cancel_at_once(parcel):
        asyncio.Future.set_result(futures[0], parcel)
        set_result.append(task.cancel())

    call = task.get_coro().cr_await.cr_frame.f_locals["call"]
    call.future = _Watched(futures[0], cancel_at_once)
    await lpcase.until(lambda: manager.waiting_count == 1, "it waits")
    lease.release()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set_result == [True]
    del call
    await lpcase.until(lambda: manager.leased_count == 0, "it is back")


class _Watched:
    """A future whose set_result() is another function."""

    def __init__(self, future, set_result):
        self._future = future
        self.set_result = set_result

    def __getattr__(self, name):
        return getattr(self._future, name)


async def test_cancel_at_the_hand_off_in_many_rounds(manager):
    seed = random.randrange(2**32)
    print("seed", seed)
    rand = random.Random(seed)

    async def use():
        async with await manager.acquire():
            await asyncio.sleep(0)

    tasks = []
    for number in range(ROUNDS):
        tasks.append(asyncio.ensure_future(use()))
        for _ in range(rand.randrange(4)):
            await asyncio.sleep(0)
        if rand.random() < 0.6:
            rand.choice(tasks[-4:]).cancel()
        if number % 50 == 49:
            await asyncio.wait(tasks)
            tasks = [task for task in tasks if not task.done()]
    if tasks:
        await asyncio.wait(tasks)
    await lpcase.until(lambda: manager.leased_count == 0 and manager.waiting_count == 0, "all are back")
    assert await manager.run(int) == 0


async def test_wait_for_at_the_hand_off_in_many_rounds(manager):
    async def use():
        try:
            async with await asyncio.wait_for(manager.acquire(), 0.001):
                await asyncio.sleep(0.001)
        except asyncio.TimeoutError:
            pass

    for _ in range(max(1, ROUNDS // 20)):
        await asyncio.gather(*[use() for _ in range(8)])
    await lpcase.until(lambda: manager.leased_count == 0 and manager.waiting_count == 0, "all are back")


async def test_wait_for_a_running_job(manager):
    lease = await manager.acquire()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(lease.run(until_cancelled), 0.05)
    await lpcase.until(lambda: lease.pending_jobs == 0, "the job has ended")
    stats = manager.stats()
    assert stats["jobs_cancelled"] == 1 and stats["quarantined"] == 0
    assert await lease.run(int) == 0
    await lease.release()


async def test_cancelled_task_cancels_its_queued_job(manager):
    lease = await manager.acquire()
    with lpcase.closed_gate() as gate:
        running = [asyncio.ensure_future(lease.run(gate)) for _ in range(2)]
        await gate.wait_entered()
        await gate.wait_entered()
        queued = asyncio.ensure_future(lease.run(gate))
        await lpcase.until(lambda: lease.pending_jobs == 3, "it is queued")
        await cancelled(queued)
        await lpcase.until(lambda: lease.pending_jobs == 2, "it has left the queue")
        gate.open()
        await asyncio.gather(*running)
        assert gate.count == 2
    await lease.release()


async def test_cancelled_run_and_call_of_the_manager(manager):
    with lpcase.closed_gate() as gate:
        first = asyncio.ensure_future(manager.run(until_cancelled))
        await lpcase.until(lambda: manager.leased_count == 1, "the first runs")
        waiting = [asyncio.ensure_future(manager.run(gate)), asyncio.ensure_future(manager.call("echo"))]
        await lpcase.until(lambda: manager.waiting_count == 2, "the others wait")
        for task in waiting:
            await cancelled(task)
        await lpcase.until(lambda: manager.waiting_count == 0, "nobody waits")
        await cancelled(first)
        await lpcase.until(lambda: manager.leased_count == 0, "it is back")
        assert gate.count == 0


async def test_cancelled_start(managers):
    manager = managers(backend="process", worker_argv=["sleep", "1000"], start_timeout_seconds=lpcase.SECONDS)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(manager.start(), 0.05)
    await lpcase.until(lambda: not manager.running and manager.total_count == 0, "nothing is left")


async def test_futures_are_cancelled(manager):
    lease = await manager.acquire()
    with lpcase.closed_gate() as gate:
        gates = [lease.submit(gate) for _ in range(2)]
        await gate.wait_entered()
        await gate.wait_entered()
        queued = lease.submit(gate)
        assert queued.cancel() and queued.cancel() and queued.cancelled() and queued.done()
        with pytest.raises(concurrent.futures.CancelledError):
            queued.result()
        assert concurrent.futures.wait([queued], 0).done == {queued}
        # Also one that runs.
        assert gates[0].cancel() and gates[0].cancelled()
        wrapped = asyncio.wrap_future(gates[1])
        wrapped.cancel()
        await lpcase.until(gates[1].cancelled, "the future is cancelled")
        gate.open()
        await lpcase.until(lambda: lease.pending_jobs == 0, "the jobs have ended")
    done = lease.submit(int)
    assert await asyncio.wrap_future(done) == 0
    assert not done.cancel() and not done.cancelled()
    await lease.release()


async def test_run_in_executor_is_cancelled(manager, event_loop):
    lease = await manager.acquire()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(event_loop.run_in_executor(lease.executor, until_cancelled), 0.05)
    await lpcase.until(lambda: lease.pending_jobs == 0, "the job has ended")
    await lease.release()


async def test_job_that_somebody_else_cancels(manager):
    def cancel_itself():
        Lp.current_job().cancel()
        Lp.current_job().get_cancellable().set_error_if_cancelled()

    async with await manager.acquire() as lease:
        with pytest.raises(asyncio.CancelledError):
            await lease.run(cancel_itself)
        future = lease.submit(cancel_itself)
        await lpcase.until(future.done, "the future is done")
        assert future.cancelled()


def cancel_own_job():
    Lp.current_job().cancel()
    Lp.current_job().get_cancellable().set_error_if_cancelled()


async def test_run_whose_job_somebody_else_cancels(manager):
    """Not by the end of its lease, though that is the last thing a run does."""
    with pytest.raises(asyncio.CancelledError):
        await manager.run(cancel_own_job)


async def test_run_whose_job_is_cancelled_while_it_waits(manager):
    with lpcase.closed_gate() as gate:
        async with await manager.acquire() as lease:
            held = lease.submit(gate)
            job = Lp.Job.new_for_call("echo", GLib.Variant("(s)", ("",)))
            task = asyncio.ensure_future(manager.run(job))
            await lpcase.until(lambda: manager.waiting_count == 1, "it waits")
            job.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            gate.open()
            await asyncio.wrap_future(held)


async def test_failing_with_the_error_of_a_cancel_is_no_cancel(manager):
    def fail():
        raise GLib.Error("the connection was cancelled", "g-io-error-quark", Gio.IOErrorEnum.CANCELLED)

    async def check(call):
        with pytest.raises(GLib.Error, match="the connection was cancelled") as caught:
            await call
        assert caught.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)

    async with await manager.acquire() as lease:
        await check(lease.run(fail))
        await check(asyncio.wrap_future(lease.submit(fail)))
    await check(manager.run(fail))


async def test_the_reason_is_known_when_the_lease_is_gone(managers):
    manager = managers(lease_grace_seconds=0)
    await manager.start()
    lease = await manager.acquire()
    future = lease.submit(until_cancelled)
    lease.renew(0.05)
    del lease
    gc.collect()
    with pytest.raises(Lp.LeaseExpiredError):
        await asyncio.wrap_future(future)
