/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The queue of an executor: how a job gets in, and is begun. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-mutex-private.h"
#include "lp-pool-private.h"

/* A job is in one of five lists, which say what it counts as: queued, sent (a
 * process has it, but has not said that it runs it: for all others it is still
 * queued), running, given (lp_job_return_value() or lp_job_return_error() has ended
 * it, and its function is to return), or stuck (it has ended for its waiters, but its
 * function has not returned in time). All but queued and sent ones occupy workers,
 * and so does a function that has ended its own job by lp_job_take_next() until it
 * returns. The lists share one reference to the job, dropped when it leaves the last
 * one.
 *
 * A released lease waits for what is given, as for what runs: mostly that is about to
 * return, and nothing is wrong. It does so no longer than for a job: where one would
 * be told to end, the function is told to return, and after the same grace it is stuck
 * (lp-executor-pump.c, lp-executor-end.c).
 *
 * Whatever ends a job does it under the queue lock together with the counts, so
 * that whoever is told of the end finds the counts right; telling comes after
 * the lock. When the last job of a closed lease leaves, the pool is told first,
 * so that whoever waited for the end of the job finds the lease settled; one who
 * comes between the two finds the job ended and the lease still draining. */

static GQueue *
list_of (LpExecutorPrivate *priv, LpJobPlace place)
{
  switch (place)
    {
    case LP_PLACE_QUEUED: return &priv->queued;
    case LP_PLACE_SENT: return &priv->sent;
    case LP_PLACE_RUNNING: return &priv->running;
    case LP_PLACE_GIVEN: return &priv->given;
    case LP_PLACE_STUCK: return &priv->stuck;
    case LP_PLACE_NONE:
    default: return NULL;
    }
}

/* Moves the job between the lists; to NONE gives the reference to the caller. */
void
lp_executor_move_locked (LpExecutorPrivate *priv, LpJob *job, LpJobPlace place)
{
  if (job->place != LP_PLACE_NONE)
    g_queue_unlink (list_of (priv, job->place), &job->link);
  if (job->kind == LP_JOB_COMMAND)
    priv->n_commands += lp_job_place_occupies (place) - lp_job_place_occupies (job->place);

  job->place = place;
  if (place != LP_PLACE_NONE)
    g_queue_push_tail_link (list_of (priv, place), &job->link);
}

static gboolean
accept_locked (LpExecutorPrivate *priv, LpGrant *grant, LpJob *job, gint64 now, GError **error)
{
  int max_queued = priv->settings->max_queued_jobs;

  if (g_atomic_pointer_get (&priv->grant) != grant || now >= grant->hard)
    return FALSE;               /* the caller finds out why */

  if (max_queued > 0 && priv->queued.length + priv->sent.length >= (guint) max_queued)
    {
      g_set_error (error, LP_ERROR, LP_ERROR_QUEUE_FULL,
                   "The lease already has max-queued-jobs (%d) jobs that have not started; wait for one", max_queued);
      return FALSE;
    }

  if (!lp_job_set_queued (job))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The job was cancelled before it was submitted");
      return FALSE;
    }

  return TRUE;
}

/* Returns whether somebody is to be woken when the lock is free. */
static gboolean
append_and_kick_locked (LpExecutor *self, LpJob *job, gint64 now)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  gboolean wake;

  lp_executor_append_locked (priv, job, now);
  wake = priv->ops->kick_locked (self);

  /* Where the queue is bounded each submit has to count it. */
  if (!wake && priv->settings->max_queued_jobs == 0
      && priv->ops->is_attended_locked != NULL && priv->ops->is_attended_locked (self))
    lp_executor_open_inbox_locked (priv);

  return wake;
}

/* Accepts JOB from GRANT's holder. FALSE without an error: the lease is no
 * longer one that may submit. Accepted, the job may drop all that the caller holds:
 * what is still to be done holds the grant, and with it the executor. */
gboolean
lp_executor_enqueue (LpExecutor *self, LpGrant *grant, LpJob *job, GError **error)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  g_autoptr (LpGrant) held = NULL;
  gint64 now = lp_clock_now ();
  gboolean brings = job->hold != NULL; /* a reference, which goes with it from who holds it */
  gboolean accepted;
  gboolean wake = FALSE;

  /* Not under a lock: a binding may be told of the second reference. */
  if (!brings)
    g_object_ref (job);
  accepted = lp_executor_put (priv, grant, job, now, &held);
  if (!accepted)
    {
      lp_mutex_lock_awake (&priv->lock);
      lp_executor_close_inbox_locked (priv);
      accepted = accept_locked (priv, grant, job, now, error);
      if (accepted)
        wake = append_and_kick_locked (self, job, now);
      if (accepted && (wake || g_atomic_int_get (&priv->pool->list_wanted)))
        held = lp_grant_ref (grant);
      g_mutex_unlock (&priv->lock);
    }

  if (!accepted && !brings)
    g_object_unref (job);
  if (wake)
    priv->ops->wake (self);
  if (held != NULL)
    lp_owner_refresh (held);

  return accepted;
}

void
lp_executor_begin_locked (LpExecutorPrivate *priv, LpJob *job, gint64 when)
{
  lp_executor_move_locked (priv, job, LP_PLACE_RUNNING);
  priv->worked = TRUE;
  job->started_at = when;
  g_atomic_int_set (&job->state, LP_JOB_STATE_RUNNING);
}

/* How many workers have something to do, or to return from. */
guint
lp_executor_count_occupied_locked (LpExecutorPrivate *priv)
{
  return priv->running.length + priv->given.length + priv->stuck.length + priv->n_returning;
}

/* Whether there is a job in the queue and a worker free for it. */
gboolean
lp_executor_may_claim_locked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  return priv->queued.length > 0 && lp_executor_count_occupied_locked (priv) < (guint) priv->workers;
}

/* By who takes jobs: what it has done may be why somebody is to be told of the next one. */
void
lp_executor_review_inbox_locked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (priv->inbox_open && !priv->ops->is_attended_locked (self))
    lp_executor_close_inbox_locked (priv);
}

/* There is a job in the queue if there is any. */
void
lp_executor_fill_locked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  lp_executor_review_inbox_locked (self);
  if (priv->queued.length == 0)
    lp_executor_take_in_locked (priv);
}

/* Takes the next job if it may. NOW: 0 if the clock was not read. */
static LpJob *
claim_at_locked (LpExecutor *self, gint64 now)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpJob *job;

  lp_executor_fill_locked (self);

  if (!lp_executor_may_claim_locked (self))
    return NULL;

  job = g_queue_peek_head (&priv->queued);
  lp_executor_begin_locked (priv, job, now != 0 ? now : lp_clock_now ());

  return job;
}

LpJob *
lp_executor_claim_locked (LpExecutor *self)
{
  return claim_at_locked (self, 0);
}

/* From here on a thread of ours has JOB, without a reference of its own: it stays in one
 * of the lists until that has come back, whatever ends it. */
static void
enter (LpJob *job)
{
  if (job->kind != LP_JOB_COMMAND)
    g_atomic_int_set (&job->entered, TRUE);
}

LpJob *
lp_executor_claim_to_run_at_locked (LpExecutor *self, gint64 now)
{
  LpJob *job = claim_at_locked (self, now);

  if (job != NULL)
    enter (job);
  return job;
}

/* The same for a thread that is to run it. */
LpJob *
lp_executor_claim_to_run_locked (LpExecutor *self)
{
  return lp_executor_claim_to_run_at_locked (self, 0);
}

/* Takes JOB to run it if it is still queued, whether a worker is free or not: the caller
 * is one that would wait for it. */
gboolean
lp_executor_claim_this (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  gboolean claimed;

  if (!priv->ops->holds_threads)
    return FALSE;

  lp_executor_lock_queue (self);
  claimed = job->place == LP_PLACE_QUEUED;
  if (claimed)
    {
      lp_executor_begin_locked (priv, job, lp_clock_now ());
      enter (job);
    }
  g_mutex_unlock (&priv->lock);

  return claimed;
}
