/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Start and restart, and the context that both belong to. */

#include "config.h"

#include "lp-test-run.h"

static void
test_start_makes_the_desired_executors (void)
{
  LpManager *manager = lp_test_start (5, "min-pools", 2, "units", 31, "units-per-pool", 10, NULL);

  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 4);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 4);
  assert_still_works (manager);

  finish (manager);
}

static void
test_start_twice_does_nothing (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 2, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (GAsyncResult) result = NULL;

  assert_starts (manager);
  lp_manager_start_async (manager, NULL, lp_test_result_cb, &result);
  assert_start_result (manager, &result, 0, 0);

  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  lp_lease_release (lease);
  finish (manager);
}

static void
test_start_concurrent_ones_complete_together (void)
{
  InitGate gate = { 0 };
  LpManager *manager = new_manager_with_init (2, gate_init_func, &gate);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;

  lp_manager_start_async (manager, NULL, lp_test_result_cb, &first);
  init_gate_wait_entered (&gate, 2);
  lp_manager_start_async (manager, NULL, lp_test_result_cb, &second);

  /* Not before the init functions have returned. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (first);
  g_assert_null (second);
  g_assert_false (lp_manager_is_running (manager));
  assert_acquires_fail (manager, LP_ERROR_NOT_STARTED);

  init_gate_open (&gate);
  assert_start_result (manager, &first, 0, 0);
  assert_start_result (manager, &second, 0, 0);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);

  finish (manager);
}

static void
test_start_invalid_settings (void)
{
  LpManager *manager = lp_test_new (2);

  lp_manager_set_min_pools (manager, 3);
  assert_start_fails (manager, LP_ERROR, LP_ERROR_INVALID_ARGUMENT, "min-pools");

  lp_manager_set_min_pools (manager, 2);
  lp_manager_set_backend (manager, "telepathy");
  assert_start_fails (manager, LP_ERROR, LP_ERROR_UNSUPPORTED_BACKEND, "telepathy");

  lp_manager_set_backend (manager, LP_BACKEND_THREAD);
  assert_starts (manager);

  finish (manager);
}

static void
test_start_failing_executor (gconstpointer mode)
{
  LpManager *manager = new_manager_of (mode, 1, 1);

  assert_start_fails (manager, LP_ERROR, LP_ERROR_START_FAILED,
                      g_str_equal (mode, "fail-silently") ? "set no error" : "as asked");

  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 0);
  assert_acquires_fail (manager, LP_ERROR_NOT_STARTED);
  g_assert_finalize_object (manager);
}

static void
test_start_first_failure_ends_the_others (void)
{
  LpManager *manager = new_manager_of ("fail", 3, 4);

  assert_start_fails (manager, LP_ERROR, LP_ERROR_START_FAILED, "as asked");
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), <=, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 4);

  g_assert_finalize_object (manager);
}

static void
test_start_first_failure_does_not_wait_for_one_that_hangs (void)
{
  LpManager *manager = new_manager_of ("silent-then-fail", 1, 2);

  lp_manager_set_start_timeout_seconds (manager, 3600);
  assert_start_fails (manager, LP_ERROR, LP_ERROR_START_FAILED, "as asked");
  g_assert_cmpint (g_atomic_int_get (&n_shut_down), ==, 2);

  g_assert_finalize_object (manager);
}

static void
test_start_never_ready_times_out (void)
{
  LpManager *manager = new_manager_of ("silent", 2, 2);

  lp_manager_set_start_timeout_seconds (manager, 0.05);
  assert_start_fails (manager, LP_ERROR, LP_ERROR_START_FAILED, "start-timeout-seconds");
  g_assert_cmpint (g_atomic_int_get (&n_shut_down), ==, 2);

  g_assert_finalize_object (manager);
}

static void
test_start_failing_init_function (void)
{
  LpManager *manager = new_manager_with_init (2, failing_init_func, NULL);

  lp_manager_set_workers_per_pool (manager, 3);
  assert_start_fails (manager, LP_ERROR, LP_ERROR_START_FAILED, "as asked");

  g_assert_finalize_object (manager);
}

static void
test_start_unknown_init_function (void)
{
  LpManager *manager = new_manager_with_init (1, failing_init_func, NULL);

  lp_manager_set_worker_init_function (manager, "start");
  assert_start_fails (manager, LP_ERROR,
                      lp_test_has_processes () ? LP_ERROR_START_FAILED : LP_ERROR_UNKNOWN_FUNCTION, "start");

  g_assert_finalize_object (manager);
}

static void
test_start_missing_module (void)
{
  LpManager *manager = lp_test_new (1);

  lp_manager_set_function_module (manager, "/nowhere/there-is-none.so");
  /* What a worker program finds is known when it has looked. */
  assert_start_fails (manager, LP_ERROR,
                      lp_test_has_processes () ? LP_ERROR_START_FAILED : LP_ERROR_INVALID_ARGUMENT, "there-is-none");

  g_assert_finalize_object (manager);
}

static void
test_start_after_a_failed_one (void)
{
  LpManager *manager = new_manager_of ("fail", 1, 2);

  for (int i = 0; i < 5; i++)
    assert_start_fails (manager, LP_ERROR, LP_ERROR_START_FAILED, NULL);

  lp_manager_set_executor_type (manager, G_TYPE_NONE);
  lp_manager_set_executor_options (manager, NULL);
  assert_starts (manager);
  assert_still_works (manager);

  finish (manager);
}

static void
test_start_cancelled_before (void)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (lp_manager_start (manager, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  lp_manager_start_async (manager, cancellable, lp_test_result_cb, &result);
  assert_start_result (manager, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

static void
test_start_cancelled_while_starting (void)
{
  LpManager *manager = new_manager_of ("silent", 2, 2);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;

  lp_manager_set_start_timeout_seconds (manager, 3600);
  lp_manager_start_async (manager, cancellable, lp_test_result_cb, &result);
  lp_test_wait_stat (manager, "available", 1);

  g_cancellable_cancel (cancellable);
  assert_start_result (manager, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

static gint64
cancelling_size_func (LpManager *manager, gpointer user_data, GError **error)
{
  g_cancellable_cancel (user_data);
  return 0;
}

static void
test_start_cancelled_by_the_size_provider (void)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  lp_manager_set_size_provider (manager, cancelling_size_func, cancellable, NULL);
  g_assert_false (lp_manager_start (manager, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

static void
test_start_cancel_after_it_does_nothing (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  LpManager *manager = lp_test_new (1);

  g_assert_true (lp_manager_start (manager, cancellable, NULL));
  g_cancellable_cancel (cancellable);
  g_assert_true (lp_manager_is_running (manager));
  assert_still_works (manager);

  finish (manager);
}

/* --- Contexts --- */

typedef struct
{
  LpManager *manager;
  gboolean own_context;
  LpError expected;             /* LP_ERROR_FAILED: none */
} Elsewhere;

static void
check_outcome (gboolean done, GError *error, LpError expected)
{
  if (expected == LP_ERROR_FAILED)
    g_assert_no_error (error);
  else
    g_assert_error (error, LP_ERROR, (int) expected);
  g_assert_cmpint (done, ==, expected == LP_ERROR_FAILED);
  g_clear_error (&error);
}

/* Both functions in both forms. */
static gpointer
start_and_stop_thread (gpointer data)
{
  Elsewhere *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  gboolean done;

  if (self->own_context)
    g_main_context_push_thread_default (context);

  done = lp_manager_start (self->manager, NULL, &error);
  check_outcome (done, error, self->expected);

  if (self->own_context)
    {
      lp_manager_start_async (self->manager, NULL, lp_test_result_cb, &result);
      error = NULL;
      done = lp_manager_start_finish (self->manager, lp_test_wait_result (&result), &error);
      check_outcome (done, error, self->expected);
      g_clear_object (&result);

      lp_manager_stop_async (self->manager, LP_STOP_MODE_KILL, -1, NULL, lp_test_result_cb, &result);
      error = NULL;
      done = lp_manager_stop_finish (self->manager, lp_test_wait_result (&result), &error);
      check_outcome (done, error, self->expected);
    }

  error = NULL;
  done = lp_manager_stop (self->manager, LP_STOP_MODE_KILL, -1, NULL, &error);
  check_outcome (done, error, self->expected);

  if (self->own_context)
    g_main_context_pop_thread_default (context);

  return NULL;
}

static void
test_context_of_another_thread_is_wrong (void)
{
  LpManager *manager = start_plain (1);
  Elsewhere elsewhere = { manager, TRUE, LP_ERROR_WRONG_CONTEXT };

  g_thread_join (g_thread_new ("elsewhere", start_and_stop_thread, &elsewhere));
  g_assert_true (lp_manager_is_running (manager));
  assert_still_works (manager);

  finish (manager);
}

static void
test_context_thread_without_one_counts_as_the_global_default (void)
{
  LpManager *manager = start_plain (1);
  Elsewhere elsewhere = { manager, FALSE, LP_ERROR_FAILED };

  g_thread_join (g_thread_new ("elsewhere", start_and_stop_thread, &elsewhere));
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

static void
test_context_pushed_in_the_same_thread_is_wrong (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  LpManager *manager;
  GError *error = NULL;

  g_main_context_push_thread_default (context);
  manager = start_plain (1);
  g_main_context_pop_thread_default (context);

  g_assert_false (lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_WRONG_CONTEXT);
  g_clear_error (&error);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_WRONG_CONTEXT);
  g_clear_error (&error);
  g_assert_true (lp_manager_is_running (manager));

  g_main_context_push_thread_default (context);
  finish (manager);
  g_main_context_pop_thread_default (context);
}

/* After a stop another context may start it, which is the owner from then on. */
static void
test_context_moves_with_a_restart (void)
{
  LpManager *manager = start_plain (1);
  Elsewhere elsewhere = { manager, TRUE, LP_ERROR_FAILED };
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GError) error = NULL;

  assert_stops (manager, LP_STOP_MODE_KILL);
  g_thread_join (g_thread_new ("elsewhere", start_and_stop_thread, &elsewhere));
  g_assert_false (lp_manager_is_running (manager));

  g_main_context_push_thread_default (context);
  assert_starts (manager);
  g_main_context_pop_thread_default (context);
  g_assert_false (lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_WRONG_CONTEXT);

  g_main_context_push_thread_default (context);
  finish (manager);
  g_main_context_pop_thread_default (context);
}

/* --- Restart --- */

static void
test_restart_works (void)
{
  LpManager *manager = start_plain (1);

  for (int i = 1; i <= 4; i++)
    {
      assert_still_works (manager);
      assert_stops (manager, LP_STOP_MODE_CANCEL + i % 3);
      assert_nothing_left (manager);
      lp_manager_set_max_pools (manager, i + 1);
      lp_manager_set_min_pools (manager, i + 1);
      assert_starts (manager);
      g_assert_cmpuint (lp_test_stat (manager, "available"), ==, i + 1);
    }

  finish (manager);
}

static void
test_restart_leases_of_before_stay_stopped (void)
{
  LpManager *manager = start_plain (1);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (GError) error = NULL;

  assert_stops (manager, LP_STOP_MODE_CANCEL);
  assert_submit_fails (lease, LP_ERROR_EXPIRED);
  assert_starts (manager);
  assert_submit_fails (lease, LP_ERROR_EXPIRED);
  g_assert_false (lp_lease_renew (lease, 10, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);

  /* Nor does its release touch what is lent now. */
  {
    g_autoptr (LpLease) other = lp_test_acquire (manager, "other");

    lp_lease_release (lease);
    g_assert_false (lp_manager_release (manager, lp_lease_get_id (lease)));
    g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
    g_assert_cmpint (lp_lease_get_state (other), ==, LP_LEASE_STATE_ACTIVE);
    lp_lease_release (other);
  }

  finish (manager);
}

static gboolean
is_expired (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_EXPIRED;
}

static void
test_restart_expired_leases_stay_expired (void)
{
  LpManager *manager = lp_test_start (1, "default-lease-seconds", 0.05, "lease-grace-seconds", 0.0, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");

  lp_test_wait_for (is_expired, lease, "the lease to expire");
  assert_submit_fails (lease, LP_ERROR_EXPIRED);
  assert_stops (manager, LP_STOP_MODE_CANCEL);
  assert_submit_fails (lease, LP_ERROR_EXPIRED);
  assert_starts (manager);
  assert_submit_fails (lease, LP_ERROR_EXPIRED);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);

  finish (manager);
}

/* What does not return keeps its place in quarantine, not in the new run. */
static void
test_restart_with_a_stuck_thread (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 0);
  assert_stops (busy.manager, LP_STOP_MODE_CANCEL);
  busy_assert_killed (&busy);

  assert_starts (busy.manager);
  assert_still_works (busy.manager);
  g_assert_cmpuint (lp_test_stat (busy.manager, "quarantined"), ==, 1);

  lp_test_gate_open (busy.gate);
  lp_test_wait_stat (busy.manager, "quarantined", 0);
  assert_still_works (busy.manager);

  busy_tear_down (&busy);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/start/makes-the-desired-executors", test_start_makes_the_desired_executors);
  lp_test_conform_add_func ("/start/twice-does-nothing", test_start_twice_does_nothing);
  lp_test_conform_add_own_func ("/start/concurrent-ones-complete-together", test_start_concurrent_ones_complete_together);
  lp_test_conform_add_func ("/start/failure/invalid-settings", test_start_invalid_settings);
  g_test_add_data_func ("/start/failure/executor-fails", "fail", test_start_failing_executor);
  g_test_add_data_func ("/start/failure/executor-fails-silently", "fail-silently", test_start_failing_executor);
  g_test_add_data_func ("/start/failure/executor-dies", "die", test_start_failing_executor);
  g_test_add_func ("/start/failure/ends-the-others", test_start_first_failure_ends_the_others);
  g_test_add_func ("/start/failure/does-not-wait-for-one-that-hangs",
                   test_start_first_failure_does_not_wait_for_one_that_hangs);
  g_test_add_func ("/start/failure/never-ready-times-out", test_start_never_ready_times_out);
  lp_test_conform_add_own_func ("/start/failure/init-function-fails", test_start_failing_init_function);
  lp_test_conform_add_own_func ("/start/failure/init-function-unknown", test_start_unknown_init_function);
  lp_test_conform_add_func ("/start/failure/module-missing", test_start_missing_module);
  g_test_add_func ("/start/failure/then-success", test_start_after_a_failed_one);
  lp_test_conform_add_func ("/start/cancel/before", test_start_cancelled_before);
  g_test_add_func ("/start/cancel/while-starting", test_start_cancelled_while_starting);
  lp_test_conform_add_func ("/start/cancel/by-the-size-provider", test_start_cancelled_by_the_size_provider);
  lp_test_conform_add_func ("/start/cancel/after-it-does-nothing", test_start_cancel_after_it_does_nothing);

  lp_test_conform_add_func ("/context/of-another-thread-is-wrong", test_context_of_another_thread_is_wrong);
  lp_test_conform_add_func ("/context/thread-without-one-counts-as-the-global-default",
                   test_context_thread_without_one_counts_as_the_global_default);
  lp_test_conform_add_func ("/context/pushed-in-the-same-thread-is-wrong", test_context_pushed_in_the_same_thread_is_wrong);
  lp_test_conform_add_func ("/context/moves-with-a-restart", test_context_moves_with_a_restart);

  lp_test_conform_add_func ("/restart/works", test_restart_works);
  lp_test_conform_add_func ("/restart/leases-of-before-stay-stopped", test_restart_leases_of_before_stay_stopped);
  lp_test_conform_add_func ("/restart/expired-leases-stay-expired", test_restart_expired_leases_stay_expired);
  g_test_add_func ("/restart/with-a-stuck-thread", test_restart_with_a_stuck_thread);

  return g_test_run ();
}
