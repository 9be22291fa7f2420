# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What is checked before C sees it: PyGObject would take 2.9 for 2, True for 1, and drop NaN."""

import collections.abc
import enum
import math
import numbers
import operator

from gi.repository import GLib

from ._base import Lp

MAX_INT = 2**31 - 1
MIN_INT = -2**31


class ExecutorBackend(str, enum.Enum):
    """The backends that the library knows; others are strings."""

    THREAD = "thread"
    PROCESS = "process"
    INTERPRETER = "interpreter"

    __str__ = str.__str__


def integer(name, value, minimum=None):
    rule = "an integer" if minimum is None else f"{_at_least(minimum)}"
    if isinstance(value, bool):
        raise ValueError(f"{name} must be an integer, not {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer, not {value!r}") from None
    if not MIN_INT <= number <= MAX_INT:
        raise ValueError(f"{name} must be at most {MAX_INT}, not {number}")
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be {rule}, not {number}")
    return number


def _at_least(minimum):
    return "> 0" if minimum == 1 else f">= {minimum}"


def seconds(name, value, positive=True, default=False):
    """A finite number of seconds; -1 stands for a default if that is said."""
    rule = ("-1, or " if default else "") + ("finite and > 0" if positive else "finite and >= 0")
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} must be a number of seconds, {rule}, not {value!r}")
    number = float(value)
    if default and number == -1:
        return number
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise ValueError(f"{name} must be {rule}, not {number:g}")
    return number


def text(name, value, optional=True):
    if value is None and optional:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{name} must not contain a NUL")
    return str(value)


def flag(name, value):
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def texts(name, value):
    if value is None:
        return None
    if isinstance(value, (str, bytes)) or not isinstance(value, collections.abc.Iterable):
        raise TypeError(f"{name} must be a list of strings, not {type(value).__name__}")
    return [text(f"{name}[{index}]", item, optional=False) for index, item in enumerate(value)]


def _as_is(_name, value):
    return value


def backend(_name, value):
    if isinstance(value, ExecutorBackend):
        return value.value
    if not isinstance(value, str):
        raise ValueError(f"backend must be an ExecutorBackend or a str, not {value!r}")
    return text("backend", value)


def options(name, value):
    if value is not None and not isinstance(value, GLib.Variant):
        raise TypeError(f"{name} must be a GLib.Variant, not {type(value).__name__}")
    return value


def _integer(minimum=None):
    return lambda name, value: integer(name, value, minimum)


def _seconds(**rule):
    return lambda name, value: seconds(name, value, **rule)


# The settings with what checks them, by their names in Python. Those of the logs of processes have a file of their own.
CHECKS = {
    "backend": backend,
    "executor_type": _as_is,
    "max_pools": _integer(1),
    "min_pools": _integer(1),
    "units_per_pool": _integer(1),
    "workers_per_pool": _integer(1),
    "check_interval": _seconds(),
    "default_lease_seconds": _seconds(),
    "lease_grace_seconds": _seconds(positive=False),
    "start_timeout_seconds": _seconds(),
    "cancel_grace_seconds": _seconds(positive=False),
    "idle_linger_seconds": _seconds(positive=False, default=True),
    "name_prefix": lambda name, value: text(name, value, optional=False),
    "log_domain": lambda name, value: text(name, value, optional=False),
    "process_log_domain": text,
    "functions": _as_is,
    "function_module": text,
    "worker_argv": texts,
    "worker_launcher": texts,
    "worker_environment": texts,
    "worker_directory": text,
    "worker_init_function": text,
    "worker_init_parameters": options,
    "executor_options": options,
    "max_jobs_per_worker": _integer(0),
    "max_waiters": _integer(0),
    "max_queued_jobs": _integer(0),
    "max_message_size": _integer(4096),
    "max_quarantined": _integer(-1),
    "units": _integer(),
}


def take(keywords):
    """Takes the settings out of the keywords of a manager, checked."""
    settings = {name: CHECKS[name](name, keywords.pop(name)) for name in CHECKS if name in keywords}
    low, high = settings.get("min_pools", 1), settings["max_pools"]
    if low > high:
        raise ValueError(f"min_pools must be <= max_pools, but {low} is more than {high}")
    return settings


def request(given=None, *, lease_seconds=None, owner=None, wait=True, timeout=None, priority=0):
    """The Lp.Request of the keywords of an acquire; None stands for the default, and -1 for nothing."""
    if given is not None:
        if not isinstance(given, Lp.Request):
            raise TypeError(f"the request must be an Lp.Request, not {type(given).__name__}")
        if (lease_seconds, owner, wait, timeout, priority) != (None, None, True, None, 0):
            raise TypeError("options are either keywords or an Lp.Request, not both")
        return given
    return Lp.Request(
        lease_seconds=-1 if lease_seconds is None else seconds("lease_seconds", lease_seconds),
        owner=text("owner", owner),
        wait=flag("wait", wait),
        timeout=-1 if timeout is None else seconds("timeout", timeout, positive=False),
        priority=integer("priority", priority),
    )
