/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Where the number that sizing goes by comes from. */

#include "config.h"

#include "lp-manager-private.h"

gint64
lp_manager_get_size (LpManager *self)
{
  return self->size_func != NULL ? self->last_size : self->settings->units;
}

static void
log_failure (LpManager *self, const char *why)
{
  lp_log (self->settings->log_domain, G_LOG_LEVEL_MESSAGE, LP_DEBUG_SIZING, "size-provider-failed", NULL,
          "The size provider failed: %s; its last value, %" G_GINT64_FORMAT ", stands", why, self->last_size);
}

/* One that iterates the main context can be asked again while it is asked. */
gboolean
lp_manager_call_size_func (LpManager *self)
{
  g_autoptr (GError) error = NULL;
  gint64 size;

  if (self->size_func == NULL)
    return FALSE;

  if (self->asking_size)
    {
      log_failure (self, "it was to be called while it runs");
      return FALSE;
    }

  self->asking_size = TRUE;
  size = self->size_func (self, self->size_data, &error);
  self->asking_size = FALSE;

  if (error != NULL)
    {
      log_failure (self, error->message);
      return FALSE;
    }

  self->last_size = MAX (size, 0);
  return TRUE;
}

/* In the owner context. */
void
lp_manager_ask_size (LpManager *self)
{
  gboolean answered = lp_manager_call_size_func (self);

  /* While it is asked the question stays open, for the check to see. */
  g_mutex_lock (&self->pool->lock);
  self->pool->size_asked = self->asking_size;
  g_mutex_unlock (&self->pool->lock);

  if (answered)
    lp_pool_set_units (self->pool, self->last_size);
}

void
lp_manager_units_changed (LpManager *self, int units)
{
  if (self->size_func == NULL && lp_manager_settings_are_frozen (self))
    lp_pool_set_units (self->pool, units);
}

/**
 * lp_manager_set_size_provider:
 * @self: a manager
 * @func: (nullable) (scope notified) (closure user_data) (destroy destroy):
 *   tells how many units of work there are; %NULL to go by
 *   [property@Lp.Manager:units] again
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, in the owner context
 *
 * Sets the function that the number of executors goes by. It is called in the
 * owner context only, with no lock held: at the start, at each check, and after
 * [method@Lp.Manager.notify_scale_changed]. When it fails, blocks, or is to be
 * called while it runs, its last value stands, and the failure is logged;
 * before its first success the value is 0.
 *
 * Since: 1.0
 */
void
lp_manager_set_size_provider (LpManager *self, LpSizeFunc func, gpointer user_data, GDestroyNotify destroy)
{
  GDestroyNotify old_destroy;
  gpointer old_data;

  g_return_if_fail (LP_IS_MANAGER (self));

  old_destroy = self->size_destroy;
  old_data = self->size_data;
  self->size_func = func;
  self->size_data = user_data;
  self->size_destroy = destroy;
  self->last_size = 0;

  /* While it runs, what there is stands until the new one has answered. */
  g_mutex_lock (&self->pool->lock);
  self->pool->size_provided = func != NULL;
  if (self->pool->state == LP_POOL_RUNNING)
    {
      self->last_size = self->pool->units;
      if (func != NULL)
        lp_owner_ask_size_locked (self->pool);
    }
  g_mutex_unlock (&self->pool->lock);

  /* One that replaces itself is still running. */
  if (old_destroy != NULL && self->asking_size)
    lp_pool_destroy_later (self->pool, old_destroy, old_data);
  else if (old_destroy != NULL)
    lp_pool_destroy_in_owner (self->pool, old_destroy, old_data);
  if (func == NULL)
    lp_manager_units_changed (self, self->settings->units);
}

/**
 * lp_manager_notify_scale_changed:
 * @self: a manager
 *
 * Has the size provider called, in the owner context, and the number of
 * executors follow. Any thread. Before the start it does nothing.
 *
 * Since: 1.0
 */
void
lp_manager_notify_scale_changed (LpManager *self)
{
  g_return_if_fail (LP_IS_MANAGER (self));

  if (lp_pool_is_forked (self->pool))
    return;

  g_mutex_lock (&self->pool->lock);
  if (self->pool->state == LP_POOL_RUNNING && self->pool->size_provided)
    lp_owner_ask_size_locked (self->pool);
  g_mutex_unlock (&self->pool->lock);
}
