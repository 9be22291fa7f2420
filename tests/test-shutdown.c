/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* When an executor of threads that was shut down, and has not reported that it
 * stopped, is given up. */

#include "config.h"

#include "lp-test-run.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "lp-job-private.h"

#ifdef __SANITIZE_THREAD__
#define SIGNALS_ARE_DEFERRED 1  /* while a thread sleeps on a condition */
#else
#define SIGNALS_ARE_DEFERRED 0
#endif

/* A thread that is not scheduled: it is in a signal handler, which reads from a
 * pipe. Those are pipes since little else may be used there. */
static int held_pipe[2];        /* the handler writes that it is there */
static int free_pipe[2];        /* and leaves when it can read */

static void
hold_handler (int signum)
{
  char byte = 0;

  if (write (held_pipe[1], &byte, 1) != 1 || read (free_pipe[0], &byte, 1) != 1)
    _exit (99);
}

static void
holding_set_up (void)
{
  struct sigaction action = { .sa_handler = hold_handler, .sa_flags = SA_RESTART };

  g_assert_cmpint (pipe (held_pipe), ==, 0);
  g_assert_cmpint (pipe (free_pipe), ==, 0);
  g_assert_cmpint (sigaction (SIGUSR1, &action, NULL), ==, 0);
}

static void
holding_tear_down (void)
{
  signal (SIGUSR1, SIG_DFL);
  for (guint i = 0; i < 2; i++)
    {
      close (held_pipe[i]);
      close (free_pipe[i]);
    }
}

static void
thread_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *(pthread_t *) user_data = pthread_self ();
  *result = g_variant_new ("()");
}

/* The only thread of LEASE is idle, and not scheduled any more. It does not have
 * the queue lock, for that was here when the handler began. */
static void
hold_thread (LpLease *lease)
{
  pthread_t thread;
  g_autoptr (LpJob) job = lp_job_new_for_func (thread_func, &thread, NULL);
  g_autoptr (LpExecutor) executor = NULL;
  char byte;

  lp_test_submit (lease, job);
  executor = g_object_ref (job->executor);
  assert_job_succeeded (job);

  g_mutex_lock (lp_executor_get_lock (executor));
  g_assert_cmpint (pthread_kill (thread, SIGUSR1), ==, 0);
  g_assert_cmpint (read (held_pipe[0], &byte, 1), ==, 1);
  g_mutex_unlock (lp_executor_get_lock (executor));
}

static void
free_thread (void)
{
  g_assert_cmpint (write (free_pipe[1], "", 1), ==, 1);
}

static void
value_init_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("()");
}

/* The time that a thread in its init function has is over, but this one is only
 * late. Also one that has called an init function, and returned from it. */
static void
test_idle_thread_is_waited_for (gconstpointer with_init)
{
  LpManager *manager;
  LpLease *lease;
  g_autoptr (GAsyncResult) stop = NULL;

  if (SIGNALS_ARE_DEFERRED)
    {
      g_test_skip ("a signal does not reach a thread that sleeps");
      return;
    }

  holding_set_up ();
  if (with_init != NULL)
    manager = new_manager_with_init (1, value_init_func, NULL);
  else
    manager = lp_manager_new (LP_BACKEND_THREAD, 1);
  lp_manager_set_workers_per_pool (manager, 1);
  assert_starts (manager);
  lease = lp_test_acquire (manager, "tester");
  hold_thread (lease);

  lp_manager_stop_async (manager, LP_STOP_MODE_KILL, -1, NULL, lp_test_result_cb, &stop);
  wait_for_a_later_deadline ();
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 0);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);
  g_assert_null (stop);

  free_thread ();
  assert_stop_result (manager, &stop);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 0);
  g_assert_finalize_object (lease);
  assert_nothing_left (manager);
  finish (manager);
  holding_tear_down ();
}

static int n_told;              /* (atomic) */

static GLogWriterOutput
count_told (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE") && strstr (fields[i].value, "its init function does not return") != NULL)
      g_atomic_int_inc (&n_told);

  return g_log_writer_default (level, fields, n_fields, user_data);
}

/* It may never return: nobody waits for it longer than a moment. */
static void
test_thread_in_its_init_is_given_up (void)
{
  InitGate gate = { 0 };
  LpManager *manager = new_manager_with_init (1, gate_init_func, &gate);
  g_autoptr (GAsyncResult) start = NULL;
  g_autoptr (GAsyncResult) stop = NULL;

  lp_manager_start_async (manager, NULL, lp_test_result_cb, &start);
  init_gate_wait_entered (&gate, 1);
  lp_manager_stop_async (manager, LP_STOP_MODE_KILL, -1, NULL, lp_test_result_cb, &stop);
  wait_for_a_later_deadline ();
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 1);
  g_assert_cmpint (g_atomic_int_get (&n_told), ==, 1);
  assert_start_result (manager, &start, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  assert_stop_result (manager, &stop);

  init_gate_open (&gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  assert_nothing_left (manager);
  finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_told, NULL, NULL);

  g_test_add_data_func ("/shutdown/idle-thread-is-waited-for/without-init", NULL, test_idle_thread_is_waited_for);
  g_test_add_data_func ("/shutdown/idle-thread-is-waited-for/with-init", GINT_TO_POINTER (TRUE),
                        test_idle_thread_is_waited_for);
  g_test_add_func ("/shutdown/thread-in-its-init-is-given-up", test_thread_in_its_init_is_given_up);

  return g_test_run ();
}
