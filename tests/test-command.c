/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-command-private.h"

#include "lp-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* This process adopts the orphans of its descendants. So a test can wait for the
 * end of a grandchild, which tells how it ended, and never has to guess. */

#define LIMIT (16 * 1024 * 1024)

typedef struct
{
  GMainContext *context;
  char         *fifo; /* what a grandchild writes to, so that a test knows it is there */
  int           fifo_fd;
  gboolean      done;
  gboolean      signalled;
  int           status;
  GBytes       *out;
  GBytes       *err;
  GError       *error;
} Fixture;

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("leasepool-test-XXXXXX", &error);

  g_assert_no_error (error);
  fixture->context = g_main_context_new ();
  fixture->fifo = g_build_filename (directory, "fifo", NULL);
  g_assert_cmpint (mkfifo (fixture->fifo, 0600), ==, 0);
  fixture->fifo_fd = open (fixture->fifo, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (fixture->fifo_fd, >=, 0);
}

static void
forget_result (Fixture *fixture)
{
  fixture->done = FALSE;
  fixture->signalled = FALSE;
  g_clear_pointer (&fixture->out, g_bytes_unref);
  g_clear_pointer (&fixture->err, g_bytes_unref);
  g_clear_error (&fixture->error);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  g_autofree char *directory = g_path_get_dirname (fixture->fifo);

  forget_result (fixture);
  g_main_context_unref (fixture->context);
  close (fixture->fifo_fd);
  g_unlink (fixture->fifo);
  g_rmdir (directory);
  g_free (fixture->fifo);

  /* Neither a zombie nor anything that still runs is left. */
  g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
  g_assert_cmpint (errno, ==, ECHILD);
}

static GBytes *
get_bytes (GVariant *result,
           gsize     index)
{
  g_autoptr(GVariant) child = g_variant_get_child_value (result, index);

  return g_variant_get_data_as_bytes (child);
}

static void
done_cb (LpCommand    *command,
         GVariant     *result,
         const GError *error,
         gpointer      user_data)
{
  Fixture *fixture = user_data;

  g_assert_false (fixture->done);
  g_assert_true ((result == NULL) == (error != NULL));

  fixture->done = TRUE;
  fixture->signalled = lp_command_was_signalled (command);
  if (error != NULL)
    {
      fixture->error = g_error_copy (error);
      return;
    }

  g_assert_cmpstr (g_variant_get_type_string (result), ==, "(iayay)");
  g_variant_get_child (result, 0, "i", &fixture->status);
  fixture->out = get_bytes (result, 1);
  fixture->err = get_bytes (result, 2);
}

static LpCommand *
spawn_full (Fixture             *fixture,
            const char * const  *argv,
            GBytes              *input,
            const char          *directory,
            gsize                max_output)
{
  g_autoptr(GError) error = NULL;
  LpCommand *command;

  command = lp_command_spawn (fixture->context, argv, input, directory, max_output,
                              done_cb, fixture, &error);
  g_assert_no_error (error);
  g_assert_nonnull (command);
  g_assert_false (fixture->done);

  return command;
}

/* The script finds the name of the fifo in $1. */
static LpCommand *
spawn_script (Fixture    *fixture,
              const char *script,
              GBytes     *input,
              gsize       max_output)
{
  const char *argv[] = { "sh", "-c", script, "sh", fixture->fifo, NULL };

  return spawn_full (fixture, argv, input, NULL, max_output);
}

static void
finish (Fixture *fixture)
{
  while (!fixture->done)
    g_main_context_iteration (fixture->context, TRUE);
}

static void
run_script (Fixture    *fixture,
            const char *script)
{
  spawn_script (fixture, script, NULL, LIMIT);
  finish (fixture);
  g_assert_no_error (fixture->error);
}

static void
assert_bytes (GBytes     *bytes,
              const char *expected)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  g_assert_cmpmem (data, size, expected, strlen (expected));
}

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

/* Without pidfds (an old kernel, valgrind) GLib reaps on a thread of its own, when
 * it likes, and there is no zombie to look at. */
static gboolean
glib_reaps_on_this_thread (void)
{
  int fd = (int) syscall (SYS_pidfd_open, getpid (), 0);

  if (fd >= 0)
    close (fd);

  return fd >= 0;
}

/* Blocks until the child has ended, and leaves it to be reaped. */
static void
wait_until_ended (LpCommand *command)
{
  siginfo_t info;
  int result;

  do
    result = waitid (P_PID, (id_t) lp_command_get_pid (command), &info, WEXITED | WNOWAIT);
  while (result == -1 && errno == EINTR);

  if (glib_reaps_on_this_thread ())
    g_assert_cmpint (result, ==, 0);
}

static GBytes *
make_input (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7 + i / 251);

  return g_bytes_new_take (data, size);
}

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
assert_start_fails (Fixture             *fixture,
                    const char * const  *argv,
                    const char          *directory,
                    const char          *part)
{
  g_autoptr(GBytes) input = make_input (10);
  g_autoptr(GError) error = NULL;
  LpCommand *command;

  command = lp_command_spawn (fixture->context, argv, input, directory, LIMIT, done_cb, fixture, &error);

  g_assert_null (command);
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, argv[0]));
  g_assert_nonnull (strstr (error->message, part));
  while (g_main_context_iteration (fixture->context, FALSE))
    ;
  g_assert_false (fixture->done);
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
