/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What is done while nothing is to be done: how often any thread of the program and of its workers wakes up, and for
 * how long it runs, beyond what the program does without a manager. Each worker has run a job before. */

#include "lp-bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define N_EXECUTORS 4
#define N_WORKERS 2

typedef struct
{
  double wakeups;
  double cpu;                   /* nanoseconds */
} Usage;

static void
add_task (Usage *usage, const char *task)
{
  g_autofree char *status_path = g_build_filename (task, "status", NULL);
  g_autofree char *sched_path = g_build_filename (task, "schedstat", NULL);
  g_autofree char *status = NULL;
  g_autofree char *sched = NULL;
  const char *line;

  if (g_file_get_contents (status_path, &status, NULL, NULL)
      && (line = strstr (status, "\nvoluntary_ctxt_switches:")) != NULL)
    usage->wakeups += g_ascii_strtod (strchr (line, ':') + 1, NULL);
  if (g_file_get_contents (sched_path, &sched, NULL, NULL))
    usage->cpu += g_ascii_strtod (sched, NULL);
}

static void
add_process (Usage *usage, const char *process)
{
  g_autofree char *path = g_build_filename ("/proc", process, "task", NULL);
  g_autoptr (GDir) tasks = g_dir_open (path, 0, NULL);
  const char *name;

  while (tasks != NULL && (name = g_dir_read_name (tasks)) != NULL)
    {
      g_autofree char *task = g_build_filename (path, name, NULL);

      add_task (usage, task);
    }
}

static gboolean
is_child (const char *process)
{
  g_autofree char *path = g_build_filename ("/proc", process, "stat", NULL);
  g_autofree char *stat = NULL;
  const char *end;
  int parent;

  return g_ascii_isdigit (process[0]) && g_file_get_contents (path, &stat, NULL, NULL)
         && (end = strrchr (stat, ')')) != NULL && sscanf (end, ") %*c %d", &parent) == 1 && parent == getpid ();
}

static Usage
get_usage (void)
{
  g_autoptr (GDir) processes = g_dir_open ("/proc", 0, NULL);
  Usage usage = { 0, 0 };
  const char *name;

  add_process (&usage, "self");
  while ((name = g_dir_read_name (processes)) != NULL)
    if (is_child (name))
      add_process (&usage, name);

  return usage;
}

static gboolean
quit_cb (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

/* What is used in SECONDS of a main loop that has nothing to do. */
static Usage
idle (double seconds)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Usage before;
  Usage after;

  /* What was begun before comes to its end. */
  g_timeout_add (200, quit_cb, loop);
  g_main_loop_run (loop);

  before = get_usage ();
  g_timeout_add ((guint) (seconds * 1000), quit_cb, loop);
  g_main_loop_run (loop);
  after = get_usage ();

  return (Usage) { after.wakeups - before.wakeups, after.cpu - before.cpu };
}

static void
pause_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_usleep (1000);
  *result = g_variant_new ("()");
}

/* So that the threads are there, and have waited once. */
static void
use_all (LpManager *manager, gboolean threads)
{
  LpLease *leases[N_EXECUTORS];

  for (guint i = 0; i < N_EXECUTORS; i++)
    {
      LpJob *jobs[N_WORKERS];

      leases[i] = lp_bench_acquire (manager);
      for (guint k = 0; k < N_WORKERS; k++)
        {
          jobs[k] = threads ? lp_job_new_for_func (pause_func, NULL, NULL) : lp_job_new_for_call ("noop", NULL);
          if (!lp_lease_submit (leases[i], jobs[k], NULL))
            g_error ("a job was refused");
        }
      for (guint k = 0; k < N_WORKERS; k++)
        {
          g_autoptr (GVariant) value = lp_job_wait (jobs[k], -1, NULL, NULL);

          g_assert_nonnull (value);
          g_object_unref (jobs[k]);
        }
    }

  for (guint i = 0; i < N_EXECUTORS; i++)
    {
      lp_lease_release (leases[i]);
      g_object_unref (leases[i]);
    }
}

static void
measure (const char *backend, double seconds)
{
  g_autoptr (LpManager) manager = lp_bench_manager (backend, N_EXECUTORS, N_WORKERS);
  g_autofree char *wakeups_name = g_strdup_printf ("wake-ups in %g s, %d idle executors, %s", seconds, N_EXECUTORS, backend);
  g_autofree char *cpu_name = g_strdup_printf ("processor, %d idle executors, %s", N_EXECUTORS, backend);
  Usage alone = idle (seconds);
  Usage with;

  lp_manager_set_min_pools (manager, N_EXECUTORS);
  use_all (manager, g_str_equal (backend, LP_BACKEND_THREAD));
  with = idle (seconds);
  lp_bench_value (wakeups_name, "", MAX (0, with.wakeups - alone.wakeups), 0);
  lp_bench_value (cpu_name, "%", MAX (0, with.cpu - alone.cpu) / (seconds * 1e9) * 100, 0.05);
  lp_bench_stop (manager);
}

int
main (void)
{
  double seconds = lp_bench_scaled (10000, 100) / 1000.0;

  lp_bench_init ("idle");
  measure (LP_BACKEND_THREAD, seconds);
  measure (LP_BACKEND_PROCESS, seconds);

  return 0;
}
