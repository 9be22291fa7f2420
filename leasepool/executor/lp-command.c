/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-command-private.h"

#include "lp-error.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lp-log-private.h"
#include "lp-memfd-private.h"

/*
 * A command lives from lp_command_spawn() until its child is reaped. Three
 * sources on the context belong to it: the child watch and one for each of the
 * two pipes; the latter may end earlier, the former ends the command. Nobody
 * else holds it, so there are no references to count.
 *
 * Signals: the child leads a process group of its own, made between fork and
 * exec, so the group exists before lp_command_spawn() returns. It is signalled
 * only while the child is unreaped, since after that its number may be somebody
 * else's. Where the kernel has pidfds, GLib reaps in the dispatch of the child
 * watch, that is on this thread and right before child_reaped_cb(). Where it has
 * not, GLib reaps on a thread of its own some time before, so the kernel is asked
 * first, see child_is_unreaped().
 *
 * The end: a group we signalled gets one SIGKILL right after its leader is
 * reaped, because what ignored the signal would otherwise live on. A group that
 * ended by itself is left alone: it may have put a daemon into the background,
 * as it was told. Such a grandchild may hold the pipes open, or even keep
 * writing, so they are read for what they hold at that moment, which is all that
 * the child itself wrote, and not until the end of the file.
 *
 * Input is a file, not a pipe: nothing to feed, no SIGPIPE if the program does
 * not read it, no deadlock with one that writes before it reads.
 */

/* A pipe holds 64 KiB unless somebody made it larger. */
#define READ_SIZE (64 * 1024)

typedef struct
{
  LpCommand  *command;
  GByteArray *bytes;
  GSource    *source; /* NULL once the stream has ended */
  int         fd;     /* -1 once the stream has ended */
} Stream;

struct _LpCommand
{
  char             *name; /* argv[0], for messages */
  GSource          *child_source;
  GPid              pid;
  gboolean          reaped;
  gboolean          signalled; /* the caller sent a signal */
  gboolean          overrun;   /* there was too much output, and we sent one */
  Stream            out;
  Stream            err;
  gsize             n_output; /* bytes read so far from both streams */
  gsize             max_output;
  LpCommandDoneFunc done;
  gpointer          user_data;
};

static void
close_fd (int *fd)
{
  if (*fd != -1)
    close (*fd);

  *fd = -1;
}

/* --- Input --- */

/* Sets @fd to -1 if there is nothing to read: the child then gets /dev/null. It
 * has the very same file, which is at its beginning, and cannot write to it. */
static gboolean
open_input (GBytes  *input,
            int     *fd,
            GError **error)
{
  gconstpointer data = NULL;
  gsize size = 0;

  *fd = -1;
  if (input != NULL)
    data = g_bytes_get_data (input, &size);
  if (size == 0)
    return TRUE;

  *fd = lp_memfd_new_for_bytes (data, size, error);
  if (*fd == -1)
    g_prefix_error (error, "Its input could not be stored: ");

  return *fd != -1;
}

/* --- Signals --- */

static gboolean
child_is_unreaped (LpCommand *self)
{
  siginfo_t info;

  return !self->reaped &&
         waitid (P_PID, (id_t) self->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void
signal_group (LpCommand *self,
              int        signum)
{
  kill (-self->pid, signum);

  /* The child may have moved to a group of its own choice, and it is the child
   * whose end we wait for. */
  if (getpgid (self->pid) != self->pid)
    kill (self->pid, signum);
}

/* --- Output --- */

static void
stream_end (Stream *stream)
{
  if (stream->source != NULL)
    {
      g_source_destroy (stream->source);
      g_clear_pointer (&stream->source, g_source_unref);
    }

  close_fd (&stream->fd);
}

static gboolean
output_is_too_long (LpCommand *self)
{
  return self->n_output > self->max_output;
}

/* Nothing of the output is of use any more: gives the memory back at once. */
static void
discard_output (LpCommand *self)
{
  stream_end (&self->out);
  stream_end (&self->err);
  g_clear_pointer (&self->out.bytes, g_byte_array_unref);
  g_clear_pointer (&self->err.bytes, g_byte_array_unref);
}

/* How much the pipe holds at this moment. */
static gsize
stream_get_available (Stream *stream)
{
  int available = 0;

  if (ioctl (stream->fd, FIONREAD, &available) == -1)
    return 0;

  return (gsize) MAX (available, 0);
}

/* One read of at most @size bytes. Returns FALSE at the end of the stream. */
static gboolean
stream_read (Stream *stream,
             gsize   size,
             gsize  *n_read)
{
  guint length = stream->bytes->len;
  gssize result;
  int saved_errno;

  g_byte_array_set_size (stream->bytes, length + (guint) size);
  result = read (stream->fd, stream->bytes->data + length, size);
  saved_errno = errno;
  *n_read = (gsize) MAX (result, 0);
  g_byte_array_set_size (stream->bytes, length + (guint) *n_read);
  stream->command->n_output += *n_read;

  if (result == -1)
    return saved_errno == EAGAIN || saved_errno == EINTR;

  return result > 0;
}

/* One read a dispatch: the thread has others to serve. */
static gboolean
stream_ready_cb (int          fd,
                 GIOCondition condition,
                 gpointer     user_data)
{
  Stream *stream = user_data;
  LpCommand *self = stream->command;
  gsize n_read;

  /* A pipe without writers is ready and empty; the read then says so. */
  if (!stream_read (stream, CLAMP (stream_get_available (stream), 1, READ_SIZE), &n_read))
    {
      stream_end (stream);
      return G_SOURCE_REMOVE;
    }

  if (output_is_too_long (self))
    {
      self->overrun = TRUE;
      if (child_is_unreaped (self))
        signal_group (self, SIGKILL);
      discard_output (self);
      return G_SOURCE_REMOVE;
    }

  return G_SOURCE_CONTINUE;
}

/* Reads what the pipe holds now. A grandchild that keeps writing adds nothing,
 * whatever its speed. */
static void
stream_drain (Stream *stream)
{
  gsize left, n_read;

  if (stream->fd == -1)
    return;

  left = stream_get_available (stream);
  while (left > 0 && !output_is_too_long (stream->command))
    {
      if (!stream_read (stream, MIN (left, READ_SIZE), &n_read) || n_read == 0)
        break;

      left -= n_read;
    }

  stream_end (stream);
}

static void
stream_begin (Stream       *stream,
              LpCommand    *command,
              GMainContext *context,
              int           fd,
              const char   *name)
{
  stream->command = command;
  stream->bytes = g_byte_array_new ();
  stream->fd = fd;

  g_unix_set_fd_nonblocking (fd, TRUE, NULL);

  stream->source = g_unix_fd_source_new (fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_static_name (stream->source, name);
  g_source_set_callback (stream->source, G_SOURCE_FUNC (stream_ready_cb), stream, NULL);
  g_source_attach (stream->source, context);
}

/* The bytes are handed over, not copied. */
static GVariant *
stream_to_variant (Stream *stream)
{
  g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes (g_steal_pointer (&stream->bytes));

  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

/* --- The end --- */

static void
command_free (LpCommand *self)
{
  discard_output (self);
  g_source_unref (self->child_source);
  g_free (self->name);
  g_free (self);
}

static GError *
new_overrun_error (LpCommand *self)
{
  return lp_log_new_error (LP_ERROR, LP_ERROR_FAILED,
                           "Command “%s” wrote too much: the limit is %" G_GSIZE_FORMAT " bytes, "
                           "%" G_GSIZE_FORMAT " were read and discarded; "
                           "let it write less or to a file, or raise max-message-size",
                           self->name, self->max_output, self->n_output);
}

static GVariant *
new_result (LpCommand *self,
            int        wait_status)
{
  int status = WIFSIGNALED (wait_status) ? -WTERMSIG (wait_status) : WEXITSTATUS (wait_status);

  return g_variant_new ("(i@ay@ay)",
                        status, stream_to_variant (&self->out), stream_to_variant (&self->err));
}

static void
child_reaped_cb (GPid     pid,
                 int      wait_status,
                 gpointer user_data)
{
  LpCommand *self = user_data;
  g_autoptr(GVariant) result = NULL;
  g_autoptr(GError) error = NULL;

  self->reaped = TRUE;
  if (self->signalled || self->overrun)
    kill (-pid, SIGKILL);

  stream_drain (&self->out);
  stream_drain (&self->err);

  if (output_is_too_long (self))
    error = new_overrun_error (self);
  else
    result = g_variant_ref_sink (new_result (self, wait_status));

  self->done (self, result, error, self->user_data);
  command_free (self);
}

/* --- The start --- */

/* Between fork and exec of a process with threads: async-signal-safe calls only. */
static void
lead_group (gpointer user_data)
{
  setpgid (0, 0);
}

static gboolean
spawn_child (const char * const  *argv,
             GBytes              *input,
             const char          *directory,
             GPid                *pid,
             int                 *out_fd,
             int                 *err_fd,
             GError             **error)
{
  const GSpawnFlags flags = G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH | G_SPAWN_CLOEXEC_PIPES;
  int input_fd;
  gboolean spawned;

  if (!open_input (input, &input_fd, error))
    return FALSE;

  spawned = g_spawn_async_with_pipes_and_fds (directory, argv, NULL, flags, lead_group, NULL,
                                              input_fd, -1, -1, NULL, NULL, 0,
                                              pid, NULL, out_fd, err_fd, error);
  close_fd (&input_fd);

  return spawned;
}

static void
set_start_error (GError    **error,
                 const char *name,
                 const char *reason)
{
  g_autofree char *valid_reason = g_utf8_make_valid (reason, -1);

  lp_log_set_error (error, LP_ERROR, LP_ERROR_START_FAILED,
                    "Command “%s” could not be started: %s", name, valid_reason);
}

/*
 * lp_command_spawn:
 * @context: the context of the calling thread that runs everything
 * @argv: the program, looked up in `PATH`, and its arguments
 * @input: (nullable): what it reads from its standard input
 * @directory: (nullable): its working directory
 * @max_output: how many bytes it may write to both streams together, at most
 *   %G_MAXINT; more ends it with SIGKILL and %LP_ERROR_FAILED
 * @done: called once when it has ended, never from within this function
 * @user_data: data for @done
 *
 * Starts a program. Forks, which takes time in a large process, and stores
 * @input, so no lock is held.
 *
 * Returns: (transfer none): the command, valid until @done returns; %NULL with
 *   %LP_ERROR_START_FAILED, and then @done is not called
 */
LpCommand *
lp_command_spawn (GMainContext        *context,
                  const char * const  *argv,
                  GBytes              *input,
                  const char          *directory,
                  gsize                max_output,
                  LpCommandDoneFunc    done,
                  gpointer             user_data,
                  GError             **error)
{
  g_autofree char *name = NULL;
  g_autoptr(GError) spawn_error = NULL;
  LpCommand *self;
  GPid pid;
  int out_fd, err_fd;

  g_assert (argv != NULL && argv[0] != NULL);

  name = g_filename_display_name (argv[0]);
  if (!spawn_child (argv, input, directory, &pid, &out_fd, &err_fd, &spawn_error))
    {
      set_start_error (error, name, spawn_error->message);
      return NULL;
    }

  self = g_new0 (LpCommand, 1);
  self->name = g_steal_pointer (&name);
  self->pid = pid;
  self->max_output = MIN (max_output, G_MAXINT);
  self->done = done;
  self->user_data = user_data;
  stream_begin (&self->out, self, context, out_fd, "[leasepool] command output");
  stream_begin (&self->err, self, context, err_fd, "[leasepool] command errors");

  self->child_source = g_child_watch_source_new (pid);
  g_source_set_static_name (self->child_source, "[leasepool] command end");
  g_source_set_callback (self->child_source, G_SOURCE_FUNC (child_reaped_cb), self, NULL);
  g_source_attach (self->child_source, context);

  return self;
}

/*
 * lp_command_signal:
 *
 * Sends a signal to the process group. Does nothing once the child is reaped: a
 * program that had ended before is not called signalled, nor is its group swept.
 */
void
lp_command_signal (LpCommand *self,
                   int        signum)
{
  if (!child_is_unreaped (self))
    return;

  self->signalled = TRUE;
  signal_group (self, signum);
}

/* For messages; the number may be somebody else's once `done` was called. */
GPid
lp_command_get_pid (LpCommand *self)
{
  return self->pid;
}

/* Whether lp_command_signal() sent something. Not set by too much output. */
gboolean
lp_command_was_signalled (LpCommand *self)
{
  return self->signalled;
}
