/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-deadlines-private.h"

#include "lp-clock-private.h"

/* A 4-ary heap: half the levels of a binary one, and the four children share a
 * cache line, so that setting and removing cost nearly the same with ten
 * deadlines and with a hundred thousand. A new deadline is mostly the latest
 * one and stays where it was appended. */

#define ARITY 4

static inline void
place (LpDeadlines *self, guint index, LpDeadlineEntry entry)
{
  self->entries[index] = entry;
  entry.deadline->position = index + 1;
}

static void
sift_up (LpDeadlines *self, guint index, LpDeadlineEntry entry)
{
  while (index > 0)
    {
      guint parent = (index - 1) / ARITY;

      if (self->entries[parent].when <= entry.when)
        break;

      place (self, index, self->entries[parent]);
      index = parent;
    }

  place (self, index, entry);
}

static void
sift_down (LpDeadlines *self, guint index, LpDeadlineEntry entry)
{
  for (;;)
    {
      guint first = index * ARITY + 1;
      guint end = MIN (first + ARITY, self->n_entries);
      guint least = first;

      if (first >= self->n_entries)
        break;

      for (guint child = first + 1; child < end; child++)
        if (self->entries[child].when < self->entries[least].when)
          least = child;

      if (self->entries[least].when >= entry.when)
        break;

      place (self, index, self->entries[least]);
      index = least;
    }

  place (self, index, entry);
}

static void
sift (LpDeadlines *self, guint index, LpDeadlineEntry entry)
{
  if (index > 0 && self->entries[(index - 1) / ARITY].when > entry.when)
    sift_up (self, index, entry);
  else
    sift_down (self, index, entry);
}

void
lp_deadlines_clear (LpDeadlines *self)
{
  g_clear_pointer (&self->entries, g_free);
  self->n_entries = 0;
  self->n_allocated = 0;
}

/* Sets DEADLINE to WHEN, whether it was in the heap or not. A deadline that
 * never comes is kept out of the heap. */
void
lp_deadlines_set (LpDeadlines *self, LpDeadline *deadline, gint64 when)
{
  LpDeadlineEntry entry = { when, deadline };

  if (when == LP_TIME_NEVER)
    {
      lp_deadlines_remove (self, deadline);
      return;
    }

  if (deadline->position != 0)
    {
      sift (self, deadline->position - 1, entry);
      return;
    }

  if (self->n_entries == self->n_allocated)
    {
      self->n_allocated = MAX (16, self->n_allocated * 2);
      self->entries = g_renew (LpDeadlineEntry, self->entries, self->n_allocated);
    }

  self->n_entries++;
  sift_up (self, self->n_entries - 1, entry);
}

void
lp_deadlines_remove (LpDeadlines *self, LpDeadline *deadline)
{
  guint index = deadline->position;

  if (index == 0)
    return;

  deadline->position = 0;
  self->n_entries--;

  /* The last entry fills the hole. */
  if (index - 1 < self->n_entries)
    sift (self, index - 1, self->entries[self->n_entries]);
}

/* Takes one deadline out that is due at NOW, or returns NULL. */
LpDeadline *
lp_deadlines_pop (LpDeadlines *self, gint64 now)
{
  LpDeadline *deadline;

  if (lp_deadlines_next (self) > now)
    return NULL;

  deadline = self->entries[0].deadline;
  lp_deadlines_remove (self, deadline);

  return deadline;
}
