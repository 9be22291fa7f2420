/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the owner context of a grinder is told. There is one post at a time, which
 * takes all that has changed until it runs. A drain is posted whether anybody
 * listens or not: a handler that is connected before the post runs must be
 * called. */

#include "config.h"

#include "lp-grind-private.h"

typedef struct
{
  LpDeliveryItem item;
  LpDelivery *delivery;         /* (owned) */
  LpGrind *grind;               /* (owned) */
  guint owner_number;
} Post;

static void
post_run (LpDeliveryItem *item)
{
  Post *self = (Post *) item;
  LpGrind *grind = self->grind;
  g_autoptr (LpGrinder) grinder = lp_back_ref_dup (&grind->grinder);
  gboolean pending = FALSE;
  gboolean running = FALSE;
  gboolean drained = FALSE;

  /* For another owner it was posted again. */
  g_mutex_lock (&grind->lock);
  if (self->owner_number == grind->owner_number)
    {
      grind->owner_posted = FALSE;
      pending = grind->pending_changed;
      running = grind->running_changed;
      drained = grind->drained;
      grind->pending_changed = grind->running_changed = grind->drained = FALSE;
    }
  g_mutex_unlock (&grind->lock);

  if (grinder != NULL)
    lp_grinder_tell (grinder, pending, running, drained);

  lp_grind_unref (grind);
  lp_delivery_unref (self->delivery);
  g_free (self);
}

static void
post_locked (LpGrind *self)
{
  Post *post;

  if (self->owner_posted || self->listener == NULL)
    return;

  post = g_new0 (Post, 1);
  post->item.run = post_run;
  post->delivery = lp_delivery_ref (self->owner);
  post->grind = lp_grind_ref (self);
  post->owner_number = self->owner_number;
  self->owner_posted = TRUE;
  lp_delivery_post (self->owner, &post->item);
}

/* OWNER, whose reference is taken, is that of the run that begins; the caller has
 * the one before. What that has not been told yet is told here. */
void
lp_grind_take_owner_locked (LpGrind *self, LpDelivery *owner)
{
  self->owner = owner;
  self->owner_number++;
  self->owner_posted = FALSE;
  if (self->drained || self->pending_changed || self->running_changed)
    post_locked (self);
}

/* Whether a post wakes nobody: this is a callback in the owner context. */
static gboolean
is_owner_locked (LpGrind *self)
{
  return g_main_context_is_owner (lp_delivery_get_context (self->owner));
}

static gboolean
is_watched_locked (LpGrind *self)
{
  return self->listener != NULL
         && g_signal_handler_find (self->listener, G_SIGNAL_MATCH_UNBLOCKED, 0, 0, NULL, NULL, NULL) != 0;
}

void
lp_grind_pending_changed_locked (LpGrind *self)
{
  self->pending_changed = TRUE;
  if (self->pending.length == 0)
    self->drained = TRUE;

  /* To ask for handlers takes longer than one post for all that comes until it runs. */
  if (!self->owner_posted && (self->drained || is_owner_locked (self) || is_watched_locked (self)))
    post_locked (self);
}

void
lp_grind_running_changed_locked (LpGrind *self)
{
  self->running_changed = TRUE;
  if (is_watched_locked (self))
    post_locked (self);
}
