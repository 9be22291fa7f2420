/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Waiting for the end of a job. */

#include "config.h"

#include "lp-test-job.h"

/* --- Waiting --- */

static void
test_wait_any_number_of_times (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (4);
  GAsyncResult *results[10] = { NULL };

  for (guint i = 0; i < 10; i++)
    {
      if (i == 4)
        lp_test_submit (self->lease, job);
      if (i == 7)
        assert_value (job, 4);
      lp_job_wait_async (job, NULL, lp_test_result_cb, &results[i]);
    }
  lp_job_wait_async (job, NULL, NULL, NULL);

  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (GVariant) value = lp_job_wait_finish (job, lp_test_wait_result (&results[i]), NULL);

      g_assert_nonnull (value);
      g_object_unref (results[i]);
    }
  assert_value (job, 4);
}

static gpointer
wait_main (gpointer job)
{
  assert_value (job, 8);
  return NULL;
}

/* Also before it is submitted. */
static void
test_wait_on_many_threads (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (8);
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("waits", wait_main, job);
  lp_test_submit (self->lease, job);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
test_wait_cancel_ends_the_wait_only (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_gate_job (self);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  lp_job_wait_async (job, cancellable, lp_test_result_cb, &cancelled);
  lp_job_wait_async (job, NULL, lp_test_result_cb, &waiting);
  g_cancellable_cancel (cancellable);
  g_assert_null (lp_job_wait_finish (job, lp_test_wait_result (&cancelled), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  /* Cancelled before, in the blocking form. */
  g_clear_error (&error);
  g_assert_null (lp_job_wait (job, -1, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);
  g_assert_false (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));

  lp_test_gate_open (self->gate);
  value = lp_job_wait_finish (job, lp_test_wait_result (&waiting), NULL);
  g_assert_nonnull (value);
}

static gpointer
cancel_main (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_wait_is_cancelled_while_blocking (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_gate_job (self);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancels", cancel_main, cancellable);

  g_assert_null (lp_job_wait (job, -1, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  lp_test_gate_open (self->gate);
  lp_test_assert_done (job);
}

static void
test_wait_timeout (Fixture *self, gconstpointer data)
{
  const double bad[] = { -2.0, -0.5, NAN, INFINITY, -INFINITY };
  g_autoptr (LpJob) job = submit_gate_job (self);
  gint64 before = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_job_wait (job, SHORT_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time (), >=, before + SHORT_USEC);
  g_clear_error (&error);
  g_assert_null (lp_job_wait (job, 0, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_clear_error (&error);
      g_assert_null (lp_job_wait (job, bad[i], NULL, &error));
      g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
    }

  lp_test_gate_open (self->gate);
  lp_test_assert_done (job);
}

static void
counted_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  static const guint32 word = 0;

  *result = g_variant_new_from_data (G_VARIANT_TYPE_UINT32, &word, sizeof word, TRUE, note_consumed, user_data);
}

static gboolean
all_are_freed (gpointer user_data)
{
  int *counts = user_data;

  return g_atomic_int_get (&counts[0]) == counts[1];
}

/* Either is told, exactly once, and the result is not leaked. */
static void
test_wait_cancel_races_with_the_end (Fixture *self, gconstpointer data)
{
  int n_rounds = (int) lp_test_size (2000, 20000, 2000);
  int counts[2] = { 0, n_rounds };

  for (int i = 0; i < n_rounds; i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_func (counted_func, &counts[0], NULL);
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GVariant) value = NULL;
      g_autoptr (GError) error = NULL;

      lp_job_wait_async (job, cancellable, lp_test_result_cb, &result);
      lp_test_submit (self->lease, job);
      for (int spin = 0; spin < i % 16; spin++)
        g_thread_yield ();
      g_cancellable_cancel (cancellable);
      value = lp_job_wait_finish (job, lp_test_wait_result (&result), &error);
      if (value == NULL)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      lp_test_assert_done (job);
    }

  lp_test_wait_for (all_are_freed, counts, "all results to be freed");
}

static void
cancel_first_wait (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
}

static void
unused_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_assert_not_reached ();
}

/* Between the end of a job and the telling of it: each of two is told once. */
static void
test_wait_cancel_while_the_job_ends (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) running = submit_gate_job (self);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (LpJob) job = lp_job_new_for_func (unused_func, cancellable, cancel_first_wait);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GError) error = NULL;

  lp_test_submit (self->lease, job);
  lp_job_wait_async (job, cancellable, lp_test_result_cb, &first);
  lp_job_wait_async (job, NULL, lp_test_result_cb, &second);
  lp_job_cancel (job);
  g_assert_null (lp_job_wait_finish (job, lp_test_wait_result (&first), NULL));
  g_assert_null (lp_job_wait_finish (job, lp_test_wait_result (&second), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("wait/any-number-of-times", 1, test_wait_any_number_of_times);
  add ("wait/on-many-threads", 1, test_wait_on_many_threads);
  add ("wait/cancel-ends-the-wait-only", 1, test_wait_cancel_ends_the_wait_only);
  add ("wait/is-cancelled-while-blocking", 1, test_wait_is_cancelled_while_blocking);
  add ("wait/timeout", 1, test_wait_timeout);
  add_closure ("wait/cancel-while-the-job-ends", 1, test_wait_cancel_while_the_job_ends);
  add_closure ("wait/cancel-races-with-the-end", 1, test_wait_cancel_races_with_the_end);

  return g_test_run ();
}
