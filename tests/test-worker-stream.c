/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The stream of a worker process, its other descriptors, and its end. */

#include "config.h"

#include "lp-test-worker.h"
#include "lp-test.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lp-memfd-private.h"

/* --- Large bodies --- */

#define LARGE (8 * 1024 * 1024)

static GVariant *
make_large (void)
{
  char *bytes = g_malloc (LARGE);

  for (gsize i = 0; i < LARGE; i++)
    bytes[i] = (char) (i * 7 + i / 251);

  return g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, bytes, LARGE, TRUE, g_free, bytes));
}

static void
assert_large_copy (LpTestWorker *worker)
{
  g_autoptr (GVariant) large = make_large ();
  g_autoptr (GVariant) copy = NULL;
  g_autoptr (GVariant) value = NULL;
  gsize size;
  const char *bytes;

  value = lp_test_worker_run (worker, 1, "echo", g_variant_new ("(@ay)", large));
  copy = g_variant_get_child_value (value, 0);
  bytes = g_variant_get_fixed_array (copy, &size, 1);
  g_assert_cmpmem (bytes, size, g_variant_get_data (large), LARGE);
}

/* STARTED has no body, so its header and that of the result are the first bytes of the stream. They are looked at before
 * anything is taken: whoever reads the one may get the other with it. */
static void
assert_result_by_file (LpTestWorker *worker)
{
  gint64 end = g_get_monotonic_time () + 60 * G_TIME_SPAN_SECOND;
  guint8 bytes[2 * LP_FRAME_HEADER_SIZE];
  const guint8 *result = bytes + LP_FRAME_HEADER_SIZE;
  int fd = lp_channel_get_in_fd (worker->channel);
  gssize size;

  do
    {
      lp_test_block_fd (fd, POLLIN, "STARTED and the header of a result");
      size = recv (fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
      g_assert_cmpint (size, >, 0);
      g_assert_cmpint (g_get_monotonic_time (), <, end);
    }
  while (size < (gssize) sizeof bytes);

  g_assert_cmpuint (bytes[4], ==, LP_FRAME_STARTED);
  g_assert_cmpuint (result[4], ==, LP_FRAME_RESULT);
  g_assert_cmpuint (result[5], ==, LP_FRAME_BODY_IN_FILE);
}

static void
test_large_by_file (gconstpointer data)
{
  LpTestStream stream = GPOINTER_TO_INT (data);
  LpTestWorker *worker = lp_test_worker_new (stream);
  g_autoptr (GVariant) hello = NULL;

  lp_test_worker_say_hello (worker, NULL, lp_memfd_new_for_bytes ("0123456789abcdef", 16, NULL));
  hello = lp_test_worker_wait_hello (worker);
  lp_channel_use_files (worker->channel);
  assert_large_copy (worker);

  lp_test_worker_call (worker, 2, "large", g_variant_new ("(t)", (guint64) LARGE));
  if (stream == LP_TEST_STREAM_SOCKET)
    assert_result_by_file (worker);
  else
    lp_test_block_fd (lp_channel_get_out_fd (worker->channel), POLLIN, "a file over the socket");
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 2);
  g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, 2));
  lp_test_worker_finish (worker);
}

/* Nobody agreed on files. */
static void
test_large_by_stream (gconstpointer data)
{
  LpTestWorker *worker = lp_test_worker_new (GPOINTER_TO_INT (data));
  g_autoptr (GVariant) hello = NULL;

  lp_test_worker_say_hello (worker, NULL, -1);
  hello = lp_test_worker_wait_hello (worker);
  assert_large_copy (worker);
  lp_test_worker_finish (worker);
}

/* The result does not fit into the stream, and nobody reads: calls are still
 * taken, and dropped. */
static void
test_full_stream_does_not_stop_reading (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  guint n_answered = 0;

  lp_test_worker_call (worker, 1, "large", g_variant_new ("(t)", (guint64) LARGE));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  /* Far more than the socket holds. */
  for (guint i = 2; i <= 5000; i++)
    {
      lp_test_worker_call (worker, i, "double", g_variant_new ("(i)", i));
      lp_test_worker_send (worker, LP_FRAME_RECALL, i, NULL);
    }

  while (n_answered < 5000)
    {
      LpFrame frame;

      g_assert_true (lp_test_worker_read (worker, &frame));
      g_assert_true (frame.type == LP_FRAME_RESULT || frame.type == LP_FRAME_DROPPED || frame.type == LP_FRAME_STARTED);
      if (frame.type != LP_FRAME_STARTED)
        n_answered++;
      lp_frame_clear (&frame);
    }
  lp_test_worker_finish (worker);
}

/* --- Standard descriptors --- */

/* Nobody flushes it: a line is there before the result. */
static void
test_output_goes_to_stderr (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  struct pollfd errors = { worker->error_fd, POLLIN, 0 };
  char bytes[16] = { 0 };

  g_variant_unref (lp_test_worker_run (worker, 1, "print", g_variant_new ("(s)", "printed")));
  g_assert_cmpint (poll (&errors, 1, 0), ==, 1);
  g_assert_cmpint (read (worker->error_fd, bytes, sizeof bytes), ==, 8);
  g_assert_cmpstr (bytes, ==, "printed\n");
  lp_test_worker_finish (worker);
}

/* The child has the stream of its parent, but nothing to say there. */
static void
test_child_that_returns_ends (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  g_variant_unref (lp_test_worker_run (worker, 1, "fork", NULL));
  g_variant_unref (lp_test_worker_run (worker, 2, "double", g_variant_new ("(i)", 1)));
  lp_test_worker_finish (worker);
}

/* --- The end --- */

/* All that was called is done first. */
static void
test_goodbye_after_the_calls (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  for (guint i = 1; i <= 3; i++)
    lp_test_worker_call (worker, i, "defer", g_variant_new ("(s)", "source"));
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  for (guint i = 1; i <= 3; i++)
    {
      lp_test_worker_expect (worker, LP_FRAME_STARTED, i);
      g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, i));
    }
  lp_test_worker_expect (worker, LP_FRAME_GOODBYE, 0);
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, 0);
  lp_test_worker_free (worker);
}

/* Over pipes the manager may close its end for writing, and read on. */
static void
test_end_of_file_after_goodbye (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  lp_test_worker_call (worker, 1, "defer", g_variant_new ("(s)", "source"));
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  g_assert_cmpint (shutdown (lp_channel_get_out_fd (worker->channel), SHUT_WR), ==, 0);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, 1));
  lp_test_worker_expect (worker, LP_FRAME_GOODBYE, 0);
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, 0);
  lp_test_worker_free (worker);
}

static void
test_close_right_after_goodbye (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_close (worker);
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, 0);
  lp_test_worker_free (worker);
}

/* It waits for somebody to read a result, and nobody ever will. Which of both it sees first is a matter of luck. */
static void
test_close_within_a_result (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  int status;

  lp_test_worker_call (worker, 1, "large", g_variant_new ("(t)", (guint64) LARGE));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_close (worker);
  status = lp_test_worker_wait_status (worker);
  g_assert_true (status == 0 || status == -SIGKILL);
  lp_test_worker_free (worker);
}

/* While the main thread is elsewhere, the other one sees both at once. */
static void
test_goodbye_and_close_at_once (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  id_t pid = (id_t) atoi (g_subprocess_get_identifier (worker->process));
  siginfo_t info;

  g_variant_unref (lp_test_worker_run (worker, 1, "sleep-later", NULL));
  g_subprocess_send_signal (worker->process, SIGSTOP);
  g_assert_cmpint (waitid (P_PID, pid, &info, WSTOPPED), ==, 0);
  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_close (worker);
  g_subprocess_send_signal (worker->process, SIGCONT);
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, 0);
  lp_test_worker_free (worker);
}

/* The end of the standard error shows that the grandchild, which has it, too,
 * is gone. */
static void
assert_group_dies (LpTestWorker *worker)
{
  g_autofree char *errors = lp_test_worker_read_stderr (worker);

  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, -SIGKILL);
  lp_test_worker_free (worker);
}

static LpTestWorker *
start_busy (LpTestStream stream)
{
  LpTestWorker *worker = lp_test_worker_new (stream);
  g_autoptr (GVariant) hello = NULL;

  lp_test_worker_say_hello (worker, NULL, -1);
  hello = lp_test_worker_wait_hello (worker);
  lp_test_worker_call (worker, 1, "busy", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_LOG, 0));

  return worker;
}

static void
test_end_of_file_kills_the_group (gconstpointer data)
{
  LpTestWorker *worker = start_busy (GPOINTER_TO_INT (data));

  lp_test_worker_close (worker);
  assert_group_dies (worker);
}

/* Even if the manager could still read. */
static void
test_end_of_file_in_one_direction_kills (void)
{
  LpTestWorker *worker = start_busy (LP_TEST_STREAM_OF_MANAGER);

  g_assert_cmpint (shutdown (lp_channel_get_out_fd (worker->channel), SHUT_WR), ==, 0);
  assert_group_dies (worker);
}

static void
test_end_of_file_kills_the_group_in_the_init (void)
{
  LpTestWorker *worker = lp_test_worker_new (LP_TEST_STREAM_OF_MANAGER);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "init-function", "s", "init");
  g_variant_dict_insert (&dict, "init-parameters", "v", g_variant_new ("(s)", "busy"));
  lp_test_worker_say_hello (worker, g_variant_dict_end (&dict), -1);
  lp_test_worker_expect_log (worker, G_LOG_LEVEL_INFO, "init", "busy");
  g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_LOG, 0));
  lp_test_worker_close (worker);
  assert_group_dies (worker);
}

/* What runs would run for nobody. */
static void
test_close_after_goodbye_kills_what_runs (void)
{
  LpTestWorker *worker = start_busy (LP_TEST_STREAM_OF_MANAGER);

  lp_test_worker_send (worker, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_close (worker);
  assert_group_dies (worker);
}

/* It waits for somebody to read. */
static void
test_end_of_file_kills_one_that_writes (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  lp_test_worker_call (worker, 1, "log", g_variant_new ("(uu)", G_LOG_LEVEL_INFO, 100000));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  lp_test_worker_close (worker);
  assert_group_dies (worker);
}

/* A frame that is not for a worker. */
static void
test_protocol_error_kills (gconstpointer data)
{
  LpFrameType type = GPOINTER_TO_INT (data);
  LpTestWorker *worker = start_busy (LP_TEST_STREAM_OF_MANAGER);
  g_autofree char *errors = NULL;

  if (type == LP_FRAME_HELLO)
    lp_test_worker_say_hello (worker, NULL, -1);
  else
    lp_test_worker_send (worker, type, 1, NULL);
  errors = lp_test_worker_read_stderr (worker);
  g_assert_nonnull (strstr (errors, "leasepool worker: The manager sent a frame of type "));
  g_assert_cmpint (lp_test_worker_wait_status (worker), ==, -SIGKILL);
  lp_test_worker_free (worker);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/worker/stream/large-by-file", GINT_TO_POINTER (LP_TEST_STREAM_OF_MANAGER), test_large_by_file);
  g_test_add_data_func ("/worker/stream/large-by-file-over-one-socket", GINT_TO_POINTER (LP_TEST_STREAM_SOCKET),
                        test_large_by_file);
  g_test_add_data_func ("/worker/stream/large-by-socket-and-pipe", GINT_TO_POINTER (LP_TEST_STREAM_OF_MANAGER),
                        test_large_by_stream);
  g_test_add_data_func ("/worker/stream/large-by-socket", GINT_TO_POINTER (LP_TEST_STREAM_SOCKET), test_large_by_stream);
  g_test_add_data_func ("/worker/stream/large-by-pipes", GINT_TO_POINTER (LP_TEST_STREAM_PIPES), test_large_by_stream);
  g_test_add_func ("/worker/stream/full-one-does-not-stop-reading", test_full_stream_does_not_stop_reading);
  g_test_add_func ("/worker/stream/output-goes-to-stderr", test_output_goes_to_stderr);
  g_test_add_func ("/worker/stream/child-that-returns-ends", test_child_that_returns_ends);
  g_test_add_func ("/worker/goodbye/after-the-calls", test_goodbye_after_the_calls);
  g_test_add_func ("/worker/goodbye/end-of-file-may-follow", test_end_of_file_after_goodbye);
  g_test_add_func ("/worker/goodbye/close-right-after", test_close_right_after_goodbye);
  g_test_add_func ("/worker/goodbye/close-within-a-result", test_close_within_a_result);
  g_test_add_func ("/worker/goodbye/and-close-at-once", test_goodbye_and_close_at_once);
  g_test_add_func ("/worker/goodbye/close-kills-what-runs", test_close_after_goodbye_kills_what_runs);
  g_test_add_data_func ("/worker/end-of-file/kills-the-group", GINT_TO_POINTER (LP_TEST_STREAM_OF_MANAGER),
                        test_end_of_file_kills_the_group);
  g_test_add_data_func ("/worker/end-of-file/kills-the-group-over-a-socket", GINT_TO_POINTER (LP_TEST_STREAM_SOCKET),
                        test_end_of_file_kills_the_group);
  g_test_add_data_func ("/worker/end-of-file/kills-the-group-over-pipes", GINT_TO_POINTER (LP_TEST_STREAM_PIPES),
                        test_end_of_file_kills_the_group);
  g_test_add_func ("/worker/end-of-file/in-one-direction-kills", test_end_of_file_in_one_direction_kills);
  g_test_add_func ("/worker/end-of-file/kills-the-group-in-the-init", test_end_of_file_kills_the_group_in_the_init);
  g_test_add_func ("/worker/end-of-file/kills-one-that-writes", test_end_of_file_kills_one_that_writes);
  g_test_add_data_func ("/worker/protocol-error/hello-twice", GINT_TO_POINTER (LP_FRAME_HELLO), test_protocol_error_kills);
  g_test_add_data_func ("/worker/protocol-error/frame-of-a-worker", GINT_TO_POINTER (LP_FRAME_STARTED),
                        test_protocol_error_kills);

  return g_test_run ();
}
