/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-job.h"

/* --- Deferring --- */

typedef struct
{
  GAsyncQueue *jobs;            /* those that were deferred, with a reference */
  GAsyncQueue *go_on;           /* what the function waits for before it returns */
  gboolean waits;
  int n_returned;               /* (atomic) */
  int n_destroyed;              /* (atomic) */
} Defer;

static void
defer_init (Defer *self, gboolean waits)
{
  *self = (Defer) { g_async_queue_new (), g_async_queue_new (), waits, 0, 0 };
}

static void
defer_clear (Defer *self)
{
  g_async_queue_unref (self->jobs);
  g_async_queue_unref (self->go_on);
}

static void
defer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Defer *defer = user_data;

  lp_job_defer (job);
  g_async_queue_push (defer->jobs, g_object_ref (job));
  if (defer->waits)
    g_async_queue_pop (defer->go_on);
  g_atomic_int_inc (&defer->n_returned);
}

static void
defer_destroy (gpointer user_data)
{
  g_atomic_int_inc (&((Defer *) user_data)->n_destroyed);
}

/* Submits one, and returns it when its function has deferred it. */
static LpJob *
submit_deferred (Fixture *self, Defer *defer)
{
  LpJob *job = lp_job_new_for_func (defer_func, defer, defer_destroy);

  lp_test_submit (self->lease, job);
  g_object_unref (g_async_queue_pop (defer->jobs));
  if (!defer->waits)
    lp_test_block_for (is_set, &defer->n_returned, "the function to return");

  return job;
}

static gpointer
return_value_main (gpointer job)
{
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  return NULL;
}

static gpointer
return_error_main (gpointer job)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_EXISTS, "from afar");

  lp_job_return_error (job, error);
  return NULL;
}

static void
test_defer_returns_from_another_thread (Fixture *self, gconstpointer data)
{
  GThreadFunc funcs[] = { return_value_main, return_error_main };

  for (guint i = 0; i < G_N_ELEMENTS (funcs); i++)
    {
      Defer defer;
      g_autoptr (LpJob) job = NULL;

      defer_init (&defer, FALSE);
      job = submit_deferred (self, &defer);
      g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);
      g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 1);
      g_thread_join (g_thread_new ("returns", funcs[i], job));
      if (i == 0)
        assert_value (job, 11);
      else
        assert_fails (job, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_EXISTS);

      lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
      defer_clear (&defer);
    }
}

/* But its thread is free for what it does not count for. */
static void
test_defer_occupies_the_slot (Fixture *self, gconstpointer data)
{
  Defer defer;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (LpJob) next = lp_test_value_job (1);

  defer_init (&defer, FALSE);
  job = submit_deferred (self, &defer);
  lp_test_submit (self->lease, next);
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  assert_value (job, 11);
  assert_value (next, 1);
  g_assert_cmpint (lp_job_get_started_at (next), >=, lp_job_get_ended_at (job));

  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  defer_clear (&defer);
}

static void
test_defer_return_twice (Fixture *self, gconstpointer data)
{
  Defer defer;
  g_autoptr (LpJob) job = NULL;

  defer_init (&defer, FALSE);
  job = submit_deferred (self, &defer);
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  return_error_main (job);
  lp_job_return_value (job, g_variant_new ("(i)", 12));
  assert_value (job, 11);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 2);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, 1);

  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  g_assert_cmpint (defer.n_destroyed, ==, 1);
  defer_clear (&defer);
}

/* In time its own result stands. */
static void
test_defer_cancel_in_time (Fixture *self, gconstpointer data)
{
  Defer defer;
  g_autoptr (LpJob) job = NULL;

  defer_init (&defer, FALSE);
  job = submit_deferred (self, &defer);
  lp_job_cancel (job);
  g_assert_true (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  assert_value (job, 11);

  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  defer_clear (&defer);
}

/* After it the slot is free, since no thread is occupied. */
static void
test_defer_cancel_after_the_grace (Fixture *self, gconstpointer data)
{
  Defer defer;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (LpJob) next = lp_test_value_job (1);

  defer_init (&defer, FALSE);
  job = submit_deferred (self, &defer);
  lp_test_submit (self->lease, next);
  lp_job_cancel (job);
  assert_cancelled (job);
  assert_value (next, 1);

  lp_job_return_value (job, g_variant_new ("(i)", 11));
  assert_cancelled (job);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 1);

  /* Nothing to quarantine, then. */
  lp_lease_release (self->lease);
  g_assert_cmpuint (lp_test_stat (self->manager, "available"), ==, 1);

  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  defer_clear (&defer);
}

static void
test_defer_times_out (Fixture *self, gconstpointer data)
{
  Defer defer;
  g_autoptr (LpJob) job = NULL;

  defer_init (&defer, FALSE);
  job = lp_job_new_for_func (defer_func, &defer, defer_destroy);
  lp_job_set_timeout_seconds (job, SHORT_SECONDS);
  lp_test_submit (self->lease, job);
  assert_timed_out (job);

  g_object_unref (g_async_queue_pop (defer.jobs));
  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  defer_clear (&defer);
}

/* Its function goes on, with its user data, when the job has ended already. */
static void
test_defer_returns_before_its_function (Fixture *self, gconstpointer data)
{
  Defer defer;
  LpJob *job;

  defer_init (&defer, TRUE);
  job = submit_deferred (self, &defer);
  g_thread_join (g_thread_new ("returns", return_value_main, job));
  assert_value (job, 11);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (g_atomic_int_get (&defer.n_destroyed), ==, 0);

  g_async_queue_push (defer.go_on, &defer);
  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  g_assert_cmpint (g_atomic_int_get (&defer.n_returned), ==, 1);
  g_object_unref (job);
  defer_clear (&defer);
}

/* And so does the job itself, which its function was given. */
static void
test_defer_job_outlives_its_function (Fixture *self, gconstpointer data)
{
  Defer defer;
  LpJob *job;
  LpJob *watched;

  defer_init (&defer, TRUE);
  job = watched = submit_deferred (self, &defer);
  g_object_add_weak_pointer (G_OBJECT (job), (gpointer *) &watched);
  g_thread_join (g_thread_new ("returns", return_value_main, job));
  assert_value (job, 11);
  g_object_unref (job);
  g_assert_nonnull (watched);
  g_object_remove_weak_pointer (G_OBJECT (job), (gpointer *) &watched);

  g_async_queue_push (defer.go_on, &defer);
  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  defer_clear (&defer);
}

/* Nor does it have to end by what is given: its grace may be over by then. */
static void
test_defer_given_after_the_grace (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) next = lp_test_value_job (1);
  Defer defer;
  LpJob *job;
  int gone = 0;

  defer_init (&defer, TRUE);
  job = submit_deferred (self, &defer);
  lp_test_watch (job, &gone);
  lp_test_submit (self->lease, next);
  lp_job_cancel (job);
  assert_cancelled (job);
  for (guint i = 0; i < 2; i++)
    g_thread_join (g_thread_new ("returns", i == 0 ? return_value_main : return_error_main, job));
  assert_cancelled (job);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 2);
  g_object_unref (job);

  /* It is still in use, and so is its worker. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (lp_test_is_gone (&gone));
  g_assert_cmpint (g_atomic_int_get (&defer.n_destroyed), ==, 0);
  g_assert_cmpint (lp_job_get_state (next), ==, LP_JOB_STATE_QUEUED);

  g_async_queue_push (defer.go_on, &defer);
  assert_value (next, 1);
  lp_test_wait_for (is_set, &defer.n_destroyed, "the destroy notify");
  lp_test_wait_for (lp_test_is_gone, &gone, "the job to be finalized");
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 2);
  defer_clear (&defer);
}

static void
count_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_atomic_int_inc ((int *) user_data);
  *result = g_variant_new ("(i)", 1);
}

/* Nor does its function have to have begun: the worker may only just have taken the job. */
static void
test_given_before_its_function (Fixture *self, gconstpointer data)
{
  guint n_rounds = lp_test_size (2000, 20000, 100);
  guint n_given = 0;

  for (guint i = 0; i < n_rounds; i++)
    {
      int n_calls = 0;
      g_autoptr (LpJob) job = lp_job_new_for_func (count_func, &n_calls, NULL);
      g_autoptr (GVariant) result = NULL;
      int gone = 0;
      int value;

      lp_test_watch (job, &gone);
      lp_test_submit (self->lease, job);
      for (guint spins = 0; lp_job_get_state (job) == LP_JOB_STATE_QUEUED; spins++)
        if (spins > 20000)
          g_thread_yield ();
      lp_job_return_value (job, g_variant_new ("(i)", 2));
      result = lp_job_wait (job, -1, NULL, NULL);
      g_variant_get (result, "(i)", &value);
      n_given += value == 2;

      g_clear_object (&job);
      lp_test_block_for (lp_test_is_gone, &gone, "the job to be finalized");
      g_assert_cmpint (g_atomic_int_get (&n_calls), ==, 1);
    }

  g_test_message ("%u of %u jobs ended with what was given", n_given, n_rounds);
}

static void
defer_and_answer_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_defer (job);
  *result = g_variant_new ("(i)", 13);
}

static void
test_defer_and_a_value_is_an_end (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (defer_and_answer_func, NULL, NULL);

  lp_test_submit (self->lease, job);
  assert_value (job, 13);
}

static void
test_return_on_a_new_job (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*no executor has begun*");
  lp_job_return_value (job, g_variant_new ("(i)", 2));
  g_test_assert_expected_messages ();
  lp_test_submit (self->lease, job);
  assert_value (job, 1);
}

/* One that waits in the queue has not been asked yet. */
static void
test_return_on_a_queued_job (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) running = submit_gate_job (self);
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (self->lease, job);
  lp_job_return_value (job, g_variant_new ("(i)", 2));
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);
  lp_test_gate_open (self->gate);
  assert_value (job, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 1);
}

/* --- Progress --- */

typedef struct
{
  GThread *owner;
  GString *seen;                /* what each notification found */
  guint n_progress;
  guint n_status;
} Progress;

static void
progress_cb (LpJob *job, GParamSpec *pspec, gpointer user_data)
{
  Progress *progress = user_data;
  g_autofree char *status = lp_job_dup_status (job);

  g_assert_true (g_thread_self () == progress->owner);
  progress->n_progress += g_str_equal (pspec->name, "progress");
  progress->n_status += g_str_equal (pspec->name, "status");
  g_string_append_printf (progress->seen, "%.2f %s; ", lp_job_get_progress (job), status);
}

static void
half_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_set_progress (job, 0.5, "half");
  *result = g_variant_new ("()");
}

static void
many_steps_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  for (int i = 0; i < 100; i++)
    lp_job_set_progress (job, i / 100.0, "step");
  lp_job_set_progress (job, 1.0, NULL);
  *result = g_variant_new ("()");
}

static gboolean
has_seen (gpointer progress)
{
  return ((Progress *) progress)->seen->len > 0;
}

static void
check_progress (Fixture *self, LpJobFunc func, const char *expected)
{
  Progress progress = { g_thread_self (), g_string_new (NULL), 0, 0 };
  g_autoptr (LpJob) job = lp_job_new_for_func (func, NULL, NULL);

  g_signal_connect (job, "notify", G_CALLBACK (progress_cb), &progress);
  lp_test_submit (self->lease, job);
  lp_test_assert_done (job);
  g_assert_cmpstr (progress.seen->str, ==, "");
  lp_test_wait_for (has_seen, &progress, "notify");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (progress.seen->str, ==, expected);
  g_assert_cmpuint (progress.n_progress, ==, 1);
  g_assert_cmpuint (progress.n_status, ==, 1);
  g_string_free (progress.seen, TRUE);
}

static void
test_progress_both_are_set_first (Fixture *self, gconstpointer data)
{
  check_progress (self, half_func, "0.50 half; 0.50 half; ");
}

/* And NULL keeps the status. */
static void
test_progress_fast_ones_are_one (Fixture *self, gconstpointer data)
{
  check_progress (self, many_steps_func, "1.00 step; 1.00 step; ");
}

static void
test_progress_at_first (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  g_assert_cmpfloat (lp_job_get_progress (job), ==, -1.0);
  g_assert_null (lp_job_dup_status (job));
  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*isnan*");
  lp_job_set_progress (job, NAN, "no number");
  g_test_assert_expected_messages ();
  g_assert_cmpfloat (lp_job_get_progress (job), ==, -1.0);
  g_assert_null (lp_job_dup_status (job));
}

/* There is no owner context to tell it in. */
static void
test_progress_without_a_manager (Fixture *self, gconstpointer data)
{
  Progress progress = { g_thread_self (), g_string_new (NULL), 0, 0 };
  g_autoptr (LpJob) fresh = lp_test_value_job (1);
  g_autoptr (LpJob) cancelled = lp_test_value_job (1);

  g_signal_connect (fresh, "notify", G_CALLBACK (progress_cb), &progress);
  g_signal_connect (cancelled, "notify", G_CALLBACK (progress_cb), &progress);
  lp_job_cancel (cancelled);
  lp_job_set_progress (fresh, 0.25, "fresh");
  lp_job_set_progress (cancelled, 0.75, "cancelled");
  g_assert_cmpfloat (lp_job_get_progress (fresh), ==, 0.25);
  g_assert_cmpfloat (lp_job_get_progress (cancelled), ==, 0.75);
  g_string_free (progress.seen, TRUE);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add_closure ("defer/returns-from-another-thread", 1, test_defer_returns_from_another_thread);
  add_closure ("defer/occupies-the-slot", 1, test_defer_occupies_the_slot);
  add_closure ("defer/return-twice", 1, test_defer_return_twice);
  add_closure ("defer/cancel-in-time", 1, test_defer_cancel_in_time);
  add_short_closure ("defer/cancel-after-the-grace", 1, test_defer_cancel_after_the_grace);
  add_short_closure ("defer/times-out", 1, test_defer_times_out);
  add_closure ("defer/returns-before-its-function", 1, test_defer_returns_before_its_function);
  add_closure ("defer/job-outlives-its-function", 1, test_defer_job_outlives_its_function);
  add_closure ("return/before-its-function", 1, test_given_before_its_function);
  add_short_closure ("defer/given-after-the-grace", 1, test_defer_given_after_the_grace);
  add_closure ("defer/and-a-value-is-an-end", 1, test_defer_and_a_value_is_an_end);
  add ("return/on-a-new-job", 1, test_return_on_a_new_job);
  add ("return/on-a-queued-job", 1, test_return_on_a_queued_job);
  add_closure ("progress/both-are-set-before-either-notifies", 1, test_progress_both_are_set_first);
  add_closure ("progress/fast-ones-are-one", 1, test_progress_fast_ones_are_one);
  add ("progress/at-first", 1, test_progress_at_first);
  add ("progress/without-a-manager", 1, test_progress_without_a_manager);

  return g_test_run ();
}
