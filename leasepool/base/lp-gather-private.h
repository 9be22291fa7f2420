/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

/* How a thread lets short jobs gather before it takes them. */

/* For how long, in microseconds: so that a dozen come meanwhile where it is worth it. */
#define LP_GATHER_USEC 10

/* It was in vain if fewer than these have, or if it took so long, in microseconds, because others had the processor. */
#define LP_GATHER_FEW 4
#define LP_GATHER_LOST_USEC 100

/* Not where fewer than this may wait: those that gather would take the room of others. */
#define LP_GATHER_ROOM 200

/* How many times it is not done after it was in vain: between these. */
#define LP_GATHER_RESTS 64
#define LP_GATHER_MOST_RESTS 10000

/* All of it is guarded by the owner's lock. */
typedef struct
{
  guint n_rests;                /* so many times it is not to be done */
  guint last_rests;             /* how many they were last, half of it for each time that was not in vain since */
} LpGather;

gboolean lp_gather_begin_locked   (LpGather *self, guint room);
gint64   lp_gather_wait           (void);
void     lp_gather_end_locked     (LpGather *self, guint n_jobs, gint64 usec);
void     lp_gather_awaited_locked (LpGather *self);
