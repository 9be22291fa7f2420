/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How executors leave: shrinking, the linger, recycling, and those found dead. */

#include "config.h"

#include "lp-test-sizing.h"

static gboolean
is_past (gpointer data)
{
  return g_get_monotonic_time () >= *(gint64 *) data;
}

static void
block_until (gint64 when)
{
  lp_test_block_for (is_past, &when, "a time");
}

static guint64
executor_of (LpLease *lease)
{
  return lp_executor_get_seq (lp_lease_get_grant (lease)->executor);
}

/* Lingering and shrinking */

static void
test_linger_default_is_none_for_threads (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, NULL);
  GArray *retired = watch_retired (manager);

  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  for (guint i = 1; i <= 2; i++)
    g_assert_cmpint (wait_retired (retired, i)->reason, ==, LP_RETIRE_REASON_SURPLUS);
  lp_test_wait_stat (manager, "total", 1);

  finish (manager, retired);
}

static void
test_linger_keeps (void)
{
  Provider provider = { 30 };
  LpManager *manager = lp_test_new (3);

  lp_manager_set_idle_linger_seconds (manager, 1000);
  lp_manager_set_check_interval (manager, 0.005);
  set_provider (manager, &provider);
  g_assert_true (lp_manager_start (manager, NULL, NULL));

  provider.value = 0;
  wait_count (&provider.n_calls, 5);
  g_assert_cmpuint (desired (manager), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);

  lp_test_finish (manager);
}

/* From when it became idle, not from when it became too much. */
static void
test_linger_counts_from_idle (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, "idle-linger-seconds", 0.05, NULL);
  GArray *retired = watch_retired (manager);
  LpLease *leases[3];
  gint64 released_at;

  acquire_all (manager, leases, 3);
  lp_manager_set_units (manager, 0);
  released_at = g_get_monotonic_time ();
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);
  for (guint i = 1; i <= 2; i++)
    g_assert_cmpint (wait_retired (retired, i)->when, >=, released_at + 50000);
  lp_test_wait_stat (manager, "total", 1);

  /* These have been idle for long enough when they become too much. */
  lp_manager_set_units (manager, 30);
  lp_test_wait_stat (manager, "available", 3);
  block_until (g_get_monotonic_time () + 50000);
  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);

  finish (manager, retired);
}

static void
test_least_recently_released_is_shrunk_first (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, NULL);
  GArray *retired = watch_retired (manager);
  const guint order[] = { 1, 2, 0 };
  guint64 executors[3];
  LpLease *leases[3];

  acquire_all (manager, leases, 3);
  for (guint i = 0; i < 3; i++)
    executors[i] = executor_of (leases[i]);
  for (guint i = 0; i < 3; i++)
    give_back (leases[order[i]]);

  lp_manager_set_units (manager, 20);
  g_assert_cmpuint (wait_retired (retired, 1)->seq, ==, executors[order[0]]);
  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (wait_retired (retired, 2)->seq, ==, executors[order[1]]);

  leases[0] = lp_test_acquire (manager, "holder");
  g_assert_cmpuint (executor_of (leases[0]), ==, executors[order[2]]);
  give_back (leases[0]);

  finish (manager, retired);
}

static void
test_never_revokes_leases (void)
{
  Provider provider = { 30 };
  LpManager *manager = start_with_provider (&provider, 3, 0.005);
  GArray *retired = watch_retired (manager);
  g_autoptr (LpJob) job = lp_test_value_job (7);
  LpLease *leases[3];

  acquire_all (manager, leases, 3);
  provider.value = 0;
  wait_count (&provider.n_calls, 5);
  g_assert_cmpuint (desired (manager), ==, 1);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (lp_lease_get_state (leases[i]), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 3);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 0);

  lp_test_submit (leases[2], job);
  g_variant_unref (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL));

  /* What comes back goes, down to what is wanted. */
  for (guint i = 0; i < 3; i++)
    give_back (leases[i]);
  lp_test_wait_stat (manager, "total", 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 2);

  finish (manager, retired);
}

/* Recycling */

/* Of those that are available none is one of the first N: at one moment, since others come. */
static void
assert_none_of_first (LpManager *manager, guint n)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  guint64 n_created;
  guint n_available;

  g_assert_true (g_variant_lookup (stats, "executors_created", "t", &n_created));
  g_assert_true (g_variant_lookup (stats, "available", "u", &n_available));
  g_assert_cmpuint (n_available, <=, n_created - n);
}

static void
test_recycle_idle (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 3, NULL);
  GArray *retired = watch_retired (manager);

  lp_manager_recycle (manager);
  assert_none_of_first (manager, 3);
  for (guint i = 1; i <= 3; i++)
    {
      g_assert_cmpint (wait_retired (retired, i)->reason, ==, LP_RETIRE_REASON_RECYCLED);
      g_assert_cmpuint (wait_retired (retired, i)->seq, <=, 3);
    }
  lp_test_wait_stat (manager, "available", 3);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 6);

  finish (manager, retired);
}

static void
test_recycle_leased_when_released (void)
{
  LpManager *manager = lp_test_start (2, NULL);
  GArray *retired = watch_retired (manager);
  g_autoptr (LpJob) job = lp_test_value_job (7);
  LpLease *lease = lp_test_acquire (manager, "holder");
  guint64 executor = executor_of (lease);

  lp_manager_recycle (manager);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  lp_test_submit (lease, job);
  g_variant_unref (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL));

  give_back (lease);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_RECYCLED);
  g_assert_cmpuint (wait_retired (retired, 1)->seq, ==, executor);
  lp_test_wait_stat (manager, "available", 1);

  /* Those that came after are not concerned. */
  lease = lp_test_acquire (manager, "holder");
  executor = executor_of (lease);
  give_back (lease);
  lease = lp_test_acquire (manager, "holder");
  g_assert_cmpuint (executor_of (lease), ==, executor);
  give_back (lease);

  finish (manager, retired);
}

static void
test_recycle_replaces_as_desired_asks (void)
{
  LpManager *manager = lp_test_start (3, "units", 30, "idle-linger-seconds", 1000.0, NULL);
  GArray *retired = watch_retired (manager);

  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);
  lp_manager_recycle (manager);
  wait_retired (retired, 3);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 4);

  finish (manager, retired);
}

/* A waiter for the last place gets the one that replaces the recycled one. */
static void
test_recycle_serves_waiters (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  GArray *retired = watch_retired (manager);
  LpLease *held = lp_test_acquire (manager, "holder");
  guint64 executor = executor_of (held);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lp_manager_recycle (manager);
  give_back (held);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (executor_of (lease), >, executor);

  g_object_unref (result);
  give_back (lease);
  finish (manager, retired);
}

/* Checks */

static void
test_check_finds_the_dead_idle_one (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 2, "check-interval", 0.01);
  GArray *retired = watch_retired (manager);

  g_atomic_int_set (&dead_up_to, 1);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_BROKEN);
  g_assert_cmpuint (wait_retired (retired, 1)->seq, ==, 1);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_true (g_atomic_pointer_get (&asked_on) != g_thread_self ());
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 0);
  g_assert_cmpuint (count_logged ("executor-broken"), ==, 1);

  finish (manager, retired);
}

static gboolean
is_broken (gpointer data)
{
  return lp_lease_get_state (data) == LP_LEASE_STATE_BROKEN;
}

static void
test_check_finds_the_dead_leased_one (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 1, "check-interval", 0.01);
  GArray *retired = watch_retired (manager);
  LpLease *lease = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&dead_up_to, 1);
  lp_test_wait_for (is_broken, lease, "the end of a broken lease");
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_BROKEN);
  g_object_unref (lease);

  lease = lp_test_acquire (manager, "next");
  g_assert_cmpuint (executor_of (lease), ==, 2);
  give_back (lease);

  finish (manager, retired);
}

static void
test_dead_one_is_not_handed_over (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 1, "check-interval", 1000);
  GArray *retired = watch_retired (manager);
  LpLease *lease;

  g_atomic_int_set (&dead_up_to, 1);
  lease = lp_test_acquire (manager, "somebody");
  g_assert_cmpuint (executor_of (lease), ==, 2);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_BROKEN);

  /* Nor after it came back. */
  give_back (lease);
  g_atomic_int_set (&dead_up_to, 2);
  lease = lp_test_acquire (manager, "somebody");
  g_assert_cmpuint (executor_of (lease), ==, 3);
  give_back (lease);

  finish (manager, retired);
}

int
main (int argc, char *argv[])
{
  /* The invariants are looked at after every decision. */
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  log_set_up ();

  lp_test_conform_add_func ("/sizing/linger/default-is-none-for-threads", test_linger_default_is_none_for_threads);
  lp_test_conform_add_func ("/sizing/linger/keeps", test_linger_keeps);
  lp_test_conform_add_func ("/sizing/linger/counts-from-idle", test_linger_counts_from_idle);
  lp_test_conform_add_func ("/sizing/shrink/least-recently-released-first", test_least_recently_released_is_shrunk_first);
  lp_test_conform_add_func ("/sizing/shrink/never-revokes-leases", test_never_revokes_leases);
  lp_test_conform_add_func ("/sizing/recycle/idle", test_recycle_idle);
  lp_test_conform_add_func ("/sizing/recycle/leased-when-released", test_recycle_leased_when_released);
  lp_test_conform_add_func ("/sizing/recycle/as-desired-asks", test_recycle_replaces_as_desired_asks);
  lp_test_conform_add_func ("/sizing/recycle/serves-waiters", test_recycle_serves_waiters);
  g_test_add_func ("/sizing/has-died/idle", test_check_finds_the_dead_idle_one);
  g_test_add_func ("/sizing/has-died/leased", test_check_finds_the_dead_leased_one);
  g_test_add_func ("/sizing/has-died/hand-over", test_dead_one_is_not_handed_over);

  return g_test_run ();
}
