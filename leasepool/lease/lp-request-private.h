/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#pragma once

#include "lp-request.h"

G_BEGIN_DECLS

/* Whether the values of @self, %NULL for all defaults, obey their rules. If not: %LP_ERROR_INVALID_ARGUMENT with a
 * message that names the property, its value and the rule. In the thread of the acquire, before the values are copied.
 */
gboolean lp_request_validate (LpRequest  *self,
                              GError    **error);

G_END_DECLS
