# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What Lp.Manager does for its ready-made workers: processes of this Python that run whatever lease.run() is given."""

import os
import sys

import gi
from gi.repository import GObject

from . import _initializer, _logging_target, _pickle, _preparation
from ._base import Lp

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_program.py")


def _executable():
    """What multiprocessing.set_executable() was given, if it was; else this Python."""
    spawn = sys.modules.get("multiprocessing.spawn")
    executable = spawn.get_executable() if spawn is not None else sys.executable
    if not executable:
        raise ValueError("It is not known which program this Python is (sys.executable): workers need it")
    return os.fsdecode(executable)


def _command():
    """Nothing that is anybody's secret: the words of a command line are public."""
    import subprocess

    # Where gi is, which this program may have found by a sys.path of its own.
    packages = os.path.dirname(os.path.dirname(os.path.abspath(gi.__file__)))
    return [_executable(), *subprocess._args_from_interpreter_flags(), _PROGRAM, packages]


def is_process(manager):
    return manager.get_backend().lower() == Lp.BACKEND_PROCESS


def _has_other_workers(manager, argv=(), init=None):
    """Whether the settings say of the workers anything but this."""
    return (list(manager.get_worker_argv() or ()) != list(argv) or manager.get_worker_init_function() != init
            or bool(manager.get_function_module()) or manager.get_executor_type() != GObject.TYPE_NONE)


def _check_context(context):
    if context is None:
        return
    method = getattr(context, "get_start_method", None)
    if method is None or method() != "spawn":
        raise ValueError("mp_context must be None or multiprocessing.get_context(\"spawn\"): workers are new programs, "
                         "never forks of this one")


def _check_tasks(manager, tasks):
    if not isinstance(tasks, int) or isinstance(tasks, bool):
        raise TypeError(f"max_tasks_per_child is {tasks!r}, no integer")
    if tasks < 1:
        raise ValueError(f"max_tasks_per_child is {tasks}; it must be at least 1, or None for no limit")
    if manager.get_max_jobs_per_worker():
        raise ValueError("max_tasks_per_child and max_jobs_per_worker are the same; give one of them")


def _dump_initializer(initializer, initargs):
    """The bytes of a call, made here: what cannot be sent is known before anything starts."""
    if initializer is None:
        return None
    return b"".join(_pickle.pickle_call(initializer, initargs, {}, _preparation.pickler_of_main()))


class _ReadyMade:
    """What a manager knows of the ready-made workers that were chosen for it."""

    def __init__(self, call, config):
        self.argv = _command()
        self.key = os.urandom(16)
        self.pickler = _preparation.pickler_of_main()
        self.has_initializer = call is not None
        # For them to find what this program has.
        self.told = _pickle.dump_parameters({
            "key": self.key,
            "program": _preparation.program(),
            "initializer": call,
            "level": config.level if config.forward_process_logs else None,
            "clear": config.clear_process_log_handlers,
        })

    def is_still_chosen(self, manager):
        return is_process(manager) and not _has_other_workers(manager, self.argv, _pickle.INIT)


def _choose_ready_made(manager, call, config):
    manager._ready_made = chosen = _ReadyMade(call, config)
    manager.set_worker_argv(chosen.argv)
    manager.set_worker_init_function(_pickle.INIT)
    manager.set_worker_init_parameters(chosen.told)
    # Of a class of __main__ a worker knows that its module has this name.
    sys.modules.setdefault("__mp_main__", sys.modules["__main__"])


_NO_INITIALIZER = "An initializer needs the ready-made workers; workers of one's own have worker_init_function"


def set_up(manager, keywords):
    """Takes out of the keywords what is about processes, and sets the manager up."""
    if is_process(manager):
        _set_up(manager, keywords)
    else:
        _check_thread(keywords)


def _set_up(manager, keywords):
    """Makes what the keywords say of a manager of processes; takes out those that it knows."""
    _preparation.refuse_in_preparation()
    config = _logging_target.take_config(keywords)
    initializer, initargs = _initializer.take(keywords)
    tasks = keywords.pop("max_tasks_per_child", None)
    _check_context(keywords.pop("mp_context", None))
    if tasks is not None:
        _check_tasks(manager, tasks)
    call = _dump_initializer(initializer, initargs)

    if not _has_other_workers(manager):
        _choose_ready_made(manager, call, config)
    elif call is not None:
        raise ValueError(_NO_INITIALIZER)
    if tasks is not None:
        manager.set_max_jobs_per_worker(tasks)
    _logging_target.connect(manager, config)


def _check_thread(keywords):
    """Takes out of the keywords of a manager without processes what processes log; raises ValueError for a wish that
    it cannot grant."""
    if _logging_target.take_config(keywords).forward_process_logs:
        raise ValueError("forward_process_logs and process_logging are about worker processes: they need"
                         " backend=\"process\"")


def before_start(manager):
    """A manager whose settings were changed to workers of one's own has nothing of the ready-made ones any more: others
    are never told the key."""
    chosen = manager._ready_made
    if chosen is None or chosen.is_still_chosen(manager):
        return
    if chosen.has_initializer:
        raise ValueError(_NO_INITIALIZER)
    manager._ready_made = None
    if manager.get_worker_init_function() == _pickle.INIT:
        manager.set_worker_init_function(None)
    parameters = manager.get_worker_init_parameters()
    if parameters is not None and parameters.equal(chosen.told):
        manager.set_worker_init_parameters(None)
    if list(manager.get_worker_argv() or ()) == chosen.argv:
        manager.set_worker_argv(None)


def new_job(manager, func, args, kwargs):
    """A job that calls the function in a ready-made worker, and the key of what comes back; raises TypeError for what
    cannot be sent there."""
    chosen = manager._ready_made
    # While it runs nobody changes a setting.
    if chosen is None or not (manager.is_running() or chosen.is_still_chosen(manager)):
        raise ValueError(f"The workers of this manager run named functions only, not “{_pickle.name_of(func)}”: those of"
                         " Lp.Manager(backend=\"process\", ...) without worker_argv, function_module,"
                         " worker_init_function and executor_type run any")
    chunks = _pickle.pickle_call(func, args, kwargs, chosen.pickler)
    return Lp.Job.new_for_call(_pickle.RUN, _pickle.as_parameters(chunks)), chosen.key
