/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a job ends, and what is to be done about that when the locks are free. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-defect-private.h"
#include "lp-histogram-private.h"
#include "lp-pool-private.h"

static void
count_end_locked (LpExecutorPrivate *priv, LpJob *job)
{
  switch (lp_job_peek_state (job))
    {
    case LP_JOB_STATE_SUCCEEDED: priv->counters.succeeded++; break;
    case LP_JOB_STATE_FAILED: priv->counters.failed++; break;
    case LP_JOB_STATE_CANCELLED: priv->counters.cancelled++; break;
    case LP_JOB_STATE_NEW:
    case LP_JOB_STATE_QUEUED:
    case LP_JOB_STATE_RUNNING:
    default: break;
    }

  if (job->started_at != 0)
    {
      lp_histogram_add (&priv->run_time, job->ended_at, job->ended_at - job->started_at);
      lp_watch_job_ended_locked (&priv->watch, job->ended_at - job->started_at);
    }
}

/* After a change of the load by JOB: whom it concerns. The pool waits until a closed executor
 * is let go, and none of the ends before that needs it. */
static void
note_load_locked (LpExecutorPrivate *priv, LpJob *job, LpAftermath *aftermath)
{
  aftermath->let_go = lp_executor_is_let_go_locked (priv);
  if (g_atomic_int_get (&priv->pool->list_wanted))
    aftermath->grant = lp_grant_ref (job->grant);
}

void
lp_aftermath_run (LpExecutor *self, LpAftermath *aftermath)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpActions actions = LP_ACTIONS_INIT;
  LpJob *job = aftermath->job;
  gboolean given = FALSE;

  if (aftermath->ended && lp_log_wants_still (priv->logs_jobs))
    lp_executor_log_ended (self, job);
  if (aftermath->disarm)
    lp_job_disarm (job);
  if (aftermath->let_go)
    lp_slot_let_go (priv->slot, &actions);
  if (aftermath->gone)
    lp_job_drop_user_data (job);

  /* Nobody here needs the reference of the lists any more: the job is finalized where
   * it is told. Unless somebody is to be woken: it may be what the executor lives by. */
  if (aftermath->ended && aftermath->gone && !aftermath->wake)
    given = lp_job_callback_give (job);

  if (aftermath->ended)
    lp_job_tell (job, &aftermath->waiters);
  lp_actions_run (&actions);

  if (aftermath->wake)
    priv->ops->wake (self);
  if (aftermath->grant != NULL)
    {
      lp_owner_refresh (aftermath->grant);
      lp_grant_unref (aftermath->grant);
    }
  if (aftermath->gone && !given)
    g_object_unref (job);
}

/* JOB has ended; whether that wakes somebody up. */
static void
note_awaited_locked (LpExecutorPrivate *priv, LpJob *job, LpAftermath *aftermath)
{
  aftermath->awaited = lp_job_is_awaited (job, &aftermath->waiters);
  if (aftermath->awaited)
    lp_gather_awaited_locked (&priv->gather);
}

/* The function of JOB has returned with OUTCOME. */
void
lp_executor_return_locked (LpExecutor *self, LpJob *job, LpOutcome *outcome, LpAftermath *aftermath)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  *aftermath = (LpAftermath) { .job = job };

  if (job->place == LP_PLACE_RUNNING)
    {
      lp_job_end (job, outcome, TRUE, &aftermath->waiters);
      count_end_locked (priv, job);
      note_awaited_locked (priv, job, aftermath);
      aftermath->ended = TRUE;
    }
  else
    priv->counters.discarded++;

  /* Returned twice, or while it waits in the queue: nothing but the count. */
  if (!lp_job_place_occupies (job->place))
    return;

  lp_executor_move_locked (priv, job, LP_PLACE_NONE);
  aftermath->gone = TRUE;
  aftermath->disarm = job->armed;
  note_load_locked (priv, job, aftermath);
}

/* Ends JOB with OUTCOME, and moves it to PLACE, where it waits for its function. */
static void
end_and_move_locked (LpExecutor *self, LpJob *job, LpOutcome *outcome, gboolean by_function, LpJobPlace place,
                     LpAftermath *aftermath)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  *aftermath = (LpAftermath) { .job = job, .ended = TRUE };

  lp_job_end (job, outcome, by_function, &aftermath->waiters);
  if (!LP_DEFECT (4))
    count_end_locked (priv, job);
  note_awaited_locked (priv, job, aftermath);
  lp_executor_move_locked (priv, job, place);
  aftermath->gone = place == LP_PLACE_NONE;
  aftermath->disarm = job->armed;
  note_load_locked (priv, job, aftermath);
}

/* Ends JOB with OUTCOME although its function, if it runs, has not returned:
 * then it stays, as stuck, until it does. */
void
lp_executor_end_early_locked (LpExecutor *self, LpJob *job, LpOutcome *outcome, gboolean by_function,
                              LpAftermath *aftermath)
{
  gboolean stuck = job->place == LP_PLACE_RUNNING && !job->detached;

  end_and_move_locked (self, job, outcome, by_function, stuck ? LP_PLACE_STUCK : LP_PLACE_NONE, aftermath);
}

/* OUTCOME is given for JOB while its function, which may not have begun yet, has not
 * returned: the job is in use until it does. Its deadline goes; but if that is the grace
 * of a job whose lease has ended, nobody tells the function again, and it has what is left
 * of it. */
static void
give_locked (LpExecutor *self, LpJob *job, LpOutcome *outcome, LpAftermath *aftermath)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (job->place == LP_PLACE_RUNNING)
    {
      gboolean told = (priv->all_told || job->grant->all_told) && lp_job_get_interrupt (job) != LP_INTERRUPT_NONE;

      end_and_move_locked (self, job, outcome, TRUE, LP_PLACE_GIVEN, aftermath);
      aftermath->disarm = aftermath->disarm && !told;
      job->armed = told;
      return;
    }

  *aftermath = (LpAftermath) { .job = job };
  priv->counters.discarded++;
}

static void
return_job (LpExecutor *self, LpJob *job, LpOutcome *outcome, gboolean from_outside, LpAftermath *aftermath)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  lp_executor_lock_queue (self);
  if (from_outside && g_atomic_int_get (&job->entered) && !job->detached)
    give_locked (self, job, outcome, aftermath);
  else
    lp_executor_return_locked (self, job, outcome, aftermath);
  aftermath->wake = priv->queued.length > 0 && priv->ops->kick_locked (self);
  g_mutex_unlock (&priv->lock);
}

/* The function of JOB has returned with OUTCOME, elsewhere than on a worker that
 * goes on by itself; or the job had none here. */
void
lp_executor_job_returned (LpExecutor *self, LpJob *job, LpOutcome *outcome)
{
  LpAftermath aftermath;

  return_job (self, job, outcome, FALSE, &aftermath);
  lp_aftermath_run (self, &aftermath);
}

static void
let_go_cb (gpointer data, gpointer more)
{
  g_autoptr (LpExecutor) self = data;
  LpActions actions = LP_ACTIONS_INIT;

  lp_slot_let_go (lp_executor_get_private (self)->slot, &actions);
  lp_actions_run (&actions);
}

/* The same on a thread that must not run anything foreign, such as what a pool decides
 * may bring: that is left to the service thread, after the job has been told. */
void
lp_executor_job_read (LpExecutor *self, LpJob *job, LpOutcome *outcome)
{
  LpAftermath aftermath;
  gboolean let_go;

  return_job (self, job, outcome, FALSE, &aftermath);
  let_go = aftermath.let_go;
  aftermath.let_go = FALSE;
  lp_aftermath_run (self, &aftermath);
  if (let_go)
    lp_slot_post_object (lp_executor_get_private (self)->slot, let_go_cb, G_OBJECT (self));
}

/* OUTCOME was given by lp_job_return_value() or lp_job_return_error(): the
 * function may still be running, and use what belongs to it. */
void
lp_executor_job_given (LpExecutor *self, LpJob *job, LpOutcome *outcome)
{
  /* Until all are told: when the function returns meanwhile, that of the executor goes. */
  g_autoptr (LpJob) held = g_object_ref (job);
  LpAftermath aftermath;

  return_job (self, job, outcome, TRUE, &aftermath);
  lp_aftermath_run (self, &aftermath);
}

/* What JOB occupied is free. If it had ended before, nothing else is left of it. */
void
lp_executor_leave_ended_locked (LpExecutor *self, LpJob *job, LpAftermath *aftermath)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (job->place != LP_PLACE_GIVEN && job->place != LP_PLACE_STUCK)
    return;

  lp_executor_move_locked (priv, job, LP_PLACE_NONE);
  aftermath->gone = TRUE;
  aftermath->disarm = job->armed;
  aftermath->let_go = lp_executor_is_let_go_locked (priv);
  aftermath->wake = priv->queued.length > 0 && priv->ops->kick_locked (self);
}

/* The function returned without an end: its thread is free, its slot is not, unless the
 * job has ended meanwhile. */
void
lp_executor_job_deferred (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpAftermath aftermath = { .job = job };

  lp_executor_lock_queue (self);
  job->detached = TRUE;
  lp_executor_leave_ended_locked (self, job, &aftermath);
  g_mutex_unlock (&priv->lock);

  if (aftermath.gone)
    lp_aftermath_run (self, &aftermath);
}
