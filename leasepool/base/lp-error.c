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
GQuark
lp_error_quark (void)
{
  /* Not G_DEFINE_QUARK(), whose variable the first callers write at the same time. */
  static gsize quark;

  if (g_once_init_enter (&quark))
    g_once_init_leave (&quark, g_quark_from_static_string ("lp-error-quark"));

  return (GQuark) quark;
}
