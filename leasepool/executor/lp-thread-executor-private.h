/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-cache-line-private.h"
#include "lp-executor-private.h"
#include "lp-lookout-private.h"
#include "lp-thread-executor.h"

G_BEGIN_DECLS

struct _LpThreadExecutor
{
  LpExecutor parent_instance;

  char apart[LP_CACHE_LINE];    /* every check of the type reads the above, while threads come and go */

  GCond cond;
  LpLookout lookout;
  guint n_threads;              /* started and not ending */
  guint n_unjoined;             /* started and not joined */
  guint n_idle;                 /* asleep, or woken and not running yet */
  guint n_woken;
  guint n_initialising;         /* at the start: those whose init has not ended */
  guint n_in_init;              /* inside the init function, at the start or later */
  guint last_number;            /* of a thread */
  gboolean closing;
  gboolean ready;               /* its start has succeeded */
  GError *init_error;           /* what the first failing init said */
};

typedef struct
{
  LpThreadExecutor *executor;   /* (owned) */
  GThread *thread;              /* (queue lock) stored by the spawner */
  gboolean ended;               /* (queue lock) it is about to return */
  gboolean with_start;          /* the executor is not ready before its init is done */
  guint n_jobs;
} LpThreadWorker;

gboolean lp_thread_executor_starts_at_once (const LpSettings *settings);
gboolean lp_thread_executor_kick_locked    (LpExecutor *executor);

/* lp-thread-spawn.c */
gboolean lp_thread_executor_spawn          (LpThreadExecutor *self, gboolean with_start);

/* lp-thread-jobs.c */
gboolean lp_thread_worker_is_worn_out      (LpThreadExecutor *self, LpThreadWorker *worker);
void     lp_thread_worker_run              (LpThreadExecutor *self, LpThreadWorker *worker);

static inline GMutex *
lp_thread_executor_get_lock (LpThreadExecutor *self)
{
  return lp_executor_get_lock (LP_EXECUTOR (self));
}

static inline LpWatch *
lp_thread_executor_get_watch (LpThreadExecutor *self)
{
  return &lp_executor_get_private (LP_EXECUTOR (self))->watch;
}

G_END_DECLS
