#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""peer-futures.py processes|threads WORKERS IN_FLIGHT: no-op calls with concurrent.futures.

For each N on the standard input: the nanoseconds that each of N calls took, IN_FLIGHT at a time."""

import concurrent.futures
import queue
import sys
import time


def noop():
    pass


def run(executor, count, in_flight):
    done = queue.SimpleQueue()
    started = time.monotonic_ns()
    for _ in range(min(in_flight, count)):
        executor.submit(noop).add_done_callback(done.put)
    for number in range(count):
        done.get().result()
        if number + in_flight < count:
            executor.submit(noop).add_done_callback(done.put)
    return (time.monotonic_ns() - started) / count


def main():
    kind, workers, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    classes = {"processes": concurrent.futures.ProcessPoolExecutor, "threads": concurrent.futures.ThreadPoolExecutor}
    with classes[kind](workers) as executor:
        for line in sys.stdin:
            print(run(executor, int(line), in_flight), flush=True)


if __name__ == "__main__":
    main()
