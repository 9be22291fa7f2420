/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* From the SIGKILL of a worker to what its job's caller hears: against the end of file of a bare socket, seen by a main
 * loop. And to the executor that replaces it: against a bare spawn of the same program, to the first byte it writes. */

#include "lp-bench.h"

#include <glib-unix.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

static LpLease *
lease_of (LpManager *manager)
{
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire (manager, NULL, NULL, &error);

  if (lease == NULL)
    g_error ("no lease: %s", error->message);

  return lease;
}

static pid_t
worker_of (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("pid", NULL);
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) error = NULL;
  int pid;

  if (!lp_lease_submit (lease, job, &error) || !(value = lp_job_wait (job, -1, NULL, &error)))
    g_error ("no pid: %s", error->message);
  g_variant_get (value, "(i)", &pid);

  return pid;
}

static void
failed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, NULL);

  g_assert_null (value);
  *(gint64 *) user_data = lp_bench_now ();
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LpLease) lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);

  if (lease == NULL)
    g_error ("no lease: %s", error->message);
  *(gint64 *) user_data = lp_bench_now ();
  lp_lease_release (lease);
}

static void
iterate_until (gint64 *what)
{
  while (*what == 0)
    g_main_context_iteration (NULL, TRUE);
}

/* One worker that runs a job is killed. FAILED: how long until its job was heard to have failed; REPLACED: until the
 * next lease was had. */
static void
kill_worker (LpManager *manager, double *failed, double *replaced)
{
  g_autoptr (LpLease) lease = lease_of (manager);
  g_autoptr (LpJob) job = lp_job_new_for_call ("hang", NULL);
  pid_t pid = worker_of (lease);
  gint64 failed_at = 0;
  gint64 acquired_at = 0;
  gint64 killed_at;

  lp_lease_submit_async (lease, job, NULL, failed_cb, &failed_at);
  while (lp_job_get_progress (job) < 0)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (500);
    }

  killed_at = lp_bench_now ();
  kill (pid, SIGKILL);
  lp_manager_acquire_async (manager, NULL, NULL, acquired_cb, &acquired_at);
  iterate_until (&failed_at);
  lp_lease_release (lease);
  iterate_until (&acquired_at);

  *failed = (double) (failed_at - killed_at);
  *replaced = (double) (acquired_at - killed_at);
}

static double
kill_some (LpManager *manager, guint n, gboolean replacement)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < n; i++)
    {
      double failed;
      double replaced;

      kill_worker (manager, &failed, &replaced);
      g_array_append_vals (values, replacement ? &replaced : &failed, 1);
    }

  return lp_bench_quantile (values, 0.5);
}

static double
hear_failure (gpointer data, guint n)
{
  return kill_some (data, n, FALSE);
}

static double
get_replacement (gpointer data, guint n)
{
  return kill_some (data, n, TRUE);
}

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  char byte;

  g_assert_true (read (fd, &byte, 1) >= 0);
  *(gint64 *) user_data = lp_bench_now ();
  return G_SOURCE_REMOVE;
}

static double
hear_end_of_file (gpointer data, guint n)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < n; i++)
    {
      LpBenchChild child;
      gint64 heard_at = 0;
      gint64 killed_at;
      double value;

      lp_bench_child_init (&child, "echo");
      /* So that it is where a worker is: in its loop. */
      lp_bench_write_all (child.to, "0", 1);
      lp_bench_read_all (child.from, &(char) { 0 }, 1);

      g_unix_fd_add (child.from, G_IO_IN | G_IO_HUP, readable_cb, &heard_at);
      killed_at = lp_bench_now ();
      g_subprocess_force_exit (child.process);
      iterate_until (&heard_at);
      value = (double) (heard_at - killed_at);
      g_array_append_val (values, value);
      lp_bench_child_clear (&child);
    }

  return lp_bench_quantile (values, 0.5);
}

static double
spawn_to_first_byte (gpointer data, guint n)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < n; i++)
    {
      LpBenchChild child;
      gint64 heard_at = 0;
      gint64 started = lp_bench_now ();
      double value;

      lp_bench_child_init (&child, "first-byte");
      g_unix_fd_add (child.from, G_IO_IN, readable_cb, &heard_at);
      iterate_until (&heard_at);
      value = (double) (heard_at - started);
      g_array_append_val (values, value);
      lp_bench_child_clear (&child);
    }

  return lp_bench_quantile (values, 0.5);
}

int
main (void)
{
  g_autoptr (LpManager) manager = NULL;
  LpBenchRow row = { "from SIGKILL of a C worker to the callback of its job", "ns", 20, 3 };

  lp_bench_init ("crash");
  lp_bench_be_quiet ();
  manager = lp_bench_manager (LP_BACKEND_PROCESS, 1, 1);
  lp_bench_start (manager);

  lp_bench_compare (&row, &(LpBenchSide) { NULL, hear_failure, manager },
                    &(LpBenchSide) { "end of file of a bare socket", hear_end_of_file, NULL });
  row = (LpBenchRow) { "from SIGKILL of a C worker to the lease of its replacement", "ns", 20, 2 };
  lp_bench_compare (&row, &(LpBenchSide) { NULL, get_replacement, manager },
                    &(LpBenchSide) { "a bare spawn to the first byte", spawn_to_first_byte, NULL });

  lp_bench_stop (manager);
  return 0;
}
