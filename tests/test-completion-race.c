/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Completions: what one thread does while another one settles. */

#include "config.h"

#include "lp-test-completion.h"
#include "lp-test-race.h"

static void
cancel_act (gpointer subject)
{
  g_cancellable_cancel (subject);
}

static void
take_back_cb (LpCompletion *completion, gpointer data)
{
  int *taken = lp_completion_take_back (completion, error_new ());

  if (taken != NULL)
    g_atomic_int_add (taken, 100);
  else
    lp_completion_settle_error (completion, error_new ());
}

/* The result ends in exactly one place: taken back (100), given back (1), or
 * fetched. */
static void
test_race_take_back (void)
{
  Race race = { 5000, 0, 0, NULL, cancel_act };
  GThread *thread = g_thread_new ("test-race", race_main, &race);
  guint n_fates[4] = { 0 };

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      GAsyncResult *result = NULL;
      LpCompletion *completion = completion_new (cancellable, &result);
      int returned = 0;
      gboolean fetched;
      gboolean accepted;

      lp_completion_set_check (completion);
      lp_completion_watch (completion, cancellable, take_back_cb, NULL, NULL);
      race_begin (&race, round, cancellable);
      accepted = lp_completion_settle (completion, &returned, give_back_cb);
      lp_completion_deliver (completion);
      race_pause (&race);
      lp_test_wait_result (&result);
      race_pause (&race);
      fetched = lp_completion_propagate (completion, NULL) != NULL;
      race_end (&race, round);
      g_object_unref (result);

      n_fates[fetched ? 0 : !accepted ? 1 : returned == 1 ? 2 : 3]++;
      if (fetched || !accepted)
        g_assert_cmpint (returned, ==, 0);
      else
        g_assert_true (returned == 1 || returned == 100);
    }

  g_thread_join (thread);
  g_test_message ("fetched %u, cancelled before %u, given back %u, taken back %u", n_fates[0], n_fates[1], n_fates[2],
                  n_fates[3]);
}

static void
fail_act (gpointer subject)
{
  if (!lp_completion_fail (subject, error_new ()))
    g_object_unref (subject);
}

/* Two that settle: one wins, and the other one is told so. */
static void
test_race_settle (void)
{
  Race race = { 5000, 0, 0, NULL, fail_act };
  GThread *thread = g_thread_new ("test-race", race_main, &race);

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      LpCompletion *completion = lp_completion_new_blocking ();
      g_autoptr (GError) error = NULL;
      int returned = 0;
      gboolean won;

      g_object_ref (completion);
      race_begin (&race, round, g_object_ref (completion));
      won = lp_completion_return (completion, &returned, give_back_cb);
      if (!won)
        g_object_unref (completion);
      g_assert_true (lp_completion_wait (completion, LP_TIME_NEVER));
      g_assert_true ((lp_completion_propagate (completion, &error) != NULL) == won);
      g_assert_true ((error == NULL) == won);
      race_end (&race, round);
      g_assert_finalize_object (completion);
      g_assert_cmpint (returned, ==, 0);
    }

  g_thread_join (thread);
}

/* Cancelled while the handler is being connected, and told by the handler, as
 * the wait for a stop does: nothing stays connected. */
static void
test_race_watch (void)
{
  Race race = { 20000, 0, 0, NULL, cancel_act };
  GThread *thread = g_thread_new ("test-race", race_main, &race);

  for (guint round = 1; round <= race.n_rounds; round++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      LpCompletion *completion = lp_completion_new_blocking ();

      race_begin (&race, round, cancellable);
      lp_completion_watch (completion, cancellable, fail_watched_cb, NULL, NULL);
      race_end (&race, round);
      g_assert_true (lp_completion_wait (completion, LP_TIME_NEVER));
      g_assert_finalize_object (completion);
    }

  g_thread_join (thread);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/completion/race/cancel-and-settle", test_race_take_back);
  g_test_add_func ("/completion/race/settle-and-settle", test_race_settle);
  g_test_add_func ("/completion/race/cancel-and-watch", test_race_watch);

  return g_test_run ();
}
