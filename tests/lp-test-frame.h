/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-frame-private.h"

G_BEGIN_DECLS

/* Gives a LOG a body of its own if what it says is only in the channel, as GLib makes one of it: for who reads on. */
static inline void
lp_test_frame_keep (LpFrame *frame)
{
  GBytes *bytes;

  if (frame->type != LP_FRAME_LOG || frame->body != NULL)
    return;

  bytes = g_bytes_new (frame->log.fields, frame->log.fields_size);
  frame->body = g_variant_new ("(uss@a{ss})", frame->log.level, frame->log.domain, frame->log.message,
                               g_variant_new_from_bytes (G_VARIANT_TYPE ("a{ss}"), bytes, FALSE));
  g_variant_ref_sink (frame->body);
  g_bytes_unref (bytes);
}

G_END_DECLS
