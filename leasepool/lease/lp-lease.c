/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-lease-private.h"

#include <math.h>

#include "lp-enum-types.h"
#include "lp-pool-private.h"

/**
 * LpLease:
 *
 * The temporary, exclusive right to submit jobs to one executor.
 *
 * A lease is acquired from a manager and ends in one of these ways: it is
 * released, by [method@Lp.Lease.release] or by dropping its last reference; it
 * expires; its executor breaks; the manager stops. It expires
 * [property@Lp.Lease:lease-seconds] after it was granted or renewed (softly: it
 * is announced), and [property@Lp.Lease:grace-seconds] after that (hard: it is
 * revoked, its jobs are cancelled).
 *
 * ```c
 * static void
 * acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
 * {
 *   g_autoptr (GError) error = NULL;
 *   g_autoptr (LpLease) lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);
 *
 *   if (lease == NULL)
 *     g_message ("No executor: %s", error->message);
 *   else
 *     lp_lease_call_async (lease, "add", g_variant_new ("(ii)", 2, 3), NULL, added_cb, NULL);
 * }
 * ```
 *
 * Nothing but its holder keeps a lease alive. In languages with a garbage
 * collector release it explicitly: collection comes late or never. All methods
 * may be called from any thread.
 *
 * Since: 1.0
 */

/* How this works: the object is a handle of an LpGrant, which the pool knows.
 * Dispose may come on any thread and emits nothing. */

struct _LpLease
{
  GObject parent_instance;

  LpGrant *grant;               /* (construct-only) NULL in one that no manager made: it is as released */
};

enum
{
  PROP_MANAGER = 1,
  PROP_ID,
  PROP_OWNER,
  PROP_LEASE_SECONDS,
  PROP_GRACE_SECONDS,
  PROP_LEASED_AT,
  PROP_SOFT_EXPIRES_AT,
  PROP_HARD_EXPIRES_AT,
  PROP_STATE,
  PROP_PENDING_JOBS,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (LpLease, lp_lease, G_TYPE_OBJECT)

static void
lp_lease_finalize (GObject *object)
{
  LpLease *self = LP_LEASE (object);

  if (self->grant != NULL)
    {
      lp_grant_release (self->grant, TRUE);
      lp_grant_unref (self->grant);
    }

  G_OBJECT_CLASS (lp_lease_parent_class)->finalize (object);
}

static void
lp_lease_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LpLease *self = LP_LEASE (object);

  switch (prop_id)
    {
    case PROP_MANAGER: g_value_take_object (value, lp_lease_dup_manager (self)); break;
    case PROP_ID: g_value_set_string (value, lp_lease_get_id (self)); break;
    case PROP_OWNER: g_value_set_string (value, lp_lease_get_owner (self)); break;
    case PROP_LEASE_SECONDS: g_value_set_double (value, lp_lease_get_lease_seconds (self)); break;
    case PROP_GRACE_SECONDS: g_value_set_double (value, lp_lease_get_grace_seconds (self)); break;
    case PROP_LEASED_AT: g_value_set_int64 (value, lp_lease_get_leased_at (self)); break;
    case PROP_SOFT_EXPIRES_AT: g_value_set_int64 (value, lp_lease_get_soft_expires_at (self)); break;
    case PROP_HARD_EXPIRES_AT: g_value_set_int64 (value, lp_lease_get_hard_expires_at (self)); break;
    case PROP_STATE: g_value_set_enum (value, lp_lease_get_state (self)); break;
    case PROP_PENDING_JOBS: g_value_set_uint (value, lp_lease_get_pending_jobs (self)); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define READ_FLAGS (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_identity (void)
{
  /**
   * LpLease:manager: (getter dup_manager)
   *
   * The manager, unless it is gone.
   *
   * Since: 1.0
   */
  properties[PROP_MANAGER] = g_param_spec_object ("manager", NULL, NULL, LP_TYPE_MANAGER, READ_FLAGS);
  /**
   * LpLease:id: (getter get_id)
   *
   * A name for the lease that is unique in the process.
   *
   * Since: 1.0
   */
  properties[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, READ_FLAGS);
  /**
   * LpLease:owner: (getter get_owner)
   *
   * Who asked for it.
   *
   * Since: 1.0
   */
  properties[PROP_OWNER] = g_param_spec_string ("owner", NULL, NULL, NULL, READ_FLAGS);
  /**
   * LpLease:state: (getter get_state)
   *
   * What has become of the lease. It does not notify; see
   * [signal@Lp.Manager::lease-ended].
   *
   * Since: 1.0
   */
  properties[PROP_STATE] = g_param_spec_enum ("state", NULL, NULL, LP_TYPE_LEASE_STATE, LP_LEASE_STATE_ACTIVE,
                                              READ_FLAGS);
  /**
   * LpLease:pending-jobs: (getter get_pending_jobs)
   *
   * How many of its jobs wait or run.
   *
   * Since: 1.0
   */
  properties[PROP_PENDING_JOBS] = g_param_spec_uint ("pending-jobs", NULL, NULL, 0, G_MAXUINT, 0, READ_FLAGS);
}

static void
install_times (void)
{
  /**
   * LpLease:lease-seconds: (getter get_lease_seconds)
   *
   * How long it lasts from the grant, or from the last renewal, to its soft
   * expiry, in seconds.
   *
   * Since: 1.0
   */
  properties[PROP_LEASE_SECONDS] = g_param_spec_double ("lease-seconds", NULL, NULL, 0, G_MAXDOUBLE, 0, READ_FLAGS);
  /**
   * LpLease:grace-seconds: (getter get_grace_seconds)
   *
   * How long it is from the soft to the hard expiry, in seconds.
   *
   * Since: 1.0
   */
  properties[PROP_GRACE_SECONDS] = g_param_spec_double ("grace-seconds", NULL, NULL, 0, G_MAXDOUBLE, 0, READ_FLAGS);
  /**
   * LpLease:leased-at: (getter get_leased_at)
   *
   * When it was granted, in monotonic microseconds.
   *
   * Since: 1.0
   */
  properties[PROP_LEASED_AT] = g_param_spec_int64 ("leased-at", NULL, NULL, 0, G_MAXINT64, 0, READ_FLAGS);
  /**
   * LpLease:soft-expires-at: (getter get_soft_expires_at)
   *
   * When it is announced to expire, in monotonic microseconds.
   *
   * Since: 1.0
   */
  properties[PROP_SOFT_EXPIRES_AT] = g_param_spec_int64 ("soft-expires-at", NULL, NULL, 0, G_MAXINT64, 0, READ_FLAGS);
  /**
   * LpLease:hard-expires-at: (getter get_hard_expires_at)
   *
   * When it is revoked, in monotonic microseconds.
   *
   * Since: 1.0
   */
  properties[PROP_HARD_EXPIRES_AT] = g_param_spec_int64 ("hard-expires-at", NULL, NULL, 0, G_MAXINT64, 0, READ_FLAGS);
}

static void
lp_lease_class_init (LpLeaseClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = lp_lease_finalize;
  object_class->get_property = lp_lease_get_property;

  install_identity ();
  install_times ();
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
lp_lease_init (LpLease *self)
{
}

/* Whether the locks of the pool may be taken. */
static gboolean
is_usable (LpLease *self)
{
  return self->grant != NULL && !lp_pool_is_forked (self->grant->pool);
}

/* Whether there is a lease of this process to speak of. */
gboolean
lp_lease_check_grant (LpLease *self, GError **error)
{
  if (self->grant == NULL)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_EXPIRED, "The lease is not from a manager; acquire one");
  else if (lp_pool_is_forked (self->grant->pool))
    g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED,
                         "The lease belongs to the parent of this forked process");
  else
    return TRUE;

  return FALSE;
}

/* Takes the reference to GRANT. */
LpLease *
lp_lease_new (LpGrant *grant)
{
  LpLease *self = g_object_new (LP_TYPE_LEASE, NULL);

  self->grant = grant;

  return self;
}

/**
 * lp_lease_renew:
 * @self: a lease
 * @seconds: how long it is to last from now to its soft expiry; -1: as long as
 *   before
 * @error: return location for a #GError
 *
 * Gives the lease more time: its soft expiry is @seconds from now, its hard
 * expiry the grace after that.
 *
 * Fails with %LP_ERROR_INVALID_ARGUMENT if @seconds is neither -1 nor finite and
 * > 0; with %LP_ERROR_EXPIRED unless the lease is active; with
 * %LP_ERROR_NOT_STARTED while the manager stops or in a forked process.
 *
 * Returns: whether it was renewed
 *
 * Since: 1.0
 */
gboolean
lp_lease_renew (LpLease *self, double seconds, GError **error)
{
  g_return_val_if_fail (LP_IS_LEASE (self), FALSE);

  if (seconds != -1 && !(seconds > 0 && isfinite (seconds)))
    {
      g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT, "seconds is %g, but must be -1 or finite and > 0",
                   seconds);
      return FALSE;
    }

  if (!lp_lease_check_grant (self, error))
    return FALSE;

  return lp_grant_renew (self->grant, seconds, error);
}

/**
 * lp_lease_release:
 * @self: a lease
 *
 * Gives the executor back. No job is accepted from here on; those that were
 * accepted run, until the hard expiry of the lease at the latest, and then the
 * executor goes to whoever waits. It does so, too, only when each function has
 * returned whose outcome was given by [method@Lp.Job.return_value] or
 * [method@Lp.Job.return_error]. Releasing a lease that has ended does nothing.
 *
 * Since: 1.0
 */
void
lp_lease_release (LpLease *self)
{
  g_return_if_fail (LP_IS_LEASE (self));

  if (self->grant != NULL)
    lp_grant_release (self->grant, FALSE);
}

/**
 * lp_lease_drain_async:
 * @self: a lease
 * @cancellable: (nullable): ends the wait, not the drain
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the lease has ended
 * @user_data: data for @callback
 *
 * Releases the lease and waits until its jobs have ended, and their functions
 * have returned.
 *
 * Since: 1.0
 */
void
lp_lease_drain_async (LpLease *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  LpCompletion *completion;
  GError *error = NULL;

  g_return_if_fail (LP_IS_LEASE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = lp_completion_new (self, lp_lease_drain_async, cancellable, callback, user_data);
  if (!lp_lease_check_grant (self, &error))
    {
      lp_completion_fail (completion, error);
      return;
    }

  lp_completion_watch_wait (completion, cancellable, "The wait for the lease to drain was cancelled");
  lp_grant_drain (self->grant, completion);
}

/**
 * lp_lease_drain_finish:
 * @self: a lease
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Lease.drain_async].
 *
 * Fails with %LP_ERROR_EXPIRED if the lease ended in another way than by being
 * released, with %LP_ERROR_NOT_STARTED in a forked process, and with
 * %G_IO_ERROR_CANCELLED if the wait was cancelled.
 *
 * Returns: whether all its jobs have ended by themselves
 *
 * Since: 1.0
 */
gboolean
lp_lease_drain_finish (LpLease *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_LEASE (self), FALSE);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_lease_drain_async), FALSE);

  return lp_completion_propagate (LP_COMPLETION (result), error) != NULL;
}

/**
 * lp_lease_dup_manager:
 * @self: a lease
 *
 * Gets the manager the lease is from. The lease does not keep it alive.
 *
 * Returns: (transfer full) (nullable): the manager, %NULL if it is gone
 *
 * Since: 1.0
 */
LpManager *
lp_lease_dup_manager (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), NULL);

  return self->grant != NULL ? lp_back_ref_dup (&self->grant->pool->manager) : NULL;
}

/**
 * lp_lease_get_id:
 * @self: a lease
 *
 * Gets a name for the lease that is unique in the process.
 *
 * Returns: the id
 *
 * Since: 1.0
 */
const char *
lp_lease_get_id (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), NULL);

  return self->grant != NULL ? lp_grant_get_id (self->grant) : "";
}

/**
 * lp_lease_get_owner:
 * @self: a lease
 *
 * Gets who asked for it.
 *
 * Returns: (nullable): the owner
 *
 * Since: 1.0
 */
const char *
lp_lease_get_owner (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), NULL);

  return self->grant != NULL ? self->grant->owner : NULL;
}

/**
 * lp_lease_get_state:
 * @self: a lease
 *
 * Gets what has become of the lease.
 *
 * Returns: the state
 *
 * Since: 1.0
 */
LpLeaseState
lp_lease_get_state (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), LP_LEASE_STATE_STOPPED);

  return self->grant != NULL ? lp_grant_get_state (self->grant) : LP_LEASE_STATE_RELEASED;
}

/**
 * lp_lease_get_pending_jobs:
 * @self: a lease
 *
 * Counts the jobs of the lease that wait or run. One that has ended is none of
 * them, also if its function has not returned.
 *
 * Returns: the number
 *
 * Since: 1.0
 */
guint
lp_lease_get_pending_jobs (LpLease *self)
{
  LpExecutorLoad load = { .queued = 0 };

  g_return_val_if_fail (LP_IS_LEASE (self), 0);

  if (!is_usable (self))
    return 0;

  /* Once the lease has ended, the load is somebody else's. */
  g_mutex_lock (&self->grant->pool->lock);
  if (self->grant->slot != NULL)
    lp_executor_get_load (self->grant->executor, &load);
  g_mutex_unlock (&self->grant->pool->lock);

  return load.queued + load.running;
}

/**
 * lp_lease_get_grace_seconds:
 * @self: a lease
 *
 * Gets how long it is from the soft to the hard expiry.
 *
 * Returns: seconds
 *
 * Since: 1.0
 */
double
lp_lease_get_grace_seconds (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), 0);

  return self->grant != NULL ? self->grant->grace : 0;
}

/**
 * lp_lease_get_leased_at:
 * @self: a lease
 *
 * Gets when it was granted.
 *
 * Returns: monotonic microseconds
 *
 * Since: 1.0
 */
gint64
lp_lease_get_leased_at (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), 0);

  return self->grant != NULL ? self->grant->leased_at : 0;
}

/**
 * lp_lease_get_lease_seconds:
 * @self: a lease
 *
 * Gets how long it lasts from the grant, or the last renewal, to its soft
 * expiry.
 *
 * Returns: seconds
 *
 * Since: 1.0
 */
double
lp_lease_get_lease_seconds (LpLease *self)
{
  double seconds;

  g_return_val_if_fail (LP_IS_LEASE (self), 0);

  if (!is_usable (self))
    return 0;

  g_mutex_lock (&self->grant->pool->lock);
  seconds = self->grant->seconds;
  g_mutex_unlock (&self->grant->pool->lock);

  return seconds;
}

static gint64
get_time (LpLease *self, gsize offset)
{
  gint64 value;

  if (!is_usable (self))
    return 0;

  g_mutex_lock (&self->grant->pool->lock);
  value = G_STRUCT_MEMBER (gint64, self->grant, offset);
  g_mutex_unlock (&self->grant->pool->lock);

  return value;
}

/**
 * lp_lease_get_soft_expires_at:
 * @self: a lease
 *
 * Gets when it is announced to expire.
 *
 * Returns: monotonic microseconds
 *
 * Since: 1.0
 */
gint64
lp_lease_get_soft_expires_at (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), 0);

  return get_time (self, G_STRUCT_OFFSET (LpGrant, soft));
}

/**
 * lp_lease_get_hard_expires_at:
 * @self: a lease
 *
 * Gets when it is revoked.
 *
 * Returns: monotonic microseconds
 *
 * Since: 1.0
 */
gint64
lp_lease_get_hard_expires_at (LpLease *self)
{
  g_return_val_if_fail (LP_IS_LEASE (self), 0);

  return get_time (self, G_STRUCT_OFFSET (LpGrant, hard));
}

LpGrant *
lp_lease_get_grant (LpLease *self)
{
  return self->grant;
}
