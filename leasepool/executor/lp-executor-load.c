/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the pool asks of an executor: who may submit, and what it has done and has to do. */

#include "config.h"

#include "lp-executor-queue-private.h"

/* Lets GRANT's holder submit. */
void
lp_executor_open (LpExecutor *self, LpGrant *grant)
{
  __atomic_store_n (&lp_executor_get_private (self)->grant, grant, __ATOMIC_RELEASE);
}

static void
get_load_locked (LpExecutorPrivate *priv, LpExecutorLoad *load)
{
  *load = (LpExecutorLoad) {
    .queued = priv->queued.length + priv->sent.length,
    .running = priv->running.length,
    .given = priv->given.length,
    .stuck = priv->stuck.length,
    .commands = priv->n_commands,
  };
}

/* Whether nobody may submit, and nothing that is to end by itself is left. */
gboolean
lp_executor_is_let_go_locked (LpExecutorPrivate *priv)
{
  LpExecutorLoad load;

  if (g_atomic_pointer_get (&priv->grant) != NULL)
    return FALSE;

  get_load_locked (priv, &load);
  return lp_executor_load_lets_go (&load);
}

/* Nobody may submit from here on. If the load does not let the executor go yet, the pool is
 * told when it does, and of each change after that. */
void
lp_executor_close (LpExecutor *self, LpExecutorLoad *load)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  lp_executor_lock_queue (self);
  __atomic_store_n (&priv->grant, NULL, __ATOMIC_RELEASE);
  get_load_locked (priv, load);
  g_mutex_unlock (&priv->lock);
}

void
lp_executor_get_load (LpExecutor *self, LpExecutorLoad *load)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  lp_executor_lock_queue (self);
  get_load_locked (priv, load);
  g_mutex_unlock (&priv->lock);
}

void
lp_executor_add_counters (LpExecutor *self, LpJobCounters *counters)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  g_mutex_lock (&priv->lock);
  counters->succeeded += priv->counters.succeeded;
  counters->failed += priv->counters.failed;
  counters->cancelled += priv->counters.cancelled;
  counters->discarded += priv->counters.discarded;
  g_mutex_unlock (&priv->lock);
}

/* Whether any job has begun on it. */
gboolean
lp_executor_has_worked (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);
  gboolean worked;

  g_mutex_lock (&priv->lock);
  worked = priv->worked;
  g_mutex_unlock (&priv->lock);

  return worked;
}

void
lp_executor_merge_run_time (LpExecutor *self, LpHistogram **into)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  g_mutex_lock (&priv->lock);
  if (priv->run_time != NULL)
    lp_histogram_merge (into, priv->run_time);
  g_mutex_unlock (&priv->lock);
}
