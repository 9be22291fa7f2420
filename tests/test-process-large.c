/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Large parameters and results, in files and, through a relay, as bytes; and those
 * that are too large. */

#include "config.h"

#include "lp-test-remote.h"

#define MIB ((gsize) 1024 * 1024)
#define LARGE (lp_test_size (64, 64, 8) * MIB)

static const char * const relay[] = { "sh", "-c", "cat | \"$@\" | cat", "relay", NULL };

static GVariant *
new_bytes (gsize size)
{
  guint8 *data = g_malloc (size);
  g_autoptr (GBytes) bytes = NULL;

  for (gsize i = 0; i < size; i++)
    data[i] = i * 31;
  bytes = g_bytes_new_take (data, size);

  return g_variant_new ("(@ay)", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE));
}

static LpManager *
start_behind (const char * const *launcher, int workers)
{
  return lp_test_start (1, "workers-per-pool", workers, "worker-launcher", launcher, "cancel-grace-seconds", 0.1, NULL);
}

/* There and back, and the same. */
static void
check_echo (LpLease *lease, gsize size)
{
  g_autoptr (GVariant) parameters = g_variant_ref_sink (new_bytes (size));
  g_autoptr (GVariant) value = call (lease, "echo", parameters);

  lp_test_assert_same_bytes (value, parameters);
}

static void
check_sizes (const char * const *launcher)
{
  const gsize sizes[] = { 0, 1, 4095, 4096, 65535, 65536, MIB - 1, MIB, MIB + 1, 5 * MIB };
  LpManager *manager = start_behind (launcher, 1);
  LpLease *lease = lp_test_acquire (manager, "large");
  g_autoptr (GVariant) size = NULL;
  g_autoptr (GVariant) bytes = NULL;
  guint64 n;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    check_echo (lease, sizes[i]);

  size = call (lease, "size", new_bytes (LARGE));
  g_variant_get (size, "(t)", &n);
  g_assert_cmpuint (n, ==, LARGE);
  bytes = call (lease, "bytes", g_variant_new ("(t)", (guint64) LARGE));
  g_assert_cmpuint (g_variant_get_size (bytes), ==, LARGE);

  finish (manager, lease);
}

static void
test_direct (void)
{
  check_sizes (NULL);
}

/* It drops descriptors without an error. */
static void
test_relay (void)
{
  check_sizes (relay);
}

/* They keep each other from nothing: both directions are full at the same time. */
static void
check_many (const char * const *launcher)
{
  LpManager *manager = start_behind (launcher, 2);
  LpLease *lease = lp_test_acquire (manager, "many");
  g_autoptr (GVariant) parameters = g_variant_ref_sink (new_bytes (MIB / 2));
  LpJob *jobs[40];

  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    jobs[i] = submit_call (lease, "echo", parameters);
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      g_autoptr (GVariant) value = get_value (jobs[i]);

      lp_test_assert_same_bytes (value, parameters);
      g_object_unref (jobs[i]);
    }

  finish (manager, lease);
}

static void
test_many_direct (void)
{
  check_many (NULL);
}

static void
test_many_relay (void)
{
  check_many (relay);
}

/* --- Too large --- */

static LpManager *
start_bounded (void)
{
  return lp_test_start (1, "workers-per-pool", 1, "max-message-size", 65536, NULL);
}

/* The job that is too large has an error that says so; those around it do not care. */
static void
check_only_this_fails (const char *function, GVariant *parameters, int code)
{
  LpManager *manager = start_bounded ();
  LpLease *lease = lp_test_acquire (manager, "oversize");
  int pid = call_int (lease, "pid");
  g_autoptr (LpJob) before = submit_call (lease, "value", g_variant_new ("(i)", 1));
  g_autoptr (LpJob) large = lp_job_new_for_call (function, parameters);
  g_autoptr (LpJob) after = NULL;
  g_autoptr (GError) error = NULL;

  /* It may be refused, or fail later. */
  if (lp_lease_submit (lease, large, &error))
    g_assert_null (lp_job_wait (large, PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, LP_ERROR, code);
  g_assert_nonnull (strstr (error->message, "max-message-size"));
  after = submit_call (lease, "value", g_variant_new ("(i)", 2));

  assert_value (before, 1);
  assert_value (after, 2);
  g_assert_cmpint (call_int (lease, "pid"), ==, pid);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  g_clear_object (&large);
  finish (manager, lease);
}

static void
test_oversize_parameters (void)
{
  check_only_this_fails ("size", new_bytes (65537), LP_ERROR_INVALID_ARGUMENT);
}

static void
test_oversize_result (void)
{
  check_only_this_fails ("bytes", g_variant_new ("(t)", (guint64) 65537), LP_ERROR_FAILED);
}

/* The largest that is allowed. */
static void
test_just_fits (void)
{
  LpManager *manager = start_bounded ();
  LpLease *lease = lp_test_acquire (manager, "fits");

  check_echo (lease, 60000);
  finish (manager, lease);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("/large/direct", test_direct);
  add ("/large/relay", test_relay);
  add ("/large/many-direct", test_many_direct);
  add ("/large/many-relay", test_many_relay);
  add ("/oversize/parameters", test_oversize_parameters);
  add ("/oversize/result", test_oversize_result);
  add ("/oversize/just-fits", test_just_fits);

  return g_test_run ();
}
