/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-executor-private.h"
#include "lp-process-executor.h"
#include "lp-remote-functions-private.h"

G_BEGIN_DECLS

/* All but `remote` is of whoever holds `children_lock`: the service thread, which waits for it, or one that submits a job
 * or reads an answer and finds it free. */
struct _LpProcessExecutor
{
  LpExecutor parent_instance;

  GRecMutex children_lock;      /* before the pool's; see LP_PROCESS_EXECUTOR_ENTER() */
  GPtrArray *children;          /* of LpChild, owned */
  guint last_number;            /* of a child */
  gboolean ready;               /* its start has succeeded */
  gboolean closing;
  gboolean doomed;              /* a worker did what breaks it, and is being killed for that */
  gboolean pumping;             /* or handling frames, and will */
  GSource *overdue_source;      /* (owned) (nullable) */
  LpRemoteFunctions *remote;    /* (queue lock) (nullable) what the workers said they have; constant once set */
};

/* How it was before some frames, which others may come within: see LpChild. */
typedef struct
{
  gboolean pumping;
  gboolean posted;
} LpProcessBatch;

/* In each function that the service thread comes in by, after the references that the function holds: what it drops when
 * it returns may be the last one. It is recursive since a log writer may iterate the context of that thread. */
#define LP_PROCESS_EXECUTOR_ENTER(self) \
  G_GNUC_UNUSED g_autoptr (GRecMutexLocker) entered = g_rec_mutex_locker_new (&(self)->children_lock)

gboolean lp_process_executor_is_dead        (LpProcessExecutor *self);
/* Begins what can begin. */
void     lp_process_executor_pump           (LpExecutor *executor);
/* On any thread: a job was queued. */
void     lp_process_executor_wake           (LpExecutor *executor);
/* Whether a thread that holds the lock, and is not the service thread, may send jobs and read their ends. */
gboolean lp_process_executor_may_help       (LpProcessExecutor *self);
/* Starts as many children as are missing; dies if that cannot be. */
void     lp_process_executor_fill_up        (LpProcessExecutor *self);

/* For the children. */
void     lp_process_executor_begin_batch    (LpProcessExecutor *self, LpProcessBatch *batch);
void     lp_process_executor_end_batch      (LpProcessExecutor *self, LpProcessBatch *batch);
void     lp_process_executor_leave_batch    (LpProcessExecutor *self, LpProcessBatch *batch);
char    *lp_process_executor_take_functions (LpProcessExecutor *self, GVariant *hello);
gboolean lp_process_executor_check_result   (LpProcessExecutor *self, LpJob *job, GVariant *result, char **declared);

G_END_DECLS
