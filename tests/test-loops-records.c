/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A test program, which a warning would abort: what the library writes in it. */

#include "config.h"

#include "lp-test-loops.h"

/* An executor that the test can break, and that is asked whether it has died. */

static void
break_last_executor (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "the cable is cut");

  lp_executor_report_died (g_atomic_pointer_get (&last_executor), error);
}

/* --- A test program --- */

/* The records of the domain "loops-test", as strings "LEVEL EVENT FIELD=VALUE...". */
static GMutex records_lock;
static GPtrArray *records;      /* (records_lock) of GHashTable */

static GLogWriterOutput
writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  g_autoptr (GHashTable) record = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (gsize i = 0; i < n_fields; i++)
    if (fields[i].length < 0)
      g_hash_table_insert (record, g_strdup (fields[i].key), g_strdup (fields[i].value));

  if (g_strcmp0 (g_hash_table_lookup (record, "GLIB_DOMAIN"), "loops-test") != 0)
    return g_log_writer_default (level, fields, n_fields, user_data);

  g_hash_table_insert (record, g_strdup ("level"), g_strdup_printf ("%d", level & G_LOG_LEVEL_MASK));
  g_mutex_lock (&records_lock);
  g_ptr_array_add (records, g_steal_pointer (&record));
  g_mutex_unlock (&records_lock);

  return G_LOG_WRITER_HANDLED;
}

static void
clear_records (void)
{
  g_mutex_lock (&records_lock);
  g_ptr_array_set_size (records, 0);
  g_mutex_unlock (&records_lock);
}

/* The only record of EVENT, or NULL. */
static GHashTable *
ref_record (const char *event)
{
  GHashTable *found = NULL;

  g_mutex_lock (&records_lock);
  for (guint i = 0; i < records->len; i++)
    if (g_strcmp0 (g_hash_table_lookup (records->pdata[i], "LEASEPOOL_EVENT"), event) == 0)
      {
        g_assert_null (found);
        found = g_hash_table_ref (records->pdata[i]);
      }
  g_mutex_unlock (&records_lock);

  return found;
}

static gboolean
has_record (gpointer event)
{
  g_autoptr (GHashTable) record = ref_record (event);

  return record != NULL;
}

static GHashTable *
wait_record (const char *event)
{
  lp_test_wait_for (has_record, (gpointer) event, event);
  return ref_record (event);
}

static void
assert_field (GHashTable *record, const char *key, const char *value)
{
  g_assert_cmpstr (g_hash_table_lookup (record, key), ==, value);
}

static void
assert_message_names (GHashTable *record, const char *word)
{
  const char *message = g_hash_table_lookup (record, "MESSAGE");

  g_assert_nonnull (message);
  if (strstr (message, word) == NULL)
    g_error ("“%s” does not name %s", message, word);
}

/* An operational event: seen, and no reason to abort. */
static void
assert_is_message (GHashTable *record)
{
  g_autofree char *level = g_strdup_printf ("%d", G_LOG_LEVEL_MESSAGE);

  assert_field (record, "level", level);
  assert_field (record, "PRIORITY", "5");
  assert_field (record, "GLIB_DOMAIN", "loops-test");
}

/* Nothing that is written in this program may be worse than a message. */
static void
assert_nothing_worse (void)
{
  g_mutex_lock (&records_lock);
  for (guint i = 0; i < records->len; i++)
    {
      const char *level = g_hash_table_lookup (records->pdata[i], "level");

      g_assert_cmpint (atoi (level), >=, G_LOG_LEVEL_MESSAGE);
    }
  g_mutex_unlock (&records_lock);
}

static void
finish_logged (LpManager *manager)
{
  lp_test_finish (manager);
  assert_nothing_worse ();
}

static void
test_records_of_a_revocation (void)
{
  LpManager *manager;
  g_autoptr (GHashTable) record = NULL;
  g_autoptr (LpLease) lease = NULL;

  clear_records ();
  manager = lp_test_start (1, "log-domain", "loops-test", "default-lease-seconds", 0.05, "lease-grace-seconds", 0.0,
                           NULL);
  lease = lp_test_acquire (manager, "careless");
  record = wait_record ("lease-revoked");
  assert_is_message (record);
  assert_field (record, "OWNER", "careless");
  assert_field (record, "LEASE_ID", lp_lease_get_id (lease));
  assert_field (record, "EXECUTOR_SEQ", "1");
  assert_message_names (record, "careless");
  assert_message_names (record, lp_lease_get_id (lease));

  finish_logged (manager);
}

static void
test_records_of_a_dropped_lease (void)
{
  LpManager *manager;
  g_autoptr (GHashTable) record = NULL;
  g_autofree char *id = NULL;
  LpLease *lease;

  clear_records ();
  manager = lp_test_start (1, "log-domain", "loops-test", NULL);
  lease = lp_test_acquire (manager, "careless");
  id = g_strdup (lp_lease_get_id (lease));
  g_object_unref (lease);
  record = wait_record ("lease-dropped");
  assert_is_message (record);
  assert_field (record, "OWNER", "careless");
  assert_field (record, "LEASE_ID", id);
  assert_field (record, "EXECUTOR_SEQ", "1");
  assert_message_names (record, "careless");

  finish_logged (manager);
}

static void
test_records_of_a_broken_executor (void)
{
  LpManager *manager;
  g_autoptr (GHashTable) record = NULL;
  g_autoptr (LpLease) lease = NULL;

  clear_records ();
  manager = lp_test_start (1, "log-domain", "loops-test", "executor-type", TEST_TYPE_EXECUTOR, NULL);
  lease = lp_test_acquire (manager, "unlucky");
  break_last_executor ();
  record = wait_record ("executor-broken");
  assert_is_message (record);
  assert_field (record, "EXECUTOR_SEQ", "1");
  assert_message_names (record, "the cable is cut");
  lp_test_wait_stat (manager, "available", 1);

  finish_logged (manager);
}

static void
test_records_of_a_quarantine (void)
{
  LpManager *manager;
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  g_autoptr (GHashTable) record = NULL;
  g_autoptr (LpLease) lease = NULL;

  clear_records ();
  manager = lp_test_start (1, "log-domain", "loops-test", "cancel-grace-seconds", 0.0, NULL);
  lease = lp_test_acquire (manager, "stuck");
  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_job_cancel (job);
  lp_lease_release (lease);
  record = wait_record ("executor-quarantined");
  assert_is_message (record);
  assert_field (record, "EXECUTOR_SEQ", "1");

  lp_test_gate_open (gate);
  lp_test_wait_stat (manager, "quarantined", 0);
  finish_logged (manager);
  lp_test_gate_unref (gate);
}

/* What is no event of operation: the life cycle is INFO, leases are DEBUG, and
 * those are not written unless somebody asked for them. */
static void
test_records_of_an_ordinary_run (void)
{
  LpManager *manager;
  g_autoptr (LpLease) lease = NULL;
  g_autofree char *info = g_strdup_printf ("%d", G_LOG_LEVEL_INFO);

  clear_records ();
  manager = lp_test_start (1, "log-domain", "loops-test", NULL);
  lease = lp_test_acquire (manager, "careful");
  lp_lease_release (lease);
  finish_logged (manager);

  g_assert_cmpuint (records->len, >, 0);
  for (guint i = 0; i < records->len; i++)
    assert_field (records->pdata[i], "level", info);
}

/* An owner cannot forge a line. */
static void
test_records_are_escaped (void)
{
  LpManager *manager;
  g_autoptr (GHashTable) record = NULL;

  clear_records ();
  manager = lp_test_start (1, "log-domain", "loops-test", NULL);
  g_object_unref (lp_test_acquire (manager, "a\nb\033[2J"));
  record = wait_record ("lease-dropped");
  assert_field (record, "OWNER", "a\\x0ab\\x1b[2J");
  assert_message_names (record, "a\\x0ab\\x1b[2J");

  finish_logged (manager);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  records = g_ptr_array_new_with_free_func ((GDestroyNotify) g_hash_table_unref);
  g_log_set_writer_func (writer, NULL, NULL);

  lp_test_conform_add_func ("/loops/test-program/revocation", test_records_of_a_revocation);
  lp_test_conform_add_func ("/loops/test-program/dropped-lease", test_records_of_a_dropped_lease);
  g_test_add_func ("/loops/test-program/broken-executor", test_records_of_a_broken_executor);
  g_test_add_func ("/loops/test-program/quarantine", test_records_of_a_quarantine);
  lp_test_conform_add_func ("/loops/test-program/ordinary-run", test_records_of_an_ordinary_run);
  lp_test_conform_add_func ("/loops/test-program/records-are-escaped", test_records_are_escaped);

  result = g_test_run ();
  g_ptr_array_unref (records);

  return result;
}
