/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The log records of a worker process. */

#include "config.h"

#include "lp-test-worker.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void
expect_records (LpTestWorker *worker, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *message = g_strdup_printf ("record %u", i);

      lp_test_worker_expect_log (worker, G_LOG_LEVEL_INFO, "flood", message);
    }
}

static LpTestWorker *
start_with_level (guint level, gboolean to_stderr)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "log-level", "u", level);
  g_variant_dict_insert (&dict, "log-to-stderr", "b", to_stderr);
  return lp_test_worker_start_with (g_variant_dict_end (&dict));
}

static void
call_log (LpTestWorker *worker, guint64 id, guint level, guint n)
{
  lp_test_worker_call (worker, id, "log", g_variant_new ("(uu)", level, n));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, id);
}

static void
expect_unit (LpTestWorker *worker, guint64 id)
{
  g_autoptr (GVariant) body = lp_test_worker_expect (worker, LP_FRAME_RESULT, id);

  g_assert_cmpstr (g_variant_get_type_string (body), ==, "v");
}

/* Far more than the stream holds. */
static void
test_all_come_in_order_before_the_result (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  call_log (worker, 1, G_LOG_LEVEL_INFO, 100000);
  expect_records (worker, 100000);
  expect_unit (worker, 1);
  lp_test_worker_finish (worker);
}

static void
test_threads (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  guint next[4] = { 0 };
  LpFrame frame;

  lp_test_worker_call (worker, 1, "log-threads", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  while (lp_test_worker_read (worker, &frame) && frame.type == LP_FRAME_LOG)
    {
      const char *message;
      guint thread, i;

      g_variant_get_child (frame.body, 2, "&s", &message);
      g_assert_cmpint (sscanf (message, "%u %u", &thread, &i), ==, 2);
      g_assert_cmpuint (thread, <, G_N_ELEMENTS (next));
      g_assert_cmpuint (i, ==, next[thread]);
      next[thread]++;
      lp_frame_clear (&frame);
    }
  g_assert_cmpuint (frame.type, ==, LP_FRAME_RESULT);
  lp_frame_clear (&frame);
  for (guint i = 0; i < G_N_ELEMENTS (next); i++)
    g_assert_cmpuint (next[i], ==, 1000);
  lp_test_worker_finish (worker);
}

/* Those below are dropped, also if they would not be without a manager. */
static void
test_level (void)
{
  LpTestWorker *worker = start_with_level (G_LOG_LEVEL_MESSAGE, FALSE);
  g_autofree char *errors = NULL;

  call_log (worker, 1, G_LOG_LEVEL_INFO, 1);
  expect_unit (worker, 1);
  call_log (worker, 2, G_LOG_LEVEL_DEBUG, 1);
  expect_unit (worker, 2);
  call_log (worker, 3, G_LOG_LEVEL_MESSAGE, 1);
  lp_test_worker_expect_log (worker, G_LOG_LEVEL_MESSAGE, "flood", "record 0");
  expect_unit (worker, 3);
  call_log (worker, 4, G_LOG_LEVEL_CRITICAL, 1);
  lp_test_worker_expect_log (worker, G_LOG_LEVEL_CRITICAL, "flood", "record 0");
  expect_unit (worker, 4);
  /* A level of the program's own is below all others. */
  call_log (worker, 5, 1 << G_LOG_LEVEL_USER_SHIFT, 1);
  expect_unit (worker, 5);

  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_expect (worker, LP_FRAME_GOODBYE, 0);
  errors = lp_test_worker_read_stderr (worker);
  g_assert_cmpstr (errors, ==, "");
  lp_test_worker_free (worker);
}

static void
test_level_0_forwards_nothing (void)
{
  LpTestWorker *worker = start_with_level (0, FALSE);
  g_autofree char *errors = NULL;

  call_log (worker, 1, G_LOG_LEVEL_MESSAGE, 1);
  expect_unit (worker, 1);
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_expect (worker, LP_FRAME_GOODBYE, 0);
  errors = lp_test_worker_read_stderr (worker);
  g_assert_nonnull (strstr (errors, "record 0"));
  lp_test_worker_free (worker);
}

static void
test_to_stderr_too (void)
{
  LpTestWorker *worker = start_with_level (G_LOG_LEVEL_INFO, TRUE);
  g_autofree char *errors = NULL;

  call_log (worker, 1, G_LOG_LEVEL_INFO, 1);
  expect_records (worker, 1);
  expect_unit (worker, 1);
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_expect (worker, LP_FRAME_GOODBYE, 0);
  errors = lp_test_worker_read_stderr (worker);
  g_assert_nonnull (strstr (errors, "record 0"));
  lp_test_worker_free (worker);
}

/* Text is made valid and cut, what is not text or does not fit is left out. */
static void
test_fields (void)
{
  GVariantDict dict;
  LpTestWorker *worker;
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) long_body = NULL;
  g_autoptr (GVariant) fields = NULL;
  g_autofree char *text = NULL;
  const char *message;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "max-message-size", "t", (guint64) 8000);
  worker = lp_test_worker_start_with (g_variant_dict_end (&dict));

  lp_test_worker_call (worker, 1, "log-fields", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  body = lp_test_worker_expect (worker, LP_FRAME_LOG, 0);
  text = g_variant_print (body, FALSE);
  g_assert_cmpstr (text, ==,
                   "(16, 'fields', 'caf\357\277\275', {'CODE_FILE': 'odd.c', 'CODE_LINE': '12', 'CODE_FUNC': 'odd_func', "
                   "'COUNTED': 'three', 'AFTER': 'it'})");

  long_body = lp_test_worker_expect (worker, LP_FRAME_LOG, 0);
  g_variant_get_child (long_body, 2, "&s", &message);
  g_assert_cmpuint (strlen (message), ==, 4000);
  expect_unit (worker, 1);
  lp_test_worker_finish (worker);
}

/* The frames of the parent are whole, and those of the child are none. */
static void
test_forked_child_writes_to_stderr (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  g_autofree char *errors = NULL;

  lp_test_worker_call (worker, 1, "log-forked", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  lp_test_worker_expect_log (worker, G_LOG_LEVEL_MESSAGE, "forked", "of the parent");
  expect_unit (worker, 1);
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_expect (worker, LP_FRAME_GOODBYE, 0);
  errors = lp_test_worker_read_stderr (worker);
  g_assert_nonnull (strstr (errors, "of the child"));
  lp_test_worker_free (worker);
}

/* The stream is full nearly all the time, and takes each record nevertheless. */
static void
test_crash_loses_nothing (void)
{
  LpTestWorker *worker = lp_test_worker_new (LP_TEST_STREAM_NARROW);
  g_autoptr (GVariant) hello = NULL;
  LpFrame frame;

  lp_test_worker_say_hello (worker, NULL, -1);
  hello = lp_test_worker_wait_hello (worker);
  lp_test_worker_call (worker, 1, "log-and-crash", g_variant_new ("(u)", 20000));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  expect_records (worker, 20000);
  g_assert_false (lp_test_worker_read (worker, &frame));
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, -SIGKILL);
  lp_test_worker_free (worker);
}

/* Few enough to fit: they are there after the process is gone. */
static void
test_crash_loses_nothing_unread (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  LpFrame frame;

  lp_test_worker_call (worker, 1, "log-and-crash", g_variant_new ("(u)", 50));
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, -SIGKILL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  expect_records (worker, 50);
  g_assert_false (lp_test_worker_read (worker, &frame));
  lp_test_worker_free (worker);
}

/* GLib ends the process, with one of these signals. */
static void
test_fatal_comes_then_the_end (gconstpointer data)
{
  const char *how = data;
  LpTestWorker *worker;
  LpFrame frame;
  int status;

  /* For the child. */
  g_setenv ("G_DEBUG", "fatal-criticals", TRUE);
  worker = lp_test_worker_start ();
  g_unsetenv ("G_DEBUG");

  lp_test_worker_call (worker, 1, "log-fatal", g_variant_new ("(s)", how));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  lp_test_worker_expect_log (worker, g_str_equal (how, "error") ? G_LOG_LEVEL_ERROR : G_LOG_LEVEL_CRITICAL, "fatal",
                             "the end");
  g_assert_false (lp_test_worker_read (worker, &frame));
  status = lp_test_worker_wait_status (worker);
  g_assert_true (status == -SIGTRAP || status == -SIGABRT);
  lp_test_worker_free (worker);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/worker/logs/all-come-in-order-before-the-result", test_all_come_in_order_before_the_result);
  g_test_add_func ("/worker/logs/threads", test_threads);
  g_test_add_func ("/worker/logs/level", test_level);
  g_test_add_func ("/worker/logs/level-0-forwards-nothing", test_level_0_forwards_nothing);
  g_test_add_func ("/worker/logs/to-stderr-too", test_to_stderr_too);
  g_test_add_func ("/worker/logs/fields", test_fields);
  g_test_add_func ("/worker/logs/forked-child-writes-to-stderr", test_forked_child_writes_to_stderr);
  g_test_add_func ("/worker/logs/crash-loses-nothing", test_crash_loses_nothing);
  g_test_add_func ("/worker/logs/crash-loses-nothing-unread", test_crash_loses_nothing_unread);
  g_test_add_data_func ("/worker/logs/fatal-comes-then-the-end/error", "error", test_fatal_comes_then_the_end);
  g_test_add_data_func ("/worker/logs/fatal-comes-then-the-end/critical", "critical", test_fatal_comes_then_the_end);
  g_test_add_data_func ("/worker/logs/fatal-comes-then-the-end/structured", "structured", test_fatal_comes_then_the_end);

  return g_test_run ();
}
