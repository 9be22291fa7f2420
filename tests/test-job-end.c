/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How jobs end that are cancelled, timed out, or revoked. */

#include "config.h"

#include "lp-test-job.h"

/* --- Cancelling --- */

/* Functions that have entered when `entered` is set, and return when they are
 * told to stop. */
typedef struct
{
  int entered;                  /* (atomic) */
  int open;                     /* (atomic) also to be waited for */
} Stop;

static void
wait_for_stop (LpJob *job, Stop *stop)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);

  g_atomic_int_set (&stop->entered, TRUE);
  while (!g_cancellable_is_cancelled (cancellable) || !is_set (&stop->open))
    g_thread_yield ();
}

static void
value_on_stop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  wait_for_stop (job, user_data);
  *result = g_variant_new ("(i)", 7);
}

static void
error_on_stop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  wait_for_stop (job, user_data);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "of its own");
}

static LpJob *
submit_stop_job (Fixture *self, LpJobFunc func, Stop *stop, double timeout_seconds)
{
  LpJob *job = lp_job_new_for_func (func, stop, NULL);

  lp_job_set_timeout_seconds (job, timeout_seconds);
  lp_test_submit (self->lease, job);
  lp_test_block_for (is_set, &stop->entered, "the function to enter");

  return job;
}

/* The function "tolerant" gives a value when it is cancelled, "grumpy" an error of its own. */
static LpJob *
submit_function (Fixture *self, const char *function, double timeout_seconds)
{
  guint n_entered = lp_test_gate_get_entered (self->gate);
  LpJob *job = lp_test_gate_function_job (self->gate, function);

  lp_job_set_timeout_seconds (job, timeout_seconds);
  lp_test_submit (self->lease, job);
  lp_test_gate_wait_entered (self->gate, n_entered + 1);
  block_running (job);

  return job;
}

static void
assert_was_cancelled (LpJob *job)
{
  g_autoptr (GVariant) result = NULL;
  gboolean was_cancelled;

  lp_test_assert_done (job);
  result = lp_job_dup_result (job);
  g_variant_get (result, "(b)", &was_cancelled);
  g_assert_true (was_cancelled);
}

static void
test_cancel_queued_never_runs (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) running = submit_gate_job (self);
  g_autoptr (LpJob) queued = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) last = lp_test_value_job (1);

  lp_test_submit (self->lease, queued);
  lp_test_submit (self->lease, last);
  lp_job_cancel (queued);

  /* At once, while the worker is busy. */
  g_assert_cmpint (lp_job_get_state (queued), ==, LP_JOB_STATE_CANCELLED);
  assert_cancelled (queued);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
  g_assert_cmpint (lp_job_get_ended_at (queued), >=, lp_job_get_queued_at (queued));
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 2);

  lp_test_gate_open (self->gate);
  assert_value (last, 1);
  g_assert_cmpuint (lp_test_gate_get_entered (self->gate), ==, 1);
}

static void
test_cancel_own_result_stands (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_function (self, "tolerant", 0);

  lp_job_cancel (job);
  assert_was_cancelled (job);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 0);
}

static void
test_cancel_error_becomes_cancelled (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_function (self, "grumpy", 0);

  lp_job_cancel (job);
  assert_cancelled (job);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_cancelled"), ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_failed"), ==, 0);
}

static void
test_cancel_after_the_grace (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_gate_job (self);
  gint64 cancelled_at = g_get_monotonic_time ();

  lp_job_cancel (job);
  g_assert_true (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  assert_cancelled (job);
  g_assert_cmpint (lp_job_get_ended_at (job), >=, cancelled_at + SHORT_USEC);
}

static void
test_cancel_fires_the_cancellable (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_gate_job (self);
  GCancellable *cancellable = lp_job_get_cancellable (job);

  g_assert_false (g_cancellable_is_cancelled (cancellable));
  lp_job_cancel (job);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  g_assert_true (lp_job_get_cancellable (job) == cancellable);

  /* The function has its time, and returned a value. */
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);
  lp_test_gate_open (self->gate);
  lp_test_assert_done (job);
}

static void
test_cancel_after_the_end (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (self->lease, job);
  assert_value (job, 1);
  lp_job_cancel (job);
  assert_value (job, 1);
  g_assert_false (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_cancelled"), ==, 0);
}

static void
test_cancel_by_itself (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("cancel-itself", NULL);

  lp_test_submit (self->lease, job);
  assert_cancelled (job);
}

static void
test_cancel_before_submit (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_job (self->gate);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_job_wait_async (job, NULL, lp_test_result_cb, &result);
  lp_job_cancel (job);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
  g_assert_null (lp_job_wait_finish (job, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  assert_refused (self->lease, job, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_cancelled (job);
  g_assert_cmpint (lp_job_get_queued_at (job), ==, 0);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
  g_assert_cmpuint (lp_test_gate_get_entered (self->gate), ==, 0);
}

/* Called when the executor takes its reference, which is before it has accepted the job: a binding is told of it, too. */
static void
cancel_in_submit_cb (gpointer data, GObject *object, gboolean is_last_reference)
{
  guint *n_cancelled = data;
  LpJob *job = LP_JOB (object);

  if (is_last_reference || *n_cancelled > 0)
    return;

  ++*n_cancelled;
  lp_job_cancel (job);
  assert_cancelled (job);
  g_assert_null (lp_job_get_owner (job));
  g_assert_cmpint (lp_job_get_queued_at (job), ==, 0);
}

/* What the submit has set by then is nobody's to read: it takes it back when it is refused. */
static void
test_cancel_in_the_middle_of_its_submit (Fixture *self, gconstpointer data)
{
  LpJob *job = lp_test_value_job (1);
  g_autoptr (GError) refusal = NULL;
  g_autoptr (GError) error = NULL;
  guint n_cancelled = 0;

  g_object_add_toggle_ref (G_OBJECT (job), cancel_in_submit_cb, &n_cancelled);
  g_object_unref (job);
  g_assert_false (lp_lease_submit (self->lease, job, &refusal));
  g_assert_error (refusal, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (n_cancelled, ==, 1);

  error = lp_job_dup_error (job);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (strstr (error->message, "“job”"));
  g_assert_null (lp_job_get_owner (job));
  g_assert_cmpint (lp_lease_get_pending_jobs (self->lease), ==, 0);

  g_object_remove_toggle_ref (G_OBJECT (job), cancel_in_submit_cb, &n_cancelled);
}

/* In every other round the victim surely runs when it is cancelled, else it may
 * still be queued. */
static void
test_cancel_never_reaches_the_next (Fixture *self, gconstpointer data)
{
  int n_rounds = (int) lp_test_size (1000, 10000, 1000);

  for (int i = 0; i < n_rounds; i++)
    {
      guint n_entered = lp_test_gate_get_entered (self->gate);
      g_autoptr (LpJob) victim = lp_test_gate_polite_job (self->gate);
      g_autoptr (LpJob) next = lp_job_new_for_call ("uncancelled", g_variant_new ("(i)", i));

      lp_test_submit (self->lease, victim);
      if (i % 2 != 0)
        lp_test_gate_wait_entered (self->gate, n_entered + 1);
      if (i % 3 == 0)
        lp_test_submit (self->lease, next);
      lp_job_cancel (victim);
      if (i % 3 != 0)
        lp_test_submit (self->lease, next);
      lp_job_cancel (victim);
      assert_value (next, i);
      assert_cancelled (victim);
    }

  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, n_rounds);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_cancelled"), ==, n_rounds);
}

/* Handlers of the cancellable may take their time: a time-out that passes
 * meanwhile is not the end of the grace. */
static void
outlast_timeout_cb (GCancellable *cancellable, gpointer due)
{
  lp_test_block_for (has_passed, due, "the time-out");
}

static void
test_cancel_grace_is_not_cut_by_the_timeout (Fixture *self, gconstpointer data)
{
  Stop stop = { FALSE, FALSE };
  g_autoptr (LpJob) job = submit_stop_job (self, value_on_stop_func, &stop, 2 * SHORT_SECONDS);
  GCancellable *cancellable = lp_job_get_cancellable (job);
  gint64 due = lp_job_get_started_at (job) + 4 * SHORT_USEC;

  g_signal_connect (cancellable, "cancelled", G_CALLBACK (outlast_timeout_cb), &due);
  lp_job_cancel (job);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);
  g_atomic_int_set (&stop.open, TRUE);
  assert_value (job, 7);
}

/* Nor does one that is far away put it off, whichever of them is set last. */
static void
test_cancel_grace_is_not_put_off_by_the_timeout (Fixture *self, gconstpointer data)
{
  for (int i = 0; i < GPOINTER_TO_INT (data); i++)
    {
      g_autoptr (LpJob) job = lp_test_gate_job (self->gate);

      lp_job_set_timeout_seconds (job, 100 * PATIENCE_SECONDS);

      /* A thread: its worker cannot set the time-out before it is cancelled. */
      g_mutex_lock (&self->manager->pool->lock);
      lp_test_submit (self->lease, job);
      while (lp_job_get_state (job) != LP_JOB_STATE_RUNNING)
        g_thread_yield ();
      g_mutex_unlock (&self->manager->pool->lock);

      lp_job_cancel (job);
      assert_cancelled (job);
    }
}

/* --- Time-outs --- */

/* One that waits in the queue for longer than it may run. */
static void
test_timeout_counts_from_the_start (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) running = submit_gate_job (self);
  g_autoptr (LpJob) waits = lp_test_value_job (1);
  LpTestGate *closed = lp_test_gate_new ();
  g_autoptr (LpJob) hangs = lp_test_gate_polite_job (closed);
  gint64 due;

  lp_job_set_timeout_seconds (waits, SHORT_SECONDS);
  lp_job_set_timeout_seconds (hangs, SHORT_SECONDS);
  lp_test_submit (self->lease, hangs);
  lp_test_submit (self->lease, waits);
  due = lp_job_get_queued_at (waits) + 2 * SHORT_USEC;
  lp_test_block_for (has_passed, &due, "twice the time-out");
  g_assert_cmpint (lp_job_get_state (waits), ==, LP_JOB_STATE_QUEUED);

  lp_test_gate_open (self->gate);
  assert_timed_out (hangs);
  g_assert_cmpint (lp_job_get_ended_at (hangs), >=, lp_job_get_started_at (hangs) + SHORT_USEC);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_failed"), ==, 1);
  assert_value (waits, 1);
  lp_test_gate_unref (closed);
}

static void
test_timeout_own_result_stands (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_function (self, "tolerant", SHORT_SECONDS);

  assert_was_cancelled (job);
  g_assert_cmpint (lp_job_get_ended_at (job), >=, lp_job_get_started_at (job) + SHORT_USEC);
}

static void
test_timeout_error_becomes_timed_out (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_function (self, "grumpy", SHORT_SECONDS);

  assert_timed_out (job);
}

static void
test_timeout_after_the_grace (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_test_gate_job (self->gate);

  lp_job_set_timeout_seconds (job, SHORT_SECONDS);
  lp_test_submit (self->lease, job);
  assert_timed_out (job);
  g_assert_cmpint (lp_job_get_ended_at (job), >=, lp_job_get_started_at (job) + 2 * SHORT_USEC);
}

/* A later cancel or time-out changes nothing. */
static void
test_timeout_the_first_reason_stands (Fixture *self, gconstpointer data)
{
  Stop first = { FALSE, FALSE };
  Stop second = { FALSE, FALSE };
  g_autoptr (LpJob) timed_out = submit_stop_job (self, error_on_stop_func, &first, SHORT_SECONDS);
  g_autoptr (LpJob) cancelled = submit_stop_job (self, error_on_stop_func, &second, SHORT_SECONDS);
  gint64 due;

  lp_job_cancel (cancelled);
  while (!g_cancellable_is_cancelled (lp_job_get_cancellable (timed_out)))
    g_thread_yield ();
  lp_job_cancel (timed_out);
  due = lp_job_get_started_at (cancelled) + 2 * SHORT_USEC;
  lp_test_block_for (has_passed, &due, "the time-out");

  g_atomic_int_set (&first.open, TRUE);
  g_atomic_int_set (&second.open, TRUE);
  assert_timed_out (timed_out);
  /* It may have been too late on a slow machine. */
  if (lp_job_get_state (cancelled) != LP_JOB_STATE_FAILED)
    assert_cancelled (cancelled);
}

static void
test_revoke_own_result_stands (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "lease-grace-seconds", 0.0,
                                      "cancel-grace-seconds", PATIENCE_SECONDS, NULL);
  Fixture self = { manager, lp_test_acquire (manager, "revoked"), lp_test_gate_new () };
  g_autoptr (LpJob) job = submit_function (&self, "tolerant", 0);
  g_autoptr (LpJob) queued = lp_test_value_job (1);

  lp_test_submit (self.lease, queued);
  g_assert_true (lp_lease_renew (self.lease, SHORT_SECONDS, NULL));
  assert_cancelled (queued);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
  assert_was_cancelled (job);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_EXPIRED);

  lp_test_finish (manager);
  g_assert_finalize_object (self.lease);
  lp_test_gate_unref (self.gate);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("cancel/queued-never-runs", 1, test_cancel_queued_never_runs);
  add ("cancel/own-result-stands", 1, test_cancel_own_result_stands);
  add ("cancel/error-becomes-cancelled", 1, test_cancel_error_becomes_cancelled);
  add_short ("cancel/after-the-grace", 1, test_cancel_after_the_grace);
  add ("cancel/fires-the-cancellable", 1, test_cancel_fires_the_cancellable);
  add ("cancel/after-the-end", 1, test_cancel_after_the_end);
  add ("cancel/by-itself", 1, test_cancel_by_itself);
  add ("cancel/before-submit", 1, test_cancel_before_submit);
  add ("cancel/in-the-middle-of-its-submit", 1, test_cancel_in_the_middle_of_its_submit);
  add ("cancel/never-reaches-the-next", 1, test_cancel_never_reaches_the_next);
  add_closure ("cancel/grace-is-not-cut-by-the-time-out", 1, test_cancel_grace_is_not_cut_by_the_timeout);
  add_short_closure ("cancel/grace-is-not-put-off-by-the-time-out", 20, test_cancel_grace_is_not_put_off_by_the_timeout);
  add ("timeout/counts-from-the-start", 1, test_timeout_counts_from_the_start);
  add ("timeout/own-result-stands", 1, test_timeout_own_result_stands);
  add ("timeout/error-becomes-timed-out", 1, test_timeout_error_becomes_timed_out);
  add_short ("timeout/after-the-grace", 1, test_timeout_after_the_grace);
  add_closure ("timeout/the-first-reason-stands", 2, test_timeout_the_first_reason_stands);
  lp_test_conform_add_func ("/job/revoke/own-result-stands", test_revoke_own_result_stands);

  return g_test_run ();
}
