# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What the workers of the tests run."""

import logging
import os
import signal
import sys
import threading
import time
import warnings

STATE = []
logger = logging.getLogger("app.images")


class Odd(Exception):
    """Can be pickled, but not made again from that: it wants two arguments."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Homely(Exception):
    """Can be made again only in the process that it is of."""

    def __reduce__(self):
        return make_homely, (os.getpid(), *self.args)


def make_homely(pid, *args):
    if pid != os.getpid():
        raise RuntimeError("not here")
    return Homely(*args)


class Rich(Exception):
    def __init__(self, number):
        super().__init__(number)
        self.number = number
        self.more = {"a": 1}


class Stubborn:
    def __reduce__(self):
        raise RuntimeError("never pickled")


class Unreadable:
    """Can be pickled, but the reader gets an exception."""

    def __reduce__(self):
        return divide, (1, 0)


class Point:
    def __init__(self, x):
        self.x = x

    def moved(self, by):
        return Point(self.x + by)


def divide(a, b):
    return a / b


def describe(*args, **kwargs):
    return args, kwargs


def same(value):
    return value


def fail_inside():
    try:
        divide(1, 0)
    except ZeroDivisionError as error:
        raise Rich(7) from error


def fail(error):
    raise error


def fail_oddly():
    raise Odd(1, 2)


def fail_at_home():
    raise Homely("far away")


def fail_unpicklably():
    error = ValueError("with a lock")
    error.lock = threading.Lock()
    raise error


def fail_largely(size):
    raise ValueError("x" * size)


def make_stubborn():
    return Stubborn()


def make_unreadable():
    return Unreadable()


def get_pid():
    return os.getpid()


def initialize(*values):
    STATE.extend(values)
    logger.warning("initialized")


def get_state():
    return STATE


def initialize_badly():
    raise KeyError("no model")


def kill_me():
    os.kill(os.getpid(), signal.SIGKILL)


def touch_and_wait(path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    time.sleep(600)


def touch_and_look(path):
    """Waits for its own cancellation, which it looks for."""
    from gi.repository import Lp

    job = Lp.current_job()
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    while not job.get_cancellable().is_cancelled():
        time.sleep(0.005)
    with open(path + ".cancelled", "w", encoding="utf-8"):
        pass


def report():
    from gi.repository import Lp

    Lp.current_job().set_progress(0.5, "half")
    return Lp.current_job().get_name()


def look():
    return {"path": sys.path, "argv": sys.argv, "main": sys.modules["__main__"].__name__, "modules": list(sys.modules),
            "interrupt": signal.getsignal(signal.SIGINT)}


def say(text):
    print(text, end="")


def log_levels():
    for level in (5, 10, 20, 25, 30, 40, 50):
        logger.log(level, "level %d", level)
    return [logger.isEnabledFor(level) for level in (10, 20, 30)]


def log_here():
    logger.warning("here")  # this line


def log_exception():
    try:
        divide(1, 0)
    except ZeroDivisionError:
        logger.exception("It went wrong")


def log_many(count):
    for number in range(count):
        logger.info("record %d", number)


def log_stack():
    logger.warning("with a stack", stack_info=True)


def log_of_glib():
    from gi.repository import GLib

    for level in (GLib.LogLevelFlags.LEVEL_CRITICAL, GLib.LogLevelFlags.LEVEL_WARNING, GLib.LogLevelFlags.LEVEL_MESSAGE,
                  GLib.LogLevelFlags.LEVEL_INFO):
        GLib.log_variant("of-c", level, GLib.Variant("a{sv}", {"MESSAGE": GLib.Variant("s", f"at {int(level)}")}))


def get_handlers():
    root = logging.getLogger()
    return [type(handler).__name__ for handler in root.handlers], root.level


def warn():
    warnings.warn("this is old", DeprecationWarning, stacklevel=1)
