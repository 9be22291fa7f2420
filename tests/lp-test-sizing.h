/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of sizing share: the records by event, and executors whose starts
 * fail, hang or die; for one program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include <string.h>

#include "lp-lease-private.h"
#include "lp-manager-private.h"

/* The library's records, which come from any thread. */
static GMutex log_lock;
static GHashTable *log_counts;  /* (log_lock) event -> how many */
static GHashTable *log_texts;   /* (log_lock) event -> the last text */

static inline const char *
get_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, key))
      return fields[i].value;

  return NULL;
}

static inline GLogWriterOutput
log_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *event = get_field (fields, n_fields, "LEASEPOOL_EVENT");
  guint count;

  if (event == NULL)
    return g_log_writer_default (level, fields, n_fields, user_data);

  g_mutex_lock (&log_lock);
  count = GPOINTER_TO_UINT (g_hash_table_lookup (log_counts, event)) + 1;
  g_hash_table_insert (log_counts, g_strdup (event), GUINT_TO_POINTER (count));
  g_hash_table_insert (log_texts, g_strdup (event), g_strdup (get_field (fields, n_fields, "MESSAGE")));
  g_mutex_unlock (&log_lock);

  return G_LOG_WRITER_HANDLED;
}

static inline void
log_set_up (void)
{
  log_counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  log_texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_log_set_writer_func (log_writer, NULL, NULL);
}

static inline void
log_forget (void)
{
  g_mutex_lock (&log_lock);
  g_hash_table_remove_all (log_counts);
  g_hash_table_remove_all (log_texts);
  g_mutex_unlock (&log_lock);
}

static inline guint
count_logged (const char *event)
{
  guint count;

  g_mutex_lock (&log_lock);
  count = GPOINTER_TO_UINT (g_hash_table_lookup (log_counts, event));
  g_mutex_unlock (&log_lock);

  return count;
}

static inline char *
dup_logged (const char *event)
{
  char *text;

  g_mutex_lock (&log_lock);
  text = g_strdup (g_hash_table_lookup (log_texts, event));
  g_mutex_unlock (&log_lock);

  return text;
}

static inline void
assert_contains (const char *text, const char *part)
{
  if (text == NULL || strstr (text, part) == NULL)
    g_error ("“%s” is not in “%s”", part, text);
}

/* An executor class whose starts fail, hang or die, and one that can be dead. */
typedef struct { LpExecutor parent_instance; } TestExecutor;
typedef struct { LpExecutorClass parent_class; } TestExecutorClass;
typedef struct { TestExecutor parent_instance; } MortalExecutor;
typedef struct { TestExecutorClass parent_class; } MortalExecutorClass;

static GType test_executor_get_type (void);
static GType mortal_executor_get_type (void);

G_DEFINE_TYPE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)
G_DEFINE_TYPE (MortalExecutor, mortal_executor, test_executor_get_type ())

#define ALWAYS G_MAXINT
#define MAX_START_TIMES 64

static int n_starts;            /* (atomic) */
static int n_to_fail;           /* (atomic) of the next starts */
static int n_to_die;            /* (atomic) of those after them */
static int n_to_hang;           /* (atomic) of those after them */
static LpExecutor *hung;        /* (atomic) (owned) the last that hangs */
static gint64 start_times[MAX_START_TIMES];
static int n_asked;             /* (atomic) calls of has_died */
static int dead_up_to;          /* (atomic) these numbers are dead */
static GThread *asked_on;       /* (atomic) */

static inline gboolean
take_one (int *count)
{
  if (g_atomic_int_get (count) == ALWAYS)
    return TRUE;
  if (g_atomic_int_get (count) == 0)
    return FALSE;

  g_atomic_int_dec_and_test (count);
  return TRUE;
}

static inline gboolean
test_executor_start (LpExecutor *self, GError **error)
{
  int n = g_atomic_int_get (&n_starts);

  if (n < MAX_START_TIMES)
    start_times[n] = g_get_monotonic_time ();
  g_atomic_int_inc (&n_starts);

  if (take_one (&n_to_fail))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "not today");
      return FALSE;
    }

  if (take_one (&n_to_die))
    {
      g_autoptr (GError) death = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "died of it");

      lp_executor_report_died (self, death);
    }
  else if (take_one (&n_to_hang))
    g_atomic_pointer_set (&hung, g_object_ref (self));
  else
    lp_executor_report_ready (self);

  return TRUE;
}

static inline void
test_executor_class_init (TestExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->start = test_executor_start;
}

static inline void
test_executor_init (TestExecutor *self)
{
}

static inline gboolean
mortal_executor_has_died (LpExecutor *self)
{
  g_atomic_pointer_set (&asked_on, g_thread_self ());
  g_atomic_int_inc (&n_asked);

  return lp_executor_get_seq (self) <= (guint64) g_atomic_int_get (&dead_up_to);
}

static inline void
mortal_executor_class_init (MortalExecutorClass *klass)
{
  LP_EXECUTOR_CLASS (klass)->has_died = mortal_executor_has_died;
}

static inline void
mortal_executor_init (MortalExecutor *self)
{
}

static inline void
reset_executors (void)
{
  n_starts = n_to_fail = n_to_die = n_to_hang = n_asked = dead_up_to = 0;
  log_forget ();
}

/* What a condition is made of: at least so many. */
typedef struct
{
  int *count;
  int at_least;
} Count;

static inline gboolean
has_counted (gpointer data)
{
  Count *count = data;

  return g_atomic_int_get (count->count) >= count->at_least;
}

static inline void
wait_count (int *counter, int at_least)
{
  Count count = { counter, at_least };

  lp_test_wait_for (has_counted, &count, "a count");
}

/* What the owner was told of executors that went. */
typedef struct
{
  guint64 seq;
  LpRetireReason reason;
  gint64 when;
} Retired;

static inline void
retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, gpointer data)
{
  Retired retired = { seq, reason, g_get_monotonic_time () };

  g_array_append_val ((GArray *) data, retired);
}

static inline GArray *
watch_retired (LpManager *manager)
{
  GArray *retired = g_array_new (FALSE, FALSE, sizeof (Retired));

  g_signal_connect (manager, "executor-retired", G_CALLBACK (retired_cb), retired);
  return retired;
}

static inline gboolean
is_retired (gpointer data)
{
  GArray *retired = ((gpointer *) data)[0];

  return retired->len >= GPOINTER_TO_UINT (((gpointer *) data)[1]);
}

static inline Retired *
wait_retired (GArray *retired, guint n)
{
  gpointer data[] = { retired, GUINT_TO_POINTER (n) };

  lp_test_wait_for (is_retired, data, "a retirement");
  return &g_array_index (retired, Retired, n - 1);
}

static inline void
finish (LpManager *manager, GArray *retired)
{
  g_signal_handlers_disconnect_by_data (manager, retired);
  g_clear_pointer (&retired, g_array_unref);
  lp_test_finish (manager);
  reset_executors ();
}

static inline void
give_back (LpLease *lease)
{
  lp_lease_release (lease);
  g_object_unref (lease);
}

typedef struct
{
  gint64 value;
  gboolean fails;
  gboolean nests;               /* iterates, and wants to be asked again */
  gboolean blocks;              /* until it is said that it does */
  GMainContext *context;        /* where it belongs */
  GThread *thread;
  int n_calls;                  /* (atomic) */
  guint depth;
  guint max_depth;
  guint desired_inside;
  guint n_destroyed;
} Provider;

static inline gboolean
was_block_logged (gpointer data)
{
  return count_logged ("size-provider-failed") > 0;
}

static inline void
nest (Provider *self, LpManager *manager)
{
  lp_manager_notify_scale_changed (manager);
  while (g_main_context_iteration (self->context, FALSE) && self->max_depth == 1
         && count_logged ("size-provider-failed") == 0)
    ;
}

static inline gint64
provide (LpManager *manager, gpointer data, GError **error)
{
  Provider *self = data;

  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  g_assert_true (context == self->context);
  g_assert_true (g_thread_self () == self->thread);
  g_atomic_int_inc (&self->n_calls);
  self->depth++;
  self->max_depth = MAX (self->max_depth, self->depth);

  /* Would not return if the pool were locked. */
  self->desired_inside = lp_test_stat (manager, "desired");
  g_assert_cmpuint (lp_manager_get_desired_executor_count (manager), ==, self->desired_inside);

  if (self->nests)
    nest (self, manager);
  if (self->blocks)
    lp_test_block_for (was_block_logged, NULL, "the record of a provider that blocks");

  self->depth--;
  if (self->fails)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BUSY, "no idea");
  return self->value;
}

static inline void
provider_destroyed (gpointer data)
{
  Provider *self = data;

  g_assert_true (g_thread_self () == self->thread);
  self->n_destroyed++;
}

static inline void
set_provider (LpManager *manager, Provider *self)
{
  self->thread = g_thread_self ();
  self->context = g_main_context_get_thread_default ();
  if (self->context == NULL)
    self->context = g_main_context_default ();

  lp_manager_set_size_provider (manager, provide, self, provider_destroyed);
}

static inline LpManager *
start_with_provider (Provider *provider, int max_pools, double check_interval)
{
  LpManager *manager = lp_test_new (max_pools);
  g_autoptr (GError) error = NULL;

  log_forget ();
  lp_manager_set_check_interval (manager, check_interval);
  set_provider (manager, provider);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);

  return manager;
}

static inline guint
desired (LpManager *manager)
{
  return lp_manager_get_desired_executor_count (manager);
}

static inline void
acquire_all (LpManager *manager, LpLease **leases, guint n)
{
  for (guint i = 0; i < n; i++)
    leases[i] = lp_test_acquire (manager, "holder");
}

static inline LpManager *
start_testing (GType type, int max_pools, const char *property, double value)
{
  reset_executors ();
  return lp_test_start (max_pools, "executor-type", type, property, value, NULL);
}
