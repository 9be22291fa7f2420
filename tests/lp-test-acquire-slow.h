/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* An executor class that is ready when a test says so; for one program at a time. */

#include "lp-test-acquire.h"

typedef struct { LpExecutor parent_instance; } SlowExecutor;
typedef struct { LpExecutorClass parent_class; } SlowExecutorClass;

static GMutex slow_lock;
static GCond slow_cond;
static gboolean slow_hold;              /* (slow_lock) starts do not end */
static GPtrArray *slow_starting;        /* (slow_lock) those whose start has not ended */

static GType slow_executor_get_type (void);

G_DEFINE_TYPE (SlowExecutor, slow_executor, LP_TYPE_EXECUTOR)

static inline gboolean
slow_executor_start (LpExecutor *self, GError **error)
{
  gboolean held;

  g_mutex_lock (&slow_lock);
  held = slow_hold;
  if (held)
    g_ptr_array_add (slow_starting, g_object_ref (self));
  g_cond_broadcast (&slow_cond);
  g_mutex_unlock (&slow_lock);

  if (!held)
    lp_executor_report_ready (self);
  return TRUE;
}

static inline void
slow_executor_class_init (SlowExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->start = slow_executor_start;
}

static inline void
slow_executor_init (SlowExecutor *self)
{
}

static inline void
set_held (gboolean *hold, gboolean value)
{
  g_mutex_lock (&slow_lock);
  *hold = value;
  g_cond_broadcast (&slow_cond);
  g_mutex_unlock (&slow_lock);
}

/* The first executor is there, further ones are held. */
static inline LpManager *
start_slow (GType type, int max_pools, double linger)
{
  LpManager *manager;

  slow_starting = g_ptr_array_new_with_free_func (g_object_unref);
  manager = lp_test_start (max_pools, "executor-type", type, "idle-linger-seconds", linger, NULL);
  set_held (&slow_hold, TRUE);

  return manager;
}

static inline void
wait_starting (guint n)
{
  g_mutex_lock (&slow_lock);
  while (slow_starting->len < n)
    g_cond_wait (&slow_cond, &slow_lock);
  g_assert_cmpuint (slow_starting->len, ==, n);
  g_mutex_unlock (&slow_lock);
}

/* Ends the start of number INDEX of those left. */
static inline guint64
end_start (guint index)
{
  g_autoptr (LpExecutor) executor = NULL;

  g_mutex_lock (&slow_lock);
  executor = g_ptr_array_steal_index (slow_starting, index);
  g_mutex_unlock (&slow_lock);

  lp_executor_report_ready (executor);
  return lp_executor_get_seq (executor);
}

static inline void
finish_slow (LpManager *manager)
{
  lp_test_finish (manager);
  set_held (&slow_hold, FALSE);
  g_clear_pointer (&slow_starting, g_ptr_array_unref);
}
