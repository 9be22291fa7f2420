# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""What the interpreter has for a thread, kept while the thread lasts.

A thread that was not made by Python has a state of the interpreter for each call of a closure, and loses it with the
end of the call: its threading.local() values, and its stack, which is unmapped while all other threads stop for it.
That takes many times as long as the call. So a worker thread that runs functions takes one more hold of its state, as
of PyGILState_Ensure(), and drops that at its end.

The C library calls a function at the end of a thread, before what else the thread has goes. That is g_object_unref(), of
an object whose last reference goes then, and a weak notify of that drops the state. When the interpreter ends, the
objects of the threads that are left get one reference more: the function is of Python, and must not be called any more.
A weak reference tells which are left, while they come to their end: it gives a reference, or nothing once the last one
has gone.

Whoever joins such a thread must not hold the lock of the interpreter. It is the service thread of the library that
does. Where the C library has no such function, the state is kept only for an initializer, and never dropped.
"""

import os
import threading
import time

_SECONDS = 1  # that the end of the interpreter waits for threads that end just then; each needs an instant

_local = threading.local()
_kept = {}  # address of the object of a thread: weak reference to it; with the lock of the interpreter
_ended = False
_lock = threading.Lock()
_functions = None  # (_lock) False: there are none


class _Functions:
    def __init__(self):
        import ctypes

        libc, gio = ctypes.CDLL(None), ctypes.CDLL("libgio-2.0.so.0")
        pointer = ctypes.c_void_p

        def declare(function, result, *arguments):
            function.restype, function.argtypes = result, arguments
            return function

        self.ensure = ctypes.pythonapi.PyGILState_Ensure
        self.release = declare(ctypes.pythonapi.PyGILState_Release, None, ctypes.c_int)
        # Not as an attribute: the name would be mangled.
        self.at_exit = declare(libc["__cxa_thread_atexit_impl"], ctypes.c_int, pointer, pointer, pointer)
        # Any GObject would do.
        self.new_object = declare(gio.g_cancellable_new, pointer)
        self.notify = declare(gio.g_object_weak_ref, None, pointer, pointer, pointer)
        self.unref = ctypes.cast(gio.g_object_unref, pointer)
        self.new_weak = pointer  # a GWeakRef is one
        self.init_weak = declare(gio.g_weak_ref_init, None, pointer, pointer)
        self.get_weak = declare(gio.g_weak_ref_get, pointer, pointer)
        self.reference = ctypes.byref
        self._callback = ctypes.CFUNCTYPE(None, pointer, pointer)(self._drop)
        self.drop = ctypes.cast(self._callback, pointer)

    def _drop(self, _data, address):
        """At the end of the thread. The call of this function has a hold of its own."""
        # The weak reference is empty, and so holds nothing that would have to be freed.
        del _kept[address]
        self.release(0)

    def keep(self):
        address = self.new_object()
        # Any address of a library that stays will do as the last argument.
        if self.at_exit(self.unref, address, self.unref) == 0:
            weak = self.new_weak()
            self.init_weak(self.reference(weak), address)
            self.notify(address, self.drop, None)
            _kept[address] = weak
            self.ensure()
        return address

    def hold(self, weak):
        """A reference for ever; false if the last one has gone, and the thread is on its way to _drop()."""
        return self.get_weak(self.reference(weak)) is not None


def _get_functions():
    """Made once: what threads call at their end is a part of it."""
    global _functions
    with _lock:
        if _functions is None:
            try:
                _functions = _Functions()
            except (AttributeError, ImportError, OSError):
                _functions = False
        return _functions


def _keep_for_ever():
    import ctypes

    ctypes.pythonapi.PyGILState_Ensure()


def keep(always=False):
    """In a worker thread of the library, in a function that it calls. ALWAYS: where it cannot be dropped at the end of
    the thread, it is kept until the end of the program."""
    if _ended or hasattr(_local, "address"):
        return
    functions = _functions if _functions is not None else _get_functions()
    if functions:
        _local.address = functions.keep()
        if _ended:
            _hold_all()
    elif always:
        _local.address = 0
        _keep_for_ever()


def _hold_all():
    for address, weak in list(_kept.items()):
        if _functions.hold(weak):
            _kept.pop(address, None)


def end():
    """At the end of the interpreter."""
    global _ended
    _ended = True
    deadline = time.monotonic() + _SECONDS
    _hold_all()
    while _kept and time.monotonic() < deadline:
        time.sleep(0.001)


def _forget():
    """In a forked child there are no such threads."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


os.register_at_fork(after_in_child=_forget)
