/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lp-test-frame.h"
#include "lp-test.h"

/* --- The process --- */

static void
setup_cb (gpointer data)
{
  setpgid (0, 0);
}

static void
late_cb (int number)
{
  static const char text[] = "waited in vain for a new process to execute its program\n";

  if (write (STDERR_FILENO, text, sizeof text - 1) != -1)
    abort ();
}

/* GLib waits without a limit for a new process to execute its program. */
static GSubprocess *
spawn (GSubprocessLauncher *launcher, const char * const *argv)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  signal (SIGALRM, late_cb);
  alarm (LP_TEST_PATIENCE_SECONDS);
  process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  alarm (0);
  g_assert_no_error (error);

  return process;
}

/* Ours first. */
static void
open_stream (LpTestStream stream, int in[2], int out[2])
{
  if (stream == LP_TEST_STREAM_PIPES)
    {
      g_assert_cmpint (pipe2 (in, O_CLOEXEC), ==, 0);
      g_assert_cmpint (pipe2 (out, O_CLOEXEC), ==, 0);
      return;
    }

  g_assert_cmpint (socketpair (AF_UNIX, (stream == LP_TEST_STREAM_PACKETS ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC,
                               0, in), ==, 0);
  if (stream == LP_TEST_STREAM_NARROW)
    g_assert_cmpint (setsockopt (in[1], SOL_SOCKET, SO_SNDBUF, &(int) { 1 }, sizeof (int)), ==, 0);
  out[1] = in[0];
  out[0] = in[1];
  if (stream == LP_TEST_STREAM_OF_MANAGER)
    g_assert_cmpint (pipe2 (in, O_CLOEXEC), ==, 0);
  else
    in[1] = fcntl (out[0], F_DUPFD_CLOEXEC, 3);
}

LpTestWorker *
lp_test_worker_spawn (const char * const *argv, LpTestStream stream)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  LpTestWorker *self = g_new0 (LpTestWorker, 1);
  int in[2], out[2], errors[2];

  open_stream (stream, in, out);
  g_assert_cmpint (pipe2 (errors, O_CLOEXEC), ==, 0);

  g_subprocess_launcher_setenv (launcher, "LP_WORKER_NAME", "test-1-1", TRUE);
  g_subprocess_launcher_set_child_setup (launcher, setup_cb, NULL, NULL);
  /* in: what we read; out: what we write. */
  g_subprocess_launcher_take_stdin_fd (launcher, out[0]);
  g_subprocess_launcher_take_stdout_fd (launcher, in[1]);
  g_subprocess_launcher_take_stderr_fd (launcher, errors[1]);

  self->process = spawn (launcher, argv);
  self->channel = lp_channel_new (in[0], out[1], LP_TEST_MAX_MESSAGE_SIZE);
  self->error_fd = errors[0];

  return self;
}

LpTestWorker *
lp_test_worker_new (LpTestStream stream)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char *argv[] = { program, NULL };

  return lp_test_worker_spawn (argv, stream);
}

LpTestWorker *
lp_test_worker_start_with (GVariant *hello)
{
  LpTestWorker *self = lp_test_worker_new (LP_TEST_STREAM_OF_MANAGER);
  g_autoptr (GVariant) answer = NULL;

  lp_test_worker_say_hello (self, hello, -1);
  answer = lp_test_worker_wait_hello (self);

  return self;
}

LpTestWorker *
lp_test_worker_start (void)
{
  return lp_test_worker_start_with (NULL);
}

void
lp_test_worker_close (LpTestWorker *self)
{
  g_clear_pointer (&self->channel, lp_channel_free);
}

char *
lp_test_worker_read_stderr (LpTestWorker *self)
{
  GString *text = g_string_new (NULL);
  char bytes[4096];
  gssize n_read;

  do
    {
      lp_test_block_fd (self->error_fd, POLLIN, "the end of the standard error of a worker");
      n_read = read (self->error_fd, bytes, sizeof bytes);
      g_assert_cmpint (n_read, >=, 0);
      g_string_append_len (text, bytes, n_read);
    }
  while (n_read > 0);

  return g_string_free (text, FALSE);
}

int
lp_test_worker_wait_status (LpTestWorker *self)
{
  lp_test_wait_process (self->process);

  return g_subprocess_get_if_exited (self->process) ? g_subprocess_get_exit_status (self->process)
                                                    : -g_subprocess_get_term_sig (self->process);
}

void
lp_test_worker_free (LpTestWorker *self)
{
  lp_test_worker_close (self);
  g_subprocess_force_exit (self->process);
  lp_test_wait_process (self->process);
  g_object_unref (self->process);
  close (self->error_fd);
  g_free (self);
}

void
lp_test_worker_finish (LpTestWorker *self)
{
  LpFrame frame;

  lp_test_worker_send (self, LP_FRAME_GOODBYE, 0, NULL);
  lp_test_worker_expect (self, LP_FRAME_GOODBYE, 0);
  g_assert_false (lp_test_worker_read (self, &frame));
  g_assert_cmpint (lp_test_worker_wait_status (self), ==, 0);
  lp_test_worker_free (self);
}

/* --- Frames --- */

static void
flush (LpTestWorker *self)
{
  g_autoptr (GError) error = NULL;

  while (lp_channel_flush (self->channel, &error) && lp_channel_has_pending (self->channel))
    lp_test_block_fd (lp_channel_get_out_fd (self->channel), POLLOUT, "a worker to read");
  g_assert_no_error (error);
}

void
lp_test_worker_send (LpTestWorker *self, LpFrameType type, guint64 id, GVariant *body)
{
  g_assert_true (lp_channel_send (self->channel, type, id, body, NULL));
  flush (self);
}

void
lp_test_worker_call (LpTestWorker *self, guint64 id, const char *name, GVariant *parameters)
{
  lp_test_worker_send (self, LP_FRAME_CALL, id, g_variant_new ("(smv)", name, parameters));
}

static void
set (GVariantDict *dict, const char *key, GVariant *value)
{
  if (!g_variant_dict_contains (dict, key))
    g_variant_dict_insert_value (dict, key, value);
  else
    g_variant_unref (g_variant_ref_sink (value));
}

void
lp_test_worker_say_hello (LpTestWorker *self, GVariant *more, int nonce_fd)
{
  g_autoptr (GVariant) owned = more != NULL ? g_variant_ref_sink (more) : NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, owned);
  set (&dict, "version", g_variant_new_uint32 (1));
  set (&dict, "max-message-size", g_variant_new_uint64 (LP_TEST_MAX_MESSAGE_SIZE));
  set (&dict, "name", g_variant_new_string ("test-1-1"));
  set (&dict, "log-level", g_variant_new_uint32 (G_LOG_LEVEL_INFO));
  set (&dict, "log-to-stderr", g_variant_new_boolean (FALSE));
  lp_channel_send_hello (self->channel, g_variant_dict_end (&dict), nonce_fd);
  flush (self);
}

GVariant *
lp_test_worker_wait_hello (LpTestWorker *self)
{
  return lp_test_worker_expect (self, LP_FRAME_HELLO, 0);
}

gboolean
lp_test_worker_read (LpTestWorker *self, LpFrame *frame)
{
  while (TRUE)
    {
      g_autoptr (GError) error = NULL;

      switch (lp_channel_read (self->channel, frame, &error))
        {
        case LP_CHANNEL_FRAME:
          lp_test_frame_keep (frame);
          return TRUE;
        case LP_CHANNEL_EMPTY:
          lp_test_block_fd (lp_channel_get_in_fd (self->channel), POLLIN, "a frame of a worker");
          break;
        case LP_CHANNEL_END:
          g_assert_false (lp_channel_is_cut (self->channel));
          return FALSE;
        case LP_CHANNEL_BAD:
        default:
          g_error ("the worker sent something bad: %s", error->message);
        }
    }
}

GVariant *
lp_test_worker_expect (LpTestWorker *self, LpFrameType type, guint64 id)
{
  GVariant *body;
  LpFrame frame;

  if (!lp_test_worker_read (self, &frame))
    g_error ("the stream ended, not %s came", lp_frame_type_get_name (type));
  if (frame.type != type)
    {
      g_autofree char *text = frame.body != NULL ? g_variant_print (frame.body, FALSE) : g_strdup ("");

      g_error ("%s %.1000s came, not %s", lp_frame_type_get_name (frame.type), text, lp_frame_type_get_name (type));
    }
  g_assert_cmpuint (frame.id, ==, id);

  body = g_steal_pointer (&frame.body);
  lp_frame_clear (&frame);
  return body;
}

void
lp_test_worker_expect_error (LpTestWorker *self, guint64 id, GQuark domain, int code, const char *message)
{
  g_autoptr (GVariant) body = lp_test_worker_expect (self, LP_FRAME_ERROR, id);
  const char *got_domain, *got_message;
  int got_code;

  g_variant_get (body, "(&si&s)", &got_domain, &got_code, &got_message);
  g_assert_cmpstr (got_domain, ==, g_quark_to_string (domain));
  g_assert_cmpint (got_code, ==, code);
  g_assert_cmpstr (got_message, ==, message);
}

void
lp_test_worker_expect_log (LpTestWorker *self, GLogLevelFlags level, const char *domain, const char *message)
{
  g_autoptr (GVariant) body = lp_test_worker_expect (self, LP_FRAME_LOG, 0);
  g_autoptr (GVariant) fields = NULL;
  const char *got_domain, *got_message;
  guint32 got_level;

  g_variant_get (body, "(u&s&s@a{ss})", &got_level, &got_domain, &got_message, &fields);
  g_assert_cmpstr (got_message, ==, message);
  g_assert_cmpstr (got_domain, ==, domain);
  g_assert_cmpuint (got_level, ==, level);
}

GVariant *
lp_test_worker_run (LpTestWorker *self, guint64 id, const char *name, GVariant *parameters)
{
  g_autoptr (GVariant) body = NULL;

  lp_test_worker_call (self, id, name, parameters);
  lp_test_worker_expect (self, LP_FRAME_STARTED, id);
  body = lp_test_worker_expect (self, LP_FRAME_RESULT, id);

  return g_variant_get_variant (body);
}
