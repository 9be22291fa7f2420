/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-watch-private.h"

/* Of several threads that take the same short jobs, each hinders the others, and who
 * submits, more than it helps: they pass the memory of queue and jobs to and fro, and
 * who submits is the slower side anyway. So a thread that runs out of short jobs while
 * others are awake does not come back for the next one. It watches: it sleeps for
 * a period after the other, is not woken for jobs, and joins at the end of one in which
 * none of the others ran out of jobs. That is so when they cannot keep up, and also
 * when a job was not short after all, whatever it does; what waits behind that waits
 * for the rest of a period and a whole one longer than it had to.
 *
 * To sleep and wake up has a price, too, most where who works has to make room for it.
 * So the longer all goes well, the longer the periods get: a job that is held up in the
 * end waits for a part of that time.
 *
 * Nobody watches for nothing: it ends with a period in which no wake-up was saved. */

gboolean
lp_watch_jobs_are_short_locked (LpWatch *self)
{
  return self->score >= LP_WATCH_ENOUGH;
}

/* One that takes longer now and then, because others had the processor, changes
 * nothing. Where nothing changes, nothing is written: who submits reads this. */
void
lp_watch_job_ended_locked (LpWatch *self, gint64 usec)
{
  if (usec >= LP_WATCH_SHORT_USEC)
    self->score -= MIN (self->score, LP_WATCH_LONG_COUNTS);
  else if (self->score < LP_WATCH_MOST)
    self->score++;
}

/* A thread has found no job. */
void
lp_watch_ran_out_locked (LpWatch *self)
{
  self->kept_up = TRUE;
}

/* For a thread that has run out of jobs, when another one is awake. TRUE: it watches. */
gboolean
lp_watch_begin_locked (LpWatch *self)
{
  if (self->watching || !lp_watch_jobs_are_short_locked (self))
    return FALSE;

  *self = (LpWatch) { .score = self->score, .watching = TRUE };
  return TRUE;
}

/* Whether one watches, so that another need not be woken. */
gboolean
lp_watch_may_rely_locked (LpWatch *self)
{
  return self->watching && lp_watch_jobs_are_short_locked (self);
}

/* There is a job, another thread is awake, and one sleeps. TRUE: that one need not be
 * woken, for one watches. */
gboolean
lp_watch_rely_locked (LpWatch *self)
{
  if (!lp_watch_may_rely_locked (self))
    return FALSE;

  self->relied_on = TRUE;
  return TRUE;
}

/* A period is over, and there is a job. TRUE: that has waited for the whole of it, or
 * others before it have. However short they are, it takes more threads, and none is to
 * stay out of the next ones: the others may be in jobs that do not end. */
gboolean
lp_watch_is_behind_locked (LpWatch *self)
{
  if (self->kept_up)
    return FALSE;

  self->score = 0;
  return TRUE;
}

/* How long the period is that begins, in microseconds. */
gint64
lp_watch_get_period_locked (LpWatch *self)
{
  return CLAMP (self->lasted_usec / LP_WATCH_PART, LP_WATCH_USEC, LP_WATCH_LONGEST_USEC);
}

/* FALSE: there is to be no other period. */
gboolean
lp_watch_next_period_locked (LpWatch *self)
{
  gboolean goes_on = self->relied_on;

  self->lasted_usec += lp_watch_get_period_locked (self);
  self->relied_on = FALSE;
  self->kept_up = FALSE;
  return goes_on;
}

void
lp_watch_end_locked (LpWatch *self)
{
  self->watching = FALSE;
}
