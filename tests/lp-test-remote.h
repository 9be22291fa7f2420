/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of worker processes share that load conform-module.c. */

#include "lp-test.h"
#include "lp-test-conform.h"
#include "lp-test-proc.h"

#include <string.h>

#define PATIENCE_SECONDS ((double) LP_TEST_PATIENCE_SECONDS)

static inline LpJob *
submit_call (LpLease *lease, const char *name, GVariant *parameters)
{
  LpJob *job = lp_job_new_for_call (name, parameters);

  lp_test_submit (lease, job);
  return job;
}

static inline GVariant *
get_value (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  GVariant *value = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);

  g_assert_no_error (error);
  return value;
}

static inline GVariant *
call (LpLease *lease, const char *name, GVariant *parameters)
{
  g_autoptr (LpJob) job = submit_call (lease, name, parameters);

  return get_value (job);
}

static inline int
call_int (LpLease *lease, const char *name)
{
  g_autoptr (GVariant) value = call (lease, name, NULL);
  int number;

  g_variant_get (value, "(i)", &number);
  return number;
}

static inline char *
call_string (LpLease *lease, const char *name, GVariant *parameters)
{
  g_autoptr (GVariant) value = call (lease, name, parameters);
  char *text;

  g_variant_get (value, "(s)", &text);
  return text;
}

static inline void
assert_value (LpJob *job, int expected)
{
  g_autoptr (GVariant) value = get_value (job);
  int number;

  g_variant_get (value, "(i)", &number);
  g_assert_cmpint (number, ==, expected);
}

static inline void
finish (LpManager *manager, LpLease *lease)
{
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_finish (manager);
}

static inline void
add (const char *path, GTestFunc func)
{
  lp_test_conform_add_only (LP_BACKEND_PROCESS, path, func);
}
