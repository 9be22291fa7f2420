/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-channel-struct-private.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <sys/stat.h>
#include <unistd.h>

/* How this works
 *
 * In: bytes come into a buffer that holds many small frames; a frame that does
 * not fit gets memory of its own, which is read into directly and becomes the
 * GVariant. A descriptor arrives with the first byte of its frame, if not with
 * bytes before it, so that there may be some for frames that are not complete.
 * Where frames come through a pipe, it comes over the socket that the other ones
 * go to, with a byte of its own, and is taken when its frame is.
 *
 * Out: a queue of chunks. Small frames are gathered in one chunk, a large body
 * is one of its own and is not copied, one that goes by file is its header and
 * a descriptor, which where frames go through a pipe is sent before the header.
 * As much is written as goes without blocking.
 *
 * The two halves share nothing that changes: one thread may read while another
 * one, or several under a lock of theirs, write. */

static gboolean
is_socket (int fd)
{
  struct stat info;

  return fstat (fd, &info) == 0 && S_ISSOCK (info.st_mode);
}

/* A pipe that this process can also read always has a reader. */
static gboolean
may_signal (int fd)
{
  int flags = fcntl (fd, F_GETFL);

  return flags == -1 || (flags & O_ACCMODE) != O_RDWR;
}

/* Takes both descriptors, which may be the same one. */
LpChannel *
lp_channel_new (int in_fd, int out_fd, gsize max_body)
{
  LpChannel *self = g_new0 (LpChannel, 1);

  lp_frame_keep_types ();
  self->in_fd = in_fd;
  self->out_fd = out_fd;
  self->in_is_socket = is_socket (in_fd);
  self->out_is_socket = is_socket (out_fd);
  self->out_may_signal = !self->out_is_socket && may_signal (out_fd);
  self->max_body = max_body;
  self->buffer = g_malloc (LP_CHANNEL_BUFFER_SIZE);
  g_queue_init (&self->chunks);
  g_unix_set_fd_nonblocking (in_fd, TRUE, NULL);
  g_unix_set_fd_nonblocking (out_fd, TRUE, NULL);

  return self;
}

void
lp_channel_free (LpChannel *self)
{
  lp_channel_clear_out (self);
  for (guint i = 0; i < self->n_received_fds; i++)
    close (self->received_fds[i]);
  close (self->in_fd);
  if (self->out_fd != self->in_fd)
    close (self->out_fd);
  g_clear_pointer (&self->nonce, g_bytes_unref);
  g_free (self->memory);
  g_free (self->buffer);
  g_free (self);
}

int
lp_channel_get_in_fd (LpChannel *self)
{
  return self->in_fd;
}

int
lp_channel_get_out_fd (LpChannel *self)
{
  return self->out_fd;
}

gsize
lp_channel_get_max_body (LpChannel *self)
{
  return self->max_body;
}

/* Whose POLLHUP says that the other side is gone, if that of what is written does not tell; else -1. */
int
lp_channel_get_end_fd (LpChannel *self)
{
  return self->in_is_socket && !self->out_is_socket ? self->in_fd : -1;
}

/* Before anything else is read or sent: a worker learns it from the hello. */
void
lp_channel_set_max_body (LpChannel *self, gsize max_body)
{
  self->max_body = max_body;
}
