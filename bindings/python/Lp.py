# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What PyGObject adds to the namespace Lp: sugar only, the library is right without it.

It is installed as gi/overrides/Lp.py, next to PyGObject's own files or in another directory of sys.path.
"""

import functools
import logging
import sys

from gi.repository import GLib

from ..module import get_introspection_module
from ..overrides import override

Lp = get_introspection_module("Lp")
__all__ = []

_logger = logging.getLogger("leasepool")


def _text(value):
    """What fits into a string of C: no NUL, and no half of a surrogate pair, as names of files may have."""
    return str(value).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def _flush():
    """What was printed is on its way when this returns. A program may have closed its streams, or have none."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


# Logs


def _level(number):
    """Never ERROR, which ends a process: an error of Python's is one that the program goes on after."""
    if number >= logging.ERROR:
        return GLib.LogLevelFlags.LEVEL_CRITICAL
    if number >= logging.WARNING:
        return GLib.LogLevelFlags.LEVEL_WARNING
    if number > logging.INFO:
        return GLib.LogLevelFlags.LEVEL_MESSAGE
    if number == logging.INFO:
        return GLib.LogLevelFlags.LEVEL_INFO
    return GLib.LogLevelFlags.LEVEL_DEBUG


class LogHandler(logging.Handler):
    """Hands records to the log of GLib, with the name of the logger as the domain.

    They have the fields CODE_FILE, CODE_LINE, CODE_FUNC, PYTHON_LEVEL (the number), PYTHON_LEVEL_NAME and, of a record
    with an exception, PYTHON_EXCEPTION. A formatter, if one is set, makes the message only.
    """

    _exceptions = logging.Formatter()

    def emit(self, record):
        try:
            # Five times as fast as GLib.Variant("a{sv}", ...), also for records that the worker drops.
            fields = GLib.VariantDict.new(None)
            for key, value in self._fields(record):
                fields.insert_value(key, GLib.Variant.new_string(_text(value)))
            GLib.log_variant(_text(record.name), _level(record.levelno), fields.end())
        except Exception:
            self.handleError(record)

    def _fields(self, record):
        yield "MESSAGE", self.format(record) if self.formatter is not None else record.getMessage()
        yield "CODE_FILE", record.pathname
        yield "CODE_LINE", record.lineno
        yield "CODE_FUNC", record.funcName
        yield "PYTHON_LEVEL", record.levelno
        yield "PYTHON_LEVEL_NAME", record.levelname
        if record.exc_info:
            yield "PYTHON_EXCEPTION", self._exceptions.formatException(record.exc_info)


__all__.append("LogHandler")


def _forward_records():
    """Has all records go to GLib, where the worker drops those below the level that its manager asks for.

    A program that put a LogHandler there itself has decided what comes; so has one that set another level than
    Python's own default.
    """
    root = logging.getLogger()
    if any(isinstance(handler, LogHandler) for handler in root.handlers):
        return
    root.addHandler(LogHandler())
    if root.level == logging.WARNING:
        root.setLevel(logging.NOTSET)


class Worker(Lp.Worker):
    """The worker of this process: its records and its printed lines go to the manager, in their order."""

    def run(self):
        _forward_records()
        # Lines of threads and of deferred jobs are not kept until a function returns, nor lost in a crash.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        _flush()
        try:
            return super().run()
        finally:
            _flush()


Worker = override(Worker)
__all__.append("Worker")


# Functions


def _to_error(error):
    name = type(error).__name__
    text = f"{error}"
    return GLib.Error.new_literal(Lp.error_quark(), _text(f"{name}: {text}" if text else name), Lp.Error.FAILED)


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
            raise _to_error(error) from error
        finally:
            _flush()

    return call


class Functions(Lp.Functions):
    """The table of named functions, of a worker or of a manager of threads.

    An exception of a function is the error Lp.Error.FAILED with its type and its text; the traceback goes to the logger
    “leasepool”, at the level DEBUG.
    """

    def add(self, name, parameter_type, result_type, func, *user_data):
        if callable(func):
            func = _guarded(name, func)
        return super().add(name, parameter_type, result_type, func, *user_data)


Functions = override(Functions)
__all__.append("Functions")
