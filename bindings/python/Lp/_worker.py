# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The side of a worker: its functions and its loop."""

import functools
import logging

from gi.overrides import override
from gi.repository import GLib

from ._base import MODULE, Lp
from ._logs import as_text, forward_records
from ._output import buffer_lines, flush

_logger = logging.getLogger("leasepool")


@override
class Worker(Lp.Worker):
    """The worker of this process: its records and its printed lines go to the manager, in their order."""

    __module__ = MODULE

    def run(self):
        forward_records()
        buffer_lines()
        try:
            return super().run()
        finally:
            flush()


# Functions


def error_text(error):
    name = type(error).__name__
    try:
        text = f"{error}"
    except Exception:
        text = "its text cannot be had"
    return as_text(f"{name}: {text}" if text else name)


def to_error(error):
    return GLib.Error.new_literal(Lp.error_quark(), error_text(error), Lp.Error.FAILED)


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
            flush()

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
