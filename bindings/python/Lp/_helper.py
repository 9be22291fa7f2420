# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The thread that serves a GLib main context for event loops that do not.

There is one for all of them, started when it is first needed. Its context is its own: the default one belongs to the
program, which may iterate it in another thread, before, after or meanwhile. The thread never waits for an event loop.
"""

import collections
import concurrent.futures
import contextlib
import logging
import os
import threading

from gi.repository import GLib

_logger = logging.getLogger("leasepool")

_LATER_MILLISECONDS = 20


class Helper:
    def __init__(self):
        self.context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self.context, False)
        self._posted = collections.deque()
        self._later = collections.deque()
        self._has_later = False
        self._is_woken = False
        self._ending = False
        self._thread = threading.Thread(target=self._serve, name="leasepool-glib", daemon=True)
        self._thread.start()

    def _serve(self):
        self.context.push_thread_default()
        # In C from here on, without the lock of the interpreter: most of what the context does is not for Python. Not
        # the method that PyGObject adds, which is about signals of the main thread.
        super(GLib.MainLoop, self._loop).run()

    def _attach(self, source, func):
        source.set_priority(GLib.PRIORITY_DEFAULT)
        source.set_callback(func)
        source.attach(self.context)

    def _run_posted(self, *_user_data):
        # What is posted from here on wakes it again, and is not for now: callbacks that post all the time, as those of
        # futures that submit the next one, do not keep the context from the rest.
        self._is_woken = False
        for _ in range(len(self._posted)):
            func = self._posted.popleft()
            try:
                func()
            except BaseException:
                _logger.exception("A call in the thread of the main context failed")
            # Neither the function nor what it holds lives until the next one comes.
            del func
        return False

    def is_current(self):
        return threading.current_thread() is self._thread

    def post(self, func):
        """Calls the function in the thread, in the order of posts; what it raises is logged. However many there are,
        the thread is woken once."""
        if self._ending:
            raise RuntimeError("The interpreter ends: leasepool cannot be used any more")
        self._posted.append(func)
        if not self._is_woken:
            self._is_woken = True
            try:
                self._attach(GLib.idle_source_new(), self._run_posted)
            except BaseException:
                # A signal handler's: the next post wakes it.
                self._is_woken = False
                raise

    def post_later(self, func):
        """The same some milliseconds later. However many there are, the thread is woken once for them."""
        self._later.append(func)
        if not self._has_later:
            self._has_later = True
            try:
                self.post(self._set_timer)
            except BaseException:
                self._has_later = False
                raise

    def _set_timer(self):
        self._attach(GLib.timeout_source_new(_LATER_MILLISECONDS), self._run_later)

    def _run_later(self, *_user_data):
        # What comes from here on needs another timer.
        self._has_later = False
        while self._later:
            self._posted.append(self._later.popleft())
        return self._run_posted()

    def call(self, func):
        """Calls the function in the thread and returns what it does. It must not wait for an event loop."""
        if self.is_current():
            return func()
        outcome = concurrent.futures.Future()

        def run():
            try:
                outcome.set_result(func())
            except BaseException as error:
                outcome.set_exception(error)

        self.post(run)
        return outcome.result()

    def end(self, seconds):
        """At the end of the interpreter. The context stays for ever: what the interpreter drops later has destroy
        notifies for it. They are never called, and the library does not complain that it has to leak."""
        with contextlib.suppress(ImportError):
            import ctypes

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.context))
        self._ending = True
        self._attach(GLib.idle_source_new(), lambda *_user_data: self._loop.quit())
        self._thread.join(seconds)


_lock = threading.Lock()
_helper = None  # (_lock)


def get():
    global _helper
    with _lock:
        if _helper is None:
            _helper = Helper()
        return _helper


def peek():
    """The helper, if there is one."""
    return _helper


def _forget():
    """In a forked child there is no such thread, and nothing of the parent is touched."""
    global _helper, _lock
    _helper = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget)
