/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What can be asked of a job. */

#include "config.h"

#include "lp-job-private.h"

#include "lp-executor-private.h"
#include "lp-pool-private.h"

/**
 * lp_job_get_name:
 * @self: a job
 *
 * Gets the name of the function of a call.
 *
 * Returns: (nullable): the name, %NULL unless it is a call
 *
 * Since: 1.0
 */
const char *
lp_job_get_name (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  return self->name;
}

/**
 * lp_job_get_parameters:
 * @self: a job
 *
 * Gets the parameters of a call.
 *
 * Returns: (transfer none) (nullable): the parameters
 *
 * Since: 1.0
 */
GVariant *
lp_job_get_parameters (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  return self->parameters;
}

/**
 * lp_job_get_argv:
 * @self: a job
 *
 * Gets the program and arguments of a command.
 *
 * Returns: (array zero-terminated=1) (element-type filename) (transfer none) (nullable): the argv, %NULL unless it
 *   is a command
 *
 * Since: 1.0
 */
const char * const *
lp_job_get_argv (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  return (const char * const *) self->argv;
}

/**
 * lp_job_get_input:
 * @self: a job
 *
 * Gets what a command reads from its standard input.
 *
 * Returns: (transfer none) (nullable): the input
 *
 * Since: 1.0
 */
GBytes *
lp_job_get_input (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  return self->input;
}

/**
 * lp_job_get_timeout_seconds:
 * @self: a job
 *
 * Gets how long the job may run.
 *
 * Returns: seconds from the start of the job; 0: no time-out
 *
 * Since: 1.0
 */
double
lp_job_get_timeout_seconds (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), 0);

  return self->timeout_seconds;
}

/**
 * lp_job_set_timeout_seconds:
 * @self: a job that has not been submitted
 * @timeout_seconds: seconds from the start of the job; 0: no time-out
 *
 * Sets how long the job may run. When the time is over, its cancellable fires;
 * it ends with %G_IO_ERROR_TIMED_OUT when its function returns an error, or the
 * cancel-grace-seconds of the manager later.
 *
 * Any value but a finite one >= 0 is refused by the submit. To be called by the
 * thread that submits the job, or before it has it.
 *
 * Since: 1.0
 */
void
lp_job_set_timeout_seconds (LpJob *self, double timeout_seconds)
{
  g_return_if_fail (LP_IS_JOB (self));
  g_return_if_fail (lp_job_peek_state (self) == LP_JOB_STATE_NEW && !g_atomic_int_get (&self->submitted));

  if (self->timeout_seconds == timeout_seconds)
    return;

  self->timeout_seconds = timeout_seconds;
  g_object_notify (G_OBJECT (self), "timeout-seconds");
}

/* For who may read what the submit has set. */
const char *
lp_job_peek_owner (LpJob *self)
{
  return self->grant != NULL ? self->grant->owner : NULL;
}

/**
 * lp_job_get_owner:
 * @self: a job
 *
 * Gets the owner of the lease the job was submitted to; %NULL before that, or
 * if the lease has none.
 *
 * Returns: (nullable): the owner
 *
 * Since: 1.0
 */
const char *
lp_job_get_owner (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  return lp_job_was_accepted (self) && !lp_job_is_held (self) ? lp_job_peek_owner (self) : NULL;
}

/**
 * lp_job_get_state:
 * @self: a job
 *
 * Gets what has become of the job.
 *
 * Returns: the state
 *
 * Since: 1.0
 */
LpJobState
lp_job_get_state (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), LP_JOB_STATE_NEW);

  return lp_job_peek_state (self);
}

/**
 * lp_job_get_progress:
 * @self: a job
 *
 * Gets what was last set with [method@Lp.Job.set_progress].
 *
 * Returns: from 0 to 1, or -1 if it is not known
 *
 * Since: 1.0
 */
double
lp_job_get_progress (LpJob *self)
{
  double progress;

  g_return_val_if_fail (LP_IS_JOB (self), -1);

  g_mutex_lock (&self->lock);
  progress = self->progress;
  g_mutex_unlock (&self->lock);

  return progress;
}

/**
 * lp_job_dup_status:
 * @self: a job
 *
 * Gets what was last set with [method@Lp.Job.set_progress].
 *
 * Returns: (transfer full) (nullable): the status
 *
 * Since: 1.0
 */
char *
lp_job_dup_status (LpJob *self)
{
  char *status;

  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  g_mutex_lock (&self->lock);
  status = g_strdup (self->status);
  g_mutex_unlock (&self->lock);

  return status;
}

/* The two times that the executor's lock guards. */
static gint64
get_executor_time (LpJob *self, const gint64 *time)
{
  gint64 value;

  if (self->worker != NULL)
    return *time; /* as it was when the job was made */
  /* An executor may have it from here on: then only the other time is constant. */
  if (lp_job_is_held (self))
    return time == &self->queued_at ? *time : 0;
  if (!lp_job_was_accepted (self) || lp_pool_is_forked (self->pool))
    return 0;

  lp_executor_lock_queue (self->executor);
  value = *time;
  g_mutex_unlock (lp_executor_get_lock (self->executor));

  return value;
}

/**
 * lp_job_get_queued_at:
 * @self: a job
 *
 * Gets when the job was submitted.
 *
 * Returns: monotonic microseconds; 0: not yet
 *
 * Since: 1.0
 */
gint64
lp_job_get_queued_at (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), 0);

  return get_executor_time (self, &self->queued_at);
}

/**
 * lp_job_get_started_at:
 * @self: a job
 *
 * Gets when the job began to run.
 *
 * Returns: monotonic microseconds; 0: not yet
 *
 * Since: 1.0
 */
gint64
lp_job_get_started_at (LpJob *self)
{
  g_return_val_if_fail (LP_IS_JOB (self), 0);

  return get_executor_time (self, &self->started_at);
}

/**
 * lp_job_get_ended_at:
 * @self: a job
 *
 * Gets when the job ended.
 *
 * Returns: monotonic microseconds; 0: not yet
 *
 * Since: 1.0
 */
gint64
lp_job_get_ended_at (LpJob *self)
{
  gint64 ended_at;

  g_return_val_if_fail (LP_IS_JOB (self), 0);

  g_mutex_lock (&self->lock);
  ended_at = self->ended_at;
  g_mutex_unlock (&self->lock);

  return ended_at;
}

/**
 * lp_job_dup_result:
 * @self: a job
 *
 * Gets the value a job has succeeded with.
 *
 * Returns: (transfer full) (nullable): the result, %NULL if the job has not ended or has failed
 *
 * Since: 1.0
 */
GVariant *
lp_job_dup_result (LpJob *self)
{
  GVariant *result = NULL;

  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  g_mutex_lock (&self->lock);
  if (lp_job_peek_state (self) == LP_JOB_STATE_SUCCEEDED)
    result = lp_job_ref_result (self);
  g_mutex_unlock (&self->lock);

  return result;
}

/**
 * lp_job_dup_error:
 * @self: a job
 *
 * Gets the error a job has failed with or was cancelled with.
 *
 * Returns: (transfer full) (nullable): the error, %NULL if the job has not ended or has succeeded
 *
 * Since: 1.0
 */
GError *
lp_job_dup_error (LpJob *self)
{
  GError *error = NULL;

  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  g_mutex_lock (&self->lock);
  if (self->error != NULL)
    error = g_error_copy (self->error);
  g_mutex_unlock (&self->lock);

  return error;
}
