# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The keywords of a manager that are about worker processes, or that mean something else on threads."""

from ._base import Lp

try:
    from . import _process
except ImportError:
    _process = None

_LOGGING = ("process_logging", "forward_process_logs", "process_log_level", "process_log_target_logger",
            "clear_process_log_handlers")
_PLAIN = ("forward_process_logs", "process_log_level", "clear_process_log_handlers")
_WORKERS = ("initializer", "initargs", "max_tasks_per_child")


def set_up(manager, keywords):
    """Takes out of the keywords what is about processes, and sets the manager up."""
    is_process = manager.get_backend().lower() == Lp.BACKEND_PROCESS
    if _process is not None:
        if is_process:
            _process.setup(manager, keywords)
        else:
            _process.check_thread(keywords)
        return
    for name in _LOGGING + (_WORKERS if is_process else ()):
        if name not in keywords:
            continue
        if name not in _PLAIN:
            raise NotImplementedError(name)
        value = keywords.pop(name)
        if is_process:
            manager.set_property(name, value)
        elif name == "forward_process_logs" and value:
            raise ValueError("forward_process_logs needs the backend \"process\"")
