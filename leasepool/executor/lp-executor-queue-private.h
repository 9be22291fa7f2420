/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-executor-private.h"

G_BEGIN_DECLS

/* What is to be done about one or more jobs when no lock is held. */
typedef struct
{
  LpJob *job;                   /* (owned) */
  LpGrant *grant;               /* (owned) (nullable) whose list entry is to be refreshed */
  GQueue waiters;
  gboolean ended;               /* this is its end, for those who wait */
  gboolean awaited;             /* one of them sleeps until then */
  gboolean gone;                /* its function can no longer run */
  gboolean disarm;
  gboolean let_go;
  gboolean wake;
} LpAftermath;

/* Whether a job that is there has a worker. */
static inline gboolean
lp_job_place_occupies (LpJobPlace place)
{
  return place == LP_PLACE_RUNNING || place == LP_PLACE_GIVEN || place == LP_PLACE_STUCK;
}

/* lp-executor-queue.c */
void   lp_executor_begin_locked        (LpExecutorPrivate *priv, LpJob *job, gint64 when);
void   lp_executor_move_locked         (LpExecutorPrivate *priv, LpJob *job, LpJobPlace place);
void   lp_executor_review_inbox_locked (LpExecutor *self);
void   lp_executor_fill_locked         (LpExecutor *self);
LpJob *lp_executor_claim_to_run_at_locked (LpExecutor *self, gint64 now);

/* lp-executor-return.c */
void lp_executor_return_locked    (LpExecutor *self, LpJob *job, LpOutcome *outcome, LpAftermath *aftermath);
void lp_executor_end_early_locked (LpExecutor *self, LpJob *job, LpOutcome *outcome, gboolean by_function,
                                   LpAftermath *aftermath);
void lp_executor_leave_ended_locked (LpExecutor *self, LpJob *job, LpAftermath *aftermath);
void lp_aftermath_run             (LpExecutor *self, LpAftermath *aftermath);

/* lp-executor-load.c */
gboolean lp_executor_is_let_go_locked (LpExecutorPrivate *priv);

/* lp-executor-inbox.c */
gboolean lp_executor_put          (LpExecutorPrivate *priv, LpGrant *grant, LpJob *job, gint64 now,
                                   LpGrant **watched);
void lp_executor_append_locked    (LpExecutorPrivate *priv, LpJob *job, gint64 now);
void lp_executor_take_in_locked   (LpExecutorPrivate *priv);
void lp_executor_close_inbox_locked (LpExecutorPrivate *priv);
void lp_executor_open_inbox_locked (LpExecutorPrivate *priv);

/* lp-executor-log.c */
void lp_executor_log_begun        (LpExecutor *self, LpJob *job);
void lp_executor_log_ended        (LpExecutor *self, LpJob *job);

G_END_DECLS
