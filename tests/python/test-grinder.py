# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""LpGrinder: batches of jobs of many submitters, without overrides."""

import threading
import weakref

import lptest
from lptest import GLib, Lp


class TestCase(lptest.TestCase):
    def setUp(self):
        super().setUp()
        managers = [self.start(2, workers_per_pool=2, function_module=lptest.FUNCTIONS_MODULE)]
        self.addCleanup(managers.clear)
        self.manager = managers[0]
        self.addCleanup(self.__dict__.pop, "manager")

    def grinder(self, **properties):
        """A grinder that runs; the clean-up stops it, and sees that all it accepted has ended."""
        grinder = Lp.Grinder(manager=self.manager, **{"max_wait_seconds": 3600, "batch_size_threshold": 3, **properties})
        self.assertTrue(self.finish(grinder, "start"))
        self.addCleanup(self.stop, grinder, Lp.StopMode.KILL)
        return grinder

    def stop(self, grinder, mode):
        self.assertTrue(self.finish(grinder, "stop", mode))
        self.assertFalse(grinder.props.running)
        stats = grinder.dup_stats().unpack()
        self.assertEqual(stats["items_accepted"],
                         stats["items_succeeded"] + stats["items_failed"] + stats["items_cancelled"])


def closure(text):
    return Lp.Job.new_for_func(lambda *_: lptest.value(text))


def addition(a, b):
    return Lp.Job.new_for_call("add", GLib.Variant("(ii)", (a, b)))


class Grinder(TestCase):
    def test_batch_of_closures_functions_and_commands(self):
        grinder = self.grinder()
        jobs = [closure("mixed"), addition(1, 2), Lp.Job.new_for_command(["true"], None)]
        for job in jobs:
            self.assertTrue(grinder.enqueue(job))
        self.assertEqual([jobs[0].wait(-1).unpack(), jobs[1].wait(-1).unpack()], [("mixed",), (3,)])
        self.assertEqual(jobs[2].wait(-1).unpack()[0], 0)
        self.assertEqual({job.get_owner() for job in jobs}, {"work-grinder-batch-1"})

    def test_submit_calls_back_in_its_own_context(self):
        grinder = self.grinder(batch_size_threshold=1)
        self.assertEqual(self.finish(grinder, "submit", closure("back")).unpack(), ("back",))
        with self.assert_lp_error(Lp.Error.UNKNOWN_FUNCTION, "no-such"):
            self.finish(grinder, "submit", Lp.Job.new_for_call("no-such", None))

    def test_age(self):
        grinder = self.grinder(max_wait_seconds=0.01)
        job = closure("old enough")
        grinder.enqueue(job)
        self.assertEqual(job.wait(-1).unpack(), ("old enough",))

    def test_threads_submit(self):
        grinder = self.grinder(max_wait_seconds=0.005, max_batch_size=4, max_batches_in_flight=2)

        def submit(results):
            for n in range(20):
                job = closure(str(n))
                grinder.enqueue(job)
                results.append(job.wait(-1).unpack())

        results = [[] for _ in range(4)]
        threads = [threading.Thread(target=submit, args=(each,)) for each in results]
        for thread in threads:
            thread.start()
        self.wait_for(lambda: not any(thread.is_alive() for thread in threads), "the threads have ended")
        for thread in threads:
            thread.join()
        self.assertEqual(results, [[(str(n),) for n in range(20)]] * 4)

    def test_cancel(self):
        grinder = self.grinder()
        job = closure("never")
        grinder.enqueue(job)
        job.cancel()
        self.assertEqual((job.props.state, grinder.props.pending_count), (Lp.JobState.CANCELLED, 0))

    def test_back_pressure(self):
        grinder = self.grinder(max_pending=2)
        drained = []
        grinder.connect("drained", lambda _grinder: drained.append(threading.current_thread()))
        jobs = [closure("1"), closure("2"), closure("3")]
        grinder.enqueue(jobs[0])
        grinder.enqueue(jobs[1])
        with self.assert_lp_error(Lp.Error.QUEUE_FULL, "max-pending (2)"):
            grinder.enqueue(jobs[2])
        jobs[0].cancel()
        jobs[1].cancel()
        self.wait_for(lambda: drained, "it has drained")
        self.assertEqual(drained, [self.main_thread])
        grinder.enqueue(jobs[2])

    def test_settings_are_checked(self):
        for name, bad in {"max_wait_seconds": (0, -1, float("nan"), float("inf")), "batch_size_threshold": (0, -1),
                          "max_batch_size": (-1,), "max_batches_in_flight": (0,), "max_pending": (-1,),
                          "lease_seconds": (0, float("nan"), 1e15), "owner_prefix": ("",)}.items():
            for value in bad:
                grinder = Lp.Grinder(manager=self.manager, **{name: value})
                with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, name.replace("_", "-")):
                    self.finish(grinder, "start")

    def test_stop_modes_and_restart(self):
        grinder = self.grinder()
        for mode, state in ((Lp.StopMode.DRAIN, Lp.JobState.SUCCEEDED), (Lp.StopMode.CANCEL, Lp.JobState.CANCELLED),
                            (Lp.StopMode.KILL, Lp.JobState.CANCELLED)):
            job = closure("again")
            grinder.enqueue(job)
            self.stop(grinder, mode)
            self.assertEqual(job.props.state, state)
            with self.assert_lp_error(Lp.Error.NOT_STARTED):
                grinder.enqueue(closure("too late"))
            self.finish(grinder, "start")

    def test_dropped_grinder_strands_nothing(self):
        grinder = Lp.Grinder.new(self.manager)
        gone = weakref.ref(grinder)
        self.finish(grinder, "start")
        job = closure("never")
        grinder.enqueue(job)
        del grinder
        self.wait_collected(lambda: gone() is None, "the grinder is gone")
        self.wait_for(lambda: job.props.state == Lp.JobState.CANCELLED, "its item has ended")


if __name__ == "__main__":
    lptest.main()
