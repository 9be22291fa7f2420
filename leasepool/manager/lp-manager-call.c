/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Acquire, submit, wait and release in one call. */

#include "config.h"

#include "lp-manager-private.h"

#include "lp-job-private.h"
#include "lp-lease-private.h"

/* How this works: a call is two steps behind one result. The acquire settles the
 * first with a grant, on whatever thread brings it; that thread submits the job
 * and is done. The end of the job settles the second, and that thread releases
 * the lease and settles the result. The caller's context is told, never needed.
 *
 * The job is claimed from the beginning, so nobody else can submit it while the
 * call waits, and the second step is among its waiters, so that cancelling the
 * job ends the wait. A job that never got into a queue is the first step's to
 * tell of, one that did the second's: each call is told of exactly once.
 *
 * References: each step holds the call until it is delivered, the cancellable
 * until the result is told. */

typedef enum
{
  CALL_WAITS,                   /* for an executor; cancelling leaves the job as new */
  CALL_SUBMITS,                 /* from here on cancelling cancels the job */
  CALL_CANCELLED,               /* it is being cancelled */
  CALL_REFUSED,                 /* the job is the caller's again */
} CallPhase;

typedef struct
{
  LpManager *manager;           /* (construct-only) (owned) NULL if the result has it */
  LpPool *pool;                 /* (construct-only) (owned) */
  LpJob *job;                   /* (construct-only) (owned) */
  GCancellable *cancellable;    /* (construct-only) (owned) (nullable) */
  LpCompletion *result;         /* (construct-only) the operation's reference, until it is told */
  LpCompletion *acquired;       /* (construct-only) (owned) the first step */
  LpCompletion *ended;          /* (construct-only) (owned) the second step */
  LpWaiter *waiter;             /* (construct-only) (owned) NULL in one that does not wait */
  LpGrant *grant;               /* (owned) set before the job is queued, released by the step that tells */
  int phase;                    /* (atomic) CallPhase */
  gboolean accepted;            /* (first step) the job got into a queue */
} Call;

/* The last reference may go on any thread. What may be foreign is not destroyed
 * there: the user data of a job that was never accepted, and the handlers of the
 * manager's signals. */
static void
call_clear (gpointer data)
{
  Call *self = data;

  /* Not asked of the job: one that was refused may be in its next submit. */
  if (!self->accepted && !lp_pool_is_forked (self->pool))
    lp_pool_destroy_in_owner (self->pool, g_object_unref, self->job);
  else
    g_object_unref (self->job);

  if (self->manager != NULL)
    lp_pool_destroy_in_owner (self->pool, g_object_unref, self->manager);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->acquired);
  g_clear_object (&self->ended);
  g_clear_pointer (&self->waiter, lp_waiter_unref);
  lp_pool_unref (self->pool);
}

static void
call_unref (gpointer data)
{
  g_atomic_rc_box_release_full (data, call_clear);
}

/* The job did not get into a queue; ERROR, taken, says why. It is as new before
 * anybody is told, and until then nobody else can submit it. */
static void
refuse (Call *self, GError *error)
{
  LpCompletion *ended = lp_job_drop_waiter (self->job, self->ended);

  /* Unless the job was cancelled, and the second step has been told. */
  if (ended != NULL)
    {
      g_object_unref (ended);
      call_unref (self);
    }

  lp_job_unclaim (self->job, TRUE);
  lp_completion_fail (self->result, error);
}

/* Whether the job was accepted. The cancellable is looked at after the phase has
 * changed: whoever cancels looks at them in the other order. */
static gboolean
submit (Call *self, GError **error)
{
  g_atomic_int_set (&self->phase, CALL_SUBMITS);

  return !g_cancellable_set_error_if_cancelled (self->cancellable, error)
         && lp_grant_accept (self->grant, self->job, error);
}

/* Whether the job can be the caller's again: nobody is about to cancel it. */
static gboolean
take_back (Call *self)
{
  return g_atomic_int_compare_and_exchange (&self->phase, CALL_WAITS, CALL_REFUSED)
         || g_atomic_int_compare_and_exchange (&self->phase, CALL_SUBMITS, CALL_REFUSED);
}

static void
acquired_cb (LpCompletion *completion, gpointer data)
{
  Call *self = data;
  GError *error = NULL;

  self->grant = lp_completion_propagate (completion, &error);
  self->accepted = self->grant != NULL && submit (self, &error);
  if (!self->accepted)
    {
      if (!take_back (self))
        {
          /* Before the caller has it, not after. */
          lp_job_cancel (self->job);
          g_clear_error (&error);
          g_cancellable_set_error_if_cancelled (self->cancellable, &error);
        }
      g_clear_pointer (&self->grant, lp_grant_give_back);
      refuse (self, error);
    }

  call_unref (self);
}

static void
ended_cb (LpCompletion *completion, gpointer data)
{
  Call *self = data;
  GError *error = NULL;
  GVariant *value = lp_completion_propagate (completion, &error);

  if (self->job->queued_at == 0)
    {
      /* Cancelled before it was submitted: nobody needs an executor any more. */
      if (self->waiter != NULL)
        lp_waiter_cancel (self->waiter, self->acquired);
      g_clear_error (&error);
    }
  else
    {
      lp_grant_give_back (g_steal_pointer (&self->grant));
      if (value != NULL)
        lp_completion_return (self->result, value, (GDestroyNotify) g_variant_unref);
      else
        lp_completion_fail (self->result, error);
    }

  call_unref (self);
}

static void
cancelled_cb (LpCompletion *completion, gpointer data)
{
  Call *self = data;

  /* A job that was refused meanwhile may be on its way again, and is left alone. */
  if (g_atomic_int_compare_and_exchange (&self->phase, CALL_SUBMITS, CALL_CANCELLED))
    lp_job_cancel (self->job);
  else if (g_atomic_int_get (&self->phase) == CALL_WAITS && self->waiter != NULL)
    lp_waiter_cancel (self->waiter, self->acquired);
}

/* For a claimed job. Takes the reference to RESULT. */
static Call *
call_new (LpManager *manager, LpJob *job, const LpAsk *ask, GCancellable *cancellable, LpCompletion *result)
{
  Call *self = g_atomic_rc_box_new0 (Call);
  g_autoptr (GObject) source = g_async_result_get_source_object (G_ASYNC_RESULT (result));

  self->manager = source == NULL ? g_object_ref (manager) : NULL;
  self->pool = lp_pool_ref (manager->pool);
  self->job = g_object_ref (job);
  self->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  self->result = result;
  self->acquired = lp_completion_new_step (acquired_cb, self);
  self->ended = lp_completion_new_step (ended_cb, self);
  if (ask->wait && ask->timeout != 0)
    self->waiter = lp_waiter_new (self->pool, ask, g_object_ref (self->acquired));

  return self;
}

/* Everything that ends the wait is in place before it begins. */
static void
call_begin (Call *self, const LpAsk *ask)
{
  lp_completion_watch (self->result, self->cancellable, cancelled_cb, g_atomic_rc_box_acquire (self), call_unref);
  lp_job_add_waiter (g_atomic_rc_box_acquire (self)->job, g_object_ref (self->ended));

  if (self->waiter != NULL)
    lp_pool_enqueue (self->pool, lp_waiter_ref (self->waiter));
  else
    lp_pool_acquire (self->pool, ask, g_object_ref (self->acquired), NULL);
}

/* Without a callback the result is dropped where it comes, so it does not have
 * the manager. */
static LpCompletion *
result_new (LpManager *self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  return lp_completion_new (callback != NULL ? self : NULL, tag, cancellable, callback, user_data);
}

/* Takes the reference to RESULT. */
static void
call (LpManager *self, LpJob *job, LpRequest *request, GCancellable *cancellable, LpCompletion *result)
{
  GError *error = NULL;
  LpAsk ask = { NULL };

  if (!g_cancellable_set_error_if_cancelled (cancellable, &error)
      && lp_ask_read (&ask, request, &error)
      && lp_pool_check_fork (self->pool, &error)
      && lp_job_claim_for_submit (job, &error))
    call_begin (call_new (self, job, &ask, cancellable, result), &ask);
  else
    lp_completion_fail (result, error);

  lp_ask_clear (&ask);
}

/**
 * lp_manager_run_async:
 * @self: a manager
 * @job: a job that was not submitted before
 * @request: (nullable): who asks, for how long, and how to wait; %NULL for the
 *   defaults. Its values are checked and copied.
 * @cancellable: (nullable): ends the wait for an executor; once the job is
 *   submitted, it cancels the job
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the job has ended or was refused
 * @user_data: data for @callback
 *
 * Acquires an executor, submits a job, waits for its end, and releases the
 * executor: [method@Lp.Manager.acquire_async],
 * [method@Lp.Lease.submit_async] and [method@Lp.Lease.release] in one call. It
 * may be called from any thread.
 *
 * Nothing of this needs the caller's main context: if its loop hangs, the job
 * runs all the same, and the executor is released as soon as the job has ended,
 * before @callback is called, and also if nobody fetches the result. The lease
 * that the call holds meanwhile can expire as any other: then the job is
 * cancelled.
 *
 * From the call on the job counts as submitted. If it is refused, or the wait
 * ends without an executor, it is as new and may be submitted again. Cancelling
 * the job itself, with [method@Lp.Job.cancel], ends a call that waits, too.
 *
 * Since: 1.0
 */
void
lp_manager_run_async (LpManager *self, LpJob *job, LpRequest *request, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (LP_IS_MANAGER (self));
  g_return_if_fail (LP_IS_JOB (job));
  g_return_if_fail (request == NULL || LP_IS_REQUEST (request));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  call (self, job, request, cancellable,
        result_new (self, lp_manager_run_async, cancellable, callback, user_data));
}

/**
 * lp_manager_run_finish:
 * @self: a manager
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Manager.run_async].
 *
 * Fails with the errors of [method@Lp.Manager.acquire_finish] if there was no
 * executor for the job, with those of [method@Lp.Lease.submit] if the job was
 * refused, and with the error of the job if it failed or was cancelled: its
 * own, or %G_IO_ERROR_CANCELLED, %G_IO_ERROR_TIMED_OUT,
 * %LP_ERROR_BROKEN_EXECUTOR.
 *
 * Returns: (transfer full): the result of the job
 *
 * Since: 1.0
 */
GVariant *
lp_manager_run_finish (LpManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), NULL);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_manager_run_async), NULL);

  return lp_completion_propagate (LP_COMPLETION (result), error);
}

/**
 * lp_manager_call_async:
 * @self: a manager
 * @name: the name of a function
 * @parameters: (nullable): its parameters; a floating value is consumed, also
 *   when the call is refused
 * @request: (nullable): who asks, for how long, and how to wait; %NULL for the
 *   defaults. Its values are checked and copied.
 * @cancellable: (nullable): ends the wait for an executor; once the job is
 *   submitted, it cancels the job
 * @callback: (nullable): called in the thread-default main context of the
 *   caller when the function has returned or the call was refused
 * @user_data: data for @callback
 *
 * Calls a named function on an executor that is acquired for it. The same as
 * [method@Lp.Manager.run_async] with a job of [ctor@Lp.Job.new_for_call].
 *
 * Since: 1.0
 */
void
lp_manager_call_async (LpManager *self, const char *name, GVariant *parameters, LpRequest *request,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (LpJob) job = NULL;

  g_return_if_fail (LP_IS_MANAGER (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (request == NULL || LP_IS_REQUEST (request));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  job = lp_job_new_for_call (name, parameters);
  call (self, job, request, cancellable,
        result_new (self, lp_manager_call_async, cancellable, callback, user_data));
}

/**
 * lp_manager_call_finish:
 * @self: a manager
 * @result: the result given to the callback
 * @error: return location for a #GError
 *
 * Finishes [method@Lp.Manager.call_async]. Fails as
 * [method@Lp.Manager.run_finish] does.
 *
 * Returns: (transfer full): the result of the function
 *
 * Since: 1.0
 */
GVariant *
lp_manager_call_finish (LpManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (LP_IS_MANAGER (self), NULL);
  g_return_val_if_fail (lp_completion_is_valid (result, self, lp_manager_call_async), NULL);

  return lp_completion_propagate (LP_COMPLETION (result), error);
}
