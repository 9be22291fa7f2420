/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The jobs of a worker process, and the loop that runs them. */

#include "config.h"

#include "lp-worker-private.h"

#include <stdlib.h>
#include <unistd.h>

#include "lp-clock-private.h"
#include "lp-functions-private.h"
#include "lp-log-private.h"
#include "lp-service-private.h"

/* Batches of jobs do not starve the sources of the program. */
#define MAX_TIME_WITHOUT_ITERATION (5 * G_TIME_SPAN_MILLISECOND)

LpWorkerCall *
lp_worker_call_ref (LpWorkerCall *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
lp_worker_call_unref (LpWorkerCall *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->parameters, g_variant_unref);
  g_clear_object (&self->job);
  g_free (self);
}

/* FALSE: the job has ended, or an outcome already. */
static gboolean
give (LpWorker *self, LpJob *job, LpOutcome *outcome)
{
  gboolean taken;

  lp_worker_lock (self);
  taken = self->current != NULL && self->current->job == job && !self->given;
  if (taken)
    {
      self->given = TRUE;
      self->outcome = *outcome;
      *outcome = (LpOutcome) { NULL, NULL };
    }
  lp_worker_unlock (self);

  return taken;
}

/* Any thread: a deferred job ends. The main thread sends it. */
void
lp_worker_job_given (LpWorker *self, LpJob *job, LpOutcome *outcome)
{
  if (give (self, job, outcome))
    g_main_context_wakeup (NULL);
}

/* Any thread. STATUS is NULL: as before. */
void
lp_worker_job_progress (LpWorker *self, LpJob *job, double progress, const char *status)
{
  char *text = status != NULL ? lp_worker_dup_text (status, -1, LP_WORKER_MIN_BODY / 2) : NULL;
  gboolean first = FALSE;

  lp_worker_lock (self);
  if (self->current != NULL && self->current->job == job)
    {
      first = !self->has_progress;
      self->has_progress = TRUE;
      self->progress = progress;
      if (text != NULL)
        {
          g_free (self->status);
          self->status = g_steal_pointer (&text);
        }
    }
  lp_worker_unlock (self);

  if (first)
    lp_worker_wake_io (self);
  g_free (text);
}

/* Its own function has cancelled it: the manager is to treat it so. */
void
lp_worker_job_cancelled (LpWorker *self, LpJob *job)
{
  lp_worker_lock (self);
  if (self->current != NULL && self->current->job == job)
    {
      lp_channel_send (self->channel, LP_FRAME_CANCEL, self->current->id, NULL, NULL);
      lp_worker_flush_locked (self);
    }
  lp_worker_unlock (self);
}

static LpJob *
make_job (LpWorker *self, LpWorkerCall *call)
{
  LpJob *job = lp_job_new_for_call (call->name, call->parameters);

  job->worker = self;
  job->function = lp_functions_ref_function (self->functions, call->name);
  job->submitted = TRUE;
  job->state = LP_JOB_STATE_RUNNING;
  job->queued_at = job->started_at = lp_clock_now ();
  g_clear_pointer (&call->parameters, g_variant_unref);

  return job;
}

/* From here on others know the job. */
static void
publish_job (LpWorker *self, LpWorkerCall *call, LpJob *job)
{
  gboolean cancelled;

  lp_worker_lock (self);
  call->job = job;
  cancelled = call->cancelled;
  lp_worker_unlock (self);

  if (cancelled)
    lp_job_mark_interrupted (job, LP_INTERRUPT_CANCEL);
}

static gboolean
check_call (LpJob *job, GError **error)
{
  if (job->function != NULL)
    return lp_function_check_parameters (job->function->parameter_type, job->name, job->parameters, error);

  lp_log_set_error (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION, "There is no function called “%s” in the worker",
                    job->name);
  return FALSE;
}

/* Runs the function of CALL. FALSE: it gives its outcome later. */
static gboolean
run_call (LpWorker *self, LpWorkerCall *call, LpOutcome *outcome)
{
  LpJob *job = make_job (self, call);

  publish_job (self, call, job);
  return !check_call (job, &outcome->error) || lp_job_run (job, outcome);
}

/* Its waiters, should there be any, are told here as they are there. OUTCOME is taken. */
static void
end_job (LpJob *job, LpOutcome *outcome)
{
  GQueue waiters = G_QUEUE_INIT;

  lp_job_end (job, outcome, FALSE, &waiters);
  lp_job_tell (job, &waiters);
  lp_outcome_clear (outcome);
}

/* --- The loop --- */

static void
start_next_locked (LpWorker *self)
{
  GList *link = g_queue_pop_head_link (&self->calls);

  self->current = link != NULL ? link->data : NULL;
  if (self->current != NULL)
    lp_channel_send (self->channel, LP_FRAME_STARTED, self->current->id, NULL, NULL);
}

/* Ends the current job and begins the next one in the same write, unless the
 * main context is to have its turn in between. RETURNED, taken: what its function
 * returned; what was given before stands. */
static void
finish_current (LpWorker *self, LpOutcome *returned, gboolean begin_next)
{
  LpWorkerCall *call = self->current;
  LpOutcome outcome;

  lp_worker_lock (self);
  if (!self->given)
    {
      self->outcome = *returned;
      *returned = (LpOutcome) { NULL, NULL };
    }
  outcome = self->outcome;
  lp_worker_send_outcome_locked (self, call, &outcome);
  self->outcome = (LpOutcome) { NULL, NULL };
  self->given = FALSE;
  self->current = NULL;
  if (begin_next)
    start_next_locked (self);
  lp_worker_flush_locked (self);
  lp_worker_unlock (self);

  end_job (call->job, &outcome);
  lp_outcome_clear (returned);
  lp_worker_call_unref (call);
}

void
lp_worker_iterate (LpWorker *self, gboolean may_block)
{
  g_main_context_iteration (NULL, may_block);
  self->iterated_at = g_get_monotonic_time ();
}

static gboolean
is_iteration_due (LpWorker *self)
{
  return g_get_monotonic_time () - self->iterated_at > MAX_TIME_WITHOUT_ITERATION;
}

/* Most functions end before the manager could do anything with the news that they began, which is said with their end
 * then: one write, and one wake-up there. */
static gboolean
begin_call (LpWorker *self)
{
  gboolean begun;

  lp_worker_lock (self);
  start_next_locked (self);
  begun = self->current != NULL;
  if (begun && !lp_worker_flushes_soon_locked (self))
    lp_worker_flush_locked (self);
  lp_worker_unlock (self);

  return begun;
}

static gboolean
is_given (LpWorker *self)
{
  gboolean given;

  lp_worker_lock (self);
  given = self->given;
  lp_worker_unlock (self);

  return given;
}

static gboolean
is_over (LpWorker *self)
{
  gboolean over;

  lp_worker_lock (self);
  over = lp_worker_is_done_locked (self);
  lp_worker_unlock (self);

  return over;
}

/* Runs all calls until the manager says goodbye. */
void
lp_worker_serve (LpWorker *self)
{
  while (self->current != NULL || !is_over (self))
    {
      LpOutcome returned = { NULL, NULL };
      gboolean ended;

      if (self->current == NULL && !begin_call (self))
        {
          /* A call that comes now wakes it. */
          lp_worker_iterate (self, TRUE);
          continue;
        }

      ended = run_call (self, self->current, &returned);
      /* The function forked, and the child came back, too: the stream is not its. */
      if (lp_fork_generation () != self->fork_generation)
        _exit (EXIT_FAILURE);
      while (!ended && !is_given (self))
        lp_worker_iterate (self, TRUE);

      if (is_iteration_due (self))
        {
          finish_current (self, &returned, FALSE);
          lp_worker_iterate (self, FALSE);
        }
      else
        finish_current (self, &returned, TRUE);
    }
}
