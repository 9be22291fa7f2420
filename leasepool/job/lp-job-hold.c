/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A job that is accepted before there is an executor for it. */

#include "config.h"

#include "lp-job-private.h"

#include "lp-clock-private.h"
#include "lp-pool-private.h"

/* How this works: a held job is QUEUED for everybody, but in no queue of an
 * executor. Whoever holds it either has an executor accept it, which ends the
 * hold under the executor's lock, so that a cancel finds the job in one place or
 * the other; or ends it. A cancel ends it, too. Once it has ended it stays held:
 * what a submit under way has set meanwhile, executor and owner, is not read.
 *
 * `pool` and `queued_at` are set before the state says QUEUED. */

/* Holds a claimed job for POOL from NOW on. FALSE: it was cancelled before, and
 * is to be unclaimed. The caller may hold locks that come before a job's. */
gboolean
lp_job_hold (LpJob *self, LpPool *pool, gint64 now)
{
  gboolean held;

  g_mutex_lock (&self->lock);
  held = lp_job_peek_state (self) == LP_JOB_STATE_NEW;
  if (held)
    {
      self->pool = lp_pool_ref (pool);
      self->queued_at = now;
      self->held = TRUE;
      held = g_atomic_int_compare_and_exchange (&self->state, LP_JOB_STATE_NEW, LP_JOB_STATE_QUEUED);
      g_assert (held);
    }
  g_mutex_unlock (&self->lock);

  return held;
}

gboolean
lp_job_is_held (LpJob *self)
{
  gboolean held;

  g_mutex_lock (&self->lock);
  held = self->held;
  g_mutex_unlock (&self->lock);

  return held;
}

/* Ends a job that is still held, by its holder, with ERROR, taken, unless it was
 * cancelled meanwhile. With no lock held. */
void
lp_job_end_held (LpJob *self, GError *error)
{
  LpOutcome outcome = { NULL, error };
  GQueue waiters = G_QUEUE_INIT;

  if (lp_job_end (self, &outcome, FALSE, &waiters))
    {
      lp_job_drop_user_data (self);
      lp_job_tell (self, &waiters);
    }

  g_clear_error (&outcome.error);
}
