#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""A worker program: give it to a manager of processes as its worker-argv."""

import logging
import sys

import gi
gi.require_version("Lp", "1")
from gi.repository import Gio, GLib, Lp  # noqa: E402

logger = logging.getLogger("greet")
functions = Lp.Functions.new()
# Before anything is printed.
worker = Lp.Worker.new(functions)


def double(job, *_):
    (number,) = job.get_parameters().unpack()
    return GLib.Variant("(i)", (2 * number,))


def greet(job, *_):
    (name,) = job.get_parameters().unpack()
    if not name:
        raise GLib.Error.new_literal(Gio.io_error_quark(), "Nobody has an empty name", Gio.IOErrorEnum.INVALID_ARGUMENT)
    logger.info("Greeting %s", name)
    return GLib.Variant("(s)", (f"Hello {name}",))


def is_prime(number):
    return number >= 2 and all(number % divisor for divisor in range(2, int(number ** 0.5) + 1))


def count_primes(job, *_):
    (limit,) = job.get_parameters().unpack()
    cancellable = job.get_cancellable()
    primes = 0
    for number in range(limit + 1):
        if number % 100 == 0:
            cancellable.set_error_if_cancelled()
            job.set_progress(number / max(limit, 1), None)
        primes += is_prime(number)
    return GLib.Variant("(u)", (primes,))


for name, parameters, result, func in (("double", "(i)", "(i)", double), ("greet", "(s)", "(s)", greet),
                                       ("count_primes", "(u)", "(u)", count_primes)):
    functions.add(name, GLib.VariantType.new(parameters), GLib.VariantType.new(result), func)

sys.exit(worker.run())
