/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include <gio/gio.h>

/* The worker protocol by hand: docs/protocol.md, without a line of the library,
 * so that anything can be sent, at any byte. All of it blocks. */

typedef enum
{
  HELLO = 1,
  CALL,
  CANCEL,
  RECALL,
  GOODBYE,
  STARTED,
  RESULT,
  ERROR,
  DROPPED,
  PROGRESS,
  LOG,
} FrameType;

#define HEADER_SIZE 16
#define IN_FILE     1
#define WITH_NONCE  2

typedef struct
{
  guint32 size;                 /* of all of it; what a wire_put_frame() says may be another one */
  guint8 type;
  guint8 flags;
  guint16 filler;
  guint64 id;
  GVariant *body;               /* (owned) (nullable) */
} Frame;

extern int wire_in;
extern int wire_out;

void        wire_take_standard_streams (void);

/* In. */
gboolean    wire_receive        (Frame *frame);          /* FALSE: end of file */
GBytes     *wire_dup_nonce      (void);                  /* what came with the hello, or NULL */

/* Out: into an array first, so that one write can have several frames. */
void        wire_put_header     (GByteArray *bytes, guint32 size, int type, int flags, guint64 id);
void        wire_put            (GByteArray *bytes, FrameType type, guint64 id, GVariant *body);
void        wire_write          (const void *data, gsize size);
void        wire_flush          (GByteArray *bytes);
void        wire_flush_with_fds (GByteArray *bytes, const int *fds, int n_fds);
void        wire_send           (FrameType type, guint64 id, GVariant *body);

GVariant   *wire_error          (const char *domain, int code, const char *message);
GVariant   *wire_log            (guint level, const char *message);
