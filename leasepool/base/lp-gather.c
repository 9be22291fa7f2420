/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-gather-private.h"

/* Who submits short jobs one after the other, and is told of the end of others meanwhile,
 * is the slower side: a thread that takes each the moment it comes runs out of them again
 * and again, and both want the same lock, and the same memory, for every one. So it gives
 * who submits some time alone, and then has many at once. What network cards do with
 * their interrupts is the same (Mogul, Ramakrishnan: “Eliminating receive livelock in an
 * interrupt-driven kernel”, 1997).
 *
 * Where few come in that time, or who submits sleeps until a job has ended, jobs would
 * only be late: after it was in vain it is not done for a while. The more often that was
 * so, the longer; and the less, the more often it was not. */

/* A thread has run out of short jobs, of which no more than ROOM (0: any number) may
 * wait, and looks out for more. TRUE: it is to let them gather when one comes. */
gboolean
lp_gather_begin_locked (LpGather *self, guint room)
{
  if (room > 0 && room < LP_GATHER_ROOM)
    return FALSE;
  if (self->n_rests == 0)
    return TRUE;

  self->n_rests--;
  return FALSE;
}

/* Returns how long it took, in microseconds. */
gint64
lp_gather_wait (void)
{
  gint64 began = g_get_monotonic_time ();
  gint64 usec;

  do
    {
      g_thread_yield ();
      usec = g_get_monotonic_time () - began;
    }
  while (usec < LP_GATHER_USEC);

  return usec;
}

/* One that rests already, because of another thread's jobs, is not blamed twice. */
static void
rest (LpGather *self)
{
  if (self->n_rests > 0)
    return;

  self->last_rests = CLAMP (4 * self->last_rests, LP_GATHER_RESTS, LP_GATHER_MOST_RESTS);
  self->n_rests = self->last_rests;
}

/* There are N_JOBS after USEC. */
void
lp_gather_end_locked (LpGather *self, guint n_jobs, gint64 usec)
{
  if (n_jobs < LP_GATHER_FEW || usec >= LP_GATHER_LOST_USEC)
    rest (self);
  else
    self->last_rests /= 2;
}

/* Somebody sleeps until a job has ended, which is now. */
void
lp_gather_awaited_locked (LpGather *self)
{
  rest (self);
}
