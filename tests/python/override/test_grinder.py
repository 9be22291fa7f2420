# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The grinder in coroutines, on each event loop."""

import asyncio
import functools
import gc
import math
import threading

import lpcase
import pytest
from gi.repository import GLib, Lp

NEVER = 3600


def fail(text):
    raise LookupError(text)


def cancel_own_job():
    Lp.current_job().cancel()
    Lp.current_job().get_cancellable().set_error_if_cancelled()


def until_cancelled():
    stopped = threading.Event()
    cancellable = Lp.current_job().get_cancellable()
    cancellable.connect(lambda *_: stopped.set())
    stopped.wait()
    cancellable.set_error_if_cancelled()


@pytest.fixture
async def grinder(manager, request):
    """Starts a batch for each item, at once."""
    grinder = Lp.Grinder(manager, batch_size_threshold=1)
    await grinder.start()
    yield grinder
    request.node.funcargs.pop("grinder", None)
    await grinder.stop(Lp.StopMode.KILL)
    assert (grinder.pending_count, grinder.stats()["batches_in_flight"]) == (0, 0)


async def waiting(manager, **keywords):
    """A running grinder whose items wait until it is drained or stopped."""
    grinder = Lp.Grinder(manager, max_wait_seconds=NEVER, batch_size_threshold=1000, **keywords)
    await grinder.start()
    return grinder


# Settings


async def test_settings_and_their_defaults(manager):
    grinder = Lp.Grinder(manager)
    assert (grinder.max_wait_seconds, grinder.batch_size_threshold, grinder.lease_seconds) == (10, 20, 60)
    assert (grinder.manager, grinder.running, grinder.pending_count) == (manager, False, 0)
    grinder = Lp.Grinder(manager, max_wait_seconds=0.5, batch_size_threshold=2, max_batch_size=3,
                         max_batches_in_flight=4, max_pending=5, lease_seconds=6, owner_prefix="x")
    assert (grinder.max_wait_seconds, grinder.batch_size_threshold, grinder.max_batch_size, grinder.max_pending,
            grinder.max_batches_in_flight, grinder.lease_seconds, grinder.owner_prefix) == (0.5, 2, 3, 5, 4, 6, "x")
    assert repr(grinder) == "<Lp.Grinder 'x', stopped, 0 pending>"


async def test_no_lease_seconds_are_the_default(manager):
    grinder = Lp.Grinder(manager, lease_seconds=None)
    assert grinder.lease_seconds == 60
    grinder.lease_seconds = 5
    grinder.lease_seconds = None
    assert grinder.lease_seconds == 60


@pytest.mark.parametrize("name, value", [
    ("lease_seconds", -1), ("lease_seconds", 0), ("lease_seconds", math.nan), ("lease_seconds", True),
    ("max_wait_seconds", 0), ("max_wait_seconds", None), ("max_wait_seconds", math.inf), ("max_wait_seconds", "1"),
    ("batch_size_threshold", 0), ("batch_size_threshold", 2.5), ("max_batch_size", -1), ("max_batches_in_flight", 0),
    ("max_pending", -1), ("max_pending", 2**31), ("owner_prefix", ""), ("owner_prefix", "a\nb")])
async def test_bad_values_are_named(manager, name, value):
    with pytest.raises(ValueError, match=name.replace("_", "[_-]")):
        Lp.Grinder(manager, **{name: value})
    if name != "owner_prefix":
        with pytest.raises(ValueError, match=name):
            setattr(Lp.Grinder(manager), name, value)


async def test_bad_types(manager):
    for bad in ({"owner_prefix": 5}, {"owner_prefix": None}, {"max_waits": 5}):
        with pytest.raises(TypeError, match="owner_prefix|max_waits"):
            Lp.Grinder(manager, **bad)
    with pytest.raises(TypeError, match="manager"):
        Lp.Grinder(None)
    with pytest.raises(TypeError):
        Lp.Grinder()


async def test_settings_stay_while_it_runs(grinder):
    with pytest.raises(RuntimeError, match="until the grinder is started"):
        grinder.max_pending = 5


# Start and stop


async def test_the_manager_must_run(managers):
    with pytest.raises(Lp.LeasePoolNotStartedError):
        await Lp.Grinder(managers()).start()


async def test_without_a_start_items_are_refused(manager):
    grinder = Lp.Grinder(manager)
    for refused in (grinder.submit(len, ""), grinder.call("add", "(ii)", 1, 2)):
        with pytest.raises(Lp.LeasePoolNotStartedError):
            await refused
    for accept in (grinder.enqueue, grinder.submit_from_thread):
        with pytest.raises(Lp.LeasePoolNotStartedError):
            accept(len, "")


async def test_a_block_drains(manager):
    async with Lp.Grinder(manager, max_wait_seconds=NEVER) as grinder:
        assert grinder.running
        items = [await grinder.enqueue(pow, n, 2) for n in range(5)]
    assert not grinder.running
    assert [await item for item in items] == [0, 1, 4, 9, 16]


async def test_a_block_that_raises_cancels(manager):
    with pytest.raises(LookupError, match="own"):
        async with Lp.Grinder(manager, max_wait_seconds=NEVER) as grinder:
            item = await grinder.enqueue(len, "")
            fail("own")
    with pytest.raises(Lp.LeasePoolNotStartedError):
        await item


async def test_it_can_be_started_again(manager):
    grinder = Lp.Grinder(manager, batch_size_threshold=1)
    await grinder.stop()
    for _ in range(2):
        await grinder.start()
        await grinder.start()
        assert await grinder.submit(len, "abc") == 3
        await grinder.stop(Lp.StopMode.DRAIN)


async def test_a_cancelled_start_is_undone(manager):
    grinder = Lp.Grinder(manager)
    task = asyncio.ensure_future(grinder.start())
    # After its first step, before any other.
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    # It comes after the start and what undoes it.
    await manager.start()
    assert not grinder.running
    await grinder.start()
    await grinder.stop()


async def test_start_and_stop_belong_to_one_loop(grinder):
    def other_loop():
        with pytest.raises(RuntimeError, match="started the grinder"):
            asyncio.run(grinder.stop())

    await asyncio.get_running_loop().run_in_executor(None, other_loop)


async def test_a_stop_of_the_manager_ends_the_items(managers):
    manager = managers()
    await manager.start()
    grinder = await waiting(manager)
    item = await grinder.enqueue(len, "")
    await manager.stop()
    with pytest.raises(Lp.LeasePoolNotStartedError):
        await item
    await grinder.stop()


# Items


async def test_submit_gives_the_value(grinder):
    value = object()
    assert await grinder.submit(lambda: value) is value
    assert await grinder.submit(dict, a=1) == {"a": 1}


async def test_submit_raises_what_the_function_raises(grinder):
    with pytest.raises(LookupError, match="^'?own'?$"):
        await grinder.submit(fail, "own")


async def test_each_item_ends_on_its_own(manager):
    async with Lp.Grinder(manager, batch_size_threshold=3, max_wait_seconds=NEVER) as grinder:
        with lpcase.closed_gate() as gate:
            slow = await grinder.enqueue(gate, 5)
            assert await asyncio.gather(grinder.submit(len, "ab"), grinder.submit(fail, "x"), return_exceptions=True) \
                == [2, lpcase_error(LookupError)]
            assert not slow.done()
            gate.open()
        assert await slow == 5
        assert grinder.stats()["batches"] == 1


def lpcase_error(cls):
    """Equals each exception of the class."""
    return type("Any", (), {"__eq__": lambda _self, other: isinstance(other, cls)})()


async def test_named_functions(grinder):
    assert await grinder.call("add", "(ii)", 20, 22) == 42
    with pytest.raises(Lp.LeasePoolError) as caught:
        await grinder.call("no-such")
    assert caught.value.matches(Lp.error_quark(), Lp.Error.UNKNOWN_FUNCTION)
    with pytest.raises(TypeError, match="signature"):
        await grinder.call("add", None, 1, 2)


async def test_batches_have_the_owner_and_the_lease_seconds(manager):
    seen = []
    manager.connect("lease-acquired", lambda _manager, info: seen.append(info.owner))
    async with Lp.Grinder(manager, batch_size_threshold=1, owner_prefix="thumbs") as grinder:
        owner = await grinder.submit(lambda: Lp.current_job().owner, owner="mine")
    assert owner == "thumbs-batch-1"
    await lpcase.until(lambda: seen == ["thumbs-batch-1"], "the signal")


async def test_the_owner_of_an_item_is_the_name_of_its_task(grinder):
    item = await grinder.enqueue(len, "", owner="mine")
    assert item.get_name() == "mine"
    assert (await grinder.enqueue(len, "")).get_name() == "item"
    for refused in (None, 5):
        with pytest.raises(TypeError, match="owner"):
            await grinder.submit(len, "", owner=refused)
    assert await grinder.submit(functools.partial(dict, owner="its")) == {"owner": "its"}


async def test_the_handle_is_a_future(grinder):
    item = await grinder.enqueue(len, "abc")
    done, _ = await asyncio.wait([item])
    assert done == {item} and item.result() == 3 and await item == 3
    item = await grinder.enqueue(fail, "x")
    await asyncio.wait([item])
    assert isinstance(item.exception(), LookupError)


async def test_jobs_are_enqueued_as_in_c(manager):
    grinder = await waiting(manager)
    job = Lp.Job.new_for_call("add", GLib.Variant("(ii)", (1, 2)))
    assert grinder.enqueue(job)
    own = manager.new_job(len, "abc")
    item = await grinder.enqueue(own)
    await grinder.stop(Lp.StopMode.DRAIN)
    assert job.value() == 3 and await item == 3
    with pytest.raises(TypeError, match="arguments"):
        grinder.enqueue(Lp.Job.new_for_call("add", None), 5)


def test_without_an_event_loop_only_jobs_are_enqueued():
    lpcase.run_program("""
loop = GLib.MainLoop()
with Lp.Manager(max_pools=1) as manager:
    grinder = Lp.Grinder(manager, batch_size_threshold=1)
    grinder.start_async(None, lambda grinder, result: (grinder.start_finish(result), loop.quit()))
    loop.run()
    job = manager.new_job(pow, 2, 5)
    assert grinder.enqueue(job)
    job.wait()
    assert job.value() == 32
    try:
        grinder.enqueue(len, "")
    except RuntimeError as error:
        assert "running event loop" in str(error)
    else:
        assert False
    assert grinder.submit_from_thread(len, "ab").result(30) == 2
    grinder.stop_async(Lp.StopMode.DRAIN, None, lambda grinder, result: (grinder.stop_finish(result), loop.quit()))
    loop.run()
""")


# Cancelling


async def test_a_cancelled_task_cancels_an_item_that_waits(manager):
    grinder = await waiting(manager)
    task = asyncio.ensure_future(grinder.submit(fail, "it ran"))
    await lpcase.until(lambda: grinder.pending_count == 1, "it waits")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert grinder.pending_count == 0
    await grinder.stop(Lp.StopMode.DRAIN)
    stats = grinder.stats()
    assert (stats["items_cancelled"], stats["batches"]) == (1, 0)


async def test_a_handle_that_is_cancelled_before_its_first_step_cancels_the_item(manager):
    grinder = await waiting(manager)
    item = await grinder.enqueue(fail, "it ran")
    item.cancel()
    await asyncio.wait([item])
    assert (item.cancelled(), grinder.pending_count) == (True, 0)
    await grinder.stop()


async def test_a_time_out_cancels_an_item_that_runs(grinder):
    with lpcase.closed_gate() as gate:
        task = asyncio.ensure_future(grinder.submit(gate))
        await gate.wait_entered()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await lpcase.until(lambda: grinder.stats()["items_cancelled"] == 1, "it is cancelled")


async def test_a_job_that_somebody_cancels(manager):
    grinder = await waiting(manager)
    job = Lp.Job.new_for_call("add", GLib.Variant("(ii)", (1, 2)))
    item = await grinder.enqueue(job)
    job.cancel()
    await asyncio.wait([item])
    assert item.cancelled()
    await grinder.stop()


async def test_a_function_whose_job_somebody_cancels(grinder):
    with pytest.raises(asyncio.CancelledError):
        await grinder.submit(cancel_own_job)


async def test_a_stop_that_ends_items_says_so(managers):
    """Whoever made the job, whether it runs, waits for a worker, or for an executor; also after the next start."""
    manager = managers(workers_per_pool=1)
    await manager.start()
    grinder = Lp.Grinder(manager, batch_size_threshold=2, max_batch_size=2)
    await grinder.start()
    items = [await grinder.enqueue(until_cancelled) for _ in range(3)]
    items.append(await grinder.enqueue(Lp.Job.new_for_call("add", GLib.Variant("(ii)", (1, 2)))))
    await lpcase.until(lambda: grinder.stats()["items_in_flight"] == 2, "two have an executor")
    stop = asyncio.ensure_future(grinder.stop())
    await asyncio.wait([stop])
    await grinder.start()
    for item in items:
        with pytest.raises(Lp.LeasePoolNotStartedError, match="because the grinder stopped"):
            await item
    await grinder.stop()


async def test_a_lease_that_expires(managers):
    manager = managers(lease_grace_seconds=0, cancel_grace_seconds=0)
    await manager.start()
    grinder = Lp.Grinder(manager, batch_size_threshold=1, lease_seconds=0.02)
    await grinder.start()
    with lpcase.closed_gate() as gate:
        with pytest.raises(Lp.LeaseExpiredError):
            await grinder.submit(gate)
    await grinder.stop()


# Too many


async def test_a_full_grinder_and_room(manager):
    grinder = await waiting(manager, max_pending=2)
    await grinder.wait_drained()
    items = [await grinder.enqueue(len, "a"), await grinder.enqueue(len, "b")]
    with pytest.raises(Lp.QueueFullError) as caught:
        await grinder.submit(len, "c")
    assert isinstance(caught.value, Lp.LeasePoolError)
    with pytest.raises(Lp.QueueFullError):
        grinder.submit_from_thread(len, "c")
    drained = asyncio.ensure_future(grinder.wait_drained())
    await asyncio.sleep(0)
    assert not drained.done()
    stopping = asyncio.ensure_future(grinder.stop(Lp.StopMode.DRAIN))
    await asyncio.wait_for(drained, lpcase.SECONDS)
    assert await asyncio.gather(*items) == [1, 1]
    await stopping
    assert grinder.stats()["items_refused"] == 2


async def test_a_cancelled_wait_for_room_leaves_nothing(manager):
    grinder = await waiting(manager)
    item = await grinder.enqueue(len, "a")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(grinder.wait_drained(), 0.01)
    await grinder.stop(Lp.StopMode.DRAIN)
    assert await item == 1


async def test_drained_is_told_in_the_loop(grinder):
    threads = []
    grinder.connect("drained", lambda _grinder: threads.append(threading.get_ident()))
    await grinder.submit(len, "")
    await lpcase.until(lambda: threads, "the signal")
    assert set(threads) == {threading.get_ident()}


# Threads, statistics


async def test_any_thread_may_submit(grinder):
    def work():
        futures = [grinder.submit_from_thread(pow, n, 2, owner="t") for n in range(10)]
        total = sum(future.result(lpcase.SECONDS) for future in futures)
        with pytest.raises(LookupError, match="own"):
            grinder.submit_from_thread(fail, "own").result(lpcase.SECONDS)
        return total, grinder.stats_from_thread()["items_accepted"]

    results = await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(None, work) for _ in range(3)))
    assert [total for total, _ in results] == [285] * 3
    assert grinder.stats()["items_accepted"] == 33


async def test_a_future_of_a_thread_can_be_cancelled(manager):
    grinder = await waiting(manager)
    future = grinder.submit_from_thread(fail, "it ran")
    assert future.cancel() and future.cancelled() and grinder.pending_count == 0
    await grinder.stop()


async def test_another_loop_may_submit(grinder):
    def other_loop():
        return asyncio.run(grinder.submit(len, "abc"))

    assert await asyncio.get_running_loop().run_in_executor(None, other_loop) == 3


async def test_stats(grinder):
    await grinder.submit(len, "")
    await lpcase.until(lambda: grinder.stats()["items_succeeded"] == 1, "the item is counted")
    stats = grinder.stats()
    assert (stats["items_accepted"], stats["owner_prefix"], stats["started"]) == (1, "work-grinder", True)
    assert (await grinder.astats()).keys() == stats.keys() == grinder.stats_from_thread().keys()


async def test_dropping_it_cancels_what_waits(manager):
    grinder = await waiting(manager)
    item = await grinder.enqueue(fail, "it ran")
    await asyncio.sleep(0)
    del grinder
    gc.collect()
    with pytest.raises(Lp.LeasePoolNotStartedError):
        await item


# Processes


async def test_functions_in_processes(managers):
    manager = managers(backend="process", workers_per_pool=1)
    await manager.start()
    async with Lp.Grinder(manager, batch_size_threshold=2, max_wait_seconds=0.05) as grinder:
        values = await asyncio.gather(*(grinder.submit(divmod, n, 3) for n in range(4)))
        assert values == [divmod(n, 3) for n in range(4)]
        with pytest.raises(ValueError, match="invalid literal"):
            await grinder.submit(int, "x")
        with pytest.raises(TypeError, match="pickle|top level"):
            await grinder.submit(lambda: 1)
        assert grinder.submit_from_thread(len, "ab").result(lpcase.SECONDS) == 2
