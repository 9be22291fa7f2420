/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-waiters-private.h"

#include "lp-defect-private.h"
#include "lp-pool-private.h"

LpWaiter *
lp_waiter_ref (LpWaiter *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
lp_waiter_unref (LpWaiter *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_object (&self->completion);
  g_clear_pointer (&self->owner, g_ref_string_release);
  lp_pool_unref (self->pool);
  g_free (self);
}

static int
compare_priorities (gconstpointer a, gconstpointer b, gpointer data)
{
  int left = GPOINTER_TO_INT (a);
  int right = GPOINTER_TO_INT (b);

  return (left > right) - (left < right);
}

static void
level_free (gpointer level)
{
  g_queue_free (level);
}

void
lp_waiters_clear (LpWaiters *self)
{
  g_clear_pointer (&self->levels, g_tree_unref);
}

static GQueue *
ensure_level (LpWaiters *self, int priority)
{
  GQueue *level;

  if (priority == 0)
    return &self->ordinary;

  if (self->levels == NULL)
    self->levels = g_tree_new_full (compare_priorities, NULL, NULL, level_free);

  level = g_tree_lookup (self->levels, GINT_TO_POINTER (priority));
  if (level == NULL)
    {
      level = g_queue_new ();
      g_tree_insert (self->levels, GINT_TO_POINTER (priority), level);
    }

  return level;
}

/* Takes WAITER's place at the end of its priority; the caller's reference. */
void
lp_waiters_push (LpWaiters *self, LpWaiter *waiter)
{
  waiter->link.data = waiter;
  if (LP_DEFECT (1))            /* the last one first */
    g_queue_push_head_link (ensure_level (self, waiter->priority), &waiter->link);
  else
    g_queue_push_tail_link (ensure_level (self, waiter->priority), &waiter->link);
  self->n_waiters++;
}

void
lp_waiters_remove (LpWaiters *self, LpWaiter *waiter)
{
  GQueue *level = ensure_level (self, waiter->priority);

  g_queue_unlink (level, &waiter->link);
  self->n_waiters--;

  /* The queue's links belong to the waiters, so it is empty when it is freed. */
  if (level->length == 0 && level != &self->ordinary)
    g_tree_remove (self->levels, GINT_TO_POINTER (waiter->priority));
}

/* The one whose turn it is, or NULL. */
LpWaiter *
lp_waiters_peek (LpWaiters *self)
{
  GTreeNode *first;

  if (self->n_waiters == self->ordinary.length)
    return g_queue_peek_head (&self->ordinary);

  first = g_tree_node_first (self->levels);
  if (self->ordinary.length > 0 && GPOINTER_TO_INT (g_tree_node_key (first)) > 0)
    return g_queue_peek_head (&self->ordinary);

  return g_queue_peek_head (g_tree_node_value (first));
}

/* Whether somebody waits whom a newcomer of PRIORITY must not overtake. */
gboolean
lp_waiters_blocks (LpWaiters *self, int priority)
{
  LpWaiter *first = lp_waiters_peek (self);

  return first != NULL && first->priority <= priority;
}
