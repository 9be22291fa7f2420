# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The ready-made worker: it runs what lease.run() sends. It is started often, so it imports little before its hello."""

import importlib
import io
import pickle
import sys

import gi

gi.require_version("Lp", "1")
from gi.repository import GLib  # noqa: E402

from . import _pickle, _preparation  # noqa: E402
from ._base import Lp  # noqa: E402
from ._output import buffer_lines, flush  # noqa: E402

# PyGObject imports this module for the types of arguments, and with it the overrides, which load what only managers
# need: asyncio and more. Until the program is read it has the plain namespace here; what the worker calls then was
# called once before.
_NAMESPACE = "gi.repository.Lp"
sys.modules[_NAMESPACE] = Lp

# What is not needed any more, but must not be finalized while somebody may have its functions.
_kept = []

# How the program's __main__ is found, if that is late.
_late_main = None

# The job that runs, for Lp.current_job().
_job = None

# What the manager knows the results by.
_key = b""


# The program


def _load_main(main):
    """Makes the program's __main__ that of this process, under the name that multiprocessing gives it."""
    import runpy
    import types

    run = runpy.run_module if main["how"] == "module" else runpy.run_path
    extra = {"alter_sys": True} if main["how"] == "module" else {}
    module = types.ModuleType("__mp_main__")
    module.__dict__.update(run(main["what"], run_name="__mp_main__", **extra))
    _kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module


def _read_main(main):
    _preparation.preparing = True
    try:
        _load_main(main)
    finally:
        _preparation.preparing = False


class _Unpickler(pickle.Unpickler):
    """Loads what a call needs and is not there yet: a late __main__, and the overrides in the way that PyGObject does."""

    def find_class(self, module, name):
        global _late_main

        if _late_main is not None and module in ("__main__", "__mp_main__"):
            main, _late_main = _late_main, None
            _read_main(main)
        if module.startswith("gi.overrides.Lp"):
            importlib.import_module(_NAMESPACE)
        return super().find_class(module, name)


def _load_call(data):
    return _Unpickler(io.BytesIO(data)).load()


def _prepare(program):
    global _late_main

    sys.path[:] = program["path"]
    sys.argv[:] = program["argv"]
    main = program["main"]
    if main is None:
        return
    if main["late"]:
        _late_main = main
    else:
        _read_main(main)


# Logs


def _make_handler(level):
    import logging

    from ._logs import LogHandler

    class Handler(LogHandler):
        """Also says what a record of another process would not have."""

        def _fields(self, record):
            yield from super()._fields(record)
            yield "PYTHON_CREATED", record.created
            yield "PYTHON_THREAD", record.threadName
            if record.stack_info:
                yield "PYTHON_STACK", record.stack_info

    return logging.getLogger(), Handler(level)


class _Logs:
    """Has records of the level or worse forwarded; what is below costs nothing. The level is None: Python's own."""

    def __init__(self, level, clear):
        self._level = level
        self._clear = clear

    def before_program(self):
        """A program that would write its records itself with logging.basicConfig() does not."""
        if self._level is not None and self._clear:
            self._root, self._handler = _make_handler(self._level)
            self._install()

    def after_program(self):
        if self._level is None:
            return
        if not self._clear:
            self._root, self._handler = _make_handler(self._level)
        self._install()

    def _install(self):
        if self._clear:
            self._root.handlers[:] = [self._handler]
            self._root.setLevel(self._level)
            return
        self._root.addHandler(self._handler)
        if self._root.level == 0 or self._root.level > self._level:
            self._root.setLevel(self._level)


# The functions


def _traceback(error):
    """Without what is of this file."""
    import traceback

    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _report_initializer(func, error):
    import logging

    logging.getLogger("leasepool").critical("The initializer “%s” of a worker raised an exception:\n%s",
                                            _pickle.name_of(func), _traceback(error))


def _start_error(text):
    text = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    return GLib.Error.new_literal(Lp.error_quark(), text, Lp.Error.FAILED)


def _initialize(data):
    try:
        func, args, kwargs = _load_call(data)
    except BaseException as error:
        raise _start_error(f"The initializer cannot be read in the worker: {_pickle.text_of(error)}") from None
    try:
        func(*args, **kwargs)
    except BaseException as error:
        _report_initializer(func, error)
        raise _start_error(f"The initializer “{_pickle.name_of(func)}” raised {_pickle.text_of(error)}") from None


def _init(job, *_user_data):
    global _key

    told = pickle.loads(_pickle.data_of(job.get_parameters()))
    _key = told["key"]
    del sys.modules[_NAMESPACE]
    logs = _Logs(told["level"], told["clear"])
    try:
        logs.before_program()
        try:
            _prepare(told["program"])
        except BaseException as error:
            sys.stderr.write(_traceback(error))
            raise _start_error(f"The program cannot be read in the worker: {_pickle.text_of(error)}") from None
        logs.after_program()
        if told["initializer"] is not None:
            _initialize(told["initializer"])
    finally:
        flush()
    return GLib.Variant("()", ())


def _dump_result(func, value):
    try:
        return _pickle.dump_result(value, _key)
    except Exception as error:
        problem = TypeError(f"The result of “{_pickle.name_of(func)}”, of the type {type(value).__qualname__}, cannot be"
                            f" sent back from a worker process: {_pickle.text_of(error)}")
    raise problem


def _call(parameters):
    func, args, kwargs = _load_call(_pickle.data_of(parameters))
    del parameters
    return _dump_result(func, func(*args, **kwargs))


def current_job():
    return _job


def _run(job, *_user_data):
    global _job

    _job = job
    try:
        return _call(job.get_parameters())
    except BaseException as error:
        packed = _pickle.pack_exception(error, _traceback(error), _key)
    finally:
        _job = None
        flush()
    raise packed


def _end_on_interrupt():
    """By default: an idle worker would else raise KeyboardInterrupt in the next function."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def main():
    """The exit status of the process."""
    functions = Lp.Functions.new()
    worker = Lp.Worker.new(functions)
    _end_on_interrupt()
    buffer_lines()
    functions.add(_pickle.INIT, GLib.VariantType.new("(ay)"), GLib.VariantType.new("()"), _init)
    functions.add(_pickle.RUN, GLib.VariantType.new("(ay)"), GLib.VariantType.new("ay"), _run)
    try:
        return worker.run()
    except GLib.Error as error:
        # A manager knows it already.
        if not error.matches(Lp.error_quark(), Lp.Error.START_FAILED):
            print(error.message, file=sys.stderr)
        return 1
    finally:
        flush()
