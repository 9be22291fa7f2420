# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The interpreter ends while managers run: at once, and without an error."""

import os

import lpcase
import pytest

ENDS = {
    "idle": "pass",
    "leased": "lease = await manager.acquire()",
    "waiting": """lease = await manager.acquire(); task = asyncio.ensure_future(manager.acquire())
    while manager.waiting_count == 0: await asyncio.sleep(0)""",
    "job that sleeps": "started = threading.Event(); asyncio.ensure_future(manager.run("
                       "lambda: (started.set(), time.sleep(1000)))); await asyncio.to_thread(started.wait)",
    "job that computes": "started = threading.Event(); asyncio.ensure_future(manager.run("
                         "lambda: (started.set(), any(False for _ in iter(lambda: 0, 1))))); "
                         "await asyncio.to_thread(started.wait)",
    "futures": "lease = await manager.acquire(); futures = [lease.submit(time.sleep, 1000) for _ in range(20)]",
}

PROGRAM = """
manager = Lp.Manager(max_pools=1, size_provider=lambda: 5, initializer=int, %s)

async def main():
    await manager.start()
    %s
    globals().update(locals())

%s
print("end", flush=True)
"""

RUNNERS = {
    "asyncio": "asyncio.run(main())",
    "never closed": "loop = asyncio.new_event_loop(); loop.run_until_complete(main())",
}
if lpcase.HAVE_GBULB:
    RUNNERS["gbulb"] = "import gbulb; gbulb.install(); asyncio.get_event_loop().run_until_complete(main())"


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("what", ENDS)
def test_exit_with_a_running_manager(what, runner):
    assert lpcase.run_program(PROGRAM % ("", ENDS[what], RUNNERS[runner])) == "end\n"


@pytest.mark.parametrize("runner", RUNNERS)
def test_exit_with_worker_processes(runner):
    program = PROGRAM.replace("initializer=int, ", "") % (
        "backend='process', workers_per_pool=1", "print(os.getpid(), flush=True)", RUNNERS[runner])
    assert lpcase.run_program(program).endswith("end\n")


def test_exit_of_a_manager_without_a_loop():
    assert lpcase.run_program("""
manager = Lp.Manager(max_pools=1)
manager.start_sync()
lease = manager.acquire_sync()
lease.submit(time.sleep, 1000)
print("end")
""") == "end\n"


def test_exit_of_a_manager_of_another_thread():
    assert lpcase.run_program("""
manager = Lp.Manager(max_pools=1)
started = threading.Event()

def run():
    context = GLib.MainContext()
    context.push_thread_default()
    manager.start_sync()
    started.set()
    while True:
        context.iteration(True)

threading.Thread(target=run, daemon=True).start()
started.wait()
print("end")
""") == "end\n"


def test_exit_does_not_wait_twice_for_a_helper_that_is_stuck():
    assert lpcase.run_program("""
from gi.overrides.Lp import _exit, _helper
manager = Lp.Manager(max_pools=1)
asyncio.run(manager.start())
helper = _helper.get()
helper.post(lambda: time.sleep(1000))
_exit.SECONDS = 0.2
end = helper.end
helper.end = lambda seconds: (print(seconds == _exit.LEAST_SECONDS), end(seconds))
""") == "True\n"


def test_exit_with_an_exception():
    lpcase.run_program("""
async def main():
    await Lp.Manager(max_pools=1).start()
    raise SystemExit(3)

asyncio.run(main())
""", returncode=3)


def test_import_alone_starts_no_thread():
    assert lpcase.run_program("""
Lp.Manager
print(threading.active_count(), len(os.listdir("/proc/self/task")))
""") == "1 1\n"


def test_without_ctypes(tmp_path):
    """As where Python was built without libffi."""
    (tmp_path / "ctypes.py").write_text("raise ImportError")
    assert lpcase.run_program("""
async def main():
    async with Lp.Manager(max_pools=1) as manager, await manager.acquire() as lease:
        print(await lease.run(divmod, 17, 5), await asyncio.wrap_future(lease.submit(pow, 2, 10)))

asyncio.run(main())
""", env={"PYTHONPATH": f"{tmp_path}:{os.environ['PYTHONPATH']}"}) == "(3, 2) 1024\n"


def test_the_first_job_while_a_class_is_made():
    """GObject has a lock for that, and the class asks Python meanwhile."""
    assert lpcase.run_program("""
from gi.repository import GObject

class Slow:
    @property
    def __gtype__(self):
        inside.set()
        ran.wait(3)
        return GObject.TYPE_INT

def make():
    class Thing(GObject.Object):
        __gsignals__ = {"thing": (GObject.SignalFlags.RUN_LAST, None, (Slow(),))}

async def main():
    async with Lp.Manager(max_pools=1) as manager, await manager.acquire() as lease:
        maker = threading.Thread(target=make)
        maker.start()
        inside.wait()
        print(await lease.run(divmod, 17, 5))
        ran.set()
        maker.join()

inside, ran = threading.Event(), threading.Event()
asyncio.run(main())
""") == "(3, 2)\n"


def test_forked_child_touches_nothing():
    # GLib has no handlers of forks: a child hangs if another thread was inside its allocator, or had one of its locks. So
    # there is another allocator, and all other threads sleep.
    assert lpcase.run_program("""
import threading, time

def others_sleep():
    own = threading.get_native_id()
    states = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/stat") as file:
                states.append((int(task), file.read().rpartition(")")[2].split()[0]))
        except OSError:
            pass  # it ended meanwhile
    return all(state == "S" or task == own for task, state in states)

def wait_until_others_sleep():
    seen = 0
    while seen < 20:
        seen = seen + 1 if others_sleep() else 0
        time.sleep(0.01)

manager = Lp.Manager(max_pools=1)

async def main():
    await manager.start()
    await manager.run(int)

asyncio.run(main())
wait_until_others_sleep()
pid = os.fork()
if pid == 0:
    try:
        asyncio.run(manager.run(int))
    except Lp.LeasePoolNotStartedError:
        sys.exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status, asyncio.run(manager.run(int)))
""", env={"G_SLICE": "always-malloc"}) == "7 0\n"


def test_late_calls_are_refused():
    """Functions that atexit calls after the overrides have stopped."""
    assert lpcase.run_program("""
import atexit
manager = Lp.Manager(max_pools=1)
asyncio.run(manager.start())
# Registered first, called last.
atexit._clear()
from gi.overrides.Lp import _exit

def late():
    try:
        asyncio.run(manager.acquire())
    except RuntimeError as error:
        print("interpreter" in str(error) or type(error).__name__)

atexit.register(late)
atexit.register(_exit.stop_all)
""").strip() in ("True", "LeasePoolNotStartedError")


def test_the_library_says_nothing_about_what_is_dropped_late():
    for _ in range(5):
        lpcase.run_program("""
async def main():
    async with Lp.Manager(max_pools=1) as manager:
        try:
            await manager.run(int, "x")
        except ValueError:
            pass
    try:
        await Lp.Manager(max_pools=1, initializer=int, initargs=("x",)).start()
    except Lp.LeasePoolError:
        pass
asyncio.run(main())
""")
