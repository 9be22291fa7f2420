/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-pool-private.h"

/* The life of a place
 *
 *   STARTING -> IDLE <-> LEASED -> DRAINING -> IDLE
 *                 |
 *              VETTING (asked whether it lives, then IDLE or leased)
 *
 * From any of these it can leave, once and for one reason: REVOKING while jobs
 * of it run and are being ended, then CLOSING until it reports that nothing of
 * it is left, then RETIRED. If threads do not return from their jobs, it is
 * QUARANTINED, outside the bound, or STUCK, inside, when there is no room in
 * quarantine; it closes when they return.
 *
 * All states but QUARANTINED and RETIRED have a place within max-pools. */

LpSlot *
lp_slot_ref (LpSlot *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
lp_slot_unref (LpSlot *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  lp_pool_unref (self->pool);
  g_free (self);
}

/* Where those of its state are looked for, or NULL. A process that is not reaped
 * keeps its place, so nobody looks for that. */
static GQueue *
list_of_state (LpSlot *self)
{
  switch (self->state)
    {
    case LP_SLOT_IDLE:
      return &self->pool->idle;
    case LP_SLOT_STUCK:
      return lp_executor_get_ops (self->executor)->holds_processes ? NULL : &self->pool->stuck;
    case LP_SLOT_QUARANTINED:
      return &self->pool->quarantined;
    case LP_SLOT_STARTING:
    case LP_SLOT_VETTING:
    case LP_SLOT_LEASED:
    case LP_SLOT_DRAINING:
    case LP_SLOT_REVOKING:
    case LP_SLOT_CLOSING:
    case LP_SLOT_RETIRED:
    case LP_N_SLOT_STATES:
    default:
      return NULL;
    }
}

/* The one way to another state: keeps the counts and the lists by state. */
void
lp_slot_set_state_locked (LpSlot *self, LpSlotState state)
{
  LpPool *pool = self->pool;
  GQueue *list = list_of_state (self);

  if (list != NULL)
    g_queue_unlink (list, &self->link);
  if (self->state == LP_SLOT_IDLE)
    lp_deadlines_remove (&pool->deadlines, &self->deadline);
  if (self->leaving && lp_slot_counts (self->state))
    pool->n_leaving--;
  pool->n_slots[self->state]--;

  self->state = state;

  pool->n_slots[state]++;
  if (self->leaving && lp_slot_counts (state))
    pool->n_leaving++;
  list = list_of_state (self);
  if (list != NULL)
    g_queue_push_head_link (list, &self->link);
}

/* Calls FUNC (DATA, MORE) on the service thread. FALSE: the executor is retired. */
gboolean
lp_slot_post (LpSlot *self, GFunc func, gpointer data, gpointer more)
{
  gboolean posted;

  g_mutex_lock (&self->pool->lock);
  posted = self->service != NULL;
  if (posted)
    lp_service_post (self->service, func, data, more);
  g_mutex_unlock (&self->pool->lock);

  return posted;
}

/* The same with a reference to OBJECT, which FUNC drops. */
void
lp_slot_post_object (LpSlot *self, GFunc func, GObject *object)
{
  g_object_ref (object);
  if (!lp_slot_post (self, func, object, NULL))
    g_object_unref (object);
}

/* The executor, for a call that must not hold the mutex; NULL once it has
 * stopped. What it reports may be what takes it out of the slot. */
LpExecutor *
lp_slot_dup_executor (LpSlot *self)
{
  LpExecutor *executor = NULL;

  g_mutex_lock (&self->pool->lock);
  if (self->executor != NULL && !self->stopped)
    executor = g_object_ref (self->executor);
  g_mutex_unlock (&self->pool->lock);

  return executor;
}

void
lp_slot_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpSlot *self = (LpSlot *) ((char *) deadline - G_STRUCT_OFFSET (LpSlot, deadline));

  if (self->state == LP_SLOT_STARTING)
    lp_slot_start_due_locked (self, now, actions);
  else if (self->state == LP_SLOT_REVOKING && self->jobs_until != 0)
    lp_slot_jobs_due_locked (self, actions);
  else if (self->state == LP_SLOT_CLOSING || self->state == LP_SLOT_REVOKING || self->parting)
    lp_slot_shutdown_due_locked (self, now, actions);

  lp_pool_rebalance_locked (self->pool, now, actions);
}

/* The lease has ended in the ordinary way and no job is left: what becomes of
 * the executor. LOAD: what it had when that was seen; a job that was stuck then
 * may have returned. */
void
lp_slot_return_locked (LpSlot *self, const LpExecutorLoad *load, gint64 now, LpActions *actions)
{
  if (self->pool->state != LP_POOL_RUNNING)
    lp_slot_leave_locked (self, LP_RETIRE_REASON_STOPPED, now, actions);
  else if (self->recycle)
    lp_slot_leave_locked (self, LP_RETIRE_REASON_RECYCLED, now, actions);
  else if (load->stuck > 0)
    lp_slot_leave_locked (self, LP_RETIRE_REASON_BROKEN, now, actions);
  else
    {
      self->idle_since = now;
      lp_slot_set_state_locked (self, LP_SLOT_IDLE);
      if (self->seq > self->pool->last_failed_seq)
        {
          self->pool->n_start_failures = 0;
          g_clear_error (&self->pool->last_start_error);
        }
    }
}

/* Nothing that is to end by itself holds the closed executor any more, or what is stuck there
 * has changed; who comes late may find it lent and closed again. The caller runs ACTIONS,
 * after it has prepared what it tells itself. */
void
lp_slot_let_go (LpSlot *self, LpActions *actions)
{
  LpPool *pool = self->pool;
  gint64 now = lp_clock_now ();
  LpExecutorLoad load;

  g_mutex_lock (&pool->lock);
  actions->watched = LP_ACTIONS_WATCHED_UNKNOWN;
  lp_pool_run_due_locked (pool, now, actions);
  if (self->state == LP_SLOT_DRAINING)
    {
      lp_executor_get_load (self->executor, &load);
      if (lp_executor_load_lets_go (&load))
        {
          LpLeaseState end = pool->state == LP_POOL_RUNNING ? LP_LEASE_STATE_RELEASED : LP_LEASE_STATE_STOPPED;

          lp_grant_end_locked (self->grant, end, now, actions);
          lp_slot_return_locked (self, &load, now, actions);
        }
    }
  else if (self->leaving)
    lp_slot_settle_locked (self, now, actions);

  lp_pool_rebalance_locked (pool, now, actions);
  lp_owner_counts_locked (pool, actions);
  if (lp_debug_enabled (LP_DEBUG_CHECK))
    lp_pool_check_locked (pool);
  g_mutex_unlock (&pool->lock);
}

void
lp_slot_vetted (LpSlot *self, gboolean dead)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  gint64 now = lp_clock_now ();

  g_mutex_lock (&pool->lock);
  if (self->state == LP_SLOT_VETTING && dead)
    {
      g_autoptr (GError) error = g_error_new_literal (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR,
                                                      "it was found dead before it was handed out");

      lp_slot_died_locked (self, error, now, &actions);
    }
  else if (self->state == LP_SLOT_VETTING && self->recycle)
    lp_slot_leave_locked (self, LP_RETIRE_REASON_RECYCLED, now, &actions);
  else if (self->state == LP_SLOT_VETTING && pool->waiters.n_waiters > 0)
    lp_pool_grant_locked (pool, self, lp_waiters_peek (&pool->waiters), now, &actions);
  else if (self->state == LP_SLOT_VETTING)
    lp_slot_set_state_locked (self, LP_SLOT_IDLE);
  lp_pool_rebalance_locked (pool, now, &actions);
  lp_owner_counts_locked (pool, &actions);
  lp_pool_unlock (pool, &actions);
}
