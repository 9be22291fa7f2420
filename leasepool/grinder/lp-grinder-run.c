/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Start, stop and submit, as they are asked for. */

#include "config.h"

#include "lp-grinder-private.h"

#include "lp-job-private.h"

static gboolean
check_manager (LpGrinder *self, GError **error)
{
  if (self->grind->pool != NULL)
    return lp_pool_check_fork (self->grind->pool, error);

  g_set_error_literal (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT, "manager is NULL, but must be a manager");
  return FALSE;
}

/**
 * lp_grinder_validate:
 * @self: a grinder
 * @error: return location for a #GError
 *
 * Checks the settings, as the start does. It may be called at any time before
 * the start, from the thread that sets the grinder up.
 *
 * Fails with %LP_ERROR_INVALID_ARGUMENT for a value that breaks its rule, with
 * a message that names the property, the value and the rule.
 *
 * Returns: whether the grinder can be started with its settings
 *
 * Since: 1.0
 */
gboolean
lp_grinder_validate (LpGrinder *self, GError **error)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), FALSE);

  if (self->manager == NULL)
    return check_manager (self, error);

  return lp_grinder_settings_validate (self->settings, error);
}

static gboolean
start (LpGrinder *self, GCancellable *cancellable, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error) || !check_manager (self, error)
      || !lp_grind_check_owner (self->grind, "start", error))
    return FALSE;

  if (lp_grind_get_state (self->grind) == LP_GRIND_STOPPED && !lp_grinder_settings_validate (self->settings, error))
    return FALSE;

  return lp_grind_start (self->grind, self->settings, error);
}

/**
 * lp_grinder_start_async:
 * @self: a grinder
 * @cancellable: (nullable): a cancellable; cancelled before the call, it keeps
 *   the grinder from being started
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the grinder runs, or cannot be started
 * @user_data: data for @callback
 *
 * Starts the grinder, at once; the manager must run already. The thread-default
 * main context of the caller becomes its owner context; a thread without one
 * counts as having the global default one. Starting a grinder that runs does
 * nothing.
 *
 * Since: 1.0
 */
void
lp_grinder_start_async (LpGrinder *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  LpCompletion *completion;
  GError *error = NULL;

  g_return_if_fail (LP_IS_GRINDER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = lp_completion_new (self, lp_grinder_start_async, cancellable, callback, user_data);
  if (start (self, cancellable, &error))
    lp_completion_return (completion, GINT_TO_POINTER (TRUE), NULL);
  else
    lp_completion_fail (completion, error);
}

/**
 * lp_grinder_start_finish:
 * @self: a grinder
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Grinder.start_async].
 *
 * Fails with %LP_ERROR_INVALID_ARGUMENT as [method@Lp.Grinder.validate] does;
 * with %LP_ERROR_NOT_STARTED if the manager does not run or the process was
 * forked; with %LP_ERROR_WRONG_CONTEXT if the grinder runs under another
 * thread-default main context; with %LP_ERROR_UNAVAILABLE if it is still
 * stopping; with %G_IO_ERROR_CANCELLED.
 *
 * Returns: whether the grinder runs
 *
 * Since: 1.0
 */
gboolean
lp_grinder_start_finish (LpGrinder *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), FALSE);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_grinder_start_async), FALSE);

  return lp_completion_propagate (LP_COMPLETION (result), error) != NULL;
}

static gboolean
check_stop (LpGrinder *self, LpStopMode mode, GError **error)
{
  return check_manager (self, error) && lp_grind_check_owner (self->grind, "stop", error)
         && lp_stop_mode_check (mode, error);
}

/**
 * lp_grinder_stop_async:
 * @self: a grinder
 * @mode: how to stop
 * @cancellable: (nullable): ends the wait, not the stop
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when all items and batches have ended
 * @user_data: data for @callback
 *
 * Stops the grinder. From the call on jobs are refused with
 * %LP_ERROR_NOT_STARTED.
 *
 * %LP_STOP_MODE_DRAIN runs the items that wait, in batches that no longer wait
 * for more, and waits for all. %LP_STOP_MODE_CANCEL cancels the items that wait,
 * which end at once, acquires, and the items that run, as [method@Lp.Job.cancel]
 * does. %LP_STOP_MODE_KILL does not leave those the cancel-grace-seconds of the
 * manager. A second stop may only make the first harder; both complete together.
 * Stopping a grinder that does not run does nothing. After a stop it can be
 * started again. It may be called in any callback.
 *
 * Since: 1.0
 */
void
lp_grinder_stop_async (LpGrinder *self, LpStopMode mode, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  LpCompletion *completion;
  GError *error = NULL;

  g_return_if_fail (LP_IS_GRINDER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = lp_completion_new (self, lp_grinder_stop_async, cancellable, callback, user_data);
  if (!check_stop (self, mode, &error))
    {
      lp_completion_fail (completion, error);
      return;
    }

  lp_stop_watch_wait (completion, cancellable);
  lp_grind_stop (self->grind, mode, completion);
}

/**
 * lp_grinder_stop_finish:
 * @self: a grinder
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Grinder.stop_async].
 *
 * Fails with %LP_ERROR_WRONG_CONTEXT if stop was called under another
 * thread-default main context than start; with %LP_ERROR_INVALID_ARGUMENT for an
 * unknown mode; with %LP_ERROR_NOT_STARTED in a forked process; with
 * %G_IO_ERROR_CANCELLED if the wait was cancelled.
 *
 * Returns: whether the grinder has stopped
 *
 * Since: 1.0
 */
gboolean
lp_grinder_stop_finish (LpGrinder *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), FALSE);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_grinder_stop_async), FALSE);

  return lp_completion_propagate (LP_COMPLETION (result), error) != NULL;
}

static gboolean
claim_job (gpointer grinder, LpJob *job, GError **error)
{
  return lp_grind_claim (((LpGrinder *) grinder)->grind, job, error);
}

static gboolean
accept_job (gpointer grinder, LpJob *job, GError **error)
{
  return lp_grind_accept (((LpGrinder *) grinder)->grind, job, error);
}

static const LpJobSubmitOps ops = { claim_job, accept_job };

/**
 * lp_grinder_enqueue:
 * @self: a grinder
 * @job: a job that was not submitted before
 * @error: return location for a #GError
 *
 * Accepts a job and returns. Keep the job to wait for it, with
 * [method@Lp.Job.wait] or [method@Lp.Job.wait_async], or to cancel it. It is
 * %LP_JOB_STATE_QUEUED from now on, and has an owner as soon as it has an
 * executor. Any thread, also inside a job. A refused job is as new.
 *
 * Fails with %LP_ERROR_NOT_STARTED if the grinder does not run, is being stopped,
 * or the process was forked; with %LP_ERROR_QUEUE_FULL if max-pending items wait;
 * with %LP_ERROR_INVALID_ARGUMENT if the job was submitted before, or if its
 * time-out is not finite and >= 0; with %G_IO_ERROR_CANCELLED if it was cancelled
 * before.
 *
 * What comes later is the end of the job: an unknown function, parameters of the
 * wrong type, a function of the program on worker processes, or a lease that
 * takes no more jobs end it with the error that [method@Lp.Lease.submit] has for
 * that, and nothing happens to the other items of its batch. If there is no
 * executor for a batch, its items end with the error of
 * [method@Lp.Manager.acquire_finish].
 *
 * Returns: whether the job was accepted
 *
 * Since: 1.0
 */
gboolean
lp_grinder_enqueue (LpGrinder *self, LpJob *job, GError **error)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), FALSE);
  g_return_val_if_fail (LP_IS_JOB (job), FALSE);

  return lp_job_submit (job, &ops, self, NULL, NULL, error);
}

/**
 * lp_grinder_submit_async:
 * @self: a grinder
 * @job: a job that was not submitted before
 * @cancellable: (nullable): cancels the job
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the job has ended or was refused
 * @user_data: data for @callback
 *
 * Submits a job and waits for its end. The result that @callback is given is
 * @job itself, unless that was refused. Any thread.
 *
 * Since: 1.0
 */
void
lp_grinder_submit_async (LpGrinder *self, LpJob *job, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_return_if_fail (LP_IS_GRINDER (self));
  g_return_if_fail (LP_IS_JOB (job));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  lp_job_submit_and_tell (job, &ops, self, lp_grinder_submit_async, cancellable, callback, user_data);
}

/**
 * lp_grinder_submit_finish:
 * @self: a grinder
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Grinder.submit_async].
 *
 * Fails with the errors of [method@Lp.Grinder.enqueue] if the job was refused,
 * and with the error of the job if it failed or was cancelled: its own, or
 * %G_IO_ERROR_CANCELLED, %G_IO_ERROR_TIMED_OUT, %LP_ERROR_BROKEN_EXECUTOR, and
 * what [method@Lp.Grinder.enqueue] says of items that get no executor.
 *
 * Returns: (transfer full): the result of the job
 *
 * Since: 1.0
 */
GVariant *
lp_grinder_submit_finish (LpGrinder *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), NULL);

  return lp_job_finish (self, lp_grinder_submit_async, result, error);
}
