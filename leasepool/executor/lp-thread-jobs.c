/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a thread gets its jobs, and what it does when there is none. */

#include "config.h"

#include "lp-thread-executor-private.h"

#include "lp-clock-private.h"
#include "lp-executor-queue-private.h"
#include "lp-mutex-private.h"
#include "lp-pool-private.h"

static gboolean
begin_to_gather_locked (LpThreadExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));

  return lp_watch_jobs_are_short_locked (&priv->watch)
         && lp_gather_begin_locked (&priv->gather, (guint) priv->settings->max_queued_jobs);
}

static void
look_out_unlocked (LpThreadExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));
  gboolean gathers = begin_to_gather_locked (self);
  gint64 usec = 0;

  g_mutex_unlock (lp_thread_executor_get_lock (self));
  gathers = lp_lookout_look (&self->lookout) && gathers;
  if (gathers)
    usec = lp_gather_wait ();
  lp_mutex_lock_awake (lp_thread_executor_get_lock (self));

  if (gathers)
    {
      lp_executor_take_in_locked (priv);
      lp_gather_end_locked (&priv->gather, priv->queued.length, usec);
    }
  lp_lookout_end_locked (&self->lookout);
}

/* FALSE: it is UNTIL (-1: never), and nobody has woken it. */
static gboolean
sleep_locked (LpThreadExecutor *self, gint64 until)
{
  gboolean woken = TRUE;

  /* There may be jobs, and no place for one. */
  lp_executor_close_inbox_locked (lp_executor_get_private (LP_EXECUTOR (self)));
  self->n_idle++;
  if (until < 0)
    g_cond_wait (&self->cond, lp_thread_executor_get_lock (self));
  else
    woken = g_cond_wait_until (&self->cond, lp_thread_executor_get_lock (self), until);
  self->n_idle--;

  /* Also if its time was over as it was signalled. */
  if (self->n_woken == 0)
    return woken;
  self->n_woken--;
  return TRUE;
}

static gboolean
is_another_awake_locked (LpThreadExecutor *self)
{
  return self->n_threads > self->n_idle + 1;
}

static gboolean
is_behind_locked (LpThreadExecutor *self)
{
  lp_executor_close_inbox_locked (lp_executor_get_private (LP_EXECUTOR (self)));
  return lp_executor_may_claim_locked (LP_EXECUTOR (self)) && lp_watch_is_behind_locked (lp_thread_executor_get_watch (self));
}

/* Stays out of the jobs until the others do not keep up with them. FALSE: there are none. */
static gboolean
watch_locked (LpThreadExecutor *self)
{
  LpWatch *watch = lp_thread_executor_get_watch (self);
  gboolean goes_on = TRUE;

  while (goes_on && !sleep_locked (self, g_get_monotonic_time () + lp_watch_get_period_locked (watch))
         && !self->closing && !is_behind_locked (self))
    goes_on = lp_watch_next_period_locked (watch);

  lp_watch_end_locked (watch);
  return goes_on;
}

/* One job, or NULL when the thread is to end. COMES: it was not at work before. */
static LpJob *
next_job_locked (LpThreadExecutor *self, gboolean *comes)
{
  LpWatch *watch = lp_thread_executor_get_watch (self);
  gboolean looked = FALSE, watches = TRUE;
  LpJob *job;

  while ((job = lp_executor_claim_to_run_locked (LP_EXECUTOR (self))) == NULL && !self->closing)
    {
      lp_watch_ran_out_locked (watch);
      /* Once in vain, not again before there was a job. */
      if (watches && is_another_awake_locked (self) && lp_watch_begin_locked (watch))
        watches = watch_locked (self);
      else if (!looked && lp_lookout_begin_locked (&self->lookout, lp_clock_now ()))
        look_out_unlocked (self);
      else
        sleep_locked (self, -1);
      looked = *comes = TRUE;
    }

  return job;
}

/* The next job of a thread that has none. While a thread watches, others are not sent
 * for by who submits: each that comes sends for the next one, if it leaves jobs. */
static LpJob *
wait_for_job (LpThreadExecutor *self, gboolean comes)
{
  gboolean spawn;
  LpJob *job;

  lp_mutex_lock_awake (lp_thread_executor_get_lock (self));
  job = next_job_locked (self, &comes);
  spawn = comes && job != NULL && lp_executor_may_claim_locked (LP_EXECUTOR (self))
          && lp_thread_executor_kick_locked (LP_EXECUTOR (self));
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  if (spawn)
    lp_thread_executor_spawn (self, FALSE);
  return job;
}

gboolean
lp_thread_worker_is_worn_out (LpThreadExecutor *self, LpThreadWorker *worker)
{
  int max_jobs = lp_executor_get_settings (LP_EXECUTOR (self))->max_jobs_per_worker;

  return max_jobs > 0 && worker->n_jobs >= (guint) max_jobs;
}

/* Runs jobs until the thread is to end. */
void
lp_thread_worker_run (LpThreadExecutor *self, LpThreadWorker *worker)
{
  int max_jobs = lp_executor_get_settings (LP_EXECUTOR (self))->max_jobs_per_worker;
  LpJob *job = NULL;

  while (!lp_thread_worker_is_worn_out (self, worker))
    {
      if (job == NULL)
        job = wait_for_job (self, worker->n_jobs == 0);
      if (job == NULL)
        return;

      worker->n_jobs++;
      if (max_jobs > 0)
        {
          lp_executor_begin_claimed (LP_EXECUTOR (self), job);
          job = NULL;
        }
      else
        job = lp_executor_run_and_claim (LP_EXECUTOR (self), job);
    }
}
