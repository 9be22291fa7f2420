/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What those who have a lease do with it: jobs; and the call that acquires,
 * submits and releases. */

#include "config.h"

#include "model.h"

#define JOB_SECONDS 2.5

static void
job_told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Task *task = user_data;
  g_autoptr (GVariant) value = NULL;

  task->n_told++;
  value = lp_job_wait_finish (LP_JOB (source), result, NULL);
}

static void
job_gone_cb (gpointer data, GObject *job)
{
  Model *self = data;

  self->n_job_objects--;
}

/* HOW: in four bits, what becomes of it. */
static Task *
task_new (Model *self, Acquire *acquire, guint how)
{
  Task *task = g_new0 (Task, 1);

  task->number = ++self->n_tasks;
  task->acquire = acquire;
  task->work = how % 16 < 9 ? WORK_HELD : how % 16 < 12 ? WORK_TIMED : how % 16 < 14 ? WORK_INSTANT
               : how % 16 == 14 ? WORK_REFUSED : WORK_BROKEN;
  task->job = lp_job_new_for_call ("f", NULL);
  if (task->work == WORK_TIMED)
    lp_job_set_timeout_seconds (task->job, JOB_SECONDS);
  self->n_job_objects++;
  g_object_weak_ref (G_OBJECT (task->job), job_gone_cb, self);
  g_object_set_data (G_OBJECT (task->job), "task", task);

  return task;
}

static guint
count_queued (Model *self, Acquire *acquire)
{
  guint n = 0;

  for (guint i = 0; i < self->tasks->len; i++)
    {
      Task *task = self->tasks->pdata[i];

      n += task->acquire == acquire && lp_job_get_state (task->job) == LP_JOB_STATE_QUEUED;
    }

  return n;
}

/* Compares what became of a submit with what should have. */
static void
check_submit (Model *self, Acquire *acquire, gboolean active, gboolean room, const GError *error)
{
  LpPoolState state = lp_pool_get_state (self->pool);

  if (error == NULL && (!active || !room || state != LP_POOL_RUNNING))
    model_fail (self, "a job was accepted by lease %u, which %s", acquire->id,
                active ? "has no room for it" : "is over");
  if (error != NULL && active && room && state == LP_POOL_RUNNING)
    model_fail (self, "a job was refused by lease %u: %s", acquire->id, error->message);
  if (g_error_matches (error, LP_ERROR, LP_ERROR_QUEUE_FULL) && room)
    model_fail (self, "a job was refused by lease %u for want of room", acquire->id);
}

gboolean
model_submit (Model *self, guint actor, guint how)
{
  Acquire *acquire = model_get_actor (self, actor);
  g_autoptr (GError) error = NULL;
  gboolean active, room;
  Task *task;

  if (acquire == NULL || acquire->lease == NULL)
    return FALSE;

  active = lp_lease_get_state (acquire->lease) == LP_LEASE_STATE_ACTIVE && lp_clock_now () < acquire->hard;
  room = self->config.max_queued == 0 || count_queued (self, acquire) < (guint) self->config.max_queued;

  task = task_new (self, acquire, how);
  if (lp_lease_submit (acquire->lease, task->job, &error))
    {
      task->state = LP_JOB_STATE_QUEUED;
      g_ptr_array_add (self->tasks, task);
      lp_job_wait_async (task->job, NULL, job_told_cb, task);
    }
  else
    {
      g_object_unref (task->job);
      g_free (task);
    }
  check_submit (self, acquire, active, room, error);

  return TRUE;
}

/* The WHICH'th from the end of those that have not ended. */
gboolean
model_cancel_job (Model *self, guint actor, guint which)
{
  Acquire *acquire = model_get_actor (self, actor);
  guint left = which % 3;

  if (acquire == NULL)
    return FALSE;

  for (guint i = self->tasks->len; i > 0; i--)
    {
      Task *task = self->tasks->pdata[i - 1];

      if (task->acquire != acquire || task->cancelled || lp_job_state_is_end (lp_job_get_state (task->job))
          || left-- > 0)
        continue;

      task->cancelled = TRUE;
      lp_job_cancel (task->job);
      return TRUE;
    }

  return FALSE;
}

static void
ran_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Task *task = user_data;
  Acquire *acquire = task->acquire;
  Model *self = g_object_get_data (source, "model");
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_manager_run_finish (LP_MANAGER (source), result, &error);
  LpJobState state = lp_job_get_state (task->job);

  model_look (self);
  if (++acquire->n_told > 1)
    model_fail (self, "run %u was told twice", acquire->id);
  if ((value != NULL) != (state == LP_JOB_STATE_SUCCEEDED))
    model_fail (self, "run %u was told another end than its job has", acquire->id);

  if (lp_job_state_is_end (state))
    task->n_told++;
  else if (state != LP_JOB_STATE_NEW)
    model_fail (self, "run %u was told the end of a job in state %d", acquire->id, state);
  if (lp_job_get_queued_at (task->job) != 0)
    return;

  /* It has got nowhere: what failed is the acquire. */
  acquire->error = g_steal_pointer (&error);
  model_check_error (self, acquire);
}

gboolean
model_run (Model *self, guint actor, guint how)
{
  Acquire *acquire = model_acquire_new (self, actor, how);
  g_autoptr (LpRequest) request = NULL;

  if (acquire == NULL)
    return FALSE;

  acquire->careless = FALSE;
  acquire->task = task_new (self, acquire, how >> 2);
  g_ptr_array_add (self->tasks, acquire->task);
  request = model_acquire_dup_request (acquire);
  if (acquire->client)
    g_main_context_push_thread_default (self->client);
  lp_manager_run_async (self->manager, acquire->task->job, request, acquire->cancellable, ran_cb, acquire->task);
  if (acquire->client)
    g_main_context_pop_thread_default (self->client);

  return TRUE;
}
