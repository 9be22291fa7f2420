/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The containers that are serialized by hand: byte for byte what GVariant makes of them, and nothing else is read. */

#include "config.h"

#include "lp-frame-private.h"
#include "lp-serial-private.h"

#include <string.h>

typedef struct
{
  const char *domain;
  gsize message_size;
  guint n_fields;
  gsize value_size;
} Shape;

/* Their sizes are around those where offsets become larger. */
static const Shape shapes[] = {
  { "", 0, 0, 0 },
  { "domain", 20, 0, 0 },
  { "domain", 235, 0, 0 },
  { "domain", 236, 0, 0 },
  { "domain", 237, 0, 0 },
  { "domain", 238, 0, 0 },
  { "domain", 239, 0, 0 },
  { "domäne", 300, 1, 0 },
  { "d", 1, 3, 10 },
  { "d", 0, 20, 240 },
  { "d", 0, 2, 245 },
  { "d", 0, 2, 246 },
  { "d", 0, 2, 247 },
  { "d", 0, 2, 248 },
  { "d", 65500, 0, 0 },
  { "d", 65521, 0, 0 },
  { "d", 65522, 0, 0 },
  { "d", 65523, 0, 0 },
  { "d", 65524, 0, 0 },
  { "d", 65525, 0, 0 },
  { "d", 65526, 0, 0 },
  { "d", 65527, 0, 0 },
  { "d", 5, 300, 230 },
  { "d", 5, 2, 70000 },
};

static char *
make_text (gsize size)
{
  char *text = g_malloc (size + 1);

  memset (text, 'x', size);
  text[size] = '\0';
  return text;
}

static GVariant *
new_by_glib (const Shape *shape, const char *message, const char *value)
{
  GVariantBuilder fields;

  g_variant_builder_init (&fields, G_VARIANT_TYPE ("a{ss}"));
  for (guint i = 0; i < shape->n_fields; i++)
    {
      g_autofree char *key = g_strdup_printf ("KEY_%u", i);

      g_variant_builder_add (&fields, "{ss}", key, value);
    }

  return g_variant_ref_sink (g_variant_new ("(ussa{ss})", 16, shape->domain, message, &fields));
}

static void
write_by_hand (LpSerial *serial, const Shape *shape, const char *message, const char *value)
{
  g_autofree gsize *field_ends = g_new (gsize, shape->n_fields + 1);
  gsize ends[2];
  LpSerialContainer record, fields;
  guint32 level = 16;

  lp_serial_begin (serial, &record, ends);
  lp_serial_add (serial, &level, sizeof level);
  lp_serial_add_string (serial, shape->domain);
  lp_serial_end_child (serial, &record);
  lp_serial_add_string (serial, message);
  lp_serial_end_child (serial, &record);

  lp_serial_begin (serial, &fields, field_ends);
  for (guint i = 0; i < shape->n_fields; i++)
    {
      g_autofree char *key = g_strdup_printf ("KEY_%u", i);

      lp_serial_add_pair (serial, key, value, strlen (value));
      lp_serial_end_child (serial, &fields);
    }
  lp_serial_end_array (serial, &fields);
  lp_serial_end_tuple (serial, &record);
}

static void
assert_read (const LpSerial *serial, const Shape *shape, const char *message, const char *value)
{
  LpSerialLog log;
  const char *key, *text;
  gsize index = 0;

  g_assert_true (lp_serial_read_log (serial->data, serial->size, &log));
  g_assert_cmpuint (log.level, ==, 16);
  g_assert_cmpstr (log.domain, ==, shape->domain);
  g_assert_cmpstr (log.message, ==, message);
  for (guint i = 0; i < shape->n_fields; i++)
    {
      g_autofree char *expected = g_strdup_printf ("KEY_%u", i);

      g_assert_true (lp_serial_next_pair (log.fields, log.fields_size, &index, &key, &text));
      g_assert_cmpstr (key, ==, expected);
      g_assert_cmpstr (text, ==, value);
    }
  g_assert_false (lp_serial_next_pair (log.fields, log.fields_size, &index, &key, &text));
}

static void
test_log (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      g_autofree char *message = make_text (shapes[i].message_size);
      g_autofree char *value = make_text (shapes[i].value_size);
      g_autoptr (GVariant) expected = new_by_glib (&shapes[i], message, value);
      g_auto (LpSerial) serial = LP_SERIAL_INIT;

      write_by_hand (&serial, &shapes[i], message, value);
      g_assert_cmpmem (serial.data, serial.size, g_variant_get_data (expected), g_variant_get_size (expected));
      assert_read (&serial, &shapes[i], message, value);
    }
}

static gboolean
is_normal_to_glib (gconstpointer data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE ("(ussa{ss})"), bytes, FALSE));
  g_autoptr (GVariant) level = g_variant_get_child_value (value, 0);
  g_autoptr (GVariant) domain = g_variant_get_child_value (value, 1);
  g_autoptr (GVariant) message = g_variant_get_child_value (value, 2);
  g_autoptr (GVariant) fields = g_variant_get_child_value (value, 3);
  g_autoptr (GVariant) anew = NULL;
  GVariantBuilder builder;

  if (!g_variant_is_normal_form (value))
    return FALSE;

  /* GLib lets larger offsets pass than there have to be. */
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  for (gsize i = 0; i < g_variant_n_children (fields); i++)
    {
      const char *key, *text;

      g_variant_get_child (fields, i, "{&s&s}", &key, &text);
      g_variant_builder_add (&builder, "{ss}", key, text);
    }
  anew = g_variant_ref_sink (g_variant_new ("(uss@a{ss})", g_variant_get_uint32 (level),
                                            g_variant_get_string (domain, NULL), g_variant_get_string (message, NULL),
                                            g_variant_builder_end (&builder)));
  return g_variant_get_size (anew) == size && memcmp (g_variant_get_data (anew), data, size) == 0;
}

static void
assert_same_answer (gconstpointer data, gsize size)
{
  /* A copy of that very size, so that a read beyond it is seen by who looks for such. */
  g_autofree guint8 *copy = g_memdup2 (data, size);
  LpSerialLog log;

  g_assert_cmpint (lp_serial_read_log (copy, size, &log), ==, is_normal_to_glib (copy, size));
}

/* Each byte as others, and each length. */
static void
mutate (const LpSerial *serial)
{
  static const guint8 others[] = { 0, 1, 4, 5, 0x7f, 0x80, 0xff };

  for (gsize i = 0; i < serial->size; i++)
    {
      guint8 before = serial->data[i];

      for (gsize j = 0; j < G_N_ELEMENTS (others); j++)
        {
          serial->data[i] = others[j];
          assert_same_answer (serial->data, serial->size);
        }
      for (int difference = -2; difference <= 2; difference++)
        {
          serial->data[i] = (guint8) (before + difference);
          assert_same_answer (serial->data, serial->size);
        }
      serial->data[i] = before;
    }

  for (gsize size = 0; size < serial->size; size++)
    assert_same_answer (serial->data, size);
}

static void
test_log_that_is_not_normal (void)
{
  static const Shape mutated[] = { { "", 0, 0, 0 }, { "dom", 4, 2, 3 }, { "d", 1, 1, 250 }, { "d", 240, 3, 0 } };

  for (gsize i = 0; i < G_N_ELEMENTS (mutated); i++)
    {
      g_autofree char *message = make_text (mutated[i].message_size);
      g_autofree char *value = make_text (mutated[i].value_size);
      g_auto (LpSerial) serial = LP_SERIAL_INIT;

      write_by_hand (&serial, &mutated[i], message, value);
      mutate (&serial);
    }
}

/* The size of the offsets is that of the value with them: 253 bytes do with two of one byte, but with two of two bytes
 * they are as many as have such. */
static void
test_log_with_wide_offsets (void)
{
  enum { END = 253, DOMAIN_END = 6 };
  g_auto (LpSerial) serial = LP_SERIAL_INIT;
  g_autofree char *message = make_text (END - DOMAIN_END - 1);
  const guint8 offsets[] = { END, 0, DOMAIN_END, 0 };
  guint32 level = 16;

  lp_serial_add (&serial, &level, sizeof level);
  lp_serial_add_string (&serial, "d");
  lp_serial_add_string (&serial, message);
  g_assert_cmpuint (serial.size, ==, END);
  lp_serial_add (&serial, offsets, sizeof offsets);

  assert_same_answer (serial.data, serial.size);
  g_assert_false (lp_serial_read_log (serial.data, serial.size, &(LpSerialLog) { 0 }));
}

static GVariant *
new_dictionary_by_glib (const char *text, guint32 number, guint64 large)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "number", g_variant_new_uint32 (number));
  g_variant_builder_add (&builder, "{sv}", "text", g_variant_new_string (text));
  g_variant_builder_add (&builder, "{sv}", "large", g_variant_new_uint64 (large));
  g_variant_builder_add (&builder, "{sv}", "nothing", g_variant_new ("a{ss}", NULL));

  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static void
test_dictionary (void)
{
  for (gsize size = 0; size < 600; size++)
    {
      g_autofree char *text = make_text (size);
      guint32 number = 77;
      guint64 large = G_GUINT64_CONSTANT (0x1122334455667788);
      g_autoptr (GVariant) expected = new_dictionary_by_glib (text, number, large);
      g_autoptr (GVariant) value = NULL;
      LpSerial serial = LP_SERIAL_INIT;
      LpSerialContainer dictionary;
      gsize ends[4];

      lp_serial_begin (&serial, &dictionary, ends);
      lp_serial_add_entry (&serial, &dictionary, "number", "u", &number, sizeof number);
      lp_serial_add_entry (&serial, &dictionary, "text", "s", text, size + 1);
      lp_serial_add_entry (&serial, &dictionary, "large", "t", &large, sizeof large);
      lp_serial_add_entry (&serial, &dictionary, "nothing", "a{ss}", NULL, 0);
      lp_serial_end_array (&serial, &dictionary);
      value = lp_serial_end_variant (&serial, G_VARIANT_TYPE_VARDICT);

      g_assert_cmpmem (g_variant_get_data (value), g_variant_get_size (value), g_variant_get_data (expected),
                       g_variant_get_size (expected));
      g_assert_cmpvariant (value, expected);
    }
}

/* --- CALL and RESULT --- */

static const char * const values[] = { NULL, "()", "(uint32 5,)", "'text'", "b'bytes'", "<<int16 -3>>", "('a', <[(1, 'b')]>)",
                                       "@mv nothing", "{'key': <'value'>}", "(@ms nothing, true, 0.5)" };

static GVariant *
parse (gsize index)
{
  return values[index] != NULL ? g_variant_ref_sink (g_variant_new_parsed (values[index])) : NULL;
}

static GVariant *
new_call_by_glib (const char *name, GVariant *parameters)
{
  return g_variant_ref_sink (g_variant_new ("(sm@v)", name,
                                            parameters != NULL ? g_variant_new_variant (parameters) : NULL));
}

static void
test_call_and_result (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    for (gsize length = 0; length < 260; length++)
      {
        g_autofree char *name = make_text (length);
        g_autoptr (GVariant) value = parse (i);
        g_autoptr (GVariant) call = new_call_by_glib (name, value);
        g_autoptr (GVariant) result = value != NULL ? g_variant_ref_sink (g_variant_new_variant (value)) : NULL;
        g_auto (LpSerial) by_hand = LP_SERIAL_INIT;
        g_auto (LpSerial) result_by_hand = LP_SERIAL_INIT;

        lp_serial_add_call (&by_hand, name, value);
        g_assert_cmpmem (by_hand.data, by_hand.size, g_variant_get_data (call), g_variant_get_size (call));
        if (value == NULL)
          continue;

        lp_serial_add_variant (&result_by_hand, value);
        g_assert_cmpmem (result_by_hand.data, result_by_hand.size, g_variant_get_data (result), g_variant_get_size (result));
      }
}

static GVariant *
rebuild (LpFrameType type, GVariant *body)
{
  g_autoptr (GVariant) name = NULL;
  g_autoptr (GVariant) variant = NULL;
  g_autoptr (GVariant) value = NULL;

  if (type == LP_FRAME_RESULT)
    {
      value = g_variant_get_variant (body);
      return g_variant_ref_sink (g_variant_new_variant (value));
    }

  g_variant_get (body, "(@sm@v)", &name, &variant);
  return g_variant_ref_sink (g_variant_new ("(@sm@v)", name, variant));
}

/* Normal, and with no offset that is wider than it must be. */
static gboolean
is_right_to_glib (LpFrameType type, GBytes *bytes)
{
  g_autoptr (GVariant) body = g_variant_ref_sink (g_variant_new_from_bytes (lp_frame_type_get_body_type (type), bytes, FALSE));
  g_autoptr (GVariant) anew = NULL;
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  if (!g_variant_is_normal_form (body))
    return FALSE;

  anew = rebuild (type, body);
  return g_variant_get_size (anew) == size && memcmp (g_variant_get_data (anew), data, size) == 0;
}

static void
assert_value (LpFrameType type, const LpFrame *frame)
{
  g_autoptr (GVariant) expected = NULL;

  if (type == LP_FRAME_RESULT)
    expected = g_variant_get_variant (frame->body);
  else
    g_variant_get_child (frame->body, 1, "mv", &expected);

  g_assert_cmpint (expected != NULL, ==, frame->value != NULL);
  if (expected != NULL)
    g_assert_cmpvariant (expected, frame->value);
}

/* What is read in the buffer of a channel is the same as EXPECTED, NULL if that is refused: at any address, and the value
 * for longer than the buffer. */
static void
assert_same_in_place (LpFrameType type, gconstpointer data, gsize size, const LpFrame *expected)
{
  g_autofree guint8 *buffer = g_malloc (size + 1);
  LpFrameHeader header = { type, 0, 1, size };
  g_autoptr (GError) error = NULL;
  LpFrame frame = { 0 };

  memcpy (buffer + 1, data, size);
  g_assert_true (lp_frame_can_unpack_in_place (&header));
  g_assert_cmpint (lp_frame_unpack_in_place (&header, buffer + 1, &frame, &error), ==, expected != NULL);
  g_assert_cmpint (error == NULL, ==, expected != NULL);
  if (expected != NULL)
    g_assert_cmpstr (frame.name, ==, expected->name);

  memset (buffer, 0xff, size + 1);
  g_assert_cmpint (frame.value != NULL, ==, expected != NULL && expected->value != NULL);
  if (frame.value != NULL)
    g_assert_cmpvariant (frame.value, expected->value);
  lp_frame_clear (&frame);
}

static void
assert_same_frame (LpFrameType type, gconstpointer data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  LpFrameHeader header = { type, 0, 1, size };
  gboolean expected = is_right_to_glib (type, bytes);
  g_autoptr (GError) error = NULL;
  LpFrame frame = { 0 };

  g_assert_cmpint (lp_frame_unpack (&header, bytes, &frame, &error), ==, expected);
  g_assert_cmpint (error == NULL, ==, expected);
  if (expected)
    assert_value (type, &frame);
  assert_same_in_place (type, data, size, expected ? &frame : NULL);
  lp_frame_clear (&frame);
}

static void
mutate_frame (LpFrameType type, GVariant *body)
{
  static const guint8 others[] = { 0, 1, 8, '(', ')', 'v', 'm', 'y', 0xff };
  gsize size = g_variant_get_size (body);
  g_autofree guint8 *data = g_memdup2 (g_variant_get_data (body), size);

  assert_same_frame (type, data, size);
  for (gsize i = 0; i < size; i++)
    {
      guint8 before = data[i];

      for (gsize j = 0; j < G_N_ELEMENTS (others); j++)
        {
          data[i] = others[j];
          assert_same_frame (type, data, size);
        }
      data[i] = (guint8) (before + 1);
      assert_same_frame (type, data, size);
      data[i] = (guint8) (before - 1);
      assert_same_frame (type, data, size);
      data[i] = before;
    }
  for (gsize cut = 0; cut < size; cut++)
    assert_same_frame (type, data, cut);
}

static void
test_call_and_result_that_are_not_normal (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autoptr (GVariant) value = parse (i);
      g_autoptr (GVariant) call = new_call_by_glib ("call", value);
      g_autoptr (GVariant) result = value != NULL ? g_variant_ref_sink (g_variant_new_variant (value)) : NULL;

      mutate_frame (LP_FRAME_CALL, call);
      if (result != NULL)
        mutate_frame (LP_FRAME_RESULT, result);
    }
}

/* No bytes are no address, either: the sanitizers see to it that nothing counts from there. */
static void
test_nothing_at_all (void)
{
  g_assert_false (lp_serial_read_variant (NULL, 0, &(LpSerialVariant) { 0 }));
  g_assert_false (lp_serial_read_call (NULL, 0, &(LpSerialCall) { 0 }));
  g_assert_false (lp_serial_read_log (NULL, 0, &(LpSerialLog) { 0 }));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/serial/nothing-at-all-is-not-read", test_nothing_at_all);
  g_test_add_func ("/serial/log-is-as-glib-makes-it", test_log);
  g_test_add_func ("/serial/only-the-normal-form-of-a-log-is-read", test_log_that_is_not_normal);
  g_test_add_func ("/serial/offsets-of-a-log-are-no-wider-than-they-must-be", test_log_with_wide_offsets);
  g_test_add_func ("/serial/dictionary-is-as-glib-makes-it", test_dictionary);
  g_test_add_func ("/serial/call-and-result-are-as-glib-makes-them", test_call_and_result);
  g_test_add_func ("/serial/only-the-normal-form-of-a-call-and-a-result-is-read", test_call_and_result_that_are_not_normal);

  return g_test_run ();
}
