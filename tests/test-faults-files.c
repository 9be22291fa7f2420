/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Large values go through files in memory. Here there is none to be had, for either side. */

#include "config.h"

#include "lp-test-descriptors.h"
#include "lp-test-remote.h"

#define LARGE (1024 * 1024)

static GVariant *
new_large (void)
{
  g_autofree guint8 *bytes = g_malloc0 (LARGE);

  return g_variant_new ("(@ay)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, LARGE, 1));
}

static void
assert_large_both_ways (LpLease *lease)
{
  g_autoptr (GVariant) there = call (lease, "size", new_large ());
  g_autoptr (GVariant) back = call (lease, "bytes", g_variant_new ("(t)", (guint64) LARGE));
  guint64 n;

  g_variant_get (there, "(t)", &n);
  g_assert_cmpuint (n, ==, LARGE);
  g_assert_cmpuint (g_variant_get_size (back), ==, LARGE);
}

/* What cannot go by file goes through the stream. */
static void
test_parameters (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "files");
  g_autoptr (GVariant) value = NULL;
  guint64 n;

  assert_large_both_ways (lease);
  limit_descriptors (0);
  value = call (lease, "size", new_large ());
  limit_descriptors (-1);
  g_variant_get (value, "(t)", &n);
  g_assert_cmpuint (n, ==, LARGE);

  finish (manager, lease);
}

/* One that a worker has sent is lost on its way. Its job fails, and says why; the next executor works. */
static void
test_result (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "files");
  g_autoptr (LpJob) job = lp_job_new_for_call ("bytes", g_variant_new ("(t)", (guint64) LARGE));
  g_autoptr (GError) error = NULL;

  assert_large_both_ways (lease);
  limit_descriptors (0);
  lp_test_submit (lease, job);
  g_assert_null (lp_job_wait (job, PATIENCE_SECONDS, NULL, &error));
  limit_descriptors (-1);
  g_assert_error (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "no descriptor is free"));

  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lease = lp_test_acquire (manager, "files");
  assert_large_both_ways (lease);
  finish (manager, lease);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/faults/files/parameters", test_parameters);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/faults/files/result", test_result);

  return g_test_run ();
}
