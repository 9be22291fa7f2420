/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Functions that go on with the next job. They are closures, or run on threads in another way. */

#include "config.h"

#include "lp-test-job.h"

#define N_JOBS 4

typedef struct
{
  int n_called;                 /* (atomic) */
  int n_run;                    /* (atomic) the number of a job is its place among those that ran */
  int fails;                    /* the one that fails */
  GAsyncQueue *go_on;           /* what the first one waits for after it has entered, if there is one */
  int n_entered;                /* (atomic) */
} Series;

/* Each job gives its number. */
static void
series_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Series *series = user_data;

  g_atomic_int_inc (&series->n_called);
  while (TRUE)
    {
      int number = g_atomic_int_add (&series->n_run, 1) + 1;
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(i)", number));
      LpJob *next = NULL;

      g_assert_true (is_running (job));
      g_atomic_int_inc (&series->n_entered);
      if (number == 1 && series->go_on != NULL)
        g_async_queue_pop (series->go_on);
      if (number == series->fails)
        {
          g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "exists");
          return;
        }

      next = lp_job_take_next (job, value);
      if (next == NULL)
        {
          *result = g_steal_pointer (&value);
          return;
        }
      job = next;
    }
}

/* Submits them while the only worker is busy, and lets it go. */
static void
run_series (Fixture *self, LpJob **jobs, guint n_jobs)
{
  g_autoptr (LpJob) blocker = submit_gate_job (self);

  for (guint i = 0; i < n_jobs; i++)
    lp_test_submit (self->lease, jobs[i]);
  lp_test_gate_open (self->gate);
  lp_test_assert_done (blocker);
}

static void
test_next_goes_on (Fixture *self, gconstpointer data)
{
  Series series = { 0, };
  LpJob *jobs[N_JOBS];

  for (int i = 0; i < N_JOBS; i++)
    jobs[i] = lp_job_new_for_func (series_func, &series, NULL);
  run_series (self, jobs, N_JOBS);

  for (int i = 0; i < N_JOBS; i++)
    {
      assert_value (jobs[i], i + 1);
      if (i > 0)
        g_assert_cmpint (lp_job_get_started_at (jobs[i]), ==, lp_job_get_ended_at (jobs[i - 1]));
    }
  g_assert_cmpint (series.n_called, ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, N_JOBS + 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 0);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
  for (int i = 0; i < N_JOBS; i++)
    {
      int gone = FALSE;

      lp_test_watch (jobs[i], &gone);
      g_object_unref (jobs[i]);
      lp_test_block_for (lp_test_is_gone, &gone, "a job to go");
    }
}

/* The same function with other data, and another function, are called as ever. */
static void
test_next_of_another_call (Fixture *self, gconstpointer data)
{
  Series series[2] = { { 0, }, { 0, } };
  g_autoptr (LpJob) first = lp_job_new_for_func (series_func, &series[0], NULL);
  g_autoptr (LpJob) second = lp_job_new_for_func (series_func, &series[1], NULL);
  g_autoptr (LpJob) third = lp_test_value_job (7);
  g_autoptr (LpJob) fourth = lp_job_new_for_func (series_func, &series[1], NULL);

  run_series (self, (LpJob *[]) { first, second, third, fourth }, 4);

  assert_value (first, 1);
  assert_value (second, 1);
  assert_value (third, 7);
  assert_value (fourth, 2);
  g_assert_cmpint (series[0].n_called, ==, 1);
  g_assert_cmpint (series[1].n_called, ==, 2);
}

static void
test_next_may_fail (Fixture *self, gconstpointer data)
{
  Series series = { .fails = 2 };
  g_autoptr (LpJob) first = lp_job_new_for_func (series_func, &series, NULL);
  g_autoptr (LpJob) second = lp_job_new_for_func (series_func, &series, NULL);
  g_autoptr (LpJob) third = lp_job_new_for_func (series_func, &series, NULL);

  run_series (self, (LpJob *[]) { first, second, third }, 3);

  assert_value (first, 1);
  assert_fails (second, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_EXISTS);
  assert_value (third, 3);
  g_assert_cmpint (series.n_called, ==, 2);
}

/* One that is cancelled in the queue is none. */
static void
test_next_was_cancelled (Fixture *self, gconstpointer data)
{
  Series series = { .go_on = g_async_queue_new () };
  g_autoptr (LpJob) first = lp_job_new_for_func (series_func, &series, NULL);
  g_autoptr (LpJob) second = lp_job_new_for_func (series_func, &series, NULL);
  g_autoptr (LpJob) third = lp_job_new_for_func (series_func, &series, NULL);

  run_series (self, (LpJob *[]) { first, second, third }, 3);
  lp_test_block_for (is_set, &series.n_entered, "the first one");
  lp_job_cancel (second);
  assert_cancelled (second);
  g_async_queue_push (series.go_on, &series);

  assert_value (first, 1);
  assert_value (third, 2);
  g_assert_cmpint (series.n_called, ==, 1);
  g_async_queue_unref (series.go_on);
}

/* Its function goes on all the same, after the end of its own job. */
static void
test_next_after_the_grace (Fixture *self, gconstpointer data)
{
  Series series = { .go_on = g_async_queue_new () };
  g_autoptr (LpJob) first = lp_job_new_for_func (series_func, &series, NULL);
  g_autoptr (LpJob) second = lp_job_new_for_func (series_func, &series, NULL);

  run_series (self, (LpJob *[]) { first, second }, 2);
  lp_test_block_for (is_set, &series.n_entered, "the first one");
  lp_job_cancel (first);
  assert_cancelled (first);
  g_async_queue_push (series.go_on, &series);

  assert_value (second, 2);
  g_assert_cmpint (series.n_called, ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 1);
  g_async_queue_unref (series.go_on);
}

/* Waits as a second one until its job is told to end. */
static void
wait_second_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(i)", 1));

  job = lp_job_take_next (job, value);
  g_assert_nonnull (job);
  lp_test_block_fd (g_cancellable_get_fd (lp_job_get_cancellable (job)), G_IO_IN, "the cancellable");
  g_cancellable_release_fd (lp_job_get_cancellable (job));
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "exists");
}

static void
test_next_times_out (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = lp_job_new_for_func (wait_second_func, NULL, NULL);
  g_autoptr (LpJob) second = lp_job_new_for_func (wait_second_func, NULL, NULL);

  lp_job_set_timeout_seconds (second, SHORT_SECONDS);
  run_series (self, (LpJob *[]) { first, second }, 2);

  assert_value (first, 1);
  assert_timed_out (second);
}

/* --- The end before the function returns --- */

typedef struct
{
  GAsyncQueue *go_on;
  int has_ended;                /* (atomic) */
  int destroyed;                /* (atomic) */
} Tail;

/* Ends its job, and goes on for a while. What it gives in the end is for nobody. */
static void
tail_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Tail *tail = user_data;
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(i)", 1));

  g_assert_null (lp_job_take_next (job, value));
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  g_atomic_int_set (&tail->has_ended, TRUE);

  g_async_queue_pop (tail->go_on);
  g_assert_false (g_atomic_int_get (&tail->destroyed));
  g_assert_null (lp_job_take_next (job, value));
  assert_value (job, 1);
  *result = g_variant_new ("(i)", 2);
}

static void
tail_destroyed (gpointer data)
{
  g_atomic_int_inc (&((Tail *) data)->destroyed);
}

static LpJob *
submit_tail (Fixture *self, Tail *tail)
{
  LpJob *job = lp_job_new_for_func (tail_func, tail, tail_destroyed);

  *tail = (Tail) { .go_on = g_async_queue_new () };
  lp_test_submit (self->lease, job);
  lp_test_block_for (is_set, &tail->has_ended, "the end of the job");
  return job;
}

static void
end_tail (Tail *tail)
{
  g_async_queue_push (tail->go_on, tail);
  lp_test_wait_for (is_set, &tail->destroyed, "the end of the function");
  g_async_queue_unref (tail->go_on);
}

/* Its lease ends at once, and the executor is lent again: what has ended in time has
 * broken nothing. Its thread is not free yet. */
static void
test_next_ends_before_the_function (Fixture *self, gconstpointer data)
{
  Tail tail;
  g_autoptr (LpJob) job = submit_tail (self, &tail);
  g_autoptr (LpJob) behind = lp_test_value_job (7);
  g_autoptr (LpLease) next = NULL;

  assert_value (job, 1);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
  lp_lease_release (self->lease);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_RELEASED);

  next = lp_manager_try_acquire (self->manager, NULL, NULL);
  g_assert_nonnull (next);
  lp_test_submit (next, behind);
  g_assert_cmpint (lp_job_get_state (behind), ==, LP_JOB_STATE_QUEUED);
  g_assert_false (g_atomic_int_get (&tail.destroyed));

  end_tail (&tail);
  assert_value (behind, 7);
  assert_value (job, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, 2);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 0);
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_created"), ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_retired"), ==, 0);
  lp_lease_release (next);
}

/* Another worker takes what comes meanwhile, and the first one what comes after. */
static void
test_next_ends_beside_another (Fixture *self, gconstpointer data)
{
  Tail tails[2];
  g_autoptr (LpJob) first = submit_tail (self, &tails[0]);
  g_autoptr (LpJob) second = submit_tail (self, &tails[1]);
  g_autoptr (LpJob) third = lp_test_value_job (7);

  lp_test_submit (self->lease, third);
  end_tail (&tails[0]);
  assert_value (third, 7);
  end_tail (&tails[1]);
  assert_value (first, 1);
  assert_value (second, 1);
}

/* It is done with before whoever waits for it, in the main loop, is told. */
static void
test_next_end_is_told (Fixture *self, gconstpointer data)
{
  Tail tail;
  g_autoptr (LpJob) job = lp_job_new_for_func (tail_func, &tail, tail_destroyed);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  tail = (Tail) { .go_on = g_async_queue_new () };
  lp_test_submit (self->lease, job);
  lp_job_wait_async (job, NULL, lp_test_result_cb, &result);
  value = lp_job_wait_finish (job, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  end_tail (&tail);
}

typedef struct
{
  LpJob *waiting;
  int is_about_to;              /* (atomic) */
  int is_through;               /* (atomic) the other one; it touches nothing of this any more */
} Circle;

static void
wait_in_tail_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Circle *circle = user_data;
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(i)", 1));
  g_autoptr (GVariant) other = NULL;
  g_autoptr (GError) local_error = NULL;

  lp_test_block_for (is_set, &circle->is_about_to, "the one that waits");
  g_assert_null (lp_job_take_next (job, value));
  other = lp_job_wait (circle->waiting, -1, NULL, &local_error);
  g_assert_no_error (local_error);
  g_assert_nonnull (other);
  *result = g_steal_pointer (&value);
  g_atomic_int_set (&circle->is_through, TRUE);
}

typedef struct
{
  LpJob *job;
  Circle *circle;
} Waiting;

static void
wait_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Waiting *self = user_data;

  g_atomic_int_set (&self->circle->is_about_to, TRUE);
  *result = lp_job_wait (self->job, -1, NULL, error);
}

/* It may wait for one that waits for it, since that waits no more: it may not have woken up yet. */
static void
test_next_ended_job_is_in_no_circle (Fixture *self, gconstpointer data)
{
  for (int i = 0; i < 50; i++)
    {
      Circle circle = { NULL, FALSE, FALSE };
      g_autoptr (LpJob) job = lp_job_new_for_func (wait_in_tail_func, &circle, NULL);
      Waiting waiting = { job, &circle };

      circle.waiting = lp_job_new_for_func (wait_func, &waiting, NULL);
      lp_test_submit (self->lease, job);
      lp_test_submit (self->lease, circle.waiting);
      assert_value (circle.waiting, 1);
      assert_value (job, 1);
      lp_test_block_for (is_set, &circle.is_through, "the function that waited for it");
      g_object_unref (circle.waiting);
    }
}

/* A stop waits for the thread, not for a job. */
static void
test_next_end_and_stop (Fixture *self, gconstpointer data)
{
  Tail tail;
  g_autoptr (LpJob) job = submit_tail (self, &tail);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_manager_stop_async (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, lp_test_result_cb, &result);
  g_assert_null (result);
  end_tail (&tail);
  g_assert_true (lp_manager_stop_finish (self->manager, lp_test_wait_result (&result), &error));
  g_assert_no_error (error);
  assert_value (job, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 0);
}

/* The grace of the job was over before: it has ended, and its function is waited for. */
static void
test_next_ends_after_the_grace (Fixture *self, gconstpointer data)
{
  Series series = { .go_on = g_async_queue_new () };
  g_autoptr (LpJob) job = lp_job_new_for_func (series_func, &series, NULL);
  g_autoptr (LpJob) behind = lp_test_value_job (7);

  lp_test_submit (self->lease, job);
  lp_test_block_for (is_set, &series.n_entered, "the function");
  lp_job_cancel (job);
  assert_cancelled (job);
  g_async_queue_push (series.go_on, &series);

  lp_test_submit (self->lease, behind);
  assert_value (behind, 7);
  assert_cancelled (job);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 1);
  g_async_queue_unref (series.go_on);
}

/* --- Who cannot go on --- */

static void
lonely_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(i)", 5));

  g_assert_null (lp_job_take_next (job, value));
  *result = g_steal_pointer (&value);
}

static void
test_next_there_is_none (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (lonely_func, NULL, NULL);

  lp_test_submit (self->lease, job);
  assert_value (job, 5);
}

/* Waiting for the other one runs it on top, which ends with its own job. */
static void
nested_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  LpLease *lease = user_data;
  g_autoptr (LpJob) other = lp_job_new_for_func (lonely_func, NULL, NULL);
  g_autoptr (LpJob) behind = lp_job_new_for_func (lonely_func, NULL, NULL);
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(i)", 6));

  lp_test_submit (lease, other);
  lp_test_submit (lease, behind);
  assert_value (other, 5);
  g_assert_null (lp_job_take_next (other, value));
  *result = g_steal_pointer (&value);
}

static void
test_next_in_a_job_that_is_waited_for (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (nested_func, self->lease, NULL);

  lp_test_submit (self->lease, job);
  assert_value (job, 6);
}

static void
test_next_outside_of_a_function (Fixture *self, gconstpointer data)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("()"));
  g_autoptr (LpJob) blocker = submit_gate_job (self);

  g_assert_null (lp_job_take_next (blocker, value));
  block_running (blocker);
}

/* Threads that have a limit of jobs do not go on. */
static void
test_next_with_max_jobs (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "max-jobs-per-worker", 2, NULL);
  Series series = { 0, };
  Fixture fixture;

  fixture_init (&fixture, manager, "job");
  {
    g_autoptr (LpJob) first = lp_job_new_for_func (series_func, &series, NULL);
    g_autoptr (LpJob) second = lp_job_new_for_func (series_func, &series, NULL);

    run_series (&fixture, (LpJob *[]) { first, second }, 2);
    assert_value (first, 1);
    assert_value (second, 2);
    g_assert_cmpint (series.n_called, ==, 2);
  }
  tear_down (&fixture, NULL);
}

/* --- Named functions --- */

static void
named_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Series *series = user_data;
  g_autoptr (GVariant) value = NULL;
  LpJob *next;

  g_atomic_int_inc (&series->n_called);
  do
    {
      g_clear_pointer (&value, g_variant_unref);
      value = g_variant_ref (lp_job_get_parameters (job));
      next = lp_job_take_next (job, value);
      job = next;
    }
  while (next != NULL);
  *result = g_steal_pointer (&value);
}

/* Those of the same name go on. What is not of the declared type fails its job, and that one alone. */
static void
test_next_of_a_named_function (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  Series series = { 0, };
  LpManager *manager = lp_test_new (1);
  Fixture fixture;
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_functions_add (functions, "same", NULL, G_VARIANT_TYPE ("(i)"), named_func, &series, NULL,
                                   &error));
  lp_manager_set_functions (manager, functions);
  lp_manager_set_workers_per_pool (manager, 1);
  g_assert_true (lp_manager_start (manager, NULL, &error));
  fixture_init (&fixture, manager, "job");
  {
    g_autoptr (LpJob) first = lp_job_new_for_call ("same", g_variant_new ("(i)", 1));
    g_autoptr (LpJob) second = lp_job_new_for_call ("same", g_variant_new ("(s)", "two"));
    g_autoptr (LpJob) third = lp_job_new_for_call ("same", g_variant_new ("(i)", 3));

    run_series (&fixture, (LpJob *[]) { first, second, third }, 3);
    assert_value (first, 1);
    assert_fails (second, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_FAILED);
    assert_value (third, 3);
    g_assert_cmpint (series.n_called, ==, 1);
  }
  tear_down (&fixture, NULL);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add_closure ("next/goes-on", 1, test_next_goes_on);
  add_closure ("next/of-another-call", 1, test_next_of_another_call);
  add_closure ("next/may-fail", 1, test_next_may_fail);
  add_closure ("next/was-cancelled", 1, test_next_was_cancelled);
  add_short_closure ("next/after-the-grace", 1, test_next_after_the_grace);
  add_closure ("next/times-out", 1, test_next_times_out);
  add_closure ("next/ends-before-the-function", 1, test_next_ends_before_the_function);
  add_closure ("next/ends-beside-another", 2, test_next_ends_beside_another);
  add_closure ("next/end-is-told", 1, test_next_end_is_told);
  add_closure ("next/ended-job-is-in-no-circle", 2, test_next_ended_job_is_in_no_circle);
  add_closure ("next/end-and-stop", 1, test_next_end_and_stop);
  add_short_closure ("next/ends-after-the-grace", 1, test_next_ends_after_the_grace);
  add_closure ("next/there-is-none", 1, test_next_there_is_none);
  add_closure ("next/in-a-job-that-is-waited-for", 1, test_next_in_a_job_that_is_waited_for);
  add_closure ("next/outside-of-a-function", 1, test_next_outside_of_a_function);
  g_test_add_func ("/job/next/with-max-jobs", test_next_with_max_jobs);
  g_test_add_func ("/job/next/of-a-named-function", test_next_of_a_named_function);

  return g_test_run ();
}
