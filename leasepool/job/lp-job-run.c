/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A job while its function runs, and what the function may call. */

#include "config.h"

#include "lp-job-private.h"

#include <math.h>

#include "lp-clock-private.h"
#include "lp-executor-private.h"
#include "lp-pool-private.h"
#include "lp-unit-private.h"
#include "lp-worker-private.h"

/* The jobs that run on this thread, innermost first: waiting for a queued job
 * of the same executor runs it on top of the one that waits. */
typedef struct _Frame Frame;

struct _Frame
{
  LpJob *job;                   /* another one after lp_job_take_next() */
  Frame *below;
  gboolean goes_on;             /* whoever runs it expects that */
  gboolean has_ended;           /* by lp_job_take_next(): the function is to return, and has a reference */
};

static GPrivate top_frame;

LpJob *
lp_job_get_current (void)
{
  Frame *frame = g_private_get (&top_frame);

  return frame != NULL ? frame->job : NULL;
}

gboolean
lp_job_is_on_stack (LpJob *self)
{
  for (Frame *frame = g_private_get (&top_frame); frame != NULL; frame = frame->below)
    if (frame->job == self)
      return TRUE;

  return FALSE;
}

gboolean
lp_job_stack_has_pool (LpPool *pool)
{
  for (Frame *frame = g_private_get (&top_frame); frame != NULL; frame = frame->below)
    if (frame->job->pool == pool)
      return TRUE;

  return FALSE;
}

static void
run_task (LpJob *self, LpOutcome *outcome)
{
  GTask *task = self->task;

  self->task_func (task, g_task_get_source_object (task), g_task_get_task_data (task),
                   lp_job_get_cancellable (self));
  outcome->result = lp_unit_ref ();
}

static void
run_func (LpJob *self, LpOutcome *outcome)
{
  LpFunction *function = self->function;

  if (self->kind == LP_JOB_TASK)
    run_task (self, outcome);
  else if (function != NULL)
    function->func (self, &outcome->result, function->user_data, &outcome->error);
  else if (self->func != NULL)
    self->func (self, &outcome->result, self->user_data, &outcome->error);
  else
    lp_log_set_error (&outcome->error, LP_ERROR, LP_ERROR_NOT_SUPPORTED,
                      "The function “%s” is not one of this process", self->name);
}

/* Makes exactly one of result and error set, and the result of its type. */
static void
check_outcome (LpJob *self, LpOutcome *outcome)
{
  const GVariantType *type = self->function != NULL ? self->function->result_type : NULL;

  if (outcome->error != NULL)
    g_clear_pointer (&outcome->result, g_variant_unref);
  else if (outcome->result == NULL)
    lp_log_set_error (&outcome->error, LP_ERROR, LP_ERROR_FAILED,
                      "The function%s%s returned no value and set no error; “no result” is the value ()",
                      self->name != NULL ? " " : "", self->name != NULL ? self->name : "");
  else if (type != NULL && !g_variant_is_of_type (outcome->result, type))
    {
      g_autofree char *declared = g_variant_type_dup_string (type);

      lp_log_set_error (&outcome->error, LP_ERROR, LP_ERROR_FAILED,
                        "The function %s returned a value of type %s, but is declared to return %s",
                        self->name, g_variant_get_type_string (outcome->result), declared);
      g_clear_pointer (&outcome->result, g_variant_unref);
    }
}

static LpRun
run (Frame *frame, LpOutcome *outcome)
{
  gboolean deferred;

  *outcome = (LpOutcome) { NULL, NULL };

  g_atomic_int_set (&frame->job->entered, TRUE);
  g_private_set (&top_frame, frame);
  run_func (frame->job, outcome);
  g_private_set (&top_frame, frame->below);

  if (outcome->result != NULL)
    g_variant_take_ref (outcome->result);
  if (frame->has_ended)
    {
      lp_outcome_clear (outcome);
      return LP_RUN_ENDED;
    }

  g_mutex_lock (&frame->job->lock);
  deferred = frame->job->deferred;
  g_mutex_unlock (&frame->job->lock);

  if (deferred && outcome->result == NULL && outcome->error == NULL)
    return LP_RUN_DEFERRED;

  check_outcome (frame->job, outcome);
  return LP_RUN_RETURNED;
}

/* Runs the function on this thread. FALSE: it deferred its end, OUTCOME is
 * empty, and lp_job_return_value() or lp_job_return_error() comes later. */
gboolean
lp_job_run (LpJob *self, LpOutcome *outcome)
{
  Frame frame = { self, g_private_get (&top_frame), FALSE, FALSE };

  return run (&frame, outcome) == LP_RUN_RETURNED;
}

/* The same for a worker that goes on with the next job: the function may do so by
 * itself, or end its job before it returns. JOB becomes the last one that it ran. */
LpRun
lp_job_run_on (LpJob **job, LpOutcome *outcome)
{
  Frame frame = { *job, g_private_get (&top_frame), TRUE, FALSE };
  LpRun how = run (&frame, outcome);

  *job = frame.job;
  return how;
}

/* Whether the call of this job is the one of OTHER. */
gboolean
lp_job_calls_same (LpJob *self, LpJob *other)
{
  if (self->function != NULL)
    return other->function == self->function;

  return self->kind == LP_JOB_FUNC && other->kind == LP_JOB_FUNC && other->func == self->func
         && other->user_data == self->user_data;
}

/**
 * lp_job_take_next:
 * @self: the job that the calling work function runs
 * @result: its result
 *
 * Inside a work function: ends @self with @result, as if the function had
 * returned that, and goes on with the next job, if that is a call of the same
 * function with the same user data, and this worker may begin it. The function
 * runs the job that it gets as if it had been called with it.
 *
 * It is for short jobs whose function holds something that is expensive to get,
 * such as the lock of an interpreter, and for functions that tell somebody else
 * that the job has ended: whoever is told finds it so.
 *
 * If there is none, the function is to return soon, with @result; @self stays
 * valid until it has. Until then its thread does nothing else; but the lease does
 * not wait for that, and the executor may have been lent to somebody else. Only a
 * worker of an executor of threads that has no limit of jobs for each ends @self
 * here; with any other, and for a job that runs since somebody on its thread waits
 * for it, @self ends when the function returns.
 *
 * Returns: (transfer none) (nullable): the next job, valid until it is passed to
 *   this function or the work function returns; %NULL: the function is to return
 *
 * Since: 1.0
 */
LpJob *
lp_job_take_next (LpJob *self, GVariant *result)
{
  Frame *frame = g_private_get (&top_frame);
  g_autoptr (LpJob) held = NULL;
  LpOutcome outcome = { NULL, NULL };
  LpJob *next;
  gboolean returned;

  g_return_val_if_fail (LP_IS_JOB (self), NULL);
  g_return_val_if_fail (result != NULL, NULL);

  if (frame == NULL || frame->job != self || !frame->goes_on || frame->has_ended)
    return NULL;

  /* Until the frame has the other one. */
  held = g_object_ref (self);
  outcome.result = g_variant_ref (result);
  check_outcome (self, &outcome);
  returned = lp_executor_return_and_go_on (self->executor, self, &outcome, &next);
  lp_outcome_clear (&outcome);

  frame->has_ended = returned && next == NULL;
  if (next == NULL)
    return NULL;

  frame->job = next;
  lp_executor_job_begins (next->executor, next);

  return next;
}

/* Runs the init function of a worker; returns why it failed, or NULL. */
GError *
lp_job_run_init (LpFunctions *functions, const char *name, GVariant *parameters)
{
  g_autoptr (LpJob) job = lp_job_new_for_call (name, parameters);
  LpOutcome outcome = { NULL, NULL };
  GError *error = NULL;

  job->function = lp_functions_ref_function (functions, name);

  if (job->function != NULL
      && !lp_function_check_parameters (job->function->parameter_type, name, parameters, &outcome.error))
    ;
  else if (!lp_job_run (job, &outcome))
    g_set_error (&outcome.error, LP_ERROR, LP_ERROR_NOT_SUPPORTED, "a worker-init-function cannot defer its end");
  if (outcome.error != NULL)
    error = lp_log_new_error (LP_ERROR, LP_ERROR_START_FAILED, "The worker-init-function %s failed: %s", name,
                              outcome.error->message);

  lp_outcome_clear (&outcome);
  return error;
}

/**
 * lp_job_defer:
 * @self: the job that the calling function was given
 *
 * Inside a work function: the job does not end when the function returns
 * without a value and an error, but when [method@Lp.Job.return_value] or
 * [method@Lp.Job.return_error] is called, from any thread, before or after.
 * Until then it occupies its worker slot, but not the thread.
 *
 * Since: 1.0
 */
void
lp_job_defer (LpJob *self)
{
  g_return_if_fail (LP_IS_JOB (self));

  g_mutex_lock (&self->lock);
  self->deferred = TRUE;
  g_mutex_unlock (&self->lock);
}

static void
give_outcome (LpJob *self, LpOutcome *outcome)
{
  if (self->worker != NULL)
    {
      check_outcome (self, outcome);
      lp_worker_job_given (self->worker, self, outcome);
    }
  else if (!lp_job_was_accepted (self) || lp_job_is_held (self))
    g_critical ("lp_job_return_value() or lp_job_return_error() was called for a job that no executor has begun");
  else
    {
      check_outcome (self, outcome);
      lp_executor_job_given (self->executor, self, outcome);
    }

  lp_outcome_clear (outcome);
}

/**
 * lp_job_return_value:
 * @self: a running job
 * @result: the result; a floating one is consumed
 *
 * Ends a job with a value: for an executor, on a job it was given, and for a
 * work function that called [method@Lp.Job.defer]. It may be called from any
 * thread. If the job has ended already, the value is dropped and counted.
 *
 * The function may still run. Until it returns it occupies its worker, and a
 * lease that is released drains; at the hard expiry and at a stop its cancellable
 * fires, and it has the cancel-grace-seconds of the manager to return, as a job
 * that runs.
 *
 * Since: 1.0
 */
void
lp_job_return_value (LpJob *self, GVariant *result)
{
  LpOutcome outcome = { NULL, NULL };

  g_return_if_fail (LP_IS_JOB (self));
  g_return_if_fail (result != NULL);

  outcome.result = g_variant_ref_sink (result);
  give_outcome (self, &outcome);
}

/**
 * lp_job_return_error:
 * @self: a running job
 * @error: why the job failed
 *
 * Ends a job with an error. See [method@Lp.Job.return_value].
 *
 * Since: 1.0
 */
void
lp_job_return_error (LpJob *self, const GError *error)
{
  LpOutcome outcome = { NULL, NULL };

  g_return_if_fail (LP_IS_JOB (self));
  g_return_if_fail (error != NULL);

  outcome.error = g_error_copy (error);
  give_outcome (self, &outcome);
}

/**
 * lp_job_execute:
 * @self: a job that an executor was given
 *
 * Runs the function of the job on the calling thread and ends the job. For
 * executors whose workers are threads of their own: they call it on one of
 * those, never in [vfunc@Lp.Executor.submit] itself.
 *
 * Since: 1.0
 */
void
lp_job_execute (LpJob *self)
{
  g_autoptr (LpJob) held = NULL;
  LpOutcome outcome;

  g_return_if_fail (LP_IS_JOB (self));
  g_return_if_fail (self->executor != NULL);

  held = g_object_ref (self);
  if (lp_job_run (self, &outcome))
    {
      lp_executor_job_returned (self->executor, self, &outcome);
      lp_outcome_clear (&outcome);
    }
  else
    lp_executor_job_deferred (self->executor, self);
}

static void
notify_progress_cb (gpointer data, gpointer more)
{
  LpJob *self = data;

  g_mutex_lock (&self->lock);
  self->progress_posted = FALSE;
  g_mutex_unlock (&self->lock);

  lp_job_notify_progress (self);
  g_object_unref (self);
}

/**
 * lp_job_set_progress:
 * @self: a job
 * @progress: how much is done, from 0 to 1; -1 if it is not known
 * @status: (nullable): what is being done; %NULL keeps the last one
 *
 * Tells how far the job is. It may be called from any thread. Both values are
 * set before either notifies; the notifications come in the owner context of
 * the manager, and those that come faster than it iterates are one. A worker
 * process sends at most one every 10 milliseconds, and the last one before the
 * result.
 *
 * A @progress that is not a number is ignored with a critical.
 *
 * Since: 1.0
 */
void
lp_job_set_progress (LpJob *self, double progress, const char *status)
{
  gboolean post;

  g_return_if_fail (LP_IS_JOB (self));
  g_return_if_fail (!isnan (progress));

  g_mutex_lock (&self->lock);
  self->progress = progress;
  if (status != NULL)
    {
      g_free (self->status);
      self->status = g_utf8_make_valid (status, -1);
    }
  post = !self->progress_posted && lp_job_was_accepted (self) && self->pool != NULL
         && g_signal_handler_find (self, G_SIGNAL_MATCH_UNBLOCKED, 0, 0, NULL, NULL, NULL) != 0;
  if (post)
    self->progress_posted = TRUE;
  g_mutex_unlock (&self->lock);

  if (post)
    lp_pool_post_owner (self->pool, notify_progress_cb, g_object_ref (self), NULL);
  if (self->worker != NULL)
    lp_worker_job_progress (self->worker, self, progress, status);
}
