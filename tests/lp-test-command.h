/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of commands share: a fixture with a fifo; for one program at a time. */

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

static inline void
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

static inline void
forget_result (Fixture *fixture)
{
  fixture->done = FALSE;
  fixture->signalled = FALSE;
  g_clear_pointer (&fixture->out, g_bytes_unref);
  g_clear_pointer (&fixture->err, g_bytes_unref);
  g_clear_error (&fixture->error);
}

static inline void
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

static inline GBytes *
get_bytes (GVariant *result,
           gsize     index)
{
  g_autoptr(GVariant) child = g_variant_get_child_value (result, index);

  return g_variant_get_data_as_bytes (child);
}

static inline void
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

static inline LpCommand *
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
static inline LpCommand *
spawn_script (Fixture    *fixture,
              const char *script,
              GBytes     *input,
              gsize       max_output)
{
  const char *argv[] = { "sh", "-c", script, "sh", fixture->fifo, NULL };

  return spawn_full (fixture, argv, input, NULL, max_output);
}

static inline void
finish (Fixture *fixture)
{
  while (!fixture->done)
    g_main_context_iteration (fixture->context, TRUE);
}

static inline void
run_script (Fixture    *fixture,
            const char *script)
{
  spawn_script (fixture, script, NULL, LIMIT);
  finish (fixture);
  g_assert_no_error (fixture->error);
}

static inline void
assert_bytes (GBytes     *bytes,
              const char *expected)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  g_assert_cmpmem (data, size, expected, strlen (expected));
}

/* Without pidfds (an old kernel, valgrind) GLib reaps on a thread of its own, when
 * it likes, and there is no zombie to look at. */
static inline gboolean
glib_reaps_on_this_thread (void)
{
  int fd = (int) syscall (SYS_pidfd_open, getpid (), 0);

  if (fd >= 0)
    close (fd);

  return fd >= 0;
}

/* Blocks until the child has ended, and leaves it to be reaped. */
static inline void
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

static inline GBytes *
make_input (gsize size)
{
  guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i * 7 + i / 251);

  return g_bytes_new_take (data, size);
}

static inline void
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
