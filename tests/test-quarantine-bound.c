/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The bound of quarantine, the ways out of it, and what stop and restart do. */

#include "config.h"

#include "lp-test-quarantine.h"

/* --- What most cases do --- */

static void
assert_unavailable (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_manager_try_acquire (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
}

/* --- The bound: total + quarantined <= max-pools + max-quarantined --- */

static void
test_max_0_keeps_the_place (void)
{
  LpManager *manager = start (1, 0, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  add_stuck_executor (manager, gate);
  assert_counts (manager, 1, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 0);
  assert_unavailable (manager);

  /* When the function returns, its place goes to who waits. */
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &result);
  lp_test_wait_stat (manager, "waiting", 1);
  g_assert_null (result);
  lp_test_gate_open (gate);
  lease = lp_manager_acquire_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);

  g_clear_object (&result);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  finish (manager, gate);
}

static void
test_max_1_takes_one (void)
{
  LpManager *manager = start (2, 1, 1);
  LpTestGate *gate = lp_test_gate_new ();

  add_stuck_executor (manager, gate);
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 1, 1);
  add_stuck_executor (manager, gate);
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 2, 1);
  add_stuck_executor (manager, gate);
  assert_counts (manager, 2, 1);
  assert_unavailable (manager);

  finish (manager, gate);
}

static void
test_max_minus_one_is_max_pools (void)
{
  LpManager *manager = start (2, -1, 1);
  LpTestGate *gate = lp_test_gate_new ();

  for (guint i = 1; i <= 4; i++)
    {
      add_stuck_executor (manager, gate);
      g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, MIN (i, 2));
      lp_test_check (manager);
    }
  assert_counts (manager, 2, 2);
  assert_unavailable (manager);

  finish (manager, gate);
}

/* Counted in /proc, while leases with stuck jobs expire. */
static void
test_bound_of_real_threads (void)
{
  const guint bound = 2 + 1;
  LpManager *manager = start (2, 1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpRequest) request = lp_request_new ();

  for (guint i = 0; i < 2 * bound; i++)
    {
      g_autoptr (LpLease) lease = NULL;
      g_autoptr (LpJob) job = lp_test_gate_job (gate);

      lp_request_set_timeout (request, i < bound ? PATIENCE_SECONDS : 0.1);
      lease = lp_manager_acquire (manager, request, NULL, NULL);
      g_assert_true ((lease != NULL) == (i < bound));
      if (lease != NULL)
        {
          lp_test_submit (lease, job);
          lp_test_gate_wait_entered (gate, i + 1);
          g_assert_true (lp_lease_renew (lease, GRACE_SECONDS, NULL));
          lp_test_block_for (has_expired, lease, "the hard expiry");
        }
      g_assert_cmpuint (lp_test_count_threads (PREFIX), <=, bound);
      g_assert_cmpuint (lp_test_stat (manager, "total") + lp_test_stat (manager, "quarantined"), <=, bound);
      lp_test_check (manager);
    }

  finish (manager, gate);
}

static void
test_moves_in_when_there_is_room (void)
{
  LpManager *manager = start (2, 1, 1);
  LpTestGate *first = lp_test_gate_new ();
  LpTestGate *second = lp_test_gate_new ();

  add_stuck_executor (manager, first);
  add_stuck_executor (manager, second);
  lp_test_wait_stat (manager, "available", 1);
  assert_counts (manager, 2, 1);

  /* The second takes the place in quarantine of the first and leaves the pool. */
  lp_test_gate_open (first);
  lp_test_wait_stat (manager, "total", 1);
  assert_counts (manager, 1, 1);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);

  finish (manager, second);
  lp_test_gate_unref (first);
}

/* --- Out of quarantine --- */

static void
retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, gpointer user_data)
{
  GArray *seqs = user_data;

  g_assert_cmpint (reason, ==, LP_RETIRE_REASON_BROKEN);
  g_array_append_val (seqs, seq);
}

static gboolean
is_retired (gpointer seqs)
{
  return ((GArray *) seqs)->len > 0;
}

static void
test_retired_when_the_thread_returns (void)
{
  LpManager *manager = start (1, -1, 3);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GArray) seqs = g_array_new (FALSE, FALSE, sizeof (guint64));
  gulong id = g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), seqs);

  add_stuck_executor (manager, gate);
  g_assert_cmpuint (lp_test_count_threads (PREFIX "-1-"), ==, 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (seqs->len, ==, 0);

  lp_test_gate_open (gate);
  lp_test_wait_for (is_retired, seqs, "executor-retired");
  g_assert_cmpuint (seqs->len, ==, 1);
  g_assert_cmpuint (g_array_index (seqs, guint64, 0), ==, 1);
  assert_counts (manager, 1, 0);
  lp_test_block_for (has_no_threads, (gpointer) PREFIX "-1-", "the end of its thread");

  g_signal_handler_disconnect (manager, id);
  finish (manager, gate);
}

/* --- Stop and restart --- */

static void
stop (LpManager *manager, LpStopMode mode)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop (manager, mode, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (lp_manager_is_running (manager));
}

static void
test_stop_leaves_them (gconstpointer data)
{
  LpManager *manager = start (2, -1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  LpLease *lease;
  g_autoptr (LpJob) job = lp_test_gate_job (gate);

  add_stuck_executor (manager, gate);
  lease = lp_test_acquire (manager, "runs");
  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 2);

  /* One is quarantined already, one gets stuck by the stop. */
  stop (manager, GPOINTER_TO_INT (data));
  assert_ends (job, G_IO_ERROR_CANCELLED, LP_JOB_STATE_CANCELLED);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_STOPPED);
  assert_counts (manager, 0, 2);
  g_assert_cmpuint (lp_test_count_threads (PREFIX), ==, 2);

  /* Nothing of the manager runs, but it sees to them. */
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 2);

  g_assert_finalize_object (lease);
  finish (manager, gate);
}

static void
test_stop_leaves_those_without_room (void)
{
  LpManager *manager = start (1, 0, 1);
  LpTestGate *gate = lp_test_gate_new ();

  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  assert_counts (manager, 1, 0);

  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "total", 0);
  finish (manager, gate);
}

static void
test_restart_with_places_occupied (void)
{
  LpManager *manager = start (1, 0, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GError) error = NULL;

  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  g_assert_false (lp_manager_is_running (manager));
  assert_counts (manager, 1, 0);

  g_clear_error (&error);
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "total", 0);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  assert_counts (manager, 1, 0);

  finish (manager, gate);
}

/* Those of the last run count against the bound of this one. */
static void
test_restart_with_room_left (void)
{
  LpManager *manager = start (2, 1, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GError) error = NULL;

  add_stuck_executor (manager, gate);
  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  assert_counts (manager, 1, 1);

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  assert_counts (manager, 2, 1);
  add_stuck_executor (manager, gate);
  assert_counts (manager, 2, 1);
  assert_unavailable (manager);

  /* The new run lives on when those of the old one return. */
  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "available", 1);
  lp_test_wait_stat (manager, "quarantined", 0);
  finish (manager, gate);
}

/* The bound holds for the settings of the new run, or it does not start. */
static void
test_restart_with_a_lower_bound (void)
{
  LpManager *manager = start (2, 2, 1);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (GError) error = NULL;

  add_stuck_executor (manager, gate);
  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_CANCEL);
  assert_counts (manager, 0, 2);

  lp_manager_set_max_pools (manager, 1);
  lp_manager_set_max_quarantined (manager, 0);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNAVAILABLE);
  g_assert_false (lp_manager_is_running (manager));

  finish (manager, gate);
}

static GThread *destroyed_on;   /* (atomic) */

static void
note_thread (gpointer data)
{
  g_atomic_pointer_set (&destroyed_on, g_thread_self ());
}

static gboolean
is_noted (gpointer data)
{
  return g_atomic_pointer_get (&destroyed_on) != NULL;
}

static void
named_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("()");
}

/* The functions of the last run live as long as its executors do, and die in
 * the owner context like all user data. */
static void
test_restart_with_other_functions (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  LpManager *manager;
  LpTestGate *gate = lp_test_gate_new ();

  g_atomic_pointer_set (&destroyed_on, NULL);
  lp_functions_add (functions, "named", NULL, NULL, named_func, NULL, note_thread, NULL);
  manager = lp_test_start (2, "functions", functions, "cancel-grace-seconds", GRACE_SECONDS,
                           "name-prefix", PREFIX, NULL);
  g_clear_object (&functions);
  add_stuck_executor (manager, gate);
  stop (manager, LP_STOP_MODE_KILL);
  lp_manager_set_functions (manager, NULL);
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  while (g_main_context_iteration (NULL, FALSE))
    ;

  lp_test_gate_open (gate);
  lp_test_wait_for (is_noted, NULL, "the destroy notify of the function");
  g_assert_true (g_atomic_pointer_get (&destroyed_on) == g_thread_self ());
  finish (manager, gate);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/quarantine/bound/max-0-keeps-the-place", test_max_0_keeps_the_place);
  g_test_add_func ("/quarantine/bound/max-1-takes-one", test_max_1_takes_one);
  g_test_add_func ("/quarantine/bound/max-minus-one-is-max-pools", test_max_minus_one_is_max_pools);
  g_test_add_func ("/quarantine/bound/of-real-threads", test_bound_of_real_threads);
  g_test_add_func ("/quarantine/bound/moves-in-when-there-is-room", test_moves_in_when_there_is_room);
  g_test_add_func ("/quarantine/retired-when-the-thread-returns", test_retired_when_the_thread_returns);
  g_test_add_data_func ("/quarantine/stop/cancel-leaves-them", GINT_TO_POINTER (LP_STOP_MODE_CANCEL),
                        test_stop_leaves_them);
  g_test_add_data_func ("/quarantine/stop/kill-leaves-them", GINT_TO_POINTER (LP_STOP_MODE_KILL),
                        test_stop_leaves_them);
  g_test_add_func ("/quarantine/stop/leaves-those-without-room", test_stop_leaves_those_without_room);
  g_test_add_func ("/quarantine/restart/with-places-occupied", test_restart_with_places_occupied);
  g_test_add_func ("/quarantine/restart/with-room-left", test_restart_with_room_left);
  g_test_add_func ("/quarantine/restart/with-a-lower-bound", test_restart_with_a_lower_bound);
  g_test_add_func ("/quarantine/restart/with-other-functions", test_restart_with_other_functions);

  return g_test_run ();
}
