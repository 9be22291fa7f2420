/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The clock of the library, on a time that stands still until it is moved. It
 * takes the place of the library's own when the program is linked: what is in an
 * archive is only taken for a symbol that is missing. */

#include "config.h"

#include "model-world.h"

/* Later than the clock of the machine will ever be, so that GLib fires no source
 * that is set to a time of this one. */
#define BEGINNING (G_MAXINT64 / 4)

static gint64 now = BEGINNING;

static gint64
virtual_time (void)
{
  return now;
}

void
model_clock_reset (void)
{
  now = BEGINNING;
}

void
model_clock_advance_to (gint64 when)
{
  now = MAX (now, when);
}

#define g_get_monotonic_time virtual_time
#include "lp-clock.c"
