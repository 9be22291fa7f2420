#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Runs a program and copies what goes in and out of it, as what runs programs on other machines does.

No descriptor gets through. It ends when the program does, with its status.
"""

import contextlib
import os
import subprocess
import sys
import threading


def copy(from_fd, to_fd):
    """Until the end of file, or until nobody takes it any more; then it closes what it wrote to."""
    with contextlib.suppress(OSError):
        while data := memoryview(os.read(from_fd, 1 << 16)):
            while data:
                data = data[os.write(to_fd, data):]
    os.close(to_fd)


def main():
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    threading.Thread(target=copy, args=(0, os.dup(program.stdin.fileno())), daemon=True).start()
    program.stdin.close()
    copy(program.stdout.fileno(), 1)
    os._exit(program.wait() % 256)


if __name__ == "__main__":
    main()
