/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Leases that are dropped, break, or are stopped. */

#include "config.h"

#include "lp-test-lease.h"

/* --- Dropped --- */

static void
test_dropped_on_the_main_thread (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "drops-on-main", LONG_SECONDS);

  g_assert_finalize_object (lease);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);
  g_assert_cmpuint (count_messages ("lease-dropped", "drops-on-main"), ==, 1);

  lp_test_finish (manager);
}

static void
drop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_object_unref (user_data);
  *result = g_variant_new ("()");
}

/* On the very worker that it lent, and it is reused. */
static void
test_dropped_on_a_worker (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "drops-on-worker", LONG_SECONDS);
  guint64 seq = executor_seq (lease);
  g_autoptr (LpJob) job = lp_job_new_for_func (drop_func, lease, NULL);
  LpLease *watched = lease;
  LpLease *next;

  g_object_add_weak_pointer (G_OBJECT (lease), (gpointer *) &watched);
  lp_test_submit (lease, job);
  assert_value (job);
  g_assert_null (watched);
  g_assert_cmpuint (count_messages ("lease-dropped", "drops-on-worker"), ==, 1);

  next = acquire_for (manager, "next", LONG_SECONDS);
  g_assert_cmpuint (executor_seq (next), ==, seq);

  finish (manager, next);
}

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  guint available;
} Drop;

static void
drop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Drop *drop = user_data;
  g_autoptr (GVariant) value = lp_job_wait_finish (LP_JOB (source), result, NULL);

  g_assert_nonnull (value);
  g_clear_object (&drop->lease);
  drop->available = lp_test_stat (drop->manager, "available");
}

static gboolean
is_dropped (gpointer user_data)
{
  return ((Drop *) user_data)->lease == NULL;
}

static void
test_dropped_in_a_callback (void)
{
  LpManager *manager = start (1, 0.0);
  Drop drop = { manager, acquire_for (manager, "drops-in-callback", LONG_SECONDS), 0 };
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (drop.lease, job);
  lp_job_wait_async (job, NULL, drop_cb, &drop);
  lp_test_wait_for (is_dropped, &drop, "the callback");

  /* Before the callback returned. */
  g_assert_cmpuint (drop.available, ==, 1);
  g_assert_cmpuint (count_messages ("lease-dropped", "drops-in-callback"), ==, 1);

  lp_test_finish (manager);
}

static void
test_dropped_with_jobs_drains (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "drops-with-jobs", LONG_SECONDS);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);

  lp_test_submit (lease, running);
  lp_test_submit (lease, queued);
  g_assert_finalize_object (lease);
  g_assert_cmpuint (lp_test_stat (manager, "draining"), ==, 1);
  g_assert_cmpuint (count_messages ("lease-dropped", "drops-with-jobs"), ==, 1);

  lp_test_gate_open (gate);
  assert_value (queued);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);

  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static void
test_dropped_after_the_end_says_nothing (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "drops-after", LONG_SECONDS);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lease = acquire_for (manager, "drops-after", LONG_SECONDS);
  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL));
  g_assert_finalize_object (lease);
  g_assert_cmpuint (count_messages ("lease-dropped", "drops-after"), ==, 0);

  lp_test_finish (manager);
}

/* --- States --- */

static void
test_state_broken (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "broken", LONG_SECONDS);
  g_autoptr (GError) why = g_error_new_literal (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR, "as asked");
  g_autoptr (GString) text = g_string_new (NULL);
  LpLease *next;

  g_signal_connect (manager, "lease-ended", G_CALLBACK (ended_cb), text);
  lp_executor_report_died (lp_lease_get_grant (lease)->executor, why);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  assert_refused (lease);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 0);

  next = acquire_for (manager, "next", LONG_SECONDS);
  g_assert_cmpuint (executor_seq (next), ==, 2);
  lp_test_wait_for (is_over, text, "lease-ended");
  g_assert_cmpstr (text->str, ==, "ended 4 ");

  g_assert_finalize_object (lease);
  finish (manager, next);
}

static void
test_state_stopped_and_restarted (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "stopped", LONG_SECONDS);
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, NULL));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  assert_refused (lease);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  assert_refused (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  lp_lease_release (lease);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);

  finish (manager, lease);
}

/* A drained stop lets the accepted jobs run; the lease was stopped all the same. */
static void
test_state_stopped_while_draining (void)
{
  Draining self;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) refused = NULL;
  g_autoptr (LpJob) late = lp_test_value_job (1);

  draining_init (&self);
  lp_manager_stop_async (self.manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &result);
  g_assert_false (lp_lease_submit (self.lease, late, &refused));
  g_assert_error (refused, LP_ERROR, LP_ERROR_NOT_STARTED);
  lp_test_gate_open (self.gate);
  lp_manager_stop_finish (self.manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  assert_value (self.job);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_STOPPED);

  g_clear_object (&result);
  draining_clear (&self);
}

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  keep_records ();

  lp_test_conform_add_func ("/lease/dropped/on-the-main-thread", test_dropped_on_the_main_thread);
  g_test_add_func ("/lease/dropped/on-a-worker", test_dropped_on_a_worker);
  lp_test_conform_add_func ("/lease/dropped/in-a-callback", test_dropped_in_a_callback);
  lp_test_conform_add_func ("/lease/dropped/with-jobs-drains", test_dropped_with_jobs_drains);
  lp_test_conform_add_func ("/lease/dropped/after-the-end-says-nothing", test_dropped_after_the_end_says_nothing);
  lp_test_conform_add_func ("/lease/state/broken", test_state_broken);
  lp_test_conform_add_func ("/lease/state/stopped-also-after-a-restart", test_state_stopped_and_restarted);
  lp_test_conform_add_func ("/lease/state/stopped-while-draining", test_state_stopped_while_draining);

  result = g_test_run ();
  g_ptr_array_unref (records);

  return result;
}
