/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* LpCommand: what a program reads and writes, and how it ends. */

#include "config.h"

#include "lp-test-command.h"

/* --- What a program reads and writes --- */

static void
test_input_of_a_mebibyte_comes_back (Fixture       *fixture,
                                     gconstpointer  data)
{
  const char *argv[] = { "cat", NULL };
  g_autoptr(GBytes) input = make_input (1024 * 1024);

  spawn_full (fixture, argv, input, NULL, LIMIT);
  finish (fixture);

  g_assert_no_error (fixture->error);
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_true (g_bytes_equal (fixture->out, input));
  g_assert_cmpuint (g_bytes_get_size (fixture->err), ==, 0);
}

static void
test_no_input_is_end_of_file (Fixture       *fixture,
                              gconstpointer  data)
{
  const char *argv[] = { "cat", NULL };
  g_autoptr(GBytes) empty = g_bytes_new (NULL, 0);

  spawn_full (fixture, argv, NULL, NULL, LIMIT);
  finish (fixture);
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_cmpuint (g_bytes_get_size (fixture->out), ==, 0);

  forget_result (fixture);
  spawn_full (fixture, argv, empty, NULL, LIMIT);
  finish (fixture);
  g_assert_cmpint (fixture->status, ==, 0);
  g_assert_cmpuint (g_bytes_get_size (fixture->out), ==, 0);
}

static void
test_input_need_not_be_read (Fixture       *fixture,
                             gconstpointer  data)
{
  g_autoptr(GBytes) input = make_input (1024 * 1024);

  spawn_script (fixture, "exit 0", input, LIMIT);
  finish (fixture);

  g_assert_no_error (fixture->error);
  g_assert_cmpint (fixture->status, ==, 0);
}

static void
test_streams_are_kept_apart (Fixture       *fixture,
                             gconstpointer  data)
{
  run_script (fixture, "echo one; echo two >&2; echo three");

  assert_bytes (fixture->out, "one\nthree\n");
  assert_bytes (fixture->err, "two\n");
}

static void
test_both_streams_may_be_long (Fixture       *fixture,
                               gconstpointer  data)
{
  run_script (fixture,
              "head -c 1000000 /dev/zero;"
              "head -c 1000000 /dev/zero >&2;"
              "head -c 1000000 /dev/zero");

  g_assert_cmpuint (g_bytes_get_size (fixture->out), ==, 2000000);
  g_assert_cmpuint (g_bytes_get_size (fixture->err), ==, 1000000);
}

static void
test_streams_may_be_closed_early (Fixture       *fixture,
                                  gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture, "echo last; exec >&- 2>&-; kill -STOP $$; exit 4",
                                     NULL, LIMIT);
  siginfo_t info;

  g_assert_cmpint (waitid (P_PID, (id_t) lp_command_get_pid (command), &info, WSTOPPED | WNOWAIT), ==, 0);
  while (g_main_context_iteration (fixture->context, FALSE))
    ;
  g_assert_false (fixture->done);

  g_assert_cmpint (kill (lp_command_get_pid (command), SIGCONT), ==, 0);
  finish (fixture);

  g_assert_cmpint (fixture->status, ==, 4);
  assert_bytes (fixture->out, "last\n");
}

static void
test_output_before_the_end_is_kept (Fixture       *fixture,
                                    gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture, "head -c 60000 /dev/zero; echo last >&2", NULL, LIMIT);

  wait_until_ended (command);
  finish (fixture);

  g_assert_cmpuint (g_bytes_get_size (fixture->out), ==, 60000);
  assert_bytes (fixture->err, "last\n");
}

/* A larger pipe holds more than one read takes. */
static void
test_output_before_the_end_is_kept_from_large_pipes (Fixture       *fixture,
                                                     gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture,
                                     "read x < \"$1\";"
                                     "head -c 500000 /dev/zero;"
                                     "head -c 400000 /dev/zero >&2",
                                     NULL, LIMIT);
  guint n_enlarged = 0;

  for (int fd = 3; fd < 64; fd++)
    if (fd != fixture->fifo_fd && fcntl (fd, F_SETPIPE_SZ, 1024 * 1024) > 0)
      n_enlarged++;

  g_assert_cmpint (write (fixture->fifo_fd, "\n", 1), ==, 1);
  if (n_enlarged >= 2)
    wait_until_ended (command);
  else
    g_test_skip ("this user may not have pipes of a mebibyte");
  finish (fixture);

  g_assert_cmpuint (g_bytes_get_size (fixture->out), ==, 500000);
  g_assert_cmpuint (g_bytes_get_size (fixture->err), ==, 400000);
}

static void
test_directory_is_where_it_runs (Fixture       *fixture,
                                 gconstpointer  data)
{
  const char *argv[] = { "pwd", "-P", NULL };

  spawn_full (fixture, argv, NULL, "/", LIMIT);
  finish (fixture);

  assert_bytes (fixture->out, "/\n");
}

static void
test_inherits_no_descriptor (Fixture       *fixture,
                             gconstpointer  data)
{
  int fd = open ("/dev/null", O_RDONLY);

  /* ls itself has the directory open as 3. */
  run_script (fixture, "exec ls /proc/self/fd");

  assert_bytes (fixture->out, "0\n1\n2\n3\n");
  close (fd);
}

/* What else this process starts meanwhile must not hold the pipes. */
static void
test_descriptors_are_close_on_exec (Fixture       *fixture,
                                    gconstpointer  data)
{
  LpCommand *command;
  g_autoptr(GBytes) input = make_input (10);
  gboolean was_open[64];

  for (int fd = 0; fd < 64; fd++)
    was_open[fd] = fcntl (fd, F_GETFD) != -1;

  command = spawn_script (fixture, "exec sleep 1000", input, LIMIT);
  for (int fd = 0; fd < 64; fd++)
    if (!was_open[fd] && fcntl (fd, F_GETFD) != -1)
      g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);

  lp_command_signal (command, SIGKILL);
  finish (fixture);
}

/* --- How it ends --- */

static void
test_exit_status_is_the_result (Fixture       *fixture,
                                gconstpointer  data)
{
  run_script (fixture, "exit 42");

  g_assert_cmpint (fixture->status, ==, 42);
  g_assert_false (fixture->signalled);
}

static void
test_signal_is_a_negative_status (Fixture       *fixture,
                                  gconstpointer  data)
{
  run_script (fixture, "echo before; kill -SEGV $$");

  g_assert_cmpint (fixture->status, ==, -SIGSEGV);
  assert_bytes (fixture->out, "before\n");
  g_assert_false (fixture->signalled);
}

static void
test_end_is_told_from_the_context (Fixture       *fixture,
                                   gconstpointer  data)
{
  LpCommand *command = spawn_script (fixture, "exit 0", NULL, LIMIT);

  wait_until_ended (command);
  g_assert_false (fixture->done);

  finish (fixture);
}

static void
test_missing_program_is_named (Fixture       *fixture,
                               gconstpointer  data)
{
  const char *argv[] = { "no-such-program-of-leasepool", NULL };

  assert_start_fails (fixture, argv, NULL, g_strerror (ENOENT));
}

static void
test_missing_directory_is_named (Fixture       *fixture,
                                 gconstpointer  data)
{
  const char *argv[] = { "true", NULL };

  assert_start_fails (fixture, argv, "/no-such-directory-of-leasepool", "/no-such-directory-of-leasepool");
}

static void
test_name_need_not_be_utf8 (Fixture       *fixture,
                            gconstpointer  data)
{
  const char *argv[] = { "/no-such-\xff", NULL };
  g_autoptr(GError) error = NULL;

  g_assert_null (lp_command_spawn (fixture->context, argv, NULL, NULL, LIMIT, done_cb, fixture, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 1), ==, 0);

#define add_case(name, func) g_test_add ("/command/" name, Fixture, NULL, set_up, func, tear_down)
  add_case ("input-of-a-mebibyte-comes-back", test_input_of_a_mebibyte_comes_back);
  add_case ("no-input-is-end-of-file", test_no_input_is_end_of_file);
  add_case ("input-need-not-be-read", test_input_need_not_be_read);
  add_case ("streams-are-kept-apart", test_streams_are_kept_apart);
  add_case ("both-streams-may-be-long", test_both_streams_may_be_long);
  add_case ("streams-may-be-closed-early", test_streams_may_be_closed_early);
  add_case ("output-before-the-end-is-kept", test_output_before_the_end_is_kept);
  add_case ("output-before-the-end-is-kept-from-large-pipes",
            test_output_before_the_end_is_kept_from_large_pipes);
  add_case ("directory-is-where-it-runs", test_directory_is_where_it_runs);
  add_case ("inherits-no-descriptor", test_inherits_no_descriptor);
  add_case ("descriptors-are-close-on-exec", test_descriptors_are_close_on_exec);
  add_case ("exit-status-is-the-result", test_exit_status_is_the_result);
  add_case ("signal-is-a-negative-status", test_signal_is_a_negative_status);
  add_case ("end-is-told-from-the-context", test_end_is_told_from_the_context);
  add_case ("missing-program-is-named", test_missing_program_is_named);
  add_case ("missing-directory-is-named", test_missing_directory_is_named);
  add_case ("name-need-not-be-utf8", test_name_need_not_be_utf8);
#undef add_case

  return g_test_run ();
}
