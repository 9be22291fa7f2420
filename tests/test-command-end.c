/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* LpCommand: its limit, signals, grandchildren, and many at once. */

#include "config.h"

#include "lp-test-command.h"

/* This process adopts the orphans of its descendants. So a test can wait for the
 * end of a grandchild, which tells how it ended, and never has to guess. */

/* Blocks until a script has written a number into the fifo. */
static int
read_number (Fixture *fixture)
{
  char line[32] = "";

  for (gsize i = 0; i < sizeof line - 1; i++)
    {
      g_assert_cmpint (read (fixture->fifo_fd, line + i, 1), ==, 1);
      if (line[i] == '\n')
        break;
    }

  return (int) g_ascii_strtoll (line, NULL, 10);
}

/* Call this when the command has ended, so that the grandchild is ours by then.
 * Blocks until it has ended too. In a group that is signalled the parent may live
 * a moment longer than its child and reap that; then there is only no trace left. */
static void
assert_orphan_ends (GPid pid,
                    int  signum)
{
  int status;

  if (waitpid (pid, &status, 0) == -1)
    {
      g_assert_cmpint (errno, ==, ECHILD);
      return;
    }

  g_assert_true (WIFSIGNALED (status));
  g_assert_cmpint (WTERMSIG (status), ==, signum);
}

/* For those whose number is not known. */
static void
wait_for_orphans (void)
{
  while (waitpid (-1, NULL, 0) > 0)
    ;
}

/* --- The limit --- */

static void
test_output_at_the_limit_is_allowed (Fixture       *fixture,
                                     gconstpointer  data)
{
  spawn_script (fixture, "head -c 6000 /dev/zero; head -c 4000 /dev/zero >&2", NULL, 10000);
  finish (fixture);

  g_assert_no_error (fixture->error);
  g_assert_cmpuint (g_bytes_get_size (fixture->out), ==, 6000);
}

static void
test_both_streams_count (Fixture       *fixture,
                         gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture, "head -c 6000 /dev/zero; head -c 4001 /dev/zero >&2",
                                     NULL, 10000);

  wait_until_ended (command);
  finish (fixture);

  g_assert_error (fixture->error, LP_ERROR, LP_ERROR_FAILED);
  g_assert_nonnull (strstr (fixture->error->message, "10000"));
  g_assert_nonnull (strstr (fixture->error->message, "10001"));
  g_assert_nonnull (strstr (fixture->error->message, "“sh”"));
}

/* Closing the pipes would end neither the shell nor its child, which has none. */
static void
test_output_beyond_the_limit_ends_the_group (Fixture       *fixture,
                                             gconstpointer  data)
{
  GPid grandchild;

  spawn_script (fixture,
                "sleep 1000 >&- 2>&- & echo $! > \"$1\";"
                "head -c 200000 /dev/zero; wait",
                NULL, 100000);
  grandchild = read_number (fixture);
  finish (fixture);

  g_assert_error (fixture->error, LP_ERROR, LP_ERROR_FAILED);
  assert_orphan_ends (grandchild, SIGKILL);
  g_assert_false (fixture->signalled);

  /* If head was slower than the shell, it is ours now. */
  wait_for_orphans ();
}

/* --- Signals and grandchildren --- */

/* The shell survives the signal, so it is not the sweep that the other one met. */
static void
test_signal_reaches_the_group (Fixture       *fixture,
                               gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture,
                                     "trap : TERM;"
                                     "(trap 'echo 2 > \"$1\"; exit' TERM;"
                                     " sleep 1000 & echo 1 > \"$1\"; wait) &"
                                     "wait; wait; exit 5",
                                     NULL, LIMIT);

  g_assert_cmpint (read_number (fixture), ==, 1);
  g_assert_false (lp_command_was_signalled (command));
  lp_command_signal (command, SIGTERM);
  g_assert_true (lp_command_was_signalled (command));
  g_assert_cmpint (read_number (fixture), ==, 2);
  finish (fixture);

  g_assert_cmpint (fixture->status, ==, 5);
  g_assert_true (fixture->signalled);
  wait_for_orphans ();
}

static void
test_signal_does_not_reach_us (Fixture       *fixture,
                               gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture, "echo $$ > \"$1\"; exec sleep 1000", NULL, LIMIT);
  GPid child = read_number (fixture);

  g_assert_cmpint (child, ==, lp_command_get_pid (command));
  g_assert_cmpint (getpgid (child), ==, child);

  lp_command_signal (command, SIGKILL);
  finish (fixture);
  g_assert_cmpint (fixture->status, ==, -SIGKILL);
}

static void
test_signal_may_be_handled (Fixture       *fixture,
                            gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture,
                                     "trap 'echo tidy; exit 3' TERM; echo > \"$1\";"
                                     "while :; do read x < /dev/null; done",
                                     NULL, LIMIT);

  read_number (fixture);
  lp_command_signal (command, SIGTERM);
  finish (fixture);

  g_assert_cmpint (fixture->status, ==, 3);
  assert_bytes (fixture->out, "tidy\n");
  g_assert_true (fixture->signalled);
}

static void
test_what_ignored_a_signal_is_swept (Fixture       *fixture,
                                     gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture,
                                     "trap '' TERM; sleep 1000 & trap - TERM; echo $! > \"$1\"; wait",
                                     NULL, LIMIT);
  GPid grandchild = read_number (fixture);

  lp_command_signal (command, SIGTERM);
  finish (fixture);

  g_assert_cmpint (fixture->status, ==, -SIGTERM);
  assert_orphan_ends (grandchild, SIGKILL);
}

/* The zombie is still ours, so this is allowed, and the sweep follows. */
static void
test_signal_between_end_and_reaping_reaches_the_group (Fixture       *fixture,
                                                       gconstpointer  data)
{
  LpCommand *command;
  GPid grandchild;

  if (!glib_reaps_on_this_thread ())
    {
      g_test_skip ("there are no pidfds, so GLib may reap before the signal");
      return;
    }

  command = spawn_script (fixture, "sleep 1000 & echo $! > \"$1\"", NULL, LIMIT);
  grandchild = read_number (fixture);
  wait_until_ended (command);
  lp_command_signal (command, SIGTERM);
  assert_orphan_ends (grandchild, SIGTERM);
  finish (fixture);

  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_true (fixture->signalled);
}

static void
signal_in_done_cb (LpCommand    *command,
                   GVariant     *result,
                   const GError *error,
                   gpointer      user_data)
{
  done_cb (command, result, error, user_data);
  lp_command_signal (command, SIGKILL);
  g_assert_false (lp_command_was_signalled (command));
}

static void
test_signal_after_reaping_does_nothing (Fixture       *fixture,
                                        gconstpointer  data)
{
  const char *argv[] = { "sh", "-c", "sleep 1000 & echo $! > \"$1\"", "sh", fixture->fifo, NULL };
  g_autoptr(GError) error = NULL;
  GPid grandchild;

  lp_command_spawn (fixture->context, argv, NULL, NULL, LIMIT, signal_in_done_cb, fixture, &error);
  g_assert_no_error (error);
  grandchild = read_number (fixture);
  finish (fixture);

  g_assert_cmpint (kill (grandchild, SIGTERM), ==, 0);
  assert_orphan_ends (grandchild, SIGTERM);
}

/* It runs when the command has ended: neither swept nor waited for. */
static void
test_grandchild_with_the_pipes_delays_nothing (Fixture       *fixture,
                                               gconstpointer  data)
{
  GPid grandchild;

  run_script (fixture, "sleep 1000 & echo $! > \"$1\"; echo started");
  grandchild = read_number (fixture);

  g_assert_cmpint (fixture->status, ==, 0);
  assert_bytes (fixture->out, "started\n");
  g_assert_cmpint (waitpid (grandchild, NULL, WNOHANG), ==, 0);

  g_assert_cmpint (kill (grandchild, SIGTERM), ==, 0);
  assert_orphan_ends (grandchild, SIGTERM);
}

/* Reading until the pipe would block might never end here. */
static void
test_grandchild_that_floods_delays_nothing (Fixture       *fixture,
                                            gconstpointer  data)
{
  GPid grandchild;
  LpCommand *command = spawn_script (fixture, "yes & echo $! > \"$1\"", NULL, G_MAXSIZE);

  grandchild = read_number (fixture);
  wait_until_ended (command);
  finish (fixture);

  g_assert_no_error (fixture->error);
  g_assert_cmpint (fixture->status, ==, 0);
  /* The pipe is closed on it. */
  assert_orphan_ends (grandchild, SIGPIPE);
}

/* --- Many --- */

static guint
count_descriptors (void)
{
  g_autoptr(GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

static void
run_one_of_each_kind (Fixture *fixture,
                      guint    index)
{
  const char *missing[] = { "no-such-program-of-leasepool", NULL };
  g_autoptr(GBytes) input = make_input (5000);

  switch (index % 4)
    {
    case 0:
      spawn_script (fixture, "exec cat", input, LIMIT);
      break;
    case 1:
      spawn_script (fixture, "exec cat", input, 100);
      break;
    case 2:
      lp_command_signal (spawn_script (fixture, "exec sleep 1000", input, LIMIT), SIGKILL);
      break;
    default:
      assert_start_fails (fixture, missing, NULL, "");
      return;
    }

  finish (fixture);
  forget_result (fixture);
}

static void
test_descriptors_stay_flat (Fixture       *fixture,
                            gconstpointer  data)
{
  guint before;

  /* The first ones open what GLib keeps for good. */
  for (guint i = 0; i < 4; i++)
    run_one_of_each_kind (fixture, i);
  before = count_descriptors ();

  for (guint i = 0; i < 200; i++)
    run_one_of_each_kind (fixture, i);

  g_assert_cmpuint (count_descriptors (), ==, before);
}

static void
count_done_cb (LpCommand    *command,
               GVariant     *result,
               const GError *error,
               gpointer      user_data)
{
  guint *n_done = user_data;

  g_assert_no_error (error);
  (*n_done)++;
}

static void
test_many_run_at_once (Fixture       *fixture,
                       gconstpointer  data)
{
  const char *argv[] = { "cat", NULL };
  g_autoptr(GBytes) input = make_input (200000);
  guint n_done = 0;

  for (guint i = 0; i < 50; i++)
    {
      g_autoptr(GError) error = NULL;

      lp_command_spawn (fixture->context, argv, input, NULL, LIMIT, count_done_cb, &n_done, &error);
      g_assert_no_error (error);
    }

  while (n_done < 50)
    g_main_context_iteration (fixture->context, TRUE);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 1), ==, 0);

#define add_case(name, func) g_test_add ("/command/" name, Fixture, NULL, set_up, func, tear_down)
  add_case ("output-at-the-limit-is-allowed", test_output_at_the_limit_is_allowed);
  add_case ("both-streams-count", test_both_streams_count);
  add_case ("output-beyond-the-limit-ends-the-group", test_output_beyond_the_limit_ends_the_group);
  add_case ("signal-reaches-the-group", test_signal_reaches_the_group);
  add_case ("signal-does-not-reach-us", test_signal_does_not_reach_us);
  add_case ("signal-may-be-handled", test_signal_may_be_handled);
  add_case ("what-ignored-a-signal-is-swept", test_what_ignored_a_signal_is_swept);
  add_case ("signal-between-end-and-reaping-reaches-the-group",
            test_signal_between_end_and_reaping_reaches_the_group);
  add_case ("signal-after-reaping-does-nothing", test_signal_after_reaping_does_nothing);
  add_case ("grandchild-with-the-pipes-delays-nothing", test_grandchild_with_the_pipes_delays_nothing);
  add_case ("grandchild-that-floods-delays-nothing", test_grandchild_that_floods_delays_nothing);
  add_case ("descriptors-stay-flat", test_descriptors_stay_flat);
  add_case ("many-run-at-once", test_many_run_at_once);
#undef add_case

  return g_test_run ();
}
