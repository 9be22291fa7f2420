/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The end of a lease whose executor has jobs in its inbox, and who may put some there. */

#include "config.h"

#include <dlfcn.h>
#include <sys/prctl.h>

#include "lp-test-inbox.h"

#define N_JOBS 5
#define WORKER "leasepool-"
#define LONG_SECONDS 300.0

/* --- What is in the place of GLib's --- */

/* How far this thread is ahead of the others, in microseconds. */
static _Thread_local gint64 ahead;

gint64
g_get_monotonic_time (void)
{
  gint64 (*real_time) (void) = (gint64 (*) (void)) dlsym (RTLD_NEXT, "g_get_monotonic_time");

  return real_time () + ahead;
}

/* (atomic) (nullable) where the next worker thread stops that wakes somebody who blocks. */
static Stop *stop_waking;

void
g_cond_broadcast (GCond *cond)
{
  void (*real_broadcast) (GCond *) = (void (*) (GCond *)) dlsym (RTLD_NEXT, "g_cond_broadcast");
  char name[16] = "";
  Stop *stop;

  prctl (PR_GET_NAME, name);
  if (g_str_has_prefix (name, WORKER) && (stop = g_atomic_pointer_exchange (&stop_waking, NULL)) != NULL)
    stop_here (stop);
  real_broadcast (cond);
}

/* --- Release --- */

static void
set_up_inbox (Fixture *self, gconstpointer data)
{
  start_inbox (self, 1, "max-queued-jobs", 0);
}

static void
assert_expired (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  assert_refused (lease, job, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
}

static void
assert_taken (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_manager_try_acquire (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
}

/* All of them end before the executor is another's. */
static void
test_release (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, 1);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  g_autoptr (GAsyncResult) drained = NULL;
  LpLease *next;

  lp_lease_drain_async (self->lease, NULL, lp_test_result_cb, &drained);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 1 + 1 + N_JOBS);
  assert_expired (self->lease);
  assert_taken (self->manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_null (drained);

  lp_test_gate_open (self->gate);
  next = lp_test_acquire (self->manager, "next");
  for (guint i = 0; i < N_JOBS; i++)
    g_assert_cmpint (lp_job_get_state (jobs->pdata[i]), ==, LP_JOB_STATE_SUCCEEDED);
  assert_all_done (jobs);
  g_assert_true (lp_lease_drain_finish (self->lease, lp_test_wait_result (&drained), NULL));
  lp_lease_release (next);
  g_object_unref (next);
}

/* Nothing runs, and nothing is in the queue: the only thread wakes who waited for the job before. */
static void
test_release_where_nothing_runs (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) before = lp_test_gate_job (self->gate);
  g_autoptr (LpJob) warms_up = lp_test_value_job (1);
  g_autoptr (GPtrArray) jobs = NULL;
  GThread *waits;
  Stop stop = { 0 };

  /* A thread that is there already finds the inbox open when it takes the job. */
  lp_test_submit (self->lease, warms_up);
  lp_test_assert_done (warms_up);
  lp_test_submit (self->lease, before);
  lp_test_gate_wait_entered (self->gate, 1);
  waits = wait_elsewhere (before);
  jobs = put (self->lease, N_JOBS);

  g_atomic_pointer_set (&stop_waking, &stop);
  lp_test_gate_open (self->gate);
  wait_reached (&stop);
  g_assert_cmpuint (count_inbox (self->lease), ==, N_JOBS);
  g_assert_cmpuint (inbox_of (self->lease)->running.length, ==, 0);
  lp_lease_release (self->lease);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_DRAINING);
  assert_expired (self->lease);
  assert_taken (self->manager);

  let_go (&stop);
  assert_all_done (jobs);
  lp_test_block_released (self->lease);
  g_thread_join (waits);
}

/* One that has been released, while the next one of the same executor has it open. */
static void
test_not_for_others (Fixture *self, gconstpointer data)
{
  LpLease *old = self->lease;
  g_autoptr (LpJob) first = NULL;
  g_autoptr (GPtrArray) jobs = NULL;

  lp_lease_release (old);
  self->lease = lp_test_acquire (self->manager, "next");
  g_assert_true (inbox_of (self->lease) == inbox_of (old));
  first = occupy_and_open (self, 1);
  jobs = put (self->lease, 1);
  assert_expired (old);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 3);

  lp_test_gate_open (self->gate);
  assert_all_done (jobs);
  g_assert_finalize_object (old);
}

/* --- Expiry --- */

static void
renew (LpLease *lease, double seconds)
{
  g_autoptr (GError) error = NULL;

  lp_lease_renew (lease, seconds, &error);
  g_assert_no_error (error);
}

static void
move_clock (double seconds)
{
  ahead = (gint64) (seconds * G_USEC_PER_SEC);
}

/* Past its hard expiry, which nobody has noticed yet. */
static void
test_past_hard_expiry (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = NULL;
  g_autoptr (GPtrArray) jobs = NULL;

  renew (self->lease, LONG_SECONDS);
  first = occupy_and_open (self, 1);
  jobs = put (self->lease, 1);
  move_clock (LONG_SECONDS);
  g_assert_true (is_open (self->lease));
  assert_expired (self->lease);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_EXPIRED);
  move_clock (0);
  assert_all_cancelled (jobs);
}

static void
test_renew (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = NULL;
  g_autoptr (LpJob) opens = lp_test_value_job (0);
  g_autoptr (GPtrArray) before = NULL;
  g_autoptr (GPtrArray) after = NULL;

  renew (self->lease, LONG_SECONDS);
  first = occupy_and_open (self, 1);
  before = put (self->lease, N_JOBS);
  renew (self->lease, 3 * LONG_SECONDS);
  g_assert_cmpuint (count_inbox (self->lease), ==, 0);
  lp_test_submit (self->lease, opens);
  move_clock (2 * LONG_SECONDS);
  after = put (self->lease, N_JOBS);
  move_clock (3 * LONG_SECONDS);
  assert_expired (self->lease);
  move_clock (0);
  assert_all_cancelled (before);
  assert_all_cancelled (after);
}

/* As lp_lease_renew() with a short time, but for the inbox, which that closes. */
static void
expire_now (LpLease *lease)
{
  LpGrant *grant = lp_lease_get_grant (lease);
  GMutex *queue_lock = lp_executor_get_lock (grant->executor);

  g_mutex_lock (&grant->pool->lock);
  g_mutex_lock (queue_lock);
  grant->soft = grant->hard = g_get_monotonic_time ();
  g_mutex_unlock (queue_lock);
  lp_pool_arm_locked (grant->pool, &grant->deadline, grant->hard);
  g_mutex_unlock (&grant->pool->lock);
}

/* Where it is noticed by itself. */
static void
test_expiry (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, 1);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);

  expire_now (self->lease);
  assert_all_cancelled (jobs);
  assert_cancelled (first);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_EXPIRED);
  assert_expired (self->lease);
}

/* --- Other ends --- */

static void
begin_to_stop (Fixture *self, LpStopMode mode, GAsyncResult **result)
{
  g_autoptr (LpJob) late = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  lp_manager_stop_async (self->manager, mode, -1, NULL, lp_test_result_cb, result);
  g_assert_false (lp_lease_submit (self->lease, late, &error));

  /* One that kills may be over. */
  if (mode != LP_STOP_MODE_KILL || !g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED))
    g_assert_error (error, LP_ERROR, LP_ERROR_NOT_STARTED);
}

static void
assert_stopped (Fixture *self, GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop_finish (self->manager, lp_test_wait_result (result), &error);
  g_assert_no_error (error);
}

static void
test_stop_drain (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, 1);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  g_autoptr (GAsyncResult) result = NULL;

  begin_to_stop (self, LP_STOP_MODE_DRAIN, &result);
  for (guint i = 0; i < N_JOBS; i++)
    g_assert_cmpint (lp_job_get_state (jobs->pdata[i]), ==, LP_JOB_STATE_QUEUED);
  lp_test_gate_open (self->gate);
  assert_stopped (self, &result);
  for (guint i = 0; i < N_JOBS; i++)
    g_assert_cmpint (lp_job_get_state (jobs->pdata[i]), ==, LP_JOB_STATE_SUCCEEDED);
  assert_all_done (jobs);
}

/* They do not wait for the one that runs. */
static void
test_stop_cancel (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, 1);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  g_autoptr (GAsyncResult) result = NULL;

  begin_to_stop (self, LP_STOP_MODE_CANCEL, &result);
  assert_all_cancelled (jobs);
  lp_test_gate_open (self->gate);
  assert_stopped (self, &result);
}

static void
test_stop_kill (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, 1);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  g_autoptr (GAsyncResult) result = NULL;

  begin_to_stop (self, LP_STOP_MODE_KILL, &result);
  assert_stopped (self, &result);
  for (guint i = 0; i < N_JOBS; i++)
    g_assert_cmpint (lp_job_get_state (jobs->pdata[i]), ==, LP_JOB_STATE_CANCELLED);
  assert_all_cancelled (jobs);
}

static void
test_broken (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) first = occupy_and_open (self, 1);
  g_autoptr (GPtrArray) jobs = put (self->lease, N_JOBS);
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "as the test asked");

  lp_executor_report_died (lp_lease_get_grant (self->lease)->executor, error);
  for (guint i = 0; i < N_JOBS; i++)
    {
      assert_fails (jobs->pdata[i], LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
      g_assert_cmpint (lp_job_get_started_at (jobs->pdata[i]), ==, 0);
    }
  assert_expired (self->lease);
}

#define add_inbox(name, func) g_test_add ("/inbox/" name, Fixture, NULL, set_up_inbox, func, tear_down_inbox)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  add_inbox ("release/drains", test_release);
  add_inbox ("release/where-nothing-runs", test_release_where_nothing_runs);
  add_inbox ("not-for-others", test_not_for_others);
  add_inbox ("expiry/past-it", test_past_hard_expiry);
  add_inbox ("expiry/by-itself", test_expiry);
  add_inbox ("renew/counts", test_renew);
  add_inbox ("stop/drain", test_stop_drain);
  add_inbox ("stop/cancel", test_stop_cancel);
  add_inbox ("stop/kill", test_stop_kill);
  add_inbox ("broken", test_broken);

  return g_test_run ();
}
