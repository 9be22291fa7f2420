/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What LP_DEBUG shows of jobs, sizing and delivery. */

#include "config.h"

#include "lp-test-conform.h"
#include "lp-test-records.h"

/* That DEBUG record comes, and its text is like PATTERN. Returns the number of its job. */
static char *
assert_text (const char *event, guint index, const char *pattern)
{
  g_autoptr (GHashTable) record = wait_record (event, index, pattern);

  g_assert_cmpstr (g_hash_table_lookup (record, "PRIORITY"), ==, "7");
  g_assert_cmpstr (g_hash_table_lookup (record, "GLIB_DOMAIN"), ==, "leasepool");

  return g_strdup (g_hash_table_lookup (record, "JOB_ID"));
}

static void
wait_ended (LpJob *job)
{
  g_autoptr (GVariant) result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);

  g_assert_true (lp_job_get_state (job) > LP_JOB_STATE_RUNNING);
}

static void
test_job_begins_and_ends (void)
{
  LpManager *manager;
  LpLease *lease;
  g_autoptr (LpJob) value = NULL;
  g_autoptr (LpJob) failing = NULL;
  g_autofree char *begun = NULL;
  g_autofree char *ended = NULL;
  g_autofree char *other = NULL;

  if (!in_subprocess_with ("job"))
    return;

  manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  lease = lp_test_acquire (manager, "index\ner");
  value = lp_test_value_job (1);
  failing = lp_test_error_job ();
  lp_test_submit (lease, value);
  wait_ended (value);

  /* Told before whoever waits; one who asks after the end may be earlier. */
  ended = assert_text ("job-ended", 0, "The job * (value) of “index\\x0aer” on the executor 1 has succeeded after * s");
  begun = assert_text ("job-begun", 0, "The job * of “index\\x0aer” on the executor 1 has begun after * s in the queue");
  g_assert_nonnull (begun);
  g_assert_cmpstr (begun, ==, ended);

  lp_test_submit (lease, failing);
  wait_ended (failing);
  other = assert_text ("job-ended", 1, "* has failed after * s: *");
  g_assert_cmpstr (other, !=, ended);
  assert_none ("job-ended", 2);
  assert_none ("job-begun", 2);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

/* A job has one end, also if its function returns later. */
static void
test_job_ends_once (void)
{
  LpManager *manager;
  LpTestGate *gate;
  LpLease *lease;
  g_autoptr (LpJob) stuck = NULL;
  g_autoptr (LpJob) queued = NULL;

  if (!in_subprocess_with ("job"))
    return;

  manager = lp_test_start (1, "workers-per-pool", 1, "cancel-grace-seconds", 0.01, NULL);
  gate = lp_test_gate_new ();
  lease = lp_test_acquire (manager, "tester");
  stuck = lp_test_gate_job (gate);
  queued = lp_test_value_job (1);
  lp_test_submit (lease, stuck);
  lp_test_submit (lease, queued);
  lp_test_gate_wait_entered (gate, 1);

  lp_job_cancel (queued);
  wait_ended (queued);
  g_free (assert_text ("job-ended", 0, "* was cancelled before it began: *"));
  lp_job_cancel (stuck);
  wait_ended (stuck);
  g_free (assert_text ("job-ended", 1, "* was cancelled after * s: *"));

  lp_test_gate_open (gate);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
  assert_none ("job-ended", 2);
  assert_none ("job-begun", 1);
}

static void
test_command_is_named (void)
{
  const char *argv[] = { "true", NULL };
  LpManager *manager;
  LpLease *lease;
  g_autoptr (LpJob) job = NULL;

  if (!in_subprocess_with ("job"))
    return;

  manager = lp_test_start (1, NULL, NULL);
  lease = lp_test_acquire (manager, NULL);
  job = lp_job_new_for_command (argv, NULL);
  lp_test_submit (lease, job);
  wait_ended (job);
  g_free (assert_text ("job-begun", 0, "The job * (true) of “nobody in particular” *"));
  g_free (assert_text ("job-ended", 0, "The job * (true) of “nobody in particular” * has succeeded *"));

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

static void
test_desired_number_changes (void)
{
  LpManager *manager;

  if (!in_subprocess_with ("sizing"))
    return;

  manager = lp_test_start (4, "min-pools", 1, "units-per-pool", 10, "units", 15, NULL);
  g_free (assert_text ("desired-changed", 0, "The desired number of executors is 2, for 15 units; it was 0, and *"));

  lp_manager_set_units (manager, 20);
  assert_none ("desired-changed", 1);
  lp_manager_set_units (manager, 21);
  g_free (assert_text ("desired-changed", 1, "The desired number of executors is 3, for 21 units; it was 2, and *"));
  assert_none ("desired-changed", 2);

  lp_test_finish (manager);
}

static gboolean
is_past (gpointer when)
{
  return g_get_monotonic_time () > *(gint64 *) when;
}

/* Not iterating this context for a second is what is told of. */
static void
test_late_results (void)
{
  LpManager *manager;
  gint64 when;
  g_autoptr (GAsyncResult) result = NULL;
  LpLease *lease;

  if (!in_subprocess_with ("delivery"))
    return;

  manager = lp_test_start (1, NULL, NULL);
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), NULL);
  g_clear_object (&result);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  forget_records ();

  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  when = g_get_monotonic_time () + G_USEC_PER_SEC;
  lp_test_block_for (is_past, &when, "a second");
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), NULL);
  g_assert_true (has_record ((gpointer) "delivery-late"));
  g_free (assert_text ("delivery-late", 0, "1 results or notifications have waited * s for their main context"));

  g_clear_object (&result);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

/* Each of them only if it is asked for. */
static void
test_nothing_unasked (void)
{
  LpManager *manager;
  LpLease *lease;
  g_autoptr (LpJob) job = NULL;

  if (!in_subprocess_with ("lease"))
    return;

  manager = lp_test_start (4, "min-pools", 1, "units-per-pool", 1, NULL);
  lp_manager_set_units (manager, 2);
  lease = lp_test_acquire (manager, "tester");
  job = lp_test_value_job (1);
  lp_test_submit (lease, job);
  wait_ended (job);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);

  g_assert_true (has_record ((gpointer) "lease-acquired"));
  assert_none ("job-begun", 0);
  assert_none ("job-ended", 0);
  assert_none ("desired-changed", 0);
  assert_none ("delivery-late", 0);
}

/* An application may turn all DEBUG records on while it runs, and off again. */
static void
test_turned_on_while_it_runs (void)
{
  LpManager *manager;
  LpLease *lease;
  g_autoptr (LpJob) before = NULL;
  g_autoptr (LpJob) job = NULL;

  if (!in_subprocess_with (""))
    return;

  manager = lp_test_start (1, NULL);
  lease = lp_test_acquire (manager, "tester");
  before = lp_test_value_job (1);
  lp_test_submit (lease, before);
  wait_ended (before);
  assert_none ("job-ended", 0);
  assert_none ("lease-acquired", 0);

  g_log_set_debug_enabled (TRUE);
  job = lp_test_value_job (1);
  lp_test_submit (lease, job);
  wait_ended (job);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  g_log_set_debug_enabled (FALSE);
  lp_test_finish (manager);

  g_assert_true (has_record ((gpointer) "job-begun"));
  g_assert_true (has_record ((gpointer) "lease-released"));
}

int
main (int argc, char *argv[])
{
  if (g_strcmp0 (g_getenv ("LP_TEST_LOG_CHILD"), "1") != 0)
    {
      g_unsetenv ("LP_DEBUG");
      g_unsetenv ("G_MESSAGES_DEBUG");
      g_setenv ("LP_TEST_LOG_CHILD", "1", TRUE);
    }

  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/log-debug/job/begins-and-ends", test_job_begins_and_ends);
  lp_test_conform_add_func ("/log-debug/job/ends-once", test_job_ends_once);
  lp_test_conform_add_func ("/log-debug/job/command-is-named", test_command_is_named);
  lp_test_conform_add_func ("/log-debug/sizing/desired-number-changes", test_desired_number_changes);
  g_test_add_func ("/log-debug/delivery/late-results", test_late_results);
  g_test_add_func ("/log-debug/nothing-unasked", test_nothing_unasked);
  g_test_add_func ("/log-debug/turned-on-while-it-runs", test_turned_on_while_it_runs);

  return g_test_run ();
}
