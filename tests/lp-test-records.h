/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of records share: a log writer that keeps them, in a process of its own for each case. */

#include "lp-test.h"

#include <string.h>

/* The DEBUG and INFO records, which come from any thread. */
static GMutex records_lock;
static GPtrArray *records;      /* (records_lock) of GHashTable: key -> value */

static inline GLogWriterOutput
keep_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  GHashTable *record;

  if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) == 0)
    return G_LOG_WRITER_HANDLED;

  record = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (gsize i = 0; i < n_fields; i++)
    g_hash_table_insert (record, g_strdup (fields[i].key), g_strdup (fields[i].value));
  g_mutex_lock (&records_lock);
  g_ptr_array_add (records, record);
  g_mutex_unlock (&records_lock);

  return G_LOG_WRITER_HANDLED;
}

static inline void
forget_records (void)
{
  g_mutex_lock (&records_lock);
  g_ptr_array_set_size (records, 0);
  g_mutex_unlock (&records_lock);
}

/* The record of EVENT number INDEX; NULL if there are not so many. */
static inline GHashTable *
ref_record (const char *event, guint index)
{
  GHashTable *found = NULL;

  g_mutex_lock (&records_lock);
  for (guint i = 0; i < records->len && found == NULL; i++)
    if (g_strcmp0 (g_hash_table_lookup (records->pdata[i], "LEASEPOOL_EVENT"), event) == 0 && index-- == 0)
      found = g_hash_table_ref (records->pdata[i]);
  g_mutex_unlock (&records_lock);

  return found;
}

static inline gboolean
has_record (gpointer event)
{
  g_autoptr (GHashTable) record = ref_record (event, 0);

  return record != NULL;
}

static inline void
assert_none (const char *event, guint index)
{
  g_assert_null (ref_record (event, index));
}

typedef struct
{
  const char *event;
  guint index;
  GHashTable *record;           /* (owned) once it has come */
} Expected;

static inline gboolean
has_come (gpointer data)
{
  Expected *self = data;

  self->record = ref_record (self->event, self->index);
  return self->record != NULL;
}

/* That record comes, and its text is like PATTERN. */
static inline GHashTable *
wait_record (const char *event, guint index, const char *pattern)
{
  Expected expected = { event, index, NULL };
  const char *text;

  lp_test_block_for (has_come, &expected, event);
  text = g_hash_table_lookup (expected.record, "MESSAGE");
  if (!g_pattern_match_simple (pattern, text))
    g_error ("“%s” is not like “%s”", text, pattern);

  return expected.record;
}

/* What the environment says is read once: each case has a process of its own. */
static inline gboolean
in_subprocess_with (const char *keys)
{
  if (!g_test_subprocess ())
    {
      g_setenv ("LP_DEBUG", keys, TRUE);
      g_test_trap_subprocess (NULL, 0, 0);
      g_unsetenv ("LP_DEBUG");
      g_test_trap_assert_passed ();
      return FALSE;
    }

  records = g_ptr_array_new_with_free_func ((GDestroyNotify) g_hash_table_unref);
  g_log_set_writer_func (keep_record, NULL, NULL);
  return TRUE;
}
