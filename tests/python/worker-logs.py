# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""A worker that logs and prints in each of the ways that Python has. The test reads this file, too, for its lines.

Arguments change what is there before the worker runs: "handler", "level".
"""

import logging
import os
import sys
import threading
import warnings

import gi
gi.require_version("Lp", "1")
from gi.repository import Gio, GLib, Lp  # noqa: E402

functions = Lp.Functions.new()
worker = Lp.Worker.new(functions)
logger = logging.getLogger("app.images")
NONE = GLib.Variant("()", ())


class Odd(Exception):
    pass


def levels(_job, *_user_data):
    for level in (5, logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, logging.CRITICAL, 99):
        logger.log(level, "level %d", level)
    logging.warning("from the root")
    return NONE


def arguments(_job, *_user_data):
    logger.warning("%s has %d", "a.png", 3)
    logger.warning("%(name)s has none", {"name": "b.png"})
    logger.warning("100% of %s")
    return NONE


def located(_job, *_user_data):
    logger.warning("here")  # this line
    return NONE


def with_exception(_job, *_user_data):
    try:
        raise Odd("inside")
    except Odd:
        logger.exception("It went wrong: %s", "odd")
    return NONE


def odd_texts(_job, *_user_data):
    logger.warning("a nul \0, a surrogate \udcff, Ångström")
    logging.getLogger("odd.\udcff").warning("named oddly")
    logger.warning("x" * 100000)
    return NONE


def broken_arguments(_job, *_user_data):
    logger.warning("%d", "no number")
    logger.warning("after it")
    return NONE


def many(job, *_user_data):
    (number,) = job.get_parameters().unpack()
    for i in range(number):
        logger.info("record %d", i)
    return NONE


def print_lines(_job, *_user_data):
    print("first")
    print("second", file=sys.stderr)
    print("third")
    return NONE


def print_all(job, *_user_data):
    """In turn, printed and logged."""
    (number,) = job.get_parameters().unpack()
    for i in range(number):
        print(f"record {2 * i}")
        logger.info("record %d", 2 * i + 1)
    return NONE


def print_without_newline(_job, *_user_data):
    print("no newline", end="")
    return NONE


def print_and_fail(_job, *_user_data):
    print("before the error")
    raise ValueError("after the line")


def print_deferred(job, *_user_data):
    job.defer()

    def later():
        print("before the deferred result")
        job.return_value(NONE)

    GLib.idle_add(later)


def warn(_job, *_user_data):
    logging.captureWarnings(True)
    warnings.warn("this is old", DeprecationWarning, stacklevel=1)
    return NONE


def in_thread(_job, *_user_data):
    thread = threading.Thread(target=lambda: logger.warning("from a thread"))
    thread.start()
    thread.join()
    return NONE


def of_glib(_job, *_user_data):
    GLib.log_variant("own-domain", GLib.LogLevelFlags.LEVEL_MESSAGE, GLib.Variant("a{sv}", {
        "MESSAGE": GLib.Variant("s", "of GLib"), "OWN_FIELD": GLib.Variant("s", "its value")}))
    return NONE


def close_streams(_job, *_user_data):
    sys.stdout = None
    sys.stderr.close()
    return NONE


def crash(_job, *_user_data):
    os._exit(3)


def pid(_job, *_user_data):
    return GLib.Variant("(u)", (os.getpid(),))


def fail(job, *_user_data):
    (how,) = job.get_parameters().unpack()
    if how == "value":
        raise ValueError("not 7")
    if how == "empty":
        raise Odd
    if how == "surrogate":
        raise Odd("\udcff")
    if how == "exit":
        sys.exit(3)
    if how == "gerror":
        raise GLib.Error.new_literal(Gio.io_error_quark(), "There is one", Gio.IOErrorEnum.EXISTS)
    if how == "number":
        return 7
    return None


for name, parameters, result, func in (
        ("levels", "()", "()", levels),
        ("arguments", "()", "()", arguments),
        ("located", "()", "()", located),
        ("with-exception", "()", "()", with_exception),
        ("odd-texts", "()", "()", odd_texts),
        ("broken-arguments", "()", "()", broken_arguments),
        ("many", "(u)", "()", many),
        ("print-lines", "()", "()", print_lines),
        ("print-all", "(u)", "()", print_all),
        ("print-without-newline", "()", "()", print_without_newline),
        ("print-and-fail", "()", "()", print_and_fail),
        ("print-deferred", "()", "()", print_deferred),
        ("warn", "()", "()", warn),
        ("in-thread", "()", "()", in_thread),
        ("of-glib", "()", "()", of_glib),
        ("close-streams", "()", "()", close_streams),
        ("crash", "()", "()", crash),
        ("pid", "()", "(u)", pid),
        ("fail", "(s)", "()", fail)):
    functions.add(name, GLib.VariantType.new(parameters), GLib.VariantType.new(result), func)

if "handler" in sys.argv:
    handler = Lp.LogHandler()
    handler.setFormatter(logging.Formatter("%(name)s says %(message)s"))
    logging.getLogger().addHandler(handler)
if "level" in sys.argv:
    logging.getLogger().setLevel(logging.ERROR)

sys.exit(worker.run())
