# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What a type checker accepts."""

import asyncio
from concurrent.futures import Future

from gi.repository import Lp


def divide(number: int, by: int = 2) -> tuple[int, int]:
    return divmod(number, by)


def negate(number: int) -> int:
    return -number


async def main() -> None:
    manager = Lp.Manager(max_pools=2, size_provider=lambda: 3, backend=Lp.ExecutorBackend.THREAD)
    await manager.start()
    async with await manager.acquire(owner="x", lease_seconds=30, timeout=2.0, wait=True) as lease:
        quotient, rest = await lease.run(divide, 17, by=5)
        future: Future[int] = lease.submit(negate, -3)
        total: int = quotient + rest + future.result()
        text: str = await lease.run(repr, total)
        print(text, await lease.call("name", "(u)", 5), lease.executor.submit(negate, -1).result())
        await lease.release()
    for info in manager.leases:
        print(info.owner, info.state == Lp.LeaseState.ACTIVE)
    keys: list[str] = list(manager.stats())
    number: int = manager.desired_executor_count() + len(keys) + await manager.run(negate, -1)
    was_active: bool = await manager.release("id")
    try:
        await asyncio.wait_for(manager.acquire(), number)
    except (Lp.LeaseExpiredError, Lp.LeasePoolError, TimeoutError) as error:
        print(error, was_active)
    async with Lp.LeasedExecutorManager(max_pools=1) as other:
        await other.run(Lp.Request(owner="me"), repr, "x")
    async with Lp.Grinder(manager, max_wait_seconds=0.1, lease_seconds=None) as grinder:
        number += await grinder.submit(negate, 5, owner="me")
        item: asyncio.Task[int] = await grinder.enqueue(negate, 5)
        number += await item + grinder.submit_from_thread(negate, 5).result()
        await grinder.call("name", "(u)", 5)
        keys += list(grinder.stats()) + list(await grinder.astats())
        await grinder.wait_drained()
    job = Lp.Job.new_for_command(["cat"], b"x")
    await manager.run(job)
    print(await job, job.state == Lp.JobState.SUCCEEDED)
    await manager.stop(Lp.StopMode.DRAIN, timeout=5)
    manager.backend = "process"
    manager.worker_argv = ["worker"]
    manager.start_async(None, lambda source, result: source.start_finish(result))


asyncio.run(main())
