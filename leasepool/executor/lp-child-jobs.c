/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The jobs of a worker process: how they are sent to it, called back, cancelled,
 * and how it is stopped for one that does not end. */

#include "config.h"

#include "lp-child-private.h"

#include <glib-unix.h>

#include "lp-clock-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* How long one may take to answer what its reading thread answers at once. */
#define ANSWER_SECONDS 1.0

/* Jobs are sent ahead so that the worker does not wait: as many as it runs in
 * this time. Longer ones would gain nothing, and wait at the wrong worker. */
#define AHEAD_USEC 2000

static gboolean
writable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (LpChild) self = lp_child_ref (user_data);
  LP_PROCESS_EXECUTOR_ENTER (LP_PROCESS_EXECUTOR (self->executor));

  g_clear_pointer (&self->out_source, g_source_unref);
  self->dirty = TRUE;
  lp_child_flush (self);

  return G_SOURCE_REMOVE;
}

/* Writes what was queued, as far as it goes, and the rest when it can. That the
 * reader is gone is seen where it is read, or reaped. */
void
lp_child_flush (LpChild *self)
{
  if (!self->dirty || self->channel == NULL || self->over)
    return;

  self->dirty = FALSE;
  if (!lp_channel_flush (self->channel, NULL) || !lp_channel_has_pending (self->channel) || self->out_source != NULL)
    return;

  self->out_source = g_unix_fd_source_new (lp_channel_get_out_fd (self->channel), G_IO_OUT);
  g_source_set_static_name (self->out_source, "[leasepool] worker stream, out");
  g_source_set_callback (self->out_source, G_SOURCE_FUNC (writable_cb), self, NULL);
  g_source_attach (self->out_source, self->context);
}

/* JOB is SENT. Written by the next flush. */
void
lp_child_send_job (LpChild *self, LpJob *job)
{
  if (!lp_channel_send_call (self->channel, job->number, job->name, job->parameters, NULL))
    {
      gsize size = job->parameters != NULL ? g_variant_get_size (job->parameters) : 0;

      lp_executor_job_refused (self->executor, job,
                               lp_log_new_error (LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                                                 "The parameters of the function “%s” have %" G_GSIZE_FORMAT
                                                 " bytes, more than max-message-size (%d) allows; "
                                                 "give it the name of a file, or raise it", job->name, size,
                                                 lp_executor_get_settings (self->executor)->max_message_size));
      return;
    }

  self->dirty = TRUE;
  if (self->running == NULL && self->sent->len == 0)
    self->called_at = lp_clock_now ();
  self->n_assigned++;
  self->recalled = FALSE;
  g_ptr_array_add (self->sent, g_object_ref (job));
}

gboolean
lp_child_is_worn_out (LpChild *self)
{
  int max_jobs = lp_executor_get_settings (self->executor)->max_jobs_per_worker;

  return max_jobs > 0 && self->n_assigned >= (guint) max_jobs;
}

/* One that has ended may still have to be read. */
static gboolean
takes_jobs (LpChild *self)
{
  return self->state == LP_CHILD_READY && !self->reaped && !self->over && !lp_child_is_worn_out (self);
}

gboolean
lp_child_is_free (LpChild *self)
{
  return takes_jobs (self) && self->running == NULL && self->sent->len == 0;
}

/* How many more jobs it may be sent ahead of the end of the one that runs. One that has none would begin at once, and a
 * command may have its place. */
guint
lp_child_get_room (LpChild *self)
{
  guint wanted;

  if (!takes_jobs (self) || self->mean_usec < 0 || self->depth == 0 || self->recalled
      || (self->running == NULL && self->sent->len == 0)
      || (self->running != NULL && lp_job_get_interrupt (self->running) != LP_INTERRUPT_NONE))
    return 0;

  wanted = (guint) MIN (AHEAD_USEC / MAX (self->mean_usec, 1), self->depth);
  return wanted > self->sent->len ? wanted - self->sent->len : 0;
}

gboolean
lp_child_has_job (LpChild *self, LpJob *job)
{
  return self->running == job || g_ptr_array_find (self->sent, job, NULL);
}

/* The first job that was sent runs. When that began is not known better than this if the process is late to say so, and
 * had nothing else to do. */
void
lp_child_begin_sent (LpChild *self)
{
  gint64 now = lp_clock_now ();

  self->running = g_ptr_array_steal_index (self->sent, 0);
  self->started_at = now;
  if (self->starts_late && self->called_at != 0)
    self->started_at = MAX (self->called_at, now - LP_CHILD_LATE_USEC);
  self->called_at = 0;

  /* Nobody may be waiting for it any more. */
  lp_executor_job_started (self->executor, self->running, self->started_at);
}

static void
say (LpChild *self, LpFrameType type, guint64 id)
{
  lp_channel_send (self->channel, type, id, NULL, NULL);
  self->dirty = TRUE;
}

/* All that has not started comes back. */
void
lp_child_recall (LpChild *self)
{
  if (self->channel == NULL || self->recalled || self->sent->len == 0)
    return;

  self->recalled = TRUE;
  for (guint i = self->sent->len; i > 0; i--)
    say (self, LP_FRAME_RECALL, ((LpJob *) self->sent->pdata[i - 1])->number);
  lp_child_flush (self);
}

/* JOB, which it runs or is about to, is to end. If it comes to killing, nothing
 * else may be on its way. */
void
lp_child_cancel (LpChild *self, LpJob *job)
{
  if (self->channel == NULL)
    return;

  say (self, LP_FRAME_CANCEL, job->number);
  if (job == self->running)
    lp_child_recall (self);
  lp_child_flush (self);
}

/* FALSE: there is none of that number. */
gboolean
lp_child_find_sent (LpChild *self, guint64 number, guint *index)
{
  for (*index = 0; *index < self->sent->len; (*index)++)
    if (((LpJob *) self->sent->pdata[*index])->number == number)
      return TRUE;

  return FALSE;
}

/* Whether it runs a job that has been given up, or runs nothing, and has not
 * said what becomes of one: then it is to end. */
static gboolean
holds_given_up (LpChild *self)
{
  if (self->running != NULL)
    return lp_job_state_is_end (lp_job_peek_state (self->running));

  for (guint i = 0; i < self->sent->len; i++)
    if (lp_job_state_is_end (lp_job_peek_state (self->sent->pdata[i])))
      return TRUE;

  return FALSE;
}

/* After each move, and when a job has been given up: whether the process is to
 * end for one. Another job may be starting at this moment, and must not be hit:
 * all that has not started is called back first. If the job ends meanwhile, there
 * is nothing to stop. A process that does not answer is killed. One whose stream is
 * over ends by its own fault, and that is what its executor must be told. */
void
lp_child_settle_stop (LpChild *self)
{
  gboolean given_up = self->state == LP_CHILD_READY && !self->over && holds_given_up (self);

  if (given_up && self->running != NULL && self->sent->len == 0)
    lp_child_terminate (self);
  else if (given_up && !self->stopping)
    {
      self->stopping = TRUE;
      lp_child_arm (self, LP_CHILD_STEP_KILL,
                    MAX (ANSWER_SECONDS, lp_executor_get_settings (self->executor)->cancel_grace_seconds));
      lp_child_recall (self);
    }
  else if (!given_up && self->stopping)
    {
      self->stopping = FALSE;
      if (self->state == LP_CHILD_READY && self->step == LP_CHILD_STEP_KILL)
        lp_child_arm (self, LP_CHILD_NO_STEP, 0);
    }
}
