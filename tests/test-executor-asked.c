/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The hook: executors that are asked whether they have died, at each check and
 * before a hand-over. */

#include "config.h"

#include "lp-test-executor.h"

/* Asked before a hand-over: one that died unnoticed is not handed out. */
static void
test_has_died_before_hand_over (void)
{
  LpManager *manager;

  begin (START_READY, SUBMIT_VALUE);
  manager = start_type (test_mortal_get_type (), 1, 1);
  assert_replaced (manager, 1);
  g_assert_cmpuint (peek (&world.n_asked), >=, 1);

  let_die (1);
  assert_replaced (manager, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);
  finish (manager);
}

static gboolean
is_replaced (gpointer manager)
{
  return lp_test_counter (manager, "executors_created") == 2 && lp_test_stat (manager, "available") == 1;
}

/* Asked at each check: an idle one that died is noticed without an acquire. */
static void
test_has_died_at_check (void)
{
  LpManager *manager;

  begin (START_READY, SUBMIT_VALUE);
  manager = lp_test_start (1, "executor-type", test_mortal_get_type (), "check-interval", 0.02, NULL);
  wait_count (&world.n_asked, 3);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 0);
  let_die (1);
  lp_test_wait_for (is_replaced, manager, "the replacement");
  finish (manager);
}

/* Also while it is lent. */
static void
test_has_died_at_check_leased (void)
{
  LpManager *manager;
  LpLease *lease;
  LpJob *running, *queued;

  begin (START_READY, SUBMIT_HOLD);
  manager = lp_test_start (1, "executor-type", test_mortal_get_type (), "check-interval", 0.02,
                           "workers-per-pool", 1, "cancel-grace-seconds", 0.05, NULL);
  lease = lp_test_acquire (manager, "test");
  running = submit_new (lease);
  queued = submit_new (lease);
  wait_count (&world.n_submits, 1);
  let_die (1);
  assert_broken (manager, lease, running, queued);
  finish_with (manager, lease, running, queued);
}

/* While one is being asked, nothing stands still and nothing is counted wrong. */
static void
test_asking_with_others_idle (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = lp_test_start (3, "executor-type", test_mortal_get_type (), "min-pools", 3, NULL);
  hold_up_service (manager);
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lp_test_check (manager);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 3);
  let_go_service (manager);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_object_unref (result);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
test_asking_cancelled (void)
{
  LpManager *manager;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start_type (test_mortal_get_type (), 1, 1);
  hold_up_service (manager);
  lp_manager_acquire_async (manager, NULL, cancellable, lp_test_result_cb, &result);
  g_cancellable_cancel (cancellable);
  let_go_service (manager);
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_object_unref (result);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  assert_replaced (manager, 1);
  finish (manager);
}

/* recycle is for idle executors at once, also while they are being asked. */
static void
test_asking_recycled (void)
{
  LpManager *manager;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start_type (test_mortal_get_type (), 1, 1);
  hold_up_service (manager);
  lp_manager_acquire_async (manager, NULL, cancellable, lp_test_result_cb, &result);
  lp_manager_recycle (manager);
  g_cancellable_cancel (cancellable);
  let_go_service (manager);
  lp_test_wait_result (&result);
  g_object_unref (result);
  lp_test_wait_for (is_replaced, manager, "the replacement");
  finish (manager);
}

/* What it reports itself meanwhile is not forgotten. */
static void
assert_while_asking (void (*report) (LpExecutor *executor))
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start_type (test_mortal_get_type (), 1, 1);
  hold_up_service (manager);
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  report (executor_at (1));
  let_go_service (manager);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (seq_of (lease), ==, 2);
  g_object_unref (result);
  lp_lease_release (lease);
  g_clear_object (&lease);
  finish (manager);
}

static void
test_asking_dies (void)
{
  assert_while_asking (report_died);
}

static void
test_asking_stops (void)
{
  assert_while_asking (lp_executor_report_stopped);
}

static void
test_asking_manager_stops (void)
{
  LpManager *manager;
  GAsyncResult *result = NULL;
  GAsyncResult *stopped = NULL;
  g_autoptr (GError) error = NULL;

  begin (START_READY, SUBMIT_VALUE);
  manager = start_type (test_mortal_get_type (), 1, 1);
  hold_up_service (manager);
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lp_manager_stop_async (manager, LP_STOP_MODE_CANCEL, -1, NULL, lp_test_result_cb, &stopped);
  let_go_service (manager);
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_NOT_STARTED);
  g_assert_true (lp_manager_stop_finish (manager, lp_test_wait_result (&stopped), NULL));
  g_object_unref (result);
  g_object_unref (stopped);
  finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/executor-asked/has-died/before-a-hand-over", test_has_died_before_hand_over);
  g_test_add_func ("/executor-asked/has-died/at-each-check", test_has_died_at_check);
  g_test_add_func ("/executor-asked/has-died/at-each-check-leased", test_has_died_at_check_leased);
  g_test_add_func ("/executor-asked/asking/with-others-idle", test_asking_with_others_idle);
  g_test_add_func ("/executor-asked/asking/acquire-cancelled", test_asking_cancelled);
  g_test_add_func ("/executor-asked/asking/recycled", test_asking_recycled);
  g_test_add_func ("/executor-asked/asking/dies", test_asking_dies);
  g_test_add_func ("/executor-asked/asking/stops", test_asking_stops);
  g_test_add_func ("/executor-asked/asking/manager-stops", test_asking_manager_stops);

  return g_test_run ();
}
