/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* bench-instructions WHAT N: does it N times, and nothing else that depends on N. tests/bench/instructions has callgrind
 * count, for two N. */

#include "lp-bench.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 250

static LpManager *manager;
static LpLease *lease;
static LpGrinder *grinder;
static LpRequest *request;
static GCancellable *cancellable;
static GThreadPool *pool;

static void
noop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref (lp_bench_unit ());
}

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, NULL);

  g_assert_true (value != NULL);
  lp_bench_slot_done (user_data);
}

static void
start_job (LpBenchSlot *slot, gpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (noop_func, NULL, NULL);

  lp_lease_submit_async (lease, job, NULL, submitted_cb, slot);
}

static void
item_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_grinder_submit_finish (LP_GRINDER (source), result, NULL);

  g_assert_true (value != NULL);
  lp_bench_slot_done (user_data);
}

static void
start_item (LpBenchSlot *slot, gpointer data)
{
  g_autoptr (LpJob) job = lp_job_new_for_func (noop_func, NULL, NULL);

  lp_grinder_submit_async (grinder, job, NULL, item_cb, slot);
}

static void
called_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, NULL);

  g_assert_true (value != NULL);
  lp_bench_slot_done (user_data);
}

static void
start_call (LpBenchSlot *slot, gpointer data)
{
  lp_lease_call_async (lease, "noop", NULL, NULL, called_cb, slot);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (LpLease) acquired = lp_manager_acquire_finish (LP_MANAGER (source), result, NULL);

  lp_lease_release (acquired);
  lp_bench_slot_done (user_data);
}

static void
start_acquire (LpBenchSlot *slot, gpointer data)
{
  lp_manager_acquire_async (manager, request, cancellable, acquired_cb, slot);
}

static void
start_task (LpBenchSlot *slot, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, lp_bench_task_cb, slot);

  g_task_return_boolean (task, TRUE);
}

static void
pool_func (gpointer data, gpointer user_data)
{
  g_task_return_boolean (data, TRUE);
  g_object_unref (data);
}

static void
start_pool (LpBenchSlot *slot, gpointer data)
{
  g_thread_pool_push (pool, g_task_new (NULL, NULL, lp_bench_task_cb, slot), NULL);
}

/* --- What is counted --- */

static void
run_jobs (guint n)
{
  lp_bench_window (start_job, NULL, n, 64);
}

/* Whole batches: N is a multiple of their size. */
static void
run_items (guint n)
{
  grinder = lp_bench_grinder (manager, BATCH);
  lp_bench_window (start_item, NULL, n, BATCH);
  lp_bench_grinder_stop (grinder);
}

static void
run_pool_jobs (guint n)
{
  pool = g_thread_pool_new (pool_func, NULL, 1, TRUE, NULL);
  lp_bench_window (start_pool, NULL, n, 64);
  g_thread_pool_free (pool, FALSE, TRUE);
}

static void
run_try_acquires (guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LpLease) acquired = lp_manager_try_acquire (manager, NULL, NULL);

      lp_lease_release (acquired);
    }
}

static void
run_renewals (guint n)
{
  for (guint i = 0; i < n; i++)
    lp_lease_renew (lease, -1, NULL);
}

static void
run_acquires (guint n)
{
  lp_bench_window (start_acquire, NULL, n, 1);
}

static void
run_acquires_with_all (guint n)
{
  request = lp_request_new ();
  lp_request_set_owner (request, "benchmark");
  cancellable = g_cancellable_new ();
  run_acquires (n);
  g_object_unref (request);
  g_object_unref (cancellable);
}

static void
run_tasks (guint n)
{
  lp_bench_window (start_task, NULL, n, 1);
}

static void
run_run_tasks (guint n)
{
  lp_bench_window (lp_bench_start_run_task, lease, n, 64);
}

static void
run_in_thread (guint n)
{
  lp_bench_window (lp_bench_start_in_thread, NULL, n, 64);
}

static void
run_objects (guint n)
{
  for (guint i = 0; i < n; i++)
    g_object_unref (g_object_new (G_TYPE_OBJECT, NULL));
}

static void
run_calls (guint n)
{
  lp_bench_window (start_call, NULL, n, 1);
}

static void
run_many_calls (guint n)
{
  lp_bench_window (start_call, NULL, n, 64);
}

/* --- Log records of a worker --- */

static GLogWriterOutput
drop_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  return level & G_LOG_FLAG_FATAL ? g_log_writer_default (level, fields, n_fields, user_data) : G_LOG_WRITER_HANDLED;
}

static void
record_cb (LpManager *with, GVariant *record, gpointer user_data)
{
}

static void
start_log (LpBenchSlot *slot, gpointer data)
{
  lp_lease_call_async (lease, "log", g_variant_new ("(u)", GPOINTER_TO_UINT (data)), NULL, called_cb, slot);
}

static void
run_records (guint n)
{
  lp_bench_window (start_log, GUINT_TO_POINTER (n), 1, 1);
}

static void
run_heard_records (guint n)
{
  g_signal_connect (manager, "worker-record", G_CALLBACK (record_cb), NULL);
  run_records (n);
}

static const struct
{
  const char *name;
  void (*run) (guint n);
  const char *backend;          /* NULL: no manager */
} table[] = {
  { "object", run_objects, NULL },
  { "task", run_tasks, NULL },
  { "pool-job", run_pool_jobs, NULL },
  { "in-thread", run_in_thread, NULL },
  { "job", run_jobs, LP_BACKEND_THREAD },
  { "item", run_items, LP_BACKEND_THREAD },
  { "run-task", run_run_tasks, LP_BACKEND_THREAD },
  { "try-acquire", run_try_acquires, LP_BACKEND_THREAD },
  { "renew", run_renewals, LP_BACKEND_THREAD },
  { "acquire", run_acquires, LP_BACKEND_THREAD },
  { "acquire-all", run_acquires_with_all, LP_BACKEND_THREAD },
  { "call", run_calls, LP_BACKEND_PROCESS },
  { "calls-64", run_many_calls, LP_BACKEND_PROCESS },
  { "record", run_records, LP_BACKEND_PROCESS },
  { "record-heard", run_heard_records, LP_BACKEND_PROCESS },
};

static void
run (guint index, guint n)
{
  if (table[index].backend != NULL)
    {
      manager = lp_bench_manager (table[index].backend, 2, 1);
      lp_manager_set_min_pools (manager, 2);
      lp_manager_set_forward_process_logs (manager, strcmp (table[index].backend, LP_BACKEND_PROCESS) == 0);
      lease = lp_bench_acquire (manager);
    }

  table[index].run (n);

  if (manager != NULL)
    lp_bench_give_back (manager, lease);
}

int
main (int argc, char **argv)
{
  lp_bench_init ("instructions");
  g_log_set_writer_func (drop_record, NULL, NULL);

  for (guint i = 0; argc == 3 && i < G_N_ELEMENTS (table); i++)
    if (strcmp (argv[1], table[i].name) == 0)
      {
        run (i, (guint) atoi (argv[2]));
        return 0;
      }

  g_printerr ("usage: bench-instructions WHAT N\n");
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    g_printerr ("  %s\n", table[i].name);
  return 2;
}
