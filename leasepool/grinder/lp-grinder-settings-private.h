/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-grinder.h"

G_BEGIN_DECLS

/* In the order of their table in lp-grinder-settings.c; these are the property
 * ids of LpGrinder, too, whose other properties follow. */
typedef enum
{
  LP_GRINDER_SETTING_FIRST = 1,
  LP_GRINDER_SETTING_MAX_WAIT_SECONDS = LP_GRINDER_SETTING_FIRST,
  LP_GRINDER_SETTING_BATCH_SIZE_THRESHOLD,
  LP_GRINDER_SETTING_MAX_BATCH_SIZE,
  LP_GRINDER_SETTING_MAX_BATCHES_IN_FLIGHT,
  LP_GRINDER_SETTING_MAX_PENDING,
  LP_GRINDER_SETTING_LEASE_SECONDS,
  LP_GRINDER_SETTING_OWNER_PREFIX,
  LP_N_GRINDER_SETTINGS
} LpGrinderSettingId;

/* The grinder's own are written in the owner context; a run has a copy. */
typedef struct
{
  double max_wait_seconds;
  int batch_size_threshold;
  int max_batch_size;
  int max_batches_in_flight;
  int max_pending;
  double lease_seconds;
  char *owner_prefix;
} LpGrinderSettings;

LpGrinderSettings *lp_grinder_settings_new      (void);
LpGrinderSettings *lp_grinder_settings_copy     (const LpGrinderSettings *self);
void               lp_grinder_settings_free     (LpGrinderSettings *self);
gboolean           lp_grinder_settings_validate (const LpGrinderSettings *self, GError **error);

/* As properties; the accessors return whether the id is one of a setting. */
void               lp_grinder_settings_install_properties (GObjectClass *klass);
gboolean           lp_grinder_settings_get_property (LpGrinder *self, guint id, GValue *value);
gboolean           lp_grinder_settings_set_property (LpGrinder *self, guint id, const GValue *value);

/* lp-grinder.c */
LpGrinderSettings *lp_grinder_get_settings        (LpGrinder *self);
gboolean           lp_grinder_settings_are_frozen (LpGrinder *self);

G_END_DECLS
