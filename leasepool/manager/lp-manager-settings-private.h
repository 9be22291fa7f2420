/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-manager.h"
#include "lp-settings-private.h"

G_BEGIN_DECLS

/* The settings as properties of LpManager. Their ids are those of LpSettingId;
 * the other properties of the manager begin at LP_N_SETTINGS. The accessors
 * return whether the id is one of a setting. */
void     lp_manager_settings_install_properties (GObjectClass *klass);
gboolean lp_manager_settings_get_property       (LpManager *self, guint id, GValue *value);
gboolean lp_manager_settings_set_property       (LpManager *self, guint id, const GValue *value);

G_END_DECLS
