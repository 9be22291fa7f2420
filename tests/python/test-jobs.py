# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What jobs run and what they return: closures, named functions, commands."""

import signal
import sys
import threading

import lptest
from lptest import Gio, GLib, Lp


def closure(func, *user_data):
    return Lp.Job.new_for_func(func, *user_data)


class Closures(lptest.TestCase):
    def setUp(self):
        super().setUp()
        manager = self.start(1)
        self.lease = manager.acquire()
        self.addCleanup(self.__dict__.pop, "lease")

    def run_job(self, job):
        self.lease.submit(job)
        return job.wait(lptest.SECONDS)

    def test_value_comes_back(self):
        job = closure(lambda *_: GLib.Variant("(sa{sv}ad)", ("text", {"key": GLib.Variant("u", 7)}, [1.5])))
        self.assertEqual(self.run_job(job).unpack(), ("text", {"key": 7}, [1.5]))
        self.assertEqual(job.props.state, Lp.JobState.SUCCEEDED)
        self.assertEqual(job.dup_result().unpack(), ("text", {"key": 7}, [1.5]))
        self.assertIsNone(job.dup_error())

    def test_runs_on_another_thread(self):
        threads = []
        self.run_job(closure(lambda *_: threads.append(threading.get_ident()) or lptest.value("")))
        self.assertNotEqual(threads, [threading.get_ident()])

    def test_gets_the_job_and_the_user_data(self):
        seen = []
        marker = object()
        job = closure(lambda *args: seen.extend(args) or lptest.value(""), marker)
        self.run_job(job)
        self.assertIs(seen[0], job)
        self.assertIs(seen[1], marker)

    def test_callback_of_submit_runs_in_the_main_thread(self):
        job = closure(lambda *_: lptest.value("done"))
        self.assertEqual(self.finish(self.lease, "submit", job).unpack(), ("done",))

    def test_glib_error_keeps_domain_code_and_message(self):
        def fail(*_):
            raise GLib.Error.new_literal(Gio.io_error_quark(), "the disk — is full", Gio.IOErrorEnum.NO_SPACE)

        job = closure(fail)
        with self.assert_io_error(Gio.IOErrorEnum.NO_SPACE, "the disk — is full"):
            self.run_job(job)
        self.assertEqual(job.props.state, Lp.JobState.FAILED)
        error = job.dup_error()
        self.assertTrue(error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NO_SPACE))
        self.assertIsNone(job.dup_result())

    def test_error_of_a_call_inside_propagates(self):
        def read(*_):
            return GLib.Variant("s", Gio.File.new_for_path("/no/such/file").load_contents()[1].decode())

        with self.assert_io_error(Gio.IOErrorEnum.NOT_FOUND):
            self.finish(self.lease, "submit", closure(read))

    def test_python_exception_fails_the_job(self):
        program = self.run_program("""
manager = Lp.Manager.new("thread", 1)
manager.start()
lease = manager.acquire()
job = Lp.Job.new_for_func(lambda *_: 1 / 0)
lease.submit(job)
try:
    job.wait(-1)
except GLib.Error as error:
    assert error.matches(Lp.error_quark(), Lp.Error.FAILED), error.message
    print(job.props.state.value_nick)
lease.release()
manager.stop(Lp.StopMode.DRAIN, -1)
""")
        self.assertEqual((program.returncode, program.stdout), (0, "failed\n"), program.stderr)
        self.assertIn("ZeroDivisionError", program.stderr)

    def test_no_value_fails_the_job(self):
        job = closure(lambda *_: None)
        with self.assert_lp_error(Lp.Error.FAILED, "returned no value"):
            self.run_job(job)
        self.assertEqual(job.props.state, Lp.JobState.FAILED)

    def test_unit_is_the_empty_result(self):
        self.assertEqual(self.run_job(closure(lambda *_: GLib.Variant("()", ()))).unpack(), ())

    def test_hundreds_of_jobs_each_end_once(self):
        results = lptest.Results()
        jobs = [closure(lambda _job, n: GLib.Variant("i", n), n) for n in range(500)]
        for job in jobs:
            self.lease.submit_async(job, None, results)
        self.wait_for(lambda: len(results) == len(jobs))
        self.assertEqual(sorted(self.lease.submit_finish(result).unpack() for result in results), list(range(500)))
        self.assertEqual(set(results.threads), {self.main_thread})

    def test_large_result(self):
        data = bytes(range(256)) * 4096
        job = closure(lambda *_: GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(data), True))
        self.assertEqual(self.run_job(job).get_data_as_bytes().get_data(), data)

    def test_progress_is_notified_in_the_main_thread(self):
        seen = []

        def work(job, *_):
            job.set_progress(0.5, "half")
            job.set_progress(0.75, None)
            return lptest.value("")

        job = closure(work)
        job.connect("notify::progress", lambda job, _pspec: seen.append(
            (threading.current_thread(), job.props.progress, job.props.status)))
        self.assertEqual((job.props.progress, job.props.status), (-1, None))
        self.lease.submit(job)
        self.wait_for(lambda: seen and seen[-1][1] == 0.75)
        self.assertEqual(seen[-1], (self.main_thread, 0.75, "half"))

    def test_deferred_job_ends_from_another_thread(self):
        def work(job, *_):
            job.defer()
            threading.Timer(0.001, job.return_value, [lptest.value("later")]).start()

        self.assertEqual(self.run_job(closure(work)).unpack(), ("later",))

    def test_deferred_job_ends_from_the_main_loop(self):
        def work(job, *_):
            job.defer()
            error = GLib.Error.new_literal(Lp.error_quark(), "changed my mind", Lp.Error.NOT_SUPPORTED)
            GLib.idle_add(lambda: job.return_error(error))

        with self.assert_lp_error(Lp.Error.NOT_SUPPORTED, "changed my mind"):
            self.finish(self.lease, "submit", closure(work))

    def test_waiting_in_a_worker_runs_the_queued_job_in_place(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()
        inner = closure(lambda *_: GLib.Variant("i", 20))

        def outer(*_):
            lease.submit(inner)
            return GLib.Variant("i", inner.wait(-1).unpack() + 1)

        job = self.submitted(lease, closure(outer))
        self.assertEqual(job.wait(lptest.SECONDS).unpack(), 21)

    def test_waiting_for_oneself_would_deadlock(self):
        job = closure(lambda job, *_: job.wait(-1))
        with self.assert_lp_error(Lp.Error.WOULD_DEADLOCK):
            self.run_job(job)

    def test_jobs_of_one_worker_run_in_order(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()
        order = []
        jobs = [closure(lambda _job, n: order.append(n) or lptest.value(""), n) for n in range(50)]
        for job in jobs:
            lease.submit(job)
        for job in jobs:
            job.wait(-1)
        self.assertEqual(order, list(range(50)))
        times = [(job.props.queued_at, job.props.started_at, job.props.ended_at) for job in jobs]
        for queued, started, ended in times:
            self.assertTrue(0 < queued <= started <= ended)

    def test_function_is_needed(self):
        with self.assertRaises(TypeError):
            Lp.Job.new_for_func(None)
        with self.assertRaises(TypeError):
            Lp.Job.new_for_func("not callable")


class Functions(lptest.TestCase):
    def table(self):
        functions = Lp.Functions()
        functions.add("double", GLib.VariantType("(i)"), GLib.VariantType("(i)"),
                      lambda job, *_: GLib.Variant("(i)", (2 * job.props.parameters.unpack()[0],)))
        functions.add("any", None, None, lambda job, *_: job.props.parameters or GLib.Variant("()", ()))
        functions.add("liar", None, GLib.VariantType("s"), lambda *_: GLib.Variant("i", 1))
        return functions

    def test_python_functions_are_called_by_name(self):
        lease = self.start(1, functions=self.table()).acquire()
        self.assertEqual(self.finish(lease, "call", "double", GLib.Variant("(i)", (21,))).unpack(), (42,))
        self.assertEqual(self.finish(lease, "call", "any", None).unpack(), ())
        self.assertEqual(self.finish(lease, "call", "any", GLib.Variant("as", ["a"])).unpack(), ["a"])

    def test_function_goes_on_with_the_next_job(self):
        calls = []

        def both(job, *_):
            calls.append(job)
            following = job.take_next(job.props.parameters)
            return (following or job).props.parameters

        functions = Lp.Functions()
        functions.add("both", None, None, both)
        lease = self.start(1, functions=functions, workers_per_pool=1).acquire()
        gate = self.gate()
        self.submitted(lease, gate.job())
        gate.wait_entered()
        jobs = [Lp.Job.new_for_call("both", GLib.Variant("(i)", (number,))) for number in (1, 2, 3)]
        for job in jobs:
            lease.submit(job)
        gate.open()
        self.assertEqual([job.wait(lptest.SECONDS).unpack() for job in jobs], [(1,), (2,), (3,)])
        self.assertEqual(calls, [jobs[0], jobs[2]])

    def test_wrong_parameters_name_both_types(self):
        lease = self.start(1, functions=self.table()).acquire()
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "(i)"):
            self.finish(lease, "call", "double", GLib.Variant("(s)", ("x",)))
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT, "(s)"):
            self.finish(lease, "call", "double", GLib.Variant("(s)", ("x",)))
        with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
            self.finish(lease, "call", "double", None)

    def test_wrong_result_fails_the_job(self):
        lease = self.start(1, functions=self.table()).acquire()
        with self.assert_lp_error(Lp.Error.FAILED, "liar"):
            self.finish(lease, "call", "liar", None)

    def test_unknown_name(self):
        for properties in ({}, {"functions": self.table()}):
            lease = self.start(1, **properties).acquire()
            with self.assert_lp_error(Lp.Error.UNKNOWN_FUNCTION, "no-such"):
                self.finish(lease, "call", "no-such", None)

    def test_table_can_be_looked_at(self):
        functions = self.table()
        self.assertEqual(functions.list_names(), ["any", "double", "liar"])
        found, parameters, result = functions.lookup("double")
        self.assertEqual((found, parameters.dup_string(), result.dup_string()), (True, "(i)", "(i)"))
        self.assertEqual(functions.lookup("any"), (True, None, None))
        self.assertEqual(functions.lookup("none"), (False, None, None))

    def test_name_can_be_added_once(self):
        functions = self.table()
        for name in ("double", ""):
            with self.assert_lp_error(Lp.Error.INVALID_ARGUMENT):
                functions.add(name, None, None, lambda *_: None)

    def test_module_by_path_and_by_name(self):
        for module in (lptest.FUNCTIONS_MODULE, "test-functions-module"):
            lease = self.start(1, function_module=module).acquire()
            self.assertEqual(self.finish(lease, "call", "add", GLib.Variant("(ii)", (2, 3))).unpack(), (5,))

    def test_errors_of_a_module_function(self):
        lease = self.start(1, function_module=lptest.FUNCTIONS_MODULE).acquire()
        with self.assert_io_error(Gio.IOErrorEnum.EXISTS, "it is there"):
            self.finish(lease, "call", "fail", lptest.value("it is there"))
        with self.assert_lp_error(Lp.Error.FAILED, "nothing"):
            self.finish(lease, "call", "nothing", None)

    def test_table_and_module_together(self):
        manager = self.start(1, functions=self.table(), function_module=lptest.FUNCTIONS_MODULE)
        lease = manager.acquire()
        self.assertEqual(self.finish(lease, "call", "add", GLib.Variant("(ii)", (1, 1))).unpack(), (2,))
        self.assertEqual(self.finish(lease, "call", "double", GLib.Variant("(i)", (4,))).unpack(), (8,))
        # The application's own table is as it was.
        self.assertEqual(manager.props.functions.list_names(), ["any", "double", "liar"])

    def test_worker_init_function_runs_first_in_each_worker(self):
        calls = []
        functions = self.table()
        functions.add("init", None, None, lambda job, *_: calls.append(job.props.parameters.unpack())
                      or GLib.Variant("()", ()))
        manager = self.start(1, functions=functions, worker_init_function="init", workers_per_pool=3,
                             worker_init_parameters=GLib.Variant("(s)", ("ready",)))
        self.assertEqual(calls, [("ready",)] * 3)
        self.assertEqual(manager.props.available_count, 1)

    def test_failing_worker_init_function_fails_the_start(self):
        functions = self.table()

        def init(*_):
            raise GLib.Error("no licence")

        functions.add("init", None, None, init)
        manager = self.new(1, functions=functions, worker_init_function="init")
        with self.assert_lp_error(Lp.Error.START_FAILED, "no licence"):
            self.finish(manager, "start")
        self.assertFalse(manager.props.running)


class Commands(lptest.TestCase):
    def setUp(self):
        super().setUp()
        self.lease = self.start(1).acquire()
        self.addCleanup(self.__dict__.pop, "lease")

    def run_command(self, *argv, data=None):
        job = Lp.Job.new_for_command(argv, GLib.Bytes.new(data) if data is not None else None)
        status, output, errors = self.finish(self.lease, "submit", job).unpack()
        return status, bytes(output), bytes(errors)

    def test_status_and_output(self):
        self.assertEqual(self.run_command("sh", "-c", "echo out; echo err >&2; exit 3"), (3, b"out\n", b"err\n"))

    def test_input(self):
        data = bytes(range(256)) * 1000
        self.assertEqual(self.run_command("cat", data=data), (0, data, b""))

    def test_signal_is_negative(self):
        self.assertEqual(self.run_command("sh", "-c", "kill -TERM $$"), (-signal.SIGTERM, b"", b""))

    def test_arguments_are_not_split_or_expanded(self):
        program = "import sys; sys.stdout.write(repr(sys.argv[1:]))"
        self.assertEqual(self.run_command(sys.executable, "-c", program, "$HOME", "a b", "é")[1].decode(),
                         repr(["$HOME", "a b", "é"]))

    def test_program_that_does_not_exist(self):
        with self.assertRaises(GLib.Error) as caught:
            self.run_command("/no/such/program")
        self.assertIn("/no/such/program", caught.exception.message)

    def test_properties_of_the_job(self):
        job = Lp.Job.new_for_command(["true", "x"], GLib.Bytes.new(b"in"))
        self.assertEqual(job.props.argv, ["true", "x"])
        self.assertEqual(job.props.input.get_data(), b"in")

    def test_cancelled_command_is_killed(self):
        job = self.submitted(self.lease, Lp.Job.new_for_command(["sleep", "1000"], None))
        self.wait_for(lambda: job.props.state == Lp.JobState.RUNNING)
        job.cancel()
        with self.assert_io_error(Gio.IOErrorEnum.CANCELLED):
            self.finish(job, "wait")
        self.assertEqual(job.props.state, Lp.JobState.CANCELLED)


if __name__ == "__main__":
    lptest.main()
