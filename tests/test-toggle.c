/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Objects that a language has: it is told of their second reference and of the last but one, and takes the lock of its
 * interpreter for that. Whoever has that lock may drop the last reference of other objects. */

#include "config.h"

#include "lp-test-stop.h"

#include <unistd.h>

#include "lp-executor-private.h"
#include "lp-grind-private.h"

/* A deadlock is to end. */
#define PATIENCE_SECONDS LP_TEST_PATIENCE_SECONDS

static GMutex interpreter;
static int n_waiting;           /* (atomic) of toggle notifies */

static void
toggle_cb (gpointer data, GObject *object, gboolean is_last)
{
  g_atomic_int_inc (&n_waiting);
  g_mutex_lock (&interpreter);
  g_mutex_unlock (&interpreter);
}

/* The only reference is that of the language. */
static void
give_to_language (gpointer object)
{
  g_object_add_toggle_ref (object, toggle_cb, NULL);
  g_object_unref (object);
}

static void
take_from_language (gpointer object)
{
  g_object_ref (object);
  g_object_remove_toggle_ref (object, toggle_cb, NULL);
}

static gpointer
find_main (gpointer lease)
{
  LpManager *manager = lp_lease_dup_manager (lease);

  g_assert_true (LP_IS_MANAGER (manager));
  g_object_unref (manager);

  return NULL;
}

/* One thread looks for the manager while another one, that has the lock, lets others go. */
static void
test_last_reference_of_others (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "tester");
  LpManager *other = lp_manager_new (LP_BACKEND_THREAD, 1);
  LpGrinder *grinder = lp_grinder_new (other);
  GThread *thread;

  alarm (PATIENCE_SECONDS);
  give_to_language (manager);
  g_atomic_int_set (&n_waiting, 0);

  g_mutex_lock (&interpreter);
  thread = g_thread_new ("finder", find_main, lease);
  while (g_atomic_int_get (&n_waiting) == 0)
    g_thread_yield ();
  g_object_unref (grinder);
  g_object_unref (other);
  g_mutex_unlock (&interpreter);

  g_thread_join (thread);
  take_from_language (manager);
  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
  alarm (0);
}

static gboolean
has_no_threads (gpointer data)
{
  return lp_test_count_threads ("leasepool") == 0;
}

static void
test_is_not_found_once_disposed (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "tester");

  g_object_run_dispose (G_OBJECT (manager));
  g_assert_null (lp_lease_dup_manager (lease));
  lp_lease_release (lease);
  g_object_unref (lease);
  g_object_unref (manager);
  /* It stops behind the scenes. */
  lp_test_wait_for (has_no_threads, NULL, "the end of the threads");
}

/* --- An item of a grinder that is ended from outside --- */

typedef struct
{
  LpJob *job;
  GMutex *lock;                 /* of what holds the job */
  int watched;                  /* (atomic) */
  int n_told_locked;            /* (atomic) */
} Outside;

/* What a job ends with is told before the thread that has ended it goes on. */
static StopInWriter in_writer = { .text = "succeeded" };

static gpointer
try_lock (gpointer lock)
{
  gboolean free = g_mutex_trylock (lock);

  if (free)
    g_mutex_unlock (lock);
  return GINT_TO_POINTER (free);
}

static void
outside_toggle_cb (gpointer data, GObject *object, gboolean is_last)
{
  Outside *self = data;

  if (g_atomic_int_get (&self->watched) && !g_thread_join (g_thread_new ("tries", try_lock, self->lock)))
    g_atomic_int_inc (&self->n_told_locked);
}

static gpointer
give_main (gpointer job)
{
  lp_job_return_value (job, g_variant_new ("()"));
  return NULL;
}

/* Its thread has run out of jobs. */
static gboolean
has_left_executor (gpointer job)
{
  LpExecutor *executor = ((LpJob *) job)->executor;
  gboolean left;

  g_mutex_lock (lp_executor_get_lock (executor));
  left = ((LpJob *) job)->place == LP_PLACE_NONE;
  g_mutex_unlock (lp_executor_get_lock (executor));

  return left && lp_test_count_threads_awake ("leasepool-") == 0;
}

/* Its function returns while who has ended it is in a log writer, and the grinder is stopped: for that it refers to the
 * item under its lock. */
static void
test_item_ended_from_outside (void)
{
  LpTestGate *gate = lp_test_gate_new ();
  LpManager *manager;
  LpGrinder *grinder;
  g_autoptr (GAsyncResult) started = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;
  Outside self = { .job = lp_test_gate_job (gate) };
  GThread *giver;

  alarm (PATIENCE_SECONDS);
  manager = lp_test_start (1, NULL);
  grinder = lp_grinder_new (manager);
  lp_grinder_set_batch_size_threshold (grinder, 1);
  lp_grinder_start_async (grinder, NULL, lp_test_result_cb, &started);
  g_assert_true (lp_grinder_start_finish (grinder, lp_test_wait_result (&started), NULL));

  g_object_add_toggle_ref (G_OBJECT (self.job), outside_toggle_cb, &self);
  g_object_unref (self.job);
  lp_grinder_submit_async (grinder, self.job, NULL, NULL, NULL);
  lp_test_gate_wait_entered (gate, 1);
  self.lock = &((LpGrindItem *) self.job->hold)->grind->lock;

  g_atomic_int_set (&in_writer.wanted, TRUE);
  giver = g_thread_new ("giver", give_main, self.job);
  wait_reached (&in_writer.stop);
  lp_test_gate_open (gate);
  lp_test_block_for (has_left_executor, self.job, "the function to return");

  g_atomic_int_set (&self.watched, TRUE);
  lp_grinder_stop_async (grinder, LP_STOP_MODE_CANCEL, NULL, lp_test_result_cb, &stopped);
  g_atomic_int_set (&self.watched, FALSE);
  g_assert_cmpint (g_atomic_int_get (&self.n_told_locked), ==, 0);

  let_go (&in_writer.stop);
  g_thread_join (giver);
  g_assert_true (lp_grinder_stop_finish (grinder, lp_test_wait_result (&stopped), NULL));
  g_clear_object (&started);
  g_clear_object (&stopped);
  g_object_remove_toggle_ref (G_OBJECT (self.job), outside_toggle_cb, &self);
  g_object_unref (grinder);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
  alarm (0);
}

int
main (int argc, char *argv[])
{
  g_setenv ("LP_DEBUG", "job", TRUE);
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (stop_in_writer, &in_writer, NULL);

  g_test_add_func ("/toggle/last-reference-of-others", test_last_reference_of_others);
  g_test_add_func ("/toggle/is-not-found-once-disposed", test_is_not_found_once_disposed);
  g_test_add_func ("/toggle/item-ended-from-outside", test_item_ended_from_outside);

  return g_test_run ();
}
