# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Start and stop, sizes, signals, statistics."""

import asyncio
import logging
import threading

import lpcase
import pytest
from gi.repository import GLib, Lp


async def test_start_and_stop(managers):
    manager = managers(2, min_pools=2)
    assert not manager.running
    await manager.start()
    assert manager.running
    assert (manager.available_count, manager.leased_count, manager.total_count) == (2, 0, 2)
    await manager.start()
    await manager.stop()
    assert not manager.running
    await manager.start()
    await manager.stop(Lp.StopMode.DRAIN, timeout=5)


async def test_stop_before_start_does_nothing(managers):
    await managers().stop()


async def test_async_with(managers):
    manager = managers()
    async with manager as entered:
        assert entered is manager
        assert manager.running
    assert not manager.running
    with pytest.raises(Lp.LeasePoolNotStartedError):
        await manager.acquire()


async def test_blocks_that_raise_stop_it(managers):
    manager = managers()
    with pytest.raises(KeyError):
        async with manager:
            raise KeyError
    assert not manager.running


async def test_not_started(managers):
    manager = managers()
    for call in (manager.acquire(), manager.run(int), manager.call("echo")):
        with pytest.raises(Lp.LeasePoolNotStartedError):
            await call


async def test_another_loop_is_refused(manager):
    async def refused(call):
        try:
            await call()
        except RuntimeError as error:
            return str(error)
        return ""

    for call in (manager.start, manager.stop):
        assert "event loop" in await asyncio.to_thread(asyncio.run, refused(call))
    assert manager.running


async def test_start_that_fails(managers):
    manager = managers(backend="process", worker_argv=["/no/such/program"])
    with pytest.raises(Lp.LeasePoolError, match="no/such/program"):
        await manager.start()
    assert not manager.running


async def test_stop_of_one_that_was_started_without_a_loop(managers):
    manager = managers()
    manager.start_sync()
    assert await manager.run(int) == 0
    await manager.stop()
    assert not manager.running


async def test_cancelled_stop_goes_on(managers):
    manager = managers(cancel_grace_seconds=20)
    await manager.start()
    with lpcase.closed_gate() as gate:
        lease = await manager.acquire()
        job = asyncio.ensure_future(lease.run(gate))
        await gate.wait_entered()
        stop = asyncio.ensure_future(manager.stop())
        await asyncio.sleep(0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stop, 0.02)
        gate.open()
        await lpcase.until(lambda: not manager.running, "the stop has ended")
        await asyncio.wait([job])
        job.exception()


async def test_size_provider_runs_in_the_loop(managers):
    threads = set()
    devices = ["x"] * 25

    def count():
        threads.add(threading.current_thread())
        return len(devices)

    manager = managers(5, size_provider=count)
    await manager.start()
    assert (manager.desired_executor_count(), manager.total_count) == (3, 3)
    devices *= 2
    manager.notify_scale_changed()
    await lpcase.until(lambda: manager.desired_executor_count() == 5, "the target is five")
    await lpcase.until(lambda: manager.total_count == 5, "there are five")
    assert threads == {threading.current_thread()}


async def test_size_provider_is_asked_at_each_check(managers):
    devices = []
    manager = managers(5, size_provider=lambda: len(devices), check_interval=0.01)
    await manager.start()
    devices += ["x"] * 30
    await lpcase.until(lambda: manager.total_count == 3, "there are three")


async def test_size_provider_whose_number_always_differs_is_not_asked_for_ever(managers):
    numbers = iter(range(1, 10**9))
    manager = managers(5, size_provider=lambda: next(numbers))
    await manager.start()
    manager.notify_scale_changed()
    for _ in range(200):
        # Goes to the owner context and back, in the order of what is said there.
        assert manager.leases == []
        await asyncio.sleep(0)
    assert next(numbers) < 10


async def test_size_provider_that_fails_keeps_the_last_number(managers, caplog):
    numbers = [25]
    manager = managers(5, size_provider=lambda: numbers[0], logger=logging.getLogger("sized"))
    await manager.start()
    for bad in ("x", 2.5, None):
        numbers[0] = bad
        caplog.clear()
        manager.notify_scale_changed()
        await lpcase.until(lambda: "size provider failed" in caplog.text, "the failure is logged")
        assert manager.desired_executor_count() == 3
    assert "size_provider must return an int" in caplog.text
    # The records have tracebacks.
    caplog.clear()


async def test_size_provider_of_c(managers):
    manager = managers(5)
    manager.set_size_provider(lambda _manager, units: units, 25)
    await manager.start()
    assert manager.desired_executor_count() == 3


async def test_signals_come_in_the_loop(managers):
    manager = managers()
    heard = []

    def listen(emitter, *args):
        heard.append((threading.current_thread(), emitter, args))

    ended = manager.connect("lease-ended", listen)
    manager.connect("lease-acquired", listen)
    manager.connect("notify::leased-count", lambda *_: None)
    await manager.start()
    (await manager.acquire(owner="me")).release()
    await lpcase.until(lambda: len(heard) == 2, "both signals came")
    assert {thread for thread, *_ in heard} == {threading.current_thread()}
    assert heard[0][1] is manager and heard[1][2][0].owner == "me"
    manager.disconnect(ended)
    manager.disconnect_by_func(listen)
    (await manager.acquire()).release()
    await lpcase.until(lambda: manager.stats()["released"] == 2 and not manager.leases, "the lease has ended")
    assert len(heard) == 2
    heard.clear()


async def test_logger(managers, caplog):
    caplog.set_level(logging.DEBUG, "lent")
    manager = managers(logger=logging.getLogger("lent"), lease_grace_seconds=0)
    await manager.start()
    (await manager.acquire(owner="reader")).release()
    lease = await manager.acquire(owner="sleeper")
    lease.renew(0.01)
    await lpcase.until(lambda: "expired" in caplog.text, "the expiry is logged")
    assert lease.state == Lp.LeaseState.EXPIRED
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert any(level == "DEBUG" and "reader" in text and "released" in text for level, text in said)
    assert any(level == "WARNING" and "sleeper" in text and "expired" in text for level, text in said)
    assert any(level == "INFO" and "created" in text for level, text in said)


async def test_stats_are_a_dict(manager):
    async with await manager.acquire(owner="me") as lease:
        stats = manager.stats()
        assert (stats["backend"], stats["leased"], stats["total"], stats["acquired"]) == ("thread", 1, 1, 1)
        assert stats["leases"][0]["owner"] == "me" and stats["leases"][0]["lease_id"] == lease.id
        assert set(stats["wait_time"]) == {"count", "mean", "p50", "p95", "p99", "max"}


async def test_initializer_of_threads(managers):
    local = threading.local()
    calls = []

    def initialize(value):
        local.value = value
        calls.append(threading.get_ident())

    manager = managers(workers_per_pool=2, initializer=initialize, initargs=("mine",))
    await manager.start()
    async with await manager.acquire() as lease:
        for _ in range(10):
            ident, value = await lease.run(lambda: (threading.get_ident(), local.value))
            assert value == "mine" and ident in calls
    assert len(calls) == len(set(calls)) <= 2


async def test_initializer_that_fails_fails_the_start(managers):
    def initialize():
        raise KeyError("no licence")

    manager = managers(initializer=initialize)
    with pytest.raises(Lp.LeasePoolError, match="no licence"):
        await manager.start()


async def test_managers_of_the_c_constructor(event_loop):
    manager = Lp.Manager.new("thread", 1)
    async with manager:
        assert await manager.run(int) == 0


async def test_callbacks_of_c_go_on_working(manager):
    """Callback programs are unchanged; they need a main context that somebody iterates."""
    context = GLib.MainContext.new()

    def in_thread():
        context.push_thread_default()
        try:
            results = []
            manager.acquire_async(Lp.Request(owner="c"), None, lambda _manager, result: results.append(result))
            while not results:
                context.iteration(True)
            lease = manager.acquire_finish(results[0])
            job = Lp.Job.new_for_func(lambda *_: GLib.Variant("(s)", ("done",)))
            assert lease.submit(job) is True
            value = job.wait(-1).unpack()
            lease.release()
            return value
        finally:
            context.pop_thread_default()

    assert await asyncio.to_thread(in_thread) == ("done",)


def test_gi_events_is_tested():
    if not lpcase.HAVE_GI_EVENTS:
        pytest.skip("PyGObject is older than 3.50: its event loop gi.events is NOT tested here")


def test_gbulb_is_tested():
    if not lpcase.HAVE_GBULB:
        pytest.skip("gbulb does not run with PyGObject 3.50 or newer: it is NOT tested here, gi.events is")


async def test_start_that_failed_binds_no_loop(managers):
    manager = managers(function_module="/no/such/module")
    with pytest.raises(Lp.LeasePoolError):
        await manager.start()

    async def start_elsewhere():
        try:
            await manager.start()
        except Lp.LeasePoolError as error:
            return "event loop" not in str(error)
        return False

    assert await asyncio.to_thread(asyncio.run, start_elsewhere())
