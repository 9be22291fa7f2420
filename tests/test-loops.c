/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Two kinds of programs: one whose main loop hangs, and one that runs none. */

#include "config.h"

#include "lp-test-loops.h"

/* --- A main loop that hangs --- */

/* What happens meanwhile on another thread. The callback that blocks the loop
 * ends when that thread has seen it all, but not before 2 s have passed. */
typedef struct
{
  LpManager *manager;
  LpLease *lease;               /* of the main thread, never released */
  GMainLoop *loop;
  GThread *thread;
  GMutex lock;
  GCond cond;
  gboolean seen_all;            /* (lock) */
  gint64 blocked_at;            /* set before the thread begins */
  gint64 unblocked_at;
  gint64 granted_at;
  gint64 replaced_at;
  guint n_ended;                /* (main thread) */
} Hang;

static gpointer
witness_thread (gpointer data)
{
  Hang *self = data;
  g_autoptr (LpLease) lease = lp_test_acquire (self->manager, "witness");

  /* The lease has expired, its executor was replaced, and this was granted. */
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_EXPIRED);
  self->granted_at = lp_lease_get_leased_at (lease);
  lp_lease_release (lease);
  lp_test_block_stat (self->manager, "available", 1);
  self->replaced_at = g_get_monotonic_time ();

  g_mutex_lock (&self->lock);
  self->seen_all = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);

  return NULL;
}

static gboolean
hang_cb (gpointer data)
{
  Hang *self = data;

  self->blocked_at = g_get_monotonic_time ();
  g_assert_true (lp_lease_renew (self->lease, 0.2, NULL));
  self->thread = g_thread_new ("witness", witness_thread, self);

  /* The application hangs: this is what is tested. */
  g_usleep (2200 * 1000);

  g_mutex_lock (&self->lock);
  while (!self->seen_all)
    g_assert_true (g_cond_wait_until (&self->cond, &self->lock,
                                      self->blocked_at + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND));
  g_mutex_unlock (&self->lock);

  /* Nothing was told meanwhile, since nobody could listen. */
  g_assert_cmpuint (self->n_ended, ==, 0);
  self->unblocked_at = g_get_monotonic_time ();

  return G_SOURCE_REMOVE;
}

static void
ended_cb (LpManager *manager, LpLeaseInfo *info, gpointer data)
{
  Hang *self = data;

  if (++self->n_ended == 2)
    g_main_loop_quit (self->loop);
}

static void
test_hanging_loop (void)
{
  Hang hang = { NULL };

  hang.manager = lp_test_start (1, "check-interval", 3600.0, "lease-grace-seconds", 0.2, NULL);
  hang.loop = g_main_loop_new (NULL, FALSE);
  g_signal_connect (hang.manager, "lease-ended", G_CALLBACK (ended_cb), &hang);
  hang.lease = lp_test_acquire (hang.manager, "careless");
  g_idle_add (hang_cb, &hang);
  g_main_loop_run (hang.loop);
  g_thread_join (hang.thread);

  /* On time means at least: while the loop hung, not after it. */
  g_assert_cmpint (hang.unblocked_at - hang.blocked_at, >=, 2 * G_TIME_SPAN_SECOND);
  g_assert_cmpint (hang.granted_at, >=, lp_lease_get_hard_expires_at (hang.lease));
  g_assert_cmpint (hang.granted_at, <, hang.unblocked_at);
  g_assert_cmpint (hang.replaced_at, <, hang.unblocked_at);
  g_assert_cmpuint (lp_test_counter (hang.manager, "executors_created"), ==, 2);

  g_clear_object (&hang.lease);
  g_main_loop_unref (hang.loop);
  lp_test_finish (hang.manager);
}

/* The same for jobs: their time-outs, their cancel, the grace after it, a stop. */
typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
  LpJob *timed;
  LpJob *stuck;
  LpJob *other;
} HangingJobs;

static gboolean
hang_with_jobs_cb (gpointer data)
{
  HangingJobs *self = data;
  GError *error = NULL;

  /* lp_job_wait() blocks this callback, and with it the loop. */
  g_assert_null (lp_job_wait (self->timed, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&error);

  lp_job_cancel (self->stuck);
  g_assert_null (lp_job_wait (self->stuck, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  g_assert_true (lp_lease_renew (self->lease, 0.05, NULL));
  g_assert_null (lp_job_wait (self->other, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  lp_manager_stop (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, &error);
  g_assert_no_error (error);

  return G_SOURCE_REMOVE;
}

static gboolean
is_not_running (gpointer manager)
{
  return !lp_manager_is_running (manager);
}

static void
test_hanging_loop_and_jobs (void)
{
  HangingJobs hang;

  hang.manager = lp_test_start (1, "check-interval", 3600.0, "cancel-grace-seconds", 0.05, "workers-per-pool", 3,
                                "lease-grace-seconds", 0.1, NULL);
  hang.gate = lp_test_gate_new ();
  hang.timed = lp_test_gate_job (hang.gate);
  hang.stuck = lp_test_gate_job (hang.gate);
  hang.other = lp_test_gate_job (hang.gate);
  lp_job_set_timeout_seconds (hang.timed, 0.05);
  hang.lease = lp_test_acquire (hang.manager, "careless");
  lp_test_submit (hang.lease, hang.timed);
  lp_test_submit (hang.lease, hang.stuck);
  lp_test_submit (hang.lease, hang.other);
  g_idle_add (hang_with_jobs_cb, &hang);
  lp_test_wait_for (is_not_running, hang.manager, "the callback to stop the manager");

  lp_test_gate_open (hang.gate);
  g_object_unref (hang.timed);
  g_object_unref (hang.stuck);
  g_object_unref (hang.other);
  g_clear_object (&hang.lease);
  lp_test_finish (hang.manager);
  lp_test_gate_unref (hang.gate);
}

/* --- No main loop --- */

static int n_destroyed;         /* (main thread) */
static GThread *main_thread;

static void
destroyed_cb (gpointer data)
{
  g_assert_true (g_thread_self () == main_thread);
  n_destroyed++;
  g_free (data);
}

static void
data_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new_string (user_data);
}

/* A round as a program without a loop makes it; returns how many data there were. */
static int
run_without_loop (LpManager *manager)
{
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  LpJob *jobs[8];

  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      jobs[i] = lp_job_new_for_func (data_func, g_strdup_printf ("%u", i), destroyed_cb);
      lp_test_submit (lease, jobs[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      g_autoptr (GVariant) value = lp_job_wait (jobs[i], -1, NULL, NULL);

      g_assert_nonnull (value);
      g_object_unref (jobs[i]);
    }
  lp_lease_release (lease);

  return G_N_ELEMENTS (jobs);
}

static void
test_no_loop_destroys_user_data (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 1, NULL);
  int n_made = 0;

  n_destroyed = 0;
  for (int i = 0; i < 200; i++)
    {
      n_made += run_without_loop (manager);

      /* All but what the workers have put down since the last call. */
      g_assert_cmpint (n_made - n_destroyed, <=, 8);
    }

  lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL);
  g_assert_cmpint (n_destroyed, ==, n_made);
  lp_test_finish (manager);
}

/* Under a sanitizer the allocator is another, and says 0: there the counts above
 * stand alone. */
static void
test_no_loop_does_not_grow (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 1, NULL);
  gsize before, after;

  for (int i = 0; i < 300; i++)
    run_without_loop (manager);
  before = mallinfo2 ().uordblks;
  for (int i = 0; i < 1500; i++)
    run_without_loop (manager);
  after = mallinfo2 ().uordblks;

  /* Less than four bytes for each of the 12000 jobs. */
  g_assert_cmpuint (after, <=, before + 48 * 1024);
  lp_test_finish (manager);
}

static void
test_no_loop_start_and_stop (void)
{
  for (int i = 0; i < 30; i++)
    {
      LpManager *manager = lp_test_new (2);

      n_destroyed = 0;
      g_assert_true (lp_manager_start (manager, NULL, NULL));
      run_without_loop (manager);
      g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_DRAIN + i % 2, 5, NULL, NULL));
      g_assert_cmpint (n_destroyed, ==, 8);
      g_assert_finalize_object (manager);
    }
}

static gboolean
has_been_checked (gpointer data)
{
  return g_atomic_int_get (&n_checks) > GPOINTER_TO_INT (data);
}

/* The checks of a manager without a size provider leave nothing to dispatch. */
static void
test_no_loop_and_the_checks (void)
{
  LpManager *manager = lp_test_start (1, "executor-type", TEST_TYPE_EXECUTOR, "check-interval", 0.001, NULL);

  g_atomic_int_set (&n_checks, 0);
  lp_test_block_for (has_been_checked, GINT_TO_POINTER (50), "50 checks");
  g_assert_false (g_main_context_pending (NULL));

  lp_test_finish (manager);
}

static gint64
counting_size_func (LpManager *manager, gpointer user_data, GError **error)
{
  (*(guint *) user_data)++;
  return 1;
}

/* Nor do those with one pile up: who comes back is asked once. */
static void
test_no_loop_and_the_size_provider (void)
{
  LpManager *manager = lp_test_new (1);
  guint n_asked = 0;

  lp_manager_set_executor_type (manager, TEST_TYPE_EXECUTOR);
  lp_manager_set_check_interval (manager, 0.001);
  lp_manager_set_size_provider (manager, counting_size_func, &n_asked, NULL);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  g_assert_cmpuint (n_asked, ==, 1);

  g_atomic_int_set (&n_checks, 0);
  lp_test_block_for (has_been_checked, GINT_TO_POINTER (50), "50 checks");
  g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (n_asked, >, 1);
  g_assert_cmpuint (n_asked, <, 10);

  lp_test_finish (manager);
}

static gpointer
waiting_thread (gpointer manager)
{
  return lp_test_acquire (manager, "waiter");
}

/* Waiters on any thread, and one that is cancelled. */
static void
test_no_loop_and_waiters (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "main");
  GThread *thread = g_thread_new ("waiter", waiting_thread, manager);

  lp_test_block_stat (manager, "waiting", 1);
  g_object_unref (lease);
  lease = g_thread_join (thread);
  g_object_unref (lease);
  lp_test_block_stat (manager, "available", 1);
  run_without_loop (manager);

  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL));
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  main_thread = g_thread_self ();

  lp_test_conform_add_func ("/loops/hanging/expiry-grants-and-replacement", test_hanging_loop);
  lp_test_conform_add_func ("/loops/hanging/jobs-and-stop", test_hanging_loop_and_jobs);
  g_test_add_func ("/loops/none/destroys-user-data", test_no_loop_destroys_user_data);
  g_test_add_func ("/loops/none/does-not-grow", test_no_loop_does_not_grow);
  g_test_add_func ("/loops/none/start-and-stop", test_no_loop_start_and_stop);
  g_test_add_func ("/loops/none/checks-leave-nothing", test_no_loop_and_the_checks);
  g_test_add_func ("/loops/none/size-provider-does-not-pile-up", test_no_loop_and_the_size_provider);
  g_test_add_func ("/loops/none/waiters", test_no_loop_and_waiters);

  return g_test_run ();
}
