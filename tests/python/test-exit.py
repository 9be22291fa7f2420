# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The interpreter ends while managers run: it neither hangs nor crashes, whatever they do."""

import lptest

RUNNING = """
manager = Lp.Manager.new("thread", 2)
manager.start()
"""


class Exit(lptest.TestCase):
    def assert_ends(self, source, returncode=0, stdout="end\n"):
        program = self.run_program(source + "\nprint('end', flush=True)\n")
        self.assertEqual((program.returncode, program.stdout), (returncode, stdout), program.stderr)
        self.assertNotIn("CRITICAL", program.stderr)
        self.assertNotIn("Fatal Python error", program.stderr)
        return program

    def test_idle_manager(self):
        self.assert_ends(RUNNING)

    def test_manager_that_never_started(self):
        self.assert_ends("manager = Lp.Manager.new('thread', 2)")

    def test_lease_that_is_held(self):
        self.assert_ends(RUNNING + "lease = manager.acquire()")

    def test_everything_dropped_before(self):
        self.assert_ends(RUNNING + "lease = manager.acquire()\ndel lease\ndel manager\ngc.collect()")

    def test_job_that_runs_in_python(self):
        self.assert_ends(RUNNING + """
lease = manager.acquire()
started = threading.Event()

def work(*_):
    started.set()
    while True:
        pass

job = Lp.Job.new_for_func(work)
lease.submit(job)
started.wait()
""")

    def test_job_that_is_stuck_in_a_call(self):
        self.assert_ends(RUNNING + """
lease = manager.acquire()
started = threading.Event()
never = threading.Event()
job = Lp.Job.new_for_func(lambda *_: (started.set(), never.wait()) and None)
lease.submit(job)
started.wait()
""")

    def test_job_that_runs_in_c(self):
        self.assert_ends("""
manager = Lp.Manager(backend="thread", max_pools=1, function_module=FUNCTIONS_MODULE)
manager.start()
lease = manager.acquire()
job = Lp.Job.new_for_call("hold", value("for ever"))
lease.submit(job)
""")

    def test_many_jobs_queued(self):
        self.assert_ends(RUNNING + """
lease = manager.acquire()
for n in range(200):
    lease.submit(Lp.Job.new_for_func(lambda *_: value("x")))
""")

    def test_command_that_runs(self):
        self.assert_ends(RUNNING + """
lease = manager.acquire()
job = Lp.Job.new_for_command(["sleep", "1"], None)
lease.submit(job)
""")

    def test_asynchronous_calls_in_flight(self):
        self.assert_ends(RUNNING + """
leases = [manager.acquire(), manager.acquire()]
job = Lp.Job.new_for_func(until_cancelled)
leases[0].submit_async(job, None, lambda *_: print("too late"))
manager.acquire_async(None, None, lambda *_: print("too late"))
manager.stop_async(Lp.StopMode.DRAIN, -1, None, lambda *_: print("too late"))
""")

    def test_thread_blocked_in_acquire(self):
        self.assert_ends(RUNNING + """
leases = [manager.acquire(), manager.acquire()]
thread = threading.Thread(target=manager.acquire, daemon=True)
thread.start()
while not manager.props.waiting_count:
    pass
""")

    def test_size_provider_and_signal_handlers(self):
        self.assert_ends("""
manager = Lp.Manager(backend="thread", max_pools=2, check_interval=0.001)
manager.set_size_provider(lambda manager: 5)
manager.connect("lease-acquired", lambda *_: None)
manager.connect("notify::available-count", lambda *_: None)
manager.props.leases.connect("items-changed", lambda *_: None)
manager.start()
lease = manager.acquire()
for _ in range(10):
    GLib.MainContext.default().iteration(False)
""")

    def test_executor_in_python(self):
        self.assert_ends("""
class Executor(Lp.Executor):
    def do_submit(self, job):
        threading.Thread(target=job.execute, daemon=True).start()
        return True

    def do_shutdown(self, mode):
        self.report_stopped()

manager = Lp.Manager(backend="thread", max_pools=2, executor_type=Executor.__gtype__)
manager.start()
lease = manager.acquire()
started = threading.Event()
never = threading.Event()
job = Lp.Job.new_for_func(lambda *_: (started.set(), never.wait()) and None)
lease.submit(job)
started.wait()
""")

    def test_executor_in_python_that_never_stops(self):
        self.assert_ends("""
class Executor(Lp.Executor):
    def do_shutdown(self, mode):
        pass

manager = Lp.Manager(backend="thread", max_pools=2, executor_type=Executor.__gtype__)
manager.start()
""")

    def test_exception_at_the_top(self):
        program = self.run_program(RUNNING + "lease = manager.acquire()\nprint('end', flush=True)\nraise ValueError('top')")
        self.assertEqual((program.returncode, program.stdout), (1, "end\n"), program.stderr)
        self.assertIn("ValueError: top", program.stderr)

    def test_sys_exit_in_a_callback(self):
        program = self.run_program(RUNNING + """
loop = GLib.MainLoop()
leases = []

def lent(manager, result):
    leases.append(manager.acquire_finish(result))
    print("end", flush=True)
    os._exit(7) if len(sys.argv) > 1 else loop.quit()

manager.acquire_async(None, None, lent)
loop.run()
sys.exit(7)
""")
        self.assertEqual((program.returncode, program.stdout), (7, "end\n"), program.stderr)

    def test_from_another_thread_than_the_owner(self):
        self.assert_ends("""
def run():
    context = GLib.MainContext()
    context.push_thread_default()
    manager = Lp.Manager.new("thread", 2)
    manager.start()
    kept.append((manager, manager.acquire()))
    context.pop_thread_default()

kept = []
thread = threading.Thread(target=run)
thread.start()
thread.join()
""")

    def test_many_managers(self):
        self.assert_ends("""
managers = [Lp.Manager.new("thread", 2) for _ in range(50)]
leases = []
for manager in managers:
    manager.start()
    leases.append(manager.acquire())
    leases[-1].submit(Lp.Job.new_for_func(lambda *_: value("x")))
""")

    def test_atexit_may_stop_it(self):
        program = self.run_program(RUNNING + """
import atexit
lease = manager.acquire()
job = Lp.Job.new_for_func(lambda *_: value("x"))
lease.submit(job)
atexit.register(lambda: print(manager.stop(Lp.StopMode.DRAIN, -1), job.props.state.value_nick))
""")
        self.assertEqual((program.returncode, program.stdout), (0, "True succeeded\n"), program.stderr)

    def test_forked_child_touches_nothing(self):
        program = self.run_program(RUNNING + """
lease = manager.acquire()
pid = os.fork()
if pid == 0:
    refused = []
    for call in (manager.acquire, manager.start, lambda: lease.submit(Lp.Job.new_for_call("x", None))):
        try:
            call()
        except GLib.Error as error:
            refused.append(error.matches(Lp.error_quark(), Lp.Error.NOT_STARTED))
    lease.release()
    sys.exit(0 if refused == [True, True, True] else 1)
status = os.waitpid(pid, 0)[1]
print(status, lease.props.state.value_nick)
job = Lp.Job.new_for_func(lambda *_: value("x"))
lease.submit(job)
print(job.wait(-1))
lease.release()
manager.stop(Lp.StopMode.DRAIN, -1)
""")
        self.assertEqual((program.returncode, program.stdout), (0, "0 active\n('x',)\n"), program.stderr)


if __name__ == "__main__":
    lptest.main()
