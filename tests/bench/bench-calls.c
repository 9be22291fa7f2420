/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Calls of functions in worker processes: against 64 bytes that go to a process and back with nothing between, and
 * against the processes of Python's concurrent.futures. */

#include "lp-bench-floors.h"

#define ECHO_SIZE 64
#define WORK_STEPS 20000

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  const char *function;
  guint in_flight;
} Ours;

static void
called_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  if (value == NULL)
    g_error ("a call failed: %s", error->message);
  lp_bench_slot_done (user_data);
}

static GVariant *
parameters_for (const char *function)
{
  return g_str_equal (function, "work") ? g_variant_new ("(u)", WORK_STEPS) : NULL;
}

static void
start_call (LpBenchSlot *slot, gpointer data)
{
  Ours *self = data;

  lp_lease_call_async (self->lease, self->function, parameters_for (self->function), NULL, called_cb, slot);
}

static double
call (gpointer data, guint n)
{
  return lp_bench_window (start_call, data, n, ((Ours *) data)->in_flight);
}

static double
wait_for_call (gpointer data, guint n)
{
  return lp_bench_window_waits (start_call, data, n, ((Ours *) data)->in_flight, 0.99);
}

/* With no main loop: the thread that calls is woken by the one that reads. */
static double
call_and_block (gpointer data, guint n)
{
  Ours *self = data;
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (LpJob) job = lp_job_new_for_call (self->function, NULL);
      g_autoptr (GVariant) value = NULL;
      g_autoptr (GError) error = NULL;

      if (!lp_lease_submit (self->lease, job, &error) || !(value = lp_job_wait (job, -1, NULL, &error)))
        g_error ("a call failed: %s", error->message);
    }

  return (double) (lp_bench_now () - started) / n;
}

static double
echo (gpointer data, guint n)
{
  LpBenchChild *child = data;
  char bytes[ECHO_SIZE] = { 0 };
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    {
      lp_bench_write_all (child->to, bytes, sizeof bytes);
      lp_bench_read_all (child->from, bytes, sizeof bytes);
    }

  return (double) (lp_bench_now () - started) / n;
}

static Ours
ours_new (int workers, const char *function, guint in_flight)
{
  Ours self = { .function = function, .in_flight = in_flight };

  self.manager = lp_bench_manager (LP_BACKEND_PROCESS, 1, workers);
  self.lease = lp_bench_acquire (self.manager);

  return self;
}

static void
ours_clear (Ours *self)
{
  lp_bench_give_back (self->manager, self->lease);
}

static LpBenchPeer *
python_new (const char *in_flight)
{
  g_autofree char *script = lp_bench_script ("peer-futures.py");
  const char *argv[] = { LP_BENCH_PYTHON, script, "processes", "2", in_flight, NULL };

  return lp_bench_peer_new (argv);
}

static void
measure_one (LpBenchSide *bare)
{
  LpBenchRow row = { "one no-op call at a time to a C worker, through the main loop", "ns", 5000, 2.6 };
  LpBenchPeer *python = python_new ("1");
  LpBenchRelay relay;
  Ours ours = ours_new (1, "noop", 1);

  lp_bench_compare (&row, &(LpBenchSide) { NULL, call, &ours }, bare);
  row.goal = 0;
  row.n = 500;
  lp_bench_compare (&row, &(LpBenchSide) { NULL, call, &ours },
                    &(LpBenchSide) { "ProcessPoolExecutor", lp_bench_peer_run, python });
  row = (LpBenchRow) { LP_BENCH_FLOOR "an echo, read by another thread that wakes the main loop", "ns", 5000, 0 };
  lp_bench_relay_init (&relay);
  lp_bench_compare (&row, &(LpBenchSide) { NULL, lp_bench_relay_ask, &relay }, bare);
  lp_bench_relay_clear (&relay);
  row = (LpBenchRow) { "one no-op call at a time to a C worker, lp_job_wait()", "ns", 5000, 0 };
  lp_bench_compare (&row, &(LpBenchSide) { NULL, call_and_block, &ours }, bare);

  ours_clear (&ours);
  lp_bench_peer_free (python);
}

static void
measure_many (LpBenchSide *bare)
{
  LpBenchRow row = { "no-op calls to 2 C workers, 64 in flight", "ns", 10000, 1 };
  LpBenchPeer *python = python_new ("64");
  LpBenchSide pool = { "ProcessPoolExecutor, 2 processes", lp_bench_peer_run, python };
  LpBenchChild echoes[LP_BENCH_ECHOES];
  Ours ours = ours_new (2, "noop", 64);

  lp_bench_compare (&row, &(LpBenchSide) { NULL, call, &ours }, bare);
  row = (LpBenchRow) { "no-op calls to 2 C workers, 64 in flight", "calls/s", 5000, 20 };
  lp_bench_compare (&row, &(LpBenchSide) { NULL, call, &ours }, &pool);
  row = (LpBenchRow) { LP_BENCH_FLOOR "echoes of 2 processes, 64 in flight, one write each", "calls/s", 5000, 0 };
  lp_bench_echoes_init (echoes);
  lp_bench_compare (&row, &(LpBenchSide) { NULL, lp_bench_echoes_ask, echoes }, &pool);
  lp_bench_echoes_clear (echoes);
  row = (LpBenchRow) { "no-op calls to 2 C workers, 64 in flight: p99 from call to callback", "ns", 10000, 0 };
  lp_bench_measure (&row, wait_for_call, &ours);

  ours_clear (&ours);
  lp_bench_peer_free (python);
}

static void
measure_scaling (const char *what, const char *function, guint n)
{
  Ours one = ours_new (1, function, 64);

  for (int workers = 2; workers <= 4; workers *= 2)
    {
      g_autofree char *name = g_strdup_printf ("%s, 64 in flight, C workers: %d", what, workers);
      LpBenchRow row = { name, "calls/s", n, 0 };
      Ours ours = ours_new (workers, function, 64);

      lp_bench_compare (&row, &(LpBenchSide) { NULL, call, &ours },
                        &(LpBenchSide) { "the same with 1 worker", call, &one });
      ours_clear (&ours);
    }

  ours_clear (&one);
}

int
main (void)
{
  LpBenchChild child;
  LpBenchSide bare = { "a bare echo of 64 bytes", echo, &child };

  lp_bench_init ("calls");
  lp_bench_child_init (&child, "echo");

  measure_one (&bare);
  measure_many (&bare);
  measure_scaling ("no-op calls", "noop", 20000);
  measure_scaling ("calls that compute", "work", 5000);

  lp_bench_child_clear (&child);
  return 0;
}
