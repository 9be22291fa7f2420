/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

/* How a thread that has run out of work looks out for more before it sleeps. */

/* For how long, in microseconds: what it costs to sleep and to be woken, on both sides together. */
#define LP_LOOKOUT_USEC 20

/* The same for who polls: in this time a process that has answered can be called again, and say that it runs. */
#define LP_LOOKOUT_POLL_USEC 40

/* If that took longer than the first, others had the processor, and it does not look for as long as the second. */
#define LP_LOOKOUT_POLL_LOST_USEC 200
#define LP_LOOKOUT_POLL_REST_USEC (100 * 1000)

typedef struct
{
  gint64 idle_since;            /* (the owner's lock) when a thread last ran out of work */
  gboolean worth_it;            /* (the owner's lock) the last one had work again soon */
  gboolean looking;             /* (the owner's lock) a thread does */
  int offered;                  /* (atomic; changed under the owner's lock) there is work for it */
} LpLookout;

gboolean lp_lookout_begin_locked (LpLookout *self, gint64 now);
gboolean lp_lookout_look         (LpLookout *self);
void     lp_lookout_end_locked   (LpLookout *self);
void     lp_lookout_woke_locked  (LpLookout *self, gint64 offered_at);
gboolean lp_lookout_offer_locked (LpLookout *self);

int      lp_lookout_poll         (GPollFD *fds, guint n_fds, int timeout_msec);
