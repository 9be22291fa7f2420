#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The tour in Python, on asyncio: tour.py runs all steps, tour.py 3 the third one."""

import asyncio
import os
import sys

import gi
gi.require_version("Lp", "1")
from gi.repository import GLib, Lp  # noqa: E402


# 1. Quick start
async def quick_start():
    async with Lp.Manager(max_pools=2) as manager:
        print("2 to the power of 10:", await manager.run(pow, 2, 10))


# 2. A lease in a scope
async def lease_in_scope():
    async with Lp.Manager(max_pools=1) as manager:
        async with await manager.acquire(owner="squares", lease_seconds=30) as lease:
            # All of them are accepted at once, and run on the four threads of the executor.
            squares = await asyncio.gather(*(lease.run(pow, number, 2) for number in (1, 2, 3)))
            print("squares:", *squares)
        print("idle executors after the scope:", manager.available_count)


# 3. Acquire and release
async def acquire_and_release():
    async with Lp.Manager(max_pools=1) as manager:
        lease = await manager.acquire(owner="by hand")
        try:
            print("leased executors:", manager.leased_count)
            future = lease.submit(pow, 2, 10)
        finally:
            # Returns at once. What was accepted still runs; nothing more is accepted.
            lease.release()
        print("accepted before the release:", await asyncio.wrap_future(future))
        try:
            lease.submit(pow, 2, 10)
        except Lp.LeaseExpiredError:
            print("submitted after the release: expired")


# 4. Wait, time out, do not wait
async def wait_for_lease():
    async with Lp.Manager(max_pools=1) as manager:
        first = await manager.acquire(owner="first")
        try:
            await manager.acquire(owner="second", wait=False)
        except Lp.LeaseUnavailableError:
            print("without waiting: unavailable")
        try:
            await manager.acquire(owner="second", timeout=0.1)
        except TimeoutError:
            print("for 0.1 seconds: timed out")
        waiter = asyncio.create_task(manager.acquire(owner="second"))
        await asyncio.sleep(0)  # so that it waits already
        first.release()
        second = await waiter
        print("as long as it takes: leased to", second.owner)
        second.release()


# 5. Adaptive sizing
async def adaptive_sizing():
    devices = [f"device {number}" for number in range(25)]
    is_one_left = asyncio.Event()

    def on_count(manager, _property):
        if manager.total_count == 1:
            is_one_left.set()

    async with Lp.Manager(max_pools=4, units_per_pool=10, size_provider=lambda: len(devices)) as manager:
        print(f"{len(devices)} devices: {manager.total_count} executors")
        manager.connect("notify::total-count", on_count)
        del devices[5:]
        manager.notify_scale_changed()
        await is_one_left.wait()
        print(f"{len(devices)} devices: {manager.total_count} executor")


# 6. Statistics
async def statistics():
    async with Lp.Manager(max_pools=1) as manager:
        async with await manager.acquire(owner="counted") as lease:
            await lease.run(pow, 2, 10)
            try:
                await lease.run(pow, 0, -1)
            except ZeroDivisionError:
                pass
            stats = manager.stats()
            print("held by:", *(entry["owner"] for entry in stats["leases"]))
            print(f"jobs: {stats['jobs_succeeded']} succeeded, {stats['jobs_failed']} failed")
        stats = manager.stats()
        print(f"leases: {stats['acquired']} acquired, {stats['released']} released, {stats['revoked']} revoked")


# 7. Expiry
async def expiry():
    async with Lp.Manager(max_pools=1, lease_grace_seconds=0) as manager:
        lease = await manager.acquire(owner="forgetful", lease_seconds=60)
        job = asyncio.create_task(lease.run(Lp.Job.new_for_command(["sleep", "1000"])))
        await asyncio.sleep(0)  # so that it is submitted
        # From now on; nobody releases it.
        lease.renew(0.1)
        try:
            await job
        except Lp.LeaseExpiredError:
            print("its job: cancelled")
        try:
            lease.submit(pow, 2, 10)
        except Lp.LeaseExpiredError:
            print("a submit: expired")
        async with await manager.acquire(owner="next") as lease:
            print("leased to", lease.owner)


# 8. Processes
def count_primes(limit):
    return sum(all(number % divisor for divisor in range(2, number)) for number in range(2, limit + 1))


def crash():
    os._exit(1)


async def processes():
    async with Lp.Manager(backend="process", max_pools=2, workers_per_pool=2, start_timeout_seconds=60) as manager:
        async with await manager.acquire(owner="primes") as lease:
            counts = await asyncio.gather(*(lease.run(count_primes, limit) for limit in (10, 100, 1000)))
            print("primes up to 10, 100 and 1000:", *counts)
        try:
            await manager.run(crash)
        except Lp.BrokenExecutorError:
            print("a worker that dies: broken executor")
        print("primes up to 20, in another worker:", await manager.run(count_primes, 20))


# 9. Commands
async def commands():
    async with Lp.Manager(max_pools=1) as manager:
        job = Lp.Job.new_for_command(["sh", "-c", "tr a-z A-Z; exit 3"], GLib.Bytes(b"hello"))
        status, output, _errors = await manager.run(job)
        print(f"{output.decode()}, exit status {status}")
        slow = Lp.Job.new_for_command(["sleep", "1000"])
        slow.set_timeout_seconds(0.1)
        try:
            await manager.run(slow)
        except TimeoutError:
            print("sleep: timed out")


# 10. Errors
def half(number):
    if number % 2 != 0:
        raise ValueError(f"{number} is odd")
    return number // 2


async def errors():
    try:
        Lp.Manager(max_pools=1, min_pools=2)
    except ValueError:
        print("a setting: invalid argument")
    manager = Lp.Manager(max_pools=1)
    async with manager:
        try:
            await manager.run(half, 5)
        except ValueError as error:
            print("a function:", error)
        try:
            await manager.call("third")
        except Lp.LeasePoolError as error:
            if error.code != Lp.Error.UNKNOWN_FUNCTION:
                raise
            print("a name: unknown function")
    try:
        await manager.acquire()
    except Lp.LeasePoolNotStartedError:
        print("after the stop: not started")


# The steps
STEPS = [quick_start, lease_in_scope, acquire_and_release, wait_for_lease, adaptive_sizing, statistics, expiry,
         processes, commands, errors]


async def main():
    chosen = [int(number) for number in sys.argv[1:]] or range(1, len(STEPS) + 1)
    for number in chosen:
        print(f"{number}. {STEPS[number - 1].__name__}")
        await STEPS[number - 1]()


if __name__ == "__main__":
    asyncio.run(main())
