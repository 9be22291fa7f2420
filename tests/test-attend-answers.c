/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Answers of a worker process that are read by the main loop which waits for them: nothing depends on who reads, whatever
 * comes in their place, and whatever callbacks do. */

#include "config.h"

#include "lp-test-attend.h"

#include <signal.h>

/* --- How late it is known that a job has started --- */

#define FROZEN_USEC 30000

/* A worker that says that it is late to say so was not at work for longer than it may be late. */
static void
test_late_start (void)
{
  Attend self;
  LpTestOutcome *outcome;
  int pid;

  set_up (&self, "--late good");
  pid = lp_test_ask_pid (self.lease);
  kill (pid, SIGSTOP);
  outcome = lp_test_double (self.lease, 21);
  g_usleep (FROZEN_USEC);
  kill (pid, SIGCONT);
  lp_test_assert_int (outcome, 42);
  g_assert_cmpint (lp_job_get_started_at (outcome->job) - lp_job_get_queued_at (outcome->job), >=,
                   FROZEN_USEC - LP_CHILD_LATE_USEC);
  lp_test_outcome_free (outcome);
  tear_down (&self);
}

/* --- What comes in the place of an answer --- */

static void
test_cancelled (void)
{
  Attend self;
  LpTestOutcome *outcome;

  set_up (&self, "good");
  outcome = attend_and_call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  lp_test_wait_started (outcome);
  lp_job_cancel (outcome->job);
  lp_test_assert_cancelled (outcome);
  lp_test_outcome_free (outcome);
  assert_doubled (call_double (&self, 21), 21);
  tear_down (&self);
}

/* Without a single turn of the loop. */
static void
test_killed (void)
{
  Attend self;
  LpTestOutcome *outcome;
  int pid;

  set_up (&self, "good");
  pid = lp_test_ask_pid (self.lease);
  outcome = attend_and_call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  lp_test_wait_started (outcome);
  kill (pid, SIGKILL);
  lp_test_assert_fails (outcome, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_outcome_free (outcome);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_BROKEN);
  lp_test_assert_works (self.proc.manager);
  tear_down (&self);
}

/* What follows for the lease is decided elsewhere, and it ends. */
static void
test_released_meanwhile (void)
{
  Attend self;
  LpTestOutcome *outcome;

  set_up (&self, "good");
  for (guint round = 0; round < 20; round++)
    {
      outcome = call_attended (&self);
      lp_lease_release (self.lease);
      lp_test_assert_succeeds (outcome);
      lp_test_outcome_free (outcome);
      lp_test_block_released (self.lease);
      g_object_unref (self.lease);
      self.lease = lp_test_acquire (self.proc.manager, "next");
    }
  tear_down (&self);
}

static void
test_stopped_meanwhile (void)
{
  Attend self;
  LpTestOutcome *outcome;
  g_autoptr (GAsyncResult) stopped = NULL;

  set_up (&self, "good");
  outcome = attend_and_call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  lp_test_wait_started (outcome);
  lp_manager_stop_async (self.proc.manager, LP_STOP_MODE_CANCEL, 0, NULL, lp_test_result_cb, &stopped);
  lp_test_assert_cancelled (outcome);
  lp_test_outcome_free (outcome);
  lp_test_wait_result (&stopped);
  g_clear_object (&stopped);
  tear_down (&self);
}

/* With what a bad worker does when it is asked to. */
static void
check_bad (const LpTestBreak *self, Attend *attend)
{
  LpTestOutcome *bad = attend_and_call (attend, "misbehave", g_variant_new ("(i)", 1));

  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (bad->job) != 0, ==, self->fate == LP_TEST_BLAMED);
  lp_test_assert_says (bad->error, self->says);
  lp_test_outcome_free (bad);
  g_assert_cmpint (lp_lease_get_state (attend->lease), ==, LP_LEASE_STATE_BROKEN);
  lp_test_assert_works (attend->proc.manager);
}

static void
test_bad (gconstpointer data)
{
  const LpTestBreak *self = data;
  Attend attend;

  set_up (&attend, self->arguments);
  check_bad (self, &attend);
  tear_down (&attend);
}

static const LpTestBreak breaks[] = {
  { "exit", "exit --argument=3", "status 3" },
  { "segv", "segv", "signal 11" },
  { "exit-before-started", "exit-before-started --argument=3", "status 3", LP_TEST_UNTOUCHED },
  { "late-to-say-started", "--late exit-before-started --argument=3", "status 3" },
  { "cut-started", "cut-started --argument=9", "status 3", LP_TEST_UNTOUCHED },
  { "cut-result", "cut-result --argument=20", "status 3" },
  { "stderr-last-line", "stderr-last-line", "the last line that it wrote" },
  { "close-stream", "close-stream", "closed its stream" },
  { "unknown-type", "unknown-type", "broke the protocol" },
  { "unknown-flags", "unknown-flags", "broke the protocol" },
  { "result-of-nobody", "result-of-nobody", "broke the protocol" },
  { "wrong-result-type", "--functions wrong-result-type", "is declared to return" },
};

/* --- Records --- */

typedef struct
{
  guint n_told;
  guint n_records;
} Order;

static void
record_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  Order *order = user_data;

  order->n_records++;
}

static void
order_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Order *order = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  order->n_told++;
}

static gboolean
is_told (gpointer data)
{
  return ((Order *) data)->n_told == 1;
}

static void
call_in_order (Attend *self, Order *order, const char *name, GVariant *parameters)
{
  order->n_told = order->n_records = 0;
  told_time = self->now;
  lp_lease_call_async (self->lease, name, parameters, NULL, order_cb, order);
  told_time = 0;
  lp_test_wait_for (is_told, order, "an answer");
}

/* What a function writes and logs is told before its end, by whomever that is read. */
static void
test_records_in_order (void)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char * const argv[] = { program, NULL };
  Attend self;
  Order order;

  lp_test_proc_set_up (&self.proc, "good");
  g_object_set (self.proc.manager, "worker-argv", argv, "workers-per-pool", 1, "forward-process-logs", TRUE, NULL);
  g_signal_connect (self.proc.manager, "worker-record", G_CALLBACK (record_cb), &order);
  lp_test_proc_start (&self.proc);
  self.lease = lp_test_acquire (self.proc.manager, "records");
  self.now = g_get_monotonic_time ();
  g_main_context_acquire (NULL);

  for (guint round = 0; round < lp_test_size (100, 1000, 5); round++)
    {
      for (guint i = 0; i < CALLS + 3; i++)
        {
          call_in_order (&self, &order, "double", g_variant_new ("(i)", 1));
          g_assert_cmpuint (order.n_records, ==, 0);
        }
      if (round % 2 == 0)
        call_in_order (&self, &order, "print", g_variant_new ("(s)", "a line"));
      else
        call_in_order (&self, &order, "log", g_variant_new ("(uu)", G_LOG_LEVEL_MESSAGE, 1));
      g_assert_cmpuint (order.n_records, ==, 1);
    }

  g_main_context_release (NULL);
  lp_lease_release (self.lease);
  lp_test_wait_finalized (self.lease);
  lp_test_proc_tear_down (&self.proc);
}

/* --- What callbacks do --- */

typedef struct
{
  Attend attend;
  guint n_left;
  gboolean done;
  GMainLoop *loop;
} Chain;

static void call_next (Chain *self);

static void
chain_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chain *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  if (--self->n_left > 0)
    call_next (self);
  else
    g_main_loop_quit (self->loop);
}

static void
call_next (Chain *self)
{
  told_time = self->attend.now;
  lp_lease_call_async (self->attend.lease, "double", g_variant_new ("(i)", 1), NULL, chain_cb, self);
  told_time = 0;
}

static void
nested_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chain *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  self->n_left = 100;
  call_next (self);
  g_main_loop_run (self->loop);
  self->done = TRUE;
}

/* A callback may run the loop, and what is called in it is answered there. */
static void
test_nested (void)
{
  Chain self = { .loop = g_main_loop_new (NULL, FALSE) };

  set_up (&self.attend, "good");
  attend (&self.attend);
  told_time = self.attend.now;
  lp_lease_call_async (self.attend.lease, "double", g_variant_new ("(i)", 1), NULL, nested_cb, &self);
  told_time = 0;
  while (!self.done)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (self.n_left, ==, 0);
  g_main_loop_unref (self.loop);
  tear_down (&self.attend);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop_finish (LP_MANAGER (source), result, &error);
  g_assert_no_error (error);
  g_main_loop_quit (user_data);
}

static void
stop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chain *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  g_assert_no_error (error);
  lp_manager_stop_async (self->attend.proc.manager, LP_STOP_MODE_DRAIN, 0, NULL, stopped_cb, self->loop);
}

static void
test_stop_from_a_callback (void)
{
  Chain self = { .loop = g_main_loop_new (NULL, FALSE) };

  set_up (&self.attend, "good");
  attend (&self.attend);
  told_time = self.attend.now;
  lp_lease_call_async (self.attend.lease, "double", g_variant_new ("(i)", 1), NULL, stop_cb, &self);
  told_time = 0;
  g_main_loop_run (self.loop);
  g_main_loop_unref (self.loop);
  tear_down (&self.attend);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  g_test_add_func ("/attend/late-start", test_late_start);
  g_test_add_func ("/attend/cancelled", test_cancelled);
  g_test_add_func ("/attend/killed", test_killed);
  g_test_add_func ("/attend/released-meanwhile", test_released_meanwhile);
  g_test_add_func ("/attend/stopped-meanwhile", test_stopped_meanwhile);
  for (guint i = 0; i < G_N_ELEMENTS (breaks); i++)
    {
      g_autofree char *path = g_strconcat ("/attend/bad/", breaks[i].name, NULL);

      g_test_add_data_func (path, &breaks[i], test_bad);
    }
  g_test_add_func ("/attend/records-in-order", test_records_in_order);
  g_test_add_func ("/attend/nested", test_nested);
  g_test_add_func ("/attend/stop-from-a-callback", test_stop_from_a_callback);

  return g_test_run ();
}
