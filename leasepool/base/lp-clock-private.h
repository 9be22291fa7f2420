/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <glib.h>

/* Every time the pool compares comes from here, so that one place can be
 * replaced by a clock that a test moves by hand. */

#define LP_TIME_NEVER G_MAXINT64

gint64 lp_clock_now      (void);
gint64 lp_clock_add      (gint64 when, double seconds);
double lp_clock_seconds  (gint64 microseconds);
