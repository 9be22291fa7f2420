/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <gio/gio.h>
#include "lp-types.h"
#include "lp-version-macros.h"

G_BEGIN_DECLS

#define LP_TYPE_WORKER (lp_worker_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpWorker, lp_worker, LP, WORKER, GObject)

LP_AVAILABLE_IN_1_0
LpWorker    *lp_worker_new           (LpFunctions *functions) G_GNUC_WARN_UNUSED_RESULT;
LP_AVAILABLE_IN_1_0
int          lp_worker_run           (LpWorker *self,
                                      GError  **error);
LP_AVAILABLE_IN_1_0
LpFunctions *lp_worker_get_functions (LpWorker *self);

G_END_DECLS
