/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-executor-private.h"

G_BEGIN_DECLS

gboolean lp_thread_executor_starts_at_once (const LpSettings *settings);

G_END_DECLS
