/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The stream of a worker process is read whatever its main thread does, and whoever's turn it is. */

#include "config.h"

#include "lp-test-worker.h"
#include "lp-test.h"

#include <poll.h>
#include <signal.h>

static void
assert_doubles (LpTestWorker *worker, guint64 id)
{
  g_autoptr (GVariant) value = lp_test_worker_run (worker, id, "double", g_variant_new ("(i)", 21));
  g_autofree char *text = g_variant_print (value, FALSE);

  g_assert_cmpstr (text, ==, "(42,)");
}

/* While job ID runs, and without its help: one that is called is dropped, and then the other one sees that it was
 * cancelled before. */
static void
assert_heard (LpTestWorker *worker, guint64 id, const char *function)
{
  g_autoptr (GVariant) body = NULL;
  g_autofree char *text = NULL;

  lp_test_worker_call (worker, id, function, NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, id);
  lp_test_worker_send (worker, LP_FRAME_CANCEL, id, NULL);
  lp_test_worker_call (worker, id + 1, "double", g_variant_new ("(i)", 1));
  lp_test_worker_send (worker, LP_FRAME_RECALL, id + 1, NULL);
  lp_test_worker_expect (worker, LP_FRAME_DROPPED, id + 1);

  g_subprocess_send_signal (worker->process, SIGUSR1);
  body = lp_test_worker_expect (worker, LP_FRAME_RESULT, id);
  text = g_variant_print (body, FALSE);
  g_assert_cmpstr (text, ==, "<(true,)>");
}

/* The turn goes to and fro: short ones, which only the main thread sees, and long ones. */
static void
test_short_and_long (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  for (guint i = 0; i < 10; i++)
    {
      for (guint k = 0; k < 10; k++)
        assert_doubles (worker, 100 * i + k + 1);
      assert_heard (worker, 100 * i + 50, "until-signal");
    }
  lp_test_worker_finish (worker);
}

/* What the main thread takes as its turn within a function ends with it. */
static void
test_after_a_loop_in_the_function (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  for (guint i = 0; i < 10; i++)
    assert_heard (worker, 2 * i + 1, "iterate-until-signal");
  lp_test_worker_finish (worker);
}

/* Many at once, of which the last are long: what came with the short ones is not forgotten. */
static void
test_batch (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  for (guint i = 1; i <= 1000; i++)
    lp_test_worker_call (worker, i, "double", g_variant_new ("(i)", i));
  for (guint i = 1; i <= 1000; i++)
    {
      lp_test_worker_expect (worker, LP_FRAME_STARTED, i);
      g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, i));
    }
  assert_heard (worker, 2000, "until-signal");
  lp_test_worker_finish (worker);
}

/* A program may put its own poll function in the place of the worker's. */
static void
test_own_poll_function (gconstpointer data)
{
  LpTestWorker *worker = lp_test_worker_start ();

  g_variant_unref (lp_test_worker_run (worker, 1, "own-poll", g_variant_new ("(b)", GPOINTER_TO_INT (data))));
  for (guint i = 0; i < 10; i++)
    {
      assert_doubles (worker, 10 * i + 10);
      assert_heard (worker, 10 * i + 11, "until-signal");
    }
  lp_test_worker_finish (worker);
}

static void
test_own_poll_function_and_end_of_file (gconstpointer data)
{
  LpTestWorker *worker = lp_test_worker_start ();

  g_variant_unref (lp_test_worker_run (worker, 1, "own-poll", g_variant_new ("(b)", GPOINTER_TO_INT (data))));
  lp_test_worker_close (worker);
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, -SIGKILL);
  lp_test_worker_free (worker);
}

static LpTestWorker *
start_in_mode (const char *mode)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char *argv[] = { program, mode, NULL };
  LpTestWorker *worker = lp_test_worker_spawn (argv, LP_TEST_STREAM_OF_MANAGER);

  lp_test_worker_say_hello (worker, NULL, -1);
  g_variant_unref (lp_test_worker_wait_hello (worker));

  return worker;
}

/* What comes when the run is over is nobody's, though the program's poll function still calls that of the worker. */
static void
test_poll_after_the_run (void)
{
  LpTestWorker *worker = start_in_mode ("polls-afterwards");

  g_variant_unref (lp_test_worker_run (worker, 1, "own-poll", g_variant_new ("(b)", TRUE)));
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_expect (worker, LP_FRAME_GOODBYE, 0);
  lp_test_block_fd (worker->error_fd, POLLIN, "the end of the run");
  lp_test_worker_call (worker, 2, "double", g_variant_new ("(i)", 1));
  g_subprocess_send_signal (worker->process, SIGUSR1);
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, 0);
  lp_test_worker_free (worker);
}

/* Another context may have the poll function, too, on another thread. */
static void
test_poll_elsewhere (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  g_autoptr (GVariant) value = lp_test_worker_run (worker, 1, "poll-elsewhere", NULL);
  g_autofree char *text = g_variant_print (value, FALSE);

  g_assert_cmpstr (text, ==, "(true,)");
  assert_heard (worker, 2, "until-signal");
  lp_test_worker_finish (worker);
}

/* The other thread always reads: where no descriptor is free for the timer, and where the main thread never polls. */
static void
test_always_the_other_thread (gconstpointer data)
{
  LpTestWorker *worker = start_in_mode (data);

  assert_doubles (worker, 1);
  assert_heard (worker, 2, "until-signal");
  assert_doubles (worker, 4);
  lp_test_worker_finish (worker);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/worker/turns/short-and-long", test_short_and_long);
  g_test_add_func ("/worker/turns/after-a-loop-in-the-function", test_after_a_loop_in_the_function);
  g_test_add_func ("/worker/turns/batch", test_batch);
  g_test_add_data_func ("/worker/turns/own-poll-function", GINT_TO_POINTER (FALSE), test_own_poll_function);
  g_test_add_data_func ("/worker/turns/own-poll-function/chained", GINT_TO_POINTER (TRUE), test_own_poll_function);
  g_test_add_data_func ("/worker/turns/own-poll-function/end-of-file", GINT_TO_POINTER (FALSE),
                        test_own_poll_function_and_end_of_file);
  g_test_add_data_func ("/worker/turns/own-poll-function/end-of-file-chained", GINT_TO_POINTER (TRUE),
                        test_own_poll_function_and_end_of_file);
  g_test_add_func ("/worker/turns/poll-after-the-run", test_poll_after_the_run);
  g_test_add_func ("/worker/turns/poll-elsewhere", test_poll_elsewhere);
  g_test_add_data_func ("/worker/turns/no-descriptor-for-the-timer", "two-descriptors", test_always_the_other_thread);
  g_test_add_data_func ("/worker/turns/main-thread-never-polls", "never-polls", test_always_the_other_thread);

  return g_test_run ();
}
