/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The codec alone: a header, and the rest of the input as the body of its type.
 * What is accepted must be exactly what GLib's own check of normal form accepts,
 * and must be written as it was read. */

#include "config.h"

#include "lp-fuzz.h"

#include "lp-frame-private.h"
#include "lp-normal-private.h"

static const gsize limits[] = { 0, 64, 4096, 1024 * 1024 };

static gboolean
is_normal_for_glib (const GVariantType *type, GBytes *bytes)
{
  GVariant *value = g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, FALSE));
  gboolean normal = g_variant_is_normal_form (value);

  g_variant_unref (value);
  return normal;
}

/* What a value of the same meaning serializes to, if it can be told as text. */
static gboolean
is_canonical (const GVariantType *type, GBytes *bytes)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, FALSE));
  g_autofree char *text = g_variant_print (value, TRUE);
  g_autoptr (GVariant) parsed = g_variant_parse (type, text, NULL, NULL, NULL);

  return parsed != NULL && g_variant_get_size (parsed) == g_bytes_get_size (bytes)
         && memcmp (g_variant_get_data (parsed), g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) == 0;
}

/* From small sizes on the library looks at values in its own way. It accepts
 * nothing that GLib does not, and all that is canonical; a tuple of no bytes that
 * should have some is normal to GLib, and not to the library when it looks. */
static void
check_normal (const GVariantType *type, GBytes *bytes)
{
  static const gsize larges[] = { 0, 1, 8, 64, LP_NORMAL_LARGE };
  gboolean normal = is_normal_for_glib (type, bytes);
  gboolean canonical = normal && g_bytes_get_size (bytes) > 0 && is_canonical (type, bytes);

  for (gsize i = 0; i < G_N_ELEMENTS (larges); i++)
    {
      GVariant *value = g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, FALSE));
      gboolean accepted = lp_variant_is_normal (value, larges[i]);

      g_assert_true (normal || !accepted);
      g_assert_true (accepted || !canonical);
      g_variant_unref (value);
    }
}

/* Reads each part of VALUE, and writes it again. */
static void
check_value (GVariant *value, GBytes *bytes)
{
  g_autofree char *text = g_variant_print (value, TRUE);
  g_autoptr (GVariant) wire = lp_frame_ref_little_endian (value);
  gconstpointer data = g_variant_get_data (wire);

  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_cmpuint (g_variant_get_size (wire), ==, g_bytes_get_size (bytes));
  if (g_bytes_get_size (bytes) > 0)
    g_assert_cmpmem (data, g_variant_get_size (wire), g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static void
check_body (const LpFrameHeader *header, const guint8 *data, gsize size)
{
  const GVariantType *type = lp_frame_type_get_body_type (header->type);
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  GVariant *body;

  if (type == NULL)
    return;

  check_normal (type, bytes);
  body = lp_frame_unpack_body (header, bytes, &error);
  g_assert_cmpint (body != NULL, ==, is_normal_for_glib (type, bytes));
  g_assert_cmpint (body == NULL, ==, error != NULL);
  if (body == NULL)
    return;

  check_value (body, bytes);
  g_variant_unref (body);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  LpFuzzInput input = { data, size };
  gsize limit = limits[lp_fuzz_take_byte (&input) % G_N_ELEMENTS (limits)];
  guint8 packed[LP_FRAME_HEADER_SIZE];
  g_autoptr (GError) error = NULL;
  LpFrameHeader header;
  const guint8 *bytes;
  gsize n_bytes;

  bytes = lp_fuzz_take_bytes (&input, LP_FRAME_HEADER_SIZE, &n_bytes);
  if (n_bytes < LP_FRAME_HEADER_SIZE)
    return 0;

  if (!lp_frame_unpack_header (bytes, limit, &header, &error))
    {
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      return 0;
    }

  g_assert_cmpuint (header.body_size, <=, limit);
  g_assert_nonnull (lp_frame_type_get_name (header.type));
  lp_frame_pack_header (&header, packed);
  g_assert_cmpmem (packed, sizeof packed, bytes, sizeof packed);
  check_body (&header, input.data, input.size);
  return 0;
}
