/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The two frames that every job has, with a value. Small ones are serialized by hand, right into what is written: to
 * have GVariant do so takes some ten thousand instructions, which is most of a call that does little. */

#include "config.h"

#include "lp-channel-struct-private.h"

#include <string.h>

#include "lp-serial-private.h"

/* From here on a copy less is worth more: the value goes as it is, or by file. */
#define LARGE (4 * 1024)

/* More than a frame has between its parts, and to say where they are. */
#define OVERHEAD 16

/* Whether a frame with VALUE, and OTHER bytes, surely is not too large; one that just fits goes the other way. */
static gboolean
is_small (LpChannel *self, GVariant *value, gsize other)
{
  gsize size = other + OVERHEAD;

  if (value != NULL)
    size += g_variant_get_size (value) + strlen (g_variant_get_type_string (value));

  return G_BYTE_ORDER == G_LITTLE_ENDIAN && size <= MIN (LARGE, self->max_body);
}

/* As lp_channel_send(), for a CALL. */
gboolean
lp_channel_send_call (LpChannel *self, guint64 id, const char *name, GVariant *parameters, GError **error)
{
  LpSerial *frames;
  gsize begin;

  if (!is_small (self, parameters, strlen (name)))
    return lp_channel_send (self, LP_FRAME_CALL, id,
                            g_variant_new ("(sm@v)", name,
                                           parameters != NULL ? g_variant_new_variant (parameters) : NULL),
                            error);

  frames = lp_channel_begin_frame (self, &begin);
  lp_serial_add_call (frames, name, parameters);
  lp_channel_end_frame (self, frames, begin, LP_FRAME_CALL, id);
  return TRUE;
}

/* The same for a RESULT. */
gboolean
lp_channel_send_result (LpChannel *self, guint64 id, GVariant *result, GError **error)
{
  LpSerial *frames;
  gsize begin;

  if (!is_small (self, result, 0))
    return lp_channel_send (self, LP_FRAME_RESULT, id, g_variant_new_variant (result), error);

  frames = lp_channel_begin_frame (self, &begin);
  lp_serial_add_variant (frames, result);
  lp_channel_end_frame (self, frames, begin, LP_FRAME_RESULT, id);
  return TRUE;
}
