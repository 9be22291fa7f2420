# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What the cases of the overrides share. Nothing sleeps to synchronise; a wait that does not end is a failure."""

import asyncio
import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
import time

SECONDS = 30
PROGRAM_SECONDS = 170
FUNCTIONS_MODULE = os.environ["LP_TEST_FUNCTIONS_MODULE"]
HAVE_GI_EVENTS = importlib.util.find_spec("gi.events") is not None
# GLib.MainLoop.run() of a PyGObject that has gi.events runs no loop of gbulb: AttributeError: … no attribute 'running'.
HAVE_GBULB = not HAVE_GI_EVENTS
THOROUGH = bool(os.environ.get("LP_TEST_THOROUGH"))

# Whether the case that runs has failed.
failed = False


async def until(condition, what):
    """Lets the loop run until the condition holds, which other threads may bring about silently."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not before {SECONDS} s: {what}"
        await asyncio.sleep(0.002)


class Gate:
    """A function that stays until the gate is opened, whether it is cancelled or not."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.count = 0

    def __call__(self, value=None):
        self.count += 1
        self.entered.release()
        assert self.opened.wait(SECONDS), "the gate was never opened"
        return value

    async def wait_entered(self):
        await until(lambda: self.entered.acquire(blocking=False), "a job has entered the gate")

    def open(self):
        self.opened.set()


@contextlib.contextmanager
def closed_gate():
    gate = Gate()
    try:
        yield gate
    finally:
        gate.open()


def run_program(source, *, returncode=0, env=None):
    """Runs a Python program that is given as text, with the overrides; returns what it printed."""
    program = "import asyncio, gc, os, sys, threading, time, gi\ngi.require_version('Lp', '1')\n"
    program += "from gi.repository import Gio, GLib, Lp\n" + source
    done = subprocess.run([sys.executable, "-B", "-X", "faulthandler", "-c", program], capture_output=True, text=True,
                          timeout=2 * SECONDS, check=False, env={**os.environ, **(env or {})})
    assert done.returncode == returncode, f"{done.returncode}: {done.stdout}{done.stderr}"
    for bad in ("CRITICAL", "Fatal Python error", "context went away"):
        assert bad not in done.stderr, done.stderr
    return done.stdout
