/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The hook: how an executor of other hands starts, or does not. */

#include "config.h"

#include "lp-test-executor.h"

static gboolean
all_are_retired (gpointer data)
{
  return ((Retired *) data)->n == 3;
}

static void
assert_start_fails (StartMode mode, const char *text)
{
  LpManager *manager = g_object_new (LP_TYPE_MANAGER, "max-pools", 3, "min-pools", 3, "executor-type",
                                     TEST_TYPE_EXECUTOR, "start-timeout-seconds",
                                     mode == START_NEVER ? 0.05 : 30.0, NULL);
  g_autoptr (GError) error = NULL;
  Retired retired = { 0 };

  begin (mode, SUBMIT_VALUE);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, text));

  /* Nothing is left behind, and what failed can be tried again. */
  g_assert_false (lp_manager_is_running (manager));
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 0);
  g_assert_cmpuint (lp_test_count_threads ("leasepool"), ==, 0);
  lp_test_check (manager);

  /* One failed, the others were stopped for it, in whatever order. */
  lp_test_wait_for (all_are_retired, &retired, "the signals executor-retired");
  g_assert_cmpuint (retired.n_start_failed, >=, 1);

  world.start = START_READY;
  g_clear_error (&error);
  lp_manager_set_start_timeout_seconds (manager, 30);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  finish (manager);
}

static void
test_start_false (void)
{
  assert_start_fails (START_FALSE, "as the test asked");
}

static void
test_start_false_bare (void)
{
  assert_start_fails (START_FALSE_BARE, "TestExecutor");
}

static void
test_start_never (void)
{
  assert_start_fails (START_NEVER, "start-timeout-seconds");
}

static void
test_start_dies (void)
{
  assert_start_fails (START_DIES, "as the test asked");
}

static void
test_start_stops (void)
{
  assert_start_fails (START_STOPS, "stopped");
}

/* Ready comes later, from another thread. */
static void
test_start_later (void)
{
  LpManager *manager = g_object_new (LP_TYPE_MANAGER, "max-pools", 1, "executor-type", TEST_TYPE_EXECUTOR, NULL);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_NEVER, SUBMIT_VALUE);
  lp_manager_start_async (manager, NULL, lp_test_result_cb, &result);
  flush_service (manager);
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 1);
  g_assert_null (result);
  lp_executor_report_ready (executor_at (1));
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  lp_executor_report_ready (executor_at (1));
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);

  g_assert_true (lp_manager_start_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_no_error (error);
  g_clear_object (&result);
  finish (manager);
}

/* Ready after the time-out is too late: the executor was given up. */
static void
test_start_too_late (void)
{
  LpManager *manager;

  begin (START_READY, SUBMIT_VALUE);
  manager = lp_test_start (2, "executor-type", TEST_TYPE_EXECUTOR, "units", 10, NULL);
  lp_test_set_start_timeout (manager, 0.05);
  world.start = START_NEVER;
  world.never_stops = TRUE;
  lp_manager_set_units (manager, 20);
  wait_count (&world.n_shutdowns, 1);
  lp_executor_report_ready (executor_at (2));
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  lp_executor_report_stopped (executor_at (2));
  world.never_stops = FALSE;
  finish (manager);
}

/* A start that fails after the manager's own: whoever waits is told why, the
 * next start is not at once, and the waiter gets the one that succeeds. */
static void
test_start_back_off (void)
{
  LpManager *manager;
  g_autoptr (LpLease) first = NULL;
  g_autoptr (LpLease) second = NULL;
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;
  gint64 begun, late;
  guint n_tries;

  begin (START_READY, SUBMIT_VALUE);
  manager = start (2, 1);
  first = lp_test_acquire (manager, "first");
  world.start = START_FALSE;
  begun = g_get_monotonic_time ();
  g_assert_null (lp_manager_try_acquire (manager, NULL, NULL));
  lp_test_wait_stat (manager, "starting", 0);
  lp_request_set_timeout (request, 0.5);
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_nonnull (strstr (error->message, "as the test asked"));

  /* After the first 0.1 s, 0.2 s, 0.4 s, and more: at most one start for each of them. */
  g_mutex_lock (&world.lock);
  n_tries = world.executors->len - 1;
  g_mutex_unlock (&world.lock);
  late = g_get_monotonic_time () - begun - G_TIME_SPAN_SECOND / 2;
  g_assert_cmpuint (n_tries, >=, 1);
  g_assert_cmpuint (n_tries, <=, 4 + late / (G_TIME_SPAN_SECOND / 5));
  lp_test_check (manager);

  world.start = START_READY;
  second = lp_test_acquire (manager, "second");
  lp_lease_release (first);
  lp_lease_release (second);
  g_clear_object (&first);
  g_clear_object (&second);
  finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/executor-start/false-with-error", test_start_false);
  g_test_add_func ("/executor-start/false-without-error", test_start_false_bare);
  g_test_add_func ("/executor-start/never-ready", test_start_never);
  g_test_add_func ("/executor-start/dies", test_start_dies);
  g_test_add_func ("/executor-start/stops", test_start_stops);
  g_test_add_func ("/executor-start/ready-later", test_start_later);
  g_test_add_func ("/executor-start/ready-too-late", test_start_too_late);
  g_test_add_func ("/executor-start/failure-backs-off", test_start_back_off);

  return g_test_run ();
}
