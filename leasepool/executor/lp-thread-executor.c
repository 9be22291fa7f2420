/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-thread-executor-private.h"

#include "lp-clock-private.h"
#include "lp-pool-private.h"

/**
 * LpThreadExecutor:
 *
 * An executor whose workers are threads of this process.
 *
 * A thread is started when there is a job for it and the others are busy, and
 * stays until the executor is retired. One that has run out of work sleeps; where
 * the last one had work again within 20 microseconds, it looks out for some for as
 * long before. While jobs take less than 2 microseconds each, no more threads take
 * them than keep up with them; one that takes longer after all then holds up the
 * next one for up to about a quarter of the time that this has gone on, at least 200
 * microseconds and at most 2 milliseconds, and what the system adds to that. A
 * thread that has run out of such jobs takes the next one 10 microseconds later,
 * with those that have come meanwhile, where many have; but not where somebody
 * sleeps until they end, or fewer than 200 of them may wait. With a
 * worker-init-function all are started with the executor, and each calls that
 * function first. Nobody can kill a thread: one that does not return from a
 * cancelled job keeps its worker occupied, and its executor is quarantined when the
 * lease ends.
 *
 * Managers make its objects; see [property@Lp.Manager:backend].
 *
 * Since: 1.0
 */

/* How threads come and go
 *
 * All of the executor is guarded by the queue lock of the base class. A thread
 * takes jobs from the queue itself (lp-thread-jobs.c); when there is none it watches
 * whether the others keep up, or looks out for one a moment, if that is worth it,
 * where it may let short ones gather, and then sleeps on `cond`. `n_woken` counts the sleepers
 * that were signalled and have not looked yet, so that a burst of submits signals
 * each sleeper once. Threads that end are joined on the service thread: stopped
 * means that nothing is left in the process (lp-thread-spawn.c). */

G_DEFINE_FINAL_TYPE (LpThreadExecutor, lp_thread_executor, LP_TYPE_EXECUTOR)

/* Whether the start of such an executor does not wait for anything. */
gboolean
lp_thread_executor_starts_at_once (const LpSettings *settings)
{
  return settings->worker_init_function == NULL;
}

/* With the queue lock held. */
gboolean
lp_thread_executor_kick_locked (LpExecutor *executor)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  guint n_coming = self->n_woken + (lp_lookout_offer_locked (&self->lookout) ? 1 : 0);

  if (n_coming >= lp_executor_get_private (executor)->queued.length)
    return FALSE;

  if (self->n_threads > self->n_idle && lp_watch_rely_locked (lp_thread_executor_get_watch (self)))
    return FALSE;

  if (self->n_idle > self->n_woken)
    {
      self->n_woken++;
      /* Not when the job was queued: it may have waited for a worker that something else occupied. */
      lp_lookout_woke_locked (&self->lookout, lp_clock_now ());
      g_cond_signal (&self->cond);
      return FALSE;
    }

  return self->n_threads < (guint) lp_executor_get_workers (executor);
}

/* All threads that there may be are at work or on their way to it, or one that watches
 * is relied on. Whoever runs out of jobs looks for more before it does anything else. */
static gboolean
lp_thread_executor_is_attended_locked (LpExecutor *executor)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  int workers = lp_executor_get_private (executor)->workers;
  gboolean all = self->n_threads >= (guint) workers && self->n_idle <= self->n_woken;

  return all || (self->n_threads > self->n_idle && lp_watch_may_rely_locked (lp_thread_executor_get_watch (self)));
}

static void
lp_thread_executor_wake (LpExecutor *executor)
{
  lp_thread_executor_spawn (LP_THREAD_EXECUTOR (executor), FALSE);
}

static gboolean
lp_thread_executor_is_initialising (LpExecutor *executor)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  gboolean initialising;

  g_mutex_lock (lp_thread_executor_get_lock (self));
  initialising = self->n_in_init > 0;
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  return initialising;
}

static const LpExecutorOps thread_ops = {
  .kick_locked = lp_thread_executor_kick_locked,
  .wake = lp_thread_executor_wake,
  .holds_threads = TRUE,
  .is_initialising = lp_thread_executor_is_initialising,
  .is_attended_locked = lp_thread_executor_is_attended_locked,
};

static gboolean
lp_thread_executor_start (LpExecutor *executor, GError **error)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  int workers = lp_executor_get_workers (executor);

  if (lp_thread_executor_starts_at_once (lp_executor_get_settings (executor)))
    {
      lp_executor_report_ready (executor);
      return TRUE;
    }

  self->n_initialising = workers;
  for (int i = 0; i < workers; i++)
    if (!lp_thread_executor_spawn (self, TRUE))
      break;

  return TRUE;
}

static void
lp_thread_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  gboolean stopped;

  g_mutex_lock (lp_thread_executor_get_lock (self));
  self->closing = TRUE;
  stopped = self->n_unjoined == 0;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  if (stopped)
    lp_executor_report_stopped (executor);
}

static void
lp_thread_executor_finalize (GObject *object)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (object);

  g_clear_error (&self->init_error);
  g_cond_clear (&self->cond);

  G_OBJECT_CLASS (lp_thread_executor_parent_class)->finalize (object);
}

static void
lp_thread_executor_class_init (LpThreadExecutorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lp_thread_executor_finalize;

  LP_EXECUTOR_CLASS (klass)->start = lp_thread_executor_start;
  LP_EXECUTOR_CLASS (klass)->shutdown = lp_thread_executor_shutdown;
}

static void
lp_thread_executor_init (LpThreadExecutor *self)
{
  g_cond_init (&self->cond);
  lp_executor_set_ops (LP_EXECUTOR (self), &thread_ops);
}
