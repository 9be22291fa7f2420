/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-grinder.h"
#include "lp-grinder-settings-private.h"
#include "lp-pool-private.h"

G_BEGIN_DECLS

/* The grind: everything that a grinder decides. A private, reference-counted
 * struct that outlives its LpGrinder: its items, its batches and the run hold it.
 *
 * Locks: the pool's, then `lock`, then a job's or a completion's. So the pool is
 * never called with `lock` held; nothing foreign is, either. */

typedef struct _LpGrind      LpGrind;
typedef struct _LpGrindItem  LpGrindItem;
typedef struct _LpGrindBatch LpGrindBatch;

typedef enum
{
  LP_GRIND_STOPPED,
  LP_GRIND_STARTING,            /* one call of start is under way */
  LP_GRIND_RUNNING,
  LP_GRIND_STOPPING,
} LpGrindState;

typedef enum
{
  LP_ITEM_PENDING,              /* waits for a batch, or for the executor of one */
  LP_ITEM_FLYING,               /* belongs to a batch that has its executor */
  LP_ITEM_LEFT,                 /* in no list: it is being ended, or has ended */
} LpItemPlace;

/* A reference to it is one to the job. */
struct _LpGrindItem
{
  LpJobWaiter ended;            /* the first member */
  LpGrind *grind;               /* held by all items together, until their end has been heard of; NULL then */
  LpJob *job;                   /* (construct-only) */
  gint64 since;                 /* (construct-only) */
  LpItemPlace place;            /* (lock) */
  gboolean due;                 /* (lock) it has waited max-wait-seconds */
  GList link;                   /* (lock) in the list of its place */
};

struct _LpGrindBatch
{
  LpGrind *grind;               /* (construct-only) (owned) */
  guint64 number;               /* (construct-only) */
  LpCompletion *acquired;       /* (construct-only) (owned) told when the acquire has ended */
  LpWaiter *waiter;             /* (construct-only) (owned) */
  LpGrant *grant;               /* (owned) set by the one thread that brings it */
  gboolean acquiring;           /* (lock) */
  gboolean cancelled;           /* (lock) its acquire has been */
  GList link;                   /* (lock) in grind->batches */
};

typedef struct
{
  guint64 accepted;
  guint64 refused;              /* with QUEUE_FULL */
  guint64 batches;              /* that got an executor, and had items for it */
} LpGrindCounters;

struct _LpGrind
{
  gatomicrefcount ref_count;    /* (atomic) */
  LpPool *pool;                 /* (construct-only) (owned) (nullable) without a manager */
  LpBackRef grinder;            /* (its own) */
  LpDeadline deadline;          /* (pool) when the oldest item that is not due becomes so */

  GMutex lock;
  LpGrindState state;
  LpGrinderSettings *settings;  /* (owned) of this or the last run; constant while it lasts */
  char *log_domain;             /* (owned) the same */
  gboolean logs_batches;        /* the same: somebody wants DEBUG records of its batches */
  LpStopMode stop_mode;         /* 0: none yet */
  GQueue stop_waiters;          /* of LpCompletion */
  gboolean closing;             /* the stop is over but for what is to be dropped without the lock */
  LpCompletion *stop_watch;     /* (owned) tells of a stop of the pool, while this runs */
  gboolean pool_stopped;        /* it has told */

  GQueue pending;               /* of LpGrindItem, the oldest first */
  GList *first_young;           /* in pending: the first that is not due; those before it are */
  guint n_due;
  gboolean timer_set;           /* for first_young, or sooner; changed with the pool's lock, too, but for enqueue */
  GQueue flying;                /* of LpGrindItem */
  guint n_items;                /* accepted, and their end has not been heard of */
  GQueue batches;               /* of LpGrindBatch */
  guint n_acquiring;            /* of the batches */
  guint64 last_number;          /* of the batches of this run */
  gboolean balancing;           /* a thread does it */
  gboolean balance_again;       /* and is to do it once more */
  LpGrindCounters counters;
  LpJobTally tally;             /* (atomic) how items ended */

  gpointer listener;            /* (lock) the grinder, to ask for its handlers; NULL once it is disposed */
  LpDelivery *owner;            /* (owned) the owner context of this or the last run */
  guint owner_number;           /* how many owners there were before */
  gboolean owner_posted;        /* it is going to be told */
  gboolean pending_changed;     /* (lock) to be told */
  gboolean running_changed;     /* (lock) to be told */
  gboolean drained;             /* (lock) to be told */
};

/* lp-grind.c */
LpGrind     *lp_grind_new              (LpPool *pool, LpGrinder *grinder);
LpGrind     *lp_grind_ref              (LpGrind *self);
void         lp_grind_unref            (LpGrind *self);
void         lp_grind_rebalance        (LpGrind *self);
LpGrindState lp_grind_get_state        (LpGrind *self);
guint        lp_grind_get_pending      (LpGrind *self);

/* lp-grind-item.c */
gboolean     lp_grind_claim            (LpGrind *self, LpJob *job, GError **error);
gboolean     lp_grind_accept           (LpGrind *self, LpJob *job, GError **error);
LpGrindItem *lp_grind_item_ref         (LpGrindItem *self);
void         lp_grind_item_unref       (LpGrindItem *self);
void         lp_grind_mark_due_locked  (LpGrind *self, gint64 now);
void         lp_grind_take_locked      (LpGrind *self, guint max_items, LpItemPlace place, GPtrArray *items);
void         lp_grind_end_items        (GPtrArray *items, const GError *error);

/* lp-grind-batch.c */
gboolean     lp_grind_wants_batch_locked (LpGrind *self);
LpGrindBatch *lp_grind_batch_new_locked (LpGrind *grind);
void         lp_grind_batch_begin      (LpGrindBatch *self);
void         lp_grind_batch_unref      (LpGrindBatch *self);
void         lp_grind_cancel_acquires_locked (LpGrind *grind, GPtrArray *batches);
void         lp_grind_batch_cancel     (LpGrindBatch *self);

/* lp-grind-run.c */
gboolean     lp_grind_check_owner      (LpGrind *self, const char *what, GError **error);
gboolean     lp_grind_start            (LpGrind *self, const LpGrinderSettings *settings, GError **error);
void         lp_grind_stop             (LpGrind *self, LpStopMode mode, LpCompletion *completion);
gboolean     lp_grind_is_over_locked   (LpGrind *self);
void         lp_grind_close            (LpGrind *self);

/* lp-grind-owner.c */
void         lp_grind_take_owner_locked (LpGrind *self, LpDelivery *owner);
void         lp_grind_pending_changed_locked (LpGrind *self);
void         lp_grind_running_changed_locked (LpGrind *self);

/* lp-grind-log.c */
char        *lp_grind_dup_log_domain    (LpGrind *self);
gboolean     lp_grind_wants_batch_records (const char *domain);
void         lp_grind_log_run           (const char *domain, const char *prefix, const char *event, const char *what);
void         lp_grind_batch_log_started (LpGrindBatch *self, guint n_items);
void         lp_grind_batch_log_ended   (LpGrindBatch *self, const GError *error);
void         lp_grind_batch_log_refused (LpGrindBatch *self, guint n_items, const GError *error);

/* lp-grind-stats.c; SETTINGS count while it is stopped. */
GVariant    *lp_grind_dup_stats        (LpGrind *self, const LpGrinderSettings *settings);

/* lp-grinder.c, in the owner context */
void         lp_grinder_tell           (LpGrinder *self, gboolean pending, gboolean running, gboolean drained);

static inline guint
lp_grind_max_batch_size (LpGrind *self)
{
  return self->settings->max_batch_size > 0 ? (guint) self->settings->max_batch_size : G_MAXUINT;
}

G_END_DECLS
