/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The records of a grinder and its batches. */

#include "config.h"

#include "lp-test-grinder.h"
#include "lp-test-records.h"

/* That record comes, of LEVEL, with a text like PATTERN. */
static GHashTable *
assert_record (const char *event, guint index, const char *level, const char *pattern)
{
  GHashTable *record = wait_record (event, index, pattern);

  g_assert_cmpstr (g_hash_table_lookup (record, "PRIORITY"), ==, level);
  g_assert_cmpstr (g_hash_table_lookup (record, "GLIB_DOMAIN"), ==, "batches");

  return record;
}

static void
set_up_logged (Fixture *self, const char *first_property, ...)
{
  va_list args;

  self->manager = lp_test_start (1, "log-domain", "batches", "max-waiters", 1, "lease-grace-seconds", 0.0, NULL);
  self->gate = lp_test_gate_new ();
  self->grinder = lp_grinder_new (self->manager);
  g_object_set (self->grinder, "max-wait-seconds", LONG_SECONDS, "batch-size-threshold", 2, NULL);
  va_start (args, first_property);
  g_object_set_valist (G_OBJECT (self->grinder), first_property, args);
  va_end (args);
  assert_grinder_starts (self->grinder);
}

static guint
index_of (const char *event)
{
  guint index = 0;

  g_mutex_lock (&records_lock);
  while (index < records->len
         && g_strcmp0 (g_hash_table_lookup (records->pdata[index], "LEASEPOOL_EVENT"), event) != 0)
    index++;
  g_mutex_unlock (&records_lock);

  return index;
}

static void
test_batch_starts_and_ends (void)
{
  Fixture self = { NULL };
  g_autoptr (GHashTable) started = NULL;
  g_autoptr (GHashTable) ended = NULL;

  if (!in_subprocess_with ("grinder"))
    return;

  set_up_logged (&self, "owner-prefix", "scans", NULL);
  for (int batch = 0; batch < 2; batch++)
    {
      LpJob *first = enqueued (self.grinder, lp_test_value_job (1));

      assert_job_value (enqueued (self.grinder, lp_test_value_job (2)), 2);
      assert_job_value (first, 1);
      wait_grinder_stat (self.grinder, "batches_in_flight", 0);
    }

  started = assert_record ("batch-started", 0, "7",
                           "The batch “scans-batch-1” has started with 2 items on the executor 1");
  ended = assert_record ("batch-ended", 0, "7", "The batch “scans-batch-1” has ended");
  g_assert_cmpstr (g_hash_table_lookup (started, "OWNER"), ==, "scans-batch-1");
  g_assert_cmpstr (g_hash_table_lookup (started, "EXECUTOR_SEQ"), ==, "1");
  g_assert_nonnull (g_hash_table_lookup (started, "LEASE_ID"));
  for (guint i = 0; i < 3; i++)
    {
      const char *keys[] = { "OWNER", "EXECUTOR_SEQ", "LEASE_ID" };

      g_assert_cmpstr (g_hash_table_lookup (started, keys[i]), ==, g_hash_table_lookup (ended, keys[i]));
    }
  g_assert_cmpuint (index_of ("batch-started"), <, index_of ("batch-ended"));
  g_hash_table_unref (assert_record ("batch-ended", 1, "7", "*-batch-2” has ended"));
  assert_none ("batch-started", 2);
  assert_none ("batch-refused", 0);

  tear_down (&self, NULL);
}

static void
test_batch_whose_lease_expires (void)
{
  Fixture self = { NULL };
  LpJob *first;
  LpJob *second;

  if (!in_subprocess_with ("grinder"))
    return;

  set_up_logged (&self, NULL, NULL);
  first = enqueued (self.grinder, lp_test_gate_polite_job (self.gate));
  second = enqueued (self.grinder, lp_test_gate_polite_job (self.gate));
  expire_batch_soon (self.manager, 2);
  assert_job_cancelled (second);
  assert_job_cancelled (first);
  g_hash_table_unref (assert_record ("batch-ended", 0, "7", "The batch “work-grinder-batch-1” has ended: * expired*"));

  tear_down (&self, NULL);
}

static void
test_batch_without_an_executor (void)
{
  Fixture self = { NULL };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GHashTable) refused = NULL;
  LpLease *held;
  LpLease *waited;
  LpJob *first;

  if (!in_subprocess_with ("grinder"))
    return;

  set_up_logged (&self, NULL, NULL);
  held = lp_test_acquire (self.manager, "holder");
  lp_manager_acquire_async (self.manager, NULL, NULL, lp_test_result_cb, &result);
  lp_test_wait_stat (self.manager, "waiting", 1);
  first = enqueued (self.grinder, lp_test_value_job (1));
  assert_job_error (enqueued (self.grinder, lp_test_value_job (2)), LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_QUEUE_FULL);
  assert_job_error (first, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_QUEUE_FULL);
  refused = assert_record ("batch-refused", 0, "7",
                           "The batch “work-grinder-batch-1” of 2 items got no executor: *max-waiters*");
  g_assert_cmpstr (g_hash_table_lookup (refused, "OWNER"), ==, "work-grinder-batch-1");
  g_assert_null (g_hash_table_lookup (refused, "LEASE_ID"));
  assert_none ("batch-started", 0);
  assert_none ("batch-ended", 0);

  lp_lease_release (held);
  g_assert_finalize_object (held);
  waited = lp_manager_acquire_finish (self.manager, lp_test_wait_result (&result), NULL);
  g_clear_object (&result);
  lp_lease_release (waited);
  g_assert_finalize_object (waited);
  tear_down (&self, NULL);
}

/* Told before whoever waits for the start, or the stop. */
static void
test_grinder_starts_and_stops (void)
{
  Fixture self = { NULL };
  g_autoptr (GHashTable) started = NULL;
  LpJob *job;

  if (!in_subprocess_with (""))
    return;

  set_up_logged (&self, "owner-prefix", "scans", NULL);
  g_assert_true (has_record ((gpointer) "grinder-started"));
  started = assert_record ("grinder-started", 0, "6", "The grinder of “scans” has started");
  g_assert_cmpstr (g_hash_table_lookup (started, "OWNER"), ==, "scans");
  assert_none ("grinder-stopped", 0);
  job = enqueued (self.grinder, lp_test_value_job (1));

  assert_grinder_stops (self.grinder, LP_STOP_MODE_DRAIN);
  assert_job_value (job, 1);
  g_assert_true (has_record ((gpointer) "grinder-stopped"));
  g_hash_table_unref (assert_record ("grinder-stopped", 0, "6", "The grinder of “scans” has stopped"));
  assert_grinder_stops (self.grinder, LP_STOP_MODE_DRAIN);
  assert_none ("grinder-stopped", 1);

  lp_grinder_set_owner_prefix (self.grinder, "prints");
  assert_grinder_starts (self.grinder);
  g_hash_table_unref (assert_record ("grinder-started", 1, "6", "The grinder of “prints” has started"));

  /* The batches only if somebody asks. */
  assert_none ("batch-started", 0);
  assert_none ("batch-ended", 0);
  tear_down (&self, NULL);
  g_assert_true (has_record ((gpointer) "grinder-stopped"));
}

static void
test_start_that_fails_says_nothing (void)
{
  Fixture self = { NULL };

  if (!in_subprocess_with ("grinder"))
    return;

  set_up_logged (&self, NULL, NULL);
  assert_grinder_stops (self.grinder, LP_STOP_MODE_KILL);
  lp_grinder_set_batch_size_threshold (self.grinder, 0);
  assert_start_fails (self.grinder, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  assert_none ("grinder-started", 1);
  assert_none ("grinder-stopped", 1);

  tear_down (&self, NULL);
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

  lp_test_conform_add_func ("/grinder-log/batch/starts-and-ends", test_batch_starts_and_ends);
  lp_test_conform_add_func ("/grinder-log/batch/whose-lease-expires", test_batch_whose_lease_expires);
  lp_test_conform_add_func ("/grinder-log/batch/without-an-executor", test_batch_without_an_executor);
  lp_test_conform_add_func ("/grinder-log/starts-and-stops", test_grinder_starts_and_stops);
  g_test_add_func ("/grinder-log/start-that-fails-says-nothing", test_start_that_fails_says_nothing);

  return g_test_run ();
}
