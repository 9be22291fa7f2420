/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-log-private.h"

#include <stdio.h>
#include <string.h>

/*
 * The library's own structured records: MESSAGE for operational events, INFO
 * for the life cycle, DEBUG for what happens to each lease and job. There is no
 * way to write a WARNING or a CRITICAL here: those are for programmer errors,
 * and either one aborts a program that called g_test_init().
 *
 * A record goes through the program's log writer, which is foreign code: never
 * log with a lock held.
 */
#define ALLOWED_LEVELS (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG)

/* PRIORITY, GLIB_DOMAIN, MESSAGE and LEASEPOOL_EVENT. */
#define N_OWN_FIELDS 4

/*
 * lp_log_wants:
 * @domain: (nullable): the log domain
 * @level: MESSAGE, INFO or DEBUG
 * @subject: what the record is about
 *
 * Whether a record would be written. Ask this before building fields that cost
 * something.
 *
 * MESSAGE and INFO are always wanted. A DEBUG record is wanted when GLib's
 * default writer would show it (`G_MESSAGES_DEBUG`) or when `LP_DEBUG` names
 * its subject; a program with a log writer of its own that wants all DEBUG
 * records sets one of the two. Any thread.
 */
gboolean
lp_log_wants (const char     *domain,
              GLogLevelFlags  level,
              LpDebugFlags    subject)
{
  if (level & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
    return TRUE;

  return lp_debug_enabled (subject) || !g_log_writer_default_would_drop (level, domain);
}

static const char *
level_to_priority (GLogLevelFlags level)
{
  if (level & G_LOG_LEVEL_MESSAGE)
    return "5";
  if (level & G_LOG_LEVEL_INFO)
    return "6";
  return "7";
}

/*
 * For records that LP_DEBUG asked for and the default writer drops. Not
 * g_log_writer_standard_streams(): that sends INFO and DEBUG to stdout, which
 * belongs to the program. One write, so that lines of several threads do not
 * mix.
 */
static void
write_to_stderr (GLogLevelFlags   level,
                 const GLogField *fields,
                 gsize            n_fields)
{
  g_autofree char *line = g_log_writer_format_fields (level, fields, n_fields,
                                                      g_log_writer_supports_color (fileno (stderr)));
  g_autofree char *with_end = g_strconcat (line, "\n", NULL);

  fputs (with_end, stderr);
  fflush (stderr);
}

static void
write_record (const char     *domain,
              GLogLevelFlags  level,
              LpDebugFlags    subject,
              GArray         *fields)
{
  const GLogField *record = (const GLogField *) (gpointer) fields->data;

  if (lp_debug_enabled (subject) && g_log_writer_default_would_drop (level, domain))
    write_to_stderr (level, record, fields->len);

  g_log_structured_array (level, record, fields->len);
}

static void
add_field (GArray     *fields,
           const char *key,
           const char *value)
{
  GLogField field = { key, value, -1 };

  g_array_append_val (fields, field);
}

static void
add_escaped_fields (GArray           *fields,
                    GPtrArray        *texts,
                    const LpLogField *given)
{
  for (; given != NULL && given->key != NULL; given++)
    {
      char *text;

      if (given->value == NULL)
        continue;

      text = lp_log_escape (given->value);
      g_ptr_array_add (texts, text);
      add_field (fields, given->key, text);
    }
}

/*
 * lp_log:
 * @domain: (nullable): the log domain
 * @level: exactly one of MESSAGE, INFO and DEBUG
 * @subject: the `LP_DEBUG` subject of the record
 * @event: the value of `LEASEPOOL_EVENT`, a constant word
 * @fields: (nullable): further fields, ended by a %NULL key
 * @format: a printf format for the text a person reads
 *
 * Writes a structured record if lp_log_wants() it. Control characters in the
 * text and in the values are escaped, so that an owner or a path cannot forge a
 * line. Any thread, no lock held.
 */
void
lp_log (const char       *domain,
        GLogLevelFlags    level,
        LpDebugFlags      subject,
        const char       *event,
        const LpLogField *fields,
        const char       *format,
        ...)
{
  g_autoptr(GPtrArray) texts = NULL;
  g_autoptr(GArray) record = NULL;
  g_autofree char *text = NULL;
  g_autofree char *message = NULL;
  va_list args;

  g_assert ((level & ~ALLOWED_LEVELS) == 0);

  if (!lp_log_wants (domain, level, subject))
    return;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  message = lp_log_escape (text);

  texts = g_ptr_array_new_with_free_func (g_free);
  record = g_array_sized_new (FALSE, FALSE, sizeof (GLogField), N_OWN_FIELDS);
  add_field (record, "PRIORITY", level_to_priority (level));
  if (domain != NULL)
    add_field (record, "GLIB_DOMAIN", domain);
  add_field (record, "MESSAGE", message);
  add_field (record, "LEASEPOOL_EVENT", event);
  add_escaped_fields (record, texts, fields);

  write_record (domain, level, subject, record);
}

static void
append_escaped_bytes (GString    *escaped,
                      const char *bytes,
                      gsize       n_bytes)
{
  for (gsize i = 0; i < n_bytes; i++)
    g_string_append_printf (escaped, "\\x%02x", (guint) (guchar) bytes[i]);
}

/* What makes a terminal or a viewer show other text than there is, or another line. */
static gboolean
misleads (gunichar c)
{
  return g_unichar_iscntrl (c) || c == 0x061c || c == 0x200e || c == 0x200f    /* marks of direction */
         || (c >= 0x2028 && c <= 0x202e)                                      /* ends of lines; directions */
         || (c >= 0x2066 && c <= 0x2069);                                     /* isolates */
}

/*
 * lp_log_is_plain:
 * @text: any bytes
 * @length: how many
 *
 * Tells whether @text has nothing but printable ASCII, as most texts have: that
 * is UTF-8, and lp_log_escape() would leave it as it is. Eight bytes at a time:
 * a log record passes here several times, and GLib takes ten times as long.
 *
 * Returns: %FALSE if it has to be looked at more closely
 */
gboolean
lp_log_is_plain (const char *text,
                 gsize       length)
{
  const guint64 ones = G_GUINT64_CONSTANT (0x0101010101010101);
  gsize i = 0;

  /* The highest bit of a byte is set by one above 0x7f, one below ' ' (or by the
   * borrow of such a one), and one that is 0x7f. */
  for (; length - i >= sizeof (guint64); i += sizeof (guint64))
    {
      guint64 bytes;

      memcpy (&bytes, text + i, sizeof bytes);
      if (((bytes | (bytes - ones * ' ') | (bytes + ones)) & (ones * 0x80)) != 0)
        return FALSE;
    }
  while (i < length && text[i] >= ' ' && text[i] <= '~')
    i++;

  return i == length;
}

/*
 * lp_log_escape:
 * @text: any bytes up to a nul
 *
 * Makes @text fit for one line of a log: control characters (also the two-byte
 * ones, which a terminal may obey), what ends a line or turns the direction of
 * the text, and bytes that are not UTF-8 become `\x` and two digits a byte. All
 * else stays, the backslash too: what comes out is read by people, not parsed
 * back.
 *
 * Returns: (transfer full): valid UTF-8 without control characters
 */
char *
lp_log_escape (const char *text)
{
  GString *escaped = g_string_sized_new (strlen (text));

  while (*text != '\0')
    {
      gunichar c = g_utf8_get_char_validated (text, -1);
      gboolean invalid = c == (gunichar) -1 || c == (gunichar) -2;
      gsize length = invalid ? 1 : (gsize) (g_utf8_next_char (text) - text);

      if (invalid || misleads (c))
        append_escaped_bytes (escaped, text, length);
      else
        g_string_append_len (escaped, text, (gssize) length);

      text += length;
    }

  return g_string_free (escaped, FALSE);
}

static GError *new_error (GQuark domain, int code, const char *format, va_list args) G_GNUC_PRINTF (3, 0);

static GError *
new_error (GQuark      domain,
           int         code,
           const char *format,
           va_list     args)
{
  g_autofree char *text = g_strdup_vprintf (format, args);
  g_autofree char *message = lp_log_escape (text);

  return g_error_new_literal (domain, code, message);
}

/*
 * lp_log_new_error:
 *
 * As g_error_new(), but the message is escaped as lp_log_escape() does it: errors
 * end in logs and on terminals, too.
 */
GError *
lp_log_new_error (GQuark      domain,
                  int         code,
                  const char *format,
                  ...)
{
  GError *error;
  va_list args;

  va_start (args, format);
  error = new_error (domain, code, format, args);
  va_end (args);

  return error;
}

void
lp_log_set_error (GError     **error,
                  GQuark       domain,
                  int          code,
                  const char  *format,
                  ...)
{
  va_list args;

  if (error == NULL)
    return;

  va_start (args, format);
  g_propagate_error (error, new_error (domain, code, format, args));
  va_end (args);
}
