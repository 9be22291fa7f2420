/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Worker processes that do not do what they are asked to, and what they leave. */

#include "config.h"

#include "lp-test-proc.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <unistd.h>

static const LpTestBreak breaks[] = {
  { "close-stream", "close-stream", "closed its stream" },
  { "shut-stream", "shut-stream", "closed its stream" },
};

/* One worker, a lease, and a job that does not end. */
typedef struct
{
  LpTestProc proc;
  LpLease *lease;
  LpTestOutcome *bad;
} Hang;

static void
set_up (Hang *self, const char *arguments)
{
  lp_test_proc_set_up (&self->proc, arguments);
  g_object_set (self->proc.manager, "workers-per-pool", 1, "forward-process-logs", TRUE, NULL);
  lp_manager_set_lease_grace_seconds (self->proc.manager, 0);
  self->bad = NULL;
}

static void
drop_record_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
}

static void
start (Hang *self)
{
  lp_test_proc_start (&self->proc);
  g_signal_connect (self->proc.manager, "worker-record", G_CALLBACK (drop_record_cb), NULL);
  self->lease = lp_test_acquire (self->proc.manager, "hang");
}

static void
start_bad_job (Hang *self, double timeout_seconds)
{
  LpJob *job = lp_job_new_for_call ("misbehave", g_variant_new ("(i)", 7));

  lp_job_set_timeout_seconds (job, timeout_seconds);
  self->bad = lp_test_outcome_of (self->lease, job);
  if (timeout_seconds == 0)
    lp_test_wait_started (self->bad);
}

static void
tear_down (Hang *self)
{
  if (self->bad != NULL)
    lp_test_outcome_free (self->bad);
  lp_lease_release (self->lease);
  lp_test_wait_finalized (self->lease);
  lp_test_proc_tear_down (&self->proc);
}

/* The worker is replaced, its executor and its lease stay. */
static void
assert_replaced (Hang *self)
{
  LpTestOutcome *next = lp_test_double (self->lease, 21);

  g_assert_cmpint (lp_lease_get_state (self->lease), ==, LP_LEASE_STATE_ACTIVE);
  lp_test_assert_int (next, 42);
  lp_test_outcome_free (next);
  g_assert_cmpuint (lp_test_counter (self->proc.manager, "executors_created"), ==, 1);
}

static void
test_hang_is_cancelled (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  start (&self);
  start_bad_job (&self, 0);
  lp_job_cancel (self.bad->job);
  lp_test_assert_cancelled (self.bad);
  assert_replaced (&self);
  tear_down (&self);
}

static void
test_hang_times_out (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  start (&self);
  start_bad_job (&self, 0.05);
  lp_test_assert_fails (self.bad, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  assert_replaced (&self);
  tear_down (&self);
}

/* A lease that is short from the first could be over before its job runs. */
static void
expire_soon (Hang *self)
{
  g_autoptr (GError) error = NULL;

  lp_lease_renew (self->lease, 0.05, &error);
  g_assert_no_error (error);
}

static void
test_hang_is_revoked (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  start (&self);
  start_bad_job (&self, 0);
  expire_soon (&self);
  lp_test_assert_cancelled (self.bad);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_EXPIRED);
  lp_test_wait_retired (self.proc.manager, 1);
  tear_down (&self);
}

static void
stop (Hang *self, LpStopMode mode, double timeout_seconds)
{
  g_autoptr (GError) error = NULL;

  lp_manager_stop (self->proc.manager, mode, timeout_seconds, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lp_test_count_children (), ==, 0);
}

static void
test_hang_is_stopped_by_cancel (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  start (&self);
  start_bad_job (&self, 0);
  stop (&self, LP_STOP_MODE_CANCEL, -1);
  lp_test_assert_cancelled (self.bad);
  tear_down (&self);
}

static void
test_hang_is_stopped_by_drain (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  start (&self);
  start_bad_job (&self, 0);
  stop (&self, LP_STOP_MODE_DRAIN, 0.1);
  lp_test_assert_cancelled (self.bad);
  tear_down (&self);
}

/* However long the grace is. */
static void
test_hang_is_stopped_by_kill (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  lp_manager_set_cancel_grace_seconds (self.proc.manager, 1000);
  start (&self);
  start_bad_job (&self, 0);
  stop (&self, LP_STOP_MODE_KILL, -1);
  lp_test_assert_cancelled (self.bad);
  tear_down (&self);
}

/* The manager goes without a word. */
static void
test_hang_is_disposed (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  lp_manager_set_cancel_grace_seconds (self.proc.manager, 1000);
  start (&self);
  start_bad_job (&self, 0);
  g_object_run_dispose (G_OBJECT (self.proc.manager));
  lp_test_assert_cancelled (self.bad);
  lp_test_outcome_free (g_steal_pointer (&self.bad));
  lp_test_wait_finalized (g_steal_pointer (&self.proc.manager));
  tear_down (&self);
}

/* It has broken its executor by then, unless the cancel was faster: that is not forgotten because the worker is ended for
 * the job. So whoever comes next is told. */
static void
test_hang_closed_its_stream_and_is_cancelled (gconstpointer arguments)
{
  Hang self;
  LpTestOutcome *next;

  set_up (&self, arguments);
  start (&self);
  start_bad_job (&self, 0);
  lp_job_cancel (self.bad->job);
  lp_test_assert_cancelled (self.bad);

  next = lp_test_double (self.lease, 21);
  lp_test_wait_outcome (next);
  if (next->result != NULL)
    lp_test_assert_int (next, 42);
  else if (!g_error_matches (next->error, LP_ERROR, LP_ERROR_EXPIRED))
    lp_test_assert_untouched (next);
  lp_test_outcome_free (next);
  tear_down (&self);
}

/* It was sent the call, and has not even begun: the same for whoever waits. */
static void
test_hang_before_the_beginning (void)
{
  Hang self;
  LpTestOutcome *next;

  set_up (&self, "hang-before-started");
  start (&self);
  self.bad = lp_test_call (self.lease, "misbehave", g_variant_new ("(i)", 7));
  next = lp_test_double (self.lease, 21);
  lp_test_wait_sent (self.bad);
  lp_job_cancel (self.bad->job);
  lp_test_assert_cancelled (self.bad);
  g_assert_cmpint (lp_job_get_started_at (self.bad->job), ==, 0);
  lp_test_assert_int (next, 42);
  lp_test_outcome_free (next);
  assert_replaced (&self);
  tear_down (&self);
}

/* Nor does it keep its lease. */
static void
test_hang_before_the_beginning_is_revoked (void)
{
  Hang self;

  set_up (&self, "hang-before-started");
  start (&self);
  self.bad = lp_test_call (self.lease, "misbehave", g_variant_new ("(i)", 7));
  lp_test_wait_sent (self.bad);
  expire_soon (&self);
  lp_test_assert_cancelled (self.bad);
  lp_test_wait_retired (self.proc.manager, 1);
  tear_down (&self);
}

/* It says that it takes calls ahead, and does not read while it runs one. */
static void
test_hang_takes_calls_and_does_not_read (void)
{
  Hang self;
  LpTestOutcome *ahead[3];

  set_up (&self, "--depth=4 hang");
  start (&self);
  lp_test_make_quick (self.lease);
  start_bad_job (&self, 0);
  for (guint i = 0; i < G_N_ELEMENTS (ahead); i++)
    ahead[i] = lp_test_double (self.lease, (int) i);
  lp_job_cancel (ahead[1]->job);
  lp_test_assert_cancelled (ahead[1]);
  g_assert_cmpint (lp_job_get_started_at (ahead[1]->job), ==, 0);

  /* Those that are with it are not lost with it. */
  lp_job_cancel (self.bad->job);
  lp_test_assert_cancelled (self.bad);
  lp_test_assert_int (ahead[0], 0);
  lp_test_assert_int (ahead[2], 4);
  for (guint i = 0; i < G_N_ELEMENTS (ahead); i++)
    lp_test_outcome_free (ahead[i]);
  assert_replaced (&self);
  tear_down (&self);
}

/* Its executor is shut down while it runs, but before it is killed for it, it ends: it is to go all the same. Were this
 * too slow, it would be killed. */
static void
test_hang_ends_after_all (void)
{
  Hang self;
  LpTestOutcome *ahead;

  set_up (&self, "--depth=4 end-late");
  start (&self);
  lp_test_make_quick (self.lease);
  start_bad_job (&self, 0);
  ahead = lp_test_double (self.lease, 1);
  lp_test_wait_sent (ahead);
  lp_job_cancel (ahead->job);
  lp_job_cancel (self.bad->job);
  lp_test_assert_cancelled (ahead);
  lp_test_assert_cancelled (self.bad);
  lp_lease_release (self.lease);
  lp_test_wait_retired (self.proc.manager, 1);
  lp_test_outcome_free (ahead);
  tear_down (&self);
}

static GVariant *
new_large_parameters (void)
{
  gsize size = 100 * 1024 * 1024;
  guint8 *data = g_malloc0 (size);
  GVariant *bytes = g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, data, size, TRUE, g_free, data);

  return g_variant_new_tuple (&bytes, 1);
}

/* A hundred megabytes that do not fit into its socket. */
static void
test_hang_does_not_read (gconstpointer mode)
{
  Hang self;
  LpTestOutcome *next;

  set_up (&self, "stop-reading");
  start (&self);
  self.bad = lp_test_call (self.lease, "echo", new_large_parameters ());
  next = lp_test_double (self.lease, 1);
  lp_job_cancel (next->job);
  lp_test_assert_cancelled (next);
  lp_test_outcome_free (next);
  stop (&self, (LpStopMode) GPOINTER_TO_INT (mode), 0.1);
  lp_test_assert_cancelled (self.bad);
  tear_down (&self);
}

/* The outcome does not wait until it reads. */
static void
test_hang_does_not_read_and_is_cancelled (void)
{
  Hang self;

  set_up (&self, "stop-reading");
  start (&self);
  self.bad = lp_test_call (self.lease, "echo", new_large_parameters ());
  lp_test_wait_sent (self.bad);
  lp_job_cancel (self.bad->job);
  lp_test_assert_cancelled (self.bad);
  g_assert_cmpint (lp_lease_get_state (self.lease), ==, LP_LEASE_STATE_ACTIVE);
  tear_down (&self);
}

/* The goodbye of a stop, or its end. */
static void
test_hang_at_goodbye (gconstpointer arguments)
{
  Hang self;

  set_up (&self, arguments);
  start (&self);
  assert_replaced (&self);
  stop (&self, LP_STOP_MODE_DRAIN, -1);
  tear_down (&self);
}

/* --- What they leave --- */

/* Locked as long as a process lives that a worker has left. */
typedef struct
{
  char *path;
  int fd;
} Lock;

static void
lock_set_up (Lock *self, LpTestProc *proc)
{
  self->path = lp_test_proc_build_path (proc, "lock");
  self->fd = open (self->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  g_assert_cmpint (self->fd, >=, 0);
}

static gboolean
is_free (gpointer data)
{
  Lock *self = data;

  return flock (self->fd, LOCK_EX | LOCK_NB) == 0;
}

static void
lock_tear_down (Lock *self)
{
  g_unlink (self->path);
  lp_test_wait_for (is_free, self, "the process that a worker has left to end");
  close (self->fd);
  g_free (self->path);
}

/* It has the worker's descriptors open, and is none of the manager's business. */
static void
test_left_grandchild (void)
{
  Hang self;
  Lock lock;

  set_up (&self, "grandchild --argument=3");
  lock_set_up (&lock, &self.proc);
  start (&self);
  self.bad = lp_test_call (self.lease, "misbehave", g_variant_new ("(s)", lock.path));
  lp_test_assert_fails (self.bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_assert_says (self.bad->error, "status 3");
  lp_test_assert_works (self.proc.manager);
  stop (&self, LP_STOP_MODE_DRAIN, -1);

  g_assert_false (is_free (&lock));
  lock_tear_down (&lock);
  tear_down (&self);
}

static void
test_left_grandchild_of_a_worker_that_lives (void)
{
  Hang self;
  Lock lock;

  set_up (&self, "grandchild-and-live");
  lock_set_up (&lock, &self.proc);
  start (&self);
  self.bad = lp_test_call (self.lease, "misbehave", g_variant_new ("(s)", lock.path));
  lp_test_assert_succeeds (self.bad);
  assert_replaced (&self);
  stop (&self, LP_STOP_MODE_DRAIN, -1);

  g_assert_false (is_free (&lock));
  lock_tear_down (&lock);
  tear_down (&self);
}

/* There is always more to read. */
static void
test_left_grandchild_that_writes (void)
{
  Hang self;
  Lock lock;

  set_up (&self, "grandchild-writer --argument=3");
  lock_set_up (&lock, &self.proc);
  start (&self);
  self.bad = lp_test_call (self.lease, "misbehave", g_variant_new ("(s)", lock.path));
  lp_test_assert_fails (self.bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_assert_says (self.bad->error, "status 3");
  lp_test_assert_works (self.proc.manager);

  /* Nobody reads it any more. */
  lp_test_wait_for (is_free, &lock, "the writer to end");
  lock_tear_down (&lock);
  tear_down (&self);
}

/* The group of a worker ends with it. */
static void
test_left_child_of_the_group (void)
{
  Hang self;
  Lock lock;

  set_up (&self, "group-child --argument=3");
  lock_set_up (&lock, &self.proc);
  start (&self);
  self.bad = lp_test_call (self.lease, "misbehave", g_variant_new ("(s)", lock.path));
  lp_test_assert_fails (self.bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  lp_test_wait_for (is_free, &lock, "the child to be swept away");
  lock_tear_down (&lock);
  tear_down (&self);
}

static void
test_left_child_of_the_group_at_the_stop (gconstpointer mode)
{
  Hang self;
  Lock lock;

  set_up (&self, "group-child-and-live");
  lock_set_up (&lock, &self.proc);
  start (&self);
  self.bad = lp_test_call (self.lease, "misbehave", g_variant_new ("(s)", lock.path));
  lp_test_assert_succeeds (self.bad);
  assert_replaced (&self);
  g_assert_false (is_free (&lock));
  stop (&self, (LpStopMode) GPOINTER_TO_INT (mode), -1);
  lp_test_wait_for (is_free, &lock, "the child to be swept away");
  lock_tear_down (&lock);
  tear_down (&self);
}

static void
add_each_way (const char *name, const char *arguments)
{
  const struct
  {
    const char *way;
    GTestDataFunc func;
  } ways[] = {
    { "cancelled", test_hang_is_cancelled },
    { "timed-out", test_hang_times_out },
    { "revoked", test_hang_is_revoked },
    { "stopped-by-cancel", test_hang_is_stopped_by_cancel },
    { "stopped-by-drain", test_hang_is_stopped_by_drain },
    { "stopped-by-kill", test_hang_is_stopped_by_kill },
    { "disposed", test_hang_is_disposed },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autofree char *path = g_strdup_printf ("/process/hang/%s/is-%s", name, ways[i].way);

      g_test_add_data_func (path, arguments, ways[i].func);
    }
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  add_each_way ("hang", "hang");
  add_each_way ("ignore-sigterm", "ignore-sigterm");
  add_each_way ("ignore-cancel", "--depth=2 ignore-cancel");
  add_each_way ("stop-self", "stop-self");
  add_each_way ("log-for-ever", "log-for-ever");
  add_each_way ("stderr-for-ever", "stderr-for-ever");
  g_test_add_data_func ("/process/hang/answer-sigterm/is-cancelled", "answer-sigterm", test_hang_is_cancelled);
  g_test_add_data_func ("/process/hang/answer-sigterm/is-timed-out", "answer-sigterm", test_hang_times_out);
  g_test_add_data_func ("/process/hang/close-stream/is-cancelled", "close-stream",
                        test_hang_closed_its_stream_and_is_cancelled);
  g_test_add_data_func ("/process/hang/shut-stream/is-cancelled", "shut-stream",
                        test_hang_closed_its_stream_and_is_cancelled);
  lp_test_add_breaks ("/process/hang/", breaks, G_N_ELEMENTS (breaks));
  g_test_add_func ("/process/hang/before-the-beginning", test_hang_before_the_beginning);
  g_test_add_func ("/process/hang/before-the-beginning-is-revoked", test_hang_before_the_beginning_is_revoked);
  g_test_add_func ("/process/hang/takes-calls-and-does-not-read", test_hang_takes_calls_and_does_not_read);
  g_test_add_func ("/process/hang/ends-after-all", test_hang_ends_after_all);
  g_test_add_data_func ("/process/hang/does-not-read-and-is-stopped-by-cancel", GINT_TO_POINTER (LP_STOP_MODE_CANCEL),
                        test_hang_does_not_read);
  g_test_add_data_func ("/process/hang/does-not-read-and-is-stopped-by-drain", GINT_TO_POINTER (LP_STOP_MODE_DRAIN),
                        test_hang_does_not_read);
  g_test_add_data_func ("/process/hang/does-not-read-and-is-stopped-by-kill", GINT_TO_POINTER (LP_STOP_MODE_KILL),
                        test_hang_does_not_read);
  g_test_add_func ("/process/hang/does-not-read-and-is-cancelled", test_hang_does_not_read_and_is_cancelled);
  g_test_add_data_func ("/process/hang/ignore-goodbye", "ignore-goodbye", test_hang_at_goodbye);
  g_test_add_data_func ("/process/hang/goodbye-and-stay", "goodbye-and-stay", test_hang_at_goodbye);
  g_test_add_func ("/process/left/grandchild", test_left_grandchild);
  g_test_add_func ("/process/left/grandchild-of-a-worker-that-lives", test_left_grandchild_of_a_worker_that_lives);
  g_test_add_func ("/process/left/grandchild-that-writes", test_left_grandchild_that_writes);
  g_test_add_func ("/process/left/child-of-the-group", test_left_child_of_the_group);
  g_test_add_data_func ("/process/left/child-of-the-group-at-the-drain", GINT_TO_POINTER (LP_STOP_MODE_DRAIN),
                        test_left_child_of_the_group_at_the_stop);
  g_test_add_data_func ("/process/left/child-of-the-group-at-the-kill", GINT_TO_POINTER (LP_STOP_MODE_KILL),
                        test_left_child_of_the_group_at_the_stop);

  return g_test_run ();
}
