/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-cache-line-private.h"
#include "lp-gather-private.h"
#include "lp-histogram-private.h"
#include "lp-job-private.h"
#include "lp-watch-private.h"

G_BEGIN_DECLS

typedef struct _LpSlot     LpSlot;
typedef struct _LpGrant    LpGrant;
typedef struct _LpSettings LpSettings;

/* What an executor of the library itself does in another way than through the
 * virtual functions. */
typedef struct
{
  /* A job was queued; the queue lock is held. Returns whether `wake` is to be
   * called once it is not. */
  gboolean (*kick_locked) (LpExecutor *self);
  void     (*wake)        (LpExecutor *self);
  /* On the service thread, in place of submit for one job after the other:
   * begins what can begin. */
  void     (*pump)        (LpExecutor *self);
  /* A job ended for its waiters and its function goes on: its grace is over. */
  void     (*abandoned)   (LpExecutor *self, LpJob *job);
  /* Jobs that are SENT are to come back, if they have not started. */
  void     (*recall)      (LpExecutor *self);
  /* Whether it can run the job, where the table of this process does not say. */
  gboolean (*check_job)   (LpExecutor *self, LpJob *job, GError **error);
  /* Whether jobs run on threads of this process, which nobody can kill: such
   * an executor is quarantined while a function does not return. */
  gboolean holds_threads;
  /* Whether one of those threads is inside its init function. Takes the queue
   * lock. NULL: there are no such threads. */
  gboolean (*is_initialising) (LpExecutor *self);
  /* Whether they run in processes: what others of them run goes on when one is
   * dead, each is told in time that it does not start, and killed when it does
   * not end, and while one is not reaped the executor keeps its place. */
  gboolean holds_processes;
  /* Whether nobody would have to be told of one more job: who is to take it comes for it.
   * With the queue lock held, after kick_locked. NULL: somebody always has to be. */
  gboolean (*is_attended_locked) (LpExecutor *self);
} LpExecutorOps;

/* Where jobs are put that nobody has to be told of: see lp-executor-inbox.c. */
typedef struct
{
  GMutex lock;                  /* after the queue lock, before a job's */
  int open;                     /* (atomic) changed with both locks */
  GQueue jobs;                  /* (lock) of LpJob, each with a reference; empty unless it is open */
  guint64 last_number;          /* (lock, or the queue lock while it is not open) of a job */
} LpInbox;

typedef struct
{
  guint queued;
  guint running;
  guint given;                  /* have ended, and are no longer pending; their functions are to return */
  guint stuck;
  guint commands;               /* of those that run or are stuck: their programs are ours to reap */
} LpExecutorLoad;

/* Whether nothing that is to end by itself holds the executor any more: whoever released it
 * can let it go. */
static inline gboolean
lp_executor_load_lets_go (const LpExecutorLoad *load)
{
  return load->queued + load->running + load->given == 0;
}

typedef struct
{
  guint64 succeeded;
  guint64 failed;
  guint64 cancelled;
  guint64 discarded;
} LpJobCounters;

typedef struct
{
  /* (construct-only) */
  guint64 seq;
  char *name;
  int workers;
  GVariant *options;            /* (nullable) */
  LpFunctions *functions;       /* (nullable) */

  /* Set once by lp_executor_attach(), before it is started; NULL in one that
   * no manager made. */
  LpSlot *slot;                 /* (owned) */
  LpPool *pool;                 /* (owned by the slot) */
  LpSettings *settings;         /* (owned) */
  const LpExecutorOps *ops;
  gboolean logs_jobs;           /* somebody wants records of its jobs */

  int dead;                     /* (atomic) it reported its death */
  LpGrant *grant;               /* (lock, with the inbox closed; atomic, set without that where there was none) (not
                                 * owned) the lease that may submit */

  /* What is above is read without a lock by every submit, what is below is written for
   * every job, first by who submits, then by who takes them: not in one line of their
   * caches. */
  char apart[LP_CACHE_LINE];

  LpInbox inbox;

  char apart_too[LP_CACHE_LINE];

  GMutex lock;                  /* the queue lock: after the pool's, before the inbox's and a job's */
  gboolean inbox_open;          /* (lock) what the inbox says, too */
  GQueue queued;                /* (lock) of LpJob, each with a reference; after them come those in the inbox */
  LpWatch watch;                /* (lock) of the threads, where they are ours */
  LpGather gather;              /* (lock) the same */
  GQueue running;               /* (lock) of LpJob, the same reference */
  GQueue given;                 /* (lock) of LpJob, the same reference */
  GQueue stuck;                 /* (lock) of LpJob, the same reference */
  guint n_commands;             /* (lock) running or stuck */
  guint n_returning;            /* (lock) threads whose function has ended its job by lp_job_take_next(), and is to
                                 * return; their jobs are in no list, and no load counts them: not those `given` */
  gboolean worked;              /* (lock) a job has begun */
  LpJobCounters counters;       /* (lock) */
  LpHistogram *run_time;        /* (lock) */
  GQueue sent;                  /* (lock) of LpJob, the same reference */
  gboolean all_told;            /* (lock) what runs, and what is given, is told to end, or about to be */
  GError *end_error;            /* (lock) (nullable) why nothing that has not started ever will */
  int n_holders;                /* (atomic) */
  gboolean pump_posted;         /* (lock) */
  gboolean shut_down;           /* (service thread) no vfunc is called any more */
} LpExecutorPrivate;

LpExecutorPrivate *lp_executor_get_private (LpExecutor *self);

void        lp_executor_set_ops          (LpExecutor *self, const LpExecutorOps *ops);
const LpExecutorOps *lp_executor_get_ops (LpExecutor *self);
void        lp_executor_attach           (LpExecutor *self, LpSlot *slot, LpPool *pool, LpSettings *settings);
LpExecutor *lp_executor_hold             (LpExecutor *self);
void        lp_executor_let_go           (LpExecutor *self);
LpSettings *lp_executor_get_settings     (LpExecutor *self);
LpPool     *lp_executor_get_pool         (LpExecutor *self);
GMutex     *lp_executor_get_lock         (LpExecutor *self);
void        lp_executor_lock_queue       (LpExecutor *self);
gboolean    lp_executor_checks_death     (LpExecutor *self);
gboolean    lp_executor_is_dead          (LpExecutor *self);

/* For the pool, with its mutex held or not. */
void        lp_executor_open             (LpExecutor *self, LpGrant *grant);
void        lp_executor_close            (LpExecutor *self, LpExecutorLoad *load);
void        lp_executor_get_load         (LpExecutor *self, LpExecutorLoad *load);
void        lp_executor_add_counters     (LpExecutor *self, LpJobCounters *counters);
void        lp_executor_merge_run_time   (LpExecutor *self, LpHistogram **into);

/* With no lock held. */
gboolean    lp_executor_enqueue          (LpExecutor *self, LpGrant *grant, LpJob *job, GError **error);
void        lp_executor_start            (LpExecutor *self);
void        lp_executor_shutdown         (LpExecutor *self, LpStopMode mode);
void        lp_executor_harden           (LpExecutor *self);
void        lp_executor_end_queued       (LpExecutor *self, const GError *error);
void        lp_executor_interrupt_all    (LpExecutor *self, LpInterrupt reason);
void        lp_executor_end_given        (LpExecutor *self, LpGrant *grant, gboolean kill);
void        lp_executor_fail_running     (LpExecutor *self, const GError *error);
void        lp_executor_abandon_all      (LpExecutor *self);

/* Jobs, with no lock held. */
gboolean    lp_executor_cancel_queued    (LpExecutor *self, LpJob *job, LpInterrupt reason);
void        lp_executor_abandon_job      (LpExecutor *self, LpJob *job, gboolean told);
void        lp_executor_job_read         (LpExecutor *self, LpJob *job, LpOutcome *outcome);
void        lp_executor_job_returned     (LpExecutor *self, LpJob *job, LpOutcome *outcome);
void        lp_executor_job_given        (LpExecutor *self, LpJob *job, LpOutcome *outcome);
gboolean    lp_executor_has_worked       (LpExecutor *self);
LpJob      *lp_executor_run_and_claim    (LpExecutor *self, LpJob *job);
gboolean    lp_executor_return_and_go_on (LpExecutor *self, LpJob *job, LpOutcome *outcome, LpJob **next);
gboolean    lp_executor_claim_this       (LpExecutor *self, LpJob *job);
guint       lp_executor_count_occupied_locked (LpExecutorPrivate *priv);
gboolean    lp_executor_may_claim_locked (LpExecutor *self);
LpJob      *lp_executor_claim_locked     (LpExecutor *self);
LpJob      *lp_executor_claim_to_run_locked (LpExecutor *self);
LpJob      *lp_executor_send_locked      (LpExecutor *self);
void        lp_executor_job_started      (LpExecutor *self, LpJob *job, gint64 when);
void        lp_executor_job_dropped      (LpExecutor *self, LpJob *job);
void        lp_executor_job_refused      (LpExecutor *self, LpJob *job, GError *error);
gboolean    lp_executor_job_gone         (LpExecutor *self, LpJob *job);
void        lp_executor_job_deferred     (LpExecutor *self, LpJob *job);
gboolean    lp_executor_default_kick_locked (LpExecutor *self);
void        lp_executor_default_wake     (LpExecutor *self);
void        lp_executor_job_begins       (LpExecutor *self, LpJob *job);
void        lp_executor_begin_claimed    (LpExecutor *self, LpJob *job);
void        lp_executor_vacate_all       (LpExecutor *self);
void        lp_executor_kill_job         (LpExecutor *self, LpJob *job, LpInterrupt reason);
void        lp_executor_interrupt_job    (LpExecutor *self, LpJob *job, LpInterrupt reason);

/* Commands. */
void        lp_command_job_start         (LpJob *job);
void        lp_command_job_signal        (LpJob *job, int signum);

G_END_DECLS
