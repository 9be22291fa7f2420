/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How jobs end that did not come back by themselves: cancelled in the queue,
 * abandoned after their grace, or left behind by their executor. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-pool-private.h"

/* Ends JOB as cancelled for REASON if it is still queued. */
gboolean
lp_executor_cancel_queued (LpExecutor *self, LpJob *job, LpInterrupt reason)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpOutcome outcome = { NULL, lp_job_interrupt_error (job, reason) };
  LpAftermath aftermath;
  gboolean queued;

  lp_executor_lock_queue (self);
  queued = job->place == LP_PLACE_QUEUED;
  if (queued)
    lp_executor_end_early_locked (self, job, &outcome, FALSE, &aftermath);
  g_mutex_unlock (&priv->lock);

  if (queued)
    lp_aftermath_run (self, &aftermath);
  lp_outcome_clear (&outcome);

  return queued;
}

/* The function of JOB, which was given its outcome, has not returned in time. Whoever told
 * it to holds the job. */
static void
give_up_function_locked (LpExecutorPrivate *priv, LpJob *job, LpAftermath *aftermath)
{
  *aftermath = (LpAftermath) { .job = job, .disarm = job->armed };

  lp_executor_move_locked (priv, job, LP_PLACE_STUCK);
  aftermath->let_go = lp_executor_is_let_go_locked (priv);
}

/* The grace of an interrupted job is over: it ends for its waiters, whatever
 * its function does. If it had ended before, that is no longer waited for. TOLD: also if
 * the function has been told to return since that grace began. */
void
lp_executor_abandon_job (LpExecutor *self, LpJob *job, gboolean told)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpOutcome outcome = { NULL, NULL };
  LpAftermath aftermath;
  gboolean pending, overdue;

  lp_executor_lock_queue (self);
  pending = job->place == LP_PLACE_RUNNING || job->place == LP_PLACE_SENT;
  /* Not if it was for the job, which has just ended in time. */
  overdue = job->place == LP_PLACE_GIVEN && job->armed && (told || !job->function_told);
  if (overdue)
    give_up_function_locked (priv, job, &aftermath);
  if (pending)
    {
      g_mutex_lock (&job->lock);
      outcome.error = lp_job_interrupt_error (job, job->interrupt);
      g_mutex_unlock (&job->lock);
      lp_executor_end_early_locked (self, job, &outcome, FALSE, &aftermath);
      aftermath.wake = priv->queued.length > 0 && priv->ops->kick_locked (self);
    }
  g_mutex_unlock (&priv->lock);

  if (pending && job->kind != LP_JOB_COMMAND && priv->ops->abandoned != NULL)
    priv->ops->abandoned (self, job);
  if (pending || overdue)
    lp_aftermath_run (self, &aftermath);
  lp_outcome_clear (&outcome);
}

static gboolean
end_one (LpExecutor *self, GQueue *list, const GError *error)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  g_autoptr (LpJob) held = NULL;
  LpOutcome outcome = { NULL, NULL };
  LpAftermath aftermath;
  LpJob *job;

  lp_executor_lock_queue (self);
  job = g_queue_peek_head (list);
  if (job != NULL)
    {
      /* One that becomes stuck may return, and go, as soon as the lock is free. */
      held = g_object_ref (job);
      outcome.error = g_error_copy (error);
      lp_executor_end_early_locked (self, job, &outcome, FALSE, &aftermath);
    }
  g_mutex_unlock (&priv->lock);

  if (job != NULL && job->kind == LP_JOB_COMMAND && !aftermath.gone)
    lp_command_job_signal (job, SIGKILL);
  if (job != NULL)
    lp_aftermath_run (self, &aftermath);
  lp_outcome_clear (&outcome);

  return job != NULL;
}

/* Ends all jobs that have not started. Those that a process has come back first,
 * or turn out to have started. */
void
lp_executor_end_queued (LpExecutor *self, const GError *error)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  gboolean recall;

  lp_executor_lock_queue (self);
  if (priv->end_error == NULL)
    priv->end_error = g_error_copy (error);
  recall = priv->sent.length > 0 && priv->ops->recall != NULL;
  g_mutex_unlock (&priv->lock);

  while (end_one (self, &priv->queued, error))
    ;
  if (recall)
    priv->ops->recall (self);
}

static gboolean
give_up_one_function (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  g_autoptr (LpJob) held = NULL;
  LpAftermath aftermath;

  lp_executor_lock_queue (self);
  if (priv->given.length > 0)
    {
      held = g_object_ref (g_queue_peek_head (&priv->given));
      give_up_function_locked (priv, held, &aftermath);
    }
  g_mutex_unlock (&priv->lock);

  if (held != NULL)
    lp_aftermath_run (self, &aftermath);

  return held != NULL;
}

/* Ends all jobs that run, and waits for no function any more. */
void
lp_executor_fail_running (LpExecutor *self, const GError *error)
{
  while (end_one (self, &lp_executor_get_private (self)->running, error))
    ;
  while (give_up_one_function (self))
    ;
}

/* Those, too, that a process may be about to start, or whose functions are to return. */
static GPtrArray *
dup_running (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  GPtrArray *jobs = g_ptr_array_new_with_free_func (g_object_unref);

  lp_executor_lock_queue (self);
  for (GList *link = priv->sent.head; link != NULL; link = link->next)
    g_ptr_array_add (jobs, g_object_ref (link->data));
  for (GList *link = priv->running.head; link != NULL; link = link->next)
    g_ptr_array_add (jobs, g_object_ref (link->data));
  for (GList *link = priv->given.head; link != NULL; link = link->next)
    g_ptr_array_add (jobs, g_object_ref (link->data));
  g_mutex_unlock (&priv->lock);

  return jobs;
}

/* Interrupts all jobs that run: the lease has ended, and the executor is not lent again. */
void
lp_executor_interrupt_all (LpExecutor *self, LpInterrupt reason)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  g_autoptr (GPtrArray) jobs = NULL;

  lp_executor_lock_queue (self);
  priv->all_told = TRUE;
  g_mutex_unlock (&priv->lock);

  jobs = dup_running (self);
  for (guint i = 0; i < jobs->len; i++)
    lp_executor_interrupt_job (self, jobs->pdata[i], reason);
}

/* The same for the functions of GRANT alone whose outcomes were given, or will be: nobody
 * submits by it any more, but the executor may be lent again. */
void
lp_executor_end_given (LpExecutor *self, LpGrant *grant, gboolean kill)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  lp_executor_lock_queue (self);
  grant->all_told = TRUE;
  for (GList *link = priv->given.head; link != NULL; link = link->next)
    if (((LpJob *) link->data)->grant == grant)
      g_ptr_array_add (jobs, g_object_ref (link->data));
  g_mutex_unlock (&priv->lock);

  for (guint i = 0; i < jobs->len; i++)
    {
      lp_executor_interrupt_job (self, jobs->pdata[i], LP_INTERRUPT_GRINDER);
      if (kill)
        lp_executor_abandon_job (self, jobs->pdata[i], TRUE);
    }
}

/* Interrupts JOB, which runs or is with a process, and ends its grace. */
void
lp_executor_kill_job (LpExecutor *self, LpJob *job, LpInterrupt reason)
{
  lp_executor_interrupt_job (self, job, reason);
  if (job->kind == LP_JOB_COMMAND)
    lp_command_job_signal (job, SIGKILL);
  else
    lp_executor_abandon_job (self, job, TRUE);
}

/* Ends the grace of all jobs that run. */
void
lp_executor_abandon_all (LpExecutor *self)
{
  g_autoptr (GPtrArray) jobs = dup_running (self);

  for (guint i = 0; i < jobs->len; i++)
    lp_executor_kill_job (self, jobs->pdata[i], LP_INTERRUPT_STOP);
}

static LpJob *
take_stuck_function (LpExecutorPrivate *priv)
{
  LpJob *job = NULL;

  g_mutex_lock (&priv->lock);
  for (GList *link = priv->stuck.head; link != NULL && job == NULL; link = link->next)
    if (((LpJob *) link->data)->kind != LP_JOB_COMMAND)
      job = link->data;
  if (job != NULL)
    lp_executor_move_locked (priv, job, LP_PLACE_NONE);
  g_mutex_unlock (&priv->lock);

  return job;
}

/* The executor has stopped, so no function of it can be running. Commands are
 * not its own: they are killed, and leave when they are reaped. */
void
lp_executor_vacate_all (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  g_autoptr (GError) error = g_error_new_literal (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR,
                                                  "The executor stopped before the job ended");
  LpJob *job;

  lp_executor_end_queued (self, error);
  while (end_one (self, &priv->sent, error))
    ;
  lp_executor_fail_running (self, error);

  while ((job = take_stuck_function (priv)) != NULL)
    {
      lp_job_drop_user_data (job);
      g_object_unref (job);
    }
}
