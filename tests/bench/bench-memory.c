/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What one more of something takes of the heap. GLib's own allocator of small pieces is not used, so that malloc()
 * knows of each of them. */

#include "lp-bench.h"

#include <malloc.h>
#include <unistd.h>

#define BENCH_TYPE_IDLER (bench_idler_get_type ())
G_DECLARE_FINAL_TYPE (BenchIdler, bench_idler, BENCH, IDLER, LpExecutor)

struct _BenchIdler
{
  LpExecutor parent_instance;
};

G_DEFINE_FINAL_TYPE (BenchIdler, bench_idler, LP_TYPE_EXECUTOR)

static void
bench_idler_class_init (BenchIdlerClass *klass)
{
}

static void
bench_idler_init (BenchIdler *self)
{
}

static double
allocated (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return (double) (info.uordblks + info.hblkhd);
}

static void
measure_leases (guint n)
{
  g_autoptr (LpManager) manager = lp_bench_manager (LP_BACKEND_THREAD, (int) n, 1);
  g_autoptr (GPtrArray) leases = g_ptr_array_new_full (n, g_object_unref);
  double before = allocated ();

  lp_manager_set_executor_type (manager, BENCH_TYPE_IDLER);
  lp_manager_set_min_pools (manager, (int) n);
  lp_bench_start (manager);
  lp_bench_value ("one more executor, before it is used", "bytes", (allocated () - before) / n, -1);

  before = allocated ();
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (leases, lp_manager_try_acquire (manager, NULL, NULL));
  lp_bench_value ("one more lease", "bytes", (allocated () - before) / n, 1024);

  for (guint i = 0; i < n; i++)
    lp_lease_release (leases->pdata[i]);
  lp_bench_stop (manager);
}

static GMutex gate;

static void
gate_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  g_mutex_lock (&gate);
  g_mutex_unlock (&gate);
  *result = g_variant_ref (lp_bench_unit ());
}

static void
measure_jobs (guint n)
{
  g_autoptr (LpManager) manager = lp_bench_manager (LP_BACKEND_THREAD, 1, 1);
  g_autoptr (LpLease) lease = lp_bench_acquire (manager);
  double before = 0;

  g_mutex_lock (&gate);
  for (guint i = 0; i < n + 100; i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_func (gate_func, NULL, NULL);

      if (i == 100)
        before = allocated ();
      if (!lp_lease_submit (lease, job, NULL))
        g_error ("a job was refused");
    }
  lp_bench_value ("one more queued job", "bytes", (allocated () - before) / n, 512);

  g_mutex_unlock (&gate);
  lp_lease_release (lease);
  lp_bench_stop (manager);
}

static void
pool_func (gpointer data, gpointer user_data)
{
  g_mutex_lock (&gate);
  g_mutex_unlock (&gate);
  g_task_return_boolean (data, TRUE);
  g_object_unref (data);
}

/* For comparison. */
static void
measure_tasks (guint n)
{
  GThreadPool *pool = g_thread_pool_new (pool_func, NULL, 1, TRUE, NULL);
  double before = 0;

  g_mutex_lock (&gate);
  for (guint i = 0; i < n + 100; i++)
    {
      if (i == 100)
        before = allocated ();
      g_thread_pool_push (pool, g_task_new (NULL, NULL, NULL, NULL), NULL);
    }
  lp_bench_value ("for comparison: one more GTask queued in a GThreadPool", "bytes", (allocated () - before) / n, -1);
  g_mutex_unlock (&gate);
  g_thread_pool_free (pool, FALSE, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

int
main (int argc, char **argv)
{
  if (g_getenv ("G_SLICE") == NULL)
    {
      g_setenv ("G_SLICE", "always-malloc", TRUE);
      execv ("/proc/self/exe", argv);
    }

  lp_bench_init ("memory");
  lp_bench_be_quiet ();
  measure_leases (lp_bench_scaled (20000, 1000));
  measure_jobs (lp_bench_scaled (20000, 1000));
  measure_tasks (lp_bench_scaled (20000, 1000));

  return 0;
}
