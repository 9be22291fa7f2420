/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-service-private.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <pthread.h>
#include <unistd.h>

#include "lp-error.h"
#include "lp-lookout-private.h"

/* The thread exists from the first use to the last. Whoever drops the last use
 * joins it, except on the thread itself, which then ends by itself. A use taken
 * while the previous thread is still ending gets a new one. */

struct _LpService
{
  guint n_users;                /* (service_lock) */
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  LpDelivery *delivery;
};

static GMutex service_lock;
static LpService *current;      /* (service_lock) */

guint lp_fork_generation_now;   /* changed only in a forked child, which has one thread */

/* The parent's service has no thread here, and whoever held a lock is not here
 * either: what there is, is left alone, and the next use begins anew. */
static void
forked_cb (void)
{
  lp_fork_generation_now++;
  g_mutex_init (&service_lock);
  current = NULL;
  lp_delivery_forget_all ();
}

/* Differs from what it was before in a process that was forked since: nothing
 * of the parent's threads and locks can be used there. */
guint
lp_fork_generation (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      pthread_atfork (NULL, NULL, forked_cb);
      g_once_init_leave (&once, 1);
    }

  return lp_fork_generation_now;
}

static void
service_free (LpService *self)
{
  lp_delivery_unref (self->delivery);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
}

static gpointer
service_main (gpointer data)
{
  LpService *self = data;
  gboolean last_on_thread;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);

  /* What was posted before the last use was dropped is still to be run. */
  while (g_main_context_iteration (self->context, FALSE))
    ;
  g_main_context_pop_thread_default (self->context);

  g_mutex_lock (&service_lock);
  last_on_thread = self->thread == NULL;
  g_mutex_unlock (&service_lock);

  if (last_on_thread)
    service_free (self);

  return NULL;
}

/* GLib aborts the process if there are none left for a new context. Another
 * thread may take them meanwhile, but then a moment was missing anyway. */
static gboolean
has_descriptors (GError **error)
{
  int fds[2];

  if (!g_unix_open_pipe (fds, FD_CLOEXEC, error))
    return FALSE;

  close (fds[0]);
  close (fds[1]);
  return TRUE;
}

static LpService *
service_new (GError **error)
{
  LpService *self;
  g_autoptr (GError) local_error = NULL;

  if (!has_descriptors (&local_error))
    {
      g_set_error (error, LP_ERROR, LP_ERROR_START_FAILED,
                   "The service thread cannot be started: there is no file descriptor for it: %s",
                   local_error->message);
      return NULL;
    }

  self = g_new0 (LpService, 1);
  self->context = g_main_context_new ();
  g_main_context_set_poll_func (self->context, lp_lookout_poll);
  self->loop = g_main_loop_new (self->context, FALSE);
  self->delivery = lp_delivery_ref_context (self->context);
  self->thread = g_thread_try_new ("leasepool", service_main, self, &local_error);

  if (self->thread == NULL)
    {
      g_set_error (error, LP_ERROR, LP_ERROR_START_FAILED,
                   "The service thread cannot be started: %s", local_error->message);
      g_clear_pointer (&self, service_free);
    }

  return self;
}

/* Starts the thread if this is the first use. Fails with
 * LP_ERROR_START_FAILED if the system refuses a thread or its descriptor. */
LpService *
lp_service_acquire (GError **error)
{
  LpService *self;

  g_mutex_lock (&service_lock);
  if (current == NULL)
    current = service_new (error);
  self = current;
  if (self != NULL)
    self->n_users++;
  g_mutex_unlock (&service_lock);

  return self;
}

/* One more use of a service the caller already uses. */
LpService *
lp_service_hold (LpService *self)
{
  g_mutex_lock (&service_lock);
  self->n_users++;
  g_mutex_unlock (&service_lock);

  return self;
}

static void
quit_cb (gpointer data, gpointer more)
{
  g_main_loop_quit (data);
}

/* Must not be called with a lock held: it may join the thread. */
void
lp_service_release (LpService *self)
{
  GThread *thread = NULL;
  gboolean on_thread;

  g_mutex_lock (&service_lock);
  on_thread = self->thread == g_thread_self ();
  if (--self->n_users > 0)
    {
      g_mutex_unlock (&service_lock);
      return;
    }

  if (current == self)
    current = NULL;
  thread = self->thread;
  if (on_thread)
    self->thread = NULL;
  g_mutex_unlock (&service_lock);

  /* Posted rather than called: the loop may not be running yet. */
  lp_delivery_post_func (self->delivery, quit_cb, self->loop, NULL);

  if (on_thread)
    {
      g_thread_unref (thread);
      return;
    }

  g_thread_join (thread);
  service_free (self);
}

GMainContext *
lp_service_get_context (LpService *self)
{
  return self->context;
}

gboolean
lp_service_is_current (LpService *self)
{
  return lp_delivery_is_current (self->delivery);
}

/* Calls FUNC (DATA, MORE) on the service thread, in the order of the posts. */
void
lp_service_post (LpService *self, GFunc func, gpointer data, gpointer more)
{
  lp_delivery_post_func (self->delivery, func, data, more);
}
