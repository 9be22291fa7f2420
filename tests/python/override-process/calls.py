# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Functions, their arguments, results and exceptions."""

import errno
import functools
import gc
import math
import os
import threading
import unittest.mock

import functions
import gi
from proccase import Case, GLib, Gio, Lp


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


class Calls(Case):
    async def test_function_of_a_module(self):
        async with self.lease() as lease:
            self.assertEqual(await lease.run(math.sqrt, 16), 4)
            self.assertEqual(await lease.run(functions.divide, 1, b=2), 0.5)

    async def test_runs_in_another_process(self):
        async with self.lease() as lease:
            self.assertNotEqual(await lease.run(functions.get_pid), os.getpid())

    async def test_arguments_come_as_they_were(self):
        async with self.lease() as lease:
            args, kwargs = await lease.run(functions.describe, None, 1.5, "ä\0\udcff", b"\0", (1, [2]), a={3}, fn=4)
            self.assertEqual(args, (None, 1.5, "ä\0\udcff", b"\0", (1, [2])))
            self.assertEqual(kwargs, {"a": {3}, "fn": 4})

    async def test_methods_and_partials(self):
        async with self.lease() as lease:
            self.assertEqual((await lease.run(functions.Point(1).moved, 2)).x, 3)
            self.assertEqual(await lease.run(functools.partial(functions.divide, b=4), 1), 0.25)
            self.assertEqual(await lease.run(str.upper, "a"), "A")

    async def test_large_bytes(self):
        data = os.urandom(1 << 20) * 64
        async with self.lease() as lease:
            self.assertEqual(await lease.run(functions.same, data), data)
            self.assertEqual(await lease.run(functions.same, bytearray(data)), bytearray(data))

    async def test_sizes_around_the_limit_of_files(self):
        async with self.lease() as lease:
            for size in (0, 1, (1 << 16) - 1, 1 << 16, (1 << 20) - 100, 1 << 20, (1 << 20) + 1):
                self.assertEqual(await lease.run(functions.same, b"x" * size), b"x" * size)
            text = "ä" * (1 << 20)
            self.assertEqual(await lease.run(functions.same, [text, text]), [text, text])

    async def test_large_bytes_without_a_file_descriptor(self):
        async with self.lease() as lease:
            with unittest.mock.patch("os.memfd_create", side_effect=OSError(errno.EMFILE, "none left")):
                with unittest.mock.patch("sys.unraisablehook") as hook:
                    with self.assertRaisesRegex(OSError, "none left"):
                        await lease.run(functions.same, b"x" * (1 << 20))
                    gc.collect()
                    hook.assert_not_called()

    async def test_what_is_larger_than_a_message_fails_its_job(self):
        async with self.lease(max_message_size=1 << 20) as lease:
            with self.assertRaisesRegex(Lp.LeasePoolError, "max-message-size"):
                await lease.run(bytes, 2 << 20)
            with self.assertRaisesRegex(Lp.LeasePoolError, "max-message-size|larger|bytes"):
                await lease.run(len, bytes(2 << 20))
            self.assertEqual(await lease.run(len, b"12"), 2)

    async def test_by_the_executor_of_a_lease(self):
        async with self.lease() as lease:
            future = lease.executor.submit(functions.divide, 3, 2)
            self.assertEqual(future.result(60), 1.5)
            self.assertEqual(list(lease.executor.map(functions.same, range(5))), list(range(5)))

    async def test_by_the_manager(self):
        async with self.manager() as manager:
            self.assertEqual(await manager.run(functions.divide, 1, 2), 0.5)

    async def test_without_an_event_loop(self):
        manager = self.manager()

        def work():
            with manager, manager.acquire_sync() as lease:
                return lease.submit(functions.divide, 1, 4).result(60)

        thread_result = []
        thread = threading.Thread(target=lambda: thread_result.append(work()))
        thread.start()
        await self.wait_for(lambda: not thread.is_alive())
        self.assertEqual(thread_result, [0.25])

    async def test_current_job(self):
        async with self.lease() as lease:
            job = lease.manager.new_job(functions.report)
            self.assertEqual(await lease.run(job), "lp.python.run")
            self.assertEqual((job.progress, job.status), (0.5, "half"))

    async def test_printed_line_is_out_before_the_result(self):
        async with self.lease(forward_process_logs=True) as lease:
            with self.assertLogs("leasepool") as logs:
                await lease.run(functions.say, "a line\n")
                self.assertEqual([record.getMessage() for record in logs.records], ["a line"])

    async def test_environment_of_the_program_is_there(self):
        async with self.lease() as lease:
            seen = await lease.run(functions.look)
        import sys

        self.assertEqual([os.path.abspath(path) for path in sys.path], seen["path"])
        self.assertEqual(sys.argv, seen["argv"])
        self.assertEqual(seen["main"], "__mp_main__")

    async def test_worker_loads_little(self):
        async with self.lease() as lease:
            modules = (await lease.run(functions.look))["modules"]
        # PyGObject itself loads asyncio since 3.50.
        of_others = {"asyncio", "concurrent.futures"} if gi.version_info >= (3, 50) else set()
        for name in {"asyncio", "multiprocessing", "concurrent.futures", "gi.overrides.Lp"} - of_others:
            self.assertNotIn(name, modules)


class Refused(Case):
    """Before there is a job."""

    async def assert_refused(self, text, *call, **kwargs):
        async with self.manager() as manager:
            lease = await manager.acquire()
            with self.assertRaisesRegex(TypeError, text):
                await lease.run(*call, **kwargs)
            self.assertEqual(lease.pending_jobs, 0)
            with self.assertRaisesRegex(TypeError, text):
                lease.executor.submit(*call, **kwargs)
            stats = manager.stats()
            self.assertEqual((stats["jobs_succeeded"], stats["jobs_failed"]), (0, 0))
            lease.release()

    async def test_lambda(self):
        await self.assert_refused("function “.*<lambda>” cannot be sent.*top level", lambda: 1)

    async def test_local_function(self):
        def inner():
            pass

        await self.assert_refused("function “.*inner” cannot be sent", inner)

    async def test_method_of_what_cannot_be_pickled(self):
        await self.assert_refused("cannot be sent", threading.Lock().acquire)

    async def test_argument(self):
        await self.assert_refused("argument 2 of “functions.describe” cannot be sent.*lock", functions.describe, 1,
                                  threading.Lock())

    async def test_keyword(self):
        await self.assert_refused("argument key of “functions.describe”.*never pickled", functions.describe,
                                  key=functions.Stubborn())

    async def test_too_deep(self):
        await self.assert_refused("argument 1.*Recursion", functions.same, deep(100000))

    async def test_what_is_no_function(self):
        await self.assert_refused("callable", 7)


class Exceptions(Case):
    async def failure(self, func, *args):
        async with self.manager() as manager:
            async with await manager.acquire() as lease:
                try:
                    await lease.run(func, *args)
                except BaseException as error:
                    caught = error
                else:
                    self.fail("nothing was raised")
                # Whatever it was, the worker is well, and the job has failed.
                self.assertEqual(await lease.run(functions.divide, 1, 2), 0.5)
            self.counts = manager.stats()
            self.assertEqual(self.counts["executors_retired"], 0)
        return caught

    async def test_is_the_original(self):
        error = await self.failure(functions.fail_inside)
        self.assertIs(type(error), functions.Rich)
        self.assertEqual((error.args, error.number, error.more), ((7,), 7, {"a": 1}))

    async def test_fails_its_job(self):
        await self.failure(functions.divide, 1, 0)
        self.assertEqual((self.counts["jobs_failed"], self.counts["jobs_succeeded"]), (1, 1))

    async def test_has_the_traceback_as_its_cause(self):
        error = await self.failure(functions.fail_inside)
        self.assertIsInstance(error.__cause__, Lp.RemoteTraceback)
        text = str(error.__cause__)
        self.assertIn("in divide\n    return a / b\n", text)
        self.assertIn("direct cause of the following exception", text)
        self.assertIn("in fail_inside\n    raise Rich(7) from error\n", text)
        self.assertTrue(text.endswith('functions.Rich: 7\n"""'), text)
        self.assertNotIn("_python_worker", text)

    async def test_by_a_future(self):
        async with self.lease() as lease:
            error = lease.executor.submit(functions.divide, 1, 0).exception(60)
        self.assertIsInstance(error, ZeroDivisionError)
        self.assertIn("in divide", str(error.__cause__))

    async def test_that_cannot_be_pickled_has_its_type_and_text(self):
        error = await self.failure(functions.fail_unpicklably)
        self.assertIs(type(error), Lp.RemoteException)
        self.assertIsInstance(error, RuntimeError)
        self.assertEqual(str(error), "ValueError: with a lock")
        self.assertIn("in fail_unpicklably", str(error.__cause__))

    async def test_that_cannot_be_made_again_has_its_type_and_text(self):
        error = await self.failure(functions.fail_oddly)
        self.assertIs(type(error), Lp.RemoteException)
        self.assertEqual(str(error), "Odd: 1 and 2")
        self.assertIn("in fail_oddly", str(error.__cause__))

    async def test_that_cannot_be_made_here_has_its_type_and_text(self):
        error = await self.failure(functions.fail_at_home)
        self.assertIs(type(error), Lp.RemoteException)
        self.assertEqual(str(error), "Homely: far away")
        self.assertIn("in fail_at_home", str(error.__cause__))

    async def test_exit_ends_neither_program(self):
        error = await self.failure(functions.fail, SystemExit(3))
        self.assertIs(type(error), Lp.RemoteException)
        self.assertEqual(str(error), "SystemExit: 3")

    async def test_that_futures_cannot_have(self):
        error = await self.failure(functions.fail, StopIteration(3))
        self.assertEqual((type(error), str(error)), (Lp.RemoteException, "StopIteration: 3"))
        async with self.lease() as lease:
            self.assertIsInstance(lease.submit(functions.fail, StopIteration(3)).exception(60), Lp.RemoteException)

    async def test_of_glib(self):
        error = await self.failure(functions.fail, GLib.Error("No such", "g-io-error-quark", 1))
        self.assertTrue(error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND))

    async def test_of_this_library(self):
        error = await self.failure(functions.fail, Lp.LeaseExpiredError("It has"))
        self.assertIs(type(error), Lp.LeaseExpiredError)

    async def test_text_that_c_does_not_know(self):
        error = await self.failure(functions.fail, ValueError("a\0b\udcff\x1e"))
        self.assertEqual(error.args, ("a\0b\udcff\x1e",))

    async def test_larger_than_a_message_has_what_fits(self):
        async with self.lease(max_message_size=1 << 16) as lease:
            with self.assertRaisesRegex(Lp.RemoteException, "^ValueError: xxx"):
                await lease.run(functions.fail_largely, 1 << 20)

    async def test_result_that_cannot_be_pickled(self):
        error = await self.failure(functions.make_stubborn)
        self.assertIs(type(error), TypeError)
        self.assertIn("result of “functions.make_stubborn”, of the type Stubborn, cannot be sent back", str(error))
        self.assertEqual(self.counts["jobs_failed"], 1)

    async def test_result_that_cannot_be_read(self):
        error = await self.failure(functions.make_unreadable)
        self.assertIs(type(error), Lp.RemoteException)
        self.assertIn("cannot be read: ZeroDivisionError", str(error))

    async def test_call_that_cannot_be_read(self):
        error = await self.failure(functions.same, functions.Unreadable())
        self.assertIsInstance(error, ZeroDivisionError)
