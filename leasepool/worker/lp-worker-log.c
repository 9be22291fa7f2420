/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The log writer of a worker process. */

#include "config.h"

#include "lp-worker-private.h"

#include <string.h>

#include "lp-log-private.h"
#include "lp-serial-private.h"
#include "lp-service-private.h"

/* What a frame needs besides the texts: the level, the ends of the strings, and
 * where they are. */
#define RECORD_OVERHEAD 128
#define FIELD_OVERHEAD  40
#define MAX_DOMAIN      512

/* More memory is not kept for the next record. */
#define MAX_KEPT        4096

/* The one of the standard levels that is the most severe. */
static GLogLevelFlags
get_severity (GLogLevelFlags level)
{
  for (guint bit = G_LOG_LEVEL_ERROR; bit <= G_LOG_LEVEL_DEBUG; bit <<= 1)
    if ((level & bit) != 0)
      return bit;

  return G_LOG_LEVEL_DEBUG;
}

/* The fields that have a place of their own in the frame, or mean something to
 * the GLib of this process only. */
typedef enum
{
  FIELD_MESSAGE,
  FIELD_DOMAIN,
  FIELD_PRIORITY,
  FIELD_OLD_API,
  FIELD_OTHER,
} FieldKind;

static FieldKind
get_kind (const char *key)
{
  static const char * const keys[] = { "MESSAGE", "GLIB_DOMAIN", "PRIORITY", "GLIB_OLD_LOG_API" };
  FieldKind kind = 0;

  while (kind < FIELD_OTHER && (key[0] != keys[kind][0] || strcmp (key, keys[kind]) != 0))
    kind++;

  return kind;
}

/* What GLib gives the writer, looked through once. */
typedef struct
{
  const GLogField *fields;
  gsize n_fields;
  const GLogField *special[FIELD_OTHER]; /* (nullable) the first one of each kind */
  gsize n_others;
} Fields;

static Fields
look_through (const GLogField *fields, gsize n_fields)
{
  Fields self = { fields, n_fields, { NULL }, 0 };

  for (gsize i = 0; i < n_fields; i++)
    {
      FieldKind kind = get_kind (fields[i].key);

      if (kind == FIELD_OTHER)
        self.n_others++;
      else if (self.special[kind] == NULL)
        self.special[kind] = &fields[i];
    }

  return self;
}

typedef struct
{
  const char *bytes;            /* UTF-8; need not end with a zero byte */
  gsize length;
  char *made;                   /* (owned) (nullable) what bytes are, if they are not those of the caller */
} Text;

static void
text_clear (Text *self)
{
  g_free (self->made);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Text, text_clear)

/* At most MAX_SIZE bytes of it. Not copied, if it is as it is to be. */
static Text
text_new (gconstpointer bytes, gssize length, gsize max_size)
{
  Text self = { bytes, length >= 0 ? (gsize) length : strlen (bytes), NULL };

  if (self.length > max_size
      || (!lp_log_is_plain (bytes, self.length) && !g_utf8_validate_len (bytes, self.length, NULL)))
    {
      self.bytes = self.made = lp_worker_dup_text (bytes, length, max_size);
      self.length = strlen (self.bytes);
    }

  return self;
}

static Text
text_of_field (const GLogField *field, gsize max_size)
{
  if (field == NULL || field->value == NULL)
    return (Text) { "", 0, NULL };

  return text_new (field->value, field->length, max_size);
}

/* Returns the size that it has taken from ROOM; what does not fit is left out, and so is what is not text. */
static gsize
add_field (LpSerial *serial, LpSerialContainer *added, const GLogField *field, gsize room)
{
  g_auto (Text) key = text_new (field->key, -1, G_MAXSSIZE);
  g_auto (Text) value = text_of_field (field, G_MAXSSIZE);
  gsize size = key.length + value.length + FIELD_OVERHEAD;

  if ((field->length >= 0 && value.made != NULL) || size > room)
    return 0;

  lp_serial_add_pair (serial, key.bytes, value.bytes, value.length);
  lp_serial_end_child (serial, added);
  return size;
}

/* Those that have no place of their own. */
static void
add_fields (LpSerial *serial, const Fields *fields, gsize room)
{
  g_autofree gsize *ends = fields->n_others > 0 ? g_new (gsize, fields->n_others) : NULL;
  LpSerialContainer added;

  lp_serial_begin (serial, &added, ends);
  for (gsize i = 0; fields->n_others > 0 && i < fields->n_fields; i++)
    if (fields->fields[i].value != NULL && get_kind (fields->fields[i].key) == FIELD_OTHER)
      room -= add_field (serial, &added, &fields->fields[i], room);
  lp_serial_end_array (serial, &added);
}

/* The body of a LOG, which fits into a frame: the message is cut to a half. By hand, since with a GVariant it takes
 * longer than to write it to the system. */
static void
make_record (LpSerial *serial, GLogLevelFlags severity, const Fields *fields, gsize max_body)
{
  g_auto (Text) domain = text_of_field (fields->special[FIELD_DOMAIN], MAX_DOMAIN);
  g_auto (Text) message = text_of_field (fields->special[FIELD_MESSAGE], max_body / 2);
  guint32 level = GUINT32_TO_LE ((guint32) severity);
  LpSerialContainer record;
  gsize ends[2];

  lp_serial_begin (serial, &record, ends);
  lp_serial_add (serial, &level, sizeof level);
  lp_serial_add_text (serial, domain.bytes, domain.length);
  lp_serial_end_child (serial, &record);
  lp_serial_add_text (serial, message.bytes, message.length);
  lp_serial_end_child (serial, &record);
  add_fields (serial, fields, max_body - RECORD_OVERHEAD - domain.length - message.length);
  lp_serial_end_tuple (serial, &record);
}

/* Its memory is that of the last one. The lock is needed to write it anyway. */
static void
send_record_locked (LpWorker *self, GLogLevelFlags severity, const Fields *fields)
{
  LpSerial *frame = &self->record;

  frame->size = 0;
  lp_serial_skip (frame, LP_FRAME_HEADER_SIZE);
  make_record (frame, severity, fields, lp_channel_get_max_body (self->channel));
  lp_channel_write_frame (self->channel, LP_FRAME_LOG, 0, frame->data, frame->size);
  if (frame->capacity > MAX_KEPT)
    lp_serial_clear (frame);
  lp_worker_flush_locked (self);
}

/* FALSE: the stream is no more. */
static gboolean
send_record (LpWorker *self, GLogLevelFlags severity, const Fields *fields)
{
  gboolean open;

  lp_worker_lock (self);
  open = !self->closed && !self->broken;
  if (open)
    send_record_locked (self, severity, fields);
  lp_worker_unlock (self);

  return open;
}

/* GLib ends the process itself, except for records of the structured functions
 * that the program made fatal: those are left to the default writer. */
static gboolean
is_fatal_here (LpWorker *self, GLogLevelFlags level, const Fields *fields)
{
  return (level & self->fatal_mask) != 0 && fields->special[FIELD_OLD_API] == NULL;
}

static GLogWriterOutput
writer_func (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  LpWorker *self = user_data;
  GLogLevelFlags severity = get_severity (level);
  gboolean forwarded = severity <= self->log_level;
  Fields all;

  /* In a forked child the stream is the parent's. */
  if (lp_worker_holds_lock () || lp_fork_generation () != self->fork_generation)
    return g_log_writer_standard_streams (level, fields, n_fields, NULL);

  all = look_through (fields, n_fields);
  if (forwarded && !send_record (self, severity, &all))
    return g_log_writer_default (level, fields, n_fields, NULL);

  if (is_fatal_here (self, level, &all))
    return g_log_writer_default (level, fields, n_fields, NULL);
  if (forwarded && self->log_to_stderr)
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
