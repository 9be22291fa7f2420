/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The executors of the model: they do nothing but note what they are asked, and
 * check that they may be; the driver says when it is done. */

#include "config.h"

#include "model.h"

typedef struct
{
  LpExecutorClass parent_class;
} ModelExecutorClass;

static GType model_executor_get_type (void);
G_DEFINE_TYPE (ModelExecutor, model_executor, LP_TYPE_EXECUTOR)

/* One that is asked whether it has died. */
typedef struct { ModelExecutor parent_instance; } ModelVetted;
typedef struct { ModelExecutorClass parent_class; } ModelVettedClass;
static GType model_vetted_get_type (void);
G_DEFINE_TYPE (ModelVetted, model_vetted, model_executor_get_type ())

/* One whose jobs nobody can kill. */
typedef struct { ModelExecutor parent_instance; } ModelThreads;
typedef struct { ModelExecutorClass parent_class; } ModelThreadsClass;
static GType model_threads_get_type (void);
G_DEFINE_TYPE (ModelThreads, model_threads, model_executor_get_type ())

/* One of processes: what others of them run goes on when one is dead. */
typedef struct { ModelExecutor parent_instance; } ModelProcesses;
typedef struct { ModelExecutorClass parent_class; } ModelProcessesClass;
static GType model_processes_get_type (void);
G_DEFINE_TYPE (ModelProcesses, model_processes, model_executor_get_type ())

static Model *current_model;

/* Objects are made by the library, which knows nothing of the model. */
void
model_executor_set_model (Model *model)
{
  current_model = model;
}

GType
model_executor_get_type_for (Flavour flavour)
{
  switch (flavour)
    {
    case FLAVOUR_THREADS: return model_threads_get_type ();
    case FLAVOUR_VETTED: return model_vetted_get_type ();
    case FLAVOUR_PROCESSES: return model_processes_get_type ();
    case FLAVOUR_FOREIGN:
    case N_FLAVOURS:
    default: return model_executor_get_type ();
    }
}

static void
die (ModelExecutor *self)
{
  self->dead = TRUE;
  self->model->start_may_fail = TRUE;
}

static gboolean
model_executor_start (LpExecutor *executor, GError **error)
{
  ModelExecutor *self = (ModelExecutor *) executor;
  Model *model = self->model;

  if (self->phase != PLACE_NEW)
    model_fail (model, "start was called twice");
  self->phase = PLACE_STARTING;

  if (model->start == START_AT_ONCE)
    model_executor_end_start (self, TRUE);
  if (model->start != START_FAILS)
    return TRUE;

  die (self);
  g_set_error_literal (error, LP_ERROR, LP_ERROR_FAILED, "the model says so");
  return FALSE;
}

static void
check_submit (ModelExecutor *self, Task *task)
{
  Model *model = self->model;

  if (self->phase != PLACE_READY)
    model_fail (model, "job %u was begun on an executor that is not ready", task->number);
  if (++task->n_begun > 1)
    model_fail (model, "job %u was begun twice", task->number);
  if (task->cancelled)
    model_fail (model, "job %u was cancelled while it was queued, and begun", task->number);
  if (task->acquire->task == NULL && task->number < self->last_number)
    model_fail (model, "job %u was begun after job %u", task->number, self->last_number);
  if (task->acquire->task == NULL)
    self->last_number = task->number;
  if (self->running->len >= (guint) model->config.workers)
    model_fail (model, "job %u was begun with no worker free", task->number);
  model_look (model);           /* one that was granted in this very event */
  if (task->acquire->executor != NULL && task->acquire->executor != self)
    model_fail (model, "job %u was begun on another executor than its lease is of", task->number);
}

static gboolean
model_executor_submit (LpExecutor *executor, LpJob *job, GError **error)
{
  ModelExecutor *self = (ModelExecutor *) executor;
  Task *task = model_find_task (self->model, job);

  check_submit (self, task);
  task->begun_at = lp_clock_now ();

  if (task->work == WORK_REFUSED || task->work == WORK_BROKEN)
    {
      task->gave_error = TRUE;
      if (task->work == WORK_BROKEN)
        die (self);
      g_set_error_literal (error, LP_ERROR,
                           task->work == WORK_BROKEN ? LP_ERROR_BROKEN_EXECUTOR : LP_ERROR_FAILED,
                           "the model says so");
      return FALSE;
    }

  g_ptr_array_add (self->running, task);
  if (task->work == WORK_INSTANT)
    model_executor_return (self, self->running->len - 1, TRUE);

  return TRUE;
}

static void
model_executor_cancel (LpExecutor *executor, LpJob *job)
{
  ModelExecutor *self = (ModelExecutor *) executor;

  if (self->phase == PLACE_CLOSING || self->phase == PLACE_STOPPED)
    model_fail (self->model, "cancel was called after shutdown");
}

static void
model_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  ModelExecutor *self = (ModelExecutor *) executor;

  /* A stop that becomes a KILL is told to processes. */
  if (self->phase >= PLACE_CLOSING && self->model->config.flavour == FLAVOUR_PROCESSES && mode == LP_STOP_MODE_KILL)
    return;
  if (self->phase == PLACE_CLOSING)
    model_fail (self->model, "shutdown was called twice");
  if (self->phase == PLACE_STOPPED)
    model_fail (self->model, "shutdown was called after the executor had stopped");

  self->phase = PLACE_CLOSING;
  if (self->model->config.stop_at_once)
    model_executor_stop (self);
}

static gboolean
model_vetted_has_died (LpExecutor *executor)
{
  ModelExecutor *self = (ModelExecutor *) executor;

  return self->sick || self->dead;
}

static gboolean
check_any_job (LpExecutor *executor, LpJob *job, GError **error)
{
  return TRUE;
}

static const LpExecutorOps threads_ops = {
  .kick_locked = lp_executor_default_kick_locked,
  .wake = lp_executor_default_wake,
  .check_job = check_any_job,
  .holds_threads = TRUE,
};

static const LpExecutorOps processes_ops = {
  .kick_locked = lp_executor_default_kick_locked,
  .wake = lp_executor_default_wake,
  .check_job = check_any_job,
  .holds_processes = TRUE,
};

static void
model_processes_init (ModelProcesses *self)
{
  lp_executor_set_ops (LP_EXECUTOR (self), &processes_ops);
}

static void
model_processes_class_init (ModelProcessesClass *klass)
{
}

static void
model_threads_init (ModelThreads *self)
{
  lp_executor_set_ops (LP_EXECUTOR (self), &threads_ops);
}

static void
model_threads_class_init (ModelThreadsClass *klass)
{
}

static void
model_vetted_init (ModelVetted *self)
{
}

static void
model_vetted_class_init (ModelVettedClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->has_died = model_vetted_has_died;
}

static void
model_executor_init (ModelExecutor *self)
{
  self->model = current_model;
  self->running = g_ptr_array_new ();
  self->model->n_executors++;
  self->model->n_made++;

  while (self->place < MODEL_MAX_PLACES && self->model->places[self->place] != NULL)
    self->place++;
  if (self->place == MODEL_MAX_PLACES)
    model_fail (self->model, "there are more executors than the model has places for");
  else
    self->model->places[self->place] = self;
}

static void
leave_place (ModelExecutor *self)
{
  if (self->place < MODEL_MAX_PLACES)
    self->model->places[self->place] = NULL;
  self->place = MODEL_MAX_PLACES;
}

static void
model_executor_finalize (GObject *object)
{
  ModelExecutor *self = (ModelExecutor *) object;

  if (self->phase != PLACE_STOPPED)
    model_fail (self->model, "an executor was finalized before it stopped");
  leave_place (self);
  self->model->n_executors--;
  g_ptr_array_unref (self->running);

  G_OBJECT_CLASS (model_executor_parent_class)->finalize (object);
}

static void
model_executor_class_init (ModelExecutorClass *klass)
{
  LpExecutorClass *executor_class = LP_EXECUTOR_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = model_executor_finalize;
  executor_class->start = model_executor_start;
  executor_class->submit = model_executor_submit;
  executor_class->cancel = model_executor_cancel;
  executor_class->shutdown = model_executor_shutdown;
}

/* FALSE, here and below: that cannot happen now. */
gboolean
model_executor_end_start (ModelExecutor *self, gboolean success)
{
  g_autoptr (GError) error = NULL;

  /* It may come late, when the shutdown has begun. */
  if ((self->phase != PLACE_STARTING && self->phase != PLACE_CLOSING) || self->dead || self->was_ready)
    return FALSE;

  if (success)
    {
      if (self->phase == PLACE_STARTING)
        self->phase = PLACE_READY;
      self->was_ready = TRUE;
      lp_executor_report_ready (LP_EXECUTOR (self));
    }
  else
    {
      die (self);
      error = g_error_new_literal (LP_ERROR, LP_ERROR_FAILED, "the model says so");
      lp_executor_report_died (LP_EXECUTOR (self), error);
    }

  return TRUE;
}

/* The job has ended: its function may return no outcome, or one that is dropped. */
static void
return_given (ModelExecutor *self, Task *task, gboolean success)
{
  LpOutcome outcome = { NULL, NULL };

  if (success)
    {
      lp_executor_job_deferred (LP_EXECUTOR (self), task->job);
      return;
    }

  task->n_late++;
  outcome.error = g_error_new_literal (LP_ERROR, LP_ERROR_FAILED, "the model says so");
  lp_executor_job_returned (LP_EXECUTOR (self), task->job, &outcome);
  lp_outcome_clear (&outcome);
}

gboolean
model_executor_return (ModelExecutor *self, guint index, gboolean success)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LpJob) job = NULL;
  Task *task;

  if (self->running->len == 0)
    return FALSE;

  task = g_ptr_array_remove_index (self->running, index % self->running->len);
  job = g_object_ref (task->job);
  task->returned = TRUE;
  if (task->given)
    {
      return_given (self, task, success);
      return TRUE;
    }
  if (lp_job_state_is_end (lp_job_get_state (job)))
    task->n_late++;

  if (success)
    {
      task->gave_value = TRUE;
      lp_job_return_value (job, g_variant_new ("()"));
    }
  else
    {
      task->gave_error = TRUE;
      error = g_error_new_literal (LP_ERROR, LP_ERROR_FAILED, "the model says so");
      lp_job_return_error (job, error);
    }

  return TRUE;
}

/* As if a thread had called its function. */
gboolean
model_executor_give (ModelExecutor *self, guint index)
{
  Task *task;

  if (self->running->len == 0 || self->model->config.flavour == FLAVOUR_PROCESSES)
    return FALSE;

  task = self->running->pdata[index % self->running->len];
  if (lp_job_state_is_end (lp_job_get_state (task->job)))
    return FALSE;

  task->given = task->gave_value = TRUE;
  g_atomic_int_set (&task->job->entered, TRUE);
  lp_job_return_value (task->job, g_variant_new ("()"));

  return TRUE;
}

gboolean
model_executor_crash (ModelExecutor *self)
{
  g_autoptr (GError) error = NULL;

  if (self->dead || self->phase == PLACE_NEW || self->phase == PLACE_STOPPED)
    return FALSE;

  die (self);
  error = g_error_new_literal (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR, "the model says so");
  lp_executor_report_died (LP_EXECUTOR (self), error);

  return TRUE;
}

/* Also one that was not asked to; but threads must have returned. */
gboolean
model_executor_stop (ModelExecutor *self)
{
  g_autoptr (LpExecutor) held = NULL;

  if (self->phase == PLACE_NEW || self->phase == PLACE_STOPPED
      || (self->running->len > 0 && self->model->config.flavour == FLAVOUR_THREADS))
    return FALSE;

  held = g_object_ref (LP_EXECUTOR (self));
  die (self);
  self->phase = PLACE_STOPPED;
  g_ptr_array_set_size (self->running, 0);
  leave_place (self);
  lp_executor_report_stopped (held);

  return TRUE;
}
