/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a thread runs the jobs that it has claimed. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-clock-private.h"
#include "lp-command-private.h"
#include "lp-log-private.h"
#include "lp-mutex-private.h"

/* JOB has been claimed by this thread, and is about to run. No lock is held. */
void
lp_executor_job_begins (LpExecutor *self, LpJob *job)
{
  if (lp_log_wants_still (lp_executor_get_private (self)->logs_jobs))
    lp_executor_log_begun (self, job);
  if (job->timeout_seconds > 0)
    lp_job_arm (job, FALSE, lp_clock_add (job->started_at, job->timeout_seconds));
}

/* Runs a claimed job on this thread, a command aside. */
void
lp_executor_begin_claimed (LpExecutor *self, LpJob *job)
{
  LpOutcome outcome;

  lp_executor_job_begins (self, job);

  if (job->kind == LP_JOB_COMMAND)
    lp_command_job_start (job);
  else if (lp_job_run (job, &outcome))
    {
      lp_executor_job_returned (self, job, &outcome);
      lp_outcome_clear (&outcome);
    }
  else
    lp_executor_job_deferred (self, job);
}

/* The next one begins where JOB ends, unless only its function returns now. */
static LpJob *
claim_next_locked (LpExecutor *self, LpJob *job, const LpAftermath *aftermath)
{
  return lp_executor_claim_to_run_at_locked (self, aftermath->ended ? job->ended_at : 0);
}

/* The thread is free, and takes the next job. */
static LpJob *
come_back (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpJob *next;

  lp_executor_lock_queue (self);
  next = lp_executor_claim_to_run_locked (self);
  g_mutex_unlock (&priv->lock);

  return next;
}

/* The same after a function that had ended JOB. Only now is nothing of that in use any more. */
static LpJob *
come_back_from (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpJob *next;

  lp_mutex_lock_awake (&priv->lock);
  priv->n_returning--;
  next = lp_executor_claim_to_run_locked (self);
  g_mutex_unlock (&priv->lock);

  lp_job_drop_user_data (job);
  g_object_unref (job);

  return next;
}

/* The same for a worker that goes on with the next job, which is returned: one
 * passage through the lock for the end of one job and the start of another. NULL also
 * if somebody is to be woken first: that takes time, and may cost this thread the
 * processor, and the next job may be another one's by then. */
LpJob *
lp_executor_run_and_claim (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpAftermath aftermath;
  LpOutcome outcome;
  LpJob *next;

  lp_executor_job_begins (self, job);

  if (job->kind == LP_JOB_COMMAND)
    {
      lp_command_job_start (job);
      return come_back (self);
    }

  switch (lp_job_run_on (&job, &outcome))
    {
    case LP_RUN_DEFERRED:
      lp_executor_job_deferred (self, job);
      return come_back (self);

    case LP_RUN_ENDED:
      return come_back_from (self, job);

    case LP_RUN_RETURNED:
    default:
      break;
    }

  lp_mutex_lock_awake (&priv->lock);
  lp_executor_return_locked (self, job, &outcome, &aftermath);
  next = aftermath.awaited ? NULL : claim_next_locked (self, job, &aftermath);
  if (aftermath.awaited)
    lp_executor_review_inbox_locked (self);
  g_mutex_unlock (&priv->lock);

  lp_aftermath_run (self, &aftermath);
  lp_outcome_clear (&outcome);

  return next;
}

/* Whether the worker that runs JOB may go on with the same function: the first job
 * in the queue calls it, and could begin if JOB had returned. */
static gboolean
goes_on_locked (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  lp_executor_fill_locked (self);
  return priv->queued.length > 0 && lp_executor_count_occupied_locked (priv) <= (guint) priv->workers
         && lp_job_calls_same (job, g_queue_peek_head (&priv->queued));
}

/* From within the function of JOB: it has as good as returned with OUTCOME, and goes on
 * with NEXT. NULL: it is to return, and has the reference of the lists until it does.
 * FALSE: JOB has ended for good meanwhile, and nothing has happened. */
gboolean
lp_executor_return_and_go_on (LpExecutor *self, LpJob *job, LpOutcome *outcome, LpJob **next)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpAftermath aftermath;
  gboolean returns;

  *next = NULL;

  lp_mutex_lock_awake (&priv->lock);
  returns = lp_job_place_occupies (job->place);
  if (returns)
    {
      gboolean goes_on = goes_on_locked (self, job);

      lp_executor_return_locked (self, job, outcome, &aftermath);
      if (goes_on)
        *next = claim_next_locked (self, job, &aftermath);
      else
        {
          aftermath.gone = FALSE;
          priv->n_returning++;
          lp_executor_review_inbox_locked (self);
        }
    }
  g_mutex_unlock (&priv->lock);

  if (returns)
    lp_aftermath_run (self, &aftermath);

  return returns;
}
