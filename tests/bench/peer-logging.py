#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""peer-logging.py: log records of a process, with QueueHandler over a queue of multiprocessing.

For each N on the standard input: the nanoseconds that each of N records took to a handler here."""

import logging
import logging.handlers
import multiprocessing
import sys
import threading
import time


def work(commands, records):
    logger = logging.getLogger("worker")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.handlers.QueueHandler(records))
    logger.propagate = False
    while (count := commands.recv()) > 0:
        for number in range(count):
            logger.info("record %08d of a worker that has something to say", number)


class Counter(logging.Handler):
    """Counts, and tells when all have arrived."""

    def __init__(self):
        super().__init__()
        self.left = 0
        self.complete = threading.Event()

    def expect(self, count):
        self.left = count
        self.complete.clear()

    def emit(self, record):
        self.left -= 1
        if self.left == 0:
            self.complete.set()


def main():
    commands, child_commands = multiprocessing.Pipe()
    records = multiprocessing.Queue()
    process = multiprocessing.Process(target=work, args=(child_commands, records))
    process.start()
    counter = Counter()
    listener = logging.handlers.QueueListener(records, counter)
    listener.start()
    for line in sys.stdin:
        count = int(line)
        counter.expect(count)
        started = time.monotonic_ns()
        commands.send(count)
        counter.complete.wait()
        print((time.monotonic_ns() - started) / count, flush=True)
    commands.send(0)
    process.join()
    listener.stop()


if __name__ == "__main__":
    main()
