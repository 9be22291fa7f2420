/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Which child gets which job, and when. All is on the service thread, but the
 * shortest way; how it all goes together is said in `lp-process-executor.c`. */

#include "config.h"

#include "lp-process-executor-private.h"

#include <string.h>

#include "lp-child-private.h"
#include "lp-clock-private.h"
#include "lp-executor-queue-private.h"
#include "lp-pool-private.h"

/* How long a job may wait behind another one before it is called back. */
#define OVERDUE_USEC 5000

/* How many bytes of parameters the thread that submits them writes itself. */
#define QUICK_SIZE 4096

/* Or soon: what it does after a worker's fault is known would end with it. */
gboolean
lp_process_executor_is_dead (LpProcessExecutor *self)
{
  return self->doomed || g_atomic_int_get (&lp_executor_get_private (LP_EXECUTOR (self))->dead);
}

static LpChild *
find_free (LpProcessExecutor *self)
{
  for (guint i = 0; i < self->children->len; i++)
    if (lp_child_is_free (self->children->pdata[i]))
      return self->children->pdata[i];

  return NULL;
}

/* The one with the most room for jobs sent ahead. */
static LpChild *
find_room (LpProcessExecutor *self)
{
  LpChild *best = NULL;
  guint best_room = 0;

  for (guint i = 0; i < self->children->len; i++)
    {
      guint room = lp_child_get_room (self->children->pdata[i]);

      if (room > best_room)
        {
          best = self->children->pdata[i];
          best_room = room;
        }
    }

  return best;
}

/* Whether a command may begin: it takes the place of a process's job. */
static gboolean
has_slot_locked (LpProcessExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));
  guint n_taken = lp_executor_count_occupied_locked (priv);

  for (guint i = 0; i < self->children->len; i++)
    {
      LpChild *child = self->children->pdata[i];

      n_taken += child->running == NULL && child->sent->len > 0;
    }

  return n_taken < (guint) priv->workers;
}

/* Begins one job. FALSE: there is none, or no place for it. */
static gboolean
begin_one (LpProcessExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));
  LpChild *child = find_free (self);
  gboolean slot, command;
  LpJob *job;

  g_mutex_lock (&priv->lock);
  job = g_queue_peek_head (&priv->queued);
  slot = has_slot_locked (self);
  command = job != NULL && job->kind == LP_JOB_COMMAND;
  if (job != NULL && !command && (child == NULL || !slot))
    child = find_room (self);
  if (job != NULL && command)
    job = slot ? lp_executor_claim_locked (LP_EXECUTOR (self)) : NULL;
  else if (job != NULL)
    job = child != NULL ? lp_executor_send_locked (LP_EXECUTOR (self)) : NULL;
  if (job != NULL)
    g_object_ref (job);
  g_mutex_unlock (&priv->lock);

  if (job == NULL)
    return FALSE;

  if (command)
    lp_executor_begin_claimed (LP_EXECUTOR (self), job);
  else
    lp_child_send_job (child, job);
  g_object_unref (job);

  return TRUE;
}

static gboolean
overdue_cb (gpointer user_data)
{
  g_autoptr (LpProcessExecutor) self = g_object_ref (user_data);
  LP_PROCESS_EXECUTOR_ENTER (self);

  g_clear_pointer (&self->overdue_source, g_source_unref);
  lp_process_executor_pump (LP_EXECUTOR (self));

  return G_SOURCE_REMOVE;
}

static void
look_again_later (LpProcessExecutor *self)
{
  if (self->overdue_source != NULL)
    return;

  self->overdue_source = g_timeout_source_new (OVERDUE_USEC / 1000);
  g_source_set_static_name (self->overdue_source, "[leasepool] jobs sent ahead");
  g_source_set_callback (self->overdue_source, overdue_cb, g_object_ref (self), g_object_unref);
  g_source_attach (self->overdue_source, g_main_context_get_thread_default ());
}

/* Jobs that wait in a process behind one that takes its time come back, so that
 * they begin elsewhere, in their turn. */
static void
recall_overdue (LpProcessExecutor *self)
{
  gint64 now = lp_clock_now ();
  gboolean waiting = FALSE;

  for (guint i = 0; i < self->children->len; i++)
    {
      LpChild *child = self->children->pdata[i];

      if (child->running == NULL || child->sent->len == 0 || child->recalled)
        continue;
      if (now - child->started_at >= OVERDUE_USEC)
        lp_child_recall (child);
      else
        waiting = TRUE;
    }

  if (waiting && self->children->len > 1)
    look_again_later (self);
}

/* Begins what can begin. */
void
lp_process_executor_pump (LpExecutor *executor)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);
  LP_PROCESS_EXECUTOR_ENTER (self);
  gboolean begun = FALSE;

  if (self->pumping || !self->ready || self->closing || lp_process_executor_is_dead (self))
    return;

  self->pumping = TRUE;
  recall_overdue (self);
  while (begin_one (self))
    begun = TRUE;
  for (guint i = 0; i < self->children->len; i++)
    {
      lp_child_flush (self->children->pdata[i]);
      if (begun)
        lp_child_unattend (self->children->pdata[i]); /* they do not come one at a time */
    }
  self->pumping = FALSE;

  if (lp_executor_get_settings (executor)->max_jobs_per_worker > 0)
    lp_process_executor_fill_up (self);
}

/* Whether JOB is small enough that the thread which submits it does not notice that it is written, and is not refused,
 * which others are told of. With no lock held: GVariant looks at all of a value to know its size, waits for who does
 * something with it, and frees its parts when it is serialized, which is done here for the same reason. */
static gboolean
prepare_quick (LpProcessExecutor *self, LpJob *job)
{
  gsize limit = MIN (QUICK_SIZE, lp_executor_get_settings (LP_EXECUTOR (self))->max_message_size / 2);
  gsize size;

  if (job->kind != LP_JOB_CALL)
    return FALSE;

  size = strlen (job->name);
  if (job->parameters != NULL)
    size += strlen (g_variant_get_type_string (job->parameters)) + g_variant_get_size (job->parameters);
  if (size > limit)
    return FALSE;

  if (job->parameters != NULL)
    g_variant_get_data (job->parameters);
  return TRUE;
}

/* The next job, with a reference; if there is none, nobody need come for one. */
static LpJob *
dup_next (LpProcessExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));
  LpJob *job;

  g_mutex_lock (&priv->lock);
  job = g_queue_peek_head (&priv->queued);
  if (job != NULL)
    g_object_ref (job);
  else
    priv->pump_posted = FALSE;
  g_mutex_unlock (&priv->lock);

  return job;
}

/* Takes JOB if it still is the next one, and a process may begin it. LAST: there is no other one that somebody would have
 * to come for. */
static gboolean
take (LpProcessExecutor *self, LpJob *job, gboolean *last)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));
  gboolean taken;

  g_mutex_lock (&priv->lock);
  taken = g_queue_peek_head (&priv->queued) == job && has_slot_locked (self);
  if (taken)
    lp_executor_send_locked (LP_EXECUTOR (self));
  *last = taken && priv->queued.length == 0;
  if (*last)
    priv->pump_posted = FALSE;
  g_mutex_unlock (&priv->lock);

  return taken;
}

/* Whether another thread may do what the service thread does of jobs, which is not forestalled where it starts
 * processes, or handles frames and sends what there is after them. */
gboolean
lp_process_executor_may_help (LpProcessExecutor *self)
{
  return !self->pumping && self->ready && !self->closing && !lp_process_executor_is_dead (self)
         && lp_executor_get_settings (LP_EXECUTOR (self))->max_jobs_per_worker == 0;
}

/* Sends JOB from this thread if that is done at once; nothing foreign runs here, where the lock is held. TRUE: nothing is
 * left for the service thread. */
static gboolean
send_here (LpProcessExecutor *self, LpJob *job)
{
  gboolean last = FALSE;
  LpChild *child;

  if (!g_rec_mutex_trylock (&self->children_lock))
    return FALSE;

  child = lp_process_executor_may_help (self) ? find_free (self) : NULL;
  if (child != NULL && take (self, job, &last))
    {
      lp_child_send_job (child, job);
      lp_child_flush (child);
      lp_child_note_asked (child, job);
    }
  g_rec_mutex_unlock (&self->children_lock);

  return last;
}

void
lp_process_executor_wake (LpExecutor *executor)
{
  LpProcessExecutor *self = LP_PROCESS_EXECUTOR (executor);
  g_autoptr (LpJob) job = dup_next (self);

  if (job != NULL && !(prepare_quick (self, job) && send_here (self, job)))
    lp_executor_default_wake (executor);
}

/* Several frames are handled at once, and what they make possible after them. */
void
lp_process_executor_begin_batch (LpProcessExecutor *self, LpProcessBatch *batch)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));

  batch->pumping = self->pumping;
  self->pumping = TRUE;

  /* Nor need anybody wake this thread meanwhile. */
  g_mutex_lock (&priv->lock);
  batch->posted = priv->pump_posted;
  priv->pump_posted = TRUE;
  g_mutex_unlock (&priv->lock);
}

void
lp_process_executor_end_batch (LpProcessExecutor *self, LpProcessBatch *batch)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));

  g_mutex_lock (&priv->lock);
  priv->pump_posted &= batch->posted; /* what was posted may have come meanwhile */
  g_mutex_unlock (&priv->lock);

  self->pumping = batch->pumping;
  lp_process_executor_pump (LP_EXECUTOR (self));
}

/* The same on another thread, which leaves what they make possible to the service thread. */
void
lp_process_executor_leave_batch (LpProcessExecutor *self, LpProcessBatch *batch)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));
  gboolean wake;

  self->pumping = batch->pumping;

  g_mutex_lock (&priv->lock);
  wake = !batch->posted && priv->queued.length > 0;
  priv->pump_posted &= batch->posted || wake;
  g_mutex_unlock (&priv->lock);
  if (wake)
    lp_executor_default_wake (LP_EXECUTOR (self));
}
