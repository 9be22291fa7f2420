/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The counts of a manager, for any thread. */

#include "config.h"

#include "lp-manager-private.h"

/* In the order of the properties, available-count first, running last. */
void
lp_manager_get_counts (LpManager *self, guint counts[LP_N_COUNTS])
{
  LpPool *pool = self->pool;
  guint starting;

  memset (counts, 0, LP_N_COUNTS * sizeof counts[0]);
  if (lp_pool_is_forked (pool))
    return;

  g_mutex_lock (&pool->lock);
  lp_pool_get_counts_locked (pool, &counts[0], &counts[1], &starting);
  counts[2] = counts[0] + counts[1] + starting;
  counts[3] = pool->waiters.n_waiters;
  counts[4] = pool->n_slots[LP_SLOT_QUARANTINED];
  counts[5] = pool->state == LP_POOL_RUNNING;
  g_mutex_unlock (&pool->lock);
}

static guint
get_count (LpManager *self, guint index)
{
  guint counts[LP_N_COUNTS];

  lp_manager_get_counts (self, counts);
  return counts[index];
}

/**
 * lp_manager_get_available_count:
 * @self: a manager
 *
 * Counts the executors that are idle and can be had at once.
 * Any thread.
 *
 * Returns: the number
 *
 * Since: 1.0
 */
guint
lp_manager_get_available_count (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), 0);

  return get_count (self, 0);
}

/**
 * lp_manager_get_leased_count:
 * @self: a manager
 *
 * Counts the executors that exist and cannot be had: leased, draining, or being ended.
 * Any thread.
 *
 * Returns: the number
 *
 * Since: 1.0
 */
guint
lp_manager_get_leased_count (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), 0);

  return get_count (self, 1);
}

/**
 * lp_manager_get_total_count:
 * @self: a manager
 *
 * Counts the executors there are: starting, available and leased ones.
 * Any thread.
 *
 * Returns: the number
 *
 * Since: 1.0
 */
guint
lp_manager_get_total_count (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), 0);

  return get_count (self, 2);
}

/**
 * lp_manager_get_waiting_count:
 * @self: a manager
 *
 * Counts the acquires that wait for an executor.
 * Any thread.
 *
 * Returns: the number
 *
 * Since: 1.0
 */
guint
lp_manager_get_waiting_count (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), 0);

  return get_count (self, 3);
}

/**
 * lp_manager_get_quarantined_count:
 * @self: a manager
 *
 * Counts the executors that are out of use because functions on their threads do not return.
 * Any thread.
 *
 * Returns: the number
 *
 * Since: 1.0
 */
guint
lp_manager_get_quarantined_count (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), 0);

  return get_count (self, 4);
}

/**
 * lp_manager_is_running:
 * @self: a manager
 *
 * Tells whether the manager has started and is not being stopped. Any thread.
 *
 * Returns: whether it runs
 *
 * Since: 1.0
 */
gboolean
lp_manager_is_running (LpManager *self)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), FALSE);

  return lp_pool_get_state (self->pool) == LP_POOL_RUNNING;
}
