/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The half of a channel that reads. */

#include "config.h"

#include "lp-channel-struct-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lp-error.h"
#include "lp-memfd-private.h"

#define MAX_AT_ONCE    (4 * 1024 * 1024)

static void
keep_descriptor (LpChannel *self, int fd)
{
  if (self->n_received_fds < LP_CHANNEL_MAX_FDS)
    {
      self->received_fds[self->n_received_fds++] = fd;
      return;
    }

  self->too_many_fds = TRUE;
  close (fd);
}

static void
take_descriptors (LpChannel *self, struct msghdr *message)
{
  gsize n_taken = 0;

  for (struct cmsghdr *control = CMSG_FIRSTHDR (message); control != NULL; control = CMSG_NXTHDR (message, control))
    {
      gsize n_fds;

      if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
        continue;

      n_fds = (control->cmsg_len - CMSG_LEN (0)) / sizeof (int);
      for (gsize i = 0; i < n_fds; i++)
        {
          int fd;

          memcpy (&fd, CMSG_DATA (control) + i * sizeof fd, sizeof fd);
          keep_descriptor (self, fd);
        }
      n_taken += n_fds;

      /* A frame has one, so that more are nobody's. */
      self->too_many_fds |= n_fds > 1;
    }

  /* There was no room for more of them: here, or in the table of this process. */
  if ((message->msg_flags & MSG_CTRUNC) != 0)
    {
      self->lost_fds |= n_taken < LP_CHANNEL_MAX_FDS;
      self->too_many_fds |= n_taken >= LP_CHANNEL_MAX_FDS;
    }
}

/* From a socket, like read(), but descriptors are taken. */
static gssize
receive (LpChannel *self, int fd, gpointer memory, gsize size)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (LP_CHANNEL_MAX_FDS * sizeof (int))];
  } control;
  struct iovec iovec = { memory, size };
  struct msghdr message = {
    .msg_iov = &iovec,
    .msg_iovlen = 1,
    .msg_control = control.bytes,
    .msg_controllen = sizeof control.bytes,
  };
  gssize result;

  result = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (result >= 0)
    take_descriptors (self, &message);

  return result;
}

/* Reads once, at most SIZE bytes; FRAME stands for "some were read". */
static LpChannelStatus
read_some (LpChannel *self, gpointer memory, gsize size, gsize *n_read, GError **error)
{
  gssize result;
  int saved_errno;

  do
    result = self->in_is_socket ? receive (self, self->in_fd, memory, size) : read (self->in_fd, memory, size);
  while (result == -1 && errno == EINTR);
  saved_errno = errno;

  *n_read = (gsize) MAX (result, 0);
  self->drained = *n_read < size;
  if (result > 0)
    return LP_CHANNEL_FRAME;
  if (result == 0 || saved_errno == ECONNRESET || saved_errno == EPIPE)
    return LP_CHANNEL_END;
  if (saved_errno == EAGAIN)
    return LP_CHANNEL_EMPTY;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "the stream cannot be read: %s",
               g_strerror (saved_errno));
  return LP_CHANNEL_BAD;
}

/* After all that is complete has been taken: whether files came that nobody
 * said would. */
static gboolean
check_descriptors (LpChannel *self, GError **error)
{
  if (self->lost_fds)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES,
                           "a file with a body was lost on its way: no descriptor is free in this process");
      return FALSE;
    }
  if (!self->too_many_fds && (self->n_received_fds == 0 || self->end > self->begin))
    return TRUE;

  g_set_error_literal (error, LP_ERROR, LP_ERROR_PROTOCOL, "there are more files than frames that have one");
  return FALSE;
}

/* Frames come through a pipe: a file was sent over the socket before its frame, with one byte. What nobody speaks of
 * stays there. */
static void
receive_beside (LpChannel *self)
{
  char byte;

  if (!self->in_is_socket && self->out_is_socket)
    receive (self, self->out_fd, &byte, sizeof byte);
}

static GBytes *
take_file (LpChannel *self, GError **error)
{
  GBytes *bytes;
  int fd;

  receive_beside (self);
  if (self->too_many_fds || self->lost_fds)
    {
      check_descriptors (self, error);
      return NULL;
    }
  if (self->n_received_fds == 0)
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_PROTOCOL, "a file with a body did not arrive");
      return NULL;
    }

  fd = self->received_fds[0];
  self->n_received_fds--;
  memmove (self->received_fds, self->received_fds + 1, self->n_received_fds * sizeof fd);
  bytes = lp_memfd_map (fd, self->max_body, error);
  close (fd);

  return bytes;
}

/* The file with the nonce, if it arrived; what it has is for the sender to
 * judge, and no mapping is kept. */
static void
take_nonce (LpChannel *self)
{
  g_autoptr (GBytes) mapped = NULL;

  if (self->n_received_fds == 0)
    return;

  mapped = take_file (self, NULL);
  if (mapped != NULL && self->nonce == NULL && g_bytes_get_size (mapped) == LP_FRAME_NONCE_SIZE)
    self->nonce = g_bytes_new (g_bytes_get_data (mapped, NULL), LP_FRAME_NONCE_SIZE);
}

/* Makes a frame that has a body of its header and BYTES, taken. */
static LpChannelStatus
finish_frame (LpChannel *self, const LpFrameHeader *header, GBytes *bytes, LpFrame *frame, GError **error)
{
  g_autoptr (GBytes) body = bytes;

  *frame = (LpFrame) { .type = header->type, .id = header->id };

  if ((header->flags & LP_FRAME_NONCE_ATTACHED) != 0)
    take_nonce (self);
  if ((header->flags & LP_FRAME_BODY_IN_FILE) != 0 && !g_atomic_int_get (&self->use_files))
    {
      g_set_error_literal (error, LP_ERROR, LP_ERROR_PROTOCOL, "there is a file with a body, which was not agreed on");
      return LP_CHANNEL_BAD;
    }
  if ((header->flags & LP_FRAME_BODY_IN_FILE) != 0)
    {
      g_clear_pointer (&body, g_bytes_unref);
      body = take_file (self, error);
      if (body == NULL)
        return LP_CHANNEL_BAD;
    }

  return lp_frame_unpack (header, body, frame, error) ? LP_CHANNEL_FRAME : LP_CHANNEL_BAD;
}

/* The frame at the beginning of the buffer; EMPTY if it is not all there. */
static LpChannelStatus
take_buffered (LpChannel *self, LpFrame *frame, GError **error)
{
  const guint8 *start = self->buffer + self->begin;
  gsize available = self->end - self->begin;
  LpFrameHeader header;

  if (available < LP_FRAME_HEADER_SIZE)
    return LP_CHANNEL_EMPTY;
  if (!lp_frame_unpack_header (start, self->max_body, &header, error))
    return LP_CHANNEL_BAD;

  if (available < LP_FRAME_HEADER_SIZE + header.body_size)
    {
      if (LP_FRAME_HEADER_SIZE + header.body_size <= LP_CHANNEL_BUFFER_SIZE)
        return LP_CHANNEL_EMPTY;

      /* Memory for what a stranger says is coming: no more than the limit, and
       * the system gives it page by page, as it is written to. */
      self->memory = g_try_malloc (header.body_size);
      if (self->memory == NULL)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                       "there is no memory for a frame of %" G_GSIZE_FORMAT " bytes", header.body_size);
          return LP_CHANNEL_BAD;
        }
      self->large = header;
      self->n_read = available - LP_FRAME_HEADER_SIZE;
      memcpy (self->memory, start + LP_FRAME_HEADER_SIZE, self->n_read);
      self->begin = self->end = 0;
      return LP_CHANNEL_EMPTY;
    }

  self->begin += LP_FRAME_HEADER_SIZE + header.body_size;
  if (lp_frame_can_unpack_in_place (&header))
    return lp_frame_unpack_in_place (&header, start + LP_FRAME_HEADER_SIZE, frame, error) ? LP_CHANNEL_FRAME
                                                                                          : LP_CHANNEL_BAD;

  return finish_frame (self, &header, g_bytes_new (start + LP_FRAME_HEADER_SIZE, header.body_size), frame, error);
}

/* Not all at once, if the other side is fast: the reader has others to serve. */
static LpChannelStatus
read_large (LpChannel *self, LpFrame *frame, GError **error)
{
  gsize begin = self->n_read;

  while (self->n_read < self->large.body_size)
    {
      gsize n_read;
      LpChannelStatus status;

      if (self->n_read - begin >= MAX_AT_ONCE)
        return LP_CHANNEL_EMPTY;

      status = read_some (self, self->memory + self->n_read, self->large.body_size - self->n_read, &n_read, error);

      if (status != LP_CHANNEL_FRAME)
        return status;
      self->n_read += n_read;
    }

  return finish_frame (self, &self->large, g_bytes_new_take (g_steal_pointer (&self->memory), self->large.body_size),
                       frame, error);
}

static void
make_room (LpChannel *self)
{
  memmove (self->buffer, self->buffer + self->begin, self->end - self->begin);
  self->end -= self->begin;
  self->begin = 0;
}

/* The next frame, if it is in the buffer, which BAD may be, too; else EMPTY, whatever the stream has. */
LpChannelStatus
lp_channel_take (LpChannel *self, LpFrame *frame, GError **error)
{
  return self->memory == NULL ? take_buffered (self, frame, error) : LP_CHANNEL_EMPTY;
}

/* The next frame. Never blocks. After END and BAD there is nothing more. What the log of a frame points to is good
 * until the next read. */
LpChannelStatus
lp_channel_read (LpChannel *self, LpFrame *frame, GError **error)
{
  while (TRUE)
    {
      LpChannelStatus status;
      gsize n_read;

      if (self->memory != NULL)
        return read_large (self, frame, error);

      status = take_buffered (self, frame, error);
      if (status != LP_CHANNEL_EMPTY)
        return status;
      if (self->memory != NULL)
        continue;
      if (!check_descriptors (self, error))
        return LP_CHANNEL_BAD;

      make_room (self);
      status = read_some (self, self->buffer + self->end, LP_CHANNEL_BUFFER_SIZE - self->end, &n_read, error);
      self->end += n_read;
      if (status != LP_CHANNEL_FRAME)
        return status;
    }
}

/* Reads once from the stream, and takes nothing of it. FALSE: what there is, if not an end or an error, is not for who
 * only looks; lp_channel_read() takes it. */
gboolean
lp_channel_fill (LpChannel *self)
{
  LpChannelStatus status;
  gsize n_read;

  make_room (self);
  if (self->memory != NULL || self->end == LP_CHANNEL_BUFFER_SIZE)
    return FALSE;

  status = read_some (self, self->buffer + self->end, LP_CHANNEL_BUFFER_SIZE - self->end, &n_read, NULL);
  self->end += n_read;
  return status == LP_CHANNEL_FRAME || status == LP_CHANNEL_EMPTY;
}

/* What the next frame is, if it is in the buffer, whole and with nothing beside; else 0. */
LpFrameType
lp_channel_peek (LpChannel *self)
{
  LpFrameHeader header;

  if (self->memory != NULL || self->end - self->begin < LP_FRAME_HEADER_SIZE
      || !lp_frame_unpack_header (self->buffer + self->begin, self->max_body, &header, NULL)
      || self->end - self->begin < LP_FRAME_HEADER_SIZE + header.body_size || header.flags != 0)
    return 0;

  return header.type;
}

/* Whether the next read might give a frame, or an error, without the stream. */
gboolean
lp_channel_has_buffered (LpChannel *self)
{
  LpFrameHeader header;

  if (self->memory != NULL || self->end - self->begin < LP_FRAME_HEADER_SIZE)
    return FALSE;

  return !lp_frame_unpack_header (self->buffer + self->begin, self->max_body, &header, NULL)
         || self->end - self->begin >= LP_FRAME_HEADER_SIZE + header.body_size;
}

/* Whether the last read has taken all there was, so that another one most likely finds nothing: one who polls the
 * stream is told of what else there is, and takes what is in the buffer. */
gboolean
lp_channel_is_drained (LpChannel *self)
{
  return self->drained;
}

/* What came in place of a frame, for a message: a program that prints to its
 * standard output is the most common of all mistakes. NULL if it is not text. */
char *
lp_channel_dup_garbage (LpChannel *self)
{
  gsize size = MIN (self->end - self->begin, 80);
  const char *start = (const char *) self->buffer + self->begin;
  gsize n_text = 0;

  while (n_text < size && (g_ascii_isprint (start[n_text]) || g_ascii_isspace (start[n_text])))
    n_text++;

  return n_text >= 4 ? g_strstrip (g_strndup (start, n_text)) : NULL;
}

/* Whether the stream is within a frame. */
gboolean
lp_channel_is_cut (LpChannel *self)
{
  return self->memory != NULL || self->end > self->begin;
}

/* The bytes that came in a file with the hello, or NULL: no descriptors arrive. */
GBytes *
lp_channel_get_nonce (LpChannel *self)
{
  return self->nonce;
}
