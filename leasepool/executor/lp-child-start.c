/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How a worker process is started, up to the manager's hello. */

#include "config.h"

#include "lp-child-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lp-environment-private.h"
#include "lp-memfd-private.h"
#include "lp-pool-private.h"
#include "lp-process-executor-private.h"

/* What connects the child with this process: a socket, which carries files in both directions, and a pipe for all that
 * it says, which takes half as long as a socket does for what is small. A launcher may relay them one by one: the end of
 * one can be seen, and made, while the other is open. */
typedef struct
{
  int in;                       /* ours, to read: the pipe */
  int out;                      /* ours, to write: the socket */
  int child_in;
  int child_out;
  int errors;                   /* ours */
  int child_errors;
} Pipes;

static void
close_all (const int *fds, guint n)
{
  for (guint i = 0; i < n; i++)
    if (fds[i] != -1)
      close (fds[i]);
}

static gboolean
open_streams (Pipes *pipes)
{
  int there[2], back[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, there) == -1)
    return FALSE;

  pipes->out = there[0];
  pipes->child_in = there[1];
  if (pipe2 (back, O_CLOEXEC) == -1)
    return FALSE;

  pipes->in = back[0];
  pipes->child_out = back[1];
  return TRUE;
}

static void
close_ours (Pipes *pipes)
{
  close_all ((const int[]) { pipes->in, pipes->out, pipes->errors }, 3);
}

static gboolean
open_pipes (Pipes *pipes, GError **error)
{
  int errors[2];
  int saved_errno;

  *pipes = (Pipes) { -1, -1, -1, -1, -1, -1 };
  if (open_streams (pipes) && pipe2 (errors, O_CLOEXEC) == 0)
    {
      pipes->errors = errors[0];
      pipes->child_errors = errors[1];
      return TRUE;
    }

  saved_errno = errno;
  close_ours (pipes);
  close_all ((const int[]) { pipes->child_in, pipes->child_out }, 2);
  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "there is no stream for it: %s",
               g_strerror (saved_errno));

  return FALSE;
}

/* Between fork and exec of a process with threads: async-signal-safe calls only. */
static void
lead_group_cb (gpointer user_data)
{
  setpgid (0, 0);
}

static char **
dup_argv (const LpSettings *settings)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  const char *program = lp_environment_get ("LP_WORKER_PROGRAM");

  if (settings->worker_launcher != NULL)
    g_strv_builder_addv (builder, (const char **) settings->worker_launcher);
  if (settings->worker_argv != NULL)
    g_strv_builder_addv (builder, (const char **) settings->worker_argv);
  else
    g_strv_builder_add (builder, program != NULL ? program : LIBEXECDIR "/leasepool-worker");

  return g_strv_builder_end (builder);
}

static char **
dup_environment (LpChild *self, const LpSettings *settings)
{
  char **environment = g_get_environ ();

  for (char **entry = settings->worker_environment; entry != NULL && *entry != NULL; entry++)
    {
      const char *value = strchr (*entry, '=');
      g_autofree char *name = g_strndup (*entry, (gsize) (value - *entry));

      environment = g_environ_setenv (environment, name, value + 1, TRUE);
    }

  return g_environ_setenv (environment, "LP_WORKER_NAME", self->name, TRUE);
}

/* A launcher that gets its descriptors: they are the child's, and closed here. */
static GSubprocessLauncher *
launcher_new (LpChild *self, const LpSettings *settings, Pipes *pipes)
{
  GSubprocessLauncher *launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_auto (GStrv) environment = dup_environment (self, settings);

  g_subprocess_launcher_set_environ (launcher, environment);
  if (settings->worker_directory != NULL)
    g_subprocess_launcher_set_cwd (launcher, settings->worker_directory);
  g_subprocess_launcher_set_child_setup (launcher, lead_group_cb, NULL, NULL);
  g_subprocess_launcher_take_stdin_fd (launcher, pipes->child_in);
  g_subprocess_launcher_take_stdout_fd (launcher, pipes->child_out);
  g_subprocess_launcher_take_stderr_fd (launcher, pipes->child_errors);

  return launcher;
}

static void
reaped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (LpChild) self = user_data;
  LP_PROCESS_EXECUTOR_ENTER (LP_PROCESS_EXECUTOR (self->executor));

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  lp_child_ended (self);
}

static void
drained_cb (gpointer data, gpointer more)
{
  g_autoptr (LpChild) self = lp_child_ref (data);
  LP_PROCESS_EXECUTOR_ENTER (LP_PROCESS_EXECUTOR (self->executor));

  lp_child_set_paused (self, FALSE);
}

static void
log_line (LpChild *self, const char *line)
{
  g_autofree char *valid = g_utf8_make_valid (line, -1);
  LpRecord record = { .level = G_LOG_LEVEL_MESSAGE, .message = valid, .from_stderr = TRUE };

  lp_record_sink_push (self->sink, &record);
  if (lp_record_sink_is_full (self->sink))
    lp_child_set_paused (self, TRUE);
}

/* A line belongs to the log, if records are forwarded and nowhere else; else to
 * the standard error of this process. */
static void
line_cb (const char *line, gpointer user_data)
{
  g_autoptr (LpChild) self = lp_child_ref (user_data);
  LpSettings *settings = lp_executor_get_settings (self->executor);
  LP_PROCESS_EXECUTOR_ENTER (LP_PROCESS_EXECUTOR (self->executor));

  self->n_handling++;
  if (settings->forward_process_logs && settings->clear_process_log_handlers)
    log_line (self, line);
  else
    {
      g_autofree char *escaped = lp_log_escape (line);

      g_printerr ("%s\n", escaped);
    }
  self->n_handling--;
}

static int
make_nonce (LpChild *self)
{
  if (getrandom (self->nonce, sizeof self->nonce, 0) != sizeof self->nonce)
    return -1;

  return lp_memfd_new_for_bytes (self->nonce, sizeof self->nonce, NULL);
}

static GVariant *
new_hello (LpChild *self, const LpSettings *settings)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "version", "u", LP_PROTOCOL_VERSION);
  g_variant_dict_insert (&dict, "max-message-size", "t", (guint64) settings->max_message_size);
  g_variant_dict_insert (&dict, "name", "s", self->name);
  g_variant_dict_insert (&dict, "log-level", "u",
                         settings->forward_process_logs ? (guint32) settings->process_log_level : 0);
  g_variant_dict_insert (&dict, "log-to-stderr", "b",
                         !settings->forward_process_logs || !settings->clear_process_log_handlers);
  if (settings->function_module != NULL)
    g_variant_dict_insert (&dict, "module", "s", settings->function_module);
  if (settings->worker_init_function != NULL)
    g_variant_dict_insert (&dict, "init-function", "s", settings->worker_init_function);
  if (settings->worker_init_parameters != NULL)
    g_variant_dict_insert (&dict, "init-parameters", "v", settings->worker_init_parameters);

  return g_variant_dict_end (&dict);
}

static void
connect_streams (LpChild *self, const LpSettings *settings, Pipes *pipes)
{
  int nonce_fd = make_nonce (self);

  self->context = g_main_context_ref_thread_default ();
  self->channel = lp_channel_new (pipes->in, pipes->out, (gsize) settings->max_message_size);
  self->lines = lp_lines_new (pipes->errors, self->context, &LP_PROCESS_EXECUTOR (self->executor)->children_lock, line_cb,
                              self);
  self->sink = lp_record_sink_new (self->executor, self->name, drained_cb, self);
  lp_record_sink_set_pid (self->sink, (guint) self->pid);
  self->nonce_sent = nonce_fd != -1;
  lp_channel_send_hello (self->channel, new_hello (self, settings), nonce_fd);
  lp_child_hello (self);
}

/* The number is asked for at once: a child that has been reaped has none. */
static GPid
pid_of (GSubprocess *process)
{
  const char *text = g_subprocess_get_identifier (process);

  return text != NULL ? (GPid) g_ascii_strtoll (text, NULL, 10) : 0;
}

/* Begins the process; events tell the rest. Forks, so no lock is held but that of
 * the children, which nobody else waits for. Fails with LP_ERROR_START_FAILED. */
gboolean
lp_child_start (LpChild *self, GError **error)
{
  LpSettings *settings = lp_executor_get_settings (self->executor);
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_auto (GStrv) argv = dup_argv (settings);
  g_autofree char *joined = g_strjoinv (" ", argv);
  g_autoptr (GError) local_error = NULL;
  Pipes pipes;

  self->command = lp_log_escape (joined);
  if (open_pipes (&pipes, &local_error))
    {
      launcher = launcher_new (self, settings, &pipes);
      self->process = g_subprocess_launcher_spawnv (launcher, (const char * const *) argv, &local_error);
      g_subprocess_launcher_close (launcher);
    }

  if (self->process == NULL)
    {
      if (launcher != NULL)
        close_ours (&pipes);
      lp_log_set_error (error, LP_ERROR, LP_ERROR_START_FAILED, "The worker %s (%s) could not be started: %s",
                        self->name, self->command, local_error->message);
      return FALSE;
    }

  self->pid = pid_of (self->process);
#ifdef SYS_pidfd_open
  if (self->pid != 0)
    self->pidfd = (int) syscall (SYS_pidfd_open, self->pid, 0);
#endif
  g_subprocess_wait_async (self->process, NULL, reaped_cb, lp_child_ref (self));
  connect_streams (self, settings, &pipes);
  lp_child_arm (self, LP_CHILD_STEP_HELLO, settings->start_timeout_seconds);

  return TRUE;
}
