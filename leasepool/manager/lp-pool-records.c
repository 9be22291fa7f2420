/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Log records of workers, on their way to the owner context.
 *
 * They are in one queue of the pool, and one item of the owner's delivery says
 * that there are some: so they come before everything that was posted after
 * them. A thread of the owner that blocks in a call of this library takes them
 * meanwhile: a worker that waits for its records to be taken could otherwise
 * never end the job that is waited for. */

#include "config.h"

#include "lp-pool-private.h"

static LpPoolRecords *
hold_first (LpPool *self)
{
  LpPoolRecords *records;

  g_mutex_lock (&self->lock);
  records = g_queue_peek_head (&self->records);
  if (records != NULL)
    records->ref_count++;
  g_mutex_unlock (&self->lock);

  return records;
}

/* All of RECORDS have been taken. */
static void
drop (LpPool *self, LpPoolRecords *records)
{
  gboolean last;

  g_mutex_lock (&self->lock);
  if (g_queue_peek_head (&self->records) == records)
    {
      g_queue_pop_head_link (&self->records);
      records->ref_count--;
    }
  last = --records->ref_count == 0;
  g_mutex_unlock (&self->lock);

  if (last)
    records->free (records);
}

/* Tells all; in the owner context. Who is told of one may iterate it, and is told of the next ones within. */
static void
tell_records (LpPool *self)
{
  g_autoptr (LpManager) manager = lp_back_ref_dup (&self->manager);
  LpPoolRecords *records;

  while ((records = hold_first (self)) != NULL)
    {
      guint index;

      while ((index = (guint) g_atomic_int_add (&records->n_taken, 1)) < records->n)
        records->tell (records, index, manager);
      drop (self, records);
    }
}

static void records_cb (gpointer data, gpointer more);

static void
post_records (LpPool *self, LpDelivery *owner, guint owner_number)
{
  lp_delivery_post_func (owner, records_cb, lp_pool_ref (self), GUINT_TO_POINTER (owner_number));
}

/* Whether the owner is still to be told that there are some; whoever asks does so. */
static gboolean
claim_post_locked (LpPool *self)
{
  if (self->records_posted || self->records.length == 0)
    return FALSE;

  self->records_posted = TRUE;
  return TRUE;
}

/* Has the owner told that there are some, if there are. */
void
lp_pool_post_records_locked (LpPool *self)
{
  if (claim_post_locked (self))
    post_records (self, self->owner, self->owner_number);
}

static void
records_cb (gpointer data, gpointer more)
{
  LpPool *self = data;
  gboolean current;

  /* The manager may have been started under another owner since, who has an item
   * of its own for what is left. */
  g_mutex_lock (&self->lock);
  current = self->owner_number == GPOINTER_TO_UINT (more);
  if (current)
    self->records_posted = FALSE;
  g_mutex_unlock (&self->lock);

  /* All of them, since what was posted after them comes next; new ones have an
   * item of their own. */
  if (current)
    tell_records (self);
  lp_pool_unref (self);
}

/* The same from a thread of the owner that does not iterate. If another thread
 * iterates the context just now, they are for that one. */
static void
tell_in_place (LpPool *self)
{
  GMainContext *context = lp_delivery_get_context (self->owner);

  if (g_main_context_acquire (context))
    {
      tell_records (self);
      g_main_context_release (context);
      return;
    }

  g_mutex_lock (&self->lock);
  lp_pool_post_records_locked (self);
  g_mutex_unlock (&self->lock);
}

/* RECORDS, which are taken, are told in the owner context. On the service thread. The owner is woken after the lock, which
 * it would wait for at once; if it is another one then, that one has an item of its own. */
void
lp_pool_push_records (LpPool *self, LpPoolRecords *records)
{
  LpDelivery *owner = NULL;
  guint owner_number;

  records->link.data = records;
  records->ref_count = 1;

  g_mutex_lock (&self->lock);
  self->counters.log_records_forwarded += records->n;
  g_queue_push_tail_link (&self->records, &records->link);
  owner_number = self->owner_number;
  if (self->blocker != NULL)
    lp_completion_nudge (self->blocker);
  else if (claim_post_locked (self))
    owner = lp_delivery_ref (self->owner);
  g_mutex_unlock (&self->lock);

  if (owner == NULL)
    return;

  post_records (self, owner, owner_number);
  lp_delivery_unref (owner);
}

static LpCompletion *
exchange_blocker (LpPool *self, LpCompletion *completion)
{
  LpCompletion *previous;

  g_mutex_lock (&self->lock);
  previous = self->blocker;
  self->blocker = completion;
  if (completion == NULL)
    lp_pool_post_records_locked (self);
  g_mutex_unlock (&self->lock);

  return previous;
}

/* Blocks until COMPLETION was delivered, or END. In the owner's thread records
 * are told meanwhile, the last ones after the end. */
gboolean
lp_pool_wait_for (LpPool *self, LpCompletion *completion, gint64 end)
{
  LpCompletion *previous;
  gboolean delivered;

  if (g_atomic_pointer_get (&self->owner_thread) != g_thread_self () || lp_pool_is_forked (self))
    return lp_completion_wait (completion, end);

  previous = exchange_blocker (self, completion);
  tell_in_place (self);
  while (!lp_completion_wait_nudged (completion, end, &delivered))
    tell_in_place (self);
  exchange_blocker (self, previous);
  tell_in_place (self);

  return delivered;
}
