# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The job of a function that a ready-made worker process runs for a lease."""

from . import _native, _pickle
from ._base import Lp
from ._cells import ProcessCell
from ._native_job import NativeJob

_RUN = _pickle.RUN.encode()


class ProcessJob(NativeJob, ProcessCell):
    has_value = True

    def __init__(self, chunks, key):
        if _pickle.is_large(chunks):
            self._wrapper = Lp.Job.new_for_call(_pickle.RUN, _pickle.as_parameters(chunks))
            self._pointer = _native.ref(_native.pointer_of(self._wrapper))
        else:
            self._pointer = _native.new_job_for_call(_RUN, b"".join(chunks))
        super().__init__(key)

    def value(self, variant):
        if variant is not None:
            return super().value(variant)
        return _pickle.result(_native.get_result(self._pointer), self._key)
