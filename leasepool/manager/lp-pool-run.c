/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A run of the pool: start, and stop in its modes. */

#include "config.h"

#include "lp-pool-private.h"

#include "lp-defect-private.h"
#include "lp-functions-private.h"
#include "lp-module-private.h"

static LpFunctions *
load_functions (const LpSettings *settings, GError **error)
{
  g_autoptr (LpFunctions) functions = NULL;

  /* Workers load it themselves, and may be elsewhere. */
  if (settings->function_module == NULL
      || lp_settings_resolve_executor_type (settings, NULL) == LP_TYPE_PROCESS_EXECUTOR)
    return settings->functions != NULL ? g_object_ref (settings->functions) : NULL;

  functions = lp_functions_new ();
  if (settings->functions != NULL)
    lp_functions_share (functions, settings->functions);
  if (!lp_module_load (settings->function_module, functions, error))
    return NULL;

  return g_steal_pointer (&functions);
}

static gboolean
check_init_function (const LpSettings *settings, LpFunctions *functions, GError **error)
{
  if (settings->worker_init_function == NULL || functions == NULL
      || lp_settings_resolve_executor_type (settings, NULL) == LP_TYPE_PROCESS_EXECUTOR
      || lp_functions_lookup (functions, settings->worker_init_function, NULL, NULL))
    return TRUE;

  lp_log_set_error (error, LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION,
                    "worker-init-function is “%s”, but there is no function of that name", settings->worker_init_function);
  return FALSE;
}

/* Those left of the last run count as the new settings have it. */
static gboolean
check_places_locked (LpPool *self, const LpSettings *settings, GError **error)
{
  guint desired = lp_settings_desired (settings, self->units);
  guint room = lp_settings_max_quarantined (settings);
  guint quarantined = self->n_slots[LP_SLOT_QUARANTINED];
  guint stuck = lp_pool_total_locked (self) + (quarantined > room ? quarantined - room : 0);

  if (stuck + desired <= (guint) settings->max_pools)
    return TRUE;

  g_set_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE,
               "%u executors are to be started, but %u of max-pools (%d) are still occupied by functions of the last "
               "run that have not returned", desired, stuck, settings->max_pools);
  return FALSE;
}

static void
log_run_locked (LpPool *self, const char *event, const char *text, LpActions *actions)
{
  lp_actions_log (actions, self->settings->log_domain, G_LOG_LEVEL_INFO, LP_DEBUG_EXECUTOR, event, NULL, "%s", text);
}

static void
unref_settings_cb (gpointer data, gpointer more)
{
  lp_settings_unref (data);
}

static void
adopt_locked (LpPool *self, LpSettings *settings, LpFunctions *functions, LpActions *actions)
{
  if (self->settings != NULL)
    lp_actions_add (actions, unref_settings_cb, self->settings, NULL);
  if (self->functions != NULL)
    lp_actions_unref (actions, self->functions);

  self->settings = lp_settings_ref (settings);
  self->executor_type = lp_settings_resolve_executor_type (settings, NULL);
  self->logs_leases = lp_log_wants (settings->log_domain, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE);
  self->functions = functions;
  g_clear_pointer (&self->remote_functions, lp_remote_functions_unref);
  self->n_start_failures = 0;
  self->backoff_until = 0;
  self->stop_mode = 0;
  self->cancel_at = LP_TIME_NEVER;
  self->kill_at = LP_TIME_NEVER;
  g_clear_error (&self->last_start_error);
  lp_pool_fit_quarantine_locked (self);
}

static void
begin_locked (LpPool *self, gint64 now, LpActions *actions)
{
  guint desired = lp_pool_desired_locked (self);

  self->state = LP_POOL_STARTING;
  self->n_start_missing = desired;
  lp_pool_log_desired_locked (self, 0, actions);
  lp_pool_attach_timer_locked (self);
  for (guint i = 0; i < desired; i++)
    lp_slot_new_locked (self, FALSE, now, actions);
}

/* OWNER as for lp_owner_take_locked(). */
static gboolean
try_begin_for (LpPool *self, LpSettings *settings, gint64 units, LpDelivery *owner, gboolean acquired,
               LpCompletion *completion, GError **error)
{
  LpActions actions = LP_ACTIONS_INIT;
  g_autoptr (LpFunctions) functions = NULL;
  LpService *service;
  gboolean begun;
  GError *local_error = NULL;

  functions = load_functions (settings, &local_error);
  if (local_error != NULL || !check_init_function (settings, functions, &local_error))
    {
      g_propagate_error (error, local_error);
      return FALSE;
    }

  /* What is left of the last run, if its owner never iterated. */
  lp_pool_drop_service (self);

  service = lp_service_acquire (error);
  if (service == NULL)
    return FALSE;

  g_mutex_lock (&self->lock);
  if (self->state != LP_POOL_STOPPED)
    {
      /* Another thread of the same context was first; this waits with it. */
      g_mutex_unlock (&self->lock);
      lp_service_release (service);
      lp_pool_start (self, settings, units, completion);
      return TRUE;
    }

  lp_owner_take_locked (self, owner, acquired, &actions);
  self->units = MAX (units, 0);
  self->service = service;
  begun = check_places_locked (self, settings, error);
  if (begun)
    {
      adopt_locked (self, settings, g_steal_pointer (&functions), &actions);
      g_queue_push_tail_link (&self->start_waiters, lp_completion_get_link (completion));
      begin_locked (self, lp_clock_now (), &actions);
    }
  else
    self->service_due = TRUE;
  lp_pool_unlock (self, &actions);

  if (!begun)
    lp_pool_drop_service (self);

  return begun;
}

static gboolean
try_begin (LpPool *self, LpSettings *settings, gint64 units, LpCompletion *completion, GError **error)
{
  LpDelivery *owner = lp_delivery_ref_current ();
  gboolean acquired = g_main_context_acquire (lp_delivery_get_context (owner));
  gboolean begun = try_begin_for (self, settings, units, owner, acquired, completion, error);

  if (acquired)
    g_main_context_release (lp_delivery_get_context (owner));
  lp_delivery_unref (owner);

  return begun;
}

LpPoolState
lp_pool_get_state (LpPool *self)
{
  LpPoolState state;

  if (lp_pool_is_forked (self))
    return LP_POOL_STOPPED;

  g_mutex_lock (&self->lock);
  state = self->state;
  g_mutex_unlock (&self->lock);

  return state;
}

/* So that stats and the desired count go by the settings as they are while the
 * manager does not run. */
void
lp_pool_preview (LpPool *self, LpSettings *settings, gint64 units)
{
  LpSettings *old = NULL;

  g_mutex_lock (&self->lock);
  if (self->state == LP_POOL_STOPPED)
    {
      old = self->settings;
      self->settings = lp_settings_ref (settings);
      self->units = MAX (units, 0);
    }
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&old, lp_settings_unref);
}

/* Settles COMPLETION, whose reference is taken, when `desired` executors are
 * there, or with why not. SETTINGS are validated ones; they are kept. */
void
lp_pool_start (LpPool *self, LpSettings *settings, gint64 units, LpCompletion *completion)
{
  GError *error = NULL;
  LpPoolState state;

  g_mutex_lock (&self->lock);
  state = self->state;
  if (state == LP_POOL_STARTING)
    g_queue_push_tail_link (&self->start_waiters, lp_completion_get_link (completion));
  g_mutex_unlock (&self->lock);

  if (state == LP_POOL_STARTING)
    return;

  if (state == LP_POOL_RUNNING)
    lp_completion_return (completion, GINT_TO_POINTER (TRUE), NULL);
  else if (state == LP_POOL_STOPPING)
    lp_completion_fail (completion, g_error_new_literal (LP_ERROR, LP_ERROR_UNAVAILABLE,
                                                         "The manager is still stopping; start it when it has"));
  else if (!try_begin (self, settings, units, completion, &error))
    lp_completion_fail (completion, error);
}

/* The last of the executors that the start waits for is there. */
void
lp_pool_started_locked (LpPool *self, gint64 now, LpActions *actions)
{
  gint64 interval = lp_clock_add (now, self->settings->check_interval);

  self->state = LP_POOL_RUNNING;
  lp_pool_arm_locked (self, &self->check_deadline, MAX (interval, now + LP_POOL_MIN_CHECK_USEC));
  lp_actions_settle_all (actions, &self->start_waiters, NULL);
  log_run_locked (self, "started", "The manager has started", actions);
  lp_owner_counts_locked (self, actions);
}

static void
abandon_cb (gpointer data, gpointer more)
{
  lp_executor_abandon_all (data);
  g_object_unref (data);
}

static void
end_lease_locked (LpSlot *slot, gint64 now, LpActions *actions)
{
  lp_grant_end_locked (slot->grant, LP_LEASE_STATE_STOPPED, now, actions);
  lp_slot_end_jobs_locked (slot, LP_INTERRUPT_STOP, actions);
  lp_slot_leave_locked (slot, LP_RETIRE_REASON_STOPPED, now, actions);
}

static void
drain_lease_locked (LpSlot *slot, gint64 now, LpActions *actions)
{
  LpExecutorLoad load;

  lp_executor_get_load (slot->executor, &load);
  if (lp_executor_load_lets_go (&load))
    end_lease_locked (slot, now, actions);
  else if (slot->state == LP_SLOT_LEASED)
    lp_grant_release_locked (slot->grant, now, actions);
}

static void
harden_cb (gpointer data, gpointer more)
{
  LpExecutor *executor = data;

  lp_executor_harden (executor);
  g_object_unref (executor);
}

static void
stop_slot_locked (LpPool *self, LpSlot *slot, gint64 now, LpActions *actions)
{
  LpExecutor *executor = slot->executor;

  if (slot->grant != NULL && self->stop_mode == LP_STOP_MODE_DRAIN)
    drain_lease_locked (slot, now, actions);
  else if (slot->grant != NULL)
    end_lease_locked (slot, now, actions);
  else if (!slot->leaving)
    lp_slot_leave_locked (slot, LP_RETIRE_REASON_STOPPED, now, actions);
  else if (slot->state == LP_SLOT_REVOKING && executor != NULL && self->stop_mode != LP_STOP_MODE_DRAIN)
    lp_slot_end_jobs_locked (slot, LP_INTERRUPT_STOP, actions);

  if ((slot->state == LP_SLOT_CLOSING || slot->parting) && slot->shutdown_posted && executor != NULL)
    lp_slot_arm_shutdown_locked (slot);
  if (self->stop_mode == LP_STOP_MODE_KILL && slot->shutdown_posted && executor != NULL)
    lp_actions_add (actions, harden_cb, g_object_ref (executor), NULL);
  if (self->stop_mode == LP_STOP_MODE_KILL && slot->state == LP_SLOT_REVOKING && executor != NULL)
    lp_actions_add (actions, abandon_cb, g_object_ref (executor), NULL);
}

static void
stop_slots_locked (LpPool *self, gint64 now, LpActions *actions)
{
  for (guint i = 0; i < self->slots->len; i++)
    if (self->slots->pdata[i] != NULL)
      stop_slot_locked (self, self->slots->pdata[i], now, actions);

  lp_pool_settle_locked (self, actions);
}

/* The start has failed with ERROR (taken): what there is of it ends first. */
void
lp_pool_undo_start_locked (LpPool *self, GError *error, gint64 now, LpActions *actions)
{
  self->start_error = error;
  self->state = LP_POOL_STOPPING;
  self->stop_mode = LP_STOP_MODE_KILL;
  stop_slots_locked (self, now, actions);
  lp_owner_counts_locked (self, actions);
}

/* Takes ERROR. */
void
lp_pool_abort_start (LpPool *self, GError *error)
{
  LpActions actions = LP_ACTIONS_INIT;

  g_mutex_lock (&self->lock);
  if (self->state == LP_POOL_STARTING)
    lp_pool_undo_start_locked (self, g_steal_pointer (&error), lp_clock_now (), &actions);
  lp_pool_unlock (self, &actions);

  g_clear_error (&error);
}

/* DRAIN, CANCEL, KILL: from the softest to the hardest. */
int
lp_stop_mode_hardness (LpStopMode mode)
{
  return mode == LP_STOP_MODE_KILL ? 2 : mode == LP_STOP_MODE_CANCEL ? 1 : 0;
}

gboolean
lp_stop_mode_check (LpStopMode mode, GError **error)
{
  if (mode >= LP_STOP_MODE_CANCEL && mode <= LP_STOP_MODE_KILL)
    return TRUE;

  g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT, "mode is %d, but must be one of LpStopMode", (int) mode);
  return FALSE;
}

/* COMPLETION waits for a stop, until CANCELLABLE (nullable) is cancelled. */
void
lp_stop_watch_wait (LpCompletion *completion, GCancellable *cancellable)
{
  lp_completion_watch_wait (completion, cancellable, "The wait for the stop was cancelled; the stop goes on");
}

static void
harden_locked (LpPool *self, LpStopMode mode, gint64 now, LpActions *actions)
{
  if (self->stop_mode != 0 && lp_stop_mode_hardness (mode) <= lp_stop_mode_hardness (self->stop_mode))
    return;

  self->stop_mode = mode;
  stop_slots_locked (self, now, actions);
}

static void
arm_stop_locked (LpPool *self)
{
  if (self->state == LP_POOL_STOPPING)
    lp_pool_arm_locked (self, &self->stop_deadline, MIN (self->cancel_at, self->kill_at));
}

/* Each stop may only bring its own step, DRAIN to CANCEL or CANCEL to KILL,
 * sooner. */
static void
set_stop_timeout_locked (LpPool *self, LpStopMode mode, double timeout, gint64 now)
{
  gint64 when = timeout < 0 ? LP_TIME_NEVER : lp_clock_add (now, timeout);

  if (mode == LP_STOP_MODE_DRAIN)
    self->cancel_at = MIN (self->cancel_at, when);
  else
    self->kill_at = MIN (self->kill_at, when);
  arm_stop_locked (self);
}

void
lp_pool_stop_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpPool *self = (LpPool *) ((char *) deadline - G_STRUCT_OFFSET (LpPool, stop_deadline));
  LpStopMode mode = now >= self->kill_at ? LP_STOP_MODE_KILL : LP_STOP_MODE_CANCEL;

  if (self->state != LP_POOL_STOPPING)
    return;

  if (now >= self->cancel_at)
    self->cancel_at = LP_TIME_NEVER;
  if (now >= self->kill_at)
    self->kill_at = LP_TIME_NEVER;
  harden_locked (self, mode, now, actions);
  arm_stop_locked (self);
}

static void
stop_locked (LpPool *self, LpStopMode mode, double timeout, gint64 now, LpActions *actions)
{
  if (self->state == LP_POOL_STARTING)
    lp_pool_undo_start_locked (self, g_error_new_literal (LP_ERROR, LP_ERROR_NOT_STARTED,
                                                          "The manager was stopped while it started"),
                               now, actions);
  else if (self->state == LP_POOL_RUNNING)
    {
      self->state = LP_POOL_STOPPING;
      lp_pool_fail_waiters_locked (self, actions);
      harden_locked (self, mode, now, actions);
    }
  else if (self->state == LP_POOL_STOPPING)
    harden_locked (self, mode, now, actions);

  set_stop_timeout_locked (self, mode, timeout, now);
  lp_owner_counts_locked (self, actions);
}

/* Settles COMPLETION, whose reference is taken, when everything has ended. */
void
lp_pool_stop (LpPool *self, LpStopMode mode, double timeout, LpCompletion *completion)
{
  LpActions actions = LP_ACTIONS_INIT;

  g_mutex_lock (&self->lock);
  g_queue_push_tail_link (&self->stop_waiters, lp_completion_get_link (completion));
  if (self->state == LP_POOL_STOPPED)
    lp_actions_settle_all (&actions, &self->stop_waiters, NULL);
  else
    stop_locked (self, mode, timeout, lp_clock_now (), &actions);
  lp_pool_unlock (self, &actions);
}

static void
drop_service_cb (gpointer data, gpointer more)
{
  lp_pool_drop_service (data);
  lp_pool_unref (data);
}

static void
post_drop_service_cb (gpointer data, gpointer more)
{
  lp_pool_post_owner (data, drop_service_cb, data, NULL);
}

/* A stop ends when all that is left are functions that do not return. Those that
 * just have, in quarantine, are waited for. */
void
lp_pool_settle_locked (LpPool *self, LpActions *actions)
{
  guint n_stuck = self->n_slots[LP_SLOT_QUARANTINED] + self->n_slots[LP_SLOT_STUCK] - self->n_parting;
  guint n_all = lp_pool_total_locked (self) + self->n_slots[LP_SLOT_QUARANTINED];

  if (self->state != LP_POOL_STOPPING || n_all > n_stuck + LP_DEFECT (5))
    return;

  self->state = LP_POOL_STOPPED;
  self->service_due = TRUE;
  lp_deadlines_remove (&self->deadlines, &self->check_deadline);
  lp_deadlines_remove (&self->deadlines, &self->backoff_deadline);
  lp_deadlines_remove (&self->deadlines, &self->stop_deadline);
  log_run_locked (self, "stopped", "The manager has stopped", actions);

  /* In the owner context and before the stop is told there: its thread can join
   * the service thread, which this may be. One that blocks does it itself. Both
   * come after what is still to be dropped here, so that the join is the last. */
  if (self->orphaned)
    lp_service_post (self->service, drop_service_cb, lp_pool_ref (self), NULL);
  else if (self->n_blocked == 0)
    lp_actions_add (actions, post_drop_service_cb, lp_pool_ref (self), NULL);

  lp_actions_settle_all (actions, &self->start_waiters, self->start_error);
  g_clear_error (&self->start_error);
  lp_actions_settle_all (actions, &self->stop_waiters, NULL);
  lp_owner_counts_locked (self, actions);
}

/* Before a start or a stop that the calling thread will wait for. */
void
lp_pool_block (LpPool *self)
{
  if (lp_pool_is_forked (self))
    return;

  g_mutex_lock (&self->lock);
  self->n_blocked++;
  g_mutex_unlock (&self->lock);
}

/* Blocks until COMPLETION was delivered; lp_pool_block() came before. */
void
lp_pool_wait (LpPool *self, LpCompletion *completion)
{
  lp_pool_wait_for (self, completion, LP_TIME_NEVER);
  if (lp_pool_is_forked (self))
    return;

  g_mutex_lock (&self->lock);
  self->n_blocked--;
  g_mutex_unlock (&self->lock);

  lp_pool_drop_service (self);
  lp_pool_reap (self);
}

/* Start and stop belong to the owner context of the run, if there is one. */
gboolean
lp_pool_check_owner (LpPool *self, const char *what, GError **error)
{
  gboolean allowed;

  g_mutex_lock (&self->lock);
  allowed = self->state == LP_POOL_STOPPED || lp_delivery_is_current (self->owner);
  g_mutex_unlock (&self->lock);

  if (!allowed)
    g_set_error (error, LP_ERROR, LP_ERROR_WRONG_CONTEXT,
                 "%s was called under another thread-default main context than the one the manager was started in",
                 what);
  return allowed;
}

/* The manager goes. A running pool is killed, and nobody waits for it. */
void
lp_pool_orphan (LpPool *self)
{
  LpActions actions = LP_ACTIONS_INIT;
  gboolean running;

  g_mutex_lock (&self->lock);
  self->listener = NULL;
  self->orphaned = TRUE;
  running = self->state != LP_POOL_STOPPED;
  if (running)
    stop_locked (self, LP_STOP_MODE_KILL, -1, lp_clock_now (), &actions);
  lp_pool_unlock (self, &actions);

  if (!running)
    lp_pool_drop_service (self);
}
