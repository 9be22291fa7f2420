/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What a worker process does with calls. */

#include "config.h"

#include "lp-test-worker.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lp-test.h"

/* --- Values --- */

static void
assert_run (LpTestWorker *worker, guint64 id, const char *name, const char *parameters, const char *expected)
{
  g_autoptr (GVariant) value = lp_test_worker_run (worker, id, name,
                                                   parameters != NULL ? g_variant_new_parsed (parameters) : NULL);
  g_autofree char *text = g_variant_print (value, FALSE);

  g_assert_cmpstr (text, ==, expected);
}

static void
assert_fails (LpTestWorker *worker, guint64 id, const char *name, const char *parameters, GQuark domain, int code,
              const char *message)
{
  lp_test_worker_call (worker, id, name, parameters != NULL ? g_variant_new_parsed (parameters) : NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, id);
  lp_test_worker_expect_error (worker, id, domain, code, message);
}

static void
test_values (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_run (worker, 1, "double", "(21,)", "(42,)");
  assert_run (worker, 2, "echo", "('text', [1, 2], <@mv nothing>)", "('text', [1, 2], <@mv nothing>)");
  assert_run (worker, 3, "echo", NULL, "'none'");
  lp_test_worker_finish (worker);
}

static void
test_errors (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_fails (worker, 1, "fail", "('as asked',)", G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
  assert_fails (worker, 2, "fail-badly", NULL, g_quark_from_string ("a-domain-of-ours"), -7, "not \357\277\275 UTF-8");
  lp_test_worker_finish (worker);
}

static void
test_no_such_function (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_fails (worker, 1, "nobody", "(1,)", LP_ERROR, LP_ERROR_UNKNOWN_FUNCTION,
                "There is no function called “nobody” in the worker");
  assert_run (worker, 2, "double", "(1,)", "(2,)");
  lp_test_worker_finish (worker);
}

static void
test_parameters_of_another_type (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_fails (worker, 1, "double", "('1',)", LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                "The function “double” takes parameters of type (i), but was given (s)");
  assert_fails (worker, 2, "double", NULL, LP_ERROR, LP_ERROR_INVALID_ARGUMENT,
                "The function “double” takes parameters of type (i), but was given none");
  lp_test_worker_finish (worker);
}

static void
test_result_of_another_type (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_fails (worker, 1, "wrong-type", NULL, LP_ERROR, LP_ERROR_FAILED,
                "The function wrong-type returned a value of type (s), but is declared to return (i)");
  lp_test_worker_finish (worker);
}

static void
test_no_result (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_fails (worker, 1, "nothing", NULL, LP_ERROR, LP_ERROR_FAILED,
                "The function nothing returned no value and set no error; “no result” is the value ()");
  lp_test_worker_finish (worker);
}

static void
test_large_result_fails_its_job_only (void)
{
  GVariantDict dict;
  LpTestWorker *worker;
  g_autoptr (GVariant) result = NULL;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "max-message-size", "t", (guint64) 5000);
  worker = lp_test_worker_start_with (g_variant_dict_end (&dict));

  assert_fails (worker, 1, "large", "(@t 5000,)", LP_ERROR, LP_ERROR_FAILED,
                "The result of the function “large” has 5003 bytes, more than max-message-size (5000) allows");
  result = lp_test_worker_run (worker, 2, "large", g_variant_new ("(t)", (guint64) 4997));
  g_assert_cmpuint (g_variant_get_size (result), ==, 4997);
  lp_test_worker_finish (worker);
}

static void
test_large_error_is_cut (void)
{
  GVariantDict dict;
  LpTestWorker *worker;
  g_autoptr (GVariant) body = NULL;
  const char *message;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "max-message-size", "t", (guint64) 5000);
  worker = lp_test_worker_start_with (g_variant_dict_end (&dict));

  lp_test_worker_call (worker, 1, "large-error", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  body = lp_test_worker_expect (worker, LP_FRAME_ERROR, 1);
  g_variant_get_child (body, 2, "&s", &message);
  g_assert_cmpuint (strlen (message), >, 4000);
  lp_test_worker_finish (worker);
}

static void
test_surroundings (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  g_autoptr (GVariant) value = lp_test_worker_run (worker, 1, "describe", NULL);
  GVariantDict dict;
  gboolean yes, no;
  int number;

  g_variant_dict_init (&dict, value);
  g_assert_true (g_variant_dict_lookup (&dict, "main-thread", "b", &yes) && yes);
  g_assert_true (g_variant_dict_lookup (&dict, "stdin-ends", "b", &yes) && yes);
  g_assert_true (g_variant_dict_lookup (&dict, "started", "b", &yes) && yes);
  g_assert_true (g_variant_dict_lookup (&dict, "name-variable", "b", &no) && !no);
  g_assert_true (g_variant_dict_lookup (&dict, "owner", "b", &no) && !no);
  g_assert_true (g_variant_dict_lookup (&dict, "state", "i", &number) && number == LP_JOB_STATE_RUNNING);
  g_assert_true (g_variant_dict_lookup (&dict, "death-signal", "i", &number) && number == SIGRTMAX);
  g_variant_dict_clear (&dict);
  lp_test_worker_finish (worker);
}

/* A launcher may end before the worker: it is not to take it along. */
static void
test_death_of_a_launcher_is_no_reason (void)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char *argv[] = { "/bin/sh", "-c", "\"$1\"; exit $?", "sh", program, NULL };
  LpTestWorker *worker = lp_test_worker_spawn (argv, LP_TEST_STREAM_OF_MANAGER);
  g_autoptr (GVariant) hello = NULL;
  g_autoptr (GVariant) value = NULL;
  int number = -1;

  lp_test_worker_say_hello (worker, NULL, -1);
  hello = lp_test_worker_wait_hello (worker);
  value = lp_test_worker_run (worker, 1, "describe", NULL);
  g_assert_true (g_variant_lookup (value, "death-signal", "i", &number));
#ifdef HAVE_PRCTL
  g_assert_cmpint (number, ==, 0);
#endif
  lp_test_worker_finish (worker);
}

static void
test_waiting_for_itself_is_refused (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_fails (worker, 1, "wait-for-itself", NULL, LP_ERROR, LP_ERROR_WOULD_DEADLOCK,
                "A job cannot wait for itself, or for a job that waits for it; return, and wait from elsewhere, or set "
                "a time-out");
  lp_test_worker_finish (worker);
}

static void
test_cancelling_itself (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  g_autoptr (GVariant) body = NULL;
  g_autoptr (GVariant) none = NULL;

  /* The manager hears of it, to treat the job as one that was cancelled. */
  lp_test_worker_call (worker, 1, "cancel-itself", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  none = lp_test_worker_expect (worker, LP_FRAME_CANCEL, 1);
  g_assert_null (none);
  body = lp_test_worker_expect (worker, LP_FRAME_RESULT, 1);
  lp_test_worker_finish (worker);
}

static void
test_run_is_called_once (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_fails (worker, 1, "run-again", NULL, LP_ERROR, LP_ERROR_INVALID_ARGUMENT, "A process runs a worker once");
  lp_test_worker_finish (worker);
}

/* --- Order --- */

static void
test_fifo (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  for (guint i = 1; i <= 1000; i++)
    lp_test_worker_call (worker, i, "double", g_variant_new ("(i)", i));
  for (guint i = 1; i <= 1000; i++)
    {
      g_autoptr (GVariant) body = NULL;
      g_autoptr (GVariant) value = NULL;
      int number;

      lp_test_worker_expect (worker, LP_FRAME_STARTED, i);
      body = lp_test_worker_expect (worker, LP_FRAME_RESULT, i);
      value = g_variant_get_variant (body);
      g_variant_get (value, "(i)", &number);
      g_assert_cmpint (number, ==, 2 * i);
    }
  lp_test_worker_finish (worker);
}

/* The types of the frames that came in one write. */
static guint
receive_types (LpTestWorker *worker, LpFrameType *types)
{
  int fd = lp_channel_get_in_fd (worker->channel);
  guint8 bytes[65536];
  gssize size;
  guint n_types = 0;

  lp_test_block_fd (fd, POLLIN, "the frames of a write");
  size = recv (fd, bytes, sizeof bytes, 0);
  g_assert_cmpint (size, >, 0);
  for (gssize at = 0; at < size; n_types++)
    {
      guint32 frame_size;

      g_assert_cmpuint (n_types, <, 8);
      memcpy (&frame_size, bytes + at, sizeof frame_size);
      types[n_types] = bytes[at + 4];
      at += GUINT32_FROM_LE (frame_size);
    }

  return n_types;
}

/* All calls are there when the first one ends. Only when the main context has
 * its turn in between, which is every few milliseconds, there are two writes, and
 * the second one may begin with what the turn came before. */
static void
test_result_and_next_start_are_one_write (void)
{
  LpTestWorker *worker = lp_test_worker_new (LP_TEST_STREAM_PACKETS);
  g_autoptr (GVariant) hello = NULL;
  guint n_results = 0;
  guint n_pairs = 0;
  LpFrameType types[8];

  lp_test_worker_say_hello (worker, NULL, -1);
  hello = lp_test_worker_wait_hello (worker);

  lp_test_worker_call (worker, 1, "until-cancelled", NULL);
  g_assert_cmpuint (receive_types (worker, types), ==, 1);
  g_assert_cmpuint (types[0], ==, LP_FRAME_STARTED);
  for (guint i = 2; i <= 17; i++)
    lp_test_worker_call (worker, i, "double", g_variant_new ("(i)", i));
  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);

  while (n_results < 17)
    {
      guint n_types = receive_types (worker, types);
      gboolean late = types[0] == LP_FRAME_STARTED;     /* it began a write after the result before it */
      const LpFrameType *rest = types + late;

      n_types -= late;
      if (n_types == 0)
        continue;

      n_results++;
      n_pairs += n_types == 2;
      g_assert_cmpuint (n_types, <=, 2);
      g_assert_cmpuint (rest[0], ==, LP_FRAME_RESULT);
      g_assert_true (n_types == 1 || rest[1] == LP_FRAME_STARTED);
    }
  g_assert_cmpuint (n_pairs, >, 0);
  lp_test_worker_finish (worker);
}

/* --- Deferred --- */

static void
test_deferred (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  assert_run (worker, 1, "defer", "('thread',)", "('from a thread',)");
  assert_run (worker, 2, "defer", "('source',)", "('from a source',)");
  assert_run (worker, 3, "defer", "('before',)", "('before',)");
  assert_fails (worker, 4, "defer", "('error',)", G_IO_ERROR, G_IO_ERROR_BUSY, "from a source");
  assert_fails (worker, 5, "defer", "('wrong',)", LP_ERROR, LP_ERROR_FAILED,
                "The function defer returned a value of type (i), but is declared to return (s)");

  /* What is given before the function returns stands, whatever it returns, and is of this job only. */
  assert_run (worker, 6, "defer", "('before-a-value',)", "('before',)");
  assert_run (worker, 7, "defer", "('before-an-error',)", "('before',)");
  assert_run (worker, 8, "defer", "('source',)", "('from a source',)");
  lp_test_worker_finish (worker);
}

static void
test_deferred_job_holds_the_next (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  g_autoptr (GVariant) first = NULL;
  g_autoptr (GVariant) second = NULL;

  lp_test_worker_call (worker, 1, "defer", g_variant_new ("(s)", "source"));
  lp_test_worker_call (worker, 2, "double", g_variant_new ("(i)", 1));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  first = lp_test_worker_expect (worker, LP_FRAME_RESULT, 1);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 2);
  second = lp_test_worker_expect (worker, LP_FRAME_RESULT, 2);
  lp_test_worker_finish (worker);
}

static guint
count_dispatched (LpTestWorker *worker, guint64 id)
{
  g_autoptr (GVariant) value = lp_test_worker_run (worker, id, "describe", NULL);
  guint32 n;

  g_assert_true (g_variant_lookup (value, "dispatched", "u", &n));
  return n;
}

/* The program has a source that is ready every millisecond. */
static void
test_idle_worker_iterates (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  guint before = count_dispatched (worker, 1);

  for (guint64 id = 2; count_dispatched (worker, id) < before + 5; id++)
    g_assert_cmpuint (id, <, 1000000);
  lp_test_worker_finish (worker);
}

/* All calls are there before the first of them begins: so the main context has
 * its turn in between, or never. */
static void
test_busy_worker_iterates (void)
{
  const guint n_calls = 10000;
  LpTestWorker *worker = lp_test_worker_start ();
  guint32 first = 0;
  guint32 last = 0;

  lp_test_worker_call (worker, 1, "until-cancelled", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  for (guint i = 2; i <= n_calls; i++)
    lp_test_worker_call (worker, i, "describe", NULL);
  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, 1));

  for (guint i = 2; i <= n_calls; i++)
    {
      g_autoptr (GVariant) body = NULL;
      g_autoptr (GVariant) value = NULL;

      lp_test_worker_expect (worker, LP_FRAME_STARTED, i);
      body = lp_test_worker_expect (worker, LP_FRAME_RESULT, i);
      value = g_variant_get_variant (body);
      g_assert_true (g_variant_lookup (value, "dispatched", "u", &last));
      if (i == 2)
        first = last;
    }
  g_assert_cmpuint (last, >, first);
  lp_test_worker_finish (worker);
}

/* --- Progress --- */

static void
get_progress (GVariant *body, double *progress, const char **status)
{
  g_variant_get (body, "(dm&s)", progress, status);
}

static void
test_last_progress_comes_before_the_result (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  gboolean has_status = FALSE;
  double progress = -1;
  guint n_frames = 0;
  LpFrame frame;

  lp_test_worker_call (worker, 1, "progress", g_variant_new ("(u)", 1000));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  while (lp_test_worker_read (worker, &frame) && frame.type == LP_FRAME_PROGRESS)
    {
      double before = progress;
      const char *status;

      g_assert_cmpuint (frame.id, ==, 1);
      get_progress (frame.body, &progress, &status);
      g_assert_cmpfloat (progress, >, before);
      has_status = has_status || g_strcmp0 (status, "begun") == 0;
      n_frames++;
      lp_frame_clear (&frame);
    }

  g_assert_cmpuint (frame.type, ==, LP_FRAME_RESULT);
  lp_frame_clear (&frame);
  g_assert_cmpfloat (progress, ==, 1);
  g_assert_true (has_status);
  g_assert_cmpuint (n_frames, <, 1000);
  lp_test_worker_finish (worker);
}

/* What is set within one interval is merged, and sent while the job runs. */
static void
test_progress_comes_without_a_further_one (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  g_autoptr (GVariant) result = NULL;
  gboolean has_status = FALSE;
  double progress = 0;

  lp_test_worker_call (worker, 1, "progress-and-wait", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  while (progress < 0.5)
    {
      g_autoptr (GVariant) body = lp_test_worker_expect (worker, LP_FRAME_PROGRESS, 1);
      const char *status;

      get_progress (body, &progress, &status);
      has_status = has_status || g_strcmp0 (status, "begun") == 0;
    }
  g_assert_true (has_status);

  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  result = lp_test_worker_expect (worker, LP_FRAME_RESULT, 1);
  lp_test_worker_finish (worker);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/worker/jobs/values", test_values);
  g_test_add_func ("/worker/jobs/errors", test_errors);
  g_test_add_func ("/worker/jobs/no-such-function", test_no_such_function);
  g_test_add_func ("/worker/jobs/parameters-of-another-type", test_parameters_of_another_type);
  g_test_add_func ("/worker/jobs/result-of-another-type", test_result_of_another_type);
  g_test_add_func ("/worker/jobs/no-result", test_no_result);
  g_test_add_func ("/worker/jobs/large-result-fails-its-job-only", test_large_result_fails_its_job_only);
  g_test_add_func ("/worker/jobs/large-error-is-cut", test_large_error_is_cut);
  g_test_add_func ("/worker/jobs/surroundings", test_surroundings);
  g_test_add_func ("/worker/jobs/death-of-a-launcher-is-no-reason", test_death_of_a_launcher_is_no_reason);
  g_test_add_func ("/worker/jobs/waiting-for-itself-is-refused", test_waiting_for_itself_is_refused);
  g_test_add_func ("/worker/jobs/cancelling-itself", test_cancelling_itself);
  g_test_add_func ("/worker/jobs/run-is-called-once", test_run_is_called_once);
  g_test_add_func ("/worker/jobs/fifo", test_fifo);
  g_test_add_func ("/worker/jobs/result-and-next-start-are-one-write", test_result_and_next_start_are_one_write);
  g_test_add_func ("/worker/jobs/deferred", test_deferred);
  g_test_add_func ("/worker/jobs/deferred-job-holds-the-next", test_deferred_job_holds_the_next);
  g_test_add_func ("/worker/jobs/idle-worker-iterates", test_idle_worker_iterates);
  g_test_add_func ("/worker/jobs/busy-worker-iterates", test_busy_worker_iterates);
  g_test_add_func ("/worker/jobs/last-progress-comes-before-the-result", test_last_progress_comes_before_the_result);
  g_test_add_func ("/worker/jobs/progress-comes-without-a-further-one", test_progress_comes_without_a_further_one);

  return g_test_run ();
}
