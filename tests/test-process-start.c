/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Worker processes that do not come so far that they could take a job. */

#include "config.h"

#include "lp-test-proc.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  const char *name;
  const char *arguments;
  const char *says;
  gboolean is_slow;             /* it must wait for the time-out */
} Failure;

static const Failure failures[] = {
  { "exit-0-at-once", "exit-at-once", "status 0" },
  { "exit-3-at-once", "exit-at-once --argument=3", "status 3" },
  { "last-line", "say-and-exit", "no such library: libnothing.so" },
  { "abort-at-once", "abort-at-once", "signal 6" },
  { "exit-in-hello", "exit-in-hello --argument=3", "status 3" },
  { "unknown-mode", "no-such-mode", "there is no mode no-such-mode" },
  { "version-2", "version-2", "version 2" },
  { "version-text", "version-text", "version" },
  { "no-version", "no-version", "version" },
  { "bad-functions", "bad-functions", "this is no type" },
  { "started-first", "started-first", "STARTED" },
  { "goodbye-first", "goodbye-first", NULL },
  { "zeros-first", "zeros-first", "0 bytes" },
  { "stdout-text", "stdout-text", "Loading the model, please wait..." },
  { "init-error", "init-error", "no room to initialise" },
  { "init-error-unknown", "init-error-unknown", "the model is missing" },
  { "init-error-and-stay", "init-error-and-stay", "no room to initialise" },
  { "error-of-job", "error-of-job", NULL },
  { "never-read", "never-read", "start-timeout-seconds", TRUE },
  { "never-hello", "never-hello", "start-timeout-seconds", TRUE },
  { "hang-in-hello", "hang-in-hello", "start-timeout-seconds", TRUE },
  { "close-in-hello", "close-in-hello", NULL },
};

static gboolean
has_no_child (gpointer data)
{
  return lp_test_count_children () == 0;
}

static void
check_failed_start (LpManager *manager, const Failure *failure)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_test_message ("%s", error->message);
  if (failure->says != NULL)
    lp_test_assert_says (error, failure->says);
  lp_test_assert_says (error, "bad-worker");
  g_assert_false (lp_manager_is_running (manager));
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);

  /* It has ended then, not only been told to; /proc may show it for a moment
   * longer. */
  lp_test_block_for (has_no_child, NULL, "the last process to go");
}

/* The start fails, once and again, and nothing of it stays. */
static void
test_start_fails (gconstpointer data)
{
  const Failure *failure = data;
  LpTestProc self;

  lp_test_proc_set_up (&self, failure->arguments);
  if (failure->is_slow)
    lp_manager_set_start_timeout_seconds (self.manager, 0.2);
  check_failed_start (self.manager, failure);
  check_failed_start (self.manager, failure);
  lp_test_proc_tear_down (&self);
}

/* A hello that is cut at any byte. */
static void
test_start_fails_at_each_byte (void)
{
  for (int n = 0; n < 100; n += n < 20 ? 1 : 9)
    {
      g_autofree char *arguments = g_strdup_printf ("--functions die-in-hello --argument=%d", n);
      const Failure failure = { "", arguments, "status 0" };
      LpTestProc self;

      lp_test_proc_set_up (&self, arguments);
      lp_manager_set_workers_per_pool (self.manager, 1);
      check_failed_start (self.manager, &failure);
      lp_test_proc_tear_down (&self);
    }
}

/* What cannot even be run. */
static void
test_start_fails_without_program (gconstpointer program)
{
  const char * const argv[] = { program, NULL };
  LpTestProc self;
  g_autoptr (GError) error = NULL;

  lp_test_proc_set_up (&self, "good");
  lp_manager_set_worker_argv (self.manager, argv);
  g_assert_false (lp_manager_start (self.manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_test_message ("%s", error->message);
  lp_test_assert_says (error, program);
  lp_test_proc_tear_down (&self);
}

/* One of several: the others are ended, too. */
static void
test_start_failure_ends_the_others (void)
{
  const Failure failure = { "", NULL, "status 3" };
  LpTestProc self;

  lp_test_proc_set_up (&self, "--only=2 exit-in-hello --argument=3");
  lp_manager_set_max_pools (self.manager, 3);
  lp_manager_set_min_pools (self.manager, 3);
  check_failed_start (self.manager, &failure);
  lp_test_proc_tear_down (&self);
}

static void
assert_takes_large_bodies (LpManager *manager)
{
  LpLease *lease = lp_test_acquire (manager, "large");
  g_autofree char *text = g_strnfill (4 * 1024 * 1024, 'x');
  g_autoptr (GVariant) parameters = g_variant_ref_sink (g_variant_new ("(s)", text));
  LpTestOutcome *outcome = lp_test_call (lease, "echo", parameters);

  lp_test_assert_succeeds (outcome);
  g_assert_true (g_variant_equal (outcome->result, parameters));
  lp_test_outcome_free (outcome);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
}

/* Not wrong: it starts, and works. Files come only if it has agreed to them. */
static void
test_start_succeeds (gconstpointer arguments)
{
  LpTestProc self;

  lp_test_proc_set_up (&self, arguments);
  lp_test_proc_start (&self);
  lp_test_assert_works (self.manager);
  assert_takes_large_bodies (self.manager);
  lp_test_proc_tear_down (&self);
}

static void
start_two_slow_workers (LpTestProc *self, GAsyncResult **result)
{
  g_autofree char *arguments = NULL;
  g_auto (GStrv) argv = NULL;

  lp_test_proc_set_up (self, "good");
  arguments = g_strdup_printf ("slow-hello --argument=%s", self->first.path);
  argv = lp_test_bad_worker_argv (arguments);
  lp_manager_set_worker_argv (self->manager, (const char * const *) argv);
  lp_manager_start_async (self->manager, NULL, lp_test_result_cb, result);
}

/* It takes its time, and nobody else waits for it. */
static void
test_start_waits_for_a_slow_hello (void)
{
  LpTestProc self;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  start_two_slow_workers (&self, &result);
  lp_test_wait_stat (self.manager, "starting", 1);
  lp_test_let_go (&self.first);
  lp_test_let_go (&self.first);
  lp_manager_start_finish (self.manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_clear_object (&result);
  lp_test_assert_works (self.manager);
  lp_test_proc_tear_down (&self);
}

static gboolean
has_two_children (gpointer data)
{
  return lp_test_count_children () == 2;
}

/* In the middle of a handshake. */
static void
test_start_is_overtaken_by_stop (gconstpointer mode)
{
  LpTestProc self;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  start_two_slow_workers (&self, &result);
  lp_test_wait_for (has_two_children, NULL, "two workers");
  lp_manager_stop (self.manager, (LpStopMode) GPOINTER_TO_INT (mode), -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lp_test_count_children (), ==, 0);
  g_assert_false (lp_manager_start_finish (self.manager, lp_test_wait_result (&result), &error));
  g_assert_nonnull (error);
  g_clear_object (&result);
  lp_test_proc_tear_down (&self);
}

static void
test_start_is_overtaken_by_dispose (void)
{
  LpTestProc self;
  g_autoptr (GAsyncResult) result = NULL;

  start_two_slow_workers (&self, &result);
  lp_test_wait_for (has_two_children, NULL, "two workers");
  g_object_run_dispose (G_OBJECT (self.manager));
  g_assert_false (lp_manager_start_finish (self.manager, lp_test_wait_result (&result), NULL));
  g_clear_object (&result);
  lp_test_wait_finalized (g_steal_pointer (&self.manager));
  lp_test_proc_tear_down (&self);
}

/* Executors after the start that cannot be had hurt nobody who has one. */
static void
test_start_later_failures_hurt_nobody (gconstpointer arguments)
{
  LpTestProc self;
  LpLease *lease;
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;

  lp_test_proc_set_up (&self, arguments);
  lp_manager_set_max_pools (self.manager, 2);
  lp_manager_set_start_timeout_seconds (self.manager, 5);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "good one");

  lp_request_set_timeout (request, 0.5);
  g_assert_null (lp_manager_acquire (self.manager, request, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_test_message ("%s", error->message);

  lp_test_use_and_release (lease);
  lp_test_assert_works (self.manager);
  g_assert_cmpuint (lp_test_counter (self.manager, "executors_created"), ==, 1);
  lp_test_proc_tear_down (&self);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++)
    {
      g_autofree char *path = g_strconcat ("/process/start/fails/", failures[i].name, NULL);

      g_test_add_data_func (path, &failures[i], test_start_fails);
    }
  g_test_add_func ("/process/start/fails/at-each-byte", test_start_fails_at_each_byte);
  g_test_add_data_func ("/process/start/fails/without-program", "/nowhere/no-program",
                        test_start_fails_without_program);
  g_test_add_data_func ("/process/start/fails/with-a-directory", "/etc", test_start_fails_without_program);
  g_test_add_data_func ("/process/start/fails/with-what-is-no-program", "/etc/passwd",
                        test_start_fails_without_program);
  g_test_add_func ("/process/start/failure-ends-the-others", test_start_failure_ends_the_others);
  g_test_add_data_func ("/process/start/without-files", "good", test_start_succeeds);
  g_test_add_data_func ("/process/start/with-files", "--nonce good", test_start_succeeds);
  g_test_add_data_func ("/process/start/unknown-keys", "unknown-keys", test_start_succeeds);
  g_test_add_data_func ("/process/start/log-first", "log-first", test_start_succeeds);
  g_test_add_data_func ("/process/start/wrong-nonce", "wrong-nonce", test_start_succeeds);
  g_test_add_data_func ("/process/start/huge-depth", "--depth=2000000000 good", test_start_succeeds);
  g_test_add_data_func ("/process/start/descriptors-in-hello", "--only=2 fd-in-hello", test_start_succeeds);
  g_test_add_func ("/process/start/waits-for-a-slow-hello", test_start_waits_for_a_slow_hello);
  g_test_add_data_func ("/process/start/overtaken-by-stop-cancel", GINT_TO_POINTER (LP_STOP_MODE_CANCEL),
                        test_start_is_overtaken_by_stop);
  g_test_add_data_func ("/process/start/overtaken-by-stop-drain", GINT_TO_POINTER (LP_STOP_MODE_DRAIN),
                        test_start_is_overtaken_by_stop);
  g_test_add_data_func ("/process/start/overtaken-by-stop-kill", GINT_TO_POINTER (LP_STOP_MODE_KILL),
                        test_start_is_overtaken_by_stop);
  g_test_add_func ("/process/start/overtaken-by-dispose", test_start_is_overtaken_by_dispose);
  g_test_add_data_func ("/process/start/later-exits-hurt-nobody", "--from=2 exit-in-hello",
                        test_start_later_failures_hurt_nobody);
  g_test_add_data_func ("/process/start/later-hangs-hurt-nobody", "--from=2 never-hello",
                        test_start_later_failures_hurt_nobody);

  return g_test_run ();
}
