/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-record-private.h"

#include <string.h>

#include "lp-pool-private.h"
#include "lp-serial-private.h"

/* How this works
 *
 * Records are pushed on the service thread, in the order in which the worker
 * wrote them. If somebody listens to worker-record, they are posted to the owner
 * context, like everything the owner is told; else each is written to the log at
 * once. Those that were read together go to the owner together: as one value, an
 * array, of which the handler is given one member after the other. That costs one
 * wake-up, one look whether somebody listens, and one piece of memory; GLib takes
 * longer to make a value than to take it out of another one. What is on its way
 * to the owner is counted: over a limit the sink is full, and whoever reads the
 * worker pauses until the owner has caught up, so that a flood fills the pipe and
 * not the memory. */

#define MAX_IN_FLIGHT (1024 * 1024)  /* bytes, of one worker */

/* What a record costs besides its dictionary, until a handler is done with it. */
#define OVERHEAD 256

/* So many go together, and so many bytes, unless one alone is larger: a handler that keeps one of them keeps them all. */
#define MAX_TOGETHER      64
#define MAX_TOGETHER_SIZE (16 * 1024)

/* Of the dictionary of a record. */
#define MAX_ENTRIES  9
#define LEVEL_OFFSET 8          /* the first value, behind its key */

/* A domain may be of any length: it is not kept. */
#define MAX_ORIGIN_SIZE 2048

/* What dictionaries of records begin with, as long as they come from the same place. */
typedef struct
{
  LpSerial serial;              /* empty: there is none yet */
  gsize ends[MAX_ENTRIES];
  gsize n;
  char *domain;                 /* (nullable) */
  gboolean from_stderr;
} Origin;

struct _LpRecordSink
{
  gatomicrefcount ref_count;    /* (atomic) the child has one, each record on its way another */
  LpPool *pool;                 /* (construct-only) (owned) */
  LpSlot *slot;                 /* (construct-only) (owned) */
  LpSettings *settings;         /* (construct-only) (owned) */
  guint64 seq;                  /* (construct-only) */
  char seq_text[24];            /* (construct-only) */
  guint signal;                 /* (construct-only) worker-record */
  char *worker;                 /* (construct-only) */
  GFunc drained;                /* (construct-only) on the service thread */
  gpointer data;                /* (service thread) NULL once it is closed */
  guint pid;                    /* (service thread) */
  Origin origin;                /* (service thread) of the last one that was for the owner */
  LpSerial together;            /* (service thread) aa{sv}, not yet on its way to the owner */
  LpSerialContainer array;      /* (service thread) all of it */
  gsize ends[MAX_TOGETHER];     /* (service thread) of its members */
  int in_flight;                /* (atomic) bytes */
  int full;                     /* (atomic) somebody waits for it to drain */
};

typedef struct
{
  LpPoolRecords parent;
  LpRecordSink *sink;           /* (owned) */
  GVariant *records;            /* (owned) aa{sv} */
  int size;                     /* what they cost */
} Batch;

static void
forget_origin (Origin *self)
{
  lp_serial_clear (&self->serial);
  g_clear_pointer (&self->domain, g_free);
}

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
  g_snprintf (self->seq_text, sizeof self->seq_text, "%" G_GUINT64_FORMAT, self->seq);
  self->signal = g_signal_lookup ("worker-record", LP_TYPE_MANAGER);
  self->worker = g_strdup (worker);
  lp_serial_begin (&self->together, &self->array, self->ends);
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
  forget_origin (&self->origin);
  g_free (self->worker);
  g_free (self);
}

/* Nothing more is pushed; what is on its way arrives. */
void
lp_record_sink_close (LpRecordSink *self)
{
  lp_record_sink_flush (self);
  self->data = NULL;
  sink_unref (self);
}

void
lp_record_sink_set_pid (LpRecordSink *self, guint pid)
{
  self->pid = pid;
  forget_origin (&self->origin);
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

/* Of this process, at most; and of all in most records. */
#define N_OWN_FIELDS 10
#define N_FIELDS     24

typedef struct
{
  GLogField *fields;            /* with room for all */
  gsize n;
  GPtrArray *texts;             /* (nullable) those they point to that were made for them */
} Writer;

/* VALUE, which may be NULL, is a word of this process: there is nothing to escape. It is valid as long as WRITER. */
static void
add_word (Writer *writer, const char *key, const char *value)
{
  if (value != NULL)
    writer->fields[writer->n++] = (GLogField) { key, value, -1 };
}

/* The same for a VALUE from elsewhere. */
static void
add (Writer *writer, const char *key, const char *value)
{
  if (value != NULL && !lp_log_is_plain (value, strlen (value)))
    {
      if (writer->texts == NULL)
        writer->texts = g_ptr_array_new_with_free_func (g_free);
      value = lp_log_escape (value);
      g_ptr_array_add (writer->texts, (gpointer) value);
    }
  add_word (writer, key, value);
}

/* A key goes to the journal as it is: one with a newline would be two fields. */
static gboolean
is_word (const char *key)
{
  while (g_ascii_isalnum (*key) || *key == '_')
    key++;

  return *key == '\0';
}

/* Fields of the worker that say what only this process may say are left out. */
static gboolean
is_reserved (const char *key)
{
  static const char * const reserved[] = { "MESSAGE", "PRIORITY", "GLIB_DOMAIN", "GLIB_OLD_LOG_API",
                                           "EXECUTOR_SEQ", "WORKER", NULL };

  return g_str_has_prefix (key, "LEASEPOOL_") || g_str_has_prefix (key, "WORKER_") || g_str_has_prefix (key, "SYSLOG_")
         || key[0] == '_' || key[0] == '\0' || g_strv_contains (reserved, key);
}

static void
add_fields_of_worker (Writer *writer, const LpRecord *record)
{
  const char *key, *value;
  gsize index = 0;

  while (lp_serial_next_pair (record->fields, record->fields_size, &index, &key, &value))
    if (is_word (key) && !is_reserved (key))
      add (writer, key, value);
}

/* A record of a worker never ends this process: GLib makes fatal what is marked
 * so with g_log_set_always_fatal(), except what says that it comes from the old
 * interface, which looked before. ERROR is always fatal, so it comes as CRITICAL. */
static void
write_record (LpRecordSink *self, const LpRecord *record, guint pid)
{
  gsize n_fields = N_OWN_FIELDS + lp_serial_count_pairs (record->fields, record->fields_size);
  g_autofree GLogField *many = n_fields > N_FIELDS ? g_new (GLogField, n_fields) : NULL;
  GLogField few[N_FIELDS];
  Writer writer = { many != NULL ? many : few, 0, NULL };
  char pid_text[12];
  guint true_level = level_index (record->level);
  guint shown = MAX (true_level, 1);

  g_snprintf (pid_text, sizeof pid_text, "%u", pid);

  /* The first field, where GLib looks for it. */
  add_word (&writer, "GLIB_OLD_LOG_API", "1");
  add_word (&writer, "PRIORITY", levels[shown].priority);
  add (&writer, "GLIB_DOMAIN", target_domain (self, record));
  add (&writer, "MESSAGE", record->message);
  add_word (&writer, "LEASEPOOL_EVENT", record->from_stderr ? "worker-stderr" : "worker-record");
  add (&writer, "WORKER", self->worker);
  add_word (&writer, "WORKER_PID", pid_text);
  add (&writer, "WORKER_DOMAIN", record->domain);
  add_word (&writer, "WORKER_LEVEL", levels[true_level].name);
  add_word (&writer, "EXECUTOR_SEQ", self->seq_text);
  add_fields_of_worker (&writer, record);

  g_log_structured_array (levels[shown].level, writer.fields, writer.n);
  g_clear_pointer (&writer.texts, g_ptr_array_unref);
}

/* --- To the signal --- */

static void
add_text (LpSerial *serial, LpSerialContainer *dictionary, const char *key, const char *text)
{
  lp_serial_add_entry (serial, dictionary, key, "s", text, strlen (text) + 1);
}

static void
look_at_origin (LpRecordSink *self, const LpRecord *record)
{
  Origin *origin = &self->origin;
  LpSerialContainer dictionary;
  guint32 level = 0;
  guint32 pid = self->pid;

  if (origin->serial.size > 0 && origin->from_stderr == record->from_stderr
      && g_strcmp0 (origin->domain, record->domain) == 0)
    return;

  forget_origin (origin);
  origin->domain = g_strdup (record->domain);
  origin->from_stderr = record->from_stderr;
  lp_serial_begin (&origin->serial, &dictionary, origin->ends);
  lp_serial_add_entry (&origin->serial, &dictionary, "level", "u", &level, sizeof level);
  add_text (&origin->serial, &dictionary, "domain", target_domain (self, record));
  if (record->domain != NULL)
    add_text (&origin->serial, &dictionary, "worker_domain", record->domain);
  add_text (&origin->serial, &dictionary, "source", record->from_stderr ? "stderr" : "log");
  add_text (&origin->serial, &dictionary, "worker", self->worker);
  lp_serial_add_entry (&origin->serial, &dictionary, "pid", "u", &pid, sizeof pid);
  lp_serial_add_entry (&origin->serial, &dictionary, "executor_seq", "t", &self->seq, sizeof self->seq);
  origin->n = dictionary.n;
}

/* By hand, since GLib takes ten times as long: there may be hundreds of thousands a second. */
static void
add_dictionary (LpRecordSink *self, const LpRecord *record)
{
  LpSerial *serial = &self->together;
  const Origin *origin = &self->origin;
  LpSerialContainer dictionary;
  gsize ends[MAX_ENTRIES];
  guint32 level = record->level;

  look_at_origin (self, record);
  lp_serial_align (serial, 0, 8);
  lp_serial_begin (serial, &dictionary, ends);
  lp_serial_add (serial, origin->serial.data, origin->serial.size);
  memcpy (serial->data + dictionary.begin + LEVEL_OFFSET, &level, sizeof level);
  memcpy (ends, origin->ends, origin->n * sizeof *ends);
  dictionary.n = origin->n;
  add_text (serial, &dictionary, "message", record->message);
  lp_serial_add_entry (serial, &dictionary, "fields", "a{ss}", record->fields, record->fields_size);
  lp_serial_end_array (serial, &dictionary);
  lp_serial_end_child (serial, &self->array);

  if (origin->serial.size > MAX_ORIGIN_SIZE)
    forget_origin (&self->origin);
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

/* Nobody listens to VARIANT any more, which was made for whoever did. */
static void
write_variant (LpRecordSink *self, GVariant *variant)
{
  g_autoptr (GVariant) fields = g_variant_lookup_value (variant, "fields", NULL);
  LpRecord record = { .fields = g_variant_get_data (fields), .fields_size = g_variant_get_size (fields) };
  const char *source;
  guint32 level, pid;

  g_variant_lookup (variant, "level", "u", &level);
  g_variant_lookup (variant, "worker_domain", "&s", &record.domain);
  g_variant_lookup (variant, "message", "&s", &record.message);
  g_variant_lookup (variant, "source", "&s", &source);
  g_variant_lookup (variant, "pid", "u", &pid);
  record.level = level;
  record.from_stderr = g_str_equal (source, "stderr");
  write_record (self, &record, pid);
}

static void
batch_tell (LpPoolRecords *records, guint index, LpManager *manager)
{
  Batch *self = (Batch *) records;
  g_autoptr (GVariant) record = g_variant_get_child_value (self->records, index);

  /* Whoever listened may have gone away meanwhile. */
  if (manager != NULL && lp_manager_hears_records (manager))
    lp_manager_worker_record (manager, record);
  else
    write_variant (self->sink, record);
}

static void
batch_free (LpPoolRecords *records)
{
  Batch *self = (Batch *) records;

  note_taken (self->sink, self->size);
  g_variant_unref (self->records);

  /* Of the two references, note_taken() has released its own; the analyzer does not count them. */
  sink_unref (self->sink); /* NOLINT(clang-analyzer-unix.Malloc) */
  g_free (self);
}

/* If nobody listens, the record that is written now is counted. */
static gboolean
is_heard (LpRecordSink *self)
{
  gboolean heard;

  g_mutex_lock (&self->pool->lock);
  heard = lp_owner_hears_locked (self->pool, self->signal);
  if (!heard)
    self->pool->counters.log_records_forwarded++;
  g_mutex_unlock (&self->pool->lock);

  return heard;
}

/* What was added is on its way: before whatever is told from now on. */
void
lp_record_sink_flush (LpRecordSink *self)
{
  Batch *batch;

  if (self->array.n == 0)
    return;

  batch = g_new0 (Batch, 1);
  batch->parent = (LpPoolRecords) { .n = (guint) self->array.n, .tell = batch_tell, .free = batch_free };
  batch->sink = self;
  g_atomic_ref_count_inc (&self->ref_count);
  lp_serial_end_array (&self->together, &self->array);
  batch->size = (int) MIN (self->together.size, G_MAXINT / 4) + (int) self->array.n * OVERHEAD;
  batch->records = lp_serial_end_variant (&self->together, G_VARIANT_TYPE ("aa{sv}"));
  lp_serial_begin (&self->together, &self->array, self->ends);
  g_atomic_int_add (&self->in_flight, batch->size);
  lp_pool_push_records (self->pool, &batch->parent);
}

/* On the service thread, no lock held. One for the owner waits for others until there are many, or
 * lp_record_sink_flush(); what comes behind one that waits, or is on its way, does not overtake it. */
void
lp_record_sink_add (LpRecordSink *self, const LpRecord *record)
{
  gsize size = strlen (record->message) + record->fields_size + (record->domain != NULL ? strlen (record->domain) : 0);

  if (self->array.n == MAX_TOGETHER || (self->array.n > 0 && self->together.size + size > MAX_TOGETHER_SIZE))
    lp_record_sink_flush (self);
  if (self->array.n == 0 && g_atomic_int_get (&self->in_flight) == 0 && !is_heard (self))
    {
      write_record (self, record, self->pid);
      return;
    }

  add_dictionary (self, record);
}

void
lp_record_sink_push (LpRecordSink *self, const LpRecord *record)
{
  lp_record_sink_add (self, record);
  lp_record_sink_flush (self);
}
