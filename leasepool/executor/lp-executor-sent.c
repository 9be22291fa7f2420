/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Jobs that are with a worker process, from when they are sent until it says
 * what became of them: all on the service thread, but what sends them. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-clock-private.h"
#include "lp-pool-private.h"

/* Takes the next job, to be sent. Whether a worker is free for it is for the
 * caller to know. */
LpJob *
lp_executor_send_locked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpJob *job = g_queue_peek_head (&priv->queued);

  if (job != NULL)
    lp_executor_move_locked (priv, job, LP_PLACE_SENT);

  return job;
}

/* A process runs JOB since WHEN, which may have ended for those who waited. */
void
lp_executor_job_started (LpExecutor *self, LpJob *job, gint64 when)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  gboolean started;

  lp_executor_lock_queue (self);
  started = job->place == LP_PLACE_SENT;
  if (started)
    lp_executor_begin_locked (priv, job, when);
  g_mutex_unlock (&priv->lock);

  if (started)
    lp_executor_job_begins (self, job);
}

/* Puts JOB back among the queued ones, where it was. */
static void
requeue_locked (LpExecutorPrivate *priv, LpJob *job)
{
  GList *next = priv->queued.head;

  while (next != NULL && ((LpJob *) next->data)->number < job->number)
    next = next->next;

  g_queue_unlink (&priv->sent, &job->link);
  job->place = LP_PLACE_QUEUED;
  if (next != NULL)
    g_queue_insert_before_link (&priv->queued, next, &job->link);
  else
    g_queue_push_tail_link (&priv->queued, &job->link);
}

/* Why JOB, which came back, does not wait again; NULL: it does. */
static GError *
dup_end_error_locked (LpExecutorPrivate *priv, LpJob *job)
{
  LpInterrupt interrupt = lp_job_get_interrupt (job);

  if (interrupt != LP_INTERRUPT_NONE)
    return lp_job_interrupt_error (job, interrupt);

  return priv->end_error != NULL ? g_error_copy (priv->end_error) : NULL;
}

/* JOB came back without having started: it waits again, unless it is to end. */
void
lp_executor_job_dropped (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpOutcome outcome = { NULL, NULL };
  LpAftermath aftermath;
  gboolean over = FALSE;

  lp_executor_lock_queue (self);
  if (job->place == LP_PLACE_SENT)
    {
      outcome.error = dup_end_error_locked (priv, job);
      over = outcome.error != NULL;
      if (over)
        lp_executor_end_early_locked (self, job, &outcome, FALSE, &aftermath);
      else
        requeue_locked (priv, job);
    }
  g_mutex_unlock (&priv->lock);

  if (over)
    lp_aftermath_run (self, &aftermath);
  lp_outcome_clear (&outcome);
}

/* JOB cannot be sent: it fails with ERROR, taken, without having started. */
void
lp_executor_job_refused (LpExecutor *self, LpJob *job, GError *error)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpOutcome outcome = { NULL, error };
  LpAftermath aftermath;
  gboolean over;

  lp_executor_lock_queue (self);
  over = job->place == LP_PLACE_SENT;
  if (over)
    lp_executor_end_early_locked (self, job, &outcome, TRUE, &aftermath);
  g_mutex_unlock (&priv->lock);

  if (over)
    lp_aftermath_run (self, &aftermath);
  lp_outcome_clear (&outcome);
}

/* The process that ran JOB is no more. FALSE: somebody still waits for it; it is
 * to be ended with an error. */
gboolean
lp_executor_job_gone (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpAftermath aftermath = { .job = job };
  gboolean running;

  lp_executor_lock_queue (self);
  running = job->place == LP_PLACE_RUNNING;
  lp_executor_leave_ended_locked (self, job, &aftermath);
  g_mutex_unlock (&priv->lock);

  if (aftermath.gone)
    lp_aftermath_run (self, &aftermath);

  return !running;
}
