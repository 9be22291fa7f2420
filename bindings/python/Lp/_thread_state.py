# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What the interpreter has for a thread, kept while the thread lasts.

A thread that was not made by Python has a state of the interpreter for each call of a closure, and loses it with the
end of the call: its threading.local() values, and its stack, which is unmapped while all other threads stop for it.
That takes many times as long as the call. So a worker thread that runs functions takes one more hold of its state, as
of PyGILState_Ensure(), and drops that at its end.

The C library calls a function at the end of a thread, before what else the thread has goes. That is g_bytes_unref(), of
bytes whose last reference goes then, and the function that frees those drops the state. When the interpreter ends, the
bytes of the threads that are left get one reference more: the function is of Python, and must not be called any more.

Whoever joins such a thread must not hold the lock of the interpreter. It is the service thread of the library that
does. Where the C library has no such function, the state is kept only for an initializer, and never dropped.
"""

import os
import threading

_local = threading.local()
_kept = set()  # addresses of the bytes of threads; with the lock of the interpreter
_lock = threading.Lock()
_functions = None  # (_lock) False: there are none


class _Functions:
    def __init__(self):
        import ctypes

        api, libc, glib = ctypes.pythonapi, ctypes.CDLL(None), ctypes.CDLL("libglib-2.0.so.0")
        pointer = ctypes.c_void_p
        self.ensure = api.PyGILState_Ensure
        self.release = api.PyGILState_Release
        self.release.argtypes = [ctypes.c_int]
        self.at_exit = libc["__cxa_thread_atexit_impl"]  # not as an attribute: the name would be mangled
        self.at_exit.argtypes = [pointer, pointer, pointer]
        self.new_bytes = glib.g_bytes_new_with_free_func
        self.new_bytes.argtypes = [pointer, ctypes.c_size_t, pointer, pointer]
        self.new_bytes.restype = pointer
        self.ref_bytes = glib.g_bytes_ref
        self.ref_bytes.argtypes = [pointer]
        self.ref_bytes.restype = pointer
        self.unref_bytes = ctypes.cast(glib.g_bytes_unref, pointer)
        self._callback = ctypes.CFUNCTYPE(None, pointer)(self._drop)
        self.drop = ctypes.cast(self._callback, pointer)

    def _drop(self, _data):
        """At the end of the thread. The call of this function has a hold of its own."""
        _kept.discard(_local.address)
        self.release(0)

    def keep(self):
        # Any address will do as the data, and any of a library that stays as the last argument.
        address = self.new_bytes(self.drop, 1, self.drop, None)
        if self.at_exit(self.unref_bytes, address, self.unref_bytes) == 0:
            self.ensure()
            _kept.add(address)
        return address


def _get_functions():
    """Made once: what threads call at their end is a part of it."""
    global _functions
    with _lock:
        if _functions is None:
            try:
                _functions = _Functions()
            except (AttributeError, OSError):
                _functions = False
        return _functions


def _keep_for_ever():
    import ctypes

    ctypes.pythonapi.PyGILState_Ensure()


def keep(always=False):
    """In a worker thread of the library, in a function that it calls. ALWAYS: where it cannot be dropped at the end of
    the thread, it is kept until the end of the program."""
    if hasattr(_local, "address"):
        return
    functions = _functions if _functions is not None else _get_functions()
    if functions:
        _local.address = functions.keep()
    elif always:
        _local.address = 0
        _keep_for_ever()


def end():
    """At the end of the interpreter."""
    while _kept:
        _functions.ref_bytes(_kept.pop())


def _forget():
    """In a forked child there are no such threads."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


os.register_at_fork(after_in_child=_forget)
