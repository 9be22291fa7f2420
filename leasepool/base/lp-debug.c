/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-debug-private.h"

#include <stdio.h>

#include "lp-environment-private.h"

guint lp_debug_flags = LP_DEBUG_PENDING;

static const struct
{
  GDebugKey   key;
  const char *meaning;
} debug_table[] = {
  { { "lease",    LP_DEBUG_LEASE },    "acquires, waiters, leases and their expiry" },
  { { "job",      LP_DEBUG_JOB },      "jobs from submission to their end" },
  { { "executor", LP_DEBUG_EXECUTOR }, "executors and their workers: starts, deaths, signals, retirement" },
  { { "sizing",   LP_DEBUG_SIZING },   "the size provider, the desired count, growing and shrinking" },
  { { "delivery", LP_DEBUG_DELIVERY }, "results and notifications on their way into a caller's context" },
  { { "grinder",  LP_DEBUG_GRINDER },  "grinders and their batches" },
  { { "check",    LP_DEBUG_CHECK },    "check the pool after every change, abort if its counts are wrong (slow)" },
};

static void
print_help (void)
{
  fputs ("LP_DEBUG takes these keys, separated by commas:\n", stderr);
  for (gsize i = 0; i < G_N_ELEMENTS (debug_table); i++)
    fprintf (stderr, "  %-10s%s\n", debug_table[i].key.key, debug_table[i].meaning);
  fprintf (stderr, "  %-10s%s\n", "all", "all of these; keys beside it are then left out");
  fprintf (stderr, "  %-10s%s\n", "help", "this table");
}

static guint
parse_environment (void)
{
  const char *value = lp_environment_get ("LP_DEBUG");
  GDebugKey keys[G_N_ELEMENTS (debug_table)];

  if (value == NULL)
    return 0;

  /* GLib answers "help" itself, but with the bare names. */
  if (g_ascii_strcasecmp (value, "help") == 0)
    {
      print_help ();
      return 0;
    }

  for (gsize i = 0; i < G_N_ELEMENTS (debug_table); i++)
    keys[i] = debug_table[i].key;

  return g_parse_debug_string (value, keys, G_N_ELEMENTS (keys));
}

/* Two threads may ask first at the same time; the table is printed once all the same. */
guint
lp_debug_load (void)
{
  static gsize parsed = 0;

  if (g_once_init_enter (&parsed))
    {
      g_atomic_int_set (&lp_debug_flags, parse_environment ());
      g_once_init_leave (&parsed, 1);
    }

  return (guint) g_atomic_int_get (&lp_debug_flags);
}
