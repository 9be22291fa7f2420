/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Start and stop, as the owner asks for them. */

#include "config.h"

#include <math.h>

#include "lp-manager-private.h"

static gboolean
check_owner (LpManager *self, const char *what, GError **error)
{
  if (lp_pool_is_forked (self->pool))
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED,
                           "The manager belongs to the parent of this forked process; make one after the fork");
      return FALSE;
    }

  return lp_pool_check_owner (self->pool, what, error);
}

/**
 * lp_manager_validate:
 * @self: a manager
 * @error: return location for a #GError
 *
 * Checks the settings, as the start does. It may be called at any time before
 * the start, from the thread that sets the manager up.
 *
 * Fails with %LP_ERROR_INVALID_ARGUMENT for a value that breaks its rule, with
 * a message that names the property, the value and the rule, and with
 * %LP_ERROR_UNSUPPORTED_BACKEND for a backend that nobody provides.
 *
 * Returns: whether the manager can be started with its settings
 *
 * Since: 1.0
 */
gboolean
lp_manager_validate (LpManager *self, GError **error)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);

  return lp_settings_validate (self->settings, error);
}

static void
start_cancelled_cb (LpCompletion *completion, gpointer data)
{
  LpManager *self = data;

  lp_pool_abort_start (self->pool, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                                        "The start of the manager was cancelled"));
}

static gboolean
begin_start (LpManager *self, LpCompletion *completion, GCancellable *cancellable, GError **error)
{
  g_autoptr (LpSettings) settings = NULL;

  if (g_cancellable_set_error_if_cancelled (cancellable, error) || !check_owner (self, "start", error))
    return FALSE;

  if (lp_pool_get_state (self->pool) == LP_POOL_STOPPED)
    {
      if (!lp_settings_validate (self->settings, error))
        return FALSE;

      lp_manager_call_size_func (self);
    }

  /* The size provider may have cancelled. */
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  settings = lp_settings_copy (self->settings);
  lp_completion_watch (completion, cancellable, start_cancelled_cb, g_object_ref (self), g_object_unref);
  lp_pool_start (self->pool, settings, lp_manager_get_size (self), completion);

  /* Between the watch and the start there was nothing to abort. */
  if (g_cancellable_is_cancelled (cancellable))
    start_cancelled_cb (completion, self);

  return TRUE;
}

/**
 * lp_manager_start_async:
 * @self: a manager
 * @cancellable: (nullable): a cancellable; cancelling it undoes the start, also
 *   for those that wait with it
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the manager runs, or when the start has failed and is undone
 * @user_data: data for @callback
 *
 * Starts the manager. The thread-default main context of the caller becomes its
 * owner context: signals, notifications and the size provider come there, and
 * stop must be called there; a thread without one counts as having the global
 * default one. Starting a manager that runs does nothing;
 * starting one that is being started waits with the first.
 *
 * Since: 1.0
 */
void
lp_manager_start_async (LpManager *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  LpCompletion *completion;
  GError *error = NULL;

  g_return_if_fail (LP_IS_MANAGER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = lp_completion_new (self, lp_manager_start_async, cancellable, callback, user_data);
  if (!begin_start (self, completion, cancellable, &error))
    lp_completion_fail (completion, error);
}

/**
 * lp_manager_start_finish:
 * @self: a manager
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Manager.start_async].
 *
 * Fails with the errors of [method@Lp.Manager.validate]; with
 * %LP_ERROR_WRONG_CONTEXT if the manager runs under another thread-default main
 * context; with %LP_ERROR_UNAVAILABLE if it is still stopping, or if functions
 * of the last run that do not return leave too few places; with
 * %LP_ERROR_START_FAILED if an executor does not start, its init function fails
 * or the service thread cannot be started; with %LP_ERROR_UNKNOWN_FUNCTION if
 * there is no worker-init-function of its name; with %LP_ERROR_NOT_STARTED if it
 * was stopped meanwhile or the process was forked; with %G_IO_ERROR_CANCELLED.
 * Nothing is left behind then.
 *
 * Returns: whether the manager runs, with all executors that are desired
 *
 * Since: 1.0
 */
gboolean
lp_manager_start_finish (LpManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_manager_start_async), FALSE);

  return lp_completion_propagate (LP_COMPLETION (result), error) != NULL;
}

/**
 * lp_manager_start:
 * @self: a manager
 * @cancellable: (nullable): a cancellable
 * @error: return location for a #GError
 *
 * Starts the manager and blocks until it runs. No main loop needs to run. See
 * [method@Lp.Manager.start_async] for what it does, and
 * [method@Lp.Manager.start_finish] for its errors.
 *
 * Returns: whether the manager runs, with all executors that are desired
 *
 * Since: 1.0
 */
gboolean
lp_manager_start (LpManager *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (LpCompletion) completion = NULL;
  GError *local_error = NULL;

  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  completion = lp_completion_new_blocking ();
  lp_pool_block (self->pool);
  if (!begin_start (self, g_object_ref (completion), cancellable, &local_error))
    lp_completion_fail (completion, local_error);
  lp_pool_wait (self->pool, completion);

  return lp_completion_propagate (completion, error) != NULL;
}

static gboolean
check_stop (LpManager *self, LpStopMode mode, double timeout_seconds, GError **error)
{
  if (!check_owner (self, "stop", error) || !lp_stop_mode_check (mode, error))
    return FALSE;
  if (timeout_seconds == -1 || (timeout_seconds >= 0 && isfinite (timeout_seconds)))
    return TRUE;

  g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
               "timeout-seconds is %g, but must be -1 or finite and >= 0", timeout_seconds);
  return FALSE;
}

/**
 * lp_manager_stop_async:
 * @self: a manager
 * @mode: how to stop
 * @timeout_seconds: seconds after which a stop with %LP_STOP_MODE_DRAIN becomes
 *   one with %LP_STOP_MODE_CANCEL, or one with %LP_STOP_MODE_CANCEL one with
 *   %LP_STOP_MODE_KILL; -1: never
 * @cancellable: (nullable): ends the wait, not the stop
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when everything has ended
 * @user_data: data for @callback
 *
 * Stops the manager. From the call on acquires and submissions fail with
 * %LP_ERROR_NOT_STARTED, and so do the acquires that wait.
 *
 * %LP_STOP_MODE_DRAIN waits for the accepted jobs. %LP_STOP_MODE_CANCEL cancels
 * queued and running jobs and waits for the latter for as long as the
 * cancel-grace-seconds. %LP_STOP_MODE_KILL does not wait. Functions that do not
 * return even then stay quarantined; the stop does not wait for them. Leases
 * become %LP_LEASE_STATE_STOPPED. A second stop may only make the first harder
 * or its time-out sooner; both complete together. Stopping a manager that does
 * not run does nothing. After a stop it can be started again.
 *
 * Since: 1.0
 */
void
lp_manager_stop_async (LpManager *self, LpStopMode mode, double timeout_seconds, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  LpCompletion *completion;
  GError *error = NULL;

  g_return_if_fail (LP_IS_MANAGER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = lp_completion_new (self, lp_manager_stop_async, cancellable, callback, user_data);
  if (!check_stop (self, mode, timeout_seconds, &error))
    {
      lp_completion_fail (completion, error);
      return;
    }

  lp_stop_watch_wait (completion, cancellable);
  lp_pool_stop (self->pool, mode, timeout_seconds, completion);
}

/**
 * lp_manager_stop_finish:
 * @self: a manager
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Manager.stop_async].
 *
 * Fails with %LP_ERROR_WRONG_CONTEXT if stop was called under another
 * thread-default main context than start; with %LP_ERROR_INVALID_ARGUMENT for
 * an unknown mode or a time-out that is neither -1 nor finite and >= 0; with
 * %LP_ERROR_NOT_STARTED in a forked process; with %G_IO_ERROR_CANCELLED if the
 * wait was cancelled.
 *
 * Returns: whether the manager has stopped
 *
 * Since: 1.0
 */
gboolean
lp_manager_stop_finish (LpManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_manager_stop_async), FALSE);

  return lp_completion_propagate (LP_COMPLETION (result), error) != NULL;
}

/**
 * lp_manager_stop:
 * @self: a manager
 * @mode: how to stop
 * @timeout_seconds: seconds after which the mode becomes the next harder one;
 *   -1: never
 * @cancellable: (nullable): ends the wait, not the stop
 * @error: return location for a #GError
 *
 * Stops the manager and blocks until everything has ended. No main loop needs
 * to run. See [method@Lp.Manager.stop_async] for what it does and
 * [method@Lp.Manager.stop_finish] for its errors; inside a job of the same
 * manager it fails with %LP_ERROR_WOULD_DEADLOCK.
 *
 * Returns: whether the manager has stopped
 *
 * Since: 1.0
 */
gboolean
lp_manager_stop (LpManager *self, LpStopMode mode, double timeout_seconds, GCancellable *cancellable, GError **error)
{
  g_autoptr (LpCompletion) completion = NULL;

  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  if (!check_stop (self, mode, timeout_seconds, error))
    return FALSE;

  if (lp_job_stack_has_pool (self->pool))
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_WOULD_DEADLOCK,
                           "A job cannot block until its own manager has stopped; use the asynchronous form");
      return FALSE;
    }

  completion = lp_completion_new_blocking ();
  lp_stop_watch_wait (completion, cancellable);
  lp_pool_block (self->pool);
  lp_pool_stop (self->pool, mode, timeout_seconds, g_object_ref (completion));
  lp_pool_wait (self->pool, completion);

  return lp_completion_propagate (completion, error) != NULL;
}
