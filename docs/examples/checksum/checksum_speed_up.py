# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The option --speed-up of checksum.py: the same work in plain Python on one worker process, and on two."""

import os
import statistics
import sys
import time

import gi

gi.require_version("Lp", "1")
from gi.repository import GLib, Lp  # noqa: E402

RUNS = 3
JOBS = 4
LIMIT = 120_000


def measure(lease):
    """The seconds from the first job's submission to the last one's result; all workers have started before."""
    jobs = [Lp.Job.new_for_call("count_primes", GLib.Variant("(u)", (LIMIT,))) for _ in range(JOBS)]
    begin = time.monotonic()
    for job in jobs:
        lease.submit(job)
    for job in jobs:
        job.wait(-1)
    return time.monotonic() - begin


def run(worker_argv):
    managers = []
    load = os.getloadavg()[0]
    try:
        for workers in (1, 2):
            manager = Lp.Manager(backend=Lp.BACKEND_PROCESS, max_pools=1, workers_per_pool=workers,
                                 worker_argv=worker_argv)
            managers.append(manager)
            manager.start_sync()
        leases = [manager.acquire_sync() for manager in managers]
        # By turns, so that whatever else the computer does slows both down.
        seconds = [statistics.median(times) for times in
                   zip(*[[measure(lease) for lease in leases] for _ in range(RUNS)])]
        for lease in leases:
            lease.release()
    except GLib.Error as error:
        print(f"checksum.py: {error.message}", file=sys.stderr)
        return 1
    finally:
        for manager in managers:
            manager.stop_sync(Lp.StopMode.CANCEL, -1)
    print(f"{JOBS} times count_primes ({LIMIT}) in Python, {GLib.get_num_processors()} CPUs (load before: {load:.1f}), "
          f"medians of {RUNS} runs:\n"
          f"  1 worker process    {seconds[0]:.3f} s\n"
          f"  2 worker processes  {seconds[1]:.3f} s\n"
          f"  {seconds[0] / seconds[1]:.2f} times as fast")
    return 0
