/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* An executor that fails at random in every way that it may, and keeps the rules
 * an executor has to keep. For one program at a time: all is static. */

#include "lp-test.h"

typedef struct
{
  LpExecutor parent_instance;
  GMutex lock;
  guint n_running;              /* (lock) threads of its own */
  gboolean closing;             /* (lock) */
  int dead;                     /* (atomic) has_died says so */
} FlakyExecutor;

typedef struct { LpExecutorClass parent_class; } FlakyExecutorClass;

static GType flaky_executor_get_type (void);
G_DEFINE_TYPE (FlakyExecutor, flaky_executor, LP_TYPE_EXECUTOR)

static struct
{
  GMutex lock;
  GRand *rand;                  /* (lock) the executors' own, seeded by the driver */
  GPtrArray *living;            /* (lock) not owned */
  int calm;                     /* (atomic) nothing fails any more */
} flaky;

static gboolean
chance (int percent)
{
  gboolean hit;

  if (g_atomic_int_get (&flaky.calm))
    return FALSE;

  g_mutex_lock (&flaky.lock);
  hit = g_rand_int_range (flaky.rand, 0, 100) < percent;
  g_mutex_unlock (&flaky.lock);

  return hit;
}

static gpointer
ready_later (gpointer data)
{
  lp_executor_report_ready (data);
  g_object_unref (data);
  return NULL;
}

static void
die (LpExecutor *executor)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "it died at random");

  lp_executor_report_died (executor, error);
}

static gboolean
flaky_executor_start (LpExecutor *executor, GError **error)
{
  g_mutex_lock (&flaky.lock);
  g_ptr_array_add (flaky.living, executor);
  g_mutex_unlock (&flaky.lock);

  if (chance (10))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "it failed at random");
      return FALSE;
    }

  if (chance (5))
    ;                           /* never ready */
  else if (chance (5))
    die (executor);
  else if (chance (30))
    g_thread_unref (g_thread_new ("own-ready", ready_later, g_object_ref (executor)));
  else
    lp_executor_report_ready (executor);

  return TRUE;
}

static void
own_thread_ended (FlakyExecutor *self)
{
  gboolean stopped;

  g_mutex_lock (&self->lock);
  stopped = --self->n_running == 0 && self->closing;
  g_mutex_unlock (&self->lock);

  if (stopped)
    lp_executor_report_stopped (LP_EXECUTOR (self));
}

typedef struct
{
  FlakyExecutor *executor;
  LpJob *job;
} Execution;

static gpointer
execute (gpointer data)
{
  Execution *self = data;

  lp_job_execute (self->job);
  g_object_unref (self->job);
  own_thread_ended (self->executor);
  g_object_unref (self->executor);
  g_free (self);

  return NULL;
}

static gboolean
flaky_executor_submit (LpExecutor *executor, LpJob *job, GError **error)
{
  FlakyExecutor *self = (FlakyExecutor *) executor;
  Execution *execution;

  if (chance (3))
    {
      g_set_error_literal (error, LP_ERROR, chance (50) ? LP_ERROR_BROKEN_EXECUTOR : LP_ERROR_NOT_SUPPORTED,
                           "it refused at random");
      return FALSE;
    }

  execution = g_new (Execution, 1);
  *execution = (Execution) { g_object_ref (self), g_object_ref (job) };
  g_mutex_lock (&self->lock);
  g_assert_false (self->closing);
  self->n_running++;
  g_mutex_unlock (&self->lock);
  g_thread_unref (g_thread_new ("own-job", execute, execution));
  if (chance (2))
    die (executor);

  return TRUE;
}

static void
flaky_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  FlakyExecutor *self = (FlakyExecutor *) executor;
  gboolean stopped;

  g_mutex_lock (&self->lock);
  g_assert_false (self->closing);
  self->closing = TRUE;
  stopped = self->n_running == 0;
  g_mutex_unlock (&self->lock);

  if (stopped)
    lp_executor_report_stopped (executor);
}

static gboolean
flaky_executor_has_died (LpExecutor *executor)
{
  FlakyExecutor *self = (FlakyExecutor *) executor;

  return g_atomic_int_get (&self->dead) || LP_EXECUTOR_CLASS (flaky_executor_parent_class)->has_died (executor);
}

static void
flaky_executor_finalize (GObject *object)
{
  FlakyExecutor *self = (FlakyExecutor *) object;

  g_assert_cmpuint (self->n_running, ==, 0);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (flaky_executor_parent_class)->finalize (object);
}

static void
flaky_executor_dispose (GObject *object)
{
  g_mutex_lock (&flaky.lock);
  g_ptr_array_remove (flaky.living, object);
  g_mutex_unlock (&flaky.lock);
  G_OBJECT_CLASS (flaky_executor_parent_class)->dispose (object);
}

static void
flaky_executor_class_init (FlakyExecutorClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = flaky_executor_dispose;
  G_OBJECT_CLASS (klass)->finalize = flaky_executor_finalize;
  LP_EXECUTOR_CLASS (klass)->start = flaky_executor_start;
  LP_EXECUTOR_CLASS (klass)->submit = flaky_executor_submit;
  LP_EXECUTOR_CLASS (klass)->shutdown = flaky_executor_shutdown;
  LP_EXECUTOR_CLASS (klass)->has_died = flaky_executor_has_died;
}

static void
flaky_executor_init (FlakyExecutor *self)
{
  g_mutex_init (&self->lock);
}

static inline void
flaky_init (guint32 seed)
{
  flaky.rand = g_rand_new_with_seed (seed);
  flaky.living = g_ptr_array_new ();
  flaky.calm = FALSE;
}

static inline gboolean
flaky_all_gone (gpointer data)
{
  guint n_living;

  g_mutex_lock (&flaky.lock);
  n_living = flaky.living->len;
  g_mutex_unlock (&flaky.lock);

  return n_living == 0;
}

static inline void
flaky_clear (void)
{
  lp_test_block_for (flaky_all_gone, NULL, "the last flaky executor to be finalized");
  g_rand_free (flaky.rand);
  g_ptr_array_unref (flaky.living);
}
