/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A late cancel, or a late kill, never hits the next job in a worker process. */

#include "config.h"

#include "lp-test-remote.h"

typedef struct
{
  guint n_succeeded;
  guint n_cancelled;
} Outcomes;

/* Cancelled, and by nothing else; or it was too late. */
static void
count_victim (LpJob *job, Outcomes *outcomes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);

  if (value != NULL)
    {
      g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
      outcomes->n_succeeded++;
    }
  else
    {
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
      outcomes->n_cancelled++;
    }
}

static void
spin (guint n)
{
  for (guint i = 0; i < n; i++)
    g_thread_yield ();
}

static void
check_rounds (int workers, double grace, guint n_rounds, guint kill_each)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", workers, "cancel-grace-seconds", grace, NULL);
  LpLease *lease = lp_test_acquire (manager, "rounds");
  LpTestGate *gate = lp_test_gate_new ();
  Outcomes outcomes = { 0 };

  for (guint i = 0; i < n_rounds; i++)
    {
      gboolean kills = kill_each != 0 && i % kill_each == 0;
      g_autoptr (LpJob) victim = kills ? lp_test_gate_job (gate) : lp_test_value_job (7);
      g_autoptr (LpJob) next = lp_job_new_for_call ("uncancelled", g_variant_new ("(i)", i));
      gboolean before = g_test_rand_bit ();

      lp_test_submit (lease, victim);
      if (before)
        lp_test_submit (lease, next);
      spin (g_test_rand_int_range (0, 30));
      lp_job_cancel (victim);
      if (!before)
        lp_test_submit (lease, next);
      assert_value (next, i);
      count_victim (victim, &outcomes);
    }

  g_test_message ("%u victims succeeded, %u were cancelled", outcomes.n_succeeded, outcomes.n_cancelled);
  g_assert_cmpuint (outcomes.n_succeeded + outcomes.n_cancelled, ==, n_rounds);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, n_rounds + outcomes.n_succeeded);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_cancelled"), ==, outcomes.n_cancelled);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, 0);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 1);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

static guint
count_rounds (void)
{
  return lp_test_size (1000, 10000, 1000);
}

/* The grace is long: nothing is killed. */
static void
test_late_cancel (void)
{
  check_rounds (1, PATIENCE_SECONDS, count_rounds (), 0);
}

static void
test_late_cancel_of_two (void)
{
  check_rounds (2, PATIENCE_SECONDS, count_rounds (), 0);
}

/* There is none: what is cancelled while it runs is killed. */
static void
test_late_kill (void)
{
  check_rounds (1, 0, count_rounds () / 5, 8);
}

static void
test_late_kill_of_two (void)
{
  check_rounds (2, 0, count_rounds () / 5, 8);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("/late/cancel/one-worker", test_late_cancel);
  add ("/late/cancel/two-workers", test_late_cancel_of_two);
  add ("/late/kill/one-worker", test_late_kill);
  add ("/late/kill/two-workers", test_late_kill_of_two);

  return g_test_run ();
}
