/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* The driver of the random schedules: its steps, and how likely each is. */

#include "lp-test-stress.h"

#include <errno.h>
#include <signal.h>

static inline int
pick (int n)
{
  return g_test_rand_int_range (0, n);
}

static inline gpointer
pick_from (GPtrArray *array)
{
  return array->len > 0 ? array->pdata[pick (array->len)] : NULL;
}

/* The end is where most of what goes on is. */
static inline gpointer
pick_recent (GPtrArray *array)
{
  guint n = MIN (array->len, 12);

  return n > 0 ? array->pdata[array->len - 1 - pick (n)] : NULL;
}

static inline LpRequest *
random_request (void)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, pick (3) == 0 ? NULL : "driver");
  lp_request_set_priority (request, pick (3) - 1);
  lp_request_set_lease_seconds (request, pick (3) == 0 ? 0.005 * (1 + pick (20)) : -1);
  lp_request_set_wait (request, pick (6) != 0);
  lp_request_set_timeout (request, pick (3) == 0 ? -1 : 0.005 * pick (10));

  return request;
}

static inline void
keep_lease (Run *run, LpLease *lease, const GError *error)
{
  g_assert_true ((lease != NULL) == (error == NULL));
  if (lease != NULL)
    g_ptr_array_add (run->leases, lease);
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    run->n_timed_out++;
  else
    g_assert_true (error->domain == LP_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static inline void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Ask *ask = user_data;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  ask->n_told++;
  if (pick (8) == 0)
    return;                     /* nobody finishes it */

  lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);
  keep_lease (ask->run, lease, error);
}

static inline void
step_acquire_async (Run *run)
{
  g_autoptr (LpRequest) request = random_request ();
  Ask *ask = g_new0 (Ask, 1);

  ask->run = run;
  ask->cancellable = g_cancellable_new ();
  g_ptr_array_add (run->asks, ask);
  lp_manager_acquire_async (run->manager, request, ask->cancellable, acquired_cb, ask);
}

static inline void
step_acquire_blocking (Run *run)
{
  g_autoptr (LpRequest) request = random_request ();
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  lp_request_set_timeout (request, 0.002 * pick (10));
  lease = lp_manager_acquire (run->manager, request, NULL, &error);
  keep_lease (run, lease, error);
}

static inline void
step_try_acquire (Run *run)
{
  g_autoptr (LpRequest) request = random_request ();
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_try_acquire (run->manager, request, &error);

  keep_lease (run, lease, error);
}

static inline void
step_cancel_acquire (Run *run)
{
  Ask *ask = pick_recent (run->asks);

  if (ask != NULL)
    g_cancellable_cancel (ask->cancellable);
}

static inline LpJob *
new_command (void)
{
  const char *argv[] = { "sh", "-c", pick (2) == 0 ? "exit 0" : "trap '' TERM; sleep 1000", NULL };

  return lp_job_new_for_command (argv, NULL);
}

/* Processes have named functions only. */
static inline LpJob *
new_value_job (Kind kind)
{
  if (!lp_test_has_processes ())
    return lp_job_new_for_func (kind == KIND_DEFERRED ? deferred_func : value_func, payload_new (4711), payload_free);

  return lp_job_new_for_call (kind == KIND_DEFERRED ? "defer" : "value", g_variant_new ("(i)", 4711));
}

static inline Work *
work_new (void)
{
  Work *self = g_new0 (Work, 1);
  int dice = pick (100);

  self->kind = dice < 50 ? KIND_VALUE : dice < 60 ? KIND_ERROR : dice < 75 ? KIND_POLITE
               : dice < 85 ? KIND_GATE : dice < 99 ? KIND_DEFERRED : KIND_COMMAND;
  if (self->kind == KIND_POLITE || self->kind == KIND_GATE)
    self->gate = lp_test_gate_new ();

  switch (self->kind)
    {
    case KIND_ERROR: self->job = lp_test_error_job (); break;
    case KIND_POLITE: self->job = lp_test_gate_polite_job (self->gate); break;
    case KIND_GATE: self->job = lp_test_gate_job (self->gate); break;
    case KIND_COMMAND: self->job = new_command (); break;
    case KIND_DEFERRED:
    case KIND_VALUE:
    default: self->job = new_value_job (self->kind); break;
    }
  if (pick (5) == 0)
    lp_job_set_timeout_seconds (self->job, 0.002 * (1 + pick (20)));

  return self;
}

static inline void
work_free (gpointer data)
{
  Work *self = data;

  g_object_unref (self->job);
  g_clear_pointer (&self->gate, lp_test_gate_unref);
  g_clear_object (&self->cancellable);
  g_free (self);
}

static inline void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Work *work = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, &error);

  work->n_told++;
  work->accepted = lp_job_get_queued_at (work->job) != 0;
  check_end (work, value, error);
}

static inline void
waited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Work *work = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait_finish (LP_JOB (source), result, &error);

  work->n_told++;
  check_end (work, value, error);
}

static inline void
step_submit (Run *run)
{
  LpLease *lease = pick_from (run->leases);
  g_autoptr (GError) error = NULL;
  Work *work;

  if (lease == NULL)
    return;

  work = work_new ();
  g_ptr_array_add (run->works, work);
  if (pick (2) == 0)
    {
      lp_lease_submit_async (lease, work->job, NULL, submitted_cb, work);
      return;
    }

  if (pick (10) == 0)
    lp_job_cancel (work->job);
  work->accepted = lp_lease_submit (lease, work->job, &error);
  if (work->accepted)
    lp_job_wait_async (work->job, NULL, waited_cb, work);
  else
    {
      g_assert_nonnull (error);
      work->n_told = 1;
    }
}

static inline void
ran_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Work *work = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_manager_run_finish (LP_MANAGER (source), result, &error);

  work->n_told++;
  work->accepted = lp_job_get_queued_at (work->job) != 0;
  check_end (work, value, error);
}

static inline void
step_run (Run *run)
{
  g_autoptr (LpRequest) request = random_request ();
  Work *work = work_new ();

  g_ptr_array_add (run->works, work);
  work->cancellable = g_cancellable_new ();
  lp_manager_run_async (run->manager, work->job, request, work->cancellable, ran_cb, work);
}

static inline void
step_cancel_job (Run *run)
{
  Work *work = pick_recent (run->works);

  if (work != NULL && work->cancellable != NULL && pick (2) == 0)
    g_cancellable_cancel (work->cancellable);
  else if (work != NULL)
    lp_job_cancel (work->job);
}

static inline void
step_open_gate (Run *run)
{
  for (guint i = 0; i < 4; i++)
    {
      Work *work = pick_recent (run->works);

      if (work != NULL && work->gate != NULL)
        lp_test_gate_open (work->gate);
    }
}

static inline void
return_deferred (LpJob *job)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_EXISTS, "deferred");

  if (pick (4) == 0)
    lp_job_return_error (job, error);
  else
    lp_job_return_value (job, g_variant_new ("(i)", 4711));
  g_object_unref (job);
}

static inline void
step_return_deferred (Run *run)
{
  LpJob *job = g_async_queue_try_pop (world.deferred);

  if (job != NULL)
    return_deferred (job);
}

static inline void
step_renew (Run *run)
{
  LpLease *lease = pick_from (run->leases);

  if (lease != NULL)
    lp_lease_renew (lease, pick (2) == 0 ? -1 : 0.005 * (1 + pick (20)), NULL);
}

static inline void
step_release (Run *run)
{
  LpLease *lease = pick_from (run->leases);

  if (lease == NULL)
    return;

  switch (pick (4))
    {
    case 0: lp_lease_release (lease); break;
    case 1: lp_manager_release (run->manager, lp_lease_get_id (lease)); break;
    case 2: lp_lease_drain_async (lease, NULL, NULL, NULL); break;
    default: break;             /* dropped */
    }
  if (pick (4) != 0)
    g_ptr_array_remove_fast (run->leases, lease);
}

static inline void
step_units (Run *run)
{
  lp_manager_set_units (run->manager, pick (run->max_pools + 2));
}

static inline void
step_recycle (Run *run)
{
  lp_manager_recycle (run->manager);
}

static inline void
step_look (Run *run)
{
  g_variant_unref (lp_manager_dup_stats (run->manager));
  lp_test_block_for (threads_are_bounded, run, "the number of threads to be within the bound");
}

static inline void
step_iterate (Run *run)
{
  for (int i = pick (10); i > 0; i--)
    g_main_context_iteration (NULL, FALSE);
}

static inline void
step_sleep (Run *run)
{
  gint64 until = g_get_monotonic_time () + pick (5000);

  while (g_get_monotonic_time () < until)
    if (!g_main_context_iteration (NULL, FALSE))
      g_thread_yield ();
}

/* An executor dies without anybody having asked it for something. */
static inline void
step_kill_executor (Run *run)
{
  FlakyExecutor *executor;

  g_mutex_lock (&flaky.lock);
  executor = pick_from (flaky.living);
  if (executor != NULL)
    g_object_ref (executor);
  g_mutex_unlock (&flaky.lock);

  if (executor != NULL && pick (2) == 0)
    die (LP_EXECUTOR (executor));
  else if (executor != NULL)
    g_atomic_int_set (&executor->dead, TRUE);
  g_clear_object (&executor);
}

/* A child: a worker that starts, works, idles or ends, or a command. Nobody but this library reaps it, so at worst it
 * is gone. */
static inline void
step_kill_child (Run *run)
{
  guint n_children = lp_test_count_children ();
  int pid = n_children > 0 ? lp_test_get_child (pick (n_children)) : 0;

  if (pid > 0)
    kill (pid, pick (3) == 0 ? SIGTERM : SIGKILL);
}

static inline void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;

  lp_manager_stop_finish (LP_MANAGER (source), result, &error);
  g_assert_no_error (error);
  run->n_stops_pending--;
}

static inline void
step_stop (Run *run)
{
  if (pick (8) != 0)
    return;

  run->n_stops_pending++;
  lp_manager_stop_async (run->manager, 1 + pick (3), pick (2) == 0 ? -1 : 0.005 * pick (5), NULL, stopped_cb, run);
}

static inline gboolean
is_startable (gpointer data)
{
  return lp_pool_get_state (((LpManager *) data)->pool) == LP_POOL_STOPPED;
}

/* A stop that waits for what only the driver ends goes on; the driver goes on. */
static inline void
step_restart (Run *run)
{
  g_autoptr (GError) error = NULL;

  if (!is_startable (run->manager))
    return;

  if (!lp_manager_start (run->manager, NULL, &error))
    g_assert_true (g_error_matches (error, LP_ERROR, LP_ERROR_START_FAILED)
                   || g_error_matches (error, LP_ERROR, LP_ERROR_UNAVAILABLE));
}

typedef enum { EACH, FLAKY, PROCESSES } Where;

static const struct
{
  int weight;
  void (*func) (Run *run);
  Where where;
} steps[] = {
  { 16, step_acquire_async, EACH }, { 4, step_acquire_blocking, EACH }, { 6, step_try_acquire, EACH },
  { 5, step_cancel_acquire, EACH }, { 30, step_submit, EACH }, { 12, step_run, EACH },
  { 8, step_cancel_job, EACH },
  { 8, step_open_gate, EACH }, { 6, step_return_deferred, EACH }, { 4, step_renew, EACH },
  { 14, step_release, EACH }, { 3, step_units, EACH }, { 1, step_recycle, EACH }, { 2, step_look, EACH },
  { 10, step_iterate, EACH }, { 3, step_sleep, EACH }, { 2, step_stop, EACH }, { 8, step_restart, EACH },
  { 2, step_kill_executor, FLAKY }, { 2, step_kill_child, PROCESSES },
};

static inline void
random_step (Run *run)
{
  int total = 0;
  int dice;
  guint i = 0;

  for (guint j = 0; j < G_N_ELEMENTS (steps); j++)
    total += steps[j].weight;

  dice = pick (total);
  while (dice >= steps[i].weight)
    dice -= steps[i++].weight;
  if (steps[i].where == EACH || (steps[i].where == FLAKY && run->flaky)
      || (steps[i].where == PROCESSES && lp_test_has_processes ()))
    steps[i].func (run);
}
