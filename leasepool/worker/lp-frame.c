/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-frame-private.h"

#include <string.h>

#include "lp-error.h"
#include "lp-normal-private.h"
#include "lp-serial-private.h"
#include "lp-unit-private.h"

typedef struct
{
  const char *name;
  const char *body;             /* NULL: it has none */
  gboolean has_id;              /* always, or never; ERROR is the exception */
} Kind;

static const Kind kinds[] = {
  [LP_FRAME_HELLO] = { "HELLO", "a{sv}", FALSE },
  [LP_FRAME_CALL] = { "CALL", "(smv)", TRUE },
  [LP_FRAME_CANCEL] = { "CANCEL", NULL, TRUE },
  [LP_FRAME_RECALL] = { "RECALL", NULL, TRUE },
  [LP_FRAME_GOODBYE] = { "GOODBYE", NULL, FALSE },
  [LP_FRAME_STARTED] = { "STARTED", NULL, TRUE },
  [LP_FRAME_RESULT] = { "RESULT", "v", TRUE },
  [LP_FRAME_ERROR] = { "ERROR", "(sis)", TRUE },
  [LP_FRAME_DROPPED] = { "DROPPED", NULL, TRUE },
  [LP_FRAME_PROGRESS] = { "PROGRESS", "(dms)", TRUE },
  [LP_FRAME_LOG] = { "LOG", "(ussa{ss})", FALSE },
};

/* Where the fields of the header are. */
enum
{
  OFFSET_SIZE = 0,
  OFFSET_TYPE = 4,
  OFFSET_FLAGS = 5,
  OFFSET_FILLER = 6,
  OFFSET_ID = 8,
};

void
lp_frame_clear (LpFrame *self)
{
  g_clear_pointer (&self->body, g_variant_unref);
  g_clear_pointer (&self->value, g_variant_unref);
}

/* For messages. */
const char *
lp_frame_type_get_name (LpFrameType type)
{
  return type >= LP_FRAME_HELLO && type < G_N_ELEMENTS (kinds) ? kinds[type].name : "unknown";
}

static GVariant *
new_empty (const char *type)
{
  return g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE (type), NULL, 0, FALSE, NULL, NULL));
}

/* GLib describes a type of a container anew for its first value and forgets it with its last one, which for frames that
 * come one at a time is each of them: a fifth of the instructions of a call. So there is always a value of each type. */
void
lp_frame_keep_types (void)
{
  /* For their references. Nobody reads them: without volatile a compiler leaves the array out, and they are leaks. */
  static GVariant *volatile kept[G_N_ELEMENTS (kinds) + 1] G_GNUC_UNUSED;
  static gsize is_done;

  if (!g_once_init_enter (&is_done))
    return;

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (kinds[i].body != NULL)
      kept[i] = new_empty (kinds[i].body);
  kept[G_N_ELEMENTS (kinds)] = lp_unit_ref (); /* what most calls take or give */
  g_once_init_leave (&is_done, 1);
}

/* NULL: frames of this type have no body. */
const GVariantType *
lp_frame_type_get_body_type (LpFrameType type)
{
  /* Not by the macro, which checks the string each time. */
  return (const GVariantType *) kinds[type].body;
}

void
lp_frame_pack_header (const LpFrameHeader *header, guint8 *bytes)
{
  guint32 size = GUINT32_TO_LE ((guint32) (LP_FRAME_HEADER_SIZE + header->body_size));
  guint64 id = GUINT64_TO_LE (header->id);

  memset (bytes, 0, LP_FRAME_HEADER_SIZE);
  memcpy (bytes + OFFSET_SIZE, &size, sizeof size);
  bytes[OFFSET_TYPE] = header->type;
  bytes[OFFSET_FLAGS] = header->flags;
  memcpy (bytes + OFFSET_ID, &id, sizeof id);
}

static gboolean
check_size (guint32 size, gsize max_body, GError **error)
{
  if (size < LP_FRAME_HEADER_SIZE)
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL,
                 "a frame says that it has %u bytes, less than its header has", size);
  else if (size - LP_FRAME_HEADER_SIZE > max_body)
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL,
                 "a frame says that it has %u bytes, more than max-message-size (%" G_GSIZE_FORMAT ") allows",
                 size, max_body);
  else
    return TRUE;

  return FALSE;
}

static gboolean
check_kind (const guint8 *bytes, const LpFrameHeader *header, GError **error)
{
  guint known = LP_FRAME_BODY_IN_FILE | (header->type == LP_FRAME_HELLO ? LP_FRAME_NONCE_ATTACHED : 0);

  if (header->type < LP_FRAME_HELLO || header->type >= G_N_ELEMENTS (kinds))
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL, "a frame is of the unknown type %u", header->type);
  else if ((header->flags & ~known) != 0 || bytes[OFFSET_FILLER] != 0 || bytes[OFFSET_FILLER + 1] != 0)
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL, "a frame of type %s has unknown flags",
                 kinds[header->type].name);
  else if (header->type != LP_FRAME_ERROR && kinds[header->type].has_id != (header->id != 0))
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL, "a frame of type %s has %s job number",
                 kinds[header->type].name, header->id != 0 ? "a" : "no");
  else if (kinds[header->type].body == NULL && (header->body_size != 0 || header->flags != 0))
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL, "a frame of type %s has a body",
                 kinds[header->type].name);
  else if ((header->flags & LP_FRAME_BODY_IN_FILE) != 0 && header->body_size != 0)
    g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL, "a frame of type %s has two bodies",
                 kinds[header->type].name);
  else
    return TRUE;

  return FALSE;
}

/* Reads a header from LP_FRAME_HEADER_SIZE bytes and checks all that can be
 * checked without the body. */
gboolean
lp_frame_unpack_header (const guint8 *bytes, gsize max_body, LpFrameHeader *header, GError **error)
{
  guint32 size;
  guint64 id;

  memcpy (&size, bytes + OFFSET_SIZE, sizeof size);
  memcpy (&id, bytes + OFFSET_ID, sizeof id);
  size = GUINT32_FROM_LE (size);
  if (!check_size (size, max_body, error))
    return FALSE;

  *header = (LpFrameHeader) { bytes[OFFSET_TYPE], bytes[OFFSET_FLAGS], GUINT64_FROM_LE (id),
                              size - LP_FRAME_HEADER_SIZE };
  return check_kind (bytes, header, error);
}

/* Whether VALUE is in normal form. GLib notes that only if it has seen to it itself. Else it would look again at each
 * part, and give another value in the place of one that is nested too deeply for one that it does not trust. That one is
 * floating, and whoever owns it afterwards is a matter of luck. So it is told. */
static gboolean
note_normal (GVariant **value)
{
  g_autoptr (GBytes) bytes = NULL;
  GVariant *noted;

  if (!lp_variant_is_normal (*value, LP_NORMAL_LARGE))
    return FALSE;
  if (g_variant_get_size (*value) < LP_NORMAL_LARGE)
    return TRUE;

  bytes = g_variant_get_data_as_bytes (*value);
  noted = g_variant_ref_sink (g_variant_new_from_bytes (g_variant_get_type (*value), bytes, TRUE));
  g_variant_unref (*value);
  *value = noted;
  return TRUE;
}

static gboolean
is_unit (const LpSerialVariant *variant)
{
  /* A valid type that begins with a bracket goes on. Not by GLib, which first looks where both types end. */
  const char *type = (const char *) variant->type;

  return variant->size == 1 && variant->data[0] == 0 && type[0] == '(' && type[1] == ')';
}

/* What is in VARIANT, a part of BYTES, or a copy of it where that is NULL; NULL if it is not in normal form. */
static GVariant *
unpack_value (const LpSerialVariant *variant, GBytes *bytes)
{
  g_autoptr (GBytes) part = NULL;
  GVariant *value;

  if (is_unit (variant))
    return lp_unit_ref ();

  if (bytes != NULL)
    part = g_bytes_new_from_bytes (bytes, (gsize) (variant->data - (const guint8 *) g_bytes_get_data (bytes, NULL)),
                                   variant->size);
  else
    part = g_bytes_new (variant->data, variant->size);
  value = g_variant_ref_sink (g_variant_new_from_bytes (variant->type, part, FALSE));

  if (!note_normal (&value))
    g_clear_pointer (&value, g_variant_unref);

  return value;
}

/* Those that come most often are not left to GLib: it takes longer for a small one than to write it and read it. DATA is
 * in BYTES, or, if that is NULL, not there for long. */
static gboolean
read_body (LpFrame *frame, gconstpointer data, gsize size, GBytes *bytes)
{
  LpSerialCall call;

  switch (frame->type)
    {
    case LP_FRAME_LOG:
      return lp_serial_read_log (data, size, &frame->log);
    case LP_FRAME_CALL:
      if (!lp_serial_read_call (data, size, &call))
        return FALSE;
      frame->name = call.name;
      frame->value = call.parameters.data != NULL ? unpack_value (&call.parameters, bytes) : NULL;
      return frame->value != NULL || call.parameters.data == NULL;
    case LP_FRAME_RESULT:
      if (lp_serial_read_variant (data, size, &call.parameters))
        frame->value = unpack_value (&call.parameters, bytes);
      return frame->value != NULL;
    default:
      return FALSE;
    }
}

static gboolean
refuse_body (const LpFrameHeader *header, GError **error)
{
  g_set_error (error, LP_ERROR, LP_ERROR_PROTOCOL,
               "the body of a frame of type %s is not a GVariant of type %s in normal form",
               lp_frame_type_get_name (header->type), kinds[header->type].body);
  return FALSE;
}

static gboolean
is_read_here (LpFrameType type)
{
  return type == LP_FRAME_LOG || type == LP_FRAME_CALL || type == LP_FRAME_RESULT;
}

static void
swap_bytes (GVariant **value)
{
#if G_BYTE_ORDER == G_BIG_ENDIAN
  GVariant *swapped = *value != NULL ? g_variant_byteswap (*value) : NULL;

  g_clear_pointer (value, g_variant_unref);
  *value = swapped;
#endif
}

/* Those that have no body have no flags either. */
gboolean
lp_frame_can_unpack_in_place (const LpFrameHeader *header)
{
  return kinds[header->type].body == NULL || (is_read_here (header->type) && header->flags == 0);
}

/* The same as lp_frame_unpack(), also for types that have no body; but FRAME gets none: name and log are in BODY. A
 * GVariant takes longer to make than all the rest, and nobody keeps it. */
gboolean
lp_frame_unpack_in_place (const LpFrameHeader *header, const guint8 *body, LpFrame *frame, GError **error)
{
  *frame = (LpFrame) { .type = header->type, .id = header->id };
  if (kinds[header->type].body != NULL && !read_body (frame, body, header->body_size, NULL))
    {
      lp_frame_clear (frame);
      return refuse_body (header, error);
    }

  swap_bytes (&frame->value);
  frame->log.level = GUINT32_FROM_LE (frame->log.level);
  return TRUE;
}

/* Gives FRAME the body, and the value in it, in the byte order of this machine; FALSE if it is not a value of its type
 * in normal form. Only for types that have a body. */
gboolean
lp_frame_unpack (const LpFrameHeader *header, GBytes *bytes, LpFrame *frame, GError **error)
{
  gboolean by_hand = is_read_here (header->type);
  gconstpointer data;
  gboolean is_normal;
  gsize size;

  *frame = (LpFrame) { .type = header->type, .id = header->id };
  data = g_bytes_get_data (bytes, &size);
  is_normal = by_hand && read_body (frame, data, size, bytes);
  frame->body = g_variant_new_from_bytes (lp_frame_type_get_body_type (header->type), bytes, is_normal);
  g_variant_ref_sink (frame->body);
  if (!by_hand)
    is_normal = note_normal (&frame->body);

  if (!is_normal)
    {
      lp_frame_clear (frame);
      return refuse_body (header, error);
    }

  swap_bytes (&frame->body);
  swap_bytes (&frame->value);

  /* Again, since the bytes may be others now. It is a large one, or came in a file. A string is at the beginning of a
   * tuple. */
  if (header->type == LP_FRAME_CALL)
    frame->name = g_variant_get_data (frame->body);
  return header->type != LP_FRAME_LOG
         || lp_serial_read_log (g_variant_get_data (frame->body), g_variant_get_size (frame->body), &frame->log);
}

/* The body alone, or NULL with an error. */
GVariant *
lp_frame_unpack_body (const LpFrameHeader *header, GBytes *bytes, GError **error)
{
  LpFrame frame = { .type = header->type, .id = header->id };
  GVariant *body;

  if (!lp_frame_unpack (header, bytes, &frame, error))
    return NULL;

  body = g_steal_pointer (&frame.body);
  lp_frame_clear (&frame);
  return body;
}

/* VALUE, whose data is then as on the wire. Nothing is copied where machines
 * are little-endian. */
GVariant *
lp_frame_ref_little_endian (GVariant *value)
{
#if G_BYTE_ORDER == G_BIG_ENDIAN
  return g_variant_byteswap (value);
#else
  return g_variant_ref (value);
#endif
}
