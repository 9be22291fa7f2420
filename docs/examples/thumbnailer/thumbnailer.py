#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""thumbnailer.py: a thumbnail of every picture below a folder, made in worker processes.

The pictures go through a grinder: each worker gets a batch of them with one lease. Pictures come from anywhere, so what
reads them is a process of its own, in C (thumbnailer-worker.c): one that crashes on a picture takes no other with it. The
other pictures of its batch are tried again, and so is that one, ATTEMPTS times in all.

The thumbnail of a/b.png is TARGET/a/b.png, that of a/b.jpg is TARGET/a/b.jpg.png. What is there is whole.

Exit status: 0 all are there; 1 some are not; 2 it could not begin; 128 and the number of the signal that stopped it.
"""

import argparse
import asyncio
import os
import signal
import sys

import gi

gi.require_version("Lp", "1")
from gi.repository import GLib, Lp  # noqa: E402

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg", ".xpm", ".pnm", ".ico")
ATTEMPTS = 3
PICTURE_SECONDS = 60
WORKER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "thumbnailer-worker")


def walk(folder, skipped, problem):
    """Yields the regular files below the folder that are called like pictures, relative to it. Follows no link."""
    levels = [""]
    while levels:
        level = levels.pop()
        try:
            entries = sorted(os.scandir(os.path.join(folder, level)), key=lambda entry: entry.name)
        except OSError as error:
            problem(level or ".", error.strerror)
            continue
        for entry in entries:
            path = os.path.join(level, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if os.path.realpath(entry.path) != skipped:
                    levels.append(path)
            elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(PICTURES):
                yield path


def shown(path):
    """The name as a terminal can show it: any bytes may be in it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in path)


class Report:
    """What the user sees: a line that changes on a terminal, else a line a picture."""

    def __init__(self):
        self.total = self.made = self.killed = 0
        self.failures = []
        self._is_live = sys.stdout.isatty()

    def success(self, path, width, height):
        self.made += 1
        self._say(f"{shown(path)}: {width}x{height}")

    def failure(self, path, reason):
        self.failures.append(f"{shown(path)}: {shown(str(reason))}")
        self._say()

    def worker_died(self):
        self.killed += 1
        self._say()

    def _counts(self):
        text = f"{self.made} of {self.total} thumbnails"
        if self.failures:
            text += f", {len(self.failures)} failed"
        if self.killed:
            text += f", {self.killed} tried again"
        return text

    def _say(self, line=None):
        if self._is_live:
            print(f"\r{self._counts()}\033[K", end="", flush=True)
        elif line is not None:
            print(line, flush=True)

    def end(self):
        print(f"\r{self._counts()}\033[K" if self._is_live else self._counts(), flush=True)
        for failure in self.failures:
            print(failure, file=sys.stderr)


class Thumbnailer:
    def __init__(self, options, report):
        self._options = options
        self._report = report
        self._run = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._unfinished = set()  # the targets that a worker may have begun to write

    async def make(self, paths):
        options = self._options
        manager = Lp.Manager(
            backend="process",
            max_pools=options.workers,
            min_pools=options.workers,
            # One that dies takes the executor along: nobody else is in it.
            workers_per_pool=1,
            worker_argv=[options.worker],
            worker_init_function="begin-run",
            worker_init_parameters=GLib.Variant("(s)", (self._run,)),
            cancel_grace_seconds=1,
            name_prefix="thumbnailer",
        )
        grinder = Lp.Grinder(
            manager,
            max_wait_seconds=0.05,
            batch_size_threshold=options.jobs,
            max_batch_size=options.jobs,
            max_batches_in_flight=options.workers,
            # Each picture has a time of its own, which ends first.
            lease_seconds=(PICTURE_SECONDS + 10) * options.jobs,
            owner_prefix="thumbnails",
        )
        remaining = iter(paths)
        try:
            async with manager, grinder:
                # So many pictures are under way at a time.
                lanes = [asyncio.ensure_future(self._lane(grinder, remaining))
                         for _ in range(2 * options.workers * options.jobs)]
                try:
                    await asyncio.gather(*lanes)
                finally:
                    for lane in lanes:
                        lane.cancel()
        finally:
            # No worker is left that could write another one.
            self._sweep()

    async def _lane(self, grinder, remaining):
        for path in remaining:
            try:
                await self._thumbnail(grinder, path)
            except (GLib.Error, OSError) as error:
                if isinstance(error, Lp.LeasePoolNotStartedError):
                    raise
                self._report.failure(path, getattr(error, "message", None) or error)

    def _place(self, path):
        if path.endswith(".png"):
            return os.path.join(self._options.target, path)
        return os.path.join(self._options.target, path + ".png")

    async def _thumbnail(self, grinder, path):
        source, target = os.path.join(self._options.source, path), self._place(path)
        if not path.endswith(".png") and os.path.lexists(source + ".png"):
            raise OSError(f"{os.path.basename(path)}.png has the thumbnail of this name")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        parameters = GLib.Variant("(ayayu)", (as_bytestring(source), as_bytestring(target), self._options.size))
        self._unfinished.add(target)
        attempts = 0
        while True:
            job = Lp.Job.new_for_call("thumbnail", parameters)
            job.timeout_seconds = PICTURE_SECONDS
            try:
                width, height = await grinder.submit(job)
            except Lp.BrokenExecutorError:
                self._report.worker_died()
                # Another picture of the batch killed the worker if this one was not begun.
                attempts += job.started_at != 0
                if attempts == ATTEMPTS:
                    raise
            else:
                self._unfinished.discard(target)
                self._report.success(path, width, height)
                return

    def _sweep(self):
        """A worker that was killed may have left what it was writing."""
        for target in self._unfinished:
            try:
                os.unlink(f"{target}.{self._run}.part")
            except OSError:
                pass


def as_bytestring(path):
    """C wants the NUL."""
    return os.fsencode(path) + b"\0"


def number(text):
    value = int(text)
    if not 1 <= value <= 10000:
        raise argparse.ArgumentTypeError(f"must be from 1 to 10000, not {value}")
    return value


def parse():
    parser = argparse.ArgumentParser(description="Makes a thumbnail of every picture below a folder.")
    parser.add_argument("source", metavar="SOURCE", help="the folder of the pictures")
    parser.add_argument("target", metavar="TARGET", help="the folder for the thumbnails")
    parser.add_argument("--size", type=number, default=256, help="the largest width and height (256)")
    parser.add_argument("--workers", type=number, default=os.cpu_count() or 1,
                        help="worker processes (one a processor)")
    parser.add_argument("--jobs", type=number, default=16, help="pictures that a worker gets at a time (16)")
    parser.add_argument("--worker", default=os.environ.get("THUMBNAILER_WORKER", WORKER), help="the worker program")
    options = parser.parse_args()
    if not os.path.isdir(options.source):
        parser.error(f"{shown(options.source)} is no folder")
    return options


async def run(thumbnailer, paths):
    """Returns the number of the signal that stopped it, or 0."""
    loop, task, caught = asyncio.get_running_loop(), asyncio.current_task(), []

    def stop(number):
        # Once: a second one finds it at work on that already.
        if not caught:
            caught.append(number)
            task.cancel()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop, each)
    try:
        await thumbnailer.make(paths)
    except asyncio.CancelledError:
        if not caught:
            raise
    return caught[0] if caught else 0


def main():
    options, report = parse(), Report()
    try:
        os.makedirs(options.target, exist_ok=True)
        paths = list(walk(options.source, os.path.realpath(options.target), report.failure))
        report.total = len(paths)
        caught = asyncio.run(run(Thumbnailer(options, report), paths)) if paths else 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (GLib.Error, OSError) as error:
        print(f"thumbnailer.py: {getattr(error, 'message', None) or error}", file=sys.stderr)
        return 2
    report.end()
    if caught:
        return 128 + caught
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
