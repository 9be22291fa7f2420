/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of lp_lease_run_task() share: a manager of one executor with one
 * worker, and a task that runs on it. */

#include "lp-test-gated.h"

static inline void
start (Fixture *self, double lease_seconds, double cancel_grace_seconds)
{
  LpManager *manager = lp_test_start (1,
                                      "workers-per-pool", 1,
                                      "max-queued-jobs", 2,
                                      "default-lease-seconds", lease_seconds,
                                      "lease-grace-seconds", 0.0,
                                      "cancel-grace-seconds", cancel_grace_seconds,
                                      NULL);

  fixture_init (self, manager, "task");
}

static inline void
set_up (Fixture *self, gconstpointer data)
{
  start (self, 300.0, PATIENCE_SECONDS);
}

static inline void
set_up_short (Fixture *self, gconstpointer data)
{
  start (self, 300.0, SHORT_SECONDS);
}

/* The lease is revoked before long. */
static inline void
set_up_revoked (Fixture *self, gconstpointer data)
{
  start (self, 0.3, SHORT_SECONDS);
}

/* What a task function is given as the data of its task. */
typedef struct
{
  int entered;                  /* (atomic) */
  int open;                     /* (atomic) */
  gboolean polite;              /* returns when it is cancelled */
  GThread *thread;              /* it ran on, NULL if it did not */
  gpointer source_object;       /* it was given */
  GCancellable *cancellable;    /* (owned) it was given */
} Work;

static inline void
work_func (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  Work *work = task_data;

  work->thread = g_thread_self ();
  work->source_object = source_object;
  work->cancellable = g_object_ref (cancellable);
  g_atomic_int_set (&work->entered, TRUE);
  while (!g_atomic_int_get (&work->open) && !(work->polite && g_cancellable_is_cancelled (cancellable)))
    g_thread_yield ();

  if (work->polite && g_cancellable_is_cancelled (cancellable))
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT, "given up");
  else
    g_task_return_int (task, 7);
}

static inline void
work_clear (Work *work)
{
  g_clear_object (&work->cancellable);
}

static inline gboolean
is_set (gpointer flag)
{
  return g_atomic_int_get ((int *) flag) != 0;
}

static inline GTask *
run_work (Fixture *self, Work *work, GCancellable *cancellable, GAsyncResult **result)
{
  GTask *task = g_task_new (self->manager, cancellable, lp_test_result_cb, result);

  g_task_set_task_data (task, work, NULL);
  lp_lease_run_task (self->lease, task, work_func);

  return task;
}

/* Without the check that makes an error of what a cancelled task returns. */
static inline GTask *
run_unchecked_work (Fixture *self, Work *work, GCancellable *cancellable, GAsyncResult **result)
{
  GTask *task = g_task_new (NULL, cancellable, lp_test_result_cb, result);

  g_task_set_task_data (task, work, NULL);
  g_task_set_check_cancellable (task, FALSE);
  lp_lease_run_task (self->lease, task, work_func);

  return task;
}

static inline void
assert_returns_7 (GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_task_propagate_int (G_TASK (lp_test_wait_result (result)), &error), ==, 7);
  g_assert_no_error (error);
}

static inline void
assert_returns_error (GAsyncResult **result, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_task_propagate_int (G_TASK (lp_test_wait_result (result)), &error), ==, -1);
  g_assert_error (error, domain, code);
}

/* Nothing keeps the task when it has returned. */
static inline void
assert_freed (GTask *task, GAsyncResult **result)
{
  int gone = FALSE;             /* (atomic) */

  lp_test_watch (task, &gone);
  g_assert_true (G_ASYNC_RESULT (task) == *result);
  g_clear_object (result);
  g_object_unref (task);
  while (!lp_test_is_gone (&gone))
    g_main_context_iteration (NULL, FALSE);
}
