/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The two frames that every job has, with a value. Small ones are serialized by hand: to have GVariant do so takes
 * some ten thousand instructions, which is most of a call that does little. */

#include "config.h"

#include "lp-channel-struct-private.h"

#include "lp-serial-private.h"

/* From here on a copy less is worth more: the value goes as it is, or by file. */
#define LARGE (4 * 1024)

static gboolean
is_small (LpChannel *self, GVariant *value)
{
  return G_BYTE_ORDER == G_LITTLE_ENDIAN
         && (value == NULL || g_variant_get_size (value) < MIN (LARGE, self->max_body / 2));
}

static gboolean
send_call_by_hand (LpChannel *self, guint64 id, const char *name, GVariant *parameters)
{
  g_auto (LpSerial) body = LP_SERIAL_INIT;

  lp_serial_add_call (&body, name, parameters);
  if (body.size > self->max_body)
    return FALSE;

  lp_channel_send_bytes (self, LP_FRAME_CALL, id, body.data, body.size);
  return TRUE;
}

/* As lp_channel_send(), for a CALL. */
gboolean
lp_channel_send_call (LpChannel *self, guint64 id, const char *name, GVariant *parameters, GError **error)
{
  if (is_small (self, parameters) && send_call_by_hand (self, id, name, parameters))
    return TRUE;

  return lp_channel_send (self, LP_FRAME_CALL, id,
                          g_variant_new ("(sm@v)", name, parameters != NULL ? g_variant_new_variant (parameters) : NULL),
                          error);
}

/* The same for a RESULT. */
gboolean
lp_channel_send_result (LpChannel *self, guint64 id, GVariant *result, GError **error)
{
  g_auto (LpSerial) body = LP_SERIAL_INIT;

  if (!is_small (self, result))
    return lp_channel_send (self, LP_FRAME_RESULT, id, g_variant_new_variant (result), error);

  lp_serial_add_variant (&body, result);
  lp_channel_send_bytes (self, LP_FRAME_RESULT, id, body.data, body.size);
  return TRUE;
}
