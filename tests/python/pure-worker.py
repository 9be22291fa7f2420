#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""A worker in plain Python: no GLib, and nothing that is not in the standard library.

It does all that docs/protocol.md says, except for bodies in files, and shows how a worker in another language is made:

    manager.set_worker_argv(["pure-worker.py"])

The main thread runs the jobs, one after the other. A second thread reads the stream all the time, so that a running job
hears of its cancellation, a waiting one can be taken back, and the end of the manager is noticed at once.
"""

import collections
import logging
import os
import signal
import struct
import sys
import threading

from pure_gvariant import Variant, pack, unpack

HELLO, CALL, CANCEL, RECALL, GOODBYE, STARTED, RESULT, ERROR, DROPPED, PROGRESS, LOG = range(1, 12)
BODIES = {HELLO: "a{sv}", CALL: "(smv)", RESULT: "v", ERROR: "(sis)", PROGRESS: "(dms)", LOG: "(ussa{ss})"}
HEADER = struct.Struct("<IBBHQ")  # size, type, flags, 0, number of the job
DEPTH = 2  # calls that may wait here while a job runs

G_IO_ERROR, CANCELLED, INVALID_DATA = "g-io-error-quark", 19, 35
LP_ERROR, TOO_LARGE, INVALID_ARGUMENT, NOT_SUPPORTED, UNKNOWN_FUNCTION = "lp-error-quark", 0, 5, 9, 10


class JobError(Exception):
    """What a function raises to end its job with an error that the caller knows."""

    def __init__(self, domain, code, message):
        super().__init__(message)
        self.domain = domain
        self.code = code


class EndOfStream(Exception):
    """The manager is gone."""


class Stream:
    """Frames in and out. One thread reads; any writes, since a lock keeps the frames apart."""

    def __init__(self):
        # Whatever prints must not get into the stream: 0 becomes /dev/null, and 1 the same as 2.
        self.in_fd, self.out_fd = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        os.close(null)
        # A line that a job prints is to be there before its result is.
        sys.stdout.reconfigure(line_buffering=True)
        self.max_body = 1 << 31
        self.lock = threading.Lock()

    def read_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            part = os.read(self.in_fd, min(size - len(data), 1 << 20))
            if not part:
                raise EndOfStream
            data += part
        return bytes(data)

    def read(self):
        """Blocks; returns the type of a frame, the number of its job and its body."""
        size, kind, flags, _filler, number = HEADER.unpack(self.read_exactly(HEADER.size))
        data = self.read_exactly(size - HEADER.size)
        return kind, number, unpack(BODIES[kind], data) if kind in BODIES else None

    @staticmethod
    def frame(kind, number=0, body=None):
        data = pack(BODIES[kind], body) if kind in BODIES else b""
        return HEADER.pack(HEADER.size + len(data), kind, 0, 0, number) + data

    def write(self, *frames):
        data = memoryview(b"".join(frames))
        with self.lock:
            while data:
                data = data[os.write(self.out_fd, data):]

    def send(self, kind, number=0, body=None):
        self.write(self.frame(kind, number, body))


class LogHandler(logging.Handler):
    """Records of the module logging become records of the manager's process."""

    # The numbers of GLogLevelFlags, and the lowest level of Python that each stands for.
    LEVELS = [(logging.CRITICAL, 4), (logging.ERROR, 8), (logging.WARNING, 16), (logging.INFO, 64), (0, 128)]

    def __init__(self, stream, least_severe):
        super().__init__()
        self.stream = stream
        self.least_severe = least_severe

    def emit(self, record):
        level = next(number for lowest, number in self.LEVELS if record.levelno >= lowest)
        if level > self.least_severe:  # more severe levels have lower numbers
            return
        fields = {"CODE_FILE": record.pathname, "CODE_LINE": str(record.lineno), "CODE_FUNC": record.funcName}
        self.stream.send(LOG, 0, (level, record.name, self.format(record), fields))


class Job:
    """A call that has come. A function gets it as its first argument."""

    def __init__(self, worker, number, name, parameters):
        self.worker = worker
        self.number = number
        self.name = name
        self.parameters = parameters  # a Variant, or None
        self.cancelled = threading.Event()

    def progress(self, fraction, status=None):
        if self.number:  # the init function has none, and nobody waits for it in this way
            self.worker.stream.send(PROGRESS, self.number, (fraction, status))

    def check_cancelled(self):
        if self.cancelled.is_set():
            raise JobError(G_IO_ERROR, CANCELLED, "The job was cancelled")


class Worker:
    """Speaks with the manager. `functions` has, for each name, the types of parameters and result and the function."""

    def __init__(self, functions):
        self.functions = functions
        self.stream = Stream()
        self.waiting = collections.deque()  # (lock) of jobs; None at the end stands for the manager's goodbye
        self.running = None  # (lock) the job
        self.lock = threading.Condition()

    # --- The beginning ---

    def run(self):
        try:
            kind, _number, manager = self.stream.read()
        except EndOfStream:
            sys.exit(1)  # nobody is there, and whose process group this is nobody said
        if kind != HELLO or manager["version"].value != 1:
            sys.exit("this manager speaks another protocol")
        self.stream.max_body = manager["max-message-size"].value
        # The init function may have something to say already.
        self.set_up_logging(manager)
        try:
            self.initialise(manager)
        except Exception as error:  # whatever it is, the manager wants to know
            self.stream.send(ERROR, 0, describe(error))
            sys.exit(1)
        self.stream.send(HELLO, 0, self.make_hello())
        threading.Thread(target=self.read_stream, daemon=True).start()
        self.run_jobs()

    def set_up_logging(self, manager):
        logging.getLogger().setLevel(logging.DEBUG)
        if manager["log-level"].value:
            logging.getLogger().addHandler(LogHandler(self.stream, manager["log-level"].value))
        if manager["log-to-stderr"].value:
            logging.getLogger().addHandler(logging.StreamHandler())

    def initialise(self, manager):
        if "module" in manager:
            raise JobError(LP_ERROR, NOT_SUPPORTED, "This worker cannot load modules")
        if "init-function" in manager:
            parameters = manager["init-parameters"].value if "init-parameters" in manager else None
            self.call(Job(self, 0, manager["init-function"].value, parameters))

    def make_hello(self):
        functions = [(name, parameters, result) for name, (parameters, result, _) in self.functions.items()]
        return {
            "version": Variant("u", 1),
            "pid": Variant("u", os.getpid()),
            "functions": Variant("a(sss)", functions),
            "depth": Variant("u", DEPTH),
        }

    # --- The thread that reads ---

    def read_stream(self):
        said_goodbye = False
        try:
            while True:
                kind, number, body = self.stream.read()
                said_goodbye = said_goodbye or kind == GOODBYE
                self.take(kind, number, body)
        except EndOfStream:
            if said_goodbye:
                return
        except Exception as error:  # what it reads makes no sense: there is no way to go on
            print(f"pure-worker: {error!r}", file=sys.stderr, flush=True)
        # The manager started this process as the leader of a group, and what a function started is in it, too.
        os.killpg(os.getpgrp(), signal.SIGKILL)

    def take(self, kind, number, body):
        if kind in (CALL, GOODBYE):
            with self.lock:
                self.waiting.append(Job(self, number, *body) if kind == CALL else None)
                self.lock.notify()
        elif kind in (CANCEL, RECALL):
            self.take_back(kind, number)

    def take_back(self, kind, number):
        """A job that waits is dropped. One that runs hears of CANCEL; of RECALL, and of what is over, nobody does."""
        with self.lock:
            job = next((job for job in self.waiting if job and job.number == number), None)
            if job:
                self.waiting.remove(job)
            elif kind == CANCEL and self.running and self.running.number == number:
                self.running.cancelled.set()
        if job:
            self.stream.send(DROPPED, number)

    # --- The main thread ---

    def run_jobs(self):
        outcome = b""  # of the job before
        while True:
            job = self.begin_next(wait=False)
            if job is None:
                self.stream.write(outcome)
                outcome = b""
                job = self.begin_next(wait=True)
            if job is None:
                break
            # In one write, so that the manager never thinks the job before still runs if this one ends the process.
            self.stream.write(outcome, self.stream.frame(STARTED, job.number))
            outcome = self.run_job(job)
        self.stream.send(GOODBYE)

    def begin_next(self, wait):
        """From here on the job cannot be dropped any more. None: there is none yet, or none will come any more."""
        with self.lock:
            self.running = None
            if wait:
                self.lock.wait_for(lambda: self.waiting)
            if self.waiting and self.waiting[0]:
                self.running = self.waiting.popleft()
            return self.running

    def run_job(self, job):
        """The frame that ends it."""
        try:
            result = self.call(job)
            frame = self.stream.frame(RESULT, job.number, result)
            if len(frame) - HEADER.size > self.stream.max_body:
                raise JobError(LP_ERROR, TOO_LARGE, "The result is larger than max-message-size allows")
            return frame
        except Exception as error:  # whatever it is, it is the caller's
            return self.stream.frame(ERROR, job.number, describe(error))

    def call(self, job):
        if job.name not in self.functions:
            raise JobError(LP_ERROR, UNKNOWN_FUNCTION, f"There is no function {job.name}")
        parameter_type, result_type, function = self.functions[job.name]
        parameters = job.parameters or Variant("()", ())
        if parameters.type != parameter_type:
            raise JobError(LP_ERROR, INVALID_ARGUMENT, f"{job.name} takes {parameter_type}, not {parameters.type}")
        return Variant(result_type, function(job, *parameters.value))


def describe(error):
    """The body of ERROR. A domain that the manager does not know is fine: its caller gets REMOTE, and the message."""
    if isinstance(error, JobError):
        return error.domain, error.code, str(error)
    return "python-exception-quark", 0, f"{type(error).__name__}: {error}"


# --- The functions of this worker ---


def double(_job, number):
    return (number * 2,)


def greet(_job, name):
    return (f"hello, {name}",)


def repeat(_job, text, times):
    return (text * times,)


def count(job, steps):
    """Tells how far it has come, in three ways."""
    for step in range(1, steps + 1):
        job.check_cancelled()
        job.progress(step / steps, f"step {step}")
        logging.getLogger("counter").info("step %d of %d", step, steps)
        print("step", step)
    return (steps,)


def until_cancelled(job):
    job.progress(0.0, "waiting")
    job.cancelled.wait()
    job.check_cancelled()


def fail(_job, domain, code, message):
    raise JobError(domain, code, message)


def divide(_job, dividend, divisor):
    return (dividend // divisor,)


def leave(_job, status):
    os._exit(status)


FUNCTIONS = {
    "double": ("(i)", "(i)", double),
    "greet": ("(s)", "(s)", greet),
    "repeat": ("(su)", "(s)", repeat),
    "count": ("(u)", "(u)", count),
    "until-cancelled": ("()", "()", until_cancelled),
    "fail": ("(sis)", "()", fail),
    "divide": ("(ii)", "(i)", divide),
    "leave": ("(i)", "()", leave),
}

if __name__ == "__main__":
    Worker(FUNCTIONS).run()
