/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How leases end: drained, and expired. */

#include "config.h"

#include "lp-test-lease.h"

/* --- Drain --- */

static void
assert_drained (LpLease *lease, GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_lease_drain_finish (lease, lp_test_wait_result (result), &error));
  g_assert_no_error (error);
}

static void
assert_not_drained (LpLease *lease, GAsyncResult **result, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_drain_finish (lease, lp_test_wait_result (result), &error));
  g_assert_error (error, domain, code);
}

static void
test_drain_waits_for_the_jobs (void)
{
  Draining self;
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GAsyncResult) late = NULL;

  draining_init (&self);
  lp_lease_drain_async (self.lease, NULL, lp_test_result_cb, &first);
  lp_lease_drain_async (self.lease, NULL, lp_test_result_cb, &second);
  lp_lease_drain_async (self.lease, NULL, NULL, NULL);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_DRAINING);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (first);

  lp_test_gate_open (self.gate);
  assert_drained (self.lease, &first);
  assert_drained (self.lease, &second);
  g_assert_cmpint (lp_job_get_state (self.job), ==, LP_JOB_STATE_SUCCEEDED);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_RELEASED);

  /* After the end there is nothing to wait for. */
  lp_lease_drain_async (self.lease, NULL, lp_test_result_cb, &late);
  assert_drained (self.lease, &late);

  g_clear_object (&first);
  g_clear_object (&second);
  g_clear_object (&late);
  draining_clear (&self);
}

static void
test_drain_without_jobs (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "drain", LONG_SECONDS);
  g_autoptr (GAsyncResult) result = NULL;

  lp_lease_drain_async (lease, NULL, lp_test_result_cb, &result);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_null (result);
  assert_drained (lease, &result);

  g_clear_object (&result);
  finish (manager, lease);
}

/* lp_test_result_cb() fails when it is called twice. */
static void
test_drain_cancel_ends_the_wait_only (void)
{
  Draining self;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) waiting = NULL;

  draining_init (&self);
  lp_lease_drain_async (self.lease, cancellable, lp_test_result_cb, &cancelled);
  lp_lease_drain_async (self.lease, NULL, lp_test_result_cb, &waiting);
  g_cancellable_cancel (cancellable);
  assert_not_drained (self.lease, &cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_DRAINING);
  g_assert_false (g_cancellable_is_cancelled (lp_job_get_cancellable (self.job)));

  lp_test_gate_open (self.gate);
  assert_drained (self.lease, &waiting);
  g_assert_cmpint (lp_job_get_state (self.job), ==, LP_JOB_STATE_SUCCEEDED);

  g_clear_object (&cancelled);
  g_clear_object (&waiting);
  draining_clear (&self);
}

static void
test_drain_cancelled_before (void)
{
  Draining self;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) waiting = NULL;

  draining_init (&self);
  g_cancellable_cancel (cancellable);
  lp_lease_drain_async (self.lease, cancellable, lp_test_result_cb, &cancelled);
  assert_not_drained (self.lease, &cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  lp_lease_drain_async (self.lease, NULL, lp_test_result_cb, &waiting);
  lp_test_gate_open (self.gate);
  assert_drained (self.lease, &waiting);

  g_clear_object (&cancelled);
  g_clear_object (&waiting);
  draining_clear (&self);
}

static void
test_drain_ends_at_the_hard_expiry (void)
{
  Draining self;
  g_autoptr (LpJob) queued = lp_test_value_job (1);
  g_autoptr (GAsyncResult) result = NULL;
  guint64 seq;
  LpLease *next;

  draining_init (&self);
  seq = executor_seq (self.lease);
  lp_test_submit (self.lease, queued);
  expire_soon (self.lease);
  lp_lease_drain_async (self.lease, NULL, lp_test_result_cb, &result);
  assert_not_drained (self.lease, &result, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_EXPIRED);
  g_assert_cmpint (g_get_monotonic_time (), >=, lp_lease_get_hard_expires_at (self.lease));

  assert_cancelled (self.job);
  assert_cancelled (queued);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);

  next = acquire_for (self.manager, "next", LONG_SECONDS);
  g_assert_cmpuint (executor_seq (next), !=, seq);
  lp_lease_release (next);
  g_assert_finalize_object (next);

  g_clear_object (&result);
  draining_clear (&self);
}

static void
test_drain_after_revocation (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "drain-late", SHORT_SECONDS);
  g_autoptr (GAsyncResult) result = NULL;

  block_for_end (lease, LP_LEASE_STATE_EXPIRED);
  lp_lease_drain_async (lease, NULL, lp_test_result_cb, &result);
  assert_not_drained (lease, &result, LP_ERROR, LP_ERROR_EXPIRED);

  g_clear_object (&result);
  finish (manager, lease);
}

static void
pass_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_mutex_lock (user_data);
  g_mutex_unlock (user_data);
  *result = g_variant_new ("()");
}

static gboolean
is_running (gpointer job)
{
  return lp_job_get_state (job) == LP_JOB_STATE_RUNNING;
}

/* Only the end of the last job is one that the manager decides anything about: the worker goes on
 * while others have its lock. */
static void
test_drain_asks_for_the_pool_once (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "check-interval", 3600.0, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  GMutex held;
  g_autoptr (LpJob) first = lp_job_new_for_func (pass_func, &held, NULL);
  g_autoptr (LpJob) last = lp_test_gate_job (gate);
  LpLease *lease = lp_test_acquire (manager, "drained");

  g_mutex_init (&held);
  g_mutex_lock (&held);
  lp_test_submit (lease, first);
  lp_test_submit (lease, last);
  lp_lease_release (lease);
  lp_test_block_for (is_running, first, "the first job");

  g_mutex_lock (&manager->pool->lock);
  g_mutex_unlock (&held);
  lp_test_gate_wait_entered (gate, 1);
  g_mutex_unlock (&manager->pool->lock);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_DRAINING);

  lp_test_gate_open (gate);
  lp_test_assert_done (last);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);

  finish (manager, lease);
  lp_test_gate_unref (gate);
  g_mutex_clear (&held);
}

/* --- Expiry --- */

/* The owner's loop does not run, nobody calls the manager, the check is in an
 * hour: what is waited for is the end of a job, on this thread. */
static void
test_expiry_with_nobody_asking (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "nobody-asks", SHORT_SECONDS);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_polite_job (gate);
  g_autoptr (LpJob) queued = lp_test_gate_job (gate);

  if (lp_lease_submit (lease, running, NULL) && lp_lease_submit (lease, queued, NULL))
    {
      assert_cancelled (queued);
      assert_cancelled (running);
      g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
      g_assert_cmpint (lp_job_get_ended_at (queued), >=, lp_lease_get_hard_expires_at (lease));
    }

  block_for_end (lease, LP_LEASE_STATE_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);
  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 0);
  g_assert_cmpuint (lp_test_gate_get_entered (gate), <=, 1);

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

static void
test_expiry_is_told_by_a_message (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "told-of", SHORT_SECONDS);

  lp_test_block_for (was_revoked_loudly, (gpointer) "told-of", "the message");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);

  finish (manager, lease);
  g_assert_cmpuint (count_messages ("lease-revoked", "told-of"), ==, 1);
  g_assert_cmpuint (count_messages ("lease-dropped", "told-of"), ==, 0);
}

static void
released_by_then_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Draining *self = user_data;
  g_autoptr (GVariant) value = lp_job_wait_finish (LP_JOB (source), result, NULL);

  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
  self->told = TRUE;
}

static gboolean
is_told (gpointer data)
{
  return ((Draining *) data)->told;
}

/* Whoever waits for the last job of a draining lease is told after the lease has ended. */
static void
test_draining_ends_before_it_is_told (void)
{
  Draining self;

  draining_init (&self);
  self.told = FALSE;
  lp_job_wait_async (self.job, NULL, released_by_then_cb, &self);
  lp_lease_release (self.lease);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_DRAINING);
  lp_test_gate_open (self.gate);
  lp_test_wait_for (is_told, &self, "the end of the job");
  draining_clear (&self);
}

static void
hold_service_cb (gpointer data, gpointer more)
{
  g_async_queue_push (data, GINT_TO_POINTER (TRUE));
  g_async_queue_pop (more);
}

/* With the thread that would revoke it held up, the submit does. */
static void
test_expiry_by_a_late_submit (void)
{
  LpManager *manager = start (1, 0.0);
  GAsyncQueue *held = g_async_queue_new ();
  GAsyncQueue *go_on = g_async_queue_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;
  LpLease *lease;
  gint64 hard;

  lease = acquire_for (manager, "submits-late", LONG_SECONDS);
  lp_service_post (manager->pool->service, hold_service_cb, held, go_on);
  g_async_queue_pop (held);
  g_assert_true (lp_lease_renew (lease, SHORT_SECONDS, NULL));
  hard = lp_lease_get_hard_expires_at (lease);
  lp_test_block_for (has_passed, &hard, "the hard expiry");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_nonnull (strstr (error->message, "submits-late"));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);
  g_assert_cmpuint (count_messages ("lease-revoked", "submits-late"), ==, 1);

  g_async_queue_push (go_on, GINT_TO_POINTER (TRUE));
  finish (manager, lease);
  g_async_queue_unref (held);
  g_async_queue_unref (go_on);
}

/* Nor is the executor of a draining lease reused whose last job ends late. With threads: the end of a job in another
 * process comes on the thread that is held up. */
static void
test_expiry_by_a_late_end (void)
{
  GAsyncQueue *held = g_async_queue_new ();
  GAsyncQueue *go_on = g_async_queue_new ();
  Draining self;
  gint64 hard;

  draining_init (&self);
  lp_service_post (self.manager->pool->service, hold_service_cb, held, go_on);
  g_async_queue_pop (held);
  g_assert_true (lp_lease_renew (self.lease, 0.3, NULL));
  lp_lease_release (self.lease);
  hard = lp_lease_get_hard_expires_at (self.lease);
  lp_test_block_for (has_passed, &hard, "the hard expiry");
  lp_test_gate_open (self.gate);
  lp_test_block_for (has_ended, self.lease, "the end of the lease");
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_EXPIRED);

  g_async_queue_push (go_on, GINT_TO_POINTER (TRUE));
  lp_test_wait_stat (self.manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (self.manager, "executors_created"), ==, 2);
  draining_clear (&self);
  g_async_queue_unref (held);
  g_async_queue_unref (go_on);
}

static void
test_expiry_is_soft_then_hard (void)
{
  LpManager *manager = start (1, SHORT_SECONDS);
  g_autoptr (GString) text = g_string_new (NULL);
  LpLease *lease;

  g_signal_connect (manager, "lease-expiring", G_CALLBACK (expiring_cb), text);
  g_signal_connect (manager, "lease-ended", G_CALLBACK (ended_cb), text);
  lease = acquire_for (manager, "soft", SHORT_SECONDS);
  lp_test_wait_for (is_over, text, "lease-ended");
  g_assert_cmpstr (text->str, ==, "expiring 0 ended 3 ");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);

  finish (manager, lease);
}

/* So it is when both have passed before anybody came to it. */
static void
test_expiry_that_comes_late_is_soft_then_hard (void)
{
  LpManager *manager = start (1, SHORT_SECONDS);
  GAsyncQueue *held = g_async_queue_new ();
  GAsyncQueue *go_on = g_async_queue_new ();
  g_autoptr (GString) text = g_string_new (NULL);
  LpLease *lease;
  gint64 hard;

  g_signal_connect (manager, "lease-expiring", G_CALLBACK (expiring_cb), text);
  g_signal_connect (manager, "lease-ended", G_CALLBACK (ended_cb), text);
  lease = acquire_for (manager, "late", LONG_SECONDS);
  lp_service_post (manager->pool->service, hold_service_cb, held, go_on);
  g_async_queue_pop (held);
  g_assert_true (lp_lease_renew (lease, SHORT_SECONDS, NULL));
  hard = lp_lease_get_hard_expires_at (lease);
  lp_test_block_for (has_passed, &hard, "the hard expiry");
  g_async_queue_push (go_on, GINT_TO_POINTER (TRUE));
  lp_test_wait_for (is_over, text, "lease-ended");
  g_assert_cmpstr (text->str, ==, "expiring 0 ended 3 ");

  finish (manager, lease);
  g_async_queue_unref (held);
  g_async_queue_unref (go_on);
}

/* Between the two it takes jobs. */
static void
test_expiry_soft_is_still_active (void)
{
  LpManager *manager = start (1, LONG_SECONDS);
  LpLease *lease = acquire_for (manager, "soft", SHORT_SECONDS);
  g_autoptr (LpJob) job = lp_test_value_job (1);
  gint64 soft = lp_lease_get_soft_expires_at (lease);

  lp_test_block_for (has_passed, &soft, "the soft expiry");
  lp_test_submit (lease, job);
  assert_value (job);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  finish (manager, lease);
}

static void
test_expiry_executor_is_replaced (void)
{
  LpManager *manager = start (1, 0.0);
  g_autoptr (GString) text = g_string_new (NULL);
  LpLease *lease;
  LpLease *next;

  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), text);
  lease = acquire_for (manager, "replaced", SHORT_SECONDS);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (text->str, ==, "1:2 ");
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);

  next = acquire_for (manager, "next", LONG_SECONDS);
  g_assert_cmpuint (executor_seq (next), ==, 2);

  g_assert_finalize_object (lease);
  finish (manager, next);
}

static void
test_expiry_serves_who_waits (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "holder", SHORT_SECONDS);
  LpLease *next = acquire_for (manager, "waiter", LONG_SECONDS);

  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);
  g_assert_cmpuint (executor_seq (next), ==, 2);

  g_assert_finalize_object (lease);
  finish (manager, next);
}

/* A lease that nobody fetched in time is none. */
static void
test_expiry_before_finish (void)
{
  LpManager *manager = start (1, 0.0);
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_request_set_owner (request, "fetches-late");
  lp_request_set_lease_seconds (request, SHORT_SECONDS);
  lp_manager_acquire_async (manager, request, NULL, lp_test_result_cb, &result);
  lp_test_block_for (was_revoked_loudly, (gpointer) "fetches-late", "the message");
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);

  g_clear_object (&result);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  keep_records ();

  lp_test_conform_add_func ("/lease/drain/waits-for-the-jobs", test_drain_waits_for_the_jobs);
  lp_test_conform_add_func ("/lease/drain/ends-before-it-is-told", test_draining_ends_before_it_is_told);
  g_test_add_func ("/lease/drain/asks-for-the-pool-once", test_drain_asks_for_the_pool_once);
  lp_test_conform_add_func ("/lease/drain/without-jobs", test_drain_without_jobs);
  lp_test_conform_add_func ("/lease/drain/cancel-ends-the-wait-only", test_drain_cancel_ends_the_wait_only);
  lp_test_conform_add_func ("/lease/drain/cancelled-before", test_drain_cancelled_before);
  lp_test_conform_add_func ("/lease/drain/ends-at-the-hard-expiry", test_drain_ends_at_the_hard_expiry);
  lp_test_conform_add_func ("/lease/drain/after-revocation", test_drain_after_revocation);
  lp_test_conform_add_func ("/lease/expiry/on-time-with-nobody-asking", test_expiry_with_nobody_asking);
  lp_test_conform_add_func ("/lease/expiry/is-told-by-a-message", test_expiry_is_told_by_a_message);
  lp_test_conform_add_func ("/lease/expiry/a-late-submit-revokes", test_expiry_by_a_late_submit);
  g_test_add_func ("/lease/expiry/a-late-end-of-the-last-job", test_expiry_by_a_late_end);
  lp_test_conform_add_func ("/lease/expiry/soft-then-hard", test_expiry_is_soft_then_hard);
  lp_test_conform_add_func ("/lease/expiry/late-soft-then-hard", test_expiry_that_comes_late_is_soft_then_hard);
  lp_test_conform_add_func ("/lease/expiry/soft-is-still-active", test_expiry_soft_is_still_active);
  lp_test_conform_add_func ("/lease/expiry/executor-is-replaced-never-reused", test_expiry_executor_is_replaced);
  lp_test_conform_add_func ("/lease/expiry/serves-who-waits", test_expiry_serves_who_waits);
  lp_test_conform_add_func ("/lease/expiry/before-finish", test_expiry_before_finish);

  result = g_test_run ();
  g_ptr_array_unref (records);

  return result;
}
