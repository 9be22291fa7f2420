/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-job.h"

#include <sys/prctl.h>

/* --- Workers --- */

static GPrivate initialised;    /* in a worker: what the init function was given, plus 1 */
static GPrivate n_run;          /* in a worker: how many jobs it has run */
static int n_inits;             /* (atomic) */
static int n_good_inits;        /* (atomic) after so many it fails */

static void
init_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int n = g_atomic_int_add (&n_inits, 1) + 1;
  int value;

  g_variant_get (lp_job_get_parameters (job), "(i)", &value);
  g_assert_null (g_private_get (&initialised));
  g_private_set (&initialised, GINT_TO_POINTER (value + 1));

  if (n > g_atomic_int_get (&n_good_inits))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no room to initialise");
  else
    *result = g_variant_new ("()");
}

static void
initialised_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", GPOINTER_TO_INT (g_private_get (&initialised)) - 1);
}

static LpManager *
new_with_init (int workers, int max_jobs, int good_inits)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();

  g_atomic_int_set (&n_inits, 0);
  g_atomic_int_set (&n_good_inits, good_inits);
  lp_functions_add (functions, "init", G_VARIANT_TYPE ("(i)"), NULL, init_func, NULL, NULL, NULL);

  return g_object_new (LP_TYPE_MANAGER,
                       "max-pools", 1,
                       "workers-per-pool", workers,
                       "max-jobs-per-worker", max_jobs,
                       "name-prefix", "init",
                       "functions", functions,
                       "worker-init-function", "init",
                       "worker-init-parameters", g_variant_new ("(i)", 41),
                       NULL);
}

static void
run_initialised_jobs (LpManager *manager, guint n_jobs)
{
  LpLease *lease = lp_test_acquire (manager, "initialised");
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n_jobs; i++)
    {
      g_ptr_array_add (jobs, lp_job_new_for_func (initialised_func, NULL, NULL));
      lp_test_submit (lease, jobs->pdata[i]);
    }
  for (guint i = 0; i < n_jobs; i++)
    assert_value (jobs->pdata[i], 41);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
}

static void
test_worker_init_comes_first (void)
{
  LpManager *manager = new_with_init (3, 0, G_MAXINT);
  g_autoptr (GError) error = NULL;

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_atomic_int_get (&n_inits), ==, 3);
  run_initialised_jobs (manager, 100);
  g_assert_cmpint (g_atomic_int_get (&n_inits), ==, 3);

  lp_test_finish (manager);
}

static void
test_worker_init_comes_first_in_replacements (void)
{
  LpManager *manager = new_with_init (2, 1, G_MAXINT);
  g_autoptr (GError) error = NULL;

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  run_initialised_jobs (manager, 50);
  g_assert_cmpint (g_atomic_int_get (&n_inits), >=, 50);

  lp_test_finish (manager);
}

static gboolean
has_no_threads (gpointer prefix)
{
  return lp_test_count_threads (prefix) == 0;
}

static void
test_worker_init_failure_fails_the_start (void)
{
  LpManager *manager = new_with_init (3, 0, 2);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, "no room to initialise"));
  g_assert_false (lp_manager_is_running (manager));

  /* Nothing is left behind. */
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  g_assert_cmpuint (lp_test_count_threads ("init"), ==, 0);

  g_atomic_int_set (&n_good_inits, G_MAXINT);
  g_clear_error (&error);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  run_initialised_jobs (manager, 10);

  lp_test_finish (manager);
}

/* Later it breaks the executor: what has not started can be tried again. */
static void
test_worker_init_failure_breaks_the_executor (void)
{
  LpManager *manager = new_with_init (1, 1, 1);
  LpLease *lease;
  g_autoptr (LpJob) first = lp_job_new_for_func (initialised_func, NULL, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  lease = lp_test_acquire (manager, "breaks");
  lp_test_submit (lease, running);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_submit (lease, queued);
  lp_test_gate_open (gate);

  assert_done (running);
  assert_fails (queued, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  assert_refused (lease, first, LP_ERROR, LP_ERROR_EXPIRED);

  /* It is replaced by one that works, once there is one. */
  g_atomic_int_set (&n_good_inits, G_MAXINT);
  run_initialised_jobs (manager, 1);

  g_assert_finalize_object (lease);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static void
worn_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int n = GPOINTER_TO_INT (g_private_get (&n_run)) + 1;

  g_private_set (&n_run, GINT_TO_POINTER (n));
  *result = g_variant_new ("(i)", n);
}

/* A backlog is not stranded when its only worker is replaced again and again. */
static void
test_worker_max_jobs (gconstpointer data)
{
  int max_jobs = GPOINTER_TO_INT (data);
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "max-jobs-per-worker", max_jobs,
                                      "name-prefix", "worn", NULL);
  LpLease *lease = lp_test_acquire (manager, "worn");
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  int n_workers = 0;

  for (guint i = 0; i < 1000; i++)
    {
      g_ptr_array_add (jobs, lp_job_new_for_func (worn_func, NULL, NULL));
      lp_test_submit (lease, jobs->pdata[i]);
    }
  for (guint i = 0; i < jobs->len; i++)
    {
      g_autoptr (GVariant) value = lp_job_wait (jobs->pdata[i], PATIENCE_SECONDS, NULL, NULL);
      int n;

      g_assert_nonnull (value);
      g_variant_get (value, "(i)", &n);
      g_assert_cmpint (n, ==, i % max_jobs + 1);
      n_workers += n == 1;
    }
  g_assert_cmpint (n_workers, ==, (1000 + max_jobs - 1) / max_jobs);

  /* Its executor is the same all the time. */
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 1);
  lp_lease_release (lease);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
  g_assert_true (has_no_threads ((gpointer) "worn"));
}

static void
name_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  char name[17] = "";

  g_assert_cmpint (prctl (PR_GET_NAME, name), ==, 0);
  *result = g_variant_new ("(s)", name);
}

static void
check_thread_name (const char *prefix, const char *expected)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, "name-prefix", prefix, NULL);
  LpLease *lease = lp_test_acquire (manager, "named");
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) first = lp_test_gate_job (gate);
  g_autoptr (LpJob) job = lp_job_new_for_func (name_func, NULL, NULL);
  g_autoptr (GVariant) value = NULL;
  const char *name;

  /* The second worker, so that N is 2. */
  lp_test_submit (lease, first);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_submit (lease, job);
  value = lp_job_wait (job, PATIENCE_SECONDS, NULL, NULL);
  g_variant_get (value, "(&s)", &name);
  g_assert_cmpstr (name, ==, expected);
  lp_test_gate_open (gate);

  lp_lease_release (lease);
  lp_test_finish (manager);
  g_assert_finalize_object (lease);
  lp_test_gate_unref (gate);
}

/* PREFIX-SEQ-N in 15 bytes; the prefix is cut, never in the middle of a
 * character. */
static void
test_worker_threads_are_named (void)
{
  check_thread_name ("leasepool", "leasepool-1-2");
  check_thread_name ("elevenbytes", "elevenbytes-1-2");
  check_thread_name ("twelve-bytes", "twelve-byte-1-2");
  check_thread_name ("a prefix of many more bytes", "a prefix of-1-2");
  check_thread_name ("ten-bytes-\303\251", "ten-bytes--1-2");
  check_thread_name ("x", "x-1-2");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/worker/init-comes-first", test_worker_init_comes_first);
  g_test_add_func ("/worker/init-comes-first-in-replacements", test_worker_init_comes_first_in_replacements);
  g_test_add_func ("/worker/init-failure-fails-the-start", test_worker_init_failure_fails_the_start);
  g_test_add_func ("/worker/init-failure-breaks-the-executor", test_worker_init_failure_breaks_the_executor);
  g_test_add_data_func ("/worker/max-jobs-1", GINT_TO_POINTER (1), test_worker_max_jobs);
  g_test_add_data_func ("/worker/max-jobs-2", GINT_TO_POINTER (2), test_worker_max_jobs);
  g_test_add_data_func ("/worker/max-jobs-3", GINT_TO_POINTER (3), test_worker_max_jobs);
  g_test_add_func ("/worker/threads-are-named", test_worker_threads_are_named);

  return g_test_run ();
}
