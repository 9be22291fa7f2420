#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Functions of Python: await lease.run(fn) against asyncio's run_in_executor() with the matching pool of
concurrent.futures, in the same event loop, in turns.

It takes the variables of the other benchmarks, and prints rows as they do; see lp-bench.h and lp-bench.c."""

import asyncio
import collections
import concurrent.futures
import os
import queue
import statistics
import sys
import threading
import time

import gi

gi.require_version("Lp", "1")
from gi.repository import GLib, Lp  # noqa: E402

ROUNDS = int(os.environ.get("LP_BENCH_ROUNDS", 7))
SCALE = float(os.environ.get("LP_BENCH_SCALE", 1))
ONLY = os.environ.get("LP_BENCH_ONLY", "")
WORKERS = 2
# The methods of C, without what the overrides add.
LEASE_SUBMIT = Lp.Lease.__mro__[1].submit
JOB_WAIT = Lp.Job.__mro__[1].wait
PARAMETERS = GLib.VariantType.new("(ay)")
FLOOR_WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "floor-worker.py")


def noop():
    pass


def work():
    return sum(range(20000))


async def spend(call, count, in_flight):
    """The nanoseconds of each of as many calls, so many at a time."""
    async def one_after_the_other(number):
        for _ in range(number):
            await call()

    in_flight = min(in_flight, count)
    shares = [count // in_flight + (index < count % in_flight) for index in range(in_flight)]
    started = time.monotonic_ns()
    if in_flight == 1:
        await one_after_the_other(count)
    else:
        await asyncio.gather(*map(one_after_the_other, shares))
    return (time.monotonic_ns() - started) / count


async def compare(measure, count, in_flight, ours, peer, peer_name, goal=None):
    if ONLY not in measure:
        return
    count = max(round(count * SCALE), 1)
    rounds = []
    for number in range(ROUNDS + 1):
        values = {}
        for call in ((ours, peer), (peer, ours))[number % 2]:
            values[call] = await spend(call, count, in_flight)
        rounds.append((values[ours], values[peer]))
    rounds = rounds[1:]
    ratios = sorted(mine / theirs for mine, theirs in rounds)
    mine, theirs = (statistics.median(side) for side in zip(*rounds))
    print("python", measure, "ns", f"{mine:.6g}", f"{theirs:.6g}", peer_name, f"{statistics.median(ratios):.3f}",
          f"{ratios[0]:.3f}", f"{ratios[-1]:.3f}", "-" if goal is None else f"<= {goal:g}", len(ratios), sep="\t",
          flush=True)


def make_named_call():
    return Lp.Job.new_for_call("answer", GLib.Variant.new_from_bytes(PARAMETERS, GLib.Bytes.new(b"noop"), True))


class BareThreads:
    """What nobody can leave out who has threads run functions for an event loop: a future for each call, a queue to the
    threads, and one that tells the loop, which is woken once for all that have ended meanwhile. Nothing else: no
    exceptions, no cancelling, no context variables, nothing that is known of a call."""

    def __init__(self, loop):
        self._loop = loop
        self._calls = queue.SimpleQueue()
        self._ended = collections.deque()
        self._is_told = False
        self._threads = [threading.Thread(target=self._work) for _ in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def run(self, fn):
        future = self._loop.create_future()
        self._calls.put((fn, future))
        return future

    def _work(self):
        while (call := self._calls.get()) is not None:
            fn, future = call
            self._ended.append((future, fn()))
            if not self._is_told:
                self._is_told = True
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self):
        self._is_told = False
        while self._ended:
            future, value = self._ended.popleft()
            future.set_result(value)

    def end(self):
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()


async def measure_bare_threads(executor, count):
    loop = asyncio.get_running_loop()
    bare = BareThreads(loop)
    for what, in_flight in (("one at a time", 1), ("64 in flight", 64)):
        await compare(f"floor: a bare queue to {WORKERS} threads: no-op calls, {what}", count, in_flight,
                      lambda: bare.run(noop), lambda: loop.run_in_executor(executor, noop),
                      f"run_in_executor(), {type(executor).__name__}")
    bare.end()


async def measure_passing_on(make_job, workers, executor, count, **settings):
    """What a call costs that PyGObject passes on, on this side and on the worker's: no event loop, no object of Python
    that is carried."""
    loop = asyncio.get_running_loop()
    name = type(executor).__name__
    async with Lp.Manager(max_pools=1, workers_per_pool=WORKERS, **settings) as manager:
        async with await manager.acquire(lease_seconds=36000) as lease:
            async def pass_on(number):
                jobs = [make_job() for _ in range(number)]
                for job in jobs:
                    LEASE_SUBMIT(lease, job)
                for job in jobs:
                    JOB_WAIT(job, -1)

            def run_one():
                return loop.run_in_executor(executor, noop)

            async def run_all():
                await asyncio.gather(*[run_one() for _ in range(64)])

            await compare(f"floor: a job made, submitted, called and waited for by PyGObject, {workers}", count, 1,
                          lambda: pass_on(1), run_one, f"run_in_executor(), {name}")
            await compare(f"floor: 64 jobs made, submitted, called and waited for by PyGObject, {workers}",
                          max(count // 64, 1), 1, lambda: pass_on(64), run_all, f"64 times run_in_executor(), {name}")


async def measure_backend(backend, workers, executor, count, goal):
    loop = asyncio.get_running_loop()
    name = type(executor).__name__
    async with Lp.Manager(backend=backend, max_pools=1, workers_per_pool=WORKERS) as manager:
        async with await manager.acquire(lease_seconds=36000) as lease:
            for what, fn, in_flight in (("no-op calls, one at a time", noop, 1),
                                        ("no-op calls, 64 in flight", noop, 64),
                                        ("calls that compute, 64 in flight", work, 64)):
                await compare(f"await lease.run(), {workers}: {what}", count, in_flight, lambda: lease.run(fn),
                              lambda: loop.run_in_executor(executor, fn), f"run_in_executor(), {name}",
                              goal if fn is noop else None)
            await compare(f"run_in_executor(lease.executor), {workers}: no-op calls, 64 in flight", count, 64,
                          lambda: loop.run_in_executor(lease.executor, noop),
                          lambda: loop.run_in_executor(executor, noop), f"run_in_executor(), {name}")


async def main():
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as executor:
        await measure_backend("thread", f"{WORKERS} threads", executor, 5000, 1)
        await measure_bare_threads(executor, 5000)
    with concurrent.futures.ProcessPoolExecutor(WORKERS) as executor:
        await measure_backend("process", f"{WORKERS} processes", executor, 2000, 1)
        await measure_passing_on(make_named_call, f"{WORKERS} processes", executor, 2000,
                                 backend="process", worker_argv=[sys.executable, FLOOR_WORKER])


if __name__ == "__main__":
    asyncio.run(main())
