# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The few functions of C that each call of a function needs, called with the lock of the interpreter held.

PyGObject lets go of that lock around whatever it calls. The threads that wait for it wake up each time, and find it
taken again before they are there: that costs many times what a short function does. None of the functions here waits
for anything but locks of the library, and nobody who holds one of those waits for that of the interpreter.

Pointers are integers. They come from PyGObject, and go back to it, by its interface for programs in C.
"""

import ctypes

from gi._gobject import _PyGObject_API

from ._base import Lp

# By PyGObject, which lets go of the lock: the first job makes the class of jobs, under a lock of GObject that one who
# makes a class of Python has while it waits for that of the interpreter.
Lp.Job.new_for_call("", None)

_pointer = ctypes.c_void_p
# What introspection has loaded.
_library = ctypes.PyDLL(None)


def _declare(name, result, *arguments, library=_library):
    # Not as an attribute, which all who have the library share, with its types.
    function = library[name]
    function.restype, function.argtypes = result, arguments
    return function


new_job_for_func = _declare("lp_job_new_for_func", _pointer, _pointer, _pointer, _pointer)
get_state = _declare("lp_job_get_state", ctypes.c_int, _pointer)
wait_async = _declare("lp_job_wait_async", None, _pointer, _pointer, _pointer, _pointer)
take_next = _declare("lp_job_take_next", _pointer, _pointer, _pointer)
submit = _declare("lp_lease_submit", ctypes.c_int, _pointer, _pointer, _pointer)
ref = _declare("g_object_ref", _pointer, _pointer)
unref = _declare("g_object_unref", None, _pointer)
_new_job_for_call = _declare("lp_job_new_for_call", _pointer, ctypes.c_char_p, _pointer)
_dup_result = _declare("lp_job_dup_result", _pointer, _pointer)
_new_bytes = _declare("g_bytes_new", _pointer, ctypes.c_char_p, ctypes.c_size_t)
_unref_bytes = _declare("g_bytes_unref", None, _pointer)
_new_variant = _declare("g_variant_new_from_bytes", _pointer, ctypes.c_char_p, _pointer, ctypes.c_int)
_get_data = _declare("g_variant_get_data", _pointer, _pointer)
_get_size = _declare("g_variant_get_size", ctypes.c_size_t, _pointer)
_unref_variant = _declare("g_variant_unref", None, _pointer)
_ref_variant = _declare("g_variant_ref_sink", _pointer, _pointer)
_new_tuple = _declare("g_variant_new_tuple", _pointer, _pointer, ctypes.c_size_t)
_new_error = _declare("g_error_new_literal", _pointer, ctypes.c_uint32, ctypes.c_int, ctypes.c_char_p)
_error_quark = _declare("lp_error_quark", ctypes.c_uint32)

# The only one that lets go of the lock: it waits.
_wait = _declare("lp_job_wait", _pointer, _pointer, ctypes.c_double, _pointer, _pointer, library=ctypes.CDLL(None))

# The value (), for ever.
UNIT = _ref_variant(_new_tuple(None, 0))

# The LpJobFunc: the job, where its result goes, user data, where its error goes.
job_func = ctypes.CFUNCTYPE(None, _pointer, _pointer, _pointer, _pointer)
# The GAsyncReadyCallback: the job, the result, user data.
ready_callback = ctypes.CFUNCTYPE(None, _pointer, _pointer, _pointer)


def new_job_for_call(name, data):
    """Of a function that takes the bytes, as (ay), in which a tuple adds nothing to its only member."""
    held = _new_bytes(data, len(data))
    job = _new_job_for_call(name, _new_variant(b"(ay)", held, True))
    _unref_bytes(held)
    return job


def wait(job, seconds):
    result = _wait(job, seconds, None, None)
    if result is not None:
        _unref_variant(result)


def get_result(job):
    """The bytes of the result of a job that has succeeded."""
    variant = _dup_result(job)
    data = ctypes.string_at(_get_data(variant), _get_size(variant))
    _unref_variant(variant)
    return data


def keep(value):
    """For ever."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def return_unit(place):
    _pointer.from_address(place).value = _ref_variant(UNIT)


def return_error(place, code, message):
    _pointer.from_address(place).value = _new_error(_error_quark(), code, message.encode())


# PyGObject

_get_pointer = _declare("PyCapsule_GetPointer", _pointer, ctypes.py_object, ctypes.c_char_p)


def pointer_of(wrapper):
    return _get_pointer(wrapper.__gpointer__, None)


def _function_of_pygobject(index, result, *arguments):
    functions = _get_pointer(_PyGObject_API, b"gobject._PyGObject_API")
    address = _pointer.from_address(functions + index * ctypes.sizeof(_pointer)).value
    return ctypes.PYFUNCTYPE(result, *arguments)(address)


# pygobject_new(): the wrapper that there is, or a new one.
wrapper_of = _function_of_pygobject(3, ctypes.py_object, _pointer)
