/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A log writer that iterates the context of the thread it is called on, as one does that waits for an answer from
 * somewhere: what other workers have said is handled within a frame of this one. */

#include "config.h"

#include "lp-test-remote.h"

#include <signal.h>

typedef struct
{
  LpTestGate *gate;             /* (nullable) to be opened */
  LpJob *job;                   /* whose end is waited for */
  guint max_iterations;         /* 0: as many as it takes */
} Nested;

static Nested *nested;          /* (atomic) until the writer has been called with what the case waits for */

static const char *
find_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, key))
      return fields[i].value;

  return "";
}

static void
iterate (Nested *self, int pid)
{
  GMainContext *context = g_main_context_get_thread_default ();

  if (self->gate != NULL)
    lp_test_gate_open (self->gate);
  else
    kill (pid, SIGKILL);

  for (guint n = 0; lp_job_get_state (self->job) == LP_JOB_STATE_RUNNING && n <= self->max_iterations; )
    {
      g_main_context_iteration (context, self->max_iterations == 0);
      n += self->max_iterations > 0;
    }
}

static GLogWriterOutput
iterating_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  Nested *self = g_str_equal (find_field (fields, n_fields, "MESSAGE"), "said")
                 ? g_atomic_pointer_exchange (&nested, NULL) : NULL;

  if (self != NULL)
    iterate (self, (int) g_ascii_strtoll (find_field (fields, n_fields, "WORKER_PID"), NULL, 10));

  return G_LOG_WRITER_HANDLED;
}

static void
test_of_another_worker (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 2, "forward-process-logs", TRUE, NULL);
  LpLease *lease = lp_test_acquire (manager, "nested");
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) held = lp_test_gate_job (gate);
  Nested self = { gate, held, 0 };

  lp_test_submit (lease, held);
  lp_test_gate_wait_entered (gate, 1);
  g_atomic_pointer_set (&nested, &self);
  g_variant_unref (call (lease, "say", g_variant_new ("(s)", "said")));
  g_assert_null (g_atomic_pointer_get (&nested));
  g_variant_unref (get_value (held));

  /* Whoever submits from now on is heard. */
  for (int i = 0; i < 10; i++)
    {
      g_autoptr (LpJob) job = submit_call (lease, "value", g_variant_new ("(i)", i));

      assert_value (job, i);
    }

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

/* It ends when what it said has been handled. NAME: of the function that says it. */
static void
test_end_of_the_worker (gconstpointer name)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, "forward-process-logs", TRUE,
                                      "clear-process-log-handlers", TRUE, NULL);
  LpLease *lease = lp_test_acquire (manager, "nested");
  g_autoptr (LpJob) job = lp_job_new_for_call (name, g_variant_new ("(s)", "said"));
  Nested self = { NULL, job, 100000 };
  g_autoptr (GError) error = NULL;

  g_atomic_pointer_set (&nested, &self);
  lp_test_submit (lease, job);
  g_assert_null (lp_job_wait (job, PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR);
  g_assert_null (g_atomic_pointer_get (&nested));

  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lease = lp_test_acquire (manager, "next");
  g_variant_unref (call (lease, "value", g_variant_new ("(i)", 1)));
  finish (manager, lease);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (iterating_writer, NULL, NULL);

  add ("/nested/of-another-worker", test_of_another_worker);
  lp_test_conform_add_only_data (LP_BACKEND_PROCESS, "/nested/end-of-the-worker/that-logged", "say-and-stay",
                                 test_end_of_the_worker);
  lp_test_conform_add_only_data (LP_BACKEND_PROCESS, "/nested/end-of-the-worker/that-printed", "print-and-stay",
                                 test_end_of_the_worker);

  return g_test_run ();
}
