/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The check of what a stranger serialized says the same as GLib's, at any size. */

#include "config.h"

#include "lp-frame-private.h"
#include "lp-normal-private.h"
#include "lp-test.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static const char * const values[] = {
  "(b'hello', 'text', 7)", "<(b'bytes', [uint16 1, 2, 3], <[1.5, 2.5]>)>", "<<<<<<@ay [1, 2]>>>>>>", "(@mv <b'x'>, @ms nothing)",
  "(true, [true, false], b'abc')", "[('a', <1>), ('b', <b'22'>)]", "{'key': <@ax [1, 2]>}", "@may [0x61, 0x62]", "()",
  "<()>", "(@ay [], @at [], 'end')", "@mmi 5", "('one', ('two', (b'three', ['four', 'five'])), byte 6)",
};

/* As many arrays in arrays as the text of a type may have, 127: with the tuple around them GLib counts one too many. */
#define A15  "aaaaaaaaaaaaaaa"
#define DEEP A15 A15 A15 A15 A15 A15 A15 A15 "aaaaaaa"

static GVariant *
untrusted (const GVariantType *type, gconstpointer data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);

  return g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, FALSE));
}

static void
check (const GVariantType *type, gconstpointer data, gsize size)
{
  g_autoptr (GVariant) value = untrusted (type, data, size);
  gboolean normal = g_variant_is_normal_form (value);

  /* GLib takes an empty tuple of things that may be empty for normal, although it
   * would write one byte: what has no size is left to it. */
  g_assert_cmpint (lp_variant_is_normal (value, 1), ==, normal);
  g_assert_cmpint (lp_variant_is_normal (value, 8), ==, normal);
}

/* One byte changed, cut, or made longer: most are wrong then, some are right. */
static void
mutate (const GVariantType *type, guint8 *data, gsize size)
{
  gsize new_size = size;

  for (int i = g_test_rand_int_range (0, 3); i > 0 && size > 0; i--)
    data[g_test_rand_int_range (0, (gint32) size)] = (guint8) g_test_rand_int_range (0, g_test_rand_bit () ? 256 : 12);
  if (g_test_rand_int_range (0, 4) == 0)
    new_size = (gsize) g_test_rand_int_range (0, (gint32) size + 8);

  check (type, data, new_size);
}

static void
test_says_the_same (void)
{
  guint n_rounds = lp_test_size (4000, 200000, 500);
  guint8 data[512];

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (values[i]));
      gsize size = g_variant_get_size (value);

      g_assert_cmpuint (size, <, sizeof data / 2);
      check (g_variant_get_type (value), g_variant_get_data (value), size);
      for (guint round = 0; round < n_rounds; round++)
        {
          memset (data, 0, sizeof data);
          memcpy (data, g_variant_get_data (value), size);
          mutate (g_variant_get_type (value), data, size);
        }
    }
}

static void
assert_large (gboolean expected, gsize at, guint8 byte)
{
  g_autoptr (GBytes) zeros = g_bytes_new_take (g_malloc0 (1 << 20), 1 << 20);
  g_autoptr (GVariant) bytes = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, zeros, TRUE));
  g_autoptr (GVariant) whole = g_variant_ref_sink (g_variant_new_variant (g_variant_new ("(@ays)", bytes, "end")));
  gsize size = g_variant_get_size (whole);
  g_autofree guint8 *data = g_memdup2 (g_variant_get_data (whole), size);
  g_autoptr (GVariant) value = NULL;

  if (at > 0)
    data[size - at] = byte;
  value = untrusted (G_VARIANT_TYPE_VARIANT, data, size);
  g_assert_cmpint (g_variant_is_normal_form (value), ==, expected);
  g_assert_cmpint (lp_variant_is_normal (value, LP_NORMAL_LARGE), ==, expected);
}

static void
test_large_ones (void)
{
  assert_large (TRUE, 0, 0);
  assert_large (FALSE, 1, 'x');         /* the type */
  assert_large (FALSE, 8, 0xff);        /* where the array ends */
  assert_large (TRUE, 1000, 0xff);      /* one of the bytes */
}

/* N values in values, the innermost with SIZE bytes of a tuple of so many arrays in arrays. */
static GVariant *
new_deep (guint n, gsize size, guint n_arrays)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree char *arrays = g_strnfill (n_arrays, 'a');

  g_byte_array_set_size (bytes, (guint) size);
  memset (bytes->data, 1, size);
  g_byte_array_append (bytes, (const guint8 *) "\0(", 2);
  g_byte_array_append (bytes, (const guint8 *) arrays, n_arrays);
  g_byte_array_append (bytes, (const guint8 *) "y)", 2);
  for (guint i = 0; i < n; i++)
    g_byte_array_append (bytes, (const guint8 *) "\0v", 2);

  return untrusted (G_VARIANT_TYPE_VARIANT, bytes->data, bytes->len);
}

/* GLib has another value in the place of one that is nested too deeply, which nobody owns. */
static void
test_too_deep_ones (void)
{
  for (guint n = 0; n < 12; n++)
    for (guint n_arrays = 110; n_arrays < 128; n_arrays++)
      {
        g_autoptr (GVariant) value = new_deep (n, LP_NORMAL_LARGE, n_arrays);

        g_assert_false (lp_variant_is_normal (value, LP_NORMAL_LARGE));
        g_assert_false (lp_variant_is_normal (value, 1));
      }
}

/* Parts of a body are what they are, and somebody owns them. */
static void
test_body_is_trusted (void)
{
  static const char deep_data[] = "\0(" DEEP "y)";
  static const guint8 zeros[LP_NORMAL_LARGE];
  LpFrameHeader header = { .type = LP_FRAME_RESULT };
  g_autoptr (GVariant) deep = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_VARIANT, deep_data,
                                                                           sizeof deep_data - 1, TRUE, NULL, NULL));
  GVariant *pair = g_variant_new ("(@ay@v)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeros, sizeof zeros, 1), deep);
  g_autoptr (GVariant) sent = g_variant_ref_sink (g_variant_new_variant (pair));
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (sent);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) body = lp_frame_unpack_body (&header, bytes, &error);
  g_autoptr (GVariant) received = NULL, member = NULL, value = NULL;

  g_assert_no_error (error);
  received = g_variant_get_variant (body);
  member = g_variant_get_child_value (received, 1);
  value = g_variant_get_variant (member);
  g_assert_false (g_variant_is_floating (value));
  g_assert_cmpstr (g_variant_get_type_string (value), ==, deep_data + 1);
}

int
main (int argc, char **argv)
{
  /* What is used after it was freed is to be seen: before GLib allocates anything. */
  setenv ("G_SLICE", "always-malloc", TRUE);
#ifdef M_PERTURB
  mallopt (M_PERTURB, 0xa5);
#endif

  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/normal/says-the-same", test_says_the_same);
  g_test_add_func ("/normal/large-ones", test_large_ones);
  g_test_add_func ("/normal/too-deep-ones", test_too_deep_ones);
  g_test_add_func ("/normal/body-is-trusted", test_body_is_trusted);

  return g_test_run ();
}
