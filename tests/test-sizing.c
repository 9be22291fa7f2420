/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How many executors there are: who is asked for the size and when, growing, and the
 * checks. */

#include "config.h"

#include "lp-test-sizing.h"

/* The size provider */

static gpointer
notify_main (gpointer data)
{
  lp_manager_notify_scale_changed (data);
  return NULL;
}

static void
notify_and_wait (LpManager *manager, Provider *provider)
{
  int n_calls = g_atomic_int_get (&provider->n_calls);

  lp_manager_notify_scale_changed (manager);
  wait_count (&provider->n_calls, n_calls + 1);
}

/* The provider itself asserts where it is. */
static gpointer
ask_in_owner_context (gpointer data)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  g_assert_cmpint (provider.n_calls, ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);

  g_thread_join (g_thread_new ("notifier", notify_main, manager));
  g_assert_cmpint (provider.n_calls, ==, 1);
  wait_count (&provider.n_calls, 2);

  lp_test_finish (manager);
  return NULL;
}

static gpointer
ask_at_checks (gpointer data)
{
  Provider provider = { 0 };
  LpManager *manager = start_with_provider (&provider, 5, 0.005);

  wait_count (&provider.n_calls, 4);

  lp_test_finish (manager);
  return NULL;
}

static gpointer
in_own_context_main (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GThreadFunc func = data;

  g_main_context_push_thread_default (context);
  func (NULL);
  g_main_context_pop_thread_default (context);

  return NULL;
}

static void
test_provider_in_owner_context (void)
{
  ask_in_owner_context (NULL);
  g_thread_join (g_thread_new ("owner", in_own_context_main, ask_in_owner_context));
}

static void
test_provider_at_checks (void)
{
  ask_at_checks (NULL);
  g_thread_join (g_thread_new ("owner", in_own_context_main, ask_at_checks));
}

static void
test_provider_not_by_getters (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);
  g_autoptr (GVariant) stats = NULL;
  LpLease *lease;

  provider.value = 45;
  stats = lp_manager_dup_stats (manager);
  g_assert_cmpuint (desired (manager), ==, 3);
  g_assert_cmpuint (lp_manager_get_total_count (manager), ==, 3);
  g_assert_cmpuint (lp_manager_get_available_count (manager), ==, 3);
  g_assert_true (lp_manager_validate (manager, NULL));
  lease = lp_test_acquire (manager, "somebody");
  give_back (lease);
  lp_manager_recycle (manager);

  /* Not by what they might have posted, either. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, ==, 1);

  lp_test_finish (manager);
}

static void
test_provider_negative_is_zero (void)
{
  const gint64 values[] = { -1, -1000, G_MININT64 };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      Provider provider = { values[i] };
      LpManager *manager = start_with_provider (&provider, 5, 1000);

      g_assert_cmpuint (desired (manager), ==, 1);
      g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);

      provider.value = 25;
      notify_and_wait (manager, &provider);
      g_assert_cmpuint (desired (manager), ==, 3);
      provider.value = values[i];
      notify_and_wait (manager, &provider);
      g_assert_cmpuint (desired (manager), ==, 1);
      g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 0);

      lp_test_finish (manager);
    }
}

static void
test_provider_failure_keeps_last (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);
  g_autofree char *text = NULL;

  /* What it returns with an error is nothing. */
  provider.value = 45;
  provider.fails = TRUE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 3);
  g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 1);
  text = dup_logged ("size-provider-failed");
  assert_contains (text, "no idea");
  assert_contains (text, "25");

  provider.fails = FALSE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

static void
test_provider_zero_before_success (void)
{
  Provider provider = { 45, TRUE };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  g_assert_cmpuint (desired (manager), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 1);

  provider.fails = FALSE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

/* One that iterates the owner context is not called while it runs. */
static void
test_provider_re_entered (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  provider.value = 45;
  provider.nests = TRUE;
  notify_and_wait (manager, &provider);

  g_assert_cmpuint (provider.max_depth, ==, 1);
  g_assert_cmpuint (provider.desired_inside, ==, 3);
  g_assert_cmpuint (count_logged ("size-provider-failed"), ==, 1);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

/* It holds up the owner context and nothing else, and somebody says so. */
static void
test_provider_blocks (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 5, 0.01);

  provider.value = 45;
  provider.blocks = TRUE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (provider.desired_inside, ==, 3);
  g_assert_cmpuint (count_logged ("size-provider-failed"), >=, 1);
  provider.blocks = FALSE;
  notify_and_wait (manager, &provider);
  g_assert_cmpuint (desired (manager), ==, 5);

  lp_test_finish (manager);
}

static void
test_provider_destroyed (void)
{
  Provider provider = { 25 };
  Provider other = { 45 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  set_provider (manager, &other);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (provider.n_destroyed, ==, 1);
  notify_and_wait (manager, &other);
  g_assert_cmpuint (desired (manager), ==, 5);
  g_assert_cmpint (provider.n_calls, ==, 1);

  lp_test_finish (manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (other.n_destroyed, ==, 1);
}

/* An owner that hangs for a hundred checks is not asked a hundred times after. */
static void
test_checks_do_not_pile_up (void)
{
  LpManager *manager = lp_test_new (2);
  Provider provider = { 0 };
  Count checks = { &n_asked, 50 };
  int n_before;

  lp_manager_set_executor_type (manager, mortal_executor_get_type ());
  lp_manager_set_check_interval (manager, 0.002);
  set_provider (manager, &provider);
  g_assert_true (lp_manager_start (manager, NULL, NULL));

  /* There is one executor: each check asks once whether it lives. */
  lp_test_block_for (has_counted, &checks, "checks");
  g_assert_cmpint (provider.n_calls, ==, 1);
  n_before = g_atomic_int_get (&n_asked);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, <=, 4 + g_atomic_int_get (&n_asked) - n_before);

  finish (manager, NULL);
}

/* Units, notify, the formula */

static void
test_units_at_once (void)
{
  LpManager *manager = lp_test_start (5, NULL);

  lp_manager_set_units (manager, 25);
  g_assert_cmpuint (desired (manager), ==, 3);
  lp_test_block_stat (manager, "available", 3);
  lp_manager_set_units (manager, 0);
  g_assert_cmpuint (desired (manager), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  lp_manager_set_units (manager, -5);
  g_assert_cmpuint (desired (manager), ==, 1);

  lp_test_finish (manager);
}

static void
test_units_before_start (void)
{
  LpManager *manager = lp_test_start (5, "units", 25, NULL);

  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);

  lp_test_finish (manager);
}

static void
test_provider_wins_over_units (void)
{
  Provider provider = { 25 };
  LpManager *manager = start_with_provider (&provider, 9, 1000);

  lp_manager_set_units (manager, 50);
  g_assert_cmpuint (desired (manager), ==, 3);
  lp_manager_set_size_provider (manager, NULL, NULL, NULL);
  g_assert_cmpuint (desired (manager), ==, 5);
  lp_manager_set_units (manager, 60);
  g_assert_cmpuint (desired (manager), ==, 6);

  lp_test_finish (manager);
}

static void
test_notify_when_not_running (void)
{
  LpManager *manager = lp_test_new (5);
  g_autoptr (GError) error = NULL;
  Provider provider = { 25 };

  set_provider (manager, &provider);
  lp_manager_notify_scale_changed (manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, ==, 0);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (provider.n_calls, ==, 1);
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, &error);
  g_assert_no_error (error);

  lp_manager_notify_scale_changed (manager);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (provider.n_calls, ==, 1);

  lp_test_finish (manager);
}

static void
test_notify_grows_and_shrinks (void)
{
  Provider provider = { 0 };
  LpManager *manager = start_with_provider (&provider, 5, 1000);

  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);
  provider.value = 41;
  notify_and_wait (manager, &provider);
  lp_test_wait_stat (manager, "available", 5);
  provider.value = 20;
  notify_and_wait (manager, &provider);
  lp_test_wait_stat (manager, "total", 2);

  lp_test_finish (manager);
}

static void
test_desired_formula (void)
{
  static const struct { int max, min, per_pool, units; guint desired; } cases[] = {
    { 5, 1, 10, 0, 1 }, { 5, 1, 10, 1, 1 }, { 5, 1, 10, 10, 1 }, { 5, 1, 10, 11, 2 },
    { 5, 1, 10, 50, 5 }, { 5, 1, 10, 51, 5 }, { 5, 3, 10, 0, 3 }, { 5, 3, 10, 31, 4 },
    { 5, 5, 10, 0, 5 }, { 5, 1, 1, 4, 4 }, { 5, 1, 10, -1, 1 }, { 5, 1, 10, G_MININT, 1 },
    { 5, 1, 1, G_MAXINT, 5 }, { 5, 1, G_MAXINT, G_MAXINT, 1 }, { 5, 1, G_MAXINT - 1, G_MAXINT, 2 },
    { G_MAXINT, 1, 1, G_MAXINT, G_MAXINT }, { G_MAXINT, 1, 2, G_MAXINT, G_MAXINT / 2 + 1 },
    { G_MAXINT, G_MAXINT, G_MAXINT, 0, G_MAXINT },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      LpManager *manager = lp_test_new (cases[i].max);

      lp_manager_set_min_pools (manager, cases[i].min);
      lp_manager_set_units_per_pool (manager, cases[i].per_pool);
      lp_manager_set_units (manager, cases[i].units);
      g_assert_cmpuint (desired (manager), ==, cases[i].desired);
      g_assert_cmpuint (lp_test_stat (manager, "desired"), ==, cases[i].desired);

      g_assert_finalize_object (manager);
    }
}

static void
test_desired_of_huge_sizes (void)
{
  static const struct { gint64 size; guint desired; } cases[] = {
    { G_MAXINT64, 3 }, { G_MAXINT64 - 9, 3 }, { (gint64) G_MAXUINT32 + 1, 3 }, { ((gint64) 1 << 62), 3 },
    { (gint64) G_MAXINT + 1, 3 }, { G_MININT64, 1 }, { G_MININT64 + 1, 1 }, { -((gint64) 1 << 32), 1 }, { 11, 2 },
  };
  Provider provider = { 0 };
  LpManager *manager = start_with_provider (&provider, 3, 1000);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      provider.value = cases[i].size;
      notify_and_wait (manager, &provider);
      g_assert_cmpuint (desired (manager), ==, cases[i].desired);
    }

  lp_test_finish (manager);
}

/* Checks */

/* However short the interval, the service thread has other things to do. */
static void
check_as_fast_as_possible (double interval)
{
  LpManager *manager = lp_test_new (1);
  Provider provider = { 0 };
  gint64 begun, milliseconds;
  LpLease *lease;

  reset_executors ();
  lp_manager_set_executor_type (manager, mortal_executor_get_type ());
  lp_manager_set_check_interval (manager, interval);
  set_provider (manager, &provider);
  begun = g_get_monotonic_time ();
  g_assert_true (lp_manager_start (manager, NULL, NULL));

  wait_count (&n_asked, 50);
  lease = lp_test_acquire (manager, "somebody");
  give_back (lease);

  milliseconds = (g_get_monotonic_time () - begun) / 1000;
  g_assert_cmpint (g_atomic_int_get (&n_asked), <=, milliseconds + 3);
  g_assert_cmpint (g_atomic_int_get (&provider.n_calls), <=, milliseconds + 3);

  finish (manager, NULL);
}

static void
test_tiny_check_interval_does_not_spin (void)
{
  check_as_fast_as_possible (1e-5);
  check_as_fast_as_possible (G_MINDOUBLE);
}

int
main (int argc, char *argv[])
{
  /* The invariants are looked at after every decision. */
  g_setenv ("LP_DEBUG", "check", FALSE);
  g_test_init (&argc, &argv, NULL);
  log_set_up ();

  lp_test_conform_add_func ("/sizing/provider/in-owner-context", test_provider_in_owner_context);
  lp_test_conform_add_func ("/sizing/provider/at-checks", test_provider_at_checks);
  lp_test_conform_add_func ("/sizing/provider/not-by-getters", test_provider_not_by_getters);
  lp_test_conform_add_func ("/sizing/provider/negative-is-zero", test_provider_negative_is_zero);
  lp_test_conform_add_func ("/sizing/provider/failure-keeps-last-value", test_provider_failure_keeps_last);
  lp_test_conform_add_func ("/sizing/provider/zero-before-first-success", test_provider_zero_before_success);
  lp_test_conform_add_func ("/sizing/provider/re-entered", test_provider_re_entered);
  lp_test_conform_add_func ("/sizing/provider/blocks", test_provider_blocks);
  lp_test_conform_add_func ("/sizing/provider/destroyed", test_provider_destroyed);
  lp_test_conform_add_func ("/sizing/provider/wins-over-units", test_provider_wins_over_units);
  lp_test_conform_add_func ("/sizing/units/at-once", test_units_at_once);
  lp_test_conform_add_func ("/sizing/units/before-start", test_units_before_start);
  lp_test_conform_add_func ("/sizing/notify/not-running", test_notify_when_not_running);
  lp_test_conform_add_func ("/sizing/notify/grows-and-shrinks", test_notify_grows_and_shrinks);
  lp_test_conform_add_func ("/sizing/desired/formula", test_desired_formula);
  lp_test_conform_add_func ("/sizing/desired/huge-sizes", test_desired_of_huge_sizes);
  g_test_add_func ("/sizing/check/tiny-interval-does-not-spin", test_tiny_check_interval_does_not_spin);
  g_test_add_func ("/sizing/check/do-not-pile-up", test_checks_do_not_pile_up);

  return g_test_run ();
}
