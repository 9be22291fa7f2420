#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""checksum-worker.py: a worker program with "sha256", as in the function module, and something slow in plain Python.

Only what the functions need is imported, since every worker process does it anew.
"""

import hashlib
import os
import stat
import sys

import gi

gi.require_version("Lp", "1")
from gi.repository import Gio, GLib, Lp  # noqa: E402

BLOCK_SIZE = 128 * 1024
PROGRESS_STEP = 8_000_000


def io_error(path, number):
    name = path.decode("utf-8", "replace")
    return GLib.Error.new_literal(Gio.io_error_quark(), f"{name}: {os.strerror(number)}",
                                  Gio.io_error_from_errno(number))


def open_regular_file(path):
    """O_NONBLOCK: opening a pipe that took the place of a file does not wait for its writer."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    file = os.fdopen(fd, "rb", buffering=0, closefd=True)
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        file.close()
        raise OSError(22, "not a regular file")
    return file, info.st_size


def sha256(job, *_user_data):
    path = bytes(job.get_parameters().unpack()[0]).rstrip(b"\0")
    cancellable = job.get_cancellable()
    digest = hashlib.sha256()
    done = reported = 0
    try:
        file, size = open_regular_file(path)
        with file:
            while block := file.read(BLOCK_SIZE):
                cancellable.set_error_if_cancelled()
                digest.update(block)
                done += len(block)
                if done - reported >= PROGRESS_STEP and done < size:
                    reported = done
                    job.set_progress(done / size, f"{done // 1_000_000} of {size // 1_000_000} MB")
    except OSError as error:
        raise io_error(path, error.errno) from None
    return GLib.Variant("(st)", (digest.hexdigest(), done))


def count_primes(job, *_user_data):
    """Holds the interpreter lock all the time, as plain Python does."""
    (limit,) = job.get_parameters().unpack()
    cancellable = job.get_cancellable()
    primes = 0
    for number in range(2, limit + 1):
        if number % 1000 == 0:
            cancellable.set_error_if_cancelled()
        divisor = 2
        while divisor * divisor <= number and number % divisor:
            divisor += 1
        primes += divisor * divisor > number
    return GLib.Variant("(u)", (primes,))


functions = Lp.Functions.new()
worker = Lp.Worker.new(functions)  # before anything is printed
functions.add("sha256", GLib.VariantType("(ay)"), GLib.VariantType("(st)"), sha256)
functions.add("count_primes", GLib.VariantType("(u)"), GLib.VariantType("(u)"), count_primes)
sys.exit(worker.run())
