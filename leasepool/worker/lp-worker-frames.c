/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the manager sends to a worker process. */

#include "config.h"

#include "lp-worker-private.h"

#include <string.h>

/* --- Cancelling --- */

static gboolean
fire_cb (gpointer data)
{
  LpWorkerCall *call = data;

  lp_job_fire_cancellable (call->job);
  return G_SOURCE_REMOVE;
}

/* Takes CALL. In the main context, where the program is while its job is
 * deferred. */
static void
post_fire (LpWorkerCall *call)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "leasepool-cancel");
  g_source_set_callback (source, fire_cb, call, (GDestroyNotify) lp_worker_call_unref);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

static gboolean
is_deferred (LpJob *job)
{
  gboolean deferred;

  g_mutex_lock (&job->lock);
  deferred = job->deferred;
  g_mutex_unlock (&job->lock);

  return deferred;
}

/* On a thread that has nothing else to do: handlers may wait for anything. */
static gpointer
cancel_main (gpointer data)
{
  LpWorkerCall *call = data;

  if (is_deferred (call->job))
    {
      post_fire (call);
      return NULL;
    }

  lp_job_fire_cancellable (call->job);
  lp_worker_call_unref (call);
  return NULL;
}

static void
cancel_current (LpWorker *self, guint64 id)
{
  LpWorkerCall *call = NULL;
  GThread *thread;

  lp_worker_lock (self);
  if (self->current != NULL && self->current->id == id && !self->current->cancelled)
    {
      self->current->cancelled = TRUE;
      /* Else the main thread, which makes the job, sees it. */
      if (self->current->job != NULL)
        call = lp_worker_call_ref (self->current);
    }
  lp_worker_unlock (self);

  if (call == NULL)
    return;

  lp_job_mark_interrupted (call->job, LP_INTERRUPT_CANCEL);
  /* The reference is never dropped here: it might be the last one of the job. */
  thread = g_thread_try_new ("leasepool-tell", cancel_main, call, NULL);
  if (thread != NULL)
    g_thread_unref (thread);
  else
    post_fire (call);
}

/* FALSE: it does not wait here. */
static gboolean
drop_waiting (LpWorker *self, guint64 id)
{
  LpWorkerCall *call = NULL;

  lp_worker_lock (self);
  for (GList *link = self->calls.head; link != NULL && call == NULL; link = link->next)
    if (((LpWorkerCall *) link->data)->id == id)
      {
        call = link->data;
        g_queue_unlink (&self->calls, link);
        lp_channel_send (self->channel, LP_FRAME_DROPPED, id, NULL, NULL);
        lp_worker_try_flush_locked (self);
        break;
      }
  lp_worker_unlock (self);

  if (call != NULL)
    lp_worker_call_unref (call);
  return call != NULL;
}

/* --- Frames --- */

/* If it is the one that reads, it will look anyway. */
static void
wake_main (void)
{
  if (!g_main_context_is_owner (NULL))
    g_main_context_wakeup (NULL);
}

static void
push_call (LpWorker *self, LpFrame *frame)
{
  gsize name_size = strlen (frame->name) + 1;
  LpWorkerCall *call = g_malloc (sizeof *call + name_size);
  gboolean idle;

  *call = (LpWorkerCall) { .id = frame->id, .parameters = g_steal_pointer (&frame->value) };
  call->link.data = call;
  g_atomic_ref_count_init (&call->ref_count);
  memcpy (call->name, frame->name, name_size);

  lp_worker_lock (self);
  g_queue_push_tail_link (&self->calls, &call->link);
  idle = self->current == NULL;
  lp_worker_unlock (self);

  /* Else the main thread looks when it is done with the current one. */
  if (idle)
    wake_main ();
}

static void
take_hello (LpWorker *self, LpFrame *frame)
{
  guint64 max_body;

  lp_worker_lock (self);
  if (g_variant_lookup (frame->body, "max-message-size", "t", &max_body))
    lp_channel_set_max_body (self->channel, (gsize) CLAMP (max_body, (guint64) LP_WORKER_MIN_BODY,
                                                           (guint64) LP_WORKER_MAX_BODY));
  self->hello = g_steal_pointer (&frame->body);
  lp_worker_unlock (self);

  wake_main ();
}

static void
take_goodbye (LpWorker *self)
{
  lp_worker_lock (self);
  self->goodbye = TRUE;
  lp_worker_unlock (self);

  wake_main ();
}

/* FALSE: it is not for here, or not now. */
static gboolean
handle_frame (LpWorker *self, LpFrame *frame)
{
  /* Only who reads sets either. */
  if ((frame->type == LP_FRAME_HELLO) != (self->hello == NULL) || self->goodbye)
    return FALSE;

  switch (frame->type)
    {
    case LP_FRAME_HELLO:
      take_hello (self, frame);
      return TRUE;
    case LP_FRAME_CALL:
      push_call (self, frame);
      return TRUE;
    case LP_FRAME_CANCEL:
      if (!drop_waiting (self, frame->id))
        cancel_current (self, frame->id);
      return TRUE;
    case LP_FRAME_RECALL:
      drop_waiting (self, frame->id);
      return TRUE;
    case LP_FRAME_GOODBYE:
      take_goodbye (self);
      return TRUE;
    case LP_FRAME_STARTED:
    case LP_FRAME_RESULT:
    case LP_FRAME_ERROR:
    case LP_FRAME_DROPPED:
    case LP_FRAME_PROGRESS:
    case LP_FRAME_LOG:
    default:
      return FALSE;
    }
}

/* Before the hello the main thread tells, afterwards it may be busy. */
static void
refuse (LpWorker *self, GError *error)
{
  if (self->hello != NULL)
    lp_worker_die (error->message);

  lp_worker_lock (self);
  self->refusal = error;
  lp_worker_unlock (self);

  wake_main ();
}

static LpWorkerReading
stream_ended (LpWorker *self)
{
  if (self->hello == NULL)
    {
      refuse (self, g_error_new_literal (LP_ERROR, LP_ERROR_NOT_STARTED,
                                         "This program is a worker: a manager starts it"));
      return LP_WORKER_OVER;
    }
  if (self->goodbye)
    return LP_WORKER_CLOSED;

  lp_worker_die (NULL);
}

/* After a frame: the stream is left to the next poll if the last read has taken all there was. */
static LpChannelStatus
read_next (LpChannel *channel, LpFrame *frame, GError **error)
{
  return lp_channel_is_drained (channel) ? lp_channel_take (channel, frame, error)
                                         : lp_channel_read (channel, frame, error);
}

/* All that is there; what comes meanwhile the next poll tells. */
static LpWorkerReading
read_frames (LpWorker *self)
{
  LpFrame frame = { 0 };
  GError *error = NULL;
  LpChannelStatus status = lp_channel_read (self->channel, &frame, &error);

  while (TRUE)
    {
      switch (status)
        {
        case LP_CHANNEL_FRAME:
          if (!handle_frame (self, &frame))
            error = g_error_new (LP_ERROR, LP_ERROR_PROTOCOL, "The manager sent a frame of type %s, out of place",
                                 lp_frame_type_get_name (frame.type));
          lp_frame_clear (&frame);
          if (error == NULL)
            break;
          refuse (self, error);
          return LP_WORKER_OVER;
        case LP_CHANNEL_EMPTY:
          return LP_WORKER_READING;
        case LP_CHANNEL_BAD:
          if (self->hello == NULL)
            g_prefix_error (&error, "This program is a worker: a manager starts it; what it read is something else: ");
          refuse (self, error);
          return LP_WORKER_OVER;
        case LP_CHANNEL_END:
        default:
          return stream_ended (self);
        }
      status = read_next (self->channel, &frame, &error);
    }
}

/* Any thread: takes what is there. LOST: nobody reads what this process writes; even after a goodbye, what still runs
 * would run for nobody. */
void
lp_worker_read (LpWorker *self, gboolean lost)
{
  gboolean done;

  lp_worker_lock_reading (self);
  if (self->reading == LP_WORKER_READING)
    g_atomic_int_set (&self->reading, read_frames (self));

  lp_worker_lock (self);
  done = lp_worker_is_done_locked (self);
  lp_worker_unlock (self);

  if (lost && !done && self->reading != LP_WORKER_OVER)
    {
      if (self->hello != NULL)
        lp_worker_die (NULL);
      g_atomic_int_set (&self->reading, stream_ended (self));
    }
  lp_worker_unlock_reading (self);
}
