/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a job is told to end, and what its function sees of that. */

#include "config.h"

#include "lp-job-private.h"

#include "lp-clock-private.h"
#include "lp-executor-private.h"
#include "lp-pool-private.h"
#include "lp-worker-private.h"

/* The error of a job that was made to end for REASON. Bindings know the reason by
 * how the text ends. */
GError *
lp_job_interrupt_error (LpJob *self, LpInterrupt reason)
{
  const char *owner = lp_job_peek_owner (self) != NULL ? lp_job_peek_owner (self) : "nobody in particular";

  switch (reason)
    {
    case LP_INTERRUPT_TIMEOUT:
      return lp_log_new_error (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                               "The job of “%s” ran longer than its time-out of %g seconds",
                               owner, self->timeout_seconds);
    case LP_INTERRUPT_REVOKE:
      return lp_log_new_error (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                               "The job of “%s” was cancelled because its lease expired or was revoked", owner);
    case LP_INTERRUPT_STOP:
      return lp_log_new_error (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                               "The job of “%s” was cancelled because the manager stopped", owner);
    case LP_INTERRUPT_GRINDER:
      return lp_log_new_error (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                               "The job of “%s” was cancelled because the grinder stopped", owner);
    case LP_INTERRUPT_CANCEL:
    case LP_INTERRUPT_NONE:
    default:
      return lp_log_new_error (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The job of “%s” was cancelled", owner);
    }
}

/* Marks a job that has not ended as to be ended for REASON, unless it has been.
 * The caller may hold the executor's lock. */
gboolean
lp_job_mark_interrupted (LpJob *self, LpInterrupt reason)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = self->interrupt == LP_INTERRUPT_NONE && !lp_job_state_is_end (lp_job_peek_state (self));
  if (first)
    self->interrupt = reason;
  g_mutex_unlock (&self->lock);

  return first;
}

/* The cancellable of a marked job fires, on the calling thread, which holds the
 * job. No lock may be held: its handlers are foreign, and so may be what happens
 * when an object of an interpreter is referenced. One that is made after the
 * mark is cancelled by who makes it. */
void
lp_job_fire_cancellable (LpJob *self)
{
  GCancellable *cancellable = g_atomic_pointer_get (&self->cancellable);

  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
}

LpInterrupt
lp_job_get_interrupt (LpJob *self)
{
  LpInterrupt interrupt;

  g_mutex_lock (&self->lock);
  interrupt = self->interrupt;
  g_mutex_unlock (&self->lock);

  return interrupt;
}

static gboolean
cancel_new (LpJob *self)
{
  GQueue waiters = G_QUEUE_INIT;
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = g_atomic_int_compare_and_exchange (&self->state, LP_JOB_STATE_NEW, LP_JOB_STATE_CANCELLED);
  if (ended)
    {
      /* Only who submits it, which may be now, may read the owner. */
      self->error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                         "The job was cancelled before it was submitted");
      self->ended_at = lp_clock_now ();
      waiters = self->waiters;
      g_queue_init (&self->waiters);
    }
  g_mutex_unlock (&self->lock);

  /* Its callback, if it is being submitted, is told by who does that. */
  lp_job_tell_waiters (self, &waiters);
  return ended;
}

/* Has a job that an executor has accepted end for REASON; one that has ended is
 * left as it is. With no lock held: the handlers of its cancellable are foreign. */
void
lp_job_interrupt (LpJob *self, LpInterrupt reason)
{
  if (!lp_executor_cancel_queued (self->executor, self, reason))
    lp_executor_interrupt_job (self->executor, self, reason);
}

/**
 * lp_job_cancel:
 * @self: a job
 *
 * Cancels the job. One that has not started never runs and ends at once. A
 * running one has its cancellable cancelled, on the calling thread; it ends
 * when its function returns, or the cancel-grace-seconds of the manager later
 * if that is sooner. If the function returns a value in time, that stands. A
 * job that has ended is left as it is.
 *
 * Since: 1.0
 */
void
lp_job_cancel (LpJob *self)
{
  g_return_if_fail (LP_IS_JOB (self));

  if (cancel_new (self) || lp_job_state_is_end (lp_job_peek_state (self)))
    return;
  if (self->worker != NULL)
    {
      if (lp_job_mark_interrupted (self, LP_INTERRUPT_CANCEL))
        lp_worker_job_cancelled (self->worker, self);
      lp_job_fire_cancellable (self);
      return;
    }
  if (lp_pool_is_forked (self->pool))
    return;

  /* One that was held is with its executor now, or has ended. */
  if (lp_job_cancel_held (self) || lp_job_state_is_end (lp_job_peek_state (self)))
    return;
  lp_job_interrupt (self, LP_INTERRUPT_CANCEL);
}

/**
 * lp_job_get_cancellable:
 * @self: a job
 *
 * Gets the cancellable that fires when the running job is cancelled, times out,
 * or loses its lease: the work function passes it on to what it calls, or looks
 * at it now and then. It is made at the first call. If the job has ended before
 * its function returned, it still fires when the lease is lost.
 *
 * Cancelling it oneself is not cancelling the job: that is
 * [method@Lp.Job.cancel].
 *
 * Returns: (transfer none): the cancellable
 *
 * Since: 1.0
 */
GCancellable *
lp_job_get_cancellable (LpJob *self)
{
  GCancellable *unused = NULL;
  gboolean interrupted;

  g_return_val_if_fail (LP_IS_JOB (self), NULL);

  if (g_atomic_pointer_get (&self->cancellable) == NULL)
    unused = g_cancellable_new ();

  g_mutex_lock (&self->lock);
  if (self->cancellable == NULL)
    g_atomic_pointer_set (&self->cancellable, g_steal_pointer (&unused));
  interrupted = self->interrupt != LP_INTERRUPT_NONE;
  g_mutex_unlock (&self->lock);

  g_clear_object (&unused);
  if (interrupted)
    g_cancellable_cancel (self->cancellable);

  return self->cancellable;
}
