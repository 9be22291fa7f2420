# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Programs whose own functions run in workers: how they are found, and how such a program ends."""

import os
import signal
import subprocess
import sys
import zipfile

from proccase import SECONDS, Case

# What the programs begin with; a worker reads it, too.
BEGIN = """
import asyncio, os, sys
import gi
gi.require_version("Lp", "1")
from gi.repository import Lp

def manager(**keywords):
    return Lp.Manager(backend="process", max_pools=1, workers_per_pool=1, start_timeout_seconds=120, **keywords)

class Odd(Exception):
    pass

class Point:
    def __init__(self, x):
        self.x = x

def double(point):
    if point.x < 0:
        raise Odd(point.x)
    return Point(2 * point.x)

async def main():
    async with manager() as workers:
        point = await workers.run(double, Point(21))
        print(type(point) is Point, point.x)
        try:
            await workers.run(double, Point(-1))
        except Odd as error:
            print("odd", error)
"""
OUTPUT = "True 42\nodd -1\n"
GUARDED = BEGIN + """
if __name__ == "__main__":
    asyncio.run(main())
"""
UNGUARDED = BEGIN + """
print("read as", __name__)
asyncio.run(main())
"""


class Main(Case):
    def test_of_a_script(self):
        path = self.write(self.folder(), "a program.py", GUARDED)
        self.assertEqual(self.succeed_python(path).stdout, OUTPUT)

    def test_of_a_script_without_an_ending(self):
        path = self.write(self.folder(), "program", GUARDED)
        self.assertEqual(self.succeed_python(path).stdout, OUTPUT)

    def test_of_a_script_with_a_relative_name(self):
        folder = self.folder()
        self.write(folder, "program.py", GUARDED.replace("manager() as", 'manager(worker_directory="/") as'))
        self.assertEqual(self.succeed_python("program.py", cwd=folder).stdout, OUTPUT)

    def test_of_a_module(self):
        folder = self.folder()
        self.write(folder, "package/__init__.py", "")
        self.write(folder, "package/sub.py", "from . import other\n" + GUARDED)
        self.write(folder, "package/other.py", "")
        self.assertEqual(self.succeed_python("-m", "package.sub", path=folder).stdout, OUTPUT)

    def test_of_a_package(self):
        """Which is read when a function of it is called: here nothing keeps it from running then."""
        folder = self.folder()
        self.write(folder, "package/__init__.py", "")
        self.write(folder, "package/__main__.py", GUARDED)
        self.assertEqual(self.succeed_python("-m", "package", path=folder).stdout, OUTPUT)

    def test_of_a_package_is_read_late(self):
        folder = self.folder()
        self.write(folder, "package/__init__.py", "")
        self.write(folder, "package/functions.py", "def triple(x):\n    return 3 * x\n")
        self.write(folder, "package/__main__.py", BEGIN + """
from .functions import triple

async def work():
    async with manager() as workers:
        print(await workers.run(triple, 2))

print("read as", __name__)
asyncio.run(work())
""")
        self.assertEqual(self.succeed_python("-m", "package", path=folder).stdout, "read as __main__\n6\n")

    def test_of_a_folder(self):
        folder = self.folder()
        self.write(folder, "program/__main__.py", GUARDED)
        self.assertEqual(self.succeed_python(os.path.join(folder, "program")).stdout, OUTPUT)

    def test_of_an_archive(self):
        path = os.path.join(self.folder(), "program.zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("__main__.py", GUARDED)
        self.assertEqual(self.succeed_python(path).stdout, OUTPUT)

    def test_without_a_guard_is_refused_in_the_worker(self):
        done = self.run_python(self.write(self.folder(), "program.py", UNGUARDED))
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "read as __main__\n")
        self.assertRegex(done.stderr, r"LeasePoolError: .*The program cannot be read in the worker: RuntimeError"
                                      r'.*if __name__ == "__main__":')

    def test_that_raises_in_the_worker(self):
        text = GUARDED + "\nif __name__ != '__main__':\n    raise Odd('in the worker')\n"
        done = self.run_python(self.write(self.folder(), "program.py", text))
        self.assertRegex(done.stderr, "LeasePoolError: .*cannot be read in the worker: Odd: in the worker")

    def test_path_that_the_program_made(self):
        folder = self.folder()
        self.write(folder, "more/added.py", "def triple(x):\n    return 3 * x\n")
        path = self.write(folder, "program.py", BEGIN + """
async def work():
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "more"))
    import added
    async with manager() as workers:
        print(await workers.run(added.triple, 2))

if __name__ == "__main__":
    asyncio.run(work())
""")
        self.assertEqual(self.succeed_python(path).stdout, "6\n")

    def test_in_isolated_mode(self):
        path = self.write(self.folder(), "program.py",
                          f"import sys\nsys.path += {os.environ['PYTHONPATH'].split(os.pathsep)}\n" + GUARDED)
        self.assertEqual(self.succeed_python("-I", path).stdout, OUTPUT)


class NoMain(Case):
    """There is no file that a worker could read."""

    WORK = BEGIN + """
async def work():
    async with manager() as workers:
        print(await workers.run(len, "abc"))
        for call in ((double, Point(1)), (len, Point), (str, Point(1))):
            try:
                await workers.run(*call)
            except TypeError as error:
                print(error)

asyncio.run(work())
"""

    def check(self, done):
        number, *refusals = done.stdout.splitlines()
        self.assertEqual((number, len(refusals)), ("3", 3), done.stdout)
        self.assertIn("function “double” cannot be sent", refusals[0])
        self.assertIn("argument 1 of “len” cannot be sent", refusals[1])
        self.assertIn("argument 1 of “str” cannot be sent", refusals[2])
        for refusal in refusals:
            self.assertIn("put them into a module", refusal)

    def test_of_a_command(self):
        self.check(self.succeed_python("-c", self.WORK))

    def test_of_standard_input(self):
        self.check(self.succeed_python("-", text=self.WORK))


class Nested(Case):
    def test_function_of_a_worker_has_workers_of_its_own(self):
        path = self.write(self.folder(), "program.py", BEGIN + """
def outer(x):
    async def work():
        async with manager() as workers:
            return await workers.run(double, Point(x))
    return asyncio.run(work())

async def work():
    async with manager() as workers:
        print((await workers.run(outer, 3)).x)

if __name__ == "__main__":
    asyncio.run(work())
""")
        self.assertEqual(self.succeed_python(path).stdout, "6\n")


class Ends(Case):
    def test_no_process_is_left_after_a_stop(self):
        path = self.write(self.folder(), "program.py", BEGIN + """
def get_pid():
    return os.getpid()

async def work():
    async with manager(max_jobs_per_worker=1) as workers:
        pids = [await workers.run(get_pid) for _ in range(3)]
    print([pid for pid in pids if os.path.exists(f"/proc/{pid}")])
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no child")

if __name__ == "__main__":
    asyncio.run(work())
""")
        self.assertEqual(self.succeed_python(path).stdout, "[]\nno child\n")

    async def test_interrupt_from_the_terminal_is_for_the_program(self):
        folder = self.folder()
        mark = os.path.join(folder, "mark")
        path = self.write(folder, "program.py", BEGIN + """
import functions

async def work():
    async with manager(cancel_grace_seconds=0.1) as workers:
        await workers.run(functions.touch_and_wait, sys.argv[1])

if __name__ == "__main__":
    try:
        asyncio.run(work())
    except KeyboardInterrupt:
        print("interrupted")
""")
        # As a shell does it: a process group of its own, which is that of the terminal.
        with subprocess.Popen([sys.executable, "-B", path, mark], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              process_group=0, env={**os.environ, "G_DEBUG": ""}) as program:
            await self.wait_for(lambda: os.path.exists(mark) and os.path.getsize(mark))
            os.killpg(program.pid, signal.SIGINT)
            output, errors = program.communicate(timeout=SECONDS)
        self.assertEqual((program.returncode, output, errors), (0, "interrupted\n", ""))
        with open(mark, encoding="utf-8") as file:
            worker = file.read()
        await self.wait_for(lambda: not os.path.exists(f"/proc/{worker}"))
