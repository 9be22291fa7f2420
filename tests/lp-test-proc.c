/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "config.h"

#include "lp-test-proc.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lp-executor-private.h"
#include "lp-job-private.h"

static guint n_fds_before;
static guint n_threads_before;

/* --- What this process has --- */

guint
lp_test_count_fds (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n_fds = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n_fds++;

  return n_fds - 1;             /* that of DIR */
}

static int
get_parent (const char *pid)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "stat", NULL);
  g_autofree char *stat = NULL;
  const char *end;
  int parent = 0;
  char state;

  /* Its name may have anything in it. */
  if (g_file_get_contents (path, &stat, NULL, NULL) && (end = strrchr (stat, ')')) != NULL)
    sscanf (end + 1, " %c %d", &state, &parent);

  return parent;
}

/* The process number of child N, 0 if there is none; sets the number of those before it. */
static int
find_child (guint n, guint *n_before)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  *n_before = 0;
  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_ascii_isdigit (name[0]) && get_parent (name) == getpid () && (*n_before)++ == n)
      return atoi (name);

  return 0;
}

guint
lp_test_count_children (void)
{
  guint n_children;

  find_child (G_MAXUINT, &n_children);
  return n_children;
}

int
lp_test_get_child (guint n)
{
  guint n_before;

  return find_child (n, &n_before);
}

static void
describe_fds (void)
{
  for (int fd = 0; fd < 100; fd++)
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
      g_autofree char *target = g_file_read_link (path, NULL);

      if (target != NULL)
        g_test_message ("descriptor %d: %s", fd, target);
    }
}

static gboolean
nothing_is_left (gpointer data)
{
  gint64 *late = data;
  guint n_fds = lp_test_count_fds ();
  guint n_threads = lp_test_count_threads ("");
  guint n_children = lp_test_count_children ();

  if (n_children == 0 && n_fds <= n_fds_before && n_threads == n_threads_before)
    {
      /* When they were counted, GLib's thread may still have had those of the first child. */
      n_fds_before = n_fds;
      return TRUE;
    }

  if (g_get_monotonic_time () > *late)
    {
      g_test_message ("%u children, %u descriptors, %u before, %u threads, %u before", n_children, n_fds, n_fds_before,
                      n_threads, n_threads_before);
      describe_fds ();
      *late = G_MAXINT64;
    }

  return FALSE;
}

/* A thread that was joined is seen in /proc for a moment longer. */
void
lp_test_wait_nothing_left (void)
{
  gint64 late = g_get_monotonic_time () + 10 * G_TIME_SPAN_SECOND;

  lp_test_wait_for (nothing_is_left, &late, "the last child, descriptor and thread to go");
}

/* GLib has a thread of its own from the first child on, and so on. */
static void
warm_up (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) child = g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "true", NULL);

  g_assert_no_error (error);
  lp_test_wait_process (child);
}

static void
run_once (void)
{
  LpTestProc self;

  lp_test_proc_set_up (&self, "good");
  lp_test_proc_start (&self);
  lp_test_assert_works (self.manager);
  lp_test_finish (self.manager);
  self.manager = NULL;
  lp_test_proc_tear_down (&self);
}

/* What is there besides is GLib's, or a sanitizer's. */
static gboolean
first_manager_is_gone (gpointer data)
{
  return lp_test_count_threads ("leasepool") == 0 && lp_test_count_children () == 0;
}

void
lp_test_proc_init (int *argc, char ***argv)
{
  g_test_init (argc, argv, NULL);
  warm_up ();
  run_once ();
  lp_test_wait_for (first_manager_is_gone, NULL, "the first manager to be gone");
  n_fds_before = lp_test_count_fds ();
  n_threads_before = lp_test_count_threads ("");
}

/* --- The manager --- */

char **
lp_test_bad_worker_argv (const char *arguments)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "bad-worker", "bad-worker", NULL);
  g_autofree char *line = g_strconcat (program, " ", arguments, NULL);

  return g_strsplit (line, " ", -1);
}

char *
lp_test_proc_build_path (LpTestProc *self, const char *name)
{
  return g_build_filename (self->directory, name, NULL);
}

static void
open_fifo (LpTestProc *self, LpTestFifo *fifo, const char *name)
{
  fifo->path = lp_test_proc_build_path (self, name);
  g_assert_cmpint (mkfifo (fifo->path, 0600), ==, 0);
  fifo->fd = open (fifo->path, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (fifo->fd, >=, 0);
}

static void
close_fifo (LpTestFifo *fifo)
{
  close (fifo->fd);
  g_unlink (fifo->path);
  g_clear_pointer (&fifo->path, g_free);
}

void
lp_test_proc_set_up (LpTestProc *self, const char *arguments)
{
  g_auto (GStrv) argv = lp_test_bad_worker_argv (arguments);
  g_autoptr (GError) error = NULL;

  self->directory = g_dir_make_tmp ("leasepool-test-XXXXXX", &error);
  g_assert_no_error (error);
  open_fifo (self, &self->first, "first");
  open_fifo (self, &self->second, "second");

  self->manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_object_set (self->manager,
                "worker-argv", argv,
                "workers-per-pool", 2,
                "start-timeout-seconds", (double) LP_TEST_PATIENCE_SECONDS,
                "cancel-grace-seconds", 0.05,
                NULL);
}

void
lp_test_proc_start (LpTestProc *self)
{
  g_autoptr (GError) error = NULL;

  lp_manager_start (self->manager, NULL, &error);
  g_assert_no_error (error);
}

void
lp_test_proc_tear_down (LpTestProc *self)
{
  if (self->manager != NULL)
    {
      g_assert_cmpuint (lp_test_stat (self->manager, "quarantined"), ==, 0);
      lp_test_finish (self->manager);
    }
  close_fifo (&self->first);
  close_fifo (&self->second);
  g_assert_cmpint (g_rmdir (self->directory), ==, 0);
  g_free (self->directory);

  if (n_fds_before > 0)
    lp_test_wait_nothing_left ();
}

/* --- Jobs --- */

void
lp_test_wait_finalized (gpointer object)
{
  int gone = FALSE;

  lp_test_watch (object, &gone);
  g_object_unref (object);
  lp_test_wait_for (lp_test_is_gone, &gone, "an object to be finalized");
}

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  LpTestOutcome *outcome = user_data;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;

  value = lp_lease_submit_finish (LP_LEASE (source), result, &error);
  if (outcome->n_callbacks++ > 0)
    return;

  g_assert_true ((value != NULL) != (error != NULL));
  outcome->result = g_steal_pointer (&value);
  outcome->error = g_steal_pointer (&error);
}

LpTestOutcome *
lp_test_outcome_of (LpLease *lease, LpJob *job)
{
  LpTestOutcome *outcome = g_new0 (LpTestOutcome, 1);

  outcome->job = job;
  lp_lease_submit_async (lease, job, NULL, submitted_cb, outcome);

  return outcome;
}

LpTestOutcome *
lp_test_call (LpLease *lease, const char *name, GVariant *parameters)
{
  return lp_test_outcome_of (lease, lp_job_new_for_call (name, parameters));
}

LpTestOutcome *
lp_test_double (LpLease *lease, int value)
{
  return lp_test_call (lease, "double", g_variant_new ("(i)", value));
}

/* Runs until it is let go. */
LpTestOutcome *
lp_test_hold (LpLease *lease, LpTestFifo *fifo)
{
  return lp_test_call (lease, "hold", g_variant_new ("(s)", fifo->path));
}

void
lp_test_let_go (LpTestFifo *fifo)
{
  g_assert_cmpint (write (fifo->fd, "!", 1), ==, 1);
}

static gboolean
has_started (gpointer data)
{
  LpTestOutcome *outcome = data;

  return lp_job_get_started_at (outcome->job) != 0 || outcome->n_callbacks > 0;
}

void
lp_test_wait_started (LpTestOutcome *outcome)
{
  lp_test_wait_for (has_started, outcome, "a job to start");
  g_assert_no_error (outcome->error);
  g_assert_cmpint (lp_job_get_state (outcome->job), ==, LP_JOB_STATE_RUNNING);
}

static gboolean
is_sent (gpointer data)
{
  LpJob *job = ((LpTestOutcome *) data)->job;
  LpJobPlace place;

  g_mutex_lock (lp_executor_get_lock (job->executor));
  place = job->place;
  g_mutex_unlock (lp_executor_get_lock (job->executor));

  return place == LP_PLACE_SENT;
}

void
lp_test_wait_sent (LpTestOutcome *outcome)
{
  lp_test_wait_for (is_sent, outcome, "a job to be sent");
}

static gboolean
has_come (gpointer data)
{
  return ((LpTestOutcome *) data)->n_callbacks > 0;
}

void
lp_test_wait_outcome (LpTestOutcome *outcome)
{
  lp_test_wait_for (has_come, outcome, "the outcome of a job");
}

void
lp_test_outcome_free (LpTestOutcome *outcome)
{
  g_assert_cmpuint (outcome->n_callbacks, ==, 1);
  g_clear_pointer (&outcome->result, g_variant_unref);
  g_clear_error (&outcome->error);
  lp_test_wait_finalized (outcome->job);
  g_free (outcome);
}

void
lp_test_assert_succeeds (LpTestOutcome *outcome)
{
  lp_test_wait_outcome (outcome);
  g_assert_no_error (outcome->error);
  g_assert_cmpint (lp_job_get_state (outcome->job), ==, LP_JOB_STATE_SUCCEEDED);
}

void
lp_test_assert_int (LpTestOutcome *outcome, int expected)
{
  int value;

  lp_test_assert_succeeds (outcome);
  g_assert_true (g_variant_is_of_type (outcome->result, G_VARIANT_TYPE ("(i)")));
  g_variant_get (outcome->result, "(i)", &value);
  g_assert_cmpint (value, ==, expected);
}

void
lp_test_assert_fails (LpTestOutcome *outcome, GQuark domain, int code)
{
  lp_test_wait_outcome (outcome);
  g_assert_error (outcome->error, domain, code);
  g_assert_cmpint (lp_job_get_state (outcome->job), ==, LP_JOB_STATE_FAILED);
  g_test_message ("%s", outcome->error->message);
}

void
lp_test_assert_cancelled (LpTestOutcome *outcome)
{
  lp_test_wait_outcome (outcome);
  g_assert_error (outcome->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (outcome->job), ==, LP_JOB_STATE_CANCELLED);
}

void
lp_test_assert_untouched (LpTestOutcome *outcome)
{
  lp_test_assert_fails (outcome, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (outcome->job), ==, 0);
}

void
lp_test_assert_says (const GError *error, const char *text)
{
  if (strstr (error->message, text) == NULL)
    g_error ("“%s” does not say “%s”", error->message, text);
}

int
lp_test_ask_pid (LpLease *lease)
{
  LpTestOutcome *outcome = lp_test_call (lease, "pid", NULL);
  int pid;

  lp_test_assert_succeeds (outcome);
  g_variant_get (outcome->result, "(i)", &pid);
  lp_test_outcome_free (outcome);
  g_assert_cmpint (pid, >, 1);

  return pid;
}

void
lp_test_make_quick (LpLease *lease)
{
  for (int i = 0; i < 50; i++)
    {
      LpTestOutcome *outcome = lp_test_double (lease, i);

      lp_test_assert_int (outcome, 2 * i);
      lp_test_outcome_free (outcome);
    }
}

/* --- Workers that break --- */

typedef struct
{
  LpManager *manager;
  guint64 n_retired;
} Retired;

static gboolean
is_retired (gpointer data)
{
  Retired *retired = data;

  return lp_test_counter (retired->manager, "executors_retired") >= retired->n_retired;
}

void
lp_test_wait_retired (LpManager *manager, guint64 n_retired)
{
  Retired retired = { manager, n_retired };

  lp_test_wait_for (is_retired, &retired, "an executor to be retired");
}

void
lp_test_use_and_release (LpLease *lease)
{
  LpTestOutcome *outcome = lp_test_double (lease, 21);

  lp_test_assert_int (outcome, 42);
  lp_test_outcome_free (outcome);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
}

void
lp_test_assert_works (LpManager *manager)
{
  lp_test_use_and_release (lp_test_acquire (manager, "next"));
}

static void
check_blame (const LpTestBreak *self, LpTestOutcome *bad, int pid)
{
  g_autofree char *pid_text = g_strdup_printf ("pid %d", pid);

  if (self->fate == LP_TEST_SUCCEEDED)
    {
      lp_test_assert_succeeds (bad);
      return;
    }

  lp_test_assert_fails (bad, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_cmpint (lp_job_get_started_at (bad->job) != 0, ==, self->fate == LP_TEST_BLAMED);
  lp_test_assert_says (bad->error, pid_text);
  if (self->says != NULL)
    lp_test_assert_says (bad->error, self->says);
}

static void
assert_refused (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("double", g_variant_new ("(i)", 1));
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_lease_submit (lease, job, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
}

static void
check_break_counts (LpManager *manager, const LpTestBreak *self)
{
  gboolean succeeded = self->fate == LP_TEST_SUCCEEDED;

  g_assert_cmpuint (lp_test_counter (manager, "jobs_succeeded"), ==, succeeded ? 5 : 4);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_failed"), ==, succeeded ? 1 : 2);
  g_assert_cmpuint (lp_test_counter (manager, "jobs_cancelled"), ==, 0);
  g_assert_cmpuint (lp_test_counter (manager, "executors_created"), ==, 2);
  g_assert_cmpuint (lp_test_counter (manager, "executors_retired"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 0);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);
}

/* One worker breaks, while the other one runs a job and a third job waits. */
static void
check_break (const LpTestBreak *self, LpManager *manager, LpTestFifo *first, LpTestFifo *second)
{
  LpLease *lease = lp_test_acquire (manager, "broken");
  LpTestOutcome *sibling = lp_test_hold (lease, first);
  LpTestOutcome *before, *bad, *queued;
  int pid;

  lp_test_wait_started (sibling);
  pid = lp_test_ask_pid (lease);
  before = lp_test_hold (lease, second);
  lp_test_wait_started (before);
  bad = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 1));
  queued = lp_test_double (lease, 1);
  lp_test_let_go (second);

  lp_test_assert_succeeds (before);
  check_blame (self, bad, pid);
  lp_test_assert_untouched (queued);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_BROKEN);
  assert_refused (lease);

  g_assert_cmpint (lp_job_get_state (sibling->job), ==, LP_JOB_STATE_RUNNING);
  lp_test_let_go (first);
  lp_test_assert_succeeds (sibling);
  lp_test_wait_finalized (lease);
  lp_test_assert_works (manager);

  check_break_counts (manager, self);
  lp_test_outcome_free (sibling);
  lp_test_outcome_free (before);
  lp_test_outcome_free (bad);
  lp_test_outcome_free (queued);
}

void
lp_test_check_break (gconstpointer data)
{
  const LpTestBreak *self = data;
  LpTestProc proc;

  lp_test_proc_set_up (&proc, self->arguments);
  lp_test_proc_start (&proc);
  check_break (self, proc.manager, &proc.first, &proc.second);
  lp_test_proc_tear_down (&proc);
}

void
lp_test_add_breaks (const char *path, const LpTestBreak *breaks, gsize n_breaks)
{
  for (gsize i = 0; i < n_breaks; i++)
    {
      g_autofree char *full = g_strconcat (path, breaks[i].name, NULL);

      g_test_add_data_func (full, &breaks[i], lp_test_check_break);
    }
}
