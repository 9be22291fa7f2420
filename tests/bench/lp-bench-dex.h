/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-bench.h"

G_BEGIN_DECLS

gboolean lp_bench_dex_init  (void);
void     lp_bench_dex_start (LpBenchSlot *slot, gpointer data);

G_END_DECLS
