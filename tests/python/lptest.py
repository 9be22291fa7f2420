# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What the Python tests share: a case that knows managers, main contexts and errors.

Nothing here sleeps to synchronise: a test iterates the main context, or waits for an event of its own, and a wait that
does not end is a failure.
"""

import contextlib
import gc
import os
import select
import subprocess
import sys
import threading
import unittest
import warnings

import gi

import tap

gi.require_version("Lp", "1")
from gi.repository import Gio, GLib, GObject, Lp  # noqa: E402

SECONDS = 30
FUNCTIONS_MODULE = os.environ["LP_TEST_FUNCTIONS_MODULE"]


def value(text):
    return GLib.Variant("(s)", (text,))


def blocking(manager, name):
    """The blocking method, which has another name with the overrides."""
    return getattr(manager, f"{name}_sync", None) or getattr(manager, name)


def until_cancelled(job, *_user_data):
    """A work function that stays until it is cancelled."""
    cancellable = job.get_cancellable()
    fd = cancellable.get_fd()
    try:
        if fd >= 0:
            select.select([fd], [], [], SECONDS)
    finally:
        cancellable.release_fd()
    cancellable.set_error_if_cancelled()


class Gate:
    """A work function that stays until the gate is opened, whether it is cancelled or not."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()

    def job(self):
        return Lp.Job.new_for_func(self.run)

    def run(self, _job, *_user_data):
        self.entered.release()
        if not self.opened.wait(SECONDS):
            raise GLib.Error("the gate was never opened")
        return value("through the gate")

    def wait_entered(self, n=1):
        for _ in range(n):
            if not self.entered.acquire(timeout=SECONDS):
                raise AssertionError("no job has entered the gate")

    def open(self):
        self.opened.set()


class Results(list):
    """What asynchronous calls gave, in the order of their callbacks: a ready callback that keeps results."""

    def __init__(self):
        super().__init__()
        self.threads = []

    def __call__(self, _source, result, *_user_data):
        self.threads.append(threading.current_thread())
        self.append(result)


class TestCase(unittest.TestCase):
    context = GLib.MainContext.default()
    maxDiff = None

    def setUp(self):
        self.main_thread = threading.current_thread()
        # PyGObject makes Python warnings of what the C libraries complain about.
        self.warnings = self.enterContext(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        self.addCleanup(lambda: self.assertEqual([str(warning.message) for warning in self.warnings], []))

    def start(self, max_pools=2, **properties):
        """A running manager; the clean-up stops it and sees that it is finalized."""
        manager = self.new(max_pools, **properties)
        blocking(manager, "start")()
        return manager

    def new(self, max_pools=2, backend=Lp.BACKEND_THREAD, **properties):
        manager = Lp.Manager(backend=backend, max_pools=max_pools, **properties)
        managers = [manager]
        finalized = []
        manager.weak_ref(finalized.append, True)
        self.addCleanup(self.stop_and_finalize, managers, finalized)
        return manager

    def stop_and_finalize(self, managers, finalized):
        manager = managers.pop()
        if manager.props.running:
            blocking(manager, "stop")(Lp.StopMode.KILL, -1)
        self.assertEqual(manager.props.total_count, 0)
        del manager
        # What a failed test held is in its traceback.
        if not self.has_failed():
            self.wait_collected(lambda: finalized, "the manager is finalized")

    def has_failed(self):
        return not self._outcome.success

    def gate(self):
        """A closed gate, opened by the clean-up before managers are stopped that were started earlier."""
        gate = Gate()
        self.addCleanup(gate.open)
        return gate

    def wait_for(self, condition, what="the condition holds"):
        """Iterates the main context until the condition holds, which other threads may bring about silently."""
        late = []
        poll = GLib.timeout_add(2, lambda: GLib.SOURCE_CONTINUE)
        watch = GLib.timeout_add_seconds(SECONDS, lambda: bool(late.append(True)))
        try:
            while not condition():
                self.assertFalse(late, f"not before {SECONDS} s: {what}")
                self.context.iteration(True)
        finally:
            GLib.source_remove(poll)
            if not late:
                GLib.source_remove(watch)

    def wait_collected(self, condition, what):
        def collected():
            gc.collect()
            return condition()

        self.wait_for(collected, what)

    def dispatch(self):
        """Whatever is on its way to the main context now has arrived after this."""
        while self.context.iteration(False):
            pass

    def finish(self, source, name, *args, cancellable=None):
        """source.NAME_async() and source.NAME_finish() on the main context."""
        results = Results()
        getattr(source, f"{name}_async")(*args, cancellable, results)
        self.wait_for(lambda: results, f"{name} has finished")
        self.assertEqual(results.threads, [self.main_thread])
        return getattr(source, f"{name}_finish")(results[0])

    def acquire(self, manager, owner=None, **properties):
        return blocking(manager, "acquire")(Lp.Request(owner=owner, **properties))

    def submitted(self, lease, job):
        self.assertTrue(lease.submit(job))
        return job

    def in_thread(self, func, *args):
        """Runs the function in a thread of its own while the main context iterates; returns or raises what it does."""
        ended = threading.Event()
        outcome = []

        def run():
            try:
                outcome.append((func(*args), None))
            except BaseException as error:
                outcome.append((None, error))
            ended.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.wait_for(ended.is_set, "the thread has ended")
        thread.join()
        result, error = outcome.pop()
        if error is not None:
            raise error
        return result

    @contextlib.contextmanager
    def assert_error(self, quark, code, message=""):
        try:
            yield
        except GLib.Error as error:
            self.assertTrue(error.matches(quark, code), f"{error.domain} {error.code}: {error.message}")
            self.assertIn(message, error.message)
        else:
            self.fail(f"no GLib.Error was raised, expected {code}")

    def assert_lp_error(self, code, message=""):
        return self.assert_error(Lp.error_quark(), code, message)

    def assert_io_error(self, code, message=""):
        return self.assert_error(Gio.io_error_quark(), code, message)

    def run_program(self, source, *args, **environment):
        """Runs a Python program that is given as text; it has the names of this file. Returns its completed process."""
        env = {**os.environ, **environment}
        # No overrides, unless the case names their directory.
        paths = [os.path.dirname(os.path.abspath(__file__)), environment.get("PYTHONPATH")]
        env["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        program = "from lptest import *\n" + source
        try:
            return subprocess.run([sys.executable, "-B", "-c", program, *args], env=env, capture_output=True, text=True,
                                  timeout=2 * SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            self.fail(f"the program hangs; its output: {error.stdout!r}, {error.stderr!r}")


def main():
    tap.main(110)
