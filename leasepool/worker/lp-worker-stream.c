/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The stream of a worker process: where it is, and how frames are written. */

#include "config.h"

#include "lp-worker-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lp-log-private.h"

/* Above what programs name by number. */
#define FIRST_FD 10

/* Of a progress or an error, of which one wants to see the beginning. */
#define OVERHEAD 512

void
lp_worker_close_stream (LpWorker *self)
{
  if (self->in_fd != -1)
    close (self->in_fd);
  if (self->out_fd != -1)
    close (self->out_fd);
  self->in_fd = self->out_fd = -1;
}

static gboolean
is_of_type (int fd, mode_t type)
{
  struct stat info;

  return fstat (fd, &info) == 0 && (info.st_mode & S_IFMT) == type;
}

/* A pipe that this process could read, too, always has a reader: to write to it raises no SIGPIPE, and needs no three
 * more system calls against that. The socket tells when the manager is gone. */
static void
open_both_ends (LpWorker *self)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", self->out_fd);
  int both;

  if (!is_of_type (self->in_fd, S_IFSOCK) || !is_of_type (self->out_fd, S_IFIFO))
    return;

  both = open (path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (both == -1)
    return;

  dup3 (both, self->out_fd, O_CLOEXEC);
  close (both);
}

/* Takes the stream away from 0 and 1: what the program reads and prints is no
 * part of it. FALSE if there is none. */
gboolean
lp_worker_move_stream (LpWorker *self)
{
  int null_fd;

  if (self->in_fd != -1)
    return TRUE;

  self->in_fd = fcntl (STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_FD);
  self->out_fd = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_FD);
  if (self->in_fd == -1 || self->out_fd == -1)
    {
      lp_worker_close_stream (self);
      return FALSE;
    }

  open_both_ends (self);

  null_fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (null_fd != -1)
    {
      dup2 (null_fd, STDIN_FILENO);
      /* Not open: a file that the program opens would become its output. */
      if (dup2 (STDERR_FILENO, STDOUT_FILENO) == -1)
        dup2 (null_fd, STDOUT_FILENO);
      if (null_fd > STDERR_FILENO)
        close (null_fd);
    }

  /* Lines that a job prints are written before its result, and before a crash. */
  setvbuf (stdout, NULL, _IOLBF, 0);

  return TRUE;
}

/* Why this thread must not take the lock: because it has it, or because it reads, which it must not wait within. What
 * logs there goes to standard error. Not a GPrivate, which would be a tenth of a record. */
static _Thread_local guint n_locks;

void
lp_worker_lock (LpWorker *self)
{
  g_mutex_lock (&self->lock);
  n_locks++;
}

void
lp_worker_unlock (LpWorker *self)
{
  n_locks--;
  g_mutex_unlock (&self->lock);
}

/* Before the other one, should both be needed. */
void
lp_worker_lock_reading (LpWorker *self)
{
  g_mutex_lock (&self->reading_lock);
  n_locks++;
}

void
lp_worker_unlock_reading (LpWorker *self)
{
  n_locks--;
  g_mutex_unlock (&self->reading_lock);
}

gboolean
lp_worker_holds_lock (void)
{
  return n_locks > 0;
}

/* Records of the calling thread go to standard error from here on. */
void
lp_worker_never_lock (void)
{
  n_locks++;
}

/* The manager is gone, or out of its mind: what was started for it ends. */
void
lp_worker_die (const char *reason)
{
  struct pollfd errors = { STDERR_FILENO, POLLOUT, 0 };

  /* Not if it had to wait for somebody to read it. */
  if (reason != NULL && poll (&errors, 1, 0) == 1)
    {
      g_autofree char *line = g_strdup_printf ("leasepool worker: %.1000s\n", reason);
      gssize n_written = write (STDERR_FILENO, line, strlen (line));

      (void) n_written;
    }

  /* This process is a member of the group. */
  kill (0, SIGKILL);
  _exit (EXIT_FAILURE);
}

/* Whether the manager has nothing more to expect. */
gboolean
lp_worker_is_done_locked (LpWorker *self)
{
  return self->goodbye && self->current == NULL && self->calls.length == 0;
}

/* Nobody reads any more what this process writes. */
static void
break_locked (LpWorker *self)
{
  if (!lp_worker_is_done_locked (self))
    lp_worker_die (NULL);
  self->broken = TRUE;
}

/* Writes what goes. */
void
lp_worker_try_flush_locked (LpWorker *self)
{
  if (!self->broken && !lp_channel_flush (self->channel, NULL))
    break_locked (self);
}

/* Waits until all that was sent before this call has been written. The lock is
 * given back meanwhile. */
void
lp_worker_flush_locked (LpWorker *self)
{
  guint64 mark = lp_channel_get_n_queued (self->channel);

  lp_worker_try_flush_locked (self);
  while (!self->broken && lp_channel_get_n_written (self->channel) < mark)
    {
      struct pollfd fds[] = {
        { lp_channel_get_out_fd (self->channel), POLLOUT, 0 },
        { lp_channel_get_end_fd (self->channel), 0, 0 },
      };

      lp_worker_unlock (self);
      poll (fds, G_N_ELEMENTS (fds), -1);
      lp_worker_lock (self);
      lp_worker_try_flush_locked (self);
      if (!self->broken && (fds[1].revents & (POLLERR | POLLHUP)) != 0)
        break_locked (self);
    }
}

/* TEXT as UTF-8, with at most MAX_SIZE bytes. */
char *
lp_worker_dup_text (const char *text, gssize length, gsize max_size)
{
  char *valid = g_utf8_make_valid (text, length);
  char *end;

  if (strlen (valid) <= max_size)
    return valid;

  end = g_utf8_find_prev_char (valid, valid + max_size + 1);
  if (end != NULL)
    *end = '\0';
  return valid;
}

/* An error as it goes over the stream. ID is 0: it could not start. */
void
lp_worker_send_error_locked (LpWorker *self, guint64 id, const GError *error)
{
  g_autofree char *message = lp_worker_dup_text (error->message, -1, lp_channel_get_max_body (self->channel) - OVERHEAD);
  g_autofree char *domain = lp_worker_dup_text (g_quark_to_string (error->domain), -1, OVERHEAD / 2);

  lp_channel_send (self->channel, LP_FRAME_ERROR, id, g_variant_new ("(sis)", domain, error->code, message), NULL);
}

/* A result that is too large fails its job, and nothing else. */
static void
send_result_locked (LpWorker *self, LpWorkerCall *call, GVariant *result)
{
  g_autoptr (GError) error = NULL;
  gsize size;

  if (lp_channel_send_result (self->channel, call->id, result, NULL))
    return;

  /* With its type, as a variant. */
  size = g_variant_get_size (result) + 1 + strlen (g_variant_get_type_string (result));
  error = lp_log_new_error (LP_ERROR, LP_ERROR_FAILED,
                            "The result of the function “%s” has %" G_GSIZE_FORMAT
                            " bytes, more than max-message-size (%" G_GSIZE_FORMAT ") allows",
                            lp_job_get_name (call->job), size, lp_channel_get_max_body (self->channel));
  lp_worker_send_error_locked (self, call->id, error);
}

void
lp_worker_send_outcome_locked (LpWorker *self, LpWorkerCall *call, const LpOutcome *outcome)
{
  lp_worker_send_progress_locked (self);
  if (outcome->error != NULL)
    lp_worker_send_error_locked (self, call->id, outcome->error);
  else
    send_result_locked (self, call, outcome->result);
}

/* The progress of the current job, if there is any that was not sent. */
void
lp_worker_send_progress_locked (LpWorker *self)
{
  g_autofree char *status = g_steal_pointer (&self->status);

  if (!self->has_progress)
    return;

  self->has_progress = FALSE;
  self->progress_at = g_get_monotonic_time ();
  lp_channel_send (self->channel, LP_FRAME_PROGRESS, self->current->id,
                   g_variant_new ("(dms)", self->progress, status), NULL);
}
