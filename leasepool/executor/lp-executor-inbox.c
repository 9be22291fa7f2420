/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The inbox of an executor: how many jobs get into its queue with one passage through the
 * lock of that. */

#include "config.h"

#include "lp-executor-queue-private.h"

#include "lp-mutex-private.h"
#include "lp-pool-private.h"

/* A thread that submits many short jobs, and one that takes them, each want the queue for
 * every job. With one lock for both they meet there all the time: each waits for the memory
 * that the other one has, and now and then sleeps until that is out of its way. So there
 * are two ends with a lock each, as in the queue of Michael and Scott (“Simple, fast, and
 * practical non-blocking and blocking concurrent queue algorithms”, 1996). Who submits puts
 * jobs into the inbox, and who takes them gets all that is in there when the queue is empty.
 *
 * That is so while the inbox is open, which is when nobody would have to be told of one more
 * job: somebody takes one in any case when the job before has returned, and nobody sleeps
 * who would have to be woken. Whoever changes that closes it, and so does everybody else who
 * wants the queue: who has the queue lock by lp_executor_lock_queue() finds all jobs in the
 * queue, and none is accepted meanwhile. While it is closed a submit goes through the queue
 * lock, wakes who is to be woken, and opens it, if it may be.
 *
 * Only who takes job after job has the lock without that, and leaves it open. */

/* A job that was accepted gets what it is known by, and its place behind those before. */
static void
append (LpExecutorPrivate *priv, GQueue *queue, LpJob *job, gint64 now)
{
  if (job->queued_at == 0)      /* else it was held */
    job->queued_at = now;
  job->number = ++priv->inbox.last_number;
  job->place = LP_PLACE_QUEUED;
  g_queue_push_tail_link (queue, &job->link);
}

/* The inbox is closed. */
void
lp_executor_append_locked (LpExecutorPrivate *priv, LpJob *job, gint64 now)
{
  append (priv, &priv->queued, job, now);
}

/* Accepts JOB from GRANT's holder. FALSE: this is for who has the queue lock to decide.
 * WATCHED: a reference of GRANT, if somebody is to see that. */
gboolean
lp_executor_put (LpExecutorPrivate *priv, LpGrant *grant, LpJob *job, gint64 now, LpGrant **watched)
{
  LpInbox *inbox = &priv->inbox;
  gboolean accepted;

  if (!g_atomic_int_get (&inbox->open))
    return FALSE;

  lp_mutex_lock_awake (&inbox->lock);
  accepted = g_atomic_int_get (&inbox->open) && g_atomic_pointer_get (&priv->grant) == grant && now < grant->hard
             && lp_job_set_queued (job);
  if (accepted)
    append (priv, &inbox->jobs, job, now);
  /* Not before: whoever wants that from now on finds the job. */
  if (accepted && g_atomic_int_get (&priv->pool->list_wanted))
    *watched = lp_grant_ref (grant);
  g_mutex_unlock (&inbox->lock);

  return accepted;
}

static void
set_open_locked (LpExecutorPrivate *priv, gboolean open)
{
  priv->inbox_open = open;
  g_atomic_int_set (&priv->inbox.open, open);
}

/* What is in there is in the queue then. */
static void
take_in (LpExecutorPrivate *priv, gboolean close)
{
  LpInbox *inbox = &priv->inbox;
  GQueue jobs;

  lp_mutex_lock_awake (&inbox->lock);
  jobs = inbox->jobs;
  g_queue_init (&inbox->jobs);
  if (close || jobs.length == 0)
    set_open_locked (priv, FALSE);
  g_mutex_unlock (&inbox->lock);

  if (jobs.length == 0)
    return;

  if (priv->queued.tail == NULL)
    priv->queued.head = jobs.head;
  else
    {
      priv->queued.tail->next = jobs.head;
      jobs.head->prev = priv->queued.tail;
    }
  priv->queued.tail = jobs.tail;
  priv->queued.length += jobs.length;
}

/* For who takes job after job, and has run out of them. If nothing was put there either
 * it is closed: who comes next has to tell somebody. */
void
lp_executor_take_in_locked (LpExecutorPrivate *priv)
{
  if (priv->inbox_open)
    take_in (priv, FALSE);
}

void
lp_executor_close_inbox_locked (LpExecutorPrivate *priv)
{
  if (priv->inbox_open)
    take_in (priv, TRUE);
}

void
lp_executor_open_inbox_locked (LpExecutorPrivate *priv)
{
  if (priv->inbox_open)
    return;

  g_mutex_lock (&priv->inbox.lock);
  set_open_locked (priv, TRUE);
  g_mutex_unlock (&priv->inbox.lock);
}

/* Takes the queue lock, with all jobs that were accepted in the queue, and none accepted
 * until it is given back. */
void
lp_executor_lock_queue (LpExecutor *self)
{
  LpExecutorPrivate *priv = lp_executor_get_private (self);

  g_mutex_lock (&priv->lock);
  lp_executor_close_inbox_locked (priv);
}
