# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Executor classes written in Python, that fail in every way they can: the manager survives and says what happened."""

import lptest
from lptest import Gio, GLib, Lp


class Failing(Lp.Executor):
    """What it does is in `plan`, a class member that each test sets: a list of words."""

    __gtype_name__ = "TestFailingExecutor"
    plan = ()
    made = []

    def do_start(self):
        Failing.made.append(self)
        self.jobs = []
        if "start raises" in self.plan:
            raise GLib.Error.new_literal(Gio.io_error_quark(), "no licence", Gio.IOErrorEnum.PERMISSION_DENIED)
        if "start reports death" in self.plan:
            self.report_died(GLib.Error("died at birth"))
        elif "start never ends" not in self.plan:
            self.report_ready()
        return "start returns nothing" not in self.plan or None

    def do_submit(self, job):
        if "submit raises" in self.plan:
            raise GLib.Error.new_literal(Gio.io_error_quark(), "no room", Gio.IOErrorEnum.NO_SPACE)
        if "submit breaks" in self.plan:
            raise GLib.Error.new_literal(Lp.error_quark(), "the line is cut", Lp.Error.BROKEN_EXECUTOR)
        if "submit returns nothing" in self.plan:
            return None
        if job.props.name == "hold":
            self.jobs.append(job)
        else:
            job.return_value(lptest.value(str(self.props.seq)))
        return True

    def do_shutdown(self, _mode):
        self.jobs.clear()
        if "shutdown never ends" not in self.plan:
            self.report_stopped()

    def do_has_died(self):
        return "has died" in self.plan


class Failures(lptest.TestCase):
    def setUp(self):
        super().setUp()
        Failing.made.clear()
        self.addCleanup(Failing.made.clear)
        self.addCleanup(setattr, Failing, "plan", ())

    def new_failing(self, *plan, max_pools=1, **properties):
        Failing.plan = plan
        return self.new(max_pools, **{"executor_type": Failing.__gtype__, "cancel_grace_seconds": 0.05, **properties})

    def start_failing(self, *plan, **properties):
        manager = self.new_failing(*plan, **properties)
        manager.start()
        return manager

    def assert_works_again(self, manager):
        Failing.plan = ()
        lease = self.finish(manager, "acquire", Lp.Request(timeout=lptest.SECONDS))
        self.finish(lease, "call", "x", None)
        lease.release()


class Start(Failures):
    def test_start_that_raises(self):
        manager = self.new_failing("start raises")
        with self.assertRaises(GLib.Error) as caught:
            self.finish(manager, "start")
        self.assertIn("no licence", caught.exception.message)
        self.assertFalse(manager.props.running)
        Failing.plan = ()
        self.finish(manager, "start")
        self.assert_works_again(manager)

    def test_blocking_start_that_raises(self):
        manager = self.new_failing("start raises")
        with self.assertRaises(GLib.Error) as caught:
            manager.start()
        self.assertIn("no licence", caught.exception.message)

    def test_start_that_raises_an_ordinary_exception(self):
        program = self.run_program("""
class Wrong(Lp.Executor):
    def do_start(self):
        raise ValueError("ordinary")

manager = Lp.Manager(backend="thread", max_pools=1, executor_type=Wrong.__gtype__, start_timeout_seconds=1000)
try:
    manager.start()
except GLib.Error as error:
    print(error.matches(Lp.error_quark(), Lp.Error.START_FAILED), manager.props.running)
""")
        self.assertEqual((program.returncode, program.stdout), (0, "True False\n"), program.stderr)
        self.assertIn("ValueError: ordinary", program.stderr)

    def test_constructor_that_raises_does_not_crash(self):
        program = self.run_program("""
class Wrong(Lp.Executor):
    def __init__(self):
        super().__init__()
        raise ValueError("in the constructor")

manager = Lp.Manager(backend="thread", max_pools=1, executor_type=Wrong.__gtype__)
try:
    manager.start()
    manager.stop(Lp.StopMode.DRAIN, -1)
except GLib.Error as error:
    print(error.message)
print("alive")
""")
        self.assertEqual(program.returncode, 0, program.stderr)
        self.assertTrue(program.stdout.endswith("alive\n"), program.stdout)
        self.assertIn("ValueError: in the constructor", program.stderr)

    def test_start_that_forgets_return_true(self):
        class Forgetful(Failing):
            __gtype_name__ = "TestForgetfulExecutor"

            def do_start(self):
                self.jobs = []

        manager = self.new(1, executor_type=Forgetful.__gtype__, start_timeout_seconds=1000)
        with self.assert_lp_error(Lp.Error.START_FAILED, "TestForgetfulExecutor"):
            self.finish(manager, "start")

    def test_start_that_reports_death(self):
        manager = self.new_failing("start reports death")
        with self.assertRaises(GLib.Error) as caught:
            self.finish(manager, "start")
        self.assertIn("died at birth", caught.exception.message)

    def test_start_that_never_ends(self):
        manager = self.new_failing("start never ends", start_timeout_seconds=0.05)
        with self.assertRaises(GLib.Error) as caught:
            self.finish(manager, "start")
        self.assertTrue(caught.exception.matches(Lp.error_quark(), Lp.Error.START_FAILED)
                        or caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT),
                        caught.exception.message)
        self.assertFalse(manager.props.running)

    def test_start_that_never_ends_can_be_cancelled(self):
        manager = self.new_failing("start never ends")
        cancellable = Gio.Cancellable()
        results = lptest.Results()
        manager.start_async(cancellable, results)
        self.wait_for(lambda: Failing.made)
        cancellable.cancel()
        self.wait_for(lambda: results)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            manager.start_finish(results.pop())
        self.assertFalse(manager.props.running)

    def test_abstract_and_foreign_types_are_refused(self):
        class NotAnExecutor(lptest.GObject.Object):
            __gtype_name__ = "TestNotAnExecutor"

        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "executor-type"):
            self.new(1, executor_type=NotAnExecutor.__gtype__).start()

    def test_later_executor_that_fails_is_tried_again(self):
        manager = self.start_failing(max_pools=2)
        lease = manager.acquire()
        Failing.plan = ("start raises",)
        results = lptest.Results()
        manager.acquire_async(Lp.Request(timeout=lptest.SECONDS), None, results)
        self.wait_for(lambda: len(Failing.made) >= 2)
        Failing.plan = ()
        self.wait_for(lambda: results, "the waiter is served after the failed start")
        second = manager.acquire_finish(results.pop())
        self.assertEqual(second.props.state, Lp.LeaseState.ACTIVE)
        second.release()
        lease.release()


class Submit(Failures):
    def test_submit_that_raises_fails_only_the_job(self):
        manager = self.start_failing("submit raises")
        lease = manager.acquire()
        for _ in range(3):
            with self.assert_io_error(Gio.IOErrorEnum.NO_SPACE, "no room"):
                self.finish(lease, "call", "x", None)
        Failing.plan = ()
        self.assertEqual(self.finish(lease, "call", "x", None).unpack(), ("1",))
        self.assertEqual(manager.dup_stats().unpack()["jobs_failed"], 3)

    def test_submit_that_raises_broken_executor_retires_it(self):
        manager = self.start_failing("submit breaks")
        lease = manager.acquire()
        with self.assert_lp_error(Lp.Error.BROKEN_EXECUTOR, "the line is cut"):
            self.finish(lease, "call", "x", None)
        self.wait_for(lambda: lease.props.state == Lp.LeaseState.BROKEN)
        self.assert_works_again(manager)
        self.assertEqual(len(Failing.made), 2)

    def test_submit_that_forgets_return_true_fails_the_job(self):
        manager = self.start_failing("submit returns nothing")
        lease = manager.acquire()
        with self.assertRaises(GLib.Error) as caught:
            self.finish(lease, "call", "x", None)
        self.assertEqual(caught.exception.domain, "lp-error-quark")
        Failing.plan = ()
        self.assertEqual(self.finish(lease, "call", "x", None).unpack(), ("1",))

    def test_submit_that_raises_an_ordinary_exception(self):
        program = self.run_program("""
class Wrong(Lp.Executor):
    def do_submit(self, job):
        raise ValueError("ordinary")

manager = Lp.Manager(backend="thread", max_pools=1, executor_type=Wrong.__gtype__)
manager.start()
lease = manager.acquire()
job = Lp.Job.new_for_call("x", None)
lease.submit(job)
try:
    job.wait(20)
except GLib.Error as error:
    print(error.domain, job.props.state.value_nick, lease.props.state.value_nick)
lease.release()
manager.stop(Lp.StopMode.DRAIN, -1)
""")
        self.assertEqual((program.returncode, program.stdout), (0, "lp-error-quark failed active\n"), program.stderr)
        self.assertIn("ValueError: ordinary", program.stderr)

    def test_job_that_never_ends(self):
        manager = self.start_failing()
        lease = manager.acquire()
        job = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        self.wait_for(lambda: job.props.state == Lp.JobState.RUNNING)
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)
        lease.release()
        self.assert_works_again(manager)

    def test_job_that_never_ends_times_out(self):
        manager = self.start_failing()
        lease = manager.acquire()
        job = Lp.Job.new_for_call("hold", None)
        job.props.timeout_seconds = 0.02
        with self.assert_io_error(Gio.IOErrorEnum.TIMED_OUT):
            self.finish(lease, "submit", job)
        self.assertEqual(job.props.state, Lp.JobState.FAILED)

    def test_job_that_never_ends_does_not_hold_up_the_expiry(self):
        manager = self.start_failing(lease_grace_seconds=0)
        lease = self.acquire(manager)
        job = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        lease.renew(0.05)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(lease.props.state, Lp.LeaseState.EXPIRED)
        self.assert_works_again(manager)

    def test_job_that_never_ends_does_not_hold_up_the_stop(self):
        manager = self.start_failing()
        lease = manager.acquire()
        job = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        self.wait_for(lambda: job.props.state == Lp.JobState.RUNNING)
        self.finish(manager, "stop", Lp.StopMode.CANCEL, -1)
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)


class Death(Failures):
    def test_reported_death_breaks_the_lease(self):
        manager = self.start_failing()
        lease = manager.acquire()
        held = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        self.wait_for(lambda: held.props.state == Lp.JobState.RUNNING)
        ended = []
        manager.connect("lease-ended", lambda _manager, info: ended.append(info.props.state))
        reasons = []
        manager.connect("executor-retired", lambda _manager, _seq, reason: reasons.append(reason))
        self.in_thread(Failing.made[0].report_died, GLib.Error("the host went down"))
        with self.assert_lp_error(Lp.Error.BROKEN_EXECUTOR, "the host went down"):
            self.finish(held, "wait")
        self.assertEqual(held.props.state, Lp.JobState.FAILED)
        self.wait_for(lambda: ended and reasons)
        self.assertEqual((ended, reasons), ([Lp.LeaseState.BROKEN], [Lp.RetireReason.BROKEN]))
        self.assertEqual(lease.props.state, Lp.LeaseState.BROKEN)
        with self.assertRaises(GLib.Error):
            lease.submit(Lp.Job.new_for_call("x", None))
        self.assert_works_again(manager)

    def test_jobs_that_had_not_started_are_safe_to_retry(self):
        manager = self.start_failing(workers_per_pool=1)
        lease = manager.acquire()
        held = self.submitted(lease, Lp.Job.new_for_call("hold", None))
        queued = self.submitted(lease, Lp.Job.new_for_call("x", None))
        self.wait_for(lambda: held.props.state == Lp.JobState.RUNNING)
        Failing.made[0].report_died(GLib.Error("gone"))
        for job in (held, queued):
            with self.assert_lp_error(Lp.Error.BROKEN_EXECUTOR):
                self.finish(job, "wait")
        self.assertGreater(held.props.started_at, 0)
        self.assertEqual(queued.props.started_at, 0)

    def test_idle_death_is_noticed_at_once(self):
        manager = self.start_failing()
        Failing.made[0].report_died(GLib.Error("died in its sleep"))
        self.wait_for(lambda: len(Failing.made) == 2 and manager.props.available_count == 1)
        self.assertEqual(self.finish(manager.acquire(), "call", "x", None).unpack(), ("2",))

    def test_reported_twice_counts_once(self):
        manager = self.start_failing()
        for _ in range(3):
            Failing.made[0].report_died(GLib.Error("dead"))
        self.wait_for(lambda: manager.props.available_count == 1 and len(Failing.made) == 2)
        self.assertEqual(manager.dup_stats().unpack()["executors_retired"], 1)

    def test_has_died_is_believed_before_a_hand_over(self):
        manager = self.start_failing()
        Failing.plan = ("has died",)
        results = lptest.Results()
        manager.acquire_async(Lp.Request(timeout=lptest.SECONDS), None, results)
        self.wait_for(lambda: len(Failing.made) >= 2)
        Failing.plan = ()
        self.wait_for(lambda: results)
        lease = manager.acquire_finish(results.pop())
        self.assertNotEqual(self.finish(lease, "call", "x", None).unpack(), ("1",))
        lease.release()

    def test_shutdown_that_never_ends_does_not_hold_up_the_stop_for_ever(self):
        manager = self.start_failing("shutdown never ends")
        executor, = Failing.made
        self.finish(manager, "stop", Lp.StopMode.KILL, -1)
        self.assertFalse(manager.props.running)
        executor.report_stopped()
        self.wait_for(lambda: manager.props.quarantined_count == 0)
        Failing.plan = ()
        manager.start()
        self.assert_works_again(manager)


if __name__ == "__main__":
    lptest.main()
