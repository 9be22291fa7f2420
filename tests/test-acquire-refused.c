/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The rules of “Acquire”: asks that are refused, do not wait, or wait in vain. */

#include "config.h"

#include "lp-test-acquire-slow.h"

/* Not waiting */

/* A thread starts at once, a process does not: it must be there. */
static LpManager *
start_at_once (int max_pools)
{
  return lp_test_start (max_pools, "min-pools", lp_test_has_own_threads () ? 1 : max_pools, NULL);
}

static LpRequest *
request_not_to_wait (gboolean by_timeout)
{
  LpRequest *request = new_request ("impatient", by_timeout ? 0 : -1);

  lp_request_set_wait (request, by_timeout);
  return request;
}

static void
test_not_waiting (gconstpointer data)
{
  LpManager *manager = start_at_once (2);
  LpLease *leases[2];

  for (guint by_timeout = 0; by_timeout < 2; by_timeout++)
    {
      g_autoptr (LpRequest) request = request_not_to_wait (by_timeout);
      g_autofree char *message = NULL;

      /* One that is idle, and, with threads, one that can be started at once. */
      for (guint i = 0; i < 2; i++)
        leases[i] = get_lease (ask_full (GPOINTER_TO_INT (data), manager, request, NULL));

      message = get_error (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), LP_ERROR, LP_ERROR_UNAVAILABLE);
      assert_contains (message, "“impatient” for ");
      g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

      give_back (leases[0]);
      give_back (leases[1]);
      lp_test_wait_stat (manager, "available", lp_test_has_own_threads () ? 1 : 2);
      lp_test_wait_stat (manager, "total", lp_test_has_own_threads () ? 1 : 2);
    }

  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), ==, 0);
  lp_test_finish (manager);
}

static void
test_try (void)
{
  LpManager *manager = start_at_once (2);
  LpLease *first = try_now (manager);
  LpLease *second = try_now (manager);

  g_assert_nonnull (first);
  g_assert_nonnull (second);
  g_assert_null (try_now (manager));
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);

  give_back (first);
  give_back (second);
  lp_test_finish (manager);
}

/* A start that takes longer goes on, and a retry finds what it made, also when
 * surplus executors do not linger. */
static void
try_again_after_start (double linger)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 2, linger);
  LpLease *held = lp_test_acquire (manager, "holder");
  LpLease *lease;
  guint64 seq;

  g_assert_null (try_now (manager));
  wait_starting (1);

  /* It is not started again by each that tries. */
  g_assert_null (try_now (manager));
  g_assert_cmpuint (lp_test_stat (manager, "starting"), ==, 1);

  seq = end_start (0);
  lease = try_now (manager);
  g_assert_nonnull (lease);
  g_assert_cmpuint (executor_of (lease), ==, seq);

  give_back (lease);
  give_back (held);
  finish_slow (manager);
}

static void
test_start_goes_on_after_try (void)
{
  try_again_after_start (1000);
}

static void
test_start_goes_on_after_try_without_linger (void)
{
  try_again_after_start (-1);
}

/* Time-outs */

static void
test_timeout_names_the_holders (gconstpointer data)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpLease *one = lp_test_acquire (manager, "holder-one");
  LpLease *two = lp_test_acquire (manager, "holder-two");
  g_autoptr (LpRequest) request = new_request ("waiter", 0.03);
  g_autofree char *message = NULL;

  message = get_error (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (message, "“waiter”");
  assert_contains (message, "0.03 s");
  g_assert_true (g_regex_match_simple ("“holder-one” for [0-9]+\\.[0-9] s", message, 0, 0));
  g_assert_true (g_regex_match_simple ("“holder-two” for [0-9]+\\.[0-9] s", message, 0, 0));

  g_assert_cmpuint (lp_test_counter (manager, "timed_out"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 0);
  give_back (one);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 2);
  give_back (two);
  lp_test_finish (manager);
}

static void
test_timeout_names_what_is_starting (void)
{
  LpManager *manager = start_slow (slow_executor_get_type (), 2, 0);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("waiter", 0.03);
  g_autofree char *message = get_error (ask_full (IN_OWNER, manager, request, NULL), G_IO_ERROR,
                                        G_IO_ERROR_TIMED_OUT);

  assert_contains (message, "1 starting");
  wait_starting (1);
  end_start (0);

  give_back (held);
  finish_slow (manager);
}

static void
test_timeout_names_what_is_quarantined (void)
{
  LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.0, "cancel-grace-seconds", 0.0, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  LpLease *stuck = lp_test_acquire (manager, "stuck");
  g_autoptr (LpRequest) request = new_request ("holder", -1);
  g_autofree char *message = NULL;
  LpLease *held;

  lp_test_submit (stuck, job);
  lp_test_gate_wait_entered (gate, 1);
  g_assert_true (lp_lease_renew (stuck, 0.02, NULL));
  lp_test_wait_stat (manager, "quarantined", 1);

  held = get_lease (ask_full (IN_OWNER, manager, request, NULL));
  lp_request_set_timeout (request, 0.03);
  message = get_error (ask_full (IN_OWNER, manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_contains (message, "“holder” for ");
  assert_contains (message, "1 in quarantine");

  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  give_back (held);
  g_object_unref (stuck);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static void
test_each_has_its_own_deadline (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("waiter", 0.03);
  Asker *patient = queue (GPOINTER_TO_INT (data), manager, "patient");

  assert_fails (ask_full (GPOINTER_TO_INT (data), manager, request, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_false (is_answered (patient));
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 1);

  give_back (held);
  give_back (get_lease (patient));
  lp_test_finish (manager);
}

/* A number that no clock can hold is a time that never comes. */
static void
test_huge_times_never_come (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("waiter", 1e300);
  g_autoptr (LpRequest) short_one = new_request ("impatient", 0.03);
  LpLease *lease;
  Asker *asker;

  lp_request_set_lease_seconds (request, 1e300);
  asker = queue_full (BLOCKING, manager, request, NULL);
  assert_fails (ask_full (IN_OWNER, manager, short_one, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_false (is_answered (asker));

  give_back (held);
  lease = get_lease (asker);
  g_assert_cmpint (lp_lease_get_hard_expires_at (lease), ==, G_MAXINT64);
  assert_fails (ask_full (IN_OWNER, manager, short_one, NULL), G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  give_back (lease);
  lp_test_finish (manager);
}

/* Requests */

static void
refuse_request (Way way, LpRequest *request, const char *property)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *message = get_error (ask_full (way, manager, request, NULL), LP_ERROR, LP_ERROR_INVALID_ARGUMENT);

  assert_contains (message, property);
  g_assert_null (lp_manager_try_acquire (manager, request, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 0);

  lp_test_finish (manager);
}

static void
test_request_is_checked (gconstpointer data)
{
  const double bad[] = { -2, -0.5, INFINITY, -INFINITY, NAN };

  for (guint i = 0; i <= G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (LpRequest) request = new_request ("somebody", -1);

      lp_request_set_lease_seconds (request, i < G_N_ELEMENTS (bad) ? bad[i] : 0);
      refuse_request (GPOINTER_TO_INT (data), request, "lease-seconds");
    }

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (LpRequest) request = new_request ("somebody", bad[i]);

      refuse_request (GPOINTER_TO_INT (data), request, "timeout");
    }
}

/* Its values count as they were at the call. */
static void
test_request_may_be_used_again (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("first", -1);
  Asker *first, *second;
  LpLease *lease;

  lp_request_set_lease_seconds (request, 100);
  first = queue_full (IN_OWNER, manager, request, NULL);

  lp_request_set_owner (request, "second");
  lp_request_set_lease_seconds (request, 200);
  lp_request_set_priority (request, -1);
  second = queue_full (IN_OWNER, manager, request, NULL);

  lp_request_set_owner (request, NULL);
  lp_request_set_lease_seconds (request, -2);
  lp_request_set_priority (request, 1);
  lp_request_set_timeout (request, 0);
  lp_request_set_wait (request, FALSE);

  give_back (held);
  lease = get_lease (second);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "second");
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 200);
  give_back (lease);
  lease = get_lease (first);
  g_assert_cmpstr (lp_lease_get_owner (lease), ==, "first");
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 100);
  give_back (lease);

  lp_test_finish (manager);
}

static void
test_no_request_is_all_defaults (void)
{
  LpManager *manager = lp_test_start (1, "default-lease-seconds", 123.0, NULL);
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire (manager, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_null (lp_lease_get_owner (lease));
  g_assert_cmpfloat (lp_lease_get_lease_seconds (lease), ==, 123);

  give_back (lease);
  lp_test_finish (manager);
}

static void
test_max_waiters (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, "max-waiters", 2, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("cancelled", -1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Asker *first = queue_full (GPOINTER_TO_INT (data), manager, request, cancellable);
  Asker *second = queue (GPOINTER_TO_INT (data), manager, "second");
  Asker *third;
  g_autofree char *message = NULL;

  message = get_error (ask (GPOINTER_TO_INT (data), manager, "refused"), LP_ERROR, LP_ERROR_QUEUE_FULL);
  assert_contains (message, "max-waiters");
  assert_contains (message, "2");
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 2);

  /* One that does not wait takes no place. */
  g_assert_null (try_now (manager));

  /* A place that was left can be taken. */
  g_cancellable_cancel (cancellable);
  assert_fails (first, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  third = queue (GPOINTER_TO_INT (data), manager, "third");

  give_back (held);
  give_back (get_lease (second));
  give_back (get_lease (third));
  lp_test_finish (manager);
}

static void
test_not_running (gconstpointer data)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;
  LpLease *held;
  Asker *waiter;

  assert_fails (ask (GPOINTER_TO_INT (data), manager, "early"), LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_null (lp_manager_try_acquire (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_clear_error (&error);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  held = lp_test_acquire (manager, "holder");
  waiter = queue (GPOINTER_TO_INT (data), manager, "waiter");
  lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, &error);
  g_assert_no_error (error);
  assert_fails (waiter, LP_ERROR, LP_ERROR_NOT_STARTED);
  assert_fails (ask (GPOINTER_TO_INT (data), manager, "late"), LP_ERROR, LP_ERROR_NOT_STARTED);

  g_object_unref (held);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("no-wait/unavailable", test_not_waiting);
  lp_test_conform_add_func ("/acquire/no-wait/try", test_try);
  g_test_add_func ("/acquire/no-wait/start-goes-on", test_start_goes_on_after_try);
  g_test_add_func ("/acquire/no-wait/start-goes-on-without-linger", test_start_goes_on_after_try_without_linger);
  add ("timeout/names-the-holders", test_timeout_names_the_holders);
  g_test_add_func ("/acquire/timeout/names-what-is-starting", test_timeout_names_what_is_starting);
  g_test_add_func ("/acquire/timeout/names-what-is-quarantined", test_timeout_names_what_is_quarantined);
  add ("timeout/each-has-its-own", test_each_has_its_own_deadline);
  lp_test_conform_add_func ("/acquire/timeout/huge-times-never-come", test_huge_times_never_come);
  add ("max-waiters/queue-full", test_max_waiters);
  add ("not-running/not-started", test_not_running);
  add ("request/checked", test_request_is_checked);
  lp_test_conform_add_func ("/acquire/request/may-be-used-again", test_request_may_be_used_again);
  lp_test_conform_add_func ("/acquire/request/null-is-all-defaults", test_no_request_is_all_defaults);

  return g_test_run ();
}
