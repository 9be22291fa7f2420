# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The grinder: small jobs of many submitters, a lease for each batch of them."""

import weakref

from gi.overrides import override
from gi.repository import GLib

from . import _helper, _settings
from ._attributes import readable, settings
from ._base import MODULE, Lp
from ._cells import PLAIN, new_job
from ._errors import translated
from ._executor import accept_and_follow
from ._lease import Done
from ._loop import call_in, check_loop, context_of, wait
from ._outcome import accept_and_wait
from ._signals import Handler
from ._values import to_parameters, unpack


def _no_loop():
    return None


def _lease_seconds(name, value):
    """None is the default; what is -1 elsewhere is nothing here."""
    if value is None:
        return Lp.Grinder.find_property("lease-seconds").default_value
    return _settings.seconds(name, value)


_CHECKS = {
    "max_wait_seconds": _settings.seconds,
    "batch_size_threshold": lambda name, value: _settings.integer(name, value, 1),
    "max_batch_size": lambda name, value: _settings.integer(name, value, 0),
    "max_batches_in_flight": lambda name, value: _settings.integer(name, value, 1),
    "max_pending": lambda name, value: _settings.integer(name, value, 0),
    "lease_seconds": _lease_seconds,
    "owner_prefix": lambda name, value: _settings.text(name, value, optional=False),
}


def _check_name(owner):
    return _settings.text("owner", owner, optional=False)


@override
@readable("manager", "pending_count", "running")
@settings(_CHECKS, "grinder")
class Grinder(Lp.Grinder):
    """Collects small jobs and leases one executor for a batch of them. start() and stop() belong to one event loop;
    everything else may be called from any loop, and what is no coroutine from any thread."""

    __module__ = MODULE

    # The wrappers of Grinder.new() are made without __init__().
    _loop = staticmethod(_no_loop)  # a weak reference to the event loop that started it

    def __init__(self, manager, **keywords):
        if not isinstance(manager, Lp.Manager):
            raise TypeError(f"the manager must be an Lp.Manager, not {type(manager).__name__}")
        unknown = ", ".join(sorted(keywords.keys() - _CHECKS.keys()))
        if unknown:
            raise TypeError(f"Grinder() got an unexpected keyword argument: {unknown}")
        super().__init__(manager=manager, **{name: _CHECKS[name](name, value) for name, value in keywords.items()})
        with translated():
            self.validate()

    def __repr__(self):
        state = "running" if self.running else "stopped"
        return f"<Lp.Grinder {self.owner_prefix!r}, {state}, {self.pending_count} pending>"

    # Statistics

    def stats(self):
        """The statistics as a dict, in any thread; it never waits."""
        return unpack(self.dup_stats())

    async def astats(self):
        """The same as stats(), for those who wait for it."""
        return self.stats()

    stats_from_thread = stats

    # Start and stop

    def _call_as_owner(self, func):
        """In the owner context, if this is the loop that started it."""
        loop = self._loop()
        context = context_of(loop)
        if context is None:
            _helper.get().post(func)
        else:
            call_in(context, func)

    async def start(self):
        """The manager must run. A cancelled start is undone."""
        loop = check_loop(self, "start", "grinder")
        was_running = self.running
        if not was_running:
            self._loop = weakref.ref(loop)
        try:
            await wait(lambda ready: self.start_async(None, ready), self.start_finish)
        except GLib.Error:
            raise
        except BaseException:
            if not was_running:
                self._call_as_owner(lambda: self.stop_async(Lp.StopMode.KILL, None, None))
            raise

    async def stop(self, mode=Lp.StopMode.CANCEL):
        """Stops the grinder; all items and batches have ended then. A cancelled stop goes on."""
        check_loop(self, "stop", "grinder")
        await wait(lambda ready: self.stop_async(mode, None, ready), self.stop_finish)

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, cls, *_error):
        await self.stop(Lp.StopMode.DRAIN if cls is None else Lp.StopMode.CANCEL)

    # Items

    def _accept(self, job):
        with translated():
            super().enqueue(job)

    async def submit(self, fn, /, *args, owner="item", **kwargs):
        """Runs fn(*args, **kwargs) in a batch and returns what it returns, or raises what it raises. If the task is
        cancelled, so is the item."""
        _check_name(owner)
        return await accept_and_wait(self._accept, *new_job(self.manager, fn, args, kwargs))

    async def call(self, name, signature=None, *values, owner="item"):
        """Calls a named function in a batch: await grinder.call("add", "(ii)", 20, 22)."""
        _check_name(owner)
        job = Lp.Job.new_for_call(name, to_parameters(signature, values))
        return await accept_and_wait(self._accept, job, PLAIN)

    def enqueue(self, fn, /, *args, owner="item", **kwargs):
        """Accepts fn(*args, **kwargs), at once; what is returned may be awaited and gives an asyncio.Task of the item.
        An Lp.Job is enqueued as in C, without a task where no event loop runs."""
        import asyncio

        _check_name(owner)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if not isinstance(fn, Lp.Job):
                raise
            if args or kwargs:
                raise TypeError("an Lp.Job has its arguments already") from None
            self._accept(fn)
            return Done(True)
        job, cell = new_job(self.manager, fn, args, kwargs)
        task = loop.create_task(accept_and_wait(self._accept, job, cell), name=owner)
        # One that is cancelled before its first step never comes to cancel the job.
        task.add_done_callback(lambda task: task.cancelled() and job.cancel())
        return Done(task)

    def submit_from_thread(self, fn, /, *args, owner="item", **kwargs):
        """Accepts fn(*args, **kwargs), in any thread, and returns its concurrent.futures.Future."""
        _check_name(owner)
        return accept_and_follow(self._accept, *new_job(self.manager, fn, args, kwargs))

    # Room

    async def wait_drained(self):
        """Returns when no item waits for an executor, or did not for a moment."""
        import asyncio

        loop = asyncio.get_running_loop()
        drained = loop.create_future()

        def settle():
            if not drained.done():
                drained.set_result(None)

        def tell(_grinder):
            try:
                loop.call_soon_threadsafe(settle)
            except RuntimeError:
                # The loop is closed.
                pass

        # In this order: a fall to zero after the look is told.
        handler = super().connect("drained", tell)
        try:
            if self.pending_count > 0:
                await drained
        finally:
            self.disconnect(handler)

    def connect(self, signal, handler, *args):
        return super().connect(signal, Handler(handler), *args)

    def connect_after(self, signal, handler, *args):
        return super().connect_after(signal, Handler(handler), *args)
