/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Log records of a worker: against the same lines through a bare pipe, each with a write of its own, and against
 * Python's QueueHandler over a queue of multiprocessing. Each side counts what arrives; nothing may be missing. */

#include "lp-bench-floors.h"

#include <string.h>
#include <unistd.h>

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  guint n_arrived;
} Ours;

static guint n_written;         /* (atomic) by the writer below, which any thread may call */

static GLogWriterOutput
count_record (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  g_atomic_int_inc (&n_written);
  return level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)
         ? g_log_writer_default (level, fields, n_fields, user_data) : G_LOG_WRITER_HANDLED;
}

static void
record_cb (LpManager *manager, GVariant *record, gpointer user_data)
{
  ((Ours *) user_data)->n_arrived++;
}

static void
called_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);

  if (value == NULL)
    g_error ("a call failed: %s", error->message);
  *(gboolean *) user_data = TRUE;
}

/* Has the worker write N records; returns nanoseconds. */
static double
write_records (Ours *self, guint n)
{
  gint64 started = lp_bench_now ();
  gboolean done = FALSE;

  lp_lease_call_async (self->lease, "log", g_variant_new ("(u)", n), NULL, called_cb, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);

  return (double) (lp_bench_now () - started);
}

static double
hear_records (gpointer data, guint n)
{
  Ours *self = data;
  double spent;

  self->n_arrived = 0;
  spent = write_records (self, n);
  g_assert_cmpuint (self->n_arrived, ==, n);

  return spent / n;
}

static double
log_records (gpointer data, guint n)
{
  double spent;

  g_atomic_int_set (&n_written, 0);
  spent = write_records (data, n);
  g_assert_cmpuint ((guint) g_atomic_int_get (&n_written), >=, n);

  return spent / n;
}

static double
read_lines (gpointer data, guint n)
{
  LpBenchChild *child = data;
  gint64 started = lp_bench_now ();
  guint32 wanted = n;
  guint n_lines = 0;
  static char buffer[65536];

  lp_bench_write_all (child->to, &wanted, sizeof wanted);
  while (n_lines < n)
    {
      gssize length = read (child->from, buffer, sizeof buffer);

      g_assert_true (length > 0);
      for (const char *at = buffer; (at = memchr (at, '\n', (gsize) (buffer + length - at))) != NULL; at++)
        n_lines++;
    }
  g_assert_cmpuint (n_lines, ==, n);

  return (double) (lp_bench_now () - started) / n;
}

static void
ours_init (Ours *self)
{
  self->manager = lp_bench_manager (LP_BACKEND_PROCESS, 1, 1);
  lp_manager_set_forward_process_logs (self->manager, TRUE);
  self->lease = lp_bench_acquire (self->manager);
}

static void
ours_clear (Ours *self)
{
  lp_bench_give_back (self->manager, self->lease);
}

static void
compare (const char *name, LpBenchSide *ours, LpBenchChild *child, LpBenchPeer *python)
{
  LpBenchRow row = { name, "records/s", 20000, 0.3 };

  lp_bench_compare (&row, ours, &(LpBenchSide) { "the same lines through a bare pipe", read_lines, child });
  row.goal = 10;
  lp_bench_compare (&row, ours, &(LpBenchSide) { "QueueHandler over a multiprocessing queue", lp_bench_peer_run, python });
}

int
main (void)
{
  g_autofree char *script = lp_bench_script ("peer-logging.py");
  const char *argv[] = { LP_BENCH_PYTHON, script, NULL };
  LpBenchPeer *python = NULL;
  LpBenchChild child;
  Ours ours = { NULL };
  gulong id;

  lp_bench_init ("records");
  g_log_set_writer_func (count_record, NULL, NULL);
  lp_bench_child_init_pipes (&child, "lines");
  python = lp_bench_peer_new (argv);
  ours_init (&ours);

  id = g_signal_connect (ours.manager, "worker-record", G_CALLBACK (record_cb), &ours);
  compare ("records forwarded to a handler of worker-record", &(LpBenchSide) { NULL, hear_records, &ours }, &child,
           python);
  g_signal_handler_disconnect (ours.manager, id);
  lp_bench_compare (&(LpBenchRow) { LP_BENCH_FLOOR "the same lines through a bare pipe", "records/s", 20000, 0 },
                    &(LpBenchSide) { NULL, read_lines, &child },
                    &(LpBenchSide) { "QueueHandler over a multiprocessing queue", lp_bench_peer_run, python });
  compare ("records forwarded to the log writer", &(LpBenchSide) { NULL, log_records, &ours }, &child, python);

  ours_clear (&ours);
  lp_bench_peer_free (python);
  lp_bench_child_clear (&child);
  return 0;
}
