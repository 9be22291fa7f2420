/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * LpDebugFlags:
 *
 * The subjects that the environment variable `LP_DEBUG` turns on, and the
 * subjects of log records.
 */
typedef enum
{
  LP_DEBUG_LEASE    = 1 << 0,
  LP_DEBUG_JOB      = 1 << 1,
  LP_DEBUG_EXECUTOR = 1 << 2,
  LP_DEBUG_SIZING   = 1 << 3,
  LP_DEBUG_DELIVERY = 1 << 4,
  LP_DEBUG_GRINDER  = 1 << 5,
  LP_DEBUG_CHECK    = 1 << 6,
} LpDebugFlags;

/* Whether `LP_DEBUG` names one of @flags. Any thread; one load after the
 * first call in the process. */
gboolean lp_debug_enabled (LpDebugFlags flags);

G_END_DECLS
