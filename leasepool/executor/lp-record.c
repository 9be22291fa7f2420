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
 * wrote them. If somebody listens to worker-record, each is posted to the owner
 * context, like everything the owner is told; else it is written to the log at
 * once. Those that were read together go to the owner together, which costs one
 * wake-up and one look whether somebody listens. The value that a handler is
 * given is made there, where it is freed: memory that one thread allocates and
 * another one frees costs much more. What is on its way to the owner is counted: over a limit the sink is
 * full, and whoever reads the worker pauses until the owner has caught up, so
 * that a flood fills the pipe and not the memory. */

#define MAX_IN_FLIGHT (1024 * 1024)  /* bytes, of one worker */

/* What a record costs besides its text, until a handler is done with it. */
#define OVERHEAD 512

/* Of the value that a handler is given: all but the text, about. */
#define KEYS_SIZE 320

/* So many wait for others that are read together with them. */
#define MAX_TOGETHER 64

typedef struct
{
  guint number;
  char text[12];
} Pid;

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
  Pid pid;                      /* (service thread) */
  GQueue together;              /* (service thread) of LpPoolRecord, not yet on its way to the owner */
  int in_flight;                /* (atomic) bytes */
  int full;                     /* (atomic) somebody waits for it to drain */
};

typedef struct
{
  LpPoolRecord parent;
  LpRecordSink *sink;           /* (owned) */
  Pid pid;                      /* as it was then */
  LpRecord record;              /* what it points to is behind */
  int size;
  char bytes[];
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
  g_snprintf (self->seq_text, sizeof self->seq_text, "%" G_GUINT64_FORMAT, self->seq);
  self->signal = g_signal_lookup ("worker-record", LP_TYPE_MANAGER);
  lp_record_sink_set_pid (self, 0);
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
  lp_record_sink_flush (self);
  self->data = NULL;
  sink_unref (self);
}

void
lp_record_sink_set_pid (LpRecordSink *self, guint pid)
{
  self->pid.number = pid;
  g_snprintf (self->pid.text, sizeof self->pid.text, "%u", pid);
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
write_record (LpRecordSink *self, const LpRecord *record, const Pid *pid)
{
  gsize n_fields = N_OWN_FIELDS + lp_serial_count_pairs (record->fields, record->fields_size);
  g_autofree GLogField *many = n_fields > N_FIELDS ? g_new (GLogField, n_fields) : NULL;
  GLogField few[N_FIELDS];
  Writer writer = { many != NULL ? many : few, 0, NULL };
  guint true_level = level_index (record->level);
  guint shown = MAX (true_level, 1);

  /* The first field, where GLib looks for it. */
  add_word (&writer, "GLIB_OLD_LOG_API", "1");
  add_word (&writer, "PRIORITY", levels[shown].priority);
  add (&writer, "GLIB_DOMAIN", target_domain (self, record));
  add (&writer, "MESSAGE", record->message);
  add_word (&writer, "LEASEPOOL_EVENT", record->from_stderr ? "worker-stderr" : "worker-record");
  add (&writer, "WORKER", self->worker);
  add_word (&writer, "WORKER_PID", pid->text);
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

/* By hand, since GLib takes ten times as long: there may be hundreds of thousands a second. */
static GVariant *
to_variant (const Message *self)
{
  const LpRecord *record = &self->record;
  LpSerial serial = LP_SERIAL_INIT;
  LpSerialContainer dictionary;
  gsize ends[9];
  guint32 level = record->level;
  guint32 pid = self->pid.number;

  lp_serial_reserve (&serial, KEYS_SIZE + self->size - OVERHEAD);
  lp_serial_begin (&serial, &dictionary, ends);
  lp_serial_add_entry (&serial, &dictionary, "level", "u", &level, sizeof level);
  add_text (&serial, &dictionary, "domain", target_domain (self->sink, record));
  if (record->domain != NULL)
    add_text (&serial, &dictionary, "worker_domain", record->domain);
  add_text (&serial, &dictionary, "message", record->message);
  add_text (&serial, &dictionary, "source", record->from_stderr ? "stderr" : "log");
  add_text (&serial, &dictionary, "worker", self->sink->worker);
  lp_serial_add_entry (&serial, &dictionary, "pid", "u", &pid, sizeof pid);
  lp_serial_add_entry (&serial, &dictionary, "executor_seq", "t", &self->sink->seq, sizeof self->sink->seq);
  lp_serial_add_entry (&serial, &dictionary, "fields", "a{ss}", record->fields, record->fields_size);
  lp_serial_end_array (&serial, &dictionary);

  return lp_serial_end_variant (&serial, G_VARIANT_TYPE_VARDICT);
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
tell_manager (Message *self, LpManager *manager)
{
  g_autoptr (GVariant) variant = to_variant (self);

  lp_manager_worker_record (manager, variant);
}

static void
message_tell (LpPoolRecord *record, LpManager *manager)
{
  Message *self = (Message *) record;

  /* Whoever listened may have gone away meanwhile. */
  if (manager != NULL && lp_manager_hears_records (manager))
    tell_manager (self, manager);
  else
    write_record (self->sink, &self->record, &self->pid);
  note_taken (self->sink, self->size);

  /* Of the two references, note_taken() has released its own; the analyzer does not count them. */
  sink_unref (self->sink); /* NOLINT(clang-analyzer-unix.Malloc) */
  g_free (self);
}

/* Copies what may be NULL to *AT, which goes on behind it. */
static gpointer
keep (char **at, gconstpointer data, gsize size)
{
  gpointer kept = *at;

  if (data == NULL)
    return NULL;

  memcpy (kept, data, size);
  *at += size;
  return kept;
}

/* All in one piece of memory. */
static Message *
message_new (LpRecordSink *self, const LpRecord *record)
{
  gsize domain_size = record->domain != NULL ? strlen (record->domain) + 1 : 0;
  gsize message_size = strlen (record->message) + 1;
  gsize size = domain_size + message_size + record->fields_size;
  Message *message = g_malloc (sizeof (Message) + size);
  char *at = message->bytes;

  *message = (Message) { .parent = { .link.data = message, .tell = message_tell }, .sink = self, .pid = self->pid,
                         .record = *record, .size = (int) MIN (size, G_MAXINT / 4) + OVERHEAD };
  message->record.domain = keep (&at, record->domain, domain_size);
  message->record.message = keep (&at, record->message, message_size);
  message->record.fields = keep (&at, record->fields, record->fields_size);
  g_atomic_ref_count_inc (&self->ref_count);
  g_atomic_int_add (&self->in_flight, message->size);

  return message;
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

/* On the service thread, no lock held. One for the owner waits for others until there are many, or
 * lp_record_sink_flush(); what comes behind one that waits does not overtake it. */
void
lp_record_sink_add (LpRecordSink *self, const LpRecord *record)
{
  if (self->together.length == 0 && !is_heard (self))
    {
      write_record (self, record, &self->pid);
      return;
    }

  g_queue_push_tail_link (&self->together, &message_new (self, record)->parent.link);
  if (self->together.length >= MAX_TOGETHER)
    lp_record_sink_flush (self);
}

/* What was added is on its way: before whatever is told from now on. */
void
lp_record_sink_flush (LpRecordSink *self)
{
  if (self->together.length == 0)
    return;

  g_mutex_lock (&self->pool->lock);
  self->pool->counters.log_records_forwarded += self->together.length;
  lp_pool_push_records_locked (self->pool, &self->together);
  g_mutex_unlock (&self->pool->lock);
}

void
lp_record_sink_push (LpRecordSink *self, const LpRecord *record)
{
  lp_record_sink_add (self, record);
  lp_record_sink_flush (self);
}
