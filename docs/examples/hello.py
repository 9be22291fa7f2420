#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors

import gi
gi.require_version("Lp", "1")
from gi.repository import GLib, Lp

manager = Lp.Manager.new("thread", 2)
manager.start_sync()
lease = manager.acquire_sync()
try:
    job = Lp.Job.new_for_func(lambda job, *_: GLib.Variant("(s)", ("Hello from a leased thread",)))
    lease.submit(job)
    print(*job.wait(-1))
finally:
    lease.release()
    manager.stop_sync(Lp.StopMode.DRAIN, -1)
