/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-lease-info-private.h"

#include "lp-enum-types.h"

/**
 * LpLeaseInfo:
 *
 * What is known about a lease, for lists and signals.
 *
 * A lease info describes an [class@Lp.Lease] without holding it: keeping one
 * keeps no lease alive, and nothing can be submitted through it. It outlives
 * the lease it describes and then shows how that ended.
 *
 * Infos come from [property@Lp.Manager:leases] and from the signals of
 * [class@Lp.Manager]. They change, and notify, only in the context the manager
 * was started in; read the properties that change there too. The others may be
 * read in any thread.
 *
 * ```c
 * static void
 * lease_ended_cb (LpManager   *manager,
 *                 LpLeaseInfo *info,
 *                 gpointer     user_data)
 * {
 *   if (lp_lease_info_get_state (info) == LP_LEASE_STATE_EXPIRED)
 *     g_print ("lease %s was not given back in time\n",
 *              lp_lease_info_get_id (info));
 * }
 * ```
 *
 * Since: 1.0
 */

/* The manager holds one reference while the lease is in its list, a posted
 * notification holds one of its own; the pool and the lease hold none. There is
 * no lock: one thread writes, and it is the one that notifies. */
struct _LpLeaseInfo
{
  GObject parent_instance;

  char        *id;              /* (construct-only) */
  char        *owner;           /* (construct-only) */
  gint64       leased_at;       /* (construct-only) */
  gint64       soft_expires_at; /* (owner context) */
  gint64       hard_expires_at; /* (owner context) */
  LpLeaseState state;           /* (owner context) */
  guint        pending_jobs;    /* (owner context) */
};

enum
{
  PROP_0,
  PROP_ID,
  PROP_OWNER,
  PROP_STATE,
  PROP_LEASED_AT,
  PROP_SOFT_EXPIRES_AT,
  PROP_HARD_EXPIRES_AT,
  PROP_PENDING_JOBS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (LpLeaseInfo, lp_lease_info, G_TYPE_OBJECT)

static void
lp_lease_info_get_property (GObject    *object,
                            guint       prop_id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  LpLeaseInfo *self = LP_LEASE_INFO (object);

  switch (prop_id)
    {
    case PROP_ID:
      g_value_set_string (value, self->id);
      break;
    case PROP_OWNER:
      g_value_set_string (value, self->owner);
      break;
    case PROP_STATE:
      g_value_set_enum (value, self->state);
      break;
    case PROP_LEASED_AT:
      g_value_set_int64 (value, self->leased_at);
      break;
    case PROP_SOFT_EXPIRES_AT:
      g_value_set_int64 (value, self->soft_expires_at);
      break;
    case PROP_HARD_EXPIRES_AT:
      g_value_set_int64 (value, self->hard_expires_at);
      break;
    case PROP_PENDING_JOBS:
      g_value_set_uint (value, self->pending_jobs);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lp_lease_info_finalize (GObject *object)
{
  LpLeaseInfo *self = LP_LEASE_INFO (object);

  g_free (self->id);
  g_free (self->owner);

  G_OBJECT_CLASS (lp_lease_info_parent_class)->finalize (object);
}

static void
install_constant_properties (void)
{
  /**
   * LpLeaseInfo:id: (getter get_id)
   *
   * The id of the lease, the same as [property@Lp.Lease:id].
   *
   * It is unique in the process.
   *
   * Since: 1.0
   */
  properties[PROP_ID] =
    g_param_spec_string ("id", NULL, NULL, NULL,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * LpLeaseInfo:owner: (getter get_owner)
   *
   * Who holds the lease, as its [class@Lp.Request] said.
   *
   * Since: 1.0
   */
  properties[PROP_OWNER] =
    g_param_spec_string ("owner", NULL, NULL, NULL,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * LpLeaseInfo:leased-at: (getter get_leased_at)
   *
   * When the lease was granted, in microseconds of the monotonic clock.
   *
   * Since: 1.0
   */
  properties[PROP_LEASED_AT] =
    g_param_spec_int64 ("leased-at", NULL, NULL, G_MININT64, G_MAXINT64, 0,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
install_changing_properties (void)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  /**
   * LpLeaseInfo:state: (getter get_state)
   *
   * The state of the lease.
   *
   * Since: 1.0
   */
  properties[PROP_STATE] =
    g_param_spec_enum ("state", NULL, NULL,
                       LP_TYPE_LEASE_STATE, LP_LEASE_STATE_ACTIVE, flags);

  /**
   * LpLeaseInfo:soft-expires-at: (getter get_soft_expires_at)
   *
   * When the lease should be given back, in microseconds of the monotonic
   * clock. [method@Lp.Lease.renew] moves it.
   *
   * Since: 1.0
   */
  properties[PROP_SOFT_EXPIRES_AT] =
    g_param_spec_int64 ("soft-expires-at", NULL, NULL, G_MININT64, G_MAXINT64, 0, flags);

  /**
   * LpLeaseInfo:hard-expires-at: (getter get_hard_expires_at)
   *
   * When the lease is revoked, in microseconds of the monotonic clock.
   * [method@Lp.Lease.renew] moves it.
   *
   * Since: 1.0
   */
  properties[PROP_HARD_EXPIRES_AT] =
    g_param_spec_int64 ("hard-expires-at", NULL, NULL, G_MININT64, G_MAXINT64, 0, flags);

  /**
   * LpLeaseInfo:pending-jobs: (getter get_pending_jobs)
   *
   * How many jobs of the lease were accepted and have not ended.
   *
   * Since: 1.0
   */
  properties[PROP_PENDING_JOBS] =
    g_param_spec_uint ("pending-jobs", NULL, NULL, 0, G_MAXUINT, 0, flags);
}

static void
lp_lease_info_class_init (LpLeaseInfoClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = lp_lease_info_get_property;
  object_class->finalize = lp_lease_info_finalize;

  install_constant_properties ();
  install_changing_properties ();
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
lp_lease_info_init (LpLeaseInfo *self)
{
  self->state = LP_LEASE_STATE_ACTIVE;
}

/*
 * lp_lease_info_new:
 * @id: the id of the lease
 * @owner: (nullable): who holds it
 * @leased_at: when it was granted
 *
 * Any thread, as long as the info is first shown in the owner context. The
 * rest comes with lp_lease_info_update(), before anybody sees the info.
 */
LpLeaseInfo *
lp_lease_info_new (const char *id,
                   const char *owner,
                   gint64      leased_at)
{
  LpLeaseInfo *self = g_object_new (LP_TYPE_LEASE_INFO, NULL);

  self->id = g_strdup (id);
  self->owner = g_strdup (owner);
  self->leased_at = leased_at;

  return self;
}

/*
 * lp_lease_info_update:
 *
 * Takes over what has become of the lease and notifies what changed, once all
 * of it is set. Owner context, no lock held.
 */
void
lp_lease_info_update (LpLeaseInfo  *self,
                      LpLeaseState  state,
                      gint64        soft_expires_at,
                      gint64        hard_expires_at,
                      guint         pending_jobs)
{
  gboolean changed[N_PROPS] = {
    [PROP_STATE] = self->state != state,
    [PROP_SOFT_EXPIRES_AT] = self->soft_expires_at != soft_expires_at,
    [PROP_HARD_EXPIRES_AT] = self->hard_expires_at != hard_expires_at,
    [PROP_PENDING_JOBS] = self->pending_jobs != pending_jobs,
  };

  self->state = state;
  self->soft_expires_at = soft_expires_at;
  self->hard_expires_at = hard_expires_at;
  self->pending_jobs = pending_jobs;

  /* A handler may drop the last reference of the caller. */
  g_object_ref (self);
  for (guint i = PROP_0 + 1; i < N_PROPS; i++)
    if (changed[i])
      g_object_notify_by_pspec (G_OBJECT (self), properties[i]);
  g_object_unref (self);
}

/**
 * lp_lease_info_get_id: (get-property id)
 * @self: a lease info
 *
 * Gets the id of the lease. Any thread may ask.
 *
 * Returns: (transfer none): the id, unique in the process
 *
 * Since: 1.0
 */
const char *
lp_lease_info_get_id (LpLeaseInfo *self)
{
  g_return_val_if_fail (LP_IS_LEASE_INFO (self), NULL);

  return self->id;
}

/**
 * lp_lease_info_get_owner: (get-property owner)
 * @self: a lease info
 *
 * Gets who holds the lease. Any thread may ask.
 *
 * Returns: (transfer none) (nullable): the owner, or %NULL if the request
 *   named none
 *
 * Since: 1.0
 */
const char *
lp_lease_info_get_owner (LpLeaseInfo *self)
{
  g_return_val_if_fail (LP_IS_LEASE_INFO (self), NULL);

  return self->owner;
}

/**
 * lp_lease_info_get_state: (get-property state)
 * @self: a lease info
 *
 * Gets the state of the lease. Call this in the context the manager was
 * started in.
 *
 * Returns: the state
 *
 * Since: 1.0
 */
LpLeaseState
lp_lease_info_get_state (LpLeaseInfo *self)
{
  g_return_val_if_fail (LP_IS_LEASE_INFO (self), LP_LEASE_STATE_ACTIVE);

  return self->state;
}

/**
 * lp_lease_info_get_leased_at: (get-property leased-at)
 * @self: a lease info
 *
 * Gets when the lease was granted. Any thread may ask.
 *
 * Returns: microseconds of the clock of [func@GLib.get_monotonic_time]
 *
 * Since: 1.0
 */
gint64
lp_lease_info_get_leased_at (LpLeaseInfo *self)
{
  g_return_val_if_fail (LP_IS_LEASE_INFO (self), 0);

  return self->leased_at;
}

/**
 * lp_lease_info_get_soft_expires_at: (get-property soft-expires-at)
 * @self: a lease info
 *
 * Gets when the lease should be given back. Call this in the context the
 * manager was started in.
 *
 * Returns: microseconds of the clock of [func@GLib.get_monotonic_time]
 *
 * Since: 1.0
 */
gint64
lp_lease_info_get_soft_expires_at (LpLeaseInfo *self)
{
  g_return_val_if_fail (LP_IS_LEASE_INFO (self), 0);

  return self->soft_expires_at;
}

/**
 * lp_lease_info_get_hard_expires_at: (get-property hard-expires-at)
 * @self: a lease info
 *
 * Gets when the lease is revoked. Call this in the context the manager was
 * started in.
 *
 * Returns: microseconds of the clock of [func@GLib.get_monotonic_time]
 *
 * Since: 1.0
 */
gint64
lp_lease_info_get_hard_expires_at (LpLeaseInfo *self)
{
  g_return_val_if_fail (LP_IS_LEASE_INFO (self), 0);

  return self->hard_expires_at;
}

/**
 * lp_lease_info_get_pending_jobs: (get-property pending-jobs)
 * @self: a lease info
 *
 * Gets how many jobs of the lease were accepted and have not ended. Call this
 * in the context the manager was started in.
 *
 * Returns: the number of jobs
 *
 * Since: 1.0
 */
guint
lp_lease_info_get_pending_jobs (LpLeaseInfo *self)
{
  g_return_val_if_fail (LP_IS_LEASE_INFO (self), 0);

  return self->pending_jobs;
}
