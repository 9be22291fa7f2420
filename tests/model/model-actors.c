/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What those do who acquire: each has one acquire at a time, and then its lease. */

#include "config.h"

#include "model.h"

#include <string.h>

#define LEASE_SECONDS 10.0
#define SHORT_LEASE_SECONDS 3.0
#define ACQUIRE_SECONDS 4.0

Acquire *
model_get_actor (Model *self, guint actor)
{
  return self->actors[actor % self->config.n_actors];
}

/* Whether ACQUIRE had a reason to fail as it did. */
void
model_check_error (Model *self, Acquire *acquire)
{
  const GError *error = acquire->error;
  gint64 waited = lp_clock_now () - acquire->asked_at;
  gboolean justified = FALSE;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    justified = acquire->timeout > 0 && waited >= acquire->timeout * G_USEC_PER_SEC;
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    justified = acquire->cancelled || (acquire->task != NULL && acquire->task->cancelled);
  else if (g_error_matches (error, LP_ERROR, LP_ERROR_UNAVAILABLE))
    justified = !acquire->wait || acquire->timeout == 0;
  else if (g_error_matches (error, LP_ERROR, LP_ERROR_NOT_STARTED))
    justified = !acquire->could_run || self->n_stops > acquire->n_stops_before;
  else if (g_error_matches (error, LP_ERROR, LP_ERROR_QUEUE_FULL))
    justified = acquire->was_full;
  else if (g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED))
    justified = waited >= (acquire->seconds + MODEL_LEASE_GRACE) * G_USEC_PER_SEC || self->n_stops > 0
                || (acquire->grant != NULL && acquire->state != LP_LEASE_STATE_ACTIVE);

  if (!justified)
    model_fail (self, "acquire %u ended without a reason for it: %s", acquire->id, error->message);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Acquire *acquire = user_data;
  Model *self = g_object_get_data (source, "model");

  /* One that is given back at once would be seen by nobody. */
  model_look (self);
  if (++acquire->n_told > 1)
    model_fail (self, "acquire %u was told twice", acquire->id);
  if (acquire->careless)
    return;

  acquire->lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &acquire->error);
  if (acquire->lease == NULL)
    model_check_error (self, acquire);
  else if (acquire->cancelled && lp_lease_get_state (acquire->lease) == LP_LEASE_STATE_ACTIVE)
    model_fail (self, "acquire %u was cancelled, and gave a lease", acquire->id);
}

/* One that has neither an acquire under way nor a lease may begin anew. */
static gboolean
is_free (const Acquire *acquire)
{
  return acquire == NULL || (acquire->n_told > 0 && acquire->lease == NULL);
}

/* HOW: one bit of priority, three of care, two of time-out, and one each of the
 * length of the lease and of a cancellable. NULL: not now. */
Acquire *
model_acquire_new (Model *self, guint actor, guint how)
{
  static const double timeouts[] = { -1, -1, ACQUIRE_SECONDS, 0 };
  Acquire *acquire;

  if (self->manager == NULL || !is_free (model_get_actor (self, actor)))
    return NULL;

  acquire = g_new0 (Acquire, 1);
  acquire->id = self->acquires->len + 1;
  acquire->actor = actor % self->config.n_actors;
  acquire->priority = (int) (how & 1);
  acquire->wait = (how & 0x0e) != 0;
  acquire->timeout = timeouts[(how >> 4) & 3];
  acquire->seconds = (how & 0x40) != 0 ? SHORT_LEASE_SECONDS : LEASE_SECONDS;
  acquire->careless = (how & 0xe) == 0xe;
  acquire->client = acquire->actor % 2 == 1;
  acquire->cancellable = (how & 0x80) != 0 ? g_cancellable_new () : NULL;
  acquire->asked_at = lp_clock_now ();
  acquire->could_run = lp_pool_get_state (self->pool) == LP_POOL_RUNNING;
  acquire->n_stops_before = self->n_stops;
  acquire->was_full = self->config.max_waiters > 0
                      && self->pool->waiters.n_waiters >= (guint) self->config.max_waiters;
  g_ptr_array_add (self->acquires, acquire);
  self->actors[acquire->actor] = acquire;

  return acquire;
}

LpRequest *
model_acquire_dup_request (Acquire *acquire)
{
  g_autofree char *owner = g_strdup_printf ("%u", acquire->id);
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, owner);
  lp_request_set_priority (request, acquire->priority);
  lp_request_set_wait (request, acquire->wait);
  lp_request_set_timeout (request, acquire->timeout);
  lp_request_set_lease_seconds (request, acquire->seconds);

  return request;
}

/* Whether an acquire of PRIORITY is granted at once, whatever it says of waiting. */
static gboolean
can_be_had (Model *self, int priority)
{
  LpPool *pool = self->pool;

  return pool->state == LP_POOL_RUNNING && pool->idle.length > 0 && self->config.flavour != FLAVOUR_VETTED
         && lp_deadlines_next (&pool->deadlines) > lp_clock_now () && !lp_waiters_blocks (&pool->waiters, priority);
}

gboolean
model_acquire (Model *self, guint actor, guint how)
{
  Acquire *acquire = model_acquire_new (self, actor, how);
  g_autoptr (LpRequest) request = NULL;
  gboolean at_once;

  if (acquire == NULL)
    return FALSE;

  at_once = can_be_had (self, acquire->priority);
  request = model_acquire_dup_request (acquire);
  if (acquire->client)
    g_main_context_push_thread_default (self->client);
  lp_manager_acquire_async (self->manager, request, acquire->cancellable, acquired_cb, acquire);
  if (acquire->client)
    g_main_context_pop_thread_default (self->client);

  model_look (self);
  if (at_once && acquire->grant == NULL)
    model_fail (self, "acquire %u could be had at once, and is not", acquire->id);

  return TRUE;
}

gboolean
model_cancel (Model *self, guint actor)
{
  Acquire *acquire = model_get_actor (self, actor);

  if (acquire == NULL || acquire->cancellable == NULL || acquire->cancelled || acquire->n_told > 0)
    return FALSE;

  acquire->cancelled = TRUE;
  acquire->released = TRUE;     /* what it was granted goes back */
  if (acquire->task != NULL)
    acquire->task->cancelled = TRUE;
  g_cancellable_cancel (acquire->cancellable);

  return TRUE;
}

static void
drained_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Model *self = user_data;
  LpLeaseState state = lp_lease_get_state (LP_LEASE (source));

  self->n_drains_told++;
  if (lp_lease_drain_finish (LP_LEASE (source), result, NULL) != (state == LP_LEASE_STATE_RELEASED))
    model_fail (self, "a drain was told the wrong end: the lease is in state %d", state);
}

/* HOW: released, and kept or dropped; dropped only; drained; by the id, as a
 * revocation by somebody else is. */
gboolean
model_release (Model *self, guint actor, guint how)
{
  Acquire *acquire = model_get_actor (self, actor);

  if (acquire == NULL || acquire->lease == NULL)
    return FALSE;

  acquire->released = TRUE;
  if (how % 4 == 2)
    {
      self->n_drains++;
      lp_lease_drain_async (acquire->lease, NULL, drained_cb, self);
    }
  else if (how % 4 == 3 && self->manager != NULL)
    lp_manager_release (self->manager, lp_lease_get_id (acquire->lease));
  else if (how % 4 == 0)
    lp_lease_release (acquire->lease);

  if (how % 4 == 1 || (how & 4) != 0)
    g_clear_object (&acquire->lease);

  return TRUE;
}

gboolean
model_renew (Model *self, guint actor)
{
  Acquire *acquire = model_get_actor (self, actor);
  gint64 now = lp_clock_now ();
  gboolean may, renewed;

  if (acquire == NULL || acquire->lease == NULL)
    return FALSE;

  may = lp_lease_get_state (acquire->lease) == LP_LEASE_STATE_ACTIVE && now < acquire->hard
        && lp_pool_get_state (self->pool) == LP_POOL_RUNNING;
  renewed = lp_lease_renew (acquire->lease, -1, NULL);
  if (renewed != may)
    model_fail (self, "lease %u was %s", acquire->id, renewed ? "renewed, but is over" : "not renewed");

  if (renewed)
    {
      acquire->soft = lp_clock_add (now, acquire->seconds);
      acquire->hard = lp_clock_add (acquire->soft, MODEL_LEASE_GRACE);
    }

  return TRUE;
}
