/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * LpHistogram:
 *
 * Durations of the last one to two minutes. %NULL is an empty histogram: an
 * owner starts with that and the first lp_histogram_add() allocates. All times
 * are microseconds of the monotonic clock. There is no lock inside; every call
 * is made under the lock of the owner.
 */
typedef struct _LpHistogram LpHistogram;

void      lp_histogram_add        (LpHistogram       **histogram,
                                   gint64              now,
                                   gint64              duration);
void      lp_histogram_rotate     (LpHistogram        *histogram,
                                   gint64              now);
void      lp_histogram_merge      (LpHistogram       **into,
                                   const LpHistogram  *from);
GVariant *lp_histogram_to_variant (const LpHistogram  *histogram) G_GNUC_WARN_UNUSED_RESULT;
void      lp_histogram_free       (LpHistogram        *histogram);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpHistogram, lp_histogram_free)

G_END_DECLS
