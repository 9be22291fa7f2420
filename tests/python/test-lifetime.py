# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""When what Python gave is let go of, and in which thread."""

import threading
import weakref

import lptest
from lptest import Gio, GLib, Lp


class Data:
    """User data that says when it is gone and which thread let it go."""

    def __init__(self):
        self.gone = []
        weakref.finalize(self, self.note, self.gone).atexit = False

    @staticmethod
    def note(gone):
        gone.append(threading.current_thread())

    def work(self, *_):
        return lptest.value("")

    def fail(self, *_):
        raise GLib.Error("no")


class UserData(lptest.TestCase):
    def assert_gone_in_main_thread(self, gone):
        self.wait_collected(lambda: gone, "the user data is let go of")
        self.assertEqual(gone, [self.main_thread])

    def test_closure_of_a_job_that_ran(self):
        lease = self.start(1).acquire()
        for name in ("work", "fail"):
            data = Data()
            gone = data.gone
            job = Lp.Job.new_for_func(getattr(data, name))
            del data
            results = lptest.Results()
            lease.submit_async(job, None, results)
            del job
            self.wait_for(lambda results=results: results)
            results.clear()
            self.assert_gone_in_main_thread(gone)

    def test_extra_arguments_of_a_job(self):
        lease = self.start(1).acquire()
        data = Data()
        gone = data.gone
        job = self.submitted(lease, Lp.Job.new_for_func(lambda *_: lptest.value(""), data, "more"))
        del data
        job.wait(-1)
        del job
        self.assert_gone_in_main_thread(gone)

    def test_many_jobs_are_let_go_of_in_the_main_thread(self):
        lease = self.start(1).acquire()
        gone = []
        for _ in range(300):
            data = Data()
            gone.append(data.gone)
            lease.submit(Lp.Job.new_for_func(data.work))
            del data
        self.wait_collected(lambda: all(gone), "all user data is let go of")
        self.assertEqual({thread for threads in gone for thread in threads}, {self.main_thread})

    def test_job_that_was_never_submitted(self):
        data = Data()
        gone = data.gone
        job = Lp.Job.new_for_func(data.work)
        del data, job
        self.assert_gone_in_main_thread(gone)

    def test_refused_and_cancelled_jobs(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()
        gate = self.gate()
        self.submitted(lease, gate.job())
        gate.wait_entered()
        cancelled, refused = Data(), Data()
        gone = [cancelled.gone, refused.gone]
        job = self.submitted(lease, Lp.Job.new_for_func(cancelled.work))
        job.cancel()
        lease.release()
        with self.assert_lp_error(Lp.Error.EXPIRED):
            lease.submit(Lp.Job.new_for_func(refused.work))
        del job, cancelled, refused
        for each in gone:
            self.assert_gone_in_main_thread(each)
        gate.open()

    def test_data_of_a_stuck_job_lives_until_it_returns(self):
        manager = self.start(1, cancel_grace_seconds=0.01)
        lease = manager.acquire()
        gate = self.gate()
        data = Data()
        gone = data.gone

        job = self.submitted(lease, Lp.Job.new_for_func(lambda job, data: gate.run(job), data))
        del data
        gate.wait_entered()
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            job.wait(-1)
        del job
        lptest.gc.collect()
        self.dispatch()
        self.assertEqual(gone, [])
        gate.open()
        self.assert_gone_in_main_thread(gone)

    def test_jobs_in_flight_when_the_manager_stops(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()
        running, queued = Data(), Data()
        gone = [running.gone, queued.gone]
        lease.submit(Lp.Job.new_for_func(lambda job, _data: lptest.until_cancelled(job), running))
        lease.submit(Lp.Job.new_for_func(queued.work))
        del running, queued
        manager.stop(Lp.StopMode.CANCEL, -1)
        del lease
        for each in gone:
            self.assert_gone_in_main_thread(each)

    def test_functions_of_a_table(self):
        data = Data()
        gone = data.gone
        functions = Lp.Functions()
        functions.add("work", None, None, data.work)
        manager = Lp.Manager(backend="thread", max_pools=1, functions=functions)
        del data, functions
        manager.start()
        lease = manager.acquire()
        self.finish(lease, "call", "work", None)
        lptest.gc.collect()
        self.assertEqual(gone, [])
        lease.release()
        manager.stop(Lp.StopMode.CANCEL, -1)
        del lease, manager
        self.assert_gone_in_main_thread(gone)

    def test_refused_function_is_let_go_of_at_once(self):
        data = Data()
        gone = data.gone
        functions = Lp.Functions()
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
            functions.add("", None, None, data.work)
        del data
        self.assert_gone_in_main_thread(gone)

    def test_size_provider_that_is_replaced(self):
        manager = self.start(1)
        first, second = Data(), Data()
        gone = [first.gone, second.gone]
        manager.set_size_provider(lambda _manager, _data: 1, first)
        manager.set_size_provider(lambda _manager, _data: 2, second)
        del first, second
        self.assert_gone_in_main_thread(gone[0])
        self.assertEqual(gone[1], [])
        manager.set_size_provider(None)
        self.assert_gone_in_main_thread(gone[1])

    def test_callbacks_are_let_go_of(self):
        manager = self.start(1)
        data = Data()
        gone = data.gone
        leases = []
        manager.acquire_async(None, None, lambda manager, result, _data: leases.append(manager.acquire_finish(result)), data)
        del data
        self.wait_for(lambda: leases)
        leases.pop().release()
        self.assert_gone_in_main_thread(gone)


class Objects(lptest.TestCase):
    def count(self, thing):
        gone = []
        thing.weak_ref(gone.append, True)
        return gone

    def test_jobs_leases_and_requests_are_finalized(self):
        manager = self.start(1)
        request = Lp.Request(owner="me")
        lease = manager.acquire(request)
        job = self.submitted(lease, Lp.Job.new_for_func(lambda *_: lptest.value("")))
        job.get_cancellable()
        job.wait(-1)
        gone = [self.count(thing) for thing in (request, lease, job)]
        lease.release()
        del request, lease, job
        self.wait_collected(lambda: all(gone), "all are finalized")

    def test_lease_held_by_its_own_job_is_not_leaked(self):
        manager = self.start(1)
        lease = manager.acquire()
        gone = self.count(lease)

        def work(_job, lease):
            return lptest.value(lease.props.id)

        job = self.submitted(lease, Lp.Job.new_for_func(work, lease))
        job.wait(-1)
        lease.release()
        del lease, job
        self.wait_collected(lambda: gone, "the lease is finalized")

    def test_running_manager_that_is_dropped_ends(self):
        manager = Lp.Manager.new("thread", 2)
        manager.start()
        gone = self.count(manager)
        lease = manager.acquire()
        data = Data()
        job = self.submitted(lease, Lp.Job.new_for_func(lambda job, _data: lptest.until_cancelled(job), data))
        data_gone = data.gone
        del data, manager
        self.wait_collected(lambda: gone, "the manager is finalized")
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            job.wait(lptest.SECONDS)
        self.assertEqual(lease.props.state, Lp.LeaseState.STOPPED)
        with self.assertRaises(GLib.Error):
            lease.submit(Lp.Job.new_for_func(lambda *_: None))
        del job, lease
        self.wait_collected(lambda: data_gone, "the user data is let go of")
        self.assertEqual(data_gone, [self.main_thread])

    def test_threads_end_with_the_manager(self):
        def names():
            result = set()
            for task in lptest.os.listdir("/proc/self/task"):
                try:
                    with open(f"/proc/self/task/{task}/stat", encoding="utf-8", errors="replace") as stat:
                        head, _, tail = stat.read().rpartition(")")
                except OSError:
                    continue  # it ended meanwhile
                # One that was joined is there for a moment longer, with the kernel's PF_EXITING.
                if not int(tail.split()[6]) & 4:
                    result.add(head.partition("(")[2])
            return {name for name in result if name.startswith("lptest")}

        manager = self.start(1, name_prefix="lptest", workers_per_pool=3)
        lease = manager.acquire()
        gate = self.gate()
        for _ in range(3):
            lease.submit(gate.job())
        gate.wait_entered(3)
        self.assertEqual(names(), {"lptest-1-1", "lptest-1-2", "lptest-1-3"})
        gate.open()
        manager.stop(Lp.StopMode.DRAIN, -1)
        self.assertEqual(names(), set())


if __name__ == "__main__":
    lptest.main()
