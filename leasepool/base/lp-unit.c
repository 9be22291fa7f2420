/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-unit-private.h"

/* The value (), which is what a function gives that gives nothing. As most do, there is one for all of them: GLib takes
 * longer to make another one than a job takes. */
GVariant *
lp_unit_ref (void)
{
  static gsize unit;

  if (g_once_init_enter (&unit))
    g_once_init_leave (&unit, (gsize) g_variant_ref_sink (g_variant_new_tuple (NULL, 0)));

  return g_variant_ref ((GVariant *) unit);
}

gboolean
lp_unit_is (GVariant *value)
{
  const char *type = g_variant_get_type_string (value);

  return type[0] == '(' && type[1] == ')';
}
