# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Records of Python's logging, handed to the log of GLib."""

import logging

from gi.repository import GLib


def as_text(value):
    """What fits into a string of C: no NUL, and no half of a surrogate pair, as names of files may have."""
    return str(value).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


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
                fields.insert_value(key, GLib.Variant.new_string(as_text(value)))
            GLib.log_variant(as_text(record.name), _level(record.levelno), fields.end())
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


def forward_records():
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
