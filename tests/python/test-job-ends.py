# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""How jobs end before their time: cancelled, timed out, refused, stuck."""

import math

import lptest
from lptest import Gio, GLib, Lp


def closure(func, *user_data):
    return Lp.Job.new_for_func(func, *user_data)


class Cancel(lptest.TestCase):
    def test_running_job_is_asked_to_end(self):
        lease = self.start(1).acquire()
        gate = self.gate()

        def work(job, *data):
            gate.entered.release()
            return lptest.until_cancelled(job, *data)

        job = self.submitted(lease, closure(work))
        gate.wait_entered()
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)

    def test_result_in_time_stands(self):
        lease = self.start(1).acquire()
        gate = self.gate()
        job = self.submitted(lease, gate.job())
        gate.wait_entered()
        job.cancel()
        gate.open()
        self.assertEqual(self.finish(job, "wait").unpack(), ("through the gate",))
        self.assertEqual(job.props.state, Lp.JobState.SUCCEEDED)

    def test_own_error_becomes_cancelled(self):
        lease = self.start(1).acquire()
        gate = self.gate()

        def work(job, *_):
            gate.run(job)
            raise GLib.Error.new_literal(Gio.io_error_quark(), "something else", Gio.IOErrorEnum.EXISTS)

        job = self.submitted(lease, closure(work))
        gate.wait_entered()
        job.cancel()
        gate.open()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            job.wait(-1)
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)

    def test_queued_job_never_runs(self):
        lease = self.start(1, workers_per_pool=1).acquire()
        gate = self.gate()
        ran = []
        first = self.submitted(lease, gate.job())
        job = self.submitted(lease, closure(lambda *_: ran.append(True) or lptest.value("")))
        last = self.submitted(lease, closure(lambda *_: lptest.value("last")))
        gate.wait_entered()
        job.cancel()
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)
        self.assertEqual(job.props.started_at, 0)
        gate.open()
        first.wait(-1)
        last.wait(-1)
        self.assertEqual(ran, [])

    def test_cancelled_before_submit_is_refused(self):
        lease = self.start(1).acquire()
        job = closure(lambda *_: lptest.value("never"))
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            lease.submit(job)

    def test_cancellable_of_submit_cancels_the_job(self):
        lease = self.start(1).acquire()
        cancellable = Gio.Cancellable()
        results = lptest.Results()
        job = closure(lptest.until_cancelled)
        lease.submit_async(job, cancellable, results)
        self.wait_for(lambda: job.props.state == Lp.JobState.RUNNING)
        cancellable.cancel()
        self.wait_for(lambda: results)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            lease.submit_finish(results[0])
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)

    def test_cancellable_of_call_cancels_the_job(self):
        manager = self.start(1, function_module=lptest.FUNCTIONS_MODULE)
        lease = manager.acquire()
        cancellable = Gio.Cancellable()
        results = lptest.Results()
        lease.call_async("until-cancelled", None, cancellable, results)
        self.assertEqual(lease.props.pending_jobs, 1)
        cancellable.cancel()
        self.wait_for(lambda: results)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            lease.call_finish(results[0])
        self.assertEqual(manager.dup_stats().unpack()["jobs_cancelled"], 1)

    def test_cancellable_of_wait_ends_the_wait_only(self):
        lease = self.start(1).acquire()
        gate = self.gate()
        job = self.submitted(lease, gate.job())
        cancellable = Gio.Cancellable()
        results = lptest.Results()
        job.wait_async(cancellable, results)
        cancellable.cancel()
        self.wait_for(lambda: results)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            job.wait_finish(results[0])
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            job.wait(-1, cancellable)
        gate.open()
        self.assertEqual(job.wait(-1).unpack(), ("through the gate",))

    def test_time_out_of_wait_ends_the_wait_only(self):
        lease = self.start(1).acquire()
        gate = self.gate()
        job = self.submitted(lease, gate.job())
        with self.assert_io_error(Gio.IOErrorEnum.TIMED_OUT):
            job.wait(0.01)
        gate.open()
        self.assertEqual(job.wait(-1).unpack(), ("through the gate",))
        for seconds in (math.nan, math.inf, -2.0):
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
                job.wait(seconds)

    def test_many_waiters_get_the_same_result(self):
        lease = self.start(1).acquire()
        gate = self.gate()
        job = gate.job()
        results = lptest.Results()
        job.wait_async(None, results)  # also before it is submitted
        lease.submit_async(job, None, results)
        job.wait_async(None, results)
        gate.open()
        self.wait_for(lambda: len(results) == 3)
        job.wait_async(None, results)  # and after its end
        self.wait_for(lambda: len(results) == 4)
        self.assertEqual(job.wait_finish(results[0]).unpack(), ("through the gate",))
        self.assertEqual(job.wait_finish(results[3]).unpack(), ("through the gate",))

    def test_cancel_after_the_end_does_nothing(self):
        lease = self.start(1).acquire()
        job = self.submitted(lease, closure(lambda *_: lptest.value("done")))
        job.wait(-1)
        job.cancel()
        self.assertEqual((job.props.state, job.dup_result().unpack()), (Lp.JobState.SUCCEEDED, ("done",)))

    def test_late_cancel_does_not_reach_the_next_job(self):
        lease = self.start(1, workers_per_pool=1).acquire()
        for _ in range(200):
            first, second = (closure(lambda job, *_: GLib.Variant("b", job.get_cancellable().is_cancelled()))
                             for _ in range(2))
            lease.submit(first)
            lease.submit(second)
            first.cancel()
            self.assertEqual(second.wait(-1).unpack(), False)


class TimeOut(lptest.TestCase):
    def test_polite_job_is_timed_out(self):
        lease = self.start(1).acquire()
        job = closure(lptest.until_cancelled)
        job.props.timeout_seconds = 0.02
        self.assertEqual(job.props.timeout_seconds, 0.02)
        with self.assert_io_error(Gio.IOErrorEnum.TIMED_OUT):
            self.finish(lease, "submit", job)
        self.assertEqual(job.props.state, Lp.JobState.FAILED)

    def test_time_outs_that_are_refused(self):
        lease = self.start(1).acquire()
        for seconds in (math.nan, math.inf, -1.0):
            job = closure(lambda *_: lptest.value(""))
            job.props.timeout_seconds = seconds
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "timeout-seconds"):
                lease.submit(job)
            job.props.timeout_seconds = 0
            self.assertTrue(lease.submit(job))
            job.wait(-1)

    def test_stuck_job_ends_after_the_grace_and_its_result_is_dropped(self):
        manager = self.start(1, cancel_grace_seconds=0.02, workers_per_pool=1)
        lease = manager.acquire()
        gate = self.gate()
        job = self.submitted(lease, gate.job())
        gate.wait_entered()
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)
        self.assertEqual(manager.dup_stats().unpack()["results_discarded"], 0)
        gate.open()
        self.wait_for(lambda: manager.dup_stats().unpack()["results_discarded"] == 1)
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)

    def test_executor_with_a_stuck_thread_is_quarantined(self):
        manager = self.start(1, cancel_grace_seconds=0.02)
        lease = manager.acquire()
        gate = self.gate()
        job = self.submitted(lease, gate.job())
        gate.wait_entered()
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            job.wait(-1)
        lease.release()
        self.wait_for(lambda: manager.props.quarantined_count == 1)
        # The place is free for another one meanwhile.
        self.assertEqual(self.submitted(manager.acquire(), closure(lambda *_: lptest.value("ok"))).wait(-1).unpack(),
                         ("ok",))
        gate.open()
        self.wait_for(lambda: manager.props.quarantined_count == 0)


class Submit(lptest.TestCase):
    def test_job_is_submitted_once(self):
        lease = self.start(1).acquire()
        job = self.submitted(lease, closure(lambda *_: lptest.value("once")))
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
            lease.submit(job)
        job.wait(-1)
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
            self.finish(lease, "submit", job)

    def test_refused_job_is_as_new(self):
        manager = self.start(1)
        first = manager.acquire()
        first.release()
        job = closure(lambda *_: lptest.value("second try"))
        with self.assert_lp_error(Lp.Error.EXPIRED):
            first.submit(job)
        self.assertEqual(job.props.state, Lp.JobState.NEW)
        second = manager.acquire()
        self.assertEqual(self.finish(second, "submit", job).unpack(), ("second try",))

    def test_max_queued_jobs(self):
        lease = self.start(1, workers_per_pool=1, max_queued_jobs=2).acquire()
        gate = self.gate()
        self.submitted(lease, gate.job())
        gate.wait_entered()
        queued = [self.submitted(lease, gate.job()) for _ in range(2)]
        with self.assert_lp_error(Lp.Error.QUEUE_FULL):
            lease.submit(gate.job())
        gate.open()
        for job in queued:
            job.wait(-1)

    def test_jobs_of_a_stopped_manager(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()
        running = self.submitted(lease, closure(lptest.until_cancelled))
        queued = self.submitted(lease, closure(lambda *_: lptest.value("never")))
        self.wait_for(lambda: running.props.state == Lp.JobState.RUNNING)
        manager.stop(Lp.StopMode.CANCEL, -1)
        for job in (running, queued):
            with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
                job.wait(-1)
        with self.assert_lp_error(Lp.Error.EXPIRED):
            lease.submit(closure(lambda *_: None))

    def test_draining_stop_runs_accepted_jobs(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()
        gate = self.gate()
        jobs = [self.submitted(lease, gate.job()) for _ in range(5)]
        results = lptest.Results()
        manager.stop_async(Lp.StopMode.DRAIN, -1, None, results)
        with self.assert_lp_error(Lp.Error.NOT_STARTED):
            lease.submit(gate.job())
        self.dispatch()
        self.assertEqual(results, [])
        gate.open()
        self.wait_for(lambda: results)
        self.assertTrue(manager.stop_finish(results[0]))
        self.assertEqual({job.props.state for job in jobs}, {Lp.JobState.SUCCEEDED})

    def test_stop_mode_and_time_out_are_checked(self):
        manager = self.start(1)
        for seconds in (math.nan, math.inf, -2.0):
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "timeout-seconds"):
                manager.stop(Lp.StopMode.DRAIN, seconds)
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "timeout-seconds"):
                self.finish(manager, "stop", Lp.StopMode.DRAIN, seconds)
        with self.assertRaises(TypeError):
            manager.stop("drain", -1)
        self.assertTrue(manager.props.running)

    def test_manager_can_be_started_again(self):
        manager = self.start(1)
        old = manager.acquire()
        for _ in range(3):
            manager.stop(Lp.StopMode.DRAIN, -1)
            manager.stop(Lp.StopMode.DRAIN, -1)
            self.assertFalse(manager.props.running)
            manager.start()
            manager.start()
            with self.assert_lp_error(Lp.Error.EXPIRED):
                old.submit(closure(lambda *_: None))
            lease = manager.acquire()
            self.assertEqual(self.submitted(lease, closure(lambda *_: lptest.value(""))).wait(-1).unpack(), ("",))


if __name__ == "__main__":
    lptest.main()
