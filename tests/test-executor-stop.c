/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The hook: how an executor of other hands shuts down. */

#include "config.h"

#include "lp-test-executor.h"

#include <errno.h>
#include <sys/wait.h>

/* --- Shutdowns --- */

static void
test_stop_jobs (gconstpointer data)
{
  LpStopMode mode = GPOINTER_TO_INT (data);
  LpManager *manager;
  LpLease *lease;
  LpJob *running, *queued;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  running = submit_new (lease);
  queued = submit_new (lease);
  wait_count (&world.n_submits, 1);

  g_assert_true (lp_manager_stop (manager, mode, -1, NULL, &error));
  g_assert_no_error (error);
  assert_failed (running, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_failed (queued, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  g_assert_cmpuint (world.n_shutdowns, ==, 1);
  /* With something left that only a kill ends, that is what it is asked for. */
  g_assert_cmpint (world.mode, ==, LP_STOP_MODE_KILL);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  finish_with (manager, lease, running, queued);
}

static void
test_stop_mode (void)
{
  LpManager *manager;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (world.mode, ==, LP_STOP_MODE_CANCEL);
  finish (manager);
}

static void
test_stop_drains (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *running, *queued;
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  running = submit_new (lease);
  queued = submit_new (lease);
  wait_count (&world.n_submits, 1);

  lp_manager_stop_async (manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &result);
  lp_job_return_value (running, g_variant_new ("(i)", 1));
  wait_count (&world.n_submits, 2);
  g_assert_cmpuint (world.n_shutdowns, ==, 0);
  lp_job_return_value (queued, g_variant_new ("(i)", 2));
  g_assert_true (lp_manager_stop_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_no_error (error);
  assert_value (running, 1);
  assert_value (queued, 2);
  g_assert_cmpuint (world.n_cancels, ==, 0);
  g_object_unref (result);
  finish_with (manager, lease, running, queued);
}

/* The stop waits for the report, which may come from any thread. */
static void
test_stop_reported_later (void)
{
  LpManager *manager;
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  world.never_stops = TRUE;
  lp_manager_stop_async (manager, LP_STOP_MODE_CANCEL, -1, NULL, lp_test_result_cb, &result);
  wait_count (&world.n_shutdowns, 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (result);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);

  lp_executor_report_stopped (executor_at (1));
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  lp_executor_report_stopped (executor_at (1));
  g_assert_true (lp_manager_stop_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_no_error (error);
  g_object_unref (result);
  finish (manager);
}

/* A shutdown that does not report is given up in the end: nobody waits for it
 * for ever, and it is counted. */
static void
test_stop_never_reported (void)
{
  LpManager *manager;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = lp_test_start (1, "executor-type", TEST_TYPE_EXECUTOR, "cancel-grace-seconds", 0.0, NULL);
  world.never_stops = TRUE;
  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  lp_test_check (manager);

  /* It may come back after all, also when the manager does not run. */
  lp_executor_report_stopped (executor_at (1));
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 0);
  world.never_stops = FALSE;
  g_assert_true (lp_manager_start (manager, NULL, &error));
  g_assert_no_error (error);
  finish (manager);
}

/* When stop has returned nothing of an executor is left in the library. */
static void
test_stop_nothing_is_left (void)
{
  for (guint i = 0; i < 50; i++)
    {
      LpManager *manager;

      begin (START_READY, SUBMIT_VALUE);
      manager = start (2, 1);
      lp_test_finish (manager);
      g_assert_finalize_object (executor_at (1));
      g_ptr_array_set_size (world.executors, 0);
      end ();
    }
}

/* --- Stopped by itself --- */

static void
test_stopped_idle (void)
{
  LpManager *manager;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  hold_up_service (manager);
  lp_executor_report_stopped (executor_at (1));
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);
  let_go_service (manager);
  assert_replaced (manager, 2);
  assert_retired (&retired, 1, LP_RETIRE_REASON_BROKEN);

  /* It is gone: there was nothing to shut down. */
  g_assert_cmpuint (world.n_shutdowns, ==, 0);
  finish (manager);
}

static void
test_stopped_with_jobs (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *running, *queued;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  running = submit_new (lease);
  queued = submit_new (lease);
  wait_count (&world.n_submits, 1);
  lp_executor_report_stopped (executor_at (1));
  assert_broken (manager, lease, running, queued);
  assert_replaced (manager, 2);
  finish_with (manager, lease, running, queued);
}

static void
test_stopped_within_submit (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *running, *queued;

  begin (START_READY, SUBMIT_STOPS);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  hold_up_service (manager);
  running = submit_new (lease);
  queued = submit_new (lease);
  let_go_service (manager);
  assert_broken (manager, lease, running, queued);
  assert_replaced (manager, 2);
  finish_with (manager, lease, running, queued);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/executor-end/stop/cancel-with-jobs", GINT_TO_POINTER (LP_STOP_MODE_CANCEL), test_stop_jobs);
  g_test_add_data_func ("/executor-end/stop/kill-with-jobs", GINT_TO_POINTER (LP_STOP_MODE_KILL), test_stop_jobs);
  g_test_add_func ("/executor-end/stop/mode", test_stop_mode);
  g_test_add_func ("/executor-end/stop/drain", test_stop_drains);
  g_test_add_func ("/executor-end/stop/reported-later", test_stop_reported_later);
  g_test_add_func ("/executor-end/stop/never-reported", test_stop_never_reported);
  g_test_add_func ("/executor-end/stop/nothing-is-left", test_stop_nothing_is_left);
  g_test_add_func ("/executor-end/stopped/idle", test_stopped_idle);
  g_test_add_func ("/executor-end/stopped/with-jobs", test_stopped_with_jobs);
  g_test_add_func ("/executor-end/stopped/within-submit", test_stopped_within_submit);

  return g_test_run ();
}
