# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Leases: how they are asked for, waited for, refused and given back."""

import gc
import math

import lptest
from lptest import Gio, GLib, Lp


class Acquire(lptest.TestCase):
    def test_async_result_arrives_in_the_callers_loop(self):
        manager = self.start()
        lease = self.finish(manager, "acquire", None)
        self.assertIsInstance(lease, Lp.Lease)
        self.assertEqual(lease.props.state, Lp.LeaseState.ACTIVE)
        self.assertEqual(manager.props.leased_count, 1)
        self.assertIs(lease.props.manager, manager)

    def test_async_callback_gets_the_manager_and_user_data(self):
        manager = self.start()
        seen = []
        manager.acquire_async(None, None, lambda source, result, *data: seen.append((source, result, data)), 1, "two")
        self.wait_for(lambda: seen)
        source, result, data = seen.pop()
        self.assertIs(source, manager)
        self.assertEqual(data, (1, "two"))
        manager.acquire_finish(result).release()

    def test_async_never_calls_back_before_it_returns(self):
        manager = self.start()
        results = lptest.Results()
        manager.acquire_async(None, None, results)
        self.assertEqual(results, [])
        self.wait_for(lambda: results)
        manager.acquire_finish(results[0]).release()

    def test_arguments_are_optional(self):
        manager = self.start()
        manager.acquire().release()
        manager.try_acquire().release()
        self.assertEqual(manager.dup_stats().unpack()["acquired"], 2)

    def test_blocking_needs_no_loop(self):
        manager = self.start(1)
        lease = manager.acquire()
        self.assertEqual(manager.props.available_count, 0)
        lease.release()
        self.assertEqual(manager.props.available_count, 1)

    def test_values_of_the_request_are_copied(self):
        manager = self.start(2)
        request = Lp.Request(owner="before", lease_seconds=50)
        first = manager.acquire(request)
        request.props.owner = "after"
        request.props.lease_seconds = 60
        second = manager.acquire(request)
        self.assertEqual([(lease.props.owner, lease.props.lease_seconds) for lease in (first, second)],
                         [("before", 50), ("after", 60)])

    def test_default_lease_seconds_and_grace(self):
        manager = self.start(default_lease_seconds=40, lease_grace_seconds=7)
        lease = manager.acquire()
        self.assertEqual((lease.props.lease_seconds, lease.props.grace_seconds), (40, 7))
        self.assertEqual(lease.props.soft_expires_at - lease.props.leased_at, 40_000_000)
        self.assertEqual(lease.props.hard_expires_at - lease.props.soft_expires_at, 7_000_000)
        self.assertLessEqual(lease.props.leased_at, GLib.get_monotonic_time())

    def test_ids_differ_and_owner_may_be_none(self):
        manager = self.start(2)
        first, second = manager.acquire(), self.acquire(manager, "Große Ölmühle ☕")
        self.assertNotEqual(first.props.id, second.props.id)
        self.assertIsNone(first.props.owner)
        self.assertEqual(second.props.owner, "Große Ölmühle ☕")


class Wait(lptest.TestCase):
    def ask(self, manager, order, name, **properties):
        def ready(source, result):
            order.append(name)
            self.leases[name] = source.acquire_finish(result)

        manager.acquire_async(Lp.Request(owner=name, **properties), None, ready)

    def setUp(self):
        super().setUp()
        self.leases = {}
        self.addCleanup(self.leases.clear)

    def test_waiters_are_granted_in_order(self):
        manager = self.start(1)
        order = []
        lease = manager.acquire()
        for name in ("one", "two", "three"):
            self.ask(manager, order, name)
        self.assertEqual(manager.props.waiting_count, 3)
        lease.release()
        for name in ("one", "two", "three"):
            self.wait_for(lambda name=name: name in self.leases)
            self.leases.pop(name).release()
        self.assertEqual(order, ["one", "two", "three"])
        self.assertEqual(manager.props.waiting_count, 0)

    def test_lower_priority_number_goes_first(self):
        manager = self.start(1)
        order = []
        lease = manager.acquire()
        self.ask(manager, order, "late", priority=5)
        self.ask(manager, order, "normal")
        self.ask(manager, order, "urgent", priority=-5)
        lease.release()
        for name in ("urgent", "normal", "late"):
            self.wait_for(lambda name=name: name in self.leases)
            self.leases.pop(name).release()
        self.assertEqual(order, ["urgent", "normal", "late"])

    def test_time_out_says_who_holds_what(self):
        manager = self.start(1)
        lease = self.acquire(manager, "the hoarder")
        with self.assert_io_error(Gio.IOErrorEnum.TIMED_OUT, "the hoarder"):
            manager.acquire(Lp.Request(timeout=0.02))
        with self.assert_io_error(Gio.IOErrorEnum.TIMED_OUT, "the hoarder"):
            self.finish(manager, "acquire", Lp.Request(timeout=0.02))
        self.assertEqual(manager.dup_stats().unpack()["timed_out"], 2)
        lease.release()
        manager.acquire().release()

    def test_not_waiting_is_unavailable(self):
        manager = self.start(1)
        lease = manager.acquire()
        for request in (Lp.Request(wait=False), Lp.Request(timeout=0)):
            with self.assert_lp_error(Lp.Error.UNAVAILABLE):
                manager.acquire(request)
            with self.assert_lp_error(Lp.Error.UNAVAILABLE):
                self.finish(manager, "acquire", request)
        with self.assert_lp_error(Lp.Error.UNAVAILABLE):
            manager.try_acquire()
        lease.release()

    def test_max_waiters_is_queue_full(self):
        manager = self.start(1, max_waiters=1)
        lease = manager.acquire()
        order = []
        self.ask(manager, order, "first")
        with self.assert_lp_error(Lp.Error.QUEUE_FULL):
            manager.acquire(Lp.Request(timeout=5))
        lease.release()
        self.wait_for(lambda: order)

    def test_cancelled_wait_leaves_nothing(self):
        manager = self.start(1)
        lease = manager.acquire()
        cancellable = Gio.Cancellable()
        results = lptest.Results()
        manager.acquire_async(None, cancellable, results)
        self.assertEqual(manager.props.waiting_count, 1)
        cancellable.cancel()
        self.assertEqual(manager.props.waiting_count, 0)
        self.wait_for(lambda: results)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            manager.acquire_finish(results[0])
        lease.release()
        self.assertEqual(manager.props.available_count, 1)

    def test_cancelled_before_the_call(self):
        manager = self.start(1)
        cancellable = Gio.Cancellable()
        cancellable.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            manager.acquire(None, cancellable)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(manager, "acquire", None, cancellable=cancellable)
        self.assertEqual(manager.props.available_count, 1)

    def test_blocking_wait_is_cancelled_from_another_thread(self):
        manager = self.start(1)
        lease = manager.acquire()
        cancellable = Gio.Cancellable()
        # The main context iterates, so this runs when the other thread waits.
        GLib.timeout_add(1, lambda: not (manager.props.waiting_count and not cancellable.cancel()))
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.in_thread(manager.acquire, None, cancellable)
        lease.release()

    def test_result_nobody_finishes_goes_back(self):
        manager = self.start(1)
        results = lptest.Results()
        manager.acquire_async(None, None, results)
        self.wait_for(lambda: results)
        self.assertEqual(manager.props.available_count, 0)
        results.clear()
        self.wait_collected(lambda: manager.props.available_count == 1, "the lease has gone back")

    def test_without_a_callback_the_lease_goes_back(self):
        manager = self.start(1)
        manager.acquire_async()
        self.wait_for(lambda: manager.props.available_count == 1 and manager.dup_stats().unpack()["released"] == 1)


class Refusals(lptest.TestCase):
    def test_values_of_the_request(self):
        manager = self.start()
        for name, value in (("lease_seconds", math.nan), ("lease_seconds", math.inf), ("lease_seconds", 0.0),
                            ("lease_seconds", -2.0), ("timeout", math.nan), ("timeout", math.inf),
                            ("timeout", -math.inf), ("timeout", -0.5)):
            with self.subTest(name=name, value=value):
                request = Lp.Request(**{name: value})
                message = name.replace("_", "-")
                with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, message):
                    manager.acquire(request)
                with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, message):
                    manager.try_acquire(request)
                with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, message):
                    self.finish(manager, "acquire", request)
        self.assertEqual(manager.props.available_count, 1)

    def test_misspelt_or_mistyped_properties_raise(self):
        with self.assertRaises(TypeError):
            Lp.Request(onwer="x")
        with self.assertRaises(TypeError):
            Lp.Request(timeout="soon")

    def test_not_started(self):
        manager = self.new()
        with self.assert_lp_error(Lp.Error.NOT_STARTED):
            manager.acquire()
        with self.assert_lp_error(Lp.Error.NOT_STARTED):
            manager.try_acquire()
        with self.assert_lp_error(Lp.Error.NOT_STARTED):
            self.finish(manager, "acquire", None)

    def test_stopped(self):
        manager = self.start(1)
        lease = manager.acquire()
        results = lptest.Results()
        manager.acquire_async(None, None, results)
        manager.stop(Lp.StopMode.CANCEL, -1)
        self.wait_for(lambda: results)
        with self.assert_lp_error(Lp.Error.NOT_STARTED):
            manager.acquire_finish(results[0])
        self.assertEqual(lease.props.state, Lp.LeaseState.STOPPED)
        with self.assert_lp_error(Lp.Error.NOT_STARTED):
            manager.acquire()

    def test_blocking_in_a_callback_of_the_owners_loop(self):
        manager = self.start(1)
        lease = manager.acquire()
        errors = []

        def callback():
            try:
                manager.acquire()
            except GLib.Error as error:
                errors.append(error)

        GLib.idle_add(callback)
        self.wait_for(lambda: errors)
        self.assertTrue(errors[0].matches(Lp.error_quark(), Lp.Error.WRONG_CONTEXT), errors[0].message)
        lease.release()

    def test_blocking_in_a_callback_is_fine_if_granted_at_once(self):
        manager = self.start(1)
        leases = []
        GLib.idle_add(lambda: leases.append(manager.acquire()))
        self.wait_for(lambda: leases)
        self.assertEqual(leases.pop().props.state, Lp.LeaseState.ACTIVE)

    def test_blocking_in_a_job_of_the_same_manager(self):
        manager = self.start(1)
        lease = manager.acquire()
        job = self.submitted(lease, Lp.Job.new_for_func(lambda *_: manager.acquire() and None))
        with self.assert_lp_error(Lp.Error.WOULD_DEADLOCK):
            job.wait(-1)

    def test_lease_that_nobody_granted_is_harmless(self):
        program = self.run_program("""
lease = Lp.Lease()
assert lease.props.state != Lp.LeaseState.ACTIVE
assert (lease.props.owner, lease.props.manager, lease.props.pending_jobs) == (None, None, 0)
lease.release()
for call in (lambda: lease.submit(Lp.Job.new_for_call("x", None)), lambda: lease.renew(3)):
    try:
        call()
    except GLib.Error as error:
        assert error.matches(Lp.error_quark(), Lp.Error.EXPIRED), error.message
    else:
        raise AssertionError("accepted")
print("harmless")
""")
        self.assertEqual((program.returncode, program.stdout), (0, "harmless\n"), program.stderr)

    def test_wrong_argument_types_raise(self):
        manager = self.start()
        with self.assertRaises(TypeError):
            manager.acquire("me")
        with self.assertRaises(TypeError):
            manager.acquire(None, "cancel")
        with self.assertRaises(TypeError):
            manager.release(None)


class Release(lptest.TestCase):
    def test_release_is_idempotent(self):
        manager = self.start(1)
        lease = manager.acquire()
        lease.release()
        lease.release()
        self.assertEqual(lease.props.state, Lp.LeaseState.RELEASED)
        self.assertEqual(manager.dup_stats().unpack()["released"], 1)

    def test_dropping_the_last_reference_releases(self):
        manager = self.start(1)
        lease = self.acquire(manager, "forgetful")
        self.assertEqual(manager.props.available_count, 0)
        del lease
        gc.collect()
        self.assertEqual(manager.props.available_count, 1)

    def test_release_by_id(self):
        manager = self.start(1)
        lease = manager.acquire()
        self.assertTrue(manager.release(lease.props.id))
        self.assertFalse(manager.release(lease.props.id))
        self.assertFalse(manager.release("no such lease"))
        self.assertEqual(lease.props.state, Lp.LeaseState.RELEASED)

    def test_submit_after_release_is_expired(self):
        manager = self.start(1)
        lease = manager.acquire()
        lease.release()
        job = Lp.Job.new_for_func(lambda *_: lptest.value("never"))
        with self.assert_lp_error(Lp.Error.EXPIRED):
            lease.submit(job)
        with self.assert_lp_error(Lp.Error.EXPIRED):
            self.finish(lease, "submit", job)
        self.assertEqual(job.props.state, Lp.JobState.NEW)

    def test_draining_lease_keeps_its_jobs(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()
        gate = self.gate()
        running, queued = self.submitted(lease, gate.job()), self.submitted(lease, gate.job())
        gate.wait_entered()
        lease.release()
        self.assertEqual(lease.props.state, Lp.LeaseState.DRAINING)
        self.assertEqual(manager.dup_stats().unpack()["draining"], 1)
        self.assertEqual(lease.props.pending_jobs, 2)
        gate.open()
        self.assertEqual([job.wait(-1).unpack() for job in (running, queued)], [("through the gate",)] * 2)
        self.wait_for(lambda: manager.props.available_count == 1)
        self.assertEqual(lease.props.state, Lp.LeaseState.RELEASED)

    def test_drain_waits_for_the_jobs(self):
        manager = self.start(1)
        lease = manager.acquire()
        gate = self.gate()
        job = self.submitted(lease, gate.job())
        gate.wait_entered()
        results = lptest.Results()
        lease.drain_async(None, results)
        self.dispatch()
        self.assertEqual(results, [])
        gate.open()
        self.wait_for(lambda: results)
        self.assertTrue(lease.drain_finish(results[0]))
        self.assertEqual(job.props.state, Lp.JobState.SUCCEEDED)

    def test_renew_moves_both_expiries(self):
        manager = self.start(1, lease_grace_seconds=5)
        lease = self.acquire(manager, lease_seconds=10)
        self.assertTrue(lease.renew(1000))
        self.assertEqual(lease.props.hard_expires_at - lease.props.soft_expires_at, 5_000_000)
        self.assertGreater(lease.props.soft_expires_at, GLib.get_monotonic_time() + 900_000_000)
        for seconds in (math.nan, math.inf, 0.0, -3.0):
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
                lease.renew(seconds)
        lease.release()
        with self.assert_lp_error(Lp.Error.EXPIRED):
            lease.renew(-1)

    def test_expiry_ends_the_lease_and_its_jobs(self):
        manager = self.start(1, lease_grace_seconds=0)
        lease = self.acquire(manager)
        job = self.submitted(lease, Lp.Job.new_for_func(lptest.until_cancelled))
        lease.renew(0.05)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)
        self.assertEqual(lease.props.state, Lp.LeaseState.EXPIRED)
        with self.assert_lp_error(Lp.Error.EXPIRED):
            lease.submit(Lp.Job.new_for_func(lptest.until_cancelled))
        self.assertEqual(manager.dup_stats().unpack()["revoked"], 1)

    def test_expires_while_the_main_loop_hangs(self):
        manager = self.start(1, lease_grace_seconds=0)
        lease = self.acquire(manager)
        job = self.submitted(lease, Lp.Job.new_for_func(lptest.until_cancelled))
        lease.renew(0.05)
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            job.wait(lptest.SECONDS)  # nothing iterates here
        self.assertEqual(lease.props.state, Lp.LeaseState.EXPIRED)


if __name__ == "__main__":
    lptest.main()
