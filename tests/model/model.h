/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "model-world.h"

#include "lp-lease-private.h"
#include "lp-manager-private.h"

/* A checker of schedules: a manager with the real core and a virtual world is
 * driven through a list of events, on one thread; after each of them what always
 * holds is compared with what the model expects. A list of events and a
 * configuration say all about a run. */

#define MODEL_MAX_ACTORS 4      /* who acquire; each has one lease at a time */
#define MODEL_MAX_PLACES 12     /* executors that exist at a time */
#define MODEL_MAX_EVENTS 4096
#define MODEL_CANCEL_GRACE 2.0
#define MODEL_LEASE_GRACE 5.0
#define MODEL_START_TIMEOUT 8.0

typedef enum
{
  EVENT_ACQUIRE,                /* actor, how: see model_acquire_new() */
  EVENT_CANCEL,                 /* actor: its acquire */
  EVENT_RELEASE,                /* actor, how: release, drop, drain, by id */
  EVENT_RENEW,                  /* actor */
  EVENT_SUBMIT,                 /* actor, how: see Work */
  EVENT_RUN,                    /* actor, how: acquire, run and release in one call */
  EVENT_CANCEL_JOB,             /* actor, which */
  EVENT_BEHAVE,                 /* how: what the next starts do */
  EVENT_READY,                  /* executor: its start succeeds */
  EVENT_FAIL_START,             /* executor */
  EVENT_FINISH,                 /* executor, which job: it returns a value */
  EVENT_FAIL_JOB,               /* executor, which job: it returns an error */
  EVENT_GIVE,                   /* executor, which job: it is given a value, and its function goes on */
  EVENT_CRASH,                  /* executor: it reports that it died */
  EVENT_SICKEN,                 /* executor: it has died, and will say so when asked */
  EVENT_STOPPED,                /* executor: nothing of it is left */
  EVENT_SERVICE,                /* one of what was posted for the service thread is run */
  EVENT_TIMER,                  /* the service thread handles the deadlines that are due */
  EVENT_ADVANCE,                /* how: time passes; the service thread may be late */
  EVENT_OWNER,                  /* the owner context runs what it has; between these it is blocked */
  EVENT_CLIENT,                 /* another context does */
  EVENT_RESIZE,                 /* units */
  EVENT_RECYCLE,
  EVENT_STOP,                   /* how: mode and time-out */
  EVENT_START,
  MODEL_N_EVENT_KINDS
} EventKind;

typedef struct
{
  guint8 kind;
  guint8 a;
  guint8 b;
} Event;

typedef enum { FLAVOUR_FOREIGN, FLAVOUR_THREADS, FLAVOUR_VETTED, FLAVOUR_PROCESSES, N_FLAVOURS } Flavour;
typedef enum { START_LATER, START_AT_ONCE, START_FAILS, N_STARTS } StartMode;

typedef struct
{
  Flavour flavour;
  int max_pools;
  int min_pools;
  int units;
  int workers;
  int max_waiters;
  int max_queued;
  int max_quarantined;
  double linger;
  StartMode start;
  guint n_actors;
  gboolean stop_at_once;        /* a shutdown is done when it begins */
  gboolean provider;            /* the size comes from a provider, not from units */
  gboolean signals;             /* somebody listens to the manager */
  gboolean eager;               /* the service and the contexts run after each event */
  gboolean orphan;              /* at the end the manager is dropped rather than stopped */
} Config;

typedef struct _Task Task;

/* An acquire and its lease, as the model sees them. */
typedef struct
{
  guint id;                     /* also the owner of the lease */
  guint actor;
  int priority;
  gboolean wait;
  double timeout;
  double seconds;
  gboolean client;              /* made in the client context */
  gboolean careless;            /* its result is never fetched */
  Task *task;                   /* of one that also runs a job; nobody sees its lease */
  GCancellable *cancellable;
  gint64 asked_at;
  gboolean could_run;           /* the pool ran then */
  guint n_stops_before;
  gboolean was_full;            /* as many waited then as may */

  gboolean cancelled;
  gboolean was_queued;
  gboolean in_queue;
  guint n_told;
  GError *error;
  LpLease *lease;

  LpGrant *grant;               /* once it was seen */
  struct _ModelExecutor *executor;
  gint64 soft;                  /* as the model computes them */
  gint64 hard;
  LpLeaseState state;           /* as it was seen last */
  gboolean released;            /* somebody asked for it */
  gboolean was_draining;
  guint n_signals[2];           /* acquired, ended */
} Acquire;

typedef enum { WORK_HELD, WORK_TIMED, WORK_INSTANT, WORK_REFUSED, WORK_BROKEN, N_WORKS } Work;

struct _Task
{
  guint number;
  Acquire *acquire;
  LpJob *job;
  Work work;
  gint64 begun_at;
  guint n_begun;
  guint n_told;
  guint n_late;                 /* returns after the end */
  gboolean given;               /* that was before its function returned */
  gboolean returned;
  gboolean cancelled;
  gboolean gave_value;
  gboolean gave_error;
  LpJobState state;             /* as it was seen last */
};

typedef enum { PLACE_NEW, PLACE_STARTING, PLACE_READY, PLACE_CLOSING, PLACE_STOPPED } ExecutorPhase;

typedef struct _Model Model;

typedef struct _ModelExecutor
{
  LpExecutor parent_instance;
  Model *model;
  guint place;
  ExecutorPhase phase;
  gboolean was_ready;
  gboolean dead;                /* it said so */
  gboolean sick;                /* it will say so when asked */
  gboolean doomed;              /* is not to be lent again */
  guint last_number;            /* of the last job that was submitted */
  guint idle_since;             /* the event after which it was seen idle; 0: it is not */
  GPtrArray *running;           /* of Task: begun, and not returned */
} ModelExecutor;

struct _Model
{
  Config config;
  char *failure;                /* the first thing that was wrong */
  guint n_events;

  GMainContext *owner;
  GMainContext *client;
  LpManager *manager;
  LpPool *pool;
  ModelExecutor *places[MODEL_MAX_PLACES];
  guint n_executors;            /* objects that exist */
  guint64 n_made;
  StartMode start;
  int provided;

  GPtrArray *acquires;          /* of Acquire, all */
  Acquire *actors[MODEL_MAX_ACTORS];
  GPtrArray *tasks;             /* of Task, all that were accepted, or may be yet */
  guint n_tasks;
  guint n_job_objects;
  guint n_starts, n_starts_told;
  guint n_stops_at_start;
  gint64 started_at;
  gboolean start_may_fail;      /* an executor has died since */
  guint n_stops, n_stops_told;
  guint n_drains, n_drains_told;
  gboolean was_stopped;         /* when it was looked at last */
  gboolean was_due;             /* then a deadline was due, and not handled */
  guint n_created, n_retired;   /* signals */
  guint n_ended[LP_LEASE_STATE_STOPPED + 1];
};

/* model-events.c */
guint32     model_random        (guint64 *state);
void        model_config_random (Config *config, guint64 *random);
Event       model_event_random  (const Config *config, guint64 *random);
char       *model_event_dup_text (const Event *event);
gboolean    model_event_parse   (const char *text, Event *event);
char       *model_config_dup_text (const Config *config);
char       *model_config_dup_numbers (const Config *config);
gboolean    model_config_parse  (const char *text, Config *config);

/* model-executor.c */
GType       model_executor_get_type_for (Flavour flavour);
void        model_executor_set_model    (Model *model);
gboolean    model_executor_end_start    (ModelExecutor *self, gboolean success);
gboolean    model_executor_return       (ModelExecutor *self, guint index, gboolean success);
gboolean    model_executor_give         (ModelExecutor *self, guint index);
gboolean    model_executor_crash        (ModelExecutor *self);
gboolean    model_executor_stop         (ModelExecutor *self);

/* model-driver.c */
Model      *model_new           (const Config *config);
gboolean    model_apply         (Model *self, const Event *event);
void        model_iterate       (Model *self, GMainContext *context);
Task       *model_find_task     (Model *self, LpJob *job);

/* model-actors.c */
Acquire    *model_get_actor     (Model *self, guint actor);
Acquire    *model_acquire_new   (Model *self, guint actor, guint how);
LpRequest  *model_acquire_dup_request (Acquire *acquire);
void        model_check_error   (Model *self, Acquire *acquire);
gboolean    model_acquire       (Model *self, guint actor, guint how);
gboolean    model_cancel        (Model *self, guint actor);
gboolean    model_release       (Model *self, guint actor, guint how);
gboolean    model_renew         (Model *self, guint actor);

/* model-jobs.c */
gboolean    model_run           (Model *self, guint actor, guint how);
gboolean    model_submit        (Model *self, guint actor, guint how);
gboolean    model_cancel_job    (Model *self, guint actor, guint which);

/* model-invariants.c */
void        model_fail          (Model *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
void        model_look          (Model *self);
void        model_check         (Model *self);
void        model_check_told    (Model *self, GMainContext *context);

/* model-end.c */
void        model_end           (Model *self);
