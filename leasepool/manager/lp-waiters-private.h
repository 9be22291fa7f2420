/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-completion-private.h"
#include "lp-deadlines-private.h"

G_BEGIN_DECLS

/* The queue of acquires without an executor: by priority, the lower number
 * first, then in the order they came. Guarded by the pool's mutex. */

typedef enum
{
  LP_WAITER_NEW,
  LP_WAITER_QUEUED,
  LP_WAITER_DONE,
} LpWaiterState;

typedef struct
{
  gatomicrefcount ref_count;    /* (atomic) */
  struct _LpPool *pool;         /* (construct-only) (owned) */
  LpCompletion *completion;     /* (pool) (owned) while NEW or QUEUED: the operation's reference */
  GRefString *owner;            /* (construct-only) (nullable) */
  double seconds;               /* (construct-only) */
  double timeout;               /* (construct-only) */
  int priority;                 /* (construct-only) */
  gint64 queued_at;             /* (pool) */
  LpWaiterState state;          /* (pool) */
  GList link;                   /* (pool) */
  LpDeadline deadline;          /* (pool) */
} LpWaiter;

typedef struct
{
  GQueue ordinary;              /* of LpWaiter, those of priority 0: most, so that theirs costs nothing to keep */
  GTree *levels;                /* another priority -> GQueue of LpWaiter; made on demand, empty ones removed */
  guint n_waiters;
} LpWaiters;

LpWaiter *lp_waiter_ref      (LpWaiter *self);
void      lp_waiter_unref    (LpWaiter *self);

void      lp_waiters_clear   (LpWaiters *self);
void      lp_waiters_push    (LpWaiters *self, LpWaiter *waiter);
void      lp_waiters_remove  (LpWaiters *self, LpWaiter *waiter);
LpWaiter *lp_waiters_peek    (LpWaiters *self);
gboolean  lp_waiters_blocks  (LpWaiters *self, int priority);

G_END_DECLS
