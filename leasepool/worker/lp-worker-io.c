/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The thread of a worker process that reads what the manager sends. */

#include "config.h"

#include "lp-worker-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* Progress that comes faster is one. */
#define PROGRESS_INTERVAL (10 * G_TIME_SPAN_MILLISECOND)

typedef enum
{
  READING,
  CLOSED,                       /* the manager sends nothing more, after its goodbye */
  OVER,
} Reading;

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
        g_queue_delete_link (&self->calls, link);
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

static void
push_call (LpWorker *self, LpFrame *frame)
{
  LpWorkerCall *call = g_new0 (LpWorkerCall, 1);
  gboolean idle;

  g_atomic_ref_count_init (&call->ref_count);
  call->id = frame->id;
  call->body = g_steal_pointer (&frame->body);
  call->parameters = g_steal_pointer (&frame->value);

  lp_worker_lock (self);
  g_queue_push_tail (&self->calls, call);
  idle = self->current == NULL;
  lp_worker_unlock (self);

  /* Else the main thread looks when it is done with the current one. */
  if (idle)
    g_main_context_wakeup (NULL);
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

  g_main_context_wakeup (NULL);
}

static void
take_goodbye (LpWorker *self)
{
  lp_worker_lock (self);
  self->goodbye = TRUE;
  lp_worker_unlock (self);

  g_main_context_wakeup (NULL);
}

/* FALSE: it is not for here, or not now. */
static gboolean
handle_frame (LpWorker *self, LpFrame *frame)
{
  /* Only this thread sets either. */
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

  g_main_context_wakeup (NULL);
}

static Reading
stream_ended (LpWorker *self)
{
  if (self->hello == NULL)
    {
      refuse (self, g_error_new_literal (LP_ERROR, LP_ERROR_NOT_STARTED,
                                         "This program is a worker: a manager starts it"));
      return OVER;
    }
  if (self->goodbye)
    return CLOSED;

  lp_worker_die (NULL);
}

/* All that is there; what comes meanwhile the next poll tells. */
static Reading
read_frames (LpWorker *self)
{
  while (TRUE)
    {
      LpFrame frame = { 0 };
      GError *error = NULL;

      switch (lp_channel_read (self->channel, &frame, &error))
        {
        case LP_CHANNEL_FRAME:
          if (!handle_frame (self, &frame))
            error = g_error_new (LP_ERROR, LP_ERROR_PROTOCOL, "The manager sent a frame of type %s, out of place",
                                 lp_frame_type_get_name (frame.type));
          lp_frame_clear (&frame);
          if (error == NULL && lp_channel_is_drained (self->channel))
            return READING;
          if (error == NULL)
            break;
          refuse (self, error);
          return OVER;
        case LP_CHANNEL_EMPTY:
          return READING;
        case LP_CHANNEL_BAD:
          if (self->hello == NULL)
            g_prefix_error (&error, "This program is a worker: a manager starts it; what it read is something else: ");
          refuse (self, error);
          return OVER;
        case LP_CHANNEL_END:
        default:
          return stream_ended (self);
        }
    }
}

/* --- The thread --- */

/* Sends progress whose time has come; returns the milliseconds until then. */
static int
send_progress_locked (LpWorker *self)
{
  gint64 wait;

  /* A stream that is full makes it wait, and be replaced. */
  if (!self->has_progress || lp_channel_has_pending (self->channel))
    return -1;

  wait = self->progress_at + PROGRESS_INTERVAL - g_get_monotonic_time ();
  if (wait > 0)
    return (int) (wait / G_TIME_SPAN_MILLISECOND) + 1;

  lp_worker_send_progress_locked (self);
  lp_worker_try_flush_locked (self);
  return -1;
}

/* FALSE: the thread is to end. */
static gboolean
prepare (LpWorker *self, struct pollfd *out, int *timeout)
{
  gboolean quit;

  lp_worker_lock (self);
  lp_worker_try_flush_locked (self);
  *timeout = send_progress_locked (self);
  out->events = lp_channel_has_pending (self->channel) ? POLLOUT : 0;
  /* Without a reader it would always be ready. */
  out->fd = self->broken || lp_worker_is_done_locked (self) ? -1 : lp_channel_get_out_fd (self->channel);
  quit = self->quit;
  lp_worker_unlock (self);

  return !quit;
}

static void
drain (int fd)
{
  char bytes[64];

  while (read (fd, bytes, sizeof bytes) > 0)
    ;
}

/* Nobody reads any more. Even after a goodbye: what still runs would run for
 * nobody. */
static Reading
reader_lost (LpWorker *self, Reading reading)
{
  gboolean done;

  lp_worker_lock (self);
  done = lp_worker_is_done_locked (self);
  lp_worker_unlock (self);

  if (done)
    return reading;
  if (self->hello == NULL)
    return stream_ended (self);

  lp_worker_die (NULL);
}

static gpointer
io_main (gpointer data)
{
  LpWorker *self = data;
  struct pollfd fds[3] = {
    { self->wake_fds[0], POLLIN, 0 },
    { lp_channel_get_in_fd (self->channel), POLLIN, 0 },
    { -1, 0, 0 },
  };
  int timeout;

  lp_worker_never_lock ();
  while (prepare (self, &fds[2], &timeout))
    {
      Reading reading = READING;

      if (poll (fds, G_N_ELEMENTS (fds), timeout) <= 0)
        continue;
      if (fds[0].revents != 0)
        drain (self->wake_fds[0]);
      if (fds[1].revents != 0)
        reading = read_frames (self);

      if (reading != OVER && (fds[2].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        reading = reader_lost (self, reading);
      if (reading == OVER)
        break;
      if (reading == CLOSED)
        fds[1].fd = -1;
    }

  return NULL;
}

/* Needs the channel. */
gboolean
lp_worker_start_io (LpWorker *self, GError **error)
{
  sigset_t all, before;

  if (!g_unix_open_pipe (self->wake_fds, FD_CLOEXEC, error))
    return FALSE;
  g_unix_set_fd_nonblocking (self->wake_fds[0], TRUE, NULL);
  g_unix_set_fd_nonblocking (self->wake_fds[1], TRUE, NULL);

  /* Handlers of the program run on its own threads. */
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  self->io_thread = g_thread_try_new ("leasepool-io", io_main, self, error);
  pthread_sigmask (SIG_SETMASK, &before, NULL);

  return self->io_thread != NULL;
}

/* If it is full, the thread will wake. */
void
lp_worker_wake_io (LpWorker *self)
{
  gssize n_written;

  do
    n_written = write (self->wake_fds[1], "", 1);
  while (n_written == -1 && errno == EINTR);
}

void
lp_worker_stop_io (LpWorker *self)
{
  if (self->io_thread != NULL)
    {
      lp_worker_lock (self);
      self->quit = TRUE;
      lp_worker_unlock (self);

      lp_worker_wake_io (self);
      g_thread_join (g_steal_pointer (&self->io_thread));
    }
}
