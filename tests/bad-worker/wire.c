/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int wire_in = 0;
int wire_out = 1;

static int received_fd = -1;    /* with the frame that is being read */
static GBytes *nonce;           /* (nullable) */

/* Whatever else prints to standard output must not get into the stream. */
void
wire_take_standard_streams (void)
{
  int null = open ("/dev/null", O_RDONLY);

  wire_in = fcntl (0, F_DUPFD_CLOEXEC, 10);
  wire_out = fcntl (1, F_DUPFD_CLOEXEC, 10);
  if (null == -1 || wire_in == -1 || wire_out == -1)
    _exit (97);
  dup2 (null, 0);
  dup2 (2, 1);
  close (null);
}

/* FALSE: the other side is gone. */
static gboolean
read_all (gpointer memory, gsize size)
{
  guint8 *bytes = memory;

  while (size > 0)
    {
      gssize n = read (wire_in, bytes, size);

      if (n == -1 && errno == EINTR)
        continue;
      if (n <= 0)
        return FALSE;
      bytes += n;
      size -= (gsize) n;
    }

  return TRUE;
}

/* The first byte of a frame may have a descriptor with it. */
static gboolean
read_first_byte (guint8 *byte)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control;
  struct iovec iovec = { byte, 1 };
  struct msghdr message = {
    .msg_iov = &iovec,
    .msg_iovlen = 1,
    .msg_control = control.bytes,
    .msg_controllen = sizeof control.bytes,
  };
  struct cmsghdr *header;
  gssize n;

  do
    n = recvmsg (wire_in, &message, MSG_CMSG_CLOEXEC);
  while (n == -1 && errno == EINTR);
  if (n == -1 && errno == ENOTSOCK)
    return read_all (byte, 1);
  if (n <= 0)
    return FALSE;

  header = CMSG_FIRSTHDR (&message);
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
    memcpy (&received_fd, CMSG_DATA (header), sizeof received_fd);

  return TRUE;
}

static const char *
body_type (FrameType type)
{
  switch (type)
    {
    case HELLO:
      return "a{sv}";
    case CALL:
      return "(smv)";
    default:
      return NULL;
    }
}

/* All of the file that came with the frame. */
static guint8 *
read_file (gsize *size)
{
  off_t end = lseek (received_fd, 0, SEEK_END);
  guint8 *data = g_malloc ((gsize) end + 1);

  if (pread (received_fd, data, (gsize) end, 0) != end)
    _exit (84);
  close (received_fd);
  received_fd = -1;

  *size = (gsize) end;
  return data;
}

static void
take_nonce (void)
{
  gsize size;
  guint8 *data = read_file (&size);

  nonce = g_bytes_new_take (data, size);
}

gboolean
wire_receive (Frame *frame)
{
  guint8 header[HEADER_SIZE];
  gsize size;
  guint8 *data;

  if (!read_first_byte (header) || !read_all (header + 1, sizeof header - 1))
    return FALSE;

  memset (frame, 0, sizeof *frame);
  memcpy (&frame->size, header, 4);
  frame->size = GUINT32_FROM_LE (frame->size);
  frame->type = header[4];
  frame->flags = header[5];
  memcpy (&frame->id, header + 8, 8);
  frame->id = GUINT64_FROM_LE (frame->id);

  size = frame->size - HEADER_SIZE;
  data = g_malloc (size + 1);
  if (!read_all (data, size))
    return FALSE;
  if ((frame->flags & WITH_NONCE) != 0 && received_fd != -1)
    take_nonce ();
  if ((frame->flags & IN_FILE) != 0)
    {
      g_free (data);
      data = read_file (&size);
    }
  if (body_type (frame->type) != NULL)
    {
      frame->body = g_variant_new_from_data (G_VARIANT_TYPE (body_type (frame->type)), data, size, FALSE, g_free, data);
      g_variant_ref_sink (frame->body);
    }
  else
    g_free (data);

  return TRUE;
}

GBytes *
wire_dup_nonce (void)
{
  return nonce != NULL ? g_bytes_ref (nonce) : NULL;
}

/* SIZE is what the header says, true or not. */
void
wire_put_header (GByteArray *bytes, guint32 size, int type, int flags, guint64 id)
{
  guint32 wire_size = GUINT32_TO_LE (size);
  guint64 wire_id = GUINT64_TO_LE (id);
  guint8 header[HEADER_SIZE] = { 0 };

  memcpy (header, &wire_size, 4);
  header[4] = (guint8) type;
  header[5] = (guint8) flags;
  memcpy (header + 8, &wire_id, 8);
  g_byte_array_append (bytes, header, sizeof header);
}

void
wire_put (GByteArray *bytes, FrameType type, guint64 id, GVariant *body)
{
  gsize size;

  if (body != NULL)
    g_variant_ref_sink (body);
  size = body != NULL ? g_variant_get_size (body) : 0;
  wire_put_header (bytes, (guint32) (HEADER_SIZE + size), type, 0, id);
  if (size > 0)
    g_byte_array_append (bytes, g_variant_get_data (body), (guint) size);
  g_clear_pointer (&body, g_variant_unref);
}

/* When the manager is gone there is nobody to tell it. */
void
wire_write (const void *data, gsize size)
{
  const guint8 *bytes = data;

  while (size > 0)
    {
      gssize n = write (wire_out, bytes, size);

      if (n == -1 && errno == EINTR)
        continue;
      if (n <= 0)
        _exit (98);
      bytes += n;
      size -= (gsize) n;
    }
}

void
wire_flush (GByteArray *bytes)
{
  wire_write (bytes->data, bytes->len);
  g_byte_array_set_size (bytes, 0);
}

/* N_FDS descriptors go before it, with a byte, over the socket, unless those that nobody took have filled it. */
void
wire_flush_with_fds (GByteArray *bytes, const int *fds, int n_fds)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (8 * sizeof (int))];
  } control = { 0 };
  struct iovec iovec = { (char[]) { 0 }, 1 };
  struct msghdr message = {
    .msg_iov = &iovec,
    .msg_iovlen = 1,
    .msg_control = control.bytes,
    .msg_controllen = CMSG_SPACE ((gsize) n_fds * sizeof (int)),
  };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);

  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN ((gsize) n_fds * sizeof (int));
  memcpy (CMSG_DATA (header), fds, (gsize) n_fds * sizeof (int));

  if (sendmsg (wire_in, &message, MSG_DONTWAIT | MSG_NOSIGNAL) != 1 && errno != EAGAIN)
    _exit (98);
  wire_flush (bytes);
}

void
wire_send (FrameType type, guint64 id, GVariant *body)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  wire_put (bytes, type, id, body);
  wire_flush (bytes);
}

GVariant *
wire_error (const char *domain, int code, const char *message)
{
  return g_variant_new ("(sis)", domain, code, message);
}

GVariant *
wire_log (guint level, const char *message)
{
  return g_variant_new ("(uss@a{ss})", level, "bad-worker", message,
                        g_variant_new_array (G_VARIANT_TYPE ("{ss}"), NULL, 0));
}
