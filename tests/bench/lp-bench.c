/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "lp-bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How a comparison works: after a round that warms both sides up, each round runs both, one after the other, and
 * which one goes first alternates. The medians of both sides are printed, and the median of the ratios of the rounds:
 * what disturbs the machine for longer than a round disturbs both sides of a ratio. */

struct _LpBenchWindow
{
  LpBenchStartFunc start;
  gpointer data;
  guint n;
  guint n_started;
  guint n_done;
  GArray *waits;                /* of double, nanoseconds; NULL: nobody wants them */
};

static const char *bench_subject;

void
lp_bench_init (const char *subject)
{
  bench_subject = subject;
  setvbuf (stdout, NULL, _IOLBF, 0);
}

static gboolean
is_wanted (const char *name)
{
  const char *only = g_getenv ("LP_BENCH_ONLY");

  return only == NULL || strstr (name, only) != NULL;
}

static guint
get_rounds (void)
{
  const char *rounds = g_getenv ("LP_BENCH_ROUNDS");

  return rounds != NULL ? (guint) MAX (1, atoi (rounds)) : 7;
}

guint
lp_bench_scaled (guint n, guint at_least)
{
  const char *scale = g_getenv ("LP_BENCH_SCALE");

  return scale != NULL ? MAX (at_least, (guint) (n * g_ascii_strtod (scale, NULL))) : n;
}

gint64
lp_bench_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return (x > y) - (x < y);
}

/* The value that FRACTION of VALUES, which are sorted here, do not exceed. */
double
lp_bench_quantile (GArray *values, double fraction)
{
  guint index = (guint) (fraction * values->len);

  g_assert_true (values->len > 0);
  g_array_sort (values, compare_doubles);
  if (fraction == 0.5 && values->len % 2 == 0)
    return (g_array_index (values, double, index - 1) + g_array_index (values, double, index)) / 2;

  return g_array_index (values, double, MIN (index, values->len - 1));
}

static gboolean
is_rate (const LpBenchRow *row)
{
  return g_str_has_suffix (row->unit, "/s");
}

static double
measure (const LpBenchRow *row, const LpBenchSide *side, guint n)
{
  double cost = side->func (side->data, n);

  g_assert_true (cost > 0);
  return is_rate (row) ? 1e9 / cost : cost;
}

/* subject, measure, unit, ours, peer, name of the peer, ratio, least and greatest ratio, goal, rounds */
static void
print_row (const LpBenchRow *row, const char *peer, GArray *ours, GArray *theirs, GArray *ratios)
{
  g_autofree char *goal = NULL;

  if (row->goal > 0)
    goal = g_strdup_printf ("%s %g", is_rate (row) ? ">=" : "<=", row->goal);

  printf ("%s\t%s\t%s\t%.6g\t%.6g\t%s\t%.3f\t%.3f\t%.3f\t%s\t%u\n", bench_subject, row->measure, row->unit,
          lp_bench_quantile (ours, 0.5), lp_bench_quantile (theirs, 0.5), peer, lp_bench_quantile (ratios, 0.5),
          lp_bench_quantile (ratios, 0), lp_bench_quantile (ratios, 1), goal != NULL ? goal : "-", ratios->len);
}

void
lp_bench_compare (const LpBenchRow *row, const LpBenchSide *ours, const LpBenchSide *peer)
{
  g_autoptr (GArray) our_values = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) peer_values = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) ratios = g_array_new (FALSE, FALSE, sizeof (double));
  guint n = lp_bench_scaled (row->n, 1);
  guint rounds = get_rounds ();

  if (!is_wanted (row->measure))
    return;

  for (guint i = 0; i <= rounds; i++)
    {
      double values[2];
      double ratio;
      guint first = i % 2;

      values[first] = measure (row, first == 0 ? ours : peer, n);
      values[!first] = measure (row, first == 0 ? peer : ours, n);
      if (i == 0)
        continue;

      ratio = values[0] / values[1];
      g_array_append_val (our_values, values[0]);
      g_array_append_val (peer_values, values[1]);
      g_array_append_val (ratios, ratio);
    }

  print_row (row, peer->name, our_values, peer_values, ratios);
}

static void
print_value (const char *name, const char *unit, double value, const char *goal, guint rounds)
{
  printf ("%s\t%s\t%s\t%.6g\t-\t-\t-\t-\t-\t%s\t%u\n", bench_subject, name, unit, value, goal, rounds);
}

/* What has no peer: the median of what FUNC returns. The goal of the row is an upper bound. */
void
lp_bench_measure (const LpBenchRow *row, LpBenchFunc func, gpointer data)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (double));
  g_autofree char *goal = row->goal > 0 ? g_strdup_printf ("<= %g", row->goal) : g_strdup ("-");
  guint n = lp_bench_scaled (row->n, 1);
  guint rounds = get_rounds ();

  if (!is_wanted (row->measure))
    return;

  for (guint i = 0; i <= rounds; i++)
    {
      double value = func (data, n);

      if (i > 0)
        g_array_append_val (values, value);
    }

  print_value (row->measure, row->unit, lp_bench_quantile (values, 0.5), goal, rounds);
}

/* What was measured once. AT_MOST: negative if there is no bound. */
void
lp_bench_value (const char *name, const char *unit, double value, double at_most)
{
  g_autofree char *goal = at_most >= 0 ? g_strdup_printf ("<= %g", at_most) : g_strdup ("-");

  if (is_wanted (name))
    print_value (name, unit, value, goal, 1);
}

/* --- Windows --- */

static void
start_next (LpBenchSlot *slot)
{
  LpBenchWindow *window = slot->window;

  window->n_started++;
  if (window->waits != NULL)
    slot->started = lp_bench_now ();
  window->start (slot, window->data);
}

void
lp_bench_slot_done (LpBenchSlot *slot)
{
  LpBenchWindow *window = slot->window;

  if (window->waits != NULL)
    {
      double waited = (double) (lp_bench_now () - slot->started);

      g_array_append_val (window->waits, waited);
    }

  window->n_done++;
  if (window->n_started < window->n)
    start_next (slot);
}

static double
run_window (LpBenchWindow *window, guint in_flight)
{
  g_autofree LpBenchSlot *slots = g_new0 (LpBenchSlot, in_flight);
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < in_flight && window->n_started < window->n; i++)
    {
      slots[i].window = window;
      start_next (&slots[i]);
    }
  while (window->n_done < window->n)
    g_main_context_iteration (NULL, TRUE);

  return (double) (lp_bench_now () - started) / window->n;
}

/* N of them, IN_FLIGHT at a time. Returns nanoseconds for each one. */
double
lp_bench_window (LpBenchStartFunc start, gpointer data, guint n, guint in_flight)
{
  LpBenchWindow window = { .start = start, .data = data, .n = n };

  return run_window (&window, in_flight);
}

/* The same; returns the time from start to completion that FRACTION of them do not exceed. */
double
lp_bench_window_waits (LpBenchStartFunc start, gpointer data, guint n, guint in_flight, double fraction)
{
  LpBenchWindow window = { .start = start, .data = data, .n = n };
  double wait;

  window.waits = g_array_sized_new (FALSE, FALSE, sizeof (double), n);
  run_window (&window, in_flight);
  wait = lp_bench_quantile (window.waits, fraction);
  g_array_unref (window.waits);

  return wait;
}

/* --- Set-up --- */

/* One that has not started: settings may still be changed. */
LpManager *
lp_bench_manager (const char *backend, int max_pools, int workers)
{
  LpManager *manager = lp_manager_new (backend, max_pools);

  lp_manager_set_workers_per_pool (manager, workers);
  lp_manager_set_default_lease_seconds (manager, 36000);
  lp_manager_set_start_timeout_seconds (manager, 600); /* under callgrind a worker takes its time */
  if (g_str_equal (backend, LP_BACKEND_PROCESS))
    {
      g_autofree char *worker = lp_bench_program ("bench-worker");
      const char *argv[] = { worker, NULL };

      lp_manager_set_worker_argv (manager, argv);
    }

  return manager;
}

void
lp_bench_start (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  if (!lp_manager_start (manager, NULL, &error))
    g_error ("%s: %s", bench_subject, error->message);
}

/* Starts MANAGER if it does not run yet. */
LpLease *
lp_bench_acquire (LpManager *manager)
{
  g_autoptr (GError) error = NULL;
  LpLease *lease;

  lp_bench_start (manager);
  lease = lp_manager_acquire (manager, NULL, NULL, &error);
  if (lease == NULL)
    g_error ("%s: %s", bench_subject, error->message);

  return lease;
}

void
lp_bench_stop (LpManager *manager)
{
  g_autoptr (GError) error = NULL;

  if (!lp_manager_stop (manager, LP_STOP_MODE_CANCEL, -1, NULL, &error))
    g_error ("%s: %s", bench_subject, error->message);
}

/* The lease and the manager, with their references. */
void
lp_bench_give_back (LpManager *manager, LpLease *lease)
{
  lp_lease_release (lease);
  g_object_unref (lease);
  lp_bench_stop (manager);
  g_object_unref (manager);
}

static void
result_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

/* One that runs, with batches of BATCH items and no others. MANAGER runs. */
LpGrinder *
lp_bench_grinder (LpManager *manager, int batch)
{
  LpGrinder *grinder = lp_grinder_new (manager);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_grinder_set_batch_size_threshold (grinder, batch);
  lp_grinder_set_max_batch_size (grinder, batch);
  lp_grinder_set_max_wait_seconds (grinder, 3600);
  lp_grinder_start_async (grinder, NULL, result_cb, &result);
  wait_for (&result);
  if (!lp_grinder_start_finish (grinder, result, &error))
    g_error ("%s: %s", bench_subject, error->message);

  return grinder;
}

/* GRINDER with its reference. */
void
lp_bench_grinder_stop (LpGrinder *grinder)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  lp_grinder_stop_async (grinder, LP_STOP_MODE_DRAIN, NULL, result_cb, &result);
  wait_for (&result);
  if (!lp_grinder_stop_finish (grinder, result, &error))
    g_error ("%s: %s", bench_subject, error->message);
  g_object_unref (grinder);
}

void
lp_bench_task_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  if (!g_task_propagate_boolean (G_TASK (result), NULL))
    g_error ("a task failed");
  lp_bench_slot_done (user_data);
}

static void
do_nothing (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_task_return_boolean (task, TRUE);
}

void
lp_bench_start_in_thread (LpBenchSlot *slot, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, lp_bench_task_cb, slot);

  g_task_run_in_thread (task, do_nothing);
}

void
lp_bench_start_run_task (LpBenchSlot *slot, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, lp_bench_task_cb, slot);

  lp_lease_run_task (data, task, do_nothing);
}

/* The result of what has none; made once. */
GVariant *
lp_bench_unit (void)
{
  static gsize unit = 0;

  if (g_once_init_enter (&unit))
    g_once_init_leave (&unit, (gsize) g_variant_ref_sink (g_variant_new ("()")));

  return (GVariant *) unit;
}

static GLogWriterOutput
drop_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  return level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)
         ? g_log_writer_default (level, fields, n_fields, user_data) : G_LOG_WRITER_HANDLED;
}

/* Where leases are revoked and workers killed by the thousand, their records are made, and go nowhere. */
void
lp_bench_be_quiet (void)
{
  g_log_set_writer_func (drop_record, NULL, NULL);
}

/* The path of a program of ours: beside the one that runs. */
char *
lp_bench_program (const char *name)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *directory = g_path_get_dirname (self);

  return g_build_filename (directory, name, NULL);
}

/* The path of a script in the source tree. */
char *
lp_bench_script (const char *name)
{
  return g_build_filename (LP_BENCH_SRCDIR, name, NULL);
}

/* --- Peers that are programs --- */

struct _LpBenchPeer
{
  GSubprocess *process;
  GDataInputStream *output;
};

LpBenchPeer *
lp_bench_peer_new (const char * const *argv)
{
  LpBenchPeer *self = g_new0 (LpBenchPeer, 1);
  g_autoptr (GError) error = NULL;

  self->process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  if (self->process == NULL)
    g_error ("%s: %s", argv[0], error->message);
  self->output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));

  return self;
}

double
lp_bench_peer_run (gpointer peer, guint n)
{
  LpBenchPeer *self = peer;
  g_autofree char *request = g_strdup_printf ("%u\n", n);
  g_autofree char *answer = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_output_stream_write_all (g_subprocess_get_stdin_pipe (self->process), request, strlen (request), NULL, NULL,
                                  &error)
      || (answer = g_data_input_stream_read_line (self->output, NULL, NULL, &error)) == NULL)
    g_error ("a peer has ended: %s", error != NULL ? error->message : "end of file");

  return g_ascii_strtod (answer, NULL);
}

void
lp_bench_peer_free (LpBenchPeer *self)
{
  g_autoptr (GError) error = NULL;

  g_output_stream_close (g_subprocess_get_stdin_pipe (self->process), NULL, NULL);
  if (!g_subprocess_wait_check (self->process, NULL, &error))
    g_error ("a peer has failed: %s", error->message);
  g_object_unref (self->output);
  g_object_unref (self->process);
  g_free (self);
}
