/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The queue of an executor: how a job gets in, is begun, and leaves. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-defect-private.h"
#include "lp-histogram-private.h"
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

static int
occupies (LpJobPlace place)
{
  return place == LP_PLACE_RUNNING || place == LP_PLACE_GIVEN || place == LP_PLACE_STUCK;
}

/* Moves the job between the lists; to NONE gives the reference to the caller. */
void
lp_executor_move_locked (LpExecutorPrivate *priv, LpJob *job, LpJobPlace place)
{
  if (job->place != LP_PLACE_NONE)
    g_queue_unlink (list_of (priv, job->place), &job->link);
  if (job->kind == LP_JOB_COMMAND)
    priv->n_commands += occupies (place) - occupies (job->place);

  job->place = place;
  if (place != LP_PLACE_NONE)
    g_queue_push_tail_link (list_of (priv, place), &job->link);
}

/* After a change of the load: whom it concerns. */
static void
note_load_locked (LpExecutorPrivate *priv, LpAftermath *aftermath)
{
  LpGrant *grant = g_atomic_pointer_get (&priv->grant);

  aftermath->load_changed = grant == NULL;
  if (grant != NULL && g_atomic_int_get (&priv->pool->list_wanted))
    aftermath->grant = lp_grant_ref (grant);
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
  if (aftermath->load_changed)
    lp_slot_load_changed (priv->slot, &actions);
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
static void
return_locked (LpExecutor *self, LpJob *job, LpOutcome *outcome, LpAftermath *aftermath)
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
  if (!occupies (job->place))
    return;

  lp_executor_move_locked (priv, job, LP_PLACE_NONE);
  aftermath->gone = TRUE;
  aftermath->disarm = job->armed;
  note_load_locked (priv, aftermath);
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
  note_load_locked (priv, aftermath);
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
static void
review_inbox_locked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  if (priv->inbox_open && !priv->ops->is_attended_locked (self))
    lp_executor_close_inbox_locked (priv);
}

/* There is a job in the queue if there is any. */
static void
fill_locked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  review_inbox_locked (self);
  if (priv->queued.length == 0)
    lp_executor_take_in_locked (priv);
}

/* Takes the next job if it may. NOW: 0 if the clock was not read. */
static LpJob *
claim_at_locked (LpExecutor *self, gint64 now)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpJob *job;

  fill_locked (self);

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

static LpJob *
claim_to_run_at_locked (LpExecutor *self, gint64 now)
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
  return claim_to_run_at_locked (self, 0);
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
  return claim_to_run_at_locked (self, aftermath->ended ? job->ended_at : 0);
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
  return_locked (self, job, &outcome, &aftermath);
  next = aftermath.awaited ? NULL : claim_next_locked (self, job, &aftermath);
  if (aftermath.awaited)
    review_inbox_locked (self);
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

  fill_locked (self);
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
  returns = occupies (job->place);
  if (returns)
    {
      gboolean goes_on = goes_on_locked (self, job);

      return_locked (self, job, outcome, &aftermath);
      if (goes_on)
        *next = claim_next_locked (self, job, &aftermath);
      else
        {
          aftermath.gone = FALSE;
          priv->n_returning++;
          review_inbox_locked (self);
        }
    }
  g_mutex_unlock (&priv->lock);

  if (returns)
    lp_aftermath_run (self, &aftermath);

  return returns;
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
      gboolean told = priv->all_told && lp_job_get_interrupt (job) != LP_INTERRUPT_NONE;

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
    return_locked (self, job, outcome, aftermath);
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
load_changed_cb (gpointer data, gpointer more)
{
  g_autoptr (LpExecutor) self = data;
  LpActions actions = LP_ACTIONS_INIT;

  lp_slot_load_changed (lp_executor_get_private (self)->slot, &actions);
  lp_actions_run (&actions);
}

/* The same on a thread that must not run anything foreign, such as what a pool decides
 * may bring: that is left to the service thread, after the job has been told. */
void
lp_executor_job_read (LpExecutor *self, LpJob *job, LpOutcome *outcome)
{
  LpAftermath aftermath;
  gboolean load_changed;

  return_job (self, job, outcome, FALSE, &aftermath);
  load_changed = aftermath.load_changed;
  aftermath.load_changed = FALSE;
  lp_aftermath_run (self, &aftermath);
  if (load_changed)
    lp_slot_post_object (lp_executor_get_private (self)->slot, load_changed_cb, G_OBJECT (self));
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

/* The function returned without an end: its thread is free, its slot is not, unless the
 * job has ended meanwhile. */
void
lp_executor_job_deferred (LpExecutor *self, LpJob *job)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  LpAftermath aftermath = { .job = job };

  lp_executor_lock_queue (self);
  job->detached = TRUE;
  if (job->place == LP_PLACE_GIVEN || job->place == LP_PLACE_STUCK)
    {
      lp_executor_move_locked (priv, job, LP_PLACE_NONE);
      aftermath.gone = TRUE;
      aftermath.disarm = job->armed;
      aftermath.load_changed = g_atomic_pointer_get (&priv->grant) == NULL;
      aftermath.wake = priv->queued.length > 0 && priv->ops->kick_locked (self);
    }
  g_mutex_unlock (&priv->lock);

  if (aftermath.gone)
    lp_aftermath_run (self, &aftermath);
}
