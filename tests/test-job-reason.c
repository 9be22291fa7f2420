/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The error of a job that was cancelled says why. Bindings go by how its text ends, so these ends are fixed. */

#include "config.h"

#include "lp-test-grinder.h"

#define EXPIRED " because its lease expired or was revoked"
#define MANAGER_STOPPED " because the manager stopped"
#define GRINDER_STOPPED " because the grinder stopped"

/* An owner cannot look like a reason. */
#define OWNER "x" MANAGER_STOPPED

static void
assert_reason (LpJob *job, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait (job, -1, NULL, &error);

  g_assert_null (value);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
  if (!g_str_has_suffix (error->message, expected))
    g_error ("“%s” does not end with “%s”", error->message, expected);
}

typedef struct
{
  LpManager *manager;
  LpTestGate *gate;
  LpLease *lease;
  LpJob *running;
  LpJob *queued;
} Jobs;

/* One that runs and one that waits behind it. */
static void
jobs_init (Jobs *self)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;

  self->manager = lp_test_start (1, "workers-per-pool", 1, "lease-grace-seconds", 0.0, NULL);
  self->gate = lp_test_gate_new ();
  lp_request_set_owner (request, OWNER);
  lp_request_set_lease_seconds (request, LONG_SECONDS);
  self->lease = lp_manager_acquire (self->manager, request, NULL, &error);
  g_assert_no_error (error);
  self->running = lp_test_gate_polite_job (self->gate);
  self->queued = lp_test_value_job (1);
  lp_test_submit (self->lease, self->running);
  lp_test_submit (self->lease, self->queued);
  lp_test_gate_wait_entered (self->gate, 1);
}

static void
jobs_clear (Jobs *self)
{
  lp_test_gate_open (self->gate);
  g_object_unref (self->running);
  g_object_unref (self->queued);
  lp_lease_release (self->lease);
  g_assert_finalize_object (self->lease);
  lp_test_finish (self->manager);
  lp_test_gate_unref (self->gate);
}

static void
test_expiry (void)
{
  Jobs jobs;

  jobs_init (&jobs);
  g_assert_true (lp_lease_renew (jobs.lease, 0.05, NULL));
  assert_reason (jobs.queued, EXPIRED);
  assert_reason (jobs.running, EXPIRED);
  jobs_clear (&jobs);
}

static void
test_stop_of_the_manager (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  Jobs jobs;

  jobs_init (&jobs);
  lp_manager_stop_async (jobs.manager, LP_STOP_MODE_CANCEL, -1, NULL, lp_test_result_cb, &result);
  assert_reason (jobs.queued, MANAGER_STOPPED);
  assert_reason (jobs.running, MANAGER_STOPPED);
  g_assert_true (lp_manager_stop_finish (jobs.manager, lp_test_wait_result (&result), NULL));
  g_clear_object (&result);
  jobs_clear (&jobs);
}

static void
test_cancel (void)
{
  Jobs jobs;

  jobs_init (&jobs);
  lp_job_cancel (jobs.queued);
  lp_job_cancel (jobs.running);
  assert_reason (jobs.queued, " was cancelled");
  assert_reason (jobs.running, " was cancelled");
  jobs_clear (&jobs);
}

/* What runs, what waits for a worker of its executor, and what waits for an executor. */
static void
stop_a_grinder (LpStopMode mode)
{
  Fixture self = { NULL };
  LpJob *jobs[3];

  self.manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  self.gate = lp_test_gate_new ();
  self.grinder = lp_grinder_new (self.manager);
  g_object_set (self.grinder, "batch-size-threshold", 2, "max-batch-size", 2, "owner-prefix", OWNER, NULL);
  assert_grinder_starts (self.grinder);
  for (int i = 0; i < 3; i++)
    jobs[i] = enqueued (self.grinder, lp_test_gate_polite_job (self.gate));
  lp_test_gate_wait_entered (self.gate, 1);
  wait_grinder_stat (self.grinder, "items_in_flight", 2);

  assert_grinder_stops (self.grinder, mode);
  for (int i = 0; i < 3; i++)
    {
      assert_reason (jobs[i], GRINDER_STOPPED);
      g_object_unref (jobs[i]);
    }
  tear_down (&self, NULL);
}

static void
test_stop_of_the_grinder (void)
{
  stop_a_grinder (LP_STOP_MODE_CANCEL);
}

static void
test_kill_of_the_grinder (void)
{
  stop_a_grinder (LP_STOP_MODE_KILL);
}

/* The first reason stands. */
static void
test_cancel_before_a_stop (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  Jobs jobs;

  jobs_init (&jobs);
  lp_job_cancel (jobs.running);
  lp_manager_stop_async (jobs.manager, LP_STOP_MODE_CANCEL, -1, NULL, lp_test_result_cb, &result);
  assert_reason (jobs.running, "” was cancelled");
  g_assert_true (lp_manager_stop_finish (jobs.manager, lp_test_wait_result (&result), NULL));
  g_clear_object (&result);
  jobs_clear (&jobs);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/job-reason/expiry", test_expiry);
  lp_test_conform_add_func ("/job-reason/stop-of-the-manager", test_stop_of_the_manager);
  lp_test_conform_add_func ("/job-reason/cancel", test_cancel);
  lp_test_conform_add_func ("/job-reason/cancel-before-a-stop", test_cancel_before_a_stop);
  lp_test_conform_add_func ("/job-reason/stop-of-the-grinder", test_stop_of_the_grinder);
  lp_test_conform_add_func ("/job-reason/kill-of-the-grinder", test_kill_of_the_grinder);

  return g_test_run ();
}
