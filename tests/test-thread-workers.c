/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-job.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Workers --- */

/* What the function "init" of conform-module.c counts in, and where it finds how often it may succeed. */
typedef struct
{
  char *directory;
  char *count;
  char *limit;
} Inits;

static void
inits_limit (Inits *self, const char *limit)
{
  if (limit == NULL)
    g_assert_no_errno (g_unlink (self->limit));
  else
    g_assert_true (g_file_set_contents (self->limit, limit, -1, NULL));
}

static void
inits_clear (Inits *self)
{
  g_unlink (self->count);
  g_unlink (self->limit);
  g_assert_no_errno (g_rmdir (self->directory));
  g_free (self->directory);
  g_free (self->count);
  g_free (self->limit);
}

static gsize
count_inits (Inits *self)
{
  g_autofree char *contents = NULL;
  gsize n = 0;

  g_file_get_contents (self->count, &contents, &n, NULL);
  return n;
}

static LpManager *
new_with_init (Inits *inits, int workers, int max_jobs, const char *limit)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;

  inits->directory = g_dir_make_tmp ("leasepool-init-XXXXXX", &error);
  g_assert_no_error (error);
  inits->count = g_build_filename (inits->directory, "count", NULL);
  inits->limit = g_build_filename (inits->directory, "limit", NULL);
  if (limit != NULL)
    inits_limit (inits, limit);

  lp_manager_set_workers_per_pool (manager, workers);
  lp_manager_set_max_jobs_per_worker (manager, max_jobs);
  lp_manager_set_name_prefix (manager, "init");
  lp_manager_set_worker_init_function (manager, "init");
  lp_manager_set_worker_init_parameters (manager, g_variant_new ("(i^ay)", 41, inits->directory));

  return manager;
}

static void
run_initialised_jobs (LpManager *manager, guint n_jobs)
{
  LpLease *lease = lp_test_acquire (manager, "initialised");
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < n_jobs; i++)
    {
      g_ptr_array_add (jobs, lp_job_new_for_call ("initialised", NULL));
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
  Inits inits;
  LpManager *manager = new_with_init (&inits, 3, 0, NULL);
  g_autoptr (GError) error = NULL;

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (count_inits (&inits), ==, 3);
  run_initialised_jobs (manager, 100);
  g_assert_cmpuint (count_inits (&inits), ==, 3);

  lp_test_finish (manager);
  inits_clear (&inits);
}

static void
test_worker_init_comes_first_in_replacements (void)
{
  Inits inits;
  LpManager *manager = new_with_init (&inits, 2, 1, NULL);
  g_autoptr (GError) error = NULL;

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  run_initialised_jobs (manager, 50);
  g_assert_cmpuint (count_inits (&inits), >=, 50);

  lp_test_finish (manager);
  inits_clear (&inits);
}

static gboolean
has_no_threads (gpointer prefix)
{
  return lp_test_count_threads (prefix) == 0;
}

static void
test_worker_init_failure_fails_the_start (void)
{
  Inits inits;
  LpManager *manager = new_with_init (&inits, 3, 0, "2");
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, "no room to initialise"));
  g_assert_false (lp_manager_is_running (manager));

  /* Nothing is left behind. */
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  g_assert_cmpuint (lp_test_count_threads ("init"), ==, 0);

  inits_limit (&inits, NULL);
  g_clear_error (&error);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  run_initialised_jobs (manager, 10);

  lp_test_finish (manager);
  inits_clear (&inits);
}

/* From here on an init waits for what it may do. */
static void
inits_hold (Inits *self)
{
  g_assert_no_errno (mkfifo (self->limit, 0600));
}

/* The one that waits, or the next one, does not succeed; those that come later do. */
static void
inits_fail_one (Inits *self)
{
  int fd = g_open (self->limit, O_WRONLY | O_CLOEXEC, 0);       /* until it reads */

  g_assert_no_errno (fd);
  g_assert_no_errno (g_unlink (self->limit));
  g_assert_cmpint (write (fd, "1", 1), ==, 1);
  g_assert_no_errno (close (fd));
}

/* Later it breaks the executor: what has not started can be tried again. */
static void
test_worker_init_failure_breaks_the_executor (void)
{
  Inits inits;
  LpManager *manager = new_with_init (&inits, 1, 1, NULL);
  LpLease *lease;
  g_autoptr (LpJob) first = lp_job_new_for_call ("initialised", NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) running = lp_test_gate_job (gate);
  g_autoptr (LpJob) queued = lp_test_value_job (1);
  g_autoptr (GError) error = NULL;

  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  /* Processes are replaced before their last job has ended, even before it has begun. */
  inits_hold (&inits);
  lease = lp_test_acquire (manager, "breaks");
  lp_test_submit (lease, running);
  lp_test_gate_wait_entered (gate, 1);
  lp_test_submit (lease, queued);
  lp_test_gate_open (gate);
  inits_fail_one (&inits);

  lp_test_assert_done (running);
  assert_fails (queued, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  assert_refused (lease, first, LP_ERROR, LP_ERROR_EXPIRED);

  /* It is replaced by one that works. */
  run_initialised_jobs (manager, 1);

  g_assert_finalize_object (lease);
  lp_test_finish (manager);
  inits_clear (&inits);
  lp_test_gate_unref (gate);
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
  /* A process takes some 20 ms of a processor. */
  int n_jobs = (int) lp_test_size (lp_test_has_processes () ? 100 : 1000, 1000, 60);
  int n_workers = 0;

  for (int i = 0; i < n_jobs; i++)
    {
      g_ptr_array_add (jobs, lp_job_new_for_call ("worn", NULL));
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
  g_assert_cmpint (n_workers, ==, (n_jobs + max_jobs - 1) / max_jobs);

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
  g_variant_unref (lp_job_wait (first, PATIENCE_SECONDS, NULL, NULL));

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

  lp_test_conform_add_func ("/worker/init-comes-first", test_worker_init_comes_first);
  lp_test_conform_add_func ("/worker/init-comes-first-in-replacements", test_worker_init_comes_first_in_replacements);
  lp_test_conform_add_func ("/worker/init-failure-fails-the-start", test_worker_init_failure_fails_the_start);
  lp_test_conform_add_func ("/worker/init-failure-breaks-the-executor", test_worker_init_failure_breaks_the_executor);
  lp_test_conform_add_data_func ("/worker/max-jobs-1", GINT_TO_POINTER (1), test_worker_max_jobs);
  lp_test_conform_add_data_func ("/worker/max-jobs-2", GINT_TO_POINTER (2), test_worker_max_jobs);
  lp_test_conform_add_data_func ("/worker/max-jobs-3", GINT_TO_POINTER (3), test_worker_max_jobs);
  g_test_add_func ("/worker/threads-are-named", test_worker_threads_are_named);

  return g_test_run ();
}
