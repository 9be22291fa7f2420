/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A lease as the pool sees it, from the grant to its end. */

#include "config.h"

#include <string.h>

#include "lp-pool-private.h"

/* How many numbers a pool takes at a time: all pools of the process share the counter. */
#define NUMBERS 64

static guint64 n_numbers;       /* (atomic) taken */

LpGrant *
lp_grant_ref (LpGrant *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
lp_grant_unref (LpGrant *self)
{
  /* Where there is one, nobody else can take or drop any. */
  if (g_atomic_int_get (&self->ref_count) > 1 && !g_atomic_int_dec_and_test (&self->ref_count))
    return;

  if (self->info != NULL)
    lp_pool_destroy_in_owner (self->pool, g_object_unref, self->info);
  g_clear_pointer (&self->owner, g_ref_string_release);
  g_free (self->id);
  lp_executor_let_go (self->executor); /* and with it perhaps the pool */
  g_free (self);
}

static guint64
next_number_locked (LpPool *pool)
{
  if (pool->last_number % NUMBERS == 0)
    pool->last_number = __atomic_fetch_add (&n_numbers, NUMBERS, __ATOMIC_RELAXED);

  return ++pool->last_number;
}

/* Lends the executor of SLOT. The slot keeps one reference while the lease
 * lasts, the other is the caller's. */
LpGrant *
lp_grant_new_locked (LpSlot *slot, GRefString *owner, double seconds, gint64 now)
{
  LpPool *pool = slot->pool;
  LpGrant *self = g_new (LpGrant, 1); /* not g_new0(): some calloc() keep no cache of a thread */

  *self = (LpGrant) {
    .ref_count = 2,
    .pool = pool,
    .executor = lp_executor_hold (slot->executor),
    .slot = slot,
    .slot_index = slot->index,
    .number = next_number_locked (pool),
    .owner = owner != NULL ? g_ref_string_acquire (owner) : NULL,
    .seconds = seconds > 0 ? seconds : pool->settings->default_lease_seconds,
    .grace = pool->settings->lease_grace_seconds,
    .leased_at = now,
    .deadline.fire = lp_grant_due,
  };
  self->soft = lp_clock_add (now, self->seconds);
  self->hard = lp_clock_add (self->soft, self->grace);

  slot->grant = self;
  slot->on_demand = FALSE;
  lp_slot_set_state_locked (slot, LP_SLOT_LEASED);
  lp_executor_open (slot->executor, self);
  lp_pool_arm_locked (pool, &self->deadline, self->soft);
  pool->counters.acquired++;

  return self;
}

/* Made when somebody asks: most leases are never asked. */
const char *
lp_grant_get_id (LpGrant *self)
{
  char *id = g_atomic_pointer_get (&self->id);

  if (id == NULL)
    {
      id = g_strdup_printf ("lease-%" G_GUINT64_FORMAT ".%u", self->number, self->slot_index);
      if (!g_atomic_pointer_compare_and_exchange (&self->id, NULL, id))
        {
          g_free (id);
          id = g_atomic_pointer_get (&self->id);
        }
    }

  return id;
}

LpLeaseState
lp_grant_get_state (LpGrant *self)
{
  return g_atomic_int_get (&self->state);
}

/* What is read without the lock decides nothing that was not decided under it, so no
 * order with other memory is needed than that what was written before is seen. */
static void
set_state_locked (LpGrant *self, LpLeaseState state)
{
  __atomic_store_n (&self->state, (int) state, __ATOMIC_RELEASE);
}

static const char *
owner_of (LpGrant *self)
{
  return self->owner != NULL ? self->owner : "nobody in particular";
}

static GError *
state_error (LpGrant *self)
{
  const char *id = lp_grant_get_id (self);

  switch (lp_grant_get_state (self))
    {
    case LP_LEASE_STATE_BROKEN:
      return lp_log_new_error (LP_ERROR, LP_ERROR_EXPIRED, "The executor of %s (“%s”) broke; acquire another lease",
                               id, owner_of (self));
    case LP_LEASE_STATE_STOPPED:
      return lp_log_new_error (LP_ERROR, LP_ERROR_EXPIRED, "The lease %s (“%s”) ended when its manager stopped", id,
                               owner_of (self));
    case LP_LEASE_STATE_EXPIRED:
      return lp_log_new_error (LP_ERROR, LP_ERROR_EXPIRED,
                               "The lease %s (“%s”) expired; acquire another one, or renew in time", id, owner_of (self));
    case LP_LEASE_STATE_ACTIVE:
    case LP_LEASE_STATE_DRAINING:
    case LP_LEASE_STATE_RELEASED:
    default:
      return lp_log_new_error (LP_ERROR, LP_ERROR_EXPIRED, "The lease %s (“%s”) was released", id, owner_of (self));
    }
}

static void
settle_drains_locked (LpGrant *self, LpActions *actions)
{
  g_autoptr (GError) error = NULL;

  if (lp_grant_get_state (self) != LP_LEASE_STATE_RELEASED)
    error = state_error (self);
  lp_actions_settle_all (actions, &self->drains, error);
}

static void
unref_cb (gpointer data, gpointer more)
{
  lp_grant_unref (data);
}

/* The last reference may run foreign code, any other one may be dropped here. */
static void
unref_locked (LpGrant *self, LpActions *actions)
{
  int n = g_atomic_int_get (&self->ref_count);

  while (n > 1 && !g_atomic_int_compare_and_exchange_full (&self->ref_count, n, n - 1, &n))
    ;
  if (n == 1)
    lp_actions_add (actions, unref_cb, self, NULL);
}

/* As lp_grant_end_locked(), with an executor that is closed already. */
static void
end_closed_locked (LpGrant *self, LpLeaseState state, gint64 now, LpActions *actions)
{
  LpSlot *slot = self->slot;
  LpPool *pool = self->pool;

  lp_deadlines_remove (&pool->deadlines, &self->deadline);
  lp_histogram_add (&pool->hold_time, now, now - self->leased_at);
  set_state_locked (self, state);
  self->slot = NULL;
  slot->grant = NULL;

  if (self->drains.length > 0)
    settle_drains_locked (self, actions);
  lp_owner_lease_locked (self, "lease-ended", actions);
  unref_locked (self, actions);
}

/* The lease is over as STATE. What becomes of the executor and of its jobs is
 * the caller's. Who holds no reference must not touch it any more. */
void
lp_grant_end_locked (LpGrant *self, LpLeaseState state, gint64 now, LpActions *actions)
{
  LpExecutorLoad load;

  lp_executor_close (self->executor, &load);
  end_closed_locked (self, state, now, actions);
}

/* Once for each soft expiry that an active lease has passed. */
static void
tell_soft_locked (LpGrant *self, LpActions *actions)
{
  if (self->told_soft || lp_grant_get_state (self) != LP_LEASE_STATE_ACTIVE)
    return;

  self->told_soft = TRUE;
  lp_owner_lease_locked (self, "lease-expiring", actions);
}

static void
expire_locked (LpGrant *self, gint64 now, LpActions *actions)
{
  LpPool *pool = self->pool;
  LpSlot *slot = self->slot;
  const char *id = lp_grant_get_id (self);
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, slot->seq);
  LpLogField fields[] = { { "LEASE_ID", id }, { "OWNER", self->owner }, { "EXECUTOR_SEQ", seq }, { NULL, NULL } };

  /* Whoever comes too late, on a machine that is busy, does not leave out what comes before. */
  if (self->hard > self->soft)
    tell_soft_locked (self, actions);

  pool->counters.revoked++;
  lp_actions_log (actions, pool->settings->log_domain, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE, "lease-revoked",
                  fields, "The lease %s of “%s” was revoked: it was held for %.1f s, its hard expiry has passed", id,
                  owner_of (self), lp_clock_seconds (now - self->leased_at));

  lp_grant_end_locked (self, LP_LEASE_STATE_EXPIRED, now, actions);
  lp_slot_end_jobs_locked (slot, LP_INTERRUPT_REVOKE, actions);
  lp_slot_leave_locked (slot, LP_RETIRE_REASON_EXPIRED, now, actions);
  lp_pool_rebalance_locked (pool, now, actions);
  lp_owner_counts_locked (pool, actions);
}

void
lp_grant_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpGrant *self = (LpGrant *) ((char *) deadline - G_STRUCT_OFFSET (LpGrant, deadline));

  if (now >= self->hard)
    {
      expire_locked (self, now, actions);
      return;
    }

  tell_soft_locked (self, actions);
  lp_pool_arm_locked (self->pool, deadline, self->hard);
}

/* Ends the submissions; with jobs pending it drains until its hard expiry. */
void
lp_grant_release_locked (LpGrant *self, gint64 now, LpActions *actions)
{
  LpSlot *slot = self->slot;
  LpExecutorLoad load;

  if (now >= self->hard)
    {
      expire_locked (self, now, actions);
      return;
    }

  self->pool->counters.released++;
  lp_executor_close (self->executor, &load);

  if (lp_executor_load_lets_go (&load))
    {
      end_closed_locked (self, LP_LEASE_STATE_RELEASED, now, actions);
      lp_slot_return_locked (slot, &load, now, actions);
      return;
    }

  set_state_locked (self, LP_LEASE_STATE_DRAINING);
  lp_slot_set_state_locked (slot, LP_SLOT_DRAINING);
  lp_pool_arm_locked (self->pool, &self->deadline, self->hard);
  lp_owner_lease_locked (self, NULL, actions);
}

static void
log_release_locked (LpGrant *self, gboolean dropped, LpActions *actions)
{
  GLogLevelFlags level = dropped ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_DEBUG;
  const char *domain = self->pool->settings->log_domain;
  g_autofree char *seq = NULL;
  LpLogField fields[] = { { "LEASE_ID", NULL }, { "EXECUTOR_SEQ", NULL }, { "OWNER", self->owner }, { NULL, NULL } };

  if (!dropped && !lp_log_wants_still (self->pool->logs_leases))
    return;

  seq = g_strdup_printf ("%" G_GUINT64_FORMAT, self->slot->seq);
  fields[0].value = lp_grant_get_id (self);
  fields[1].value = seq;
  if (dropped)
    lp_actions_log (actions, domain, level, LP_DEBUG_LEASE, "lease-dropped", fields,
                    "The lease %s of “%s” was dropped without being released; it is released now", fields[0].value,
                    owner_of (self));
  else
    lp_actions_log (actions, domain, level, LP_DEBUG_LEASE, "lease-released", fields,
                    "The lease %s of “%s” was released", fields[0].value, owner_of (self));
}

/* Returns whether the lease was active. DROPPED: nobody holds it any more. */
gboolean
lp_grant_release (LpGrant *self, gboolean dropped)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  gint64 now;
  gboolean active;

  if (lp_grant_get_state (self) != LP_LEASE_STATE_ACTIVE || lp_pool_is_forked (pool))
    return FALSE;

  now = lp_clock_now ();
  g_mutex_lock (&pool->lock);
  lp_pool_run_due_locked (pool, now, &actions);
  active = self->slot != NULL && lp_grant_get_state (self) == LP_LEASE_STATE_ACTIVE;
  if (active)
    {
      log_release_locked (self, dropped, &actions);
      lp_grant_release_locked (self, now, &actions);
      lp_pool_rebalance_locked (pool, now, &actions);
      lp_owner_counts_locked (pool, &actions);
    }
  lp_pool_unlock (pool, &actions);

  return active;
}

/* How deep giving back may nest: it grants to the next, who may not fetch it
 * either. */
#define MAX_GIVE_BACK_DEPTH 8

static GPrivate give_back_depth;

static void
give_back_cb (gpointer grant, gpointer more)
{
  lp_grant_give_back (grant);
}

static gboolean
give_back_later (LpGrant *self)
{
  LpPool *pool = self->pool;
  gboolean posted;

  g_mutex_lock (&pool->lock);
  posted = pool->service != NULL;
  if (posted)
    lp_service_post (pool->service, give_back_cb, self, NULL);
  g_mutex_unlock (&pool->lock);

  return posted;
}

/* Destroy function of a grant on its way to a caller who does not fetch it. */
void
lp_grant_give_back (gpointer grant)
{
  int depth = GPOINTER_TO_INT (g_private_get (&give_back_depth));

  if (depth >= MAX_GIVE_BACK_DEPTH && give_back_later (grant))
    return;

  g_private_set (&give_back_depth, GINT_TO_POINTER (depth + 1));
  lp_grant_release (grant, FALSE);
  lp_grant_unref (grant);
  g_private_set (&give_back_depth, GINT_TO_POINTER (depth));
}

/* Whether a job may be submitted; a lease past its hard expiry is revoked here
 * if the timer has not done it yet. */
gboolean
lp_grant_check (LpGrant *self, gint64 now, GError **error)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  gboolean stopping;
  gboolean active;

  if (lp_pool_is_forked (pool))
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED,
                           "The lease belongs to the parent of this forked process");
      return FALSE;
    }

  g_mutex_lock (&pool->lock);
  if (self->slot != NULL && now >= self->hard)
    expire_locked (self, now, &actions);
  active = lp_grant_get_state (self) == LP_LEASE_STATE_ACTIVE;
  stopping = pool->state == LP_POOL_STOPPING;
  lp_pool_unlock (pool, &actions);

  if (stopping)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED, "The manager is stopping and takes no more jobs");
  else if (!active)
    g_propagate_error (error, state_error (self));

  return active && !stopping;
}

/* New times, counted from now. SECONDS of -1: as long as before. */
gboolean
lp_grant_renew (LpGrant *self, double seconds, GError **error)
{
  LpPool *pool = self->pool;
  GMutex *executor_lock = lp_executor_get_lock (self->executor);
  gint64 now = lp_clock_now ();

  if (!lp_grant_check (self, now, error))
    return FALSE;

  g_mutex_lock (&pool->lock);
  if (lp_grant_get_state (self) != LP_LEASE_STATE_ACTIVE)
    {
      g_mutex_unlock (&pool->lock);
      g_propagate_error (error, state_error (self));
      return FALSE;
    }

  lp_executor_lock_queue (self->executor);
  if (seconds > 0)
    self->seconds = seconds;
  self->soft = lp_clock_add (now, self->seconds);
  self->hard = lp_clock_add (self->soft, self->grace);
  g_mutex_unlock (executor_lock);

  self->told_soft = FALSE;
  lp_pool_arm_locked (pool, &self->deadline, self->soft);
  {
    LpActions actions = LP_ACTIONS_INIT;

    lp_owner_lease_locked (self, NULL, &actions);
    lp_pool_unlock (pool, &actions);
  }

  return TRUE;
}

/* Releases, and tells COMPLETION, whose reference is taken, when no job is left. */
void
lp_grant_drain (LpGrant *self, LpCompletion *completion)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;

  lp_grant_release (self, FALSE);

  g_mutex_lock (&pool->lock);
  g_queue_push_tail_link (&self->drains, lp_completion_get_link (completion));
  if (self->slot == NULL)
    settle_drains_locked (self, &actions);
  lp_pool_unlock (pool, &actions);
}

/* The numbers in ID, which may be any text; other spellings than ours pass, too. */
static gboolean
parse_id (const char *id, guint64 *number, guint64 *index)
{
  char *end;

  if (!g_str_has_prefix (id, "lease-"))
    return FALSE;

  *number = g_ascii_strtoull (id + strlen ("lease-"), &end, 10);
  if (*end != '.')
    return FALSE;

  *index = g_ascii_strtoull (end + 1, &end, 10);
  return *end == '\0';
}

/* Releases the lease called ID; TRUE if it was active. */
gboolean
lp_pool_release_id (LpPool *self, const char *id)
{
  LpGrant *grant = NULL;
  guint64 number, index;
  gboolean released;

  if (lp_pool_is_forked (self) || !parse_id (id, &number, &index))
    return FALSE;

  g_mutex_lock (&self->lock);
  if (index < self->slots->len && self->slots->pdata[index] != NULL)
    {
      LpSlot *slot = self->slots->pdata[index];

      if (slot->grant != NULL && slot->grant->number == number)
        grant = lp_grant_ref (slot->grant);
    }
  g_mutex_unlock (&self->lock);

  if (grant == NULL)
    return FALSE;

  /* Only as it was given out, not in another spelling of the numbers. */
  released = g_str_equal (lp_grant_get_id (grant), id) && lp_grant_release (grant, FALSE);
  lp_grant_unref (grant);

  return released;
}
