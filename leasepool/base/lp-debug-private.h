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

/*
 * The environment is read at the first question and not again. Until then the
 * one word that holds the flags carries LP_DEBUG_PENDING, so that a question
 * costs one load whether or not it is the first.
 */
#define LP_DEBUG_PENDING (1u << 31)

extern guint lp_debug_flags; /* (atomic) */

guint lp_debug_load (void);

/* Whether `LP_DEBUG` names one of @flags. Any thread. */
static inline gboolean
lp_debug_enabled (LpDebugFlags flags)
{
  guint enabled = (guint) g_atomic_int_get (&lp_debug_flags);

  if (G_UNLIKELY (enabled & LP_DEBUG_PENDING))
    enabled = lp_debug_load ();

  return (enabled & flags) != 0;
}

G_END_DECLS
