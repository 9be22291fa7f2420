/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How starts that fail are put off. */

#include "config.h"

#include "lp-test-sizing.h"

#define PATIENCE_SECONDS ((double) LP_TEST_PATIENCE_SECONDS)

/* Starts that fail */

/* The half of the library's first wait, to stay clear of its rounding. */
#define FIRST_BACKOFF_USEC 50000

static LpRequest *
request_within (double timeout)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, "waiter");
  lp_request_set_timeout (request, timeout);

  return request;
}

static void
test_backoff_recovers (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 3, "check-interval", 1000);
  GArray *retired = watch_retired (manager);
  g_autofree char *text = NULL;

  g_atomic_int_set (&n_to_fail, 3);
  lp_manager_set_units (manager, 20);
  lp_test_wait_stat (manager, "available", 2);

  /* One try, three more, each after twice the time; nothing in between. */
  g_assert_cmpint (g_atomic_int_get (&n_starts), ==, 1 + 4);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (start_times[2 + i] - start_times[1 + i], >=, FIRST_BACKOFF_USEC << i);

  g_assert_cmpuint (count_logged ("executor-start-failed"), ==, 3);
  text = dup_logged ("executor-start-failed");
  assert_contains (text, "not today");
  for (guint i = 1; i <= 3; i++)
    g_assert_cmpint (wait_retired (retired, i)->reason, ==, LP_RETIRE_REASON_START_FAILED);

  finish (manager, retired);
}

/* What the record of a failed start says of the next one. */
static double
next_start_in (void)
{
  g_autofree char *text = dup_logged ("executor-start-failed");
  g_autoptr (GRegex) regex = g_regex_new ("in ([0-9]+\\.[0-9]+) s", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *number = NULL;

  g_assert_nonnull (text);
  g_assert_true (g_regex_match (regex, text, 0, &match));
  number = g_match_info_fetch (match, 1);

  return g_ascii_strtod (number, NULL);
}

/* After an executor that started has been of use, the next failure is a first
 * one again. */
static void
test_backoff_starts_anew_after_success (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 3, "check-interval", 1000);
  LpLease *leases[2];
  double second;

  g_atomic_int_set (&n_to_fail, 2);
  lp_manager_set_units (manager, 20);
  lp_test_wait_stat (manager, "available", 2);
  second = next_start_in ();

  acquire_all (manager, leases, 2);
  give_back (leases[0]);
  give_back (leases[1]);

  g_atomic_int_set (&n_to_fail, 1);
  lp_manager_set_units (manager, 30);
  lp_test_wait_stat (manager, "available", 3);
  g_assert_cmpfloat (next_start_in (), <, second);

  finish (manager, NULL);
}

/* One that started long ago and is in use says nothing about those that do not. */
static void
test_backoff_outlasts_the_use_of_others (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  g_autoptr (LpRequest) request = request_within (0.01);
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  g_atomic_int_set (&n_to_fail, ALWAYS);
  lp_manager_set_units (manager, 20);
  for (guint i = 0; i < 4; i++)
    {
      wait_count (&n_starts, 2 + i);
      lp_test_wait_stat (manager, "starting", 0);
      give_back (lp_test_acquire (manager, "user"));
    }
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (start_times[2 + i] - start_times[1 + i], >=, FIRST_BACKOFF_USEC << i);

  /* Nor does it make anybody forget the reason. */
  lease = lp_test_acquire (manager, "user");
  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (error->message, "not today");

  g_atomic_int_set (&n_to_fail, 0);
  give_back (lease);
  finish (manager, NULL);
}

static void
test_backoff_is_not_cut_short (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 3, "check-interval", 0.002);
  LpLease *lease = lp_test_acquire (manager, "holder");
  gint64 begun;
  int n;

  g_atomic_int_set (&n_to_fail, ALWAYS);
  lp_manager_set_units (manager, 30);
  wait_count (&n_starts, 4);

  /* The wait is now long. Whoever asks, no start comes of it before its end; then the two that are missing are tried. */
  begun = g_get_monotonic_time ();
  n = g_atomic_int_get (&n_starts);
  for (guint i = 0; i < 200; i++)
    {
      lp_manager_set_units (manager, i % 30);
      lp_manager_notify_scale_changed (manager);
      lp_manager_recycle (manager);
      g_assert_null (lp_manager_try_acquire (manager, NULL, NULL));
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  g_assert_cmpint (g_atomic_int_get (&n_starts), <=,
                   n + 2 * (1 + (g_get_monotonic_time () - begun) / (FIRST_BACKOFF_USEC << 3)));

  g_atomic_int_set (&n_to_fail, 0);
  give_back (lease);
  finish (manager, NULL);
}

static void
test_waiter_outlasts_failing_starts (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = request_within (1000);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  g_atomic_int_set (&n_to_fail, 2);
  lp_manager_acquire_async (manager, request, NULL, lp_test_result_cb, &result);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&n_starts), ==, 1 + 3);
  g_assert_cmpint (lp_lease_get_state (held), ==, LP_LEASE_STATE_ACTIVE);

  g_object_unref (result);
  give_back (lease);
  give_back (held);
  finish (manager, NULL);
}

/* A waiter that no start can serve gets what is released. */
static void
test_release_serves_while_starts_fail (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = request_within (1000);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  g_atomic_int_set (&n_to_fail, ALWAYS);
  lp_manager_acquire_async (manager, request, NULL, lp_test_result_cb, &result);
  wait_count (&n_starts, 3);
  give_back (held);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);

  g_object_unref (result);
  give_back (lease);
  finish (manager, NULL);
}

static gboolean
has_failed (gpointer data)
{
  return count_logged ("executor-start-failed") > 0;
}

/* Else the time-out could come before. */
static void
fail_to_start (LpManager *manager)
{
  g_assert_null (lp_manager_try_acquire (manager, NULL, NULL));
  lp_test_wait_for (has_failed, NULL, "a start to fail");
}

static void
time_out_and_count_starts (LpManager *manager, const char *reason)
{
  g_autoptr (LpRequest) request = request_within (0.3);
  g_autoptr (GError) error = NULL;
  gint64 begun = g_get_monotonic_time ();

  g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time () - begun, >=, 300000);
  assert_contains (error->message, reason);

  /* Every wait is at least the half of the first one, and mostly twice the one before. */
  g_assert_cmpint (g_atomic_int_get (&n_starts), <=,
                   3 + (g_get_monotonic_time () - begun) / FIRST_BACKOFF_USEC);
}

static void
test_timeout_says_why_nothing_starts (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&n_to_fail, ALWAYS);
  fail_to_start (manager);
  time_out_and_count_starts (manager, "not today");

  g_atomic_int_set (&n_to_fail, 0);
  give_back (held);
  finish (manager, NULL);
}

static void
test_death_while_starting_is_a_failed_start (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&n_to_die, ALWAYS);
  fail_to_start (manager);
  time_out_and_count_starts (manager, "died of it");

  g_atomic_int_set (&n_to_die, 0);
  give_back (held);
  finish (manager, NULL);
}

/* No use to anybody is no start, however ready it said it was. */
static void
test_death_after_starting_backs_off (void)
{
  LpManager *manager = start_testing (mortal_executor_get_type (), 2, "check-interval", 1000);
  LpLease *held = lp_test_acquire (manager, "holder");

  g_atomic_int_set (&dead_up_to, G_MAXINT);
  time_out_and_count_starts (manager, "waiter");

  g_atomic_int_set (&dead_up_to, 0);
  give_back (held);
  finish (manager, NULL);
}

static void
test_start_that_hangs_is_given_up (void)
{
  LpManager *manager = start_testing (test_executor_get_type (), 2, "check-interval", 1000);
  GArray *retired = watch_retired (manager);
  g_autofree char *text = NULL;
  LpExecutor *late;

  g_atomic_int_set (&n_to_hang, 1);
  lp_test_set_start_timeout (manager, 0.03);
  lp_manager_set_units (manager, 20);
  wait_count (&n_starts, 2);
  lp_test_set_start_timeout (manager, PATIENCE_SECONDS);
  lp_test_wait_stat (manager, "available", 2);
  g_assert_cmpint (g_atomic_int_get (&n_starts), ==, 1 + 2);
  g_assert_cmpint (wait_retired (retired, 1)->reason, ==, LP_RETIRE_REASON_START_FAILED);
  text = dup_logged ("executor-start-failed");
  assert_contains (text, "start-timeout-seconds");

  /* Its report comes too late. */
  late = g_atomic_pointer_get (&hung);
  lp_executor_report_ready (late);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  g_clear_object (&hung);

  finish (manager, retired);
}

int
main (int argc, char *argv[])
{
  /* The invariants are looked at after every decision. */
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  log_set_up ();

  g_test_add_func ("/sizing/back-off/recovers", test_backoff_recovers);
  g_test_add_func ("/sizing/back-off/starts-anew-after-success", test_backoff_starts_anew_after_success);
  g_test_add_func ("/sizing/back-off/outlasts-the-use-of-others", test_backoff_outlasts_the_use_of_others);
  g_test_add_func ("/sizing/back-off/is-not-cut-short", test_backoff_is_not_cut_short);
  g_test_add_func ("/sizing/back-off/waiter-outlasts-it", test_waiter_outlasts_failing_starts);
  g_test_add_func ("/sizing/back-off/release-serves", test_release_serves_while_starts_fail);
  g_test_add_func ("/sizing/back-off/timeout-says-why", test_timeout_says_why_nothing_starts);
  g_test_add_func ("/sizing/back-off/death-while-starting", test_death_while_starting_is_a_failed_start);
  g_test_add_func ("/sizing/back-off/death-after-starting", test_death_after_starting_backs_off);
  g_test_add_func ("/sizing/back-off/start-that-hangs", test_start_that_hangs_is_given_up);

  return g_test_run ();
}
