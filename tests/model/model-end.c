/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The end of a run: everything is stopped, all that was begun ends, and then
 * nothing is left, each thing has ended once, and the counters add up. */

#include "config.h"

#include "model.h"

/* Nothing takes more rounds than that, whatever was going on. */
#define MAX_ROUNDS 200

static void
stop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Model *self = user_data;

  self->n_stops_told++;
  lp_manager_stop_finish (LP_MANAGER (source), result, NULL);
}

static void
begin_end (Model *self)
{
  self->n_stops++;
  if (!self->config.orphan)
    lp_manager_stop_async (self->manager, LP_STOP_MODE_KILL, -1, NULL, stop_cb, self);
  else
    {
      LpManager *manager = g_steal_pointer (&self->manager);

      self->n_stops_told++;     /* nobody is */
      g_object_add_weak_pointer (G_OBJECT (manager), (gpointer *) &self->manager);
      g_object_run_dispose (G_OBJECT (manager));
      g_object_unref (manager);
    }
}

/* Whatever an executor is asked to do is done; LATE: also what it is not. */
static void
end_executor (ModelExecutor *executor, gboolean late)
{
  g_autoptr (LpExecutor) held = g_object_ref (LP_EXECUTOR (executor));

  while (late && model_executor_return (executor, 0, TRUE))
    ;
  if (executor->phase == PLACE_CLOSING || late)
    model_executor_stop (executor);
}

static gboolean
is_over (Model *self)
{
  guint n_left = 0;

  for (guint i = 0; i < MODEL_MAX_PLACES; i++)
    n_left += self->places[i] != NULL;

  return n_left == 0 && self->pool->state == LP_POOL_STOPPED && model_service_get_users () == 0
         && model_service_get_posts () == 0;
}

static void
one_round (Model *self, guint round)
{
  gint64 next;

  while (model_service_run_one () || model_service_run_timer (self->pool))
    ;
  for (guint i = 0; i < MODEL_MAX_PLACES; i++)
    if (self->places[i] != NULL)
      end_executor (self->places[i], round >= MAX_ROUNDS / 2);
  while (model_service_run_one ())
    ;

  model_iterate (self, self->owner);
  model_iterate (self, self->client);
  model_check (self);

  next = lp_deadlines_next (&self->pool->deadlines);
  if (next != LP_TIME_NEVER)
    model_clock_advance_to (next);
}

static void
drop_leases (Model *self)
{
  for (guint i = 0; i < self->acquires->len; i++)
    {
      Acquire *acquire = self->acquires->pdata[i];

      if (acquire->lease != NULL && lp_lease_get_state (acquire->lease) <= LP_LEASE_STATE_DRAINING)
        model_fail (self, "the pool has stopped, and lease %u has not ended", acquire->id);
      g_clear_object (&acquire->lease);
    }
}

static void
check_jobs (Model *self)
{
  LpJobCounters *counted = &self->pool->job_counters;
  guint64 n_ended[LP_JOB_STATE_CANCELLED + 1] = { 0 };
  guint64 n_late = 0;

  for (guint i = 0; i < self->tasks->len; i++)
    {
      Task *task = self->tasks->pdata[i];

      if (lp_job_get_queued_at (task->job) == 0)
        continue;               /* it never got so far */
      if (!lp_job_state_is_end (task->state))
        model_fail (self, "job %u has not ended", task->number);
      if (task->n_told != 1)
        model_fail (self, "the end of job %u was told %u times", task->number, task->n_told);
      n_ended[task->state]++;
      n_late += task->n_late;
    }

  if (counted->succeeded != n_ended[LP_JOB_STATE_SUCCEEDED] || counted->failed != n_ended[LP_JOB_STATE_FAILED]
      || counted->cancelled != n_ended[LP_JOB_STATE_CANCELLED])
    model_fail (self, "%u jobs ended, and %" G_GUINT64_FORMAT " + %" G_GUINT64_FORMAT " + %" G_GUINT64_FORMAT
                " are counted", self->tasks->len, counted->succeeded, counted->failed, counted->cancelled);
  if (counted->discarded != n_late)
    model_fail (self, "%" G_GUINT64_FORMAT " jobs returned too late, and %" G_GUINT64_FORMAT " are counted", n_late,
                counted->discarded);
}

static void
check_acquires (Model *self)
{
  LpPoolCounters *counted = &self->pool->counters;
  guint64 n_granted = 0, n_timed_out = 0, n_cancelled = 0, n_released = 0, n_expired = 0;

  for (guint i = 0; i < self->acquires->len; i++)
    {
      Acquire *acquire = self->acquires->pdata[i];

      if (acquire->n_told != 1)
        model_fail (self, "acquire %u was told its end %u times", acquire->id, acquire->n_told);

      n_granted += acquire->grant != NULL;
      n_timed_out += g_error_matches (acquire->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      n_cancelled += acquire->grant == NULL && g_error_matches (acquire->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      n_released += acquire->state == LP_LEASE_STATE_RELEASED || acquire->was_draining;
      n_expired += acquire->state == LP_LEASE_STATE_EXPIRED;
      if (self->config.signals && !self->config.orphan && acquire->grant != NULL && acquire->n_signals[1] != 1)
        model_fail (self, "the end of lease %u was signalled %u times", acquire->id, acquire->n_signals[1]);
    }

  if (counted->acquired != n_granted || counted->timed_out < n_timed_out || counted->released != n_released
      || counted->revoked != n_expired)
    model_fail (self, "of %" G_GUINT64_FORMAT " leases %" G_GUINT64_FORMAT " were released and %" G_GUINT64_FORMAT
                " expired, but %" G_GUINT64_FORMAT ", %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " are counted",
                n_granted, n_released, n_expired, counted->acquired, counted->released, counted->revoked);
  if (counted->cancelled < n_cancelled)
    model_fail (self, "%" G_GUINT64_FORMAT " acquires were cancelled, and %" G_GUINT64_FORMAT " are counted",
                n_cancelled, counted->cancelled);
}

static void
check_calls (Model *self)
{
  if (self->n_starts_told != self->n_starts || self->n_stops_told != self->n_stops
      || self->n_drains_told != self->n_drains)
    model_fail (self, "of %u starts, %u stops and %u drains %u, %u and %u were told", self->n_starts, self->n_stops,
                self->n_drains, self->n_starts_told, self->n_stops_told, self->n_drains_told);
  if (lp_deadlines_next (&self->pool->deadlines) != LP_TIME_NEVER)
    model_fail (self, "a deadline is left");
  if (self->pool->counters.executors_retired != self->pool->last_seq)
    model_fail (self, "%" G_GUINT64_FORMAT " executors were begun, and %" G_GUINT64_FORMAT " retired",
                self->pool->last_seq, self->pool->counters.executors_retired);
  if (self->config.signals && !self->config.orphan
      && (self->n_created != self->pool->counters.executors_created || self->n_retired != self->pool->last_seq))
    model_fail (self, "%u executors were said to be there and %u to be retired; there were %" G_GUINT64_FORMAT
                " and %" G_GUINT64_FORMAT, self->n_created, self->n_retired, self->pool->counters.executors_created,
                self->pool->last_seq);
}

static void
free_records (Model *self)
{
  for (guint i = 0; i < self->tasks->len; i++)
    {
      Task *task = self->tasks->pdata[i];

      g_object_unref (task->job);
      g_free (task);
    }
  for (guint i = 0; i < self->acquires->len; i++)
    {
      Acquire *acquire = self->acquires->pdata[i];

      g_clear_pointer (&acquire->grant, lp_grant_unref);
      g_clear_object (&acquire->cancellable);
      g_clear_error (&acquire->error);
      g_free (acquire);
    }
  g_ptr_array_unref (self->tasks);
  g_ptr_array_unref (self->acquires);
}

/* Nothing of the run is left in memory. */
static void
check_memory (Model *self)
{
  if (self->manager != NULL)
    {
      LpManager *manager = g_steal_pointer (&self->manager);

      g_object_add_weak_pointer (G_OBJECT (manager), (gpointer *) &self->manager);
      self->manager = manager;
      g_object_unref (manager);
    }
  while (g_main_context_iteration (self->owner, FALSE) || model_service_run_one ())
    ;

  if (self->manager != NULL)
    model_fail (self, "the manager is not finalized");
  if (self->n_executors != 0)
    model_fail (self, "%u executors are not finalized", self->n_executors);
  if (self->n_job_objects != 0)
    model_fail (self, "%u jobs are not finalized", self->n_job_objects);
  if (!g_atomic_ref_count_compare (&self->pool->ref_count, 1))
    model_fail (self, "the pool is still held");
}

/* Frees all but SELF and its failure; unless there is one, when what is left is
 * not to be touched. */
void
model_end (Model *self)
{
  if (self->failure != NULL)
    return;

  begin_end (self);
  for (guint round = 0; round < MAX_ROUNDS && !is_over (self) && self->failure == NULL; round++)
    one_round (self, round);
  model_iterate (self, self->owner);
  model_iterate (self, self->client);
  model_check (self);
  if (self->failure == NULL && !is_over (self))
    model_fail (self, "the pool does not stop, or leaves something to the service thread");

  drop_leases (self);
  check_jobs (self);
  check_acquires (self);
  check_calls (self);
  if (self->failure != NULL)
    return;

  free_records (self);
  check_memory (self);
  g_clear_pointer (&self->pool, lp_pool_unref);
  g_main_context_pop_thread_default (self->owner);
}
