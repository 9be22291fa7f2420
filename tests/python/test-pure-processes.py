# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The worker in plain Python under a manager: directly, and behind launchers that only relay the bytes.

What the worker does by itself is in test-pure-worker.py.
"""

import contextlib
import os
import sys
import uuid

from lptest import *  # noqa: F403

DIRECTORY = os.path.dirname(os.path.abspath(__file__))
WORKER = os.path.join(DIRECTORY, "pure-worker.py")


def ints(*values):
    return GLib.Variant(f"({'i' * len(values)})", values)


def processes_with(token):
    """Those that have it in their environment; a zombie has none."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as environ:
            if token.encode() in environ.read():
                found.append(pid)
    return found


class PureProcesses(TestCase):
    launcher = None

    def new_manager(self, **properties):
        properties = {"workers_per_pool": 1, "start_timeout_seconds": 60.0, "cancel_grace_seconds": 30.0, **properties}
        manager = self.new(1, backend=Lp.BACKEND_PROCESS, **properties)
        # Nothing but Python's own modules.
        manager.set_worker_argv([sys.executable, "-S", "-B", WORKER])
        if self.launcher:
            manager.set_worker_launcher(self.launcher)
        return manager

    def setUp(self):
        super().setUp()
        # Later than the clean-up of the manager, which is asked for later.
        self.addCleanup(self.assert_no_child)

    def assert_no_child(self):
        if not self.has_failed():
            with self.assertRaises(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)

    def started(self, **properties):
        manager = self.new_manager(**properties)
        manager.start()
        return manager

    def call(self, manager, name, parameters=None):
        return self.finish(manager, "call", name, parameters, None).unpack()

    def test_results(self):
        manager = self.started()
        self.assertEqual(self.call(manager, "double", ints(-21)), (-42,))
        self.assertEqual(self.call(manager, "greet", GLib.Variant("(s)", ("ä",))), ("hello, ä",))
        self.assertEqual(self.call(manager, "count", GLib.Variant("(u)", (0,))), (0,))

    def test_many_jobs_of_two_workers(self):
        manager = self.started(workers_per_pool=2)
        lease = self.acquire(manager)
        jobs = [self.submitted(lease, Lp.Job.new_for_call("double", ints(i))) for i in range(500)]
        lease.release()
        for i, job in enumerate(jobs):
            self.assertEqual(self.finish(job, "wait").unpack(), (2 * i,))

    def test_large_bodies(self):
        manager = self.started()
        text = "x" * 10_000_000
        self.assertEqual(self.call(manager, "greet", GLib.Variant("(s)", (text,))), (f"hello, {text}",))

    def test_result_larger_than_the_limit_fails_only_its_job(self):
        manager = self.started(max_message_size=4096)
        with self.assert_lp_error(Lp.Error.FAILED, "max-message-size"):
            self.call(manager, "repeat", GLib.Variant("(su)", ("x", 5000)))
        self.assertEqual(self.call(manager, "double", ints(1)), (2,))
        self.assertEqual(manager.dup_stats().unpack()["executors_created"], 1)

    def test_errors(self):
        manager = self.started()
        with self.assert_lp_error(Lp.Error.REMOTE, "ZeroDivisionError"):
            self.call(manager, "divide", ints(1, 0))
        with self.assert_io_error(Gio.IOErrorEnum.EXISTS, "as asked"):
            self.call(manager, "fail", GLib.Variant("(sis)", ("g-io-error-quark", 2, "as asked")))
        with self.assert_lp_error(Lp.Error.UNKNOWN_FUNCTION, "nothing"):
            self.call(manager, "nothing")
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "(i)"):
            self.call(manager, "double", GLib.Variant("(s)", ("x",)))
        self.assertEqual(manager.dup_stats().unpack()["executors_created"], 1)

    def test_progress_and_records_come_before_the_result(self):
        manager = self.started(forward_process_logs=True)
        seen = []
        manager.connect("worker-record", lambda _manager, record: seen.append(record.unpack()))
        lease = self.acquire(manager)
        job = Lp.Job.new_for_call("count", GLib.Variant("(u)", (3,)))
        self.finish(lease, "submit", job)
        self.assertEqual(job.props.progress, 1.0)
        self.assertEqual(job.dup_status(), "step 3")
        lease.release()

        records = [record for record in seen if record["source"] == "log"]
        self.assertEqual([record["message"] for record in records], [f"step {n} of 3" for n in (1, 2, 3)])
        self.assertEqual({record["worker_domain"] for record in records}, {"counter"})
        self.assertEqual({record["level"] for record in records}, {64})
        self.assertEqual({record["fields"]["CODE_FUNC"] for record in records}, {"count"})
        lines = [record["message"] for record in seen if record["source"] == "stderr"]
        self.assertEqual(lines, ["step 1", "step 2", "step 3"])

    def test_cancelled_job_ends_by_itself(self):
        manager = self.started()
        lease = self.acquire(manager)
        job = self.submitted(lease, Lp.Job.new_for_call("until-cancelled", None))
        waiting = self.submitted(lease, Lp.Job.new_for_call("leave", ints(3)))
        self.wait_for(lambda: job.dup_status() == "waiting")
        waiting.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(waiting, "wait")
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        lease.release()
        self.assertEqual(self.call(manager, "double", ints(1)), (2,))
        self.assertEqual(manager.dup_stats().unpack()["executors_created"], 1)

    def test_death_breaks_the_executor(self):
        manager = self.started()
        with self.assert_lp_error(Lp.Error.BROKEN_EXECUTOR, "status 7"):
            self.call(manager, "leave", ints(7))
        self.assertEqual(self.call(manager, "double", ints(1)), (2,))

    def test_worker_ends_when_its_manager_is_killed(self):
        token = str(uuid.uuid4())
        launcher = "manager.set_worker_launcher(sys.argv[2:])" if self.launcher else ""
        result = self.run_program(f"""
import signal
manager = Lp.Manager(backend=Lp.BACKEND_PROCESS, max_pools=1, workers_per_pool=2)
manager.set_worker_argv([sys.executable, "-S", "-B", sys.argv[1]])
{launcher}
manager.start()
lease = manager.acquire(None)
job = Lp.Job.new_for_call("until-cancelled", None)
lease.submit(job)
while job.dup_status() != "waiting":
    GLib.MainContext.default().iteration(False)
os.kill(os.getpid(), signal.SIGKILL)
""", WORKER, *(self.launcher or []), LP_TEST_TOKEN=token)
        self.assertEqual((result.returncode, result.stderr), (-9, ""))
        self.wait_for(lambda: not processes_with(token), "its workers have ended")

    def test_init_function(self):
        manager = self.new_manager(worker_init_function="count", forward_process_logs=True)
        manager.set_worker_init_parameters(GLib.Variant("(u)", (2,)))
        seen = []
        manager.connect("worker-record", lambda _manager, record: seen.append(record.unpack()["message"]))
        self.finish(manager, "start")
        self.assertEqual(sorted(seen), ["step 1", "step 1 of 2", "step 2", "step 2 of 2"])
        self.assertEqual(self.call(manager, "double", ints(1)), (2,))

    def test_init_function_that_fails(self):
        manager = self.new_manager(worker_init_function="divide")
        manager.set_worker_init_parameters(ints(1, 0))
        with self.assert_lp_error(Lp.Error.START_FAILED, "ZeroDivisionError"):
            manager.start()

    def test_stop_lets_accepted_jobs_run(self):
        manager = self.started()
        lease = self.acquire(manager)
        jobs = [self.submitted(lease, Lp.Job.new_for_call("double", ints(i))) for i in range(20)]
        self.assertTrue(self.finish(manager, "stop", Lp.StopMode.DRAIN, -1))
        self.assertEqual([job.dup_result().unpack() for job in jobs], [(2 * i,) for i in range(20)])

    def test_stop_ends_what_does_not_end(self):
        manager = self.started()
        lease = self.acquire(manager)
        job = self.submitted(lease, Lp.Job.new_for_call("until-cancelled", None))
        self.wait_for(lambda: job.dup_status() == "waiting")
        self.assertTrue(self.finish(manager, "stop", Lp.StopMode.KILL, -1))
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)


class RelayedProcesses(PureProcesses):
    """Behind what ends when the worker ends."""

    launcher = [sys.executable, os.path.join(DIRECTORY, "relay.py")]


class PipedProcesses(PureProcesses):
    """Behind a shell that waits for both cats, of which one waits for the manager: it hides that the worker has died."""

    launcher = ["sh", "-c", 'cat | "$@" | cat', "relay"]

    def test_death_breaks_the_executor(self):
        manager = self.started(cancel_grace_seconds=0.1)
        lease = self.acquire(manager)
        job = self.submitted(lease, Lp.Job(name="leave", parameters=ints(7), timeout_seconds=0.1))
        with self.assert_io_error(Gio.IOErrorEnum.TIMED_OUT):
            self.finish(job, "wait")
        lease.release()
        self.assertEqual(self.call(manager, "double", ints(1)), (2,))


if __name__ == "__main__":
    main()
