/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The half of a channel that writes. */

#include "config.h"

#include "lp-channel-struct-private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lp-error.h"
#include "lp-memfd-private.h"

#define CHUNK_SIZE     (64 * 1024)  /* where the gathering of small frames ends */
#define OWN_CHUNK_SIZE (16 * 1024)  /* from here on a body is not copied */
#define FILE_SIZE      (512 * 1024) /* from here on it goes by file: a mapping has a cost, too */
#define MAX_IOVECS     16
#define SPARE_SIZE     4096         /* more memory is not kept for what may come */

typedef struct _LpChannelChunk
{
  GList link;                   /* in the queue; its data is the chunk */
  LpSerial gathered;            /* frames; empty if there is a body */
  GVariant *body;               /* (owned) (nullable) whose data follows */
  gconstpointer data;
  gsize size;
  gsize offset;                 /* what has been written */
  int fd;                       /* goes with the first byte; -1: none */
} Chunk;

/* Room for one descriptor. */
typedef union
{
  struct cmsghdr align;
  char bytes[CMSG_SPACE (sizeof (int))];
} Control;

static void
chunk_free (gpointer data)
{
  Chunk *self = data;

  if (self->fd != -1)
    close (self->fd);
  lp_serial_clear (&self->gathered);
  g_clear_pointer (&self->body, g_variant_unref);
  g_free (self);
}

static Chunk *
pop_chunk (LpChannel *self)
{
  GList *link = g_queue_pop_head_link (&self->chunks);

  return link != NULL ? link->data : NULL;
}

/* All of CHUNK is written. The last one stays for the next one, with its memory: most are alone. */
static void
chunk_done (LpChannel *self, Chunk *chunk)
{
  if (self->spare != NULL || chunk->body != NULL || chunk->gathered.capacity > SPARE_SIZE)
    {
      chunk_free (chunk);
      return;
    }

  chunk->gathered.size = 0;
  chunk->offset = 0;
  self->spare = chunk;
}

void
lp_channel_clear_out (LpChannel *self)
{
  Chunk *chunk;

  while ((chunk = pop_chunk (self)) != NULL)
    chunk_free (chunk);
  g_clear_pointer (&self->spare, chunk_free);
}

static Chunk *
push_chunk (LpChannel *self, int fd)
{
  Chunk *chunk = g_new0 (Chunk, 1);

  chunk->link.data = chunk;
  chunk->fd = fd;
  g_queue_push_tail_link (&self->chunks, &chunk->link);

  return chunk;
}

/* In a chunk of its own, since FD goes with its first byte. */
static LpSerial *
push_with_fd (LpChannel *self, int fd)
{
  return &push_chunk (self, fd)->gathered;
}

/* What small frames are gathered in. Something is to be added: a chunk that is waiting is not empty. */
static LpSerial *
get_gathered (LpChannel *self)
{
  Chunk *tail = g_queue_peek_tail (&self->chunks);

  if (tail != NULL && tail->body == NULL && tail->gathered.size < CHUNK_SIZE)
    return &tail->gathered;
  if (self->spare == NULL)
    return push_with_fd (self, -1);

  tail = g_steal_pointer (&self->spare);
  g_queue_push_tail_link (&self->chunks, &tail->link);
  return &tail->gathered;
}

/* Where it was left room for in FRAMES. */
static void
write_header (LpChannel *self, LpSerial *frames, gsize begin, const LpFrameHeader *header)
{
  lp_frame_pack_header (header, frames->data + begin);
  self->n_queued += LP_FRAME_HEADER_SIZE + header->body_size;
}

static void
append_header (LpChannel *self, LpSerial *frames, LpFrameType type, LpFrameFlags flags, guint64 id, gsize body_size)
{
  gsize begin = frames->size;

  lp_serial_skip (frames, LP_FRAME_HEADER_SIZE);
  write_header (self, frames, begin, &(LpFrameHeader) { type, flags, id, body_size });
}

static void
attach_descriptor (struct msghdr *message, Control *control, int fd)
{
  struct cmsghdr *header;

  *control = (Control) { 0 };
  message->msg_control = control->bytes;
  message->msg_controllen = sizeof control->bytes;
  header = CMSG_FIRSTHDR (message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (header), &fd, sizeof fd);
}

/* At once, over the socket that frames come from: those that are sent go through a pipe, which takes none. Takes FD. */
static gboolean
send_beside (LpChannel *self, int fd)
{
  Control control;
  struct iovec iovec = { (char[]) { 0 }, 1 };
  struct msghdr message = { .msg_iov = &iovec, .msg_iovlen = 1 };
  gboolean sent;

  attach_descriptor (&message, &control, fd);
  sent = sendmsg (self->in_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
  close (fd);
  return sent;
}

/* FALSE: not by file, for whatever reason; then it goes by the stream. */
static gboolean
send_by_file (LpChannel *self, LpFrameType type, guint64 id, GVariant *body)
{
  int fd;

  if (!g_atomic_int_get (&self->use_files) || g_variant_get_size (body) < FILE_SIZE)
    return FALSE;

  fd = lp_memfd_new_for_variant (body, NULL);
  if (fd == -1)
    return FALSE;

  if (!self->out_is_socket && !send_beside (self, fd))
    return FALSE;

  append_header (self, self->out_is_socket ? push_with_fd (self, fd) : get_gathered (self), type,
                 LP_FRAME_BODY_IN_FILE, id, 0);
  return TRUE;
}

static void
send_by_stream (LpChannel *self, LpFrameType type, LpFrameFlags flags, guint64 id, GVariant *body, LpSerial *frames)
{
  gsize size = body != NULL ? g_variant_get_size (body) : 0;
  Chunk *chunk;

  append_header (self, frames, type, flags, id, size);
  if (size < OWN_CHUNK_SIZE)
    {
      if (size > 0)
        lp_serial_add (frames, g_variant_get_data (body), size);
      return;
    }

  chunk = push_chunk (self, -1);
  chunk->body = g_variant_ref (body);
  chunk->data = g_variant_get_data (body);
  chunk->size = size;
}

/* A reader that is gone must not kill the writer, whose disposition of the
 * signal is its own business. */
static gssize
write_quietly (int fd, const struct iovec *iovecs, int n)
{
  const struct timespec now = { 0, 0 };
  sigset_t pipe_signal, pending, before;
  gssize result;
  int saved_errno;

  sigemptyset (&pipe_signal);
  sigaddset (&pipe_signal, SIGPIPE);
  sigpending (&pending);
  pthread_sigmask (SIG_BLOCK, &pipe_signal, &before);

  result = writev (fd, iovecs, n);
  saved_errno = errno;

  if (result == -1 && saved_errno == EPIPE && !sigismember (&pending, SIGPIPE))
    while (sigtimedwait (&pipe_signal, NULL, &now) == -1 && errno == EINTR)
      ;
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  errno = saved_errno;

  return result;
}

/* Without a descriptor. */
static gssize
write_plain (LpChannel *self, struct iovec *iovecs, gsize n)
{
  struct msghdr message = { .msg_iov = iovecs, .msg_iovlen = n };

  if (self->out_is_socket)
    return sendmsg (self->out_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (self->out_may_signal)
    return write_quietly (self->out_fd, iovecs, (int) n);

  /* The system takes longer for an array. */
  return n == 1 ? write (self->out_fd, iovecs->iov_base, iovecs->iov_len) : writev (self->out_fd, iovecs, (int) n);
}

/* Queues a frame; lp_channel_flush() writes it. A floating BODY is consumed. A
 * body that is too large is refused with LP_ERROR_PROTOCOL, and nothing is sent. */
gboolean
lp_channel_send (LpChannel *self, LpFrameType type, guint64 id, GVariant *body, GError **error)
{
  g_autoptr (GVariant) held = body != NULL ? g_variant_ref_sink (body) : NULL;
  g_autoptr (GVariant) wire = held != NULL ? lp_frame_ref_little_endian (held) : NULL;

  if (wire != NULL && g_variant_get_size (wire) > self->max_body)
    {
      g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL,
                   "the message has %" G_GSIZE_FORMAT " bytes, more than max-message-size (%" G_GSIZE_FORMAT ") allows",
                   g_variant_get_size (wire), self->max_body);
      return FALSE;
    }

  if (wire == NULL || !send_by_file (self, type, id, wire))
    send_by_stream (self, type, 0, id, wire, get_gathered (self));

  return TRUE;
}

/* The same for a body that the caller serializes, in the byte order of the stream: it is added to what is returned,
 * before lp_channel_end_frame() gets BEGIN. It is not too large, and goes by the stream. */
LpSerial *
lp_channel_begin_frame (LpChannel *self, gsize *begin)
{
  LpSerial *frames = get_gathered (self);

  *begin = frames->size;
  lp_serial_skip (frames, LP_FRAME_HEADER_SIZE);
  return frames;
}

void
lp_channel_end_frame (LpChannel *self, LpSerial *frames, gsize begin, LpFrameType type, guint64 id)
{
  write_header (self, frames, begin, &(LpFrameHeader) { type, 0, id, frames->size - begin - LP_FRAME_HEADER_SIZE });
}

/* The same for a whole FRAME, with room for its header before the body. If nothing waits, it is not copied, but written
 * now, as much as goes; lp_channel_flush() writes the rest, and tells what went wrong. */
void
lp_channel_write_frame (LpChannel *self, LpFrameType type, guint64 id, guint8 *frame, gsize size)
{
  struct iovec iovec = { frame, size };
  gssize n_written = 0;

  lp_frame_pack_header (&(LpFrameHeader) { type, 0, id, size - LP_FRAME_HEADER_SIZE }, frame);
  if (!lp_channel_has_pending (self))
    n_written = write_plain (self, &iovec, 1);
  if (n_written < 0)
    n_written = 0;

  self->n_queued += size;
  self->n_written += (gsize) n_written;
  if ((gsize) n_written < size)
    lp_serial_add (get_gathered (self), frame + n_written, size - (gsize) n_written);
}

/* The first frame: takes NONCE_FD, or -1. */
void
lp_channel_send_hello (LpChannel *self, GVariant *body, int nonce_fd)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (body);
  g_autoptr (GVariant) wire = lp_frame_ref_little_endian (held);

  send_by_stream (self, LP_FRAME_HELLO, nonce_fd != -1 ? LP_FRAME_NONCE_ATTACHED : 0, 0, wire,
                  nonce_fd != -1 ? push_with_fd (self, nonce_fd) : get_gathered (self));
}

/* From here on large bodies may go by file, in both directions: until then, one
 * that comes so is refused. */
void
lp_channel_use_files (LpChannel *self)
{
  g_atomic_int_set (&self->use_files, TRUE);
}

/* Nothing more is sent: the other side sees the end. */
void
lp_channel_end (LpChannel *self)
{
  if (self->out_is_socket)
    shutdown (self->out_fd, SHUT_WR);
}

gboolean
lp_channel_has_pending (LpChannel *self)
{
  return self->chunks.length > 0;
}

/* How many bytes were sent so far, and how many of them the system has taken:
 * who waits until its own frame is written compares the second with the first
 * as it was after the send. */
guint64
lp_channel_get_n_queued (LpChannel *self)
{
  return self->n_queued;
}

guint64
lp_channel_get_n_written (LpChannel *self)
{
  return self->n_written;
}

static struct iovec
chunk_rest (Chunk *chunk)
{
  const guint8 *data = chunk->body != NULL ? chunk->data : chunk->gathered.data;
  gsize size = chunk->body != NULL ? chunk->size : chunk->gathered.size;

  return (struct iovec) { (gpointer) (data + chunk->offset), size - chunk->offset };
}

/* As many chunks as go in one write: a descriptor begins a new one. */
static int
collect (LpChannel *self, struct iovec *iovecs)
{
  int n = 0;

  for (GList *link = self->chunks.head; link != NULL && n < MAX_IOVECS; link = link->next)
    {
      Chunk *chunk = link->data;

      if (n > 0 && chunk->fd != -1)
        break;
      iovecs[n++] = chunk_rest (chunk);
    }

  return n;
}

static gssize
write_some (LpChannel *self)
{
  Control control;
  struct iovec iovecs[MAX_IOVECS];
  struct msghdr message = { .msg_iov = iovecs };
  Chunk *head = g_queue_peek_head (&self->chunks);

  message.msg_iovlen = (gsize) collect (self, iovecs);
  if (head->fd == -1 || !self->out_is_socket)
    return write_plain (self, iovecs, message.msg_iovlen);

  attach_descriptor (&message, &control, head->fd);
  return sendmsg (self->out_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
drop_written (LpChannel *self, gsize n_written)
{
  Chunk *head = g_queue_peek_head (&self->chunks);

  self->n_written += n_written;
  if (n_written > 0 && head->fd != -1)
    {
      close (head->fd);
      head->fd = -1;
    }

  while (n_written > 0)
    {
      gsize rest;

      head = g_queue_peek_head (&self->chunks);
      rest = chunk_rest (head).iov_len;
      if (n_written < rest)
        {
          head->offset += n_written;
          return;
        }

      n_written -= rest;
      chunk_done (self, pop_chunk (self));
    }
}

/* Writes what goes without blocking; lp_channel_has_pending() tells whether
 * anything is left. Fails if the other side is gone. */
gboolean
lp_channel_flush (LpChannel *self, GError **error)
{
  while (lp_channel_has_pending (self))
    {
      gssize n_written = write_some (self);
      int saved_errno = errno;

      if (n_written >= 0)
        drop_written (self, (gsize) n_written);
      else if (saved_errno == EAGAIN)
        return TRUE;
      else if (saved_errno != EINTR)
        {
          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved_errno), "the stream cannot be written: %s",
                       g_strerror (saved_errno));
          return FALSE;
        }
    }

  return TRUE;
}
