/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of the owner context share; for one program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"

/* An executor that the test can break, and whose start can be made to fail. */

#define TEST_TYPE_EXECUTOR (test_executor_get_type ())
G_DECLARE_FINAL_TYPE (TestExecutor, test_executor, TEST, EXECUTOR, LpExecutor)

struct _TestExecutor
{
  LpExecutor parent_instance;
};

G_DEFINE_FINAL_TYPE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)

static LpExecutor *last_executor; /* (atomic) the last that was started; not owned */
static int starts_fail;           /* (atomic) */

static inline gboolean
test_executor_start (LpExecutor *executor, GError **error)
{
  if (g_atomic_int_get (&starts_fail))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "as asked");
      return FALSE;
    }

  g_atomic_pointer_set (&last_executor, executor);
  lp_executor_report_ready (executor);
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

static inline void
break_last_executor (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "as asked");

  lp_executor_report_died (g_atomic_pointer_get (&last_executor), error);
}

/* --- What was told --- */

typedef struct
{
  GThread *thread;              /* where all must come */
  GMainContext *context;        /* (nullable) which that thread must own then */
  GPtrArray *events;            /* of strings */
  GHashTable *notifies;         /* of property names, with how often */
} Log;

static inline void
log_add (Log *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

static inline void
log_add (Log *self, const char *format, ...)
{
  va_list args;

  g_assert_true (g_thread_self () == self->thread);
  g_assert_true (g_main_context_is_owner (self->context));

  va_start (args, format);
  g_ptr_array_add (self->events, g_strdup_vprintf (format, args));
  va_end (args);
}

static inline const char *
lease_state_name (LpLeaseInfo *info)
{
  static const char * const names[] = { "active", "draining", "released", "expired", "broken", "stopped" };

  return names[lp_lease_info_get_state (info)];
}

static inline void
lease_acquired_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  log_add (user_data, "acquired %s %s", lp_lease_info_get_owner (info), lease_state_name (info));
}

static inline void
lease_expiring_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  g_assert_cmpint (lp_lease_info_get_soft_expires_at (info), <=, g_get_monotonic_time ());
  log_add (user_data, "expiring %s %s", lp_lease_info_get_owner (info), lease_state_name (info));
}

static inline void
lease_ended_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  log_add (user_data, "ended %s %s", lp_lease_info_get_owner (info), lease_state_name (info));
}

static inline void
executor_created_cb (LpManager *manager, guint64 seq, gpointer user_data)
{
  log_add (user_data, "created %" G_GUINT64_FORMAT, seq);
}

static inline void
executor_retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, gpointer user_data)
{
  static const char * const names[] = { "surplus", "recycled", "expired", "broken", "start-failed", "stopped" };

  log_add (user_data, "retired %" G_GUINT64_FORMAT " %s", seq, names[reason]);
}

static inline void
notify_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  Log *self = user_data;
  guint n;

  /* Those of settings come from the call that sets them. */
  if (pspec->flags & G_PARAM_WRITABLE)
    return;

  n = GPOINTER_TO_UINT (g_hash_table_lookup (self->notifies, pspec->name));

  g_assert_true (g_thread_self () == self->thread);
  g_assert_true (g_main_context_is_owner (self->context));
  g_hash_table_insert (self->notifies, (gpointer) pspec->name, GUINT_TO_POINTER (n + 1));
}

static inline void
log_init (Log *self, GMainContext *context)
{
  self->thread = g_thread_self ();
  self->context = context;
  self->events = g_ptr_array_new_with_free_func (g_free);
  self->notifies = g_hash_table_new (g_str_hash, g_str_equal);
}

static inline void
log_clear (Log *self)
{
  g_ptr_array_unref (self->events);
  g_hash_table_unref (self->notifies);
}

static inline void
log_connect_signals (Log *self, LpManager *manager)
{
  g_signal_connect (manager, "lease-acquired", G_CALLBACK (lease_acquired_cb), self);
  g_signal_connect (manager, "lease-expiring", G_CALLBACK (lease_expiring_cb), self);
  g_signal_connect (manager, "lease-ended", G_CALLBACK (lease_ended_cb), self);
  g_signal_connect (manager, "executor-created", G_CALLBACK (executor_created_cb), self);
  g_signal_connect (manager, "executor-retired", G_CALLBACK (executor_retired_cb), self);
}

static inline void
log_connect (Log *self, LpManager *manager)
{
  log_connect_signals (self, manager);
  g_signal_connect (manager, "notify", G_CALLBACK (notify_cb), self);
}

static inline guint
log_notifies (Log *self, const char *property)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->notifies, property));
}

static inline void
iterate (void)
{
  while (g_main_context_iteration (g_main_context_get_thread_default (), FALSE))
    ;
}

/* What has been told since the last call, in its order. */
static inline void
log_assert (Log *self, const char *expected)
{
  g_autofree char *events = NULL;

  iterate ();
  g_ptr_array_add (self->events, NULL);
  events = g_strjoinv (", ", (char **) self->events->pdata);
  g_assert_cmpstr (events, ==, expected);
  g_ptr_array_set_size (self->events, 0);
}

static inline gint
compare_events (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char * const *) a, *(const char * const *) b);
}

/* The same of what comes in any order: executors start side by side. */
static inline void
log_assert_any_order (Log *self, const char *expected)
{
  iterate ();
  g_ptr_array_sort (self->events, compare_events);
  log_assert (self, expected);
}

typedef struct
{
  Log *log;
  const char *event;
} EventCondition;

static inline gboolean
has_event (gpointer data)
{
  EventCondition *self = data;

  for (guint i = 0; i < self->log->events->len; i++)
    if (g_str_equal (self->log->events->pdata[i], self->event))
      return TRUE;

  return FALSE;
}

static inline void
log_wait (Log *self, const char *event)
{
  EventCondition condition = { self, event };

  lp_test_wait_for (has_event, &condition, event);
}

/* Not started yet, so that everything is told. */
static inline LpManager *
new_logged_manager (Log *log, int max_pools)
{
  LpManager *manager = lp_test_new (max_pools);

  log_init (log, NULL);
  log_connect (log, manager);
  return manager;
}

static inline void
assert_starts (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
}

static inline void
finish (LpManager *manager, Log *log)
{
  lp_test_finish (manager);
  log_clear (log);
}
