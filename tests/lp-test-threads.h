/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests with many threads share; for one program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include <string.h>
#include <time.h>

#include "lp-lease-private.h"
#include "lp-manager-private.h"

static inline void
give_back (LpLease *lease)
{
  lp_lease_release (lease);
  g_object_unref (lease);
}

static inline guint
lookup (GVariant *stats, const char *name)
{
  guint value;

  g_assert_true (g_variant_lookup (stats, name, "u", &value));
  return value;
}

/* What holds at any moment, whoever looks; returns how many wait. */
static inline guint
check_snapshot (LpManager *manager)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  guint total = lookup (stats, "total");
  guint max_pools = lookup (stats, "max_pools");
  guint waiting = lookup (stats, "waiting");
  guint starting = lookup (stats, "starting");

  g_assert_cmpuint (total, ==, lookup (stats, "available") + lookup (stats, "leased") + starting);
  g_assert_cmpuint (total, <=, max_pools);
  g_assert_cmpuint (lookup (stats, "draining"), <=, lookup (stats, "leased"));

  /* Nobody waits for what is there or could be; the statistics show so, where an executor is not asked first. */
  lp_test_check_waiters (manager);
  if (waiting > 0 && !lp_test_has_processes ())
    {
      g_assert_cmpuint (lookup (stats, "available"), ==, 0);
      g_assert_true (total == max_pools || starting >= waiting);
    }

  return waiting;
}

static inline guint64
lookup_counter (GVariant *stats, const char *name)
{
  guint64 value;

  g_assert_true (g_variant_lookup (stats, name, "t", &value));
  return value;
}

/* What was lent is back or replaced, and the books are right. In one look:
 * surplus executors still go while time passes. One that a stop overtakes
 * before it is ready is retired without having been created. */
static inline gboolean
is_settled (gpointer data)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (data);
  guint total = lookup (stats, "total");

  return lookup (stats, "available") == total
         && total >= lookup (stats, "desired")
         && lookup (stats, "waiting") == 0
         && lookup_counter (stats, "executors_created") <= lookup_counter (stats, "executors_retired") + total;
}

/* When nobody is at it any more. */
static inline void
check_nothing_is_lost (LpManager *manager)
{
  lp_test_wait_for (is_settled, manager, "everything to be back");
}

/* The owners of dropped leases and of broken executors are named at MESSAGE:
 * here that is some thousand times. */
static inline GLogWriterOutput
log_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT"))
      return G_LOG_WRITER_HANDLED;

  return g_log_writer_default (level, fields, n_fields, user_data);
}
