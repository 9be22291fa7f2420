# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Managers used from several threads and event loops, closed loops, and programs without asyncio."""

import asyncio
import gc
import threading
import weakref

import lpcase
import pytest
from gi.repository import GLib, Lp


async def use(manager, rounds):
    for number in range(rounds):
        async with await manager.acquire(owner=threading.current_thread().name) as lease:
            assert await lease.run(abs, -number) == number
            assert await asyncio.wrap_future(lease.submit(abs, -number)) == number
        assert await manager.run(abs, -number) == number


def use_without_a_loop(manager, rounds):
    for number in range(rounds):
        with manager.acquire_sync(owner="sync") as lease:
            assert lease.submit(abs, -number).result(lpcase.SECONDS) == number


async def in_threads(*calls):
    """Runs the calls in threads of their own, all at once."""
    outcomes = []

    def run(call):
        try:
            call()
            outcomes.append(None)
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    await lpcase.until(lambda: len(outcomes) == len(calls), "the threads have ended")
    for thread in threads:
        thread.join()
    assert outcomes == [None] * len(calls)


async def test_several_loops_and_threads_at_once(managers):
    manager = managers(3, min_pools=1)
    await manager.start()
    await asyncio.gather(
        in_threads(*[lambda: asyncio.run(use(manager, 10))] * 3, *[lambda: use_without_a_loop(manager, 10)] * 3),
        use(manager, 10),
    )
    # An executor that is not needed any more counts until its threads have ended.
    await lpcase.until(lambda: (manager.leased_count, manager.waiting_count) == (0, 0), "nothing is lent")
    assert manager.stats()["jobs_succeeded"] == 4 * 10 * 3 + 3 * 10


async def test_a_lease_travels_between_threads(manager):
    lease = await manager.acquire()

    async def use_it():
        assert await lease.run(int) == 0
        await lease.release()

    await in_threads(lambda: asyncio.run(use_it()))
    assert lease.state == Lp.LeaseState.RELEASED


async def test_the_list_of_leases_in_another_thread(manager):
    def ask():
        try:
            return [lease.owner for lease in manager.leases]
        except RuntimeError as error:
            return str(error)

    async with await manager.acquire(owner="me"):
        # Where no loop iterates the context the list can be had from anywhere; else it says what to use.
        answer = await asyncio.to_thread(ask)
        assert answer == ["me"] or "stats()" in answer


def test_one_loop_after_another():
    manager = Lp.Manager(max_pools=1)

    async def first():
        await manager.start()
        assert await manager.run(int) == 0

    async def second():
        assert await manager.run(int) == 0
        await manager.stop()

    asyncio.run(first())
    asyncio.run(second())
    assert not manager.running


def test_results_for_a_closed_loop_are_dropped():
    manager = Lp.Manager(max_pools=1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(manager.start())
    lease = loop.run_until_complete(manager.acquire())
    task = loop.create_task(manager.acquire())
    loop.run_until_complete(lpcase.until(lambda: manager.waiting_count == 1, "it waits"))
    loop.close()
    # The waiter is still there; what it is granted goes back.
    lease.release()

    async def others():
        async with await manager.acquire(timeout=lpcase.SECONDS):
            pass
        await manager.stop()

    asyncio.run(others())
    task._log_destroy_pending = False
    del task
    gc.collect()
    assert manager.leased_count == 0


def test_what_a_closed_loop_waited_for_is_not_kept():
    class Thing:
        pass

    async def stop():
        # It ends the job in the queue, which nobody but C can tell.
        await manager.stop()
        await lpcase.until(lambda: gc.collect() is not None and gone() is None, "the arguments are freed")

    manager = Lp.Manager(max_pools=1, workers_per_pool=1, cancel_grace_seconds=0.05)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(manager.start())
    lease = loop.run_until_complete(manager.acquire())
    thing = Thing()
    gone = weakref.ref(thing)
    with lpcase.closed_gate() as gate:
        tasks = [loop.create_task(lease.run(gate)), loop.create_task(lease.run(id, thing))]
        loop.run_until_complete(gate.wait_entered())
        loop.run_until_complete(lpcase.until(lambda: lease.pending_jobs == 2, "one is queued"))
        loop.close()
        for task in tasks:
            task._log_destroy_pending = False
        del task, tasks, thing, loop
        asyncio.run(stop())


def test_coroutine_that_is_closed():
    """As a garbage collector does it."""
    manager = Lp.Manager(max_pools=1)

    async def main():
        async with manager:
            lease = await manager.acquire()
            coroutine = manager.acquire()
            waits_for = coroutine.send(None)
            await lpcase.until(lambda: manager.waiting_count == 1, "it waits")
            coroutine.close()
            await lpcase.until(lambda: manager.waiting_count == 0, "it has left")
            lease.release()
            del waits_for

    asyncio.run(main())


def test_without_asyncio():
    """Callbacks on a GLib main loop, with the names that C has."""
    loop = GLib.MainLoop()
    manager = Lp.Manager(max_pools=1, size_provider=lambda: 5)
    threads = set()
    seen = []

    def on_started(_manager, result):
        manager.start_finish(result)
        manager.acquire_async(Lp.Request(owner="glib"), None, on_acquired)

    def on_acquired(_manager, result):
        lease = manager.acquire_finish(result)
        job = manager.new_job(divmod, 17, 5)
        lease.submit_async(job, None, on_done, job)

    def on_done(lease, result, job):
        lease.submit_finish(result)
        seen.append(job.value())
        seen.extend(info.owner for info in manager.leases)
        lease.release()
        manager.run_async(manager.new_job(int), None, None, on_ran)

    def on_ran(_manager, result):
        assert manager.run_finish(result).unpack() == ()
        manager.stop_async(Lp.StopMode.CANCEL, -1, None, on_stopped)

    def on_stopped(_manager, result):
        threads.add(threading.current_thread())
        manager.stop_finish(result)
        loop.quit()

    late = GLib.timeout_add_seconds(lpcase.SECONDS, loop.quit)
    manager.connect("lease-ended", lambda *_: threads.add(threading.current_thread()))
    manager.start_async(None, on_started)
    loop.run()
    GLib.source_remove(late)
    assert seen == [(3, 2), "glib"]
    assert threads == {threading.current_thread()}


def test_blocking_forms():
    with Lp.Manager(max_pools=1) as manager:
        with manager.acquire_sync(Lp.Request(owner="x")) as lease:
            assert lease.owner == "x"
            assert lease.submit(int).result(lpcase.SECONDS) == 0
            with pytest.raises(TimeoutError):
                manager.acquire_sync(timeout=0.01)
        with manager.try_acquire(owner="y") as lease:
            assert lease.owner == "y"
    manager.stop_sync(Lp.StopMode.DRAIN, 5)
    with pytest.raises(Lp.LeasePoolNotStartedError):
        manager.acquire_sync()
    manager.start_sync()
    manager.stop_sync()


async def test_futures_that_follow_each_other_leave_others_their_turn(managers):
    """As callbacks that submit the next one have it, more of them than the thread for futures is through with."""
    def again(_future=None):
        if not enough:
            lease.submit(int).add_done_callback(again)
            return
        ended.append(None)

    chains = 500
    enough = False
    ended = []
    manager = managers(max_pools=2, workers_per_pool=2)
    async with manager, await manager.acquire(owner="me") as lease:
        for _ in range(chains):
            again()
        try:
            async with await manager.acquire(timeout=lpcase.SECONDS):
                pass
            if manager._is_served:
                leases = await asyncio.wait_for(asyncio.to_thread(lambda: manager.leases), lpcase.SECONDS)
                assert "me" in [info.owner for info in leases]
        finally:
            enough = True
        await lpcase.until(lambda: len(ended) == chains, "the futures are settled")


def test_errors_are_those_of_glib_too():
    manager = Lp.Manager(max_pools=1)
    with pytest.raises(GLib.Error) as caught:
        manager.acquire_sync()
    assert caught.value.matches(Lp.error_quark(), Lp.Error.NOT_STARTED)
    assert "lp-error-quark" not in str(caught.value)
