/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <gio/gio.h>
#include "lp-executor.h"
#include "lp-version-macros.h"

G_BEGIN_DECLS

#define LP_TYPE_PROCESS_EXECUTOR (lp_process_executor_get_type ())

LP_AVAILABLE_IN_1_0
G_DECLARE_FINAL_TYPE (LpProcessExecutor, lp_process_executor, LP, PROCESS_EXECUTOR, LpExecutor)

G_END_DECLS
