# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Acquire, submit, wait and release in one call: LpManager.run_async() and call_async()."""

import threading
import weakref

import lptest
from lptest import Gio, GLib, Lp


class TestCase(lptest.TestCase):
    def setUp(self):
        super().setUp()
        managers = [self.start(1, workers_per_pool=1, function_module=lptest.FUNCTIONS_MODULE)]
        self.addCleanup(managers.clear)
        self.manager = managers[0]
        self.addCleanup(self.__dict__.pop, "manager")

    def stats(self):
        return self.manager.dup_stats().unpack()

    def assert_given_back(self, n):
        stats = self.stats()
        self.assertEqual((stats["acquired"], stats["released"], stats["leased"], stats["waiting"]), (n, n, 0, 0))

    def begin(self, job, request=None, cancellable=None):
        results = lptest.Results()
        self.manager.run_async(job, request, cancellable, results)
        return results

    def end(self, results):
        self.wait_for(lambda: results, "the call has ended")
        self.assertEqual(results.threads, [self.main_thread])
        return self.manager.run_finish(results[0]).unpack()


class Run(TestCase):
    def test_value_comes_back(self):
        job = Lp.Job.new_for_func(lambda *_: lptest.value("done"))
        self.assertEqual(self.finish(self.manager, "run", job, None).unpack(), ("done",))
        self.assertEqual(job.props.state, Lp.JobState.SUCCEEDED)
        self.assert_given_back(1)

    def test_error_keeps_its_domain(self):
        def fail(*_):
            raise GLib.Error.new_literal(Gio.io_error_quark(), "full", Gio.IOErrorEnum.NO_SPACE)

        with self.assert_io_error(Gio.IOErrorEnum.NO_SPACE, "full"):
            self.finish(self.manager, "run", Lp.Job.new_for_func(fail), None)
        self.assert_given_back(1)

    def test_request_is_copied(self):
        request = Lp.Request(owner="before")
        lease = self.manager.acquire()
        job = Lp.Job.new_for_func(lambda job, *_: lptest.value(job.get_owner()))
        results = self.begin(job, request)
        request.props.owner = "after"
        lease.release()
        self.assertEqual(self.end(results), ("before",))

    def test_command(self):
        job = Lp.Job.new_for_command(["echo", "hello"], None)
        status, output, _errors = self.finish(self.manager, "run", job, None).unpack()
        self.assertEqual((status, bytes(output)), (0, b"hello\n"))

    def test_many_take_their_turns(self):
        jobs = [Lp.Job.new_for_func(lambda _job, i, *_: lptest.value(str(i)), i) for i in range(100)]
        calls = [self.begin(job) for job in jobs]
        self.assertEqual([self.end(results) for results in calls], [(str(i),) for i in range(100)])
        self.assert_given_back(100)

    def test_goes_on_while_the_main_loop_hangs(self):
        ended = threading.Event()
        lease = self.manager.acquire()
        results = self.begin(Lp.Job.new_for_func(lambda *_: ended.set() or lptest.value("done")))
        lease.release()
        self.assertTrue(ended.wait(lptest.SECONDS))
        # Without an iteration of the main context in between: it has been given back.
        self.manager.acquire(Lp.Request(timeout=lptest.SECONDS)).release()
        self.assertFalse(results)
        self.assertEqual(self.end(results), ("done",))
        self.assert_given_back(3)

    def test_from_another_thread(self):
        """Whose callback comes in the context of that thread."""
        manager = self.manager

        def run():
            context = GLib.MainContext()
            context.push_thread_default()
            try:
                results = lptest.Results()
                manager.run_async(Lp.Job.new_for_func(lambda *_: lptest.value("done")), None, None, results)
                while not results:
                    context.iteration(True)
                self.assertEqual(results.threads, [threading.current_thread()])
                return manager.run_finish(results[0]).unpack()
            finally:
                context.pop_thread_default()

        self.assertEqual(self.in_thread(run), ("done",))

    def test_without_a_callback(self):
        ran = threading.Event()
        self.manager.run_async(Lp.Job.new_for_func(lambda *_: ran.set() or lptest.value("")), None, None, None)
        self.assertTrue(ran.wait(lptest.SECONDS))
        self.wait_for(lambda: self.stats()["available"] == 1, "the executor is back")

    def test_closures_are_freed(self):
        class Marker:
            pass

        marker = Marker()
        gone = weakref.ref(marker)
        self.finish(self.manager, "run", Lp.Job.new_for_func(lambda *_: lptest.value(""), marker), None)
        del marker
        self.wait_collected(lambda: gone() is None, "the user data is freed")


class Call(TestCase):
    def call(self, name, parameters, request=None):
        return self.finish(self.manager, "call", name, parameters, request).unpack()

    def test_value_comes_back(self):
        self.assertEqual(self.call("add", GLib.Variant("(ii)", (20, 22))), (42,))
        self.assertEqual(self.call("echo", None), ())
        self.assert_given_back(2)

    def test_error_of_the_function(self):
        with self.assert_io_error(Gio.IOErrorEnum.EXISTS, "it is there"):
            self.call("fail", GLib.Variant("(s)", ("it is there",)))

    def test_refusals(self):
        with self.assert_lp_error(Lp.Error.UNKNOWN_FUNCTION, "no-such"):
            self.call("no-such", None)
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "(ii)"):
            self.call("add", GLib.Variant("(s)", ("x",)))
        self.assert_given_back(2)
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "lease-seconds"):
            self.call("echo", None, Lp.Request(lease_seconds=0))
        self.assert_given_back(2)

    def test_missing_name(self):
        with self.assertRaises(TypeError):
            self.manager.call_async(None, None, None, None, None)
        with self.assertRaises(TypeError):
            self.manager.run_async(None, None, None, None)


class Ends(TestCase):
    def test_cancelled_before(self):
        cancellable = Gio.Cancellable()
        cancellable.cancel()
        job = Lp.Job.new_for_func(lambda *_: lptest.value("later"))
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(self.manager, "run", job, None, cancellable=cancellable)
        self.assertEqual(job.props.state, Lp.JobState.NEW)
        self.assertEqual(self.finish(self.manager, "run", job, None).unpack(), ("later",))

    def test_cancelled_while_it_waits(self):
        lease = self.manager.acquire()
        cancellable = Gio.Cancellable()
        job = Lp.Job.new_for_func(lambda *_: lptest.value("later"))
        results = self.begin(job, None, cancellable)
        self.assertEqual(self.stats()["waiting"], 1)
        cancellable.cancel()
        self.assertEqual(self.stats()["waiting"], 0)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.end(results)
        lease.release()
        self.assertEqual(self.finish(self.manager, "run", job, None).unpack(), ("later",))

    def test_cancelled_while_it_runs(self):
        cancellable = Gio.Cancellable()
        job = Lp.Job.new_for_func(lptest.until_cancelled)
        results = self.begin(job, None, cancellable)
        self.wait_for(lambda: job.props.state == Lp.JobState.RUNNING, "the job runs")
        cancellable.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.end(results)
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)
        self.assert_given_back(1)

    def test_job_is_cancelled_while_it_waits(self):
        lease = self.manager.acquire()
        job = Lp.Job.new_for_func(lambda *_: lptest.value("never"))
        results = self.begin(job)
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.end(results)
        lease.release()
        self.assert_given_back(1)

    def test_no_executor_in_time(self):
        lease = self.manager.acquire(Lp.Request(owner="holder"))
        job = Lp.Job.new_for_func(lambda *_: lptest.value("later"))
        with self.assert_io_error(Gio.IOErrorEnum.TIMED_OUT, "holder"):
            self.finish(self.manager, "run", job, Lp.Request(timeout=0.02))
        with self.assert_lp_error(Lp.Error.UNAVAILABLE, "holder"):
            self.finish(self.manager, "run", job, Lp.Request(wait=False))
        lease.release()
        self.assertEqual(self.finish(self.manager, "run", job, None).unpack(), ("later",))

    def test_submitted_twice(self):
        gate = self.gate()
        job = gate.job()
        results = self.begin(job)
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "submitted before"):
            self.finish(self.manager, "run", job, None)
        gate.open()
        self.assertEqual(self.end(results), ("through the gate",))

    def test_stopped(self):
        self.manager.stop(Lp.StopMode.DRAIN, -1)
        with self.assert_lp_error(Lp.Error.NOT_STARTED):
            self.finish(self.manager, "call", "echo", None, None)


if __name__ == "__main__":
    lptest.main()
