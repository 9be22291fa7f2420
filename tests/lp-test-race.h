/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What two threads do at the same time, many times. */

#include <glib.h>

typedef struct
{
  guint n_rounds;
  int turn;                     /* (atomic) the round both may do */
  int done;                     /* (atomic) the round the other thread has done */
  gpointer subject;             /* of this round */
  void (*act) (gpointer subject);
} Race;

static inline gpointer
race_main (gpointer data)
{
  Race *self = data;

  for (guint round = 1; round <= self->n_rounds; round++)
    {
      /* Quick to answer, but not at the cost of the other thread's time slice. */
      for (guint spins = 0; (guint) g_atomic_int_get (&self->turn) < round; spins++)
        if (spins > 20000)
          g_thread_yield ();
      self->act (self->subject);
      g_atomic_int_set (&self->done, round);
    }

  return NULL;
}

/* Now sooner, now later than the other one, and now and then surely later. */
static inline void
race_pause (Race *self)
{
  if (g_test_rand_int_range (0, 8) == 0)
    while (g_atomic_int_get (&self->done) < g_atomic_int_get (&self->turn))
      g_thread_yield ();
  else
    for (int i = g_test_rand_int_range (0, 2000); i > 0; i--)
      g_atomic_int_get (&self->done);
}

static inline void
race_begin (Race *self, guint round, gpointer subject)
{
  self->subject = subject;
  g_atomic_int_set (&self->turn, round);

  race_pause (self);
}

static inline void
race_end (Race *self, guint round)
{
  while ((guint) g_atomic_int_get (&self->done) < round)
    g_thread_yield ();
}
