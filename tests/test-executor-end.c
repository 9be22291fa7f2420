/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The hook: how an executor of other hands dies, holds on to its jobs, and is cancelled. */

#include "config.h"

#include "lp-test-executor.h"

#include <errno.h>
#include <sys/wait.h>

/* The hook: how an executor of other hands dies, holds on to its jobs, is
 * cancelled, and shuts down. */

static gboolean
has_ended (gpointer job)
{
  return lp_job_get_state (job) >= LP_JOB_STATE_SUCCEEDED;
}

/* --- Deaths --- */

static void
test_death_idle (void)
{
  LpManager *manager;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  report_died (executor_at (1));
  report_died (executor_at (1));
  lp_test_check (manager);

  assert_replaced (manager, 2);
  assert_retired (&retired, 1, LP_RETIRE_REASON_BROKEN);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  finish (manager);
}

static void
test_death_with_jobs (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *running, *queued;
  g_autoptr (GError) error = NULL;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  lease = lp_test_acquire (manager, "test");
  running = submit_new (lease);
  queued = submit_new (lease);
  wait_count (&world.n_submits, 1);

  report_died (executor_at (1));
  assert_broken (manager, lease, running, queued);
  error = lp_job_dup_error (running);
  g_assert_nonnull (strstr (error->message, "as the test asked"));
  g_assert_cmpuint (world.n_submits, ==, 1);

  assert_replaced (manager, 2);
  assert_retired (&retired, 1, LP_RETIRE_REASON_BROKEN);

  /* Whatever still comes for the dead is dropped. */
  lp_job_return_value (running, g_variant_new ("(i)", 1));
  assert_failed (running, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  finish_with (manager, lease, running, queued);
}

/* From within the function that was given the job. */
static void
test_death_within_submit (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *running, *queued;

  begin (START_READY, SUBMIT_DIES);
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

/* A lease that was released is broken all the same while it drains. */
static void
test_death_draining (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *running;
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  running = submit_new (lease);
  wait_count (&world.n_submits, 1);
  lp_lease_drain_async (lease, NULL, lp_test_result_cb, &result);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_DRAINING);

  report_died (executor_at (1));
  assert_failed (running, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_false (lp_lease_drain_finish (lease, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  g_object_unref (result);
  assert_replaced (manager, 2);
  finish_with (manager, lease, running, NULL);
}

/* A waiter gets the replacement, although the desired count is reached. */
static void
test_death_with_waiter (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpLease) next = NULL;
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  report_died (executor_at (1));
  next = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (seq_of (next), ==, 2);
  g_object_unref (result);
  lp_lease_release (next);
  g_clear_object (&next);
  g_clear_object (&lease);
  finish (manager);
}

/* A command is a process of the library's own: it does not outlive the executor
 * it occupied, nor the manager. */
static void
test_death_with_command (void)
{
  const char * const argv[] = { "sleep", "1000", NULL };
  LpManager *manager;
  LpLease *lease;
  LpJob *command = lp_job_new_for_command (argv, NULL);

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  lp_test_submit (lease, command);
  flush_service (manager);
  flush_service (manager);
  g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, 0);

  report_died (executor_at (1));
  lp_test_block_for (has_ended, command, "the end of the command");
  g_assert_cmpint (lp_job_get_state (command), !=, LP_JOB_STATE_SUCCEEDED);
  finish_with (manager, lease, command, NULL);
  g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
  g_assert_cmpint (errno, ==, ECHILD);
}

/* --- Jobs that nobody ends --- */

static void
test_stuck_cancelled (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *stuck, *next;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  stuck = submit_new (lease);
  next = submit_new (lease);
  wait_count (&world.n_submits, 1);

  lp_job_cancel (stuck);
  wait_count (&world.n_cancels, 1);
  g_assert_true (world.cancelled == stuck);
  assert_failed (stuck, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  /* Its worker is occupied until it returns, and then what it says is dropped. */
  flush_service (manager);
  g_assert_cmpint (lp_job_get_state (next), ==, LP_JOB_STATE_QUEUED);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 0);
  lp_job_return_value (stuck, g_variant_new ("(i)", 1));
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 1);
  g_assert_cmpint (lp_job_get_state (stuck), ==, LP_JOB_STATE_CANCELLED);

  wait_count (&world.n_submits, 2);
  lp_job_return_value (next, g_variant_new ("(i)", 2));
  assert_value (next, 2);
  g_assert_cmpuint (world.n_cancels, ==, 1);
  lp_lease_release (lease);
  lp_test_wait_stat (manager, "available", 1);
  finish_with (manager, lease, stuck, next);
}

/* Returned in time, its own value stands, an error is the cancel's. */
static void
test_stuck_in_time (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *value, *error_job;
  g_autoptr (GError) error = test_error_new (LP_ERROR_FAILED);

  begin (START_READY, SUBMIT_HOLD);
  manager = lp_test_start (1, "executor-type", TEST_TYPE_EXECUTOR, "workers-per-pool", 2,
                           "cancel-grace-seconds", 1000.0, NULL);
  lease = lp_test_acquire (manager, "test");
  value = submit_new (lease);
  error_job = submit_new (lease);
  wait_count (&world.n_submits, 2);
  lp_job_cancel (value);
  lp_job_cancel (error_job);
  lp_job_return_value (value, g_variant_new ("(i)", 3));
  lp_job_return_error (error_job, error);
  assert_value (value, 3);
  assert_failed (error_job, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 0);
  finish_with (manager, lease, value, error_job);
}

static void
test_stuck_timed_out (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *stuck = lp_test_value_job (1);

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  lp_job_set_timeout_seconds (stuck, 0.05);
  lp_test_submit (lease, stuck);
  assert_failed (stuck, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  flush_service (manager);
  g_assert_cmpuint (world.n_cancels, ==, 1);
  g_assert_true (world.cancelled == stuck);
  finish_with (manager, lease, stuck, NULL);
}

/* Released: the executor holds a worker that nobody gets back, so it is not
 * lent again. */
static void
test_stuck_released (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *stuck;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  lease = lp_test_acquire (manager, "test");
  stuck = submit_new (lease);
  wait_count (&world.n_submits, 1);
  lp_job_cancel (stuck);
  assert_failed (stuck, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);

  assert_replaced (manager, 2);
  assert_retired (&retired, 1, LP_RETIRE_REASON_BROKEN);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 0);
  lp_job_return_value (stuck, g_variant_new ("(i)", 1));
  finish_with (manager, lease, stuck, NULL);
}

static void
test_stuck_expired (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *stuck, *queued;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_HOLD);
  manager = lp_test_start (1, "executor-type", TEST_TYPE_EXECUTOR, "workers-per-pool", 1, "cancel-grace-seconds", 0.05,
                           "lease-grace-seconds", 0.0, NULL);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  lease = lp_test_acquire (manager, "test");
  stuck = submit_new (lease);
  queued = submit_new (lease);
  wait_count (&world.n_submits, 1);
  g_assert_true (lp_lease_renew (lease, 0.05, NULL));
  assert_failed (queued, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_failed (stuck, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_EXPIRED);
  assert_retired (&retired, 1, LP_RETIRE_REASON_EXPIRED);

  /* The cancel came before the end, and was of the one that ran. */
  g_assert_cmpuint (world.n_cancels, ==, 1);
  g_assert_true (world.cancelled == stuck);
  g_assert_cmpuint (world.n_submits, ==, 1);
  finish_with (manager, lease, stuck, queued);
}

/* --- Given --- */

typedef struct
{
  GAsyncQueue *jobs;            /* those that run, with a reference */
  GAsyncQueue *go_on;
} Given;

static void
given_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Given *given = user_data;

  lp_job_defer (job);
  g_async_queue_push (given->jobs, g_object_ref (job));
  g_async_queue_pop (given->go_on);
}

/* One that has ended, and goes on in lp_job_execute() on a thread of the executor. */
static LpJob *
submit_given (LpLease *lease, Given *given)
{
  LpJob *job = lp_job_new_for_func (given_func, given, NULL);

  *given = (Given) { g_async_queue_new (), g_async_queue_new () };
  lp_test_submit (lease, job);
  g_object_unref (g_async_queue_pop (given->jobs));
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  assert_value (job, 11);

  return job;
}

static void
end_given (Given *given)
{
  g_async_queue_push (given->go_on, given);
  wait_no_threads ();
  g_async_queue_unref (given->jobs);
  g_async_queue_unref (given->go_on);
}

/* The library does not have to know the thread to wait for it. */
static void
test_given_released (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *job;
  Given given;

  begin (START_READY, SUBMIT_THREAD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  job = submit_given (lease, &given);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 0);

  end_given (&given);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 0);
  finish_with (manager, lease, job, NULL);
}

/* It occupied its worker when it counted as stuck, too: this sees that it still does. */
static void
test_given_occupies_its_worker (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *job, *next;
  Given given;

  begin (START_READY, SUBMIT_THREAD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  job = submit_given (lease, &given);
  next = submit_new (lease);
  flush_service (manager);
  g_assert_cmpuint (peek (&world.n_submits), ==, 1);

  end_given (&given);
  assert_value (next, 1);
  g_assert_cmpuint (peek (&world.n_submits), ==, 2);
  finish_with (manager, lease, job, next);
}

/* The hard expiry has its cancellable fire. That is not told to the class: it is told of
 * cancels of jobs, and this one has ended. */
static void
test_given_expired (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *job;
  Given given;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_THREAD);
  manager = lp_test_start (1, "executor-type", TEST_TYPE_EXECUTOR, "workers-per-pool", 1, "cancel-grace-seconds", 0.05,
                           "lease-grace-seconds", 0.0, NULL);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  lease = lp_test_acquire (manager, "test");
  job = submit_given (lease, &given);
  g_assert_true (lp_lease_renew (lease, 0.05, NULL));
  assert_retired (&retired, 1, LP_RETIRE_REASON_EXPIRED);
  g_assert_true (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  g_assert_cmpuint (world.n_cancels, ==, 0);
  g_assert_cmpint (world.mode, ==, LP_STOP_MODE_KILL);

  end_given (&given);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 0);
  finish_with (manager, lease, job, NULL);
}

/* The thread may have died with it: nobody waits for that. Nor did anybody when it counted
 * as stuck; this sees that it still holds. */
static void
test_given_and_died (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *job;
  Given given;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_THREAD);
  manager = start (1, 1);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  lease = lp_test_acquire (manager, "test");
  job = submit_given (lease, &given);
  report_died (executor_at (1));
  assert_retired (&retired, 1, LP_RETIRE_REASON_BROKEN);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);

  end_given (&given);
  finish_with (manager, lease, job, NULL);
}

static void
test_cancel_queued (void)
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

  lp_job_cancel (queued);
  g_assert_cmpint (lp_job_get_state (queued), ==, LP_JOB_STATE_CANCELLED);
  lp_job_return_value (running, g_variant_new ("(i)", 1));
  lp_job_cancel (running);
  flush_service (manager);
  g_assert_cmpuint (world.n_cancels, ==, 0);
  g_assert_cmpuint (world.n_submits, ==, 1);
  finish_with (manager, lease, running, queued);
}

/* A cancel that the executor is to be told of when the job has ended is not told:
 * it would hit the next one. */
static void
test_cancel_late (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *first, *second;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  first = submit_new (lease);
  second = submit_new (lease);
  wait_count (&world.n_submits, 1);

  hold_up_service (manager);
  lp_job_cancel (first);
  lp_job_return_value (first, g_variant_new ("(i)", 1));
  let_go_service (manager);
  wait_count (&world.n_submits, 2);
  flush_service (manager);
  g_assert_cmpuint (world.n_cancels, ==, 0);
  lp_job_return_value (second, g_variant_new ("(i)", 2));
  assert_value (second, 2);
  finish_with (manager, lease, first, second);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/executor-end/death/idle", test_death_idle);
  g_test_add_func ("/executor-end/death/with-jobs", test_death_with_jobs);
  g_test_add_func ("/executor-end/death/within-submit", test_death_within_submit);
  g_test_add_func ("/executor-end/death/draining", test_death_draining);
  g_test_add_func ("/executor-end/death/waiter-gets-replacement", test_death_with_waiter);
  g_test_add_func ("/executor-end/death/ends-commands", test_death_with_command);
  g_test_add_func ("/executor-end/stuck/cancelled", test_stuck_cancelled);
  g_test_add_func ("/executor-end/stuck/returned-in-time", test_stuck_in_time);
  g_test_add_func ("/executor-end/stuck/timed-out", test_stuck_timed_out);
  g_test_add_func ("/executor-end/stuck/released-is-not-reused", test_stuck_released);
  g_test_add_func ("/executor-end/stuck/expired", test_stuck_expired);
  g_test_add_func ("/executor-end/given/released", test_given_released);
  g_test_add_func ("/executor-end/given/occupies-its-worker", test_given_occupies_its_worker);
  g_test_add_func ("/executor-end/given/expired", test_given_expired);
  g_test_add_func ("/executor-end/given/died", test_given_and_died);
  g_test_add_func ("/executor-end/cancel/not-for-queued-or-ended", test_cancel_queued);
  g_test_add_func ("/executor-end/cancel/never-hits-the-next-job", test_cancel_late);

  return g_test_run ();
}
