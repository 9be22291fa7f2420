/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-channel-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lp-error.h"
#include "lp-memfd-private.h"

/* How this works
 *
 * In: bytes come into a buffer that holds many small frames; a frame that does
 * not fit gets memory of its own, which is read into directly and becomes the
 * GVariant. A descriptor arrives with the first byte of its frame, if not with
 * bytes before it, so that there may be some for frames that are not complete.
 *
 * Out: a queue of chunks. Small frames are gathered in one chunk, a large body
 * is one of its own and is not copied, one that goes by file is its header and
 * a descriptor. As much is written as goes without blocking.
 *
 * The two halves share nothing that changes: one thread may read while another
 * one, or several under a lock of theirs, write. */

#define BUFFER_SIZE    (64 * 1024)
#define CHUNK_SIZE     (64 * 1024)  /* where the gathering of small frames ends */
#define OWN_CHUNK_SIZE (16 * 1024)  /* from here on a body is not copied */
#define FILE_SIZE      (512 * 1024) /* from here on it goes by file: a mapping has a cost, too */
#define MAX_IOVECS     16
#define MAX_FDS        4            /* that no frame has taken */
#define MAX_AT_ONCE    (4 * 1024 * 1024)

typedef struct
{
  GByteArray *gathered;         /* frames; or NULL */
  GVariant *body;               /* (owned) whose data follows; or NULL */
  gconstpointer data;
  gsize size;
  gsize offset;                 /* what has been written */
  int fd;                       /* goes with the first byte; -1: none */
} Chunk;

struct _LpChannel
{
  int in_fd;
  int out_fd;                   /* may be the same */
  gboolean in_is_socket;
  gboolean out_is_socket;
  gsize max_body;

  /* In. */
  guint8 *buffer;
  gsize begin;                  /* of what has not been taken, in the buffer */
  gsize end;
  int received_fds[MAX_FDS];    /* in their order */
  guint n_received_fds;
  gboolean too_many_fds;        /* there were more */
  GBytes *nonce;                /* (nullable) */
  LpFrameHeader large;          /* the frame whose body is being read into `memory` */
  guint8 *memory;               /* (nullable) */
  gsize n_read;                 /* of that body */

  /* Out. */
  GQueue chunks;
  guint64 n_queued;             /* bytes, from the beginning */
  guint64 n_written;
  gboolean use_files;
};

static gboolean
is_socket (int fd)
{
  struct stat info;

  return fstat (fd, &info) == 0 && S_ISSOCK (info.st_mode);
}

/* Takes both descriptors, which may be the same one. */
LpChannel *
lp_channel_new (int in_fd, int out_fd, gsize max_body)
{
  LpChannel *self = g_new0 (LpChannel, 1);

  self->in_fd = in_fd;
  self->out_fd = out_fd;
  self->in_is_socket = is_socket (in_fd);
  self->out_is_socket = is_socket (out_fd);
  self->max_body = max_body;
  self->buffer = g_malloc (BUFFER_SIZE);
  g_queue_init (&self->chunks);
  g_unix_set_fd_nonblocking (in_fd, TRUE, NULL);
  g_unix_set_fd_nonblocking (out_fd, TRUE, NULL);

  return self;
}

static void
chunk_free (gpointer data)
{
  Chunk *self = data;

  if (self->fd != -1)
    close (self->fd);
  g_clear_pointer (&self->gathered, g_byte_array_unref);
  g_clear_pointer (&self->body, g_variant_unref);
  g_free (self);
}

void
lp_channel_free (LpChannel *self)
{
  g_queue_clear_full (&self->chunks, chunk_free);
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

/* Before anything else is read or sent: a worker learns it from the hello. */
void
lp_channel_set_max_body (LpChannel *self, gsize max_body)
{
  self->max_body = max_body;
}

/* --- In --- */

static void
keep_descriptor (LpChannel *self, int fd)
{
  if (self->n_received_fds < MAX_FDS)
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

      /* A frame has one, so that more are nobody's. */
      self->too_many_fds |= n_fds > 1;
    }

  if ((message->msg_flags & MSG_CTRUNC) != 0)
    self->too_many_fds = TRUE;
}

/* Like read(), but descriptors are taken. */
static gssize
receive (LpChannel *self, gpointer memory, gsize size)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (MAX_FDS * sizeof (int))];
  } control;
  struct iovec iovec = { memory, size };
  struct msghdr message = {
    .msg_iov = &iovec,
    .msg_iovlen = 1,
    .msg_control = control.bytes,
    .msg_controllen = sizeof control.bytes,
  };
  gssize result;

  if (!self->in_is_socket)
    return read (self->in_fd, memory, size);

  result = recvmsg (self->in_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
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
    result = receive (self, memory, size);
  while (result == -1 && errno == EINTR);
  saved_errno = errno;

  *n_read = (gsize) MAX (result, 0);
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
  if (!self->too_many_fds && (self->n_received_fds == 0 || self->end > self->begin))
    return TRUE;

  g_set_error_literal (error, LP_ERROR, LP_ERROR_PROTOCOL, "there are more files than frames that have one");
  return FALSE;
}

static GBytes *
take_file (LpChannel *self, GError **error)
{
  GBytes *bytes;
  int fd;

  if (self->too_many_fds)
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

/* Makes a frame of its header and BYTES, taken; NULL if it has no body there. */
static LpChannelStatus
finish_frame (LpChannel *self, const LpFrameHeader *header, GBytes *bytes, LpFrame *frame, GError **error)
{
  g_autoptr (GBytes) body = bytes;

  *frame = (LpFrame) { header->type, header->id, NULL };

  if ((header->flags & LP_FRAME_NONCE_ATTACHED) != 0)
    take_nonce (self);
  if ((header->flags & LP_FRAME_BODY_IN_FILE) != 0 && !self->use_files)
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
  if (lp_frame_type_get_body_type (header->type) == NULL)
    return LP_CHANNEL_FRAME;

  frame->body = lp_frame_unpack_body (header, body, error);
  return frame->body != NULL ? LP_CHANNEL_FRAME : LP_CHANNEL_BAD;
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
      if (LP_FRAME_HEADER_SIZE + header.body_size <= BUFFER_SIZE)
        return LP_CHANNEL_EMPTY;

      /* Memory for what a stranger says is coming: no more than the limit, and
       * the system gives it page by page, as it is written to. */
      self->memory = g_try_malloc (header.body_size);
      if (self->memory == NULL)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "there is no memory for a frame of %" G_GSIZE_FORMAT " bytes",
                       header.body_size);
          return LP_CHANNEL_BAD;
        }
      self->large = header;
      self->n_read = available - LP_FRAME_HEADER_SIZE;
      memcpy (self->memory, start + LP_FRAME_HEADER_SIZE, self->n_read);
      self->begin = self->end = 0;
      return LP_CHANNEL_EMPTY;
    }

  self->begin += LP_FRAME_HEADER_SIZE + header.body_size;
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

/* The next frame. Never blocks. After END and BAD there is nothing more. */
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
      status = read_some (self, self->buffer + self->end, BUFFER_SIZE - self->end, &n_read, error);
      self->end += n_read;
      if (status != LP_CHANNEL_FRAME)
        return status;
    }
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

/* --- Out --- */

static Chunk *
push_chunk (LpChannel *self, int fd)
{
  Chunk *chunk = g_new0 (Chunk, 1);

  chunk->fd = fd;
  g_queue_push_tail (&self->chunks, chunk);

  return chunk;
}

/* The chunk that small frames are gathered in. */
static GByteArray *
get_gathered (LpChannel *self)
{
  Chunk *tail = g_queue_peek_tail (&self->chunks);

  if (tail == NULL || tail->gathered == NULL || tail->gathered->len >= CHUNK_SIZE)
    {
      tail = push_chunk (self, -1);
      tail->gathered = g_byte_array_new ();
    }

  return tail->gathered;
}

static void
append_header (LpChannel *self, GByteArray *array, LpFrameType type, LpFrameFlags flags, guint64 id, gsize body_size)
{
  LpFrameHeader header = { type, flags, id, body_size };
  guint8 bytes[LP_FRAME_HEADER_SIZE];

  lp_frame_pack_header (&header, bytes);
  g_byte_array_append (array, bytes, sizeof bytes);
  self->n_queued += sizeof bytes + body_size;
}

/* In a chunk of its own, since FD goes with its first byte. */
static GByteArray *
push_with_fd (LpChannel *self, int fd)
{
  Chunk *chunk = push_chunk (self, fd);

  chunk->gathered = g_byte_array_new ();
  return chunk->gathered;
}

/* FALSE: not by file, for whatever reason; then it goes by the stream. */
static gboolean
send_by_file (LpChannel *self, LpFrameType type, guint64 id, GVariant *body)
{
  int fd;

  if (!self->use_files || g_variant_get_size (body) < FILE_SIZE)
    return FALSE;

  fd = lp_memfd_new_for_variant (body, NULL);
  if (fd == -1)
    return FALSE;

  append_header (self, push_with_fd (self, fd), type, LP_FRAME_BODY_IN_FILE, id, 0);
  return TRUE;
}

static void
send_by_stream (LpChannel *self, LpFrameType type, LpFrameFlags flags, guint64 id, GVariant *body, GByteArray *array)
{
  gsize size = body != NULL ? g_variant_get_size (body) : 0;
  Chunk *chunk;

  append_header (self, array, type, flags, id, size);
  if (size < OWN_CHUNK_SIZE)
    {
      if (size > 0)
        g_byte_array_append (array, g_variant_get_data (body), size);
      return;
    }

  chunk = push_chunk (self, -1);
  chunk->body = g_variant_ref (body);
  chunk->data = g_variant_get_data (body);
  chunk->size = size;
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
  self->use_files = TRUE;
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
  const guint8 *data = chunk->gathered != NULL ? chunk->gathered->data : chunk->data;
  gsize size = chunk->gathered != NULL ? chunk->gathered->len : chunk->size;

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

static void
attach_descriptor (struct msghdr *message, gpointer control, gsize size, int fd)
{
  struct cmsghdr *header;

  message->msg_control = control;
  message->msg_controllen = size;
  header = CMSG_FIRSTHDR (message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (header), &fd, sizeof fd);
}

/* A reader that is gone must not kill the writer, whose disposition of the
 * signal is its own business. */
static gssize
write_pipe (int fd, const struct iovec *iovecs, int n)
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

static gssize
write_some (LpChannel *self)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  struct iovec iovecs[MAX_IOVECS];
  struct msghdr message = { .msg_iov = iovecs };
  Chunk *head = g_queue_peek_head (&self->chunks);

  message.msg_iovlen = (gsize) collect (self, iovecs);
  if (!self->out_is_socket)
    return write_pipe (self->out_fd, iovecs, (int) message.msg_iovlen);

  if (head->fd != -1)
    attach_descriptor (&message, control.bytes, sizeof control.bytes, head->fd);
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
      chunk_free (g_queue_pop_head (&self->chunks));
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
