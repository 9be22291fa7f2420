/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* An item of a grinder, from its acceptance to its end. */

#include "config.h"

#include "lp-grind-private.h"

#include "lp-job-private.h"
#include "lp-mutex-private.h"

/* With the place of an item in `pending` goes one reference. Whoever takes it from there has
 * that, and an executor that accepts the job gets it: none is counted on the way.
 *
 * The job owns its item, which so is freed where the job is: where a callback is told,
 * mostly the thread that made both. Memory that one thread takes and another one frees
 * again and again is passed on by the allocator through a lock that all share.
 *
 * Who submits items and who runs them come close upon each other: hence the locks that
 * are waited for awake. */

/* Also under a lock: while its end has not been heard of this is not the second
 * reference, of which a binding would be told. Whoever ends it holds it until then. */
LpGrindItem *
lp_grind_item_ref (LpGrindItem *self)
{
  g_object_ref (self->job);
  return self;
}

/* Not under a lock. */
void
lp_grind_item_unref (LpGrindItem *self)
{
  g_object_unref (self->job);
}

/* The oldest items that have waited long enough are due. */
void
lp_grind_mark_due_locked (LpGrind *self, gint64 now)
{
  while (self->first_young != NULL)
    {
      LpGrindItem *item = self->first_young->data;

      if (lp_clock_add (item->since, self->settings->max_wait_seconds) > now)
        break;

      item->due = TRUE;
      self->n_due++;
      self->first_young = self->first_young->next;
    }
}

static void
leave_pending_locked (LpGrind *self, LpGrindItem *item)
{
  if (self->first_young == &item->link)
    self->first_young = item->link.next;
  if (item->due)
    self->n_due--;
  g_queue_unlink (&self->pending, &item->link);
  item->place = LP_ITEM_LEFT;
}

/* Moves the oldest items, up to MAX_ITEMS, to PLACE; ITEMS gets the reference that
 * went with the place of each. */
void
lp_grind_take_locked (LpGrind *self, guint max_items, LpItemPlace place, GPtrArray *items)
{
  guint n_items = MIN (self->pending.length, max_items);

  for (guint i = 0; i < n_items; i++)
    {
      LpGrindItem *item = g_queue_peek_head (&self->pending);

      leave_pending_locked (self, item);
      item->place = place;
      if (place == LP_ITEM_FLYING)
        g_queue_push_tail_link (&self->flying, &item->link);
      g_ptr_array_add (items, item);
    }

  if (n_items > 0)
    lp_grind_pending_changed_locked (self);
}

/* Ends ITEMS, which no executor has, unless they were cancelled meanwhile. */
void
lp_grind_end_items (GPtrArray *items, const GError *error)
{
  for (guint i = 0; i < items->len; i++)
    {
      LpGrindItem *item = items->pdata[i];

      lp_job_end_held (item->job, g_error_copy (error));
    }
}

static void
job_ended (LpJobWaiter *waiter)
{
  LpGrindItem *item = (LpGrindItem *) waiter;
  LpGrind *self = item->grind;
  gboolean was_pending;
  gboolean rebalance;

  lp_mutex_lock_awake (&self->lock);
  self->n_items--;
  was_pending = item->place == LP_ITEM_PENDING;
  rebalance = was_pending || self->n_items == 0;
  /* The last one has that of all of them. */
  if (rebalance && self->n_items > 0)
    lp_grind_ref (self);
  if (was_pending)
    {
      leave_pending_locked (self, item);
      lp_grind_pending_changed_locked (self);
    }
  else if (item->place == LP_ITEM_FLYING)
    g_queue_unlink (&self->flying, &item->link);
  item->place = LP_ITEM_LEFT;
  item->grind = NULL;
  g_mutex_unlock (&self->lock);

  /* Otherwise nothing of it is touched any more: another thread may have the last item. */
  if (rebalance)
    {
      lp_grind_rebalance (self);
      lp_grind_unref (self);
    }
  if (was_pending)
    lp_grind_item_unref (item);
}

static LpGrindItem *
item_new (LpGrind *grind, LpJob *job, gint64 now)
{
  LpGrindItem *self = g_new (LpGrindItem, 1); /* not g_new0(): some calloc() keep no cache of a thread */

  *self = (LpGrindItem) {
    .grind = grind,
    .job = g_object_ref (job),
    .since = now,
    .link.data = self,
    .ended.tell = job_ended,
  };

  return self;
}

static gboolean
check_running_locked (LpGrind *self, GError **error)
{
  if (self->state == LP_GRIND_RUNNING)
    return TRUE;

  g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED,
                       self->state == LP_GRIND_STOPPING ? "The grinder is stopping"
                       : "The grinder is not running; start it first");
  return FALSE;
}

static gboolean
has_room_locked (LpGrind *self, GError **error)
{
  int max_pending = self->settings->max_pending;

  if (max_pending == 0 || self->pending.length < (guint) max_pending)
    return TRUE;

  self->counters.refused++;
  g_set_error (error, LP_ERROR, LP_ERROR_QUEUE_FULL,
               "max-pending (%d) items already wait; the signal drained tells when there is room", max_pending);
  return FALSE;
}

/* From here on the job is accepted, and waits; it owns ITEM, whose reference goes with
 * its place. A job's lock comes after ours. */
static gboolean
push_locked (LpGrind *self, LpGrindItem *item, GError **error)
{
  if (!check_running_locked (self, error) || !has_room_locked (self, error))
    return FALSE;

  if (!lp_job_hold (item->job, self->pool, item->since, &item->ended, &self->tally))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "The job was cancelled before it was submitted");
      return FALSE;
    }

  if (self->n_items == 0)
    lp_grind_ref (self);
  g_queue_push_tail_link (&self->pending, &item->link);
  if (self->first_young == NULL)
    self->first_young = &item->link;
  self->n_items++;
  self->counters.accepted++;
  lp_grind_pending_changed_locked (self);

  return TRUE;
}

/* Whether there is anything for lp_grind_rebalance() to do after a push. */
static gboolean
concerns_locked (LpGrind *self)
{
  return !self->timer_set || lp_grind_wants_batch_locked (self);
}

gboolean
lp_grind_claim (LpGrind *self, LpJob *job, GError **error)
{
  return (self->pool == NULL || lp_pool_check_fork (self->pool, error)) && lp_job_claim_for_submit (job, error);
}

/* Accepts a claimed job, whose end may come on any thread before this returns, and drop
 * all that the caller holds. */
gboolean
lp_grind_accept (LpGrind *self, LpJob *job, GError **error)
{
  LpGrindItem *item;
  gboolean accepted;
  gboolean rebalance;

  item = item_new (self, job, lp_clock_now ());
  lp_mutex_lock_awake (&self->lock);
  accepted = push_locked (self, item, error);
  rebalance = accepted && concerns_locked (self);
  if (rebalance)
    lp_grind_ref (self);
  g_mutex_unlock (&self->lock);

  if (rebalance)
    {
      lp_grind_rebalance (self);
      lp_grind_unref (self);
    }
  if (!accepted)
    {
      g_object_unref (job);
      g_free (item);
    }

  return accepted;
}
