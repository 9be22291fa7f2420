# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The blocking forms in Python threads, and contexts of other threads."""

import threading

import lptest
from lptest import Gio, GLib, Lp


class Blocking(lptest.TestCase):
    def run_threads(self, n, func):
        """Runs func (number) in n threads and blocks without a loop; raises what one of them raised."""
        errors = []

        def run(number):
            try:
                func(number)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(lptest.SECONDS)
            self.assertFalse(thread.is_alive(), "a thread hangs")
        for error in errors:
            raise error

    def test_leases_are_exclusive(self):
        manager = self.start(2, workers_per_pool=1)
        lock = threading.Lock()
        holders = set()
        most = []

        def work(_number):
            for _ in range(50):
                lease = manager.acquire(Lp.Request(timeout=lptest.SECONDS))
                with lock:
                    holders.add(lease.props.id)
                    most.append(len(holders))
                with lock:
                    holders.remove(lease.props.id)
                lease.release()

        self.run_threads(8, work)
        self.assertLessEqual(max(most), 2)
        # A surplus executor counts as leased until it has ended.
        self.wait_for(lambda: manager.props.leased_count == 0)
        stats = manager.dup_stats().unpack()
        self.assertEqual((stats["acquired"], stats["released"], stats["waiting"]), (400, 400, 0))

    def test_jobs_of_many_threads(self):
        manager = self.start(2, workers_per_pool=2)
        results = [[] for _ in range(6)]

        def work(number):
            for n in range(20):
                lease = manager.acquire()
                try:
                    job = Lp.Job.new_for_func(lambda _job, value: GLib.Variant("i", value), 100 * number + n)
                    lease.submit(job)
                    results[number].append(job.wait(lptest.SECONDS).unpack())
                finally:
                    lease.release()

        self.run_threads(6, work)
        self.assertEqual(results, [[100 * number + n for n in range(20)] for number in range(6)])

    def test_one_lease_used_by_many_threads(self):
        manager = self.start(1)
        lease = manager.acquire()
        results = []

        def work(number):
            for _ in range(20):
                job = Lp.Job.new_for_func(lambda *_: GLib.Variant("i", number))
                lease.submit(job)
                results.append(job.wait(lptest.SECONDS).unpack())

        self.run_threads(5, work)
        self.assertEqual(sorted(results), sorted(list(range(5)) * 20))

    def test_acquire_in_the_main_thread_is_granted_while_its_loop_hangs(self):
        manager = self.start(1)
        held = [manager.acquire()]
        thread = threading.Timer(0.01, lambda: held.pop().release())
        thread.start()
        lease = manager.acquire()  # nothing iterates
        thread.join()
        self.assertEqual(lease.props.state, Lp.LeaseState.ACTIVE)

    def test_dropped_on_another_thread(self):
        manager = self.start(1)
        for _ in range(50):
            leases = [manager.acquire()]
            self.in_thread(leases.clear)
            self.wait_collected(lambda: manager.props.available_count == 1, "the lease is released")

    def test_random_cancels_race_releases(self):
        manager = self.start(1)

        def work(number):
            for n in range(60):
                cancellable = Gio.Cancellable()
                canceller = threading.Timer(0.0001 * ((number + n) % 7), cancellable.cancel)
                canceller.start()
                try:
                    manager.acquire(None, cancellable).release()
                except GLib.Error as error:
                    if not error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED):
                        raise
                canceller.join()

        self.run_threads(4, work)
        stats = manager.dup_stats().unpack()
        self.assertEqual((stats["available"], stats["total"], stats["waiting"]), (1, 1, 0))
        self.assertEqual(stats["acquired"], stats["released"])


class Contexts(lptest.TestCase):
    def with_own_context(self, func):
        """Calls func (context) in a thread whose thread-default context is one of its own."""
        def run():
            context = GLib.MainContext()
            context.push_thread_default()
            try:
                return func(context)
            finally:
                context.pop_thread_default()

        return self.in_thread(run)

    def test_results_arrive_in_the_callers_context(self):
        manager = self.start(1)

        def caller(context):
            results = lptest.Results()
            manager.acquire_async(None, None, results)
            while not results:
                context.iteration(True)
            lease = manager.acquire_finish(results.pop())
            lease.submit_async(Lp.Job.new_for_func(lambda *_: lptest.value("there")), None, results)
            while not results:
                context.iteration(True)
            value = lease.submit_finish(results.pop()).unpack()
            lease.release()
            return value, set(results.threads) == {threading.current_thread()}

        self.assertEqual(self.with_own_context(caller), (("there",), True))

    def test_start_and_stop_belong_to_the_owner_context(self):
        manager = self.start(1)

        def stranger(context):
            for call in (manager.start, lambda: manager.stop(Lp.StopMode.CANCEL, -1)):
                with self.assert_lp_error(Lp.Error.WRONG_CONTEXT):
                    call()
            for name, args in (("start", []), ("stop", [Lp.StopMode.CANCEL, -1])):
                results = lptest.Results()
                getattr(manager, f"{name}_async")(*args, None, results)
                while not results:
                    context.iteration(True)
                with self.assert_lp_error(Lp.Error.WRONG_CONTEXT):
                    getattr(manager, f"{name}_finish")(results.pop())
            return True

        self.assertTrue(self.with_own_context(stranger))
        self.assertTrue(manager.props.running)

    def test_thread_without_a_context_counts_as_the_global_default(self):
        manager = self.start(1)
        self.assertTrue(self.in_thread(manager.stop, Lp.StopMode.CANCEL, -1))
        self.assertFalse(manager.props.running)

    def test_manager_may_live_in_a_thread(self):
        def owner(context):
            manager = Lp.Manager.new("thread", 1)
            sizes = []
            manager.set_size_provider(lambda *_: sizes.append(threading.current_thread()) or 1)
            manager.start()
            lease = manager.acquire()
            job = Lp.Job.new_for_func(lambda *_: lptest.value("x"))
            lease.submit(job)
            job.wait(-1)
            lease.release()
            manager.stop(Lp.StopMode.DRAIN, -1)
            manager.set_size_provider(None)
            return set(sizes) == {threading.current_thread()}

        self.assertTrue(self.with_own_context(owner))

    def test_stop_inside_a_job_would_deadlock(self):
        manager = self.start(1)
        lease = manager.acquire()
        job = self.submitted(lease, Lp.Job.new_for_func(lambda *_: manager.stop(Lp.StopMode.KILL, -1) and None))
        with self.assert_lp_error(Lp.Error.WOULD_DEADLOCK):
            job.wait(-1)

    def test_start_and_stop_async(self):
        manager = self.new(2, min_pools=2)
        self.assertTrue(self.finish(manager, "start"))
        self.assertTrue(manager.props.running)
        self.assertEqual(manager.props.available_count, 2)
        self.assertTrue(self.finish(manager, "stop", Lp.StopMode.DRAIN, -1))
        self.assertFalse(manager.props.running)
        self.assertTrue(self.finish(manager, "stop", Lp.StopMode.DRAIN, -1))


if __name__ == "__main__":
    lptest.main()
