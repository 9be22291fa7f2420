/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A log writer that iterates the context of the thread it is called on until the job that logs has been given up. */

#include "config.h"

#include "lp-test-proc.h"

#include <string.h>

#include "lp-manager-private.h"
#include "lp-pool-private.h"

typedef enum { BEFORE, WITHIN, LEFT, AFTER } Phase;

static int phase;               /* (atomic) of the first record */
static gboolean is_changed;     /* (written within) */
static guint n_within;          /* (written within) records that came then */

static void
leave_cb (gpointer data, gpointer more)
{
  g_atomic_int_set (&phase, LEFT);
}

static void
write_slowly (const char *message)
{
  g_autofree char *before = g_strdup (message);

  while (g_atomic_int_get (&phase) == WITHIN)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);

  is_changed = strcmp (message, before) != 0;
  g_atomic_int_set (&phase, AFTER);
}

static GLogWriterOutput
slow_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *message = "";

  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      message = fields[i].value;

  if (g_str_has_prefix (message, "number") && g_atomic_int_compare_and_exchange (&phase, BEFORE, WITHIN))
    write_slowly (message);
  else if (g_str_has_prefix (message, "number") && g_atomic_int_get (&phase) != AFTER)
    n_within++;

  return G_LOG_WRITER_HANDLED;
}

static gboolean
is_in (gpointer data)
{
  return g_atomic_int_get (&phase) == GPOINTER_TO_INT (data);
}

/* What else the process has said waits until the record has been written, whose text is where it would be read to. */
static void
test_given_up (void)
{
  LpTestProc self;
  LpTestOutcome *outcome;
  LpLease *lease;

  lp_test_proc_set_up (&self, "log-numbers");
  g_object_set (self.manager, "workers-per-pool", 1, "workers-per-pool", 1, "forward-process-logs", TRUE,
                "cancel-grace-seconds", 0.05, NULL);
  lp_test_proc_start (&self);
  lease = lp_test_acquire (self.manager, "nested");
  outcome = lp_test_call (lease, "misbehave", g_variant_new ("(i)", 1));
  lp_test_block_for (is_in, GINT_TO_POINTER (WITHIN), "the first record");

  lp_job_cancel (outcome->job);
  lp_test_assert_cancelled (outcome);
  lp_service_post (self.manager->pool->service, leave_cb, NULL, NULL);
  lp_test_block_for (is_in, GINT_TO_POINTER (AFTER), "the record to be written");
  g_assert_false (is_changed);
  g_assert_cmpuint (n_within, ==, 0);

  /* It is stopped all the same, and there is another one for the next job. */
  lp_test_outcome_free (outcome);
  lp_test_use_and_release (lease);
  lp_test_proc_tear_down (&self);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);
  g_log_set_writer_func (slow_writer, NULL, NULL);

  g_test_add_func ("/nested/job-that-is-given-up", test_given_up);

  return g_test_run ();
}
