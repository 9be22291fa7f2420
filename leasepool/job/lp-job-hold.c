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
 * Who holds it has a reference, which the executor that accepts it gets.
 *
 * `pool` and `queued_at` are set before the state says QUEUED. */

/* Holds a claimed job for POOL from NOW on. ENDED, which is freed with the job, is
 * told before all others that wait for it; until then there must be POOL and
 * TALLY. FALSE: it was cancelled before, and is to be unclaimed. The caller may
 * hold locks that come before a job's. */
gboolean
lp_job_hold (LpJob *self, LpPool *pool, gint64 now, LpJobWaiter *ended, LpJobTally *tally)
{
  gboolean held;

  g_mutex_lock (&self->lock);
  held = lp_job_peek_state (self) == LP_JOB_STATE_NEW;
  if (held)
    {
      self->pool = pool;
      self->queued_at = now;
      self->held = TRUE;
      self->hold = ended;
      self->tally = tally;
      g_queue_push_head_link (&self->waiters, &ended->link);
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

/* Ends the job with ERROR, taken, if it is held and has not ended. With no lock
 * held. */
static gboolean
end_if_held (LpJob *self, GError *error)
{
  LpOutcome outcome = { NULL, error };
  g_autoptr (LpJob) held = g_object_ref (self); /* until all are told: its holder may drop it any moment */
  GQueue waiters = G_QUEUE_INIT;
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = self->held && lp_job_end_locked (self, &outcome, FALSE, &waiters);
  if (ended)
    {
      self->owns_pool = TRUE;   /* else it is the executor's */
      lp_pool_ref (self->pool);
    }
  g_mutex_unlock (&self->lock);

  if (ended)
    {
      lp_job_drop_user_data (self);
      lp_job_tell (self, &waiters);
    }

  g_clear_error (&outcome.error);
  return ended;
}

/* For the holder: ends the job unless it was cancelled meanwhile. ERROR is taken. */
void
lp_job_end_held (LpJob *self, GError *error)
{
  end_if_held (self, error);
}

/* Not in a forked process: its holder would be told. */
gboolean
lp_job_cancel_held (LpJob *self)
{
  /* Only who submits it may read the owner. */
  return end_if_held (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                                 "The job was cancelled while it waited for an executor"));
}
