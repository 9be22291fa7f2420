/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How many executors there are, and who gets them. */

#include "config.h"

#include "lp-pool-private.h"

#include "lp-defect-private.h"
#include "lp-thread-executor-private.h"

/* The first wait after a failed start, and the longest. */
#define BACKOFF_FIRST_SECONDS 0.1
#define BACKOFF_MAX_SECONDS 30.0

/* How long one that was started for an acquire that did not wait is kept for
 * the next try, however short the linger. */
#define ON_DEMAND_SECONDS 5.0

/* Those that have a place within max-pools. */
guint
lp_pool_total_locked (LpPool *self)
{
  guint total = 0;

  for (int state = 0; state < LP_N_SLOT_STATES; state++)
    if (lp_slot_counts (state))
      total += self->n_slots[state];

  return total;
}

guint
lp_pool_desired_locked (LpPool *self)
{
  return lp_settings_desired (self->settings, self->units);
}

/* min (max-pools, max (min-pools, ceil (units / units-per-pool))) */
guint
lp_settings_desired (const LpSettings *settings, gint64 last_units)
{
  gint64 units = MAX (last_units, 0);
  gint64 per_pool = MAX (settings->units_per_pool, 1); /* not validated before the start */
  gint64 wanted = units > 0 ? (units - 1) / per_pool + 1 : 0;

  return MAX (0, MIN ((gint64) settings->max_pools, MAX ((gint64) settings->min_pools, wanted)));
}

static guint
staying_locked (LpPool *self)
{
  return lp_pool_total_locked (self) - self->n_leaving;
}

/* If it is another number than BEFORE. */
void
lp_pool_log_desired_locked (LpPool *self, guint before, LpActions *actions)
{
  guint desired = lp_pool_desired_locked (self);

  if (desired != before)
    lp_actions_log (actions, self->settings->log_domain, G_LOG_LEVEL_DEBUG, LP_DEBUG_SIZING, "desired-changed", NULL,
                    "The desired number of executors is %u, for %" G_GINT64_FORMAT " units; it was %u, and there are %u",
                    desired, self->units, before, staying_locked (self));
}

/* An executor that is ready and breaks before any job has begun is no better
 * than one that does not start: the next one waits, too. */
void
lp_pool_note_breakage_locked (LpPool *self, LpSlot *slot, const GError *error, gint64 now)
{
  if (!lp_executor_has_worked (slot->executor))
    lp_pool_back_off_locked (self, slot, now, g_error_copy (error));
}

static void
vet_cb (gpointer data, gpointer more)
{
  LpSlot *slot = data;
  g_autoptr (LpExecutor) executor = lp_slot_dup_executor (slot);

  if (executor != NULL)
    lp_slot_vetted (slot, lp_executor_is_dead (executor));
  lp_slot_unref (slot);
}

/* The class of the executor wants to be asked, on the service thread, before
 * it is handed out. */
static void
vet_locked (LpPool *self, LpSlot *slot, LpActions *actions)
{
  lp_slot_set_state_locked (slot, LP_SLOT_VETTING);
  lp_service_post (slot->service, vet_cb, lp_slot_ref (slot), NULL);
}

static void
hand_out_locked (LpPool *self, gint64 now, LpActions *actions)
{
  guint n_asked = self->n_slots[LP_SLOT_VETTING];

  while (self->waiters.n_waiters > n_asked && self->idle.length > 0)
    {
      LpSlot *slot = g_queue_peek_head (&self->idle);

      if (lp_executor_checks_death (slot->executor))
        {
          vet_locked (self, slot, actions);
          n_asked++;
        }
      else
        lp_pool_grant_locked (self, slot, lp_waiters_peek (&self->waiters), now, actions);
    }
}

static void
start_locked (LpPool *self, guint desired, gint64 now, LpActions *actions)
{
  if (now < self->backoff_until)
    return;

  /* One start per waiter without one, and no start behind another. */
  while (lp_pool_total_locked (self) < (guint) self->settings->max_pools + LP_DEFECT (2)
         && (staying_locked (self) < desired
             || self->n_slots[LP_SLOT_STARTING] + self->n_slots[LP_SLOT_VETTING] < self->waiters.n_waiters))
    lp_slot_new_locked (self, staying_locked (self) >= desired, now, actions);
}

/* The least recently used goes first; each lingers from when it became idle. */
static void
shrink_locked (LpPool *self, guint desired, gint64 now, LpActions *actions)
{
  while (self->idle.length > 0 && self->waiters.n_waiters == 0 && staying_locked (self) > desired)
    {
      LpSlot *slot = g_queue_peek_tail (&self->idle);
      double linger = lp_settings_idle_linger (self->settings);
      gint64 when = lp_clock_add (slot->idle_since, slot->on_demand ? MAX (linger, ON_DEMAND_SECONDS) : linger);

      if (now < when)
        {
          lp_pool_arm_locked (self, &slot->deadline, when);
          return;
        }

      lp_slot_leave_locked (slot, LP_RETIRE_REASON_SURPLUS, now, actions);
    }
}

/* The one answer to every change: the head waiter gets what is idle, what is
 * missing is started, what is too much goes. */
void
lp_pool_rebalance_locked (LpPool *self, gint64 now, LpActions *actions)
{
  guint desired;

  if (self->state != LP_POOL_RUNNING)
    return;

  desired = lp_pool_desired_locked (self);
  hand_out_locked (self, now, actions);
  start_locked (self, desired, now, actions);
  shrink_locked (self, desired, now, actions);
}

/* An executor made after the start failed: the next one waits. Takes ERROR. */
void
lp_pool_back_off_locked (LpPool *self, LpSlot *slot, gint64 now, GError *error)
{
  double seconds = BACKOFF_FIRST_SECONDS * (1u << MIN (self->n_start_failures, 10));

  self->n_start_failures++;
  self->last_failed_seq = MAX (self->last_failed_seq, slot->seq);
  g_clear_error (&self->last_start_error);
  self->last_start_error = error;
  self->backoff_until = lp_clock_add (now, MIN (seconds, BACKOFF_MAX_SECONDS));
  lp_pool_arm_locked (self, &self->backoff_deadline, self->backoff_until);
}

void
lp_pool_backoff_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpPool *self = (LpPool *) ((char *) deadline - G_STRUCT_OFFSET (LpPool, backoff_deadline));

  lp_pool_rebalance_locked (self, now, actions);
}

static void
check_idle_cb (gpointer data, gpointer more)
{
  LpSlot *slot = data;
  g_autoptr (LpExecutor) executor = lp_slot_dup_executor (slot);

  if (executor != NULL && lp_executor_is_dead (executor))
    {
      g_autoptr (GError) error = g_error_new_literal (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR,
                                                      "The executor was found dead by the check");

      lp_slot_died (slot, error);
    }
  lp_slot_unref (slot);
}

/* One that has not answered since the last check hangs, or the owner's loop
 * does: it is said once a check, and not asked again. */
static void
ask_size_locked (LpPool *self, LpActions *actions)
{
  if (self->size_asked)
    lp_actions_log (actions, self->settings->log_domain, G_LOG_LEVEL_MESSAGE, LP_DEBUG_SIZING,
                    "size-provider-failed", NULL,
                    "The size provider has not answered since the last check, or the owner's main context is not "
                    "iterated; its last value, %" G_GINT64_FORMAT ", stands", self->units);
  else
    lp_owner_ask_size_locked (self);
}

/* The check: asks each class that wants it whether its executors live, has the
 * size asked for in the owner context, and rebalances. Expiry needs no check. */
void
lp_pool_check_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpPool *self = (LpPool *) ((char *) deadline - G_STRUCT_OFFSET (LpPool, check_deadline));

  if (self->state != LP_POOL_RUNNING)
    return;

  for (guint i = 0; i < self->slots->len; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot != NULL && !slot->leaving && slot->made && lp_executor_checks_death (slot->executor))
        lp_service_post (slot->service, check_idle_cb, lp_slot_ref (slot), NULL);
    }

  if (self->size_provided)
    ask_size_locked (self, actions);
  lp_pool_arm_locked (self, deadline,
                      MAX (lp_clock_add (now, self->settings->check_interval), now + LP_POOL_MIN_CHECK_USEC));
  lp_pool_rebalance_locked (self, now, actions);
}

/* What sizing goes by has changed. Any thread. */
void
lp_pool_set_units (LpPool *self, gint64 units)
{
  LpActions actions = LP_ACTIONS_INIT;
  guint before;

  g_mutex_lock (&self->lock);
  before = lp_pool_desired_locked (self);
  self->units = MAX (units, 0);
  lp_pool_log_desired_locked (self, before, &actions);
  lp_pool_rebalance_locked (self, lp_clock_now (), &actions);
  lp_owner_counts_locked (self, &actions);
  lp_pool_unlock (self, &actions);
}

/* Retires what is idle now and what is leased when it is released. */
void
lp_pool_recycle (LpPool *self)
{
  LpActions actions = LP_ACTIONS_INIT;
  gint64 now = lp_clock_now ();

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->slots->len && self->state == LP_POOL_RUNNING; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot == NULL || slot->leaving)
        continue;

      if (slot->state == LP_SLOT_IDLE)
        lp_slot_leave_locked (slot, LP_RETIRE_REASON_RECYCLED, now, &actions);
      else if (slot->state != LP_SLOT_STARTING)
        slot->recycle = TRUE;
    }
  lp_pool_rebalance_locked (self, now, &actions);
  lp_pool_unlock (self, &actions);
}

/* What is true after every change; aborts if it is not. For tests and for
 * LP_DEBUG=check. */
void
lp_pool_check_locked (LpPool *self)
{
  guint n_slots[LP_N_SLOT_STATES] = { 0 };
  guint n_leaving = 0;
  guint max_pools = self->settings != NULL ? self->settings->max_pools : 0;
  guint max_quarantined = self->settings != NULL ? lp_settings_max_quarantined (self->settings) : 0;

  for (guint i = 0; i < self->slots->len; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot == NULL)
        continue;

      n_slots[slot->state]++;
      n_leaving += slot->leaving && lp_slot_counts (slot->state);
      g_assert_true ((slot->grant != NULL) == (slot->state == LP_SLOT_LEASED || slot->state == LP_SLOT_DRAINING));
      g_assert_true (slot->grant == NULL || slot->grant->slot == slot);
    }

  for (int state = 0; state < LP_N_SLOT_STATES; state++)
    g_assert_cmpuint (self->n_slots[state], ==, n_slots[state]);
  g_assert_cmpuint (self->n_leaving, ==, n_leaving);
  g_assert_cmpuint (self->idle.length, ==, n_slots[LP_SLOT_IDLE]);
  g_assert_cmpuint (self->stuck.length, <=, n_slots[LP_SLOT_STUCK]);
  g_assert_cmpuint (self->quarantined.length, ==, n_slots[LP_SLOT_QUARANTINED]);
  if (self->state != LP_POOL_STOPPED)
    {
      g_assert_cmpuint (lp_pool_total_locked (self), <=, max_pools);
      g_assert_cmpuint (n_slots[LP_SLOT_QUARANTINED], <=, max_quarantined);
    }

  if (self->state == LP_POOL_RUNNING)
    g_assert_true (self->waiters.n_waiters <= n_slots[LP_SLOT_VETTING] || self->idle.length == 0);
  else
    g_assert_cmpuint (self->waiters.n_waiters, ==, 0);
  if (self->state == LP_POOL_STOPPED)
    g_assert_cmpuint (n_slots[LP_SLOT_LEASED] + n_slots[LP_SLOT_IDLE] + n_slots[LP_SLOT_STARTING], ==, 0);
}
