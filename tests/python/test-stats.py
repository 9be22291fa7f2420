# SPDX-License-Identifier: LGPL-2.1-or-later
# Copyright 2026 The leasepool authors
"""The statistics as a Python dictionary."""

import lptest
from lptest import GLib, Lp

COUNTS = ("desired", "max_pools", "min_pools", "workers_per_pool", "available", "leased", "total", "draining", "starting",
          "quarantined", "waiting")
COUNTERS = ("acquired", "released", "revoked", "timed_out", "cancelled", "executors_created", "executors_retired",
            "jobs_succeeded", "jobs_failed", "jobs_cancelled", "results_discarded", "log_records_forwarded")
TIMES = ("wait_time", "hold_time", "run_time")
LEASE = {"lease_id": "s", "owner": "ms", "state": "s", "pending": "u", "seconds_until_soft_expiry": "d",
         "seconds_until_hard_expiry": "d"}


class Stats(lptest.TestCase):
    def test_keys_and_types(self):
        manager = self.start(3)
        lease = self.acquire(manager, "me")
        stats = manager.dup_stats()
        self.assertEqual(stats.get_type_string(), "a{sv}")
        types = {"backend": "s", "leases": "aa{sv}", **dict.fromkeys(COUNTS, "u"), **dict.fromkeys(COUNTERS, "t"),
                 **dict.fromkeys(TIMES, "a{sd}")}
        self.assertEqual({key: stats.lookup_value(key, None).get_type_string() for key in stats.keys()}, types)
        leases = stats.lookup_value("leases", None)
        self.assertEqual({key: leases.get_child_value(0).lookup_value(key, None).get_type_string()
                          for key in leases.get_child_value(0).keys()}, LEASE)
        for key in TIMES:
            self.assertEqual(set(stats.lookup_value(key, None).unpack()), {"count", "mean", "p50", "p95", "p99", "max"})
        lease.release()

    def test_unpack_gives_plain_values(self):
        manager = self.start(3, min_pools=2, workers_per_pool=5)
        stats = manager.dup_stats().unpack()
        self.assertEqual((stats["backend"], stats["max_pools"], stats["min_pools"], stats["workers_per_pool"]),
                         ("thread", 3, 2, 5))
        self.assertEqual((stats["total"], stats["available"], stats["leased"], stats["leases"]), (2, 2, 0, []))

    def test_leases(self):
        manager = self.start(2, lease_grace_seconds=10)
        named, nameless = self.acquire(manager, "somebody", lease_seconds=100), manager.acquire()
        leases = {lease["lease_id"]: lease for lease in manager.dup_stats().unpack()["leases"]}
        self.assertEqual(set(leases), {named.props.id, nameless.props.id})
        entry = leases[named.props.id]
        self.assertEqual((entry["owner"], entry["state"], entry["pending"]), ("somebody", "active", 0))
        self.assertIsNone(leases[nameless.props.id]["owner"])
        self.assertGreater(entry["seconds_until_soft_expiry"], 50)
        self.assertLessEqual(entry["seconds_until_soft_expiry"], 100)
        self.assertAlmostEqual(entry["seconds_until_hard_expiry"] - entry["seconds_until_soft_expiry"], 10)

    def test_counters_of_leases_and_jobs(self):
        manager = self.start(1, workers_per_pool=1)
        lease = manager.acquire()

        def fail(*_):
            raise GLib.Error("no")

        gate = self.gate()
        jobs = [self.submitted(lease, job) for job in
                (gate.job(), Lp.Job.new_for_func(fail), Lp.Job.new_for_func(lambda *_: lptest.value("")))]
        jobs[2].cancel()
        gate.open()
        for job in jobs:
            try:
                job.wait(-1)
            except GLib.Error:
                pass
        lease.release()
        self.wait_for(lambda: manager.props.available_count == 1)
        stats = manager.dup_stats().unpack()
        self.assertEqual([stats[name] for name in ("acquired", "released", "jobs_succeeded", "jobs_failed",
                                                   "jobs_cancelled", "executors_created")], [1, 1, 1, 1, 1, 1])
        self.assertEqual(stats["run_time"]["count"], 2)
        self.assertEqual(stats["hold_time"]["count"], 1)
        self.assertEqual(stats["wait_time"]["count"], 1)
        self.assertLessEqual(stats["run_time"]["p50"], stats["run_time"]["max"])

    def test_counts_always_add_up(self):
        manager = self.start(2)
        seen = []

        def look():
            stats = manager.dup_stats().unpack()
            seen.append(stats["total"] == stats["starting"] + stats["available"] + stats["leased"]
                        and stats["total"] <= stats["max_pools"])

        def work():
            for _ in range(50):
                manager.acquire(Lp.Request(timeout=lptest.SECONDS)).release()
                look()

        self.in_thread(lambda: [self.thread(work) for _ in range(3)] and None)
        self.wait_for(lambda: len(seen) == 150)
        self.assertEqual(set(seen), {True})

    @staticmethod
    def thread(func):
        thread = lptest.threading.Thread(target=func)
        thread.start()
        return thread

    def test_stats_before_the_start_and_after_the_stop(self):
        manager = self.new(3, units=1000)
        stats = manager.dup_stats().unpack()
        self.assertEqual((stats["desired"], stats["total"], stats["backend"]), (3, 0, "thread"))
        manager.start()
        manager.acquire()
        manager.stop(Lp.StopMode.KILL, -1)
        stats = manager.dup_stats().unpack()
        self.assertEqual((stats["total"], stats["leases"], stats["acquired"]), (0, [], 1))


if __name__ == "__main__":
    lptest.main()
