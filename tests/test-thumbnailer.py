#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The thumbnailer: pictures good and broken, workers that are killed, Ctrl-C in the middle. TAP.

THUMBNAILER is the program, THUMBNAILER_WORKER its worker.
"""

import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "python"))
import tap  # noqa: E402

SECONDS = 100
MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height):
    """A grey picture with a slope."""
    row = b"\0" + bytes(x * 255 // width for x in range(width))
    return MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) \
        + chunk(b"IDAT", zlib.compress(row * height, 1)) + chunk(b"IEND", b"")


def size_of(path):
    """Width and height of a PNG that is whole."""
    with open(path, "rb") as file:
        data = file.read()
    assert data.startswith(MAGIC) and data.endswith(chunk(b"IEND", b"")), f"{path} is not whole"
    return struct.unpack(">II", data[16:24])


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += [int(child) for child in file.read().split()]
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def without_messages(text):
    """Without what the library says about workers that died."""
    return re.sub(r"^.*leasepool-Message: .* is broken: The worker .* was killed by .*\n", "", text, flags=re.M)


class Thumbnailer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="thumbnailer-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.source, self.target = os.path.join(self.folder, "in"), os.path.join(self.folder, "out")
        os.mkdir(self.source)

    def put(self, name, data):
        path = os.path.join(self.source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def put_many(self, count, width=300, height=200):
        data = png(width, height)
        for n in range(count):
            self.put(f"{n % 7}/{n:04}.png", data)

    def begin(self, *options, stdout=subprocess.PIPE, **environment):
        """In a process group of its own, as from a terminal."""
        process = subprocess.Popen(
            [sys.executable, "-B", os.environ["THUMBNAILER"], self.source, self.target, "--workers", "2", *options],
            stdout=stdout, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **environment})
        self.addCleanup(process.stderr.close)
        self.addCleanup(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
        return process

    def finish(self, process):
        """What it prints from here on. communicate() would lose what a readline() before it has buffered."""
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()
        with process.stdout, process.stderr:
            output, errors = process.stdout.read(), process.stderr.read()
        process.wait()
        watchdog.cancel()
        return output, errors

    def run_it(self, *options, status=0, **environment):
        process = self.begin(*options, **environment)
        output, errors = self.finish(process)
        self.assertEqual(process.returncode, status, output + errors)
        self.assertNotIn("CRITICAL", errors)
        self.assertNotIn("Traceback", errors)
        return output, without_messages(errors)

    def made(self):
        """What is in the target, with the sizes; everything in it is a thumbnail that is whole."""
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(self.target) for name in names]
        return {os.path.relpath(path, self.target): size_of(path) for path in paths}

    def test_thumbnails_fit_and_keep_their_shape(self):
        for name, width, height in (("wide.png", 400, 100), ("high.png", 100, 400), ("small.png", 10, 20),
                                    ("a/b/deep.png", 64, 64)):
            self.put(name, png(width, height))
        self.put("as.gif", png(80, 40))
        self.put("notes.txt", b"no picture")
        os.symlink("wide.png", os.path.join(self.source, "link.png"))
        os.mkfifo(os.path.join(self.source, "pipe.png"))
        output, errors = self.run_it("--size", "32")
        self.assertEqual(self.made(), {"wide.png": (32, 8), "high.png": (8, 32), "small.png": (10, 20),
                                       "a/b/deep.png": (32, 32), "as.gif.png": (32, 16)})
        self.assertEqual(sorted(output.splitlines()), [
            "5 of 5 thumbnails", "a/b/deep.png: 32x32", "as.gif: 32x16", "high.png: 8x32", "small.png: 10x20",
            "wide.png: 32x8"])
        self.assertEqual(errors, "")

    def test_file_names_may_have_any_bytes(self):
        path = os.path.join(os.fsencode(self.source), b"\xff\x1b[31m \n.png")
        with open(path, "wb") as file:
            file.write(png(50, 50))
        output, _ = self.run_it()
        self.assertEqual(os.listdir(os.fsencode(self.target)), [b"\xff\x1b[31m \n.png"])
        self.assertNotIn("\x1b", output)

    def test_broken_pictures_are_listed_and_the_others_come_out(self):
        self.put_many(40)
        good = png(300, 200)
        self.put("truncated.png", good[:len(good) // 2])
        self.put("garbage.png", os.urandom(1000))
        self.put("empty.png", b"")
        self.put("same.jpg", good)
        self.put("same.jpg.png", good)
        self.put("folder.png/inside.png", good)
        os.chmod(self.put("secret.png", good), 0)
        # root may read it.
        is_readable = os.access(os.path.join(self.source, "secret.png"), os.R_OK)
        bad = ["empty.png", "garbage.png", "same.jpg", "truncated.png"] + ([] if is_readable else ["secret.png"])
        output, errors = self.run_it("--size", "30", status=1)
        self.assertEqual(sorted(line.split(":")[0] for line in errors.splitlines()), sorted(bad))
        made = self.made()
        self.assertEqual(set(made.values()), {(30, 20)})
        self.assertEqual(len(made), 42 + is_readable)
        self.assertIn(f"{42 + is_readable} of {47} thumbnails, {len(bad)} failed", output)

    def test_a_worker_that_is_killed_costs_nothing(self):
        self.put_many(60)
        once = os.path.join(self.folder, "once")
        with open(once, "wb"):
            pass
        output, errors = self.run_it("--jobs", "8", THUMBNAILER_TEST_ONCE=once)
        self.assertFalse(os.path.exists(once))
        lines = [line for line in output.splitlines() if "/" in line]
        self.assertEqual((len(self.made()), len(lines), len(set(lines))), (60, 60, 60))
        self.assertRegex(output, r"60 of 60 thumbnails, [1-8] tried again")
        self.assertEqual(errors, "")

    def test_workers_that_are_killed_from_outside_cost_nothing(self):
        self.put_many(60)
        process = self.begin("--jobs", "4")
        lines = [process.stdout.readline()]
        for pid in children(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        output, errors = self.finish(process)
        lines += output.splitlines()
        self.assertEqual((process.returncode, without_messages(errors), len(self.made())), (0, "", 60), output)
        self.assertEqual(len({line.strip() for line in lines if "/" in line}), 60)

    def test_pictures_that_kill_each_worker_fail_alone(self):
        self.put_many(40)
        for n in range(4):
            self.put(f"{n}/poison.png", png(100, 100))
        # The others of a batch die with it more often than a picture may.
        _, errors = self.run_it("--jobs", "44", "--workers", "1", status=1, THUMBNAILER_TEST_POISON="/poison.png")
        self.assertEqual(sorted(line.split(":")[0] for line in errors.splitlines()),
                         [f"{n}/poison.png" for n in range(4)])
        self.assertEqual([path for path in self.made() if "poison" in path], [])
        self.assertEqual(len(self.made()), 40)

    def interrupt(self, number, freeze):
        self.put_many(400, 600, 600)
        process = self.begin()
        process.stdout.readline()
        workers = children(process.pid)
        self.assertEqual(len(workers), 2)
        if freeze:
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
        os.killpg(process.pid, number)
        output, errors = self.finish(process)
        self.assertEqual(process.returncode, 128 + number, output + errors)
        self.assertNotIn("Traceback", errors)
        self.assertEqual([pid for pid in workers if is_alive(pid)], [])
        # Nothing is in the target but what is whole.
        made = self.made()
        self.assertLess(len(made), 400)
        self.assertEqual(set(made.values()), {(256, 256)})
        self.assertRegex(output.splitlines()[-1], r"^\d+ of 400 thumbnails")

    def test_ctrl_c_leaves_nothing_half_written(self):
        self.interrupt(signal.SIGINT, freeze=False)

    def test_ctrl_c_kills_workers_that_hang(self):
        self.interrupt(signal.SIGINT, freeze=True)

    def test_terminate_is_the_same(self):
        self.interrupt(signal.SIGTERM, freeze=False)

    def test_a_terminal_gets_one_line_that_changes(self):
        self.put_many(10)
        self.put("bad.png", b"")
        outer, inner = pty.openpty()
        process = self.begin(stdout=inner)
        os.close(inner)
        text = b""
        try:
            while data := os.read(outer, 4096):
                text += data
        except OSError:
            # The other end is closed.
            pass
        os.close(outer)
        self.assertEqual(process.wait(SECONDS), 1)
        self.assertIn("bad.png: ", process.stderr.read())
        states = re.findall(r"\r(\d+) of 11 thumbnails(, 1 failed)?\x1b\[K", text.decode())
        self.assertEqual(states[-1], ("10", ", 1 failed"))
        self.assertEqual(sorted({int(count) for count, _ in states} - {0}), list(range(1, 11)))
        self.assertEqual(text.count(b"\n"), 1)

    def test_nothing_to_do(self):
        self.assertEqual(self.run_it(), ("0 of 0 thumbnails\n", ""))

    def test_a_target_within_the_source_is_no_source(self):
        self.put_many(5)
        self.target = os.path.join(self.source, "thumbs")
        for _ in range(2):
            self.run_it()
            self.assertEqual(len(self.made()), 5)

    def test_wrong_arguments(self):
        self.put_many(1)
        for option, value in (("--size", "0"), ("--workers", "x"), ("--worker", "/no/such")):
            _, errors = self.run_it(option, value, status=2)
            self.assertIn(value if "/" in value else option, errors)


if __name__ == "__main__":
    tap.main(580)
