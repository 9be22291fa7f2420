/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-functions.h"

G_BEGIN_DECLS

#define LP_MODULE_REGISTER_SYMBOL "lp_module_register"

gboolean lp_module_load (const char   *name_or_path,
                         LpFunctions  *functions,
                         GError      **error);

G_END_DECLS
