/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of LpGrinder share: a manager of two executors with two workers,
 * and a grinder that only its threshold makes start a batch. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include "lp-grinder-private.h"
#include "lp-manager-private.h"

#define LONG_SECONDS 3600.0
#define SHORT_SECONDS 0.02

typedef struct
{
  LpManager *manager;
  LpGrinder *grinder;
  LpTestGate *gate;
} Fixture;

static inline void
assert_grinder_starts (LpGrinder *grinder)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_grinder_start_async (grinder, NULL, lp_test_result_cb, &result);
  lp_grinder_start_finish (grinder, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_true (lp_grinder_is_running (grinder));
}

static inline void
assert_start_fails (LpGrinder *grinder, GQuark domain, int code)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_grinder_start_async (grinder, NULL, lp_test_result_cb, &result);
  g_assert_false (lp_grinder_start_finish (grinder, lp_test_wait_result (&result), &error));
  g_assert_error (error, domain, code);
  g_assert_false (lp_grinder_is_running (grinder));
}

static inline void
assert_stop_result (LpGrinder *grinder, GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  lp_grinder_stop_finish (grinder, lp_test_wait_result (result), &error);
  g_assert_no_error (error);
  g_clear_object (result);
}

static inline void
assert_grinder_stops (LpGrinder *grinder, LpStopMode mode)
{
  GAsyncResult *result = NULL;

  lp_grinder_stop_async (grinder, mode, NULL, lp_test_result_cb, &result);
  assert_stop_result (grinder, &result);
  g_assert_false (lp_grinder_is_running (grinder));
}

static inline guint
grinder_stat (LpGrinder *grinder, const char *name)
{
  g_autoptr (GVariant) stats = lp_grinder_dup_stats (grinder);
  guint value = 0;

  g_assert_true (g_variant_lookup (stats, name, "u", &value));
  return value;
}

static inline guint64
grinder_counter (LpGrinder *grinder, const char *name)
{
  g_autoptr (GVariant) stats = lp_grinder_dup_stats (grinder);
  guint64 value = 0;

  g_assert_true (g_variant_lookup (stats, name, "t", &value));
  return value;
}

typedef struct
{
  LpGrinder *grinder;
  const char *name;
  guint value;
} StatWait;

static inline gboolean
has_stat (gpointer data)
{
  StatWait *wait = data;

  return grinder_stat (wait->grinder, wait->name) == wait->value;
}

static inline void
wait_grinder_stat (LpGrinder *grinder, const char *name, guint value)
{
  StatWait wait = { grinder, name, value };

  lp_test_block_for (has_stat, &wait, name);
}

static inline void
set_up_with (Fixture *self, int max_pools, int threshold, const char *first_property, ...)
{
  va_list args;

  self->manager = lp_test_start (max_pools, "workers-per-pool", 2, NULL);
  self->gate = lp_test_gate_new ();
  self->grinder = lp_grinder_new (self->manager);
  g_object_set (self->grinder, "max-wait-seconds", LONG_SECONDS, "batch-size-threshold", threshold, NULL);
  va_start (args, first_property);
  g_object_set_valist (G_OBJECT (self->grinder), first_property, args);
  va_end (args);
  assert_grinder_starts (self->grinder);
}

static inline void
set_up (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 3, NULL);
}

/* Everything that was accepted has ended, and nothing is left. */
static inline void
assert_accounted (LpGrinder *grinder)
{
  g_assert_cmpuint (grinder_counter (grinder, "items_accepted"), ==,
                    grinder_counter (grinder, "items_succeeded") + grinder_counter (grinder, "items_failed")
                    + grinder_counter (grinder, "items_cancelled"));
  g_assert_cmpuint (grinder_stat (grinder, "pending"), ==, 0);
  g_assert_cmpuint (grinder_stat (grinder, "items_in_flight"), ==, 0);
  g_assert_cmpuint (grinder_stat (grinder, "batches_in_flight"), ==, 0);
}

static inline void
tear_down (Fixture *self, gconstpointer data)
{
  lp_test_gate_open (self->gate);
  assert_grinder_stops (self->grinder, LP_STOP_MODE_KILL);
  assert_accounted (self->grinder);
  g_assert_finalize_object (self->grinder);
  lp_test_wait_stat (self->manager, "quarantined", 0);
  lp_test_check (self->manager);
  lp_test_finish (self->manager);
  lp_test_gate_unref (self->gate);
}

/* Takes the job; returns it, accepted. */
static inline LpJob *
enqueued (LpGrinder *grinder, LpJob *job)
{
  g_autoptr (GError) error = NULL;

  lp_grinder_enqueue (grinder, job, &error);
  g_assert_no_error (error);
  return job;
}

static inline void
assert_refused (LpGrinder *grinder, LpJob *job, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_grinder_enqueue (grinder, job, &error));
  g_assert_error (error, domain, code);
}

/* Waits without a main loop, and drops the job. */
static inline void
assert_job_value (LpJob *job, int expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait (job, -1, NULL, &error);
  int number;

  g_assert_no_error (error);
  g_variant_get (value, "(i)", &number);
  g_assert_cmpint (number, ==, expected);
  g_object_unref (job);
}

static inline void
assert_job_done (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait (job, -1, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_object_unref (job);
}

static inline void
assert_job_error (LpJob *job, LpJobState state, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait (job, -1, NULL, &error);

  g_assert_null (value);
  g_assert_error (error, domain, code);
  g_assert_cmpint (lp_job_get_state (job), ==, state);
  g_object_unref (job);
}

static inline void
assert_job_cancelled (LpJob *job)
{
  assert_job_error (job, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A batch whose lease is short from the first could lose it before it has its jobs. */
typedef struct
{
  LpManager *manager;
  guint n_jobs;
} BatchWait;

/* What lp_lease_renew() does, for a lease that nobody holds and that drains. */
static inline void
expire_soon_locked (LpGrant *grant)
{
  GMutex *executor_lock = lp_executor_get_lock (grant->executor);

  g_mutex_lock (executor_lock);
  grant->hard = g_get_monotonic_time () + G_TIME_SPAN_SECOND / 20;
  g_mutex_unlock (executor_lock);
  lp_pool_arm_locked (grant->pool, &grant->deadline, grant->hard);
}

static inline gboolean
expires_soon (gpointer data)
{
  BatchWait *self = data;
  LpPool *pool = self->manager->pool;
  gboolean found = FALSE;

  g_mutex_lock (&pool->lock);
  for (guint i = 0; i < pool->slots->len && !found; i++)
    {
      LpSlot *slot = pool->slots->pdata[i];
      LpExecutorLoad load;

      if (slot == NULL || slot->grant == NULL)
        continue;
      lp_executor_get_load (slot->executor, &load);
      found = load.queued + load.running == self->n_jobs;
      if (found)
        expire_soon_locked (slot->grant);
    }
  g_mutex_unlock (&pool->lock);

  return found;
}

/* Waits until the one batch has its N_JOBS, and has its lease expire. */
static inline void
expire_batch_soon (LpManager *manager, guint n_jobs)
{
  BatchWait wait = { manager, n_jobs };

  lp_test_block_for (expires_soon, &wait, "a batch");
}

#define ADD(path, set_up_func, func) lp_test_conform_add ("/grinder" path, Fixture, NULL, set_up_func, func, tear_down)
