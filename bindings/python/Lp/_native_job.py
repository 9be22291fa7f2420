# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""A job that a lease runs for a coroutine, or a future: made, submitted and waited for past PyGObject."""

from . import _native

_watched = {}  # address of a job: what to call when it has ended; with the lock of the interpreter


class NativeJob:
    """Stands for an Lp.Job, of which there is a wrapper as soon as somebody wants more of it than its state. The other
    base is that of its cell."""

    # None until it is made, which may fail.
    _pointer = None
    _wrapper = None

    # The function as an argument: at the end of the interpreter there may be no module any more.
    def __del__(self, unref=_native.unref):
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            unref(pointer)

    def __getattr__(self, name):
        return getattr(self._as_job(), name)

    def _as_job(self):
        if self._wrapper is None:
            self._wrapper = _native.wrapper_of(self._pointer)
        return self._wrapper

    def cancel(self):
        # Garbage that is collected with it may call this when it has gone already.
        if self._pointer is not None:
            self._as_job().cancel()

    def get_state(self):
        return _native.get_state(self._pointer)

    def _submit_to(self, lease, address):
        """To the lease, which is at this address."""
        if not _native.submit(address, self._pointer, None):
            # It was refused, and is as new. Once more, to be told why.
            self._as_job()._submit_to(lease, address)

    def _wait_for(self, seconds):
        _native.wait(self._pointer, seconds)

    def _call_at_end(self, func):
        """In the main context of this thread; once for a job."""
        _watched[self._pointer] = func
        _native.wait_async(self._pointer, None, _ended, None)


@_native.ready_callback
def _ended(pointer, _result, _user_data):
    _watched.pop(pointer)()


# C calls it until the very end.
_native.keep(_ended)
