# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""How the end of a function in a worker thread gets into an event loop, whatever that can do."""

import asyncio
import errno
import gc
import os
import sys
import time
import weakref

import lpcase
import pytest
from gi.repository import Lp


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """As those of other systems: it cannot be told of descriptors."""

    def add_reader(self, fd, callback, *args):
        raise NotImplementedError


def descriptors():
    return len(os.listdir("/proc/self/fd"))


async def run_some(manager):
    async with await manager.acquire() as lease:
        assert await lease.run(abs, -1) == 1
        assert await asyncio.gather(*[lease.run(abs, -number) for number in range(20)]) == list(range(20))
        with pytest.raises(ZeroDivisionError):
            await lease.run(divmod, 1, 0)


def run_in(loop):
    """A whole life of a manager in the loop."""
    async def use():
        async with Lp.Manager(max_pools=1) as manager:
            await run_some(manager)

    try:
        loop.run_until_complete(use())
    finally:
        loop.close()


def test_loop_that_has_no_readers():
    run_in(LoopWithoutReaders())


def test_system_without_event_descriptors(monkeypatch):
    monkeypatch.delattr(os, "eventfd")
    run_in(asyncio.new_event_loop())


def test_no_descriptor_is_left_for_it(monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "eventfd", refuse)
    run_in(asyncio.new_event_loop())


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, LoopWithoutReaders])
def test_closed_loops_leave_no_descriptor(make_loop, used_once):
    before = descriptors()
    for _ in range(5):
        run_in(make_loop())
    # A call is in the mind of the helper for some milliseconds more.
    deadline = time.monotonic() + lpcase.SECONDS
    while gc.collect() is None or descriptors() > before:
        assert time.monotonic() < deadline, f"{descriptors()} descriptors, {before} before"
        time.sleep(0.005)


def test_closed_loops_that_are_kept_have_one_descriptor(used_once):
    before = descriptors()
    loops = []
    for _ in range(5):
        loops.append(asyncio.new_event_loop())
        run_in(loops[-1])
    deadline = time.monotonic() + lpcase.SECONDS
    while gc.collect() is None or descriptors() > before + 1:
        assert time.monotonic() < deadline, f"{descriptors()} descriptors, {before} before"
        time.sleep(0.005)


class Interrupted(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("name", ["eventfd_read", "look"])
def test_signal_handler_that_raises(name, monkeypatch):
    """The loop was told, and does not get to look; the next calls come back all the same."""
    inbox_of = sys.modules["gi.overrides.Lp._inbox"].inbox_of
    raising = [True]

    def read(descriptor, real=os.eventfd_read):
        value = real(descriptor)
        if raising.pop():
            raising.append(False)
            raise Interrupted
        raising.append(False)
        return value

    class Look:
        """A call that is looked at before those of the functions."""

        def __init__(self):
            self.loop = loop

        def look(self):
            raise Interrupted

    async def use():
        async with await manager.acquire() as lease:
            calls = [asyncio.ensure_future(lease.run(abs, -number)) for number in range(8)]
            if name == "look":
                await asyncio.sleep(0)
                inbox_of(loop).put(Look())
            return await asyncio.gather(*calls)

    if name == "eventfd_read":
        monkeypatch.setattr(os, "eventfd_read", read)
    manager = Lp.Manager(max_pools=1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(manager.start())
    task = loop.create_task(use())
    with pytest.raises(Interrupted):
        loop.run_until_complete(task)
    assert loop.run_until_complete(asyncio.wait_for(task, lpcase.SECONDS)) == list(range(8))
    loop.run_until_complete(manager.stop())
    loop.close()


@pytest.fixture
def used_once():
    """What the first use opens for the whole program is open already. Nothing of a loop is."""
    run_in(LoopWithoutReaders())


def test_descriptor_is_not_inherited():
    async def use():
        async with Lp.Manager(max_pools=1) as manager:
            await run_some(manager)
            process = await asyncio.create_subprocess_exec("ls", "-l", "/proc/self/fd", close_fds=False,
                                                           stdout=asyncio.subprocess.PIPE)
            return await process.communicate()

    output, _ = asyncio.run(use())
    assert b"eventfd" not in output


async def use_once_more(manager, lease, gone):
    # There is one worker: the function before has ended.
    assert await lease.run(abs, -1) == 1
    await manager.stop()
    await lpcase.until(lambda: gc.collect() is not None and gone() is None, "the loop is freed")


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, LoopWithoutReaders])
def test_function_that_ends_after_its_loop(make_loop):
    """Nobody is told, and neither the loop nor what the call holds is kept."""
    manager = Lp.Manager(max_pools=1, workers_per_pool=1)
    loop = make_loop()
    loop.run_until_complete(manager.start())
    lease = loop.run_until_complete(manager.acquire())
    gone = weakref.ref(loop)
    with lpcase.closed_gate() as gate:
        task = loop.create_task(lease.run(gate))
        loop.run_until_complete(gate.wait_entered())
        loop.close()
        task._log_destroy_pending = False
        del task, loop

    asyncio.run(use_once_more(manager, lease, gone))


def test_told_loop_that_closes_is_not_kept():
    """The loop was told, and is closed before it looks."""
    manager = Lp.Manager(max_pools=1, workers_per_pool=1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(manager.start())
    lease = loop.run_until_complete(manager.acquire())
    gone = weakref.ref(loop)

    async def begin():
        call = asyncio.ensure_future(lease.run(abs, -1))
        await asyncio.sleep(0)
        return call

    task = loop.run_until_complete(begin())
    lease.submit(int).result(lpcase.SECONDS)
    loop.close()
    task._log_destroy_pending = False
    del task, loop

    asyncio.run(use_once_more(manager, lease, gone))


async def test_the_job_has_ended_when_its_value_is_there(manager):
    """And the executor of a lease that is released then is there for the next one."""
    for number in range(200):
        lease = manager.try_acquire()
        assert lease is not None
        assert await lease.run(abs, -number) == number
        assert lease.pending_jobs == 0
        lease.release()
        assert lease.state == Lp.LeaseState.RELEASED
    assert manager.stats()["executors_retired"] == 0
    assert manager.stats()["results_discarded"] == 0
