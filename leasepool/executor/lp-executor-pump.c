/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How jobs are pushed through the virtual functions, on the service thread. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-pool-private.h"

static void
submit_claimed (LpExecutor *self, LpJob *job)
{
  LpOutcome outcome = { NULL, NULL };

  lp_executor_job_begins (self, job);

  if (job->kind == LP_JOB_COMMAND)
    {
      lp_command_job_start (job);
      return;
    }

  if (LP_EXECUTOR_GET_CLASS (self)->submit (self, job, &outcome.error))
    return;

  if (outcome.error == NULL)
    outcome.error = g_error_new (LP_ERROR, LP_ERROR_FAILED, "%s.submit returned FALSE and set no error",
                                 G_OBJECT_TYPE_NAME (self));

  /* The death ends the job with the others, once its lease is BROKEN. */
  if (g_error_matches (outcome.error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR))
    lp_executor_report_died (self, outcome.error);

  if (lp_job_state_is_end (lp_job_peek_state (job)))
    lp_executor_job_deferred (self, job);
  else
    lp_executor_job_returned (self, job, &outcome);
  g_clear_error (&outcome.error);
}

static void
pump_cb (gpointer data, gpointer more)
{
  LpExecutor *self = data;
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  lp_executor_lock_queue (self);
  priv->pump_posted = FALSE;
  if (priv->ops->pump != NULL)
    {
      g_mutex_unlock (&priv->lock);
      priv->ops->pump (self);
      g_object_unref (self);
      return;
    }

  while (!priv->shut_down)
    {
      LpJob *job = lp_executor_claim_locked (self);

      if (job == NULL)
        break;

      g_object_ref (job);
      g_mutex_unlock (&priv->lock);
      submit_claimed (self, job);
      g_object_unref (job);
      lp_executor_lock_queue (self);
    }
  g_mutex_unlock (&priv->lock);

  g_object_unref (self);
}

gboolean
lp_executor_default_kick_locked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (priv->pump_posted)
    return FALSE;

  priv->pump_posted = TRUE;
  return TRUE;
}

void
lp_executor_default_wake (LpExecutor *self)
{
  lp_slot_post_object (lp_executor_get_private (self)->slot, pump_cb, G_OBJECT (self));
}

static void
cancel_cb (gpointer data, gpointer more)
{
  LpJob *job = data;
  LpExecutorPrivate *priv = lp_executor_get_private (job->executor);
  gboolean running;

  g_mutex_lock (&priv->lock);
  running = job->place == LP_PLACE_RUNNING || job->place == LP_PLACE_SENT;
  g_mutex_unlock (&priv->lock);

  if (running && !priv->shut_down)
    LP_EXECUTOR_GET_CLASS (job->executor)->cancel (job->executor, job);

  g_object_unref (job);
}

/* JOB has ended, and what holds its worker up has to go: its function sees that by its
 * cancellable, also where that is made only now, and has the grace to return in. FALSE:
 * it was told before. */
static gboolean
tell_to_return_locked (LpJob *job, LpInterrupt reason)
{
  gboolean first = !job->armed;

  job->armed = TRUE;
  job->function_told = TRUE;
  g_mutex_lock (&job->lock);
  if (job->interrupt == LP_INTERRUPT_NONE)
    job->interrupt = reason;
  g_mutex_unlock (&job->lock);

  return first;
}

/* Whether that ends the lease, and not only the job. */
static gboolean
ends_lease (LpInterrupt reason)
{
  return reason == LP_INTERRUPT_REVOKE || reason == LP_INTERRUPT_STOP || reason == LP_INTERRUPT_GRINDER;
}

/* Marked where it is: one that comes back from a process just now is either
 * marked before that, and ended there, or found in the queue, and ended here. */
static gboolean
mark_interrupted (LpExecutor *self, LpJob *job, LpInterrupt reason)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  gboolean marked = FALSE;

  lp_executor_lock_queue (self);
  if (job->place == LP_PLACE_RUNNING || job->place == LP_PLACE_SENT)
    marked = lp_job_mark_interrupted (job, reason);
  else if (job->place == LP_PLACE_GIVEN && ends_lease (reason))
    marked = tell_to_return_locked (job, reason);
  g_mutex_unlock (&priv->lock);

  return marked;
}

/* Tells JOB to end if it runs and has not been told; the same for its function, where that
 * is all that is left and the lease ends. The grace begins before anything foreign runs.
 * No lock may be held. */
void
lp_executor_interrupt_job (LpExecutor *self, LpJob *job, LpInterrupt reason)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (!mark_interrupted (self, job, reason))
    {
      if (reason != LP_INTERRUPT_TIMEOUT)
        lp_executor_cancel_queued (self, job, reason);
      return;
    }

  lp_job_arm (job, TRUE, lp_clock_add (lp_clock_now (), priv->settings->cancel_grace_seconds));
  lp_job_fire_cancellable (job);

  if (job->kind == LP_JOB_COMMAND)
    lp_command_job_signal (job, SIGTERM);
  else if (!priv->ops->holds_threads)
    lp_slot_post_object (priv->slot, cancel_cb, G_OBJECT (job));
}
