/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

/* How a thread that has run out of work looks out for more before it sleeps. */

/* To sleep and to be woken takes about so long, on both sides together; no look is longer. */
#define LP_LOOKOUT_USEC 20

typedef struct
{
  gint64 idle_since;            /* (the owner's lock) when a thread last ran out of work */
  gboolean worth_it;            /* (the owner's lock) the last one had work again soon */
  gboolean looking;             /* (the owner's lock) a thread does */
  int offered;                  /* (atomic; changed under the owner's lock) there is work for it */
} LpLookout;

gboolean lp_lookout_begin_locked (LpLookout *self, gint64 now);
void     lp_lookout_look         (LpLookout *self);
void     lp_lookout_end_locked   (LpLookout *self);
void     lp_lookout_woke_locked  (LpLookout *self, gint64 offered_at);
gboolean lp_lookout_offer_locked (LpLookout *self);
