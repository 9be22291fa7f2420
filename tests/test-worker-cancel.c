/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* RECALL and CANCEL, for jobs that wait in a worker process and for the one that
 * runs. They are read in the order they were sent, so none of this is a race. */

#include "config.h"

#include "lp-test-worker.h"

#include <signal.h>

/* Job 1 runs until it is cancelled. */
static LpTestWorker *
start_holding (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  lp_test_worker_call (worker, 1, "until-cancelled", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);

  return worker;
}

static void
assert_result (LpTestWorker *worker, guint64 id, const char *expected)
{
  g_autoptr (GVariant) body = lp_test_worker_expect (worker, LP_FRAME_RESULT, id);
  g_autofree char *text = g_variant_print (body, FALSE);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_running_is_told (void)
{
  LpTestWorker *worker = start_holding ();

  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  assert_result (worker, 1, "<(1,)>");
  lp_test_worker_finish (worker);
}

/* The second one is for nobody, and the third for a job that is over. */
static void
test_cancel_is_for_its_job_only (void)
{
  LpTestWorker *worker = start_holding ();

  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  lp_test_worker_send (worker, LP_FRAME_CANCEL, 7, NULL);
  assert_result (worker, 1, "<(1,)>");
  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  lp_test_worker_call (worker, 2, "describe", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 2);
  g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, 2));
  lp_test_worker_finish (worker);
}

/* Until its function asks for a cancellable, there is none to fire. */
static void
test_cancelled_before_it_asks (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  lp_test_worker_call (worker, 1, "until-signal", NULL);
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  /* That one is answered at once: so the one before it has been read. */
  lp_test_worker_call (worker, 2, "double", g_variant_new ("(i)", 1));
  lp_test_worker_send (worker, LP_FRAME_RECALL, 2, NULL);
  lp_test_worker_expect (worker, LP_FRAME_DROPPED, 2);
  g_subprocess_send_signal (worker->process, SIGUSR1);
  assert_result (worker, 1, "<(true,)>");
  lp_test_worker_finish (worker);
}

static void
test_waiting_is_dropped (gconstpointer data)
{
  LpFrameType type = GPOINTER_TO_INT (data);
  LpTestWorker *worker = start_holding ();

  for (guint i = 2; i <= 4; i++)
    lp_test_worker_call (worker, i, "double", g_variant_new ("(i)", i));
  lp_test_worker_send (worker, type, 3, NULL);
  /* While job 1 runs. */
  lp_test_worker_expect (worker, LP_FRAME_DROPPED, 3);

  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  assert_result (worker, 1, "<(1,)>");
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 2);
  assert_result (worker, 2, "<(4,)>");
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 4);
  assert_result (worker, 4, "<(8,)>");
  lp_test_worker_finish (worker);
}

static void
test_recall_of_running_does_nothing (void)
{
  LpTestWorker *worker = start_holding ();

  lp_test_worker_send (worker, LP_FRAME_RECALL, 1, NULL);
  lp_test_worker_call (worker, 2, "double", g_variant_new ("(i)", 1));
  lp_test_worker_send (worker, LP_FRAME_RECALL, 2, NULL);
  lp_test_worker_expect (worker, LP_FRAME_DROPPED, 2);
  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  assert_result (worker, 1, "<(1,)>");
  lp_test_worker_finish (worker);
}

static void
test_recall_of_ended_does_nothing (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  g_variant_unref (lp_test_worker_run (worker, 1, "double", g_variant_new ("(i)", 1)));
  lp_test_worker_send (worker, LP_FRAME_RECALL, 1, NULL);
  g_variant_unref (lp_test_worker_run (worker, 2, "double", g_variant_new ("(i)", 1)));
  lp_test_worker_finish (worker);
}

/* Each call is recalled at once, while the worker takes them as fast as it can:
 * each is answered in one of the two ways. */
static void
test_dropped_or_started_never_both (void)
{
  LpTestWorker *worker = lp_test_worker_start ();
  guint n_dropped = 0;

  for (guint i = 1; i <= 2000; i++)
    {
      LpFrame frame;

      lp_test_worker_call (worker, i, "double", g_variant_new ("(i)", i));
      lp_test_worker_send (worker, LP_FRAME_RECALL, i, NULL);
      g_assert_true (lp_test_worker_read (worker, &frame));
      g_assert_cmpuint (frame.id, ==, i);
      if (frame.type == LP_FRAME_STARTED)
        g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, i));
      else
        {
          g_assert_cmpuint (frame.type, ==, LP_FRAME_DROPPED);
          n_dropped++;
        }
    }

  g_test_message ("%u of 2000 were dropped", n_dropped);
  lp_test_worker_finish (worker);
}

/* Its function has returned; the worker is in its main context. */
static void
test_deferred_is_told_in_the_main_thread (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  lp_test_worker_call (worker, 1, "defer", g_variant_new ("(s)", "cancel"));
  lp_test_worker_expect (worker, LP_FRAME_STARTED, 1);
  /* Cancelling it before it has deferred would be another rule. */
  lp_test_worker_expect_log (worker, G_LOG_LEVEL_INFO, "defer", "deferred");
  lp_test_worker_send (worker, LP_FRAME_CANCEL, 1, NULL);
  assert_result (worker, 1, "<('main',)>");
  lp_test_worker_finish (worker);
}

/* The cancel may come before there is a job object, and before the function. */
static void
test_cancel_at_the_start_is_seen (void)
{
  LpTestWorker *worker = lp_test_worker_start ();

  for (guint i = 1; i <= 500; i++)
    {
      LpFrame frame;

      g_assert_true (lp_channel_send (worker->channel, LP_FRAME_CALL, i, g_variant_new ("(smv)", "until-cancelled", NULL),
                                      NULL));
      lp_test_worker_send (worker, LP_FRAME_CANCEL, i, NULL);
      g_assert_true (lp_test_worker_read (worker, &frame));
      g_assert_cmpuint (frame.id, ==, i);
      if (frame.type == LP_FRAME_STARTED)
        g_variant_unref (lp_test_worker_expect (worker, LP_FRAME_RESULT, i));
      else
        g_assert_cmpuint (frame.type, ==, LP_FRAME_DROPPED);
    }
  lp_test_worker_finish (worker);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/worker/cancel/running-is-told", test_running_is_told);
  g_test_add_func ("/worker/cancel/is-for-its-job-only", test_cancel_is_for_its_job_only);
  g_test_add_func ("/worker/cancel/before-the-function-asks", test_cancelled_before_it_asks);
  g_test_add_func ("/worker/cancel/at-the-start-is-seen", test_cancel_at_the_start_is_seen);
  g_test_add_data_func ("/worker/cancel/waiting-is-dropped", GINT_TO_POINTER (LP_FRAME_CANCEL), test_waiting_is_dropped);
  g_test_add_func ("/worker/cancel/deferred-is-told-in-the-main-thread", test_deferred_is_told_in_the_main_thread);
  g_test_add_data_func ("/worker/recall/waiting-is-dropped", GINT_TO_POINTER (LP_FRAME_RECALL), test_waiting_is_dropped);
  g_test_add_func ("/worker/recall/of-running-does-nothing", test_recall_of_running_does_nothing);
  g_test_add_func ("/worker/recall/of-ended-does-nothing", test_recall_of_ended_does_nothing);
  g_test_add_func ("/worker/recall/dropped-or-started-never-both", test_dropped_or_started_never_both);

  return g_test_run ();
}
