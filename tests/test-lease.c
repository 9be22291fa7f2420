/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-lease.h"

/* --- Times --- */

static void
test_times_of_the_grant (void)
{
  LpManager *manager = start (1, 2.0);
  gint64 before = g_get_monotonic_time ();
  LpLease *lease = acquire_for (manager, "times", 10.0);
  gint64 after = g_get_monotonic_time ();
  gint64 leased_at = lp_lease_get_leased_at (lease);

  g_assert_cmpint (leased_at, >=, before);
  g_assert_cmpint (leased_at, <=, after);
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 10.0);
  g_assert_cmpfloat (lp_lease_get_grace_seconds (lease), ==, 2.0);
  g_assert_cmpint (lp_lease_get_soft_expires_at (lease), ==, leased_at + USEC (10));
  g_assert_cmpint (lp_lease_get_hard_expires_at (lease), ==, leased_at + USEC (12));

  finish (manager, lease);
}

static void
test_times_default_is_the_managers (void)
{
  LpManager *manager = lp_test_start (1, "default-lease-seconds", 40.0, "lease-grace-seconds", 0.0, NULL);
  LpLease *lease = acquire_for (manager, "times", -1.0);

  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 40.0);
  g_assert_cmpint (lp_lease_get_soft_expires_at (lease), ==, lp_lease_get_leased_at (lease) + USEC (40));
  g_assert_cmpint (lp_lease_get_hard_expires_at (lease), ==, lp_lease_get_soft_expires_at (lease));

  finish (manager, lease);
}

/* Not that of the acquire. */
static void
test_times_of_one_who_waited (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *first = acquire_for (manager, "first", LONG_SECONDS);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *second;
  gint64 released_at;

  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lp_test_wait_stat (manager, "waiting", 1);
  released_at = g_get_monotonic_time ();
  lp_lease_release (first);
  second = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpint (lp_lease_get_leased_at (second), >=, released_at);

  g_clear_object (&result);
  g_assert_finalize_object (first);
  finish (manager, second);
}

static void
test_identity (void)
{
  LpManager *manager = start (2, 0.0);
  LpLease *a = acquire_for (manager, "who", LONG_SECONDS);
  LpLease *b = acquire_for (manager, NULL, LONG_SECONDS);
  LpManager *of;

  g_assert_cmpstr (lp_lease_get_owner (a), ==, "who");
  g_assert_null (lp_lease_get_owner (b));
  g_assert_cmpstr (lp_lease_get_id (a), !=, lp_lease_get_id (b));
  g_assert_true (lp_lease_get_id (a) == lp_lease_get_id (a));

  of = lp_lease_dup_manager (a);
  g_assert_true (of == manager);
  g_object_unref (of);

  lp_lease_release (a);
  lp_lease_release (b);
  g_assert_finalize_object (b);
  lp_test_finish (manager);
  g_assert_null (lp_lease_dup_manager (a));
  g_assert_finalize_object (a);
}

static void
test_pending_jobs (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "pending", LONG_SECONDS);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);

  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 0);
  lp_test_submit (lease, running);
  lp_test_submit (lease, queued);
  lp_test_gate_wait_entered (gate, 1);
  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 2);
  lp_test_gate_open (gate);
  assert_value (queued);
  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 0);

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

/* --- Renew --- */

static void
test_renew_counts_from_now (void)
{
  LpManager *manager = start (1, 2.0);
  LpLease *lease = acquire_for (manager, "renew", 10.0);
  gint64 leased_at = lp_lease_get_leased_at (lease);
  gint64 before = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  gint64 soft;

  g_assert_true (lp_lease_renew (lease, 20.0, &error));
  g_assert_no_error (error);

  soft = lp_lease_get_soft_expires_at (lease);
  g_assert_cmpint (soft, >=, before + USEC (20));
  g_assert_cmpint (soft, <=, g_get_monotonic_time () + USEC (20));
  g_assert_cmpint (lp_lease_get_hard_expires_at (lease), ==, soft + USEC (2));
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 20.0);
  g_assert_cmpint (lp_lease_get_leased_at (lease), ==, leased_at);

  /* It may shorten the lease as well. */
  g_assert_true (lp_lease_renew (lease, 5.0, NULL));
  g_assert_cmpint (lp_lease_get_soft_expires_at (lease), <=, g_get_monotonic_time () + USEC (5));

  finish (manager, lease);
}

static void
test_renew_as_before (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "renew", 10.0);
  gint64 before;

  g_assert_true (lp_lease_renew (lease, 20.0, NULL));
  before = g_get_monotonic_time ();
  g_assert_true (lp_lease_renew (lease, -1.0, NULL));
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 20.0);
  g_assert_cmpint (lp_lease_get_soft_expires_at (lease), >=, before + USEC (20));

  finish (manager, lease);
}

static void
test_renew_takes_a_finite_number (void)
{
  const double bad[] = { 0.0, -2.0, -0.5, NAN, INFINITY, -INFINITY };
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "renew", LONG_SECONDS);
  gint64 hard = lp_lease_get_hard_expires_at (lease);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (lp_lease_renew (lease, bad[i], &error));
      g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, "seconds"));
    }

  g_assert_cmpint (lp_lease_get_hard_expires_at (lease), ==, hard);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  finish (manager, lease);
}

static void
test_renew_only_while_active (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "renew", LONG_SECONDS);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  gint64 hard = lp_lease_get_hard_expires_at (lease);
  g_autoptr (GError) draining = NULL;
  g_autoptr (GError) released = NULL;

  lp_test_submit (lease, job);
  lp_lease_release (lease);
  g_assert_false (lp_lease_renew (lease, LONG_SECONDS, &draining));
  g_assert_error (draining, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpint (lp_lease_get_hard_expires_at (lease), ==, hard);

  lp_test_gate_open (gate);
  assert_value (job);
  g_assert_false (lp_lease_renew (lease, -1.0, &released));
  g_assert_error (released, LP_ERROR, LP_ERROR_EXPIRED);

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

static void
test_renew_after_expiry (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "renew-late", SHORT_SECONDS);
  g_autoptr (GError) error = NULL;

  block_for_end (lease, LP_LEASE_STATE_EXPIRED);
  g_assert_false (lp_lease_renew (lease, LONG_SECONDS, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);

  finish (manager, lease);
}

/* The one that would have expired later does, and the renewed one lives. */
static void
test_renew_puts_the_expiry_off (void)
{
  LpManager *manager = start (2, 0.0);
  LpLease *renewed = acquire_for (manager, "renewed", 0.2);
  gint64 hard = lp_lease_get_hard_expires_at (renewed);
  LpLease *other = acquire_for (manager, "other", 0.2);

  if (lp_lease_renew (renewed, LONG_SECONDS, NULL))
    {
      g_assert_cmpint (lp_lease_get_hard_expires_at (other), >=, hard);
      block_for_end (other, LP_LEASE_STATE_EXPIRED);
      g_assert_cmpint (lp_lease_get_state (renewed), ==, LP_LEASE_STATE_ACTIVE);
    }
  else
    g_test_message ("the machine was too slow to renew in time");

  g_assert_finalize_object (other);
  finish (manager, renewed);
}

static gboolean
is_expiring (gpointer text)
{
  return strstr (((GString *) text)->str, "expiring") != NULL;
}

/* In its grace a lease is still active; renewed, it is announced once more. */
static void
test_renew_is_announced_again (void)
{
  LpManager *manager = start (1, LONG_SECONDS);
  g_autoptr (GString) text = g_string_new (NULL);
  LpLease *lease;

  g_signal_connect (manager, "lease-expiring", G_CALLBACK (expiring_cb), text);
  lease = acquire_for (manager, "renew", SHORT_SECONDS);
  for (guint i = 0; i < 3; i++)
    {
      g_string_truncate (text, 0);
      lp_test_wait_for (is_expiring, text, "lease-expiring");
      g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
      g_assert_true (lp_lease_renew (lease, -1.0, NULL));
    }

  finish (manager, lease);
}

/* --- Release --- */

static void
test_release_without_jobs (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "release", LONG_SECONDS);

  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);
  assert_refused (lease);

  finish (manager, lease);
}

static void
test_release_with_jobs_drains (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "drain", LONG_SECONDS);
  guint64 seq = executor_seq (lease);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);
  LpLease *next;

  lp_test_submit (lease, running);
  lp_test_submit (lease, queued);
  lp_test_gate_wait_entered (gate, 1);
  lp_lease_release (lease);

  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpuint (lp_test_stat (manager, "draining"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);
  assert_refused (lease);
  lp_test_check (manager);

  lp_test_gate_open (gate);
  assert_value (running);
  assert_value (queued);
  lp_test_block_released (lease);
  g_assert_cmpuint (lp_test_stat (manager, "draining"), ==, 0);

  /* Only now, and it is the same one. */
  next = acquire_for (manager, "next", LONG_SECONDS);
  g_assert_cmpuint (executor_seq (next), ==, seq);

  g_assert_finalize_object (lease);
  finish (manager, next);
  lp_test_gate_unref (gate);
}

static void
test_release_twice (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "twice", LONG_SECONDS);
  LpLease *next;

  lp_lease_release (lease);
  next = acquire_for (manager, "next", LONG_SECONDS);
  lp_lease_release (lease);

  /* It did not release the lease of the next one. */
  g_assert_cmpint (lp_lease_get_state (next), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);

  g_assert_finalize_object (lease);
  finish (manager, next);
}

static void
test_release_after_revocation (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "release-late", SHORT_SECONDS);

  block_for_end (lease, LP_LEASE_STATE_EXPIRED);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 0);
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);

  finish (manager, lease);
}

static void
test_release_after_stop (void)
{
  LpManager *manager = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "stopped", LONG_SECONDS);

  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, NULL));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 0);

  finish (manager, lease);
}

static void
test_release_by_id (void)
{
  LpManager *manager = start (2, 0.0);
  LpManager *other = start (1, 0.0);
  LpLease *lease = acquire_for (manager, "id", LONG_SECONDS);
  LpLease *draining = acquire_for (manager, "draining", LONG_SECONDS);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  const char *id = lp_lease_get_id (lease);

  g_assert_false (lp_manager_release (manager, ""));
  g_assert_false (lp_manager_release (manager, "lease-0.0"));
  g_assert_false (lp_manager_release (other, id));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  g_assert_true (lp_manager_release (manager, id));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_false (lp_manager_release (manager, id));

  lp_test_submit (draining, job);
  lp_lease_release (draining);
  g_assert_false (lp_manager_release (manager, lp_lease_get_id (draining)));
  lp_test_gate_open (gate);

  lp_test_finish (other);
  g_assert_finalize_object (draining);
  finish (manager, lease);
  lp_test_gate_unref (gate);
}

int
main (int argc, char *argv[])
{
  int result;

  g_test_init (&argc, &argv, NULL);
  keep_records ();

  lp_test_conform_add_func ("/lease/times/soft-is-the-grant-plus-seconds-hard-adds-the-grace", test_times_of_the_grant);
  lp_test_conform_add_func ("/lease/times/default-is-the-managers", test_times_default_is_the_managers);
  lp_test_conform_add_func ("/lease/times/leased-at-is-the-grant", test_times_of_one_who_waited);
  lp_test_conform_add_func ("/lease/identity", test_identity);
  lp_test_conform_add_func ("/lease/pending-jobs", test_pending_jobs);
  lp_test_conform_add_func ("/lease/renew/counts-from-now", test_renew_counts_from_now);
  lp_test_conform_add_func ("/lease/renew/minus-one-is-as-before", test_renew_as_before);
  lp_test_conform_add_func ("/lease/renew/takes-a-finite-number", test_renew_takes_a_finite_number);
  lp_test_conform_add_func ("/lease/renew/only-while-active", test_renew_only_while_active);
  lp_test_conform_add_func ("/lease/renew/refused-after-expiry", test_renew_after_expiry);
  lp_test_conform_add_func ("/lease/renew/puts-the-expiry-off", test_renew_puts_the_expiry_off);
  lp_test_conform_add_func ("/lease/renew/is-announced-again", test_renew_is_announced_again);
  lp_test_conform_add_func ("/lease/release/without-jobs", test_release_without_jobs);
  lp_test_conform_add_func ("/lease/release/with-jobs-drains", test_release_with_jobs_drains);
  lp_test_conform_add_func ("/lease/release/twice-does-nothing", test_release_twice);
  lp_test_conform_add_func ("/lease/release/after-revocation-does-nothing", test_release_after_revocation);
  lp_test_conform_add_func ("/lease/release/after-stop-does-nothing", test_release_after_stop);
  lp_test_conform_add_func ("/lease/release/by-id-tells-whether-it-was-active", test_release_by_id);

  result = g_test_run ();
  g_ptr_array_unref (records);

  return result;
}
