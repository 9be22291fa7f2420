/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a job is submitted, to whatever it is. */

#include "config.h"

#include "lp-job-private.h"

/* Refused, the job is as new. With a CALLBACK (nullable) for its end, which is attached
 * to it then; TRUE also if the job was cancelled while it was submitted, and the
 * callback is told that. CANCELLABLE (nullable) is watched for the callback, from when
 * the job is accepted: one that was refused is the caller's again, and none of its next
 * submit is cancelled for this one.
 *
 * Once the job is accepted, or the callback is told, that may run on another thread
 * before this returns, and drop all that the caller holds; without one the job may do
 * that. So none of it is touched any more that is not held here. */
gboolean
lp_job_submit (LpJob *self, const LpJobSubmitOps *ops, gpointer submitter, const LpJobCallback *callback,
               GCancellable *cancellable, GError **error)
{
  gboolean watches = callback != NULL && cancellable != NULL;
  g_autoptr (LpJob) held_job = watches ? g_object_ref (self) : NULL;
  g_autoptr (GCancellable) held_cancellable = watches ? g_object_ref (cancellable) : NULL;
  gboolean told;

  if (g_cancellable_set_error_if_cancelled (cancellable, error) || !ops->claim (submitter, self, error))
    return FALSE;

  if (callback != NULL)
    lp_job_callback_attach (self, callback, watches);
  if (ops->accept (submitter, self, error))
    {
      if (watches)
        lp_job_callback_watch (self, cancellable);
      return TRUE;
    }

  told = callback != NULL && !lp_job_callback_detach (self);
  lp_job_unclaim (self, !told);
  if (told)
    {
      g_clear_error (error);
      lp_job_callback_tell (self);
    }

  return told;
}

/* The same where nobody is told of the end; the cancellable is watched all the same. */
static void
submit_untold (LpJob *self, const LpJobSubmitOps *ops, gpointer submitter, gpointer tag, GCancellable *cancellable)
{
  g_autoptr (LpJob) held_job = cancellable != NULL ? g_object_ref (self) : NULL;
  g_autoptr (GCancellable) held_cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;

  if (lp_job_submit (self, ops, submitter, NULL, cancellable, NULL) && cancellable != NULL)
    lp_job_follow (self, lp_completion_new (NULL, tag, NULL, NULL, NULL), cancellable);
}

/* Submits the job, and has FUNC (nullable) called in the thread-default context of this
 * thread when it has ended, or was refused; a refused job is as new, and not the
 * result. SUBMITTER is an object, and the source of the result. */
void
lp_job_submit_and_tell (LpJob *self, const LpJobSubmitOps *ops, gpointer submitter, gpointer tag,
                        GCancellable *cancellable, GAsyncReadyCallback func, gpointer user_data)
{
  GError *error = NULL;

  if (func == NULL)
    {
      submit_untold (self, ops, submitter, tag, cancellable);
      return;
    }

  if (!lp_job_submit (self, ops, submitter, &(LpJobCallback) { NULL, submitter, tag, func, user_data }, cancellable, &error))
    lp_completion_fail (lp_completion_new (submitter, tag, cancellable, func, user_data), error);
}
