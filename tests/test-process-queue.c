/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Jobs that are sent ahead to worker processes, and workers that are replaced: their
 * order, and that nothing is lost or left. */

#include "config.h"

#include "lp-test-remote.h"

/* The manager sends jobs ahead once it has seen that they are short. */
static void
warm_up (LpLease *lease)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  for (int i = 0; i < 500; i++)
    g_ptr_array_add (jobs, submit_call (lease, "value", g_variant_new ("(i)", i)));
  for (int i = 0; i < 500; i++)
    assert_value (jobs->pdata[i], i);
}

/* One worker takes them in the order of their submission. */
static void
test_fifo (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "fifo");
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  gint64 before = 0;

  warm_up (lease);
  for (int i = 0; i < 1000; i++)
    g_ptr_array_add (jobs, submit_call (lease, "worn", NULL));
  for (int i = 0; i < 1000; i++)
    {
      assert_value (jobs->pdata[i], i + 1);
      g_assert_cmpint (lp_job_get_started_at (jobs->pdata[i]), >=, before);
      before = lp_job_get_started_at (jobs->pdata[i]);
    }

  g_clear_pointer (&jobs, g_ptr_array_unref);
  finish (manager, lease);
}

/* Whatever had been sent to the worker that is busy for long now, the other one
 * does it. */
static void
test_behind_a_long_one (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, NULL);
  LpLease *lease = lp_test_acquire (manager, "fair");

  for (int round = 0; round < 20; round++)
    {
      g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
      LpTestGate *gate = lp_test_gate_new ();
      g_autoptr (LpJob) held = lp_test_gate_job (gate);

      warm_up (lease);
      for (int i = 0; i < 10 * round; i++)
        g_ptr_array_add (jobs, submit_call (lease, "value", g_variant_new ("(i)", i)));
      lp_test_submit (lease, held);
      for (int i = 10 * round; i < 20 * round; i++)
        g_ptr_array_add (jobs, submit_call (lease, "value", g_variant_new ("(i)", i)));

      lp_test_gate_wait_entered (gate, 1);
      for (int i = 0; i < (int) jobs->len; i++)
        assert_value (jobs->pdata[i], i);
      g_assert_cmpint (lp_job_get_state (held), ==, LP_JOB_STATE_RUNNING);
      lp_test_gate_open (gate);
      g_variant_unref (get_value (held));
      lp_test_gate_unref (gate);
    }

  finish (manager, lease);
}

/* Both are busy for long: the first that ends takes what waits, also what had been
 * sent to the other. */
static void
test_behind_two_long_ones (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, NULL);
  LpLease *lease = lp_test_acquire (manager, "fair");
  LpTestGate *gates[2] = { lp_test_gate_new (), lp_test_gate_new () };
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  LpJob *held[2];

  warm_up (lease);
  for (int i = 0; i < 2; i++)
    {
      held[i] = lp_test_gate_job (gates[i]);
      lp_test_submit (lease, held[i]);
    }
  for (int i = 0; i < 100; i++)
    g_ptr_array_add (jobs, submit_call (lease, "value", g_variant_new ("(i)", i)));
  lp_test_gate_wait_entered (gates[0], 1);
  lp_test_gate_wait_entered (gates[1], 1);
  for (int i = 0; i < 100; i++)
    g_assert_cmpint (lp_job_get_state (jobs->pdata[i]), ==, LP_JOB_STATE_QUEUED);

  lp_test_gate_open (gates[1]);
  for (int i = 0; i < 100; i++)
    assert_value (jobs->pdata[i], i);
  g_assert_cmpint (lp_job_get_state (held[0]), ==, LP_JOB_STATE_RUNNING);

  lp_test_gate_open (gates[0]);
  for (int i = 0; i < 2; i++)
    {
      g_variant_unref (get_value (held[i]));
      g_object_unref (held[i]);
      lp_test_gate_unref (gates[i]);
    }
  finish (manager, lease);
}

/* A command has the place of a worker: no call runs beside it, however short the calls are. */
static void
test_beside_a_command (void)
{
  const char * const argv[] = { "sleep", "0.3", NULL };
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "command");
  g_autoptr (LpJob) command = lp_job_new_for_command (argv, NULL);
  g_autoptr (LpJob) next = NULL;

  warm_up (lease);
  lp_test_submit (lease, command);
  next = submit_call (lease, "value", g_variant_new ("(i)", 1));
  assert_value (next, 1);
  g_assert_cmpint (lp_job_get_state (command), ==, LP_JOB_STATE_SUCCEEDED);
  g_assert_cmpint (lp_job_get_started_at (next), >=, lp_job_get_ended_at (command));

  finish (manager, lease);
}

/* One that was sent ahead, and is cancelled there, leaves the others alone. */
static void
test_cancelled_in_the_middle (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "cancel-grace-seconds", PATIENCE_SECONDS, NULL);
  LpLease *lease = lp_test_acquire (manager, "middle");
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) held = lp_test_gate_job (gate);
  LpJob *jobs[10];

  warm_up (lease);
  lp_test_submit (lease, held);
  for (int i = 0; i < 10; i++)
    jobs[i] = submit_call (lease, "value", g_variant_new ("(i)", i));
  lp_test_gate_wait_entered (gate, 1);
  for (int i = 0; i < 10; i += 2)
    lp_job_cancel (jobs[i]);

  /* While the worker is busy. */
  for (int i = 0; i < 10; i += 2)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (lp_job_wait (jobs[i], PATIENCE_SECONDS, NULL, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (lp_job_get_started_at (jobs[i]), ==, 0);
    }
  lp_test_gate_open (gate);
  for (int i = 1; i < 10; i += 2)
    assert_value (jobs[i], i);

  for (int i = 0; i < 10; i++)
    g_object_unref (jobs[i]);
  finish (manager, lease);
  lp_test_gate_unref (gate);
}

/* --- Workers that are replaced --- */

static void
test_recycle_idle (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "before");
  int pid = call_int (lease, "pid");

  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_manager_recycle (manager);
  lp_test_wait_retired (manager, 1);
  lease = lp_test_acquire (manager, "after");
  g_assert_cmpint (call_int (lease, "pid"), !=, pid);

  finish (manager, lease);
}

static void
test_recycle_leased (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpLease *lease = lp_test_acquire (manager, "before");
  int pid = call_int (lease, "pid");

  lp_manager_recycle (manager);
  g_assert_cmpint (call_int (lease, "pid"), ==, pid);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_wait_retired (manager, 1);
  lease = lp_test_acquire (manager, "after");
  g_assert_cmpint (call_int (lease, "pid"), !=, pid);

  finish (manager, lease);
}

static gboolean
has_two_children (gpointer data)
{
  return lp_test_count_children () == 2;
}

/* The replacement of a worker that has its last job is started while that one runs, so that the next job need not
 * wait for a start. */
static void
test_worn_out_is_replaced_before_it_ends (gconstpointer data)
{
  int max_jobs = GPOINTER_TO_INT (data);
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "max-jobs-per-worker", max_jobs, NULL);
  LpLease *lease = lp_test_acquire (manager, "worn");
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) last = lp_test_gate_job (gate);
  int old = lp_test_get_child (0);
  int first, replacement;

  for (int i = 1; i < max_jobs; i++)
    g_assert_cmpint (call_int (lease, "pid"), ==, old);
  g_assert_cmpuint (lp_test_count_children (), ==, 1);

  lp_test_submit (lease, last);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_block_for (has_two_children, NULL, "the replacement");
  g_assert_cmpint (lp_job_get_state (last), ==, LP_JOB_STATE_RUNNING);
  first = lp_test_get_child (0);
  replacement = first == old ? lp_test_get_child (1) : first;
  g_assert_cmpint (replacement, !=, old);

  /* It takes over when the old one has ended its job. */
  lp_test_gate_open (gate);
  g_variant_unref (get_value (last));
  g_assert_cmpint (call_int (lease, "pid"), ==, replacement);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 1);

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

/* A job that is killed takes its worker with it, and nothing else. */
static void
test_killed_is_replaced (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "cancel-grace-seconds", 0.0, NULL);
  LpLease *lease = lp_test_acquire (manager, "kills");
  int pid = call_int (lease, "pid");
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) stuck = lp_test_gate_job (gate);
  g_autoptr (GError) error = NULL;

  lp_test_submit (lease, stuck);
  lp_test_gate_wait_entered (gate, 1);
  lp_job_cancel (stuck);
  g_assert_null (lp_job_wait (stuck, PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (call_int (lease, "pid"), !=, pid);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 1);

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

/* Many executors come and go: descriptors, threads and children do not grow. */
static void
test_nothing_grows (void)
{
  guint n_cycles = lp_test_size (30, 10000, 10);
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, NULL);
  guint n_fds = 0;

  for (guint i = 0; i < n_cycles; i++)
    {
      LpLease *lease = lp_test_acquire (manager, "cycle");

      call_int (lease, "pid");
      g_assert_cmpuint (lp_test_count_children (), ==, 2);
      if (i == 2)
        n_fds = lp_test_count_fds ();
      if (i > 2)
        g_assert_cmpuint (lp_test_count_fds (), ==, n_fds);
      lp_lease_release (lease);
      lp_test_wait_finalized (lease);
      lp_manager_recycle (manager);
      lp_test_wait_retired (manager, i + 1);
      lp_test_wait_stat (manager, "available", 1);
    }

  g_test_message ("%u executors, %u descriptors", n_cycles, n_fds);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("/queue/fifo", test_fifo);
  add ("/queue/behind-a-long-one", test_behind_a_long_one);
  add ("/queue/behind-two-long-ones", test_behind_two_long_ones);
  add ("/queue/beside-a-command", test_beside_a_command);
  add ("/queue/cancelled-in-the-middle", test_cancelled_in_the_middle);
  add ("/replaced/recycle-idle", test_recycle_idle);
  add ("/replaced/recycle-leased", test_recycle_leased);
  lp_test_conform_add_only_data (LP_BACKEND_PROCESS, "/replaced/worn-out-before-it-ends/by-its-only-job",
                                 GINT_TO_POINTER (1), test_worn_out_is_replaced_before_it_ends);
  lp_test_conform_add_only_data (LP_BACKEND_PROCESS, "/replaced/worn-out-before-it-ends/by-its-third-job",
                                 GINT_TO_POINTER (3), test_worn_out_is_replaced_before_it_ends);
  add ("/replaced/killed", test_killed_is_replaced);
  add ("/replaced/nothing-grows", test_nothing_grows);

  return g_test_run ();
}
