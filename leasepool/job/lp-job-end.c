/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a job ends, and who is told. */

#include "config.h"

#include "lp-job-private.h"

#include "lp-clock-private.h"
#include "lp-executor-private.h"
#include "lp-pool-private.h"
#include "lp-unit-private.h"

void
lp_outcome_clear (LpOutcome *outcome)
{
  g_clear_pointer (&outcome->result, g_variant_unref);
  g_clear_error (&outcome->error);
}

gboolean
lp_job_state_is_end (LpJobState state)
{
  return state >= LP_JOB_STATE_SUCCEEDED;
}

static LpJobState
end_state_locked (LpJob *self, LpOutcome *outcome, gboolean by_function)
{
  /* The function's own error is replaced by the reason it was given to stop. */
  if (outcome->error != NULL && by_function && self->interrupt != LP_INTERRUPT_NONE)
    {
      g_clear_error (&outcome->error);
      outcome->error = lp_job_interrupt_error (self, self->interrupt);
    }

  if (outcome->error == NULL)
    return LP_JOB_STATE_SUCCEEDED;
  if (g_error_matches (outcome->error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
      && (self->interrupt != LP_INTERRUPT_NONE || !by_function))
    return LP_JOB_STATE_CANCELLED;

  return LP_JOB_STATE_FAILED;
}

/* The value of a job that has succeeded. */
GVariant *
lp_job_ref_result (LpJob *self)
{
  return self->result != NULL ? g_variant_ref (self->result) : lp_unit_ref ();
}

static void
settle_waiter (LpJob *self, LpCompletion *completion)
{
  GVariant *result;

  if (self->error != NULL)
    {
      lp_completion_settle_error (completion, g_error_copy (self->error));
      return;
    }

  result = lp_job_ref_result (self);
  if (!lp_completion_settle (completion, result, (GDestroyNotify) g_variant_unref))
    g_variant_unref (result);
}

/* The value () is not kept, which most functions give one and the same of: else the
 * threads that run them and those that are told would count its references at the
 * same time. */
static void
take_result_locked (LpJob *self, LpOutcome *outcome)
{
  if (outcome->result != NULL && !lp_unit_is (outcome->result))
    self->result = g_steal_pointer (&outcome->result);
}

/* Ends the job unless it has ended: OUTCOME is taken if so, but for what the caller is
 * to clear in any case, and the waiters are moved to WAITERS, to be told by
 * lp_job_tell() when no lock is held. */
gboolean
lp_job_end_locked (LpJob *self, LpOutcome *outcome, gboolean by_function, GQueue *waiters)
{
  LpJobState state;

  if (lp_job_state_is_end (lp_job_peek_state (self)))
    return FALSE;

  state = end_state_locked (self, outcome, by_function);
  take_result_locked (self, outcome);
  self->error = g_steal_pointer (&outcome->error);
  self->ended_at = lp_clock_now ();
  *waiters = self->waiters;
  g_queue_init (&self->waiters);
  if (self->tally != NULL)      /* before anybody can see the state */
    __atomic_add_fetch (&self->tally->ended[state], 1, __ATOMIC_RELAXED);
  g_atomic_int_set (&self->state, state);

  return TRUE;
}

/* The same with no lock held but possibly the executor's. */
gboolean
lp_job_end (LpJob *self, LpOutcome *outcome, gboolean by_function, GQueue *waiters)
{
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = lp_job_end_locked (self, outcome, by_function, waiters);
  g_mutex_unlock (&self->lock);

  return ended;
}

/* Tells WAITERS. */
void
lp_job_tell_waiters (LpJob *self, GQueue *waiters)
{
  GList *link;

  while ((link = g_queue_pop_head_link (waiters)) != NULL)
    {
      LpCompletion *completion = link->data;
      LpJobWaiter *waiter = (LpJobWaiter *) link;

      if (completion == NULL)
        waiter->tell (waiter);
      else
        {
          settle_waiter (self, completion);
          lp_completion_deliver (completion);
        }
    }
}

/* Tells the waiters that lp_job_end() gave, and then the callback. */
void
lp_job_tell (LpJob *self, GQueue *waiters)
{
  lp_job_tell_waiters (self, waiters);
  if (g_atomic_int_get (&self->has_callback))
    lp_job_callback_tell (self);
}

/* Has COMPLETION, whose operation reference is taken, told at the end of the
 * job, at once if that was before. */
void
lp_job_add_waiter (LpJob *self, LpCompletion *completion)
{
  gboolean deliver = TRUE;

  g_mutex_lock (&self->lock);
  if (lp_completion_is_settled (completion))
    ; /* cancelled before it got here */
  else if (lp_job_state_is_end (lp_job_peek_state (self)))
    settle_waiter (self, completion);
  else
    {
      g_queue_push_tail_link (&self->waiters, lp_completion_get_link (completion));
      deliver = FALSE;
    }
  g_mutex_unlock (&self->lock);

  if (deliver)
    lp_completion_deliver (completion);
}

/* Takes COMPLETION off the list; returns it (with the reference) if it was
 * still there. Once the job has ended, the waiters are on their way. */
LpCompletion *
lp_job_drop_waiter (LpJob *self, LpCompletion *completion)
{
  GList *link = lp_completion_get_link (completion);
  gboolean found;

  g_mutex_lock (&self->lock);
  found = !lp_job_state_is_end (lp_job_peek_state (self))
          && (link->prev != NULL || link->next != NULL || self->waiters.head == link);
  if (found)
    g_queue_unlink (&self->waiters, link);
  g_mutex_unlock (&self->lock);

  return found ? completion : NULL;
}

static void
cancel_cb (LpCompletion *completion, gpointer data)
{
  lp_job_cancel (data);
}

/* For an accepted job: COMPLETION, whose operation reference is taken, is told of
 * its end, and CANCELLABLE (nullable) cancels it. */
void
lp_job_follow (LpJob *self, LpCompletion *completion, GCancellable *cancellable)
{
  lp_completion_watch (completion, cancellable, cancel_cb, g_object_ref (self), g_object_unref);
  lp_job_add_waiter (self, completion);
}

/* Ends one wait with ERROR, taken, unless the job has ended. Settled first: who
 * is about to add it finds it so and delivers, and so does who tells the end. */
static void
end_wait (LpJob *self, LpCompletion *completion, GError *error)
{
  if (lp_completion_settle_error (completion, error) && lp_job_drop_waiter (self, completion) != NULL)
    lp_completion_deliver (completion);
}

static void
wait_cancelled_cb (LpCompletion *completion, gpointer data)
{
  end_wait (data, completion, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED,
                                                   "The wait for the job was cancelled; the job goes on"));
}

/**
 * lp_job_wait_async:
 * @self: a job
 * @cancellable: (nullable): ends the wait, not the job
 * @callback: (nullable): called when the job has ended, in the thread-default
 *   main context of the caller
 * @user_data: data for @callback
 *
 * Waits for the job to end. It may be called in any state, any number of
 * times, from any thread, also before the job is submitted; one that never is
 * does not end.
 *
 * Since: 1.0
 */
void
lp_job_wait_async (LpJob *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  LpCompletion *completion;

  g_return_if_fail (LP_IS_JOB (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  completion = lp_completion_new (self, lp_job_wait_async, cancellable, callback, user_data);
  lp_completion_watch (completion, cancellable, wait_cancelled_cb, g_object_ref (self), g_object_unref);
  lp_job_add_waiter (self, completion);
}

/**
 * lp_job_wait_finish:
 * @self: a job
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Job.wait_async].
 *
 * Fails with the error of the job, or with %G_IO_ERROR_CANCELLED if the wait
 * was cancelled.
 *
 * Returns: (transfer full): the result of the job
 *
 * Since: 1.0
 */
GVariant *
lp_job_wait_finish (LpJob *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_JOB (self), NULL);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_job_wait_async), NULL);

  return lp_completion_propagate (LP_COMPLETION (result), error);
}

/* Guards every job's waits_for; a leaf. Taken by waits inside jobs only. */
static GMutex wait_lock;

static gboolean
is_unfinished (LpJob *self)
{
  LpJobState state = lp_job_peek_state (self);

  return state == LP_JOB_STATE_QUEUED || state == LP_JOB_STATE_RUNNING;
}

/* Its end would come in the parent. */
static gboolean
check_fork (LpJob *self, GError **error)
{
  if (!is_unfinished (self) || self->worker != NULL || !lp_pool_is_forked (self->pool))
    return TRUE;

  g_set_error_literal (error, LP_ERROR, LP_ERROR_NOT_STARTED, "The job belongs to the parent of this forked process");
  return FALSE;
}

/* Whether SELF, by way of the jobs that running jobs wait for, waits for a job on
 * this thread's stack. One that has ended keeps nobody waiting, though its function may
 * still run. With wait_lock held. */
static gboolean
waits_for_this_thread (LpJob *self)
{
  for (LpJob *job = self; job != NULL && is_unfinished (job); job = job->waits_for)
    if (lp_job_is_on_stack (job))
      return TRUE;

  return FALSE;
}

/* Notes that the innermost job of this thread waits for SELF without a time-out;
 * FALSE if that would close a circle. */
static gboolean
begin_nested_wait (LpJob *current, LpJob *self, GError **error)
{
  gboolean circle;

  g_mutex_lock (&wait_lock);
  circle = waits_for_this_thread (self);
  if (!circle)
    current->waits_for = self;
  g_mutex_unlock (&wait_lock);

  if (circle)
    g_set_error_literal (error, LP_ERROR, LP_ERROR_WOULD_DEADLOCK,
                         "A job cannot wait for itself, or for a job that waits for it; return, and wait from "
                         "elsewhere, or set a time-out");
  return !circle;
}

static void
end_nested_wait (LpJob *current)
{
  g_mutex_lock (&wait_lock);
  current->waits_for = NULL;
  g_mutex_unlock (&wait_lock);
}

/* Runs a job that waits in the queue of the executor the calling thread works
 * for, on this thread: whoever waits for it would otherwise hold the worker it
 * needs. FALSE with an error where that cannot be. */
static gboolean
run_in_place (LpJob *current, LpJob *self, GError **error)
{
  if (!is_unfinished (self) || lp_job_is_held (self) || current->executor != self->executor)
    return TRUE;

  if (!lp_executor_get_ops (self->executor)->holds_threads)
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_WOULD_DEADLOCK,
                           "A job cannot wait for another one of its own executor, which may need the same worker; "
                           "return, and wait from elsewhere");
      return FALSE;
    }

  if (lp_executor_claim_this (self->executor, self))
    lp_executor_begin_claimed (self->executor, self);

  return TRUE;
}

/* The executor that a held job waits for may be that of the job that would wait
 * for it. */
static gboolean
check_held (LpJob *self, GError **error)
{
  if (!is_unfinished (self) || !lp_job_is_held (self) || !lp_job_stack_has_pool (self->pool))
    return TRUE;

  g_set_error_literal (error, LP_ERROR, LP_ERROR_WOULD_DEADLOCK,
                       "A job cannot wait without a time-out for one that a grinder of the same manager has no "
                       "executor for yet: it may need that of the job that waits; return, or set a time-out");
  return FALSE;
}

/* NULL before it is submitted, and in a worker process. */
static LpPool *
get_pool (LpJob *self)
{
  return lp_job_was_accepted (self) ? self->pool : NULL;
}

/* Without a pool nobody knows whose thread this is. */
static gboolean
wait_for (LpJob *self, LpCompletion *completion, gint64 end)
{
  LpPool *pool = get_pool (self);

  return pool != NULL ? lp_pool_wait_for (pool, completion, end) : lp_completion_wait (completion, end);
}

static GVariant *
block (LpJob *self, double timeout_seconds, GCancellable *cancellable, GError **error)
{
  g_autoptr (LpCompletion) completion = lp_completion_new_blocking ();
  gint64 end = LP_TIME_NEVER;

  if (timeout_seconds >= 0)
    end = lp_clock_add (lp_clock_now (), timeout_seconds);

  lp_completion_watch (completion, cancellable, wait_cancelled_cb, g_object_ref (self), g_object_unref);
  lp_job_add_waiter (self, g_object_ref (completion));

  if (!wait_for (self, completion, end))
    {
      end_wait (self, completion, g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                                               "The job did not end within %g seconds; it goes on",
                                               timeout_seconds));
      wait_for (self, completion, LP_TIME_NEVER);
    }

  if (get_pool (self) != NULL)
    lp_pool_reap (self->pool);

  return lp_completion_propagate (completion, error);
}

/* Inside a job: a wait that could never end is refused, a queued job of the same
 * executor is run in place. */
static GVariant *
wait_in_job (LpJob *current, LpJob *self, double timeout_seconds, GCancellable *cancellable, GError **error)
{
  gboolean for_ever = timeout_seconds < 0;
  gboolean noted = for_ever || lp_job_is_on_stack (self);
  GVariant *result = NULL;

  if (for_ever && !check_held (self, error))
    return NULL;

  if (noted && !begin_nested_wait (current, self, error))
    return NULL;

  if (!g_cancellable_set_error_if_cancelled (cancellable, error)
      && (timeout_seconds == 0 || run_in_place (current, self, error)))
    result = block (self, timeout_seconds, cancellable, error);

  if (noted)
    end_nested_wait (current);

  return result;
}

/**
 * lp_job_wait:
 * @self: a job
 * @timeout_seconds: how long to wait, in seconds; -1 for as long as it takes
 * @cancellable: (nullable): ends the wait, not the job
 * @error: return location for a #GError
 *
 * Blocks the calling thread until the job has ended. No main loop needs to run
 * for that, in any thread.
 *
 * Inside a job, waiting for a job that is still queued on the same executor of
 * threads runs that job in place, on this thread, for as long as it takes: the
 * time-out and @cancellable count from when it returns. A time-out of 0 only
 * looks.
 *
 * Fails with the error of the job; with %G_IO_ERROR_TIMED_OUT after
 * @timeout_seconds; with %G_IO_ERROR_CANCELLED if the wait was cancelled; with
 * %LP_ERROR_WOULD_DEADLOCK inside a job that the wait is a part of, for another
 * job of its own executor unless that is one of threads, or, without a time-out,
 * for one that a grinder of the same manager has no executor for yet; with
 * %LP_ERROR_INVALID_ARGUMENT if @timeout_seconds is neither -1 nor finite and
 * >= 0; with %LP_ERROR_NOT_STARTED in a process forked since it was submitted.
 *
 * Returns: (transfer full): the result of the job
 *
 * Since: 1.0
 */
GVariant *
lp_job_wait (LpJob *self, double timeout_seconds, GCancellable *cancellable, GError **error)
{
  LpJob *current = lp_job_get_current ();

  g_return_val_if_fail (LP_IS_JOB (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  if (timeout_seconds != -1 && !(timeout_seconds >= 0 && timeout_seconds <= G_MAXDOUBLE))
    {
      g_set_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                   "timeout-seconds is %g, but must be -1 or finite and >= 0", timeout_seconds);
      return NULL;
    }

  if (!check_fork (self, error))
    return NULL;
  if (current != NULL)
    return wait_in_job (current, self, timeout_seconds, cancellable, error);

  return block (self, timeout_seconds, cancellable, error);
}
