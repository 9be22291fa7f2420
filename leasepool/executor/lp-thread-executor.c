/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-thread-executor-private.h"

#include "lp-cache-line-private.h"
#include "lp-clock-private.h"
#include "lp-executor-queue-private.h"
#include "lp-lookout-private.h"
#include "lp-mutex-private.h"
#include "lp-pool-private.h"

/**
 * LpThreadExecutor:
 *
 * An executor whose workers are threads of this process.
 *
 * A thread is started when there is a job for it and the others are busy, and
 * stays until the executor is retired. One that has run out of work sleeps; where
 * the last one had work again within 20 microseconds, it looks out for some for as
 * long before. While jobs take less than 2 microseconds each, no more threads take
 * them than keep up with them; one that takes longer after all then holds up the
 * next one for up to about a quarter of the time that this has gone on, at least 200
 * microseconds and at most 2 milliseconds, and what the system adds to that. A
 * thread that has run out of such jobs takes the next one 10 microseconds later,
 * with those that have come meanwhile, where many have; but not where somebody
 * sleeps until they end, or fewer than 200 of them may wait. With a
 * worker-init-function all are started with the executor, and each calls that
 * function first. Nobody can kill a thread: one that does not return from a
 * cancelled job keeps its worker occupied, and its executor is quarantined when the
 * lease ends.
 *
 * Managers make its objects; see [property@Lp.Manager:backend].
 *
 * Since: 1.0
 */

/* How threads come and go
 *
 * Everything below is guarded by the queue lock of the base class. A thread
 * takes jobs from the queue itself; when there is none it watches whether the
 * others keep up, or looks out for one a moment, if that is worth it, where it may
 * let short ones gather, and then sleeps on `cond`. `n_woken` counts the sleepers
 * that were signalled and have not looked yet, so that a burst of submits signals
 * each sleeper once. Threads that end are joined on the service thread: stopped
 * means that nothing is left in the process. */

struct _LpThreadExecutor
{
  LpExecutor parent_instance;

  char apart[LP_CACHE_LINE];    /* every check of the type reads the above, while threads come and go */

  GCond cond;
  LpLookout lookout;
  guint n_threads;              /* started and not ending */
  guint n_unjoined;             /* started and not joined */
  guint n_idle;                 /* asleep, or woken and not running yet */
  guint n_woken;
  guint n_initialising;         /* at the start: those whose init has not ended */
  guint n_in_init;              /* inside the init function, at the start or later */
  guint last_number;            /* of a thread */
  gboolean closing;
  gboolean ready;               /* its start has succeeded */
  GError *init_error;           /* what the first failing init said */
};

typedef struct
{
  LpThreadExecutor *executor;   /* (owned) */
  GThread *thread;              /* (queue lock) stored by the spawner */
  gboolean ended;               /* (queue lock) it is about to return */
  gboolean with_start;          /* the executor is not ready before its init is done */
  guint n_jobs;
} Worker;

G_DEFINE_FINAL_TYPE (LpThreadExecutor, lp_thread_executor, LP_TYPE_EXECUTOR)

/* Whether the start of such an executor does not wait for anything. */
gboolean
lp_thread_executor_starts_at_once (const LpSettings *settings)
{
  return settings->worker_init_function == NULL;
}

static GMutex *
lock_of (LpThreadExecutor *self)
{
  return lp_executor_get_lock (LP_EXECUTOR (self));
}

static LpWatch *
watch_of (LpThreadExecutor *self)
{
  return &lp_executor_get_private (LP_EXECUTOR (self))->watch;
}

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

static gboolean lp_thread_executor_spawn (LpThreadExecutor *self, gboolean with_start);
static gboolean lp_thread_executor_kick_locked (LpExecutor *executor);

static void
joined_cb (gpointer data, gpointer more)
{
  Worker *worker = data;
  LpThreadExecutor *self = worker->executor;
  gboolean stopped;

  g_thread_join (worker->thread);

  g_mutex_lock (lock_of (self));
  self->n_unjoined--;
  stopped = self->closing && self->n_unjoined == 0;
  g_mutex_unlock (lock_of (self));

  if (stopped)
    lp_executor_report_stopped (LP_EXECUTOR (self));

  g_object_unref (self);
  g_free (worker);
}

static gboolean
begin_to_gather_locked (LpThreadExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));

  return lp_watch_jobs_are_short_locked (&priv->watch)
         && lp_gather_begin_locked (&priv->gather, (guint) priv->settings->max_queued_jobs);
}

static void
look_out_unlocked (LpThreadExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (LP_EXECUTOR (self));
  gboolean gathers = begin_to_gather_locked (self);
  gint64 usec = 0;

  g_mutex_unlock (lock_of (self));
  gathers = lp_lookout_look (&self->lookout) && gathers;
  if (gathers)
    usec = lp_gather_wait ();
  lp_mutex_lock_awake (lock_of (self));

  if (gathers)
    {
      lp_executor_take_in_locked (priv);
      lp_gather_end_locked (&priv->gather, priv->queued.length, usec);
    }
  lp_lookout_end_locked (&self->lookout);
}

/* FALSE: it is UNTIL (-1: never), and nobody has woken it. */
static gboolean
sleep_locked (LpThreadExecutor *self, gint64 until)
{
  gboolean woken = TRUE;

  /* There may be jobs, and no place for one. */
  lp_executor_close_inbox_locked (lp_executor_get_private (LP_EXECUTOR (self)));
  self->n_idle++;
  if (until < 0)
    g_cond_wait (&self->cond, lock_of (self));
  else
    woken = g_cond_wait_until (&self->cond, lock_of (self), until);
  self->n_idle--;

  /* Also if its time was over as it was signalled. */
  if (self->n_woken == 0)
    return woken;
  self->n_woken--;
  return TRUE;
}

static gboolean
is_another_awake_locked (LpThreadExecutor *self)
{
  return self->n_threads > self->n_idle + 1;
}

static gboolean
is_behind_locked (LpThreadExecutor *self)
{
  lp_executor_close_inbox_locked (lp_executor_get_private (LP_EXECUTOR (self)));
  return lp_executor_may_claim_locked (LP_EXECUTOR (self)) && lp_watch_is_behind_locked (watch_of (self));
}

/* Stays out of the jobs until the others do not keep up with them. FALSE: there are none. */
static gboolean
watch_locked (LpThreadExecutor *self)
{
  gboolean goes_on = TRUE;

  while (goes_on && !sleep_locked (self, g_get_monotonic_time () + lp_watch_get_period_locked (watch_of (self)))
         && !self->closing && !is_behind_locked (self))
    goes_on = lp_watch_next_period_locked (watch_of (self));

  lp_watch_end_locked (watch_of (self));
  return goes_on;
}

/* One job, or NULL when the thread is to end. COMES: it was not at work before. */
static LpJob *
next_job_locked (LpThreadExecutor *self, gboolean *comes)
{
  gboolean looked = FALSE, watches = TRUE;
  LpJob *job;

  while ((job = lp_executor_claim_to_run_locked (LP_EXECUTOR (self))) == NULL && !self->closing)
    {
      lp_watch_ran_out_locked (watch_of (self));
      /* Once in vain, not again before there was a job. */
      if (watches && is_another_awake_locked (self) && lp_watch_begin_locked (watch_of (self)))
        watches = watch_locked (self);
      else if (!looked && lp_lookout_begin_locked (&self->lookout, lp_clock_now ()))
        look_out_unlocked (self);
      else
        sleep_locked (self, -1);
      looked = *comes = TRUE;
    }

  return job;
}

/* The next job of a thread that has none. While a thread watches, others are not sent
 * for by who submits: each that comes sends for the next one, if it leaves jobs. */
static LpJob *
wait_for_job (LpThreadExecutor *self, gboolean comes)
{
  gboolean spawn;
  LpJob *job;

  lp_mutex_lock_awake (lock_of (self));
  job = next_job_locked (self, &comes);
  spawn = comes && job != NULL && lp_executor_may_claim_locked (LP_EXECUTOR (self))
          && lp_thread_executor_kick_locked (LP_EXECUTOR (self));
  g_mutex_unlock (lock_of (self));

  if (spawn)
    lp_thread_executor_spawn (self, FALSE);
  return job;
}

static gboolean
is_worn_out (LpThreadExecutor *self, Worker *worker)
{
  int max_jobs = lp_executor_get_settings (LP_EXECUTOR (self))->max_jobs_per_worker;

  return max_jobs > 0 && worker->n_jobs >= (guint) max_jobs;
}

static void
work (LpThreadExecutor *self, Worker *worker)
{
  int max_jobs = lp_executor_get_settings (LP_EXECUTOR (self))->max_jobs_per_worker;
  LpJob *job = NULL;

  while (!is_worn_out (self, worker))
    {
      if (job == NULL)
        job = wait_for_job (self, worker->n_jobs == 0);
      if (job == NULL)
        return;

      worker->n_jobs++;
      if (max_jobs > 0)
        {
          lp_executor_begin_claimed (LP_EXECUTOR (self), job);
          job = NULL;
        }
      else
        job = lp_executor_run_and_claim (LP_EXECUTOR (self), job);
    }
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

  g_mutex_lock (lock_of (self));
  enters = !self->closing;
  if (enters)
    self->n_in_init++;
  g_mutex_unlock (lock_of (self));

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
initialise (LpThreadExecutor *self, Worker *worker)
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

  g_mutex_lock (lock_of (self));
  self->n_in_init--;
  last = worker->with_start && end_start_locked (self, &error);
  g_mutex_unlock (lock_of (self));

  if (last && self->ready)
    lp_executor_report_ready (LP_EXECUTOR (self));
  else if (last || (failed && !worker->with_start))
    lp_executor_report_died (LP_EXECUTOR (self), error);

  return !failed;
}

static gpointer
worker_main (gpointer data)
{
  Worker *worker = data;
  LpThreadExecutor *self = worker->executor;
  gboolean replace;
  gboolean join;

  if (initialise (self, worker))
    work (self, worker);

  lp_executor_lock_queue (LP_EXECUTOR (self));
  self->n_threads--;
  worker->ended = TRUE;
  join = worker->thread != NULL;
  replace = is_worn_out (self, worker) && !self->closing
            && lp_executor_get_private (LP_EXECUTOR (self))->queued.length > 0;
  g_mutex_unlock (lock_of (self));

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

  g_mutex_lock (lock_of (self));
  if (!self->closing && self->n_threads < (guint) lp_executor_get_workers (LP_EXECUTOR (self)))
    {
      name = thread_name (self, ++self->last_number);
      self->n_threads++;
      self->n_unjoined++;
    }
  g_mutex_unlock (lock_of (self));

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
  g_mutex_unlock (lock_of (self));

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
spawned (LpThreadExecutor *self, Worker *worker, GThread *thread)
{
  gboolean join;

  g_mutex_lock (lock_of (self));
  worker->thread = thread;
  join = worker->ended;
  g_mutex_unlock (lock_of (self));

  if (join)
    lp_slot_post (lp_executor_get_private (LP_EXECUTOR (self))->slot, joined_cb, worker, NULL);
}

/* Starts one more thread if there may be one. FALSE: the system refused it, and
 * the executor has been reported dead. */
static gboolean
lp_thread_executor_spawn (LpThreadExecutor *self, gboolean with_start)
{
  g_autofree char *name = reserve_thread (self);
  g_autoptr (GError) error = NULL;
  g_autoptr (LpThreadExecutor) held = NULL;
  GThread *thread;
  Worker *worker;

  if (name == NULL)
    return TRUE;

  /* Held here, too: the worker may have ended, and been joined, any moment. */
  held = g_object_ref (self);
  worker = g_new0 (Worker, 1);
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

/* With the queue lock held. */
static gboolean
lp_thread_executor_kick_locked (LpExecutor *executor)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  guint n_coming = self->n_woken + (lp_lookout_offer_locked (&self->lookout) ? 1 : 0);

  if (n_coming >= lp_executor_get_private (executor)->queued.length)
    return FALSE;

  if (self->n_threads > self->n_idle && lp_watch_rely_locked (watch_of (self)))
    return FALSE;

  if (self->n_idle > self->n_woken)
    {
      self->n_woken++;
      /* Not when the job was queued: it may have waited for a worker that something else occupied. */
      lp_lookout_woke_locked (&self->lookout, lp_clock_now ());
      g_cond_signal (&self->cond);
      return FALSE;
    }

  return self->n_threads < (guint) lp_executor_get_workers (executor);
}

/* All threads that there may be are at work or on their way to it, or one that watches
 * is relied on. Whoever runs out of jobs looks for more before it does anything else. */
static gboolean
lp_thread_executor_is_attended_locked (LpExecutor *executor)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  int workers = lp_executor_get_private (executor)->workers;
  gboolean all = self->n_threads >= (guint) workers && self->n_idle <= self->n_woken;

  return all || (self->n_threads > self->n_idle && lp_watch_may_rely_locked (watch_of (self)));
}

static void
lp_thread_executor_wake (LpExecutor *executor)
{
  lp_thread_executor_spawn (LP_THREAD_EXECUTOR (executor), FALSE);
}

static gboolean
lp_thread_executor_is_initialising (LpExecutor *executor)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  gboolean initialising;

  g_mutex_lock (lock_of (self));
  initialising = self->n_in_init > 0;
  g_mutex_unlock (lock_of (self));

  return initialising;
}

static const LpExecutorOps thread_ops = {
  .kick_locked = lp_thread_executor_kick_locked,
  .wake = lp_thread_executor_wake,
  .holds_threads = TRUE,
  .is_initialising = lp_thread_executor_is_initialising,
  .is_attended_locked = lp_thread_executor_is_attended_locked,
};

static gboolean
lp_thread_executor_start (LpExecutor *executor, GError **error)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  int workers = lp_executor_get_workers (executor);

  if (lp_thread_executor_starts_at_once (lp_executor_get_settings (executor)))
    {
      lp_executor_report_ready (executor);
      return TRUE;
    }

  self->n_initialising = workers;
  for (int i = 0; i < workers; i++)
    if (!lp_thread_executor_spawn (self, TRUE))
      break;

  return TRUE;
}

static void
lp_thread_executor_shutdown (LpExecutor *executor, LpStopMode mode)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (executor);
  gboolean stopped;

  g_mutex_lock (lock_of (self));
  self->closing = TRUE;
  stopped = self->n_unjoined == 0;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (lock_of (self));

  if (stopped)
    lp_executor_report_stopped (executor);
}

static void
lp_thread_executor_finalize (GObject *object)
{
  LpThreadExecutor *self = LP_THREAD_EXECUTOR (object);

  g_clear_error (&self->init_error);
  g_cond_clear (&self->cond);

  G_OBJECT_CLASS (lp_thread_executor_parent_class)->finalize (object);
}

static void
lp_thread_executor_class_init (LpThreadExecutorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lp_thread_executor_finalize;

  LP_EXECUTOR_CLASS (klass)->start = lp_thread_executor_start;
  LP_EXECUTOR_CLASS (klass)->shutdown = lp_thread_executor_shutdown;
}

static void
lp_thread_executor_init (LpThreadExecutor *self)
{
  g_cond_init (&self->cond);
  lp_executor_set_ops (LP_EXECUTOR (self), &thread_ops);
}
