/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Worker processes that die: exactly the job that ran is blamed. */

#include "config.h"

#include "lp-test-proc.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

static const LpTestBreak breaks[] = {
  { "exit-0", "exit --argument=0", "status 0" },
  { "exit-3", "exit --argument=3", "status 3" },
  { "kill-self", "kill-self", "signal 9" },
  { "kill-group", "kill-group", "signal 9" },
  { "segv", "segv", "signal 11" },
  { "term-self", "term-self", "signal 15" },
  { "declared", "--functions exit --argument=3", "status 3" },
  { "with-depth", "--depth=2 exit --argument=3", "status 3" },
  { "cut-result-in-large-body", "cut-large --argument=100000", "status 3" },
  { "stderr-last-line", "stderr-last-line", "the last line that it wrote" },
  { "stderr-unfinished-line", "stderr-unfinished-line", "terminate called without a reason" },
  { "exit-before-started", "exit-before-started --argument=3", "status 3", LP_TEST_UNTOUCHED },
  { "kill-before-started", "kill-before-started", "signal 9", LP_TEST_UNTOUCHED },
  { "cut-started", "cut-started --argument=9", "status 3", LP_TEST_UNTOUCHED },
  { "late-to-say-started", "--late exit-before-started --argument=3", "status 3", LP_TEST_BLAMED },
  { "late-with-depth", "--late --depth=2 kill-before-started", "signal 9", LP_TEST_BLAMED },
  { "answer-and-die", "answer-and-die", NULL, LP_TEST_SUCCEEDED },
};

/* The frame of the result of misbehave (1): header, value, zero and type. */
#define RESULT_SIZE (16 + 4 + 1 + 3)

/* A worker that dies at any byte of its result has not given it. */
static void
test_crash_cut_at_each_byte (void)
{
  for (int n = 0; n <= RESULT_SIZE; n++)
    {
      g_autofree char *arguments = g_strdup_printf ("cut-result --argument=%d", n);
      LpTestProc self;
      LpLease *lease;
      LpTestOutcome *bad;

      lp_test_proc_set_up (&self, arguments);
      lp_manager_set_workers_per_pool (self.manager, 1);
      lp_test_proc_start (&self);
      lease = lp_test_acquire (self.manager, "cut");
      bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
      if (n < RESULT_SIZE)
        {
          lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
          lp_test_assert_says (bad->error, "status 3");
          g_assert_cmpint (lp_job_get_started_at (bad->job), !=, 0);
        }
      else
        lp_test_assert_int (bad, 7);

      lp_test_outcome_free (bad);
      lp_lease_release (lease);
      lp_test_wait_finalized (lease);
      lp_test_wait_retired (self.manager, 1);
      lp_test_assert_works (self.manager);
      lp_test_proc_tear_down (&self);
    }
}

/* An error that is there when its sender dies is the outcome. */
static void
test_crash_error_before_death_stands (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *bad;

  lp_test_proc_set_up (&self, "error-and-die");
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "error");
  bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_assert_fails (bad, G_IO_ERROR, G_IO_ERROR_EXISTS);

  lp_test_outcome_free (bad);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_wait_retired (self.manager, 1);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* The end of the first job and the beginning of the second one are one write. */
static void
test_crash_blames_only_the_job_that_started (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *first, *bad, *after;

  lp_test_proc_set_up (&self, "--depth=4 kill-self");
  lp_manager_set_workers_per_pool (self.manager, 1);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "blame");
  lp_test_make_quick (lease);
  first = lp_test_hold (lease, &self.first);
  lp_test_wait_started (first);
  bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  after = lp_test_double (lease, 1);
  lp_test_let_go (&self.first);

  lp_test_assert_succeeds (first);
  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (bad->job), !=, 0);
  lp_test_assert_untouched (after);

  lp_test_outcome_free (first);
  lp_test_outcome_free (bad);
  lp_test_outcome_free (after);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* A worker of the library says that a short function has begun together with its end. One that kills the process has
 * begun in any case, however many were sent ahead of it, and whether the process was idle by then. */
static void
test_crash_blames_who_ended_it_at_once (void)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char * const argv[] = { program, NULL };
  LpTestProc self;

  lp_test_proc_set_up (&self, "good");
  g_object_set (self.manager, "worker-argv", argv, "workers-per-pool", 1, "forward-process-logs", TRUE, NULL);
  lp_test_proc_start (&self);
  for (guint round = 0; round < lp_test_size (40, 400, 10); round++)
    {
      LpLease *lease = lp_test_acquire (self.manager, "crash");
      LpTestOutcome *before[8], *bad;
      guint n_before = round % (G_N_ELEMENTS (before) + 1);

      lp_test_make_quick (lease);
      for (guint i = 0; i < n_before; i++)
        before[i] = lp_test_double (lease, (int) i);
      bad = lp_test_call (lease, "log-and-crash", g_variant_new ("(u)", 0));

      lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
      g_assert_cmpint (lp_job_get_started_at (bad->job), >=, lp_job_get_queued_at (bad->job));
      for (guint i = 0; i < n_before; i++)
        {
          lp_test_assert_int (before[i], 2 * (int) i);
          lp_test_outcome_free (before[i]);
        }
      lp_test_outcome_free (bad);
      lp_lease_release (lease);
      lp_test_wait_finalized (lease);
      lp_test_wait_retired (self.manager, round + 1);
    }
  lp_test_proc_tear_down (&self);
}

/* Calls are on their way in both directions when it dies: those before have their
 * results, those behind have not begun. */
static void
test_crash_in_a_stream_of_jobs (gconstpointer arguments)
{
  enum { N_JOBS = 100, BAD = 50 };
  LpTestOutcome *outcomes[N_JOBS];
  LpTestProc self;
  LpLease *lease;

  lp_test_proc_set_up (&self, arguments);
  lp_manager_set_workers_per_pool (self.manager, 1);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "stream");
  lp_test_make_quick (lease);
  for (int i = 0; i < N_JOBS; i++)
    outcomes[i] = lp_test_call (lease, i == BAD ? "misbehave" : "double", g_variant_new ("(i)", i));

  for (int i = 0; i < BAD; i++)
    lp_test_assert_int (outcomes[i], 2 * i);
  lp_test_assert_fails (outcomes[BAD], LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (outcomes[BAD]->job), !=, 0);
  for (int i = BAD + 1; i < N_JOBS; i++)
    {
      lp_test_wait_outcome (outcomes[i]);
      /* One that was not even accepted any more. */
      if (!g_error_matches (outcomes[i]->error, LP_ERROR, LP_ERROR_EXPIRED))
        lp_test_assert_untouched (outcomes[i]);
    }

  for (int i = 0; i < N_JOBS; i++)
    lp_test_outcome_free (outcomes[i]);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* All jobs that wait get their outcome, each once. */
static void
test_crash_fails_a_long_queue (gconstpointer arguments)
{
  enum { N_QUEUED = 500 };
  LpTestOutcome *queued[N_QUEUED];
  LpTestOutcome *before, *bad;
  LpTestProc self;
  LpLease *lease;

  lp_test_proc_set_up (&self, arguments);
  lp_manager_set_workers_per_pool (self.manager, 1);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "queue");
  lp_test_make_quick (lease);
  before = lp_test_hold (lease, &self.first);
  lp_test_wait_started (before);
  bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  for (int i = 0; i < N_QUEUED; i++)
    queued[i] = lp_test_double (lease, i);
  lp_test_let_go (&self.first);

  lp_test_assert_succeeds (before);
  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  for (int i = 0; i < N_QUEUED; i++)
    lp_test_assert_untouched (queued[i]);

  lp_test_outcome_free (before);
  lp_test_outcome_free (bad);
  for (int i = 0; i < N_QUEUED; i++)
    lp_test_outcome_free (queued[i]);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* What a worker writes cannot confuse a terminal. */
static void
test_crash_last_line_is_escaped (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *bad;

  lp_test_proc_set_up (&self, "stderr-nasty-line");
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "nasty");
  bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_assert_says (bad->error, "red");
  lp_test_assert_says (bad->error, "end");
  g_assert_true (g_utf8_validate (bad->error->message, -1, NULL));
  for (const char *text = bad->error->message; *text != '\0'; text++)
    g_assert_false (g_ascii_iscntrl (*text));

  lp_test_outcome_free (bad);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_proc_tear_down (&self);
}

/* --- Idle workers --- */

static int
get_pid_of_a_worker (LpManager *manager)
{
  LpLease *lease = lp_test_acquire (manager, "pid");
  int pid = lp_test_ask_pid (lease);

  lp_lease_release (lease);
  lp_test_wait_finalized (lease);

  return pid;
}

/* Nobody asks anything: it is noticed and replaced. */
static void
test_crash_idle_death_is_noticed (void)
{
  LpTestProc self;

  lp_test_proc_set_up (&self, "good");
  lp_test_proc_start (&self);
  g_assert_cmpint (kill (get_pid_of_a_worker (self.manager), SIGKILL), ==, 0);
  lp_test_wait_retired (self.manager, 1);
  lp_test_wait_stat (self.manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (self.manager, "executors_created"), ==, 2);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* Nor is one handed out that is dead by then. A job that was sent to it before
 * that was known can be tried again. */
static void
test_crash_idle_death_harms_nobody (void)
{
  LpTestProc self;

  lp_test_proc_set_up (&self, "good");
  lp_test_proc_start (&self);
  for (guint i = 0; i < 20; i++)
    {
      LpLease *lease;
      LpTestOutcome *outcome;

      g_assert_cmpint (kill (get_pid_of_a_worker (self.manager), SIGKILL), ==, 0);
      lease = lp_test_acquire (self.manager, "next");
      outcome = lp_test_double (lease, 21);
      lp_test_wait_outcome (outcome);
      if (outcome->error != NULL && g_error_matches (outcome->error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR))
        g_assert_cmpint (lp_job_get_started_at (outcome->job), ==, 0);
      else if (outcome->error == NULL || !g_error_matches (outcome->error, LP_ERROR, LP_ERROR_EXPIRED))
        lp_test_assert_int (outcome, 42);

      lp_test_outcome_free (outcome);
      lp_lease_release (lease);
      lp_test_wait_finalized (lease);
      lp_test_wait_retired (self.manager, i + 1);
      lp_test_assert_works (self.manager);
    }
  lp_test_proc_tear_down (&self);
}

static gboolean
is_not_active (gpointer lease)
{
  return lp_lease_get_state (lease) != LP_LEASE_STATE_ACTIVE;
}

/* The one whose worker dies between its jobs: its lease is broken at once. */
static void
test_crash_idle_death_breaks_the_lease (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *sibling;

  lp_test_proc_set_up (&self, "good");
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "idle");
  sibling = lp_test_hold (lease, &self.first);
  lp_test_wait_started (sibling);
  g_assert_cmpint (kill (lp_test_ask_pid (lease), SIGKILL), ==, 0);
  lp_test_wait_for (is_not_active, lease, "the lease to be broken");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);

  g_assert_cmpint (lp_job_get_state (sibling->job), ==, LP_JOB_STATE_RUNNING);
  lp_test_let_go (&self.first);
  lp_test_assert_succeeds (sibling);
  lp_test_outcome_free (sibling);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* In executor 1, as soon as it is ready: it is replaced before anybody has it. */
static void
test_crash_when_ready (gconstpointer arguments)
{
  LpTestProc self;

  lp_test_proc_set_up (&self, arguments);
  lp_manager_set_workers_per_pool (self.manager, 1);
  lp_manager_start (self.manager, NULL, NULL);
  if (!lp_manager_is_running (self.manager))
    {
      /* It was so quick that the start failed. */
      lp_test_proc_tear_down (&self);
      return;
    }

  lp_test_wait_retired (self.manager, 1);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

/* Whoever waits for an executor gets the one that replaces the broken one. */
static void
test_crash_serves_those_who_wait (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *bad;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_test_proc_set_up (&self, "exit --argument=3");
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "broken");
  lp_manager_acquire_async (self.manager, NULL, NULL, lp_test_result_cb, &result);
  bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_outcome_free (bad);
  lp_test_wait_finalized (lease);

  lease = lp_manager_acquire_finish (self.manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_clear_object (&result);
  lp_test_use_and_release (lease);
  lp_test_proc_tear_down (&self);
}

/* A status other than 0 after the goodbye hurts nobody. */
static void
test_crash_at_goodbye (void)
{
  LpTestProc self;
  g_autoptr (GError) error = NULL;

  lp_test_proc_set_up (&self, "exit-at-goodbye --argument=3");
  lp_test_proc_start (&self);
  lp_test_assert_works (self.manager);
  lp_manager_stop (self.manager, LP_STOP_MODE_DRAIN, -1, NULL, &error);
  g_assert_no_error (error);
  lp_test_proc_tear_down (&self);
}

/* Two at once: each job its outcome, one executor retired. */
static void
test_crash_of_both_workers (void)
{
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *first, *second, *bad[2];

  lp_test_proc_set_up (&self, "kill-self");
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "both");
  first = lp_test_hold (lease, &self.first);
  second = lp_test_hold (lease, &self.first);
  lp_test_wait_started (first);
  lp_test_wait_started (second);
  bad[0] = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 0));
  bad[1] = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 1));
  lp_test_let_go (&self.first);
  lp_test_let_go (&self.first);

  lp_test_assert_succeeds (first);
  lp_test_assert_succeeds (second);
  lp_test_assert_fails (bad[0], LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_assert_fails (bad[1], LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_outcome_free (first);
  lp_test_outcome_free (second);
  lp_test_outcome_free (bad[0]);
  lp_test_outcome_free (bad[1]);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (self.manager);
  g_assert_cmpuint (lp_test_counter (self.manager, "executors_retired"), ==, 1);
  lp_test_proc_tear_down (&self);
}

static gboolean
runs (gpointer job)
{
  return lp_job_get_state (job) == LP_JOB_STATE_RUNNING;
}

/* A job on the other worker has as long as it would have had with its lease: it holds an executor, and without an end
 * nobody would ever have that back. */
static void
test_crash_does_not_lift_the_hard_expiry (gconstpointer data)
{
  gboolean is_command = GPOINTER_TO_INT (data);
  const char *argv[] = { "sh", "-c", "trap '' TERM; while :; do sleep 1000; done", NULL };
  LpTestProc self;
  LpLease *lease;
  LpTestOutcome *first, *bad;
  g_autoptr (LpJob) second = NULL;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  gint64 hard;

  lp_test_proc_set_up (&self, "kill-self");
  g_object_set (self.manager, "lease-grace-seconds", 0.0, "cancel-grace-seconds", 0.1, NULL);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "expires");
  first = lp_test_hold (lease, &self.first);
  lp_test_wait_started (first);
  second = is_command ? lp_job_new_for_command (argv, NULL)
                      : lp_job_new_for_call ("hold", g_variant_new ("(s)", self.second.path));
  lp_test_submit (lease, second);
  lp_test_wait_for (runs, second, "the second job to start");
  bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 7));
  g_assert_true (lp_lease_renew (lease, 1, &error));
  hard = lp_lease_get_hard_expires_at (lease);
  lp_test_let_go (&self.first);

  lp_test_assert_succeeds (first);
  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  value = lp_job_wait (second, 60, NULL, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_ended_at (second), >=, hard);

  lp_test_outcome_free (first);
  lp_test_outcome_free (bad);
  lp_test_wait_finalized (lease);
  lp_test_wait_retired (self.manager, 1);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  lp_test_add_breaks ("/process/crash/", breaks, G_N_ELEMENTS (breaks));
  g_test_add_func ("/process/crash/cut-at-each-byte", test_crash_cut_at_each_byte);
  g_test_add_func ("/process/crash/error-before-death-stands", test_crash_error_before_death_stands);
  g_test_add_func ("/process/crash/blames-only-the-job-that-started", test_crash_blames_only_the_job_that_started);
  g_test_add_data_func ("/process/crash/in-a-stream-of-jobs/exit", "--depth=8 exit", test_crash_in_a_stream_of_jobs);
  g_test_add_data_func ("/process/crash/in-a-stream-of-jobs/kill-self", "--depth=8 kill-self",
                        test_crash_in_a_stream_of_jobs);
  g_test_add_data_func ("/process/crash/in-a-stream-of-jobs/cut-result", "--depth=8 cut-result --argument=20",
                        test_crash_in_a_stream_of_jobs);
  g_test_add_data_func ("/process/crash/in-a-stream-of-jobs/close-stream", "--depth=8 close-stream",
                        test_crash_in_a_stream_of_jobs);
  g_test_add_data_func ("/process/crash/in-a-stream-of-jobs/started-twice", "--depth=8 started-twice",
                        test_crash_in_a_stream_of_jobs);
  g_test_add_data_func ("/process/crash/in-a-stream-of-jobs/without-depth", "kill-self",
                        test_crash_in_a_stream_of_jobs);
  g_test_add_data_func ("/process/crash/fails-a-long-queue", "kill-self", test_crash_fails_a_long_queue);
  g_test_add_data_func ("/process/crash/fails-a-long-queue-with-depth", "--depth=8 kill-self",
                        test_crash_fails_a_long_queue);
  g_test_add_func ("/process/crash/last-line-is-escaped", test_crash_last_line_is_escaped);
  g_test_add_func ("/process/crash/idle-death-is-noticed", test_crash_idle_death_is_noticed);
  g_test_add_func ("/process/crash/idle-death-harms-nobody", test_crash_idle_death_harms_nobody);
  g_test_add_func ("/process/crash/idle-death-breaks-the-lease", test_crash_idle_death_breaks_the_lease);
  g_test_add_data_func ("/process/crash/exit-when-ready", "--only=1 exit-when-ready --argument=3", test_crash_when_ready);
  g_test_add_data_func ("/process/crash/hello-and-exit", "--only=1 hello-and-exit", test_crash_when_ready);
  g_test_add_data_func ("/process/crash/close-when-ready", "--only=1 close-when-ready", test_crash_when_ready);
  g_test_add_data_func ("/process/crash/hello-twice", "--only=1 hello-twice", test_crash_when_ready);
  g_test_add_data_func ("/process/crash/goodbye-when-ready", "--only=1 goodbye-when-ready", test_crash_when_ready);
  g_test_add_func ("/process/crash/serves-those-who-wait", test_crash_serves_those_who_wait);
  g_test_add_func ("/process/crash/at-goodbye", test_crash_at_goodbye);
  g_test_add_func ("/process/crash/blames-who-ended-it-at-once", test_crash_blames_who_ended_it_at_once);
  g_test_add_func ("/process/crash/of-both-workers", test_crash_of_both_workers);
  g_test_add_data_func ("/process/crash/does-not-lift-the-hard-expiry/call", GINT_TO_POINTER (FALSE),
                        test_crash_does_not_lift_the_hard_expiry);
  g_test_add_data_func ("/process/crash/does-not-lift-the-hard-expiry/command", GINT_TO_POINTER (TRUE),
                        test_crash_does_not_lift_the_hard_expiry);

  return g_test_run ();
}
