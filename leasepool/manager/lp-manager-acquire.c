/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What any thread may ask of a manager. */

#include "config.h"

#include "lp-manager-private.h"

#include "lp-lease-private.h"
#include "lp-request-private.h"

/* The values of REQUEST, checked. */
gboolean
lp_ask_read (LpAsk *ask, LpRequest *request, GError **error)
{
  const char *owner;

  *ask = (LpAsk) { .seconds = -1, .wait = TRUE, .timeout = -1 };

  if (request == NULL)
    return TRUE;
  if (!lp_request_validate (request, error))
    return FALSE;

  owner = lp_request_get_owner (request);
  ask->owner = owner != NULL ? g_ref_string_new (owner) : NULL;
  ask->seconds = lp_request_get_lease_seconds (request);
  ask->wait = lp_request_get_wait (request);
  ask->timeout = lp_request_get_timeout (request);
  ask->priority = lp_request_get_priority (request);

  return TRUE;
}

void
lp_ask_clear (LpAsk *ask)
{
  g_clear_pointer (&ask->owner, g_ref_string_release);
}

static LpLease *
lease_for (LpGrant *grant)
{
  return grant != NULL ? lp_lease_new (grant) : NULL;
}

/**
 * lp_manager_acquire_async:
 * @self: a manager
 * @request: (nullable): who asks, for how long, and how to wait; %NULL for the
 *   defaults. Its values are copied.
 * @cancellable: (nullable): a cancellable; an executor granted before it is
 *   seen goes to the next one that waits
 * @callback: (nullable): called in the thread-default main context of the
 *   caller
 * @user_data: data for @callback
 *
 * Acquires an executor: an idle one, or a new one if there are fewer than
 * max-pools, else the one that is the caller's turn. It may be called from any
 * thread. A lease that nobody fetches with [method@Lp.Manager.acquire_finish]
 * is given back.
 *
 * Since: 1.0
 */
void
lp_manager_acquire_async (LpManager *self, LpRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  LpCompletion *completion;
  GError *error = NULL;
  LpAsk ask;

  g_return_if_fail (LP_IS_MANAGER (self));
  g_return_if_fail (request == NULL || LP_IS_REQUEST (request));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = lp_completion_new (self, lp_manager_acquire_async, cancellable, callback, user_data);
  lp_completion_set_check (completion);

  if (g_cancellable_set_error_if_cancelled (cancellable, &error) || !lp_ask_read (&ask, request, &error))
    {
      lp_completion_fail (completion, error);
      return;
    }

  lp_pool_acquire (self->pool, &ask, completion, cancellable);
  lp_ask_clear (&ask);
}

/* A lease that passed its hard expiry on the way is none. */
static LpLease *
lease_if_alive (LpGrant *grant, GError **error)
{
  if (grant == NULL)
    return NULL;

  if (!lp_grant_check (grant, lp_clock_now (), error))
    {
      lp_grant_give_back (grant);
      return NULL;
    }

  return lp_lease_new (grant);
}

/**
 * lp_manager_acquire_finish:
 * @self: a manager
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Manager.acquire_async].
 *
 * Fails with %G_IO_ERROR_TIMED_OUT if the time-out of the request passed, the
 * message says who holds what; with %LP_ERROR_UNAVAILABLE if the request does
 * not wait and no executor can be had at once; with %LP_ERROR_QUEUE_FULL if
 * max-waiters others wait; with %LP_ERROR_NOT_STARTED if the manager does not
 * run, is stopped meanwhile, or the process was forked; with
 * %LP_ERROR_INVALID_ARGUMENT for a request that breaks its rules; with
 * %LP_ERROR_EXPIRED if the lease passed its hard expiry before it was fetched;
 * with %G_IO_ERROR_CANCELLED.
 *
 * Returns: (transfer full): a lease
 *
 * Since: 1.0
 */
LpLease *
lp_manager_acquire_finish (LpManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), NULL);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_manager_acquire_async), NULL);

  return lease_if_alive (lp_completion_propagate (LP_COMPLETION (result), error), error);
}

/**
 * lp_manager_acquire:
 * @self: a manager
 * @request: (nullable): who asks, for how long, and how to wait
 * @cancellable: (nullable): a cancellable
 * @error: return location for a #GError
 *
 * Acquires an executor and blocks the calling thread until it has it. No main
 * loop needs to run.
 *
 * Fails as [method@Lp.Manager.acquire_finish] does. Unless the executor can be
 * had at once, a request without a time-out also fails with
 * %LP_ERROR_WRONG_CONTEXT in a callback of the owner context's main loop, and
 * with %LP_ERROR_WOULD_DEADLOCK inside a job of the same manager.
 *
 * Returns: (transfer full): a lease
 *
 * Since: 1.0
 */
LpLease *
lp_manager_acquire (LpManager *self, LpRequest *request, GCancellable *cancellable, GError **error)
{
  g_autoptr (LpCompletion) completion = NULL;
  g_autoptr (GError) local_error = NULL;
  LpGrant *grant;
  LpAsk ask;

  g_return_val_if_fail (LP_IS_MANAGER (self), NULL);
  g_return_val_if_fail (request == NULL || LP_IS_REQUEST (request), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error) || !lp_ask_read (&ask, request, error))
    return NULL;

  if (ask.wait && ask.timeout < 0 && !lp_pool_may_block (self->pool, &local_error))
    {
      grant = lp_pool_try_acquire (self->pool, &ask, error);
      if (grant == NULL && error != NULL && g_error_matches (*error, LP_ERROR, LP_ERROR_UNAVAILABLE))
        {
          g_clear_error (error);
          g_propagate_error (error, g_steal_pointer (&local_error));
        }
    }
  else
    {
      completion = lp_completion_new_blocking ();
      lp_pool_acquire (self->pool, &ask, g_object_ref (completion), cancellable);
      lp_pool_wait_for (self->pool, completion, LP_TIME_NEVER);
      grant = lp_completion_propagate (completion, error);
    }

  lp_pool_reap (self->pool);
  lp_ask_clear (&ask);

  return lease_for (grant);
}

/**
 * lp_manager_try_acquire:
 * @self: a manager
 * @request: (nullable): who asks and for how long
 * @error: return location for a #GError
 *
 * Acquires an executor if one is idle, or can be started at once, as those of
 * threads can. It never blocks and may be called from any thread. An executor
 * class that has its own [vfunc@Lp.Executor.has_died] is not asked here: what it
 * has reported counts.
 *
 * Fails with %LP_ERROR_UNAVAILABLE if there is none, the message says who holds
 * what; a start that it caused goes on, so trying again helps. Fails with
 * %LP_ERROR_NOT_STARTED if the manager does not run or the process was forked,
 * and with %LP_ERROR_INVALID_ARGUMENT for a request that breaks its rules.
 *
 * Returns: (transfer full): a lease
 *
 * Since: 1.0
 */
LpLease *
lp_manager_try_acquire (LpManager *self, LpRequest *request, GError **error)
{
  LpGrant *grant;
  LpAsk ask;

  g_return_val_if_fail (LP_IS_MANAGER (self), NULL);
  g_return_val_if_fail (request == NULL || LP_IS_REQUEST (request), NULL);

  if (!lp_ask_read (&ask, request, error))
    return NULL;

  grant = lp_pool_try_acquire (self->pool, &ask, error);
  lp_ask_clear (&ask);

  return lease_for (grant);
}

/**
 * lp_manager_release:
 * @self: a manager
 * @lease_id: the id of a lease
 *
 * Releases the lease with this id, as [method@Lp.Lease.release] does. Any
 * thread.
 *
 * Returns: whether there was such a lease and it was active
 *
 * Since: 1.0
 */
gboolean
lp_manager_release (LpManager *self, const char *lease_id)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (lease_id != NULL, FALSE);

  return lp_pool_release_id (self->pool, lease_id);
}

/**
 * lp_manager_recycle:
 * @self: a manager
 *
 * Has all present executors replaced: idle ones are retired now, leased ones
 * when they are released. Any thread.
 *
 * Since: 1.0
 */
void
lp_manager_recycle (LpManager *self)
{
  g_return_if_fail (LP_IS_MANAGER (self));

  if (!lp_pool_is_forked (self->pool))
    lp_pool_recycle (self->pool);
}

static void
preview (LpManager *self)
{
  g_autoptr (LpSettings) settings = NULL;

  if (lp_pool_is_forked (self->pool) || lp_pool_get_state (self->pool) != LP_POOL_STOPPED)
    return;

  settings = lp_settings_copy (self->settings);
  lp_pool_preview (self->pool, settings, lp_manager_get_size (self));
}

/**
 * lp_manager_dup_stats:
 * @self: a manager
 *
 * Gets a snapshot of the counts, the leases and the counters, as a dictionary.
 * Any thread while the manager runs. The size provider is not called. In a
 * forked process it is empty.
 *
 * Returns: (transfer full): a value of type `a{sv}`
 *
 * Since: 1.0
 */
GVariant *
lp_manager_dup_stats (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), NULL);

  if (lp_pool_is_forked (self->pool))
    return g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));

  preview (self);
  return lp_pool_dup_stats (self->pool);
}

/**
 * lp_manager_get_desired_executor_count:
 * @self: a manager
 *
 * Computes how many executors there should be:
 * min (max-pools, max (min-pools, ceil (units / units-per-pool))), from the last
 * value of the size provider, or from [property@Lp.Manager:units]. Any thread
 * while the manager runs. The size provider is not called.
 *
 * Returns: the number
 *
 * Since: 1.0
 */
guint
lp_manager_get_desired_executor_count (LpManager *self)
{
  guint desired = 0;

  g_return_val_if_fail (LP_IS_MANAGER (self), 0);

  if (lp_pool_is_forked (self->pool))
    return 0;

  preview (self);
  g_mutex_lock (&self->pool->lock);
  desired = lp_pool_desired_locked (self->pool);
  g_mutex_unlock (&self->pool->lock);

  return desired;
}
