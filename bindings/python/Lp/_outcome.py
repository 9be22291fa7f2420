# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""How a job ended, as a value or an exception."""

from gi.repository import GLib

from ._errors import from_cancelled, from_glib, is_cancelled
from ._loop import wait


def outcome(cell, finish):
    """What finish() gives for the job of the cell, as Python has it."""
    try:
        variant = finish()
    except GLib.Error as error:
        problem = cell.error(error)
        if problem is None:
            problem = from_cancelled(error) if is_cancelled(error) else from_glib(error)
    else:
        return cell.value(variant)
    try:
        raise problem
    finally:
        del problem


def wait_for_job(job, cell):
    """A coroutine that waits for a submitted job; its cancellation cancels the job."""
    return wait(
        lambda ready: job.wait_async(None, ready),
        lambda result: outcome(cell, lambda: job.wait_finish(result)),
        cancel=job.cancel,
    )
