/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

#include "lp-serial-private.h"

G_BEGIN_DECLS

/* What a value serializes to, in parts: large ones stay where they are. */
typedef struct
{
  GArray *list;                 /* (owned) of Part */
  GPtrArray *values;            /* (owned) of GVariant, which have the large ones */
  LpSerial small;               /* all small ones */
  gsize size;                   /* of all together */
  gboolean all_serialized;      /* what is neither tuple, variant nor maybe is known to be no tree of values */
} LpParts;

gboolean lp_parts_init  (LpParts *self, GVariant *value, gboolean all_serialized);
void     lp_parts_clear (LpParts *self);
gboolean lp_parts_write (LpParts *self, int fd);
gboolean lp_parts_equal (LpParts *self, gconstpointer data, gsize size);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LpParts, lp_parts_clear)

G_END_DECLS
