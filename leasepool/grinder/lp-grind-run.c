/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A run of a grinder: start, stop, and the stop of its manager. */

#include "config.h"

#include "lp-grind-private.h"

#include "lp-job-private.h"

gboolean
lp_grind_check_owner (LpGrind *self, const char *what, GError **error)
{
  gboolean allowed;

  g_mutex_lock (&self->lock);
  allowed = self->state == LP_GRIND_STOPPED || self->state == LP_GRIND_STARTING
            || lp_delivery_is_current (self->owner);
  g_mutex_unlock (&self->lock);

  if (!allowed)
    g_set_error (error, LP_ERROR, LP_ERROR_WRONG_CONTEXT,
                 "%s was called under another thread-default main context than the one the grinder was started in",
                 what);
  return allowed;
}

/* The manager takes no more acquires, so there is nothing to wait for. What is
 * with an executor ends as its stop has it. */
static void
pool_stopped (LpGrind *self, LpCompletion *watch)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grind_item_unref);
  g_autoptr (GError) error = g_error_new_literal (LP_ERROR, LP_ERROR_NOT_STARTED,
                                                  "The manager was stopped while the job waited in the grinder");

  g_mutex_lock (&self->lock);
  /* Not one of a run before. */
  if (self->stop_watch == watch)
    {
      self->pool_stopped = TRUE;
      if (self->state == LP_GRIND_RUNNING)
        {
          self->state = LP_GRIND_STOPPING;
          self->stop_mode = LP_STOP_MODE_DRAIN;
          lp_grind_running_changed_locked (self);
        }
      if (self->state == LP_GRIND_STOPPING)
        lp_grind_take_locked (self, G_MAXUINT, LP_ITEM_LEFT, items);
    }
  g_mutex_unlock (&self->lock);

  lp_grind_end_items (items, error);
  lp_grind_rebalance (self);
}

static void
stop_watch_cb (LpCompletion *completion, gpointer data)
{
  g_autoptr (GError) unwatched = NULL;

  if (lp_completion_propagate (completion, &unwatched) != NULL)
    pool_stopped (data, completion);
  lp_grind_unref (data);
}

/* TRUE: it runs already. FALSE without an error: the caller is the one to start. */
static gboolean
begin_start (LpGrind *self, GError **error)
{
  gboolean running;

  g_mutex_lock (&self->lock);
  running = self->state == LP_GRIND_RUNNING;
  if (self->state == LP_GRIND_STOPPED)
    {
      self->state = LP_GRIND_STARTING;
      self->pool_stopped = FALSE;
      self->stop_watch = lp_completion_new_step (stop_watch_cb, lp_grind_ref (self));
    }
  else if (!running)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_UNAVAILABLE,
                         self->state == LP_GRIND_STOPPING ? "The grinder is still stopping; start it when it has"
                         : "Another thread is starting the grinder");
  g_mutex_unlock (&self->lock);

  return running;
}

static void
run_locked (LpGrind *self, LpGrinderSettings *settings, LpDelivery *owner, gboolean logs_batches)
{
  self->state = LP_GRIND_RUNNING;
  self->settings = settings;
  self->logs_batches = logs_batches;
  self->stop_mode = 0;
  self->last_number = 0;
  lp_grind_take_owner_locked (self, owner);
  lp_grind_running_changed_locked (self);
}

/* Starts the run, or undoes what begin_start() did. WATCHED: whether the pool has
 * the watch, and gives back what it holds. */
static gboolean
end_start (LpGrind *self, const LpGrinderSettings *settings, gboolean watched, GError **error)
{
  LpGrinderSettings *new_settings = lp_grinder_settings_copy (settings);
  LpDelivery *new_owner = lp_delivery_ref_current ();
  char *new_domain = watched ? lp_grind_dup_log_domain (self) : NULL;
  gboolean logs_batches = watched && lp_grind_wants_batch_records (new_domain);
  g_autofree char *domain = g_strdup (new_domain);
  g_autofree char *old_domain = new_domain;
  LpGrinderSettings *old_settings = new_settings;
  LpDelivery *old_owner = new_owner;
  LpCompletion *watch = NULL;
  gboolean running;

  g_mutex_lock (&self->lock);
  running = watched && !self->pool_stopped;
  if (running)
    {
      old_settings = self->settings;
      old_owner = self->owner;
      old_domain = self->log_domain;
      self->log_domain = new_domain;
      run_locked (self, new_settings, new_owner, logs_batches);
    }
  else
    {
      self->state = LP_GRIND_STOPPED;
      watch = g_steal_pointer (&self->stop_watch);
    }
  g_mutex_unlock (&self->lock);

  if (running)
    lp_grind_log_run (domain, settings->owner_prefix, "grinder-started", "started");
  else if (watched)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED, "The manager was stopped meanwhile");
  g_clear_object (&watch);
  g_clear_pointer (&old_settings, lp_grinder_settings_free);
  g_clear_pointer (&old_owner, lp_delivery_unref);

  return running;
}

/* SETTINGS are validated ones; they are copied. The pool is there, and not one of
 * a process before a fork. */
gboolean
lp_grind_start (LpGrind *self, const LpGrinderSettings *settings, GError **error)
{
  GError *local_error = NULL;
  LpCompletion *watch;
  gboolean watched;

  if (begin_start (self, &local_error))
    return TRUE;
  if (local_error != NULL)
    {
      g_propagate_error (error, local_error);
      return FALSE;
    }

  watch = g_object_ref (self->stop_watch);
  watched = lp_pool_watch_stop (self->pool, watch, error);
  if (!watched)
    {
      g_object_unref (watch);
      lp_grind_unref (self);    /* its step's */
    }

  return end_start (self, settings, watched, error);
}

/* --- Stop --- */

/* With no lock held: the handlers of cancellables are foreign. One that no executor
 * has accepted yet ends with ERROR. */
static void
cancel_flying (GPtrArray *items, const GError *error, gboolean kill)
{
  for (guint i = 0; i < items->len; i++)
    {
      LpJob *job = ((LpGrindItem *) items->pdata[i])->job;

      lp_job_end_held (job, g_error_copy (error));
      if (!lp_job_state_is_end (lp_job_peek_state (job)))
        lp_job_interrupt (job, LP_INTERRUPT_GRINDER);
      if (kill && !lp_job_state_is_end (lp_job_peek_state (job)))
        lp_executor_kill_job (job->executor, job, LP_INTERRUPT_GRINDER);
    }
}

/* What a stop in MODE ends: ITEMS that wait, and FLYING ones. */
static void
harden_locked (LpGrind *self, LpStopMode mode, GPtrArray *items, GPtrArray *flying, GPtrArray *grants)
{
  if (self->stop_mode != 0 && lp_stop_mode_hardness (mode) <= lp_stop_mode_hardness (self->stop_mode))
    return;

  self->stop_mode = mode;
  if (mode == LP_STOP_MODE_DRAIN)
    return;

  lp_grind_take_locked (self, G_MAXUINT, LP_ITEM_LEFT, items);
  for (GList *link = self->flying.head; link != NULL; link = link->next)
    g_ptr_array_add (flying, lp_grind_item_ref (link->data));
  for (GList *link = self->batches.head; link != NULL; link = link->next)
    if (((LpGrindBatch *) link->data)->grant != NULL)
      g_ptr_array_add (grants, lp_grant_ref (((LpGrindBatch *) link->data)->grant));
}

/* Settles COMPLETION (nullable), whose reference is taken, when everything has
 * ended. With no lock held. */
void
lp_grind_stop (LpGrind *self, LpStopMode mode, LpCompletion *completion)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grind_item_unref);
  g_autoptr (GPtrArray) flying = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grind_item_unref);
  g_autoptr (GPtrArray) grants = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grant_unref);
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                                  "The job was cancelled because the grinder stopped");
  LpActions actions = LP_ACTIONS_INIT;
  GQueue waiters = G_QUEUE_INIT;
  gboolean stopped;

  g_mutex_lock (&self->lock);
  stopped = self->state == LP_GRIND_STOPPED || self->state == LP_GRIND_STARTING;
  if (completion != NULL)
    g_queue_push_tail_link (stopped ? &waiters : &self->stop_waiters, lp_completion_get_link (completion));
  if (self->state == LP_GRIND_RUNNING)
    {
      self->state = LP_GRIND_STOPPING;
      lp_grind_running_changed_locked (self);
    }
  if (!stopped)
    harden_locked (self, mode, items, flying, grants);
  g_mutex_unlock (&self->lock);

  lp_grind_end_items (items, error);
  cancel_flying (flying, error, mode == LP_STOP_MODE_KILL);
  for (guint i = 0; i < grants->len; i++)
    lp_executor_end_given (((LpGrant *) grants->pdata[i])->executor, grants->pdata[i], mode == LP_STOP_MODE_KILL);
  if (stopped)
    lp_actions_settle_all (&actions, &waiters, NULL);
  lp_actions_run (&actions);
  if (!stopped)
    lp_grind_rebalance (self);
}

/* Whether all that the stop waits for has ended; TRUE once. */
gboolean
lp_grind_is_over_locked (LpGrind *self)
{
  if (self->state != LP_GRIND_STOPPING || self->closing || self->n_items > 0 || self->batches.length > 0)
    return FALSE;

  self->closing = TRUE;
  return TRUE;
}

/* What the run has with the pool goes before anybody can start the next one. */
void
lp_grind_close (LpGrind *self)
{
  LpActions actions = LP_ACTIONS_INIT;
  LpCompletion *watch;

  /* Before anybody can know. */
  lp_grind_log_run (self->log_domain, self->settings->owner_prefix, "grinder-stopped", "stopped");

  g_mutex_lock (&self->pool->lock);
  lp_deadlines_remove (&self->pool->deadlines, &self->deadline);
  g_mutex_unlock (&self->pool->lock);
  lp_pool_unwatch_stop (self->pool, self->stop_watch);

  g_mutex_lock (&self->lock);
  watch = g_steal_pointer (&self->stop_watch);
  self->closing = FALSE;
  self->timer_set = FALSE;
  self->state = LP_GRIND_STOPPED;
  lp_actions_settle_all (&actions, &self->stop_waiters, NULL);
  g_mutex_unlock (&self->lock);

  g_object_unref (watch);
  lp_actions_run (&actions);
}
