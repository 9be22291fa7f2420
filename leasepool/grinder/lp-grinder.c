/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-grinder-private.h"

#include "lp-manager-private.h"

/**
 * LpGrinder:
 *
 * Collects small jobs of many submitters, and has an executor run each batch.
 *
 * ```c
 * g_autoptr (LpGrinder) grinder = lp_grinder_new (manager);
 *
 * lp_grinder_set_max_wait_seconds (grinder, 0.5);
 * lp_grinder_start_async (grinder, NULL, started_cb, NULL);
 *
 * if (lp_grinder_enqueue (grinder, job, &error))
 *   lp_job_wait_async (job, NULL, ended_cb, NULL);
 * ```
 *
 * A batch starts when the oldest item has waited
 * [property@Lp.Grinder:max-wait-seconds], or
 * [property@Lp.Grinder:batch-size-threshold] items wait. It acquires one lease,
 * called after [property@Lp.Grinder:owner-prefix], submits the items, and
 * releases the lease when the last of them has ended. What it consists of is
 * decided when it has its executor: the oldest items, up to
 * [property@Lp.Grinder:max-batch-size]. Each item ends on its own.
 *
 * Submitting, [method@Lp.Grinder.dup_stats] and the read-only properties may be
 * used from any thread; the rest belongs to the owner context, the thread-default
 * main context of the start. The signal and the notifications come there, and
 * nothing else needs it: batches start, and items end, while its loop hangs. It
 * need not be the owner context of the manager.
 *
 * A stop of the manager is a stop of its grinders: items that have no executor
 * end with %LP_ERROR_NOT_STARTED. Dropping the last reference of a grinder that
 * runs is a stop with %LP_STOP_MODE_KILL that waits for nobody.
 *
 * Since: 1.0
 */

/* How this works: the grinder is the face of its grind in the owner context, as
 * the manager is that of its pool. */

enum
{
  PROP_MANAGER = LP_N_GRINDER_SETTINGS,
  PROP_PENDING_COUNT,
  PROP_RUNNING,
  N_PROPERTIES
};

enum
{
  DRAINED,
  N_SIGNALS
};

static GParamSpec *properties[N_PROPERTIES]; /* those of the settings are not here */
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (LpGrinder, lp_grinder, G_TYPE_OBJECT)

static gboolean
is_forked (LpGrinder *self)
{
  return self->grind->pool != NULL && lp_pool_is_forked (self->grind->pool);
}

static void
lp_grinder_constructed (GObject *object)
{
  LpGrinder *self = LP_GRINDER (object);

  self->grind = lp_grind_new (self->manager != NULL ? self->manager->pool : NULL, self);

  G_OBJECT_CLASS (lp_grinder_parent_class)->constructed (object);
}

/* On any thread. */
static void
lp_grinder_dispose (GObject *object)
{
  LpGrinder *self = LP_GRINDER (object);

  lp_back_ref_drop (&self->grind->grinder);
  if (!is_forked (self))
    {
      g_mutex_lock (&self->grind->lock);
      self->grind->listener = NULL;
      g_mutex_unlock (&self->grind->lock);
      lp_grind_stop (self->grind, LP_STOP_MODE_KILL, NULL);
    }

  G_OBJECT_CLASS (lp_grinder_parent_class)->dispose (object);
}

static void
lp_grinder_finalize (GObject *object)
{
  LpGrinder *self = LP_GRINDER (object);

  /* The handlers of its signals are foreign. */
  if (self->manager != NULL)
    lp_pool_destroy_in_owner (self->grind->pool, g_object_unref, self->manager);
  lp_grinder_settings_free (self->settings);

  /* In a forked child it stays as the fork left it. */
  if (!is_forked (self))
    lp_grind_unref (self->grind);

  G_OBJECT_CLASS (lp_grinder_parent_class)->finalize (object);
}

static void
lp_grinder_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LpGrinder *self = LP_GRINDER (object);

  if (lp_grinder_settings_get_property (self, prop_id, value))
    return;

  switch (prop_id)
    {
    case PROP_MANAGER:
      g_value_set_object (value, self->manager);
      break;
    case PROP_PENDING_COUNT:
      g_value_set_uint (value, lp_grinder_get_pending_count (self));
      break;
    case PROP_RUNNING:
      g_value_set_boolean (value, lp_grinder_is_running (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lp_grinder_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  LpGrinder *self = LP_GRINDER (object);

  if (prop_id == PROP_MANAGER)
    self->manager = g_value_dup_object (value);
  else if (!lp_grinder_settings_set_property (self, prop_id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
}

#define READ_FLAGS (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static void
install_properties (GObjectClass *object_class)
{
  /**
   * LpGrinder:manager: (getter get_manager)
   *
   * The manager whose executors run the batches.
   *
   * Since: 1.0
   */
  properties[PROP_MANAGER] = g_param_spec_object ("manager", NULL, NULL, LP_TYPE_MANAGER,
                                                  G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * LpGrinder:pending-count: (getter get_pending_count)
   *
   * How many items wait for an executor. Notifies in the owner context, once for
   * several changes if it is slow.
   *
   * Since: 1.0
   */
  properties[PROP_PENDING_COUNT] = g_param_spec_uint ("pending-count", NULL, NULL, 0, G_MAXUINT, 0, READ_FLAGS);
  /**
   * LpGrinder:running: (getter is_running)
   *
   * Whether the grinder has started and is not being stopped. Notifies in the
   * owner context.
   *
   * Since: 1.0
   */
  properties[PROP_RUNNING] = g_param_spec_boolean ("running", NULL, NULL, FALSE, READ_FLAGS);

  for (guint id = PROP_MANAGER; id < N_PROPERTIES; id++)
    g_object_class_install_property (object_class, id, properties[id]);
}

static void
lp_grinder_class_init (LpGrinderClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = lp_grinder_constructed;
  object_class->dispose = lp_grinder_dispose;
  object_class->finalize = lp_grinder_finalize;
  object_class->get_property = lp_grinder_get_property;
  object_class->set_property = lp_grinder_set_property;

  lp_grinder_settings_install_properties (object_class);
  install_properties (object_class);

  /**
   * LpGrinder::drained:
   * @self: the grinder
   *
   * Emitted in the owner context after the number of items that wait has fallen to
   * zero: they have an executor, or have ended. After each such moment there is an
   * emission that begins later; several that the owner context has not been told
   * of yet are told once.
   *
   * It cannot be missed: whoever connects before being refused with
   * %LP_ERROR_QUEUE_FULL is called after the items that were in the way have left,
   * and so is, in the owner context, whoever connects right after that. There may
   * be others that are quicker to submit, so look whether there is room, and wait
   * again if not.
   *
   * Since: 1.0
   */
  signals[DRAINED] = g_signal_new ("drained", LP_TYPE_GRINDER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
lp_grinder_init (LpGrinder *self)
{
  self->settings = lp_grinder_settings_new ();
}

LpGrinderSettings *
lp_grinder_get_settings (LpGrinder *self)
{
  return self->settings;
}

gboolean
lp_grinder_settings_are_frozen (LpGrinder *self)
{
  return self->grind != NULL && !is_forked (self) && lp_grind_get_state (self->grind) != LP_GRIND_STOPPED;
}

/* In the owner context. Any of it may dispose of the grinder but for the caller's
 * reference. */
void
lp_grinder_tell (LpGrinder *self, gboolean pending, gboolean running, gboolean drained)
{
  if (running)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_RUNNING]);
  if (pending)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_PENDING_COUNT]);
  if (drained)
    g_signal_emit (self, signals[DRAINED], 0);
}

/**
 * lp_grinder_new:
 * @manager: the manager whose executors run the batches
 *
 * Creates a grinder. Nothing is checked or started yet.
 *
 * Returns: (transfer full): a new grinder
 *
 * Since: 1.0
 */
LpGrinder *
lp_grinder_new (LpManager *manager)
{
  g_return_val_if_fail (LP_IS_MANAGER (manager), NULL);

  return g_object_new (LP_TYPE_GRINDER, "manager", manager, NULL);
}

/**
 * lp_grinder_get_manager:
 * @self: a grinder
 *
 * Gets the manager whose executors run the batches. Any thread.
 *
 * Returns: (transfer none) (nullable): the manager
 *
 * Since: 1.0
 */
LpManager *
lp_grinder_get_manager (LpGrinder *self)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), NULL);

  return self->manager;
}

/**
 * lp_grinder_get_pending_count:
 * @self: a grinder
 *
 * Counts the items that wait for an executor. Any thread.
 *
 * Returns: their number
 *
 * Since: 1.0
 */
guint
lp_grinder_get_pending_count (LpGrinder *self)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), 0);

  return is_forked (self) ? 0 : lp_grind_get_pending (self->grind);
}

/**
 * lp_grinder_is_running:
 * @self: a grinder
 *
 * Checks whether the grinder has started and is not being stopped. Any thread.
 *
 * Returns: whether it takes jobs
 *
 * Since: 1.0
 */
gboolean
lp_grinder_is_running (LpGrinder *self)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), FALSE);

  return !is_forked (self) && lp_grind_get_state (self->grind) == LP_GRIND_RUNNING;
}

/**
 * lp_grinder_dup_stats:
 * @self: a grinder
 *
 * Gets a snapshot of the counts, the settings and the counters, as a dictionary.
 * Any thread while the grinder runs. In a forked process it is empty.
 *
 * Returns: (transfer full): a value of type `a{sv}`
 *
 * Since: 1.0
 */
GVariant *
lp_grinder_dup_stats (LpGrinder *self)
{
  g_return_val_if_fail (LP_IS_GRINDER (self), NULL);

  if (is_forked (self))
    return g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));

  return lp_grind_dup_stats (self->grind, self->settings);
}
