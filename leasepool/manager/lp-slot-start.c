/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How an executor begins: a place is taken under the mutex, the object is made
 * and started after it. */

#include "config.h"

#include "lp-pool-private.h"

#include "lp-thread-executor-private.h"

static gboolean
starts_at_once (LpPool *pool)
{
  return pool->executor_type == LP_TYPE_THREAD_EXECUTOR && lp_thread_executor_starts_at_once (pool->settings);
}

static void
make_cb (gpointer data, gpointer more)
{
  lp_slot_make (data);
  lp_slot_unref (data);
}

static guint
take_index_locked (LpPool *pool, LpSlot *slot)
{
  guint index;

  if (pool->free_indexes->len == 0)
    {
      g_ptr_array_add (pool->slots, slot);
      return pool->slots->len - 1;
    }

  index = g_array_index (pool->free_indexes, guint, pool->free_indexes->len - 1);
  g_array_set_size (pool->free_indexes, pool->free_indexes->len - 1);
  pool->slots->pdata[index] = slot;

  return index;
}

/* Workers that are processes have the same time to say hello, from a little
 * later, and know better what is missing. */
static double
patience (LpPool *pool)
{
  return pool->executor_type == LP_TYPE_PROCESS_EXECUTOR ? 1.0 : 0;
}

/* Takes a place and has an executor made: by the calling thread if that is done
 * at once, else on the service thread. */
LpSlot *
lp_slot_new_locked (LpPool *pool, gboolean on_demand, gint64 now, LpActions *actions)
{
  LpSlot *self = g_new0 (LpSlot, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->pool = lp_pool_ref (pool);
  self->seq = ++pool->last_seq;
  self->index = take_index_locked (pool, self);
  self->service = lp_service_hold (pool->service);
  self->link.data = self;
  self->deadline.fire = lp_slot_due;
  self->state = LP_SLOT_STARTING;
  self->on_demand = on_demand;
  pool->n_slots[LP_SLOT_STARTING]++;

  lp_pool_arm_locked (pool, &self->deadline,
                      lp_clock_add (now, pool->settings->start_timeout_seconds + patience (pool)));

  if (starts_at_once (pool))
    lp_actions_add (actions, make_cb, lp_slot_ref (self), NULL);
  else
    lp_service_post (pool->service, make_cb, lp_slot_ref (self), NULL);

  return self;
}

void
lp_slot_make (LpSlot *self)
{
  LpPool *pool = self->pool;
  LpSettings *settings;
  g_autofree char *name = NULL;
  g_autoptr (LpExecutor) held = NULL;
  LpExecutor *executor;
  gboolean wanted;

  g_mutex_lock (&pool->lock);
  settings = lp_settings_ref (pool->settings);
  wanted = !self->leaving;
  g_mutex_unlock (&pool->lock);

  if (wanted)
    {
      name = g_strdup_printf ("%s-%" G_GUINT64_FORMAT, settings->name_prefix, self->seq);
      executor = g_object_new (pool->executor_type,
                               "seq", self->seq,
                               "name", name,
                               "workers", settings->workers_per_pool,
                               "options", settings->executor_options,
                               "functions", pool->functions,
                               NULL);
      if (executor == NULL)
        {
          lp_slot_start_failed (self, g_error_new (LP_ERROR, LP_ERROR_START_FAILED,
                                                   "No object of the class %s could be made on the service thread; "
                                                   "classes of GJS cannot be executors",
                                                   g_type_name (pool->executor_type)));
          lp_settings_unref (settings);
          lp_slot_stopped (self);
          return;
        }
      lp_executor_attach (executor, self, pool, settings);

      /* From here on the slot owns it; leaving meanwhile waited for this. */
      held = g_object_ref (executor);
      g_mutex_lock (&pool->lock);
      self->executor = executor;
      wanted = !self->leaving;
      g_mutex_unlock (&pool->lock);
    }
  lp_settings_unref (settings);

  if (wanted)
    lp_executor_start (held);
  else
    lp_slot_stopped (self);
}

void
lp_slot_ready (LpSlot *self)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  gint64 now = lp_clock_now ();

  g_mutex_lock (&pool->lock);
  if (self->state == LP_SLOT_STARTING && !self->made)
    {
      self->made = TRUE;
      self->idle_since = now;
      lp_deadlines_remove (&pool->deadlines, &self->deadline);
      lp_slot_set_state_locked (self, LP_SLOT_IDLE);
      pool->counters.executors_created++;
      lp_owner_created_locked (self, &actions);

      if (pool->state == LP_POOL_STARTING && --pool->n_start_missing == 0)
        lp_pool_started_locked (pool, now, &actions);
      lp_pool_rebalance_locked (pool, now, &actions);
      lp_owner_counts_locked (pool, &actions);
    }
  lp_pool_unlock (pool, &actions);
}

static void
start_failed_locked (LpSlot *self, GError *error, gint64 now, LpActions *actions)
{
  LpPool *pool = self->pool;
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, self->seq);
  LpLogField fields[] = { { "EXECUTOR_SEQ", seq }, { NULL, NULL } };

  lp_slot_leave_locked (self, LP_RETIRE_REASON_START_FAILED, now, actions);

  if (pool->state == LP_POOL_STARTING)
    lp_pool_undo_start_locked (pool, g_error_copy (error), now, actions);
  else
    {
      lp_pool_back_off_locked (pool, self, now, g_error_copy (error));
      lp_actions_log (actions, pool->settings->log_domain, G_LOG_LEVEL_MESSAGE, LP_DEBUG_EXECUTOR,
                      "executor-start-failed", fields,
                      "A start failed, the next one is in %.1f s: %s", lp_clock_seconds (pool->backoff_until - now),
                      error->message);
    }
}

/* ERROR may be of any domain: what comes out is START_FAILED. */
void
lp_slot_start_failed_locked (LpSlot *self, const GError *error, gint64 now, LpActions *actions)
{
  g_autoptr (GError) failure = NULL;

  if (g_error_matches (error, LP_ERROR, LP_ERROR_START_FAILED))
    failure = g_error_copy (error);
  else
    lp_log_set_error (&failure, LP_ERROR, LP_ERROR_START_FAILED, "The executor %" G_GUINT64_FORMAT " did not start: %s",
                      self->seq, error->message);

  start_failed_locked (self, failure, now, actions);
}

/* Takes ERROR. */
void
lp_slot_start_failed (LpSlot *self, GError *error)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  gint64 now = lp_clock_now ();

  g_mutex_lock (&pool->lock);
  if (self->state == LP_SLOT_STARTING)
    {
      lp_slot_start_failed_locked (self, error, now, &actions);
      lp_pool_rebalance_locked (pool, now, &actions);
      lp_owner_counts_locked (pool, &actions);
    }
  lp_pool_unlock (pool, &actions);

  g_error_free (error);
}

/* It has not reported ready in time. */
void
lp_slot_start_due_locked (LpSlot *self, gint64 now, LpActions *actions)
{
  g_autoptr (GError) error = NULL;

  g_set_error (&error, LP_ERROR, LP_ERROR_START_FAILED,
               "The executor %" G_GUINT64_FORMAT " was not ready within the start-timeout-seconds (%g)",
               self->seq, self->pool->settings->start_timeout_seconds);
  start_failed_locked (self, error, now, actions);
  lp_owner_counts_locked (self->pool, actions);
}
