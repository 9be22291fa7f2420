/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* One end of a stream, as either side has it: whatever comes, in whatever pieces,
 * with whatever files. Three things are checked besides that it survives: the
 * frames do not depend on the pieces, what was read can be sent and is the same
 * at the other end, and no descriptor stays. */

#include "config.h"

#include "lp-fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lp-test-frame.h"
#include "lp-channel-private.h"
#include "lp-memfd-private.h"

#define MAX_OPS   64
#define MAX_LARGE 2             /* they take long */

enum
{
  USE_FILES = 1 << 0,           /* as after the echo of a nonce */
  PIPE = 1 << 1,                /* as of a worker */
  SMALL_LIMIT = 1 << 2,
  BESIDE = 1 << 3,              /* files come over a socket, beside the pipe */
};

typedef enum
{
  OP_BYTES,
  OP_FRAME,                     /* a header that is right for its body */
  OP_LARGE,                     /* a right one, larger than the buffer */
  OP_FILE,
  OP_CLOSE,
  N_OPS,
} Op;

typedef struct
{
  LpChannel *channel;
  int fd;                       /* the other end; -1 when it was closed */
  int beside_fd;                /* that of the socket beside it; -1: there is none */
  gboolean is_socket;
  gboolean over;                /* it said END or BAD */
  gboolean bad;
  gboolean had_files;
  guint n_large;
  gsize max_body;
  GByteArray *sent;             /* all bytes */
  GPtrArray *frames;            /* of LpFrame, as they were read */
  LpChannel *echo_in;
  LpChannel *echo_out;
} Case;

static void
frame_free (gpointer data)
{
  lp_frame_clear (data);
  g_free (data);
}

/* Not g_variant_equal(), which prints values that it does not trust. */
static gboolean
is_same_value (GVariant *a, GVariant *b)
{
  gsize size = g_variant_get_size (a);

  return g_variant_get_size (b) == size
         && (size == 0 || memcmp (g_variant_get_data (a), g_variant_get_data (b), size) == 0);
}

static void
assert_same_frame (const LpFrame *a, const LpFrame *b)
{
  g_assert_cmpint (a->type, ==, b->type);
  g_assert_cmpuint (a->id, ==, b->id);
  g_assert_cmpint (a->body != NULL, ==, b->body != NULL);
  if (a->body != NULL)
    g_assert_true (is_same_value (a->body, b->body));
}

/* What was read is sent on, and must come as it was. */
static void
echo (Case *self, const LpFrame *frame)
{
  g_autoptr (GError) error = NULL;
  LpChannelStatus status;
  LpFrame back = { 0 };

  g_assert_true (lp_channel_send (self->echo_out, frame->type, frame->id, frame->body, &error));
  do
    {
      g_assert_true (lp_channel_flush (self->echo_out, &error));
      status = lp_channel_read (self->echo_in, &back, &error);
      g_assert_no_error (error);
    }
  while (status == LP_CHANNEL_EMPTY);

  g_assert_cmpint (status, ==, LP_CHANNEL_FRAME);
  lp_test_frame_keep (&back);
  assert_same_frame (frame, &back);
  lp_frame_clear (&back);
  g_assert_false (lp_channel_has_pending (self->echo_out));
  g_assert_cmpuint (lp_channel_get_n_queued (self->echo_out), ==, lp_channel_get_n_written (self->echo_out));
}

static void
read_all (Case *self)
{
  while (!self->over)
    {
      g_autoptr (GError) error = NULL;
      LpFrame *frame = g_new0 (LpFrame, 1);
      LpChannelStatus status = lp_channel_read (self->channel, frame, &error);

      g_assert_cmpint (status == LP_CHANNEL_BAD, ==, error != NULL);
      if (status == LP_CHANNEL_FRAME)
        {
          lp_test_frame_keep (frame);
          echo (self, frame);
          g_ptr_array_add (self->frames, frame);
          continue;
        }

      g_assert_null (frame->body);
      g_free (frame);
      if (status == LP_CHANNEL_EMPTY)
        return;
      self->over = TRUE;
      self->bad = status == LP_CHANNEL_BAD;
    }
}

static gssize
send_with_fd (int socket, const guint8 *data, gsize size, int fd)
{
  struct iovec iovec = { (gpointer) data, size };
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (2 * sizeof (int))];
  } control = { 0 };
  struct msghdr message = { .msg_iov = &iovec, .msg_iovlen = 1 };

  if (fd != -1)
    {
      struct cmsghdr *header;

      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE (sizeof fd);
      header = CMSG_FIRSTHDR (&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN (sizeof fd);
      memcpy (CMSG_DATA (header), &fd, sizeof fd);
    }

  return sendmsg (socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static gssize
write_once (Case *self, const guint8 *data, gsize size, int fd)
{
  return self->is_socket ? send_with_fd (self->fd, data, size, fd) : write (self->fd, data, size);
}

/* FD goes with the first byte, and stays the caller's. */
static void
send_bytes (Case *self, const guint8 *data, gsize size, int fd)
{
  gsize offset = 0;

  if (self->fd == -1)
    return;

  g_byte_array_append (self->sent, data, (guint) size);
  if (self->beside_fd != -1 && fd != -1)
    g_assert_cmpint (send_with_fd (self->beside_fd, (const guint8 *) "", 1, fd), ==, 1);
  while (offset < size && !self->over)
    {
      gssize n_written = write_once (self, data + offset, size - offset, offset == 0 ? fd : -1);

      if (n_written > 0)
        offset += (gsize) n_written;
      else
        g_assert_cmpint (errno, ==, EAGAIN);
      if (n_written < 0)
        read_all (self);
    }
}

static void
send_frame (Case *self, guint type, guint flags, guint64 id, gconstpointer body, gsize size, int fd)
{
  LpFrameHeader header = { type, flags, id, size };
  g_autofree guint8 *bytes = g_malloc (LP_FRAME_HEADER_SIZE + size);

  lp_frame_pack_header (&header, bytes);
  if (size > 0)
    memcpy (bytes + LP_FRAME_HEADER_SIZE, body, size);
  send_bytes (self, bytes, LP_FRAME_HEADER_SIZE + size, fd);
}

static void
op_bytes (Case *self, LpFuzzInput *input)
{
  gsize size;
  const guint8 *data = lp_fuzz_take_bytes (input, lp_fuzz_take_byte (input), &size);

  send_bytes (self, data, size, -1);
}

static void
op_frame (Case *self, LpFuzzInput *input)
{
  guint type = lp_fuzz_take_byte (input);
  guint id = lp_fuzz_take_byte (input);
  gsize size;
  const guint8 *body = lp_fuzz_take_bytes (input, lp_fuzz_take_byte (input), &size);

  send_frame (self, type, 0, id, body, size, -1);
}

static void
op_large (Case *self, LpFuzzInput *input)
{
  gsize size = (gsize) lp_fuzz_take_short (input) + 1;
  guint8 filling = lp_fuzz_take_byte (input);
  g_autofree guint8 *bytes = NULL;
  g_autoptr (GVariant) value = NULL;

  if (self->n_large++ >= MAX_LARGE)
    return;

  if (filling % 16 == 15)
    size <<= 3;                 /* up to one that goes by file */
  bytes = g_malloc (size);
  memset (bytes, filling, size);
  value = g_variant_ref_sink (g_variant_new_variant (g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, size, 1)));
  send_frame (self, LP_FRAME_RESULT, 0, 1, g_variant_get_data (value), g_variant_get_size (value), -1);
}

static int
open_file (guint kind, const guint8 *data, gsize size)
{
  int fd;

  switch (kind % 4)
    {
    case 0:
      return size > 0 ? lp_memfd_new_for_bytes (data, size, NULL) : -1;
    case 1:
      fd = memfd_create ("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
      if (fd != -1 && size > 0 && write (fd, data, size) != (gssize) size)
        g_assert_not_reached ();
      return fd;
    case 2:
      return open ("/dev/null", O_RDONLY | O_CLOEXEC);
    default:
      fd = memfd_create ("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
      fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
      return fd;
    }
}

static void
op_file (Case *self, LpFuzzInput *input)
{
  guint kind = lp_fuzz_take_byte (input);
  guint type = lp_fuzz_take_byte (input);
  guint flags = lp_fuzz_take_byte (input);
  gsize size;
  const guint8 *body = lp_fuzz_take_bytes (input, lp_fuzz_take_byte (input), &size);
  int fd = open_file (kind, body, size);

  self->had_files = TRUE;
  send_frame (self, type, flags, type == LP_FRAME_HELLO || type == LP_FRAME_LOG ? 0 : 1, NULL, 0, fd);
  if (fd != -1)
    close (fd);
}

static void
clear_fd (int *fd)
{
  if (*fd != -1)
    close (*fd);
  *fd = -1;
}

static void
op_close (Case *self)
{
  clear_fd (&self->fd);
  clear_fd (&self->beside_fd);
}

static void
run_op (Case *self, LpFuzzInput *input)
{
  guint8 op = lp_fuzz_take_byte (input);

  switch ((Op) (op % 8))
    {
    case OP_BYTES: op_bytes (self, input); break;
    case OP_FRAME: op_frame (self, input); break;
    case OP_LARGE: op_large (self, input); break;
    case OP_FILE: op_file (self, input); break;
    case OP_CLOSE: op_close (self); break;
    case N_OPS:
    default: op_bytes (self, input); break;
    }

  /* Else it comes with what is next. */
  if ((op & 0x80) == 0)
    read_all (self);
}

/* The same bytes, without a stream: how they came makes no difference. */
static void
check_frames (Case *self)
{
  const guint8 *data = self->sent->data;
  gsize left = self->sent->len;
  gboolean bad = FALSE;
  guint n = 0;

  while (left >= LP_FRAME_HEADER_SIZE && !bad)
    {
      LpFrameHeader header;
      LpFrame frame = { 0 };

      bad = !lp_frame_unpack_header (data, self->max_body, &header, NULL) || (header.flags & LP_FRAME_BODY_IN_FILE) != 0;
      if (bad || left < LP_FRAME_HEADER_SIZE + header.body_size)
        break;

      frame = (LpFrame) { .type = header.type, .id = header.id };
      if (lp_frame_type_get_body_type (header.type) != NULL)
        {
          g_autoptr (GBytes) bytes = g_bytes_new (data + LP_FRAME_HEADER_SIZE, header.body_size);

          frame.body = lp_frame_unpack_body (&header, bytes, NULL);
          bad = frame.body == NULL;
        }
      if (!bad)
        {
          g_assert_cmpuint (n, <, self->frames->len);
          assert_same_frame (self->frames->pdata[n++], &frame);
        }
      lp_frame_clear (&frame);
      data += LP_FRAME_HEADER_SIZE + header.body_size;
      left -= LP_FRAME_HEADER_SIZE + header.body_size;
    }

  g_assert_cmpuint (n, ==, self->frames->len);
  g_assert_cmpint (bad, ==, self->bad);
}

static void
open_case (Case *self, guint8 flags)
{
  int fds[2], beside[2], echo[2], back[2];

  *self = (Case) { .beside_fd = -1, .is_socket = (flags & PIPE) == 0, .max_body = (flags & SMALL_LIMIT) != 0 ? 4096 : 2 * 1024 * 1024 };
  if (self->is_socket)
    g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
  else
    g_assert_no_errno (pipe2 (fds, O_CLOEXEC | O_NONBLOCK));
  beside[0] = fds[0];
  if (!self->is_socket && (flags & BESIDE) != 0)
    {
      g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, beside));
      self->beside_fd = beside[1];
    }
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, echo));
  memcpy (back, echo, sizeof back);
  if ((flags & BESIDE) != 0)
    g_assert_no_errno (pipe2 (back, O_CLOEXEC));

  self->channel = lp_channel_new (fds[0], beside[0], self->max_body);
  self->fd = fds[1];
  self->echo_in = lp_channel_new (back[0], echo[0], self->max_body);
  self->echo_out = lp_channel_new (echo[1], back[1], self->max_body);
  lp_channel_use_files (self->echo_out);
  lp_channel_use_files (self->echo_in);
  if ((flags & USE_FILES) != 0)
    lp_channel_use_files (self->channel);
  self->sent = g_byte_array_new ();
  self->frames = g_ptr_array_new_with_free_func (frame_free);
}

static void
close_case (Case *self)
{
  g_autofree char *garbage = lp_channel_dup_garbage (self->channel);

  if (garbage != NULL)
    g_assert_true (g_utf8_validate (garbage, -1, NULL));
  if (lp_channel_get_nonce (self->channel) != NULL)
    g_assert_cmpuint (g_bytes_get_size (lp_channel_get_nonce (self->channel)), ==, LP_FRAME_NONCE_SIZE);
  lp_channel_free (self->channel);
  lp_channel_free (self->echo_in);
  lp_channel_free (self->echo_out);
  g_ptr_array_unref (self->frames);
  g_byte_array_unref (self->sent);
}

/* The lowest one that is free: nothing below it was left open. */
static int
get_free_fd (void)
{
  int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  close (fd);
  return fd;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  LpFuzzInput input = { data, size };
  int free_fd = get_free_fd ();
  Case self;

  open_case (&self, lp_fuzz_take_byte (&input));
  for (guint n = 0; n < MAX_OPS && input.size > 0 && !self.over; n++)
    run_op (&self, &input);

  read_all (&self);
  op_close (&self);
  read_all (&self);
  g_assert_true (self.over);
  if (!self.had_files)
    check_frames (&self);

  close_case (&self);
  g_assert_cmpint (get_free_fd (), ==, free_fd);
  return 0;
}
