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

/* The smallest limit there is. */
#define MESSAGE_SIZE 4096

#define LOOK_USEC 50000

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpProcessExecutor *executor;
  gboolean locks;               /* the service thread is held with the lock of the children */
  GAsyncQueue *held;
  GAsyncQueue *go_on;
  LpJob *job;                   /* (owned) what another thread submits */
  gboolean is_free;             /* the lock of the children was when somebody looked */
} Fixture;

static void
set_up_with (Fixture *self, LpManager *manager)
{
  self->manager = manager;
  self->lease = lp_test_acquire (self->manager, "direct");
  self->executor = LP_PROCESS_EXECUTOR (lp_lease_get_grant (self->lease)->executor);
  self->locks = FALSE;
  self->held = g_async_queue_new ();
  self->go_on = g_async_queue_new ();
}

static void
set_up (Fixture *self, int workers)
{
  set_up_with (self, lp_test_start (1, "workers-per-pool", workers, NULL));
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

/* What does not fit into a message is refused, and others are told: by the service thread, as for those that are large. */
static void
test_refused_are_left (void)
{
  g_autofree char *text = g_strnfill (MESSAGE_SIZE - 1, 'x');
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GError) error = NULL;
  Fixture self;

  set_up_with (&self, lp_test_start (1, "max-message-size", MESSAGE_SIZE, NULL));
  hold_service (&self);
  job = submit_call (self.lease, "echo", g_variant_new ("(s)", text));
  g_assert_cmpint (place_of (job), ==, LP_PLACE_QUEUED);

  let_service_go (&self);
  g_assert_null (lp_job_wait (job, PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  tear_down (&self);
}

/* The thread that serializes it has its lock, and waits here. */
static void
part_freed_cb (gpointer data)
{
  Fixture *self = data;

  g_async_queue_push (self->held, GINT_TO_POINTER (TRUE));
  g_async_queue_pop (self->go_on);
}

static gpointer
serialize_main (gpointer value)
{
  g_variant_get_data (value);
  return NULL;
}

static gpointer
submit_job_main (gpointer data)
{
  Fixture *self = data;

  lp_test_submit (self->lease, self->job);
  return NULL;
}

static gboolean
is_queued (gpointer job)
{
  return lp_job_get_state (job) == LP_JOB_STATE_QUEUED;
}

static gboolean
is_free (gpointer mutex)
{
  gboolean is_free = g_mutex_trylock (mutex);

  if (is_free)
    g_mutex_unlock (mutex);
  return is_free;
}

/* To know the size of a value may take long. Nobody else waits for that: the queue is asked for its load with the lock of
 * the pool. */
static void
test_size_is_asked_without_a_lock (void)
{
  static const gint32 numbers[] = { 1, 2 };
  GThread *serializes, *submits;
  GVariant *part;
  Fixture self;

  set_up (&self, 1);
  part = g_variant_new_from_data (G_VARIANT_TYPE ("ai"), numbers, sizeof numbers, TRUE, part_freed_cb, &self);
  self.job = lp_job_new_for_call ("echo", g_variant_new ("(@ai)", part));
  serializes = g_thread_new ("serializes", serialize_main, lp_job_get_parameters (self.job));
  g_async_queue_pop (self.held);
  submits = g_thread_new ("submits", submit_job_main, &self);
  lp_test_block_for (is_queued, self.job, "the job to be queued");
  g_usleep (LOOK_USEC);         /* that it has come to the value can be seen only by what it does not do */
  lp_test_block_for (is_free, lp_executor_get_lock (LP_EXECUTOR (self.executor)), "the lock of the queue");

  g_async_queue_push (self.go_on, GINT_TO_POINTER (TRUE));
  g_thread_join (serializes);
  g_thread_join (submits);
  g_variant_unref (get_value (self.job));
  g_object_unref (self.job);
  tear_down (&self);
}

static gpointer
try_main (gpointer lock)
{
  gboolean is_free = g_rec_mutex_trylock (lock);

  if (is_free)
    g_rec_mutex_unlock (lock);
  return GINT_TO_POINTER (is_free);
}

static void
look_at_lock_cb (gpointer data)
{
  Fixture *self = data;
  GThread *thread = g_thread_new ("tries", try_main, &self->executor->children_lock);

  self->is_free = GPOINTER_TO_INT (g_thread_join (thread));
}

/* What frees them is foreign, and may wait for the service thread. */
static void
test_parts_are_freed_without_the_lock (void)
{
  static const gint32 numbers[] = { 1, 2 };
  g_autoptr (LpJob) job = NULL;
  GVariant *part;
  Fixture self;

  set_up (&self, 1);
  self.is_free = FALSE;
  hold_service (&self);
  part = g_variant_new_from_data (G_VARIANT_TYPE ("ai"), numbers, sizeof numbers, TRUE, look_at_lock_cb, &self);
  job = submit_call (self.lease, "echo", g_variant_new ("(@ai)", part));
  g_assert_cmpint (place_of (job), ==, LP_PLACE_SENT);
  g_assert_true (self.is_free);

  let_service_go (&self);
  g_variant_unref (get_value (job));
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
#define N_CALLS      lp_test_size (500, 20000, 50)

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
  add ("/direct/refused-are-left", test_refused_are_left);
  add ("/direct/size-is-asked-without-a-lock", test_size_is_asked_without_a_lock);
  add ("/direct/parts-are-freed-without-the-lock", test_parts_are_freed_without_the_lock);
  add ("/direct/never-waits", test_never_waits);
  add ("/direct/cancelled-on-its-way", test_cancelled_on_its_way);
  add ("/direct/not-while-it-closes", test_not_while_it_closes);
  add ("/direct/from-many-threads", test_from_many_threads);

  return g_test_run ();
}
