#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""start-cost.py [COMMAND...]: how long a worker process takes from its spawn to its hello, in milliseconds.

Without a COMMAND it measures leasepool-worker with the function module of the checksum demo, and the demo's workers in
Python and JavaScript. The last line is what an interpreter takes by itself.
"""

import os
import statistics
import subprocess
import sys
import time

import gi

gi.require_version("Lp", "1")
from gi.repository import GLib, Lp  # noqa: E402

RUNS = 15
CHECKSUM = os.path.join(os.path.dirname(os.path.realpath(__file__)), "checksum")


def start_and_stop(**settings):
    manager = Lp.Manager(backend=Lp.BACKEND_PROCESS, max_pools=1, workers_per_pool=1, start_timeout_seconds=60,
                         **settings)
    begin = time.monotonic()
    manager.start_sync()
    seconds = time.monotonic() - begin
    manager.stop_sync(Lp.StopMode.CANCEL, -1)
    return seconds


def run_nothing():
    begin = time.monotonic()
    subprocess.run(["/usr/bin/python3", "-c", "pass"], check=True)
    return time.monotonic() - begin


def show(name, measure):
    seconds = sorted(measure() for _ in range(RUNS))
    print(f"{name:<32} {statistics.median(seconds) * 1000:8.1f} ms   (best {seconds[0] * 1000:.1f}, median of {RUNS})")


def main():
    if len(sys.argv) > 1:
        show(os.path.basename(sys.argv[-1]), lambda: start_and_stop(worker_argv=sys.argv[1:]))
        return
    show("leasepool-worker, C module", lambda: start_and_stop(function_module="checksum"))
    show("Python", lambda: start_and_stop(worker_argv=["/usr/bin/python3", os.path.join(CHECKSUM, "checksum-worker.py")]))
    show("GJS", lambda: start_and_stop(worker_argv=["gjs", "-m", os.path.join(CHECKSUM, "checksum-worker.js")]))
    show("python3 -c pass, for comparison", run_nothing)


try:
    main()
except GLib.Error as problem:
    sys.exit(f"start-cost.py: {problem.message}")
