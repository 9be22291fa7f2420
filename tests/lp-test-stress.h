/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* The world of the random schedules: what a run holds, user data that knows where it
 * is to be destroyed, and what must always be true. */

#include "lp-test-flaky.h"

#include "lp-manager-private.h"
#include "lp-test-conform.h"
#include "lp-test-proc.h"

#define PREFIX "stress"

typedef enum { KIND_VALUE, KIND_ERROR, KIND_POLITE, KIND_GATE, KIND_DEFERRED, KIND_COMMAND } Kind;

/* One job and what has become of it. */
typedef struct
{
  LpJob *job;
  Kind kind;
  LpTestGate *gate;
  GCancellable *cancellable;    /* of one that was run */
  gboolean accepted;
  guint n_told;
} Work;

/* One asynchronous acquire. */
typedef struct
{
  struct _Run *run;
  GCancellable *cancellable;
  guint n_told;
} Ask;

typedef struct _Run
{
  LpManager *manager;
  gboolean flaky;
  int max_pools;
  int workers;
  GPtrArray *leases;            /* of LpLease, held */
  GPtrArray *works;             /* of Work, all of the round */
  GPtrArray *asks;              /* of Ask, all of the round */
  guint n_stops_pending;
  guint n_timed_out;
  guint n_lease_signals[2];     /* acquired, ended */
  GHashTable *live_leases;      /* ids that were acquired and have not ended */
  GHashTable *live_executors;   /* seqs that were created and not retired */
  GThread *helpers[2];
  int n_accepted;               /* (atomic) of the helpers */
  int over;                     /* (atomic) the helpers are to end */
} Run;

/* --- User data that knows where it is to be destroyed --- */

static struct
{
  GThread *owner;               /* the driver's thread */
  int n_live;                   /* (atomic) */
  int easy;                     /* (atomic) nothing fails or defers any more */
  GAsyncQueue *deferred;        /* of LpJob, that the driver is to end */
} world;

typedef struct
{
  int value;
  int refused;                  /* (atomic) it never belonged to the manager */
} Payload;

static inline Payload *
payload_new (int value)
{
  Payload *self = g_new0 (Payload, 1);

  self->value = value;
  g_atomic_int_inc (&world.n_live);
  return self;
}

static inline void
payload_free (gpointer data)
{
  Payload *self = data;

  if (g_thread_self () != world.owner)
    g_assert_true (g_atomic_int_get (&self->refused));
  g_atomic_int_add (&world.n_live, -1);
  g_free (self);
}

static inline void
value_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", ((Payload *) user_data)->value);
}

static inline void
deferred_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  if (g_atomic_int_get (&world.easy))
    {
      value_func (job, result, user_data, error);
      return;
    }

  lp_job_defer (job);
  g_async_queue_push (world.deferred, g_object_ref (job));
}

/* --- What must always be true --- */

static inline gboolean
threads_are_bounded (gpointer data)
{
  Run *run = data;

  return lp_test_count_threads (PREFIX) <= (guint) (2 * run->max_pools * run->workers);
}

static inline void
check (Run *run)
{
  lp_test_check (run->manager);
  lp_test_check_waiters (run->manager);
}

static inline void
lease_acquired_cb (LpManager *manager, LpLeaseInfo *info, Run *run)
{
  run->n_lease_signals[0]++;
  g_assert_true (g_hash_table_add (run->live_leases, g_strdup (lp_lease_info_get_id (info))));
}

static inline void
lease_ended_cb (LpManager *manager, LpLeaseInfo *info, Run *run)
{
  run->n_lease_signals[1]++;
  g_assert_cmpint (lp_lease_info_get_state (info), >=, LP_LEASE_STATE_RELEASED);
  g_assert_true (g_hash_table_remove (run->live_leases, lp_lease_info_get_id (info)));
}

static inline void
executor_created_cb (LpManager *manager, guint64 seq, Run *run)
{
  g_assert_true (g_hash_table_add (run->live_executors, GSIZE_TO_POINTER (seq)));
}

static inline void
executor_retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, Run *run)
{
  /* One that never was ready was never said to be created. */
  if (!g_hash_table_remove (run->live_executors, GSIZE_TO_POINTER (seq)))
    g_assert_true (reason == LP_RETIRE_REASON_START_FAILED || reason == LP_RETIRE_REASON_STOPPED);
}

/* How a job ended, and that it is told as it is. */
static inline void
check_end (Work *work, GVariant *result, const GError *error)
{
  LpJobState state = lp_job_get_state (work->job);
  int value;

  g_assert_true ((result != NULL) == (error == NULL));
  if (!work->accepted)
    return;

  g_assert_true ((state == LP_JOB_STATE_SUCCEEDED) == (result != NULL));
  if (state == LP_JOB_STATE_CANCELLED)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  if (result != NULL && (work->kind == KIND_VALUE || work->kind == KIND_DEFERRED))
    {
      g_variant_get (result, "(i)", &value);
      g_assert_cmpint (value, ==, 4711);
    }
  if (error != NULL && error->domain == LP_ERROR && error->code == LP_ERROR_BROKEN_EXECUTOR
      && lp_job_get_started_at (work->job) == 0)
    g_assert_cmpint (state, ==, LP_JOB_STATE_FAILED);
}
