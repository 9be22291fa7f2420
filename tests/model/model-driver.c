/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The driver: what each event does. */

#include "config.h"

#include "model.h"

#include <stdlib.h>

/* Kept for the life of the program: a model leaves nothing in them. */
static GMainContext *
shared_context (GMainContext **context)
{
  if (*context == NULL)
    *context = g_main_context_new ();
  return *context;
}

Task *
model_find_task (Model *self, LpJob *job)
{
  return g_object_get_data (G_OBJECT (job), "task");
}

static gint64
provide_size (LpManager *manager, gpointer user_data, GError **error)
{
  Model *self = user_data;

  return self->provided;
}

static void
created_cb (LpManager *manager, guint64 seq, Model *self)
{
  self->n_created++;
}

static void
retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, Model *self)
{
  self->n_retired++;
}

static Acquire *
acquire_of_info (Model *self, LpLeaseInfo *info)
{
  return self->acquires->pdata[atoi (lp_lease_info_get_owner (info)) - 1];
}

static void
lease_acquired_cb (LpManager *manager, LpLeaseInfo *info, Model *self)
{
  Acquire *acquire = acquire_of_info (self, info);

  if (++acquire->n_signals[0] > 1)
    model_fail (self, "lease %u was said to be acquired twice", acquire->id);
}

static void
lease_ended_cb (LpManager *manager, LpLeaseInfo *info, Model *self)
{
  Acquire *acquire = acquire_of_info (self, info);

  if (++acquire->n_signals[1] > acquire->n_signals[0])
    model_fail (self, "lease %u was said to have ended twice, or before it was said to be acquired", acquire->id);
  self->n_ended[lp_lease_info_get_state (info)]++;
}

static LpManager *
manager_new (Model *self)
{
  const Config *config = &self->config;
  LpManager *manager = g_object_new (LP_TYPE_MANAGER,
                                     "executor-type", model_executor_get_type_for (config->flavour),
                                     "max-pools", config->max_pools, "min-pools", config->min_pools,
                                     "units", config->units, "units-per-pool", 1,
                                     "workers-per-pool", config->workers, "max-waiters", config->max_waiters,
                                     "max-queued-jobs", config->max_queued,
                                     "max-quarantined", config->max_quarantined,
                                     "idle-linger-seconds", config->linger,
                                     "lease-grace-seconds", MODEL_LEASE_GRACE,
                                     "cancel-grace-seconds", MODEL_CANCEL_GRACE,
                                     "start-timeout-seconds", MODEL_START_TIMEOUT,
                                     "check-interval", 30.0, NULL);

  g_object_set_data (G_OBJECT (manager), "model", self);
  if (config->provider)
    lp_manager_set_size_provider (manager, provide_size, self, NULL);
  if (config->signals)
    {
      g_signal_connect (manager, "executor-created", G_CALLBACK (created_cb), self);
      g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), self);
      g_signal_connect (manager, "lease-acquired", G_CALLBACK (lease_acquired_cb), self);
      g_signal_connect (manager, "lease-ended", G_CALLBACK (lease_ended_cb), self);
    }

  return manager;
}

/* The manager has not been started: that is an event. */
Model *
model_new (const Config *config)
{
  static GMainContext *owner, *client;
  Model *self = g_new0 (Model, 1);

  self->config = *config;
  self->start = config->start;
  self->provided = config->units;
  self->owner = shared_context (&owner);
  self->client = shared_context (&client);
  self->acquires = g_ptr_array_new ();
  self->tasks = g_ptr_array_new ();

  model_clock_reset ();
  model_executor_set_model (self);
  g_main_context_push_thread_default (self->owner);
  self->manager = manager_new (self);
  self->pool = lp_pool_ref (self->manager->pool);

  return self;
}

/* All that CONTEXT has; the service thread gets nothing done meanwhile. */
void
model_iterate (Model *self, GMainContext *context)
{
  if (context == self->client)
    g_main_context_push_thread_default (context);
  while (g_main_context_iteration (context, FALSE))
    ;
  if (context == self->client)
    g_main_context_pop_thread_default (context);

  model_check_told (self, context);
}

static void
start_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Model *self = user_data;
  g_autoptr (GError) error = NULL;
  gboolean stopped = self->n_stops > self->n_stops_at_start;
  gboolean late = lp_clock_now () - self->started_at >= MODEL_START_TIMEOUT * G_USEC_PER_SEC;

  self->n_starts_told++;
  if (!lp_manager_start_finish (LP_MANAGER (source), result, &error) && !self->start_may_fail && !stopped
      && !late)
    model_fail (self, "the start failed without a reason for it: %s", error->message);
  if (error == NULL && !stopped && lp_pool_get_state (self->pool) != LP_POOL_RUNNING)
    model_fail (self, "the start succeeded, and the pool does not run");
}

static gboolean
start (Model *self)
{
  if (self->manager == NULL || self->n_starts > self->n_starts_told
      || lp_pool_get_state (self->pool) == LP_POOL_RUNNING)
    return FALSE;

  self->n_starts++;
  self->n_stops_at_start = self->n_stops;
  self->start_may_fail = lp_pool_get_state (self->pool) == LP_POOL_STOPPING || lp_pool_total_locked (self->pool) > 0
                         || self->pool->n_slots[LP_SLOT_QUARANTINED] > 0;
  self->started_at = lp_clock_now ();
  lp_manager_start_async (self->manager, NULL, start_cb, self);
  return TRUE;
}

static void
stop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Model *self = user_data;

  self->n_stops_told++;
  lp_manager_stop_finish (LP_MANAGER (source), result, NULL);
}

/* A second one may follow before the first has ended. */
static gboolean
stop (Model *self, guint how)
{
  static const double timeouts[] = { -1, 4, 0 };

  if (self->manager == NULL || self->n_stops > self->n_stops_told + 1
      || lp_pool_get_state (self->pool) == LP_POOL_STOPPED)
    return FALSE;

  self->n_stops++;
  lp_manager_stop_async (self->manager, LP_STOP_MODE_CANCEL + how % 3, timeouts[how / 3 % 3], NULL, stop_cb, self);
  return TRUE;
}

static gboolean
resize (Model *self, guint how)
{
  int units = (int) (how % 5);

  if (self->manager == NULL)
    return FALSE;

  self->provided = units;
  if (self->config.provider)
    lp_manager_notify_scale_changed (self->manager);
  else
    lp_manager_set_units (self->manager, units);

  return TRUE;
}

static gboolean
recycle (Model *self)
{
  if (self->manager == NULL || lp_pool_get_state (self->pool) != LP_POOL_RUNNING)
    return FALSE;

  for (guint i = 0; i < MODEL_MAX_PLACES; i++)
    if (self->places[i] != NULL && self->places[i]->was_ready)
      self->places[i]->doomed = TRUE;
  lp_manager_recycle (self->manager);

  return TRUE;
}

/* To the next deadline, to just before it, a little, and much. */
static gboolean
advance (Model *self, guint how)
{
  gint64 now = lp_clock_now ();
  gint64 next = lp_deadlines_next (&self->pool->deadlines);

  if (how % 8 < 5 && (next == LP_TIME_NEVER || next <= now))
    return FALSE;

  if (how % 8 < 4)
    model_clock_advance_to (next);
  else if (how % 8 == 4)
    model_clock_advance_to (next - 1);
  else
    model_clock_advance_to (now + (how % 8 == 7 ? 20 : 1) * G_USEC_PER_SEC);

  return TRUE;
}

static gboolean
behave (Model *self, guint how)
{
  StartMode mode = how % N_STARTS;

  if (mode == self->start)
    return FALSE;

  self->start = mode;
  return TRUE;
}

static gboolean
sicken (ModelExecutor *executor)
{
  if (executor->model->config.flavour != FLAVOUR_VETTED || executor->sick || executor->phase != PLACE_READY)
    return FALSE;

  executor->sick = TRUE;
  return TRUE;
}

/* The INDEX'th of those there are, so that an event still has one if there are
 * fewer; or NULL. */
static ModelExecutor *
find_executor (Model *self, guint index)
{
  guint n = 0;

  for (guint i = 0; i < MODEL_MAX_PLACES; i++)
    n += self->places[i] != NULL;
  if (n == 0)
    return NULL;

  index %= n;
  for (guint i = 0;; i++)
    if (self->places[i] != NULL && index-- == 0)
      return self->places[i];
}

static gboolean
apply_to_executor (ModelExecutor *executor, const Event *event)
{
  if (executor == NULL)
    return FALSE;

  switch ((EventKind) event->kind)
    {
    case EVENT_READY: return model_executor_end_start (executor, TRUE);
    case EVENT_FAIL_START: return model_executor_end_start (executor, FALSE);
    case EVENT_FINISH: return model_executor_return (executor, event->b, TRUE);
    case EVENT_FAIL_JOB: return model_executor_return (executor, event->b, FALSE);
    case EVENT_GIVE: return model_executor_give (executor, event->b);
    case EVENT_CRASH: return model_executor_crash (executor);
    case EVENT_SICKEN: return sicken (executor);
    case EVENT_STOPPED: return model_executor_stop (executor);
    default: return FALSE;
    }
}

static gboolean
iterate_if_pending (Model *self, GMainContext *context)
{
  if (!g_main_context_pending (context))
    return FALSE;

  model_iterate (self, context);
  return TRUE;
}

static gboolean
apply (Model *self, const Event *event)
{
  switch ((EventKind) event->kind)
    {
    case EVENT_ACQUIRE: return model_acquire (self, event->a, event->b);
    case EVENT_CANCEL: return model_cancel (self, event->a);
    case EVENT_RELEASE: return model_release (self, event->a, event->b);
    case EVENT_RENEW: return model_renew (self, event->a);
    case EVENT_SUBMIT: return model_submit (self, event->a, event->b);
    case EVENT_RUN: return model_run (self, event->a, event->b);
    case EVENT_CANCEL_JOB: return model_cancel_job (self, event->a, event->b);
    case EVENT_BEHAVE: return behave (self, event->b);
    case EVENT_SERVICE: return model_service_run_one ();
    case EVENT_TIMER: return model_service_run_timer (self->pool);
    case EVENT_ADVANCE: return advance (self, event->b);
    case EVENT_OWNER: return iterate_if_pending (self, self->owner);
    case EVENT_CLIENT: return iterate_if_pending (self, self->client);
    case EVENT_RESIZE: return resize (self, event->b);
    case EVENT_RECYCLE: return recycle (self);
    case EVENT_STOP: return stop (self, event->b);
    case EVENT_START: return start (self);
    default: return apply_to_executor (find_executor (self, event->a), event);
    }
}

/* In small scopes: nothing is late. */
static void
settle (Model *self)
{
  while (model_service_run_one () || model_service_run_timer (self->pool)
         || iterate_if_pending (self, self->owner) || iterate_if_pending (self, self->client))
    ;
}

/* FALSE: there is nothing that it can be applied to now, and nothing was done. */
gboolean
model_apply (Model *self, const Event *event)
{
  if (!apply (self, event))
    return FALSE;

  model_check (self);
  if (self->config.eager && self->failure == NULL)
    {
      settle (self);
      model_check (self);
    }

  self->n_events++;
  return TRUE;
}
