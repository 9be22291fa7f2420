# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What the cases share: managers of processes on an event loop, and programs of their own."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import unittest

import gi

gi.require_version("Lp", "1")
from gi.repository import Gio, GLib, Lp  # noqa: E402, F401

SECONDS = 120
HERE = os.path.dirname(os.path.abspath(__file__))


class Case(unittest.IsolatedAsyncioTestCase):
    maxDiff = None

    def manager(self, **keywords):
        settings = {"backend": "process", "max_pools": 1, "workers_per_pool": 1, "start_timeout_seconds": SECONDS,
                    # An error that is logged there ends no worker; what is printed waits in a buffer.
                    "worker_environment": ["G_DEBUG=", "PYTHONUNBUFFERED="]}
        return Lp.Manager(**{**settings, **keywords})

    @contextlib.asynccontextmanager
    async def lease(self, **keywords):
        async with self.manager(**keywords) as manager:
            async with await manager.acquire() as lease:
                yield lease

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    async def wait_for(self, condition):
        """What another process does: nobody tells, so it is looked for."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                await asyncio.sleep(0.005)

    def write(self, folder, name, text):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_python(self, *arguments, text=None, path=None, **options):
        """A Python program of its own, which must not hang."""
        paths = [*([path] if path is not None else []), *os.environ["PYTHONPATH"].split(os.pathsep)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "G_DEBUG": ""}
        return subprocess.run([sys.executable, "-B", *arguments], env=env, input=text, capture_output=True, text=True,
                              timeout=SECONDS, check=False, **options)

    def succeed_python(self, *arguments, **options):
        done = self.run_python(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done
