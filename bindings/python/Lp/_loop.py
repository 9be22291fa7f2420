# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Waiting in a coroutine for an asynchronous call of C, on whatever event loop runs.

A loop that iterates a GLib main context (gbulb, gi.events, asyncio-glib) gets its results in that context. For any other
the call is made in the thread of _helper.py, and its result hops into the loop.

asyncio is imported where it is used: it is most of what a worker process would load, and needs not.
"""

import threading

from gi.repository import GLib

from . import _helper
from ._errors import JobCancelledError, from_glib, without_own_frames


def context_of(loop):
    """The main context that the loop iterates, or None."""
    if not any("GLib" in cls.__name__ and "EventLoop" in cls.__name__ for cls in type(loop).__mro__):
        return None
    context = getattr(loop, "_context", None)
    return context if isinstance(context, GLib.MainContext) else GLib.MainContext.default()


def call_in(context, func):
    """Calls the function with the context as the thread-default one. This thread iterates it, so it can be pushed."""
    # GLib.MainContext is a boxed type: == compares the pointers.
    if GLib.MainContext.ref_thread_default() == context:
        return func()
    context.push_thread_default()
    try:
        return func()
    finally:
        context.pop_thread_default()


def check_loop(started, name, what):
    """The loop that runs, for start() and stop() of what belongs to the loop that started it."""
    import asyncio

    loop, running = started._loop(), asyncio.get_running_loop()
    if started.is_running() and loop is not None and loop is not running and not loop.is_closed():
        raise RuntimeError(f"{name}() belongs to the event loop that started the {what}, and another one runs here")
    return running


class Parcel:
    """The outcome of a call on its way to a coroutine. A value that nobody takes is given back, wherever it got lost:
    a loop that is closed drops what was on its way."""

    __slots__ = ("_value", "_error", "_give_back")

    def __init__(self, finish, give_back):
        self._value = self._error = self._give_back = None
        try:
            self._value = finish()
            self._give_back = give_back
        except GLib.Error as error:
            self._error = without_own_frames(from_glib(error))
        except BaseException as error:
            self._error = without_own_frames(error)

    def open(self):
        value, error = self._value, self._error
        self._value = self._error = self._give_back = None
        if error is None:
            return value
        if isinstance(error, JobCancelledError):
            import asyncio

            error = asyncio.CancelledError(error.message)
        try:
            raise error
        finally:
            # The traceback of the error has this frame.
            del error

    def discard(self):
        value, give_back = self._value, self._give_back
        self._value = self._error = self._give_back = None
        if give_back is not None:
            give_back(value)

    __del__ = discard


class _Call:
    """One call that a coroutine waits for."""

    def __init__(self, loop, begin, finish, give_back):
        self._loop = loop
        self._begin = begin
        self._finish = finish
        self._give_back = give_back
        self._thread = threading.get_ident()
        self._is_abandoned = False
        self.future = loop.create_future()

    def begin(self):
        self._begin(self._ready)

    def begin_posted(self):
        try:
            self.begin()
        except BaseException as error:
            # Raised in the coroutine.
            self._tell(Parcel(lambda problem=error: _raise(problem), None))

    def _ready(self, _source, result, *_user_data):
        self._tell(Parcel(lambda: self._finish(result), self._give_back))

    def _tell(self, parcel):
        if threading.get_ident() == self._thread:
            self._settle(parcel)
            return
        try:
            self._loop.call_soon_threadsafe(self._settle, parcel)
        except RuntimeError:
            # The loop is closed.
            parcel.discard()

    def _settle(self, parcel):
        if self._is_abandoned or self.future.done() or self._loop.is_closed():
            parcel.discard()
        else:
            self.future.set_result(parcel)

    def abandon(self):
        """The coroutine does not wait any more. The result may have come just before it was told so."""
        self._is_abandoned = True
        if self.future.done() and not self.future.cancelled():
            self.future.result().discard()


def _raise(error):
    raise error


async def wait(begin, finish, *, cancel=None, give_back=None):
    """What finish(result) returns or raises after begin(ready), which starts an asynchronous call with that callback.

    If the coroutine is cancelled or closed, cancel() is called, and a value that comes nevertheless goes to give_back().
    """
    import asyncio

    loop = asyncio.get_running_loop()
    call = _Call(loop, begin, finish, give_back)
    context = context_of(loop)
    if context is None:
        _helper.get().post(call.begin_posted)
    else:
        call_in(context, call.begin)
    try:
        parcel = await call.future
    except BaseException:
        call.abandon()
        if cancel is not None:
            cancel()
        raise
    # The exception of a call has this frame in its traceback: not the future, too.
    del call
    return parcel.open()
