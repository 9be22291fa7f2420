/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How work gets from a lease to its executor. */

#include "config.h"

#include "lp-lease-private.h"

#include "lp-functions-private.h"
#include "lp-pool-private.h"

/* A name is resolved where there is a table: on threads always, elsewhere the
 * executor may know functions that this process does not. */
static gboolean
resolve_function (LpGrant *grant, LpJob *job, GError **error)
{
  LpExecutorPrivate *executor = lp_executor_get_private (grant->executor);
  LpFunctions *functions = executor->functions;
  const LpExecutorOps *ops = executor->ops;

  if (job->kind == LP_JOB_CALL && functions != NULL)
    job->function = lp_functions_ref_function (functions, job->name);

  if (job->function != NULL)
    return lp_function_check_parameters (job->function->parameter_type, job->name, job->parameters, error);
  if (ops->check_job != NULL)
    return ops->check_job (grant->executor, job, error);
  if (job->kind != LP_JOB_CALL || (functions == NULL && !ops->holds_threads))
    return TRUE;

  lp_log_set_error (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION,
                    "There is no function called “%s” in the functions of the manager", job->name);
  return FALSE;
}

/* Accepted, neither is touched any more: the job may be what drops the last reference
 * of its lease, and with it that of the grant. */
static gboolean
enqueue (LpGrant *grant, LpJob *job, GError **error)
{
  GError *local_error = NULL;

  job->grant = lp_grant_ref (grant);
  job->executor = grant->executor;
  if (job->pool == NULL)        /* else it is held for this pool */
    job->pool = grant->pool;

  if (lp_executor_enqueue (grant->executor, grant, job, &local_error))
    return TRUE;

  if (local_error != NULL)
    g_propagate_error (error, local_error);
  else if (lp_grant_check (grant, lp_clock_now (), error))
    g_set_error_literal (error, LP_ERROR, LP_ERROR_EXPIRED, "The lease takes no more jobs");

  return FALSE;
}

/* Submits a job that was claimed for it; refused, it is to be unclaimed. With no
 * lock held. */
gboolean
lp_grant_accept (LpGrant *grant, LpJob *job, GError **error)
{
  return resolve_function (grant, job, error) && enqueue (grant, job, error);
}

static gboolean
claim_job (gpointer lease, LpJob *job, GError **error)
{
  /* Before anything of the pool is touched. */
  return lp_lease_check_grant (lease, error) && lp_job_claim_for_submit (job, error);
}

static gboolean
accept_job (gpointer lease, LpJob *job, GError **error)
{
  return lp_grant_accept (lp_lease_get_grant (lease), job, error);
}

static const LpJobSubmitOps ops = { claim_job, accept_job };

/**
 * lp_lease_submit:
 * @self: a lease
 * @job: a job that was not submitted before
 * @error: return location for a #GError
 *
 * Accepts a job and returns: it runs when a worker of the executor is free, in
 * the order of the submissions. Keep the job to wait for it. A refused job is
 * as new.
 *
 * Fails with %LP_ERROR_EXPIRED unless the lease is active (one past its hard
 * expiry is revoked by this); with %LP_ERROR_NOT_STARTED while the manager
 * stops or in a forked process; with %LP_ERROR_QUEUE_FULL if max-queued-jobs of
 * the lease have not started, those included that a worker is about to take;
 * with %LP_ERROR_UNKNOWN_FUNCTION if there is no function of its name; with
 * %LP_ERROR_NOT_SUPPORTED for a function of the program if the workers are
 * processes; with %LP_ERROR_INVALID_ARGUMENT if the job was submitted before, if
 * it was made without a function, a name and an argv, if its parameters are not
 * of the type the function declares, or if its time-out is not finite and >= 0;
 * with %G_IO_ERROR_CANCELLED if it was cancelled before.
 *
 * Returns: whether the job was accepted
 *
 * Since: 1.0
 */
gboolean
lp_lease_submit (LpLease *self, LpJob *job, GError **error)
{
  g_return_val_if_fail (LP_IS_LEASE (self), FALSE);
  g_return_val_if_fail (LP_IS_JOB (job), FALSE);

  return lp_job_submit (job, &ops, self, NULL, NULL, error);
}

/**
 * lp_lease_submit_async:
 * @self: a lease
 * @job: a job that was not submitted before
 * @cancellable: (nullable): cancels the job
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the job has ended or was refused
 * @user_data: data for @callback
 *
 * Submits a job and waits for its end. The result that @callback is given is
 * @job itself, unless that was refused. @self is held until @callback has
 * returned; without one it is not held.
 *
 * Since: 1.0
 */
void
lp_lease_submit_async (LpLease *self, LpJob *job, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_return_if_fail (LP_IS_LEASE (self));
  g_return_if_fail (LP_IS_JOB (job));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  lp_job_submit_and_tell (job, &ops, self, lp_lease_submit_async, cancellable, callback, user_data);
}

/**
 * lp_lease_submit_finish:
 * @self: a lease
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Lease.submit_async].
 *
 * Fails with the errors of [method@Lp.Lease.submit] if the job was refused, and
 * with the error of the job if it failed or was cancelled: its own, or
 * %G_IO_ERROR_CANCELLED, %G_IO_ERROR_TIMED_OUT, %LP_ERROR_BROKEN_EXECUTOR.
 *
 * Returns: (transfer full): the result of the job
 *
 * Since: 1.0
 */
GVariant *
lp_lease_submit_finish (LpLease *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_LEASE (self), NULL);

  return lp_job_finish (self, lp_lease_submit_async, result, error);
}

/**
 * lp_lease_call_async:
 * @self: a lease
 * @name: the name of a function
 * @parameters: (nullable): its parameters; a floating value is consumed, also
 *   when the call is refused
 * @cancellable: (nullable): cancels the job
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the job has ended or was refused
 * @user_data: data for @callback
 *
 * Calls a named function on the executor. The same as
 * [method@Lp.Lease.submit_async] with a job of [ctor@Lp.Job.new_for_call].
 *
 * Since: 1.0
 */
void
lp_lease_call_async (LpLease *self, const char *name, GVariant *parameters, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (LpJob) job = NULL;

  g_return_if_fail (LP_IS_LEASE (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  job = lp_job_new_for_call (name, parameters);
  lp_job_submit_and_tell (job, &ops, self, lp_lease_call_async, cancellable, callback, user_data);
}

/**
 * lp_lease_call_finish:
 * @self: a lease
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Lease.call_async]. Fails as
 * [method@Lp.Lease.submit_finish] does.
 *
 * Returns: (transfer full): the result of the function
 *
 * Since: 1.0
 */
GVariant *
lp_lease_call_finish (LpLease *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_LEASE (self), NULL);

  return lp_job_finish (self, lp_lease_call_async, result, error);
}

/* A function that ran has returned through its task; one that never did cannot. */
static void
task_job_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_finish (source, lp_lease_run_task, result, &error);

  if (value == NULL && lp_job_get_started_at (LP_JOB (result)) == 0)
    g_task_return_error (G_TASK (source), g_steal_pointer (&error));
}

/**
 * lp_lease_run_task: (skip)
 * @self: a lease
 * @task: a task
 * @func: the function to run
 *
 * Runs a function of a task on the executor: the drop-in for
 * [method@Gio.Task.run_in_thread]. @func returns through the task; it is given
 * the cancellable of the job, which fires when that of the task does, when the
 * lease is revoked, and when the manager stops. If the job is refused, or
 * cancelled before it started, the task returns the error; see
 * [method@Lp.Lease.submit] for those.
 *
 * The task is returned by @func alone once that has started, however long it
 * takes, so @func has to return through it in any case. As its model does, but
 * for [method@Gio.Task.set_return_on_cancel], which has no effect on a task that
 * GIO does not run on a thread of its own: cancelled, the task returns when
 * @func does. A @func that switches it off is told %TRUE, that nobody learns of
 * the cancel before it returns, and that is so.
 *
 * An executor of a class of one's own refuses it: the task returns
 * %LP_ERROR_NOT_SUPPORTED.
 *
 * Since: 1.0
 */
void
lp_lease_run_task (LpLease *self, GTask *task, GTaskThreadFunc func)
{
  g_autoptr (LpJob) job = NULL;
  LpJobCallback callback;
  GError *error = NULL;

  g_return_if_fail (LP_IS_LEASE (self));
  g_return_if_fail (G_IS_TASK (task));
  g_return_if_fail (func != NULL);

  if (!lp_lease_check_grant (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  if (!lp_executor_get_ops (lp_lease_get_grant (self)->executor)->holds_threads)
    {
      g_task_return_new_error (task, LP_ERROR, LP_ERROR_NOT_SUPPORTED,
                               "The function of a task needs an executor of threads");
      return;
    }

  job = lp_job_new_for_task (task, func);
  callback = (LpJobCallback) { g_task_get_context (task), task, lp_lease_run_task, task_job_ended_cb, NULL };
  if (!lp_job_submit (job, &ops, self, &callback, g_task_get_cancellable (task), &error))
    g_task_return_error (task, error);
}
