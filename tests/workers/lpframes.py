# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""A manager's side of the worker protocol, for tests of worker programs: it starts one and speaks in frames.

It is written after docs/protocol.md and shares no code with the library.
"""

import os
import signal
import socket
import struct
import subprocess

from gi.repository import GLib

PATIENCE = 60
HEADER = struct.Struct("<IBBHQ")
HELLO, CALL, CANCEL, RECALL, GOODBYE, STARTED, RESULT, ERROR, DROPPED, PROGRESS, LOG = range(1, 12)
BODIES = {HELLO: "a{sv}", CALL: "(smv)", RESULT: "v", ERROR: "(sis)", PROGRESS: "(dms)", LOG: "(ussa{ss})"}


class Manager:
    """One worker process and the stream to it."""

    def __init__(self, argv, **hello):
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
                                            start_new_session=True, env=dict(os.environ, LP_WORKER_NAME="test-1-1"))
        self.stream = ours
        self.stream.settimeout(PATIENCE)
        self.last_id = 0
        self.logs = []
        self.send(HELLO, 0, GLib.Variant("a{sv}", {
            "version": GLib.Variant("u", 1),
            "max-message-size": GLib.Variant("t", 1 << 20),
            "name": GLib.Variant("s", "test-1-1"),
            "log-level": GLib.Variant("u", int(GLib.LogLevelFlags.LEVEL_INFO)),
            "log-to-stderr": GLib.Variant("b", False),
            **hello}))

    def send(self, kind, number=0, body=None):
        data = body.get_data_as_bytes().get_data() if body is not None else b""
        self.stream.sendall(HEADER.pack(HEADER.size + len(data), kind, 0, 0, number) + data)

    def _read(self, size):
        data = b""
        while len(data) < size:
            more = self.stream.recv(size - len(data))
            if not more:
                raise EOFError(self.process.stderr.read().decode())
            data += more
        return data

    def read(self):
        """The next frame that is not a log record: its type, number and body."""
        while True:
            size, kind, flags, filler, number = HEADER.unpack(self._read(HEADER.size))
            assert (flags, filler) == (0, 0), (flags, filler)
            data = self._read(size - HEADER.size)
            assert bool(data) <= (kind in BODIES), kind
            body = None
            if kind in BODIES:
                body = GLib.Variant.new_from_bytes(GLib.VariantType.new(BODIES[kind]), GLib.Bytes.new(data), False)
                assert body.is_normal_form()
            if kind != LOG:
                return kind, number, body
            self.logs.append(body.unpack())

    def expect(self, kind, number=0):
        got = self.read()
        assert got[:2] == (kind, number), (got[0], got[1], got[2].print_(True) if got[2] is not None else None)
        return got[2]

    def call(self, name, parameters=None):
        self.last_id += 1
        self.send(CALL, self.last_id, GLib.Variant("(smv)", (name, parameters)))
        return self.last_id

    def run(self, name, parameters=None):
        """Calls a function; its result, unpacked."""
        number = self.call(name, parameters)
        self.expect(STARTED, number)
        return self.expect(RESULT, number).unpack()

    def fail(self, name, parameters=None):
        """Calls a function that fails; its error's domain, code and message."""
        number = self.call(name, parameters)
        self.expect(STARTED, number)
        return self.expect(ERROR, number).unpack()

    def end(self):
        """Says goodbye; what the program wrote to its standard error."""
        self.send(GOODBYE)
        self.expect(GOODBYE)
        self.stream.close()
        stderr = self.process.communicate(timeout=PATIENCE)[1].decode()
        assert self.process.returncode == 0, (self.process.returncode, stderr)
        return stderr

    def kill(self):
        """If it is still there."""
        self.stream.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
