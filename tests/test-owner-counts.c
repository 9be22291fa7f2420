/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* When the owner context is told of the counts, and when of nothing. */

#include "config.h"

#include "lp-test-owner.h"

/* --- Counts --- */

static void
test_counts_once_per_dispatch (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 3);
  g_autoptr (LpLease) first = NULL;
  g_autoptr (LpLease) second = NULL;

  lp_manager_set_min_pools (manager, 3);
  assert_starts (manager);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "available-count"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "total-count"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "running"), ==, 1);
  g_hash_table_remove_all (log.notifies);

  for (int i = 0; i < 20; i++)
    {
      g_clear_object (&first);
      first = lp_test_acquire (manager, "first");
      lp_lease_release (first);
    }
  g_clear_object (&first);
  first = lp_test_acquire (manager, "first");
  second = lp_test_acquire (manager, "second");
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "available-count"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "leased-count"), ==, 1);
  g_assert_cmpuint (g_hash_table_size (log.notifies), ==, 2);

  lp_lease_release (first);
  lp_lease_release (second);
  finish (manager, &log);
}

static void
test_counts_unchanged_are_not_notified (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);

  assert_starts (manager);
  iterate ();
  g_hash_table_remove_all (log.notifies);
  for (int i = 0; i < 20; i++)
    {
      g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");

      lp_lease_release (lease);
    }
  iterate ();
  g_assert_cmpuint (g_hash_table_size (log.notifies), ==, 0);

  finish (manager, &log);
}

static void
check_values_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  LpManager *manager = LP_MANAGER (object);
  guint *n_calls = user_data;

  (*n_calls)++;
  g_assert_cmpuint (lp_manager_get_available_count (manager), ==, 1);
  g_assert_cmpuint (lp_manager_get_leased_count (manager), ==, 1);
  g_assert_cmpuint (lp_manager_get_total_count (manager), ==, 2);
}

static void
test_counts_have_changed_when_they_notify (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 2, NULL);
  g_autoptr (LpLease) lease = NULL;
  guint n_calls = 0;

  g_signal_connect (manager, "notify::leased-count", G_CALLBACK (check_values_cb), &n_calls);
  lease = lp_test_acquire (manager, "tester");
  iterate ();
  g_assert_cmpuint (n_calls, ==, 1);
  g_signal_handlers_disconnect_by_data (manager, &n_calls);

  lp_lease_release (lease);
  lp_test_finish (manager);
}

static gpointer
acquire_thread (gpointer manager)
{
  return lp_test_acquire (manager, "thread");
}

static void
test_counts_of_waiters_and_quarantine (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpLease) other = NULL;
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  GThread *thread;

  lp_manager_set_cancel_grace_seconds (manager, 0);
  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  thread = g_thread_new ("acquirer", acquire_thread, manager);
  lp_test_block_stat (manager, "waiting", 1);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "waiting-count"), ==, 1);
  g_hash_table_remove_all (log.notifies);

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_job_cancel (job);
  lp_lease_release (lease);
  other = g_thread_join (thread);
  lp_test_block_stat (manager, "quarantined", 1);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "waiting-count"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "quarantined-count"), ==, 1);

  lp_test_gate_open (gate);
  lp_test_block_stat (manager, "quarantined", 0);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "quarantined-count"), ==, 2);

  lp_lease_release (other);
  finish (manager, &log);
  lp_test_gate_unref (gate);
}

/* One who reads, then listens, is told of the first change. */
static void
test_counts_for_one_who_listens_late (void)
{
  Log log;
  LpManager *manager = lp_test_start (2, "min-pools", 2, NULL);
  g_autoptr (LpLease) lease = NULL;

  log_init (&log, NULL);
  g_signal_connect (manager, "notify", G_CALLBACK (notify_cb), &log);
  lease = lp_test_acquire (manager, "tester");
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "available-count"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "leased-count"), ==, 1);

  lp_lease_release (lease);
  g_hash_table_remove_all (log.notifies);
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "running"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "total-count"), ==, 1);

  finish (manager, &log);
}

static void
test_counts_of_a_stop_for_one_who_listens_late (void)
{
  Log log;
  LpManager *manager = lp_test_start (2, "min-pools", 2, NULL);

  log_init (&log, NULL);
  g_signal_connect (manager, "notify", G_CALLBACK (notify_cb), &log);
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "running"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "total-count"), ==, 1);
  g_assert_cmpuint (log_notifies (&log, "available-count"), ==, 1);

  finish (manager, &log);
}

/* After a time in which nobody listened. */
static void
test_counts_after_a_gap (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  Log log;
  gulong id;

  log_init (&log, NULL);
  id = g_signal_connect (manager, "notify", G_CALLBACK (notify_cb), &log);
  lp_lease_release (lease);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "available-count"), ==, 1);
  g_signal_handler_disconnect (manager, id);

  g_clear_object (&lease);
  lease = lp_test_acquire (manager, "tester");
  iterate ();
  g_signal_connect (manager, "notify", G_CALLBACK (notify_cb), &log);
  lp_lease_release (lease);
  iterate ();
  g_assert_cmpuint (log_notifies (&log, "available-count"), ==, 2);

  finish (manager, &log);
}

/* --- Nobody listens --- */

static void
keep_info_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  g_set_object ((LpLeaseInfo **) user_data, info);
}

static void
use_manager (LpManager *manager)
{
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GVariant) value = NULL;

  lp_test_submit (lease, job);
  value = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
  g_assert_nonnull (value);
  lp_lease_release (lease);

  /* Until the executor that was recycled has gone. */
  lp_manager_recycle (manager);
  lp_test_block_stat (manager, "total", 1);
}

static void
test_nothing_is_posted_if_nobody_listens (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 1, NULL);
  g_autoptr (LpLeaseInfo) info = NULL;
  gulong id;

  iterate ();
  for (int i = 0; i < 20; i++)
    use_manager (manager);
  g_assert_false (g_main_context_pending (NULL));

  id = g_signal_connect (manager, "lease-ended", G_CALLBACK (keep_info_cb), &info);
  g_signal_handler_block (manager, id);
  use_manager (manager);
  g_assert_false (g_main_context_pending (NULL));

  g_signal_handler_unblock (manager, id);
  use_manager (manager);
  g_assert_true (g_main_context_pending (NULL));
  g_signal_handler_disconnect (manager, id);

  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/owner/counts/once-per-dispatch", test_counts_once_per_dispatch);
  lp_test_conform_add_func ("/owner/counts/unchanged-are-not-notified", test_counts_unchanged_are_not_notified);
  lp_test_conform_add_func ("/owner/counts/have-changed-when-they-notify", test_counts_have_changed_when_they_notify);
  g_test_add_func ("/owner/counts/of-waiters-and-quarantine", test_counts_of_waiters_and_quarantine);
  lp_test_conform_add_func ("/owner/counts/for-one-who-listens-late", test_counts_for_one_who_listens_late);
  lp_test_conform_add_func ("/owner/counts/of-a-stop-for-one-who-listens-late",
                   test_counts_of_a_stop_for_one_who_listens_late);
  lp_test_conform_add_func ("/owner/counts/after-a-gap", test_counts_after_a_gap);

  lp_test_conform_add_func ("/owner/nothing-is-posted-if-nobody-listens", test_nothing_is_posted_if_nobody_listens);

  return g_test_run ();
}
