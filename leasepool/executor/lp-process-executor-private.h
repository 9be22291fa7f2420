/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-executor-private.h"
#include "lp-process-executor.h"

G_BEGIN_DECLS

/* On the service thread, for the children. */
void     lp_process_executor_begin_batch    (LpProcessExecutor *self);
void     lp_process_executor_end_batch      (LpProcessExecutor *self);
char    *lp_process_executor_take_functions (LpProcessExecutor *self, GVariant *hello);
gboolean lp_process_executor_check_result   (LpProcessExecutor *self, LpJob *job, GVariant *result, char **declared);

G_END_DECLS
