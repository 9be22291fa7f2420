/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-record-private.h"

#include <string.h>

#include "lp-pool-private.h"

/* How this works
 *
 * Records are pushed on the service thread, in the order in which the worker
 * wrote them. If somebody listens to worker-record, each is posted to the owner
 * context, like everything the owner is told; else it is written to the log at
 * once. What is on its way to the owner is counted: over a limit the sink is
 * full, and whoever reads the worker pauses until the owner has caught up, so
 * that a flood fills the pipe and not the memory. */

#define MAX_IN_FLIGHT (1024 * 1024)  /* bytes, of one worker */

/* What a record costs besides its text. */
#define OVERHEAD 256

struct _LpRecordSink
{
  gatomicrefcount ref_count;    /* (atomic) the child has one, each record on its way another */
  LpPool *pool;                 /* (construct-only) (owned) */
  LpSlot *slot;                 /* (construct-only) (owned) */
  LpSettings *settings;         /* (construct-only) (owned) */
  guint64 seq;                  /* (construct-only) */
  char *worker;                 /* (construct-only) */
  GFunc drained;                /* (construct-only) on the service thread */
  gpointer data;                /* (service thread) NULL once it is closed */
  guint pid;                    /* (service thread) */
  int in_flight;                /* (atomic) bytes */
  int full;                     /* (atomic) somebody waits for it to drain */
};

typedef struct
{
  LpPoolRecord parent;
  LpRecordSink *sink;           /* (owned) */
  GVariant *record;             /* (owned) */
  int size;
} Message;

/* DRAINED (DATA) is called on the service thread after the sink was full. */
LpRecordSink *
lp_record_sink_new (LpExecutor *executor, const char *worker, GFunc drained, gpointer data)
{
  LpExecutorPrivate *priv = lp_executor_get_private (executor);
  LpRecordSink *self = g_new0 (LpRecordSink, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->pool = lp_pool_ref (priv->pool);
  self->slot = lp_slot_ref (priv->slot);
  self->settings = lp_settings_ref (priv->settings);
  self->seq = priv->seq;
  self->worker = g_strdup (worker);
  self->drained = drained;
  self->data = data;

  return self;
}

static void
sink_unref (LpRecordSink *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  lp_pool_drop_settings (self->pool, self->settings);
  lp_slot_unref (self->slot);
  lp_pool_unref (self->pool);
  g_free (self->worker);
  g_free (self);
}

/* Nothing more is pushed; what is on its way arrives. */
void
lp_record_sink_close (LpRecordSink *self)
{
  self->data = NULL;
  sink_unref (self);
}

void
lp_record_sink_set_pid (LpRecordSink *self, guint pid)
{
  self->pid = pid;
}

gboolean
lp_record_sink_is_full (LpRecordSink *self)
{
  if (g_atomic_int_get (&self->in_flight) < MAX_IN_FLIGHT)
    return FALSE;

  /* Looked at again: the owner may have taken the last one in between, and did
   * not see the flag. */
  g_atomic_int_set (&self->full, TRUE);
  return g_atomic_int_get (&self->in_flight) >= MAX_IN_FLIGHT / 2;
}

static const char *
target_domain (LpRecordSink *self, const LpRecord *record)
{
  if (self->settings->process_log_domain != NULL)
    return self->settings->process_log_domain;

  return record->domain != NULL ? record->domain : self->settings->log_domain;
}

/* --- To the log --- */

static const struct
{
  GLogLevelFlags level;
  const char *name;
  const char *priority;
} levels[] = {
  { G_LOG_LEVEL_ERROR, "ERROR", "3" },
  { G_LOG_LEVEL_CRITICAL, "CRITICAL", "4" },
  { G_LOG_LEVEL_WARNING, "WARNING", "4" },
  { G_LOG_LEVEL_MESSAGE, "MESSAGE", "5" },
  { G_LOG_LEVEL_INFO, "INFO", "6" },
  { G_LOG_LEVEL_DEBUG, "DEBUG", "7" },
};

static guint
level_index (GLogLevelFlags level)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (levels) - 1 && levels[i].level != level)
    i++;

  return i;
}

typedef struct
{
  GArray *fields;               /* of GLogField */
  GPtrArray *texts;             /* what they point to */
} Writer;

static void
add (Writer *writer, const char *key, const char *value)
{
  GLogField field = { key, NULL, -1 };

  if (value == NULL)
    return;

  field.value = lp_log_escape (value);
  g_ptr_array_add (writer->texts, (gpointer) field.value);
  g_array_append_val (writer->fields, field);
}

/* Fields of the worker that say what only this process may say are left out. */
static gboolean
is_reserved (const char *key)
{
  static const char * const reserved[] = { "MESSAGE", "PRIORITY", "GLIB_DOMAIN", "GLIB_OLD_LOG_API",
                                           "EXECUTOR_SEQ", "WORKER", NULL };

  return g_str_has_prefix (key, "LEASEPOOL_") || g_str_has_prefix (key, "WORKER_") || key[0] == '_' || key[0] == '\0'
         || g_strv_contains (reserved, key);
}

static void
add_fields_of_worker (Writer *writer, GVariant *fields)
{
  GVariantIter iter;
  const char *key, *value;

  if (fields == NULL)
    return;

  g_variant_iter_init (&iter, fields);
  while (g_variant_iter_next (&iter, "{&s&s}", &key, &value))
    if (!is_reserved (key))
      add (writer, key, value);
}

/* A record of a worker never ends this process: GLib makes fatal what is marked
 * so with g_log_set_always_fatal(), except what says that it comes from the old
 * interface, which looked before. ERROR is always fatal, so it comes as CRITICAL. */
static void
write_record (LpRecordSink *self, const LpRecord *record)
{
  Writer writer = { g_array_new (FALSE, FALSE, sizeof (GLogField)), g_ptr_array_new_with_free_func (g_free) };
  guint true_level = level_index (record->level);
  guint shown = MAX (true_level, 1);
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, self->seq);
  g_autofree char *pid = g_strdup_printf ("%u", self->pid);

  /* The first field, where GLib looks for it. */
  add (&writer, "GLIB_OLD_LOG_API", "1");
  add (&writer, "PRIORITY", levels[shown].priority);
  add (&writer, "GLIB_DOMAIN", target_domain (self, record));
  add (&writer, "MESSAGE", record->message);
  add (&writer, "LEASEPOOL_EVENT", record->from_stderr ? "worker-stderr" : "worker-record");
  add (&writer, "WORKER", self->worker);
  add (&writer, "WORKER_PID", pid);
  add (&writer, "WORKER_DOMAIN", record->domain);
  add (&writer, "WORKER_LEVEL", levels[true_level].name);
  add (&writer, "EXECUTOR_SEQ", seq);
  add_fields_of_worker (&writer, record->fields);

  g_log_structured_array (levels[shown].level, (const GLogField *) (gpointer) writer.fields->data, writer.fields->len);
  g_array_unref (writer.fields);
  g_ptr_array_unref (writer.texts);
}

/* --- To the signal --- */

static GVariant *
to_variant (LpRecordSink *self, const LpRecord *record)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "level", "u", (guint32) record->level);
  g_variant_dict_insert (&dict, "domain", "s", target_domain (self, record));
  if (record->domain != NULL)
    g_variant_dict_insert (&dict, "worker_domain", "s", record->domain);
  g_variant_dict_insert (&dict, "message", "s", record->message);
  g_variant_dict_insert (&dict, "source", "s", record->from_stderr ? "stderr" : "log");
  g_variant_dict_insert (&dict, "worker", "s", self->worker);
  g_variant_dict_insert (&dict, "pid", "u", self->pid);
  g_variant_dict_insert (&dict, "executor_seq", "t", self->seq);
  g_variant_dict_insert_value (&dict, "fields",
                               record->fields != NULL ? record->fields : g_variant_new ("a{ss}", NULL));

  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* For a record whose listener went away while it was on its way. */
static void
write_variant (LpRecordSink *self, GVariant *variant)
{
  g_autoptr (GVariant) fields = g_variant_lookup_value (variant, "fields", G_VARIANT_TYPE ("a{ss}"));
  LpRecord record = { .fields = fields };
  const char *source;
  guint32 level;

  g_variant_lookup (variant, "level", "u", &level);
  g_variant_lookup (variant, "worker_domain", "&s", &record.domain);
  g_variant_lookup (variant, "message", "&s", &record.message);
  g_variant_lookup (variant, "source", "&s", &source);
  record.level = level;
  record.from_stderr = g_str_equal (source, "stderr");
  write_record (self, &record);
}

static void
drained_cb (gpointer data, gpointer more)
{
  LpRecordSink *self = data;

  if (self->data != NULL)
    self->drained (self->data, NULL);
  sink_unref (self);
}

static void
note_taken (LpRecordSink *self, int size)
{
  int before = g_atomic_int_add (&self->in_flight, -size);

  if (before - size < MAX_IN_FLIGHT / 2 && g_atomic_int_compare_and_exchange (&self->full, TRUE, FALSE))
    {
      g_atomic_ref_count_inc (&self->ref_count);
      if (!lp_slot_post (self->slot, drained_cb, self, NULL))
        sink_unref (self);
    }
}

static void
message_tell (LpPoolRecord *record, LpManager *manager)
{
  Message *self = (Message *) record;

  if (manager == NULL || !lp_manager_worker_record (manager, self->record))
    write_variant (self->sink, self->record);
  note_taken (self->sink, self->size);

  g_variant_unref (self->record);
  sink_unref (self->sink);
  g_free (self);
}

static void
post_locked (LpRecordSink *self, GVariant *variant, int size)
{
  Message *message = g_new0 (Message, 1);

  message->parent.tell = message_tell;
  message->sink = self;
  message->record = variant;
  message->size = size;
  g_atomic_ref_count_inc (&self->ref_count);
  g_atomic_int_add (&self->in_flight, size);
  lp_pool_push_record_locked (self->pool, &message->parent);
}

/* On the service thread, no lock held. */
void
lp_record_sink_push (LpRecordSink *self, const LpRecord *record)
{
  GVariant *variant = NULL;
  gboolean heard;

  g_mutex_lock (&self->pool->lock);
  self->pool->counters.log_records_forwarded++;
  heard = lp_owner_hears_locked (self->pool, "worker-record");
  g_mutex_unlock (&self->pool->lock);

  if (!heard)
    {
      write_record (self, record);
      return;
    }

  variant = to_variant (self, record);
  g_mutex_lock (&self->pool->lock);
  post_locked (self, variant, (int) MIN (g_variant_get_size (variant), G_MAXINT / 4) + OVERHEAD);
  g_mutex_unlock (&self->pool->lock);
}
