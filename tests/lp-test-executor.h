/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* Executors of other hands, for the tests of the hook. One class does what
 * `world` says and tells it what was asked of it; each virtual function checks
 * that it is called as promised. For one program at a time: all is static. */

#include "lp-test.h"

#include <pthread.h>
#include <string.h>

#include "lp-executor-private.h"
#include "lp-lease-private.h"
#include "lp-manager-private.h"

typedef enum { START_READY, START_FALSE, START_FALSE_BARE, START_NEVER, START_DIES, START_STOPS } StartMode;
typedef enum { SUBMIT_THREAD, SUBMIT_VALUE, SUBMIT_HOLD, SUBMIT_FALSE, SUBMIT_FALSE_BARE, SUBMIT_BROKEN,
               SUBMIT_DIES, SUBMIT_STOPS } SubmitMode;

static struct
{
  GMutex lock;
  GCond cond;                   /* any counter has changed */
  StartMode start;              /* (before it is asked) */
  SubmitMode submit;            /* (before it is asked) */
  gboolean never_stops;         /* (before it is asked) shutdown does not report */
  guint64 dead_seq;             /* (lock) has_died says so of this one */
  GPtrArray *executors;         /* (lock) in the order of their starts */
  GPtrArray *held;              /* (lock) jobs that nobody ends */
  guint n_submits, n_cancels, n_shutdowns, n_asked; /* (lock) */
  guint n_own_threads, n_flushes, n_held_up; /* (lock) */
  GMutex gate;                  /* the service thread waits for it in hold_up_service() */
  LpJob *cancelled;             /* (lock) the last one, not owned */
  LpStopMode mode;              /* (lock) of the last shutdown */
} world;

#define TEST_TYPE_EXECUTOR (test_executor_get_type ())
G_DECLARE_DERIVABLE_TYPE (TestExecutor, test_executor, TEST, EXECUTOR, LpExecutor)
struct _TestExecutorClass
{
  LpExecutorClass parent_class;
};

typedef struct
{
  gboolean shut_down;           /* (service thread) */
} TestExecutorPrivate;

G_DEFINE_TYPE_WITH_PRIVATE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)

/* One that has a has_died() of its own, so it is asked. */
typedef struct { TestExecutor parent_instance; } TestMortal;
typedef struct { TestExecutorClass parent_class; } TestMortalClass;
static GType test_mortal_get_type (void) G_GNUC_UNUSED;
G_DEFINE_TYPE (TestMortal, test_mortal, TEST_TYPE_EXECUTOR)

/* One that implements nothing, and one that cannot be made. */
typedef struct { LpExecutor parent_instance; } TestPlain;
typedef struct { LpExecutorClass parent_class; } TestPlainClass;
static GType test_plain_get_type (void) G_GNUC_UNUSED;
G_DEFINE_TYPE (TestPlain, test_plain, LP_TYPE_EXECUTOR)

typedef struct { LpExecutor parent_instance; } TestAbstract;
typedef struct { LpExecutorClass parent_class; } TestAbstractClass;
static GType test_abstract_get_type (void) G_GNUC_UNUSED;
G_DEFINE_ABSTRACT_TYPE (TestAbstract, test_abstract, LP_TYPE_EXECUTOR)

static void
bump (guint *counter)
{
  g_mutex_lock (&world.lock);
  (*counter)++;
  g_cond_broadcast (&world.cond);
  g_mutex_unlock (&world.lock);
}

static inline guint
peek (guint *counter)
{
  guint value;

  g_mutex_lock (&world.lock);
  value = *counter;
  g_mutex_unlock (&world.lock);

  return value;
}

static inline void
wait_count (guint *counter, guint n)
{
  gint64 end = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;

  g_mutex_lock (&world.lock);
  while (*counter < n)
    g_assert_true (g_cond_wait_until (&world.cond, &world.lock, end));
  g_mutex_unlock (&world.lock);
}

/* What each virtual function may rely on. */
static TestExecutorPrivate *
enter (LpExecutor *executor, LpJob *job)
{
  TestExecutorPrivate *priv = test_executor_get_instance_private (TEST_EXECUTOR (executor));
  char name[16];

  g_assert_cmpint (pthread_getname_np (pthread_self (), name, sizeof name), ==, 0);
  g_assert_cmpstr (name, ==, "leasepool");
  g_assert_false (priv->shut_down);

  /* These take the lock of the pool, of all executors, and of the job: whoever
   * calls with one of them held hangs here. */
  g_variant_unref (lp_pool_dup_stats (lp_executor_get_pool (executor)));
  if (job != NULL)
    g_free (lp_job_dup_status (job));

  return priv;
}

static GError *
test_error_new (int code)
{
  return g_error_new_literal (LP_ERROR, code, "as the test asked");
}

static void
report_died (LpExecutor *executor)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "as the test asked");

  lp_executor_report_died (executor, error);
}

static gboolean
test_executor_start (LpExecutor *executor, GError **error)
{
  enter (executor, NULL);
  g_mutex_lock (&world.lock);
  g_ptr_array_add (world.executors, g_object_ref (executor));
  g_cond_broadcast (&world.cond);
  g_mutex_unlock (&world.lock);

  switch (world.start)
    {
    case START_READY: lp_executor_report_ready (executor); return TRUE;
    case START_FALSE: g_propagate_error (error, test_error_new (LP_ERROR_NOT_SUPPORTED)); return FALSE;
    case START_FALSE_BARE: return FALSE;
    case START_DIES: report_died (executor); return TRUE;
    case START_STOPS: lp_executor_report_stopped (executor); return TRUE;
    case START_NEVER:
    default: return TRUE;
    }
}

static gpointer
execute (gpointer data)
{
  g_autoptr (LpJob) job = data;

  lp_job_execute (job);
  g_mutex_lock (&world.lock);
  world.n_own_threads--;
  g_cond_broadcast (&world.cond);
  g_mutex_unlock (&world.lock);

  return NULL;
}

static void
execute_on_thread (LpJob *job)
{
  bump (&world.n_own_threads);
  g_thread_unref (g_thread_new ("test-own", execute, g_object_ref (job)));
}

static gboolean
test_executor_submit (LpExecutor *executor, LpJob *job, GError **error)
{
  enter (executor, job);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);
  g_assert_cmpint (lp_job_get_started_at (job), >, 0);

  g_mutex_lock (&world.lock);
  if (world.submit == SUBMIT_HOLD || world.submit == SUBMIT_DIES || world.submit == SUBMIT_STOPS)
    g_ptr_array_add (world.held, g_object_ref (job));
  g_mutex_unlock (&world.lock);
  bump (&world.n_submits);

  switch (world.submit)
    {
    case SUBMIT_THREAD: execute_on_thread (job); return TRUE;
    case SUBMIT_VALUE: lp_job_return_value (job, g_variant_new ("(i)", 42)); return TRUE;
    case SUBMIT_FALSE: g_propagate_error (error, test_error_new (LP_ERROR_NOT_SUPPORTED)); return FALSE;
    case SUBMIT_FALSE_BARE: return FALSE;
    case SUBMIT_BROKEN: g_propagate_error (error, test_error_new (LP_ERROR_BROKEN_EXECUTOR)); return FALSE;
    case SUBMIT_DIES: report_died (executor); return TRUE;
    case SUBMIT_STOPS: lp_executor_report_stopped (executor); return TRUE;
    case SUBMIT_HOLD:
    default: return TRUE;
    }
}

static void
test_executor_cancel (LpExecutor *executor, LpJob *job)
{
  enter (executor, job);
  g_assert_true (g_cancellable_is_cancelled (lp_job_get_cancellable (job)));
  world.cancelled = job;
  bump (&world.n_cancels);
}

static void
test_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  /* Whoever waits for the count may change it. */
  gboolean stops = !world.never_stops;

  enter (executor, NULL)->shut_down = TRUE;
  world.mode = mode;
  bump (&world.n_shutdowns);
  if (stops)
    lp_executor_report_stopped (executor);
}

/* From here on has_died says so of this one. */
static inline void
let_die (guint64 seq)
{
  g_mutex_lock (&world.lock);
  world.dead_seq = seq;
  g_mutex_unlock (&world.lock);
}

static gboolean
test_mortal_has_died (LpExecutor *executor)
{
  guint64 dead_seq;

  enter (executor, NULL);
  bump (&world.n_asked);

  g_mutex_lock (&world.lock);
  dead_seq = world.dead_seq;
  g_mutex_unlock (&world.lock);

  return lp_executor_get_seq (executor) == dead_seq
         || LP_EXECUTOR_CLASS (test_mortal_parent_class)->has_died (executor);
}

static void
test_executor_class_init (TestExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->start = test_executor_start;
  LP_EXECUTOR_CLASS (klass)->submit = test_executor_submit;
  LP_EXECUTOR_CLASS (klass)->cancel = test_executor_cancel;
  LP_EXECUTOR_CLASS (klass)->shutdown = test_executor_shutdown;
}

static void
test_mortal_class_init (TestMortalClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->has_died = test_mortal_has_died;
}

static void test_executor_init (TestExecutor *self) { }
static void test_mortal_init (TestMortal *self) { }
static void test_plain_init (TestPlain *self) { }
static void test_plain_class_init (TestPlainClass *klass) { }
static void test_abstract_init (TestAbstract *self) { }
static void test_abstract_class_init (TestAbstractClass *klass) { }

/* --- What the tests have in common --- */

static inline void
begin (StartMode start, SubmitMode submit)
{
  memset (&world, 0, sizeof world);
  g_mutex_init (&world.lock);
  g_mutex_init (&world.gate);
  g_cond_init (&world.cond);
  world.executors = g_ptr_array_new ();
  world.held = g_ptr_array_new_with_free_func (g_object_unref);
  world.start = start;
  world.submit = submit;
}

static inline gboolean
has_one_ref (gpointer data)
{
  return g_atomic_int_get ((int *) &G_OBJECT (data)->ref_count) == 1;
}

/* All that threads of executors ran has returned. */
static inline void
wait_no_threads (void)
{
  gint64 patience = g_get_monotonic_time () + LP_TEST_PATIENCE_SECONDS * G_TIME_SPAN_SECOND;

  g_mutex_lock (&world.lock);
  while (world.n_own_threads > 0)
    g_assert_true (g_cond_wait_until (&world.cond, &world.lock, patience));
  g_mutex_unlock (&world.lock);
}

/* Nobody but the test holds an executor, soon after its manager has stopped and
 * its jobs are dropped. */
static inline void
end (void)
{
  wait_no_threads ();

  g_ptr_array_unref (world.held);
  for (guint i = 0; i < world.executors->len; i++)
    {
      LpExecutor *executor = world.executors->pdata[i];

      lp_test_block_for (has_one_ref, executor, "the last reference to an executor");
      g_assert_finalize_object (executor);
    }
  g_ptr_array_unref (world.executors);
  g_mutex_clear (&world.lock);
  g_mutex_clear (&world.gate);
  g_cond_clear (&world.cond);
}

static inline void
finish (LpManager *manager)
{
  lp_test_finish (manager);
  end ();
}

static inline LpManager *
start_type (GType type, int max_pools, int workers)
{
  return lp_test_start (max_pools, "executor-type", type, "workers-per-pool", workers,
                        "cancel-grace-seconds", 0.05, NULL);
}

static inline LpManager *
start (int max_pools, int workers)
{
  return start_type (TEST_TYPE_EXECUTOR, max_pools, workers);
}

/* The executor that was started as number N, from 1. */
static inline LpExecutor *
executor_at (guint n)
{
  LpExecutor *executor;

  g_mutex_lock (&world.lock);
  g_assert_cmpuint (world.executors->len, >=, n);
  executor = world.executors->pdata[n - 1];
  g_mutex_unlock (&world.lock);

  return executor;
}

static inline LpJob *
held_at (guint n)
{
  LpJob *job;

  g_mutex_lock (&world.lock);
  g_assert_cmpuint (world.held->len, >, n);
  job = world.held->pdata[n];
  g_mutex_unlock (&world.lock);

  return job;
}

static inline guint64
seq_of (LpLease *lease)
{
  return lp_executor_get_seq (lp_lease_get_grant (lease)->executor);
}

static inline void
assert_value (LpJob *job, int expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  int value;

  g_assert_no_error (error);
  g_variant_get (result, "(i)", &value);
  g_assert_cmpint (value, ==, expected);
}

static inline void
assert_failed (LpJob *job, LpJobState state, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, domain, code);
  g_assert_cmpint (lp_job_get_state (job), ==, state);
}

static inline LpJob *
submit_new (LpLease *lease)
{
  LpJob *job = lp_test_value_job (1);

  lp_test_submit (lease, job);
  return job;
}

static inline void
bump_cb (gpointer data, gpointer more)
{
  bump (data);
}

/* Returns when the service thread has done all that it was asked to before. */
static inline void
flush_service (LpManager *manager)
{
  guint n_flushes = peek (&world.n_flushes);

  lp_service_post (manager->pool->service, bump_cb, &world.n_flushes, NULL);
  wait_count (&world.n_flushes, n_flushes + 1);
}

static inline void
hold_up_cb (gpointer data, gpointer more)
{
  bump (&world.n_held_up);
  g_mutex_lock (&world.gate);
  g_mutex_unlock (&world.gate);
}

/* Holds the service thread up until let_go_service(). */
static inline void
hold_up_service (LpManager *manager)
{
  guint n_held_up = peek (&world.n_held_up);

  g_mutex_lock (&world.gate);
  lp_service_post (manager->pool->service, hold_up_cb, NULL, NULL);
  wait_count (&world.n_held_up, n_held_up + 1);
}

static inline void
let_go_service (LpManager *manager)
{
  g_mutex_unlock (&world.gate);
  flush_service (manager);
}

typedef struct
{
  guint n;
  guint64 seq;
  LpRetireReason reason;
  guint n_start_failed;
} Retired;

static inline void
retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, gpointer user_data)
{
  Retired *self = user_data;

  self->n++;
  self->n_start_failed += reason == LP_RETIRE_REASON_START_FAILED;
  self->seq = seq;
  self->reason = reason;
}

static inline gboolean
is_retired (gpointer data)
{
  return ((Retired *) data)->n > 0;
}

static inline void
assert_retired (Retired *retired, guint64 seq, LpRetireReason reason)
{
  lp_test_wait_for (is_retired, retired, "the signal executor-retired");
  g_assert_cmpuint (retired->n, ==, 1);
  g_assert_cmpuint (retired->seq, ==, seq);
  g_assert_cmpint (retired->reason, ==, reason);
}

/* Releases, drops and clears what a test holds, and finishes. */
static inline void
finish_with (LpManager *manager, LpLease *lease, LpJob *first, LpJob *second)
{
  if (lease != NULL)
    lp_lease_release (lease);
  g_clear_object (&lease);
  g_clear_object (&first);
  g_clear_object (&second);
  g_ptr_array_set_size (world.held, 0);
  finish (manager);
}

static inline void
set_submit (LpManager *manager, SubmitMode mode)
{
  flush_service (manager);
  world.submit = mode;
}

static inline void
assert_replaced (LpManager *manager, guint64 seq)
{
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "next");
  g_autoptr (LpJob) job = NULL;

  g_assert_cmpuint (seq_of (lease), ==, seq);
  set_submit (manager, SUBMIT_VALUE);
  job = submit_new (lease);
  assert_value (job, 42);
  lp_lease_release (lease);
}

static inline void
assert_broken (LpManager *manager, LpLease *lease, LpJob *running, LpJob *queued)
{
  g_autoptr (LpJob) late = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  assert_failed (running, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  assert_failed (queued, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);

  /* What tells the caller which ones it is safe to try again. */
  g_assert_cmpint (lp_job_get_started_at (running), >, 0);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
  g_assert_cmpint (lp_job_get_queued_at (queued), >, 0);
  g_assert_cmpint (lp_job_get_ended_at (queued), >, 0);

  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  g_assert_cmpuint (lp_lease_get_pending_jobs (lease), ==, 0);
  g_assert_false (lp_lease_submit (lease, late, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 2);
  lp_test_check (manager);
}
