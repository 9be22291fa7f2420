/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-completion-private.h"

#include "lp-clock-private.h"

/* A completion is settled once, by whoever wins: the result, the error, or a
 * cancel. Settling only stores; delivering posts the callback into the context
 * of the thread that made the completion, or wakes the thread that blocks on
 * it. So a decision can be taken under the pool's mutex and told after it.
 *
 * Not a GTask: no source per result, no wake-up where the context is awake, and
 * a settled result can be taken back until its callback runs, so that a lease
 * granted to a caller that cancelled meanwhile goes to the next one at once.
 *
 * The operation owns one reference, which deliver() consumes. Cancel handlers
 * are disconnected by id, never with g_cancellable_disconnect(), which would
 * wait for a handler that may be running on this very thread. */

struct _LpCompletion
{
  GObject parent_instance;

  LpDeliveryItem item;          /* (delivery lock) */
  LpDelivery *delivery;         /* (construct-only) NULL: nobody is called */
  gpointer source_object;       /* (construct-only) (owned) (nullable) */
  gpointer tag;                 /* (construct-only) */
  GAsyncReadyCallback callback; /* (construct-only) */
  LpCompletionStepFunc step;    /* (construct-only) */
  gpointer user_data;           /* (construct-only) */
  GCancellable *cancellable;    /* (set before it is shared) */
  gulong cancel_id;             /* (lock) */
  gboolean told;                /* (lock) nothing is watched any more */
  gboolean check_cancellable;   /* (set before it is shared) */
  GList link;                   /* (lock of the operation's list) */

  GMutex lock;                  /* a leaf */
  GCond cond;
  gboolean settled;             /* (lock) */
  gboolean delivered;           /* (lock) for the blocking form */
  gboolean blocks;              /* (lock) a thread has blocked on it */
  gboolean nudged;              /* (lock) the one that blocks has something else to do */
  gboolean propagated;          /* (lock) */
  gpointer result;              /* (lock) */
  GDestroyNotify destroy;       /* (lock) */
  GError *error;                /* (lock) */
};

static void lp_completion_async_result_init (GAsyncResultIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LpCompletion, lp_completion, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_RESULT, lp_completion_async_result_init))

static void
clear_result (LpCompletion *self)
{
  if (self->result != NULL && self->destroy != NULL)
    self->destroy (self->result);

  self->result = NULL;
  g_clear_error (&self->error);
}

static void
lp_completion_finalize (GObject *object)
{
  LpCompletion *self = LP_COMPLETION (object);

  /* A result that nobody fetched is given back here. */
  clear_result (self);

  g_clear_object (&self->source_object);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->delivery, lp_delivery_unref);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);

  G_OBJECT_CLASS (lp_completion_parent_class)->finalize (object);
}

static void
lp_completion_class_init (LpCompletionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lp_completion_finalize;
}

static void
lp_completion_init (LpCompletion *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->link.data = self;
}

static gpointer
lp_completion_get_user_data (GAsyncResult *result)
{
  return LP_COMPLETION (result)->user_data;
}

static GObject *
lp_completion_get_source_object (GAsyncResult *result)
{
  LpCompletion *self = LP_COMPLETION (result);

  return self->source_object != NULL ? g_object_ref (self->source_object) : NULL;
}

static gboolean
lp_completion_is_tagged (GAsyncResult *result, gpointer tag)
{
  return LP_COMPLETION (result)->tag == tag;
}

static void
lp_completion_async_result_init (GAsyncResultIface *iface)
{
  iface->get_user_data = lp_completion_get_user_data;
  iface->get_source_object = lp_completion_get_source_object;
  iface->is_tagged = lp_completion_is_tagged;
}

static void
stop_watching (LpCompletion *self)
{
  gulong cancel_id;

  g_mutex_lock (&self->lock);
  self->told = TRUE;
  cancel_id = self->cancel_id;
  self->cancel_id = 0;
  g_mutex_unlock (&self->lock);

  if (cancel_id != 0)
    g_signal_handler_disconnect (self->cancellable, cancel_id);
}

static void
item_run (LpDeliveryItem *item)
{
  LpCompletion *self = (LpCompletion *) ((char *) item - G_STRUCT_OFFSET (LpCompletion, item));

  stop_watching (self);
  self->callback (self->source_object, G_ASYNC_RESULT (self), self->user_data);
  g_object_unref (self);
}

/* With a CALLBACK the result goes to the calling thread's thread-default
 * context; without one nobody is told, and the result is given back. */
LpCompletion *
lp_completion_new (gpointer source_object, gpointer tag, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  LpCompletion *self = g_object_new (LP_TYPE_COMPLETION, NULL);

  if (source_object != NULL)
    self->source_object = g_object_ref (source_object);
  if (cancellable != NULL)
    self->cancellable = g_object_ref (cancellable);
  self->tag = tag;
  self->callback = callback;
  self->user_data = user_data;
  self->item.run = item_run;
  if (callback != NULL)
    self->delivery = lp_delivery_ref_current ();

  return self;
}

LpCompletion *
lp_completion_new_blocking (void)
{
  return g_object_new (LP_TYPE_COMPLETION, NULL);
}

/* A step of an operation that is made of others: FUNC is called by whoever
 * delivers, on its thread, with no lock held. So the next step needs nobody's
 * main context; FUNC itself may run nothing foreign and must not block. */
LpCompletion *
lp_completion_new_step (LpCompletionStepFunc func, gpointer data)
{
  LpCompletion *self = g_object_new (LP_TYPE_COMPLETION, NULL);

  self->step = func;
  self->user_data = data;

  return self;
}

/* From here on a cancellable that is cancelled before propagate() turns a
 * result into G_IO_ERROR_CANCELLED, and the result is given back. */
void
lp_completion_set_check (LpCompletion *self)
{
  self->check_cancellable = TRUE;
}

typedef struct
{
  LpCompletion *completion;
  LpCompletionCancelFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Watch;

static void
watch_free (gpointer data, GClosure *closure)
{
  Watch *watch = data;

  if (watch->destroy != NULL)
    watch->destroy (watch->data);
  g_object_unref (watch->completion);
  g_free (watch);
}

static void
cancelled_cb (GCancellable *cancellable, gpointer data)
{
  Watch *watch = data;

  watch->func (watch->completion, watch->data);
}

/* Calls FUNC when CANCELLABLE is cancelled, at once if it is already; on the
 * thread that cancels, and possibly after the completion was settled. To be
 * called before the completion is shared, with no lock held. */
void
lp_completion_watch (LpCompletion *self, GCancellable *cancellable, LpCompletionCancelFunc func,
                     gpointer data, GDestroyNotify destroy)
{
  g_autoptr (LpCompletion) held = NULL;
  gulong cancel_id;
  gboolean told;
  Watch *watch;

  if (cancellable == NULL)
    {
      if (destroy != NULL)
        destroy (data);
      return;
    }

  watch = g_new (Watch, 1);
  *watch = (Watch) { g_object_ref (self), func, data, destroy };

  g_set_object (&self->cancellable, cancellable);
  held = g_object_ref (self);
  cancel_id = g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (cancelled_cb), watch, watch_free, 0);

  /* Cancelled before or while connecting: the handler may have been missed,
   * and being called twice does no harm. */
  if (g_cancellable_is_cancelled (cancellable))
    func (self, data);

  /* It may have been told already, on another thread. */
  g_mutex_lock (&self->lock);
  told = self->told;
  if (!told)
    self->cancel_id = cancel_id;
  g_mutex_unlock (&self->lock);

  if (told)
    g_signal_handler_disconnect (cancellable, cancel_id);
}

/* The operation drops its own reference when it is over. */
static void
wait_cancelled_cb (LpCompletion *self, gpointer message)
{
  g_object_ref (self);
  if (!lp_completion_fail (self, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, message)))
    g_object_unref (self);
}

/* CANCELLABLE ends the wait with MESSAGE, a literal; the operation goes on. As
 * lp_completion_watch() otherwise. */
void
lp_completion_watch_wait (LpCompletion *self, GCancellable *cancellable, const char *message)
{
  lp_completion_watch (self, cancellable, wait_cancelled_cb, (gpointer) message, NULL);
}

/* For the list that the operation keeps; guarded by the lock of that list. */
GList *
lp_completion_get_link (LpCompletion *self)
{
  return &self->link;
}

gboolean
lp_completion_is_settled (LpCompletion *self)
{
  gboolean settled;

  g_mutex_lock (&self->lock);
  settled = self->settled;
  g_mutex_unlock (&self->lock);

  return settled;
}

/* Stores the outcome if there is none yet; FALSE leaves RESULT to the caller.
 * May be called with locks held. */
gboolean
lp_completion_settle (LpCompletion *self, gpointer result, GDestroyNotify destroy)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !self->settled;
  if (first)
    {
      self->settled = TRUE;
      self->result = result;
      self->destroy = destroy;
    }
  g_mutex_unlock (&self->lock);

  return first;
}

/* The same with an error, which is taken in either case. */
gboolean
lp_completion_settle_error (LpCompletion *self, GError *error)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !self->settled;
  if (first)
    {
      self->settled = TRUE;
      self->error = error;
    }
  g_mutex_unlock (&self->lock);

  if (!first)
    g_error_free (error);

  return first;
}

/* Tells the outcome of a settled completion and consumes the operation's
 * reference. With no lock held. */
void
lp_completion_deliver (LpCompletion *self)
{
  gboolean blocks;

  if (self->delivery != NULL)
    {
      lp_delivery_post (self->delivery, &self->item);
      return;
    }

  stop_watching (self);
  if (self->step != NULL)
    self->step (self, self->user_data);

  /* Who blocks is woken after the lock, or would run into it. Mostly nobody does,
   * and a broadcast asks the system all the same. */
  g_mutex_lock (&self->lock);
  self->delivered = TRUE;
  blocks = self->blocks;
  g_mutex_unlock (&self->lock);
  if (blocks)
    g_cond_broadcast (&self->cond);
  g_object_unref (self);
}

gboolean
lp_completion_return (LpCompletion *self, gpointer result, GDestroyNotify destroy)
{
  if (!lp_completion_settle (self, result, destroy))
    return FALSE;

  lp_completion_deliver (self);
  return TRUE;
}

gboolean
lp_completion_fail (LpCompletion *self, GError *error)
{
  if (!lp_completion_settle_error (self, error))
    return FALSE;

  lp_completion_deliver (self);
  return TRUE;
}

/* Takes back a result that was settled and not fetched yet, putting ERROR
 * (taken) in its place; NULL if there is none. */
gpointer
lp_completion_take_back (LpCompletion *self, GError *error)
{
  gpointer result = NULL;

  g_mutex_lock (&self->lock);
  if (self->settled && !self->propagated && self->error == NULL)
    {
      result = g_steal_pointer (&self->result);
      self->error = g_steal_pointer (&error);
    }
  g_mutex_unlock (&self->lock);

  g_clear_error (&error);
  return result;
}

/* Blocks until the outcome was delivered or END (monotonic) has passed. */
gboolean
lp_completion_wait (LpCompletion *self, gint64 end)
{
  gboolean delivered;

  g_mutex_lock (&self->lock);
  self->blocks = TRUE;
  while (!self->delivered)
    {
      if (end == LP_TIME_NEVER)
        g_cond_wait (&self->cond, &self->lock);
      else if (!g_cond_wait_until (&self->cond, &self->lock, end))
        break;
    }
  delivered = self->delivered;
  g_mutex_unlock (&self->lock);

  return delivered;
}

/* The same, but FALSE when there is something else to do meanwhile; TRUE at END,
 * too. */
gboolean
lp_completion_wait_nudged (LpCompletion *self, gint64 end, gboolean *delivered)
{
  gboolean over = FALSE;
  gboolean nudged;

  g_mutex_lock (&self->lock);
  self->blocks = TRUE;
  while (!self->delivered && !self->nudged && !over)
    {
      if (end == LP_TIME_NEVER)
        g_cond_wait (&self->cond, &self->lock);
      else
        over = !g_cond_wait_until (&self->cond, &self->lock, end);
    }
  nudged = self->nudged;
  self->nudged = FALSE;
  *delivered = self->delivered;
  over |= self->delivered;
  g_mutex_unlock (&self->lock);

  return over || !nudged;
}

/* Wakes who blocks for it, if anybody does. */
void
lp_completion_nudge (LpCompletion *self)
{
  g_mutex_lock (&self->lock);
  if (!self->nudged)
    {
      self->nudged = TRUE;
      g_cond_broadcast (&self->cond);
    }
  g_mutex_unlock (&self->lock);
}

/* Hands the result to the caller, or the error. */
gpointer
lp_completion_propagate (LpCompletion *self, GError **error)
{
  gpointer result;

  if (self->check_cancellable && g_cancellable_is_cancelled (self->cancellable))
    {
      GError *cancelled = NULL;

      if (!g_cancellable_set_error_if_cancelled (self->cancellable, &cancelled))
        g_set_error_literal (&cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED, "Operation was cancelled");
      result = lp_completion_take_back (self, cancelled);
      if (result != NULL && self->destroy != NULL)
        self->destroy (result);
    }

  g_mutex_lock (&self->lock);
  self->propagated = TRUE;
  result = g_steal_pointer (&self->result);
  if (self->error != NULL)
    g_propagate_error (error, g_steal_pointer (&self->error));
  g_mutex_unlock (&self->lock);

  return result;
}

/* Whether RESULT is a completion of this operation on SOURCE_OBJECT. */
gboolean
lp_completion_is_valid (gpointer result, gpointer source_object, gpointer tag)
{
  return LP_IS_COMPLETION (result)
         && LP_COMPLETION (result)->source_object == source_object
         && LP_COMPLETION (result)->tag == tag;
}
