# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The keywords of a manager of processes, and what is refused."""

import logging
import multiprocessing.spawn
import pickle
import sys

import functions
from proccase import Case, Lp

LEVEL = __import__("gi.repository.GLib", fromlist=["GLib"]).LogLevelFlags
TARGET = logging.getLogger("target")


class Initializer(Case):
    async def test_is_called_first_in_each_worker(self):
        async with self.lease(initializer=functions.initialize, initargs=(1, "two")) as lease:
            self.assertEqual(await lease.run(functions.get_state), [1, "two"])
            self.assertEqual(await lease.run(functions.get_state), [1, "two"])

    async def test_needs_no_arguments(self):
        async with self.lease(initializer=functions.initialize) as lease:
            self.assertEqual(await lease.run(functions.get_state), [])

    async def test_that_fails_fails_the_start(self):
        manager = self.manager(initializer=functions.initialize_badly)
        with self.assertRaisesRegex(Lp.LeasePoolError, "“functions.initialize_badly” raised KeyError: 'no model'") as caught:
            await manager.start()
        self.assertEqual(caught.exception.code, Lp.Error.START_FAILED)
        self.assertFalse(manager.running)

    async def test_traceback_of_one_that_fails_is_a_record(self):
        manager = self.manager(initializer=functions.initialize_badly, forward_process_logs=True)
        with self.assertLogs("leasepool", logging.CRITICAL) as logs:
            with self.assertRaises(Lp.LeasePoolError):
                await manager.start()
        self.assertIn("in initialize_badly\n", logs.records[0].getMessage())

    async def test_exit_fails_the_start(self):
        with self.assertRaisesRegex(Lp.LeasePoolError, "raised SystemExit: 3"):
            await self.manager(initializer=sys.exit, initargs=[3]).start()

    async def test_that_cannot_be_read_fails_the_start(self):
        with self.assertRaisesRegex(Lp.LeasePoolError, "cannot be read in the worker: ZeroDivisionError"):
            await self.manager(initializer=functions.initialize, initargs=[functions.Unreadable()]).start()

    def test_that_cannot_be_sent_is_refused(self):
        with self.assertRaisesRegex(TypeError, "function “.*<lambda>” cannot be sent"):
            self.manager(initializer=lambda: 1)
        with self.assertRaisesRegex(TypeError, "argument 1 of “functions.initialize” cannot be sent"):
            self.manager(initializer=functions.initialize, initargs=[functions.Stubborn()])

    def test_must_be_callable(self):
        with self.assertRaisesRegex(TypeError, "initializer"):
            self.manager(initializer=7)
        with self.assertRaisesRegex(ValueError, "no initializer"):
            self.manager(initargs=(1,))

    async def test_is_no_word_of_the_command_line(self):
        manager = self.manager(initializer=functions.initialize, initargs=("a secret",))
        self.assertNotIn("secret", " ".join(manager.get_worker_argv()))
        self.assertIsNot(manager.get_worker_init_parameters(), None)
        async with manager:
            async with await manager.acquire() as lease:
                pid = await lease.run(functions.get_pid)
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{pid}/{name}", "rb") as file:
                        self.assertNotIn(b"secret", file.read())


class Tasks(Case):
    async def test_worker_is_replaced_after_so_many(self):
        async with self.lease(max_tasks_per_child=2) as lease:
            pids = [await lease.run(functions.get_pid) for _ in range(4)]
        self.assertEqual((pids[0], pids[2]), (pids[1], pids[3]))
        self.assertNotEqual(pids[0], pids[2])

    async def test_initializer_is_called_in_the_new_one(self):
        async with self.lease(max_tasks_per_child=1, initializer=functions.initialize, initargs=(1,)) as lease:
            for _ in range(2):
                self.assertEqual(await lease.run(functions.get_state), [1])

    def test_is_checked(self):
        for value in (0, -1):
            with self.assertRaisesRegex(ValueError, "max_tasks_per_child"):
                self.manager(max_tasks_per_child=value)
        for value in (1.5, True, "1"):
            with self.assertRaisesRegex(TypeError, "max_tasks_per_child"):
                self.manager(max_tasks_per_child=value)

    def test_is_max_jobs_per_worker(self):
        self.assertEqual(self.manager(max_tasks_per_child=3).get_max_jobs_per_worker(), 3)
        self.assertEqual(self.manager(max_tasks_per_child=None).get_max_jobs_per_worker(), 0)
        with self.assertRaisesRegex(ValueError, "max_jobs_per_worker"):
            self.manager(max_tasks_per_child=3, max_jobs_per_worker=3)


class Context(Case):
    def test_spawn(self):
        self.manager(mp_context=multiprocessing.get_context("spawn"))
        self.manager(mp_context=None)

    def test_others_are_refused(self):
        for context in (multiprocessing.get_context("fork"), multiprocessing.get_context("forkserver"), "spawn"):
            with self.assertRaisesRegex(ValueError, "mp_context"):
                self.manager(mp_context=context)

    def test_program_that_multiprocessing_was_told_of(self):
        before = multiprocessing.spawn.get_executable()
        self.addCleanup(multiprocessing.set_executable, before)
        multiprocessing.set_executable("/usr/bin/another-python")
        self.assertEqual(self.manager().get_worker_argv()[0], "/usr/bin/another-python")


class OwnWorkers(Case):
    OWN = ({"worker_argv": ["my-worker"]}, {"function_module": "my-module"},
           {"worker_argv": ["my-worker"], "worker_init_function": "load"})

    def test_are_respected(self):
        for own in self.OWN:
            manager = self.manager(**own)
            self.assertEqual(list(manager.get_worker_argv() or []), own.get("worker_argv", []))
            self.assertEqual(manager.get_worker_init_function(), own.get("worker_init_function"))

    def test_run_no_functions(self):
        for own in self.OWN:
            with self.assertRaisesRegex(ValueError, "named functions"):
                self.manager(**own).new_job(functions.get_pid)

    def test_those_of_a_manager_made_as_in_c_run_none(self):
        with self.assertRaisesRegex(ValueError, "named functions"):
            Lp.Manager.new("process", 1).new_job(functions.get_pid)

    def test_executors_of_ones_own_have_none_of_python(self):
        class Own(Lp.Executor):
            pass

        self.assertFalse(self.manager(executor_type=Own).get_worker_argv())

    def test_have_no_initializer(self):
        for own in self.OWN:
            with self.assertRaisesRegex(ValueError, "worker_init_function"):
                self.manager(initializer=functions.initialize, **own)

    def test_have_the_other_keywords(self):
        manager = self.manager(worker_argv=["my-worker"], max_tasks_per_child=5, forward_process_logs=True,
                               process_log_level="WARNING")
        self.assertEqual(manager.get_max_jobs_per_worker(), 5)
        self.assertTrue(manager.get_forward_process_logs())
        self.assertEqual(manager.get_process_log_level(), LEVEL.LEVEL_WARNING)


class Logging(Case):
    def test_levels(self):
        for level, expected in ((0, "DEBUG"), (10, "DEBUG"), (11, "DEBUG"), (20, "INFO"), (21, "MESSAGE"), (30, "WARNING"),
                                (39, "WARNING"), (40, "CRITICAL"), (50, "CRITICAL"), (99, "CRITICAL"),
                                ("DEBUG", "DEBUG"), ("info", "INFO"), ("WARN", "WARNING"), ("CRITICAL", "CRITICAL")):
            manager = self.manager(forward_process_logs=True, process_log_level=level)
            self.assertEqual(manager.get_process_log_level(), getattr(LEVEL, f"LEVEL_{expected}"), level)

    def test_levels_of_glib(self):
        for name in ("CRITICAL", "WARNING", "MESSAGE", "INFO", "DEBUG"):
            level = getattr(LEVEL, f"LEVEL_{name}")
            manager = self.manager(forward_process_logs=True, process_log_level=level)
            self.assertEqual(manager.get_process_log_level(), level)
        with self.assertRaisesRegex(ValueError, "process_log_level"):
            self.manager(process_log_level=LEVEL.LEVEL_INFO | LEVEL.LEVEL_DEBUG)

    def test_level_of_the_program(self):
        logging.addLevelName(25, "Notice")
        self.addCleanup(logging._levelToName.pop, 25)
        self.addCleanup(logging._nameToLevel.pop, "Notice")
        manager = self.manager(forward_process_logs=True, process_log_level="Notice")
        self.assertEqual(manager.get_process_log_level(), LEVEL.LEVEL_MESSAGE)

    def test_levels_that_are_none(self):
        for level in ("LOUD", "", -1, None, 1.5, True, b"INFO"):
            for backend in ("process", "thread"):
                with self.assertRaisesRegex(ValueError, "process_log_level"):
                    self.manager(backend=backend, process_log_level=level)
            with self.assertRaisesRegex(ValueError, "process_log_level"):
                Lp.ProcessLoggingConfig(process_log_level=level)

    def test_other_values_that_are_none(self):
        for keywords in ({"process_log_target_logger": "name"}, {"forward_process_logs": 1},
                         {"clear_process_log_handlers": None}, {"process_logging": True}):
            for backend in ("process", "thread"):
                with self.assertRaisesRegex(ValueError, next(iter(keywords))):
                    self.manager(backend=backend, **keywords)

    def test_config_is_the_arguments(self):
        config = Lp.ProcessLoggingConfig(process_log_level="ERROR", clear_process_log_handlers=False)
        manager = self.manager(process_logging=config)
        self.assertTrue(manager.get_forward_process_logs())
        self.assertFalse(manager.get_clear_process_log_handlers())
        self.assertEqual(manager.get_process_log_level(), LEVEL.LEVEL_CRITICAL)

    def test_config_or_arguments(self):
        config = Lp.ProcessLoggingConfig()
        for keywords in ({"forward_process_logs": True}, {"process_log_level": 10}, {"process_log_target_logger": TARGET},
                         {"clear_process_log_handlers": False}):
            with self.assertRaisesRegex(ValueError, "process_logging and .*both"):
                self.manager(process_logging=config, **keywords)

    def test_config_with_the_defaults_spelled_out(self):
        manager = self.manager(process_logging=Lp.ProcessLoggingConfig(), forward_process_logs=False, process_log_level=20,
                               process_log_target_logger=None, clear_process_log_handlers=True)
        self.assertTrue(manager.get_forward_process_logs())

    def test_config_does_not_change(self):
        with self.assertRaises(AttributeError):
            Lp.ProcessLoggingConfig().process_log_level = 10
        with self.assertRaises(AttributeError):
            del Lp.ProcessLoggingConfig().process_log_level

    def test_config_is_a_value(self):
        config = Lp.ProcessLoggingConfig(process_log_level="DEBUG", process_log_target_logger=TARGET)
        copy = pickle.loads(pickle.dumps(config))
        self.assertEqual((copy, hash(copy), repr(copy)), (config, hash(config), repr(config)))
        self.assertNotEqual(copy, Lp.ProcessLoggingConfig())
        self.assertEqual((config.level, config.process_log_target_logger), (10, TARGET))

    def test_threads_forward_nothing(self):
        for keywords in ({"forward_process_logs": True}, {"process_logging": Lp.ProcessLoggingConfig()}):
            with self.assertRaisesRegex(ValueError, "process"):
                self.manager(backend="thread", **keywords)

    def test_threads_take_the_defaults(self):
        self.manager(backend="thread", process_logging=None, forward_process_logs=False, process_log_level="INFO",
                     process_log_target_logger=None, clear_process_log_handlers=True)
        self.manager(backend="thread", process_logging=Lp.ProcessLoggingConfig(forward_process_logs=False))
