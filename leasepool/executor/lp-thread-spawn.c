/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The life of a thread: its start, which the system may refuse, the init function, its end. */

#include "config.h"

#include "lp-thread-executor-private.h"

#include "lp-pool-private.h"

/* PREFIX-SEQ-N in 15 bytes: the prefix is cut, never what tells threads apart. */
static char *
thread_name (LpThreadExecutor *self, guint number)
{
  LpSettings *settings = lp_executor_get_settings (LP_EXECUTOR (self));
  g_autofree char *suffix = g_strdup_printf ("-%" G_GUINT64_FORMAT "-%u", lp_executor_get_seq (LP_EXECUTOR (self)),
                                             number);
  gsize room = 15 - MIN (15, strlen (suffix));
  const char *prefix = settings->name_prefix;
  const char *end;

  if (strlen (prefix) <= room)
    return g_strconcat (prefix, suffix, NULL);

  /* Not in the middle of a character. */
  end = g_utf8_find_prev_char (prefix, prefix + room + 1);
  return g_strdup_printf ("%.*s%s", end != NULL ? (int) (end - prefix) : 0, prefix, suffix);
}

static void
joined_cb (gpointer data, gpointer more)
{
  LpThreadWorker *worker = data;
  LpThreadExecutor *self = worker->executor;
  gboolean stopped;

  g_thread_join (worker->thread);

  g_mutex_lock (lp_thread_executor_get_lock (self));
  self->n_unjoined--;
  stopped = self->closing && self->n_unjoined == 0;
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  if (stopped)
    lp_executor_report_stopped (LP_EXECUTOR (self));

  g_object_unref (self);
  g_free (worker);
}

static GError *
call_init (LpThreadExecutor *self)
{
  LpSettings *settings = lp_executor_get_settings (LP_EXECUTOR (self));

  if (settings->worker_init_function == NULL)
    return NULL;

  return lp_job_run_init (lp_executor_get_functions (LP_EXECUTOR (self)), settings->worker_init_function,
                          settings->worker_init_parameters);
}

/* FALSE: the executor was shut down, and the init function is not called any
 * more. Only so does the pool know, a while after the shutdown, that a thread
 * that it does not find inside is not going to enter. */
static gboolean
enter_init (LpThreadExecutor *self)
{
  gboolean enters;

  g_mutex_lock (lp_thread_executor_get_lock (self));
  enters = !self->closing;
  if (enters)
    self->n_in_init++;
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  return enters;
}

/* One of the threads of the start. TRUE: it was the last one, and with it the
 * start has ended, well if ERROR is NULL then. */
static gboolean
end_start_locked (LpThreadExecutor *self, GError **error)
{
  gboolean last = --self->n_initialising == 0;

  if (self->init_error == NULL)
    self->init_error = g_steal_pointer (error);
  g_clear_error (error);
  if (last && self->init_error != NULL)
    *error = g_error_copy (self->init_error);
  self->ready = last && self->init_error == NULL;

  return last && !self->closing;
}

/* FALSE: the thread is not to take jobs. */
static gboolean
initialise (LpThreadExecutor *self, LpThreadWorker *worker)
{
  g_autoptr (GError) error = NULL;
  gboolean failed;
  gboolean last;

  if (lp_executor_get_settings (LP_EXECUTOR (self))->worker_init_function == NULL)
    return TRUE;
  if (!enter_init (self))
    return FALSE;

  error = call_init (self);
  failed = error != NULL;

  g_mutex_lock (lp_thread_executor_get_lock (self));
  self->n_in_init--;
  last = worker->with_start && end_start_locked (self, &error);
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  if (last && self->ready)
    lp_executor_report_ready (LP_EXECUTOR (self));
  else if (last || (failed && !worker->with_start))
    lp_executor_report_died (LP_EXECUTOR (self), error);

  return !failed;
}

static gpointer
worker_main (gpointer data)
{
  LpThreadWorker *worker = data;
  LpThreadExecutor *self = worker->executor;
  gboolean replace;
  gboolean join;

  if (initialise (self, worker))
    lp_thread_worker_run (self, worker);

  lp_executor_lock_queue (LP_EXECUTOR (self));
  self->n_threads--;
  worker->ended = TRUE;
  join = worker->thread != NULL;
  replace = lp_thread_worker_is_worn_out (self, worker) && !self->closing
            && lp_executor_get_private (LP_EXECUTOR (self))->queued.length > 0;
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  if (replace)
    lp_thread_executor_spawn (self, FALSE);
  if (join)
    lp_slot_post (lp_executor_get_private (LP_EXECUTOR (self))->slot, joined_cb, worker, NULL);
  return NULL;
}

/* Takes the place of one more thread, if there may be one. */
static char *
reserve_thread (LpThreadExecutor *self)
{
  char *name = NULL;

  g_mutex_lock (lp_thread_executor_get_lock (self));
  if (!self->closing && self->n_threads < (guint) lp_executor_get_workers (LP_EXECUTOR (self)))
    {
      name = thread_name (self, ++self->last_number);
      self->n_threads++;
      self->n_unjoined++;
    }
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  return name;
}

/* The system refused the thread NAME. With no other one, nothing would run the
 * queue: the executor is broken. */
static gboolean
thread_refused (LpThreadExecutor *self, const char *name, gboolean with_start, const GError *refusal)
{
  g_autoptr (GError) error = g_error_new (LP_ERROR, LP_ERROR_BROKEN_EXECUTOR, "The thread %s cannot be started: %s",
                                          name, refusal->message);
  gboolean helpless;
  gboolean stopped;

  lp_executor_lock_queue (LP_EXECUTOR (self));
  helpless = --self->n_threads == 0;
  self->n_unjoined--;
  stopped = self->closing && self->n_unjoined == 0;
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  if (stopped)
    {
      lp_executor_report_stopped (LP_EXECUTOR (self));
      return FALSE;
    }

  if (!helpless && !with_start)
    return TRUE;

  lp_executor_report_died (LP_EXECUTOR (self), error);
  return FALSE;
}

/* A thread may have ended before g_thread_try_new() has returned, which still
 * needs it then: it is joined by whichever of the two comes second. */
static void
spawned (LpThreadExecutor *self, LpThreadWorker *worker, GThread *thread)
{
  gboolean join;

  g_mutex_lock (lp_thread_executor_get_lock (self));
  worker->thread = thread;
  join = worker->ended;
  g_mutex_unlock (lp_thread_executor_get_lock (self));

  if (join)
    lp_slot_post (lp_executor_get_private (LP_EXECUTOR (self))->slot, joined_cb, worker, NULL);
}

/* Starts one more thread if there may be one. FALSE: the system refused it, and
 * the executor has been reported dead. */
gboolean
lp_thread_executor_spawn (LpThreadExecutor *self, gboolean with_start)
{
  g_autofree char *name = reserve_thread (self);
  g_autoptr (GError) error = NULL;
  g_autoptr (LpThreadExecutor) held = NULL;
  GThread *thread;
  LpThreadWorker *worker;

  if (name == NULL)
    return TRUE;

  /* Held here, too: the worker may have ended, and been joined, any moment. */
  held = g_object_ref (self);
  worker = g_new0 (LpThreadWorker, 1);
  worker->executor = g_object_ref (self);
  worker->with_start = with_start;

  thread = g_thread_try_new (name, worker_main, worker, &error);
  if (thread != NULL)
    {
      spawned (self, worker, thread);
      return TRUE;
    }

  g_object_unref (self);
  g_free (worker);
  return thread_refused (self, name, with_start, error);
}
