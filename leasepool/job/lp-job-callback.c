/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The callback of a job's submit, which is given the job itself as the result. */

#include "config.h"

#include "lp-job-private.h"

#include "lp-cache-line-private.h"

/* A job is submitted once and ends once, so what waits for that from the start
 * needs no object beside it for the result. That object would cost more than the
 * job takes to get to a thread and back, mostly when it is finalized: each takes
 * locks of GObject that all threads share. For the same reason the executor gives
 * its reference to the callback that it tells: the job is finalized where it was
 * made, and no worker has to.
 *
 * The job has it from before it is queued: once a worker has the job, each touch of it
 * is a wait for the worker's processor. Whoever ends the job tells it, after all others,
 * if the job was accepted. Before that it is the submit's alone: one that is refused
 * takes it back, and the job is as new, or tells it if the job was cancelled meanwhile.
 * So the callback cannot run, on whatever thread, before the submit is done with what
 * the caller holds, and nothing need be held for it. A cancellable, if there is one, is
 * watched from when the job was accepted; the callback may have run by then.
 *
 * Whoever ends a job holds it until all are told; from then on the callback does,
 * until it has run. Until then it holds the source object and the cancellable as
 * well, and not longer: a job that is kept, to be asked, keeps no lease, and makes no
 * circle with what a cancellable holds. Any thread that has the job may ask for the
 * source object, also while that is let go: this is guarded by the job's lock. What
 * else others read is constant. */

struct _LpJobCallback
{
  LpDeliveryItem item;          /* (delivery lock) */
  LpJob *job;                   /* (owned) from when it is told until it has run */
  gboolean given;               /* (who ends the job) with a reference that is there already */
  gboolean watched;             /* (construct-only) there is a cancellable */
  LpDelivery *delivery;         /* (owned) until it has run */
  GObject *source_object;       /* (owned) until it has run, and compared after */
  gboolean runs;                /* (job) if it is watched */
  gboolean has_run;             /* (job) */
  gpointer tag;                 /* (construct-only) */
  GAsyncReadyCallback func;     /* (construct-only) */
  gpointer user_data;           /* (construct-only) */
  GCancellable *cancellable;    /* (job) (owned) (nullable) while it is watched */
  gulong cancel_id;             /* (job) */
};

static void
stop_watching (LpJobCallback *self)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&self->job->lock);
  self->runs = TRUE;
  cancellable = g_steal_pointer (&self->cancellable);
  g_mutex_unlock (&self->job->lock);

  if (cancellable != NULL)
    g_signal_handler_disconnect (cancellable, self->cancel_id);
}

static void
run_item (LpDeliveryItem *item)
{
  LpJobCallback *self = (LpJobCallback *) item;
  g_autoptr (LpJob) job = self->job; /* whose finalize frees SELF */

  if (self->watched)
    stop_watching (self);

  self->func (self->source_object, G_ASYNC_RESULT (job), self->user_data);

  g_mutex_lock (&job->lock);
  self->has_run = TRUE;
  g_mutex_unlock (&job->lock);
  g_object_unref (self->source_object);
  lp_delivery_unref (self->delivery);
}

static void
fetch_item (LpDeliveryItem *item)
{
  LpJobCallback *self = (LpJobCallback *) item;

  for (gsize i = 0; i < sizeof *self->job; i += LP_CACHE_LINE)
    __builtin_prefetch ((char *) self->job + i, TRUE);
}

/* By who has ended the job, which was accepted, as the last thing: without a reference
 * of one's own the job may be finalized at once. */
void
lp_job_callback_tell (LpJobCallback *self)
{
  if (!self->given)
    g_object_ref (self->job);
  lp_delivery_post (self->delivery, &self->item);
}

/* FUNC is to be called in CONTEXT (nullable: the thread-default one of this thread) when
 * JOB has ended. WATCHED: a cancellable is going to be watched. */
LpJobCallback *
lp_job_callback_new (LpJob *job, GMainContext *context, gpointer source_object, gpointer tag, gboolean watched,
                     GAsyncReadyCallback func, gpointer user_data)
{
  LpJobCallback *self = g_new (LpJobCallback, 1);

  *self = (LpJobCallback) {
    .item.run = run_item,
    .item.fetch = fetch_item,
    .job = job,
    .watched = watched,
    .delivery = context != NULL ? lp_delivery_ref_context (context) : lp_delivery_ref_current (),
    .source_object = g_object_ref (source_object),
    .tag = tag,
    .func = func,
    .user_data = user_data,
  };

  return self;
}

/* One that is not attached. */
void
lp_job_callback_free (LpJobCallback *self)
{
  lp_delivery_unref (self->delivery);
  g_object_unref (self->source_object);
  g_free (self);
}

/* By who has claimed the job, before it is accepted. */
void
lp_job_callback_attach (LpJobCallback *self)
{
  g_atomic_pointer_set (&self->job->callback, self);
}

/* The job was refused. FALSE: it was cancelled before that, and the callback is to be
 * told. */
gboolean
lp_job_callback_detach (LpJobCallback *self)
{
  LpJob *job = self->job;
  gboolean detached;

  g_mutex_lock (&job->lock);
  detached = !lp_job_state_is_end (lp_job_peek_state (job));
  if (detached)
    g_atomic_pointer_set (&job->callback, NULL);
  g_mutex_unlock (&job->lock);

  return detached;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer data)
{
  lp_job_cancel (data);
}

static void
unref_job (gpointer data, GClosure *closure)
{
  g_object_unref (data);
}

/* The job was accepted: CANCELLABLE cancels it. The caller holds the job, for the
 * callback may have run. */
void
lp_job_callback_watch (LpJobCallback *self, GCancellable *cancellable)
{
  LpJob *job = self->job;
  gulong cancel_id = g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (cancelled_cb), g_object_ref (job),
                                            unref_job, 0);
  gboolean too_late;

  g_mutex_lock (&job->lock);
  too_late = self->runs;
  if (!too_late)
    {
      self->cancellable = g_object_ref (cancellable);
      self->cancel_id = cancel_id;
    }
  g_mutex_unlock (&job->lock);

  if (too_late)
    g_signal_handler_disconnect (cancellable, cancel_id);
  /* Cancelled before or while connecting: the handler may have been missed. */
  else if (g_cancellable_is_cancelled (cancellable))
    lp_job_cancel (job);
}

/* Others may have the job while it is submitted, and before: the callback of a submit
 * that is not decided yet may be taken back. */
static LpJobCallback *
peek_callback (gpointer job)
{
  LpJob *self = LP_JOB (job);

  return lp_job_peek_state (self) != LP_JOB_STATE_NEW ? g_atomic_pointer_get (&self->callback) : NULL;
}

/* If there is a callback, it takes over the caller's reference of the job, which lives
 * until that is told. Worth it, since to count one, and even to check that it is an
 * object, has the processors pass on what all its kind share. */
gboolean
lp_job_callback_give (LpJob *self)
{
  LpJobCallback *callback = peek_callback (self);

  if (callback == NULL)
    return FALSE;

  callback->given = TRUE;
  return TRUE;
}

/* Whether who waits for the end of the job, WAITERS and the callback, sleeps until then,
 * for all that can be seen. */
gboolean
lp_job_is_awaited (LpJob *self, const GQueue *waiters)
{
  LpJobCallback *callback = peek_callback (self);

  for (GList *link = waiters->head; link != NULL; link = link->next)
    if (link->data != NULL)
      return TRUE;

  return callback != NULL && lp_delivery_is_asleep (callback->delivery);
}

/* Whether its callback, unless it has run, is to be called in the context of DELIVERY. */
gboolean
lp_job_is_told_in (LpJob *self, LpDelivery *delivery)
{
  LpJobCallback *callback = peek_callback (self);

  return callback != NULL && callback->delivery == delivery;
}

static gpointer
get_user_data (GAsyncResult *result)
{
  LpJobCallback *self = peek_callback (result);

  return self != NULL ? self->user_data : NULL;
}

static GObject *
get_source_object (GAsyncResult *result)
{
  LpJob *job = LP_JOB (result);
  LpJobCallback *self = peek_callback (job);
  GObject *source_object = NULL;

  if (self == NULL)
    return NULL;

  /* It is not the second reference, of which a binding would be told. */
  g_mutex_lock (&job->lock);
  if (!self->has_run)
    source_object = g_object_ref (self->source_object);
  g_mutex_unlock (&job->lock);

  return source_object;
}

static gboolean
is_tagged (GAsyncResult *result, gpointer tag)
{
  LpJobCallback *self = peek_callback (result);

  return self != NULL && self->tag == tag;
}

void
lp_job_async_result_init (GAsyncResultIface *iface)
{
  iface->get_user_data = get_user_data;
  iface->get_source_object = get_source_object;
  iface->is_tagged = is_tagged;
}

/* Whether RESULT is a job that FUNC of that operation was given. */
static gboolean
is_result_of (gpointer result, gpointer source_object, gpointer tag)
{
  return LP_IS_JOB (result)
         && is_tagged (result, tag)
         && peek_callback (result)->source_object == source_object
         && lp_job_state_is_end (lp_job_peek_state (result));
}

/* What FUNC of that operation on SOURCE_OBJECT fetches. Nothing of the end of a job
 * changes any more. */
GVariant *
lp_job_finish (gpointer source_object, gpointer tag, gpointer result, GError **error)
{
  LpJob *self;

  if (!is_result_of (result, source_object, tag))
    {
      g_return_val_if_fail (lp_completion_is_valid (result, source_object, tag), NULL);
      return lp_completion_propagate (result, error);
    }

  self = result;
  if (self->error == NULL)
    return lp_job_ref_result (self);

  g_propagate_error (error, g_error_copy (self->error));
  return NULL;
}
