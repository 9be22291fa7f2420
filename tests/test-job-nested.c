/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What a job waits for inside a worker. The jobs here are closures, which need threads: a function in another process
 * has no other job of its executor to wait for than its own. That one it can ask for; such cases run on each backend,
 * and those of a closure that waits for a job of another manager. */

#include "config.h"

#include "lp-test-nested.h"

#include "lp-test-conform.h"

/* --- In place --- */

typedef struct
{
  LpLease *lease;
  int depth;                    /* how many more are to come below */
  GThread *thread;              /* the one above runs on, or NULL if it does not matter */
} Level;

/* Submits the next one below to its own executor, waits, and adds one. */
static void
level_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Level *level = user_data;
  Level below = { level->lease, level->depth - 1, level->thread != NULL ? g_thread_self () : NULL };
  g_autoptr (LpJob) next = NULL;
  g_autoptr (GVariant) value = NULL;
  int n = 0;

  if (level->thread != NULL)
    g_assert_true (g_thread_self () == level->thread);

  if (level->depth > 0)
    {
      next = lp_job_new_for_func (level_func, &below, NULL);
      if (!lp_lease_submit (level->lease, next, error))
        return;
      value = wait_for_ever (next, error);
      if (value == NULL)
        return;
      g_variant_get (value, "(i)", &n);
    }

  *result = g_variant_new ("(i)", n + 1);
}

static void
first_level_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Level *level = user_data;

  level->thread = g_thread_self ();
  level_func (job, result, level, error);
}

/* With one worker all of them run on its thread, one on top of the other. */
static void
test_in_place_at_saturation (Fixture *self, gconstpointer data)
{
  const int depth = (int) lp_test_size (100, 100, 20);
  Level level = { self->lease, depth, NULL };
  g_autoptr (LpJob) job = lp_job_new_for_func (first_level_func, &level, NULL);

  lp_test_submit (self->lease, job);
  assert_value (job, depth + 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, depth + 1);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
}

/* All workers have such a job, and there are more in the queue. */
static void
test_in_place_with_many (Fixture *self, gconstpointer data)
{
  Level level = { self->lease, 10, NULL };
  LpJob *jobs[20];

  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      jobs[i] = lp_job_new_for_func (level_func, &level, NULL);
      lp_test_submit (self->lease, jobs[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      assert_value (jobs[i], 11);
      g_object_unref (jobs[i]);
    }
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, 11 * G_N_ELEMENTS (jobs));
}

typedef struct
{
  LpJob *job;                   /* what it waits for */
  LpTestGate *gate;             /* entered before it does, unless it is NULL */
} Wait;

static void
wait_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Wait *wait = user_data;

  if (wait->gate != NULL)
    lp_test_gate_wait_entered (wait->gate, 1);
  *result = wait_for_ever (wait->job, error);
}

/* Not the head of the queue, but the one that is waited for. */
static void
test_in_place_overtakes (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) before = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) inner = lp_test_value_job (5);
  g_autoptr (LpJob) after = lp_test_value_job (6);
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  Wait wait = { inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_func, &wait, NULL);

  /* The worker of this one is where the others queue up. */
  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, outer);
  lp_test_submit (self->lease, before);
  lp_test_submit (self->lease, inner);
  lp_test_submit (self->lease, after);
  lp_test_gate_open (self->gate);

  assert_value (outer, 5);
  assert_value (inner, 5);
  assert_value (after, 6);
  g_assert_cmpint (lp_job_get_started_at (inner), >=, lp_job_get_started_at (outer));
  g_assert_cmpint (lp_job_get_ended_at (inner), <=, lp_job_get_ended_at (outer));
  g_assert_cmpint (lp_job_get_started_at (before), >=, lp_job_get_ended_at (inner));
}

/* Once released the lease takes no job, but runs those that it has taken. */
static void
test_in_place_while_draining (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) inner = lp_test_value_job (5);
  Wait wait = { inner, self->gate };
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_func, &wait, NULL);
  LpLease *other = lp_test_acquire (self->manager, "other");
  g_autoptr (LpJob) entered = lp_test_gate_job (self->gate);

  lp_test_submit (self->lease, outer);
  lp_test_submit (self->lease, inner);
  lp_lease_release (self->lease);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_DRAINING);

  /* Lets the outer one go on. */
  lp_test_submit (other, entered);
  assert_value (outer, 5);
  lp_test_block_released (self->lease);

  lp_test_gate_open (self->gate);
  lp_lease_release (other);
  g_assert_finalize_object (other);
}

static void
cancel_inner_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Wait *wait = user_data;
  g_autoptr (GError) inner_error = NULL;

  lp_job_cancel (wait->job);
  g_assert_null (wait_for_ever (wait->job, &inner_error));
  g_assert_error (inner_error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  *result = g_variant_new ("(i)", 1);
}

/* A cancelled one never runs, in place or elsewhere. */
static void
test_in_place_not_if_cancelled (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) inner = lp_test_gate_job (self->gate);
  Wait wait = { inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (cancel_inner_func, &wait, NULL);

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, outer);
  lp_test_submit (self->lease, inner);
  lp_test_gate_open (self->gate);
  assert_value (outer, 1);
  assert_fails (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_started_at (inner), ==, 0);
  g_assert_cmpuint (lp_test_gate_get_entered (self->gate), ==, 1);
}

/* The wait is over before it begins, so it begins nothing either. */
static void
cancelled_wait_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Wait *wait = user_data;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) wait_error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (lp_job_wait (wait->job, -1, cancellable, &wait_error));
  g_assert_error (wait_error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (wait->job), ==, LP_JOB_STATE_QUEUED);
  *result = g_variant_new ("(i)", 1);
}

static void
test_in_place_not_if_the_wait_is_cancelled (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) inner = lp_test_value_job (5);
  Wait wait = { inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (cancelled_wait_func, &wait, NULL);

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, outer);
  lp_test_submit (self->lease, inner);
  lp_test_gate_open (self->gate);
  assert_value (outer, 1);
  assert_value (inner, 5);
}

/* Its time-out counts from its start in place, and is told to the one above. */
static void
test_in_place_times_out (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  LpTestGate *closed = lp_test_gate_new ();
  g_autoptr (LpJob) inner = lp_test_gate_polite_job (closed);
  Wait wait = { inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_func, &wait, NULL);

  lp_job_set_timeout_seconds (inner, SHORT_SECONDS);
  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, outer);
  lp_test_submit (self->lease, inner);
  lp_test_gate_open (self->gate);

  assert_fails (outer, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (lp_job_get_state (inner), ==, LP_JOB_STATE_FAILED);
  lp_test_gate_unref (closed);
}

/* A stuck one holds the thread, and so the one above it. */
static void
test_in_place_stuck (Fixture *self, gconstpointer data)
{
  LpTestGate *closed = lp_test_gate_new ();
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) inner = lp_test_gate_job (closed);
  g_autoptr (LpJob) next = lp_test_value_job (8);
  Wait wait = { inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_func, &wait, NULL);

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, outer);
  lp_test_submit (self->lease, inner);
  lp_test_submit (self->lease, next);
  lp_test_gate_open (self->gate);
  lp_test_gate_wait_entered (closed, 1);

  lp_job_cancel (inner);
  assert_fails (inner, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (outer), ==, LP_JOB_STATE_RUNNING);
  g_assert_cmpint (lp_job_get_state (next), ==, LP_JOB_STATE_QUEUED);

  lp_test_gate_open (closed);
  assert_fails (outer, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_value (next, 8);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 1);
  lp_test_gate_unref (closed);
}

/* Elsewhere it is only waited for. */
static void
test_on_another_executor_is_waited_for (Fixture *self, gconstpointer data)
{
  LpLease *other = lp_test_acquire (self->manager, "other");
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) inner = lp_test_value_job (5);
  Wait wait = { inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_func, &wait, NULL);

  lp_test_submit (other, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (other, inner);
  lp_test_submit (self->lease, outer);
  lp_test_gate_open (self->gate);
  assert_value (outer, 5);
  g_assert_cmpint (lp_job_get_started_at (inner), >=, lp_job_get_ended_at (blocker));

  lp_lease_release (other);
  g_assert_finalize_object (other);
}

/* So it is on another manager, whatever that one runs its jobs on. */
static void
test_of_another_manager_is_waited_for (Fixture *self, gconstpointer data)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) inner = lp_test_value_job (5);
  Wait wait = { inner, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_func, &wait, NULL);
  LpLease *lease;

  g_assert_true (lp_manager_start (manager, NULL, NULL));
  lease = lp_test_acquire (manager, "outer");
  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, inner);
  lp_test_submit (lease, outer);
  lp_test_gate_open (self->gate);
  assert_value (outer, 5);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

/* --- Would deadlock --- */

static void
wait_for_itself_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_autoptr (GError) with_timeout = NULL;

  g_assert_null (lp_job_wait (job, SHORT_SECONDS, NULL, &with_timeout));
  g_assert_error (with_timeout, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  *result = wait_for_ever (job, error);
}

static void
test_waiting_for_itself (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (wait_for_itself_func, NULL, NULL);

  lp_test_submit (self->lease, job);
  assert_fails (job, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
}

static LpJob *
submit_waits_for_itself (Fixture *self, double timeout_seconds)
{
  LpJob *job = lp_job_new_for_call ("wait-itself", g_variant_new ("(d)", timeout_seconds));

  lp_test_submit (self->lease, job);
  return job;
}

/* However long it would wait, and whether the executor has nothing else to do or a queue. */
static void
test_function_waiting_for_itself (Fixture *self, gconstpointer data)
{
  const double timeouts[] = { -1, 0, SHORT_SECONDS, PATIENCE_SECONDS };
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < G_N_ELEMENTS (timeouts); i++)
    {
      g_autoptr (LpJob) job = submit_waits_for_itself (self, timeouts[i]);

      assert_fails (job, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
    }

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  for (guint i = 0; i < 40; i++)
    g_ptr_array_add (jobs, submit_waits_for_itself (self, timeouts[i % G_N_ELEMENTS (timeouts)]));
  lp_test_gate_open (self->gate);
  for (guint i = 0; i < jobs->len; i++)
    assert_fails (jobs->pdata[i], LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
}

/* A job can hold its own waiter only after both were made. */
static void
test_waiting_for_its_waiter (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) blocker = lp_test_gate_job (self->gate);
  Wait outer_wait = { NULL, NULL };
  Wait middle_wait = { NULL, NULL };
  Wait inner_wait = { NULL, NULL };
  g_autoptr (LpJob) outer = lp_job_new_for_func (wait_func, &outer_wait, NULL);
  g_autoptr (LpJob) middle = lp_job_new_for_func (wait_func, &middle_wait, NULL);
  g_autoptr (LpJob) inner = lp_job_new_for_func (wait_func, &inner_wait, NULL);

  outer_wait.job = middle;
  middle_wait.job = inner;
  inner_wait.job = outer;

  lp_test_submit (self->lease, blocker);
  lp_test_gate_wait_entered (self->gate, 1);
  lp_test_submit (self->lease, outer);
  lp_test_submit (self->lease, middle);
  lp_test_submit (self->lease, inner);
  lp_test_gate_open (self->gate);

  assert_fails (inner, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  assert_fails (middle, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  assert_fails (outer, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
}

typedef struct
{
  LpJob *other;
  GAsyncQueue *mine;
  GAsyncQueue *others;
} Pair;

static void
meet_and_wait_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Pair *pair = user_data;

  g_async_queue_push (pair->others, pair);
  g_async_queue_pop (pair->mine);
  *result = wait_for_ever (pair->other, error);
}

/* Both run, on two workers of one executor: whoever waits last is told. */
static void
test_waiting_for_its_waiter_on_another_worker (Fixture *self, gconstpointer data)
{
  GAsyncQueue *queues[] = { g_async_queue_new (), g_async_queue_new () };
  Pair pairs[] = { { NULL, queues[0], queues[1] }, { NULL, queues[1], queues[0] } };
  g_autoptr (LpJob) a = lp_job_new_for_func (meet_and_wait_func, &pairs[0], NULL);
  g_autoptr (LpJob) b = lp_job_new_for_func (meet_and_wait_func, &pairs[1], NULL);

  pairs[0].other = b;
  pairs[1].other = a;
  lp_test_submit (self->lease, a);
  lp_test_submit (self->lease, b);
  assert_fails (a, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  assert_fails (b, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);

  g_async_queue_unref (queues[0]);
  g_async_queue_unref (queues[1]);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define add(name, workers, func) \
  g_test_add ("/job-nested/" name, Fixture, GINT_TO_POINTER (workers), set_up, func, tear_down)
  add ("in-place/at-saturation", 1, test_in_place_at_saturation);
  add ("in-place/with-many-on-one-worker", 1, test_in_place_with_many);
  add ("in-place/with-many-on-three-workers", 3, test_in_place_with_many);
  add ("in-place/overtakes-the-queue", 1, test_in_place_overtakes);
  add ("in-place/while-draining", 1, test_in_place_while_draining);
  add ("in-place/not-if-cancelled", 1, test_in_place_not_if_cancelled);
  add ("in-place/not-if-the-wait-is-cancelled", 1, test_in_place_not_if_the_wait_is_cancelled);
  add ("in-place/times-out", 1, test_in_place_times_out);
  add ("in-place/stuck", 1, test_in_place_stuck);
  add ("elsewhere/is-waited-for", 1, test_on_another_executor_is_waited_for);
  add ("would-deadlock/itself", 1, test_waiting_for_itself);
  add ("would-deadlock/its-waiter", 1, test_waiting_for_its_waiter);
  add ("would-deadlock/its-waiter-on-another-worker", 2, test_waiting_for_its_waiter_on_another_worker);
#undef add

#define add(name, workers, func) \
  lp_test_conform_add ("/job-nested/" name, Fixture, GINT_TO_POINTER (workers), set_up, func, tear_down)
  add ("elsewhere/of-another-manager", 1, test_of_another_manager_is_waited_for);
  add ("would-deadlock/function-itself", 1, test_function_waiting_for_itself);
#undef add

  return g_test_run ();
}
