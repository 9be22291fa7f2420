# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The manager's side of the worker protocol, for tests of a worker by itself; the bodies are GLib's."""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess

from gi.repository import GLib

HELLO, CALL, CANCEL, RECALL, GOODBYE, STARTED, RESULT, ERROR, DROPPED, PROGRESS, LOG = range(1, 12)
BODIES = {HELLO: "a{sv}", RESULT: "v", ERROR: "(sis)", PROGRESS: "(dms)", LOG: "(ussa{ss})"}
HEADER = struct.Struct("<IBBHQ")
SECONDS = 30


def hello_of(**keys):
    """The body of a hello; keys are of the page's types already or None to leave one out."""
    body = {
        "version": GLib.Variant("u", 1),
        "max-message-size": GLib.Variant("t", 1 << 20),
        "name": GLib.Variant("s", "leasepool-1-1"),
        "log-level": GLib.Variant("u", 0),
        "log-to-stderr": GLib.Variant("b", False),
    }
    body.update({key.replace("_", "-"): value for key, value in keys.items()})
    return GLib.Variant("a{sv}", {key: value for key, value in body.items() if value is not None})


def frame(kind, number=0, body=None):
    data = body.get_data_as_bytes().get_data() if body else b""
    return HEADER.pack(HEADER.size + len(data), kind, 0, 0, number) + data


def call(number, name, parameters=None):
    return frame(CALL, number, GLib.Variant("(smv)", (name, parameters)))


class Peer:
    """A worker process and the other end of its stream: a socket, or, as behind a relay, two pipes."""

    def __init__(self, argv, pipes=False, pass_fds=()):
        if pipes:
            theirs_in, self.out_fd = os.pipe()
            self.in_fd, theirs_out = os.pipe()
        else:
            ours, theirs = socket.socketpair()
            self.in_fd = self.out_fd = ours.detach()
            theirs_in = theirs_out = theirs.detach()
        # A group of its own, which it may end.
        self.process = subprocess.Popen(argv, stdin=theirs_in, stdout=theirs_out, stderr=subprocess.PIPE,
                                        start_new_session=True, pass_fds=pass_fds)
        for fd in {theirs_in, theirs_out}:
            os.close(fd)
        self.data = b""

    def close_stream(self):
        for fd in {self.in_fd, self.out_fd} - {-1}:
            os.close(fd)
        self.in_fd = self.out_fd = -1

    def clean_up(self):
        self.close_stream()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()

    def write(self, *frames):
        data = memoryview(b"".join(frames))
        while data:
            data = data[os.write(self.out_fd, data):]

    def fill(self):
        """One read, of what came in one write at the least. False: end of file."""
        if not select.select([self.in_fd], [], [], SECONDS)[0]:
            raise AssertionError(f"nothing came for {SECONDS} s")
        part = os.read(self.in_fd, 1 << 20)
        self.data += part
        return bool(part)

    def parse(self):
        """The type, the number and the body of the first frame that is all there, else None."""
        if len(self.data) < HEADER.size:
            return None
        size, kind, flags, filler, number = HEADER.unpack_from(self.data)
        assert flags == 0 and filler == 0, (flags, filler)
        if len(self.data) < size:
            return None
        data, self.data = self.data[HEADER.size:size], self.data[size:]
        if kind not in BODIES:
            assert data == b"", data
            return kind, number, None
        body = GLib.Variant.new_from_bytes(GLib.VariantType(BODIES[kind]), GLib.Bytes(data), False)
        assert body.is_normal_form(), (kind, data)
        return kind, number, body

    def read(self):
        """The next frame, or None at the end of file."""
        while not (result := self.parse()):
            if not self.fill():
                assert self.data == b"", f"cut: {self.data!r}"
                return None
        return result

    def expect(self, kind, number=0):
        """The body of the next frame, which is of that type and has that number."""
        result = self.read()
        assert result and result[:2] == (kind, number), f"{result}, expected {(kind, number)}"
        return result[2]

    def expect_end(self):
        """Nothing more comes; returns the status of the process."""
        assert self.read() is None
        return self.process.wait(SECONDS)

    def read_stderr_now(self):
        """What is there while it runs."""
        fd = self.process.stderr.fileno()
        return os.read(fd, 1 << 16).decode() if select.select([fd], [], [], 0)[0] else ""

    def read_stderr(self):
        """All of it, when the process has ended."""
        return self.process.stderr.read().decode()
