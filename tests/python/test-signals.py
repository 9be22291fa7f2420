# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""Signals, notifications and the list of leases: what they tell, and that they tell it in the owner context."""

import threading

import lptest
from lptest import Gio, GLib, Lp


class Record(list):
    """A signal handler that keeps what it was told, and in which thread."""

    def __init__(self, manager, *names):
        super().__init__()
        self.threads = set()
        for name in names:
            manager.connect(name, self.told, name)

    def told(self, _manager, *args):
        self.threads.add(threading.current_thread())
        *values, name = args
        self.append((name, *[(value.props.id, value.props.state) if isinstance(value, Lp.LeaseInfo) else value
                             for value in values]))

    def names(self):
        return [entry[0] for entry in self]


class Signals(lptest.TestCase):
    LEASES = ("lease-acquired", "lease-expiring", "lease-ended")

    def test_life_of_a_lease(self):
        manager = self.start(1)
        record = Record(manager, *self.LEASES)
        lease = self.acquire(manager, "me")
        lease_id = lease.props.id
        self.assertEqual(record, [])  # nothing is told before the loop iterates
        lease.release()
        self.wait_for(lambda: len(record) == 2)
        self.assertEqual(record, [("lease-acquired", (lease_id, Lp.LeaseState.ACTIVE)),
                                  ("lease-ended", (lease_id, Lp.LeaseState.RELEASED))])
        self.assertEqual(record.threads, {self.main_thread})

    def test_leases_of_other_threads_are_told_in_the_owner_context(self):
        manager = self.start(2)
        record = Record(manager, *self.LEASES, "executor-created", "executor-retired")

        def work():
            for _ in range(20):
                lease = manager.acquire(Lp.Request(timeout=lptest.SECONDS))
                lease.release()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        self.wait_for(lambda: record.names().count("lease-ended") == 80, "80 leases have ended")
        for thread in threads:
            thread.join()
        self.assertEqual(record.names().count("lease-acquired"), 80)
        self.assertEqual(record.threads, {self.main_thread})

    def test_owner_context_may_be_that_of_another_thread(self):
        def owner():
            context = GLib.MainContext()
            context.push_thread_default()
            try:
                manager = Lp.Manager.new("thread", 1)
                record = Record(manager, *self.LEASES)
                manager.start()
                manager.acquire().release()
                while len(record) < 2:
                    context.iteration(True)
                manager.stop(Lp.StopMode.CANCEL, -1)
                return record.names(), record.threads == {threading.current_thread()}
            finally:
                context.pop_thread_default()

        self.assertEqual(self.in_thread(owner), (["lease-acquired", "lease-ended"], True))

    def test_expiry(self):
        manager = self.start(1, lease_grace_seconds=0.05)
        record = Record(manager, *self.LEASES)
        lease = self.acquire(manager, "slow", lease_seconds=0.05)
        lease_id = lease.props.id
        self.wait_for(lambda: len(record) == 3)
        self.assertEqual(record, [("lease-acquired", (lease_id, Lp.LeaseState.ACTIVE)),
                                  ("lease-expiring", (lease_id, Lp.LeaseState.ACTIVE)),
                                  ("lease-ended", (lease_id, Lp.LeaseState.EXPIRED))])
        self.assertEqual(lease.props.state, Lp.LeaseState.EXPIRED)

    def test_renew_in_lease_expiring_keeps_the_lease(self):
        manager = self.start(1, lease_grace_seconds=lptest.SECONDS)
        lease = self.acquire(manager)
        renewed = []
        manager.connect("lease-expiring", lambda _manager, info: renewed.append(lease.renew(100))
                        if info.props.id == lease.props.id else None)
        lease.renew(0.05)
        self.wait_for(lambda: renewed)
        self.assertEqual(lease.props.state, Lp.LeaseState.ACTIVE)
        self.assertGreater(lease.props.soft_expires_at, GLib.get_monotonic_time() + 50_000_000)
        lease.release()

    def test_executors_come_and_go(self):
        manager = self.new(2, min_pools=2, idle_linger_seconds=0)
        record = Record(manager, "executor-created", "executor-retired")
        manager.start()
        self.wait_for(lambda: len(record) == 2)
        self.assertEqual(record, [("executor-created", 1), ("executor-created", 2)])
        manager.recycle()
        self.wait_for(lambda: record.names().count("executor-created") == 4 and len(record) == 6)
        self.assertEqual({entry[1:] for entry in record if entry[0] == "executor-retired"},
                         {(1, Lp.RetireReason.RECYCLED), (2, Lp.RetireReason.RECYCLED)})
        manager.stop(Lp.StopMode.DRAIN, -1)
        self.wait_for(lambda: len(record) == 8)
        self.assertEqual({entry[1:] for entry in record[6:]}, {(3, Lp.RetireReason.STOPPED), (4, Lp.RetireReason.STOPPED)})

    def test_lease_info_cannot_submit(self):
        manager = self.start(1)
        infos = []
        manager.connect("lease-acquired", lambda _manager, info: infos.append(info))
        lease = self.acquire(manager, "me")
        self.wait_for(lambda: infos)
        info = infos.pop()
        self.assertFalse(hasattr(info, "submit"))
        self.assertEqual([getattr(info.props, name) for name in
                          ("id", "owner", "leased_at", "soft_expires_at", "hard_expires_at", "pending_jobs")],
                         [getattr(lease.props, name) for name in
                          ("id", "owner", "leased_at", "soft_expires_at", "hard_expires_at", "pending_jobs")])
        # It holds no lease.
        del lease
        self.wait_collected(lambda: manager.props.available_count == 1, "the lease is released")
        self.wait_for(lambda: info.props.state == Lp.LeaseState.RELEASED)

    def test_handler_that_raises_does_no_harm(self):
        program = self.run_program("""
def handler(*args):
    calls.append(args)
    raise ValueError("in the handler")

calls = []
manager = Lp.Manager.new("thread", 1)
manager.connect("lease-acquired", handler)
manager.start()
for _ in range(3):
    manager.acquire().release()
context = GLib.MainContext.default()
while len(calls) < 3:
    context.iteration(True)
print(manager.props.available_count)
manager.stop(Lp.StopMode.DRAIN, -1)
""")
        self.assertEqual((program.returncode, program.stdout), (0, "1\n"), program.stderr)
        self.assertEqual(program.stderr.count("ValueError: in the handler"), 3)

    def test_handler_may_stop_the_manager(self):
        manager = self.start(1)
        results = lptest.Results()
        manager.connect("lease-ended", lambda manager, _info: manager.stop_async(Lp.StopMode.CANCEL, -1, None, results))
        manager.acquire().release()
        self.wait_for(lambda: results)
        self.assertTrue(manager.stop_finish(results.pop()))

    def test_counts_are_notified(self):
        manager = self.start(1)
        seen = {}
        threads = set()

        def changed(manager, pspec):
            seen.setdefault(pspec.name, []).append(manager.get_property(pspec.name))
            threads.add(threading.current_thread())

        def told(name, value):
            return lambda: seen.get(name, [None])[-1] == value

        for name in ("available-count", "leased-count", "total-count", "waiting-count", "running"):
            manager.connect(f"notify::{name}", changed)
        lease = self.in_thread(manager.acquire)
        self.wait_for(told("leased-count", 1))
        self.wait_for(told("available-count", 0))
        manager.acquire_async(None, None, lambda manager, result: manager.acquire_finish(result).release())
        self.wait_for(told("waiting-count", 1))
        lease.release()
        self.wait_for(told("waiting-count", 0))
        self.wait_for(told("available-count", 1))
        manager.stop(Lp.StopMode.DRAIN, -1)
        self.wait_for(told("running", False))
        self.wait_for(told("total-count", 0))
        self.assertEqual(threads, {self.main_thread})

    def test_state_of_a_job_and_a_lease_can_be_polled_from_any_thread(self):
        manager = self.start(1)
        lease = manager.acquire()
        gate = self.gate()
        job = self.submitted(lease, gate.job())
        gate.wait_entered()
        self.assertEqual(self.in_thread(lambda: (lease.props.state, lease.props.pending_jobs, job.props.state)),
                         (Lp.LeaseState.ACTIVE, 1, Lp.JobState.RUNNING))
        gate.open()


class ListModel(lptest.TestCase):
    def items(self, leases):
        return [leases.get_item(n) for n in range(leases.get_n_items())]

    def test_leases_are_a_list_model(self):
        manager = self.start(2)
        leases = manager.props.leases
        self.assertIsInstance(leases, Gio.ListModel)
        self.assertEqual(leases.get_item_type(), Lp.LeaseInfo.__gtype__)
        self.assertEqual(leases.get_n_items(), 0)
        changes = []
        leases.connect("items-changed", lambda _model, *change: changes.append((*change, threading.current_thread())))
        first, second = self.acquire(manager, "one"), self.in_thread(self.acquire, manager, "two")
        self.wait_for(lambda: leases.get_n_items() == 2)
        self.assertEqual([info.props.owner for info in self.items(leases)], ["one", "two"])
        self.assertIsNone(leases.get_item(2))
        first.release()
        self.wait_for(lambda: leases.get_n_items() == 1)
        self.assertEqual([info.props.id for info in self.items(leases)], [second.props.id])
        second.release()
        self.wait_for(lambda: leases.get_n_items() == 0)
        self.assertEqual(sum(added - removed for _position, removed, added, _thread in changes), 0)
        self.assertEqual({change[3] for change in changes}, {self.main_thread})

    def test_items_follow_their_leases(self):
        manager = self.start(1)
        leases = manager.props.leases
        lease = self.acquire(manager)
        self.wait_for(lambda: leases.get_n_items() == 1)
        info = leases.get_item(0)
        gate = self.gate()
        self.submitted(lease, gate.job())
        self.wait_for(lambda: info.props.pending_jobs == 1)
        lease.renew(1000)
        self.wait_for(lambda: info.props.soft_expires_at == lease.props.soft_expires_at)
        lease.release()
        self.wait_for(lambda: info.props.state == Lp.LeaseState.DRAINING)
        self.assertEqual(leases.get_n_items(), 1)
        gate.open()
        self.wait_for(lambda: leases.get_n_items() == 0)
        self.assertEqual(info.props.state, Lp.LeaseState.RELEASED)

    def test_items_hold_no_lease(self):
        manager = self.start(1)
        leases = manager.props.leases
        lease = self.acquire(manager)
        self.wait_for(lambda: leases.get_n_items() == 1)
        kept = self.items(leases)
        del lease
        self.wait_collected(lambda: leases.get_n_items() == 0, "the dropped lease has left the list")
        self.assertEqual(kept[0].props.state, Lp.LeaseState.RELEASED)

    def test_model_outlives_the_manager(self):
        manager = Lp.Manager.new("thread", 1)
        manager.start()
        leases = manager.props.leases
        lease = manager.acquire()
        manager.stop(Lp.StopMode.CANCEL, -1)
        self.wait_for(lambda: leases.get_n_items() == 0)
        gone = []
        manager.weak_ref(gone.append, True)
        del manager
        self.wait_collected(lambda: gone, "the manager is finalized")
        self.assertEqual((leases.get_n_items(), leases.get_item(0)), (0, None))
        self.assertEqual(lease.props.state, Lp.LeaseState.STOPPED)
        self.assertIsNone(lease.props.manager)


if __name__ == "__main__":
    lptest.main()
