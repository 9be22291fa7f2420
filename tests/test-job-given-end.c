/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Functions that run when the outcome of their job has been given, and the end of the lease: they
 * are told to return, and have the grace of a job. */

#include "config.h"

#include "lp-test-given.h"

/* --- When its time is over --- */

static gboolean
has_expired (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_EXPIRED;
}

static void
expire (Fixture *self, gboolean released)
{
  g_assert_true (lp_lease_renew (self->lease, SHORT_SECONDS, NULL));
  if (released)
    lp_lease_release (self->lease);
  lp_test_block_for (has_expired, self->lease, "the hard expiry");
}

/* It has the grace of a job. Then it is as one that was abandoned. */
static void
check_never_returns (Fixture *self, gboolean released)
{
  Given given;
  g_autoptr (LpJob) job = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  expire (self, released);
  lp_test_wait_stat (self->manager, "quarantined", 1);
  lp_test_block_for (is_set, &n_quarantined, "the message");
  g_assert_true (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  assert_value (job, 11);
  lp_test_wait_stat (self->manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_created"), ==, 2);
  lp_test_check (self->manager);

  let_return (&given);
  lp_test_wait_stat (self->manager, "quarantined", 0);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 0);
  given_clear (&given);
}

static void
test_never_returns (Fixture *self, gconstpointer data)
{
  check_never_returns (self, FALSE);
}

static void
test_never_returns_and_is_released (Fixture *self, gconstpointer data)
{
  check_never_returns (self, TRUE);
}

static void
gives_when_told_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Given *given = user_data;

  lp_job_defer (job);
  block_cancelled (job);
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  g_async_queue_pop (given->go_on);
}

/* The grace is that of the job at first, which may give its outcome in time or not. Either
 * way it is over some time. Before, the one was stuck at once; this sees that it becomes so. */
static void
test_never_returns_and_was_told_before (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;

  given_init (&given);
  job = lp_job_new_for_func (gives_when_told_func, &given, given_destroy);
  lp_test_submit (self->lease, job);
  expire (self, FALSE);
  lp_test_wait_stat (self->manager, "quarantined", 1);

  let_return (&given);
  given_clear (&given);
}

/* Told at the hard end of the lease, it has nothing quarantined. */
static void
test_returns_when_told (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;

  given_init (&given);
  given.is_polite = TRUE;
  job = submit_given (self, &given);
  expire (self, TRUE);
  given_clear (&given);
  lp_test_wait_stat (self->manager, "available", 1);
  g_assert_cmpint (g_atomic_int_get (&n_quarantined), ==, 0);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
}

/* Threads outlive what broke their executor: it waits for them, as for what runs. */
static void
test_returns_to_a_broken_executor (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GError) error = g_error_new_literal (LP_ERROR, LP_ERROR_FAILED, "as the test asked");

  given_init (&given);
  job = submit_given (self, &given);
  lp_executor_report_died (lp_lease_get_grant (self->lease)->executor, error);
  g_assert_cmpint (state_of (self), ==, LP_LEASE_STATE_BROKEN);
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_retired"), ==, 0);

  let_return (&given);
  lp_test_wait_stat (self->manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_retired"), ==, 1);
  g_assert_cmpint (g_atomic_int_get (&n_quarantined), ==, 0);
  given_clear (&given);
}

/* For as long as its lease would have lasted. */
static void
test_returns_to_a_broken_executor_when_told (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GError) error = g_error_new_literal (LP_ERROR, LP_ERROR_FAILED, "as the test asked");

  given_init (&given);
  given.is_polite = TRUE;
  job = submit_given (self, &given);
  g_assert_true (lp_lease_renew (self->lease, SHORT_SECONDS, NULL));
  lp_executor_report_died (lp_lease_get_grant (self->lease)->executor, error);
  given_clear (&given);
  lp_test_wait_stat (self->manager, "available", 1);
  g_assert_cmpint (g_atomic_int_get (&n_quarantined), ==, 0);
}

/* --- Stopped --- */

static void
finish_stop (Fixture *self, GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_stop_finish (self->manager, lp_test_wait_result (result), &error));
  g_assert_no_error (error);
  g_assert_cmpint (state_of (self), ==, LP_LEASE_STATE_STOPPED);
  g_clear_object (result);
}

static void
test_stop_drains (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  GAsyncResult *result = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &result);
  g_assert_cmpint (state_of (self), ==, LP_LEASE_STATE_DRAINING);
  g_assert_null (result);

  let_return (&given);
  finish_stop (self, &result);
  g_assert_false (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  g_assert_cmpint (g_atomic_int_get (&n_messages), ==, 0);
  given_clear (&given);
}

static void
check_stop_cancels (Fixture *self, LpStopMode mode, double timeout)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  GAsyncResult *result = NULL;

  given_init (&given);
  given.is_polite = TRUE;
  job = submit_given (self, &given);
  lp_manager_stop_async (self->manager, mode, timeout, NULL, lp_test_result_cb, &result);
  finish_stop (self, &result);
  g_assert_cmpint (g_atomic_int_get (&n_messages), ==, 0);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  given_clear (&given);
}

static void
test_stop_cancels (Fixture *self, gconstpointer data)
{
  check_stop_cancels (self, LP_STOP_MODE_CANCEL, -1);
}

static void
test_stop_drains_and_cancels (Fixture *self, gconstpointer data)
{
  check_stop_cancels (self, LP_STOP_MODE_DRAIN, SHORT_SECONDS);
}

static void
test_stop_cancels_in_vain (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  GAsyncResult *result = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  lp_manager_stop_async (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, lp_test_result_cb, &result);
  finish_stop (self, &result);
  g_assert_true (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  lp_test_block_for (is_set, &n_quarantined, "the message");
  g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, 1);

  let_return (&given);
  given_clear (&given);
}

/* A kill ends the waiting, whatever the grace is. */
static void
test_stop_kills (Fixture *self, gconstpointer data)
{
  Given given;
  g_autoptr (LpJob) job = NULL;
  GAsyncResult *result = NULL;

  given_init (&given);
  job = submit_given (self, &given);
  lp_lease_release (self->lease);
  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &result);
  g_assert_null (result);
  g_assert_true (lp_manager_stop (self->manager, LP_STOP_MODE_KILL, -1, NULL, NULL));
  finish_stop (self, &result);
  g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, 1);

  let_return (&given);
  given_clear (&given);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_messages, NULL, NULL);

  add_impatient ("never-returns/and-is-not-released", 1, test_never_returns);
  add_impatient ("never-returns/and-is-released", 1, test_never_returns_and_is_released);
  add_impatient ("never-returns/and-was-told-before", 1, test_never_returns_and_was_told_before);
  add_patient ("returns/when-told", 1, test_returns_when_told);
  add_patient ("returns/to-a-broken-executor", 1, test_returns_to_a_broken_executor);
  add_patient ("returns/to-a-broken-executor-when-told", 1, test_returns_to_a_broken_executor_when_told);
  add_patient ("stop/drain", 1, test_stop_drains);
  add_patient ("stop/drain-then-cancel", 1, test_stop_drains_and_cancels);
  add_patient ("stop/cancel", 1, test_stop_cancels);
  add_impatient ("stop/cancel-in-vain", 1, test_stop_cancels_in_vain);
  add_patient ("stop/kill", 1, test_stop_kills);

  return g_test_run ();
}
