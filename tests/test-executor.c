/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The hook: a class of other hands and how it gets its jobs. Its starts are in
 * test-executor-start.c, its ends in test-executor-end.c. */

#include "config.h"

#include "lp-test-executor.h"

/* --- The class --- */

static void
assert_type_refused (GType type)
{
  g_autoptr (LpManager) manager = g_object_new (LP_TYPE_MANAGER, "max-pools", 1, "executor-type", type, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "executor-type"));
}

static void
test_type_refused (void)
{
  assert_type_refused (test_abstract_get_type ());
  assert_type_refused (LP_TYPE_EXECUTOR);
  assert_type_refused (LP_TYPE_MANAGER);
  assert_type_refused (G_TYPE_INT);
}

/* executor-type wins over backend, also over one that nobody provides. */
static void
test_type_wins (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = lp_test_start (1, "backend", "no-such-backend", "executor-type", TEST_TYPE_EXECUTOR, NULL);
  lease = lp_test_acquire (manager, "test");
  g_assert_true (TEST_IS_EXECUTOR (lp_lease_get_grant (lease)->executor));
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

/* What a class does not implement: it starts, refuses each job, and stops. */
static void
test_defaults (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) job = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start_type (test_plain_get_type (), 1, 1);
  lease = lp_test_acquire (manager, "test");
  job = submit_new (lease);
  assert_failed (job, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_NOT_SUPPORTED);
  lp_lease_release (lease);
  lp_test_wait_stat (manager, "available", 1);
  g_clear_object (&lease);
  g_clear_object (&job);
  finish (manager);
}

static void
test_properties (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (GVariant) options = g_variant_ref_sink (g_variant_new_parsed ("{'speed': <7>}"));
  LpExecutor *executor;
  LpManager *manager;

  begin (START_READY, SUBMIT_VALUE);
  manager = lp_test_start (2, "executor-type", TEST_TYPE_EXECUTOR, "workers-per-pool", 3, "min-pools", 2,
                           "name-prefix", "prefix", "executor-options", options, "functions", functions, NULL);

  for (guint i = 1; i <= 2; i++)
    {
      g_autofree char *name = g_strdup_printf ("prefix-%u", i);

      executor = executor_at (i);
      g_assert_cmpuint (lp_executor_get_seq (executor), ==, i);
      g_assert_cmpstr (lp_executor_get_name (executor), ==, name);
      g_assert_cmpint (lp_executor_get_workers (executor), ==, 3);
      g_assert_true (g_variant_equal (lp_executor_get_options (executor), options));
      g_assert_true (lp_executor_get_functions (executor) == functions);
    }

  finish (manager);
}

static void
test_properties_absent (void)
{
  LpManager *manager;

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  g_assert_null (lp_executor_get_options (executor_at (1)));
  g_assert_null (lp_executor_get_functions (executor_at (1)));
  finish (manager);
}

/* The reports of one that no manager made go nowhere. */
static void
test_without_manager (void)
{
  LpExecutor *executor = g_object_new (TEST_TYPE_EXECUTOR, "seq", (guint64) 3, "workers", 2, NULL);

  lp_executor_report_ready (executor);
  report_died (executor);
  lp_executor_report_stopped (executor);
  g_assert_cmpuint (lp_executor_get_seq (executor), ==, 3);
  g_assert_null (lp_executor_get_name (executor));
  g_assert_finalize_object (executor);
}

/* --- Jobs --- */

static void
test_execute (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) value = lp_test_value_job (7);
  g_autoptr (LpJob) error = lp_test_error_job ();

  begin (START_READY, SUBMIT_THREAD);
  manager = start (1, 2);
  lease = lp_test_acquire (manager, "test");
  lp_test_submit (lease, value);
  lp_test_submit (lease, error);
  assert_value (value, 7);
  assert_failed (error, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_EXISTS);

  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 1);
  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 0);
  g_clear_object (&value);
  g_clear_object (&error);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
test_value_within_submit (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  GPtrArray *jobs = g_ptr_array_new_with_free_func (g_object_unref);

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  for (guint i = 0; i < 200; i++)
    g_ptr_array_add (jobs, submit_new (lease));
  for (guint i = 0; i < jobs->len; i++)
    assert_value (jobs->pdata[i], 42);
  g_assert_cmpuint (world.n_submits, ==, 200);

  g_ptr_array_unref (jobs);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

/* Never more than `workers` at a time, first come first served; whoever ends one
 * makes room for one. */
static void
test_workers_at_a_time (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  LpJob *jobs[10];

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 3);
  lease = lp_test_acquire (manager, "test");
  for (guint i = 0; i < 10; i++)
    jobs[i] = submit_new (lease);
  wait_count (&world.n_submits, 3);

  for (guint i = 0; i < 10; i++)
    {
      flush_service (manager);
      g_assert_cmpuint (peek (&world.n_submits), ==, MIN (3 + i, 10));
      g_assert_true (held_at (i) == jobs[i]);
      if (i + 3 < 10)
        g_assert_cmpint (lp_job_get_state (jobs[i + 3]), ==, LP_JOB_STATE_QUEUED);
      lp_job_return_value (jobs[i], g_variant_new ("(i)", i));
    }

  for (guint i = 0; i < 10; i++)
    {
      assert_value (jobs[i], i);
      g_object_unref (jobs[i]);
    }
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

/* Names that this process does not know are the executor's business. */
static void
test_call (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) job = lp_job_new_for_call ("far-away", g_variant_new ("(s)", "text"));
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  lp_test_submit (lease, job);
  wait_count (&world.n_submits, 1);
  g_assert_true (held_at (0) == job);
  g_assert_cmpstr (lp_job_get_name (job), ==, "far-away");
  lp_job_return_value (job, lp_job_get_parameters (job));
  result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (result == lp_job_get_parameters (job));

  g_clear_object (&job);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
defer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  lp_test_gate_open (user_data);
}

static void
test_deferred (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_job_new_for_func (defer_func, gate, NULL);
  g_autoptr (LpJob) passed = NULL;
  g_autoptr (GVariant) result = NULL;

  begin (START_READY, SUBMIT_THREAD);
  manager = start (1, 2);
  lease = lp_test_acquire (manager, "test");
  lp_test_submit (lease, job);
  passed = lp_test_gate_job (gate);
  lp_test_submit (lease, passed);
  result = lp_job_wait (passed, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
  g_assert_nonnull (result);

  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);
  lp_job_return_value (job, g_variant_new ("(i)", 9));
  assert_value (job, 9);
  lp_lease_release (lease);
  g_clear_object (&lease);
  g_clear_object (&job);
  g_clear_object (&passed);
  finish (manager);
  lp_test_gate_unref (gate);
}

static void
test_returned_twice (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GError) error = test_error_new (LP_ERROR_FAILED);

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  job = submit_new (lease);
  wait_count (&world.n_submits, 1);
  lp_job_return_value (job, g_variant_new ("(i)", 1));
  lp_job_return_value (job, g_variant_new ("(i)", 2));
  lp_job_return_error (job, error);
  assert_value (job, 1);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 0);

  g_clear_object (&job);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
wait_inner_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = lp_job_wait (user_data, 0.5, NULL, error);
}

/* To wait on the only worker for what waits in its queue is an error or
 * progress, never silence until some time-out. */
static void
test_nested_wait (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) inner = lp_test_value_job (5);
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_inner_func, inner, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;

  begin (START_READY, SUBMIT_THREAD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  hold_up_service (manager);
  lp_test_submit (lease, outer);
  lp_test_submit (lease, inner);
  let_go_service (manager);
  result = lp_job_wait (outer, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  if (result == NULL)
    g_assert_error (error, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  assert_value (inner, 5);

  g_clear_object (&outer);
  g_clear_object (&inner);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
unreached_func (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  g_assert_not_reached ();
}

static void
test_run_task_refused (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  GAsyncResult *result = NULL;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, lp_test_result_cb, &result);
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_THREAD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  lp_lease_run_task (lease, task, unreached_func);
  g_assert_false (g_task_propagate_boolean (G_TASK (lp_test_wait_result (&result)), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_NOT_SUPPORTED);
  g_object_unref (result);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
assert_submit_refused (SubmitMode mode, int code)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) refused = NULL;
  g_autoptr (LpJob) next = NULL;

  begin (START_READY, mode);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  refused = submit_new (lease);
  assert_failed (refused, LP_JOB_STATE_FAILED, LP_ERROR, code);

  /* That was about the job, not about the executor. */
  flush_service (manager);
  world.submit = SUBMIT_VALUE;
  next = submit_new (lease);
  assert_value (next, 42);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (world.executors->len, ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 0);

  g_clear_object (&refused);
  g_clear_object (&next);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
test_submit_false (void)
{
  assert_submit_refused (SUBMIT_FALSE, LP_ERROR_NOT_SUPPORTED);
}

static void
test_submit_false_bare (void)
{
  assert_submit_refused (SUBMIT_FALSE_BARE, LP_ERROR_FAILED);
}

static void
test_submit_broken (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpLease) next = NULL;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GError) error = NULL;
  Retired retired = { 0 };

  begin (START_READY, SUBMIT_BROKEN);
  manager = start (1, 1);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), &retired);
  lease = lp_test_acquire (manager, "test");
  job = submit_new (lease);
  assert_failed (job, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  error = lp_job_dup_error (job);
  g_assert_nonnull (strstr (error->message, "as the test asked"));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  assert_retired (&retired, 1, LP_RETIRE_REASON_BROKEN);

  /* Its error was told, so nothing was dropped. */
  g_assert_cmpuint (lp_test_counter (manager, "results_discarded"), ==, 0);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 1);

  next = lp_test_acquire (manager, "next");
  g_assert_cmpuint (seq_of (next), ==, 2);
  lp_lease_release (next);
  g_clear_object (&next);
  g_clear_object (&lease);
  g_clear_object (&job);
  finish (manager);
}

/* --- Commands: the library's own work, the executor only lends a worker --- */

static void
test_command (void)
{
  const char * const argv[] = { "cat", NULL };
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (GBytes) input = g_bytes_new_static ("text", 4);
  g_autoptr (LpJob) job = lp_job_new_for_command (argv, input);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GVariant) output = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_HOLD);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  lp_test_submit (lease, job);
  result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  g_assert_no_error (error);
  output = g_variant_get_child_value (result, 1);
  g_assert_cmpmem (g_variant_get_data (output), g_variant_get_size (output), "text", 4);
  g_assert_cmpuint (world.n_submits, ==, 0);

  g_clear_object (&job);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
test_command_occupies_worker (void)
{
  const char * const argv[] = { "sleep", "1000", NULL };
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autoptr (LpJob) command = lp_job_new_for_command (argv, NULL);
  g_autoptr (LpJob) job = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start (1, 1);
  lease = lp_test_acquire (manager, "test");
  lp_test_submit (lease, command);
  job = submit_new (lease);
  flush_service (manager);
  flush_service (manager);
  g_assert_cmpint (lp_job_get_state (command), ==, LP_JOB_STATE_RUNNING);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);

  lp_job_cancel (command);
  assert_failed (command, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_value (job, 42);
  /* It was none of the executor's, so it was not asked to cancel it. */
  flush_service (manager);
  g_assert_cmpuint (world.n_cancels, ==, 0);

  g_clear_object (&command);
  g_clear_object (&job);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/executor/type/abstract-or-unrelated-is-refused", test_type_refused);
  g_test_add_func ("/executor/type/wins-over-backend", test_type_wins);
  g_test_add_func ("/executor/type/defaults", test_defaults);
  g_test_add_func ("/executor/properties", test_properties);
  g_test_add_func ("/executor/properties/absent", test_properties_absent);
  g_test_add_func ("/executor/without-manager", test_without_manager);

  g_test_add_func ("/executor/submit/execute-on-threads-of-its-own", test_execute);
  g_test_add_func ("/executor/submit/value-from-within", test_value_within_submit);
  g_test_add_func ("/executor/submit/never-more-than-workers", test_workers_at_a_time);
  g_test_add_func ("/executor/submit/unknown-names-are-its-business", test_call);
  g_test_add_func ("/executor/submit/deferred", test_deferred);
  g_test_add_func ("/executor/submit/returned-twice", test_returned_twice);
  g_test_add_func ("/executor/submit/nested-wait-is-not-silent", test_nested_wait);
  g_test_add_func ("/executor/submit/run-task-is-refused", test_run_task_refused);
  g_test_add_func ("/executor/submit/false-ends-the-job", test_submit_false);
  g_test_add_func ("/executor/submit/false-without-error", test_submit_false_bare);
  g_test_add_func ("/executor/submit/broken-executor-retires", test_submit_broken);

  g_test_add_func ("/executor/command/result", test_command);
  g_test_add_func ("/executor/command/occupies-a-worker", test_command_occupies_worker);

  return g_test_run ();
}
