/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-frame-private.h"

G_BEGIN_DECLS

/* One end of the stream between a manager and a worker: frames in and out,
 * without blocking. */
typedef struct _LpChannel LpChannel;

typedef enum
{
  LP_CHANNEL_FRAME,             /* there is a frame */
  LP_CHANNEL_EMPTY,             /* not now */
  LP_CHANNEL_END,               /* end of file, at the end of a frame or within one */
  LP_CHANNEL_BAD,               /* an error: of the stream, or LP_ERROR_PROTOCOL */
} LpChannelStatus;

LpChannel      *lp_channel_new           (int in_fd, int out_fd, gsize max_body);
void            lp_channel_free          (LpChannel *self);
int             lp_channel_get_in_fd     (LpChannel *self);
int             lp_channel_get_out_fd    (LpChannel *self);
int             lp_channel_get_end_fd    (LpChannel *self);
gsize           lp_channel_get_max_body  (LpChannel *self);
void            lp_channel_set_max_body  (LpChannel *self, gsize max_body);

/* In. */
LpChannelStatus lp_channel_read          (LpChannel *self, LpFrame *frame, GError **error);
LpChannelStatus lp_channel_take          (LpChannel *self, LpFrame *frame, GError **error);
gboolean        lp_channel_fill          (LpChannel *self);
LpFrameType     lp_channel_peek          (LpChannel *self);
gboolean        lp_channel_has_buffered  (LpChannel *self);
gboolean        lp_channel_is_drained    (LpChannel *self);
char           *lp_channel_dup_garbage   (LpChannel *self);
gboolean        lp_channel_is_cut        (LpChannel *self);
GBytes         *lp_channel_get_nonce     (LpChannel *self);

/* Out. */
gboolean        lp_channel_send          (LpChannel *self, LpFrameType type, guint64 id, GVariant *body, GError **error);
LpSerial       *lp_channel_begin_frame   (LpChannel *self, gsize *begin);
void            lp_channel_end_frame     (LpChannel *self, LpSerial *frames, gsize begin, LpFrameType type, guint64 id);
void            lp_channel_write_frame   (LpChannel *self, LpFrameType type, guint64 id, guint8 *frame, gsize size);
gboolean        lp_channel_send_call     (LpChannel *self, guint64 id, const char *name, GVariant *parameters,
                                          GError **error);
gboolean        lp_channel_send_result   (LpChannel *self, guint64 id, GVariant *result, GError **error);
void            lp_channel_send_hello    (LpChannel *self, GVariant *body, int nonce_fd);
gboolean        lp_channel_flush         (LpChannel *self, GError **error);
gboolean        lp_channel_has_pending   (LpChannel *self);
guint64         lp_channel_get_n_queued  (LpChannel *self);
guint64         lp_channel_get_n_written (LpChannel *self);
void            lp_channel_use_files     (LpChannel *self);
void            lp_channel_end           (LpChannel *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LpChannel, lp_channel_free)

G_END_DECLS
