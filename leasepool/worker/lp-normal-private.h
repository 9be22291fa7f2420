/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* From this size on a value is looked into, and not left to GLib as a whole. */
#define LP_NORMAL_LARGE (64 * 1024)

gboolean lp_variant_is_normal (GVariant *value, gsize large);

G_END_DECLS
