/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What is run: the small scopes, and how long the random lists are. */

#include "config.h"

#include "model-run.h"

#define N_RANDOM_EVENTS 200

/* The acquires of these wait, for as long as it takes, and can be cancelled. */
#define ACQUIRE(actor, priority) { EVENT_ACQUIRE, actor, 0x82 | priority }
#define RELEASE(actor) { EVENT_RELEASE, actor, 4 }

static const Event settled_letters[] = {
  ACQUIRE (0, 0), ACQUIRE (1, 0), ACQUIRE (2, 1), { EVENT_CANCEL, 1, 0 }, RELEASE (0), RELEASE (1), RELEASE (2),
  { EVENT_SUBMIT, 0, 0 }, { EVENT_CANCEL_JOB, 0, 0 }, { EVENT_READY, 0, 0 }, { EVENT_READY, 1, 0 },
  { EVENT_FAIL_START, 0, 0 }, { EVENT_FINISH, 0, 0 }, { EVENT_CRASH, 0, 0 }, { EVENT_STOPPED, 0, 0 },
  { EVENT_ADVANCE, 0, 0 }, { EVENT_RECYCLE, 0, 0 },
};

static const Event stepped_letters[] = {
  ACQUIRE (0, 0), ACQUIRE (1, 0), { EVENT_CANCEL, 0, 0 }, RELEASE (0), RELEASE (1), { EVENT_SUBMIT, 0, 0 },
  { EVENT_FINISH, 0, 0 }, { EVENT_CRASH, 0, 0 }, { EVENT_SERVICE, 0, 0 }, { EVENT_OWNER, 0, 0 },
  { EVENT_CLIENT, 0, 0 }, { EVENT_ADVANCE, 0, 0 }, { EVENT_TIMER, 0, 0 }, { EVENT_STOP, 0, 2 },
};

static const SmallScope small_scopes[] = {
  { "one executor, three acquirers, nothing late",
    { .max_pools = 1, .min_pools = 1, .workers = 1, .max_quarantined = -1, .n_actors = 3, .eager = TRUE,
      .stop_at_once = TRUE },
    settled_letters, G_N_ELEMENTS (settled_letters), 5 },
  { "two executors, three acquirers, nothing late",
    { .max_pools = 2, .min_pools = 1, .workers = 1, .max_quarantined = -1, .n_actors = 3, .eager = TRUE },
    settled_letters, G_N_ELEMENTS (settled_letters), 5 },
  { "one executor, two acquirers, each step",
    { .max_pools = 1, .min_pools = 1, .workers = 1, .max_quarantined = 0, .n_actors = 2, .start = START_AT_ONCE,
      .flavour = FLAVOUR_THREADS, .stop_at_once = TRUE },
    stepped_letters, G_N_ELEMENTS (stepped_letters), 5 },
  { "one executor that is asked, two acquirers, each step",
    { .max_pools = 1, .min_pools = 1, .workers = 1, .max_quarantined = 0, .n_actors = 2, .start = START_AT_ONCE,
      .flavour = FLAVOUR_VETTED, .stop_at_once = TRUE },
    stepped_letters, G_N_ELEMENTS (stepped_letters), 5 },
};

gboolean
model_is_thorough (void)
{
  return g_strcmp0 (g_getenv ("LP_TEST_THOROUGH"), "1") == 0;
}

const SmallScope *
model_get_small_scope (guint index)
{
  return index < G_N_ELEMENTS (small_scopes) ? &small_scopes[index] : NULL;
}

/* Here and below: whether all went well. */
gboolean
model_check_small (Record *record, guint index, gboolean quiet)
{
  SmallScope scope = small_scopes[index];

  scope.depth += model_is_thorough () ? 1 : 0;
  return model_run_in_child (record, model_run_small, &scope, quiet);
}

gboolean
model_check_random (Record *record, guint64 seed, guint n_runs, gboolean quiet)
{
  RandomScope scope = { seed, n_runs, N_RANDOM_EVENTS };

  return model_run_in_child (record, model_run_random, &scope, quiet);
}

/* How much was run. */
void
model_report (Record *record, const char *what)
{
  g_test_message ("%s: %" G_GUINT64_FORMAT " runs, %" G_GUINT64_FORMAT " events", what, record->n_runs,
                  record->n_total);
}

/* Records of what happens would be millions of lines. */
static GLogWriterOutput
drop_records (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  if ((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) == 0)
    return G_LOG_WRITER_HANDLED;

  return g_log_writer_default (level, fields, n_fields, data);
}

void
model_drop_records (void)
{
  g_log_set_writer_func (drop_records, NULL, NULL);
}
