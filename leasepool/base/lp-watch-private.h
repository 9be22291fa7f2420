/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

/* How one thread of several stays out of short jobs while the others keep up with them. */

/* What counts as short, in microseconds: less than it costs to submit a job and to be told of its end, so that no
 * second worker makes one submitter faster. */
#define LP_WATCH_SHORT_USEC 2

/* A score of so many short jobs is taken for a promise of more; it gets no higher than the second. One that is not short
 * counts as so many against it. */
#define LP_WATCH_ENOUGH 16
#define LP_WATCH_MOST 32
#define LP_WATCH_LONG_COUNTS 8

/* The shortest and the longest period, in microseconds; in between it is this part of how long the watch has lasted.
 * Where the others do not keep up, a job waits for less than two periods. */
#define LP_WATCH_USEC 100
#define LP_WATCH_LONGEST_USEC 1000
#define LP_WATCH_PART 8

/* All of it is guarded by the owner's lock. */
typedef struct
{
  guint score;                  /* how surely the next jobs are short */
  gboolean watching;            /* a thread does */
  gboolean relied_on;           /* in this period a thread was not woken because of that */
  gboolean kept_up;             /* in this period a thread has run out of jobs */
  gint64 lasted_usec;           /* the periods before this one */
} LpWatch;

gboolean lp_watch_jobs_are_short_locked (LpWatch *self);
void     lp_watch_job_ended_locked   (LpWatch *self, gint64 usec);
void     lp_watch_ran_out_locked     (LpWatch *self);
gboolean lp_watch_begin_locked       (LpWatch *self);
gboolean lp_watch_may_rely_locked    (LpWatch *self);
gboolean lp_watch_rely_locked        (LpWatch *self);
gboolean lp_watch_is_behind_locked   (LpWatch *self);
gint64   lp_watch_get_period_locked  (LpWatch *self);
gboolean lp_watch_next_period_locked (LpWatch *self);
void     lp_watch_end_locked         (LpWatch *self);
