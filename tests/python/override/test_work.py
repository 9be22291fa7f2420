# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What runs on a lease: functions, named functions, commands; values, exceptions, futures."""

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
import traceback
import weakref

import lpcase
import pytest
from gi.repository import Gio, GLib, Lp


class Marker(Exception):
    pass


class Unspeakable(Exception):
    def __str__(self):
        raise Marker


def fail(error):
    raise error  # the line that a traceback names


async def test_values_come_back_as_they_are(manager):
    value = object()
    async with await manager.acquire() as lease:
        assert await lease.run(lambda: value) is value
        assert await lease.run(lambda: None) is None
        assert await lease.run(divmod, 17, 5) == (3, 2)
        assert await lease.run(lambda *args, **kwargs: (args, kwargs), 1, fn=2, self=3) == ((1,), {"fn": 2, "self": 3})
        assert await lease.run(threading.get_ident) != threading.get_ident()
    assert await manager.run(lambda: value) is value
    assert await manager.run(dict, fn=1, self=2) == {"fn": 1, "self": 2}
    assert manager.leased_count == 0


@pytest.mark.parametrize("error", [
    Marker("x"), KeyError(), StopIteration(3), GLib.Error("text", "domain", 3), TimeoutError("mine"), SystemExit(3),
    KeyboardInterrupt(), asyncio.CancelledError("mine"), Unspeakable()], ids=lambda error: type(error).__name__)
async def test_exceptions_come_back_as_they_were_raised(manager, error):
    async with await manager.acquire() as lease:
        future = lease.submit(fail, error)
        assert await asyncio.to_thread(future.exception, lpcase.SECONDS) is error
        if not isinstance(error, StopIteration):  # which no coroutine can raise
            with pytest.raises(type(error)) as caught:
                await lease.run(fail, error)
            assert caught.value is error
            with pytest.raises(type(error)) as caught:
                await manager_run_elsewhere(manager, lease, error)
            assert caught.value is error
            del caught
    error.__traceback__ = None


async def manager_run_elsewhere(manager, lease, error):
    lease.release()
    return await manager.run(fail, error)


async def test_tracebacks_name_the_line(manager):
    async with await manager.acquire() as lease:
        with pytest.raises(Marker) as caught:
            await lease.run(fail, Marker("x"))
        frames = traceback.extract_tb(caught.value.__traceback__)
        assert frames[-1].name == "fail" and "the line that a traceback names" in frames[-1].line
        assert frames[0].name == "test_tracebacks_name_the_line"
        with pytest.raises(Marker) as caught:
            await asyncio.wrap_future(lease.submit(fail, Marker("y")))
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fail"
        del caught


async def test_chained_exceptions_stay_chained(manager):
    def chain():
        try:
            fail(KeyError("inner"))
        except KeyError as inner:
            raise Marker("outer") from inner

    with pytest.raises(Marker) as caught:
        await manager.run(chain)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_wrong_arguments_of_the_function(manager):
    with pytest.raises(TypeError, match="fail"):
        await manager.run(fail)


async def test_what_is_no_function(manager):
    async def coroutine():
        pass

    async with await manager.acquire() as lease:
        for bad in (5, coroutine):
            with pytest.raises(TypeError):
                await lease.run(bad)
            with pytest.raises(TypeError):
                lease.submit(bad)


async def test_context_variables_are_copied(manager):
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("mine")

    def work():
        before = variable.get()
        variable.set("of the job")
        return before

    async with await manager.acquire() as lease:
        assert await lease.run(work) == "mine"
        assert await asyncio.wrap_future(lease.submit(work)) == "mine"
    assert variable.get() == "mine"


async def test_submit_gives_a_future(manager):
    async with await manager.acquire() as lease:
        future = lease.submit(pow, 2, 10)
        assert isinstance(future, concurrent.futures.Future)
        # Nobody needs the loop for it.
        assert future.result(lpcase.SECONDS) == 1024
        assert future.done() and not future.cancelled() and not future.running()
        called = threading.Event()
        future.add_done_callback(lambda done: done is future and called.set())
        assert called.is_set()
        with lpcase.closed_gate() as gate:
            waiting = lease.submit(gate, 5)
            await gate.wait_entered()
            assert waiting.running() and not waiting.done()
            with pytest.raises(concurrent.futures.TimeoutError):
                waiting.result(0.001)
            gate.open()
            assert await asyncio.wrap_future(waiting) == 5
        futures = [lease.submit(abs, -n) for n in range(100)]
        done, pending = await asyncio.to_thread(concurrent.futures.wait, futures, lpcase.SECONDS)
        assert not pending and sorted(future.result() for future in done) == list(range(100))


async def test_executor(manager):
    async with await manager.acquire() as lease:
        executor = lease.executor
        assert isinstance(executor, concurrent.futures.Executor)
        assert executor == lease.executor and hash(executor) == hash(lease.executor)
        assert executor.submit(pow, 2, 3).result(lpcase.SECONDS) == 8
        assert list(executor.map(abs, [-1, -2, -3], timeout=lpcase.SECONDS)) == [1, 2, 3]
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(executor, divmod, 17, 5) == (3, 2)
        with pytest.raises(RuntimeError, match="release the lease"):
            executor.shutdown()
        with pytest.raises(RuntimeError):
            with executor:
                pass
        assert executor.submit(int).result(lpcase.SECONDS) == 0
        del executor
    with pytest.raises(Lp.LeaseExpiredError):
        lease.executor.submit(int)


async def test_named_functions(manager):
    async with await manager.acquire() as lease:
        assert await lease.call("add", "(ii)", 20, 22) == 42
        assert await lease.call("add", GLib.Variant("(ii)", (1, 2))) == 3
        assert await lease.call("echo") is None
        assert await lease.call("echo", "(sa{sv}ay)", "x", {"a": GLib.Variant("ay", b"b")}, b"\0c") == (
            "x", {"a": b"b"}, b"\0c")
        with pytest.raises(GLib.Error, match="it is there") as caught:
            await lease.call("fail", "(s)", "it is there")
        assert caught.value.matches(Gio.io_error_quark(), Gio.IOErrorEnum.EXISTS)
        with pytest.raises(Lp.LeasePoolError, match="no-such"):
            await lease.call("no-such")
        with pytest.raises(ValueError, match="ii"):
            await lease.call("add", "(s)", "x")
        with pytest.raises(ValueError, match="tuple"):
            await lease.call("add", "u", 5)
        with pytest.raises(ValueError, match=r"signature.*'\(u'"):
            await lease.call("add", "(u", 5)
        with pytest.raises(TypeError):
            await lease.call("add", "(ii)", "x", 2)
        with pytest.raises(TypeError):
            await lease.call("add", None, 5)
        del caught
    assert await manager.call("add", "(ii)", 20, 22, owner="x", timeout=5) == 42
    with pytest.raises(ValueError, match="lease_seconds"):
        await manager.call("echo", lease_seconds=0)
    assert manager.leased_count == 0


async def test_jobs_of_c(manager):
    async with await manager.acquire() as lease:
        status, output, errors = await lease.run(Lp.Job.new_for_command(["echo", "hello"], None))
        assert (status, output, errors) == (0, b"hello\n", b"")
        job = Lp.Job.new_for_func(lambda *_: GLib.Variant("(s)", ("done",)))
        assert lease.submit(job) is True
        assert (await asyncio.to_thread(job.wait, -1)).unpack() == ("done",)
        with pytest.raises(ValueError, match="submitted before"):
            lease.submit(job)
    job = Lp.Job.new_for_func(lambda *_: GLib.Variant("(s)", ("done",)))
    assert await manager.run(Lp.Request(owner="me"), job) == "done"
    assert job.owner == "me" and job.state == Lp.JobState.SUCCEEDED


async def test_input_of_a_command_is_bytes(manager):
    for given in b"x\0y", bytearray(b"x\0y"), memoryview(b"x\0y"), GLib.Bytes(b"x\0y"):
        job = Lp.Job.new_for_command(["cat"], given)
        assert isinstance(job, Lp.Job) and await manager.run(job) == (0, b"x\0y", b"")
    assert Lp.Job.new_for_command(["cat"]).input is None


async def test_submitted_job_is_awaited(manager):
    value = object()
    async with await manager.acquire() as lease:
        job = manager.new_job(lambda: value)
        waiting = asyncio.ensure_future(job)
        lease.submit(job)
        assert await waiting is value
        job = manager.new_job(fail, Marker("x"))
        lease.submit(job)
        with pytest.raises(Marker):
            await job
        with lpcase.closed_gate() as gate:
            job = manager.new_job(gate)
            lease.submit(job)
            await gate.wait_entered()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(job, 0.01)
            assert job.get_cancellable().is_cancelled()


async def test_awaited_job_ends_with_its_lease(managers):
    manager = managers(lease_grace_seconds=0, cancel_grace_seconds=0)
    await manager.start()
    lease = await manager.acquire()
    with lpcase.closed_gate() as gate:
        job = manager.new_job(gate)
        lease.submit(job)
        lease.renew(0.05)
        with pytest.raises(Lp.LeaseExpiredError):
            await job


async def test_options_of_run(manager):
    owners = []
    await manager.run(Lp.Request(owner="me"), lambda: owners.extend(lease["owner"] for lease in manager.stats()["leases"]))
    assert owners == ["me"]
    async with await manager.acquire():
        with pytest.raises(Lp.LeaseUnavailableError):
            await manager.run(Lp.Request(wait=False), int)


async def test_new_job_gives_python_values_to_callbacks(manager):
    value = object()
    job = manager.new_job(lambda: value)
    async with await manager.acquire() as lease:
        lease.submit(job)
        await asyncio.to_thread(job.wait)
        assert job.value() is value
        job = manager.new_job(fail, Marker("x"))
        assert job.state == Lp.JobState.NEW
        with pytest.raises(Lp.LeasePoolError, match="not ended"):
            job.value()
        lease.submit(job)
        with pytest.raises(GLib.Error):
            await asyncio.to_thread(job.wait)
        with pytest.raises(Marker):
            job.value()


async def test_job_time_out(manager):
    with lpcase.closed_gate() as gate:
        job = manager.new_job(gate)
        job.timeout_seconds = 0.01
        async with await manager.acquire() as lease:
            with pytest.raises(TimeoutError):
                await lease.run(job)


async def test_current_job(manager):
    assert Lp.current_job() is None

    def work():
        job = Lp.current_job()
        job.set_progress(0.5, "half")
        return job.owner, job.progress, job.status, job.get_cancellable().is_cancelled()

    async with await manager.acquire(owner="me") as lease:
        assert await lease.run(work) == ("me", 0.5, "half", False)


async def test_a_worker_goes_on_from_one_function_to_the_next(managers):
    """As a burst of short calls has it: each of them has its own job, context, and end."""
    variable = contextvars.ContextVar("variable")

    def work(number):
        job = Lp.current_job()
        jobs.append(job)
        if number % 3 == 0:
            raise Marker(number)
        return number, variable.get(), job.get_state()

    async def run(number):
        variable.set(number)
        return await lease.run(work, number)

    jobs = []
    manager = managers(max_pools=1, workers_per_pool=1)
    async with manager, await manager.acquire() as lease:
        with lpcase.closed_gate() as gate:
            first = asyncio.ensure_future(lease.run(gate))
            await gate.wait_entered()
            tasks = [asyncio.ensure_future(run(number)) for number in range(10)]
            await lpcase.until(lambda: lease.pending_jobs == 11, "all are queued")
            gate.open()
            await first
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        if number % 3 == 0:
            assert isinstance(outcome, Marker) and outcome.args == (number,)
        else:
            assert outcome == (number, number, Lp.JobState.RUNNING)
    assert len(set(jobs)) == 10
    assert [job.state for job in jobs] == [Lp.JobState.SUCCEEDED if n % 3 else Lp.JobState.FAILED for n in range(10)]
    assert all(job.ended_at <= following.started_at for job, following in zip(jobs, jobs[1:]))
    stats = manager.stats()
    assert (stats["jobs_succeeded"], stats["jobs_failed"]) == (7, 4)


async def test_where_pygobject_has_an_interface_for_c(manager):
    # What is left out of it in silence would only be slow.
    async with await manager.acquire() as lease:
        await lease.run(divmod, 17, 5)
        assert lease._make_job


async def test_where_pygobject_has_no_interface_for_c(manager, monkeypatch):
    monkeypatch.setattr("gi.overrides.Lp._lease.find_maker", lambda _manager, _lease: (False, None))
    async with await manager.acquire() as lease:
        assert await lease.run(divmod, 17, 5) == (3, 2)
        with pytest.raises(Marker):
            await lease.run(fail, Marker())
        assert isinstance(await lease.run(Lp.current_job), Lp.Job)
        future = lease.submit(pow, 2, 10)
        assert await asyncio.wrap_future(future) == 1024
        assert isinstance(future.job, Lp.Job)
    with pytest.raises(Lp.LeaseExpiredError):
        await lease.run(divmod, 17, 5)


async def test_process_backend_without_functions_of_python(managers):
    manager = managers(backend="process", function_module=lpcase.FUNCTIONS_MODULE)
    async with manager:
        assert await manager.call("add", "(ii)", 20, 22) == 42
        async with await manager.acquire() as lease:
            assert (await lease.run(Lp.Job.new_for_command(["echo", "x"], None)))[1] == b"x\n"


async def test_nothing_is_kept(manager):
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)

    async def use():
        async with await manager.acquire() as lease:
            await lease.run(lambda value: value, thing)
            lease.submit(lambda value: value, thing).result(lpcase.SECONDS)
            with pytest.raises(Marker):
                await lease.run(lambda value: fail(Marker(value)), thing)

    await use()
    del thing
    await lpcase.until(lambda: gc.collect() is not None and gone() is None, "arguments and results are freed")


async def test_nothing_is_kept_of_what_never_runs(manager):
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)

    async def use():
        lease = await manager.acquire()
        with lpcase.closed_gate() as gate:
            running = [asyncio.ensure_future(lease.run(gate)) for _ in range(2)]
            await gate.wait_entered()
            await gate.wait_entered()
            future = lease.submit(id, thing)
            task = asyncio.ensure_future(lease.run(id, thing))
            await lpcase.until(lambda: lease.pending_jobs == 4, "they are queued")
            future.cancel()
            task.cancel()
            await asyncio.wait([task])
            gate.open()
            await asyncio.gather(*running)
        await lease.release()
        for refused in (lambda: lease.submit(id, thing), lambda: lease.run(id, thing)):
            with pytest.raises(Lp.LeaseExpiredError):
                await refused()

    await use()
    del thing
    await lpcase.until(lambda: gc.collect() is not None and gone() is None, "the arguments are freed")


# Threads


async def test_values_of_a_thread_last_as_long_as_it(managers):
    """Not longer, however many managers there are, and whichever thread is the last."""
    local = threading.local()
    dropped = []

    def count():
        if not hasattr(local, "count"):
            local.count = 0
            local.marker = Marker()
            weakref.finalize(local.marker, dropped.append, threading.get_ident())
        local.count += 1
        return threading.get_ident(), local.count

    for _ in range(20):
        manager = managers(max_pools=2, min_pools=2, workers_per_pool=2)
        await manager.start()
        calls = await asyncio.gather(*(manager.run(count) for _ in range(20)))
        threads = {thread for thread, _ in calls}
        assert sum(max(n for other, n in calls if other == thread) for thread in threads) == len(calls)
        await manager.stop()
        await lpcase.until(lambda: len(dropped) == len(threads), "the values are dropped")
        dropped.clear()


async def test_many_calls_at_once_are_told_apart(manager):
    async with await manager.acquire() as lease:
        values = await asyncio.gather(*(lease.run(divmod, n, 7) for n in range(500)))
        assert values == [divmod(n, 7) for n in range(500)]
        calls = (lease.run(fail, Marker(n)) if n % 2 else lease.run(int, n) for n in range(200))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [outcome.args[0] if n % 2 else outcome for n, outcome in enumerate(outcomes)] == list(range(200))
