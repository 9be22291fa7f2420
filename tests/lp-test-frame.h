/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

#include "lp-frame-private.h"

G_BEGIN_DECLS

/* The body as GLib makes one of what a frame says. */
static inline GVariant *
lp_test_frame_new_body (LpFrame *frame)
{
  g_autoptr (GBytes) fields = NULL;

  if (frame->type == LP_FRAME_RESULT)
    return g_variant_new_variant (frame->value);
  if (frame->type == LP_FRAME_CALL)
    return g_variant_new ("(sm@v)", frame->name, frame->value != NULL ? g_variant_new_variant (frame->value) : NULL);

  fields = g_bytes_new (frame->log.fields, frame->log.fields_size);
  return g_variant_new ("(uss@a{ss})", frame->log.level, frame->log.domain, frame->log.message,
                        g_variant_new_from_bytes (G_VARIANT_TYPE ("a{ss}"), fields, FALSE));
}

/* Gives one that has none, since it is only in the channel, a body of its own: for who reads on. */
static inline void
lp_test_frame_keep (LpFrame *frame)
{
  if (frame->body == NULL && (frame->type == LP_FRAME_CALL || frame->type == LP_FRAME_RESULT || frame->type == LP_FRAME_LOG))
    frame->body = g_variant_ref_sink (lp_test_frame_new_body (frame));
}

G_END_DECLS
