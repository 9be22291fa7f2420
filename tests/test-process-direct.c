/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A small call that a worker process is free for is sent by the thread that submits it, which never waits for the service
 * thread. That one is held up here: what happens nevertheless, it has not done. */

#include "config.h"

#include "lp-test-remote.h"

#include "lp-lease-private.h"
#include "lp-manager-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* More than is sent on the thread of the caller. */
#define LARGE_SIZE 20000

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpProcessExecutor *executor;
  gboolean locks;               /* the service thread is held with the lock of the children */
  GAsyncQueue *held;
  GAsyncQueue *go_on;
} Fixture;

static void
set_up (Fixture *self, int workers)
{
  self->manager = lp_test_start (1, "workers-per-pool", workers, NULL);
  self->lease = lp_test_acquire (self->manager, "direct");
  self->executor = LP_PROCESS_EXECUTOR (lp_lease_get_grant (self->lease)->executor);
  self->locks = FALSE;
  self->held = g_async_queue_new ();
  self->go_on = g_async_queue_new ();
}

static void
tear_down (Fixture *self)
{
  finish (self->manager, self->lease);
  g_async_queue_unref (self->held);
  g_async_queue_unref (self->go_on);
}

static void
hold_cb (gpointer data, gpointer more)
{
  Fixture *self = data;

  if (self->locks)
    g_rec_mutex_lock (&self->executor->children_lock);
  g_async_queue_push (self->held, GINT_TO_POINTER (TRUE));
  g_async_queue_pop (self->go_on);
  if (self->locks)
    g_rec_mutex_unlock (&self->executor->children_lock);
}

/* Whatever it was to do is done before. */
static void
hold_service (Fixture *self)
{
  lp_service_post (self->manager->pool->service, hold_cb, self, NULL);
  g_async_queue_pop (self->held);
}

static void
let_service_go (Fixture *self)
{
  g_async_queue_push (self->go_on, GINT_TO_POINTER (TRUE));
}

static LpJobPlace
place_of (LpJob *job)
{
  LpJobPlace place;

  g_mutex_lock (lp_executor_get_lock (job->executor));
  place = job->place;
  g_mutex_unlock (lp_executor_get_lock (job->executor));

  return place;
}

/* In the process: the thread that would hear that it runs is held up. */
static gboolean
has_entered (gpointer data)
{
  return lp_test_gate_get_entered (data) > 0;
}

/* It runs while the service thread is not there. */
static void
test_sent_by_who_submits (void)
{
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  Fixture self;

  set_up (&self, 1);
  hold_service (&self);
  lp_test_submit (self.lease, job);
  lp_test_block_for (has_entered, gate, "the call to run");
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);

  let_service_go (&self);
  lp_test_gate_open (gate);
  g_variant_unref (get_value (job));
  lp_test_gate_unref (gate);
  tear_down (&self);
}

/* One for each process that is free, in their order, and the rest when the service thread is there. */
static void
test_as_many_as_are_free (void)
{
  LpJob *jobs[5];
  Fixture self;

  set_up (&self, 2);
  hold_service (&self);
  for (int i = 0; i < 5; i++)
    jobs[i] = submit_call (self.lease, "value", g_variant_new ("(i)", i));
  for (int i = 0; i < 5; i++)
    g_assert_cmpint (place_of (jobs[i]), ==, i < 2 ? LP_PLACE_SENT : LP_PLACE_QUEUED);

  let_service_go (&self);
  for (int i = 0; i < 5; i++)
    {
      assert_value (jobs[i], i);
      g_object_unref (jobs[i]);
    }
  tear_down (&self);
}

/* Nor does the main loop of a program copy what is large. Behind such a one nothing overtakes it. */
static void
test_large_ones_are_left (void)
{
  g_autofree char *text = g_strnfill (LARGE_SIZE, 'x');
  g_autoptr (LpJob) large = NULL, small = NULL;
  g_autoptr (GVariant) echoed = NULL;
  Fixture self;

  set_up (&self, 2);
  hold_service (&self);
  large = submit_call (self.lease, "echo", g_variant_new ("(s)", text));
  small = submit_call (self.lease, "value", g_variant_new ("(i)", 1));
  g_assert_cmpint (place_of (large), ==, LP_PLACE_QUEUED);
  g_assert_cmpint (place_of (small), ==, LP_PLACE_QUEUED);

  let_service_go (&self);
  echoed = get_value (large);
  g_assert_cmpuint (g_variant_get_size (echoed), >=, LARGE_SIZE);
  assert_value (small, 1);
  tear_down (&self);
}

/* A submit that finds the processes in use returns. */
static void
test_never_waits (void)
{
  g_autoptr (LpJob) job = NULL;
  Fixture self;

  set_up (&self, 1);
  self.locks = TRUE;
  hold_service (&self);
  job = submit_call (self.lease, "value", g_variant_new ("(i)", 7));
  g_assert_cmpint (place_of (job), ==, LP_PLACE_QUEUED);

  let_service_go (&self);
  assert_value (job, 7);
  tear_down (&self);
}

/* One that was sent by the caller is cancelled as any other one. */
static void
test_cancelled_on_its_way (void)
{
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_polite_job (gate);
  g_autoptr (GError) error = NULL;
  Fixture self;

  set_up (&self, 1);
  hold_service (&self);
  lp_test_submit (self.lease, job);
  g_assert_cmpint (place_of (job), ==, LP_PLACE_SENT);
  lp_job_cancel (job);
  let_service_go (&self);

  g_assert_null (lp_job_wait (job, PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  lp_test_gate_unref (gate);
  tear_down (&self);
}

/* Nothing is sent to one that the service thread has let go. */
static void
test_not_while_it_closes (void)
{
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GError) error = NULL;
  Fixture self;

  set_up (&self, 1);
  hold_service (&self);
  g_rec_mutex_lock (&self.executor->children_lock);
  self.executor->doomed = TRUE;
  g_rec_mutex_unlock (&self.executor->children_lock);
  job = submit_call (self.lease, "value", g_variant_new ("(i)", 7));
  g_assert_cmpint (place_of (job), ==, LP_PLACE_QUEUED);

  lp_job_cancel (job);
  let_service_go (&self);
  g_assert_null (lp_job_wait (job, PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  tear_down (&self);
}

#define N_SUBMITTERS 4
#define N_CALLS      (g_getenv ("LP_TEST_THOROUGH") != NULL ? 20000 : 500)

static gpointer
submit_main (gpointer data)
{
  Fixture *self = data;
  int n_calls = N_CALLS;

  for (int i = 0; i < n_calls; i++)
    {
      g_autoptr (LpJob) job = submit_call (self->lease, "value", g_variant_new ("(i)", i));

      if (i % 7 == 0)
        {
          g_autoptr (GVariant) value = NULL;

          lp_job_cancel (job);
          value = lp_job_wait (job, PATIENCE_SECONDS, NULL, NULL);
          g_assert_cmpint (lp_job_get_state (job), ==, value != NULL ? LP_JOB_STATE_SUCCEEDED : LP_JOB_STATE_CANCELLED);
        }
      else
        assert_value (job, i);
    }

  return NULL;
}

/* Threads that submit, and the service thread, in each other's way. */
static void
test_from_many_threads (void)
{
  GThread *threads[N_SUBMITTERS];
  Fixture self;

  set_up (&self, 2);
  for (int i = 0; i < N_SUBMITTERS; i++)
    threads[i] = g_thread_new ("submitter", submit_main, &self);
  for (int i = 0; i < N_SUBMITTERS; i++)
    g_thread_join (threads[i]);
  tear_down (&self);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("/direct/sent-by-who-submits", test_sent_by_who_submits);
  add ("/direct/as-many-as-are-free", test_as_many_as_are_free);
  add ("/direct/large-ones-are-left", test_large_ones_are_left);
  add ("/direct/never-waits", test_never_waits);
  add ("/direct/cancelled-on-its-way", test_cancelled_on_its_way);
  add ("/direct/not-while-it-closes", test_not_while_it_closes);
  add ("/direct/from-many-threads", test_from_many_threads);

  return g_test_run ();
}
