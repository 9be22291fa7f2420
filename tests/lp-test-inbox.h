/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of the inbox of an executor share: threads that are all inside jobs which a gate holds, so that a
 * job is put there and stays there. All of it is looked at without the queue lock, which would close it. */

#include "lp-test-job.h"
#include "lp-test-stop.h"

#include "lp-executor-private.h"
#include "lp-lease-private.h"

/* Nothing but the test wants the queue: no check comes. */
static inline void
start_inbox (Fixture *self, int workers, const char *setting, int value)
{
  LpManager *manager = lp_test_start (1,
                                      "workers-per-pool", workers,
                                      "check-interval", 3600.0,
                                      "lease-grace-seconds", 0.0,
                                      "cancel-grace-seconds", PATIENCE_SECONDS,
                                      setting, value,
                                      NULL);

  fixture_init (self, manager, "inbox");
}

static inline void
set_up_one (Fixture *self, gconstpointer data)
{
  start_inbox (self, 1, NULL, 0);
}

static inline void
set_up_two (Fixture *self, gconstpointer data)
{
  start_inbox (self, 2, NULL, 0);
}

static inline gboolean
is_over (gpointer lease)
{
  return lp_lease_get_state (lease) != LP_LEASE_STATE_DRAINING;
}

/* No job is left, so that the stop has nothing to give up. */
static inline void
tear_down_inbox (Fixture *self, gconstpointer data)
{
  lp_test_gate_open (self->gate);
  lp_lease_release (self->lease);
  lp_test_block_for (is_over, self->lease, "the jobs at the gate");
  tear_down (self, data);
}

static inline LpExecutorPrivate *
inbox_of (LpLease *lease)
{
  return lp_executor_get_private (lp_lease_get_grant (lease)->executor);
}

static inline gboolean
is_open (LpLease *lease)
{
  return g_atomic_int_get (&inbox_of (lease)->inbox.open);
}

/* How many jobs are there. */
static inline guint
count_inbox (LpLease *lease)
{
  LpInbox *inbox = &inbox_of (lease)->inbox;
  guint n_jobs;

  g_mutex_lock (&inbox->lock);
  n_jobs = inbox->jobs.length;
  g_mutex_unlock (&inbox->lock);

  return n_jobs;
}

/* One job at the gate for each of N threads. */
static inline void
occupy (LpLease *lease, LpTestGate *gate, guint n)
{
  guint n_entered = lp_test_gate_get_entered (gate);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LpJob) job = lp_test_gate_job (gate);

      lp_test_submit (lease, job);
    }
  lp_test_gate_wait_entered (gate, n_entered + n);
}

/* All threads are inside jobs: whatever is submitted next finds the inbox open. The job that opened it is in the queue,
 * and is returned. */
static inline LpJob *
occupy_and_open (Fixture *self, guint n_workers)
{
  LpJob *first = lp_test_value_job (0);

  occupy (self->lease, self->gate, n_workers);

  /* Whoever looks closes it: the last of those at the gate has opened it, if a thread that slept was woken for that. */
  lp_lease_get_pending_jobs (self->lease);
  g_assert_false (is_open (self->lease));
  lp_test_submit (self->lease, first);
  g_assert_true (is_open (self->lease));
  return first;
}

/* N jobs that return their numbers, from 1; all of them are in the inbox. */
static inline GPtrArray *
put (LpLease *lease, guint n)
{
  GPtrArray *jobs = g_ptr_array_new_with_free_func (g_object_unref);
  guint n_before = count_inbox (lease);

  for (guint i = 0; i < n; i++)
    {
      g_ptr_array_add (jobs, lp_test_value_job ((int) i + 1));
      lp_test_submit (lease, jobs->pdata[i]);
      g_assert_cmpuint (count_inbox (lease), ==, n_before + i + 1);
    }

  return jobs;
}

static inline void
assert_all_done (GPtrArray *jobs)
{
  for (guint i = 0; i < jobs->len; i++)
    assert_value (jobs->pdata[i], (int) i + 1);
}

/* None of them has begun. */
static inline void
assert_all_cancelled (GPtrArray *jobs)
{
  for (guint i = 0; i < jobs->len; i++)
    {
      assert_cancelled (jobs->pdata[i]);
      g_assert_cmpint (lp_job_get_started_at (jobs->pdata[i]), ==, 0);
    }
}

static inline gpointer
wait_main (gpointer job)
{
  lp_test_assert_done (job);
  return NULL;
}

static inline gboolean
has_waiter (gpointer data)
{
  LpJob *job = data;
  gboolean has;

  g_mutex_lock (&job->lock);
  has = job->waiters.length > 0;
  g_mutex_unlock (&job->lock);

  return has;
}

/* A thread that waits for the end of JOB. */
static inline GThread *
wait_elsewhere (LpJob *job)
{
  GThread *thread = g_thread_new ("waits", wait_main, job);

  lp_test_block_for (has_waiter, job, "somebody to wait");
  return thread;
}
