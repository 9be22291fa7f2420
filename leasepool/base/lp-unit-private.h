/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

GVariant *lp_unit_ref (void);
gboolean  lp_unit_is  (GVariant *value);

G_END_DECLS
