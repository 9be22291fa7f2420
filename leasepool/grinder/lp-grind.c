/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-grind-private.h"

/* How the grinder works
 *
 * An item that was accepted waits in `pending`, as a job that is held: queued for
 * everybody, and in no queue of an executor. Every event changes the state under
 * the lock and then calls lp_grind_rebalance(), the one answer to all of them: it
 * starts the batches that there should be, cancels acquires that nobody needs any
 * more, sets the timer, and finishes the stop.
 *
 * A batch begins with an acquire. What it consists of is decided when the
 * executor is there: the oldest items, as many as it may have. So an item that is
 * cancelled meanwhile just leaves, and one that comes meanwhile need not wait for
 * the next batch. Items that an acquire under way is going to take count as
 * provided for: they do not start another one. Then the lease is drained, and the
 * batch is over when that has ended.
 *
 * How an item ended is counted with its end, as an executor does it. What waits
 * and what flies is changed by a step, the first among the waiters of its job,
 * whoever ends it: its function, a cancel, the expiry of the lease, the stop. So
 * nothing is lost, and nothing needs a main context.
 *
 * The age of the oldest item is one deadline in the heap of the pool, however
 * many items there are. They become due in their order, so those that are due are
 * the first `n_due`.
 *
 * References: an item belongs to its job, which its step holds, and the thread that
 * uses it; a batch is held by its steps. It holds the grind, and so do all items
 * together, of which the last one gives that up. While it runs, the watch of the
 * pool's stop holds it, so its deadline cannot outlive it. */

static void grind_due (LpDeadline *deadline, gint64 now, LpActions *actions);

LpGrind *
lp_grind_new (LpPool *pool, LpGrinder *grinder)
{
  LpGrind *self = g_new0 (LpGrind, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->pool = pool != NULL ? lp_pool_ref (pool) : NULL;
  lp_back_ref_init (&self->grinder, grinder);
  self->listener = grinder;
  self->deadline.fire = grind_due;
  g_mutex_init (&self->lock);

  return self;
}

LpGrind *
lp_grind_ref (LpGrind *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* Not under a lock. */
void
lp_grind_unref (LpGrind *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->settings, lp_grinder_settings_free);
  g_free (self->log_domain);
  g_clear_pointer (&self->owner, lp_delivery_unref);
  g_clear_pointer (&self->pool, lp_pool_unref);
  lp_back_ref_clear (&self->grinder);
  g_mutex_clear (&self->lock);
  g_free (self);
}

LpGrindState
lp_grind_get_state (LpGrind *self)
{
  LpGrindState state;

  g_mutex_lock (&self->lock);
  state = self->state;
  g_mutex_unlock (&self->lock);

  return state;
}

guint
lp_grind_get_pending (LpGrind *self)
{
  guint n_pending;

  g_mutex_lock (&self->lock);
  n_pending = self->pending.length;
  g_mutex_unlock (&self->lock);

  return n_pending;
}

/* --- Time --- */

static gint64
next_due_locked (LpGrind *self)
{
  LpGrindItem *item = self->first_young != NULL ? self->first_young->data : NULL;

  /* A stop does not wait for anybody's age. */
  if (item == NULL || self->state != LP_GRIND_RUNNING)
    return LP_TIME_NEVER;

  return lp_clock_add (item->since, self->settings->max_wait_seconds);
}

/* From the state as it is now, so that the order of the threads does not matter. */
static void
set_timer (LpGrind *self)
{
  gint64 when;

  g_mutex_lock (&self->pool->lock);
  g_mutex_lock (&self->lock);
  when = next_due_locked (self);
  self->timer_set = when != LP_TIME_NEVER;
  g_mutex_unlock (&self->lock);

  lp_pool_arm_locked (self->pool, &self->deadline, when);
  g_mutex_unlock (&self->pool->lock);
}

static void
due_cb (gpointer data, gpointer more)
{
  lp_grind_rebalance (data);
  /* It took a reference of its own and released that; the analyzer does not count them. */
  lp_grind_unref (data); /* NOLINT(clang-analyzer-unix.Malloc) */
}

static void
grind_due (LpDeadline *deadline, gint64 now, LpActions *actions)
{
  LpGrind *self = (LpGrind *) ((char *) deadline - G_STRUCT_OFFSET (LpGrind, deadline));

  g_mutex_lock (&self->lock);
  self->timer_set = FALSE;
  g_mutex_unlock (&self->lock);

  lp_actions_add (actions, due_cb, lp_grind_ref (self), NULL);
}

/* --- The answer to every change --- */

typedef struct
{
  GPtrArray *begun;             /* batches whose acquire is to begin */
  GPtrArray *cancelled;         /* batches whose acquire is to end */
  gboolean set_timer;
  gboolean over;
} Balance;

static void
decide_locked (LpGrind *self, Balance *balance)
{
  lp_grind_mark_due_locked (self, lp_clock_now ());

  while (lp_grind_wants_batch_locked (self))
    g_ptr_array_add (balance->begun, lp_grind_batch_new_locked (self));
  if (self->pending.length == 0 && self->n_acquiring > 0)
    lp_grind_cancel_acquires_locked (self, balance->cancelled);

  balance->set_timer = !self->timer_set && next_due_locked (self) != LP_TIME_NEVER;
  balance->over = lp_grind_is_over_locked (self);
}

static void
carry_out (LpGrind *self, Balance *balance)
{
  for (guint i = 0; i < balance->begun->len; i++)
    lp_grind_batch_begin (balance->begun->pdata[i]);
  for (guint i = 0; i < balance->cancelled->len; i++)
    lp_grind_batch_cancel (balance->cancelled->pdata[i]);

  g_ptr_array_set_size (balance->begun, 0);
  g_ptr_array_set_size (balance->cancelled, 0);

  if (balance->set_timer)
    set_timer (self);
  if (balance->over)
    lp_grind_close (self);
}

/* With no lock held. One thread does it at a time, in a loop: a batch that ends
 * as soon as it has begun starts the next one, and that must not nest. */
void
lp_grind_rebalance (LpGrind *self)
{
  Balance balance = { NULL };

  g_mutex_lock (&self->lock);
  self->balance_again = TRUE;
  if (self->balancing)
    {
      g_mutex_unlock (&self->lock);
      return;
    }

  lp_grind_ref (self);
  balance.begun = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grind_batch_unref);
  balance.cancelled = g_ptr_array_new_with_free_func ((GDestroyNotify) lp_grind_batch_unref);
  self->balancing = TRUE;
  while (self->balance_again)
    {
      self->balance_again = FALSE;
      decide_locked (self, &balance);
      g_mutex_unlock (&self->lock);
      carry_out (self, &balance);
      g_mutex_lock (&self->lock);
    }
  self->balancing = FALSE;
  g_mutex_unlock (&self->lock);

  g_ptr_array_unref (balance.begun);
  g_ptr_array_unref (balance.cancelled);
  lp_grind_unref (self);
}
