/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the owner context is told of leases and executors: where, and in which
 * order. */

#include "config.h"

#include "lp-test-owner.h"

/* --- Where --- */

static gpointer
acquire_and_release_thread (gpointer manager)
{
  for (int i = 0; i < 50; i++)
    {
      g_autoptr (LpLease) lease = lp_test_acquire (manager, "thread");
      g_autoptr (LpJob) job = lp_test_value_job (i);

      lp_test_submit (lease, job);
      if (i % 10 == 0)
        lp_manager_recycle (manager);
      lp_lease_release (lease);
    }

  return NULL;
}

/* log_add() and notify_cb() check the thread and the context. */
static void
run_from_threads (LpManager *manager, Log *log)
{
  GThread *threads[3];
  guint n_acquired = 0;
  guint n_ended = 0;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("acquirer", acquire_and_release_thread, manager);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  lp_test_wait_stat (manager, "leased", 0);
  iterate ();

  for (guint i = 0; i < log->events->len; i++)
    {
      n_acquired += g_str_has_prefix (log->events->pdata[i], "acquired ");
      n_ended += g_str_has_prefix (log->events->pdata[i], "ended ");
    }
  g_assert_cmpuint (n_acquired, ==, 150);
  g_assert_cmpuint (n_ended, ==, 150);
  g_assert_cmpuint (log_notifies (log, "available-count"), >, 0);
}

static void
test_where_the_global_default (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 2);

  assert_starts (manager);
  run_from_threads (manager, &log);

  finish (manager, &log);
}

static void
test_where_the_thread_default (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Log log;
  LpManager *manager = new_logged_manager (&log, 2);

  g_main_context_push_thread_default (context);
  log.context = context;
  assert_starts (manager);
  run_from_threads (manager, &log);
  finish (manager, &log);
  g_main_context_pop_thread_default (context);
}

/* Iterating another context brings nothing. */
static void
test_where_not_in_another_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  g_autoptr (LpLease) lease = NULL;

  g_main_context_push_thread_default (context);
  log.context = context;
  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  g_main_context_pop_thread_default (context);

  iterate ();
  g_assert_cmpuint (log.events->len, ==, 0);
  g_assert_cmpuint (g_hash_table_size (log.notifies), ==, 0);

  g_main_context_push_thread_default (context);
  log_assert (&log, "created 1, acquired tester active");
  lp_lease_release (lease);
  finish (manager, &log);
  g_main_context_pop_thread_default (context);
}

/* --- Order --- */

static void
test_order_of_a_run (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  g_autoptr (LpLease) first = NULL;
  g_autoptr (LpLease) second = NULL;

  assert_starts (manager);
  first = lp_test_acquire (manager, "first");
  lp_lease_release (first);
  second = lp_test_acquire (manager, "second");
  lp_manager_recycle (manager);
  lp_lease_release (second);
  lp_test_block_stat (manager, "available", 1);
  lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL);

  log_assert (&log, "created 1, acquired first active, ended first released, acquired second active, "
                    "ended second released, retired 1 recycled, created 2, retired 2 stopped");
  finish (manager, &log);
}

static void
test_order_expiring_comes_between (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  g_autoptr (LpLease) lease = NULL;

  /* A grace so short that both expiries can be missed would make no difference
   * between them. */
  lp_manager_set_default_lease_seconds (manager, 0.05);
  lp_manager_set_lease_grace_seconds (manager, 1.5);
  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  log_wait (&log, "created 2");
  log_assert (&log, "created 1, acquired tester active, expiring tester active, ended tester expired, "
                    "retired 1 expired, created 2");

  finish (manager, &log);
}

/* --- Leases --- */

static void
test_lease_expiring_once_for_each_renewal (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (GError) error = NULL;

  lp_manager_set_default_lease_seconds (manager, 0.05);
  lp_manager_set_lease_grace_seconds (manager, 3600);
  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  log_wait (&log, "expiring tester active");
  log_assert (&log, "created 1, acquired tester active, expiring tester active");

  lp_lease_renew (lease, -1, &error);
  g_assert_no_error (error);
  log_wait (&log, "expiring tester active");
  lp_lease_release (lease);
  log_assert (&log, "expiring tester active, ended tester released");

  finish (manager, &log);
}

static void
test_lease_ended_released (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) job = lp_test_gate_job (gate);

  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_lease_release (lease);

  /* Not while it drains. */
  log_assert (&log, "created 1, acquired tester active");
  lp_test_gate_open (gate);
  log_wait (&log, "ended tester released");

  finish (manager, &log);
  lp_test_gate_unref (gate);
}

static void
test_lease_ended_dropped (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);

  assert_starts (manager);
  g_object_unref (lp_test_acquire (manager, "tester"));
  log_assert (&log, "created 1, acquired tester active, ended tester released");

  finish (manager, &log);
}

static void
test_lease_ended_broken (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  g_autoptr (LpLease) lease = NULL;

  lp_manager_set_executor_type (manager, TEST_TYPE_EXECUTOR);
  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  break_last_executor ();
  log_wait (&log, "created 2");
  log_assert (&log, "created 1, acquired tester active, ended tester broken, retired 1 broken, created 2");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);

  finish (manager, &log);
}

static void
test_lease_ended_stopped (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);
  g_autoptr (LpLease) lease = NULL;

  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  log_assert (&log, "created 1, acquired tester active, ended tester stopped, retired 1 stopped");

  finish (manager, &log);
}

/* The info says how it was then, and later how it is. */
static void
keep_info_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  g_set_object ((LpLeaseInfo **) user_data, info);
}

static void
test_lease_info_follows_the_lease (void)
{
  g_autoptr (LpLeaseInfo) info = NULL;
  g_autoptr (LpLease) lease = NULL;
  LpManager *manager = lp_test_start (1, "lease-grace-seconds", 100.0, NULL);

  g_signal_connect (manager, "lease-acquired", G_CALLBACK (keep_info_cb), &info);
  lease = lp_test_acquire (manager, "tester");
  iterate ();
  g_assert_cmpstr (lp_lease_info_get_id (info), ==, lp_lease_get_id (lease));
  g_assert_cmpstr (lp_lease_info_get_owner (info), ==, "tester");
  g_assert_cmpint (lp_lease_info_get_leased_at (info), ==, lp_lease_get_leased_at (lease));
  g_assert_cmpint (lp_lease_info_get_soft_expires_at (info), ==, lp_lease_get_soft_expires_at (lease));
  g_assert_cmpint (lp_lease_info_get_hard_expires_at (info), ==, lp_lease_get_hard_expires_at (lease));
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_ACTIVE);

  g_assert_true (lp_lease_renew (lease, 500, NULL));
  g_assert_cmpint (lp_lease_info_get_soft_expires_at (info), <, lp_lease_get_soft_expires_at (lease));
  iterate ();
  g_assert_cmpint (lp_lease_info_get_soft_expires_at (info), ==, lp_lease_get_soft_expires_at (lease));

  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_ACTIVE);
  iterate ();
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_RELEASED);

  lp_test_finish (manager);
  g_assert_finalize_object (g_steal_pointer (&info));
}

/* It goes with the lease also if all handlers have gone meanwhile. */
static void
test_lease_info_is_not_leaked (void)
{
  LpLeaseInfo *info = NULL;
  g_autoptr (LpLease) lease = NULL;
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  LpLeaseInfo *watched;
  gulong id;

  id = g_signal_connect (manager, "lease-acquired", G_CALLBACK (keep_info_cb), &info);
  lease = lp_test_acquire (manager, "tester");
  iterate ();
  g_signal_handler_disconnect (manager, id);

  watched = info;
  g_object_add_weak_pointer (G_OBJECT (watched), (gpointer *) &watched);
  g_object_unref (info);
  lp_lease_release (lease);
  g_clear_object (&lease);
  lp_test_finish (manager);
  iterate ();
  g_assert_null (watched);
}

/* --- Executors --- */

static gboolean
has_any_event (gpointer data)
{
  return ((Log *) data)->events->len > 0;
}

static void
test_executor_retired_surplus (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 3);

  lp_manager_set_units (manager, 25);
  assert_starts (manager);
  log_assert_any_order (&log, "created 1, created 2, created 3");
  lp_manager_set_units (manager, 11);
  /* Which one depends on which was ready first. */
  lp_test_wait_for (has_any_event, &log, "the surplus executor to retire");
  g_assert_cmpuint (log.events->len, ==, 1);
  g_assert_true (g_str_has_prefix (log.events->pdata[0], "retired "));
  g_assert_true (g_str_has_suffix (log.events->pdata[0], " surplus"));
  g_ptr_array_set_size (log.events, 0);

  finish (manager, &log);
}

static void
test_executor_retired_recycled (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);

  assert_starts (manager);
  lp_manager_recycle (manager);
  log_wait (&log, "created 2");
  log_assert (&log, "created 1, retired 1 recycled, created 2");

  finish (manager, &log);
}

static void
test_executor_retired_start_failed (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 2);

  lp_manager_set_executor_type (manager, TEST_TYPE_EXECUTOR);
  assert_starts (manager);
  g_atomic_int_set (&starts_fail, TRUE);
  lp_manager_set_units (manager, 11);
  log_wait (&log, "retired 2 start-failed");
  g_atomic_int_set (&starts_fail, FALSE);
  log_wait (&log, "created 3");
  log_assert (&log, "created 1, retired 2 start-failed, created 3");

  finish (manager, &log);
}

static void
test_executor_retired_start_failed_at_the_start (void)
{
  Log log;
  LpManager *manager = new_logged_manager (&log, 1);

  lp_manager_set_executor_type (manager, TEST_TYPE_EXECUTOR);
  g_atomic_int_set (&starts_fail, TRUE);
  g_assert_false (lp_manager_start (manager, NULL, NULL));
  g_atomic_int_set (&starts_fail, FALSE);
  log_wait (&log, "retired 1 start-failed");
  log_assert (&log, "retired 1 start-failed");

  finish (manager, &log);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/owner/where/the-global-default", test_where_the_global_default);
  lp_test_conform_add_func ("/owner/where/the-thread-default", test_where_the_thread_default);
  lp_test_conform_add_func ("/owner/where/not-in-another-context", test_where_not_in_another_context);
  lp_test_conform_add_func ("/owner/order/of-a-run", test_order_of_a_run);
  lp_test_conform_add_func ("/owner/order/expiring-comes-between", test_order_expiring_comes_between);

  lp_test_conform_add_func ("/owner/lease-expiring/once-for-each-renewal", test_lease_expiring_once_for_each_renewal);
  lp_test_conform_add_func ("/owner/lease-ended/released", test_lease_ended_released);
  lp_test_conform_add_func ("/owner/lease-ended/dropped", test_lease_ended_dropped);
  g_test_add_func ("/owner/lease-ended/broken", test_lease_ended_broken);
  lp_test_conform_add_func ("/owner/lease-ended/stopped", test_lease_ended_stopped);
  lp_test_conform_add_func ("/owner/lease-info/follows-the-lease", test_lease_info_follows_the_lease);
  lp_test_conform_add_func ("/owner/lease-info/is-not-leaked", test_lease_info_is_not_leaked);

  lp_test_conform_add_func ("/owner/executor-retired/surplus", test_executor_retired_surplus);
  lp_test_conform_add_func ("/owner/executor-retired/recycled", test_executor_retired_recycled);
  g_test_add_func ("/owner/executor-retired/start-failed", test_executor_retired_start_failed);
  g_test_add_func ("/owner/executor-retired/start-failed-at-the-start",
                   test_executor_retired_start_failed_at_the_start);

  return g_test_run ();
}
