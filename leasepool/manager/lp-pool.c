/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-pool-private.h"

#include "lp-defect-private.h"

/* How the pool works
 *
 * Every event (an acquire, a release, an executor that became ready, a deadline)
 * takes the mutex, changes the state, rebalances, and leaves what is to be told
 * or started in an LpActions, which lp_pool_unlock() runs. Events come from any
 * thread; those that time brings come from one timer source on the service
 * context, set to the first deadline of one heap. An event that finds deadlines
 * due handles them first, so nothing is decided by an expired state because the
 * service thread has not been scheduled yet.
 *
 * The pool holds its slots, a slot its executor and its grant; slots, grants,
 * jobs and waiters hold the pool. All of these cycles end when the executor is
 * retired, so a pool lives until its last executor, lease and job are gone. */

/* So that a burst of deadlines does not hold the mutex for all of them. */
#define DEADLINES_PER_LOCK 256

LpPool *
lp_pool_new (LpManager *manager)
{
  LpPool *self = g_new0 (LpPool, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->fork_generation = lp_fork_generation ();
  lp_back_ref_init (&self->manager, manager);
  self->listener = manager;
  g_mutex_init (&self->lock);
  self->slots = g_ptr_array_new ();
  self->free_indexes = g_array_new (FALSE, FALSE, sizeof (guint));
  self->timer_when = LP_TIME_NEVER;
  self->check_deadline.fire = lp_pool_check_due;
  self->backoff_deadline.fire = lp_pool_backoff_due;
  self->stop_deadline.fire = lp_pool_stop_due;

  return self;
}

LpPool *
lp_pool_ref (LpPool *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* Not under a lock. */
void
lp_pool_unref (LpPool *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  if (self->functions != NULL)
    lp_pool_destroy_in_owner (self, g_object_unref, self->functions);
  g_clear_pointer (&self->remote_functions, lp_remote_functions_unref);
  if (self->settings != NULL)
    lp_pool_drop_settings (self, self->settings);
  g_clear_pointer (&self->owner, lp_delivery_unref);
  lp_back_ref_clear (&self->manager);
  g_ptr_array_unref (self->slots);
  g_array_unref (self->free_indexes);
  lp_deadlines_clear (&self->deadlines);
  lp_waiters_clear (&self->waiters);
  g_clear_pointer (&self->wait_time, lp_histogram_free);
  g_clear_pointer (&self->hold_time, lp_histogram_free);
  g_clear_pointer (&self->run_time, lp_histogram_free);
  g_clear_error (&self->last_start_error);
  g_clear_error (&self->start_error);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
lp_pool_unlock (LpPool *self, LpActions *actions)
{
  if (lp_debug_enabled (LP_DEBUG_CHECK))
    lp_pool_check_locked (self);

  g_mutex_unlock (&self->lock);
  lp_actions_run (actions);
}

/* Sets the timer if the first deadline is sooner than what it is set to. One
 * that is too early costs a wake-up; so removing a deadline leaves it alone. */
static void
set_timer_locked (LpPool *self)
{
  gint64 next = lp_deadlines_next (&self->deadlines);

  if (self->timer == NULL || next >= self->timer_when
      || (LP_DEFECT (6) && self->timer_when != LP_TIME_NEVER)) /* the first one stands */
    return;

  self->timer_when = next;
  g_source_set_ready_time (self->timer, next);
}

void
lp_pool_arm_locked (LpPool *self, LpDeadline *deadline, gint64 when)
{
  lp_deadlines_set (&self->deadlines, deadline, when);
  set_timer_locked (self);
}

/* Handles what is due, up to a bound; the timer brings the rest. */
void
lp_pool_run_due_locked (LpPool *self, gint64 now, LpActions *actions)
{
  for (guint i = 0; i < DEADLINES_PER_LOCK && lp_deadlines_next (&self->deadlines) <= now; i++)
    {
      LpDeadline *deadline = lp_deadlines_pop (&self->deadlines, now);

      deadline->fire (deadline, now, actions);
    }
}

static gboolean
timer_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  LpPool *self = user_data;
  LpActions actions = LP_ACTIONS_INIT;
  gint64 now = lp_clock_now ();

  lp_pool_ref (self);

  g_mutex_lock (&self->lock);
  self->timer_when = LP_TIME_NEVER;
  g_source_set_ready_time (source, -1);
  lp_pool_run_due_locked (self, now, &actions);
  set_timer_locked (self);
  lp_pool_unlock (self, &actions);

  lp_pool_unref (self);

  return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_funcs = {
  .dispatch = timer_dispatch,
};

static gboolean
timer_callback_unused (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

/* For as long as anything can be due: from a start to the last executor. */
void
lp_pool_attach_timer_locked (LpPool *self)
{
  if (self->timer != NULL)
    return;

  self->timer = g_source_new (&timer_funcs, sizeof (GSource));
  g_source_set_static_name (self->timer, "[leasepool] deadlines");
  g_source_set_callback (self->timer, timer_callback_unused, lp_pool_ref (self), (GDestroyNotify) lp_pool_unref);
  g_source_attach (self->timer, lp_service_get_context (self->service));
  self->timer_when = LP_TIME_NEVER;
  set_timer_locked (self);
}

static void
destroy_timer (gpointer data, gpointer more)
{
  g_source_destroy (data);
  g_source_unref (data);
}

/* The run is over: the timer goes, and with it what keeps the service thread. */
void
lp_pool_drop_service (LpPool *self)
{
  LpService *service = NULL;
  GSource *timer = NULL;

  g_mutex_lock (&self->lock);
  if (self->service_due)
    {
      self->service_due = FALSE;
      timer = g_steal_pointer (&self->timer);
      service = g_steal_pointer (&self->service);
    }
  g_mutex_unlock (&self->lock);

  if (timer != NULL)
    destroy_timer (timer, NULL);
  if (service != NULL)
    lp_service_release (service);
}

/* IS_OWNER: whether the calling thread is the one that started the pool. */
static LpDelivery *
ref_owner (LpPool *self, gboolean *is_owner)
{
  LpDelivery *owner = NULL;

  g_mutex_lock (&self->lock);
  if (self->owner != NULL)
    owner = lp_delivery_ref (self->owner);
  *is_owner = g_atomic_pointer_get (&self->owner_thread) == g_thread_self ();
  g_mutex_unlock (&self->lock);

  return owner;
}

/* Whether no other thread iterates the owner context, and it is this one's own.
 * Then the context is acquired. */
static gboolean
acquire_owner (LpDelivery *owner)
{
  return lp_delivery_is_current (owner) && g_main_context_acquire (lp_delivery_get_context (owner));
}

/* Runs waiting destroy notifies if this is the owner's thread, for programs
 * that run no loop. */
void
lp_pool_reap (LpPool *self)
{
  gboolean is_owner = FALSE;
  LpDelivery *owner = lp_pool_is_forked (self) ? NULL : ref_owner (self, &is_owner);

  if (owner == NULL)
    return;

  if (is_owner && acquire_owner (owner))
    {
      lp_delivery_reap (owner);
      g_main_context_release (lp_delivery_get_context (owner));
    }
  lp_delivery_unref (owner);
}

void
lp_pool_post_owner (LpPool *self, GFunc func, gpointer data, gpointer more)
{
  gboolean is_owner;
  LpDelivery *owner = ref_owner (self, &is_owner);

  lp_delivery_post_func (owner, func, data, more);
  lp_delivery_unref (owner);
}

/* Drops SETTINGS: their functions carry user data, which belongs to the owner. */
void
lp_pool_drop_settings (LpPool *self, LpSettings *settings)
{
  if (settings->functions != NULL)
    lp_pool_destroy_in_owner (self, (GDestroyNotify) lp_settings_unref, settings);
  else
    lp_settings_unref (settings);
}

/* Calls DESTROY in the owner context, not before it is iterated again; the
 * caller is a callback in it. */
void
lp_pool_destroy_later (LpPool *self, GDestroyNotify destroy, gpointer data)
{
  LpDelivery *owner = lp_delivery_ref_current ();

  lp_delivery_post_destroy (owner, destroy, data);
  lp_delivery_unref (owner);
}

/* Calls DESTROY in the owner context: now if this is its thread, else later. A
 * pool that never ran has no owner. Not under a lock. */
void
lp_pool_destroy_in_owner (LpPool *self, GDestroyNotify destroy, gpointer data)
{
  LpDelivery *owner;
  gboolean is_owner;

  if (lp_pool_is_forked (self))
    return;

  owner = ref_owner (self, &is_owner);
  if (owner == NULL)
    destroy (data);
  else if (is_owner && acquire_owner (owner))
    {
      destroy (data);
      g_main_context_release (lp_delivery_get_context (owner));
    }
  else
    lp_delivery_post_destroy (owner, destroy, data);

  g_clear_pointer (&owner, lp_delivery_unref);
}

/* What the executor that started last says: its program may be another one than the first one's, if it was replaced
 * meanwhile. */
void
lp_pool_take_remote_functions (LpPool *self, LpRemoteFunctions *functions)
{
  g_autoptr (LpRemoteFunctions) former = NULL;

  g_mutex_lock (&self->lock);
  former = self->remote_functions;
  self->remote_functions = lp_remote_functions_ref (functions);
  g_mutex_unlock (&self->lock);
}
