/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Answers of a worker process that are read by the main loop which waits for them: when that begins, and ends. */

#include "config.h"

#include "lp-test-attend.h"

#include <sys/wait.h>
#include <unistd.h>

/* --- When --- */

static void
test_begins (void)
{
  Attend self;

  set_up (&self, "good");
  for (int i = 0; i < CALLS; i++)
    g_assert_true (call_is_attended (&self, i) == (i == CALLS - 1));
  for (int i = 0; i < 1000; i++)
    assert_doubled (call_double (&self, i), i);
  tear_down (&self);
}

/* Each of USEC after the one before. */
static guint
count_attended (gint64 usec)
{
  Attend self;
  guint n = 0;

  set_up (&self, "good");
  for (int i = 0; i < 3 * CALLS; i++)
    {
      n += call_is_attended (&self, i);
      self.now += usec;
    }
  tear_down (&self);

  return n;
}

static void
test_not_with_pauses (void)
{
  g_assert_cmpuint (count_attended (999), >, 0);
  g_assert_cmpuint (count_attended (1000), ==, 0);
}

static gpointer
call_elsewhere (gpointer data)
{
  Attend *self = data;
  GMainContext *context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  g_assert_false (call_is_attended (self, 1));
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);

  return NULL;
}

/* Two that take turns wait for each other no longer than before. */
static void
test_not_of_several_threads (void)
{
  Attend self;

  set_up (&self, "good");
  for (int i = 0; i < 3 * CALLS; i++)
    {
      g_assert_false (call_is_attended (&self, i));
      g_thread_join (g_thread_new ("elsewhere", call_elsewhere, &self));
    }
  tear_down (&self);
}

/* Who does not run the context does not read. */
static void
test_not_of_who_runs_no_loop (void)
{
  Attend self;

  set_up (&self, "good");
  g_main_context_release (NULL);
  for (int i = 0; i < 3 * CALLS; i++)
    g_assert_false (call_is_attended (&self, i));
  g_main_context_acquire (NULL);
  tear_down (&self);
}

/* --- And when not any more --- */

static int
count_polled (void)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[64];
  int priority, timeout;

  g_main_context_prepare (context, &priority);
  return g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
}

/* Nothing of it stays in the context. */
static void
test_ends_with_the_calls (void)
{
  Attend self;
  int n_before;

  set_up (&self, "good");
  n_before = count_polled ();
  attend (&self);
  lp_test_block_for (is_not_attended, &self, "the service thread to read again");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (count_polled (), ==, n_before);
  assert_doubled (call_double (&self, 21), 21);
  tear_down (&self);
}

/* A loop that hangs keeps an answer from nobody else. */
static void
test_ends_where_nobody_reads (void)
{
  Attend self;
  LpTestOutcome *outcome;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  set_up (&self, "good");
  outcome = call_attended (&self);
  value = lp_job_wait (outcome->job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (outcome->n_callbacks, ==, 0);
  lp_test_assert_succeeds (outcome);
  lp_test_outcome_free (outcome);
  tear_down (&self);
}

/* Those that come together are left to the service thread. */
static void
test_ends_with_many (void)
{
  Attend self;
  LpTestOutcome *outcomes[50];

  set_up (&self, "--depth=4 good");
  for (guint round = 0; round < 20; round++)
    {
      attend (&self);
      for (int i = 0; i < (int) G_N_ELEMENTS (outcomes); i++)
        outcomes[i] = call_double (&self, i);
      lp_test_wait_for (is_not_attended, &self, "the service thread to read again");
      for (int i = 0; i < (int) G_N_ELEMENTS (outcomes); i++)
        assert_doubled (outcomes[i], i);
    }
  tear_down (&self);
}

static gpointer
attend_elsewhere (gpointer data)
{
  Attend *self = data;
  GMainContext *context = g_main_context_new ();
  int later;

  g_main_context_push_thread_default (context);
  attend (self);
  later = g_random_int_range (0, 4);
  g_usleep ((gulong) later * 1000);
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);

  return NULL;
}

/* At any time, also while it is being taken over. */
static void
test_ends_with_the_context (void)
{
  Attend self;

  set_up (&self, "good");
  for (guint round = 0; round < lp_test_size (50, 1000, 10); round++)
    g_thread_join (g_thread_new ("elsewhere", attend_elsewhere, &self));
  assert_doubled (call_double (&self, 21), 21);
  tear_down (&self);
}

static gpointer
attend_and_keep_context (gpointer data)
{
  Attend *self = data;
  GMainContext *context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  attend (self);
  g_main_context_pop_thread_default (context);

  return context;
}

/* A context that is there, and never runs again, keeps nothing. */
static void
test_context_that_does_not_run_again (void)
{
  Attend self;
  GMainContext *context;

  set_up (&self, "good");
  context = g_thread_join (g_thread_new ("elsewhere", attend_and_keep_context, &self));
  g_main_context_release (NULL);
  lp_child_unref (self.child);
  lp_lease_release (self.lease);
  lp_test_wait_finalized (self.lease);
  lp_manager_stop (self.proc.manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL);
  lp_test_wait_finalized (self.executor);
  g_main_context_unref (context);
  lp_test_proc_tear_down (&self.proc);
}

/* The parent's answer is not for the child, which does not wait for it for ever. */
static void
test_forked (void)
{
  Attend self;
  LpTestOutcome *outcome;
  pid_t pid;
  int status;

  set_up (&self, "good");
  attend (&self);
  outcome = call (&self, "hold", g_variant_new ("(s)", self.proc.first.path));
  pid = fork ();
  if (pid == 0)
    {
      lp_test_let_go (&self.proc.first);
      for (guint i = 0; i < 100; i++)
        {
          g_usleep (100);
          g_main_context_iteration (NULL, FALSE);
        }
      /* What is left of the parent's threads is nobody's leak. */
      execlp ("true", "true", NULL);
      _exit (127);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
  lp_test_assert_succeeds (outcome);
  lp_test_outcome_free (outcome);
  tear_down (&self);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  g_test_add_func ("/attend/begins", test_begins);
  g_test_add_func ("/attend/not-with-pauses", test_not_with_pauses);
  g_test_add_func ("/attend/not-of-several-threads", test_not_of_several_threads);
  g_test_add_func ("/attend/not-of-who-runs-no-loop", test_not_of_who_runs_no_loop);
  g_test_add_func ("/attend/ends-with-the-calls", test_ends_with_the_calls);
  g_test_add_func ("/attend/ends-where-nobody-reads", test_ends_where_nobody_reads);
  g_test_add_func ("/attend/ends-with-many", test_ends_with_many);
  g_test_add_func ("/attend/ends-with-the-context", test_ends_with_the_context);
  g_test_add_func ("/attend/context-that-does-not-run-again", test_context_that_does_not_run_again);
  g_test_add_func ("/attend/forked", test_forked);

  return g_test_run ();
}
