/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Commands as jobs of a lease. What a command is by itself is in test-command.c. */

#include "config.h"

#include "lp-test.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lp-manager-private.h"

#define FOR_EVER 1000.0

typedef struct
{
  double grace;
  int workers;
  double lease_seconds;
} Setting;

static const Setting patient = { FOR_EVER, 1, FOR_EVER };
static const Setting hasty = { 0.05, 1, FOR_EVER };
static const Setting three_workers = { 0.05, 3, FOR_EVER };
static const Setting short_lease = { 0.05, 1, 0.1 };
static const Setting patient_short_lease = { FOR_EVER, 1, 0.1 };

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  char *directory;
  char *fifo;                   /* a script says through it that it has come so far */
  int fifo_fd;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  const Setting *setting = data;
  g_autoptr (GError) error = NULL;

  self->directory = g_dir_make_tmp ("leasepool-test-XXXXXX", &error);
  g_assert_no_error (error);
  self->fifo = g_build_filename (self->directory, "fifo", NULL);
  g_assert_cmpint (mkfifo (self->fifo, 0600), ==, 0);
  self->fifo_fd = open (self->fifo, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (self->fifo_fd, >=, 0);

  self->manager = lp_test_start (1, "workers-per-pool", setting->workers, "cancel-grace-seconds", setting->grace,
                                 "default-lease-seconds", setting->lease_seconds, "lease-grace-seconds", 0.0,
                                 "max-message-size", 65536, NULL);
  self->lease = lp_test_acquire (self->manager, "test");
}

/* Neither a zombie nor anything that still runs. */
static void
assert_no_child (void)
{
  g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
  g_assert_cmpint (errno, ==, ECHILD);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  if (self->lease != NULL)
    lp_lease_release (self->lease);
  g_clear_object (&self->lease);
  g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, 0);
  lp_test_finish (self->manager);
  assert_no_child ();

  close (self->fifo_fd);
  g_unlink (self->fifo);
  g_rmdir (self->directory);
  g_free (self->fifo);
  g_free (self->directory);
}

static LpJob *
new_command (const char *program, const char *argument)
{
  const char * const argv[] = { program, argument, NULL };

  return lp_job_new_for_command (argv, NULL);
}

/* The script finds the name of the fifo in $1. */
static LpJob *
new_script (Fixture *self, const char *script)
{
  const char * const argv[] = { "sh", "-c", script, "sh", self->fifo, NULL };

  return lp_job_new_for_command (argv, NULL);
}

static LpJob *
submit_script (Fixture *self, const char *script)
{
  LpJob *job = new_script (self, script);

  lp_test_submit (self->lease, job);
  return job;
}

/* Blocks until a script has written a line with a number into the fifo. */
static int
read_number (Fixture *self)
{
  char line[32] = "";

  for (gsize i = 0; i < sizeof line - 1; i++)
    {
      g_assert_cmpint (read (self->fifo_fd, line + i, 1), ==, 1);
      if (line[i] == '\n')
        break;
    }

  return (int) g_ascii_strtoll (line, NULL, 10);
}

static void
assert_bytes (GVariant *result, gsize index, const char *expected)
{
  g_autoptr (GVariant) bytes = g_variant_get_child_value (result, index);

  g_assert_cmpmem (g_variant_get_data (bytes), g_variant_get_size (bytes), expected, strlen (expected));
}

static void
assert_result (LpJob *job, int status, const char *out, const char *err)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (job, 30, NULL, &error);
  int got;

  g_assert_no_error (error);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_SUCCEEDED);
  g_assert_cmpstr (g_variant_get_type_string (result), ==, "(iayay)");
  g_variant_get_child (result, 0, "i", &got);
  g_assert_cmpint (got, ==, status);
  assert_bytes (result, 1, out);
  /* A shell says there when one of its children was ended by our signal. */
  if (err != NULL)
    assert_bytes (result, 2, err);
}

static void
assert_failed (LpJob *job, LpJobState state, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lp_job_wait (job, 30, NULL, &error));
  g_assert_error (error, domain, code);
  g_assert_cmpint (lp_job_get_state (job), ==, state);
}

static void
assert_cancelled (LpJob *job)
{
  assert_failed (job, LP_JOB_STATE_CANCELLED, G_IO_ERROR, G_IO_ERROR_CANCELLED);
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
  g_autoptr (GVariant) result = lp_job_wait (fits, 30, NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (result);
  assert_failed (too_much, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_FAILED);
  error = lp_job_dup_error (too_much);
  g_assert_nonnull (strstr (error->message, "max-message-size"));
  assert_failed (endless, LP_JOB_STATE_FAILED, LP_ERROR, LP_ERROR_FAILED);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_ACTIVE);
}

/* --- Cancel --- */

static void
test_cancel_queued (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) running = submit_script (self, "echo 1 > \"$1\"; exec sleep 1000");
  g_autoptr (LpJob) queued = submit_script (self, "echo 2 > \"$1\"");
  g_autoptr (LpJob) next = submit_script (self, "echo 3 > \"$1\"");

  g_assert_cmpint (read_number (self), ==, 1);
  lp_job_cancel (queued);
  g_assert_cmpint (lp_job_get_state (queued), ==, LP_JOB_STATE_CANCELLED);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
  lp_job_cancel (running);
  assert_cancelled (running);
  assert_result (next, 0, "", "");
  g_assert_cmpint (read_number (self), ==, 3);
}

/* SIGTERM is enough for one that does not mind: the grace is for ever here. */
static void
test_cancel_running (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "echo 1 > \"$1\"; exec sleep 1000");

  read_number (self);
  g_assert_cmpint (lp_job_get_state (job), ==, LP_JOB_STATE_RUNNING);
  lp_job_cancel (job);
  lp_job_cancel (job);
  assert_cancelled (job);
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_cancelled"), ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "results_discarded"), ==, 0);
  assert_no_child ();
}

static void
test_cancel_ignored (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "trap '' TERM; echo 1 > \"$1\"; while :; do sleep 1000; done");
  g_autoptr (LpJob) next = submit_script (self, "exit 0");

  read_number (self);
  lp_job_cancel (job);
  assert_cancelled (job);

  /* It ended when it was reaped, and its worker serves the next one. */
  assert_result (next, 0, "", "");
  assert_no_child ();
}

/* One that ends well in spite of the signal has done its work. */
static void
test_cancel_answered_well (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self,
                                         "trap 'echo saved; exit 0' TERM; echo 1 > \"$1\";"
                                         "while :; do sleep 0.01; done");

  read_number (self);
  lp_job_cancel (job);
  assert_result (job, 0, "saved\n", NULL);
}

static void
test_cancel_answered_badly (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self,
                                         "trap 'exit 7' TERM; echo 1 > \"$1\";"
                                         "while :; do sleep 0.01; done");

  read_number (self);
  lp_job_cancel (job);
  assert_cancelled (job);
}

static void
test_cancel_ended (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "echo done");

  assert_result (job, 0, "done\n", "");
  lp_job_cancel (job);
  assert_result (job, 0, "done\n", "");
}

static void
hold_up_cb (gpointer data, gpointer more)
{
  g_mutex_lock (data);
  g_mutex_unlock (data);
}

static gboolean
is_running (gpointer job)
{
  return lp_job_get_state (job) == LP_JOB_STATE_RUNNING;
}

/* Claimed, but the service thread has not come to spawn it. */
static void
test_cancel_before_spawn (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = new_script (self, "exec sleep 1000");
  GMutex gate;

  g_mutex_init (&gate);
  g_mutex_lock (&gate);
  lp_service_post (self->manager->pool->service, hold_up_cb, &gate, NULL);
  lp_test_submit (self->lease, job);
  lp_test_block_for (is_running, job, "the command to be claimed");
  lp_job_cancel (job);
  g_mutex_unlock (&gate);
  assert_cancelled (job);
  assert_no_child ();

  /* The service thread has let go of it when it has done what came later. */
  lp_lease_release (self->lease);
  lp_test_finish (g_steal_pointer (&self->manager));
  g_mutex_clear (&gate);
  g_clear_object (&self->lease);
  self->manager = lp_test_start (1, NULL);
}

/* A signal that is late must not hit the next one. */
static void
test_cancel_not_the_next (Fixture *self, gconstpointer data)
{
  const guint n_rounds = g_getenv ("LP_TEST_THOROUGH") != NULL ? 2000 : 100;

  for (guint i = 0; i < n_rounds; i++)
    {
      g_autoptr (LpJob) victim = submit_script (self, "exec sleep 1000");
      g_autoptr (LpJob) next = submit_script (self, "echo whole");

      if (i % 2 == 0)
        lp_test_block_for (is_running, victim, "the command to run");
      lp_job_cancel (victim);
      assert_cancelled (victim);
      assert_result (next, 0, "whole\n", "");
    }
}

static void
test_cancel_through_submit (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = new_script (self, "echo 1 > \"$1\"; exec sleep 1000");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  GAsyncResult *result = NULL;

  lp_lease_submit_async (self->lease, job, cancellable, lp_test_result_cb, &result);
  read_number (self);
  g_cancellable_cancel (cancellable);
  g_assert_null (lp_lease_submit_finish (self->lease, lp_test_wait_result (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_object_unref (result);
}

/* --- Time-outs --- */

static LpJob *
submit_timed (Fixture *self, const char *script, double seconds)
{
  LpJob *job = new_script (self, script);

  lp_job_set_timeout_seconds (job, seconds);
  lp_test_submit (self->lease, job);
  return job;
}

static void
test_timeout (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_timed (self, "exec sleep 1000", 0.05);
  g_autoptr (LpJob) next = submit_script (self, "exit 0");

  assert_failed (job, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_result (next, 0, "", "");
  g_assert_cmpuint (lp_test_counter (self->manager, "jobs_failed"), ==, 1);
}

/* One that is stopped answers no signal but the last. */
static void
test_timeout_ignored (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) deaf = submit_timed (self, "trap '' TERM; while :; do sleep 1000; done", 0.1);
  g_autoptr (LpJob) stopped = submit_timed (self, "kill -STOP $$", 0.1);

  assert_failed (deaf, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_failed (stopped, LP_JOB_STATE_FAILED, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_no_child ();
}

static void
test_timeout_answered_well (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_timed (self, "trap 'echo part; exit 0' TERM; while :; do sleep 0.01; done", 0.3);

  assert_result (job, 0, "part\n", NULL);
}

static void
test_timeout_not_reached (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_timed (self, "echo quick", FOR_EVER);

  assert_result (job, 0, "quick\n", "");
}

/* --- The lease and the manager --- */

static void
test_expiry (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "trap '' TERM; echo 1 > \"$1\"; while :; do sleep 1000; done");
  g_autoptr (LpJob) queued = submit_script (self, "echo 2 > \"$1\"");
  g_autoptr (LpLease) next = NULL;

  read_number (self);
  assert_cancelled (queued);
  assert_cancelled (job);
  g_assert_cmpint (lp_job_get_started_at (queued), ==, 0);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_EXPIRED);

  /* A process can be killed: there is nothing to quarantine. */
  next = lp_test_acquire (self->manager, "next");
  g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, 0);
  lp_lease_release (next);
}

static void
test_expiry_answered_well (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self,
                                         "trap 'echo saved; exit 0' TERM; echo 1 > \"$1\";"
                                         "while :; do sleep 0.01; done");

  read_number (self);
  assert_result (job, 0, "saved\n", NULL);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_EXPIRED);
}

/* Released while it runs, the command ends as if nothing had happened, and the
 * executor goes back after it. */
static void
test_release_drains (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = new_script (self, "echo 1 > \"$1\"; read x < \"$1.go\"; echo rest");
  g_autofree char *go = g_strconcat (self->fifo, ".go", NULL);
  int fd;

  g_assert_cmpint (mkfifo (go, 0600), ==, 0);
  fd = open (go, O_RDWR | O_CLOEXEC);
  lp_test_submit (self->lease, job);
  read_number (self);
  lp_lease_release (self->lease);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpuint (lp_test_stat (self->manager, "draining"), ==, 1);
  g_assert_cmpint (write (fd, "\n", 1), ==, 1);
  assert_result (job, 0, "rest\n", "");
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_cmpuint (lp_test_stat (self->manager, "available"), ==, 1);
  g_assert_cmpuint (lp_test_counter (self->manager, "executors_created"), ==, 1);
  close (fd);
  g_unlink (go);
}

static void
stop (Fixture *self, LpStopMode mode)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_manager_stop (self->manager, mode, -1, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_STOPPED);
  assert_no_child ();
}

/* The grace is for ever, and the program deaf: KILL does not wait. */
static void
test_stop_kill (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "trap '' TERM; echo 1 > \"$1\"; while :; do sleep 1000; done");
  g_autoptr (LpJob) queued = submit_script (self, "exit 0");

  read_number (self);
  stop (self, LP_STOP_MODE_KILL);
  assert_cancelled (job);
  assert_cancelled (queued);
}

static void
test_stop_cancel (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "trap '' TERM; echo 1 > \"$1\"; while :; do sleep 1000; done");

  read_number (self);
  stop (self, LP_STOP_MODE_CANCEL);
  assert_cancelled (job);
}

static void
test_stop_cancel_answered_well (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self,
                                         "trap 'echo saved; exit 0' TERM; echo 1 > \"$1\";"
                                         "while :; do sleep 0.01; done");

  read_number (self);
  stop (self, LP_STOP_MODE_CANCEL);
  assert_result (job, 0, "saved\n", NULL);
}

static void
test_stop_drain (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "sleep 0.05; echo first");
  g_autoptr (LpJob) queued = submit_script (self, "echo second");

  lp_test_block_for (is_running, job, "the command to run");
  g_assert_true (lp_manager_stop (self->manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL));
  assert_result (job, 0, "first\n", "");
  assert_result (queued, 0, "second\n", "");
}

/* Stopped while the command is claimed, and not spawned yet. */
static void
test_stop_before_spawn (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (LpJob) job = submit_script (self, "exec sleep 1000");
      g_autoptr (GError) error = NULL;

      stop (self, LP_STOP_MODE_KILL);
      assert_cancelled (job);
      lp_manager_start (self->manager, NULL, &error);
      g_assert_no_error (error);
      g_object_unref (self->lease);
      self->lease = lp_test_acquire (self->manager, "again");
    }
}

/* --- Its group and its worker --- */

static void
test_own_group (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "cat /proc/$$/stat");
  g_autoptr (GVariant) result = lp_job_wait (job, 30, NULL, NULL);
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

/* From here on this process adopts the orphans of its descendants, so that a test
 * sees the end of a grandchild. */
static void
adopt_orphans (gboolean adopt)
{
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, adopt, 0, 0, 0), ==, 0);
}

/* Blocks until an adopted grandchild has ended. Its parent may have lived a moment
 * longer and reaped it: then there is no trace of it. */
static void
assert_orphan_ends (GPid pid)
{
  int status;

  if (waitpid (pid, &status, 0) == -1)
    g_assert_cmpint (errno, ==, ECHILD);
  else
    g_assert_true (WIFSIGNALED (status));
  adopt_orphans (FALSE);
}

static void
test_cancel_ends_grandchildren (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "sleep 1000 & echo $! > \"$1\"; wait");
  GPid grandchild = read_number (self);

  adopt_orphans (TRUE);
  lp_job_cancel (job);
  assert_cancelled (job);
  assert_orphan_ends (grandchild);
}

/* Also those that are deaf, when the program itself is not. */
static void
test_cancel_sweeps_grandchildren (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self,
                                         "(trap '' TERM; echo 1 > \"$1\"; exec sleep 1000) & echo $! > \"$1\"; wait");
  int first = read_number (self);
  int second = read_number (self);

  adopt_orphans (TRUE);
  lp_job_cancel (job);
  assert_cancelled (job);
  assert_orphan_ends (MAX (first, second));
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
  g_variant_unref (lp_job_wait (job, 30, NULL, NULL));
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
  assert_no_child ();
  g_assert_cmpuint (lp_lease_get_pending_jobs (self->lease), ==, 0);
}

#define ADD(path, setting, test) g_test_add (path, Fixture, &setting, set_up, test, tear_down)

static void
add_ends (void)
{
  ADD ("/command-job/cancel/queued-never-runs", patient, test_cancel_queued);
  ADD ("/command-job/cancel/sigterm", patient, test_cancel_running);
  ADD ("/command-job/cancel/sigkill-after-the-grace", hasty, test_cancel_ignored);
  ADD ("/command-job/cancel/answered-by-0-keeps-the-result", patient, test_cancel_answered_well);
  ADD ("/command-job/cancel/answered-by-another-status", patient, test_cancel_answered_badly);
  ADD ("/command-job/cancel/ended", patient, test_cancel_ended);
  ADD ("/command-job/cancel/before-the-spawn", patient, test_cancel_before_spawn);
  ADD ("/command-job/cancel/never-hits-the-next", patient, test_cancel_not_the_next);
  ADD ("/command-job/cancel/through-submit", patient, test_cancel_through_submit);
  ADD ("/command-job/cancel/ends-grandchildren", patient, test_cancel_ends_grandchildren);
  ADD ("/command-job/cancel/sweeps-deaf-grandchildren", patient, test_cancel_sweeps_grandchildren);

  ADD ("/command-job/timeout/sigterm", patient, test_timeout);
  ADD ("/command-job/timeout/sigkill-after-the-grace", hasty, test_timeout_ignored);
  ADD ("/command-job/timeout/answered-by-0-keeps-the-result", patient, test_timeout_answered_well);
  ADD ("/command-job/timeout/not-reached", hasty, test_timeout_not_reached);

  ADD ("/command-job/lease/expiry-kills", short_lease, test_expiry);
  ADD ("/command-job/lease/expiry-answered-by-0", patient_short_lease, test_expiry_answered_well);
  ADD ("/command-job/lease/release-drains", patient, test_release_drains);

  ADD ("/command-job/stop/kill", patient, test_stop_kill);
  ADD ("/command-job/stop/cancel", hasty, test_stop_cancel);
  ADD ("/command-job/stop/cancel-answered-by-0", patient, test_stop_cancel_answered_well);
  ADD ("/command-job/stop/drain", patient, test_stop_drain);
  ADD ("/command-job/stop/before-the-spawn", patient, test_stop_before_spawn);
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
  add_ends ();
  ADD ("/command-job/worker/own-process-group", patient, test_own_group);
  ADD ("/command-job/worker/is-occupied", patient, test_occupies_worker);
  ADD ("/command-job/worker/never-more-than-workers", three_workers, test_workers_at_a_time);
  ADD ("/command-job/worker/leaves-nothing-behind", three_workers, test_leaves_nothing);

  return g_test_run ();
}
