/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the owner context is told: posted under the pool's mutex, so that the
 * order is that of the decisions, and only if somebody listens. */

#include "config.h"

#include "lp-pool-private.h"

typedef struct
{
  LpDeliveryItem item;
  LpDelivery *delivery;         /* (owned) the owner when it happened: holds its context */
  guint owner_number;           /* of that owner */
  LpPool *pool;                 /* (owned) */
  LpGrant *grant;               /* (owned) (nullable) */
  const char *signal;           /* (nullable) */
  LpLeaseSnapshot snapshot;
  guint64 seq;
  LpRetireReason reason;
} Event;

/* Any handler of any signal. */
static gboolean
has_handler_locked (LpPool *self)
{
  return g_signal_handler_find (self->listener, G_SIGNAL_MATCH_UNBLOCKED, 0, 0, NULL, NULL, NULL) != 0;
}

/* A handler, or the list model. GObject is asked once for each passage through
 * the lock: it takes a lock of all signals of the process to answer. */
static gboolean
is_watched_locked (LpPool *self, LpActions *actions)
{
  if (self->listener == NULL)
    return FALSE;
  if (g_atomic_int_get (&self->list_wanted))
    return TRUE;

  if (actions->watched == LP_ACTIONS_WATCHED_UNKNOWN)
    actions->watched = has_handler_locked (self) ? LP_ACTIONS_WATCHED : LP_ACTIONS_UNWATCHED;

  return actions->watched == LP_ACTIONS_WATCHED;
}

/* Whether the signal with that number has a handler. */
gboolean
lp_owner_hears_locked (LpPool *self, guint signal)
{
  return self->listener != NULL && self->owner != NULL
         && g_signal_has_handler_pending (self->listener, signal, 0, FALSE);
}

static Event *
event_new (LpPool *pool, LpDeliveryItemFunc run)
{
  Event *self = g_new0 (Event, 1);

  self->item.run = run;
  self->delivery = lp_delivery_ref (pool->owner);
  self->owner_number = pool->owner_number;
  self->pool = lp_pool_ref (pool);

  return self;
}

static void
event_free (Event *self)
{
  g_clear_pointer (&self->grant, lp_grant_unref);
  lp_pool_unref (self->pool);
  lp_delivery_unref (self->delivery);
  g_free (self);
}

/* NULL if it is gone, or has been started under another owner since: also if it
 * is back at this one, since the list model has begun anew then. */
static LpManager *
dup_manager (LpPool *pool, guint owner_number)
{
  gboolean same;

  g_mutex_lock (&pool->lock);
  same = pool->owner_number == owner_number;
  g_mutex_unlock (&pool->lock);

  return same ? lp_back_ref_dup (&pool->manager) : NULL;
}

static LpManager *
event_dup_manager (Event *self)
{
  return dup_manager (self->pool, self->owner_number);
}

static void
unref_delivery_cb (gpointer data, gpointer more)
{
  lp_delivery_unref (data);
}

static void
forget_leases_run (LpDeliveryItem *item)
{
  Event *self = (Event *) item;
  g_autoptr (LpManager) manager = event_dup_manager (self);

  if (manager != NULL)
    lp_manager_forget_leases (manager);
  event_free (self);
}

static void
forget_leases_cb (gpointer data, gpointer more)
{
  forget_leases_run (data);
}

/* OWNER is the owner of the run that begins. ACQUIRED: its context is this
 * thread's. What the one before was to be told is not told any more, so what is
 * listed would stay: the list is cleared, before anything of this run gets in. */
void
lp_owner_take_locked (LpPool *self, LpDelivery *owner, gboolean acquired, LpActions *actions)
{
  LpDelivery *old = self->owner;

  g_atomic_pointer_set (&self->owner_thread, g_thread_self ());
  if (owner == old)
    return;

  self->owner = lp_delivery_ref (owner);
  self->owner_number++;
  self->counts_posted = FALSE;
  self->counts_unheard = TRUE;
  self->size_posted = FALSE;
  self->records_posted = FALSE;
  lp_pool_post_records_locked (self);
  if (old == NULL)
    return;

  lp_actions_add (actions, unref_delivery_cb, old, NULL);
  if (acquired)
    lp_actions_add (actions, forget_leases_cb, event_new (self, forget_leases_run), NULL);
  else
    lp_delivery_post (owner, &event_new (self, forget_leases_run)->item);
}

static void
counts_run (LpDeliveryItem *item)
{
  Event *self = (Event *) item;
  g_autoptr (LpManager) manager = event_dup_manager (self);

  gboolean all;

  /* What was notified last is not what listeners have seen last: then all. */
  g_mutex_lock (&self->pool->lock);
  all = self->pool->counts_unheard;
  if (manager != NULL)
    {
      self->pool->counts_unheard = FALSE;
      self->pool->counts_posted = FALSE;
    }
  g_mutex_unlock (&self->pool->lock);

  if (manager != NULL)
    lp_manager_counts_changed (manager, all);
  event_free (self);
}

/* The counts may have changed; notified once per dispatch of the owner. */
void
lp_owner_counts_locked (LpPool *self, LpActions *actions)
{
  if (self->counts_posted || self->owner == NULL)
    return;

  if (!is_watched_locked (self, actions))
    {
      self->counts_unheard = TRUE;
      return;
    }

  self->counts_posted = TRUE;
  lp_delivery_post (self->owner, &event_new (self, counts_run)->item);
}

static void
lease_run (LpDeliveryItem *item)
{
  Event *self = (Event *) item;
  g_autoptr (LpManager) manager = event_dup_manager (self);
  gboolean over = self->snapshot.state != LP_LEASE_STATE_ACTIVE && self->snapshot.state != LP_LEASE_STATE_DRAINING;

  /* A handler of an earlier event that iterates may have let this one overtake. */
  self->grant->info_over |= over;
  if (manager != NULL)
    lp_manager_lease_changed (manager, self->grant, &self->snapshot, self->signal);

  if (over)
    g_clear_object (&self->grant->info);

  event_free (self);
}

/* SIGNAL is a literal, or NULL if only the info changed. */
void
lp_owner_lease_locked (LpGrant *grant, const char *signal, LpActions *actions)
{
  LpPool *pool = grant->pool;
  LpExecutorLoad load;
  Event *event;

  if (!is_watched_locked (pool, actions))
    return;

  lp_executor_get_load (grant->executor, &load);
  event = event_new (pool, lease_run);
  event->grant = lp_grant_ref (grant);
  event->signal = signal;
  event->snapshot = (LpLeaseSnapshot) { lp_grant_get_state (grant), grant->soft, grant->hard,
                                        load.queued + load.running };
  lp_delivery_post (pool->owner, &event->item);
}

static void
refresh_run (LpDeliveryItem *item)
{
  Event *self = (Event *) item;
  LpActions actions = LP_ACTIONS_INIT;

  g_atomic_int_set (&self->grant->refresh_posted, FALSE);
  g_mutex_lock (&self->pool->lock);
  if (self->grant->slot != NULL)
    lp_owner_lease_locked (self->grant, NULL, &actions);
  lp_pool_unlock (self->pool, &actions);

  event_free (self);
}

/* The jobs of the lease have changed; for those who look at the list model. */
void
lp_owner_refresh (LpGrant *grant)
{
  LpPool *pool = grant->pool;
  Event *event;

  if (!g_atomic_int_get (&pool->list_wanted)
      || !g_atomic_int_compare_and_exchange (&grant->refresh_posted, FALSE, TRUE))
    return;

  /* One that has ended stays as it was told: a function that comes back late is no change of it. */
  g_mutex_lock (&pool->lock);
  if (grant->slot != NULL)
    {
      event = event_new (pool, refresh_run);
      event->grant = lp_grant_ref (grant);
      lp_delivery_post (pool->owner, &event->item);
    }
  g_mutex_unlock (&pool->lock);
}

static void
executor_run (LpDeliveryItem *item)
{
  Event *self = (Event *) item;
  g_autoptr (LpManager) manager = event_dup_manager (self);

  if (manager != NULL)
    lp_manager_executor_changed (manager, self->signal, self->seq, self->reason);
  event_free (self);
}

static void
post_executor_locked (LpSlot *slot, const char *signal, LpActions *actions)
{
  LpPool *pool = slot->pool;
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, slot->seq);
  LpLogField fields[] = { { "EXECUTOR_SEQ", seq }, { NULL, NULL } };
  Event *event;

  lp_actions_log (actions, pool->settings->log_domain, G_LOG_LEVEL_INFO, LP_DEBUG_EXECUTOR, signal, fields,
                  "%s: %s", signal, seq);

  if (!is_watched_locked (pool, actions))
    return;

  event = event_new (pool, executor_run);
  event->signal = signal;
  event->seq = slot->seq;
  event->reason = slot->reason;
  lp_delivery_post (pool->owner, &event->item);
}

void
lp_owner_created_locked (LpSlot *slot, LpActions *actions)
{
  post_executor_locked (slot, "executor-created", actions);
}

void
lp_owner_retired_locked (LpSlot *slot, LpActions *actions)
{
  post_executor_locked (slot, "executor-retired", actions);
}

static void
ask_size_cb (gpointer data, gpointer more)
{
  LpPool *pool = data;
  guint owner_number = GPOINTER_TO_UINT (more);
  g_autoptr (LpManager) manager = dup_manager (pool, owner_number);

  g_mutex_lock (&pool->lock);
  if (pool->owner_number == owner_number)
    pool->size_posted = FALSE;
  g_mutex_unlock (&pool->lock);

  if (manager != NULL)
    lp_manager_ask_size (manager);

  lp_pool_unref (pool);
}

/* Has the size provider called, in the owner context; once, however often it is
 * asked for before the context is iterated. */
void
lp_owner_ask_size_locked (LpPool *self)
{
  self->size_asked = TRUE;
  if (self->size_posted)
    return;

  self->size_posted = TRUE;
  lp_delivery_post_func (self->owner, ask_size_cb, lp_pool_ref (self), GUINT_TO_POINTER (self->owner_number));
}
