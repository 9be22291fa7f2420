/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#pragma once

/* What the tests of leases share; for one program at a time. */

#include "lp-test.h"
#include "lp-test-conform.h"

#include <math.h>
#include <string.h>

#include "lp-lease-private.h"
#include "lp-manager-private.h"

#define PATIENCE_SECONDS ((double) LP_TEST_PATIENCE_SECONDS)
#define SHORT_SECONDS 0.05
#define LONG_SECONDS 300.0
#define USEC(seconds) ((gint64) ((seconds) * G_USEC_PER_SEC))

/* --- A log writer that counts the library's records by event and owner --- */

typedef struct
{
  char *event;
  char *owner;
  char *message;
  GLogLevelFlags level;
} Record;

static GMutex records_lock;
static GPtrArray *records;      /* (records_lock) */

static inline void
record_free (gpointer data)
{
  Record *record = data;

  g_free (record->event);
  g_free (record->owner);
  g_free (record->message);
  g_free (record);
}

static inline GLogWriterOutput
keep_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  Record *record = g_new0 (Record, 1);

  record->level = level;
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "LEASEPOOL_EVENT"))
      record->event = g_strdup (fields[i].value);
    else if (g_str_equal (fields[i].key, "OWNER"))
      record->owner = g_strdup (fields[i].value);
    else if (g_str_equal (fields[i].key, "MESSAGE"))
      record->message = g_strdup (fields[i].value);

  if (record->event == NULL)
    {
      record_free (record);
      return g_log_writer_default (level, fields, n_fields, user_data);
    }

  g_mutex_lock (&records_lock);
  g_ptr_array_add (records, record);
  g_mutex_unlock (&records_lock);

  return G_LOG_WRITER_HANDLED;
}

/* Every one is a MESSAGE whose text names the owner. */
static inline guint
count_messages (const char *event, const char *owner)
{
  guint n_messages = 0;

  g_mutex_lock (&records_lock);
  for (guint i = 0; i < records->len; i++)
    {
      Record *record = records->pdata[i];

      if (g_str_equal (record->event, event) && g_strcmp0 (record->owner, owner) == 0)
        {
          g_assert_cmpint (record->level, ==, G_LOG_LEVEL_MESSAGE);
          g_assert_nonnull (strstr (record->message, owner));
          n_messages++;
        }
    }
  g_mutex_unlock (&records_lock);

  return n_messages;
}

static inline gboolean
was_revoked_loudly (gpointer owner)
{
  return count_messages ("lease-revoked", owner) == 1;
}

/* --- What most cases do --- */

/* The same case runs for each backend. */
static inline void
forget_records (void)
{
  g_mutex_lock (&records_lock);
  g_ptr_array_set_size (records, 0);
  g_mutex_unlock (&records_lock);
}

/* Expiry is never brought by the check, which comes in an hour. */
static inline LpManager *
start (int max_pools, double grace_seconds)
{
  forget_records ();
  return lp_test_start (max_pools,
                        "check-interval", 3600.0,
                        "workers-per-pool", 1,
                        "cancel-grace-seconds", PATIENCE_SECONDS,
                        "lease-grace-seconds", grace_seconds,
                        NULL);
}

static inline LpLease *
acquire_for (LpManager *manager, const char *owner, double seconds)
{
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  lp_request_set_owner (request, owner);
  lp_request_set_lease_seconds (request, seconds);
  lp_request_set_timeout (request, PATIENCE_SECONDS);
  lease = lp_manager_acquire (manager, request, NULL, &error);
  g_assert_no_error (error);

  return lease;
}

static inline void
finish (LpManager *manager, LpLease *lease)
{
  lp_lease_release (lease);
  lp_test_finish (manager);
  g_assert_finalize_object (lease);
}

static inline void
assert_refused (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_NEW);
}

static inline void
assert_value (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (result);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
}

static inline void
assert_cancelled (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, PATIENCE_SECONDS, NULL, &error);

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (result);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_CANCELLED);
}

static inline gboolean
has_passed (gpointer when)
{
  return g_get_monotonic_time () > *(gint64 *) when;
}

static inline gboolean
has_ended (gpointer lease)
{
  LpLeaseState state = lp_lease_get_state (lease);

  return state != LP_LEASE_STATE_ACTIVE && state != LP_LEASE_STATE_DRAINING;
}

static inline void
block_for_end (LpLease *lease, LpLeaseState state)
{
  lp_test_block_for (has_ended, lease, "the end of a lease");
  g_assert_cmpint (lp_lease_get_state (lease), ==, state);
}

static inline guint64
executor_seq (LpLease *lease)
{
  return lp_executor_get_seq (lp_lease_get_grant (lease)->executor);
}

static inline void
signal_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  GString *text = user_data;

  g_string_append_printf (text, "%d ", lp_lease_info_get_state (info));
}

static inline void
expiring_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  g_string_append (user_data, "expiring ");
  signal_cb (manager, info, user_data);
  g_assert_cmpint (g_get_monotonic_time (), >=, lp_lease_info_get_soft_expires_at (info));
}

static inline void
ended_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  g_string_append (user_data, "ended ");
  signal_cb (manager, info, user_data);
}

static inline void
retired_cb (LpManager *manager, guint64 seq, LpRetireReason reason, gpointer user_data)
{
  g_string_append_printf (user_data, "%" G_GUINT64_FORMAT ":%d ", seq, reason);
}

/* --- A lease with a job that runs --- */

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
  LpJob *job;                   /* runs until the gate is opened, or it is cancelled */
  gboolean told;                /* its end, to whoever waited */
} Draining;

static inline void
draining_init (Draining *self)
{
  self->manager = start (1, 0.0);
  self->lease = acquire_for (self->manager, "draining", LONG_SECONDS);
  self->gate = lp_test_gate_new ();
  self->job = lp_test_gate_polite_job (self->gate);
  lp_test_submit (self->lease, self->job);
  lp_test_gate_wait_entered (self->gate, 1);
}

/* A lease that is short from the first could be over before its job runs. */
static inline void
expire_soon (LpLease *lease)
{
  g_autoptr (GError) error = NULL;

  lp_lease_renew (lease, SHORT_SECONDS, &error);
  g_assert_no_error (error);
}

static inline void
draining_clear (Draining *self)
{
  lp_test_gate_open (self->gate);
  lp_lease_release (self->lease);
  lp_test_finish (self->manager);
  g_assert_finalize_object (self->lease);
  g_assert_finalize_object (self->job);
  lp_test_gate_unref (self->gate);
}

static inline void
keep_records (void)
{
  records = g_ptr_array_new_with_free_func (record_free);
  g_log_set_writer_func (keep_record, NULL, NULL);
}

static inline gboolean
is_over (gpointer text)
{
  return strstr (((GString *) text)->str, "ended") != NULL;
}
