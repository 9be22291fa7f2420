/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-grinder-settings-private.h"

#include "lp-setting-checks-private.h"

/* One table, as for the manager: see lp-settings.c. */

#define SETTING(name, member, kind) name, G_STRUCT_OFFSET (LpGrinderSettings, member), LP_SETTING_KIND_ ## kind

static const LpSetting settings[LP_N_GRINDER_SETTINGS] = {
  [LP_GRINDER_SETTING_MAX_WAIT_SECONDS]
    = { SETTING ("max-wait-seconds", max_wait_seconds, DOUBLE), lp_setting_check_positive_seconds, 10 },
  [LP_GRINDER_SETTING_BATCH_SIZE_THRESHOLD]
    = { SETTING ("batch-size-threshold", batch_size_threshold, INT), lp_setting_check_int, 20, .minimum = 1 },
  [LP_GRINDER_SETTING_MAX_BATCH_SIZE]
    = { SETTING ("max-batch-size", max_batch_size, INT), lp_setting_check_int, 0, .minimum = 0 },
  [LP_GRINDER_SETTING_MAX_BATCHES_IN_FLIGHT]
    = { SETTING ("max-batches-in-flight", max_batches_in_flight, INT), lp_setting_check_int, 1, .minimum = 1 },
  [LP_GRINDER_SETTING_MAX_PENDING]
    = { SETTING ("max-pending", max_pending, INT), lp_setting_check_int, 0, .minimum = 0 },
  [LP_GRINDER_SETTING_LEASE_SECONDS]
    = { SETTING ("lease-seconds", lease_seconds, DOUBLE), lp_setting_check_positive_seconds, 60 },
  [LP_GRINDER_SETTING_OWNER_PREFIX]
    = { SETTING ("owner-prefix", owner_prefix, STRING), lp_setting_check_prefix, .text = "work-grinder" },
};

static GParamSpec *pspecs[LP_N_GRINDER_SETTINGS];

/**
 * LpGrinder:max-wait-seconds:
 *
 * How long an item waits, in seconds, before a batch is started even if there are
 * fewer than [property@Lp.Grinder:batch-size-threshold].
 *
 * It must be finite and > 0. The default is 10.
 *
 * Since: 1.0
 */

/**
 * LpGrinder:batch-size-threshold:
 *
 * How many items that wait start a batch at once.
 *
 * It must be > 0. The default is 20.
 *
 * Since: 1.0
 */

/**
 * LpGrinder:max-batch-size:
 *
 * How many items a batch has at the most. With fewer than
 * [property@Lp.Manager:max-queued-jobs] none is refused because the lease has too
 * many.
 *
 * It must be >= 0. The default, 0, sets no bound.
 *
 * Since: 1.0
 */

/**
 * LpGrinder:max-batches-in-flight:
 *
 * How many batches there may be at a time, those included that wait for an
 * executor.
 *
 * It must be > 0. The default is 1.
 *
 * Since: 1.0
 */

/**
 * LpGrinder:max-pending:
 *
 * How many items may wait for an executor. One more is refused with
 * %LP_ERROR_QUEUE_FULL; see [signal@Lp.Grinder::drained].
 *
 * It must be >= 0. The default, 0, sets no bound.
 *
 * Since: 1.0
 */

/**
 * LpGrinder:lease-seconds:
 *
 * How long the lease of a batch lasts, in seconds; the lease-grace-seconds of the
 * manager are added. Items that have not ended by then are cancelled.
 *
 * It must be finite and > 0. The default is 60.
 *
 * Since: 1.0
 */

/**
 * LpGrinder:owner-prefix:
 *
 * What the owners of the leases begin with: batch N of a run is called
 * PREFIX-batch-N.
 *
 * It must be UTF-8 without control characters and not empty. The default is
 * "work-grinder".
 *
 * Since: 1.0
 */

LpGrinderSettings *
lp_grinder_settings_new (void)
{
  LpGrinderSettings *self = g_new0 (LpGrinderSettings, 1);

  for (guint id = LP_GRINDER_SETTING_FIRST; id < LP_N_GRINDER_SETTINGS; id++)
    lp_setting_reset (&settings[id], self);

  return self;
}

LpGrinderSettings *
lp_grinder_settings_copy (const LpGrinderSettings *self)
{
  LpGrinderSettings *copy = g_new0 (LpGrinderSettings, 1);

  for (guint id = LP_GRINDER_SETTING_FIRST; id < LP_N_GRINDER_SETTINGS; id++)
    lp_setting_copy (&settings[id], self, copy);

  return copy;
}

void
lp_grinder_settings_free (LpGrinderSettings *self)
{
  for (guint id = LP_GRINDER_SETTING_FIRST; id < LP_N_GRINDER_SETTINGS; id++)
    lp_setting_clear (&settings[id], self);

  g_free (self);
}

gboolean
lp_grinder_settings_validate (const LpGrinderSettings *self, GError **error)
{
  for (guint id = LP_GRINDER_SETTING_FIRST; id < LP_N_GRINDER_SETTINGS; id++)
    if (!lp_setting_check (&settings[id], self, error))
      return FALSE;

  return TRUE;
}

void
lp_grinder_settings_install_properties (GObjectClass *klass)
{
  for (guint id = LP_GRINDER_SETTING_FIRST; id < LP_N_GRINDER_SETTINGS; id++)
    {
      pspecs[id] = lp_setting_create_pspec (&settings[id]);
      g_object_class_install_property (klass, id, pspecs[id]);
    }
}

static gboolean
is_setting (guint id)
{
  return id >= LP_GRINDER_SETTING_FIRST && id < LP_N_GRINDER_SETTINGS;
}

gboolean
lp_grinder_settings_get_property (LpGrinder *self, guint id, GValue *value)
{
  if (!is_setting (id))
    return FALSE;

  lp_setting_get_value (&settings[id], lp_grinder_get_settings (self), value);
  return TRUE;
}

gboolean
lp_grinder_settings_set_property (LpGrinder *self, guint id, const GValue *value)
{
  if (!is_setting (id))
    return FALSE;

  if (lp_grinder_settings_are_frozen (self))
    g_critical ("LpGrinder:%s cannot be changed while the grinder runs", settings[id].name);
  else if (lp_setting_set_value (&settings[id], lp_grinder_get_settings (self), value))
    g_object_notify_by_pspec (G_OBJECT (self), pspecs[id]);

  return TRUE;
}
