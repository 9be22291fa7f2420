/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What an acquire inside a job may wait for. Only a closure has a manager to acquire from, and closures need threads;
 * the manager may have either. */

#include "config.h"

#include "lp-test-nested.h"

#include "lp-test-conform.h"

/* --- A nested acquire --- */

typedef struct
{
  LpManager *manager;
  double timeout;
  gboolean try;
} Acquire;

static void
acquire_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Acquire *acquire = user_data;
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpLease) lease = NULL;

  lp_request_set_owner (request, "inside");
  lp_request_set_timeout (request, acquire->timeout);
  if (acquire->try)
    lease = lp_manager_try_acquire (acquire->manager, request, error);
  else
    lease = lp_manager_acquire (acquire->manager, request, NULL, error);

  if (lease == NULL)
    return;

  lp_lease_release (lease);
  *result = g_variant_new ("(i)", 1);
}

static LpJob *
submit_acquire (LpLease *lease, Acquire *acquire)
{
  LpJob *job = lp_job_new_for_func (acquire_func, acquire, NULL);

  lp_test_submit (lease, job);
  return job;
}

/* All executors are lent, so it would have to wait, perhaps for its own. */
static void
test_acquire_without_timeout (Fixture *self, gconstpointer data)
{
  LpLease *other = lp_test_acquire (self->manager, "other");
  Acquire acquire = { self->manager, -1, FALSE };
  g_autoptr (LpJob) job = submit_acquire (self->lease, &acquire);

  assert_fails (job, LP_ERROR, LP_ERROR_WOULD_DEADLOCK);
  g_assert_cmpuint (lp_test_stat (self->manager, "waiting"), ==, 0);

  lp_lease_release (other);
  g_assert_finalize_object (other);
}

static void
test_acquire_granted_at_once (Fixture *self, gconstpointer data)
{
  Acquire acquire = { self->manager, -1, FALSE };
  g_autoptr (LpJob) job = submit_acquire (self->lease, &acquire);

  assert_value (job, 1);
}

/* Threads are started at once. */
static void
test_acquire_started_at_once (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "nested");
  Acquire acquire = { manager, -1, FALSE };
  g_autoptr (LpJob) job = submit_acquire (lease, &acquire);

  assert_value (job, 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

static void
test_acquire_with_timeout_may_wait (Fixture *self, gconstpointer data)
{
  LpLease *other = lp_test_acquire (self->manager, "other");
  Acquire acquire = { self->manager, PATIENCE_SECONDS, FALSE };
  g_autoptr (LpJob) job = submit_acquire (self->lease, &acquire);

  lp_test_block_stat (self->manager, "waiting", 1);
  lp_lease_release (other);
  assert_value (job, 1);

  g_assert_finalize_object (other);
}

static void
test_acquire_times_out (Fixture *self, gconstpointer data)
{
  LpLease *other = lp_test_acquire (self->manager, "other");
  Acquire waits = { self->manager, SHORT_SECONDS, FALSE };
  Acquire tries = { self->manager, -1, TRUE };
  g_autoptr (LpJob) waiting = submit_acquire (self->lease, &waits);
  g_autoptr (LpJob) trying = submit_acquire (self->lease, &tries);

  assert_fails (waiting, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_fails (trying, LP_ERROR, LP_ERROR_UNAVAILABLE);

  lp_lease_release (other);
  g_assert_finalize_object (other);
}

/* Of another manager it may wait as it likes, whatever that one lends. */
static void
test_acquire_of_another_manager (void)
{
  LpManager *outer = lp_manager_new (LP_BACKEND_THREAD, 1);
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *holder = lp_test_acquire (manager, "holder");
  Acquire acquire = { manager, -1, FALSE };
  g_autoptr (LpJob) job = NULL;
  LpLease *lease;

  g_assert_true (lp_manager_start (outer, NULL, NULL));
  lease = lp_test_acquire (outer, "outer");
  job = submit_acquire (lease, &acquire);
  lp_test_block_stat (manager, "waiting", 1);
  lp_lease_release (holder);
  assert_value (job, 1);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  g_assert_finalize_object (holder);
  lp_test_finish (outer);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define add(name, workers, func) \
  g_test_add ("/job-nested/" name, Fixture, GINT_TO_POINTER (workers), set_up, func, tear_down)
  add ("acquire/without-time-out", 1, test_acquire_without_timeout);
  add ("acquire/granted-at-once", 1, test_acquire_granted_at_once);
  g_test_add_func ("/job-nested/acquire/started-at-once", test_acquire_started_at_once);
  add ("acquire/with-time-out-may-wait", 1, test_acquire_with_timeout_may_wait);
  add ("acquire/times-out", 1, test_acquire_times_out);
#undef add
  lp_test_conform_add_func ("/job-nested/acquire/of-another-manager", test_acquire_of_another_manager);

  return g_test_run ();
}
