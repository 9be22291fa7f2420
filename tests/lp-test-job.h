/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of jobs share. */

#include "lp-test-gated.h"
#include "lp-test-conform.h"

#include <math.h>
#include <string.h>

#include "lp-manager-private.h"

#define SHORT_USEC ((gint64) (SHORT_SECONDS * G_USEC_PER_SEC))

static inline void
start (Fixture *self, int workers, double cancel_grace_seconds)
{
  LpManager *manager = lp_test_start (1,
                                      "workers-per-pool", workers,
                                      "cancel-grace-seconds", cancel_grace_seconds,
                                      NULL);

  fixture_init (self, manager, "job");
}

/* Long enough for any function to return in time. */
static inline void
set_up (Fixture *self, gconstpointer workers)
{
  start (self, GPOINTER_TO_INT (workers), PATIENCE_SECONDS);
}

/* A function that does not return at once has no time to. */
static inline void
set_up_short (Fixture *self, gconstpointer workers)
{
  start (self, GPOINTER_TO_INT (workers), SHORT_SECONDS);
}

static inline void
assert_value (LpJob *job, int expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);
  int value;

  g_assert_no_error (error);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  g_variant_get (result, "(i)", &value);
  g_assert_cmpint (value, ==, expected);
}

static inline void
assert_fails (LpJob *job, LpJobState state, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);

  g_assert_null (result);
  g_assert_error (error, domain, code);
  g_assert_cmpint (lp_job_get_state (job), ==, state);
}

static inline void
assert_cancelled (LpJob *job)
{
  assert_fails (job, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static inline void
assert_timed_out (LpJob *job)
{
  assert_fails (job, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

static inline void
assert_refused (LpLease *lease, LpJob *job, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, domain, code);
}

static inline gboolean
has_passed (gpointer when)
{
  return g_get_monotonic_time () > *(gint64 *) when;
}

static inline gboolean
is_set (gpointer flag)
{
  return g_atomic_int_get ((int *) flag) != 0;
}

static inline gboolean
is_running (gpointer job)
{
  return lp_job_get_state (job) == LP_JOB_STATE_RUNNING;
}

/* The function is seen at the gate before its process is heard of. */
static inline void
block_running (LpJob *job)
{
  if (!lp_test_has_processes ())
    g_assert_true (is_running (job));
  lp_test_block_for (is_running, job, "a job to run");
}

/* Keeps a worker busy until the gate is opened. */
static inline LpJob *
submit_gate_job (Fixture *self)
{
  guint n_entered = lp_test_gate_get_entered (self->gate);
  LpJob *job = lp_test_gate_job (self->gate);

  lp_test_submit (self->lease, job);
  lp_test_gate_wait_entered (self->gate, n_entered + 1);
  block_running (job);

  return job;
}

static inline void
note_consumed (gpointer flag)
{
  g_atomic_int_inc ((int *) flag);
}

#define add(name, workers, func) \
  lp_test_conform_add ("/job/" name, Fixture, GINT_TO_POINTER (workers), set_up, func, tear_down)
#define add_short(name, workers, func) \
  lp_test_conform_add ("/job/" name, Fixture, GINT_TO_POINTER (workers), set_up_short, func, tear_down)

/* Those that need a closure, or a thread that nobody can kill. */
#define add_closure(name, workers, func) \
  g_test_add ("/job/" name, Fixture, GINT_TO_POINTER (workers), set_up, func, tear_down)
#define add_short_closure(name, workers, func) \
  g_test_add ("/job/" name, Fixture, GINT_TO_POINTER (workers), set_up_short, func, tear_down)
