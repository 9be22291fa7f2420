/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp_manager_run_async() and lp_manager_call_async(): acquire, submit, wait and
 * release in one call. How a call is ended before its time is in
 * test-run-call-ends.c. */

#include "config.h"

#include "lp-test-call.h"

/* --- The result --- */

static void
test_value (Fixture *self, gconstpointer data)
{
  LpJob *job = lp_test_value_job (42);
  GAsyncResult *result = NULL;

  run (self, job, NULL, &result);
  g_assert_null (result);       /* never within the call */
  assert_value (self, &result, 42);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  assert_given_back (self, 1);
  assert_let_go (job);
}

static void
test_error_of_the_job (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_error_job ();
  GAsyncResult *result = NULL;

  run (self, job, NULL, &result);
  assert_fails (self, &result, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_FAILED);
  assert_given_back (self, 1);
}

static void
test_call (Fixture *self, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  int sum;

  lp_manager_call_async (self->manager, "add", g_variant_new ("(ii)", 20, 22), NULL, NULL, lp_test_result_cb, &result);
  value = lp_manager_call_finish (self->manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_variant_get (value, "(i)", &sum);
  g_assert_cmpint (sum, ==, 42);
  assert_given_back (self, 1);
}

/* As everywhere else: a finish takes results of its own pair only. */
static void
test_results_are_not_confused (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) result = NULL;

  run (self, job, NULL, &result);
  lp_test_wait_result (&result);
  g_assert_true (g_async_result_is_tagged (result, lp_manager_run_async));
  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*lp_completion_is_valid*");
  g_assert_null (lp_manager_call_finish (self->manager, result, NULL));
  g_test_assert_expected_messages ();
}

static void
test_no_job_is_a_critical (Fixture *self, gconstpointer data)
{
  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*LP_IS_JOB*");
  lp_manager_run_async (self->manager, NULL, NULL, NULL, NULL, NULL);
  g_test_assert_expected_messages ();
  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*name*");
  lp_manager_call_async (self->manager, NULL, NULL, NULL, NULL, NULL, NULL);
  g_test_assert_expected_messages ();
}

static void
test_one_after_the_other (Fixture *self, gconstpointer data)
{
  GAsyncResult *results[200] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (i);

      run (self, job, NULL, &results[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    assert_value (self, &results[i], i);
  assert_given_back (self, G_N_ELEMENTS (results));
}

/* --- The request --- */

static void
owner_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(s)", lp_job_get_owner (job));
}

static void
test_request_is_copied (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (owner_func, NULL, NULL);
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GVariant) value = NULL;
  GAsyncResult *result = NULL;
  const char *owner;

  lp_request_set_owner (request, "before");
  lp_manager_run_async (self->manager, job, request, NULL, lp_test_result_cb, &result);
  lp_request_set_owner (request, "after");
  lp_request_set_lease_seconds (request, 0);
  lp_lease_release (lease);

  value = finish (self, &result, NULL);
  g_variant_get (value, "(&s)", &owner);
  g_assert_cmpstr (owner, ==, "before");
}

static void
test_request_with_a_priority (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpJob) last = lp_test_value_job (1);
  g_autoptr (LpJob) first = lp_test_value_job (2);
  GAsyncResult *last_result = NULL;
  GAsyncResult *first_result = NULL;

  run (self, last, NULL, &last_result);
  lp_request_set_priority (request, -1);
  lp_manager_run_async (self->manager, first, request, NULL, lp_test_result_cb, &first_result);
  lp_lease_release (lease);
  assert_value (self, &last_result, 1);
  assert_value (self, &first_result, 2);
  g_assert_cmpint (lp_job_get_started_at (first), <=, lp_job_get_started_at (last));
}

static void
test_bad_request (Fixture *self, gconstpointer data)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  lp_request_set_lease_seconds (request, 0);
  lp_manager_run_async (self->manager, job, request, NULL, lp_test_result_cb, &result);
  assert_fails (self, &result, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  assert_given_back (self, 0);
  assert_runs (self, job);
}

static void
assert_does_not_wait (Fixture *self, LpRequest *request)
{
  LpLease *lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  lp_manager_run_async (self->manager, job, request, NULL, lp_test_result_cb, &result);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);
  assert_fails (self, &result, LP_ERROR, LP_ERROR_UNAVAILABLE);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);

  lp_lease_release (lease);
  lp_manager_run_async (self->manager, job, request, NULL, lp_test_result_cb, &result);
  assert_value (self, &result, 1);
  g_assert_finalize_object (lease);
}

static void
test_request_that_does_not_wait (Fixture *self, gconstpointer data)
{
  g_autoptr (LpRequest) request = lp_request_new ();

  lp_request_set_wait (request, FALSE);
  assert_does_not_wait (self, request);
  lp_request_set_wait (request, TRUE);
  lp_request_set_timeout (request, 0);
  assert_does_not_wait (self, request);
  assert_given_back (self, 4);
}

static void
test_request_with_a_timeout (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  lp_request_set_timeout (request, SHORT_SECONDS);
  lp_manager_run_async (self->manager, job, request, NULL, lp_test_result_cb, &result);
  assert_fails (self, &result, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  lp_lease_release (lease);
  assert_runs (self, job);
  assert_given_back (self, 2);
}

static void
test_too_many_waiters (void)
{
  LpManager *manager = lp_test_start (1, "max-waiters", 1, NULL);
  Fixture fixture = { manager, lp_test_gate_new () };
  LpLease *lease = lp_test_acquire (manager, "holder");
  g_autoptr (LpJob) first = lp_test_value_job (1);
  g_autoptr (LpJob) second = lp_test_value_job (2);
  GAsyncResult *first_result = NULL;
  GAsyncResult *second_result = NULL;

  run (&fixture, first, NULL, &first_result);
  run (&fixture, second, NULL, &second_result);
  assert_fails (&fixture, &second_result, LP_ERROR, LP_ERROR_QUEUE_FULL);
  lp_lease_release (lease);
  assert_value (&fixture, &first_result, 1);
  assert_runs (&fixture, second);
  g_assert_finalize_object (lease);
  tear_down (&fixture, NULL);
}

/* --- Whose thread, whose context --- */

/* All goes on while the caller's loop hangs, also what had to wait first. */
static void
test_goes_on_while_the_loop_hangs (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpJob) first = lp_test_value_job (1);
  g_autoptr (LpJob) second = lp_test_value_job (2);
  GAsyncResult *first_result = NULL;
  GAsyncResult *second_result = NULL;

  run (self, first, NULL, &first_result);
  run (self, second, NULL, &second_result);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 2);
  lp_lease_release (lease);
  lp_test_block_for (has_ended, second, "the end of the second job");
  lp_test_block_stat (self->manager, "available", 1);
  assert_given_back (self, 3);

  g_assert_null (first_result);
  g_assert_null (second_result);
  assert_value (self, &first_result, 1);
  assert_value (self, &second_result, 2);
}

static void
released_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_assert_cmpuint (lp_test_stat (LP_MANAGER (source), "leased"), ==, 0);
  g_assert_cmpuint (lp_test_counter (LP_MANAGER (source), "released"), ==, 1);
  lp_test_result_cb (source, result, user_data);
}

static void
test_released_before_the_callback (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  lp_manager_run_async (self->manager, job, NULL, NULL, released_cb, &result);
  assert_value (self, &result, 1);
}

static void
check_context_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_assert_nonnull (g_main_context_get_thread_default ());
  lp_test_result_cb (source, result, user_data);
}

static gpointer
run_elsewhere_main (gpointer data)
{
  Fixture *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LpJob) job = lp_test_value_job (7);
  GAsyncResult *result = NULL;

  g_main_context_push_thread_default (context);
  lp_manager_run_async (self->manager, job, NULL, NULL, check_context_cb, &result);
  assert_value (self, &result, 7);
  g_main_context_pop_thread_default (context);

  return NULL;
}

/* And the callback comes in the context of the caller. */
static void
test_from_any_thread (Fixture *self, gconstpointer data)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("elsewhere", run_elsewhere_main, self);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  assert_given_back (self, G_N_ELEMENTS (threads));
}

typedef struct
{
  Fixture *fixture;
  LpJob *inner;
  GAsyncResult *result;         /* of inner, in the main context */
} Nest;

static void
nest_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Nest *nest = user_data;

  run (nest->fixture, nest->inner, NULL, &nest->result);
  *result = g_variant_new ("()");
}

/* It gets the executor when that one is given back. */
static void
test_from_a_job (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) inner = lp_test_value_job (3);
  Nest nest = { self, inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (nest_func, &nest, NULL);
  GAsyncResult *result = NULL;

  run (self, outer, NULL, &result);
  assert_done (self, &result);
  assert_value (self, &nest.result, 3);
  assert_given_back (self, 2);
}

/* --- Results that nobody fetches --- */

static void
test_without_a_callback (Fixture *self, gconstpointer data)
{
  LpJob *job = lp_test_value_job (1);

  lp_manager_run_async (self->manager, job, NULL, NULL, NULL, NULL);
  lp_test_block_for (has_ended, job, "the end of the job");
  lp_test_block_stat (self->manager, "available", 1);
  lp_manager_call_async (self->manager, "add", g_variant_new ("(ii)", 1, 2), NULL, NULL, NULL, NULL);
  lp_test_block_stat (self->manager, "available", 1);
  assert_let_go (job);
}

static void
destroyed_in_owner (gpointer user_data)
{
  g_assert_true (g_thread_self () == *(GThread **) user_data);
  *(GThread **) user_data = NULL;
}

static gboolean
is_null (gpointer pointer)
{
  return *(gpointer *) pointer == NULL;
}

/* A call keeps its manager; who ends it last does not destroy that. */
static void
test_outlives_the_callers_reference (void)
{
  Fixture fixture;
  GThread *owner = g_thread_self ();
  g_autoptr (LpJob) job = NULL;

  set_up (&fixture, NULL);
  job = lp_test_gate_job (fixture.gate);
  g_object_set_data_full (G_OBJECT (fixture.manager), "owner", &owner, destroyed_in_owner);
  lp_manager_run_async (fixture.manager, job, NULL, NULL, NULL, NULL);
  lp_test_gate_wait_entered (fixture.gate, 1);
  g_object_unref (fixture.manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);

  lp_test_gate_open (fixture.gate);
  lp_test_wait_for (is_null, &owner, "the end of the manager");
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  lp_test_gate_unref (fixture.gate);
}

static void
test_result_is_not_fetched (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  GAsyncResult *result = NULL;

  run (self, job, NULL, &result);
  lp_test_wait_result (&result);
  g_assert_finalize_object (g_steal_pointer (&result));
  assert_given_back (self, 1);
}

/* --- Refusals --- */

static void
test_submitted_before (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpJob) job = lp_test_value_job (5);
  g_autoptr (GError) error = NULL;
  GAsyncResult *first = NULL;
  GAsyncResult *second = NULL;

  /* While it waits, too. */
  run (self, job, NULL, &first);
  run (self, job, NULL, &second);
  assert_fails (self, &second, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*lp_job_set_timeout_seconds*");
  lp_job_set_timeout_seconds (job, 1);
  g_test_assert_expected_messages ();

  lp_lease_release (lease);
  assert_value (self, &first, 5);
  run (self, job, NULL, &second);
  assert_fails (self, &second, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  assert_given_back (self, 2);
}

static void
test_bad_timeout (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (5);
  GAsyncResult *result = NULL;

  lp_job_set_timeout_seconds (job, -3);
  run (self, job, NULL, &result);
  assert_fails (self, &result, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  lp_job_set_timeout_seconds (job, PATIENCE_SECONDS);
  assert_runs (self, job);
  assert_given_back (self, 1);
}

static void
count_cb (gpointer flag)
{
  g_atomic_int_inc ((int *) flag);
}

static gboolean
is_consumed (gpointer n)
{
  return g_atomic_int_get ((int *) n) > 0;
}

/* The lease is back when the refusal is on its way, not when that arrives. */
static void
assert_call_refused (Fixture *self, const char *name, LpRequest *request, int code)
{
  static const guint32 word = 1;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  int n_consumed = 0;

  lp_manager_call_async (self->manager, name,
                         g_variant_new_from_data (G_VARIANT_TYPE_UINT32, &word, sizeof word, TRUE,
                                                  count_cb, &n_consumed),
                         request, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_manager_call_finish (self->manager, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, code);
  g_clear_object (&result);

  /* The thread that told of it may have had a reference for a moment longer, and has posted it here then. */
  lp_test_wait_for (is_consumed, &n_consumed, "the parameters to go");
  g_assert_cmpint (n_consumed, ==, 1);
}

static void
test_refused_calls (Fixture *self, gconstpointer data)
{
  g_autoptr (LpRequest) request = lp_request_new ();

  assert_call_refused (self, "nobody knows it", NULL, LP_ERROR_UNKNOWN_FUNCTION);
  assert_given_back (self, 1);
  assert_call_refused (self, "add", NULL, LP_ERROR_INVALID_ARGUMENT);
  assert_given_back (self, 2);
  lp_request_set_timeout (request, -7);
  assert_call_refused (self, "add", request, LP_ERROR_INVALID_ARGUMENT);
  assert_given_back (self, 2);
  g_assert_true (lp_manager_stop (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, NULL));
  assert_call_refused (self, "add", NULL, LP_ERROR_NOT_STARTED);
}

/* Each one gives the executor to the next, without nesting as deep. */
static void
test_many_refusals_in_a_row (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  GAsyncResult *results[500] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_call ("nobody knows it", NULL);

      run (self, job, NULL, &results[i]);
    }
  lp_lease_release (lease);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    assert_fails (self, &results[i], LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION);
  assert_given_back (self, 1 + G_N_ELEMENTS (results));
}

/* --- A manager that does not run --- */

static void
test_not_started (void)
{
  Fixture fixture = { lp_test_new (1), NULL };
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (LpRequest) request = lp_request_new ();
  GAsyncResult *result = NULL;

  run (&fixture, job, NULL, &result);
  assert_fails (&fixture, &result, LP_ERROR, LP_ERROR_NOT_STARTED);
  lp_request_set_wait (request, FALSE);
  lp_manager_run_async (fixture.manager, job, request, NULL, lp_test_result_cb, &result);
  assert_fails (&fixture, &result, LP_ERROR, LP_ERROR_NOT_STARTED);

  g_assert_true (lp_manager_start (fixture.manager, NULL, NULL));
  assert_runs (&fixture, job);
  lp_test_finish (fixture.manager);
}

static void
test_stopping (Fixture *self, gconstpointer data)
{
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "holder");
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) waiting = lp_test_value_job (1);
  g_autoptr (LpJob) late = lp_test_value_job (1);
  GAsyncResult *waiting_result = NULL;
  GAsyncResult *late_result = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;

  lp_test_submit (lease, blocker);
  run (self, waiting, NULL, &waiting_result);
  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &stopped);
  run (self, late, NULL, &late_result);
  assert_fails (self, &late_result, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_fails (self, &waiting_result, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_cmpint (lp_job_get_state (waiting), ==, LP_JOB_STATE_NEW);

  lp_test_gate_open (self->gate);
  g_assert_true (lp_manager_stop_finish (self->manager, lp_test_wait_result (&stopped), NULL));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define add(name, func) \
  lp_test_conform_add ("/run-call/" name, Fixture, NULL, set_up, func, tear_down)
#define add_closure(name, func) \
  g_test_add ("/run-call/" name, Fixture, NULL, set_up, func, tear_down)
  add ("value", test_value);
  add ("error-of-the-job", test_error_of_the_job);
  add ("call", test_call);
  add ("results-are-not-confused", test_results_are_not_confused);
  add ("no-job-is-a-critical", test_no_job_is_a_critical);
  add ("one-after-the-other", test_one_after_the_other);
  add_closure ("request/is-copied", test_request_is_copied);
  add ("request/with-a-priority", test_request_with_a_priority);
  add ("request/bad", test_bad_request);
  add ("request/that-does-not-wait", test_request_that_does_not_wait);
  add ("request/with-a-timeout", test_request_with_a_timeout);
  lp_test_conform_add_func ("/run-call/request/too-many-waiters", test_too_many_waiters);
  add ("goes-on-while-the-loop-hangs", test_goes_on_while_the_loop_hangs);
  add ("released-before-the-callback", test_released_before_the_callback);
  add ("from-any-thread", test_from_any_thread);
  add_closure ("from-a-job", test_from_a_job);
  add ("without-a-callback", test_without_a_callback);
  g_test_add_func ("/run-call/outlives-the-callers-reference", test_outlives_the_callers_reference);
  add ("result-is-not-fetched", test_result_is_not_fetched);
  add ("refused/submitted-before", test_submitted_before);
  add ("refused/bad-timeout", test_bad_timeout);
  add ("refused/calls", test_refused_calls);
  add ("refused/many-in-a-row", test_many_refusals_in_a_row);
  lp_test_conform_add_func ("/run-call/not-started", test_not_started);
  add ("stopping", test_stopping);
#undef add

  return g_test_run ();
}
