/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What the files of modules that provide backends begin with, so that function modules, which may be in the same
 * directories and belong into workers, are not opened for them.
 */
#define LP_BACKEND_MODULE_PREFIX "libleasepool-backend-"

/* Loads the modules that are there and were not loaded yet. Any thread; no lock of ours may be held.
 *
 * @attempts: (nullable): where it looked, and what could not be loaded and why
 */
void lp_backend_load_modules (GString *attempts);

G_END_DECLS
