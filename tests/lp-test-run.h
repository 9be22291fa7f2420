/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of start, stop and dispose share; for one program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include <math.h>
#include <string.h>

#include "lp-manager-private.h"

/* An executor whose start does what its options say, from executor "from" on. */

#define TEST_TYPE_EXECUTOR (test_executor_get_type ())
G_DECLARE_FINAL_TYPE (TestExecutor, test_executor, TEST, EXECUTOR, LpExecutor)

struct _TestExecutor
{
  LpExecutor parent_instance;
};

G_DEFINE_FINAL_TYPE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)

static int n_alive;             /* (atomic) */
static int n_shut_down;         /* (atomic) */

static inline gboolean
test_executor_start (LpExecutor *executor, GError **error)
{
  GVariant *options = lp_executor_get_options (executor);
  const char *mode = "ready";
  guint64 from = 1;

  g_variant_lookup (options, "mode", "&s", &mode);
  g_variant_lookup (options, "from", "t", &from);

  if (lp_executor_get_seq (executor) < from)
    mode = "ready";
  else if (g_str_equal (mode, "silent-then-fail"))
    mode = lp_executor_get_seq (executor) == from ? "silent" : "fail";

  if (g_str_equal (mode, "ready"))
    lp_executor_report_ready (executor);
  else if (g_str_equal (mode, "fail"))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
  else if (g_str_equal (mode, "die"))
    {
      g_autoptr (GError) death = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");

      lp_executor_report_died (executor, death);
    }

  return !g_str_has_prefix (mode, "fail");
}

static inline void
test_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  g_atomic_int_inc (&n_shut_down);
  lp_executor_report_stopped (executor);
}

static inline void
test_executor_finalize (GObject *object)
{
  g_atomic_int_dec_and_test (&n_alive);
  G_OBJECT_CLASS (test_executor_parent_class)->finalize (object);
}

static inline void
test_executor_class_init (TestExecutorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_executor_finalize;
  LP_EXECUTOR_CLASS (klass)->start = test_executor_start;
  LP_EXECUTOR_CLASS (klass)->shutdown = test_executor_shutdown;
}

static inline void
test_executor_init (TestExecutor *self)
{
  g_atomic_int_inc (&n_alive);
}

static inline gboolean
nothing_is_left (gpointer data)
{
  guint n_of_glib = lp_test_count_threads ("gmain") + lp_test_count_threads ("gdbus")
                    + lp_test_count_threads ("pool-spawner");

  return g_atomic_int_get (&n_alive) == 0 && lp_test_count_threads ("") == n_of_glib + 1;
}

/* No thread but this one and those that GLib keeps. A joined one is seen in /proc for a moment longer, and
 * a new one has no name yet. */
static inline void
assert_nothing_left (LpManager *manager)
{
  if (manager != NULL)
    {
      lp_test_check (manager);
      g_assert_false (lp_manager_is_running (manager));
      g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
      g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 0);
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);
    }
  lp_test_wait_for (nothing_is_left, NULL, "the last thread and executor to go");
}

static inline void
finish (LpManager *manager)
{
  lp_test_finish (manager);
  assert_nothing_left (NULL);
}

static inline LpManager *
start_plain (int max_pools)
{
  return lp_test_start (max_pools, "min-pools", 1, NULL);
}

/* Not started, of executors that start as MODE says, from number FROM on. */
static inline LpManager *
new_manager_of (const char *mode, guint64 from, int n_pools)
{
  GVariantDict options;
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, n_pools);

  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "mode", "s", mode);
  g_variant_dict_insert (&options, "from", "t", from);
  lp_manager_set_executor_options (manager, g_variant_dict_end (&options));
  lp_manager_set_executor_type (manager, TEST_TYPE_EXECUTOR);
  lp_manager_set_min_pools (manager, n_pools);
  g_atomic_int_set (&n_shut_down, 0);

  return manager;
}

/* What an init function waits for; the gates of lp-test.h are for jobs. */
typedef struct
{
  GMutex lock;
  GCond cond;
  guint n_entered;
  gboolean open;
  LpTestRemoteGate *remote;     /* in a case for each backend */
} InitGate;

static inline void
gate_init_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  InitGate *gate = user_data;

  g_mutex_lock (&gate->lock);
  gate->n_entered++;
  g_cond_broadcast (&gate->cond);
  while (!gate->open)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);

  *result = g_variant_new ("()");
}

static inline void
init_gate_wait_entered (InitGate *gate, guint n)
{
  if (gate->remote != NULL)
    {
      lp_test_remote_gate_wait_entered (gate->remote, n);
      return;
    }

  g_mutex_lock (&gate->lock);
  while (gate->n_entered < n)
    g_cond_wait (&gate->cond, &gate->lock);
  g_mutex_unlock (&gate->lock);
}

static inline void
init_gate_open (InitGate *gate)
{
  if (gate->remote != NULL)
    {
      lp_test_remote_gate_open (gate->remote);
      return;
    }

  g_mutex_lock (&gate->lock);
  gate->open = TRUE;
  g_cond_broadcast (&gate->cond);
  g_mutex_unlock (&gate->lock);
}

static inline void
failing_init_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
}

/* The same with the functions of conform-module.c. */
static inline void
set_module_init (LpManager *manager, LpJobFunc func, InitGate *gate)
{
  if (func != gate_init_func)
    {
      lp_manager_set_worker_init_function (manager, "error");
      return;
    }

  gate->remote = lp_test_remote_gate_new ();
  g_test_queue_destroy ((GDestroyNotify) lp_test_remote_gate_free, gate->remote);
  lp_manager_set_worker_init_function (manager, "gate");
  lp_manager_set_worker_init_parameters (manager, g_variant_new ("(^ay)",
                                                                 lp_test_remote_gate_get_directory (gate->remote)));
}

static inline void
set_closure_init (LpManager *manager, LpJobFunc func, gpointer user_data)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (GError) error = NULL;

  lp_functions_add (functions, "init", NULL, NULL, func, user_data, NULL, &error);
  g_assert_no_error (error);
  lp_manager_set_functions (manager, functions);
  lp_manager_set_worker_init_function (manager, "init");
}

/* A manager, not started, whose workers first call FUNC. */
static inline LpManager *
new_manager_with_init (int n_pools, LpJobFunc func, gpointer user_data)
{
  LpManager *manager = lp_test_new (n_pools);

  if (lp_test_get_backend () != NULL)
    set_module_init (manager, func, user_data);
  else
    set_closure_init (manager, func, user_data);
  lp_manager_set_workers_per_pool (manager, 1);
  lp_manager_set_min_pools (manager, n_pools);

  return manager;
}

/* Starts MANAGER and asserts that it fails and leaves nothing. */
static inline void
assert_start_fails (LpManager *manager, GQuark domain, int code, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, domain, code);
  if (words != NULL)
    g_assert_nonnull (strstr (error->message, words));
  assert_nothing_left (manager);
}

static inline void
assert_starts (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_start (manager, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (lp_manager_is_running (manager));
}

static inline void
assert_stops (LpManager *manager, LpStopMode mode)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_stop (manager, mode, -1, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (lp_manager_is_running (manager));
}

/* Waits for RESULT and asserts that the start succeeded, or failed with CODE. */
static inline void
assert_start_result (LpManager *manager, GAsyncResult **result, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;
  gboolean started = lp_manager_start_finish (manager, lp_test_wait_result (result), &error);

  if (domain == 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, domain, code);
  g_assert_cmpint (started, ==, domain == 0);
  g_clear_object (result);
}

static inline void
assert_stop_result (LpManager *manager, GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_stop_finish (manager, lp_test_wait_result (result), &error));
  g_assert_no_error (error);
  g_clear_object (result);
}

static inline void
assert_job_cancelled (LpJob *job)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
}

static inline void
assert_job_succeeded (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
}

static inline void
assert_submit_fails (LpLease *lease, LpError code)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, LP_ERROR, (int) code);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
}

/* In all four forms. */
static inline void
assert_acquires_fail (LpManager *manager, LpError code)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  g_assert_null (lp_manager_acquire (manager, NULL, NULL, &error));
  g_assert_error (error, LP_ERROR, (int) code);
  g_clear_error (&error);

  g_assert_null (lp_manager_try_acquire (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, (int) code);
  g_clear_error (&error);

  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, (int) code);
  g_clear_error (&error);
}

static inline void
assert_still_works (LpManager *manager)
{
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (lease, job);
  assert_job_succeeded (job);
  lp_lease_release (lease);
}

/* When this returns, a deadline of 0.3 s has passed that was set after all those
 * before: what was to happen earlier has happened. */
static inline void
wait_for_a_later_deadline (void)
{
  LpManager *manager = start_plain (1);
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "first");
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;

  lp_request_set_timeout (request, 0.3);
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  lp_lease_release (lease);
  lp_test_finish (manager);
}

static inline gboolean
is_cancelled (gpointer cancellable)
{
  return g_cancellable_is_cancelled (cancellable);
}

static inline void
wait_until_told_to_end (LpJob *job)
{
  lp_test_wait_for (is_cancelled, lp_job_get_cancellable (job), "the job to be told to end");
}

/* A manager of one executor with one worker, its lease, and a job that has
 * entered its function. */
typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
  LpJob *running;
  LpJob *queued;
  GAsyncResult *first;          /* of stops */
  GAsyncResult *second;
} Busy;

static inline void
busy_set_up (Busy *self, gboolean polite, double cancel_grace)
{
  *self = (Busy) { NULL };
  self->manager = lp_test_start (1, "workers-per-pool", 1, "cancel-grace-seconds", cancel_grace, NULL);
  self->lease = lp_test_acquire (self->manager, "tester");
  self->gate = lp_test_gate_new ();
  self->running = polite ? lp_test_gate_polite_job (self->gate) : lp_test_gate_job (self->gate);
  self->queued = lp_test_value_job (1);
  lp_test_submit (self->lease, self->running);
  lp_test_submit (self->lease, self->queued);
  lp_test_gate_wait_entered (self->gate, 1);
}

static inline void
busy_tear_down (Busy *self)
{
  lp_test_gate_open (self->gate);
  g_assert_null (self->first);
  g_assert_null (self->second);
  g_clear_object (&self->running);
  g_clear_object (&self->queued);
  g_clear_object (&self->lease);
  finish (self->manager);
  lp_test_gate_unref (self->gate);
}

static inline void
busy_stop (Busy *self, LpStopMode mode, double timeout, GAsyncResult **result)
{
  lp_manager_stop_async (self->manager, mode, timeout, NULL, lp_test_result_cb, result);
}

/* The stop has become, or was, a kill: what runs is given up. */
static inline void
busy_assert_killed (Busy *self)
{
  assert_job_cancelled (self->running);
  assert_job_cancelled (self->queued);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_STOPPED);
  g_assert_cmpuint (lp_test_stat (self->manager, "total"), ==, 0);

  /* A process can be killed, a thread cannot. */
  g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, lp_test_has_processes () ? 0 : 1);
  if (lp_test_has_own_threads ())
    g_assert_cmpuint (lp_test_count_threads ("leasepool-"), ==, 1);
}
