/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

#include "lp-completion-private.h"
#include "lp-deadlines-private.h"
#include "lp-delivery-private.h"
#include "lp-functions-private.h"

G_BEGIN_DECLS

typedef struct _LpGrant LpGrant;
typedef struct _LpPool LpPool;

typedef enum
{
  LP_JOB_FUNC,
  LP_JOB_CALL,
  LP_JOB_COMMAND,
  LP_JOB_TASK,
} LpJobKind;

/* Where a job is in its executor; a job's place says which count it is in. */
typedef enum
{
  LP_PLACE_NONE,
  LP_PLACE_QUEUED,
  LP_PLACE_SENT,                /* with a worker process that has not said that it runs: "queued" to everybody else */
  LP_PLACE_RUNNING,
  LP_PLACE_GIVEN,               /* its function, or somebody for it, gave its outcome, and is to return */
  LP_PLACE_STUCK,               /* ended for its waiters, its function has not returned in time */
} LpJobPlace;

/* Why a running job is to end; the first reason stands. */
typedef enum
{
  LP_INTERRUPT_NONE,
  LP_INTERRUPT_CANCEL,
  LP_INTERRUPT_TIMEOUT,
  LP_INTERRUPT_REVOKE,
  LP_INTERRUPT_STOP,
  LP_INTERRUPT_GRINDER,         /* the grinder that has it stopped */
} LpInterrupt;

/* How a job ended: exactly one of the two is set. */
typedef struct
{
  GVariant *result;
  GError *error;
} LpOutcome;

/* How the function of a job has come back. */
typedef enum
{
  LP_RUN_RETURNED,              /* with an outcome */
  LP_RUN_DEFERRED,              /* without one, which comes later */
  LP_RUN_ENDED,                 /* the job has ended before; the reference of its lists is now that of who runs it */
} LpRun;

/* How the jobs of somebody have ended. */
typedef struct
{
  guint64 ended[LP_JOB_STATE_CANCELLED + 1]; /* (atomic) by their state */
} LpJobTally;

/* Lock order: pool, executor, job. */

/* Who is told of the end without an object of its own: by whoever ends the job, with
 * no lock held. Nothing foreign may be run by that. */
typedef struct _LpJobWaiter LpJobWaiter;

struct _LpJobWaiter
{
  GList link;                   /* (job) in the waiters; without data: it is no completion */
  void (*tell) (LpJobWaiter *self);
};

/* Who is told of the end of a job by its submit. */
typedef struct
{
  GMainContext *context;        /* (nullable) NULL: the thread-default one of the thread that submits */
  gpointer source_object;
  gpointer tag;
  GAsyncReadyCallback func;
  gpointer user_data;
} LpJobCallback;

/* What is kept of that: see lp-job-callback.c. The source object is what the item holds. */
typedef struct
{
  gpointer tag;
  GAsyncReadyCallback func;
  gpointer user_data;
  GCancellable *cancellable;    /* (job) (owned) (nullable) while it is watched */
  gulong cancel_id;             /* (job) */
  gboolean watched;             /* there is a cancellable */
  gboolean runs;                /* (job) if it is watched */
  int has_run;                  /* (atomic) */
  int asked;                    /* (atomic) somebody wants the source object */
} LpJobTold;

/* What a worker touches of each job is together, after what only who submits it does: it
 * has to come over from the processor of who made it, and go back. */
struct _LpJob
{
  GObject parent_instance;

  LpJobTold told;               /* constant while there is a callback, but for what says otherwise */
  LpGrant *grant;               /* (owned) as executor */
  gint64 queued_at;             /* (executor) (lock) while it is held */
  guint64 number;               /* (executor) among those of its executor, from 1, in their order */
  int submitted;                /* (atomic) a submit has claimed it */

  LpJobKind kind;               /* (construct-only) */
  LpJobFunc func;               /* (construct-only) */
  gpointer user_data;           /* (executor) cleared when it is on its way to its destroy */
  GDestroyNotify destroy;       /* (executor) */
  double timeout_seconds;       /* (until submitted) */

  /* Set by the submit that wins, before the job is queued; constant then, see lp_job_was_accepted(). */
  LpExecutor *executor;         /* of the grant */
  LpPool *pool;                 /* of the grant, or of who holds it */
  LpFunction *function;         /* (owned) (nullable) the named function */

  GList link;                   /* (executor) in the list of its place */
  LpJobPlace place;             /* (executor) */
  gboolean armed;               /* (executor) its deadline has been set; if GIVEN: its function is told to return */
  guint function_told : 1;      /* (executor) its function has a grace of its own to return in */
  guint detached : 1;           /* (executor) deferred, and its function has returned */
  int entered;                  /* (atomic) a thread that is to call its function has it, or is in lp_job_run() with it */
  int state;                    /* (atomic) LpJobState; changed under lock */
  LpInterrupt interrupt;        /* (lock) */
  gint64 started_at;            /* (executor) */
  gint64 ended_at;              /* (lock) */
  GMutex lock;                  /* a leaf */
  GQueue waiters;               /* (lock) of LpCompletion and LpJobWaiter */
  GVariant *result;             /* (lock) (nullable) NULL also for the value (), see lp_job_ref_result() */
  GError *error;                /* (lock) */
  LpJobTally *tally;            /* (lock) (nullable) (not owned) where its end is counted */
  LpDelivery *delivery;         /* (owned) of the callback, until that has run */
  LpDeliveryItem item;          /* (delivery lock) the same; it holds the source object, which is compared after */
  int has_callback;             /* (atomic) constant once the submit is decided */
  gboolean given;               /* (who ends the job) its callback has a reference that is there already */
  gboolean deferred;            /* (lock) */

  gboolean held;                /* (lock) queued, and has no executor: see lp-job-hold.c */
  gboolean owns_pool;           /* (lock) it has ended while it was held */
  LpJobWaiter *hold;            /* (lock) (owned) (nullable) the same: of who holds it */
  GTask *task;                  /* (construct-only) */
  GTaskThreadFunc task_func;    /* (construct-only) */
  char *name;                   /* (construct-only) */
  GVariant *parameters;         /* (construct-only) */
  char **argv;                  /* (construct-only) */
  GBytes *input;                /* (construct-only) */
  LpWorker *worker;             /* in a worker process, instead of those; set before anybody else has the job */
  LpDeadline deadline;          /* (pool) its time-out, then its grace; then that of its function, while it is GIVEN */
  gboolean in_grace;            /* (pool) what the deadline is now */
  gboolean killed;              /* (its deadlines, which come one after the other) */
  struct _LpCommand *command;   /* (service thread) */
  LpJob *waits_for;             /* (the wait lock of lp-job-end.c) what its function blocks for */
  GCancellable *cancellable;    /* (lock) made on demand, constant then */
  double progress;              /* (lock) */
  char *status;                 /* (lock) */
  gboolean progress_posted;     /* (lock) */
};

gboolean    lp_job_claim_for_submit     (LpJob *self, GError **error);
void        lp_job_unclaim              (LpJob *self, gboolean as_new);
gboolean    lp_job_was_accepted         (LpJob *self);
const char *lp_job_peek_owner           (LpJob *self);
gboolean    lp_job_set_queued           (LpJob *self);
gboolean    lp_job_hold                 (LpJob *self, LpPool *pool, gint64 now, LpJobWaiter *ended,
                                         LpJobTally *tally);
gboolean    lp_job_is_held              (LpJob *self);
void        lp_job_end_held             (LpJob *self, GError *error);
gboolean    lp_job_cancel_held          (LpJob *self);
LpJob      *lp_job_new_for_task         (GTask *task, GTaskThreadFunc func);
void        lp_outcome_clear            (LpOutcome *outcome);
gboolean    lp_job_state_is_end         (LpJobState state);
gboolean    lp_job_end                  (LpJob *self, LpOutcome *outcome, gboolean by_function, GQueue *waiters);
gboolean    lp_job_end_locked           (LpJob *self, LpOutcome *outcome, gboolean by_function, GQueue *waiters);
GVariant   *lp_job_ref_result           (LpJob *self);
void        lp_job_tell                 (LpJob *self, GQueue *waiters);
void        lp_job_tell_waiters         (LpJob *self, GQueue *waiters);
gboolean    lp_job_mark_interrupted     (LpJob *self, LpInterrupt reason);
void        lp_job_interrupt            (LpJob *self, LpInterrupt reason);
void        lp_job_fire_cancellable     (LpJob *self);
LpInterrupt lp_job_get_interrupt        (LpJob *self);
GError     *lp_job_interrupt_error      (LpJob *self, LpInterrupt reason);
void        lp_job_notify_progress      (LpJob *self);
void        lp_job_add_waiter           (LpJob *self, LpCompletion *completion);
void        lp_job_follow               (LpJob *self, LpCompletion *completion, GCancellable *cancellable);
LpCompletion *lp_job_drop_waiter        (LpJob *self, LpCompletion *completion);
void        lp_job_drop_user_data       (LpJob *self);
gboolean    lp_job_run                  (LpJob *self, LpOutcome *outcome);
LpRun       lp_job_run_on               (LpJob **job, LpOutcome *outcome);
gboolean    lp_job_calls_same           (LpJob *self, LpJob *other);
GError     *lp_job_run_init             (LpFunctions *functions, const char *name, GVariant *parameters);
LpJob      *lp_job_get_current          (void);
gboolean    lp_job_is_on_stack          (LpJob *self);
gboolean    lp_job_stack_has_pool       (LpPool *pool);
void        lp_job_arm                  (LpJob *self, gboolean grace, gint64 when);
void        lp_job_disarm               (LpJob *self);

/* lp-job-callback.c */
void        lp_job_callback_attach      (LpJob *self, const LpJobCallback *callback, gboolean watched);
gboolean    lp_job_callback_detach      (LpJob *self);
void        lp_job_callback_watch       (LpJob *self, GCancellable *cancellable);
GVariant   *lp_job_finish               (gpointer source_object, gpointer tag, gpointer result, GError **error);
void        lp_job_callback_tell        (LpJob *self);
gboolean    lp_job_callback_give        (LpJob *self);
gboolean    lp_job_is_awaited           (LpJob *self, const GQueue *waiters);
gboolean    lp_job_is_told_in           (LpJob *self, LpDelivery *delivery);
void        lp_job_async_result_init    (GAsyncResultIface *iface);

/* lp-job-submit.c: what takes jobs. */
typedef struct
{
  gboolean (*claim)  (gpointer submitter, LpJob *job, GError **error); /* calls lp_job_claim_for_submit() */
  gboolean (*accept) (gpointer submitter, LpJob *job, GError **error);
} LpJobSubmitOps;

gboolean    lp_job_submit               (LpJob *self, const LpJobSubmitOps *ops, gpointer submitter,
                                         const LpJobCallback *callback, GCancellable *cancellable, GError **error);
void        lp_job_submit_and_tell      (LpJob *self, const LpJobSubmitOps *ops, gpointer submitter, gpointer tag,
                                         GCancellable *cancellable, GAsyncReadyCallback func, gpointer user_data);

static inline LpJobState
lp_job_peek_state (LpJob *self)
{
  return g_atomic_int_get (&self->state);
}

G_END_DECLS
