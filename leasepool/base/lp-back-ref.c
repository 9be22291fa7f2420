/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-back-ref-private.h"

#include "lp-service-private.h"

void
lp_back_ref_init (LpBackRef *self, gpointer object)
{
  self->fork_generation = lp_fork_generation ();
  g_mutex_init (&self->lock);
  self->object = object;
}

/* In a forked child whoever had the lock is not there. */
static void
enter (LpBackRef *self)
{
  if (self->fork_generation != lp_fork_generation ())
    {
      self->fork_generation = lp_fork_generation ();
      g_mutex_init (&self->lock);
    }
  g_mutex_lock (&self->lock);
}

void
lp_back_ref_clear (LpBackRef *self)
{
  g_mutex_clear (&self->lock);
}

/* The object (transfer full), or NULL. No lock may be held that anybody takes who
 * has the lock of an interpreter. */
gpointer
lp_back_ref_dup (LpBackRef *self)
{
  gpointer object;

  /* Not the whole of its end can be in between: it begins with the drop. */
  enter (self);
  object = self->object != NULL ? g_object_ref (self->object) : NULL;
  g_mutex_unlock (&self->lock);

  return object;
}

/* First of all that the dispose of the object does. */
void
lp_back_ref_drop (LpBackRef *self)
{
  enter (self);
  self->object = NULL;
  g_mutex_unlock (&self->lock);
}
