# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Records of worker processes in the logging of this one."""

import logging
import os
import time

import functions
from proccase import Case, Lp


class Target(logging.Handler):
    """Keeps records."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


class LogCase(Case):
    def setUp(self):
        self.handler = Target()
        self.logger = logging.getLogger("the.target")
        self.logger.addHandler(self.handler)
        self.logger.setLevel(1)
        self.logger.propagate = False
        self.addCleanup(self.logger.removeHandler, self.handler)
        self.records = self.handler.records

    def forwarding(self, **keywords):
        return self.lease(**{"forward_process_logs": True, "process_log_target_logger": self.logger, **keywords})

    def messages(self):
        return [record.getMessage() for record in self.records]


class Records(LogCase):
    async def test_are_what_they_were(self):
        before = time.time()
        async with self.forwarding() as lease:
            pid = await lease.run(functions.get_pid)
            await lease.run(functions.log_here)
            (record,) = self.records
            worker = f"leasepool-{record.executor_seq}-"
        with open(functions.__file__, encoding="utf-8") as file:
            (line,) = [n for n, text in enumerate(file, 1) if text.endswith("# this line\n")]
        self.assertEqual((record.name, record.levelno, record.levelname, record.getMessage()),
                         ("app.images", 30, "WARNING", "here"))
        self.assertEqual((record.pathname, record.filename, record.module, record.lineno, record.funcName),
                         (functions.__file__, "functions.py", "functions", line, "log_here"))
        self.assertEqual((record.process, record.threadName), (pid, "MainThread"))
        self.assertTrue(record.processName.startswith(worker), record.processName)
        self.assertTrue(before - 60 <= record.created <= time.time() + 60)
        self.assertTrue(0 <= record.msecs < 1000)
        self.assertIsNone(record.exc_info)
        self.assertIsNone(record.exc_text)
        self.assertTrue(logging.Formatter("%(asctime)s %(relativeCreated)d %(message)s").format(record).endswith(" here"))

    async def test_levels(self):
        async with self.forwarding(process_log_level=logging.DEBUG) as lease:
            self.assertEqual(await lease.run(functions.log_levels), [True, True, True])
        self.assertEqual([record.levelno for record in self.records], [10, 20, 25, 30, 40, 50])
        self.assertEqual([record.levelname for record in self.records][-2:], ["ERROR", "CRITICAL"])

    async def test_level_is_exact(self):
        async with self.forwarding(process_log_level=21) as lease:
            self.assertEqual(await lease.run(functions.log_levels), [False, False, True])
        self.assertEqual([record.levelno for record in self.records], [25, 30, 40, 50])

    async def test_level_by_name(self):
        async with self.forwarding(process_log_level="error") as lease:
            self.assertEqual(await lease.run(functions.log_levels), [False, False, False])
        self.assertEqual([record.levelno for record in self.records], [40, 50])

    async def test_level_of_the_target_holds(self):
        self.logger.setLevel(logging.ERROR)
        async with self.forwarding() as lease:
            await lease.run(functions.log_levels)
        self.assertEqual([record.levelno for record in self.records], [40, 50])

    async def test_filters_of_the_target_hold(self):
        def has_odd_level(record):
            return record.levelno == 25

        self.logger.addFilter(has_odd_level)
        self.addCleanup(self.logger.removeFilter, has_odd_level)
        async with self.forwarding() as lease:
            await lease.run(functions.log_levels)
        self.assertEqual([record.levelno for record in self.records], [25])

    async def test_exception(self):
        async with self.forwarding() as lease:
            await lease.run(functions.log_exception)
        (record,) = self.records
        self.assertEqual((record.getMessage(), record.levelno), ("It went wrong", 40))
        self.assertTrue(record.exc_text.startswith("Traceback (most recent call last):\n"), record.exc_text)
        self.assertTrue(record.exc_text.endswith("ZeroDivisionError: division by zero"), record.exc_text)
        self.assertIn(record.exc_text, logging.Formatter().format(record))

    async def test_stack(self):
        async with self.forwarding() as lease:
            await lease.run(functions.log_stack)
        self.assertIn("in log_stack\n", self.records[0].stack_info)

    async def test_all_come_in_their_order_before_the_result(self):
        async with self.forwarding() as lease:
            await lease.run(functions.log_many, 1000)
            self.assertEqual(self.messages(), [f"record {number}" for number in range(1000)])

    async def test_of_c(self):
        async with self.forwarding() as lease:
            await lease.run(functions.log_of_glib)
        self.assertEqual([(record.name, record.levelno) for record in self.records],
                         [("of-c", level) for level in (40, 30, 20, 20)])

    async def test_lines(self):
        async with self.forwarding(process_log_level="CRITICAL") as lease:
            pid = await lease.run(functions.get_pid)
            await lease.run(functions.say, "one\ntwo\n")
        self.assertEqual([(record.name, record.levelno, record.getMessage(), record.process) for record in self.records],
                         [("the.target", 30, "one", pid), ("the.target", 30, "two", pid)])

    async def test_of_the_initializer(self):
        async with self.forwarding(initializer=functions.initialize):
            self.assertEqual(self.messages(), ["initialized"])

    async def test_message_with_percents_stays(self):
        async with self.forwarding() as lease:
            await lease.run(functions.say, "100%s %d\n")
        self.assertEqual(self.messages(), ["100%s %d"])

    async def test_by_the_factory_of_the_program(self):
        class Own(logging.LogRecord):
            pass

        before = logging.getLogRecordFactory()
        self.addCleanup(logging.setLogRecordFactory, before)
        logging.setLogRecordFactory(Own)
        async with self.forwarding() as lease:
            await lease.run(functions.log_here)
        self.assertIs(type(self.records[0]), Own)

    async def test_by_a_config(self):
        config = Lp.ProcessLoggingConfig(process_log_level="WARNING", process_log_target_logger=self.logger)
        async with self.lease(process_logging=config) as lease:
            await lease.run(functions.log_levels)
        self.assertEqual([record.levelno for record in self.records], [30, 40, 50])


class Targets(LogCase):
    async def test_default_is_the_logger_of_the_manager(self):
        async with self.forwarding(process_log_target_logger=None, logger=self.logger) as lease:
            await lease.run(functions.log_here)
        self.assertIn("here", self.messages())

    async def test_else_that_of_the_library(self):
        with self.assertLogs("leasepool") as logs:
            async with self.forwarding(process_log_target_logger=None) as lease:
                await lease.run(functions.log_here)
        self.assertEqual([record.name for record in logs.records], ["app.images"])

    async def test_adapter(self):
        async with self.forwarding(process_log_target_logger=logging.LoggerAdapter(self.logger, {})) as lease:
            await lease.run(functions.log_here)
        self.assertEqual(self.messages(), ["here"])

    async def test_handler_that_raises_does_no_harm(self):
        class Bad(logging.Handler):
            def emit(self, record):
                raise RuntimeError("in the handler")

        bad = Bad()
        self.logger.addHandler(bad)
        self.addCleanup(self.logger.removeHandler, bad)
        async with self.forwarding() as lease:
            await lease.run(functions.log_levels)
        self.assertEqual(len(self.records), 5)


class Handlers(LogCase):
    """What a worker has before and after."""

    async def test_cleared(self):
        async with self.forwarding(process_log_level=25) as lease:
            self.assertEqual(await lease.run(functions.get_handlers), (["Handler"], 25))

    async def test_none_without_forwarding(self):
        async with self.lease() as lease:
            self.assertEqual(await lease.run(functions.get_handlers), ([], logging.WARNING))
            await lease.run(functions.log_levels)
        self.assertEqual(self.records, [])

    async def test_of_the_program(self):
        program = """
import asyncio, logging, sys
import proccase, functions
from gi.repository import Lp

logging.basicConfig(stream=sys.stderr, level="DEBUG", format="of the program: %(message)s")

async def main(clear):
    config = Lp.ProcessLoggingConfig(clear_process_log_handlers=clear, process_log_target_logger=logging.getLogger("quiet"))
    logging.getLogger("quiet").disabled = True
    async with Lp.Manager(backend="process", max_pools=1, workers_per_pool=1, start_timeout_seconds=120,
                          process_logging=config) as manager:
        print(await manager.run(functions.get_handlers))
        await manager.run(functions.log_here)

if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel("ERROR")
    asyncio.run(main(sys.argv[1] == "clear"))
"""
        path = self.write(self.folder(), "program.py", program)
        done = self.succeed_python(path, "clear")
        self.assertEqual(done.stdout, "(['Handler'], 20)\n")
        self.assertNotIn("here", done.stderr)
        done = self.succeed_python(path, "keep")
        self.assertEqual(done.stdout, "(['StreamHandler', 'Handler'], 10)\n")
        self.assertIn("of the program: here\n", done.stderr)

    async def test_without_forwarding_they_go_to_standard_error(self):
        program = """
import asyncio
import proccase, functions
from gi.repository import Lp

async def main():
    async with Lp.Manager(backend="process", max_pools=1, workers_per_pool=1, start_timeout_seconds=120) as manager:
        await manager.run(functions.log_levels)
        await manager.run(functions.say, "a line\\n")

if __name__ == "__main__":
    asyncio.run(main())
"""
        done = self.succeed_python(self.write(self.folder(), "program.py", program))
        self.assertEqual(done.stderr.splitlines(), ["level 30", "level 40", "level 50", "a line"])
        self.assertEqual(done.stdout, "")


class Garbage(LogCase):
    """What a worker says is not believed to be of the right form."""

    async def test_fields(self):
        program = """
import sys
import gi
gi.require_version("Lp", "1")
from gi.repository import GLib, Lp

functions = Lp.Functions.new()
worker = Lp.Worker.new(functions)
HUGE = "1" + "0" * 400
ODD = ("NaN", "inf", "x"), (HUGE, HUGE, HUGE), ("-1", "1e300", "-1"), ("", "-1e18", ""), ("9" * 5000, "nan", "9" * 5000)

def log(*_):
    for level, created, line in ODD:
        fields = {"MESSAGE": "odd", "PYTHON_LEVEL": level, "PYTHON_CREATED": created, "CODE_LINE": line, "CODE_FILE": "/"}
        GLib.log_variant("odd", GLib.LogLevelFlags.LEVEL_WARNING,
                         GLib.Variant("a{sv}", {key: GLib.Variant("s", value) for key, value in fields.items()}))
    return GLib.Variant("()", ())

functions.add("log", None, None, log)
sys.exit(worker.run())
"""
        path = self.write(self.folder(), "worker.py", program)
        import sys

        async with self.forwarding(worker_argv=[sys.executable, "-B", path]) as lease:
            await lease.call("log")
        self.assertEqual(len(self.records), 5)
        for record in self.records:
            self.assertEqual((record.levelno, record.lineno, record.filename), (30, 0, ""))
            self.assertEqual(os.path.basename(record.pathname), "")
            # A time that has a date.
            self.assertIn("odd", logging.Formatter("%(asctime)s %(message)s").format(record))
