# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Workers that die, and jobs that are cancelled."""

import asyncio
import os
import signal

import functions
from proccase import SECONDS, Case, Lp


class Deaths(Case):
    async def test_of_a_worker_breaks_its_job_only(self):
        async with self.manager() as manager:
            async with await manager.acquire() as lease:
                with self.assertRaisesRegex(Lp.BrokenExecutorError, "signal 9"):
                    await lease.run(functions.kill_me)
            self.assertEqual(await manager.run(functions.divide, 1, 2), 0.5)
            self.assertEqual(manager.stats()["jobs_failed"], 1)

    async def test_of_a_worker_has_what_was_printed_last(self):
        async with self.lease() as lease:
            await lease.run(functions.say, "the last words")
            with self.assertRaisesRegex(Lp.BrokenExecutorError, "the last words"):
                await lease.run(functions.kill_me)

    async def test_exit_of_the_process(self):
        async with self.lease() as lease:
            with self.assertRaisesRegex(Lp.BrokenExecutorError, "status 3"):
                await lease.run(os._exit, 3)

    async def test_interrupt_of_a_worker_prints_nothing(self):
        # The error would have the last line that was printed.
        async with self.lease() as lease:
            with self.assertRaisesRegex(Lp.BrokenExecutorError, r"signal 2 \(Interrupt\)$"):
                await lease.run(os.kill, await lease.run(functions.get_pid), signal.SIGINT)

    async def test_idle_one_that_is_interrupted_is_replaced(self):
        async with self.manager() as manager:
            pid = await manager.run(functions.get_pid)
            os.kill(pid, signal.SIGINT)
            await self.wait_for(lambda: manager.stats()["executors_retired"] == 1)
            self.assertNotEqual(await manager.run(functions.get_pid), pid)


class Cancellation(Case):
    def setUp(self):
        self.mark = os.path.join(self.folder(), "mark")

    def is_marked(self):
        return os.path.exists(self.mark) and os.path.getsize(self.mark)

    def pid(self):
        with open(self.mark, encoding="utf-8") as file:
            return int(file.read())

    async def test_of_a_function_that_does_not_look_kills_its_worker(self):
        async with self.lease(cancel_grace_seconds=0.05) as lease:
            task = asyncio.create_task(lease.run(functions.touch_and_wait, self.mark))
            await self.wait_for(self.is_marked)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await self.wait_for(lambda: not os.path.exists(f"/proc/{self.pid()}"))
            # The lease goes on with another process.
            self.assertNotEqual(await lease.run(functions.get_pid), self.pid())

    async def test_of_a_function_that_looks_spares_its_worker(self):
        async with self.lease(cancel_grace_seconds=SECONDS) as lease:
            task = asyncio.create_task(lease.run(functions.touch_and_look, self.mark))
            await self.wait_for(self.is_marked)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual(await lease.run(functions.get_pid), self.pid())
            self.assertTrue(os.path.exists(self.mark + ".cancelled"))

    async def test_of_a_queued_job(self):
        async with self.lease(cancel_grace_seconds=0.05) as lease:
            first = asyncio.create_task(lease.run(functions.touch_and_wait, self.mark))
            await self.wait_for(self.is_marked)
            queued = lease.submit(functions.touch_and_wait, self.mark + ".queued")
            self.assertTrue(queued.cancel())
            first.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await first
            self.assertEqual(await lease.run(functions.divide, 1, 2), 0.5)
        self.assertFalse(os.path.exists(self.mark + ".queued"))

    async def test_by_a_time_out(self):
        async with self.lease(cancel_grace_seconds=0.05) as lease:
            job = lease.manager.new_job(functions.touch_and_wait, self.mark)
            job.timeout_seconds = 0.05
            with self.assertRaises(Lp.LeaseTimeoutError):
                await lease.run(job)
            self.assertEqual(await lease.run(functions.divide, 1, 2), 0.5)


class Several(Case):
    async def test_run_at_the_same_time(self):
        async with self.lease(workers_per_pool=2, cancel_grace_seconds=0.05) as lease:
            marks = [os.path.join(self.folder(), "mark") for _ in range(2)]
            tasks = [asyncio.create_task(lease.run(functions.touch_and_wait, mark)) for mark in marks]
            for mark in marks:
                await self.wait_for(lambda path=mark: os.path.exists(path) and os.path.getsize(path))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def test_many_jobs_have_their_own_results(self):
        async with self.lease(workers_per_pool=2) as lease:
            results = await asyncio.gather(*(lease.run(functions.same, number) for number in range(300)))
        self.assertEqual(results, list(range(300)))
