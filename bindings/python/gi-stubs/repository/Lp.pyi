# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
import asyncio
import concurrent.futures
import enum
import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeVar, overload

from gi.repository import Gio, GLib, GObject
from typing_extensions import ParamSpec, Self

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Ready = Callable[..., Any]

BACKEND_THREAD: str
BACKEND_PROCESS: str
BACKEND_INTERPRETER: str
EXECUTOR_EXTENSION_POINT_NAME: str

def backend_is_available(name: str) -> bool: ...
def backend_list() -> list[str]: ...
def error_quark() -> int: ...
def current_job() -> Job | None: ...

class ProcessLoggingConfig:
    def __init__(
        self,
        forward_process_logs: bool = ...,
        process_log_level: int | str | GLib.LogLevelFlags = ...,
        process_log_target_logger: logging.Logger | logging.LoggerAdapter[Any] | None = ...,
        clear_process_log_handlers: bool = ...,
    ) -> None: ...
    @property
    def forward_process_logs(self) -> bool: ...
    @property
    def process_log_level(self) -> int | str | GLib.LogLevelFlags: ...
    @property
    def process_log_target_logger(self) -> logging.Logger | logging.LoggerAdapter[Any] | None: ...
    @property
    def clear_process_log_handlers(self) -> bool: ...
    @property
    def level(self) -> int: ...

class RemoteTraceback(Exception):
    text: str
    def __init__(self, text: str) -> None: ...

class RemoteException(RuntimeError): ...

class ExecutorBackend(str, enum.Enum):
    THREAD = "thread"
    PROCESS = "process"
    INTERPRETER = "interpreter"

class StopMode(enum.IntEnum):
    CANCEL = 1
    DRAIN = 2
    KILL = 3

class LeaseState(enum.IntEnum):
    ACTIVE = 0
    DRAINING = 1
    RELEASED = 2
    EXPIRED = 3
    BROKEN = 4
    STOPPED = 5
    @property
    def value_nick(self) -> str: ...

class JobState(enum.IntEnum):
    NEW = 0
    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    CANCELLED = 5
    @property
    def value_nick(self) -> str: ...

class RetireReason(enum.IntEnum):
    SURPLUS = 0
    RECYCLED = 1
    EXPIRED = 2
    BROKEN = 3
    START_FAILED = 4
    STOPPED = 5
    @property
    def value_nick(self) -> str: ...

class Error(enum.IntEnum):
    FAILED = 0
    NOT_STARTED = 1
    UNAVAILABLE = 2
    EXPIRED = 3
    UNSUPPORTED_BACKEND = 4
    INVALID_ARGUMENT = 5
    WRONG_CONTEXT = 6
    BROKEN_EXECUTOR = 7
    START_FAILED = 8
    NOT_SUPPORTED = 9
    UNKNOWN_FUNCTION = 10
    QUEUE_FULL = 11
    WOULD_DEADLOCK = 12
    PROTOCOL = 13
    REMOTE = 14

# They are of GLib.Error as well, which is a RuntimeError.
class LeasePoolError(RuntimeError):
    message: str
    domain: str
    code: int
    def __init__(self, message: str = ..., domain: str = ..., code: int = ...) -> None: ...
    def matches(self, domain: int | str, code: int) -> bool: ...

class LeasePoolNotStartedError(LeasePoolError): ...
class LeaseUnavailableError(LeasePoolError): ...
class LeaseExpiredError(LeasePoolError): ...
class UnsupportedBackendError(LeasePoolError): ...
class InvalidArgumentError(LeasePoolError, ValueError): ...
class BrokenExecutorError(LeasePoolError, concurrent.futures.BrokenExecutor): ...
class QueueFullError(LeasePoolError): ...
class JobCancelledError(LeasePoolError): ...
class LeaseTimeoutError(LeasePoolError, TimeoutError): ...

class Request(GObject.Object):
    def __init__(
        self,
        *,
        owner: str | None = ...,
        lease_seconds: float = ...,
        wait: bool = ...,
        timeout: float = ...,
        priority: int = ...,
    ) -> None: ...
    @staticmethod
    def new() -> Request: ...

class Job(GObject.Object):
    name: str | None
    parameters: GLib.Variant | None
    argv: list[str] | None
    owner: str | None
    state: JobState
    progress: float
    status: str | None
    queued_at: int
    started_at: int
    ended_at: int
    timeout_seconds: float
    @staticmethod
    def new_for_func(func: Callable[..., GLib.Variant | None], *user_data: Any) -> Job: ...
    @staticmethod
    def new_for_call(name: str, parameters: GLib.Variant | None) -> Job: ...
    @staticmethod
    def new_for_command(argv: Sequence[str], input: GLib.Bytes | None) -> Job: ...
    def value(self) -> Any: ...
    def wait(self, timeout_seconds: float = ..., cancellable: Gio.Cancellable | None = ...) -> GLib.Variant: ...
    def wait_async(self, cancellable: Gio.Cancellable | None, callback: _Ready | None, *user_data: Any) -> None: ...
    def wait_finish(self, result: Gio.AsyncResult) -> GLib.Variant: ...
    def cancel(self) -> None: ...
    def get_cancellable(self) -> Gio.Cancellable: ...
    def set_progress(self, progress: float, status: str | None) -> None: ...

class JobFuture(concurrent.futures.Future[_T]):
    job: Job

class LeaseExecutor(concurrent.futures.Executor): ...

class _Done(Awaitable[_T]):
    def __await__(self) -> Generator[Any, None, _T]: ...
    def __bool__(self) -> bool: ...

class LeaseInfo(GObject.Object):
    @property
    def id(self) -> str: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def state(self) -> LeaseState: ...
    @property
    def leased_at(self) -> int: ...
    @property
    def soft_expires_at(self) -> int: ...
    @property
    def hard_expires_at(self) -> int: ...
    @property
    def pending_jobs(self) -> int: ...

class Lease(LeaseInfo):
    @property
    def manager(self) -> Manager | None: ...
    @property
    def executor(self) -> LeaseExecutor: ...
    @property
    def lease_seconds(self) -> float: ...
    @property
    def grace_seconds(self) -> float: ...
    @overload
    def submit(self, fn: Job, /) -> bool: ...
    @overload
    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> JobFuture[_T]: ...
    @overload
    async def run(self, fn: Job, /) -> Any: ...
    @overload
    async def run(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T: ...
    async def call(self, name: str, signature: str | GLib.Variant | None = ..., *values: Any) -> Any: ...
    def renew(self, seconds: float | None = ...) -> bool: ...
    def release(self) -> _Done[None]: ...
    async def drain(self) -> None: ...
    def submit_async(
        self, job: Job, cancellable: Gio.Cancellable | None, callback: _Ready | None, *user_data: Any
    ) -> None: ...
    def submit_finish(self, result: Gio.AsyncResult) -> GLib.Variant: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

class Manager(GObject.Object):
    max_pools: int
    min_pools: int
    units_per_pool: int
    workers_per_pool: int
    check_interval: float
    default_lease_seconds: float
    lease_grace_seconds: float
    start_timeout_seconds: float
    cancel_grace_seconds: float
    idle_linger_seconds: float
    name_prefix: str
    log_domain: str
    function_module: str | None
    functions: Functions | None
    max_jobs_per_worker: int
    max_waiters: int
    max_queued_jobs: int
    max_message_size: int
    max_quarantined: int
    units: int
    size_provider: Callable[[], int] | None
    def __init__(
        self,
        *,
        max_pools: int,
        backend: ExecutorBackend | str = ...,
        min_pools: int = ...,
        units_per_pool: int = ...,
        size_provider: Callable[[], int] | None = ...,
        check_interval: float = ...,
        default_lease_seconds: float = ...,
        lease_grace_seconds: float = ...,
        workers_per_pool: int = ...,
        name_prefix: str = ...,
        logger: logging.Logger | None = ...,
        process_logging: ProcessLoggingConfig | None = ...,
        forward_process_logs: bool = ...,
        process_log_level: int | str | GLib.LogLevelFlags = ...,
        process_log_target_logger: logging.Logger | logging.LoggerAdapter[Any] | None = ...,
        clear_process_log_handlers: bool = ...,
        initializer: Callable[..., object] | None = ...,
        initargs: Iterable[Any] = ...,
        start_timeout_seconds: float = ...,
        cancel_grace_seconds: float = ...,
        idle_linger_seconds: float = ...,
        functions: Functions | None = ...,
        function_module: str | None = ...,
        max_waiters: int = ...,
        max_queued_jobs: int = ...,
        max_jobs_per_worker: int = ...,
        units: int = ...,
        **executor_kwargs: Any,
    ) -> None: ...
    @staticmethod
    def new(backend: str, max_pools: int) -> Manager: ...
    @property
    def backend(self) -> ExecutorBackend | str: ...
    @property
    def logger(self) -> logging.Logger | None: ...
    @property
    def available_count(self) -> int: ...
    @property
    def leased_count(self) -> int: ...
    @property
    def total_count(self) -> int: ...
    @property
    def waiting_count(self) -> int: ...
    @property
    def quarantined_count(self) -> int: ...
    @property
    def running(self) -> bool: ...
    @property
    def leases(self) -> list[LeaseInfo]: ...
    def stats(self) -> dict[str, Any]: ...
    def desired_executor_count(self) -> int: ...
    def notify_scale_changed(self) -> None: ...
    def recycle(self) -> None: ...
    async def start(self) -> None: ...
    async def stop(self, mode: StopMode = ..., timeout: float | None = ...) -> None: ...
    def start_sync(self, cancellable: Gio.Cancellable | None = ...) -> bool: ...
    def stop_sync(
        self, mode: StopMode = ..., timeout: float = ..., cancellable: Gio.Cancellable | None = ...
    ) -> bool: ...
    async def acquire(
        self,
        request: Request | None = ...,
        *,
        lease_seconds: float | None = ...,
        owner: str | None = ...,
        wait: bool = ...,
        timeout: float | None = ...,
        priority: int = ...,
    ) -> Lease: ...
    def acquire_sync(
        self,
        request: Request | None = ...,
        cancellable: Gio.Cancellable | None = ...,
        *,
        lease_seconds: float | None = ...,
        owner: str | None = ...,
        wait: bool = ...,
        timeout: float | None = ...,
        priority: int = ...,
    ) -> Lease: ...
    def try_acquire(
        self,
        request: Request | None = ...,
        *,
        lease_seconds: float | None = ...,
        owner: str | None = ...,
        priority: int = ...,
    ) -> Lease: ...
    def release(self, lease_id: str) -> _Done[bool]: ...
    def new_job(self, fn: Callable[_P, object], /, *args: _P.args, **kwargs: _P.kwargs) -> Job: ...
    @overload
    async def run(self, fn: Job, /) -> Any: ...
    @overload
    async def run(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T: ...
    @overload
    async def run(self, request: Request, fn: Job, /) -> Any: ...
    @overload
    async def run(self, request: Request, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T: ...
    async def call(
        self,
        name: str,
        signature: str | GLib.Variant | None = ...,
        *values: Any,
        lease_seconds: float | None = ...,
        owner: str | None = ...,
        wait: bool = ...,
        timeout: float | None = ...,
        priority: int = ...,
    ) -> Any: ...
    def acquire_async(
        self, request: Request | None, cancellable: Gio.Cancellable | None, callback: _Ready | None, *user_data: Any
    ) -> None: ...
    def acquire_finish(self, result: Gio.AsyncResult) -> Lease: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

ExecutorLease = Lease
LeasedExecutorManager = Manager

class Grinder(GObject.Object):
    max_wait_seconds: float
    batch_size_threshold: int
    max_batch_size: int
    max_batches_in_flight: int
    max_pending: int
    # None is taken for the default.
    lease_seconds: float
    owner_prefix: str
    def __init__(
        self,
        manager: Manager,
        *,
        max_wait_seconds: float = ...,
        batch_size_threshold: int = ...,
        max_batch_size: int = ...,
        max_batches_in_flight: int = ...,
        max_pending: int = ...,
        lease_seconds: float | None = ...,
        owner_prefix: str = ...,
    ) -> None: ...
    @staticmethod
    def new(manager: Manager) -> Grinder: ...
    @property
    def manager(self) -> Manager: ...
    @property
    def pending_count(self) -> int: ...
    @property
    def running(self) -> bool: ...
    def is_running(self) -> bool: ...
    def stats(self) -> dict[str, Any]: ...
    def stats_from_thread(self) -> dict[str, Any]: ...
    async def astats(self) -> dict[str, Any]: ...
    async def start(self) -> None: ...
    async def stop(self, mode: StopMode = ...) -> None: ...
    async def wait_drained(self) -> None: ...
    def start_async(self, cancellable: Gio.Cancellable | None, callback: _Ready | None, *user_data: Any) -> None: ...
    def start_finish(self, result: Gio.AsyncResult) -> bool: ...
    def stop_async(
        self, mode: StopMode, cancellable: Gio.Cancellable | None, callback: _Ready | None, *user_data: Any
    ) -> None: ...
    def stop_finish(self, result: Gio.AsyncResult) -> bool: ...
    def submit_async(
        self, job: Job, cancellable: Gio.Cancellable | None, callback: _Ready | None, *user_data: Any
    ) -> None: ...
    def submit_finish(self, result: Gio.AsyncResult) -> GLib.Variant: ...
    # The keyword owner is the grinder's; others are those of the function.
    @overload
    async def submit(self, fn: Job, /, *, owner: str = ...) -> Any: ...
    @overload
    async def submit(self, fn: Callable[..., _T], /, *args: Any, owner: str = ..., **kwargs: Any) -> _T: ...
    @overload
    def enqueue(self, fn: Job, /, *, owner: str = ...) -> _Done[asyncio.Task[Any]]: ...
    @overload
    def enqueue(
        self, fn: Callable[..., _T], /, *args: Any, owner: str = ..., **kwargs: Any
    ) -> _Done[asyncio.Task[_T]]: ...
    @overload
    def submit_from_thread(self, fn: Job, /, *, owner: str = ...) -> JobFuture[Any]: ...
    @overload
    def submit_from_thread(
        self, fn: Callable[..., _T], /, *args: Any, owner: str = ..., **kwargs: Any
    ) -> JobFuture[_T]: ...
    async def call(
        self, name: str, signature: str | GLib.Variant | None = ..., *values: Any, owner: str = ...
    ) -> Any: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

class Functions(GObject.Object):
    @staticmethod
    def new() -> Functions: ...
    def add(
        self,
        name: str,
        parameter_type: GLib.VariantType | None,
        result_type: GLib.VariantType | None,
        func: Callable[..., GLib.Variant | None],
        *user_data: Any,
    ) -> bool: ...

class Worker(GObject.Object):
    @staticmethod
    def new(functions: Functions) -> Worker: ...
    def run(self) -> int: ...

class LogHandler(logging.Handler): ...

# LpExecutor, LpGrinder and the pairs that are not here.
def __getattr__(name: str) -> Any: ...
