/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How commands as jobs of a lease end: cancel, time-out, expiry, stop. */

#include "config.h"

#include "lp-test-command-job.h"

static const Setting hasty = { 0.05, 1, FOR_EVER };

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
  assert_no_child (self);
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
  assert_no_child (self);
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
  assert_no_child (self);

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
  const guint n_rounds = lp_test_size (100, 2000, 20);

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
  assert_no_child (self);
}

static void
test_timeout_answered_well (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_timed (self, "trap 'echo part; exit 0' TERM; while :; do sleep 0.01; done", 2.0);

  assert_result (job, 0, "part\n", NULL);
}

static void
test_timeout_not_reached (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_timed (self, "echo quick", FOR_EVER);

  assert_result (job, 0, "quick\n", "");
}

/* --- The lease and the manager --- */

/* Only now: on a slow machine a short lease could end before its command says that it runs. */
static void
expire_soon (LpLease *lease)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (lp_lease_renew (lease, 0.1, &error));
  g_assert_no_error (error);
}

static void
test_expiry (Fixture *self, gconstpointer data)
{
  g_autoptr (LpJob) job = submit_script (self, "trap '' TERM; echo 1 > \"$1\"; while :; do sleep 1000; done");
  g_autoptr (LpJob) queued = submit_script (self, "echo 2 > \"$1\"");
  g_autoptr (LpLease) next = NULL;

  read_number (self);
  expire_soon (self->lease);
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
  expire_soon (self->lease);
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
  lp_test_block_released (self->lease);
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
  assert_no_child (self);
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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/command-job/cancel/queued-never-runs", patient, test_cancel_queued);
  ADD ("/command-job/cancel/sigterm", patient, test_cancel_running);
  ADD ("/command-job/cancel/sigkill-after-the-grace", hasty, test_cancel_ignored);
  ADD ("/command-job/cancel/answered-by-0-keeps-the-result", patient, test_cancel_answered_well);
  ADD ("/command-job/cancel/answered-by-another-status", patient, test_cancel_answered_badly);
  ADD ("/command-job/cancel/ended", patient, test_cancel_ended);
  ADD_THREAD ("/command-job/cancel/before-the-spawn", patient, test_cancel_before_spawn);
  ADD ("/command-job/cancel/never-hits-the-next", patient, test_cancel_not_the_next);
  ADD ("/command-job/cancel/through-submit", patient, test_cancel_through_submit);
  ADD ("/command-job/cancel/ends-grandchildren", patient, test_cancel_ends_grandchildren);
  ADD ("/command-job/cancel/sweeps-deaf-grandchildren", patient, test_cancel_sweeps_grandchildren);
  ADD ("/command-job/timeout/sigterm", patient, test_timeout);
  ADD ("/command-job/timeout/sigkill-after-the-grace", hasty, test_timeout_ignored);
  ADD ("/command-job/timeout/answered-by-0-keeps-the-result", patient, test_timeout_answered_well);
  ADD ("/command-job/timeout/not-reached", hasty, test_timeout_not_reached);
  ADD ("/command-job/lease/expiry-kills", hasty, test_expiry);
  ADD ("/command-job/lease/expiry-answered-by-0", patient, test_expiry_answered_well);
  ADD ("/command-job/lease/release-drains", patient, test_release_drains);
  ADD ("/command-job/stop/kill", patient, test_stop_kill);
  ADD ("/command-job/stop/cancel", hasty, test_stop_cancel);
  ADD ("/command-job/stop/cancel-answered-by-0", patient, test_stop_cancel_answered_well);
  ADD ("/command-job/stop/drain", patient, test_stop_drain);
  ADD_THREAD ("/command-job/stop/before-the-spawn", patient, test_stop_before_spawn);

  return g_test_run ();
}
