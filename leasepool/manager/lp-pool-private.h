/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <leasepool.h>

#include "lp-actions-private.h"
#include "lp-back-ref-private.h"
#include "lp-clock-private.h"
#include "lp-completion-private.h"
#include "lp-deadlines-private.h"
#include "lp-executor-private.h"
#include "lp-histogram-private.h"
#include "lp-remote-functions-private.h"
#include "lp-service-private.h"
#include "lp-settings-private.h"
#include "lp-waiters-private.h"

G_BEGIN_DECLS

/* The pool: everything that is decided. A private, reference-counted struct
 * that outlives its manager: leases, jobs and executors hold it.
 *
 * Locks: `lock`, then an executor's queue lock, then a job's or a completion's.
 * Under `lock` decisions are taken and written into an LpActions, which is run
 * after it: no callback, vfunc, signal, record, spawn or foreign unref under it. */

/* The check is no faster than this, however short its interval. */
#define LP_POOL_MIN_CHECK_USEC 1000

typedef enum
{
  LP_POOL_STOPPED,
  LP_POOL_STARTING,
  LP_POOL_RUNNING,
  LP_POOL_STOPPING,
} LpPoolState;

/* Where an executor is in its life; see lp-slot.c for the moves. */
typedef enum
{
  LP_SLOT_STARTING,
  LP_SLOT_IDLE,
  LP_SLOT_VETTING,              /* was idle, and is asked whether it has died */
  LP_SLOT_LEASED,
  LP_SLOT_DRAINING,
  LP_SLOT_REVOKING,             /* its running jobs are being ended */
  LP_SLOT_CLOSING,              /* shut down, and not reported stopped yet */
  LP_SLOT_STUCK,                /* as QUARANTINED, but there was no room left: keeps its place in total */
  LP_SLOT_QUARANTINED,
  LP_SLOT_RETIRED,
  LP_N_SLOT_STATES
} LpSlotState;

/* Whether it has a place within max-pools. Here, since it is asked for each state at each change. */
static inline gboolean
lp_slot_counts (LpSlotState state)
{
  return state != LP_SLOT_QUARANTINED && state != LP_SLOT_RETIRED;
}

/* The place of one executor. All (pool) but where noted. */
struct _LpSlot
{
  gatomicrefcount ref_count;    /* (atomic) */
  LpPool *pool;                 /* (construct-only) (owned) */
  guint64 seq;                  /* (construct-only) */
  guint index;                  /* in pool->slots */
  LpSlotState state;
  LpExecutor *executor;         /* (held) NULL until it was made */
  LpGrant *grant;               /* (owned) the lease, while LEASED or DRAINING */
  GList link;                   /* in the list of its state, if that has one */
  LpDeadline deadline;          /* by state: start time-out, linger, end of the jobs of a broken one, shutdown */
  gint64 jobs_until;            /* 0, or the hard expiry of the lease that it was broken under, while jobs run on */
  LpRetireReason reason;        /* of leaving */
  gboolean leaving;             /* is on its way out, whatever its state */
  gboolean recycle;             /* retire when released */
  gboolean made;                /* reported ready once */
  gboolean shutdown_posted;
  gint64 closing_since;
  gboolean parting;             /* is quarantined or stuck, but its functions have returned, and it shuts down */
  gboolean stopped;             /* it has reported so; only commands of ours are left */
  gboolean on_demand;           /* started for an acquire, above desired, and not lent yet */
  gint64 idle_since;
  LpService *service;           /* (owned) until it is retired */
};

/* What the pool knows of one lease, and what LpLease is a handle of. */
struct _LpGrant
{
  int ref_count;                /* (atomic) */
  LpPool *pool;                 /* (construct-only) the executor holds it */
  LpExecutor *executor;         /* (construct-only) (held) */
  LpSlot *slot;                 /* (pool) NULL once the lease has ended */
  guint64 number;               /* (construct-only) unique in the process */
  guint slot_index;             /* (construct-only) */
  char *id;                     /* (atomic) made on demand */
  GRefString *owner;            /* (construct-only) (nullable) */
  double seconds;               /* (pool) */
  double grace;                 /* (construct-only) */
  gint64 leased_at;             /* (construct-only) */
  gint64 soft;                  /* (pool and executor; either to read) */
  gint64 hard;                  /* (pool and executor; either to read) */
  int state;                    /* (atomic) LpLeaseState; changed under pool */
  gboolean told_soft;           /* (pool) */
  LpDeadline deadline;          /* (pool) soft, then hard */
  GQueue drains;                /* (pool) of LpCompletion */

  int refresh_posted;           /* (atomic) */
  LpLeaseInfo *info;            /* (owner context) (owned) made on demand */
  GSequenceIter *info_iter;     /* (owner context) its place in the list model */
  gboolean info_over;           /* (owner context) its end has been told */
  gboolean all_told;            /* (executor) as that of the executor, for the jobs of this lease */
};

typedef struct
{
  guint64 acquired;
  guint64 released;
  guint64 revoked;
  guint64 timed_out;
  guint64 cancelled;
  guint64 executors_created;
  guint64 executors_retired;
  guint64 log_records_forwarded;
} LpPoolCounters;

struct _LpPool
{
  gatomicrefcount ref_count;    /* (atomic) */
  guint fork_generation;        /* (construct-only) */
  LpBackRef manager;            /* (its own) */
  gpointer listener;            /* (lock) the manager, to ask for its handlers; NULL once it is disposed */
  int list_wanted;              /* (atomic) somebody has the list model */

  GMutex lock;
  LpPoolState state;
  LpSettings *settings;         /* (owned) of this run; constant while it lasts */
  GType executor_type;          /* of this run */
  gboolean logs_leases;         /* somebody wants DEBUG records of the leases of this run; asking costs much */
  LpFunctions *functions;       /* (owned) (nullable) of this run: the table and the module */
  LpRemoteFunctions *remote_functions; /* (owned) (nullable) what the workers of this run said they have */
  LpService *service;           /* (owned) while it runs */
  LpDelivery *owner;            /* (owned) the owner context of this or the last run */
  GThread *owner_thread;        /* (atomic) the one that started it; only compared */
  guint owner_number;           /* how many owners there were before: what was posted for one of them is not told */
  GSource *timer;               /* (owned) on the service context */
  gint64 timer_when;            /* what it is set to */
  LpDeadlines deadlines;
  LpDeadline check_deadline;
  LpDeadline backoff_deadline;
  LpDeadline stop_deadline;

  GPtrArray *slots;             /* of LpSlot or NULL, by index; owned */
  GArray *free_indexes;         /* of guint */
  GQueue idle;                  /* of LpSlot; most recently used first */
  GQueue stuck;                 /* of LpSlot; those that move to quarantine when there is room; latest first */
  GQueue quarantined;           /* of LpSlot; latest first */
  guint n_slots[LP_N_SLOT_STATES];
  guint n_leaving;              /* of those that count in total */
  guint64 last_number;          /* of a grant; see there */
  guint n_parting;              /* slots that are */
  guint64 last_seq;

  LpWaiters waiters;
  gint64 units;                 /* what sizing goes by */
  gboolean size_provided;       /* there is a size provider to ask */
  gboolean size_posted;         /* the owner context is to be asked */
  gboolean size_asked;          /* the owner context was asked and has not answered */
  guint n_start_failures;       /* in a row */
  guint64 last_failed_seq;      /* of the last that failed; a later one that works ends the row */
  gint64 backoff_until;
  GError *last_start_error;     /* why nothing starts; NULL after a success */

  guint n_start_missing;        /* executors the start waits for */
  GQueue start_waiters;         /* of LpCompletion */
  GError *start_error;          /* why the start is being undone */
  LpStopMode stop_mode;
  GQueue stop_waiters;          /* of LpCompletion */
  GQueue stop_watches;          /* of LpCompletion: who wants to know that no more acquires are taken */
  gint64 cancel_at;             /* when a DRAIN becomes CANCEL */
  gint64 kill_at;               /* when a CANCEL becomes KILL */
  gboolean orphaned;            /* the manager is gone */
  guint n_blocked;              /* threads that block until a start or stop has ended */
  gboolean service_due;         /* the run is over, its service use is to be dropped */

  LpPoolCounters counters;
  LpJobCounters job_counters;   /* of executors that are gone */
  LpHistogram *wait_time;
  LpHistogram *hold_time;
  LpHistogram *run_time;        /* of executors that are gone */
  GQueue records;               /* of LpPoolRecords, for the owner */
  gboolean records_posted;      /* the owner knows that there are some */
  LpCompletion *blocker;        /* (not owned) what the owner's thread blocks for, in a call of this library */
  gboolean counts_posted;       /* a notification of the counts is on its way */
  gboolean counts_unheard;      /* they may have changed while nobody listened */
};

/* Log records of a worker that were read together, embedded in what they are. */
typedef struct _LpPoolRecords LpPoolRecords;

struct _LpPoolRecords
{
  GList link;                   /* in the queue, which has a reference; its data is this */
  guint ref_count;              /* (pool) */
  guint n;                      /* (construct-only) */
  guint n_taken;                /* (atomic) to be told; more than there are when all are */
  void (*tell) (LpPoolRecords *self, guint index, LpManager *manager /* (nullable) */); /* in the owner context */
  void (*free) (LpPoolRecords *self); /* in the owner context */
};

#define LP_POOL_ASSERT_LOCKED(pool) g_assert (!g_mutex_trylock (&(pool)->lock))

/* In a forked child neither the locks nor the threads are there. */
static inline gboolean
lp_pool_is_forked (LpPool *self)
{
  return self->fork_generation != lp_fork_generation_now;
}

/* lp-pool.c */
LpPool   *lp_pool_new                (LpManager *manager);
LpPool   *lp_pool_ref                (LpPool *self);
void      lp_pool_unref              (LpPool *self);
void      lp_pool_unlock             (LpPool *self, LpActions *actions);
void      lp_pool_arm_locked         (LpPool *self, LpDeadline *deadline, gint64 when);
void      lp_pool_run_due_locked     (LpPool *self, gint64 now, LpActions *actions);
void      lp_pool_attach_timer_locked (LpPool *self);
void      lp_pool_detach_timer       (LpPool *self);
void      lp_pool_reap               (LpPool *self);
void      lp_pool_post_owner         (LpPool *self, GFunc func, gpointer data, gpointer more);
void      lp_pool_destroy_in_owner   (LpPool *self, GDestroyNotify destroy, gpointer data);
void      lp_pool_destroy_later      (LpPool *self, GDestroyNotify destroy, gpointer data);
void      lp_pool_drop_settings      (LpPool *self, LpSettings *settings);
void      lp_pool_drop_service       (LpPool *self);
LpPoolState lp_pool_get_state        (LpPool *self);
void      lp_pool_take_remote_functions (LpPool *self, LpRemoteFunctions *functions);
void      lp_pool_preview            (LpPool *self, LpSettings *settings, gint64 units);

/* lp-rebalance.c */
guint     lp_pool_total_locked       (LpPool *self);
guint     lp_pool_desired_locked     (LpPool *self);
void      lp_pool_log_desired_locked (LpPool *self, guint before, LpActions *actions);
guint     lp_settings_desired        (const LpSettings *settings, gint64 units);
void      lp_pool_rebalance_locked   (LpPool *self, gint64 now, LpActions *actions);
void      lp_pool_check_locked       (LpPool *self);
void      lp_pool_set_units          (LpPool *self, gint64 units);
void      lp_pool_recycle            (LpPool *self);
void      lp_pool_back_off_locked    (LpPool *self, LpSlot *slot, gint64 now, GError *error);
void      lp_pool_note_breakage_locked (LpPool *self, LpSlot *slot, const GError *error, gint64 now);
void      lp_pool_check_due          (LpDeadline *deadline, gint64 now, LpActions *actions);
void      lp_pool_backoff_due        (LpDeadline *deadline, gint64 now, LpActions *actions);

/* lp-slot.c, lp-slot-start.c, lp-slot-end.c */
LpSlot   *lp_slot_ref                (LpSlot *self);
void      lp_slot_unref              (LpSlot *self);
gboolean  lp_slot_post               (LpSlot *self, GFunc func, gpointer data, gpointer more);
void      lp_slot_post_object        (LpSlot *self, GFunc func, GObject *object);
LpSlot   *lp_slot_new_locked         (LpPool *pool, gboolean on_demand, gint64 now, LpActions *actions);
void      lp_slot_set_state_locked   (LpSlot *self, LpSlotState state);
LpExecutor *lp_slot_dup_executor     (LpSlot *self);
void      lp_slot_arm_shutdown_locked (LpSlot *self);
void      lp_slot_due                (LpDeadline *deadline, gint64 now, LpActions *actions);
void      lp_slot_start_due_locked   (LpSlot *self, gint64 now, LpActions *actions);
void      lp_slot_jobs_due_locked    (LpSlot *self, LpActions *actions);
void      lp_slot_shutdown_due_locked (LpSlot *self, gint64 now, LpActions *actions);
void      lp_slot_leave_locked       (LpSlot *self, LpRetireReason reason, gint64 now, LpActions *actions);
void      lp_slot_return_locked      (LpSlot *self, const LpExecutorLoad *load, gint64 now, LpActions *actions);
void      lp_slot_end_jobs_locked    (LpSlot *self, LpInterrupt reason, LpActions *actions);
void      lp_slot_settle_locked      (LpSlot *self, gint64 now, LpActions *actions);
void      lp_pool_fit_quarantine_locked (LpPool *pool);
void      lp_slot_make               (LpSlot *self);
void      lp_slot_ready              (LpSlot *self);
void      lp_slot_start_failed       (LpSlot *self, GError *error);
void      lp_slot_start_failed_locked (LpSlot *self, const GError *error, gint64 now, LpActions *actions);
void      lp_slot_stopped            (LpSlot *self);
void      lp_slot_died               (LpSlot *self, const GError *error);
void      lp_slot_died_locked        (LpSlot *self, const GError *error, gint64 now, LpActions *actions);
void      lp_slot_vetted             (LpSlot *self, gboolean dead);
void      lp_slot_let_go             (LpSlot *self, LpActions *actions);

/* lp-pool-acquire.c */
typedef struct
{
  GRefString *owner;            /* (owned) (nullable) */
  double seconds;
  gboolean wait;
  double timeout;
  int priority;
} LpAsk;

gboolean  lp_pool_check_fork         (LpPool *self, GError **error);
LpWaiter *lp_waiter_new              (LpPool *pool, const LpAsk *ask, LpCompletion *completion);
void      lp_waiter_cancel           (LpWaiter *self, LpCompletion *completion);
void      lp_pool_enqueue            (LpPool *self, LpWaiter *waiter);
LpGrant  *lp_pool_try_acquire        (LpPool *self, const LpAsk *ask, GError **error);
void      lp_pool_acquire            (LpPool *self, const LpAsk *ask, LpCompletion *completion, GCancellable *cancellable);
gboolean  lp_pool_may_block          (LpPool *self, GError **error);
void      lp_pool_grant_locked       (LpPool *self, LpSlot *slot, LpWaiter *waiter, gint64 now, LpActions *actions);
void      lp_pool_fail_waiters_locked (LpPool *self, LpActions *actions);
gboolean  lp_pool_watch_stop         (LpPool *self, LpCompletion *completion, GError **error);
void      lp_pool_unwatch_stop       (LpPool *self, LpCompletion *completion);
char     *lp_pool_describe_locked    (LpPool *self, gint64 now);

/* lp-grant.c */
LpGrant  *lp_grant_new_locked        (LpSlot *slot, GRefString *owner, double seconds, gint64 now);
LpGrant  *lp_grant_ref               (LpGrant *self);
void      lp_grant_unref             (LpGrant *self);
void      lp_grant_give_back         (gpointer grant);
const char *lp_grant_get_id          (LpGrant *self);
LpLeaseState lp_grant_get_state      (LpGrant *self);
gboolean  lp_grant_release           (LpGrant *self, gboolean dropped);
gboolean  lp_grant_renew             (LpGrant *self, double seconds, GError **error);
void      lp_grant_drain             (LpGrant *self, LpCompletion *completion);
gboolean  lp_grant_check             (LpGrant *self, gint64 now, GError **error);
void      lp_grant_end_locked        (LpGrant *self, LpLeaseState state, gint64 now, LpActions *actions);
void      lp_grant_release_locked    (LpGrant *self, gint64 now, LpActions *actions);
void      lp_grant_due               (LpDeadline *deadline, gint64 now, LpActions *actions);
gboolean  lp_pool_release_id         (LpPool *self, const char *id);

/* lp-pool-run.c */
void      lp_pool_start              (LpPool *self, LpSettings *settings, gint64 units, LpCompletion *completion);
void      lp_pool_block              (LpPool *self);
void      lp_pool_wait               (LpPool *self, LpCompletion *completion);
gboolean  lp_pool_check_owner        (LpPool *self, const char *what, GError **error);
void      lp_pool_orphan             (LpPool *self);
int       lp_stop_mode_hardness      (LpStopMode mode);
gboolean  lp_stop_mode_check         (LpStopMode mode, GError **error);
void      lp_stop_watch_wait         (LpCompletion *completion, GCancellable *cancellable);
void      lp_pool_abort_start        (LpPool *self, GError *error);
void      lp_pool_stop               (LpPool *self, LpStopMode mode, double timeout, LpCompletion *completion);
void      lp_pool_started_locked     (LpPool *self, gint64 now, LpActions *actions);
void      lp_pool_settle_locked      (LpPool *self, LpActions *actions);
void      lp_pool_stop_due           (LpDeadline *deadline, gint64 now, LpActions *actions);
void      lp_pool_undo_start_locked  (LpPool *self, GError *error, gint64 now, LpActions *actions);

/* lp-pool-jobs.c */
void      lp_pool_job_due            (LpDeadline *deadline, gint64 now, LpActions *actions);

/* lp-pool-records.c */
void      lp_pool_push_records       (LpPool *self, LpPoolRecords *records);
void      lp_pool_post_records_locked (LpPool *self);
gboolean  lp_pool_wait_for           (LpPool *self, LpCompletion *completion, gint64 end);

/* lp-stats.c */
GVariant *lp_pool_dup_stats          (LpPool *self);
void      lp_pool_get_counts_locked  (LpPool *self, guint *available, guint *leased, guint *starting);

/* lp-owner.c */
void      lp_owner_take_locked       (LpPool *self, LpDelivery *owner, gboolean acquired, LpActions *actions);
void      lp_owner_counts_locked     (LpPool *self, LpActions *actions);
void      lp_owner_lease_locked      (LpGrant *grant, const char *signal, LpActions *actions);
void      lp_owner_created_locked    (LpSlot *slot, LpActions *actions);
void      lp_owner_retired_locked    (LpSlot *slot, LpActions *actions);
void      lp_owner_ask_size_locked   (LpPool *self);
void      lp_owner_refresh           (LpGrant *grant);
gboolean  lp_owner_hears_locked      (LpPool *self, guint signal);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpGrant, lp_grant_unref)

/* lp-manager.c, in the owner context */
typedef struct
{
  LpLeaseState state;
  gint64 soft;
  gint64 hard;
  guint pending;
} LpLeaseSnapshot;

void      lp_manager_counts_changed  (LpManager *self, gboolean all);
void      lp_manager_forget_leases   (LpManager *self);
void      lp_manager_lease_changed   (LpManager *self, LpGrant *grant, const LpLeaseSnapshot *snapshot, const char *signal);
void      lp_manager_executor_changed (LpManager *self, const char *signal, guint64 seq, LpRetireReason reason);
void      lp_manager_ask_size        (LpManager *self);
gboolean  lp_manager_hears_records   (LpManager *self);
void      lp_manager_worker_record   (LpManager *self, GVariant *record);

G_END_DECLS
