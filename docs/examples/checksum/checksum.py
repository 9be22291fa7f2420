#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""checksum.py: the SHA-256 of every regular file below some paths, computed by leased executors of threads, or of
worker processes.

Several owners share one walker. An owner leases an executor, keeps a few jobs in flight on it, gives the executor back
after FILES_PER_LEASE files so that the next owner in line gets its turn, and asks for another one. A lease that reaches
its soft expiry is renewed while its jobs run. Files are found when an owner has room for them.

The work is the function "sha256" of a function module in C, on threads without the interpreter lock or in worker
processes, or that of a worker program in Python (checksum-worker.py). All callbacks of this program run on the GLib main
loop.
"""

import argparse
import math
import os
import signal
import stat
import sys
import time

import gi

gi.require_version("Lp", "1")
from gi.repository import Gio, GLib, Lp  # noqa: E402

import checksum_speed_up  # noqa: E402

WORKER = [sys.executable, os.path.join(os.path.dirname(os.path.realpath(__file__)), "checksum-worker.py")]
FILES_PER_LEASE = 128
JOBS_PER_WORKER = 2
BIG_FILE = 16_000_000
MB = 1e6


def walk(roots, problem):
    """Yields (path, size) of the regular files below roots; keeps one open directory per level, follows no link."""
    levels = [iter(roots)]
    while levels:
        is_root = len(levels) == 1
        try:
            entry = next(levels[-1], None)
        except OSError as error:
            problem(path, error.strerror)
            entry = None
        if entry is None:
            levels.pop()
            continue
        path = os.fspath(entry)
        try:
            info = os.lstat(path)
            if stat.S_ISDIR(info.st_mode):
                levels.append(os.scandir(path))
            elif stat.S_ISREG(info.st_mode):
                yield path, info.st_size
            elif is_root:
                problem(path, "Neither a file nor a directory; links are not followed")
        except OSError as error:
            problem(path, error.strerror)


def display_name(path):
    return path.decode("utf-8", "replace")


def sum_line(path, digest):
    """As sha256sum does: a name with a backslash or a line break is escaped, a backslash before the digest says so."""
    name = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if name != path else b"") + digest.encode() + b"  " + name + b"\n"


def print_stats(stats):
    times = {key: value for key, value in sorted(stats.items()) if isinstance(value, dict)}
    for key, value in sorted(stats.items()):
        if key not in times:
            print(f"  {key:<24} {len(value) if isinstance(value, list) else value!s:>10}", file=sys.stderr)
    columns = ("mean", "p50", "p95", "p99", "max")
    print(f"\n  {'milliseconds':<24}" + "".join(f" {name:>10}" for name in ("count", *columns)), file=sys.stderr)
    for key, value in times.items():
        numbers = "".join(f" {value.get(name, 0) * 1000:10.3f}" for name in columns)
        print(f"  {key:<24} {value.get('count', 0):10.0f}{numbers}", file=sys.stderr)


class Demo:
    def __init__(self, options):
        self.options = options
        self.loop = GLib.MainLoop()
        self.walker = walk(options.paths, self.report_file)
        self.walked = self.is_full = False  # no file is left, or the next one would pass the limit
        self.again = []  # accepted, but the lease ended before they ran
        self.owners = set()
        self.stopping = self.stopped = False
        self.signal_number = 0
        self.found_bytes = self.files = self.bytes = self.errors = self.renewals = 0
        self.started_at = self.shown_at = time.monotonic()
        self.shown_bytes = 0
        self.big_file = ""  # how far the big file is that last said so
        self.live = sys.stderr.isatty() and not (options.sums and sys.stdout.isatty())
        self.manager = Lp.Manager.new(options.backend, options.pools)
        self.manager.props.workers_per_pool = options.workers
        if options.worker == "own":
            self.manager.props.worker_argv = WORKER
        else:
            self.manager.props.function_module = "checksum"

    def run(self):
        GLib.timeout_add(100 if self.live else 1000, self.show_progress)
        # Python's own handler of SIGINT would end the main loop, not the demo; it also ignores SIGPIPE.
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, self.on_signal, number)
        self.manager.start_async(None, self.on_started)
        self.loop.run()
        self.show_summary()
        return 128 + self.signal_number if self.signal_number else int(self.errors > 0)

    def report(self, message):
        self.errors += 1
        line = "".join(c if c.isprintable() else "?" for c in message)
        print(f"{self.clear_line()}checksum.py: {line}", file=sys.stderr)

    def report_file(self, path, reason):
        name = display_name(path)
        self.report(reason if reason.startswith(name) else f"{name}: {reason}")

    def clear_line(self):
        return "\r\033[K" if self.live else ""

    def next_file(self):
        if self.stopping:
            return None
        if self.again:
            return self.again.pop()
        if self.walked or self.is_full:
            return None
        found = next(self.walker, None)
        self.walked = found is None
        self.found_bytes += found[1] if found else 0
        self.is_full = 0 < self.options.limit_mb * MB < self.found_bytes
        return None if self.is_full else found

    def has_more(self):
        return not self.stopping and bool(self.again or not (self.walked or self.is_full))

    def show_progress(self):
        now = time.monotonic()
        rate = (self.bytes - self.shown_bytes) / max(now - self.shown_at, 1e-6) / MB
        print(f"{self.clear_line()}{self.files} files  {self.bytes / MB:.1f} MB  {rate:.1f} MB/s  "
              f"{self.manager.props.leased_count} leases  {self.manager.props.waiting_count} waiters  "
              f"{self.errors} errors{self.big_file}", end="" if self.live else "\n", file=sys.stderr, flush=True)
        self.shown_at, self.shown_bytes, self.big_file = now, self.bytes, ""
        return GLib.SOURCE_CONTINUE

    def show_summary(self):
        seconds = time.monotonic() - self.started_at
        self.show_progress()
        if self.live:
            print(file=sys.stderr)
        if self.is_full:
            print(f"stopped collecting at {self.options.limit_mb} MB (--limit-mb)", file=sys.stderr)
        print(f"{self.files} files, {self.bytes / MB:.1f} MB in {seconds:.2f} s: {self.bytes / MB / seconds:.1f} MB/s, "
              f"{self.renewals} renewals, {self.errors} errors\n", file=sys.stderr)
        print_stats(self.manager.dup_stats().unpack())

    def on_signal(self, number):
        self.signal_number = number
        self.stop()
        return GLib.SOURCE_REMOVE  # a second one ends the program at once

    def on_started(self, manager, result):
        try:
            manager.start_finish(result)
        except GLib.Error as error:
            if not self.stopping:
                self.report(error.message)
            self.stop()
            return
        if not self.stopping:
            self.owners = {Owner(self, f"reader-{number}") for number in range(1, self.options.owners + 1)}

    def owner_ended(self, owner):
        self.owners.discard(owner)
        if not self.owners:
            self.stop()
        self.quit_if_done()

    def stop(self):
        if not self.stopping:
            self.stopping = True
            self.manager.stop_async(Lp.StopMode.CANCEL, -1, None, self.on_stopped)

    def on_stopped(self, manager, result):
        try:
            manager.stop_finish(result)
        except GLib.Error as error:
            self.report(error.message)
        self.stopped = True
        self.quit_if_done()

    def quit_if_done(self):
        if self.stopped and not self.owners:
            self.loop.quit()

    def count(self, path, digest, size):
        self.files += 1
        self.bytes += size
        if self.options.sums and not self.stopping:
            self.print_line(sum_line(path, digest))

    def print_line(self, line):
        try:
            while line:
                line = line[os.write(sys.stdout.fileno(), line):]
        except OSError:
            self.report("Cannot write the sums")
            self.stop()

    def on_big_file(self, job, _pspec):
        self.big_file = f"  ({job.props.status})"


class Owner:
    def __init__(self, demo, name):
        self.demo = demo
        self.lease = None
        self.taken = self.running = 0  # files of this lease, jobs that have not ended
        self.request = Lp.Request(owner=name, lease_seconds=demo.options.lease_seconds, timeout=demo.options.timeout)
        self.handler = demo.manager.connect("lease-expiring", self.on_expiring)
        self.acquire()

    def acquire(self):
        self.demo.manager.acquire_async(self.request, None, self.on_acquired)

    def on_acquired(self, manager, result):
        try:
            self.lease = manager.acquire_finish(result)
        except GLib.Error as error:
            if not self.demo.stopping:
                self.demo.report(error.message)
            self.end()
            return
        self.taken = 0
        # A lease counts from the grant: the signal may have come before the lease did.
        if self.lease.props.soft_expires_at <= GLib.get_monotonic_time():
            self.renew()
        self.pump()

    def pump(self):
        while self.has_room():
            found = self.demo.next_file()
            if found is None:
                break
            self.submit(*found)
        if self.running:
            return
        self.lease.release()
        self.lease = None
        if self.demo.has_more():
            self.acquire()
        else:
            self.end()

    def has_room(self):
        return (self.lease.props.state == Lp.LeaseState.ACTIVE and self.taken < FILES_PER_LEASE
                and self.running < self.demo.options.workers * JOBS_PER_WORKER)

    def submit(self, path, size):
        job = Lp.Job.new_for_call("sha256", GLib.Variant("(ay)", (path + b"\0",)))
        job.props.timeout_seconds = self.demo.options.timeout
        if size >= BIG_FILE:
            job.connect("notify::progress", self.demo.on_big_file)
        self.taken += 1
        self.running += 1
        self.lease.submit_async(job, None, self.on_hashed, job, path, size)

    def on_hashed(self, lease, result, job, path, size):
        self.running -= 1
        try:
            self.demo.count(path, *lease.submit_finish(result).unpack())
        except GLib.Error as error:
            if not self.demo.stopping and is_worth_another_lease(job, error):
                self.demo.again.append((path, size))
            elif not self.demo.stopping:
                self.demo.report_file(path, error.message)
        self.pump()

    def on_expiring(self, _manager, info):
        if self.lease is not None and self.lease.props.id == info.props.id and self.running:
            self.renew()

    def renew(self):
        try:
            self.lease.renew(-1)
            self.demo.renewals += 1
        except GLib.Error:
            pass  # what a refusal means is told by the jobs, which are then cancelled

    def end(self):
        self.demo.manager.disconnect(self.handler)
        self.demo.owner_ended(self)


def is_worth_another_lease(job, error):
    """Tells whether the lease was over before the job ran: then another lease may run it."""
    return job.props.started_at == 0 and (
        error.matches(Lp.error_quark(), Lp.Error.EXPIRED) or error.matches(Lp.error_quark(), Lp.Error.BROKEN_EXECUTOR)
        or error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))


def parse_options():
    parser = argparse.ArgumentParser(
        prog="checksum.py", description="The SHA-256 of every regular file below PATH (/usr/lib and /usr/share), "
        "computed by leased executors. Links are not followed.")
    parser.add_argument("--backend", choices=(Lp.BACKEND_THREAD, Lp.BACKEND_PROCESS),
                        help="what the workers are (thread)")
    parser.add_argument("--worker", choices=("module", "own"), default="module",
                        help="what worker processes run: the function module in leasepool-worker, or checksum-worker.py, "
                        "which implies --backend=process (module)")
    parser.add_argument("--speed-up", action="store_true",
                        help="compute no sums, but show how much faster two Python processes are than one")
    parser.add_argument("--pools", type=int, default=2, metavar="N", help="executors at most (2)")
    parser.add_argument("--workers", type=int, default=0, metavar="N",
                        help="workers of an executor (0: processors / pools)")
    parser.add_argument("--owners", type=int, default=4, metavar="N", help="owners that share the executors (4)")
    parser.add_argument("--lease-seconds", type=float, default=0.2, metavar="SECONDS", help="length of a lease (0.2)")
    parser.add_argument("--timeout", type=float, default=60, metavar="SECONDS",
                        help="longest wait for a lease, and for a file (60)")
    parser.add_argument("--limit-mb", type=int, default=-1, metavar="N",
                        help="stop at the file that passes N MB (300 without PATH, else 0: no limit)")
    parser.add_argument("--sums", action="store_true", help="print the sums for sha256sum -c")
    parser.add_argument("paths", nargs="*", type=os.fsencode, metavar="PATH")
    options = parser.parse_args()

    if options.pools < 1 or options.workers < 0 or options.owners < 1:
        parser.error("--pools and --owners must be at least 1, --workers 0 or more")
    if not all(math.isfinite(value) and value > 0 for value in (options.lease_seconds, options.timeout)):
        parser.error("--lease-seconds and --timeout must be greater than 0")
    if options.limit_mb < -1:
        parser.error("--limit-mb must be 0 or more")
    if options.worker == "own" and options.backend == Lp.BACKEND_THREAD:
        parser.error("--worker=own needs --backend=process")
    options.backend = options.backend or (Lp.BACKEND_PROCESS if options.worker == "own" else Lp.BACKEND_THREAD)
    options.workers = options.workers or max(1, GLib.get_num_processors() // options.pools)
    if options.limit_mb == -1:
        options.limit_mb = 0 if options.paths else 300
    options.paths = options.paths or [b"/usr/lib", b"/usr/share"]
    return options


def main():
    options = parse_options()
    return checksum_speed_up.run(WORKER) if options.speed_up else Demo(options).run()


if __name__ == "__main__":
    sys.exit(main())
