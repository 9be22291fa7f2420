/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-job.h"

/* --- Submitting --- */

static void
test_submit_once (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (LpJob) running = submit_gate_job (self);

  lp_test_submit (self->lease, job);
  assert_refused (self->lease, job, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  assert_refused (self->lease, running, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);

  lp_test_gate_open (self->gate);
  assert_value (job, 1);
  assert_refused (self->lease, job, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  assert_value (job, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, 2);
}

typedef struct
{
  LpLease *lease;
  LpJob *job;
  int *start;                   /* (atomic) */
} Race;

static gpointer
race_main (gpointer data)
{
  Race *race = data;

  while (!is_set (race->start))
    ;

  return GINT_TO_POINTER (lp_lease_submit (race->lease, race->job, NULL));
}

static void
test_submit_once_from_many_threads (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (1);
      int start_now = FALSE;
      Race race = { self->lease, job, &start_now };
      GThread *threads[3];
      guint n_accepted = 0;

      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        threads[j] = g_thread_new ("racer", race_main, &race);
      g_atomic_int_set (&start_now, TRUE);
      for (guint j = 0; j < G_N_ELEMENTS (threads); j++)
        n_accepted += GPOINTER_TO_INT (g_thread_join (threads[j]));

      g_assert_cmpuint (n_accepted, ==, 1);
      assert_value (job, 1);
    }
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, 100);
}

static void
test_submit_fifo (Fixture *self, gconstpointer data)
{
  LpJob *jobs[50];
  g_autoptr (LpJob) running = submit_gate_job (self);
  gint64 last = 0;

  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      jobs[i] = lp_test_value_job (i);
      lp_test_submit (self->lease, jobs[i]);
    }
  lp_test_gate_open (self->gate);

  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      assert_value (jobs[i], i);
      g_assert_cmpint (lp_job_get_started_at (jobs[i]), >=, last);
      last = lp_job_get_ended_at (jobs[i]);
      g_object_unref (jobs[i]);
    }
}

typedef struct
{
  int now;                      /* (atomic) */
  int most;                     /* (atomic) */
} Crowd;

static void
crowd_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Crowd *crowd = user_data;
  int now = g_atomic_int_add (&crowd->now, 1) + 1;
  int most = g_atomic_int_get (&crowd->most);

  while (now > most && !g_atomic_int_compare_and_exchange (&crowd->most, most, now))
    most = g_atomic_int_get (&crowd->most);
  g_thread_yield ();
  g_atomic_int_add (&crowd->now, -1);
  *result = g_variant_new ("()");
}

static void
test_submit_workers_at_a_time (Fixture *self, gconstpointer data)
{
  guint workers = GPOINTER_TO_UINT (data);
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  Crowd crowd = { 0, 0 };

  /* All workers work. */
  for (guint i = 0; i < workers + 2; i++)
    {
      g_ptr_array_add (jobs, lp_test_gate_job (self->gate));
      lp_test_submit (self->lease, jobs->pdata[i]);
    }
  lp_test_gate_wait_entered (self->gate, workers);
  for (guint i = 0; i < workers + 2; i++)
    g_assert_cmpint (lp_job_get_state (jobs->pdata[i]), ==, i < workers ? LP_JOB_STATE_RUNNING : LP_JOB_STATE_QUEUED);
  g_assert_cmpuint (lp_test_gate_get_entered (self->gate), ==, workers);
  lp_test_gate_open (self->gate);

  /* And never more than these. */
  for (guint i = 0; i < 500; i++)
    {
      g_ptr_array_add (jobs, lp_job_new_for_func (crowd_func, &crowd, NULL));
      lp_test_submit (self->lease, jobs->pdata[jobs->len - 1]);
    }
  for (guint i = 0; i < jobs->len; i++)
    lp_test_assert_done (jobs->pdata[i]);
  g_assert_cmpint (crowd.now, ==, 0);
  g_assert_cmpint (crowd.most, <=, (int) workers);
}

static void
test_submit_states_and_times (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) running = NULL;
  g_autoptr (LpJob) job = lp_test_value_job (5);
  gint64 before;

  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
  g_assert_cmpint (lp_job_get_queued_at (job), ==, 0);
  g_assert_cmpint (lp_job_get_started_at (job), ==, 0);
  g_assert_cmpint (lp_job_get_ended_at (job), ==, 0);
  g_assert_null (lp_job_get_owner (job));

  running = submit_gate_job (self);
  before = g_get_monotonic_time ();
  lp_test_submit (self->lease, job);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);
  g_assert_cmpint (lp_job_get_queued_at (job), >=, before);
  g_assert_cmpint (lp_job_get_queued_at (job), <=, g_get_monotonic_time ());
  g_assert_cmpint (lp_job_get_started_at (job), ==, 0);
  g_assert_cmpint (lp_job_get_ended_at (job), ==, 0);
  g_assert_cmpstr (lp_job_get_owner (job), ==, "job");
  g_assert_null (lp_job_dup_result (job));
  g_assert_null (lp_job_dup_error (job));

  block_running (running);
  g_assert_cmpint (lp_job_get_started_at (running), >=, lp_job_get_queued_at (running));
  g_assert_cmpint (lp_job_get_ended_at (running), ==, 0);

  before = g_get_monotonic_time ();
  lp_test_gate_open (self->gate);
  assert_value (job, 5);
  g_assert_cmpint (lp_job_get_ended_at (running), >=, before);
  g_assert_cmpint (lp_job_get_started_at (job), >=, lp_job_get_ended_at (running));
  g_assert_cmpint (lp_job_get_ended_at (job), >=, lp_job_get_started_at (job));
  g_assert_cmpint (lp_job_get_ended_at (job), <=, g_get_monotonic_time ());
}

static void
test_submit_own_error (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_error_job ();
  g_autoptr (GError) error = NULL;

  lp_test_submit (self->lease, job);
  assert_fails (job, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_EXISTS);
  error = lp_job_dup_error (job);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpstr (error->message, ==, "as asked");
  g_assert_null (lp_job_dup_result (job));
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_failed"), ==, 1);
}

static void
assert_as_new (LpJob *job)
{
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
  g_assert_cmpint (lp_job_get_queued_at (job), ==, 0);
  g_assert_cmpint (lp_job_get_ended_at (job), ==, 0);
  g_assert_null (lp_job_get_owner (job));
  g_assert_null (lp_job_dup_error (job));
}

/* One that waits for it goes on waiting, and a lease that takes it runs it. */
static void
test_submit_refused_is_as_new (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (3);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  lp_job_wait_async (job, NULL, lp_test_result_cb, &result);
  lp_lease_release (self->lease);
  assert_refused (self->lease, job, LP_ERROR, LP_ERROR_EXPIRED);
  assert_as_new (job);
  lp_job_set_timeout_seconds (job, 20.0);

  g_assert_finalize_object (self->lease);
  self->lease = lp_test_acquire (self->manager, "second");
  lp_test_submit (self->lease, job);
  g_assert_cmpstr (lp_job_get_owner (job), ==, "second");
  value = lp_job_wait_finish (job, lp_test_wait_result (&result), NULL);
  g_assert_nonnull (value);
  assert_value (job, 3);
}

static void
test_submit_max_queued_jobs (void)
{
  LpManager *manager = lp_test_start (2, "workers-per-pool", 1, "max-queued-jobs", 2, NULL);
  LpLease *lease = lp_test_acquire (manager, "bounded");
  LpLease *other = lp_test_acquire (manager, "other");
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) a = lp_test_value_job (1);
  g_autoptr (LpJob) b = lp_test_value_job (2);
  g_autoptr (LpJob) refused = lp_test_value_job (3);
  g_autoptr (LpJob) elsewhere = lp_test_value_job (4);

  lp_test_submit (lease, running);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_submit (lease, a);
  lp_test_submit (lease, b);
  assert_refused (lease, refused, LP_ERROR, LP_ERROR_QUEUE_FULL);
  assert_as_new (refused);

  /* It is per lease; and a cancelled one leaves room. */
  lp_test_submit (other, elsewhere);
  assert_value (elsewhere, 4);
  lp_job_cancel (a);
  assert_cancelled (a);
  lp_test_submit (lease, refused);

  lp_test_gate_open (gate);
  assert_value (b, 2);
  assert_value (refused, 3);

  lp_lease_release (lease);
  lp_lease_release (other);
  lp_test_finish (manager);
  g_assert_finalize_object (lease);
  g_assert_finalize_object (other);
  lp_test_gate_unref (gate);
}

static void
test_submit_timeout_is_finite (Fixture *self, gconstpointer data)
{
  const double bad[] = { -1.0, NAN, INFINITY, -INFINITY };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (1);

      lp_job_set_timeout_seconds (job, bad[i]);
      assert_refused (self->lease, job, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
      assert_as_new (job);
      lp_job_set_timeout_seconds (job, 0.0);
      lp_test_submit (self->lease, job);
      assert_value (job, 1);
    }
}

static void
test_submit_fixes_the_timeout (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_gate_job (self);

  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*lp_job_set_timeout_seconds*");
  lp_job_set_timeout_seconds (job, 5.0);
  g_test_assert_expected_messages ();
  g_assert_cmpfloat (lp_job_get_timeout_seconds (job), ==, 0.0);
}

static void
test_submit_without_work (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = g_object_new (LP_TYPE_JOB, NULL);

  assert_refused (self->lease, job, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
}

static void
test_submit_async_cancellable_cancels_the_job (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) running_cancellable = g_cancellable_new ();
  g_autoptr (GCancellable) queued_cancellable = g_cancellable_new ();
  g_autoptr (LpJob) running = lp_test_gate_polite_job (self->gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);
  g_autoptr (GAsyncResult) running_result = NULL;
  g_autoptr (GAsyncResult) queued_result = NULL;
  g_autoptr (GError) running_error = NULL;
  g_autoptr (GError) queued_error = NULL;

  lp_lease_submit_async (self->lease, running, running_cancellable, lp_test_result_cb, &running_result);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_lease_submit_async (self->lease, queued, queued_cancellable, lp_test_result_cb, &queued_result);

  g_cancellable_cancel (queued_cancellable);
  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&queued_result), &queued_error));
  g_assert_error (queued_error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_cancelled (queued);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);

  g_cancellable_cancel (running_cancellable);
  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&running_result), &running_error));
  g_assert_error (running_error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_cancelled (running);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_cancelled"), ==, 2);
}

static void
test_submit_async_cancelled_before (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  lp_lease_submit_async (self->lease, job, cancellable, lp_test_result_cb, &result);
  g_assert_null (result);
  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_started_at (job), ==, 0);
}

static void
test_submit_async_refused (Fixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_lease_release (self->lease);
  lp_lease_submit_async (self->lease, job, cancellable, lp_test_result_cb, &result);
  lp_lease_submit_async (self->lease, job, NULL, NULL, NULL);
  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
  assert_as_new (job);

  /* The cancellable has nothing to do with it any more. */
  g_cancellable_cancel (cancellable);
  assert_as_new (job);
}

static void
test_submit_async_result (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) good = lp_test_value_job (6);
  g_autoptr (LpJob) bad = lp_test_error_job ();
  g_autoptr (GAsyncResult) good_result = NULL;
  g_autoptr (GAsyncResult) bad_result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  lp_lease_submit_async (self->lease, good, NULL, lp_test_result_cb, &good_result);
  lp_lease_submit_async (self->lease, bad, NULL, lp_test_result_cb, &bad_result);
  value = lp_lease_submit_finish (self->lease, lp_test_wait_result (&good_result), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_variant_get_type_string (value), ==, "(i)");
  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&bad_result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
}

/* --- Named functions --- */

static void
add_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int a, b;

  g_variant_get (lp_job_get_parameters (job), "(ii)", &a, &b);
  *result = g_variant_new ("(i)", a + b);
}

static void
string_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(s)", "not a number");
}

static void
nothing_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
}

static void
both_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", 1);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as well");
}

/* A result that is not floating. */
static void
full_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_assert_null (*result);
  *result = g_variant_ref_sink (g_variant_new ("(i)", 9));
}

static void
set_up_functions (Fixture *self, gconstpointer workers)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();

  lp_functions_add (functions, "add", G_VARIANT_TYPE ("(ii)"), G_VARIANT_TYPE ("(i)"), add_func, NULL, NULL, NULL);
  lp_functions_add (functions, "liar", NULL, G_VARIANT_TYPE ("(i)"), string_func, NULL, NULL, NULL);
  lp_functions_add (functions, "untyped", NULL, NULL, string_func, NULL, NULL, NULL);
  lp_functions_add (functions, "unit", G_VARIANT_TYPE_UNIT, NULL, full_func, NULL, NULL, NULL);
  self->manager = lp_test_start (1, "functions", lp_test_get_backend () == NULL ? functions : NULL, "workers-per-pool", GPOINTER_TO_INT (workers), NULL);
  self->lease = lp_test_acquire (self->manager, "functions");
  self->gate = lp_test_gate_new ();
}

static void
test_call_result (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("add", g_variant_new ("(ii)", 2, 3));
  g_autoptr (LpJob) unit = lp_job_new_for_call ("unit", g_variant_new ("()"));
  g_autoptr (LpJob) none = lp_job_new_for_call ("unit", NULL);
  g_autoptr (LpJob) untyped = lp_job_new_for_call ("untyped", g_variant_new ("(d)", 1.0));
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;

  g_assert_cmpstr (lp_job_get_name (job), ==, "add");
  lp_test_submit (self->lease, job);
  assert_value (job, 5);

  /* No parameters and () are the same. */
  lp_test_submit (self->lease, unit);
  assert_value (unit, 9);
  lp_test_submit (self->lease, none);
  assert_value (none, 9);
  lp_test_submit (self->lease, untyped);
  lp_test_assert_done (untyped);

  lp_lease_call_async (self->lease, "add", g_variant_new ("(ii)", 20, 3), NULL, lp_test_result_cb, &result);
  value = lp_lease_call_finish (self->lease, lp_test_wait_result (&result), NULL);
  g_assert_cmpint (g_variant_n_children (value), ==, 1);
}

static void
test_call_unknown_function (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("nobody", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (self->lease, job, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION);
  g_assert_nonnull (strstr (error->message, "nobody"));
  assert_as_new (job);
}

/* Without a table no name is known. */
static void
test_call_without_functions (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("add", NULL);

  assert_refused (self->lease, job, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION);
}

static void
test_call_wrong_parameters_names_both (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) wrong = lp_job_new_for_call ("add", g_variant_new ("(sas)", "x", NULL));
  g_autoptr (LpJob) none = lp_job_new_for_call ("add", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (self->lease, wrong, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "(ii)"));
  g_assert_nonnull (strstr (error->message, "(sas)"));
  g_assert_nonnull (strstr (error->message, "add"));
  assert_as_new (wrong);

  g_clear_error (&error);
  g_assert_false (lp_lease_submit (self->lease, none, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "(ii)"));
}

static void
test_call_wrong_result_type (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("liar", NULL);
  g_autoptr (GError) error = NULL;

  lp_test_submit (self->lease, job);
  assert_fails (job, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_FAILED);
  error = lp_job_dup_error (job);
  g_assert_nonnull (strstr (error->message, "(i)"));
  g_assert_nonnull (strstr (error->message, "(s)"));
}

static void
test_call_no_result_and_no_error (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (nothing_func, NULL, NULL);

  lp_test_submit (self->lease, job);
  assert_fails (job, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_FAILED);
}

static void
test_call_error_wins_over_a_result (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (both_func, NULL, NULL);

  lp_test_submit (self->lease, job);
  assert_fails (job, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_null (lp_job_dup_result (job));
}

static void
test_call_async_consumes_floating_parameters (Fixture *self, gconstpointer data)
{
  const char *names[] = { "nobody", "add", "unit" };
  static const guint32 word = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;
      int n_consumed = 0;

      if (i == 2)
        lp_lease_release (self->lease);
      lp_lease_call_async (self->lease, names[i],
                           g_variant_new_from_data (G_VARIANT_TYPE_UINT32, &word, sizeof word, TRUE,
                                                    note_consumed, &n_consumed),
                           NULL, lp_test_result_cb, &result);
      g_assert_null (lp_lease_call_finish (self->lease, lp_test_wait_result (&result), &error));
      g_assert_nonnull (error);
      g_clear_object (&result);
      g_assert_cmpint (n_consumed, ==, 1);
    }
}

#define add_functions(name, workers, func) \
  lp_test_conform_add ("/job/" name, Fixture, GINT_TO_POINTER (workers), set_up_functions, func, tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("submit/once-only", 1, test_submit_once);
  add ("submit/once-only-from-many-threads", 2, test_submit_once_from_many_threads);
  add ("submit/fifo", 1, test_submit_fifo);
  add_closure ("submit/workers-at-a-time", 3, test_submit_workers_at_a_time);
  add ("submit/states-and-times", 1, test_submit_states_and_times);
  add ("submit/own-error", 1, test_submit_own_error);
  add ("submit/refused-is-as-new", 1, test_submit_refused_is_as_new);
  lp_test_conform_add_func ("/job/submit/max-queued-jobs", test_submit_max_queued_jobs);
  add ("submit/timeout-is-finite", 1, test_submit_timeout_is_finite);
  add ("submit/fixes-the-timeout", 1, test_submit_fixes_the_timeout);
  add ("submit/without-work", 1, test_submit_without_work);
  add ("submit-async/its-cancellable-cancels-the-job", 1, test_submit_async_cancellable_cancels_the_job);
  add ("submit-async/cancelled-before", 1, test_submit_async_cancelled_before);
  add ("submit-async/refused", 1, test_submit_async_refused);
  add ("submit-async/result", 1, test_submit_async_result);
  add_functions ("call/result", 1, test_call_result);
  add_functions ("call/unknown-function", 1, test_call_unknown_function);
  add_closure ("call/without-functions", 1, test_call_without_functions);
  add_functions ("call/wrong-parameters-names-both-types", 1, test_call_wrong_parameters_names_both);
  add_functions ("call/wrong-result-type", 1, test_call_wrong_result_type);
  add_closure ("call/no-result-and-no-error", 1, test_call_no_result_and_no_error);
  add_closure ("call/error-wins-over-a-result", 1, test_call_error_wins_over_a_result);
  add_functions ("call-async/consumes-floating-parameters", 1, test_call_async_consumes_floating_parameters);

  return g_test_run ();
}
