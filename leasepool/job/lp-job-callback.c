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
 * made, and no worker has to. What the callback is to know is in the job: memory of its
 * own would have to come to the worker, and go back, as well.
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
 * source object, also while that is let go: it says so before it looks whether the
 * callback has run, and whoever has run that looks then whether anybody has said so. What
 * else others read is constant. */

static void
stop_watching (LpJob *self)
{
  g_autoptr (GCancellable) cancellable = NULL;

  g_mutex_lock (&self->lock);
  self->told.runs = TRUE;
  cancellable = g_steal_pointer (&self->told.cancellable);
  g_mutex_unlock (&self->lock);

  if (cancellable != NULL)
    g_signal_handler_disconnect (cancellable, self->told.cancel_id);
}

static LpJob *
job_of (LpDeliveryItem *item)
{
  return (LpJob *) ((char *) item - G_STRUCT_OFFSET (LpJob, item));
}

/* Whoever has not seen that the callback has run has the lock until it has its reference. */
static void
await_askers (LpJob *self)
{
  g_mutex_lock (&self->lock);
  g_mutex_unlock (&self->lock);
}

static void
run_item (LpDeliveryItem *item)
{
  g_autoptr (LpJob) self = job_of (item);

  if (self->told.watched)
    stop_watching (self);

  self->told.func (self->item.holds, G_ASYNC_RESULT (self), self->told.user_data);

  g_atomic_int_set (&self->told.has_run, TRUE);
  if (g_atomic_int_get (&self->told.asked))
    await_askers (self);
  lp_delivery_give_back (self->delivery, self->item.holds);
}

/* All that is touched here, or was by a worker. */
static void
fetch_item (LpDeliveryItem *item)
{
  char *job = (char *) job_of (item);

  for (gsize i = 0; i < G_STRUCT_OFFSET (LpJob, held); i += LP_CACHE_LINE)
    __builtin_prefetch (job + i, TRUE);
}

/* By who has ended the job, which was accepted, as the last thing: without a reference
 * of one's own the job may be finalized at once. */
void
lp_job_callback_tell (LpJob *self)
{
  if (!self->given)
    g_object_ref (self);
  lp_delivery_post (self->delivery, &self->item);
}

/* By who has claimed the job, before it is accepted. WATCHED: a cancellable is going to be
 * watched. */
void
lp_job_callback_attach (LpJob *self, const LpJobCallback *callback, gboolean watched)
{
  self->told = (LpJobTold) {
    .tag = callback->tag,
    .func = callback->func,
    .user_data = callback->user_data,
    .watched = watched,
  };
  if (callback->context == NULL)
    self->delivery = lp_delivery_ref_current_with (callback->source_object);
  else
    {
      g_object_ref (callback->source_object);
      self->delivery = lp_delivery_ref_context (callback->context);
    }
  self->item = (LpDeliveryItem) { .run = run_item, .fetch = fetch_item, .holds = callback->source_object };
  __atomic_store_n (&self->has_callback, TRUE, __ATOMIC_RELEASE); /* seen with the state that its accepting sets */
}

/* The job was refused. FALSE: it was cancelled before that, and the callback is to be
 * told. */
gboolean
lp_job_callback_detach (LpJob *self)
{
  gboolean detached;

  g_mutex_lock (&self->lock);
  detached = !lp_job_state_is_end (lp_job_peek_state (self));
  if (detached)
    g_atomic_int_set (&self->has_callback, FALSE);
  g_mutex_unlock (&self->lock);

  if (detached)
    {
      g_clear_pointer (&self->delivery, lp_delivery_unref);
      g_object_unref (g_steal_pointer (&self->item.holds));
    }

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
lp_job_callback_watch (LpJob *self, GCancellable *cancellable)
{
  gulong cancel_id = g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (cancelled_cb), g_object_ref (self),
                                            unref_job, 0);
  gboolean too_late;

  g_mutex_lock (&self->lock);
  too_late = self->told.runs;
  if (!too_late)
    {
      self->told.cancellable = g_object_ref (cancellable);
      self->told.cancel_id = cancel_id;
    }
  g_mutex_unlock (&self->lock);

  if (too_late)
    g_signal_handler_disconnect (cancellable, cancel_id);
  /* Cancelled before or while connecting: the handler may have been missed. */
  else if (g_cancellable_is_cancelled (cancellable))
    lp_job_cancel (self);
}

/* Others may have the job while it is submitted, and before: the callback of a submit
 * that is not decided yet may be taken back. */
static gboolean
has_callback (LpJob *self)
{
  return lp_job_peek_state (self) != LP_JOB_STATE_NEW && g_atomic_int_get (&self->has_callback);
}

/* If there is a callback, it takes over the caller's reference of the job, which lives
 * until that is told. Worth it, since to count one, and even to check that it is an
 * object, has the processors pass on what all its kind share. */
gboolean
lp_job_callback_give (LpJob *self)
{
  if (!has_callback (self))
    return FALSE;

  self->given = TRUE;
  return TRUE;
}

/* Whether who waits for the end of the job, WAITERS and the callback, sleeps until then,
 * for all that can be seen. */
gboolean
lp_job_is_awaited (LpJob *self, const GQueue *waiters)
{
  for (GList *link = waiters->head; link != NULL; link = link->next)
    if (link->data != NULL)
      return TRUE;

  return has_callback (self) && lp_delivery_is_asleep (self->delivery);
}

/* Whether its callback, unless it has run, is to be called in the context of DELIVERY. */
gboolean
lp_job_is_told_in (LpJob *self, LpDelivery *delivery)
{
  return has_callback (self) && self->delivery == delivery;
}

static gpointer
get_user_data (GAsyncResult *result)
{
  LpJob *self = LP_JOB (result);

  return has_callback (self) ? self->told.user_data : NULL;
}

static GObject *
get_source_object (GAsyncResult *result)
{
  LpJob *self = LP_JOB (result);
  GObject *source_object = NULL;

  if (!has_callback (self))
    return NULL;

  /* It is not the second reference, of which a binding would be told. */
  g_mutex_lock (&self->lock);
  g_atomic_int_set (&self->told.asked, TRUE);
  if (!g_atomic_int_get (&self->told.has_run))
    source_object = g_object_ref (self->item.holds);
  g_mutex_unlock (&self->lock);

  return source_object;
}

static gboolean
is_tagged (GAsyncResult *result, gpointer tag)
{
  LpJob *self = LP_JOB (result);

  return has_callback (self) && self->told.tag == tag;
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
         && LP_JOB (result)->item.holds == source_object
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
