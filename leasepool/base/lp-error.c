/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-error.h"

/**
 * lp_error_quark:
 *
 * Gets the error domain of leasepool.
 *
 * It may be called from any thread.
 *
 * Returns: the quark of the domain
 *
 * Since: 1.0
 */
G_DEFINE_QUARK (lp-error-quark, lp_error)
