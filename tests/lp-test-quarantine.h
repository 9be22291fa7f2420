/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of quarantine share: jobs that are stuck at a gate; for one program at
 * a time. */

#include "lp-test.h"

#include <string.h>

#define PATIENCE_SECONDS ((double) LP_TEST_PATIENCE_SECONDS)
#define GRACE_SECONDS 0.02

/* Jobs here stay in their function until the gate is opened, whatever they are
 * told. Threads are counted by a prefix of their own. */
#define PREFIX "quar"

static inline LpManager *
start (int max_pools, int max_quarantined, int workers)
{
  return lp_test_start (max_pools,
                        "max-quarantined", max_quarantined,
                        "workers-per-pool", workers,
                        "cancel-grace-seconds", GRACE_SECONDS,
                        "lease-grace-seconds", 0.0,
                        "name-prefix", PREFIX,
                        NULL);
}

static inline void
assert_ends (LpJob *job, GIOErrorEnum code, LpJobState state)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);

  g_assert_error (error, G_IO_ERROR, (int) code);
  g_assert_null (result);
  g_assert_cmpint (lp_job_get_state (job), ==, state);
}

/* A worker of LEASE enters the gate and stays; its job ends cancelled. */
static inline void
get_stuck (LpLease *lease, LpTestGate *gate)
{
  guint n_entered = lp_test_gate_get_entered (gate);
  g_autoptr (LpJob) job = lp_test_gate_job (gate);

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, n_entered + 1);
  lp_job_cancel (job);
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
}

/* One executor gets stuck and its lease is released. */
static inline void
add_stuck_executor (LpManager *manager, LpTestGate *gate)
{
  LpLease *lease = lp_test_acquire (manager, "stuck");

  get_stuck (lease, gate);
  lp_lease_release (lease);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_finalize_object (lease);
}

static inline void
assert_counts (LpManager *manager, guint total, guint quarantined)
{
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, total);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, quarantined);
  g_assert_cmpuint (lp_manager_get_quarantined_count (manager), ==, quarantined);
  lp_test_check (manager);
}

static inline gboolean
has_no_threads (gpointer prefix)
{
  return lp_test_count_threads (prefix) == 0;
}

/* Lets them all return, and waits until nothing of them is left. */
static inline void
finish (LpManager *manager, LpTestGate *gate)
{
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  lp_test_finish (manager);
  lp_test_block_for (has_no_threads, (gpointer) PREFIX, "the end of the threads");
  lp_test_gate_unref (gate);
}

static inline gboolean
has_expired (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_EXPIRED;
}
