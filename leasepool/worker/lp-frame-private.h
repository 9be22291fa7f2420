/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-serial-private.h"

G_BEGIN_DECLS

/* The codec of the worker protocol, for both sides; docs/protocol.md says what
 * the frames mean. Nothing here does input or output. */

#define LP_PROTOCOL_VERSION 1

#define LP_FRAME_HEADER_SIZE 16
#define LP_FRAME_NONCE_SIZE  16

typedef enum
{
  LP_FRAME_HELLO = 1,
  LP_FRAME_CALL,
  LP_FRAME_CANCEL,
  LP_FRAME_RECALL,
  LP_FRAME_GOODBYE,
  LP_FRAME_STARTED,
  LP_FRAME_RESULT,
  LP_FRAME_ERROR,
  LP_FRAME_DROPPED,
  LP_FRAME_PROGRESS,
  LP_FRAME_LOG,
} LpFrameType;

typedef enum
{
  LP_FRAME_BODY_IN_FILE = 1 << 0,
  LP_FRAME_NONCE_ATTACHED = 1 << 1,
} LpFrameFlags;

/* One frame as it was received: the body has the type of its kind and is in
 * normal form, or is NULL if the kind has none. Nor have those that come most
 * often, CALL, RESULT and LOG, if the channel has them in its buffer: what else is
 * said of them here is all. What is not owned is there until the next read. */
typedef struct
{
  LpFrameType type;
  guint64 id;
  GVariant *body;               /* (owned) (nullable) */
  const char *name;             /* (not owned) of a CALL */
  GVariant *value;              /* (owned) (nullable) the result of a RESULT, the parameters of a CALL */
  LpSerialLog log;              /* (not owned) what a LOG says */
} LpFrame;

typedef struct
{
  LpFrameType type;
  LpFrameFlags flags;
  guint64 id;
  gsize body_size;
} LpFrameHeader;

void        lp_frame_clear         (LpFrame *self);
void        lp_frame_keep_types    (void);
const char *lp_frame_type_get_name (LpFrameType type);
const GVariantType *lp_frame_type_get_body_type (LpFrameType type);

void        lp_frame_pack_header   (const LpFrameHeader *header, guint8 *bytes);
gboolean    lp_frame_unpack_header (const guint8 *bytes, gsize max_body, LpFrameHeader *header, GError **error);
gboolean    lp_frame_unpack        (const LpFrameHeader *header, GBytes *bytes, LpFrame *frame, GError **error);
gboolean    lp_frame_can_unpack_in_place (const LpFrameHeader *header);
gboolean    lp_frame_unpack_in_place (const LpFrameHeader *header, const guint8 *body, LpFrame *frame, GError **error);
GVariant   *lp_frame_unpack_body   (const LpFrameHeader *header, GBytes *bytes, GError **error);

GVariant   *lp_frame_ref_little_endian (GVariant *value);

G_END_DECLS
