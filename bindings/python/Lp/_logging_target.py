# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The records of worker processes in the logging of this one."""

import logging
import math

from gi.repository import GLib

from ._base import MODULE, Lp

_LEVELS = GLib.LogLevelFlags

_TO_PYTHON = {
    int(_LEVELS.LEVEL_ERROR): logging.CRITICAL,
    int(_LEVELS.LEVEL_CRITICAL): logging.ERROR,
    int(_LEVELS.LEVEL_WARNING): logging.WARNING,
    int(_LEVELS.LEVEL_MESSAGE): logging.INFO,
    int(_LEVELS.LEVEL_INFO): logging.INFO,
    int(_LEVELS.LEVEL_DEBUG): logging.DEBUG,
}

# The least levels of Python's that are one of GLib's.
_FROM_FLAGS = {
    int(_LEVELS.LEVEL_ERROR): logging.ERROR,
    int(_LEVELS.LEVEL_CRITICAL): logging.ERROR,
    int(_LEVELS.LEVEL_WARNING): logging.WARNING,
    int(_LEVELS.LEVEL_MESSAGE): logging.INFO + 1,
    int(_LEVELS.LEVEL_INFO): logging.INFO,
    int(_LEVELS.LEVEL_DEBUG): logging.NOTSET,
}

# A printed line, or the traceback of a thread: a program that configured no logging sees it on its standard error, as
# if the worker had written it there.
_LINE = logging.WARNING


_NAMES = ("forward_process_logs", "process_log_level", "process_log_target_logger", "clear_process_log_handlers")


class ProcessLoggingConfig:
    """What becomes of the records of worker processes: the arguments of Lp.Manager of the same names, in one object that
    does not change. One is made to forward records, so that is the default here.

    It is no dataclass: the module of those loads a lot, in each worker that loads the overrides.
    """

    __module__ = MODULE
    __slots__ = _NAMES

    def __init__(self, forward_process_logs=True, process_log_level=logging.INFO, process_log_target_logger=None,
                 clear_process_log_handlers=True):
        level_of(process_log_level)
        target = process_log_target_logger
        if target is not None and not isinstance(target, (logging.Logger, logging.LoggerAdapter)):
            raise ValueError(f"process_log_target_logger is {target!r}, no logging.Logger")
        values = (forward_process_logs, process_log_level, target, clear_process_log_handlers)
        for name, value in zip(_NAMES, values):
            if name in ("forward_process_logs", "clear_process_log_handlers") and not isinstance(value, bool):
                raise ValueError(f"{name} is {value!r}, not True or False")
            object.__setattr__(self, name, value)

    def __setattr__(self, name, _value):
        raise AttributeError(f"{name} of a ProcessLoggingConfig does not change; make another one")

    def __delattr__(self, name):
        self.__setattr__(name, None)

    def _values(self):
        return tuple(getattr(self, name) for name in _NAMES)

    def __eq__(self, other):
        return self._values() == other._values() if isinstance(other, ProcessLoggingConfig) else NotImplemented

    def __hash__(self):
        return hash(self._values())

    def __reduce__(self):
        return ProcessLoggingConfig, self._values()

    def __repr__(self):
        return f"ProcessLoggingConfig({', '.join(f'{name}={getattr(self, name)!r}' for name in _NAMES)})"

    @property
    def level(self):
        """The level as a number."""
        return level_of(self.process_log_level)


def level_of(level):
    """The number of a level, which may have a name or be one of GLib's; raises ValueError."""
    number = level
    if isinstance(level, _LEVELS):
        number = _FROM_FLAGS.get(int(level))
    elif isinstance(level, str):
        number = logging.getLevelName(level.strip().upper())
        if not isinstance(number, int):
            number = logging.getLevelName(level)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"process_log_level is {level!r}, neither the number nor the name of a level of logging")
    return int(number)


def glib_level(number):
    """The least severe level of GLib that records of this level or worse have; as Lp.LogHandler gives them."""
    for least, level in ((logging.ERROR, _LEVELS.LEVEL_CRITICAL), (logging.WARNING, _LEVELS.LEVEL_WARNING),
                         (logging.INFO + 1, _LEVELS.LEVEL_MESSAGE), (logging.INFO, _LEVELS.LEVEL_INFO)):
        if number >= least:
            return int(level)
    return int(_LEVELS.LEVEL_DEBUG)


_NOTHING = ProcessLoggingConfig(forward_process_logs=False)


def take_config(keywords):
    """The configuration in the keywords of a manager, which are taken out; raises ValueError if it is invalid."""
    config = keywords.pop("process_logging", None)
    given = {name: keywords.pop(name) for name in _NAMES if name in keywords}
    separate = ProcessLoggingConfig(**{"forward_process_logs": False, **given})
    if config is None:
        return separate
    if not isinstance(config, ProcessLoggingConfig):
        raise ValueError(f"process_logging is {config!r}, no Lp.ProcessLoggingConfig")
    if separate != _NOTHING:
        raise ValueError(f"process_logging and {', '.join(given)} are both given; one of them says it")
    return config


# Records


_MAX_NUMBER = 2**31 - 1
_MAX_TIME = 253402214400  # the last day of the year 9999: more has no date


def _number(text, parse, otherwise, most=_MAX_NUMBER):
    """What a worker says is a number may be none, or one that nobody can use."""
    try:
        number = parse(text)
    except (TypeError, ValueError):
        return otherwise
    return number if 0 <= number <= most else otherwise


def _level(record):
    if record["source"] == "stderr":
        return _LINE
    return _number(record["fields"].get("PYTHON_LEVEL"), int, _TO_PYTHON.get(record["level"], logging.INFO))


def _to_record(record, level, name):
    """A LogRecord of the worker's, by the factory of this process."""
    fields = record["fields"]
    path = fields.get("CODE_FILE", "")
    made = logging.makeLogRecord({
        "name": record.get("worker_domain", name),
        "levelno": level,
        "levelname": fields.get("PYTHON_LEVEL_NAME", logging.getLevelName(level)),
        "msg": record["message"],
        "args": None,
        "pathname": path,
        "filename": path.rpartition("/")[2],
        "module": path.rpartition("/")[2].removesuffix(".py"),
        "lineno": _number(fields.get("CODE_LINE"), int, 0),
        "funcName": fields.get("CODE_FUNC"),
        "exc_text": fields.get("PYTHON_EXCEPTION"),
        "stack_info": fields.get("PYTHON_STACK"),
        "thread": None,
        "threadName": fields.get("PYTHON_THREAD"),
        "process": record["pid"],
        "processName": record["worker"],
        "executor_seq": record["executor_seq"],
    })
    shift = _number(fields.get("PYTHON_CREATED"), float, made.created, _MAX_TIME) - made.created
    made.created += shift
    made.msecs = math.floor(made.created * 1000) % 1000 + 0.0
    made.relativeCreated += 1000 * shift
    return made


class LogTarget:
    """A handler of LpManager::worker-record; it does not keep the manager. Without a logger of its own, that of the
    manager is the one."""

    def __init__(self, logger):
        self._logger = logger

    def _find(self, manager):
        logger = self._logger or getattr(manager, "logger", None) or logging.getLogger("leasepool")
        # An adapter has no handle().
        return getattr(logger, "logger", logger)

    def __call__(self, manager, variant):
        record = variant.unpack()
        level = _level(record)
        logger = self._find(manager)
        if logger.isEnabledFor(level):
            logger.handle(_to_record(record, level, logger.name))


def connect(manager, config):
    """Has the manager forward as the configuration says."""
    if not config.forward_process_logs:
        return
    manager.set_forward_process_logs(True)
    manager.set_process_log_level(glib_level(config.level))
    manager.set_clear_process_log_handlers(config.clear_process_log_handlers)
    # Not by way of an event loop, where records of workers that write fast would pile up: logging has locks.
    Lp.Manager.connect(manager, "worker-record", LogTarget(config.process_log_target_logger))
