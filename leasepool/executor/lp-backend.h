/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#if !defined (LP_INSIDE) && !defined (LP_COMPILATION)
#error "Only <leasepool.h> can be included directly."
#endif

#include <gio/gio.h>
#include "lp-version-macros.h"

G_BEGIN_DECLS

/**
 * LP_EXECUTOR_EXTENSION_POINT_NAME:
 *
 * The name of the extension point where further backends are found.
 *
 * An extension is a concrete subclass of [class@Lp.Executor]; its name is the
 * name of the backend. The extension point exists as soon as the type
 * [class@Lp.Executor] does, so that a subclass can be offered right after it
 * was registered, with [func@Gio.IOExtensionPoint.implement].
 *
 * A module of GIO (see [class@Gio.IOModule]) can do that, too: a file
 * `libleasepool-backend-NAME.so` in a directory of the environment variable
 * `LP_MODULE_PATH` or in the library's own, which is the variable `moduledir`
 * of its pkg-config file. It is loaded when a backend is asked for that nobody
 * provides yet, and stays.
 *
 * Since: 1.0
 */
#define LP_EXECUTOR_EXTENSION_POINT_NAME "leasepool-executor"

LP_AVAILABLE_IN_1_0
gboolean lp_backend_is_available (const char *name);
LP_AVAILABLE_IN_1_0
char   **lp_backend_list         (void) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
