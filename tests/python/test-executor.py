# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Executor classes written in Python, that do as they should."""

import queue
import threading

import lptest
from lptest import Gio, GLib, Lp


class PoolExecutor(Lp.Executor):
    """As many threads as there are workers, each of which takes jobs from one queue."""

    __gtype_name__ = "TestPoolExecutor"

    def do_start(self):
        self.jobs = queue.SimpleQueue()
        self.threads = [threading.Thread(target=self.work, name=f"{self.props.name}-{n}", daemon=True)
                        for n in range(self.props.workers)]
        for thread in self.threads:
            thread.start()
        self.report_ready()
        return True

    def work(self):
        while True:
            job = self.jobs.get()
            if job is None:
                return
            job.execute()
            del job

    def do_submit(self, job):
        self.jobs.put(job)
        return True

    def do_shutdown(self, _mode):
        for _ in self.threads:
            self.jobs.put(None)
        threading.Thread(target=self.join, daemon=True).start()

    def join(self):
        for thread in self.threads:
            thread.join()
        self.report_stopped()


class EchoExecutor(Lp.Executor):
    """It has no workers of its own: it answers each job at once, or when told to."""

    __gtype_name__ = "TestEchoExecutor"
    made = []

    def do_start(self):
        self.service_thread = threading.get_ident()
        self.cancelled = []
        self.seen = []
        self.modes = []
        self.held = []
        self.asked = 0
        EchoExecutor.made.append(self)
        GLib.idle_add(self.report_ready)
        return True

    def do_submit(self, job):
        self.seen.append((job.props.name, threading.get_ident()))
        if job.props.name == "hold":
            self.held.append(job)
        elif job.props.name == "error":
            job.return_error(GLib.Error.new_literal(Lp.error_quark(), "as asked", Lp.Error.NOT_SUPPORTED))
        else:
            job.return_value(job.props.parameters or lptest.value(job.props.name))
        return True

    def do_cancel(self, job):
        self.cancelled.append(job)
        job.return_error(GLib.Error.new_literal(Gio.io_error_quark(), "stopped it", Gio.IOErrorEnum.CANCELLED))

    def do_shutdown(self, mode):
        self.modes.append(mode)
        self.held.clear()
        GLib.idle_add(self.report_stopped)

    def do_has_died(self):
        self.asked += 1
        return False


class Pool(lptest.TestCase):
    def start_python(self, max_pools=2, **properties):
        manager = self.new(max_pools, executor_type=PoolExecutor.__gtype__, **properties)
        self.finish(manager, "start")
        return manager

    def test_closures_run_on_its_threads(self):
        manager = self.start_python(1, workers_per_pool=2, name_prefix="py")
        lease = manager.acquire()
        jobs = [Lp.Job.new_for_func(lambda *_: lptest.value(threading.current_thread().name)) for _ in range(20)]
        for job in jobs:
            lease.submit(job)
        names = {self.finish(job, "wait").unpack()[0] for job in jobs}
        self.assertLessEqual(names, {"py-1-0", "py-1-1"})

    def test_results_and_errors_of_execute(self):
        def fail(*_):
            raise GLib.Error.new_literal(Gio.io_error_quark(), "full", Gio.IOErrorEnum.NO_SPACE)

        lease = self.start_python(1).acquire()
        self.assertEqual(self.finish(lease, "submit", Lp.Job.new_for_func(lambda *_: GLib.Variant("i", 3))).unpack(), 3)
        with self.assert_io_error(Gio.IOErrorEnum.NO_SPACE, "full"):
            self.finish(lease, "submit", Lp.Job.new_for_func(fail))
        with self.assert_lp_error(Lp.Error.FAILED):
            self.finish(lease, "submit", Lp.Job.new_for_func(lambda *_: None))

    def test_never_more_jobs_than_workers(self):
        lease = self.start_python(1, workers_per_pool=2).acquire()
        gate = self.gate()
        lock = threading.Lock()
        running = [0]
        most = []

        def work(*_):
            with lock:
                running[0] += 1
                most.append(running[0])
            with lock:
                running[0] -= 1
            return lptest.value("")

        first = [self.submitted(lease, gate.job()) for _ in range(2)]
        more = [self.submitted(lease, Lp.Job.new_for_func(work)) for _ in range(50)]
        gate.wait_entered(2)
        self.assertEqual({job.props.state for job in more}, {Lp.JobState.QUEUED})
        gate.open()
        for job in first + more:
            job.wait(lptest.SECONDS)
        self.assertLessEqual(max(most), 2)

    def test_named_functions_of_the_manager(self):
        manager = self.start_python(1, function_module=lptest.FUNCTIONS_MODULE)
        lease = manager.acquire()
        self.assertEqual(self.finish(lease, "call", "add", GLib.Variant("(ii)", (20, 22))).unpack(), (42,))

    def test_running_job_is_cancelled_by_its_cancellable(self):
        lease = self.start_python(1).acquire()
        job = self.submitted(lease, Lp.Job.new_for_func(lptest.until_cancelled))
        self.wait_for(lambda: job.props.state == Lp.JobState.RUNNING)
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)

    def test_commands_work_on_it(self):
        lease = self.start_python(1).acquire()
        self.assertEqual(self.finish(lease, "submit", Lp.Job.new_for_command(["true"], None)).unpack(), (0, [], []))

    def test_threads_end_with_the_manager(self):
        manager = self.start_python(2, min_pools=2, name_prefix="ending")
        manager.stop(Lp.StopMode.DRAIN, -1)
        self.assertEqual([thread for thread in threading.enumerate() if thread.name.startswith("ending")], [])

    def test_recycle_replaces_it(self):
        manager = self.start_python(1)
        manager.recycle()
        self.wait_for(lambda: manager.dup_stats().unpack()["executors_created"] == 2 and manager.props.available_count)
        self.assertEqual(self.finish(manager.acquire(), "submit", Lp.Job.new_for_func(lambda *_: lptest.value("new")))
                         .unpack(), ("new",))

    def test_stress(self):
        manager = self.start_python(2, workers_per_pool=3)
        results = lptest.Results()

        def lent(manager, result):
            lease = manager.acquire_finish(result)
            for _ in range(10):
                lease.submit_async(Lp.Job.new_for_func(lambda *_: lptest.value("x")), None, results)
            lease.release()

        for _ in range(30):
            manager.acquire_async(None, None, lent)
        self.wait_for(lambda: len(results) == 300, "300 jobs have ended")
        self.assertEqual(manager.dup_stats().unpack()["jobs_succeeded"], 300)

    def test_executors_are_finalized(self):
        gone = []
        seen = []

        class Noted(PoolExecutor):
            __gtype_name__ = "TestNotedExecutor"

            def do_start(self):
                self.weak_ref(gone.append, True)
                seen.append(True)
                return PoolExecutor.do_start(self)

        manager = self.new(2, min_pools=2, executor_type=Noted.__gtype__)
        self.finish(manager, "start")
        lease = manager.acquire()
        self.submitted(lease, Lp.Job.new_for_func(lambda *_: lptest.value(""))).wait(-1)
        lease.release()
        del lease
        manager.stop(Lp.StopMode.DRAIN, -1)
        self.assertEqual(len(seen), 2)
        self.wait_collected(lambda: len(gone) == 2, "both executors are finalized")


class Echo(lptest.TestCase):
    def setUp(self):
        super().setUp()
        EchoExecutor.made.clear()
        self.addCleanup(EchoExecutor.made.clear)

    def start_echo(self, **properties):
        """Its reports come from the main loop, so the loop has to run also for the stop."""
        manager = self.new(1, executor_type=EchoExecutor.__gtype__, **properties)
        managers = [manager]
        self.addCleanup(lambda: self.finish(managers.pop(), "stop", Lp.StopMode.KILL, -1))
        self.finish(manager, "start")
        return manager

    def test_job_is_ended_by_return_value_and_return_error(self):
        manager = self.start_echo()
        lease = manager.acquire()
        self.assertEqual(self.finish(lease, "call", "hello", None).unpack(), ("hello",))
        self.assertEqual(self.finish(lease, "call", "x", GLib.Variant("i", 5)).unpack(), 5)
        with self.assert_lp_error(Lp.Error.NOT_SUPPORTED, "as asked"):
            self.finish(lease, "call", "error", None)
        stats = manager.dup_stats().unpack()
        self.assertEqual((stats["jobs_succeeded"], stats["jobs_failed"]), (2, 1))

    def test_properties_are_there_in_do_start(self):
        options = GLib.Variant("a{sv}", {"colour": GLib.Variant("s", "red")})
        self.start_echo(executor_options=options, workers_per_pool=7, name_prefix="echo")
        executor, = EchoExecutor.made
        self.assertEqual((executor.props.seq, executor.props.name, executor.props.workers), (1, "echo-1", 7))
        self.assertEqual(executor.props.options.unpack(), {"colour": "red"})

    def test_virtual_functions_run_on_one_thread_that_is_not_ours(self):
        lease = self.start_echo().acquire()
        for _ in range(5):
            self.finish(lease, "call", "hello", None)
        executor, = EchoExecutor.made
        self.assertEqual({thread for _name, thread in executor.seen}, {executor.service_thread})
        self.assertNotEqual(executor.service_thread, threading.get_ident())

    def test_do_cancel_is_called_once_for_a_running_job(self):
        lease = self.start_echo().acquire()
        job = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        executor, = EchoExecutor.made
        self.wait_for(lambda: executor.held)
        job.cancel()
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(executor.cancelled, [job])
        executor.cancelled.clear()
        executor.held.clear()

    def test_job_may_be_ended_much_later_from_another_thread(self):
        lease = self.start_echo().acquire()
        job = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        executor, = EchoExecutor.made
        self.wait_for(lambda: executor.held)
        self.in_thread(lambda: executor.held.pop().return_value(lptest.value("at last")))
        self.assertEqual(self.finish(job, "wait").unpack(), ("at last",))

    def test_ending_a_job_twice_is_dropped_and_counted(self):
        manager = self.start_echo()
        lease = manager.acquire()
        job = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        executor, = EchoExecutor.made
        self.wait_for(lambda: executor.held)
        held = executor.held.pop()
        held.return_value(lptest.value("first"))
        held.return_value(lptest.value("second"))
        self.assertEqual(self.finish(job, "wait").unpack(), ("first",))
        self.wait_for(lambda: manager.dup_stats().unpack()["results_discarded"] == 1)

    def test_shutdown_is_told_to_kill_by_a_kill_only(self):
        for mode in (Lp.StopMode.CANCEL, Lp.StopMode.DRAIN, Lp.StopMode.KILL):
            manager = self.start_echo()
            executor = EchoExecutor.made.pop()
            self.finish(manager, "stop", mode, -1)
            self.assertEqual([each == Lp.StopMode.KILL for each in executor.modes], [mode == Lp.StopMode.KILL])

    def test_has_died_is_asked_before_a_hand_over(self):
        manager = self.start_echo()
        executor, = EchoExecutor.made
        for _ in range(3):
            before = executor.asked
            self.finish(manager, "acquire", None).release()
            self.assertGreater(executor.asked, before)

    def test_default_functions_of_the_base_class(self):
        class Plain(Lp.Executor):
            __gtype_name__ = "TestPlainExecutor"

            def do_submit(self, job):
                job.return_value(lptest.value("plain"))
                return True

        manager = self.start(1, executor_type=Plain.__gtype__)
        self.assertEqual(self.finish(manager.acquire(), "call", "x", None).unpack(), ("plain",))


if __name__ == "__main__":
    lptest.main()
