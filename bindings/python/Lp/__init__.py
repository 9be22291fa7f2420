# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What PyGObject adds to the namespace Lp: sugar only, the library is right without it.

It is installed as gi/overrides/Lp, next to PyGObject's own files or in another directory of sys.path.
"""

from . import _errors
from ._cells import current_job
from ._executor import JobFuture, LeaseExecutor
from ._grinder import Grinder
from ._job import Job, LeaseInfo
from ._lease import Lease
from ._logging_target import ProcessLoggingConfig
from ._logs import LogHandler
from ._manager import Manager
from ._pickle import RemoteException, RemoteTraceback
from ._settings import ExecutorBackend
from ._worker import Functions, Worker

BrokenExecutorError = _errors.BrokenExecutorError
InvalidArgumentError = _errors.InvalidArgumentError
JobCancelledError = _errors.JobCancelledError
LeaseExpiredError = _errors.LeaseExpiredError
LeasePoolError = _errors.LeasePoolError
LeasePoolNotStartedError = _errors.LeasePoolNotStartedError
LeaseTimeoutError = _errors.LeaseTimeoutError
LeaseUnavailableError = _errors.LeaseUnavailableError
QueueFullError = _errors.QueueFullError
UnsupportedBackendError = _errors.UnsupportedBackendError

# The names of the page.
ExecutorLease = Lease
LeasedExecutorManager = Manager

__all__ = [
    "BrokenExecutorError",
    "ExecutorBackend",
    "ExecutorLease",
    "Functions",
    "Grinder",
    "InvalidArgumentError",
    "Job",
    "JobCancelledError",
    "JobFuture",
    "Lease",
    "LeaseExecutor",
    "LeaseExpiredError",
    "LeaseInfo",
    "LeasePoolError",
    "LeasePoolNotStartedError",
    "LeaseTimeoutError",
    "LeaseUnavailableError",
    "LeasedExecutorManager",
    "LogHandler",
    "Manager",
    "ProcessLoggingConfig",
    "QueueFullError",
    "RemoteException",
    "RemoteTraceback",
    "UnsupportedBackendError",
    "Worker",
    "current_job",
]
