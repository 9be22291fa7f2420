# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Sizing: the size provider as a Python function, and the units property."""

import threading

import lptest
from lptest import GLib, Lp


class Provider(lptest.TestCase):
    def setUp(self):
        super().setUp()
        self.size = 0
        self.calls = []

    def provide(self, _manager, *_user_data):
        self.calls.append(threading.current_thread())
        if isinstance(self.size, GLib.Error):
            # Not the very one: it would keep its traceback, with this frame, and so the manager.
            raise GLib.Error(self.size.message)
        return self.size

    def start_sized(self, size, max_pools=5, **properties):
        self.size = size
        manager = self.new(max_pools, **{"units_per_pool": 10, "idle_linger_seconds": 0, **properties})
        manager.set_size_provider(self.provide)
        manager.start()
        return manager

    def scale(self, manager, size):
        self.size = size
        n = len(self.calls)
        manager.notify_scale_changed()
        self.wait_for(lambda: len(self.calls) > n, "the size provider is called")

    def wait_total(self, manager, total):
        self.wait_for(lambda: manager.props.total_count == manager.props.available_count == total,
                      f"there are {total} executors")

    def test_executors_follow_the_provider(self):
        manager = self.start_sized(25)
        self.assertEqual(manager.props.available_count, 3)
        for size, desired in ((41, 5), (1000, 5), (10, 1), (11, 2), (0, 1), (-5, 1)):
            self.scale(manager, size)
            self.assertEqual(manager.get_desired_executor_count(), desired)
            self.wait_total(manager, desired)
        self.assertEqual(set(self.calls), {self.main_thread})

    def test_notify_from_any_thread_asks_in_the_owner_context(self):
        manager = self.start_sized(0)
        n = len(self.calls)
        self.size = 30
        self.in_thread(manager.notify_scale_changed)
        self.wait_for(lambda: len(self.calls) > n)
        self.wait_total(manager, 3)
        self.assertEqual(set(self.calls), {self.main_thread})

    def test_called_at_the_start_and_at_each_check(self):
        manager = self.start_sized(0, check_interval=0.02)
        self.assertEqual(len(self.calls), 1)
        self.wait_for(lambda: len(self.calls) >= 4)
        self.assertEqual(set(self.calls), {self.main_thread})
        self.assertTrue(manager.props.running)

    def test_getters_and_stats_never_call_it(self):
        manager = self.start_sized(25)
        n = len(self.calls)
        self.assertEqual(manager.get_desired_executor_count(), 3)
        self.assertEqual(manager.dup_stats().unpack()["desired"], 3)
        self.assertEqual(manager.props.total_count, 3)
        self.assertEqual(len(self.calls), n)

    def test_not_called_before_the_start(self):
        manager = self.new(5)
        manager.set_size_provider(self.provide)
        manager.notify_scale_changed()
        self.dispatch()
        self.assertEqual(self.calls, [])

    def test_failure_keeps_the_last_value(self):
        manager = self.start_sized(35)
        self.scale(manager, GLib.Error("the counter is offline"))
        self.assertEqual(manager.get_desired_executor_count(), 4)
        self.scale(manager, 15)
        self.assertEqual(manager.get_desired_executor_count(), 2)

    def test_failure_at_the_start_counts_as_zero(self):
        manager = self.start_sized(GLib.Error("not yet"), min_pools=2)
        self.assertEqual(manager.props.available_count, 2)

    def test_reentered_provider_keeps_the_last_value(self):
        manager = self.start_sized(20)
        depth = []

        def reenter(manager, *_):
            depth.append(len(depth))
            if len(depth) == 1:
                manager.notify_scale_changed()
                self.dispatch()
            return 50

        manager.set_size_provider(reenter)
        manager.notify_scale_changed()
        self.wait_for(lambda: manager.get_desired_executor_count() == 5)
        self.assertEqual(depth, [0])

    def test_provider_gets_the_manager_and_user_data(self):
        manager = self.new(5)
        seen = []
        manager.set_size_provider(lambda *args: seen.append(args) or 0, "data")
        manager.start()
        self.assertIs(seen[0][0], manager)
        self.assertEqual(seen[0][1:], ("data",))
        seen.clear()
        manager.set_size_provider(None)

    def test_active_leases_are_not_revoked(self):
        manager = self.start_sized(50)
        leases = [manager.acquire() for _ in range(5)]
        self.scale(manager, 0)
        self.assertEqual(manager.get_desired_executor_count(), 1)
        self.assertEqual({lease.props.state for lease in leases}, {Lp.LeaseState.ACTIVE})
        for lease in leases:
            lease.release()
        self.wait_total(manager, 1)

    def test_none_goes_back_to_units(self):
        manager = self.start_sized(50, units=20)
        self.assertEqual(manager.get_desired_executor_count(), 5)
        manager.set_size_provider(None)
        self.assertEqual(manager.get_desired_executor_count(), 2)


class Units(lptest.TestCase):
    def test_units_take_effect_at_once(self):
        manager = self.start(5, units=25, idle_linger_seconds=0)
        self.assertEqual(manager.props.available_count, 3)
        manager.props.units = 50
        self.assertEqual(manager.get_desired_executor_count(), 5)
        self.wait_for(lambda: manager.props.available_count == 5)
        manager.props.units = 0
        self.wait_for(lambda: manager.props.total_count == 1)

    def test_units_can_be_bound(self):
        source = Lp.Manager.new("thread", 1)
        manager = self.start(5)
        source.bind_property("units", manager, "units")
        source.props.units = 30
        self.assertEqual(manager.get_desired_executor_count(), 3)

    def test_desired_is_known_before_the_start(self):
        manager = self.new(5, units=45)
        self.assertEqual(manager.get_desired_executor_count(), 5)
        self.assertEqual(manager.props.total_count, 0)


if __name__ == "__main__":
    lptest.main()
