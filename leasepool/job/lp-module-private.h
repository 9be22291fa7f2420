/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-functions.h"

G_BEGIN_DECLS

#define LP_MODULE_REGISTER_SYMBOL "lp_module_register"

gboolean lp_module_load            (const char   *name_or_path,
                                    LpFunctions  *functions,
                                    GError      **error);

/* Where modules of all kinds are looked for, in that order. */
char   **lp_module_dup_directories (void) G_GNUC_WARN_UNUSED_RESULT;

/* Adds to what an error says of the search. */
void     lp_module_note_attempt    (GString      *attempts,
                                    const char   *subject,
                                    const char   *reason);

G_END_DECLS
