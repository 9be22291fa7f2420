# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The properties of a manager as Python sees them, and what validate() refuses."""

import math

import lptest
from lptest import GLib, GObject, Lp

DEFAULTS = {
    "backend": "thread", "min_pools": 1, "units_per_pool": 10, "workers_per_pool": 4, "check_interval": 120.0,
    "default_lease_seconds": 300.0, "lease_grace_seconds": 15.0, "start_timeout_seconds": 10.0,
    "cancel_grace_seconds": 5.0, "idle_linger_seconds": -1.0, "name_prefix": "leasepool", "log_domain": "leasepool",
    "forward_process_logs": False, "process_log_level": GLib.LogLevelFlags.LEVEL_INFO, "process_log_domain": None,
    "clear_process_log_handlers": True, "functions": None, "function_module": None, "worker_argv": [],
    "worker_launcher": [], "worker_environment": [], "worker_directory": None, "worker_init_function": None,
    "worker_init_parameters": None, "executor_options": None, "max_jobs_per_worker": 0, "max_waiters": 0,
    "max_queued_jobs": 0, "max_message_size": 134217728, "max_quarantined": -1, "units": 0,
}
POSITIVE = ("max_pools", "min_pools", "units_per_pool", "workers_per_pool")
POSITIVE_SECONDS = ("check_interval", "default_lease_seconds", "start_timeout_seconds")
SECONDS_OR_ZERO = ("lease_grace_seconds", "cancel_grace_seconds")
NUMBERS_OR_ZERO = ("max_jobs_per_worker", "max_waiters", "max_queued_jobs")


def new(**properties):
    return Lp.Manager(**{"max_pools": 2, **properties})


class Properties(lptest.TestCase):
    def test_defaults(self):
        manager = Lp.Manager.new("thread", 3)
        self.assertEqual(manager.props.max_pools, 3)
        self.assertEqual(Lp.Manager().props.max_pools, 0)
        for name, default in DEFAULTS.items():
            with self.subTest(name=name):
                self.assertEqual(getattr(manager.props, name), default)
        self.assertEqual(manager.props.executor_type, GObject.TYPE_NONE)
        self.assertFalse(manager.props.running)
        for name in ("available", "leased", "total", "waiting", "quarantined"):
            self.assertEqual(getattr(manager.props, f"{name}_count"), 0)

    def test_every_value_comes_back(self):
        values = {"backend": "process", "max_pools": 7, "min_pools": 2, "units_per_pool": 3, "workers_per_pool": 9,
                  "check_interval": 1.5, "name_prefix": "pré", "log_domain": "my-domain", "forward_process_logs": True,
                  "process_log_domain": "child", "clear_process_log_handlers": False, "function_module": "checksum",
                  "worker_argv": ["python3", "worker.py"], "worker_launcher": ["nice", "-n", "5"],
                  "worker_environment": ["A=b", "Ü=ö"], "worker_directory": "/tmp", "worker_init_function": "init",
                  "worker_init_parameters": GLib.Variant("(s)", ("x",)), "max_jobs_per_worker": 5, "units": -3,
                  "executor_options": GLib.Variant("a{sv}", {"k": GLib.Variant("i", 1)}), "max_quarantined": 0}
        manager = new(**values)
        for name, value in values.items():
            with self.subTest(name=name):
                self.assertEqual(getattr(manager.props, name), value)
                self.assertEqual(getattr(manager, f"get_{name}")(), value)
        for name, value in values.items():
            getattr(manager, f"set_{name}")(value)

    def test_misspelt_names_and_wrong_types_raise(self):
        with self.assertRaises(TypeError):
            new(min_pool=1)
        with self.assertRaises(AttributeError):
            new().props.min_pool = 1
        with self.assertRaises(TypeError):
            new().props.min_pools = "two"
        with self.assertRaises((TypeError, OverflowError)):
            new().props.min_pools = 2 ** 40
        with self.assertRaises(TypeError):
            new().props.running = True

    def test_notify_of_a_setting(self):
        manager = new()
        seen = []
        manager.connect("notify::min-pools", lambda manager, pspec: seen.append((pspec.name, manager.props.min_pools)))
        manager.props.min_pools = 2
        manager.set_min_pools(2)  # no change
        self.assertEqual(seen, [("min-pools", 2)])

    def test_settings_are_frozen_while_it_runs(self):
        program = self.run_program("""
manager = Lp.Manager.new("thread", 2)
manager.start()
manager.props.min_pools = 2
manager.set_name_prefix("other")
manager.props.units = 11
print(manager.props.min_pools, manager.props.name_prefix, manager.props.units)
manager.stop(Lp.StopMode.DRAIN, -1)
manager.props.min_pools = 2
print(manager.props.min_pools)
""", G_DEBUG="")
        self.assertEqual((program.returncode, program.stdout), (0, "1 leasepool 11\n2\n"), program.stderr)
        self.assertIn("min-pools", program.stderr)
        self.assertIn("name-prefix", program.stderr)


class Validate(lptest.TestCase):
    def assert_refused(self, value, **properties):
        name = list(properties)[0]
        manager = new(**properties)
        with self.subTest(**properties):
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, name.replace("_", "-")):
                manager.validate()
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, name.replace("_", "-")):
                manager.start()
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, str(value)):
                self.finish(manager, "start")
            self.assertFalse(manager.props.running)

    def test_defaults_are_valid(self):
        self.assertTrue(new().validate())

    def test_max_pools_must_be_given(self):
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "max-pools"):
            Lp.Manager().validate()

    def test_numbers_above_zero(self):
        for name in POSITIVE:
            for value in (0, -1, -2 ** 31):
                self.assert_refused(value, **{name: value})

    def test_min_pools_is_at_most_max_pools(self):
        self.assert_refused(3, min_pools=3, max_pools=2)

    def test_seconds_above_zero(self):
        for name in POSITIVE_SECONDS:
            for value, shown in ((0.0, "0"), (-1.0, "-1"), (math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")):
                self.assert_refused(shown, **{name: value})

    def test_seconds_from_zero(self):
        for name in SECONDS_OR_ZERO:
            for value, shown in ((-0.5, "-0.5"), (math.nan, "nan"), (math.inf, "inf")):
                self.assert_refused(shown, **{name: value})
            self.assertTrue(new(**{name: 0}).validate())

    def test_idle_linger(self):
        for value, shown in ((-2.0, "-2"), (math.nan, "nan"), (math.inf, "inf")):
            self.assert_refused(shown, idle_linger_seconds=value)
        for value in (-1, 0, 3.5):
            self.assertTrue(new(idle_linger_seconds=value).validate())

    def test_numbers_from_zero(self):
        for name in NUMBERS_OR_ZERO:
            self.assert_refused(-1, **{name: -1})
        self.assert_refused(-2, max_quarantined=-2)
        self.assert_refused(4095, max_message_size=4095)

    def test_process_settings_on_threads(self):
        self.assert_refused("", forward_process_logs=True)

    def test_functions_that_are_not_there(self):
        manager = new(function_module="no-such-module")
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "no-such-module"):
            self.finish(manager, "start")
        with self.assert_lp_error(Lp.Error.UNKNOWN_FUNCTION, "no-such-function"):
            new(worker_init_function="no-such-function", functions=Lp.Functions()).start()

    def test_backend(self):
        for name in ("thread", "Thread", "THREAD"):
            self.assertTrue(new(backend=name).validate())
        with self.assert_lp_error(Lp.Error.UNSUPPORTED_BACKEND, "thread"):
            new(backend="teleport").validate()
        self.assertTrue(Lp.backend_is_available("thread"))
        self.assertFalse(Lp.backend_is_available("teleport"))
        self.assertIn("thread", Lp.backend_list())
        self.assertEqual(Lp.BACKEND_THREAD, "thread")

    def test_executor_type(self):
        for gtype in (GObject.TYPE_INT, GObject.Object.__gtype__, Lp.Executor.__gtype__):
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "executor-type"):
                new(executor_type=gtype).validate()
        self.assertTrue(new(executor_type=Lp.ThreadExecutor.__gtype__).validate())

    def test_start_can_be_tried_again(self):
        manager = self.new(2, min_pools=3)
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
            manager.start()
        manager.props.min_pools = 2
        self.assertTrue(manager.start())
        self.assertEqual(manager.props.available_count, 2)


if __name__ == "__main__":
    lptest.main()
