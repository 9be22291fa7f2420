# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""How a lease makes the jobs of functions past PyGObject."""

from . import _native, _pickle
from ._process_job import ProcessJob
from ._thread_job import ThreadJob


def find_maker(manager, lease):
    """A function that makes a job of (func, args, kwargs), and the address of the lease; or False. While there is the
    lease, nobody changes the settings of the manager."""
    chosen = manager._ready_made
    if manager._has_threads:
        make = ThreadJob
    elif chosen is not None:
        def make(func, args, kwargs):
            return ProcessJob(_pickle.pickle_call(func, args, kwargs, chosen.pickler), chosen.key)
    else:
        return False, None
    return make, _native.pointer_of(lease)
