/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Workers that have a lot to say: nothing is lost, and all of it comes before
 * the result of the job that said it. */

#include "config.h"

#include "lp-test-proc.h"

#include <string.h>
#include <unistd.h>

typedef struct
{
  LpTestProc proc;
  const char *prefix;           /* each record is this and a number, from 0 */
  int n_records;
  gsize n_bytes;
  gboolean wants_order;
} Flood;

static void
record_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  Flood *self = user_data;
  g_autofree char *expected = g_strdup_printf ("%s %d", self->prefix, self->n_records);
  const char *message;

  g_assert_true (g_variant_lookup (record, "message", "&s", &message));
  self->n_records++;
  self->n_bytes += strlen (message);
  if (self->wants_order)
    g_assert_cmpstr (message, ==, expected);
}

static void
set_up (Flood *self, const char *arguments, const char *prefix)
{
  *self = (Flood) { .prefix = prefix, .wants_order = TRUE };
  lp_test_proc_set_up (&self->proc, arguments);
  g_object_set (self->proc.manager, "workers-per-pool", 1, "forward-process-logs", TRUE,
                "cancel-grace-seconds", 30.0, NULL);
  g_signal_connect (self->proc.manager, "worker-record", G_CALLBACK (record_cb), self);
  lp_test_proc_start (&self->proc);
}

/* What the job leads to; all that it said is there then. */
static LpTestOutcome *
misbehave (Flood *self)
{
  LpLease *lease = lp_test_acquire (self->proc.manager, "flood");
  LpTestOutcome *outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));

  lp_test_wait_outcome (outcome);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);

  return outcome;
}

static void
check_flood (const char *arguments, const char *prefix, int n_records)
{
  Flood self;
  LpTestOutcome *outcome;

  set_up (&self, arguments, prefix);
  outcome = misbehave (&self);
  lp_test_assert_int (outcome, 7);
  g_assert_cmpint (self.n_records, ==, n_records);
  lp_test_outcome_free (outcome);
  lp_test_assert_works (self.proc.manager);
  g_assert_cmpint (self.n_records, ==, n_records);
  g_assert_cmpuint (lp_test_counter (self.proc.manager, "log_records_forwarded"), ==, n_records);
  lp_test_proc_tear_down (&self.proc);
}

static void
test_flood_of_records (void)
{
  int n_records = (int) lp_test_size (20000, 20000, 4000);
  g_autofree char *arguments = g_strdup_printf ("log-flood --argument=%d", n_records);

  check_flood (arguments, "record", n_records);
}

static void
test_flood_of_lines (void)
{
  check_flood ("stderr-flood --argument=20000", "line", 20000);
}

/* What came before a death is not lost, either. */
static void
test_flood_before_a_death (void)
{
  Flood self;
  LpTestOutcome *outcome;

  set_up (&self, "log-and-die --argument=5000", "record");
  outcome = misbehave (&self);
  lp_test_assert_fails (outcome, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (self.n_records, ==, 5000);
  lp_test_outcome_free (outcome);
  lp_test_assert_works (self.proc.manager);
  lp_test_proc_tear_down (&self.proc);
}

static gboolean
has_failed (gpointer data)
{
  return lp_job_get_state (((LpTestOutcome *) data)->job) == LP_JOB_STATE_FAILED;
}

/* Nor what came when nobody took it: more than is kept on the way, the rest, which the stream holds, is still there when
 * the worker is found dead. */
static void
test_flood_before_a_death_that_nobody_takes (void)
{
  Flood self;
  LpLease *lease;
  LpTestOutcome *outcome;

  set_up (&self, "burst-and-die --argument=3000", "");
  self.wants_order = FALSE;
  lease = lp_test_acquire (self.proc.manager, "flood");
  outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_block_for (has_failed, outcome, "the job to fail");
  lp_test_assert_fails (outcome, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (self.n_records, ==, 4000);
  lp_test_outcome_free (outcome);
  lp_test_wait_finalized (lease);
  lp_test_proc_tear_down (&self.proc);
}

/* In one piece or in several. */
static void
test_flood_without_a_newline (void)
{
  Flood self;
  LpTestOutcome *outcome;

  set_up (&self, "stderr-long-line --argument=4000000", "");
  self.wants_order = FALSE;
  outcome = misbehave (&self);
  lp_test_assert_int (outcome, 7);
  lp_test_outcome_free (outcome);
  lp_test_proc_tear_down (&self.proc);
  g_assert_cmpuint (self.n_bytes, ==, 4000000);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Flood *self = user_data;
  g_autoptr (GError) error = NULL;

  lp_manager_stop_finish (LP_MANAGER (source), result, &error);
  g_assert_no_error (error);
  g_assert_cmpint (self->n_records, ==, 5000);
  self->wants_order = FALSE;
}

static gboolean
has_stopped (gpointer data)
{
  return !((Flood *) data)->wants_order;
}

/* All of a worker is there when the stop is complete. */
static void
test_flood_at_the_goodbye (void)
{
  Flood self;

  set_up (&self, "log-at-goodbye --argument=5000", "record");
  lp_test_assert_works (self.proc.manager);
  lp_manager_stop_async (self.proc.manager, LP_STOP_MODE_DRAIN, -1, NULL, stopped_cb, &self);
  lp_test_wait_for (has_stopped, &self, "the stop");
  lp_test_proc_tear_down (&self.proc);
}

static gboolean
is_running (gpointer data)
{
  return lp_job_get_state (((LpTestOutcome *) data)->job) == LP_JOB_STATE_RUNNING;
}

/* Nobody takes the records; the worker waits, and the stop does not. */
static void
test_flood_that_nobody_takes (void)
{
  Flood self;
  LpLease *lease;
  LpTestOutcome *outcome;

  set_up (&self, "log-flood --argument=100000", "record");
  self.wants_order = FALSE;
  lease = lp_test_acquire (self.proc.manager, "flood");
  outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_block_for (is_running, outcome, "the job to start");
  g_assert_true (lp_manager_stop (self.proc.manager, LP_STOP_MODE_KILL, -1, NULL, NULL));
  lp_test_wait_outcome (outcome);
  lp_test_outcome_free (outcome);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_proc_tear_down (&self.proc);
}

/* The last progress is what stays. */
static void
test_flood_of_progress (void)
{
  Flood self;
  LpTestOutcome *outcome;
  g_autofree char *status = NULL;

  set_up (&self, "progress-flood --argument=20000", "");
  outcome = misbehave (&self);
  lp_test_assert_int (outcome, 7);
  g_assert_cmpfloat (lp_job_get_progress (outcome->job), ==, 1.0);
  status = lp_job_dup_status (outcome->job);
  g_assert_cmpstr (status, ==, "step 20000");
  lp_test_outcome_free (outcome);
  lp_test_proc_tear_down (&self.proc);
}

/* Without forwarding the lines are copied to the standard error of this process. */
static void
test_flood_of_lines_is_copied (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *outcome;

  if (!g_test_subprocess ())
    {
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
      g_test_trap_assert_passed ();
      g_test_trap_assert_stderr ("*line 0\n*line 999\n*line 1999\n*");
      return;
    }

  lp_test_proc_set_up (&self, "stderr-flood --argument=2000");
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "flood");
  outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_assert_int (outcome, 7);
  lp_test_outcome_free (outcome);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_proc_tear_down (&self);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  g_test_add_func ("/process/flood/of-records", test_flood_of_records);
  g_test_add_func ("/process/flood/of-lines", test_flood_of_lines);
  g_test_add_func ("/process/flood/before-a-death", test_flood_before_a_death);
  g_test_add_func ("/process/flood/before-a-death-that-nobody-takes", test_flood_before_a_death_that_nobody_takes);
  g_test_add_func ("/process/flood/without-a-newline", test_flood_without_a_newline);
  g_test_add_func ("/process/flood/at-the-goodbye", test_flood_at_the_goodbye);
  g_test_add_func ("/process/flood/that-nobody-takes", test_flood_that_nobody_takes);
  g_test_add_func ("/process/flood/of-progress", test_flood_of_progress);
  g_test_add_func ("/process/flood/of-lines-is-copied", test_flood_of_lines_is_copied);

  return g_test_run ();
}
