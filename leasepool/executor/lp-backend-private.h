/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-backend.h"

G_BEGIN_DECLS

/* The concrete subclass of LpExecutor behind a name; %G_TYPE_INVALID and %LP_ERROR_UNSUPPORTED_BACKEND if nobody
 * provides it. Any thread.
 */
GType lp_backend_resolve                  (const char  *name,
                                           GError     **error);

/* For the type definition of LpExecutor only, which passes itself: its get_type function must not be entered again. */
void  lp_backend_register_extension_point (GType        executor_type);

G_END_DECLS
