#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""make-seeds.py: writes the inputs that the fuzzers begin with to corpus/HARNESS/seed-NAME. What they say is in the harnesses.

What else is in corpus/ was found by a fuzzer: crash-NAME for what crashed once, which must not again.
"""

import os
import struct

from gi.repository import GLib

HERE = os.path.dirname(os.path.abspath(__file__))
HELLO, CALL, CANCEL, RECALL, GOODBYE, STARTED, RESULT, ERROR, DROPPED, PROGRESS, LOG = range(1, 12)
IN_FILE, WITH_NONCE = 1, 2

V = GLib.Variant
HELLO_BODY = V("a{sv}", {"version": V("u", 1), "depth": V("u", 16), "pid": V("u", 7), "nonce": V("ay", bytes(16)),
                         "functions": V("a(sss)", [("double", "(i)", "(i)"), ("any", "", "")])})
BODIES = {
    HELLO: [HELLO_BODY, V("a{sv}", {"version": V("u", 1), "max-message-size": V("t", 1 << 20), "name": V("s", "p-1-1"),
                                    "init-parameters": V("v", V("(i)", (1,)))})],
    CALL: [V("(smv)", ("double", V("(i)", (21,)))), V("(smv)", ("double", None))],
    CANCEL: [None],
    RECALL: [None],
    GOODBYE: [None],
    STARTED: [None],
    RESULT: [V("v", V("(i)", (42,))), V("v", V("ay", bytes(100))), V("v", V("v", V("v", V("a{sv}", {"k": V("ms", "x")})))),
             V("v", V("(xdtyns(ayau)mas)", (1, 2.0, 3, 4, 5, "s", (b"ab", [1, 2]), ["x"])))],
    ERROR: [V("(sis)", ("g-io-error-quark", 19, "told to")), V("(sis)", ("nobody-knows", -1, "a\n\x1b[31mb"))],
    DROPPED: [None],
    PROGRESS: [V("(dms)", (0.5, "half")), V("(dms)", (float("nan"), None))],
    LOG: [V("(ussa{ss})", (16, "domain", "text", {"CODE_FILE": "a.c", "CODE_LINE": "7"}))],
}


def data_of(body):
    return b"" if body is None else body.get_data_as_bytes().get_data() or b""


def header(kind, number, size, flags=0):
    return struct.pack("<IBBHQ", 16 + size, kind, flags, 0, number)


def number_of(kind):
    return 0 if kind in (HELLO, GOODBYE, LOG) else 1


def frame(kind, body):
    return header(kind, number_of(kind), len(data_of(body))) + data_of(body)


def each_body():
    for kind, bodies in BODIES.items():
        for n, body in enumerate(bodies):
            yield f"{kind}-{n}", kind, body


def write(harness, name, data):
    folder = os.path.join(HERE, "corpus", harness)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"seed-{name}"), "wb") as seed:
        seed.write(data)


def write_frames():
    """A byte that chooses the limit, a header, a body."""
    for name, kind, body in each_body():
        write("fuzz-frame", name, b"\x03" + frame(kind, body))


# The operations of fuzz-channel.
BYTES, FRAME, LARGE, FILE, CLOSE = range(5)
AND_MORE = 0x80


def pieces(data, size):
    return b"".join(bytes([BYTES, len(data[i:i + size])]) + data[i:i + size] for i in range(0, len(data), size))


def write_channels():
    for name, kind, body in each_body():
        data = data_of(body)
        write("fuzz-channel", f"frame-{name}", b"\x00" + bytes([FRAME, kind, number_of(kind), len(data)]) + data)
    everything = b"".join(frame(kind, body) for _, kind, body in each_body())
    write("fuzz-channel", "pieces-of-1", b"\x00" + pieces(everything[:60], 1))
    write("fuzz-channel", "pieces-of-255", b"\x02" + pieces(everything, 255))
    write("fuzz-channel", "small-limit", b"\x04" + pieces(everything, 100) + bytes([LARGE, 0xff, 0x20, 1]))
    write("fuzz-channel", "large", b"\x00" + bytes([LARGE, 0xff, 0xff, 1, LARGE | AND_MORE, 0xff, 0x7f, 2, FRAME, GOODBYE, 0, 0]))
    write("fuzz-channel", "text", b"\x00" + bytes([BYTES, 20]) + b"print() to the strea")
    write("fuzz-channel", "closed-in-frame", b"\x00" + bytes([BYTES, 20]) + everything[:20] + bytes([CLOSE]))
    result = data_of(BODIES[RESULT][0])
    for kind in range(4):
        write("fuzz-channel", f"file-{kind}",
              b"\x01" + bytes([FILE, kind, RESULT, IN_FILE, len(result)]) + result + bytes([FRAME, GOODBYE, 0, 0]))
    write("fuzz-channel", "nonce", b"\x01" + bytes([FILE, 0, HELLO, WITH_NONCE, 16]) + bytes(range(16)))
    write("fuzz-channel", "files", b"\x01" + bytes([FILE | AND_MORE, 0, RESULT, IN_FILE, len(result)]) * 6)
    write("fuzz-channel", "file-beside",
          b"\x0b" + (bytes([FILE, 0, RESULT, IN_FILE, len(result)]) + result) * 2 + bytes([FRAME, GOODBYE, 0, 0]))
    write("fuzz-channel", "files-beside-nothing",
          b"\x0b" + (bytes([FILE, 2, RESULT, 0, 0]) + bytes([FRAME, GOODBYE, 0, 0])) * 2)


# The operations of fuzz-parent, and the frames that it makes valid.
VALID, MUTATED, ANY_FRAME, RAW, LINE, IN_A_FILE, SUBMIT, CANCEL_JOB, LEASE, CLOSE_STREAM, DIE, RECYCLE = range(12)
SAID = {kind: n for n, kind in enumerate([HELLO, STARTED, RESULT, ERROR, DROPPED, PROGRESS, LOG, GOODBYE, CANCEL])}
N_PARENT_OPS = 12


def say(kind, choice=0, op=VALID):
    return bytes([op, SAID[kind], choice])


def line(text):
    return bytes([LINE, len(text)]) + text


def write_parents():
    hello = say(HELLO, 15)
    job = say(STARTED) + say(PROGRESS, 50) + say(RESULT)
    scripts = {
        "jobs": hello + job + bytes([SUBMIT, SUBMIT]) + job + job,
        "ahead": hello + job + bytes([SUBMIT | AND_MORE] * 4) + job * 4,
        "failed": hello + say(STARTED) + say(ERROR, 1) + bytes([SUBMIT]) + say(STARTED) + say(ERROR, 2),
        "cancelled": hello + say(STARTED) + bytes([CANCEL_JOB, 0]) + say(ERROR, 2),
        "recalled": hello + bytes([SUBMIT, SUBMIT]) + say(STARTED) + bytes([CANCEL_JOB, 1]) + say(DROPPED, 1) + say(RESULT),
        "cancelled-by-worker": hello + say(STARTED) + say(CANCEL) + say(ERROR, 2),
        "records": say(LOG, 1) + hello + say(LOG, 2) * 3 + line(b"a line\n\x1b[31mtwo\xff\n") + job,
        "start-fails": say(ERROR, 0xf0) + bytes([DIE]),
        "dies-at-start": line(b"no such file\n") + bytes([DIE]),
        "dies-in-job": hello + say(STARTED) + line(b"oh\n") + bytes([DIE + N_PARENT_OPS]) + hello + bytes([LEASE]) + job,
        "dies-in-frame": hello + bytes([RAW, 10]) + frame(RESULT, BODIES[RESULT][0])[:10] + bytes([DIE]),
        "closes": hello + bytes([CLOSE_STREAM, SUBMIT]),
        "text": hello + bytes([RAW, 12]) + b"Hello world\n",
        "hello-twice": hello + hello,
        "two-at-once": hello + bytes([VALID | AND_MORE, SAID[STARTED], 0]) + say(RESULT),
        "mutated": hello + bytes([MUTATED, 0, SAID[STARTED], 0, 4, 1]) + bytes([MUTATED, 1, SAID[RESULT], 0, 16, 255, 0, 3]),
        "files": hello + say(STARTED) + bytes([IN_A_FILE, 0, SAID[RESULT]]),
        "file-without-seals": hello + say(STARTED) + bytes([IN_A_FILE, 2, SAID[RESULT]]),
        "file-missing": hello + say(STARTED) + bytes([IN_A_FILE, 3, SAID[RESULT]]),
        "leases": hello + bytes([LEASE]) + job + bytes([RECYCLE, LEASE]) + hello + job,
        "any": hello + b"".join(bytes([ANY_FRAME, kind, 0, 0, len(data_of(body))]) + data_of(body)
                                for _, kind, body in each_body())[:600],
    }
    for name, script in scripts.items():
        for flags in (0, 1, 2, 4, 8, 16) if name in ("jobs", "cancelled", "records", "dies-in-job") else (0,):
            write("fuzz-parent", f"{name}-{flags}", bytes([flags]) + script)
    # One that says nothing of files, and one that does with the wrong nonce.
    write("fuzz-parent", "files-not-agreed", b"\x00" + say(HELLO, 1) + say(STARTED) + bytes([IN_A_FILE, 0, SAID[RESULT]]))


if __name__ == "__main__":
    write_frames()
    write_channels()
    write_parents()
