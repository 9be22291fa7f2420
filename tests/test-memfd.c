/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Values in files in memory: byte for byte what they serialize to, whatever they are made of. */

#include "config.h"

#include "lp-memfd-private.h"

#include <string.h>
#include <unistd.h>

#include "lp-parts-private.h"

#define LARGE (200 * 1024)

static GVariant *
new_bytes (gsize size, guint8 byte)
{
  guint8 *bytes = g_malloc (size);

  memset (bytes, byte, size);
  return g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, bytes, size, TRUE, g_free, bytes);
}

static GVariant *
new_text (gsize size)
{
  g_autofree char *text = g_strnfill (size, 't');

  return g_variant_new_string (text);
}

static GVariant *
new_numbers (void)
{
  g_autofree guint64 *numbers = g_new0 (guint64, LARGE / 8);

  numbers[7] = 7;
  return g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, numbers, LARGE / 8, 8);
}

static GVariant *
new_texts (void)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < 5000; i++)
    g_variant_builder_add (&builder, "s", "one of many texts");
  return g_variant_builder_end (&builder);
}

static GVariant *
new_call (GVariant *parameters)
{
  return g_variant_new ("(sm@v)", "function", g_variant_new_variant (parameters));
}

static GVariant *
make (guint index)
{
  switch (index)
    {
    case 0: return new_bytes (LARGE, 'x');
    case 1: return new_call (g_variant_new ("(@ay)", new_bytes (LARGE, 'x')));
    case 2: return new_call (g_variant_new ("(y@ayn@ayit)", 1, new_bytes (LARGE, 'x'), 2, new_bytes (LARGE + 1, 'y'), 3,
                                            G_GUINT64_CONSTANT (4)));
    case 3: return g_variant_new_variant (new_text (LARGE));
    case 4: return g_variant_new ("(s@atsm@ay)", "before", new_numbers (), "after", new_bytes (LARGE, 'z'));
    case 5: return g_variant_new ("(@asu)", new_texts (), 5);
    case 6: return g_variant_new ("(@ayv)", new_bytes (LARGE, 'x'), new_texts ());
    case 7: return new_bytes (16, 'x');
    case 8: return new_call (g_variant_new ("(@ay)", new_bytes (65536, 'x')));
    case 9: return new_call (g_variant_new ("(@ay@ay)", new_bytes (40000, 'x'), new_bytes (40000, 'y')));
    case 10: return g_variant_new ("(@ay(dy)m(@ayb))", new_bytes (LARGE, 'x'), 0.5, 3, TRUE, new_bytes (LARGE, 'w'), TRUE);
    default: return NULL;
    }
}

#define N_VALUES 11

static void
assert_file (int fd, GVariant *value)
{
  gsize size = g_variant_get_size (value);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = lp_memfd_map (fd, size, &error);

  g_assert_no_error (error);
  /* Whoever does not map it reads from where it is. */
  g_assert_cmpint (lseek (fd, 0, SEEK_CUR), ==, 0);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), g_variant_get_data (value), size);
  close (fd);
}

static void
test_as_serialized (void)
{
  for (guint i = 0; i < N_VALUES; i++)
    {
      g_autoptr (GVariant) tree = g_variant_ref_sink (make (i));
      g_autoptr (GVariant) same = g_variant_ref_sink (make (i));
      g_autoptr (GError) error = NULL;
      int fd = lp_memfd_new_for_variant (tree, &error);

      g_assert_no_error (error);
      assert_file (fd, same);

      /* And once it is serialized, which that has done. */
      fd = lp_memfd_new_for_variant (same, &error);
      g_assert_no_error (error);
      assert_file (fd, same);
    }
}

/* Made of bytes that are not normal: they go as they are, and the other side refuses them. */
static void
test_not_normal (void)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(@ays)", new_bytes (LARGE, 'x'), "text"));
  gsize size = g_variant_get_size (value);
  g_autofree guint8 *data = g_memdup2 (g_variant_get_data (value), size);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) wrong = NULL;
  g_autoptr (GError) error = NULL;

  memset (data + size - 4, 0xff, 4);
  bytes = g_bytes_new (data, size);
  wrong = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE ("(ays)"), bytes, FALSE));
  assert_file (lp_memfd_new_for_variant (wrong, &error), wrong);
  g_assert_no_error (error);
}

static void
test_equal (void)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (make (2));
  gsize size = g_variant_get_size (value);
  g_autofree guint8 *data = NULL;
  g_auto (LpParts) parts = { NULL };

  g_assert_true (lp_parts_init (&parts, value, FALSE));
  data = g_memdup2 (g_variant_get_data (value), size);
  g_assert_true (lp_parts_equal (&parts, data, size));
  g_assert_false (lp_parts_equal (&parts, data, size - 1));
  for (gsize i = 0; i < size; i += i < 64 || i > size - 64 ? 1 : 1009)
    {
      data[i] ^= 1;
      g_assert_false (lp_parts_equal (&parts, data, size));
      data[i] ^= 1;
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/memfd/is-what-the-value-serializes-to", test_as_serialized);
  g_test_add_func ("/memfd/what-is-not-normal-is-not-mended", test_not_normal);
  g_test_add_func ("/memfd/parts-are-equal-to-their-bytes-only", test_equal);

  return g_test_run ();
}
