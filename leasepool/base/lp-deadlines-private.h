/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-clock-private.h"

/* The one heap of everything that time brings to a pool: waiters, leases,
 * jobs, graces, starts, the check. An LpDeadline is embedded in the thing it
 * belongs to. Both are guarded by the pool's mutex; the heap itself does no
 * locking. */

typedef struct _LpDeadline  LpDeadline;
typedef struct _LpDeadlines LpDeadlines;
typedef struct _LpActions   LpActions;

/* Called with the pool's mutex held, after the deadline left the heap; what
 * must happen outside the mutex goes into ACTIONS. */
typedef void (*LpDeadlineFunc) (LpDeadline *deadline, gint64 now, LpActions *actions);

struct _LpDeadline
{
  LpDeadlineFunc fire;
  guint position;               /* in the heap, from 1; 0: not in it */
};

typedef struct
{
  gint64 when;
  LpDeadline *deadline;
} LpDeadlineEntry;

struct _LpDeadlines
{
  LpDeadlineEntry *entries;     /* a 4-ary heap; the keys lie beside one another */
  guint n_entries;
  guint n_allocated;
};

void        lp_deadlines_clear  (LpDeadlines *self);
void        lp_deadlines_set    (LpDeadlines *self, LpDeadline *deadline, gint64 when);
void        lp_deadlines_remove (LpDeadlines *self, LpDeadline *deadline);
LpDeadline *lp_deadlines_pop    (LpDeadlines *self, gint64 now);

/* When the next deadline is due, or LP_TIME_NEVER. Here, since it is asked at each event. */
static inline gint64
lp_deadlines_next (const LpDeadlines *self)
{
  return self->n_entries > 0 ? self->entries[0].when : LP_TIME_NEVER;
}

static inline gboolean
lp_deadline_is_set (const LpDeadline *deadline)
{
  return deadline->position != 0;
}
