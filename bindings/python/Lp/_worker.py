# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The side of a worker: its functions and its loop."""

import functools
import logging
import sys

from gi.overrides import override
from gi.repository import GLib

from ._base import MODULE, Lp
from ._logs import as_text, forward_records

_logger = logging.getLogger("leasepool")


def _flush():
    """What was printed is on its way when this returns. A program may have closed its streams, or have none."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


@override
class Worker(Lp.Worker):
    """The worker of this process: its records and its printed lines go to the manager, in their order."""

    __module__ = MODULE

    def run(self):
        forward_records()
        # Lines of threads and of deferred jobs are not kept until a function returns, nor lost in a crash.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        _flush()
        try:
            return super().run()
        finally:
            _flush()


# Functions


def to_error(error):
    name = type(error).__name__
    text = f"{error}"
    return GLib.Error.new_literal(Lp.error_quark(), as_text(f"{name}: {text}" if text else name), Lp.Error.FAILED)


def _guarded(name, func):
    """The function, whose exceptions are errors that C knows, and whose printed lines come before its result."""

    @functools.wraps(func)
    def call(job, *user_data):
        try:
            value = func(job, *user_data)
            if value is not None and not isinstance(value, GLib.Variant):
                raise TypeError(f"the function “{name}” returned {type(value).__name__}, not GLib.Variant")
            return value
        except GLib.Error:
            raise
        except BaseException as error:
            # Also SystemExit, which would end the process from within the closure.
            _logger.debug("The function “%s” raised an exception", name, exc_info=True)
            raise to_error(error) from error
        finally:
            _flush()

    return call


@override
class Functions(Lp.Functions):
    """The table of named functions, of a worker or of a manager of threads.

    An exception of a function is the error Lp.Error.FAILED with its type and its text; the traceback goes to the logger
    “leasepool”, at the level DEBUG.
    """

    __module__ = MODULE

    def add(self, name, parameter_type, result_type, func, *user_data):
        if callable(func):
            func = _guarded(name, func)
        return super().add(name, parameter_type, result_type, func, *user_data)
