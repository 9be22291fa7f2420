/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-clock-private.h"

#include <math.h>

/* Monotonic microseconds, on the scale of g_get_monotonic_time(). */
gint64
lp_clock_now (void)
{
  return g_get_monotonic_time ();
}

/* WHEN plus SECONDS, saturating: a deadline too far away to be represented is
 * one that never comes, not one in the past. */
gint64
lp_clock_add (gint64 when, double seconds)
{
  double microseconds = seconds * G_USEC_PER_SEC;

  if (when == LP_TIME_NEVER || microseconds >= (double) (LP_TIME_NEVER - when))
    return LP_TIME_NEVER;

  /* Up, so that no span is so short that it does not pass. */
  return when + (gint64) ceil (microseconds);
}

double
lp_clock_seconds (gint64 microseconds)
{
  return (double) microseconds / G_USEC_PER_SEC;
}
