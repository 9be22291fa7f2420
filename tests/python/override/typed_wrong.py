# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What a type checker flags: each line that says so, and no other."""

from gi.repository import Lp


def negate(number: int) -> int:
    return -number


async def main() -> None:
    manager = Lp.Manager(max_pools="2")  # wrong: [arg-type]
    Lp.Manager(size_provider=lambda: 3)  # wrong: [call-arg]
    Lp.Manager(max_pools=2, size_provider=lambda: "x")  # wrong: [arg-type] [return-value]
    manager.max_pools = "x"  # wrong: [assignment]
    manager.total_count = 3  # wrong: [misc]
    manager.worker_argv = 3  # wrong: [assignment]
    Lp.Manager(max_pools=2, worker_argv=3)  # wrong: [arg-type]
    Lp.Job.new_for_command(["cat"], "text").owner = "me"  # wrong: [arg-type] [misc]
    lease = await manager.acquire(lease_second=30)  # wrong: [call-arg]
    await manager.acquire(owner=5)  # wrong: [arg-type]
    await lease.run(negate)  # wrong: [call-arg] [call-overload]
    text: str = await lease.run(negate, -3)  # wrong: [arg-type] [call-overload]
    number: int = lease.submit(negate, -3)  # wrong: [assignment]
    async with manager.acquire():  # wrong: [attr-defined]
        pass
    await lease.call(5)  # wrong: [arg-type]
    print(text, number)
