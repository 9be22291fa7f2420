# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The manager: settings, start and stop, leases, statistics."""

import threading
import weakref

from gi.overrides import override
from gi.repository import Gio, GLib, GObject

from . import _helper, _initializer, _process, _records, _settings
from ._attributes import readable, settings
from ._base import MODULE, Lp
from ._cells import PLAIN, new_job
from ._errors import is_lp, translated
from ._exit import track
from ._lease import Done
from ._loop import check_loop, context_of, wait
from ._outcome import outcome
from ._provider import Provider, from_c_style
from ._settings import ExecutorBackend
from ._signals import Handler
from ._values import to_options, to_parameters, unpack


def _no_loop():
    return None


def _wait_for_posted(helper):
    """Returns when the library's own posts to the context of the helper until now have been run. They come in their
    order, as the end of this job does; the context may never have nothing to do."""
    if helper.is_current():
        return
    job = Lp.Job.new_for_call("", None)
    job.cancel()
    told = threading.Event()
    helper.post(lambda: job.wait_async(None, lambda *_: told.set()))
    told.wait()


@override
@readable("available_count", "leased_count", "total_count", "waiting_count", "quarantined_count", "running")
@settings(_settings.CHECKS)
class Manager(Lp.Manager):
    """Lends executors. On an event loop: await start(), acquire(), run(), call() and stop(); without one the forms with
    _sync block, and the pairs with _async and _finish call back on a GLib main context."""

    __module__ = MODULE

    # The wrappers of Manager.new() are made without __init__().
    _provider = None
    _loop = staticmethod(_no_loop)  # a weak reference to the event loop that started it
    # Where the owner context is: in the helper's thread, or the default one, or another.
    _is_served = False
    _is_default = False
    # Whether somebody has asked for the list of leases, if it is in the helper's.
    _has_list = False
    _owner_thread = None
    # Whether it runs on worker threads of the library's own.
    _has_threads = False
    _logger = None
    # The workers of functions that the constructor chose, if it did.
    _ready_made = None

    def __init__(self, *, max_pools, size_provider=None, logger=None, **keywords):
        provider = None if size_provider is None else Provider(size_provider, logger)
        if logger is not None:
            _records.check(logger)
        chosen = _settings.take({"max_pools": max_pools, **keywords})
        keywords = {name: value for name, value in keywords.items() if name not in _settings.CHECKS}
        super().__init__(**chosen)
        self._take_rest(keywords, "executor_type" in chosen)
        if provider is not None:
            self._set_provider(provider)
        if logger is not None:
            self._logger = logger
            _records.connect(self, logger)
        with translated():
            self.validate()

    def _take_rest(self, keywords, is_hooked):
        """What is left when the settings are taken is about processes, threads or executors of one's own."""
        _process.set_up(self, keywords)
        backend = self.get_backend().lower()
        if backend == Lp.BACKEND_THREAD and not is_hooked:
            _initializer.set_up(self, *_initializer.take(keywords))
        if not keywords:
            return
        if backend in (Lp.BACKEND_THREAD, Lp.BACKEND_PROCESS) and not is_hooked:
            names = ", ".join(sorted(keywords))
            raise TypeError(f"Manager() of the backend {backend!r} got an unexpected keyword argument: {names}")
        self.set_executor_options(to_options(keywords))

    # Settings and state

    @property
    def backend(self):
        name = self.get_backend()
        try:
            return ExecutorBackend(name.lower())
        except ValueError:
            return name

    @backend.setter
    def backend(self, value):
        self.set_property("backend", _settings.backend("backend", value))

    @property
    def logger(self):
        return self._logger

    @property
    def leases(self):
        """A list of the Lp.LeaseInfo of the leases that there are; the list model itself is props.leases."""
        if self._is_served:
            return self._served_leases()
        if self._owner_thread not in (None, threading.get_ident()):
            raise RuntimeError("leases is for the thread that started the manager; elsewhere use stats()[\"leases\"]")
        return list(self.props.leases)

    def _served_leases(self):
        helper = _helper.get()
        if not self._has_list:
            # From the first question on every job changes the list: so this is not asked before somebody wants it. It
            # is filled by what is posted to this context then, and what that posts.
            helper.call(self.get_leases)
            _wait_for_posted(helper)
            _wait_for_posted(helper)
            self._has_list = True
        return helper.call(lambda: list(self.props.leases))

    def stats(self):
        """The statistics as a dict."""
        return unpack(self.dup_stats())

    def desired_executor_count(self):
        return self.get_desired_executor_count()

    # The size

    @property
    def size_provider(self):
        return None if self._provider is None else self._provider.func

    @size_provider.setter
    def size_provider(self, func):
        if self.is_running():
            raise RuntimeError("size_provider can be set until the manager is started")
        if func is None:
            self.set_size_provider(None)
        else:
            self._set_provider(Provider(func, self._logger))

    def _set_provider(self, provider):
        super().set_size_provider(provider)
        self._provider = provider

    def set_size_provider(self, func, *user_data):
        """As in C: func(manager, *user_data), in the owner context."""
        self._provider = None
        if func is None:
            super().set_size_provider(None)
        else:
            super().set_size_provider(from_c_style(func, user_data))

    def notify_scale_changed(self):
        """Says that the size provider would give another number, in any thread."""
        if self._provider is not None:
            self._provider.notify(self)
        else:
            super().notify_scale_changed()

    # Start and stop

    def _own(self, loop):
        _process.before_start(self)
        # Workers of an executor class may be threads of Python, or the service thread.
        self._has_threads = (self.get_backend().lower() == Lp.BACKEND_THREAD
                             and self.get_executor_type() == GObject.TYPE_NONE)
        track(self)
        self._loop = _no_loop if loop is None else weakref.ref(loop)
        context = GLib.MainContext.ref_thread_default() if loop is None else context_of(loop)
        self._is_served = context is None
        self._is_default = context == GLib.MainContext.default()
        self._owner_thread = threading.get_ident()
        if self._provider is not None:
            self._provider.bind(self, loop if self._is_served else None)

    async def start(self):
        """Returns when as many executors as are desired are ready."""
        loop = check_loop(self, "start", "manager")
        if not self.is_running():
            self._own(loop)
        cancellable = Gio.Cancellable()

        def begin(ready):
            # The list is filled from the first question on. Where nobody but this thread iterates the context, that is
            # now.
            if not self._is_served:
                self.get_leases()
            super(Manager, self).start_async(cancellable, ready)

        await wait(
            begin,
            self.start_finish,
            cancel=cancellable.cancel,
        )

    async def stop(self, mode=Lp.StopMode.CANCEL, timeout=None):
        """Stops the manager; no thread or process of it is left then. A cancelled stop goes on."""
        check_loop(self, "stop", "manager")
        seconds = -1 if timeout is None else _settings.seconds("timeout", timeout, positive=False)
        cancellable = Gio.Cancellable()
        try:
            await wait(
                lambda ready: self.stop_async(mode, seconds, cancellable, ready),
                self.stop_finish,
                cancel=cancellable.cancel,
            )
        except GLib.Error as error:
            if not is_lp(error, Lp.Error.WRONG_CONTEXT):
                raise
            import asyncio

            # It was started without an event loop. A thread without a main context of its own counts as the owner of
            # the default one, whoever iterates that.
            await asyncio.to_thread(self.stop_sync, mode, seconds, cancellable)

    def start_async(self, cancellable=None, callback=None, *user_data):
        """As in C."""
        if not self.is_running():
            self._own(None)
        self.get_leases()
        super().start_async(cancellable, callback, *user_data)

    def start_sync(self, cancellable=None):
        """Blocks until the manager has started; the thread's main context becomes the owner context."""
        if not self.is_running():
            self._own(None)
        self.get_leases()
        with translated():
            return super().start(cancellable)

    def stop_sync(self, mode=Lp.StopMode.CANCEL, timeout=-1, cancellable=None):
        """Blocks until the manager has stopped."""
        with translated():
            return super().stop(mode, timeout, cancellable)

    def _stop_at_exit(self):
        """In the main thread, which has no main context of its own any more."""
        def stop():
            Lp.Manager.stop_async(self, Lp.StopMode.KILL, -1, None, None)

        if self._is_served:
            _helper.get().post(stop)
        elif self._is_default:
            stop()
        else:
            # This stops it from anywhere, and waits for nothing.
            self.run_dispose()

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_error):
        await self.stop()

    def __enter__(self):
        self.start_sync()
        return self

    def __exit__(self, *_error):
        self.stop_sync()

    def connect(self, signal, handler, *args):
        return super().connect(signal, Handler(handler), *args)

    def connect_after(self, signal, handler, *args):
        return super().connect_after(signal, Handler(handler), *args)

    # Leases

    async def acquire(self, request=None, **options):
        """Waits for a lease. The options are those of the page: lease_seconds, owner, wait, timeout, and priority."""
        request = _settings.request(request, **options)
        cancellable = Gio.Cancellable()
        return await wait(
            lambda ready: self.acquire_async(request, cancellable, ready),
            self.acquire_finish,
            cancel=cancellable.cancel,
            give_back=Lp.Lease.release,
        )

    def acquire_sync(self, request=None, cancellable=None, **options):
        """Blocks until there is a lease."""
        request = _settings.request(request, **options)
        with translated():
            return super().acquire(request, cancellable)

    def try_acquire(self, request=None, **options):
        """A lease of an executor that is idle, or an error at once."""
        request = _settings.request(request, **options)
        with translated():
            return super().try_acquire(request)

    def release(self, lease_id):
        """Ends the lease with this id, at once; what is returned tells whether it was active, and may be awaited."""
        return Done(super().release(lease_id))

    # Work

    def new_job(self, fn, /, *args, **kwargs):
        """The Lp.Job of fn(*args, **kwargs), for what takes one; its value() is what the function returned."""
        job, job._cell = new_job(self, fn, args, kwargs)
        return job

    async def run(self, fn, /, *args, **kwargs):
        """Acquires a lease, runs fn(*args, **kwargs), releases. An Lp.Request may come before fn."""
        request = None
        if isinstance(fn, Lp.Request):
            if not args:
                raise TypeError("run() needs a function")
            request, fn, args = fn, args[0], args[1:]
        job, cell = new_job(self, fn, args, kwargs)
        cancellable = Gio.Cancellable()
        return await wait(
            lambda ready: self.run_async(job, request, cancellable, ready),
            lambda result: outcome(cell, lambda: self.run_finish(result)),
            cancel=cancellable.cancel,
        )

    async def call(self, name, signature=None, *values, **options):
        """Acquires a lease, calls the named function, releases; the options are those of acquire()."""
        request = _settings.request(**options)
        parameters = to_parameters(signature, values)
        cancellable = Gio.Cancellable()
        return await wait(
            lambda ready: self.call_async(name, parameters, request, cancellable, ready),
            lambda result: outcome(PLAIN, lambda: self.call_finish(result)),
            cancel=cancellable.cancel,
        )
