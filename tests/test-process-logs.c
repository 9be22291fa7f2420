/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The log records of worker processes: none is lost, none comes late, and none
 * does harm. */

#include "config.h"

#include "lp-test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_WORKERS 4

typedef struct
{
  LpManager *manager;
  GHashTable *next;             /* worker -> the number that is to come next */
  guint n_records;
  guint n_results;              /* jobs whose result has come */
  guint n_each;                 /* records of a job */
} Logs;

static guint
records_of_a_job (void)
{
  return lp_test_size (5000, 250000, 1000);
}

static void
count_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  Logs *self = user_data;
  const char *worker, *message, *domain;
  guint number;

  g_assert_true (g_variant_lookup (record, "worker", "&s", &worker));
  g_assert_true (g_variant_lookup (record, "message", "&s", &message));
  g_assert_true (g_variant_lookup (record, "worker_domain", "&s", &domain));
  g_assert_cmpstr (domain, ==, "flood");
  g_assert_cmpint (sscanf (message, "record %u", &number), ==, 1);

  /* A worker that is done before another one has begun may get its job, too. */
  g_assert_cmpuint (number, ==, GPOINTER_TO_UINT (g_hash_table_lookup (self->next, worker)) % self->n_each);
  g_hash_table_insert (self->next, g_strdup (worker), GUINT_TO_POINTER (number + 1));
  self->n_records++;
}

static LpManager *
manager_new (gboolean forward, const char *domain)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "worker-program", NULL);
  const char *argv[] = { program, NULL };
  LpManager *manager = g_object_new (LP_TYPE_MANAGER, "backend", "process", "max-pools", 1, "workers-per-pool", N_WORKERS,
                                     "worker-argv", argv, "forward-process-logs", forward, "process-log-domain", domain,
                                     "start-timeout-seconds", (double) LP_TEST_PATIENCE_SECONDS, NULL);

  return manager;
}

static void
set_up (Logs *self, gboolean listen)
{
  GError *error = NULL;

  *self = (Logs) { manager_new (TRUE, "forwarded") };
  self->next = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->n_each = records_of_a_job ();
  if (listen)
    g_signal_connect (self->manager, "worker-record", G_CALLBACK (count_cb), self);
  lp_manager_start (self->manager, NULL, &error);
  g_assert_no_error (error);
}

static void
tear_down (Logs *self)
{
  lp_test_finish (self->manager);
  g_hash_table_unref (self->next);
}

static LpJob *
log_job (guint level, guint n)
{
  return lp_job_new_for_call ("log", g_variant_new ("(uu)", level, n));
}

static void
told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Logs *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_job_wait_finish (LP_JOB (source), result, &error);

  g_assert_no_error (error);
  self->n_results++;

  /* All of as many jobs are there. */
  g_assert_cmpuint (self->n_records, >=, self->n_results * self->n_each);
}

static gboolean
all_told (gpointer data)
{
  return ((Logs *) data)->n_results == N_WORKERS;
}

/* A million records take more than what is patience elsewhere. */
static void
wait_for_results (Logs *self)
{
  while (!all_told (self))
    g_main_context_iteration (NULL, TRUE);
}

static void
submit_all (Logs *self, LpLease *lease)
{
  for (guint i = 0; i < N_WORKERS; i++)
    {
      g_autoptr (LpJob) job = log_job (G_LOG_LEVEL_INFO, self->n_each);

      lp_job_wait_async (job, NULL, told_cb, self);
      lp_test_submit (lease, job);
    }
}

static void
test_none_is_lost (void)
{
  Logs self;
  LpLease *lease;

  set_up (&self, TRUE);
  lease = lp_test_acquire (self.manager, "flood");
  submit_all (&self, lease);
  wait_for_results (&self);

  g_assert_cmpuint (self.n_records, ==, N_WORKERS * self.n_each);
  g_assert_cmpuint (lp_test_counter (self.manager, "log_records_forwarded"), ==, N_WORKERS * self.n_each);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  tear_down (&self);
}

static void
iterating_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  static guint depth;
  g_autoptr (GVariant) before = g_variant_ref (record);
  g_autofree char *text = g_variant_print (record, FALSE);
  g_autofree char *text_after = NULL;

  count_cb (manager, record, user_data);
  if (depth < 3 && ((Logs *) user_data)->n_records % 7 == 0)
    {
      depth++;
      while (g_main_context_iteration (NULL, FALSE))
        ;
      depth--;
    }

  /* It is the same after others that came with it have been told. */
  text_after = g_variant_print (before, FALSE);
  g_assert_cmpstr (text_after, ==, text);
}

static gboolean
all_came (gpointer data)
{
  return ((Logs *) data)->n_records >= N_WORKERS * ((Logs *) data)->n_each;
}

/* In the middle of those that were read together, too: it is told of the next ones within. */
static void
test_handler_may_iterate (void)
{
  Logs self;
  LpLease *lease;

  set_up (&self, FALSE);
  g_signal_connect (self.manager, "worker-record", G_CALLBACK (iterating_cb), &self);
  self.n_each = 2000;
  lease = lp_test_acquire (self.manager, "flood");
  for (guint i = 0; i < N_WORKERS; i++)
    {
      g_autoptr (LpJob) job = log_job (G_LOG_LEVEL_INFO, self.n_each);

      lp_test_submit (lease, job);
    }
  lp_test_wait_for (all_came, &self, "all records");

  g_assert_cmpuint (self.n_records, ==, N_WORKERS * self.n_each);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  tear_down (&self);
}

/* Nobody iterates: the one that blocks takes them. */
static void
test_blocking_wait_takes_them (void)
{
  Logs self;
  LpLease *lease;
  g_autoptr (LpJob) job = NULL;
  g_autoptr (GVariant) value = NULL;
  GError *error = NULL;

  set_up (&self, TRUE);
  self.n_each *= 4;
  lease = lp_test_acquire (self.manager, "flood");
  job = log_job (G_LOG_LEVEL_INFO, self.n_each);
  lp_test_submit (lease, job);
  value = lp_job_wait (job, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (self.n_records, ==, self.n_each);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  tear_down (&self);
}

/* The owner is away: the worker waits, and the stop takes what there is. */
static void
test_blocking_stop_takes_them (void)
{
  Logs self;
  LpLease *lease;
  GError *error = NULL;

  set_up (&self, TRUE);
  lease = lp_test_acquire (self.manager, "flood");
  submit_all (&self, lease);
  lp_manager_stop (self.manager, LP_STOP_MODE_DRAIN, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (self.n_records, ==, N_WORKERS * self.n_each);
  lp_test_wait_for (all_told, &self, "the results");

  g_assert_finalize_object (lease);
  tear_down (&self);
}

/* --- The records of this process --- */

typedef struct
{
  GLogLevelFlags level;
  char *domain;
  char *message;
  GHashTable *fields;
} Written;

static GPtrArray *written;      /* (written_lock) */
static GMutex written_lock;

static void
written_free (gpointer data)
{
  Written *self = data;

  g_free (self->domain);
  g_free (self->message);
  g_hash_table_unref (self->fields);
  g_free (self);
}

static GLogWriterOutput
writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  Written *self = g_new0 (Written, 1);

  self->level = level;
  self->fields = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (gsize i = 0; i < n_fields; i++)
    g_hash_table_insert (self->fields, g_strdup (fields[i].key), g_strdup (fields[i].value));
  self->domain = g_strdup (g_hash_table_lookup (self->fields, "GLIB_DOMAIN"));
  self->message = g_strdup (g_hash_table_lookup (self->fields, "MESSAGE"));

  g_mutex_lock (&written_lock);
  if (g_hash_table_contains (self->fields, "WORKER"))
    g_ptr_array_add (written, g_steal_pointer (&self));
  g_mutex_unlock (&written_lock);
  g_clear_pointer (&self, written_free);

  return g_log_writer_default (level, fields, n_fields, NULL);
}

static const Written *
find_written (const char *message)
{
  const Written *found = NULL;

  g_mutex_lock (&written_lock);
  for (guint i = 0; i < written->len && found == NULL; i++)
    if (strstr (((Written *) written->pdata[i])->message, message) != NULL)
      found = written->pdata[i];
  g_mutex_unlock (&written_lock);

  return found;
}

static void
run (LpManager *manager, LpJob *job, GError **error)
{
  LpLease *lease = lp_test_acquire (manager, "logs");
  g_autoptr (LpJob) held = job;
  g_autoptr (GVariant) value = NULL;

  lp_test_submit (lease, job);
  value = lp_job_wait (job, -1, NULL, error);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
}

/* With g_test_init() a WARNING of this process would end it. */
static void
test_levels_do_no_harm (void)
{
  const GLogLevelFlags levels[] = { G_LOG_LEVEL_CRITICAL, G_LOG_LEVEL_WARNING, G_LOG_LEVEL_MESSAGE, G_LOG_LEVEL_INFO };
  const char * const names[] = { "CRITICAL", "WARNING", "MESSAGE", "INFO" };
  Logs self;
  GError *error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    {
      const Written *record;

      g_ptr_array_set_size (written, 0);
      set_up (&self, FALSE);
      run (self.manager, log_job (levels[i], 1), &error);
      g_assert_no_error (error);

      record = find_written ("record 0");
      g_assert_nonnull (record);
      g_assert_cmpint (record->level, ==, levels[i]);
      g_assert_cmpstr (record->domain, ==, "forwarded");
      g_assert_cmpstr (g_hash_table_lookup (record->fields, "WORKER_LEVEL"), ==, names[i]);
      g_assert_cmpstr (g_hash_table_lookup (record->fields, "WORKER_DOMAIN"), ==, "flood");
      g_assert_cmpstr (g_hash_table_lookup (record->fields, "EXECUTOR_SEQ"), ==, "1");
      g_assert_nonnull (g_hash_table_lookup (record->fields, "WORKER_PID"));
      tear_down (&self);
    }
}

static void
leaving_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  Logs *self = user_data;

  if (++self->n_records == 10)
    g_signal_handlers_disconnect_by_data (manager, self);
}

/* What was on its way to one who listens no more goes to the log, as if nobody ever had. */
static void
test_handler_may_leave (void)
{
  Logs self;
  const Written *record;
  GError *error = NULL;

  g_ptr_array_set_size (written, 0);
  set_up (&self, FALSE);
  g_signal_connect (self.manager, "worker-record", G_CALLBACK (leaving_cb), &self);
  run (self.manager, log_job (G_LOG_LEVEL_MESSAGE, 100), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (self.n_records, ==, 10);
  g_assert_cmpuint (written->len, ==, 90);
  for (guint i = 0; i < written->len; i++)
    {
      g_autofree char *message = g_strdup_printf ("record %u", i + 10);

      record = written->pdata[i];
      g_assert_cmpstr (record->message, ==, message);
      g_assert_cmpint (record->level, ==, G_LOG_LEVEL_MESSAGE);
      g_assert_cmpstr (record->domain, ==, "forwarded");
      g_assert_cmpstr (g_hash_table_lookup (record->fields, "LEASEPOOL_EVENT"), ==, "worker-record");
      g_assert_cmpstr (g_hash_table_lookup (record->fields, "WORKER_DOMAIN"), ==, "flood");
      g_assert_cmpstr (g_hash_table_lookup (record->fields, "WORKER_LEVEL"), ==, "MESSAGE");
      g_assert_cmpint (atoi (g_hash_table_lookup (record->fields, "WORKER_PID")), >, 1);
    }
  g_assert_cmpuint (lp_test_counter (self.manager, "log_records_forwarded"), ==, 100);
  tear_down (&self);
}

/* An ERROR ends the worker, whose last words arrive, and not this process. */
static void
test_error_of_a_worker (void)
{
  Logs self;
  const Written *record;
  g_autoptr (GError) error = NULL;

  g_ptr_array_set_size (written, 0);
  set_up (&self, FALSE);
  run (self.manager, lp_job_new_for_call ("log-fatal", g_variant_new ("(s)", "error")), &error);
  g_assert_error (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);

  record = find_written ("the end");
  g_assert_nonnull (record);
  g_assert_cmpint (record->level, ==, G_LOG_LEVEL_CRITICAL);
  g_assert_cmpstr (g_hash_table_lookup (record->fields, "WORKER_LEVEL"), ==, "ERROR");
  tear_down (&self);
}

static void
test_threshold (void)
{
  Logs self = { 0 };
  GError *error = NULL;

  g_ptr_array_set_size (written, 0);
  self.manager = manager_new (TRUE, NULL);
  lp_manager_set_process_log_level (self.manager, G_LOG_LEVEL_WARNING);
  self.next = g_hash_table_new (NULL, NULL);
  lp_manager_start (self.manager, NULL, &error);
  g_assert_no_error (error);
  run (self.manager, log_job (G_LOG_LEVEL_MESSAGE, 3), &error);
  g_assert_no_error (error);
  run (self.manager, log_job (G_LOG_LEVEL_WARNING, 2), &error);
  g_assert_no_error (error);

  g_assert_cmpuint (written->len, ==, 2);
  /* Without a domain to forward to, the worker's own stands. */
  g_assert_cmpstr (((Written *) written->pdata[0])->domain, ==, "flood");
  g_assert_cmpuint (lp_test_counter (self.manager, "log_records_forwarded"), ==, 2);
  tear_down (&self);
}

/* --- Standard error --- */

static void
stderr_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  GString *lines = user_data;
  const char *source, *message;

  g_assert_true (g_variant_lookup (record, "source", "&s", &source));
  g_assert_true (g_variant_lookup (record, "message", "&s", &message));
  g_assert_cmpstr (source, ==, "stderr");
  g_string_append_printf (lines, "%s|", message);
}

/* What is printed comes before the result, line by line, whatever it has. */
static void
test_printed_lines (void)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  Logs self;
  GError *error = NULL;

  set_up (&self, FALSE);
  g_signal_connect (self.manager, "worker-record", G_CALLBACK (stderr_cb), lines);
  run (self.manager, lp_job_new_for_call ("print", g_variant_new ("(s)", "one\ntwo \x1b[31m\n")), &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (lines->str, "one|two \x1b[31m|"));
  tear_down (&self);
}

/* Nor does what an init function prints come after the manager has started. */
static void
test_printed_lines_of_an_init_function (void)
{
  const guint n_lines = 10000;
  LpManager *manager = manager_new (TRUE, "forwarded");
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) expected = g_string_new (NULL);
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i < n_lines; i++)
    {
      g_string_append (text, "line\n");
      g_string_append (expected, "line|");
    }
  g_string_append (text, "line");
  g_string_append (expected, "line|");
  g_object_set (manager, "workers-per-pool", 1, "worker-init-function", "print", NULL);
  lp_manager_set_worker_init_parameters (manager, g_variant_new ("(s)", text->str));
  g_signal_connect (manager, "worker-record", G_CALLBACK (stderr_cb), lines);

  lp_manager_start_async (manager, NULL, lp_test_result_cb, &result);
  lp_manager_start_finish (manager, lp_test_wait_result (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lines->len, ==, expected->len);
  g_assert_cmpstr (lines->str, ==, expected->str);
  g_clear_object (&result);
  lp_test_finish (manager);
}

static void
test_crash_in_a_flood (void)
{
  Logs self;
  g_autoptr (GError) error = NULL;

  set_up (&self, TRUE);
  self.n_each = 3000;
  run (self.manager, lp_job_new_for_call ("log-and-crash", g_variant_new ("(u)", self.n_each)), &error);
  g_assert_error (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpuint (self.n_records, ==, self.n_each);
  tear_down (&self);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  written = g_ptr_array_new_with_free_func (written_free);
  g_log_set_writer_func (writer, NULL, NULL);

  g_test_add_func ("/process/logs/none-is-lost", test_none_is_lost);
  g_test_add_func ("/process/logs/handler-may-iterate", test_handler_may_iterate);
  g_test_add_func ("/process/logs/blocking-wait-takes-them", test_blocking_wait_takes_them);
  g_test_add_func ("/process/logs/blocking-stop-takes-them", test_blocking_stop_takes_them);
  g_test_add_func ("/process/logs/levels-do-no-harm", test_levels_do_no_harm);
  g_test_add_func ("/process/logs/handler-may-leave", test_handler_may_leave);
  g_test_add_func ("/process/logs/error-of-a-worker", test_error_of_a_worker);
  g_test_add_func ("/process/logs/threshold", test_threshold);
  g_test_add_func ("/process/logs/printed-lines", test_printed_lines);
  g_test_add_func ("/process/logs/printed-lines-of-an-init-function", test_printed_lines_of_an_init_function);
  g_test_add_func ("/process/logs/crash-in-a-flood", test_crash_in_a_flood);

  result = g_test_run ();
  g_ptr_array_unref (written);
  return result;
}
