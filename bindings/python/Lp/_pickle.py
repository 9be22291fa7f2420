# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Calls, results and exceptions of lease.run() as bytes: what the manager and the ready-made worker have in common.

A call is the parameters (ay) of a named function, its result is an ay, both pickled. An exception is a GLib.Error of a
domain of its own, so that its job has failed for everybody who looks: a text that can be read, and after a separator
the pickled exception in base64.

Before what a worker pickled there is a key, which its manager has told to the ready-made workers and nobody else: the
manager unpickles nothing without it, whoever ran the job.
"""

import base64
import os
import pickle

from gi.repository import GLib

from ._base import MODULE, Lp

RUN = "lp.python.run"
INIT = "lp.python.init"
DOMAIN = "lp-python-exception"

_BYTES = GLib.VariantType.new("ay")
# In memory the same: a tuple adds nothing to its only member.
_PARAMETERS = GLib.VariantType.new("(ay)")
_PROTOCOL = 5
_SEPARATOR = "\x1e"

# The name of a function or an exception is not worth more; the rest is in the pickled exception.
_MAX_TEXT = 4096

# From here on two copies less are worth a file in memory.
_LARGE = 1024 * 1024

# A manager gives errors of domains that it does not know another one.
GLib.quark_from_string(DOMAIN)


class RemoteTraceback(Exception):
    """The traceback in the worker process: the cause of an exception that lease.run() raises."""

    __module__ = MODULE

    def __init__(self, text):
        super().__init__(text)
        self.text = text

    def __str__(self):
        return f'\n"""\n{self.text}"""'


class RemoteException(RuntimeError):
    """Stands for an exception of a worker process that could not come itself: its type and its text.

    So it does if pickle cannot handle it, and for what would end this program or confuse its loop: SystemExit and the
    others that are no Exception, and StopIteration.
    """

    __module__ = MODULE


# Values


class _Chunks(list):
    """A file for pickle, which hands large bytes over as they are."""

    write = list.append


def _from_file(chunks):
    """One copy, into memory that is then mapped."""
    fd = os.memfd_create("lp-python", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", buffering=0, closefd=False) as file:
            for chunk in chunks:
                view = memoryview(chunk).cast("B")
                while view:
                    view = view[file.write(view):]
        return GLib.MappedFile.new_from_fd(fd, False).get_bytes()
    finally:
        os.close(fd)


def is_large(chunks):
    """Whether they are better in a file."""
    return hasattr(os, "memfd_create") and sum(map(len, chunks)) >= _LARGE


def _to_variant(chunks, kind):
    data = _from_file(chunks) if is_large(chunks) else GLib.Bytes.new(b"".join(chunks))
    return GLib.Variant.new_from_bytes(kind, data, True)


def _dump(value, pickler, key=b""):
    chunks = _Chunks([key])
    pickler(chunks, _PROTOCOL).dump(value)
    return chunks


def as_parameters(chunks):
    """Those of a named function, (ay)."""
    return _to_variant(chunks, _PARAMETERS)


def dump_parameters(value):
    """The value as the parameters of a named function; raises what pickle does."""
    return as_parameters(_dump(value, pickle.Pickler))


def dump_result(value, key):
    """The value as a GLib.Variant of type ay, behind the key; raises what pickle does."""
    return _to_variant(_dump(value, pickle.Pickler, key), _BYTES)


def data_of(variant):
    """The bytes that were dumped."""
    return variant.get_data_as_bytes().get_data() or b""


def _load_with_key(data, key):
    import hmac

    if not hmac.compare_digest(data[:len(key)], key):
        raise ValueError("it does not come from a ready-made worker of the manager that the function was for")
    return pickle.loads(memoryview(data)[len(key):])


def name_of(func):
    """For messages."""
    name = getattr(func, "__qualname__", None) or repr(func)
    module = getattr(func, "__module__", None)
    return f"{module}.{name}" if module not in (None, "builtins", "__main__", "__mp_main__") else name


# Exceptions


def text_of(error):
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception:
        text = "its text cannot be had"
    return f"{name}: {text}" if text else name


def _is_carried(error):
    return isinstance(error, Exception) and not isinstance(error, StopIteration)


def _dump_exception(error):
    """None: it cannot be sent."""
    try:
        return pickle.dumps(error, _PROTOCOL) if _is_carried(error) else None
    except Exception:
        return None


def pack_exception(error, traceback, key):
    """The GLib.Error that a worker gives its manager for an exception, whose traceback is a text."""
    data = base64.b64encode(key + pickle.dumps((_dump_exception(error), traceback), _PROTOCOL)).decode("ascii")
    text = text_of(error)[:_MAX_TEXT].replace("\0", "\\x00").replace(_SEPARATOR, " ")
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return GLib.Error.new_literal(GLib.quark_from_string(DOMAIN), f"{text}{_SEPARATOR}{len(data)}:{data}", 0)


def _unpack(text, key):
    """What pack_exception() packed, but the exception is still pickled. Of a message that was cut, as one that is larger
    than a message may be, the end is missing."""
    size, _, data = text.partition(":")
    if len(data) != int(size):
        raise ValueError("the message was cut")
    return _load_with_key(base64.b64decode(data, validate=True), key)


def _load_exception(data):
    """None: it is one that must not come, or cannot be made again: many can be pickled, but no more."""
    try:
        exception = pickle.loads(data) if data is not None else None
    except Exception:
        return None
    return exception if _is_carried(exception) else None


def error(glib_error, key):
    """The exception that a function raised in a worker; None if the error is another one."""
    if glib_error.domain != DOMAIN:
        return None
    text, _, rest = glib_error.message.partition(_SEPARATOR)
    try:
        data, traceback = _unpack(rest, key)
    except Exception as problem:
        data, traceback = None, f"It could not be read ({text_of(problem)})\n"
    exception = _load_exception(data)
    if exception is None:
        exception = RemoteException(text)
    exception.__cause__ = RemoteTraceback(traceback)
    return exception


def result(data, key):
    """The value that a function returned in a worker."""
    try:
        return _load_with_key(data, key)
    except Exception as problem:
        raise RemoteException(f"The result of the worker cannot be read: {text_of(problem)}") from problem


# Calls


def _reason(value, pickler):
    """Why the value cannot be sent; None: it can."""
    try:
        _dump(value, pickler)
    except Exception as problem:
        return text_of(problem)
    return None


def _explain(func, args, kwargs, pickler, problem):
    """A TypeError that names what cannot be sent."""
    name = name_of(func)
    reason = _reason(func, pickler)
    if reason is not None:
        return TypeError(f"The function “{name}” cannot be sent to a worker process, which only a function at the top"
                         f" level of a module can: {reason}")
    for key, value in [*enumerate(args, 1), *kwargs.items()]:
        reason = _reason(value, pickler)
        if reason is not None:
            return TypeError(f"The argument {key} of “{name}” cannot be sent to a worker process: {reason}")
    return TypeError(f"The arguments of “{name}” cannot be sent to a worker process: {text_of(problem)}")


def pickle_call(func, args, kwargs, pickler):
    """A call as a list of bytes, for as_parameters(); raises TypeError for what cannot be sent."""
    try:
        return _dump((func, args, kwargs), pickler)
    except Exception as problem:
        raise _explain(func, args, kwargs, pickler, problem) from problem
