/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A batch of a grinder: acquire, submit, drain. */

#include "config.h"

#include "lp-grind-private.h"

#include "lp-job-private.h"
#include "lp-lease-private.h"

/* Each of these runs on whatever thread brings the event, with no lock held. */

static LpGrindBatch *
batch_ref (LpGrindBatch *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
batch_clear (gpointer data)
{
  LpGrindBatch *self = data;

  g_clear_pointer (&self->grant, lp_grant_unref);
  g_clear_pointer (&self->waiter, lp_waiter_unref);
  g_clear_object (&self->acquired);
  lp_grind_unref (self->grind);
}

void
lp_grind_batch_unref (LpGrindBatch *self)
{
  g_atomic_rc_box_release_full (self, batch_clear);
}

/* How many of the oldest items the acquires under way are going to take. */
static guint
count_provided_locked (LpGrind *self)
{
  guint64 n_places = (guint64) self->n_acquiring * lp_grind_max_batch_size (self);

  return MIN (n_places, self->pending.length);
}

/* Whether another batch is to begin. */
gboolean
lp_grind_wants_batch_locked (LpGrind *self)
{
  guint n_provided;
  guint n_rest;

  if (self->pending.length == 0)
    return FALSE;

  n_provided = count_provided_locked (self);
  n_rest = self->pending.length - n_provided;
  if (n_rest == 0 || self->batches.length >= (guint) self->settings->max_batches_in_flight)
    return FALSE;

  return self->state == LP_GRIND_STOPPING
         || n_rest >= (guint) self->settings->batch_size_threshold
         || self->n_due > n_provided;
}

/* The batch is over: it had no items, or its lease has ended. */
static void
finish_batch (LpGrindBatch *self)
{
  LpGrind *grind = self->grind;

  g_mutex_lock (&grind->lock);
  g_queue_unlink (&grind->batches, &self->link);
  g_mutex_unlock (&grind->lock);

  lp_grind_rebalance (grind);
}

static void
drained_cb (LpCompletion *completion, gpointer data)
{
  g_autoptr (GError) error = NULL;

  lp_completion_propagate (completion, &error);
  lp_grind_batch_log_ended (data, error);
  finish_batch (data);
  lp_grind_batch_unref (data);
}

/* Those that the executor refuses end with its reason, the others in their own
 * way; the executor has the references of those. */
static void
submit_items (LpGrindBatch *self, GPtrArray *items)
{
  for (guint i = 0; i < items->len; i++)
    {
      LpJob *job = ((LpGrindItem *) items->pdata[i])->job;
      GError *error = NULL;

      if (lp_grant_accept (self->grant, job, &error))
        continue;

      lp_job_end_held (job, error);
      g_object_unref (job);
    }
}

/* The acquire has ended; takes what the batch is to have. */
static void
take_items (LpGrindBatch *self, LpGrant *grant, LpItemPlace place, gboolean any, GPtrArray *items)
{
  LpGrind *grind = self->grind;

  g_mutex_lock (&grind->lock);
  self->acquiring = FALSE;
  grind->n_acquiring--;
  if (any)
    lp_grind_take_locked (grind, lp_grind_max_batch_size (grind), place, items);
  if (place == LP_ITEM_FLYING && items->len > 0)
    {
      grind->counters.batches++;
      self->grant = grant;
    }
  g_mutex_unlock (&grind->lock);
}

static void
granted (LpGrindBatch *self, LpGrant *grant)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new ();

  take_items (self, grant, LP_ITEM_FLYING, TRUE, items);
  if (items->len == 0)
    {
      lp_grant_give_back (grant);
      finish_batch (self);
      return;
    }

  lp_grind_batch_log_started (self, items->len);
  submit_items (self, items);
  lp_grant_drain (grant, lp_completion_new_step (drained_cb, batch_ref (self)));
}

/* If it was this grinder that cancelled the acquire, nobody is to blame: items
 * that have come meanwhile get another one. */
static void
refused (LpGrindBatch *self, const GError *error)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grind_item_unref);

  take_items (self, NULL, LP_ITEM_LEFT, !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED), items);
  if (items->len > 0)
    lp_grind_batch_log_refused (self, items->len, error);
  lp_grind_end_items (items, error);
  finish_batch (self);
}

static void
acquired_cb (LpCompletion *completion, gpointer data)
{
  LpGrindBatch *self = data;
  g_autoptr (GError) error = NULL;
  LpGrant *grant = lp_completion_propagate (completion, &error);

  if (grant != NULL)
    granted (self, grant);
  else
    refused (self, error);

  lp_grind_batch_unref (self);
}

/* To be begun when the lock is free. */
LpGrindBatch *
lp_grind_batch_new_locked (LpGrind *grind)
{
  LpGrindBatch *self = g_atomic_rc_box_new0 (LpGrindBatch);
  g_autofree char *owner = NULL;
  LpAsk ask = { .seconds = grind->settings->lease_seconds, .wait = TRUE, .timeout = -1 };

  self->grind = lp_grind_ref (grind);
  self->number = ++grind->last_number;
  self->link.data = self;

  owner = g_strdup_printf ("%s-batch-%" G_GUINT64_FORMAT, grind->settings->owner_prefix, self->number);
  ask.owner = g_ref_string_new (owner);
  self->acquired = lp_completion_new_step (acquired_cb, batch_ref (self));
  self->waiter = lp_waiter_new (grind->pool, &ask, g_object_ref (self->acquired));
  g_ref_string_release (ask.owner);

  self->acquiring = TRUE;
  grind->n_acquiring++;
  g_queue_push_tail_link (&grind->batches, &self->link);

  return self;
}

void
lp_grind_batch_begin (LpGrindBatch *self)
{
  lp_pool_enqueue (self->grind->pool, lp_waiter_ref (self->waiter));
}

/* BATCHES gets a reference to each whose acquire nobody needs any more. */
void
lp_grind_cancel_acquires_locked (LpGrind *grind, GPtrArray *batches)
{
  for (GList *link = grind->batches.head; link != NULL; link = link->next)
    {
      LpGrindBatch *batch = link->data;

      if (!batch->acquiring || batch->cancelled)
        continue;

      batch->cancelled = TRUE;
      g_ptr_array_add (batches, batch_ref (batch));
    }
}

/* Also if it has been granted and nobody has seen it: then it goes to the next
 * one that waits. */
void
lp_grind_batch_cancel (LpGrindBatch *self)
{
  lp_waiter_cancel (self->waiter, self->acquired);
}
