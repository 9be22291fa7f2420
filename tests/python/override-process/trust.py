# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Nothing that a worker of one's own sends is unpickled, even if it answers as a ready-made worker would."""

import os
import sys

import functions
from proccase import Case, GLib, Lp

WORKER = """
import base64, pickle, sys

import gi

gi.require_version("Lp", "1")
from gi.repository import GLib, Lp


class Touch:
    def __reduce__(self):
        return open, (sys.argv[1], "w")


def run(job, *_user_data):
    if len(sys.argv) == 2:
        return GLib.Variant("ay", pickle.dumps(Touch()))
    data = base64.b64encode(pickle.dumps(Touch())).decode()
    text = f"bad\\x1e{len(data)}:{data}"
    raise GLib.Error.new_literal(GLib.quark_from_string("lp-python-exception"), text, 0)


functions = Lp.Functions.new()
functions.add("lp.python.init", None, None, lambda *_: GLib.Variant("()", ()))
functions.add("lp.python.run", None, None, run)
sys.exit(Lp.Worker.new(functions).run())
"""


class Trust(Case):
    def setUp(self):
        folder = self.folder()
        self.touched = os.path.join(folder, "touched")
        self.argv = [sys.executable, "-B", self.write(folder, "worker.py", WORKER), self.touched]

    def tearDown(self):
        self.assertFalse(os.path.exists(self.touched))

    async def test_job_of_another_manager_is_not_read(self):
        for more in [], ["raise"]:
            async with self.lease(worker_argv=self.argv + more) as lease:
                job = self.manager().new_job(functions.get_state)
                with self.assertRaises(Lp.RemoteException) as caught:
                    await lease.run(job)
                self.assertIn("ready-made worker of the manager",
                              f"{caught.exception} {caught.exception.__cause__}")

    async def test_job_that_is_looked_at_later_is_not_read(self):
        async with self.lease(worker_argv=self.argv) as lease:
            job = self.manager().new_job(functions.get_state)
            lease.submit(job)
            await self.wait_for(lambda: job.state == Lp.JobState.SUCCEEDED)
            with self.assertRaises(Lp.RemoteException):
                job.value()

    async def test_workers_that_were_changed_run_no_functions(self):
        manager = self.manager()
        job = manager.new_job(functions.get_state)
        manager.worker_argv = self.argv
        async with manager:
            # Nor were they told what the ready-made ones are.
            self.assertIsNone(manager.get_worker_init_parameters())
            with self.assertRaisesRegex(ValueError, "named functions only"):
                await manager.run(functions.get_state)
            with self.assertRaises(Lp.RemoteException):
                await manager.run(job)

    async def test_initializer_needs_workers_that_are_not_changed(self):
        manager = self.manager(initializer=functions.initialize)
        manager.worker_argv = self.argv
        with self.assertRaisesRegex(ValueError, "initializer needs the ready-made workers"):
            await manager.start()

    async def test_init_function_of_the_same_name_makes_no_ready_made_worker(self):
        async with self.manager(worker_argv=self.argv, worker_init_function="lp.python.init") as manager:
            with self.assertRaisesRegex(ValueError, "named functions only"):
                await manager.run(functions.get_state)

    async def test_own_settings_of_the_workers_are_kept(self):
        manager = self.manager()
        manager.worker_argv = self.argv
        manager.worker_init_function = "lp.python.init"
        manager.worker_init_parameters = GLib.Variant("(ay)", (b"own",))
        async with manager:
            self.assertEqual(manager.get_worker_argv(), self.argv)
            self.assertIsNotNone(manager.get_worker_init_parameters())
