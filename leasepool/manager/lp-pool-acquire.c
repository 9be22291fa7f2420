/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How an acquire gets its executor, or the reason why not. */

#include "config.h"

#include "lp-pool-private.h"

#include "lp-defect-private.h"

/* How many holders a message names. */
#define MAX_NAMED 8

static gboolean
check_running_locked (LpPool *self, GError **error)
{
  if (self->state == LP_POOL_RUNNING)
    return TRUE;

  g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED,
                       self->state == LP_POOL_STOPPING ? "The manager is stopping"
                       : self->state == LP_POOL_STARTING ? "The manager has not finished starting"
                       : "The manager is not running; start it first");
  return FALSE;
}

gboolean
lp_pool_check_fork (LpPool *self, GError **error)
{
  if (!lp_pool_is_forked (self))
    return TRUE;

  g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED,
                       "The manager belongs to the parent of this forked process; make one after the fork");
  return FALSE;
}

static void
describe_holders_locked (LpPool *self, gint64 now, GString *text)
{
  guint n_named = 0;
  guint n_leases = self->n_slots[LP_SLOT_LEASED] + self->n_slots[LP_SLOT_DRAINING];

  for (guint i = 0; i < self->slots->len && n_named < MAX_NAMED; i++)
    {
      LpSlot *slot = self->slots->pdata[i];

      if (slot == NULL || slot->grant == NULL)
        continue;

      g_string_append_printf (text, "%s “%s” for %.1f s%s", n_named == 0 ? "; held by" : ",",
                              slot->grant->owner != NULL ? slot->grant->owner : "nobody in particular",
                              lp_clock_seconds (now - slot->grant->leased_at),
                              slot->state == LP_SLOT_DRAINING ? " (draining)" : "");
      n_named++;
    }

  if (n_leases > n_named)
    g_string_append_printf (text, " and %u more", n_leases - n_named);
}

/* Who has what: what one who waits in vain wants to know. */
char *
lp_pool_describe_locked (LpPool *self, gint64 now)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%u of %d executors exist", lp_pool_total_locked (self), self->settings->max_pools);
  describe_holders_locked (self, now, text);

  if (self->n_slots[LP_SLOT_STARTING] > 0)
    g_string_append_printf (text, "; %u starting", self->n_slots[LP_SLOT_STARTING]);
  if (self->n_leaving > 0)
    g_string_append_printf (text, "; %u being ended", self->n_leaving);
  if (self->n_slots[LP_SLOT_QUARANTINED] > 0)
    g_string_append_printf (text, "; %u in quarantine", self->n_slots[LP_SLOT_QUARANTINED]);
  if (self->last_start_error != NULL)
    g_string_append_printf (text, "; the last start failed: %s", self->last_start_error->message);

  return g_string_free (text, FALSE);
}

static void
log_grant_locked (LpPool *self, LpGrant *grant, LpActions *actions)
{
  g_autofree char *seq = NULL;
  LpLogField fields[] = { { "LEASE_ID", NULL }, { "EXECUTOR_SEQ", NULL }, { "OWNER", grant->owner }, { NULL, NULL } };

  if (!lp_log_wants_still (self->logs_leases))
    return;

  seq = g_strdup_printf ("%" G_GUINT64_FORMAT, grant->slot->seq);
  fields[0].value = lp_grant_get_id (grant);
  fields[1].value = seq;
  lp_actions_log (actions, self->settings->log_domain, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE, "lease-acquired", fields,
                  "“%s” acquired the lease %s for %g s",
                  grant->owner != NULL ? grant->owner : "nobody in particular", fields[0].value, grant->seconds);
}

static LpGrant *
grant_slot_locked (LpPool *self, LpSlot *slot, GRefString *owner, double seconds, gint64 waited, gint64 now,
                   LpActions *actions)
{
  LpGrant *grant = lp_grant_new_locked (slot, owner, seconds, now);

  lp_histogram_add (&self->wait_time, now, waited);
  log_grant_locked (self, grant, actions);
  lp_owner_lease_locked (grant, "lease-acquired", actions);

  return grant;
}

static void
leave_queue_locked (LpPool *self, LpWaiter *waiter)
{
  lp_waiters_remove (&self->waiters, waiter);
  lp_deadlines_remove (&self->deadlines, &waiter->deadline);
  waiter->state = LP_WAITER_DONE;
}

/* Hands the executor of SLOT to WAITER, which leaves the queue. */
void
lp_pool_grant_locked (LpPool *self, LpSlot *slot, LpWaiter *waiter, gint64 now, LpActions *actions)
{
  LpGrant *grant = grant_slot_locked (self, slot, waiter->owner, waiter->seconds, now - waiter->queued_at, now,
                                      actions);

  leave_queue_locked (self, waiter);
  lp_completion_settle (waiter->completion, grant, lp_grant_give_back);
  lp_actions_deliver (actions, g_steal_pointer (&waiter->completion));
  lp_waiter_unref (waiter);
}

/* WAITER leaves the queue with ERROR, which is taken. */
static void
fail_waiter_locked (LpPool *self, LpWaiter *waiter, GError *error, LpActions *actions)
{
  leave_queue_locked (self, waiter);
  lp_completion_settle_error (waiter->completion, error);
  lp_actions_deliver (actions, g_steal_pointer (&waiter->completion));
  lp_waiter_unref (waiter);
}

void
lp_pool_fail_waiters_locked (LpPool *self, LpActions *actions)
{
  LpWaiter *waiter;

  lp_actions_settle_all (actions, &self->stop_watches, NULL);
  while ((waiter = lp_waiters_peek (&self->waiters)) != NULL)
    fail_waiter_locked (self, waiter,
                        g_error_new_literal (LP_ERROR, LP_ERROR_NOT_STARTED,
                                             "The manager was stopped while the acquire waited"),
                        actions);
}

/* Has COMPLETION, whose reference is taken, told as soon as the pool, which runs
 * now, takes no more acquires. FALSE with an error if it takes none already. */
gboolean
lp_pool_watch_stop (LpPool *self, LpCompletion *completion, GError **error)
{
  gboolean running;

  g_mutex_lock (&self->lock);
  running = check_running_locked (self, error);
  if (running)
    g_queue_push_tail_link (&self->stop_watches, lp_completion_get_link (completion));
  g_mutex_unlock (&self->lock);

  return running;
}

/* Unless it is being told. */
void
lp_pool_unwatch_stop (LpPool *self, LpCompletion *completion)
{
  GList *link = lp_completion_get_link (completion);
  gboolean found;

  g_mutex_lock (&self->lock);
  found = link->prev != NULL || link->next != NULL || self->stop_watches.head == link;
  if (found)
    g_queue_unlink (&self->stop_watches, link);
  g_mutex_unlock (&self->lock);

  if (found && lp_completion_settle_error (completion, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                                                            "Nobody watches any more")))
    lp_completion_deliver (completion);
}

static void
waiter_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpWaiter *self = (LpWaiter *) ((char *) deadline - G_STRUCT_OFFSET (LpWaiter, deadline));
  LpPool *pool = self->pool;
  g_autofree char *situation = lp_pool_describe_locked (pool, now);

  pool->counters.timed_out++;
  fail_waiter_locked (pool, self,
                      lp_log_new_error (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                        "“%s” got no executor within %g s: %s",
                                        self->owner != NULL ? self->owner : "nobody in particular", self->timeout,
                                        situation),
                      actions);
  lp_owner_counts_locked (pool, actions);
}

/* Takes the reference to COMPLETION. */
LpWaiter *
lp_waiter_new (LpPool *pool, const LpAsk *ask, LpCompletion *completion)
{
  LpWaiter *self = g_new0 (LpWaiter, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->pool = lp_pool_ref (pool);
  self->completion = completion;
  self->owner = ask->owner != NULL ? g_ref_string_acquire (ask->owner) : NULL;
  self->seconds = ask->seconds;
  self->timeout = ask->timeout;
  self->priority = ask->priority;
  self->deadline.fire = waiter_due;

  return self;
}

static GError *
cancelled_error (void)
{
  return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The acquire was cancelled");
}

/* Ends the wait of COMPLETION, or takes back what it was granted and has not
 * fetched. In any state, any number of times, with no lock held. */
void
lp_waiter_cancel (LpWaiter *self, LpCompletion *completion)
{
  LpPool *pool = self->pool;
  LpActions actions = LP_ACTIONS_INIT;
  LpGrant *grant = NULL;
  GError *error;

  if (lp_pool_is_forked (pool))
    return;

  error = cancelled_error ();
  g_mutex_lock (&pool->lock);
  if (self->state == LP_WAITER_QUEUED)
    {
      pool->counters.cancelled++;
      fail_waiter_locked (pool, self, g_steal_pointer (&error), &actions);
      lp_owner_counts_locked (pool, &actions);
    }
  else if (self->state == LP_WAITER_NEW)
    {
      /* Whoever is about to queue it finds it done, and delivers. */
      self->state = LP_WAITER_DONE;
      pool->counters.cancelled++;
      lp_completion_settle_error (completion, g_steal_pointer (&error));
    }
  lp_pool_unlock (pool, &actions);

  /* Granted, and not fetched yet: the executor goes to the next one now. */
  if (error != NULL)
    grant = lp_completion_take_back (completion, error);
  if (grant != NULL && !LP_DEFECT (3))
    lp_grant_give_back (grant);
}

static void
cancelled_cb (LpCompletion *completion, gpointer data)
{
  lp_waiter_cancel (data, completion);
}

/* An executor that can be had at once, or NULL. */
static LpGrant *
grant_at_once_locked (LpPool *self, const LpAsk *ask, gint64 now, LpActions *actions)
{
  LpSlot *slot = g_queue_peek_head (&self->idle);

  if (slot == NULL || (self->waiters.n_waiters > 0 && lp_waiters_blocks (&self->waiters, ask->priority)))
    return NULL;

  return grant_slot_locked (self, slot, ask->owner, ask->seconds, 0, now, actions);
}

static void
push_locked (LpPool *self, LpWaiter *waiter, gint64 now)
{
  waiter->state = LP_WAITER_QUEUED;
  waiter->queued_at = now;
  lp_waiters_push (&self->waiters, waiter);
  if (waiter->timeout >= 0)
    lp_pool_arm_locked (self, &waiter->deadline, lp_clock_add (now, waiter->timeout));
}

/* Waits in the queue for as long as it takes to start an executor that starts
 * at once; a start that takes longer goes on without it. */
static LpGrant *
try_start (LpPool *self, const LpAsk *ask, gint64 now, GError **error)
{
  g_autoptr (LpCompletion) completion = lp_completion_new_blocking ();
  LpWaiter *waiter = lp_waiter_new (self, ask, g_object_ref (completion));
  LpActions actions = LP_ACTIONS_INIT;

  waiter->timeout = -1;
  lp_waiter_ref (waiter);

  g_mutex_lock (&self->lock);
  if (self->state == LP_POOL_RUNNING)
    {
      push_locked (self, waiter, now);
      lp_pool_rebalance_locked (self, now, &actions);
    }
  else
    lp_waiter_unref (waiter);
  lp_pool_unlock (self, &actions);

  g_mutex_lock (&self->lock);
  if (waiter->state == LP_WAITER_QUEUED)
    {
      g_autofree char *situation = lp_pool_describe_locked (self, now);

      fail_waiter_locked (self, waiter, lp_log_new_error (LP_ERROR, LP_ERROR_UNAVAILABLE,
                                                          "No executor can be had at once: %s", situation),
                          &actions);
    }
  else if (waiter->state == LP_WAITER_NEW)
    {
      GError *stopped = NULL;

      waiter->state = LP_WAITER_DONE;
      check_running_locked (self, &stopped);
      lp_completion_settle_error (completion, stopped != NULL ? stopped
                                  : g_error_new_literal (LP_ERROR, LP_ERROR_UNAVAILABLE, "The manager restarts"));
    }
  lp_owner_counts_locked (self, &actions);
  lp_pool_unlock (self, &actions);

  lp_waiter_unref (waiter);
  return lp_completion_propagate (completion, error);
}

/* What can be had without waiting. */
LpGrant *
lp_pool_try_acquire (LpPool *self, const LpAsk *ask, GError **error)
{
  LpActions actions = LP_ACTIONS_INIT;
  LpGrant *grant = NULL;
  gboolean running;
  gint64 now;

  if (!lp_pool_check_fork (self, error))
    return NULL;

  now = lp_clock_now ();
  g_mutex_lock (&self->lock);
  lp_pool_run_due_locked (self, now, &actions);
  running = check_running_locked (self, error);
  if (running)
    grant = grant_at_once_locked (self, ask, now, &actions);
  lp_owner_counts_locked (self, &actions);
  lp_pool_unlock (self, &actions);

  if (running && grant == NULL)
    grant = try_start (self, ask, now, error);

  return grant;
}

static void
settle (LpCompletion *completion, LpGrant *grant, GError *error)
{
  if (grant != NULL)
    lp_completion_settle (completion, grant, lp_grant_give_back);
  else
    lp_completion_settle_error (completion, error);
}

static void
settle_and_deliver (LpCompletion *completion, LpGrant *grant, GError *error)
{
  settle (completion, grant, error);
  lp_completion_deliver (completion);
}

static gboolean
has_room_locked (LpPool *self, GError **error)
{
  int max_waiters = self->settings->max_waiters;
  g_autofree char *situation = NULL;

  if (max_waiters == 0 || self->waiters.n_waiters < (guint) max_waiters)
    return TRUE;

  situation = lp_pool_describe_locked (self, lp_clock_now ());
  lp_log_set_error (error, LP_ERROR, LP_ERROR_QUEUE_FULL, "max-waiters (%d) acquires already wait: %s", max_waiters,
                    situation);
  return FALSE;
}

/* Has WAITER, whose reference is taken, granted an executor in its turn, unless
 * it was cancelled before. With no lock held, and not in a forked process. */
void
lp_pool_enqueue (LpPool *self, LpWaiter *waiter)
{
  LpActions actions = LP_ACTIONS_INIT;
  GError *error = NULL;
  gint64 now = lp_clock_now ();

  g_mutex_lock (&self->lock);
  lp_pool_run_due_locked (self, now, &actions);
  if (waiter->state == LP_WAITER_DONE)
    ;
  else if (check_running_locked (self, &error) && has_room_locked (self, &error))
    {
      push_locked (self, lp_waiter_ref (waiter), now);
      lp_pool_rebalance_locked (self, now, &actions);
      lp_owner_counts_locked (self, &actions);
    }
  else
    {
      waiter->state = LP_WAITER_DONE;
      lp_completion_settle_error (waiter->completion, error);
    }

  /* Cancelled or refused before it was queued. */
  if (waiter->state == LP_WAITER_DONE && waiter->completion != NULL)
    lp_actions_deliver (&actions, g_steal_pointer (&waiter->completion));
  lp_pool_unlock (self, &actions);

  lp_waiter_unref (waiter);
}

/* What was granted and not fetched yet goes to the next one now. */
static void
take_back_cb (LpCompletion *completion, gpointer pool)
{
  LpGrant *grant;

  if (lp_pool_is_forked (pool))
    return;

  grant = lp_completion_take_back (completion, cancelled_error ());
  if (grant != NULL)
    lp_grant_give_back (grant);
}

/* FALSE: it is to wait, or has been cancelled already. */
static gboolean
acquire_at_once (LpPool *self, const LpAsk *ask, LpCompletion *completion, GCancellable *cancellable)
{
  LpActions actions = LP_ACTIONS_INIT;
  GError *error = NULL;
  LpGrant *grant = NULL;
  LpSlot *slot;
  gint64 now;

  if (g_cancellable_is_cancelled (cancellable))
    return FALSE;

  now = lp_clock_now ();
  g_mutex_lock (&self->lock);
  lp_pool_run_due_locked (self, now, &actions);
  if (check_running_locked (self, &error))
    {
      slot = g_queue_peek_head (&self->idle);
      if (slot != NULL && !lp_executor_checks_death (slot->executor))
        grant = grant_at_once_locked (self, ask, now, &actions);
    }
  lp_owner_counts_locked (self, &actions);
  lp_pool_unlock (self, &actions);

  if (grant == NULL && error == NULL)
    return FALSE;

  /* Settled before it is watched: whenever it is cancelled, there is something to take back. */
  settle (completion, grant, error);
  if (grant != NULL && cancellable != NULL)
    lp_completion_watch (completion, cancellable, take_back_cb, lp_pool_ref (self), (GDestroyNotify) lp_pool_unref);
  lp_completion_deliver (completion);

  return TRUE;
}

/* One that does not wait. The cancellable is watched all the same: a grant that
 * is not fetched yet is taken back when it fires. */
static void
acquire_without_waiting (LpPool *self, const LpAsk *ask, LpCompletion *completion, GCancellable *cancellable)
{
  g_autoptr (LpCompletion) held = g_object_ref (completion);
  LpWaiter *waiter = lp_waiter_new (self, ask, NULL);
  GError *error = NULL;
  LpGrant *grant;

  waiter->state = LP_WAITER_DONE;
  lp_completion_watch (completion, cancellable, cancelled_cb, lp_waiter_ref (waiter),
                       (GDestroyNotify) lp_waiter_unref);
  grant = lp_pool_try_acquire (self, ask, &error);
  settle_and_deliver (completion, grant, error);

  /* Cancelled before there was anything to take back. */
  if (g_cancellable_is_cancelled (cancellable))
    lp_waiter_cancel (waiter, completion);
  lp_waiter_unref (waiter);
}

/* Settles COMPLETION, whose reference is taken, with a grant, sooner or later.
 * CANCELLABLE ends the wait. With no lock held. */
void
lp_pool_acquire (LpPool *self, const LpAsk *ask, LpCompletion *completion, GCancellable *cancellable)
{
  GError *error = NULL;
  LpWaiter *waiter;

  if (!lp_pool_check_fork (self, &error))
    settle_and_deliver (completion, NULL, error);
  else if (!ask->wait || ask->timeout == 0)
    acquire_without_waiting (self, ask, completion, cancellable);
  else if (!acquire_at_once (self, ask, completion, cancellable))
    {
      waiter = lp_waiter_new (self, ask, completion);
      lp_completion_watch (completion, cancellable, cancelled_cb, lp_waiter_ref (waiter),
                           (GDestroyNotify) lp_waiter_unref);
      lp_pool_enqueue (self, waiter);
    }
}

/* Whether this thread may block without a time-out: not where it would keep
 * from happening what it waits for. */
gboolean
lp_pool_may_block (LpPool *self, GError **error)
{
  gboolean in_owner_loop = FALSE;

  /* It will be refused at once. */
  if (lp_pool_is_forked (self))
    return TRUE;

  g_mutex_lock (&self->lock);
  if (self->owner != NULL)
    in_owner_loop = g_main_depth () > 0 && g_main_context_is_owner (lp_delivery_get_context (self->owner));
  g_mutex_unlock (&self->lock);

  if (lp_job_stack_has_pool (self))
    g_set_error_literal (error, LP_ERROR, LP_ERROR_WOULD_DEADLOCK,
                         "A job cannot wait without a time-out for an executor of the manager it runs on: its own "
                         "may be the one it waits for; acquire before, or set a time-out");
  else if (in_owner_loop)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_WRONG_CONTEXT,
                         "A callback of the owner's main loop cannot block without a time-out for an executor; use "
                         "the asynchronous form, or set a time-out");
  else
    return TRUE;

  return FALSE;
}
