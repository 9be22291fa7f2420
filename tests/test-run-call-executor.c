/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp_manager_run_async() on executors that queue, break, start late, and fail. */

#include "config.h"

#include "lp-test-executor.h"

static void
assert_run_fails (LpManager *manager, GAsyncResult **result, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_manager_run_finish (manager, lp_test_wait_result (result), &error));
  g_assert_error (error, domain, code);
  g_clear_object (result);
}

/* The service thread would hand the job to the executor, and does nothing. */
static void
test_cancel_while_queued (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  LpJob *job = lp_test_value_job (1);
  GAsyncResult *result = NULL;
  LpManager *manager;

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  hold_up_service (manager);
  lp_manager_run_async (manager, job, NULL, cancellable, lp_test_result_cb, &result);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 0);
  assert_run_fails (manager, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  let_go_service (manager);

  g_assert_cmpuint (peek (&world.n_submits), ==, 0);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);
  finish_with (manager, NULL, job, NULL);
}

static void
test_executor_breaks (void)
{
  LpJob *job = lp_test_value_job (1);
  GAsyncResult *result = NULL;
  LpManager *manager;

  begin (START_READY, SUBMIT_DIES);
  manager = start (1, 1);
  lp_manager_run_async (manager, job, NULL, NULL, lp_test_result_cb, &result);
  assert_run_fails (manager, &result, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 0);
  finish_with (manager, NULL, job, NULL);
}

static void
test_executor_refuses (void)
{
  LpJob *job = lp_test_value_job (1);
  GAsyncResult *result = NULL;
  LpManager *manager;

  begin (START_READY, SUBMIT_FALSE);
  manager = start (1, 1);
  lp_manager_run_async (manager, job, NULL, NULL, lp_test_result_cb, &result);
  assert_run_fails (manager, &result, LP_ERROR, LP_ERROR_NOT_SUPPORTED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_FAILED);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);
  finish_with (manager, NULL, job, NULL);
}

/* One more executor is started for it; what is told of its start drives the call. */
static void
test_waits_for_a_start (void)
{
  LpJob *job = lp_test_value_job (1);
  g_autoptr (GVariant) value = NULL;
  GAsyncResult *result = NULL;
  LpManager *manager;
  LpLease *lease;

  begin (START_READY, SUBMIT_VALUE);
  manager = start_type (test_mortal_get_type (), 2, 1);
  lease = lp_test_acquire (manager, "holder");
  lp_manager_run_async (manager, job, NULL, NULL, lp_test_result_cb, &result);
  assert_value (job, 42);
  g_assert_null (result);
  value = lp_manager_run_finish (manager, lp_test_wait_result (&result), NULL);
  g_assert_nonnull (value);
  g_clear_object (&result);
  g_assert_cmpuint (world.executors->len, ==, 2);

  finish_with (manager, lease, job, NULL);
}

static GCancellable *cancelled_by_record;

static GLogWriterOutput
cancelling_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT") && g_str_equal (fields[i].value, "executor-created")
        && cancelled_by_record != NULL)
      g_cancellable_cancel (cancelled_by_record);

  return g_log_writer_default (level, fields, n_fields, user_data);
}

/* It does not wait, so there is no wait to end, and the job is not submitted yet:
 * the executor that is made for it is given back. */
static void
test_cancel_while_it_is_granted (void)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  LpJob *job = lp_test_value_job (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpRequest) request = lp_request_new ();
  GAsyncResult *result = NULL;

  cancelled_by_record = cancellable;
  lp_request_set_wait (request, FALSE);
  lp_manager_run_async (manager, job, request, cancellable, lp_test_result_cb, &result);
  cancelled_by_record = NULL;
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  assert_run_fails (manager, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  g_assert_finalize_object (job);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (cancelling_writer, NULL, NULL);

  g_test_add_func ("/run-call-executor/cancel-while-queued", test_cancel_while_queued);
  g_test_add_func ("/run-call-executor/cancel-while-it-is-granted", test_cancel_while_it_is_granted);
  g_test_add_func ("/run-call-executor/breaks", test_executor_breaks);
  g_test_add_func ("/run-call-executor/refuses", test_executor_refuses);
  g_test_add_func ("/run-call-executor/waits-for-a-start", test_waits_for_a_start);

  return g_test_run ();
}
