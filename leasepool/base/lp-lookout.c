/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-lookout-private.h"

/* To put a thread to sleep and to wake it costs more than a short job, and who
 * waits for that job waits for the wake-up. So a thread looks out for work before
 * it sleeps, for as long as sleeping would cost, which is never worse than twice
 * the best that could be done while it has a processor (Karlin, Li, Manasse, Owicki:
 * “Empirical studies of competitive spinning for a shared-memory multiprocessor”,
 * 1991). Where others want it, one that looks comes back later than one that is
 * woken would: jobs one at a time take longer there, many at a time do not.
 *
 * It does not do even that where it would be in vain: only when the thread that
 * ran out of work before had some again within that time. So jobs that come one
 * by one, with pauses, cost no processor time at all; and of the threads of one
 * owner one looks at a time. While it looks it lets every other thread that wants
 * the processor have it; where there is one processor it does not look. */

/* Asked once: the system reads a file for it. */
static gboolean
has_another_processor (void)
{
  static int known;             /* (atomic) 0: not yet */
  int n = g_atomic_int_get (&known);

  if (n == 0)
    {
      n = (int) g_get_num_processors ();
      g_atomic_int_set (&known, n);
    }

  return n > 1;
}

/* Notes that a thread has run out of work at NOW. TRUE: it is to look, without the
 * lock, and then to end. */
gboolean
lp_lookout_begin_locked (LpLookout *self, gint64 now)
{
  self->idle_since = now;

  if (!self->worth_it || self->looking || !has_another_processor ())
    return FALSE;

  self->looking = TRUE;
  g_atomic_int_set (&self->offered, FALSE);
  return TRUE;
}

/* TRUE: there is work. */
gboolean
lp_lookout_look (LpLookout *self)
{
  gint64 end = g_get_monotonic_time () + LP_LOOKOUT_USEC;

  do
    g_thread_yield ();
  while (!g_atomic_int_get (&self->offered) && g_get_monotonic_time () < end);

  return g_atomic_int_get (&self->offered);
}

void
lp_lookout_end_locked (LpLookout *self)
{
  self->looking = FALSE;
  self->worth_it = self->offered;
}

/* A thread that sleeps is woken for work that there is since OFFERED_AT. */
void
lp_lookout_woke_locked (LpLookout *self, gint64 offered_at)
{
  self->worth_it = offered_at - self->idle_since < LP_LOOKOUT_USEC;
}

/* There is work. TRUE: a thread looks, and sees it. */
gboolean
lp_lookout_offer_locked (LpLookout *self)
{
  if (self->looking && !self->offered)
    g_atomic_int_set (&self->offered, TRUE);

  return self->looking;
}

/* --- For a thread that polls --- */

typedef struct
{
  gboolean worth_it;            /* the last time something was there in time */
  gint64 rests_until;           /* no look begins before */
} Poller;

static GPrivate own_poller = G_PRIVATE_INIT (g_free);   /* of this thread */

static Poller *
get_poller (void)
{
  Poller *poller = g_private_get (&own_poller);

  if (poller == NULL)
    {
      poller = g_new0 (Poller, 1);
      g_private_set (&own_poller, poller);
    }

  return poller;
}

/* What is left of a time-out since BEGAN; one that never comes is negative. */
static int
time_left (int timeout_msec, gint64 began, gint64 now)
{
  return timeout_msec < 0 ? timeout_msec : (int) MAX (timeout_msec - (now - began) / 1000, 0);
}

/* Where all processors are wanted, who yields gets his back after a whole slice of
 * somebody else, milliseconds later, whereas who sleeps and is woken need not wait
 * for that: after a look that took so long there is none for a while, so that no more
 * than one slice in that while is lost. */
static int
look_at (Poller *poller, GPollFD *fds, guint n_fds, gint64 began, gint64 *now)
{
  int n_ready;

  while ((n_ready = g_poll (fds, n_fds, 0)) == 0 && *now - began < LP_LOOKOUT_POLL_USEC)
    {
      g_thread_yield ();
      *now = g_get_monotonic_time ();
    }

  if (*now - began > LP_LOOKOUT_POLL_LOST_USEC)
    poller->rests_until = *now + LP_LOOKOUT_POLL_REST_USEC;
  return n_ready;
}

/* The same as a poll function, of a main context whose thread does nothing else. What
 * it waits for goes through other processes, so it waits longer; it does so only as
 * long as that was in time. */
int
lp_lookout_poll (GPollFD *fds, guint n_fds, int timeout_msec)
{
  Poller *poller;
  gint64 began, now;
  int n_ready = 0;

  if (timeout_msec == 0 || !has_another_processor ())
    return g_poll (fds, n_fds, timeout_msec);

  poller = get_poller ();
  began = now = g_get_monotonic_time ();
  if (poller->worth_it && began >= poller->rests_until)
    n_ready = look_at (poller, fds, n_fds, began, &now);
  if (n_ready != 0)
    return n_ready;

  n_ready = g_poll (fds, n_fds, time_left (timeout_msec, began, now));
  poller->worth_it = n_ready > 0 && g_get_monotonic_time () - began < LP_LOOKOUT_POLL_USEC;
  return n_ready;
}
