/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The log writer of a worker process. */

#include "config.h"

#include "lp-worker-private.h"

#include <string.h>

#include "lp-service-private.h"

/* What a frame needs besides the texts: the level, the ends of the strings, and
 * where they are. */
#define RECORD_OVERHEAD 128
#define FIELD_OVERHEAD  40
#define MAX_DOMAIN      512

/* The one of the standard levels that is the most severe. */
static GLogLevelFlags
get_severity (GLogLevelFlags level)
{
  for (guint bit = G_LOG_LEVEL_ERROR; bit <= G_LOG_LEVEL_DEBUG; bit <<= 1)
    if ((level & bit) != 0)
      return bit;

  return G_LOG_LEVEL_DEBUG;
}

static gboolean
is_text (const GLogField *field)
{
  return field->length < 0 || g_utf8_validate_len (field->value, (gsize) field->length, NULL);
}

/* Those that have a place of their own in the frame, or mean something to the
 * GLib of this process only. */
static gboolean
is_special (const char *key)
{
  static const char * const special[] = { "MESSAGE", "PRIORITY", "GLIB_DOMAIN", "GLIB_OLD_LOG_API", NULL };

  return g_strv_contains (special, key);
}

static const GLogField *
find_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, key) == 0)
      return &fields[i];

  return NULL;
}

static char *
dup_field (const GLogField *field, gsize max_size)
{
  if (field == NULL || field->value == NULL)
    return g_strdup ("");

  return lp_worker_dup_text (field->value, field->length, max_size);
}

/* What does not fit into ROOM bytes is left out. */
static GVariant *
make_fields (const GLogField *fields, gsize n_fields, gsize room)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  for (gsize i = 0; i < n_fields; i++)
    {
      g_autofree char *key = NULL;
      g_autofree char *value = NULL;
      gsize size;

      if (is_special (fields[i].key) || fields[i].value == NULL || !is_text (&fields[i]))
        continue;

      key = g_utf8_make_valid (fields[i].key, -1);
      value = dup_field (&fields[i], G_MAXSSIZE);
      size = strlen (key) + strlen (value) + FIELD_OVERHEAD;
      if (size > room)
        continue;

      room -= size;
      g_variant_builder_add (&builder, "{ss}", key, value);
    }

  return g_variant_builder_end (&builder);
}

/* The body of a LOG, which fits into a frame: the message is cut to a half. */
static GVariant *
make_record (GLogLevelFlags severity, const GLogField *fields, gsize n_fields, gsize max_body)
{
  g_autofree char *domain = dup_field (find_field (fields, n_fields, "GLIB_DOMAIN"), MAX_DOMAIN);
  g_autofree char *message = dup_field (find_field (fields, n_fields, "MESSAGE"), max_body / 2);
  gsize room = max_body - RECORD_OVERHEAD - strlen (domain) - strlen (message);

  return g_variant_ref_sink (g_variant_new ("(uss@a{ss})", severity, domain, message,
                                            make_fields (fields, n_fields, room)));
}

/* FALSE: the stream is no more. */
static gboolean
send_record (LpWorker *self, GVariant *record)
{
  gboolean open;

  lp_worker_lock (self);
  open = !self->closed && !self->broken;
  if (open)
    {
      lp_channel_send (self->channel, LP_FRAME_LOG, 0, record, NULL);
      lp_worker_flush_locked (self);
    }
  lp_worker_unlock (self);

  return open;
}

/* GLib ends the process itself, except for records of the structured functions
 * that the program made fatal: those are left to the default writer. */
static gboolean
is_fatal_here (LpWorker *self, GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
  return (level & self->fatal_mask) != 0 && find_field (fields, n_fields, "GLIB_OLD_LOG_API") == NULL;
}

static GLogWriterOutput
writer_func (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  LpWorker *self = user_data;
  GLogLevelFlags severity = get_severity (level);
  g_autoptr (GVariant) record = NULL;

  /* In a forked child the stream is the parent's. */
  if (lp_worker_holds_lock () || lp_fork_generation () != self->fork_generation)
    return g_log_writer_standard_streams (level, fields, n_fields, NULL);

  if (severity <= self->log_level)
    {
      record = make_record (severity, fields, n_fields, lp_channel_get_max_body (self->channel));
      if (!send_record (self, record))
        return g_log_writer_default (level, fields, n_fields, NULL);
    }

  if (is_fatal_here (self, level, fields, n_fields))
    return g_log_writer_default (level, fields, n_fields, NULL);
  if (record != NULL && self->log_to_stderr)
    g_log_writer_standard_streams (level, fields, n_fields, NULL);

  return G_LOG_WRITER_HANDLED;
}

/* From here on, for the rest of the process: GLib lets nobody set a writer
 * twice. Each record is with the system when the function that logs returns. */
void
lp_worker_forward_logs (LpWorker *self)
{
  if (self->log_level == 0)
    return;

  self->fatal_mask = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_always_fatal (self->fatal_mask);
  g_log_set_writer_func (writer_func, self, NULL);
}
