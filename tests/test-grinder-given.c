/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* LpGrinder: the stop of one with items whose outcome was given while their function runs. They need a closure, or a
 * thread that nobody can kill. */

#include "config.h"

#include "lp-test-grinder.h"

typedef struct
{
  GAsyncQueue *jobs;            /* of the one job, when its function has begun */
  GAsyncQueue *go_on;           /* for a function that does not return when it is told to */
  gboolean is_polite;
  gboolean gives;               /* the function itself, when it is told to end */
  int returned;                 /* (atomic) */
} Given;

static void
given_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Given *self = user_data;
  GCancellable *cancellable = lp_job_get_cancellable (job);

  lp_job_defer (job);
  g_async_queue_push (self->jobs, job);
  if (self->is_polite || self->gives)
    {
      lp_test_block_fd (g_cancellable_get_fd (cancellable), G_IO_IN, "the cancellable");
      g_cancellable_release_fd (cancellable);
    }
  if (self->gives)
    lp_job_return_value (job, g_variant_new ("(i)", 11));
  if (!self->is_polite)
    g_async_queue_pop (self->go_on);
  g_atomic_int_set (&self->returned, TRUE);
}

static gpointer
give_main (gpointer job)
{
  lp_job_return_value (job, g_variant_new ("(i)", 11));
  return NULL;
}

static LpJob *
enqueue_given (Fixture *self, Given *given)
{
  LpJob *job = lp_job_new_for_func (given_func, given, NULL);

  given->jobs = g_async_queue_new ();
  given->go_on = g_async_queue_new ();
  enqueued (self->grinder, job);
  g_async_queue_pop (given->jobs);
  if (!given->gives)
    g_thread_join (g_thread_new ("gives", give_main, job));
  return job;
}

static void
given_clear (Fixture *self, Given *given)
{
  g_async_queue_push (given->go_on, given);
  lp_test_wait_stat (self->manager, "quarantined", 0);
  g_assert_true (g_atomic_int_get (&given->returned));
  g_async_queue_unref (given->jobs);
  g_async_queue_unref (given->go_on);
}

static void
set_up_one (Fixture *self, gconstpointer data)
{
  set_up_with (self, 1, 1, NULL);
}

/* With a short grace. */
static void
set_up_impatient (Fixture *self, gconstpointer data)
{
  self->manager = lp_test_start (1, "workers-per-pool", 1, "cancel-grace-seconds", SHORT_SECONDS, NULL);
  self->gate = lp_test_gate_new ();
  self->grinder = lp_grinder_new (self->manager);
  g_object_set (self->grinder, "max-wait-seconds", LONG_SECONDS, "batch-size-threshold", 1, NULL);
  assert_grinder_starts (self->grinder);
}

/* The function is told, and waited for. */
static void
test_cancel_tells_the_function_of_one_given (Fixture *self, gconstpointer data)
{
  Given given = { .is_polite = TRUE };
  LpJob *job = enqueue_given (self, &given);

  assert_grinder_stops (self->grinder, LP_STOP_MODE_CANCEL);
  g_assert_true (g_atomic_int_get (&given.returned));
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_retired"), ==, 0);
  assert_job_value (job, 11);
  given_clear (self, &given);
}

static void
test_kill_waits_for_no_function (Fixture *self, gconstpointer data)
{
  Given given = { .is_polite = FALSE };
  LpJob *job = enqueue_given (self, &given);

  assert_grinder_stops (self->grinder, LP_STOP_MODE_KILL);
  g_assert_false (g_atomic_int_get (&given.returned));
  assert_job_value (job, 11);
  given_clear (self, &given);
}

/* In the grace of its job, which is that of the function then. */
static void
test_given_in_the_grace (Fixture *self, gconstpointer data)
{
  Given given = { .gives = TRUE };
  LpJob *job = enqueue_given (self, &given);

  assert_grinder_stops (self->grinder, LP_STOP_MODE_CANCEL);
  g_assert_false (g_atomic_int_get (&given.returned));
  g_assert_cmpint (lp_job_get_state (job), >=, LP_JOB_STATE_SUCCEEDED);
  g_object_unref (job);
  given_clear (self, &given);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/grinder/given/cancel-tells-the-function-of-one-given", Fixture, NULL, set_up_one,
              test_cancel_tells_the_function_of_one_given, tear_down);
  g_test_add ("/grinder/given/kill-waits-for-no-function", Fixture, NULL, set_up_one, test_kill_waits_for_no_function,
              tear_down);
  g_test_add ("/grinder/given/given-in-the-grace", Fixture, NULL, set_up_impatient, test_given_in_the_grace, tear_down);

  return g_test_run ();
}
