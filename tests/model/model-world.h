/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-pool-private.h"

/* What surrounds the core of the pool, in the hands of the driver: time, the
 * service thread, and executors. All of it on one thread. */

void     model_clock_reset        (void);
void     model_clock_advance_to   (gint64 when);

gboolean model_service_run_one    (void);
gboolean model_service_run_timer  (LpPool *pool);
guint    model_service_get_users  (void);
guint    model_service_get_posts  (void);
