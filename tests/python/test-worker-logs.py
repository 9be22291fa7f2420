# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What a worker in Python logs and prints, and what its functions raise, as it comes to the manager's process.

The programs have the overrides of Python, except where a case says otherwise.
"""

import logging
import os
import re
import sys

import gi.overrides

from lptest import Gio, GLib, Lp, TestCase, main

HERE = os.path.dirname(os.path.abspath(__file__))
WORKER = os.path.join(HERE, "worker-logs.py")
LEVEL = GLib.LogLevelFlags
UNIT = GLib.Variant("()", ())
# What the environment may have: the first would end a worker that logs an error, the last has no line wait.
QUIET = ["G_DEBUG=", "G_MESSAGES_DEBUG=", "PYTHONUNBUFFERED="]

# A program with a manager of this worker; it is given to run_program(), with or without the overrides.
PROGRAM = """
def call(name, parameters=GLib.Variant("()", ())):
    job = Lp.Job.new_for_call(name, parameters)
    lease.submit(job)
    return job.wait(-1)

manager = Lp.Manager(backend="process", max_pools=1, worker_argv=[sys.executable, "-B", sys.argv[1]])
manager.props.start_timeout_seconds = 60
records = []
manager.connect("worker-record", lambda _manager, record: records.append(record.unpack()["message"]))
manager.props.forward_process_logs = "forward" in sys.argv
blocking(manager, "start")()
lease = blocking(manager, "acquire")()
"""
STOP = """
lease.release()
blocking(manager, "stop")(Lp.StopMode.DRAIN, -1)
"""


def text(string):
    return GLib.Variant("(s)", (string,))


def number(value):
    return GLib.Variant("(u)", (value,))


class Forwarded(TestCase):
    """A manager of one worker with its records."""

    def workers(self, *arguments, level=LEVEL.LEVEL_INFO, environment=(), **properties):
        self.records = []
        manager = self.new(1, "process", worker_argv=[sys.executable, "-B", WORKER, *arguments],
                           worker_environment=[*QUIET, *environment], start_timeout_seconds=60,
                           forward_process_logs=True, process_log_level=level, **properties)
        manager.connect("worker-record", lambda _manager, record: self.records.append(record.unpack()))
        manager.start_sync()
        return manager

    def call(self, manager, name, parameters=UNIT):
        """The records that were there when the result was."""
        del self.records[:]
        self.value = self.finish(manager, "call", name, parameters, None)
        return list(self.records)

    def fail_call(self, manager, name, parameters, code, message):
        del self.records[:]
        with self.assert_lp_error(code, message):
            self.finish(manager, "call", name, parameters, None)
        return list(self.records)


def messages(records):
    return [record["message"] for record in records]


class Records(Forwarded):
    def test_level_of_each(self):
        manager = self.workers(level=LEVEL.LEVEL_DEBUG)
        *records, root = self.call(manager, "levels")
        self.assertEqual([(record["message"], record["level"], record["fields"]["PYTHON_LEVEL"],
                           record["fields"]["PYTHON_LEVEL_NAME"]) for record in records], [
            ("level 5", LEVEL.LEVEL_DEBUG, "5", "Level 5"),
            ("level 10", LEVEL.LEVEL_DEBUG, "10", "DEBUG"),
            ("level 20", LEVEL.LEVEL_INFO, "20", "INFO"),
            ("level 25", LEVEL.LEVEL_MESSAGE, "25", "Level 25"),
            ("level 30", LEVEL.LEVEL_WARNING, "30", "WARNING"),
            ("level 40", LEVEL.LEVEL_CRITICAL, "40", "ERROR"),
            ("level 50", LEVEL.LEVEL_CRITICAL, "50", "CRITICAL"),
            ("level 99", LEVEL.LEVEL_CRITICAL, "99", "Level 99"),
        ])
        self.assertEqual({record["source"] for record in records}, {"log"})
        self.assertEqual((root["domain"], root["message"]), ("root", "from the root"))

    def test_threshold_is_that_of_the_manager(self):
        for level, least in ((LEVEL.LEVEL_INFO, 20), (LEVEL.LEVEL_WARNING, 30), (LEVEL.LEVEL_CRITICAL, 40)):
            records = self.call(self.workers(level=level), "levels")
            numbers = [int(record["fields"]["PYTHON_LEVEL"]) for record in records if record["domain"] != "root"]
            self.assertEqual(numbers, [each for each in (5, 10, 20, 25, 30, 40, 50, 99) if each >= least])

    def test_domain_is_the_name_of_the_logger(self):
        manager = self.workers()
        self.assertEqual({record["domain"] for record in self.call(manager, "arguments")}, {"app.images"})
        manager = self.workers(process_log_domain="workers")
        (record,) = self.call(manager, "located")
        self.assertEqual((record["domain"], record["worker_domain"]), ("workers", "app.images"))

    def test_message_has_its_arguments(self):
        self.assertEqual(messages(self.call(self.workers(), "arguments")),
                         ["a.png has 3", "b.png has none", "100% of %s"])

    def test_location(self):
        (record,) = self.call(self.workers(), "located")
        with open(WORKER, encoding="utf-8") as program:
            (line,) = [n for n, source in enumerate(program, 1) if source.endswith("# this line\n")]
        fields = record["fields"]
        self.assertEqual([fields[key] for key in ("CODE_FILE", "CODE_LINE", "CODE_FUNC")],
                         [WORKER, str(line), "located"])

    def test_exception(self):
        (record,) = self.call(self.workers(), "with-exception")
        self.assertEqual((record["message"], record["level"]), ("It went wrong: odd", LEVEL.LEVEL_CRITICAL))
        exception = record["fields"]["PYTHON_EXCEPTION"]
        self.assertTrue(exception.startswith("Traceback (most recent call last):\n"), exception)
        self.assertTrue(exception.endswith("Odd: inside"), exception)

    def test_texts_that_c_does_not_know(self):
        first, second, third = self.call(self.workers(), "odd-texts")
        self.assertEqual(first["message"], "a nul \\x00, a surrogate \\udcff, Ångström")
        self.assertEqual(second["domain"], "odd.\\udcff")
        self.assertEqual(third["message"], 100000 * "x")

    def test_record_that_cannot_be_formatted_does_no_harm(self):
        records = self.call(self.workers(), "broken-arguments")
        # Python tells of it on standard error.
        self.assertIn("--- Logging error ---", messages(records))
        self.assertEqual(messages(records)[-1], "after it")

    def test_all_come_in_their_order_before_the_result(self):
        records = self.call(self.workers(), "many", number(2000))
        self.assertEqual(messages(records), [f"record {i}" for i in range(2000)])

    def test_of_a_thread(self):
        self.assertEqual([(record["message"], record["source"]) for record in self.call(self.workers(), "in-thread")],
                         [("from a thread", "log")])

    def test_warnings(self):
        records = self.call(self.workers(environment=["PYTHONWARNINGS=always"]), "warn")
        (record,) = records
        self.assertEqual((record["domain"], record["level"]), ("py.warnings", LEVEL.LEVEL_WARNING))
        self.assertIn("DeprecationWarning: this is old", record["message"])

    def test_of_glib_come_as_before(self):
        (record,) = self.call(self.workers(), "of-glib")
        self.assertEqual((record["domain"], record["message"], record["fields"]["OWN_FIELD"]),
                         ("own-domain", "of GLib", "its value"))

    def test_handler_of_the_program_is_the_only_one(self):
        records = self.call(self.workers("handler"), "levels")
        # The level of the root logger is left to the program, too; this logger has none of its own.
        self.assertEqual(messages(records), [f"app.images says level {i}" for i in (30, 40, 50, 99)]
                         + ["root says from the root"])

    def test_level_of_the_program_stays(self):
        self.assertEqual(messages(self.call(self.workers("level"), "levels")), ["level 40", "level 50", "level 99"])

    def test_error_ends_no_worker(self):
        manager = self.workers()
        self.call(manager, "pid")
        before = self.value.unpack()
        self.call(manager, "levels")
        self.call(manager, "pid")
        self.assertEqual(self.value.unpack(), before)

    def test_error_ends_a_worker_whose_environment_wants_it(self):
        manager = self.workers(environment=["G_DEBUG=fatal-criticals"])
        records = self.fail_call(manager, "levels", UNIT, Lp.Error.BROKEN_EXECUTOR, "signal")
        self.assertEqual([record["message"] for record in records if record["source"] == "log"][-1], "level 40")

    def test_without_forwarding_they_go_to_standard_error(self):
        program = self.run_program(PROGRAM + 'call("levels")' + STOP, WORKER, G_DEBUG="", G_MESSAGES_DEBUG="",
                                   PYTHONPATH=os.environ["PYTHONPATH"])
        self.assertEqual(program.returncode, 0, program.stderr)
        levels = [int(level) for level in re.findall(r"level (\d+)", program.stderr)]
        self.assertEqual(levels, [25, 30, 40, 50, 99], program.stderr)


class Lines(Forwarded):
    def test_come_before_the_result(self):
        records = self.call(self.workers(), "print-lines")
        self.assertEqual([(record["message"], record["source"], record["level"]) for record in records],
                         [(line, "stderr", LEVEL.LEVEL_MESSAGE) for line in ("first", "second", "third")])

    def test_come_before_the_error(self):
        manager = self.workers()
        records = self.fail_call(manager, "print-and-fail", UNIT, Lp.Error.FAILED, "ValueError: after the line")
        self.assertEqual(messages(records), ["before the error"])

    def test_come_before_the_deferred_result(self):
        self.assertEqual(messages(self.call(self.workers(), "print-deferred")), ["before the deferred result"])

    def test_last_line_needs_no_end(self):
        manager = self.workers()
        self.call(manager, "print-without-newline")
        self.call(manager, "print-lines")
        self.assertEqual(messages(self.records), ["no newlinefirst", "second", "third"])

    def test_last_one_is_there_after_a_crash(self):
        manager = self.workers()
        self.call(manager, "print-without-newline")
        self.fail_call(manager, "crash", UNIT, Lp.Error.BROKEN_EXECUTOR, "no newline")

    def test_and_records_are_all_there(self):
        records = self.call(self.workers(), "print-all", number(500))
        for source, start in (("stderr", 0), ("log", 1)):
            self.assertEqual(messages(record for record in records if record["source"] == source),
                             [f"record {i}" for i in range(start, 1000, 2)])

    def test_functions_run_without_streams(self):
        manager = self.workers()
        self.call(manager, "close-streams")
        self.assertEqual(messages(self.call(manager, "located")), ["here"])


FAILURES = (("value", "ValueError: not 7"), ("empty", "Odd"), ("surrogate", "Odd: \\udcff"), ("exit", "SystemExit: 3"),
            ("number", "TypeError: the function “fail” returned int, not GLib.Variant"))


class Failures(Forwarded):
    def test_of_a_worker_have_type_and_text(self):
        manager = self.workers()
        for how, message in FAILURES:
            records = self.fail_call(manager, "fail", text(how), Lp.Error.FAILED, message)
            self.assertEqual(messages(records), [])
        self.assertEqual(manager.dup_stats().unpack()["executors_retired"], 0)

    def test_traceback_is_a_record_of_level_debug(self):
        manager = self.workers(level=LEVEL.LEVEL_DEBUG)
        (record,) = self.fail_call(manager, "fail", text("value"), Lp.Error.FAILED, "ValueError: not 7")
        self.assertEqual((record["domain"], record["level"], record["message"]),
                         ("leasepool", LEVEL.LEVEL_DEBUG, "The function “fail” raised an exception"))
        self.assertIn(', in fail\n    raise ValueError("not 7")\n', record["fields"]["PYTHON_EXCEPTION"])

    def test_error_of_glib_stays(self):
        manager = self.workers()
        with self.assert_io_error(Gio.IOErrorEnum.EXISTS, "There is one"):
            self.finish(manager, "call", "fail", text("gerror"), None)

    def test_nothing_is_still_an_error(self):
        self.fail_call(self.workers(), "fail", text("nothing"), Lp.Error.FAILED, "returned no value and set no error")


class Threads(TestCase):
    """The same table for a manager of threads."""

    def table(self, func, *user_data):
        functions = Lp.Functions.new()
        functions.add("work", None, None, func, *user_data)
        return functions

    def test_failures_have_type_and_text(self):
        def work(_job, *_user_data):
            raise KeyError("name")

        manager = self.start(functions=self.table(work))
        with self.assertLogs("leasepool", logging.DEBUG) as logs:
            with self.assert_lp_error(Lp.Error.FAILED, "KeyError: 'name'"):
                self.finish(manager, "call", "work", UNIT, None)
        self.assertIn("in work\n    raise KeyError", logs.output[0])

    def test_exit_ends_no_program(self):
        manager = self.start(functions=self.table(lambda *_: sys.exit(3)))
        with self.assert_lp_error(Lp.Error.FAILED, "SystemExit: 3"):
            self.finish(manager, "call", "work", UNIT, None)

    def test_user_data_is_handed_on(self):
        manager = self.start(functions=self.table(lambda _job, a, b: text(a + b), "one", "two"))
        self.assertEqual(self.finish(manager, "call", "work", UNIT, None).unpack(), ("onetwo",))

    def test_no_handler_is_installed(self):
        manager = self.start(functions=self.table(lambda *_: UNIT))
        self.finish(manager, "call", "work", UNIT, None)
        self.assertEqual(logging.getLogger().handlers, [])

    def test_what_is_no_function_is_refused(self):
        with self.assertRaises(TypeError):
            Lp.Functions.new().add("work", None, None, 7)


class Overrides(TestCase):
    def test_are_those_of_the_build(self):
        path = sys.modules["gi.overrides.Lp"].__file__
        self.assertIn(os.path.dirname(os.path.dirname(path)), list(gi.overrides.__path__))
        for cls in (Lp.Worker, Lp.Functions):
            self.assertEqual(cls.__module__, "gi.overrides.Lp")

    def test_classes_are_those_of_new_objects(self):
        functions = Lp.Functions.new()
        self.assertIs(type(functions), Lp.Functions)
        self.assertIs(type(Lp.Functions()), Lp.Functions)
        manager = self.new(functions=functions)
        self.assertIs(manager.get_functions(), functions)

    def test_run_without_a_manager_raises(self):
        program = self.run_program("""
worker = Lp.Worker.new(Lp.Functions.new())
try:
    worker.run()
except GLib.Error as error:
    print(error.matches(Lp.error_quark(), Lp.Error.NOT_STARTED))
""", PYTHONPATH=os.environ["PYTHONPATH"])
        # Standard output was the stream; what is printed goes to standard error now.
        self.assertEqual((program.returncode, program.stdout, program.stderr), (0, "", "True\n"))

    def test_worker_runs_without_them(self):
        """In a program without the overrides; its worker has none, either."""
        program = self.run_program(PROGRAM + """
call("located")
call("print-lines")
try:
    call("fail", GLib.Variant("(s)", ("value",)))
except GLib.Error as error:
    print(error.message)
""" + STOP + """
print(hasattr(Lp, "LogHandler"), sorted(set(records) & {"here", "first", "second", "third"}))
""", WORKER, "forward", G_DEBUG="")
        self.assertEqual(program.returncode, 0, program.stderr)
        message, rest = program.stdout.splitlines()
        self.assertIn("returned no value and set no error", message)
        self.assertEqual(rest, "False ['first', 'here', 'second', 'third']")


if __name__ == "__main__":
    main()
