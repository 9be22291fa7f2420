/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "lp-log-private.h"

#include <gio/gio.h>

#define DOMAIN "test-domain"

static const LpLogField no_fields[] = { { NULL, NULL } };

/* --- A log writer that keeps the last record --- */

static GHashTable *record;
static GLogLevelFlags record_level;
static guint n_records;

static GLogWriterOutput
capture_writer (GLogLevelFlags   level,
                const GLogField *fields,
                gsize            n_fields,
                gpointer         user_data)
{
  n_records++;
  record_level = level;
  g_hash_table_remove_all (record);
  for (gsize i = 0; i < n_fields; i++)
    {
      g_assert_cmpint (fields[i].length, ==, -1);
      g_assert_true (g_hash_table_insert (record, g_strdup (fields[i].key), g_strdup (fields[i].value)));
    }

  return G_LOG_WRITER_HANDLED;
}

static void
assert_field (const char *key,
              const char *value)
{
  g_assert_cmpstr (g_hash_table_lookup (record, key), ==, value);
}

/* What is read from the environment once can only be tested in a new process. */
static gboolean
in_subprocess_with (const char *variable,
                    const char *value)
{
  if (g_test_subprocess ())
    return TRUE;

  g_setenv (variable, value, TRUE);
  g_test_trap_subprocess (NULL, 0, 0);
  g_unsetenv (variable);
  g_test_trap_assert_passed ();

  return FALSE;
}

/* --- Levels --- */

static void
test_message_and_info_are_always_wanted (void)
{
  g_assert_true (lp_log_wants (DOMAIN, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE));
  g_assert_true (lp_log_wants (DOMAIN, G_LOG_LEVEL_INFO, LP_DEBUG_LEASE));
  g_assert_true (lp_log_wants (NULL, G_LOG_LEVEL_INFO, LP_DEBUG_LEASE));
}

static void
test_debug_is_not_wanted_unasked (void)
{
  guint before = n_records;

  g_assert_false (lp_log_wants (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE));
  lp_log (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE, "event", NULL, "text");

  g_assert_cmpuint (n_records, ==, before);
}

static void
test_debug_is_wanted_if_messages_debug_names_the_domain (void)
{
  guint before = n_records;

  if (!in_subprocess_with ("G_MESSAGES_DEBUG", DOMAIN))
    {
      g_test_trap_assert_stderr_unmatched ("*once only*");
      return;
    }

  g_assert_true (lp_log_wants (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE));
  g_assert_false (lp_log_wants ("other-domain", G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE));
  lp_log (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE, "event", NULL, "once only");

  g_assert_cmpuint (n_records, ==, before + 1);
  g_assert_cmpint (record_level, ==, G_LOG_LEVEL_DEBUG);
}

static void
test_debug_reaches_stderr_if_lp_debug_names_the_subject (void)
{
  guint before = n_records;

  if (!in_subprocess_with ("LP_DEBUG", "lease,sizing"))
    {
      g_test_trap_assert_stderr ("*" DOMAIN "-DEBUG*granted to nobody\n*");
      g_test_trap_assert_stderr_unmatched ("*not asked for*");
      g_test_trap_assert_stdout_unmatched ("*granted to nobody*");
      return;
    }

  g_assert_true (lp_log_wants (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE));
  g_assert_false (lp_log_wants (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_JOB));
  lp_log (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_LEASE, "event", NULL, "granted to %s", "nobody");
  lp_log (DOMAIN, G_LOG_LEVEL_DEBUG, LP_DEBUG_JOB, "event", NULL, "not asked for");

  g_assert_cmpuint (n_records, ==, before + 1);
}

static void
test_info_reaches_stderr_if_lp_debug_names_the_subject (void)
{
  if (!in_subprocess_with ("LP_DEBUG", "executor"))
    {
      g_test_trap_assert_stderr ("*" DOMAIN "-INFO*executor started\n*");
      return;
    }

  lp_log (DOMAIN, G_LOG_LEVEL_INFO, LP_DEBUG_EXECUTOR, "event", NULL, "executor started");
}

static void
test_message_is_not_repeated_on_stderr (void)
{
  if (!in_subprocess_with ("LP_DEBUG", "all"))
    {
      g_test_trap_assert_stderr_unmatched ("*lease revoked*");
      return;
    }

  lp_log (DOMAIN, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE, "event", NULL, "lease revoked");

  assert_field ("MESSAGE", "lease revoked");
}

/* --- Debug keys --- */

static void
test_debug_keys_are_read_once (void)
{
  if (!in_subprocess_with ("LP_DEBUG", "job check"))
    return;

  g_assert_true (lp_debug_enabled (LP_DEBUG_JOB));
  g_assert_true (lp_debug_enabled (LP_DEBUG_CHECK));
  g_assert_true (lp_debug_enabled (LP_DEBUG_LEASE | LP_DEBUG_CHECK));
  g_assert_false (lp_debug_enabled (LP_DEBUG_LEASE));

  g_setenv ("LP_DEBUG", "lease", TRUE);
  g_assert_false (lp_debug_enabled (LP_DEBUG_LEASE));
}

static void
test_debug_all_means_every_key (void)
{
  if (!in_subprocess_with ("LP_DEBUG", "all"))
    return;

  for (LpDebugFlags flag = LP_DEBUG_LEASE; flag <= LP_DEBUG_CHECK; flag <<= 1)
    g_assert_true (lp_debug_enabled (flag));
}

static void
test_debug_help_prints_every_key (void)
{
  const char *keys[] = { "lease", "job", "executor", "sizing", "delivery", "grinder", "check", "all", "help" };

  if (g_test_subprocess ())
    {
      g_assert_false (lp_debug_enabled (LP_DEBUG_LEASE));
      return;
    }

  g_assert_false (in_subprocess_with ("LP_DEBUG", "help"));
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autofree char *pattern = g_strdup_printf ("*\n  %s *", keys[i]);

      g_test_trap_assert_stderr (pattern);
    }
}

/* --- Records --- */

static void
test_record_has_its_fields (void)
{
  const LpLogField fields[] = {
    { "LEASE_ID", "12" },
    { "OWNER", "indexer" },
    { NULL, NULL },
  };

  lp_log (DOMAIN, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE, "lease-revoked", fields, "lease %d revoked", 12);

  g_assert_cmpint (record_level, ==, G_LOG_LEVEL_MESSAGE);
  g_assert_cmpuint (g_hash_table_size (record), ==, 6);
  assert_field ("PRIORITY", "5");
  assert_field ("GLIB_DOMAIN", DOMAIN);
  assert_field ("MESSAGE", "lease 12 revoked");
  assert_field ("LEASEPOOL_EVENT", "lease-revoked");
  assert_field ("LEASE_ID", "12");
  assert_field ("OWNER", "indexer");
}

static void
test_priority_follows_the_level (void)
{
  lp_log (DOMAIN, G_LOG_LEVEL_INFO, LP_DEBUG_LEASE, "event", NULL, "text");

  g_assert_cmpint (record_level, ==, G_LOG_LEVEL_INFO);
  assert_field ("PRIORITY", "6");
}

static void
test_fields_may_be_absent (void)
{
  const LpLogField fields[] = { { "OWNER", NULL }, { "LEASE_ID", "1" }, { NULL, NULL } };

  lp_log (NULL, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE, "event", fields, "text");
  g_assert_cmpuint (g_hash_table_size (record), ==, 4);
  assert_field ("LEASE_ID", "1");

  lp_log (NULL, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE, "event", no_fields, "text");
  g_assert_cmpuint (g_hash_table_size (record), ==, 3);

  lp_log (NULL, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE, "event", NULL, "text");
  g_assert_cmpuint (g_hash_table_size (record), ==, 3);
}

static void
test_record_is_escaped (void)
{
  const LpLogField fields[] = { { "OWNER", "a\nb" }, { NULL, NULL } };

  lp_log (DOMAIN, G_LOG_LEVEL_MESSAGE, LP_DEBUG_LEASE, "event", fields, "held by %s", "a\nb\x1b[31m");

  assert_field ("OWNER", "a\\x0ab");
  assert_field ("MESSAGE", "held by a\\x0ab\\x1b[31m");
}

static void
test_warnings_cannot_be_written (void)
{
  if (g_test_subprocess ())
    {
      lp_log (DOMAIN, G_LOG_LEVEL_WARNING, LP_DEBUG_LEASE, "event", NULL, "text");
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*ALLOWED_LEVELS*");
}

/* --- Escaping --- */

static void
test_escape (void)
{
  const struct
  {
    const char *text;
    const char *escaped;
  } cases[] = {
    { "", "" },
    { "plain text, with \\ and %s", "plain text, with \\ and %s" },
    { "grün 漢字 🙂", "grün 漢字 🙂" },
    { "a\nb\r\tc", "a\\x0ab\\x0d\\x09c" },
    { "\x1b[2J\x7f", "\\x1b[2J\\x7f" },
    /* U+009B is a control sequence introducer in one character. */
    { "\xc2\x9b" "31m", "\\xc2\\x9b31m" },
    /* What turns the direction of text, to the right and back, and what ends a line or a paragraph. */
    { "\u202e" "a\u202c", "\\xe2\\x80\\xaea\\xe2\\x80\\xac" },
    { "\u2066" "a\u2069\u200e\u200f\u061c", "\\xe2\\x81\\xa6a\\xe2\\x81\\xa9\\xe2\\x80\\x8e\\xe2\\x80\\x8f\\xd8\\x9c" },
    { "\u2028\u2029", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9" },
    { "\u2027\u202f\u2065\u206a", "\u2027\u202f\u2065\u206a" },
    { "\xff" "a", "\\xffa" },
    /* Cut in the middle of a character, and an overlong newline. */
    { "a\xe6\xbc", "a\\xe6\\xbc" },
    { "\xc0\x8a", "\\xc0\\x8a" },
    { "\xed\xa0\x80", "\\xed\\xa0\\x80" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *escaped = lp_log_escape (cases[i].text);

      g_assert_cmpstr (escaped, ==, cases[i].escaped);
      g_assert_true (g_utf8_validate (escaped, -1, NULL));
    }
}

/* Each byte at each place of a text, which is looked at eight bytes at a time. */
static void
test_plain_is_printable_ascii (void)
{
  char text[20];

  for (gsize length = 0; length <= sizeof text; length++)
    for (gsize at = 0; at < length; at++)
      for (int byte = 0; byte <= G_MAXUINT8; byte++)
        {
          memset (text, 'x', sizeof text);
          text[at] = (char) byte;
          if (lp_log_is_plain (text, length) != (byte >= ' ' && byte <= '~'))
            g_error ("the byte 0x%02x at %zu of %zu", (guint) byte, at, length);
        }

  g_assert_true (lp_log_is_plain ("", 0));
  g_assert_true (lp_log_is_plain ("nothing is read behind\n", 22));
}

static void
test_error_is_escaped (void)
{
  g_autoptr(GError) error = lp_log_new_error (G_IO_ERROR, G_IO_ERROR_EXISTS, "%s is %d", "a\nb\x1b", 7);

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpstr (error->message, ==, "a\\x0ab\\x1b is 7");

  g_clear_error (&error);
  lp_log_set_error (&error, G_IO_ERROR, G_IO_ERROR_EXISTS, "%s", "\r");
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpstr (error->message, ==, "\\x0d");

  /* Nobody wants to know. */
  lp_log_set_error (NULL, G_IO_ERROR, G_IO_ERROR_EXISTS, "%s", "\r");
}

int
main (int   argc,
      char *argv[])
{
  int status;

  /* Each case sets what it needs. Before anything reads it. */
  if (g_strcmp0 (g_getenv ("LP_TEST_LOG_CHILD"), "1") != 0)
    {
      g_unsetenv ("LP_DEBUG");
      g_unsetenv ("G_MESSAGES_DEBUG");
      g_setenv ("LP_TEST_LOG_CHILD", "1", TRUE);
    }

  g_test_init (&argc, &argv, NULL);

  record = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_log_set_writer_func (capture_writer, NULL, NULL);

  g_test_add_func ("/log/message-and-info-are-always-wanted", test_message_and_info_are_always_wanted);
  g_test_add_func ("/log/debug-is-not-wanted-unasked", test_debug_is_not_wanted_unasked);
  g_test_add_func ("/log/debug-is-wanted-if-messages-debug-names-the-domain",
                   test_debug_is_wanted_if_messages_debug_names_the_domain);
  g_test_add_func ("/log/debug-reaches-stderr-if-lp-debug-names-the-subject",
                   test_debug_reaches_stderr_if_lp_debug_names_the_subject);
  g_test_add_func ("/log/info-reaches-stderr-if-lp-debug-names-the-subject",
                   test_info_reaches_stderr_if_lp_debug_names_the_subject);
  g_test_add_func ("/log/message-is-not-repeated-on-stderr", test_message_is_not_repeated_on_stderr);
  g_test_add_func ("/log/debug-keys-are-read-once", test_debug_keys_are_read_once);
  g_test_add_func ("/log/debug-all-means-every-key", test_debug_all_means_every_key);
  g_test_add_func ("/log/debug-help-prints-every-key", test_debug_help_prints_every_key);
  g_test_add_func ("/log/record-has-its-fields", test_record_has_its_fields);
  g_test_add_func ("/log/priority-follows-the-level", test_priority_follows_the_level);
  g_test_add_func ("/log/fields-may-be-absent", test_fields_may_be_absent);
  g_test_add_func ("/log/record-is-escaped", test_record_is_escaped);
  g_test_add_func ("/log/warnings-cannot-be-written", test_warnings_cannot_be_written);
  g_test_add_func ("/log/escape", test_escape);
  g_test_add_func ("/log/plain-is-printable-ascii", test_plain_is_printable_ascii);
  g_test_add_func ("/log/error-is-escaped", test_error_is_escaped);

  status = g_test_run ();
  g_hash_table_unref (record);

  return status;
}
