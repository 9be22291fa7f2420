# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The logger of a manager: what happens to its leases and executors, as records of Python.

They are made of the signals, in the owner context. The records of the library itself go to the log of GLib.
"""

import logging

from ._base import Lp

_BAD_ENDS = (Lp.LeaseState.EXPIRED, Lp.LeaseState.BROKEN)
_BAD_REASONS = (Lp.RetireReason.EXPIRED, Lp.RetireReason.BROKEN, Lp.RetireReason.START_FAILED)


def check(logger):
    if not isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
        raise ValueError(f"logger must be a logging.Logger, not {logger!r}")
    return logger


def _name(info):
    return f"{info.get_id()} ({info.get_owner()})" if info.get_owner() is not None else info.get_id()


def connect(manager, logger):
    def acquired(_manager, info):
        logger.debug("Lease %s was acquired", _name(info))

    def expiring(_manager, info):
        logger.info("Lease %s is about to expire", _name(info))

    def ended(_manager, info):
        level = logging.WARNING if info.get_state() in _BAD_ENDS else logging.DEBUG
        logger.log(level, "Lease %s ended: %s", _name(info), info.get_state().value_nick)

    def created(_manager, seq):
        logger.info("Executor %d was created", seq)

    def retired(_manager, seq, reason):
        level = logging.WARNING if reason in _BAD_REASONS else logging.INFO
        logger.log(level, "Executor %d was retired: %s", seq, reason.value_nick)

    for signal, handler in (("lease-acquired", acquired), ("lease-expiring", expiring), ("lease-ended", ended),
                            ("executor-created", created), ("executor-retired", retired)):
        Lp.Manager.connect(manager, signal, handler)
