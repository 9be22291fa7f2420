/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of waits inside a job share: what a job waits for inside a worker. A
 * wait that would never end fails here: those without a time-out are cancelled after
 * PATIENCE_SECONDS. */

#include "lp-test-gated.h"

static inline void
set_up (Fixture *self, gconstpointer workers)
{
  LpManager *manager = lp_test_start (2,
                                      "min-pools", 2,
                                      "workers-per-pool", GPOINTER_TO_INT (workers),
                                      "cancel-grace-seconds", SHORT_SECONDS,
                                      NULL);

  fixture_init (self, manager, "nested");
}

static inline gpointer
cancel_late_main (gpointer data)
{
  GAsyncQueue *over = ((gpointer *) data)[0];
  GCancellable *cancellable = ((gpointer *) data)[1];

  if (g_async_queue_timeout_pop (over, PATIENCE_SECONDS * G_USEC_PER_SEC) == NULL)
    g_cancellable_cancel (cancellable);

  return NULL;
}

/* lp_job_wait() without a time-out, which a silent deadlock does not survive. */
static inline GVariant *
wait_for_ever (LpJob *job, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncQueue *over = g_async_queue_new ();
  gpointer data[] = { over, cancellable };
  GThread *watchdog = g_thread_new ("watchdog", cancel_late_main, data);
  GVariant *result = lp_job_wait (job, -1, cancellable, error);

  g_async_queue_push (over, GINT_TO_POINTER (TRUE));
  g_thread_join (watchdog);
  g_async_queue_unref (over);

  return result;
}

static inline void
assert_value (LpJob *job, int expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = wait_for_ever (job, &error);
  int value;

  g_assert_no_error (error);
  g_variant_get (result, "(i)", &value);
  g_assert_cmpint (value, ==, expected);
}

static inline void
assert_fails (LpJob *job, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = wait_for_ever (job, &error);

  g_assert_null (result);
  g_assert_error (error, domain, code);
}
