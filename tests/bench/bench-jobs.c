/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Jobs on threads, each completing in the main loop: against a GThreadPool with a GTask for each job, against
 * g_task_run_in_thread(), and against libdex where there is one. */

#include "lp-bench-dex.h"
#include "lp-bench-errands.h"
#include "lp-bench-floors.h"

/* What a job of the measures of scaling computes, so long that the queue is not what is measured. */
#define WORK_STEPS 20000

static int sink;                /* (atomic) */

static void
do_work (void)
{
  guint x = 1;

  for (guint i = 0; i < WORK_STEPS; i++)
    x = x * 1664525 + 1013904223;
  g_atomic_int_set (&sink, (int) x);
}

/* --- Ours --- */

static void
noop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref (lp_bench_unit ());
}

static void
work_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  do_work ();
  *result = g_variant_ref (lp_bench_unit ());
}

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, &error);

  if (value == NULL)
    g_error ("a job failed: %s", error->message);
  lp_bench_slot_done (user_data);
}

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  LpJobFunc func;
  guint in_flight;
} Ours;

static void
start_ours (LpBenchSlot *slot, gpointer data)
{
  Ours *self = data;
  g_autoptr (LpJob) job = lp_job_new_for_func (self->func, NULL, NULL);

  lp_lease_submit_async (self->lease, job, NULL, submitted_cb, slot);
}

static double
run_ours (gpointer data, guint n)
{
  return lp_bench_window (start_ours, data, n, ((Ours *) data)->in_flight);
}

static double
wait_for_ours (gpointer data, guint n)
{
  return lp_bench_window_waits (start_ours, data, n, ((Ours *) data)->in_flight, 0.99);
}

static Ours
ours_new (int threads, LpJobFunc func, guint in_flight)
{
  Ours self = { .func = func, .in_flight = in_flight };

  self.manager = lp_bench_manager (LP_BACKEND_THREAD, 1, threads);
  self.lease = lp_bench_acquire (self.manager);

  return self;
}

static void
ours_clear (Ours *self)
{
  lp_bench_give_back (self->manager, self->lease);
}

/* --- GThreadPool and GTask --- */

typedef struct
{
  GThreadPool *pool;
  void (*func) (void);
  guint in_flight;
} Peer;

static void
pool_func (gpointer data, gpointer user_data)
{
  Peer *self = user_data;
  GTask *task = data;

  if (self->func != NULL)
    self->func ();
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static void
start_pool (LpBenchSlot *slot, gpointer data)
{
  Peer *self = data;

  g_thread_pool_push (self->pool, g_task_new (NULL, NULL, lp_bench_task_cb, slot), NULL);
}

static double
run_pool (gpointer data, guint n)
{
  return lp_bench_window (start_pool, data, n, ((Peer *) data)->in_flight);
}

static double
wait_for_pool (gpointer data, guint n)
{
  return lp_bench_window_waits (start_pool, data, n, ((Peer *) data)->in_flight, 0.99);
}

static void
peer_init (Peer *self, int threads, void (*func) (void), guint in_flight)
{
  *self = (Peer) { .func = func, .in_flight = in_flight };
  self->pool = g_thread_pool_new (pool_func, self, threads, TRUE, NULL);
}

static void
peer_clear (Peer *self)
{
  g_thread_pool_free (self->pool, FALSE, TRUE);
}

/* --- g_task_run_in_thread() --- */

static double
run_in_thread (gpointer data, guint n)
{
  return lp_bench_window (lp_bench_start_in_thread, NULL, n, ((Peer *) data)->in_flight);
}

/* --- lp_lease_run_task(): the same GTask on both sides --- */

static double
run_task (gpointer data, guint n)
{
  Ours *self = data;

  return lp_bench_window (lp_bench_start_run_task, self->lease, n, self->in_flight);
}

/* --- libdex --- */

static double
run_dex (gpointer data, guint n)
{
  return lp_bench_window (lp_bench_dex_start, NULL, n, ((Peer *) data)->in_flight);
}

/* --- Measures --- */

static void
measure_throughput (guint in_flight, guint n)
{
  Ours ours = ours_new (2, noop_func, in_flight);
  LpBenchSide our_side = { NULL, run_ours, &ours };
  g_autofree char *name = g_strdup_printf ("no-op jobs, %u in flight, 2 threads", in_flight);
  g_autofree char *errand_name = g_strdup_printf (LP_BENCH_FLOOR "what the interface of a job asks for, %u in flight, 2 threads",
                                                  in_flight);
  g_autofree char *task_name = g_strdup_printf ("lp_lease_run_task(), %u in flight, 2 threads", in_flight);
  LpBenchRow row = { name, "jobs/s", n, 3 };
  LpBenchErrands errands;
  LpBenchSide errands_side = { NULL, lp_bench_errands_pass, &errands };
  Peer peer;
  LpBenchSide pool_side = { "GThreadPool and GTask, 2 threads", run_pool, &peer };

  lp_bench_errands_init (&errands, in_flight);
  peer_init (&peer, 2, NULL, in_flight);
  lp_bench_compare (&row, &our_side, &pool_side);
  if (lp_bench_dex_init ())
    lp_bench_compare (&row, &our_side, &(LpBenchSide) { "libdex, thread-pool scheduler", run_dex, &peer });

  row.goal = 5;
  row.n = n / 4;
  lp_bench_compare (&row, &our_side, &(LpBenchSide) { "g_task_run_in_thread()", run_in_thread, &peer });

  row = (LpBenchRow) { errand_name, "jobs/s", n, 0 };
  lp_bench_compare (&row, &errands_side, &pool_side);
  row.n = n / 4;
  lp_bench_compare (&row, &errands_side, &(LpBenchSide) { "g_task_run_in_thread()", run_in_thread, &peer });

  row = (LpBenchRow) { task_name, "jobs/s", n / 4, 0 };
  lp_bench_compare (&row, &(LpBenchSide) { NULL, run_task, &ours },
                    &(LpBenchSide) { "g_task_run_in_thread()", run_in_thread, &peer });

  peer_clear (&peer);
  lp_bench_errands_clear (&errands);
  ours_clear (&ours);
}

static void
measure_round_trip (void)
{
  LpBenchRow row = { "one no-op job at a time, round trip through the main loop", "ns", 5000, 0.6 };
  Ours ours = ours_new (2, noop_func, 1);
  LpBenchPartner partner;
  Peer peer;
  LpBenchSide pool = { "GThreadPool and GTask, 2 threads", run_pool, &peer };

  peer_init (&peer, 2, NULL, 1);
  lp_bench_compare (&row, &(LpBenchSide) { NULL, run_ours, &ours }, &pool);

  lp_bench_partner_init (&partner, TRUE, TRUE);
  row = (LpBenchRow) { LP_BENCH_FLOOR "a thread looks out, and wakes the main loop", "ns", 5000, 0 };
  lp_bench_compare (&row, &(LpBenchSide) { NULL, lp_bench_partner_ask, &partner }, &pool);
  lp_bench_partner_clear (&partner);
  peer_clear (&peer);
  ours_clear (&ours);
}

/* The same on more threads: against the same number of threads, and against one of ours. */
static void
measure_scaling (const char *what, LpJobFunc func, void (*peer_func) (void), guint n)
{
  Ours one = ours_new (1, func, 64);

  for (int threads = 1; threads <= 4; threads *= 2)
    {
      g_autofree char *name = g_strdup_printf ("%s, 64 in flight, threads: %d", what, threads);
      LpBenchRow row = { name, "jobs/s", n, 0 };
      Ours ours = ours_new (threads, func, 64);
      LpBenchSide our_side = { NULL, run_ours, &ours };
      Peer peer;

      peer_init (&peer, threads, peer_func, 64);
      lp_bench_compare (&row, &our_side, &(LpBenchSide) { "GThreadPool and GTask, as many threads", run_pool, &peer });
      if (threads > 1)
        lp_bench_compare (&row, &our_side, &(LpBenchSide) { "the same on 1 thread", run_ours, &one });
      peer_clear (&peer);
      ours_clear (&ours);
    }

  ours_clear (&one);
}

/* With more jobs than threads all the time: what 99 of 100 do not exceed. */
static void
measure_loaded (const char *what, LpJobFunc func, void (*peer_func) (void), guint n)
{
  g_autofree char *name = g_strdup_printf ("%s, 64 in flight, 2 threads: p99 from submit to callback", what);
  LpBenchRow row = { name, "ns", n, 0 };
  Ours ours = ours_new (2, func, 64);
  Peer peer;

  peer_init (&peer, 2, peer_func, 64);
  lp_bench_compare (&row, &(LpBenchSide) { NULL, wait_for_ours, &ours },
                    &(LpBenchSide) { "GThreadPool and GTask, 2 threads", wait_for_pool, &peer });
  peer_clear (&peer);
  ours_clear (&ours);
}

int
main (void)
{
  lp_bench_init ("jobs");

  measure_throughput (64, 100000);
  measure_throughput (1024, 100000);
  measure_round_trip ();
  measure_scaling ("no-op jobs", noop_func, NULL, 50000);
  measure_scaling ("jobs that compute", work_func, do_work, 5000);
  measure_loaded ("no-op jobs", noop_func, NULL, 50000);
  measure_loaded ("jobs that compute", work_func, do_work, 5000);

  return 0;
}
