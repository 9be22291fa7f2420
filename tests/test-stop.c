/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Stop: its modes, its time-outs, a second one, and what it refuses. */

#include "config.h"

#include "lp-test-run.h"

static void
test_stop_before_start_does_nothing (void)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GAsyncResult) result = NULL;

  assert_stops (manager, LP_STOP_MODE_DRAIN);
  lp_manager_stop_async (manager, LP_STOP_MODE_CANCEL, 1, NULL, lp_test_result_cb, &result);
  assert_stop_result (manager, &result);
  assert_nothing_left (manager);

  assert_starts (manager);
  assert_still_works (manager);
  finish (manager);
}

static void
test_stop_after_a_stop_does_nothing (void)
{
  LpManager *manager = start_plain (2);

  assert_stops (manager, LP_STOP_MODE_DRAIN);
  assert_stops (manager, LP_STOP_MODE_DRAIN);
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

static void
test_stop_arguments (void)
{
  const struct { int mode; double timeout; } wrong[] = {
    { 0, -1 }, { 4, -1 }, { -1, -1 }, { LP_STOP_MODE_KILL, -0.5 }, { LP_STOP_MODE_DRAIN, -2 },
    { LP_STOP_MODE_DRAIN, INFINITY }, { LP_STOP_MODE_CANCEL, -INFINITY }, { LP_STOP_MODE_CANCEL, NAN },
  };
  LpManager *manager = start_plain (1);

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      GError *error = NULL;

      g_assert_false (lp_manager_stop (manager, wrong[i].mode, wrong[i].timeout, NULL, &error));
      g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);

      lp_manager_stop_async (manager, wrong[i].mode, wrong[i].timeout, NULL, lp_test_result_cb, &result);
      g_assert_false (lp_manager_stop_finish (manager, lp_test_wait_result (&result), &error));
      g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);
      g_assert_true (lp_manager_is_running (manager));
    }

  finish (manager);
}

static void
test_stop_cancel_cancels_queued_and_running_jobs (void)
{
  Busy busy;

  busy_set_up (&busy, TRUE, 3600);
  assert_stops (busy.manager, LP_STOP_MODE_CANCEL);

  assert_job_cancelled (busy.running);
  assert_job_cancelled (busy.queued);
  g_assert_cmpint (lp_job_get_started_at (busy.queued), ==, 0);
  g_assert_cmpint (lp_lease_get_state (busy.lease), ==, LP_LEASE_STATE_STOPPED);
  assert_nothing_left (busy.manager);

  busy_tear_down (&busy);
}

static void
test_stop_cancel_waits_within_the_grace (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, -1, &busy.first);
  wait_until_told_to_end (busy.running);
  assert_job_cancelled (busy.queued);
  g_assert_cmpint (lp_job_get_state (busy.running), ==, LP_JOB_STATE_RUNNING);
  g_assert_null (busy.first);

  /* One that returns in time keeps its result. */
  lp_test_gate_open (busy.gate);
  assert_stop_result (busy.manager, &busy.first);
  assert_job_succeeded (busy.running);
  assert_nothing_left (busy.manager);

  busy_tear_down (&busy);
}

static void
test_stop_cancel_gives_up_after_the_grace (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 0.05);
  assert_stops (busy.manager, LP_STOP_MODE_CANCEL);
  busy_assert_killed (&busy);

  lp_test_gate_open (busy.gate);
  lp_test_wait_stat (busy.manager, "quarantined", 0);
  if (!lp_test_has_processes ())
    g_assert_cmpuint (lp_test_counter (busy.manager, "results_discarded"), ==, 1);
  assert_nothing_left (busy.manager);

  busy_tear_down (&busy);
}

static void
test_stop_kill_has_no_grace (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  assert_stops (busy.manager, LP_STOP_MODE_KILL);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

static void
test_stop_drain_waits_for_accepted_jobs (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, -1, &busy.first);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (busy.first);
  g_assert_false (lp_manager_is_running (busy.manager));
  g_assert_cmpint (lp_lease_get_state (busy.lease), ==, LP_LEASE_STATE_DRAINING);

  lp_test_gate_open (busy.gate);
  assert_stop_result (busy.manager, &busy.first);
  assert_job_succeeded (busy.running);
  assert_job_succeeded (busy.queued);
  g_assert_cmpint (lp_lease_get_state (busy.lease), ==, LP_LEASE_STATE_STOPPED);
  assert_nothing_left (busy.manager);

  busy_tear_down (&busy);
}

static void
test_stop_drain_ends_leases_without_jobs_at_once (void)
{
  LpManager *manager = start_plain (2);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");

  assert_stops (manager, LP_STOP_MODE_DRAIN);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

static void
test_stop_drain_time_out_becomes_cancel (void)
{
  Busy busy;

  busy_set_up (&busy, TRUE, 3600);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, 0.05, &busy.first);
  assert_stop_result (busy.manager, &busy.first);
  assert_job_cancelled (busy.running);
  assert_job_cancelled (busy.queued);

  busy_tear_down (&busy);
}

static void
test_stop_drain_time_out_becomes_no_kill (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, 0.05, &busy.first);
  wait_until_told_to_end (busy.running);
  wait_for_a_later_deadline ();
  g_assert_null (busy.first);

  lp_test_gate_open (busy.gate);
  assert_stop_result (busy.manager, &busy.first);
  assert_job_succeeded (busy.running);

  busy_tear_down (&busy);
}

static void
test_stop_cancel_time_out_becomes_kill (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, 0.05, &busy.first);
  assert_stop_result (busy.manager, &busy.first);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

/* Each with what the first one, then the second one asks for. */

static void
assert_both_complete_together (Busy *busy)
{
  assert_stop_result (busy->manager, &busy->first);
  assert_stop_result (busy->manager, &busy->second);
}

static void
test_stop_second_goes_through_all_modes (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, 0.05, &busy.first);
  wait_until_told_to_end (busy.running);
  g_assert_null (busy.first);
  g_assert_cmpint (lp_job_get_state (busy.running), ==, LP_JOB_STATE_RUNNING);

  busy_stop (&busy, LP_STOP_MODE_CANCEL, 0.05, &busy.second);
  assert_both_complete_together (&busy);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

static void
test_stop_second_hardens (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, -1, &busy.first);
  busy_stop (&busy, LP_STOP_MODE_KILL, -1, &busy.second);
  assert_both_complete_together (&busy);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

static void
test_stop_second_blocking_one_hardens (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, -1, &busy.first);
  assert_stops (busy.manager, LP_STOP_MODE_KILL);
  assert_stop_result (busy.manager, &busy.first);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

static LpStopMode
get_stop_mode (LpManager *manager)
{
  LpStopMode mode;

  g_mutex_lock (&manager->pool->lock);
  mode = manager->pool->stop_mode;
  g_mutex_unlock (&manager->pool->lock);

  return mode;
}

static void
test_stop_second_does_not_soften (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, 0.3, &busy.first);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, -1, &busy.second);
  g_assert_cmpint (get_stop_mode (busy.manager), ==, LP_STOP_MODE_CANCEL);
  assert_both_complete_together (&busy);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

static void
test_stop_second_does_not_lengthen (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, 0.05, &busy.first);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, 3600, &busy.second);
  assert_both_complete_together (&busy);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

static void
test_stop_second_shortens (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, 3600, &busy.first);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, 0.05, &busy.second);
  assert_both_complete_together (&busy);
  busy_assert_killed (&busy);

  busy_tear_down (&busy);
}

static void
busy_assert_not_killed (Busy *busy)
{
  wait_until_told_to_end (busy->running);
  wait_for_a_later_deadline ();
  g_assert_cmpint (lp_job_get_state (busy->running), ==, LP_JOB_STATE_RUNNING);
  lp_test_gate_open (busy->gate);
  assert_both_complete_together (busy);
  assert_job_succeeded (busy->running);
}

/* The time-out of a drain asks for no more than a cancel. */
static void
test_stop_second_drain_time_out_does_not_kill (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, -1, &busy.first);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, 0, &busy.second);
  busy_assert_not_killed (&busy);

  busy_tear_down (&busy);
}

static void
test_stop_second_ends_the_time_out_of_a_drain (void)
{
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, 0.05, &busy.first);
  busy_stop (&busy, LP_STOP_MODE_CANCEL, -1, &busy.second);
  busy_assert_not_killed (&busy);

  busy_tear_down (&busy);
}

static void
test_stop_cancelling_the_wait (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  lp_manager_stop_async (busy.manager, LP_STOP_MODE_DRAIN, -1, cancellable, lp_test_result_cb, &busy.first);
  g_cancellable_cancel (cancellable);
  g_assert_false (lp_manager_stop_finish (busy.manager, lp_test_wait_result (&busy.first), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_object (&busy.first);

  /* The stop goes on. */
  assert_acquires_fail (busy.manager, LP_ERROR_NOT_STARTED);
  busy_stop (&busy, LP_STOP_MODE_DRAIN, -1, &busy.second);
  lp_test_gate_open (busy.gate);
  assert_stop_result (busy.manager, &busy.second);
  assert_job_succeeded (busy.queued);
  assert_nothing_left (busy.manager);

  busy_tear_down (&busy);
}

static gboolean
is_not_running (gpointer manager)
{
  return !lp_manager_is_running (manager);
}

typedef struct
{
  LpManager *manager;
  GCancellable *cancellable;
} CancelStop;

static gpointer
cancel_stop_thread (gpointer data)
{
  CancelStop *self = data;

  lp_test_block_for (is_not_running, self->manager, "the stop to begin");
  g_cancellable_cancel (self->cancellable);
  return NULL;
}

/* With nobody left who waits, the stop ends by itself. */
static void
test_stop_cancelling_the_blocking_wait (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  CancelStop cancel;
  GThread *thread;
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  cancel = (CancelStop) { busy.manager, cancellable };
  thread = g_thread_new ("cancel", cancel_stop_thread, &cancel);
  g_assert_false (lp_manager_stop (busy.manager, LP_STOP_MODE_DRAIN, -1, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);

  lp_test_gate_open (busy.gate);
  lp_test_wait_stat (busy.manager, "total", 0);
  assert_job_succeeded (busy.queued);
  assert_nothing_left (busy.manager);

  busy_tear_down (&busy);
}

static void
test_stop_while_starting (gconstpointer data)
{
  LpStopMode mode = (LpStopMode) GPOINTER_TO_INT (data);
  LpManager *manager = new_manager_of ("silent", 2, 3);
  g_autoptr (GAsyncResult) start = NULL;
  g_autoptr (GAsyncResult) stop = NULL;

  lp_manager_set_start_timeout_seconds (manager, 3600);
  lp_manager_start_async (manager, NULL, lp_test_result_cb, &start);
  lp_test_wait_stat (manager, "available", 1);

  lp_manager_stop_async (manager, mode, -1, NULL, lp_test_result_cb, &stop);
  assert_start_result (manager, &start, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_stop_result (manager, &stop);
  assert_nothing_left (manager);

  g_assert_finalize_object (manager);
}

static void
test_stop_while_init_functions_run (void)
{
  InitGate gate = { 0 };
  LpManager *manager = new_manager_with_init (2, gate_init_func, &gate);
  g_autoptr (GAsyncResult) start = NULL;
  g_autoptr (GAsyncResult) stop = NULL;

  lp_manager_start_async (manager, NULL, lp_test_result_cb, &start);
  init_gate_wait_entered (&gate, 2);
  lp_manager_stop_async (manager, LP_STOP_MODE_KILL, -1, NULL, lp_test_result_cb, &stop);
  init_gate_open (&gate);
  assert_start_result (manager, &start, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_stop_result (manager, &stop);
  assert_nothing_left (manager);

  /* The functions return now: a start works. */
  assert_starts (manager);
  finish (manager);
}

typedef struct
{
  LpManager *manager;
  GError *error;
} Waiter;

static gpointer
waiter_thread (gpointer data)
{
  Waiter *self = data;

  g_assert_null (lp_manager_acquire (self->manager, NULL, NULL, &self->error));
  return NULL;
}

static void
test_stop_fails_waiters (void)
{
  LpManager *manager = start_plain (1);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "holder");
  g_autoptr (GAsyncResult) result = NULL;
  Waiter waiter = { manager, NULL };
  GError *error = NULL;
  GThread *thread;

  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  thread = g_thread_new ("waiter", waiter_thread, &waiter);
  lp_test_wait_stat (manager, "waiting", 2);

  assert_stops (manager, LP_STOP_MODE_DRAIN);
  g_thread_join (thread);
  g_assert_error (waiter.error, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_clear_error (&waiter.error);
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_clear_error (&error);
  g_clear_object (&result);

  finish (manager);
}

/* From the call on, although jobs still run. */
static void
test_stop_refuses_acquires_submits_and_starts (gconstpointer data)
{
  LpStopMode mode = (LpStopMode) GPOINTER_TO_INT (data);
  g_autoptr (GError) error = NULL;
  Busy busy;

  busy_set_up (&busy, FALSE, 3600);
  busy_stop (&busy, mode, -1, &busy.first);
  assert_acquires_fail (busy.manager, LP_ERROR_NOT_STARTED);
  assert_submit_fails (busy.lease, LP_ERROR_NOT_STARTED);
  g_assert_false (lp_manager_start (busy.manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  g_assert_null (busy.first);

  lp_test_gate_open (busy.gate);
  assert_stop_result (busy.manager, &busy.first);
  assert_acquires_fail (busy.manager, LP_ERROR_NOT_STARTED);
  assert_submit_fails (busy.lease, LP_ERROR_EXPIRED);

  busy_tear_down (&busy);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/stop/before-start-does-nothing", test_stop_before_start_does_nothing);
  lp_test_conform_add_func ("/stop/after-a-stop-does-nothing", test_stop_after_a_stop_does_nothing);
  lp_test_conform_add_func ("/stop/arguments", test_stop_arguments);
  lp_test_conform_add_func ("/stop/cancel/cancels-queued-and-running-jobs", test_stop_cancel_cancels_queued_and_running_jobs);
  lp_test_conform_add_func ("/stop/cancel/waits-within-the-grace", test_stop_cancel_waits_within_the_grace);
  lp_test_conform_add_func ("/stop/cancel/gives-up-after-the-grace", test_stop_cancel_gives_up_after_the_grace);
  lp_test_conform_add_func ("/stop/cancel/time-out-becomes-kill", test_stop_cancel_time_out_becomes_kill);
  lp_test_conform_add_func ("/stop/kill/has-no-grace", test_stop_kill_has_no_grace);
  lp_test_conform_add_func ("/stop/drain/waits-for-accepted-jobs", test_stop_drain_waits_for_accepted_jobs);
  lp_test_conform_add_func ("/stop/drain/ends-leases-without-jobs-at-once", test_stop_drain_ends_leases_without_jobs_at_once);
  lp_test_conform_add_func ("/stop/drain/time-out-becomes-cancel", test_stop_drain_time_out_becomes_cancel);
  lp_test_conform_add_func ("/stop/drain/time-out-becomes-no-kill", test_stop_drain_time_out_becomes_no_kill);

  lp_test_conform_add_func ("/stop/second/goes-through-all-modes", test_stop_second_goes_through_all_modes);
  lp_test_conform_add_func ("/stop/second/hardens", test_stop_second_hardens);
  lp_test_conform_add_func ("/stop/second/blocking-one-hardens", test_stop_second_blocking_one_hardens);
  lp_test_conform_add_func ("/stop/second/does-not-soften", test_stop_second_does_not_soften);
  lp_test_conform_add_func ("/stop/second/does-not-lengthen", test_stop_second_does_not_lengthen);
  lp_test_conform_add_func ("/stop/second/shortens", test_stop_second_shortens);
  lp_test_conform_add_func ("/stop/second/drain-time-out-does-not-kill", test_stop_second_drain_time_out_does_not_kill);
  lp_test_conform_add_func ("/stop/second/ends-the-time-out-of-a-drain", test_stop_second_ends_the_time_out_of_a_drain);

  lp_test_conform_add_func ("/stop/cancelling-the-wait-does-not-cancel-the-stop", test_stop_cancelling_the_wait);
  lp_test_conform_add_func ("/stop/cancelling-the-blocking-wait-does-not-cancel-the-stop",
                   test_stop_cancelling_the_blocking_wait);
  g_test_add_data_func ("/stop/while-starting/cancel", GINT_TO_POINTER (LP_STOP_MODE_CANCEL),
                        test_stop_while_starting);
  g_test_add_data_func ("/stop/while-starting/drain", GINT_TO_POINTER (LP_STOP_MODE_DRAIN), test_stop_while_starting);
  g_test_add_data_func ("/stop/while-starting/kill", GINT_TO_POINTER (LP_STOP_MODE_KILL), test_stop_while_starting);
  lp_test_conform_add_own_func ("/stop/while-starting/init-functions-run", test_stop_while_init_functions_run);
  lp_test_conform_add_func ("/stop/fails-waiters", test_stop_fails_waiters);
  lp_test_conform_add_data_func ("/stop/refuses-acquires-submits-and-starts/drain", GINT_TO_POINTER (LP_STOP_MODE_DRAIN),
                        test_stop_refuses_acquires_submits_and_starts);
  lp_test_conform_add_data_func ("/stop/refuses-acquires-submits-and-starts/cancel", GINT_TO_POINTER (LP_STOP_MODE_CANCEL),
                        test_stop_refuses_acquires_submits_and_starts);

  return g_test_run ();
}
