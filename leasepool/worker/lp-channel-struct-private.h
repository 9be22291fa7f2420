/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-channel-private.h"

G_BEGIN_DECLS

/* For the files of the channel. */

#define LP_CHANNEL_MAX_FDS        4            /* that no frame has taken */
#define LP_CHANNEL_BUFFER_SIZE (64 * 1024)

struct _LpChannel
{
  int in_fd;
  int out_fd;                   /* may be the same */
  gboolean in_is_socket;
  gboolean out_is_socket;
  gboolean out_may_signal;      /* to write there raises SIGPIPE, if the reader is gone */
  gsize max_body;

  /* In. */
  guint8 *buffer;
  gsize begin;                  /* of what has not been taken, in the buffer */
  gsize end;
  gboolean drained;             /* the last read gave less than it asked for */
  int received_fds[LP_CHANNEL_MAX_FDS];    /* in their order */
  guint n_received_fds;
  gboolean too_many_fds;        /* there were more */
  gboolean lost_fds;            /* this process could not take one */
  GBytes *nonce;                /* (nullable) */
  LpFrameHeader large;          /* the frame whose body is being read into `memory` */
  guint8 *memory;               /* (nullable) */
  gsize n_read;                 /* of that body */

  /* Out. */
  GQueue chunks;
  struct _LpChannelChunk *spare; /* (owned) (nullable) empty, with memory, in no queue */
  guint64 n_queued;             /* bytes, from the beginning */
  guint64 n_written;
  int use_files;                /* (atomic) both halves look at it */
};

void lp_channel_clear_out (LpChannel *self);

G_END_DECLS
