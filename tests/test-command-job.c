/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Commands as jobs of a lease. What a command is by itself is in test-command.c. */

#include "config.h"

#include "lp-test-command-job.h"

static const Setting three_workers = { 0.05, 3, FOR_EVER };

static LpJob *
new_command (const char *program, const char *argument)
{
  const char * const argv[] = { program, argument, NULL };

  return lp_job_new_for_command (argv, NULL);
}

/* --- What comes out --- */

static void
test_result (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "echo out; echo err >&2; exit 3");

  assert_result (job, 3, "out\n", "err\n");
  g_assert_cmpint (lp_job_get_queued_at (job), <=, lp_job_get_started_at (job));
  g_assert_cmpint (lp_job_get_started_at (job), <, lp_job_get_ended_at (job));
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_succeeded"), ==, 1);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
}

static void
test_input (Fixture *self, gconstpointer data)
{
  const char * const argv[] = { "cat", NULL };
  g_autoptr (GBytes) input = g_bytes_new_static ("what it reads", 13);
  g_autoptr (LpJob) job = lp_job_new_for_command (argv, input);

  g_assert_true (lp_job_get_input (job) == input);
  g_assert_cmpstr (lp_job_get_argv (job)[0], ==, "cat");
  g_assert_null (lp_job_get_argv (job)[1]);
  lp_test_submit (self->lease, job);
  assert_result (job, 0, "what it reads", "");
}

static void
test_no_input (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = new_command ("cat", NULL);

  lp_test_submit (self->lease, job);
  assert_result (job, 0, "", "");
}

/* A death nobody asked for is a result, as a status other than 0 is. */
static void
test_signal (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) killed = submit_script (self, "echo before; kill -KILL $$");
  g_autoptr (LpJob) terminated = submit_script (self, "kill -TERM $$");

  assert_result (killed, -SIGKILL, "before\n", "");
  assert_result (terminated, -SIGTERM, "", "");
}

static void
test_not_found (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = new_command ("no-such-program-anywhere", NULL);
  g_autoptr (LpJob) next = submit_script (self, "exit 0");
  g_autoptr (GError) error = NULL;

  lp_test_submit (self->lease, job);
  assert_failed (job, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_START_FAILED);
  error = lp_job_dup_error (job);
  g_assert_nonnull (strstr (error->message, "no-such-program-anywhere"));
  assert_result (next, 0, "", "");
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_failed"), ==, 1);
}

static void
test_empty_argv (Fixture *self, gconstpointer data)
{
  const char * const argv[] = { NULL };
  g_autoptr (LpJob) job = g_object_new (LP_TYPE_JOB, "argv", argv, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (self->lease, job, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
}

static void
test_too_much_output (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) fits = submit_script (self, "head -c 65536 /dev/zero");
  g_autoptr (LpJob) too_much = submit_script (self, "head -c 65537 /dev/zero");
  g_autoptr (LpJob) endless = submit_script (self, "cat /dev/zero >&2");
  g_autoptr (GVariant) result = lp_job_wait (fits, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (result);
  assert_failed (too_much, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_FAILED);
  error = lp_job_dup_error (too_much);
  g_assert_nonnull (strstr (error->message, "max-message-size"));
  assert_failed (endless, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_FAILED);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_ACTIVE);
}

/* --- Its group and its worker --- */

static void
test_own_group (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "cat /proc/$$/stat");
  g_autoptr (GVariant) result = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
  g_autoptr (GVariant) out = NULL;
  g_autofree char *text = NULL;
  int pid, parent, group;

  g_assert_nonnull (result);
  out = g_variant_get_child_value (result, 1);
  text = g_strndup (g_variant_get_data (out), g_variant_get_size (out));
  g_assert_cmpint (sscanf (text, "%d (%*[^)]) %*c %d %d", &pid, &parent, &group), ==, 3);
  g_assert_cmpint (parent, ==, getpid ());
  g_assert_cmpint (group, ==, pid);
  g_assert_cmpint (group, !=, getpgrp ());
}

static void
test_occupies_worker (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) command = submit_script (self, "echo 1 > \"$1\"; exec sleep 1000");
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (self->lease, job);
  read_number (self);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_QUEUED);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 2);
  lp_job_cancel (command);
  g_variant_unref (lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL));
  g_assert_cmpint (lp_job_get_started_at (job), >=, lp_job_get_ended_at (command));
}

static guint
count_state (GPtrArray *jobs, LpJobState state)
{
  guint n = 0;

  for (guint i = 0; i < jobs->len; i++)
    n += lp_job_get_state (jobs->pdata[i]) == state;

  return n;
}

/* As many as there are workers at a time, first come first served. */
static void
test_workers_at_a_time (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 9; i++)
    {
      g_autofree char *script = g_strdup_printf ("echo %u > \"$1\"; exec sleep 1000", i);

      g_ptr_array_add (jobs, submit_script (self, script));
    }

  for (guint i = 0; i < 3; i++)
    read_number (self);
  for (guint i = 0; i < 9; i++)
    {
      g_assert_cmpuint (count_state (jobs, LP_JOB_STATE_RUNNING), ==, MIN (3, 9 - i));
      g_assert_cmpint (lp_job_get_state (jobs->pdata[i]), ==, LP_JOB_STATE_RUNNING);
      lp_job_cancel (jobs->pdata[i]);
      assert_cancelled (jobs->pdata[i]);
      if (i + 3 < 9)
        g_assert_cmpint (read_number (self), ==, i + 3);
    }
}

static guint
count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

static void
set_cb (gpointer data, gpointer more)
{
  g_atomic_int_set ((int *) data, TRUE);
}

static gboolean
is_set (gpointer data)
{
  return g_atomic_int_get ((int *) data);
}

/* What a command has is closed right after its end was told. */
static void
flush_service (Fixture *self)
{
  int done = FALSE;

  lp_service_post (self->manager->pool->service, set_cb, &done, NULL);
  lp_test_block_for (is_set, &done, "the service thread");
}

/* Each way a command can go. */
static void
run_some (Fixture *self, guint n)
{
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  static const char * const scripts[] = { "echo x", "exit 3", "kill -KILL $$", "head -c 70000 /dev/zero",
                                          "exec sleep 1000" };

  for (guint i = 0; i < n; i++)
    {
      LpJob *job = i % 6 == 5 ? new_command ("no-such-program-anywhere", NULL) : new_script (self, scripts[i % 6]);

      lp_test_submit (self->lease, job);
      g_ptr_array_add (jobs, job);
    }

  for (guint i = 0; i < n; i++)
    if (i % 6 == 4)
      lp_job_cancel (jobs->pdata[i]);
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GVariant) result = lp_job_wait (jobs->pdata[i], 60, NULL, NULL);

      g_assert_true ((result != NULL) == (i % 6 < 3));
    }
  flush_service (self);
}

static void
test_leaves_nothing (Fixture *self, gconstpointer data)
{
  guint n_fds;

  run_some (self, 6);
  n_fds = count_fds ();
  run_some (self, 240);
  g_assert_cmpuint (count_fds (), ==, n_fds);
  assert_no_child (self);
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/command-job/result/status-and-streams", patient, test_result);
  ADD ("/command-job/result/input", patient, test_input);
  ADD ("/command-job/result/no-input-is-end-of-file", patient, test_no_input);
  ADD ("/command-job/result/unasked-signal", patient, test_signal);
  ADD ("/command-job/result/program-not-found", patient, test_not_found);
  ADD ("/command-job/result/empty-argv-is-refused", patient, test_empty_argv);
  ADD ("/command-job/result/too-much-output", patient, test_too_much_output);
  ADD ("/command-job/worker/own-process-group", patient, test_own_group);
  ADD ("/command-job/worker/is-occupied", patient, test_occupies_worker);
  ADD ("/command-job/worker/never-more-than-workers", three_workers, test_workers_at_a_time);
  ADD ("/command-job/worker/leaves-nothing-behind", three_workers, test_leaves_nothing);

  return g_test_run ();
}
