/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The system refuses threads or file descriptors: a clear error, nothing is lost,
 * and all works again when it does not refuse them any more. */

#define _GNU_SOURCE             /* pthread_setattr_default_np() */

#include "config.h"

#include "lp-test.h"
#include "lp-test-descriptors.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "lp-manager-private.h"

#define PREFIX "limits"

static LpManager *
new_manager (int workers)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_THREAD, 1);

  lp_manager_set_workers_per_pool (manager, workers);
  lp_manager_set_name_prefix (manager, PREFIX);
  return manager;
}

static LpManager *
start (int workers)
{
  LpManager *manager = new_manager (workers);
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_start (manager, NULL, &error));
  g_assert_no_error (error);
  return manager;
}

static void
assert_value (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (result);
}

/* Returns the message. */
static char *
get_failure (LpJob *job, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, domain, code);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_FAILED);
  return g_strdup (error->message);
}

static void
assert_contains (const char *text, const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("“%s” is not in “%s”", part, text);
}

/* It fails, leaves nothing behind, and is to be started again. */
static void
assert_start_fails (LpManager *manager, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  assert_contains (error->message, words);
  g_assert_false (lp_manager_is_running (manager));
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 0);
  g_assert_cmpuint (lp_test_stat (manager, "quarantined"), ==, 0);
}

static void
assert_works (LpManager *manager)
{
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (lease, job);
  assert_value (job);
  lp_lease_release (lease);
}

static void
assert_starts_and_works (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_start (manager, NULL, &error));
  g_assert_no_error (error);
  assert_works (manager);
}

/* --- Threads --- */

/* A limit on their number binds no superuser, but nobody gets a thread whose stack
 * is larger than the address space. */
static void
refuse_threads (gboolean refuse)
{
  static gsize usual;
  pthread_attr_t attributes;

  g_assert_cmpint (pthread_getattr_default_np (&attributes), ==, 0);
  if (usual == 0)
    g_assert_cmpint (pthread_attr_getstacksize (&attributes, &usual), ==, 0);
  g_assert_cmpint (pthread_attr_setstacksize (&attributes, refuse ? G_MAXSIZE / 4 : usual), ==, 0);
  g_assert_cmpint (pthread_setattr_default_np (&attributes), ==, 0);
  pthread_attr_destroy (&attributes);
}

static void *
nothing_main (void *data)
{
  return data;
}

/* Valgrind refuses with EINVAL, which GLib takes for a mistake of the program. */
static gboolean
skip_unless_threads_can_be_refused (void)
{
  pthread_t thread;
  int result;

  refuse_threads (TRUE);
  result = pthread_create (&thread, NULL, nothing_main, NULL);
  refuse_threads (FALSE);
  if (result == EAGAIN)
    return FALSE;

  if (result == 0)
    pthread_join (thread, NULL);
  g_test_skip ("threads are not refused as the system does it");
  return TRUE;
}

static void
test_threads_service_is_refused (void)
{
  LpManager *manager;

  if (skip_unless_threads_can_be_refused ())
    return;

  manager = new_manager (1);
  refuse_threads (TRUE);
  assert_start_fails (manager, "The service thread cannot be started");
  refuse_threads (FALSE);

  assert_starts_and_works (manager);
  lp_test_finish (manager);
}

static void
init_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("()");
}

/* With an init function the threads are started with their executor. */
static void
test_threads_of_a_start_are_refused (void)
{
  LpManager *other;
  LpManager *manager;
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (GError) error = NULL;

  if (skip_unless_threads_can_be_refused ())
    return;

  other = start (1);
  manager = new_manager (2);
  lp_functions_add (functions, "init", NULL, NULL, init_func, NULL, NULL, &error);
  g_assert_no_error (error);
  lp_manager_set_functions (manager, functions);
  lp_manager_set_worker_init_function (manager, "init");

  refuse_threads (TRUE);
  assert_start_fails (manager, "The thread " PREFIX "-1-1 cannot be started");
  refuse_threads (FALSE);

  assert_starts_and_works (manager);
  lp_test_finish (manager);
  lp_test_finish (other);
}

/* The first job of an executor finds no thread: nobody would ever run it. */
static void
test_threads_of_a_job_are_refused (void)
{
  LpManager *manager;
  LpLease *lease;
  g_autoptr (LpJob) job = lp_test_value_job (1);
  g_autoptr (GAsyncResult) waiting = NULL;
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *next;

  if (skip_unless_threads_can_be_refused ())
    return;

  manager = start (1);
  lease = lp_test_acquire (manager, "tester");
  lp_manager_acquire_async (manager, NULL, NULL, lp_test_result_cb, &waiting);
  lp_test_wait_stat (manager, "waiting", 1);
  refuse_threads (TRUE);
  lp_lease_submit (lease, job, &error);
  g_assert_no_error (error);
  message = get_failure (job, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  assert_contains (message, "The thread " PREFIX "-1-1 cannot be started");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  refuse_threads (FALSE);

  /* Who waited gets the next one. */
  next = lp_manager_acquire_finish (manager, lp_test_wait_result (&waiting), &error);
  g_assert_no_error (error);
  lp_lease_release (next);
  assert_works (manager);

  g_clear_object (&waiting);
  g_assert_finalize_object (lease);
  g_assert_finalize_object (next);
  lp_test_finish (manager);
}

/* As long as there is one thread, it does what the others would have done. */
static void
test_threads_beyond_the_first_are_refused (void)
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
  g_autoptr (LpJob) first = NULL;
  LpJob *jobs[4];

  if (skip_unless_threads_can_be_refused ())
    return;

  manager = start (3);
  lease = lp_test_acquire (manager, "tester");
  gate = lp_test_gate_new ();
  first = lp_test_gate_job (gate);
  lp_test_submit (lease, first);
  lp_test_gate_wait_entered (gate, 1);
  refuse_threads (TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      jobs[i] = lp_test_value_job (i);
      lp_test_submit (lease, jobs[i]);
    }
  g_assert_cmpuint (lp_test_count_threads (PREFIX), ==, 1);
  lp_test_gate_open (gate);
  for (guint i = 0; i < G_N_ELEMENTS (jobs); i++)
    {
      assert_value (jobs[i]);
      g_object_unref (jobs[i]);
    }
  refuse_threads (FALSE);

  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

/* --- File descriptors --- */

static guint
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

static void
test_descriptors_of_a_start_are_refused (void)
{
  LpManager *manager = new_manager (1);
  guint before;

  /* The program's own context it has had since its beginning. */
  g_main_context_default ();
  before = count_descriptors ();
  limit_descriptors (0);
  assert_start_fails (manager, "there is no file descriptor");
  limit_descriptors (-1);
  g_assert_cmpuint (count_descriptors (), ==, before);

  assert_starts_and_works (manager);
  lp_test_finish (manager);
}

static LpJob *
submit_command (LpLease *lease)
{
  const char *argv[] = { "sh", "-c", "cat; echo done >&2", NULL };
  g_autoptr (GBytes) input = g_bytes_new_static ("text", 4);
  LpJob *job = lp_job_new_for_command (argv, input);

  lp_test_submit (lease, job);
  return job;
}

static void
assert_command_result (LpJob *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, &error);
  g_autoptr (GVariant) out = NULL;
  int status;

  g_assert_no_error (error);
  g_variant_get (result, "(i@ay@ay)", &status, &out, NULL);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpuint (g_variant_get_size (out), ==, 4);
}

/* Nothing of the lease is lost, other jobs run, and so does the next command. */
static void
test_descriptors_of_a_command_are_refused (void)
{
  LpManager *manager = start (1);
  LpLease *lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) refused = NULL;
  g_autoptr (LpJob) value = lp_test_value_job (1);
  g_autoptr (LpJob) command = NULL;
  g_autofree char *message = NULL;

  limit_descriptors (0);
  refused = submit_command (lease);
  message = get_failure (refused, LP_ERROR, LP_ERROR_START_FAILED);
  lp_test_submit (lease, value);
  assert_value (value);
  limit_descriptors (-1);

  assert_contains (message, "“sh”");
  assert_contains (message, "Too many open files");
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  command = submit_command (lease);
  assert_command_result (command);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

static void
set_cb (gpointer data, gpointer more)
{
  g_atomic_int_set ((int *) data, TRUE);
}

static gboolean
is_set (gpointer flag)
{
  return g_atomic_int_get ((int *) flag) != 0;
}

/* What a command has is closed right after its end was told. */
static void
flush_service (LpManager *manager)
{
  int flushed = FALSE;

  lp_service_post (manager->pool->service, set_cb, &flushed, NULL);
  lp_test_block_for (is_set, &flushed, "the service thread");
}

/* Wherever it is that they run out, none of the others is left open. */
static void
test_descriptors_run_out_midway (void)
{
  LpManager *manager = start (1);
  LpLease *lease = lp_test_acquire (manager, "tester");
  guint before;
  guint n_failed = 0;
  gboolean succeeded = FALSE;
  g_autoptr (LpJob) first = submit_command (lease);

  /* The first one opens what GLib keeps for good. */
  assert_command_result (first);
  flush_service (manager);
  before = count_descriptors ();
  for (int n = 0; !succeeded; n++)
    {
      g_autoptr (LpJob) job = NULL;
      g_autoptr (GVariant) result = NULL;

      g_assert_cmpint (n, <, 50);
      limit_descriptors (n);
      job = submit_command (lease);
      result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
      succeeded = result != NULL;
      limit_descriptors (-1);
      n_failed += !succeeded;
      if (!succeeded)
        g_free (get_failure (job, LP_ERROR, LP_ERROR_START_FAILED));
      flush_service (manager);
      g_assert_cmpuint (count_descriptors (), ==, before);
    }
  g_assert_cmpuint (n_failed, >, 3);

  lp_lease_release (lease);
  g_assert_finalize_object (lease);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/limits/threads/of-the-service", test_threads_service_is_refused);
  g_test_add_func ("/limits/threads/of-a-start", test_threads_of_a_start_are_refused);
  g_test_add_func ("/limits/threads/of-a-job", test_threads_of_a_job_are_refused);
  g_test_add_func ("/limits/threads/beyond-the-first", test_threads_beyond_the_first_are_refused);
  g_test_add_func ("/limits/descriptors/of-a-start", test_descriptors_of_a_start_are_refused);
  g_test_add_func ("/limits/descriptors/of-a-command", test_descriptors_of_a_command_are_refused);
  g_test_add_func ("/limits/descriptors/run-out-midway", test_descriptors_run_out_midway);

  return g_test_run ();
}
