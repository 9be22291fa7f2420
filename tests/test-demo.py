#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The checksum demos in C, Python and JavaScript, and the short examples.

LP_CHECKSUM_PROGRAM     the C demo; its worker, the function module and the C example are in its directory
LP_WORKER_PROGRAM       leasepool-worker
LP_CHECKSUM_LANGUAGES   the languages to test, "c python gjs" by default

The libraries' paths (LD_LIBRARY_PATH, GI_TYPELIB_PATH) are the caller's. This runs under a python3 that has gi.
"""

import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = TOP / "docs" / "examples"
PROGRAM = pathlib.Path(os.environ["LP_CHECKSUM_PROGRAM"]).resolve()
LANGUAGES = os.environ.get("LP_CHECKSUM_LANGUAGES", "c python gjs").split()
ENVIRONMENT = {**os.environ, "LP_MODULE_PATH": str(PROGRAM.parent), "LC_ALL": "C.UTF-8"}
COMMANDS = {
    "c": [PROGRAM],
    "python": [sys.executable, EXAMPLES / "checksum" / "checksum.py"],
    "gjs": ["gjs", "-m", EXAMPLES / "checksum" / "checksum.js"],
}
# What runs the function: threads, processes with the function module, processes with a program of the demo's own.
BACKENDS = {"threads": [], "processes": ["--backend=process"], "own": ["--worker=own"]}
PREFIXES = {"c": "lp-checksum", "python": "checksum.py", "gjs": "checksum.js"}
DEADLINE = 60

PROGRESS = re.compile(r"(\d+) files  \d+\.\d MB  \d+\.\d MB/s  \d+ leases  \d+ waiters  (\d+) errors(  \(\d+ of \d+ MB\))?")
SUMMARY = re.compile(r"(?P<files>\d+) files, \d+\.\d MB in \d+\.\d\d s: \d+\.\d MB/s, "
                     r"(?P<renewals>\d+) renewals, (?P<errors>\d+) errors")
ODD_NAMES = [b"plain", b" leading", b"trailing ", b"back\\slash", b"\\first", b"new\nline", b"car\rriage", b"end\r",
             b"tab\there", b"percent%41", b"question?", b"not\xffutf8", b"quote'\"", "höflich".encode(), b"-dash",
             b"*star", b"#hash", b"esc\x1b[31m"]


def fill(top):
    """Makes a tree with everything that a walker or an output format trips over."""
    for number, name in enumerate(ODD_NAMES):
        (pathlib.Path(os.fsdecode(os.path.join(os.fsencode(top), name)))).write_bytes(name * number)
    (top / "empty").touch()
    (top / "empty-directory").mkdir()
    deep = top
    for level in range(40):
        deep = deep / f"level {level}\n"
        deep.mkdir()
    (deep / "bottom").write_bytes(b"b" * 300_000)
    (deep / "loop").symlink_to(top)
    (top / "self").symlink_to("self")
    (top / "link").symlink_to("plain")
    (top / "dangling").symlink_to("nothing")
    os.mkfifo(top / "fifo")
    many = top / "many"
    many.mkdir()
    for number in range(600):
        (many / str(number)).write_text(str(number))


def sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


class Tree(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="lp-demo-")
        self.addCleanup(directory.cleanup)
        self.top = pathlib.Path(directory.name)


class Demo(Tree):
    language = None
    backend = "threads"

    def command(self, *arguments):
        return [os.fspath(part) for part in (*COMMANDS[self.language], *BACKENDS[self.backend], *arguments)]

    def run_demo(self, *arguments, status=0, **options):
        result = subprocess.run(self.command(*arguments), capture_output=True, env=ENVIRONMENT, timeout=DEADLINE,
                                stdin=subprocess.DEVNULL, **options)
        result.text = result.stderr.decode("utf-8", "replace")
        self.assertEqual(result.returncode, status, result.text)
        return result

    def assert_message(self, result, *parts):
        lines = [line for line in result.text.splitlines() if line.startswith(PREFIXES[self.language] + ": ")]
        self.assertTrue(any(all(part in line for part in parts) for line in lines), (parts, result.text))

    def summary(self, result):
        matches = [match for match in map(SUMMARY.fullmatch, result.text.splitlines()) if match]
        self.assertEqual(len(matches), 1, result.text)
        return {key: int(value) for key, value in matches[0].groupdict().items()}

    def stats(self, result):
        """The two tables that follow the summary, with their alignment checked."""
        counts, times = result.text.split(" errors\n\n", 1)[1].split("\n\n")
        for table in (counts.splitlines(), times.splitlines()):
            self.assertEqual({len(row) for row in table}, {len(table[0])}, result.text)
        self.assertEqual(times.split()[:7], ["milliseconds", "count", "mean", "p50", "p95", "p99", "max"])
        rows = dict(row.split() for row in counts.splitlines())
        return rows, {row.split()[0]: row.split()[1:] for row in times.splitlines()[1:]}

    # Sums

    def test_sums_are_those_of_sha256sum(self):
        fill(self.top)
        result = self.run_demo("--sums", ".", cwd=self.top)
        files = subprocess.run(["find", ".", "-type", "f", "-print0"], cwd=self.top, capture_output=True, check=True)
        expected = subprocess.run(["xargs", "-0", "sha256sum", "--"], input=files.stdout, cwd=self.top,
                                  capture_output=True, check=True).stdout
        self.assertEqual(sorted(result.stdout.splitlines(True)), sorted(expected.splitlines(True)))
        # Nobody complains, no worker either.
        for line in result.text.split(" errors\n\n")[0].splitlines()[:-1]:
            self.assertRegex(line, PROGRESS)
        self.assertEqual(self.summary(result), {"files": expected.count(b"\n"), "errors": 0,
                                                "renewals": self.summary(result)["renewals"]})

    def test_sha256sum_accepts_every_sum(self):
        fill(self.top)
        result = self.run_demo("--sums", "--pools=3", "--workers=2", "--owners=7", f"{self.top}/")
        check = subprocess.run(["sha256sum", "--check", "--strict"], input=result.stdout, capture_output=True)
        self.assertEqual((check.returncode, check.stderr), (0, b""))
        self.assertEqual(check.stdout.count(b": OK\n"), self.summary(result)["files"])

    def test_no_sums_unless_asked_for(self):
        fill(self.top)
        self.assertEqual(self.run_demo(self.top).stdout, b"")

    def test_paths_are_printed_as_they_were_given(self):
        (self.top / "a").mkdir()
        (self.top / "a" / "b").touch()
        for given, printed in (("a", b"a/b"), ("a/", b"a/b"), ("./a", b"./a/b"), ("a/b", b"a/b")):
            result = self.run_demo("--sums", given, cwd=self.top)
            self.assertEqual(result.stdout.split(b"  ", 1)[1], printed + b"\n")

    def test_sums_that_cannot_be_written(self):
        (self.top / "file").touch()
        with open("/dev/full", "wb") as full:
            process = subprocess.run(self.command("--sums", self.top), stdout=full, stderr=subprocess.PIPE,
                                     env=ENVIRONMENT, timeout=DEADLINE)
        self.assertEqual(process.returncode, 1)
        self.assertIn(b"Cannot write the sums", process.stderr)

    # Failures: reported, counted, and the others are done

    def test_missing_path(self):
        (self.top / "file").touch()
        result = self.run_demo("--sums", "missing", "file", status=1, cwd=self.top)
        self.assert_message(result, "missing: No such file or directory")
        self.assertEqual(result.stdout.count(b"\n"), 1)
        self.assertEqual(self.summary(result)["errors"], 1)

    def test_unreadable_file_and_directory(self):
        # Root can read everything, so that root does this as somebody else.
        options = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if subprocess.run(["test", "-x", PROGRAM, "-a", "-r", EXAMPLES / "hello.py"], **options).returncode != 0:
            self.skipTest("the user nobody cannot run the program")
        fill(self.top)
        self.top.chmod(0o755)
        (self.top / "plain").chmod(0)
        (self.top / "many").chmod(0)
        self.addCleanup((self.top / "many").chmod, 0o700)
        result = self.run_demo(self.top, status=1, **options)
        self.assert_message(result, f"{self.top}/plain", "Permission denied")
        self.assert_message(result, f"{self.top}/many", "Permission denied")
        self.assertEqual(self.summary(result)["errors"], 2)

    def test_file_that_fails_while_it_is_read(self):
        (self.top / "file").touch()
        result = self.run_demo("/proc/self/mem", self.top, status=1)
        self.assert_message(result, "/proc/self/mem: Input/output error")
        self.assertEqual(self.summary(result)["files"], 1)

    def test_links_and_pipes_are_refused_by_name(self):
        fill(self.top)
        for name in ("link", "fifo", "self"):
            result = self.run_demo(self.top / name, status=1)
            self.assert_message(result, f"{self.top}/{name}", "links are not followed")

    def test_messages_are_one_line_without_control_characters(self):
        result = self.run_demo(self.top / "new\nline\x1b[31m", status=1)
        self.assertNotIn("\x1b", result.text)
        self.assert_message(result, "new?line?[31m", "No such file or directory")

    def test_file_that_takes_too_long(self):
        result = self.run_demo("--timeout=0.2", sparse(self.top / "huge", 1 << 40), status=1)
        self.assert_message(result, f"{self.top}/huge: ")
        rows, _ = self.stats(result)
        self.assertEqual((rows["jobs_failed"], rows["jobs_succeeded"]), ("1", "0"))

    def test_waiting_too_long_for_a_lease(self):
        # One worker runs the second file when the waiters' time is up; the waiters are told who holds the lease.
        for name in ("huge", "second"):
            sparse(self.top / name, 1 << 40)
        result = self.run_demo("--timeout=0.5", "--pools=1", "--workers=1", "--owners=3", self.top, status=1)
        self.assert_message(result, "reader-1")
        self.assertEqual(self.summary(result)["errors"], 4)
        self.assertEqual(self.stats(result)[0]["timed_out"], "2")

    def test_wrong_options(self):
        for option in ("--pools=0", "--workers=-1", "--owners=x", "--lease-seconds=0", "--timeout=nan", "--limit-mb=-5",
                       "--nonsense"):
            result = self.run_demo(option, self.top, status=2)
            self.assertIn(PREFIXES[self.language] + ": ", result.text)

    def test_wrong_words(self):
        for option, *words in (("backend", "thread", "process"), ("worker", "module", "own")):
            for value in ("fiber", "", "Thread"):
                result = self.run_demo(f"--{option}={value}", self.top, status=2)
                self.assert_message(result, f"--{option}", *words)
        self.assert_message(self.run_demo("--backend=thread", "--worker=own", self.top, status=2),
                            "--worker=own needs --backend=process")

    def test_help(self):
        text = self.run_demo("--help").stdout.decode()
        for option in ("backend", "worker", "pools", "workers", "owners", "lease-seconds", "timeout", "limit-mb", "sums"):
            self.assertIn(f"--{option}", text)

    # Progress, leases, statistics

    def test_plain_lines_when_not_on_a_terminal(self):
        fill(self.top)
        result = self.run_demo(self.top)
        self.assertNotRegex(result.text, "[\r\x1b]")
        lines = [match for match in map(PROGRESS.fullmatch, result.text.splitlines()) if match]
        self.assertEqual(int(lines[-1][1]), self.summary(result)["files"])

    def test_a_line_every_second_or_so(self):
        result = self.run_demo("--timeout=2.5", sparse(self.top / "huge", 1 << 40), status=1)
        lines = [match for match in map(PROGRESS.fullmatch, result.text.splitlines()) if match]
        self.assertGreaterEqual(len(lines), 2)
        self.assertTrue(any(line[3] for line in lines), result.text)

    def test_one_line_is_redrawn_on_a_terminal(self):
        sparse(self.top / "big", 120_000_000)
        status, text = self.run_on_terminal(self.top)
        self.assertEqual(status, 0, text)
        drawn = text.split("\r\n", 1)[0]
        frames = [frame for frame in re.split("\r(?:\x1b\\[K)?|\x1b\\[K", drawn) if frame]
        self.assertGreaterEqual(len(frames), 2, drawn)
        for frame in frames:
            self.assertRegex(frame, PROGRESS)

    def run_on_terminal(self, *arguments):
        leader, follower = pty.openpty()
        with subprocess.Popen(self.command(*arguments), stdin=follower, stdout=subprocess.PIPE, stderr=follower,
                              env=ENVIRONMENT) as process:
            os.close(follower)
            chunks = []
            try:
                while chunk := os.read(leader, 65536):
                    chunks.append(chunk)
            except OSError:
                pass  # this is how the end looks
            os.close(leader)
            return process.wait(DEADLINE), b"".join(chunks).decode()

    def test_statistics_are_an_aligned_table(self):
        fill(self.top)
        result = self.run_demo("--pools=1", "--owners=5", "--lease-seconds=5", self.top)
        rows, times = self.stats(result)
        self.assertEqual(rows["backend"], "thread" if self.backend == "threads" else "process")
        self.assertEqual(int(rows["jobs_succeeded"]), self.summary(result)["files"])
        self.assertEqual(rows["acquired"], rows["released"])
        self.assertGreaterEqual(int(rows["acquired"]), 5)
        self.assertEqual(rows["executors_created"], "1")
        self.assertEqual((rows["leased"], rows["waiting"], rows["revoked"]), ("0", "0", "0"))
        self.assertEqual(times["run_time"][0], rows["jobs_succeeded"])

    def test_leases_of_big_files_are_renewed(self):
        sparse(self.top / "big", 250_000_000)
        result = self.run_demo("--lease-seconds=0.1", "--sums", self.top)
        self.assertGreaterEqual(self.summary(result)["renewals"], 1)
        self.assertIn("1 files, 250.0 MB in ", result.text)
        expected = subprocess.run(["sha256sum", self.top / "big"], capture_output=True, check=True).stdout
        self.assertEqual(result.stdout, expected)

    def test_limit(self):
        for number in range(5):
            sparse(self.top / str(number), 2_000_000)
        result = self.run_demo("--limit-mb=3", self.top)
        self.assertEqual(self.summary(result)["files"], 1)
        self.assertIn("stopped collecting at 3 MB", result.text)
        result = self.run_demo("--limit-mb=10", self.top)
        self.assertEqual(self.summary(result)["files"], 5)
        self.assertNotIn("stopped collecting", result.text)

    def test_nothing_to_do(self):
        self.assertEqual(self.summary(self.run_demo(self.top)), {"files": 0, "errors": 0, "renewals": 0})

    def test_signals_cancel_what_runs(self):
        for number in range(6):
            sparse(self.top / str(number), 1 << 40)
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen(self.command(self.top), stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
                self.assertRegex(process.stderr.readline().decode(), PROGRESS)
                process.send_signal(number)
                text = process.communicate(timeout=DEADLINE)[1].decode()
                self.assertEqual(process.returncode, 128 + number, text)
                self.assertNotIn(PREFIXES[self.language] + ": ", text)

    def test_missing_module(self):
        result = subprocess.run(self.command(self.top), capture_output=True, timeout=DEADLINE,
                                env={**ENVIRONMENT, "LP_MODULE_PATH": str(self.top)})
        self.assertEqual(result.returncode, 1)
        self.assertIn(str(self.top).encode(), result.stderr)


class Processes(Demo):
    """What is different when the function runs in worker processes; the rest is the same code."""

    CASES = ("test_sums_are_those_of_sha256sum", "test_sha256sum_accepts_every_sum", "test_missing_path",
             "test_unreadable_file_and_directory", "test_file_that_fails_while_it_is_read",
             "test_file_that_takes_too_long", "test_waiting_too_long_for_a_lease", "test_a_line_every_second_or_so",
             "test_one_line_is_redrawn_on_a_terminal", "test_statistics_are_an_aligned_table",
             "test_leases_of_big_files_are_renewed", "test_signals_cancel_what_runs")
    MODULE_CASES = ("test_missing_module", "test_worker_program_that_cannot_be_started")

    def test_worker_program_that_cannot_be_started(self):
        missing = str(self.top / "missing")
        result = subprocess.run(self.command(self.top), capture_output=True, timeout=DEADLINE,
                                env={**ENVIRONMENT, "LP_WORKER_PROGRAM": missing})
        self.assertEqual(result.returncode, 1)
        self.assertIn(missing.encode(), result.stderr)


class SpeedUp(unittest.TestCase):
    """That the figures are there. What they are depends on what else the computer does."""

    def assert_figures(self, language):
        result = subprocess.run([os.fspath(part) for part in (*COMMANDS[language], "--speed-up")], capture_output=True,
                                text=True, env=ENVIRONMENT, timeout=2 * DEADLINE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        match = re.fullmatch(r"\d+ times count_primes \(\d+\) in \w+, (\d+) CPUs \(load before: \d+\.\d\), "
                             r"medians of 3 runs:\n  1 worker process    (\d+\.\d{3}) s\n"
                             r"  2 worker processes  (\d+\.\d{3}) s\n  (\d+\.\d\d) times as fast\n", result.stdout)
        self.assertIsNotNone(match, result.stdout)
        self.assertEqual(int(match[1]), len(os.sched_getaffinity(0)))
        one, two, ratio = map(float, match.groups()[1:])
        self.assertGreater(min(one, two), 0)
        self.assertAlmostEqual(one / two, ratio, delta=0.02 + 0.01 * ratio)

    @unittest.skipUnless("python" in LANGUAGES, "not asked for")
    def test_python(self):
        self.assert_figures("python")

    @unittest.skipUnless("gjs" in LANGUAGES, "not asked for")
    def test_gjs(self):
        self.assert_figures("gjs")


@unittest.skipUnless("python" in LANGUAGES, "not asked for")
class StartCost(unittest.TestCase):
    def run_program(self, *arguments):
        return subprocess.run([sys.executable, EXAMPLES / "start-cost.py", *arguments], capture_output=True, text=True,
                              env=ENVIRONMENT, timeout=2 * DEADLINE)

    def assert_figures(self, *arguments, lines):
        result = self.run_program(*arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(len(result.stdout.splitlines()), lines)
        for line in result.stdout.splitlines():
            self.assertRegex(line, r"\A\S.* +[\d.]+ ms   \(best [\d.]+, median of 15\)\Z")

    def test_all(self):
        self.assert_figures(lines=4)

    def test_program_of_the_caller(self):
        self.assert_figures(os.environ["LP_WORKER_PROGRAM"], lines=1)

    def test_program_that_is_no_worker(self):
        result = self.run_program("true")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("before it said hello", result.stderr)


class Examples(unittest.TestCase):
    def run_example(self, *command):
        result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=DEADLINE)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"\AHello from a .+\n\Z")

    @unittest.skipUnless("c" in LANGUAGES, "not asked for")
    def test_c(self):
        self.run_example(PROGRAM.parent / "lp-hello")

    @unittest.skipUnless("python" in LANGUAGES, "not asked for")
    def test_python(self):
        self.run_example(sys.executable, EXAMPLES / "hello.py")

    @unittest.skipUnless("gjs" in LANGUAGES, "not asked for")
    def test_gjs(self):
        self.run_example("gjs", "-m", EXAMPLES / "hello.js")


class Script(unittest.TestCase):
    def test_unknown_language(self):
        result = subprocess.run([TOP / "docs" / "demo", "--lang=cobol"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn("c, python or gjs", result.stderr)


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for language in LANGUAGES:
        case = type(f"Demo_{language}", (Demo,), {"language": language})
        suite.addTests(loader.loadTestsFromTestCase(case))
        for backend in ("processes", "own"):
            case = type(f"Demo_{language}_{backend}", (Processes,), {"language": language, "backend": backend})
            suite.addTests(map(case, Processes.CASES + (() if backend == "own" else Processes.MODULE_CASES)))
    for case in (SpeedUp, StartCost, Examples, Script):
        suite.addTests(loader.loadTestsFromTestCase(case))
    return suite


if __name__ == "__main__":
    if "gjs" in LANGUAGES and not shutil.which("gjs"):
        sys.exit("gjs is missing: install it, or leave it out of LP_CHECKSUM_LANGUAGES")
    unittest.main(verbosity=2)
