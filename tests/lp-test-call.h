/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of lp_manager_run_async() and lp_manager_call_async() share: a
 * manager of one executor with one worker. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include "lp-manager-private.h"

#define PATIENCE_SECONDS ((double) LP_TEST_PATIENCE_SECONDS)
#define SHORT_SECONDS 0.05

typedef struct
{
  LpManager *manager;
  LpTestGate *gate;
} Fixture;

static inline void
add_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int left;
  int right;

  g_variant_get (lp_job_get_parameters (job), "(ii)", &left, &right);
  *result = g_variant_new ("(i)", left + right);
}

static inline void
start (Fixture *self, double cancel_grace_seconds)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();

  lp_functions_add (functions, "add", G_VARIANT_TYPE ("(ii)"), G_VARIANT_TYPE ("(i)"), add_func, NULL, NULL, NULL);
  self->manager = lp_test_start (1, "workers-per-pool", 1, "functions", lp_test_get_backend () == NULL ? functions : NULL, "max-waiters", 1000,
                                 "lease-grace-seconds", 0.0, "cancel-grace-seconds", cancel_grace_seconds, NULL);
  self->gate = lp_test_gate_new ();
}

static inline void
set_up (Fixture *self, gconstpointer data)
{
  start (self, PATIENCE_SECONDS);
}

/* A function that does not return at once has no time to. */
static inline void
set_up_short (Fixture *self, gconstpointer data)
{
  start (self, SHORT_SECONDS);
}

static inline void
tear_down (Fixture *self, gconstpointer data)
{
  lp_test_gate_open (self->gate);
  lp_test_wait_stat (self->manager, "quarantined", 0);
  lp_test_wait_stat (self->manager, "waiting", 0);
  lp_test_wait_stat (self->manager, "leased", 0);
  lp_test_finish (self->manager);
  lp_test_gate_unref (self->gate);
}

/* Each lease that was granted has been given back, as often as it was taken. */
static inline void
assert_given_back (Fixture *self, guint64 n)
{
  g_assert_cmpuint (lp_test_counter (self->manager, "acquired"), ==, n);
  g_assert_cmpuint (lp_test_counter (self->manager, "released"), ==, n);
  g_assert_cmpuint (lp_test_stat (self->manager, "leased"), ==, 0);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);
  lp_test_check (self->manager);
}

static inline void
run (Fixture *self, LpJob *job, GCancellable *cancellable, GAsyncResult **result)
{
  lp_manager_run_async (self->manager, job, NULL, cancellable, lp_test_result_cb, result);
}

/* Waits for the result and drops it. */
static inline GVariant *
finish (Fixture *self, GAsyncResult **result, GError **error)
{
  GVariant *value = lp_manager_run_finish (self->manager, lp_test_wait_result (result), error);

  g_clear_object (result);
  return value;
}

static inline void
assert_value (Fixture *self, GAsyncResult **result, int expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = finish (self, result, &error);
  int number;

  g_assert_no_error (error);
  g_variant_get (value, "(i)", &number);
  g_assert_cmpint (number, ==, expected);
}

static inline void
assert_done (Fixture *self, GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = finish (self, result, &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
}

static inline void
assert_fails (Fixture *self, GAsyncResult **result, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (finish (self, result, &error));
  g_assert_error (error, domain, code);
}

static inline void
assert_cancelled (Fixture *self, GAsyncResult **result)
{
  assert_fails (self, result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static inline gboolean
has_ended (gpointer job)
{
  return lp_job_get_ended_at (job) != 0;
}

static inline gboolean
has_one_ref (gpointer data)
{
  return g_atomic_int_get ((int *) &G_OBJECT (data)->ref_count) == 1;
}

/* Nothing keeps the object, once the thread that told of the end is through. */
static inline void
assert_let_go (gpointer object)
{
  /* Iterated meanwhile: what has been told is let go of in the context that it was told in. */
  lp_test_wait_for (has_one_ref, object, "the last reference");
  g_assert_finalize_object (G_OBJECT (object));
}

/* The job is as new: it can be run. */
static inline void
assert_runs (Fixture *self, LpJob *job)
{
  GAsyncResult *result = NULL;

  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
  run (self, job, NULL, &result);
  assert_done (self, &result);
}
