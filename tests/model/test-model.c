/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The checker of schedules, as a test. */

#include "config.h"

#include "model-run.h"

#include <stdlib.h>
#include <string.h>

static guint64
first_seed (void)
{
  const char *seed = g_getenv ("LP_MODEL_SEED");

  return seed != NULL ? g_ascii_strtoull (seed, NULL, 10) : 1;
}

/* Fails with the shortest list that does. */
static void
fail_with (Record *record)
{
  g_autofree char *text = NULL;
  guint n_events = record->n_events;

  model_shrink (record);
  text = model_record_dup_text (record);
  g_test_message ("of %u events are left:\n%s", n_events, text);
  g_test_fail ();
}

static guint
n_random_runs (void)
{
  const char *n_runs = g_getenv ("LP_MODEL_RUNS");

  if (n_runs != NULL)
    return (guint) g_ascii_strtoull (n_runs, NULL, 10);

  return model_is_thorough () ? 25000 : MODEL_N_RANDOM_RUNS;
}

/* What is never reached is not checked. */
static void
check_reached (Record *record)
{
  for (guint i = 0; i < MODEL_N_EVENT_KINDS; i++)
    g_assert_cmpuint (record->n_kinds[i], >, 0);
  for (guint i = 0; i < LP_SLOT_RETIRED; i++)
    g_assert_cmpuint (record->n_slots[i], >, 0);
  for (guint i = 0; i <= LP_LEASE_STATE_STOPPED; i++)
    g_assert_cmpuint (record->n_leases[i], >, 0);
  for (guint i = LP_JOB_STATE_QUEUED; i <= LP_JOB_STATE_CANCELLED; i++)
    g_assert_cmpuint (record->n_jobs[i], >, 0);
}

static void
random_schedules_hold (void)
{
  Record *record = model_record_new ();

  if (!model_check_random (record, first_seed (), n_random_runs (), FALSE))
    fail_with (record);
  else if (record->n_runs >= MODEL_N_RANDOM_RUNS)
    check_reached (record);
  model_report (record, "random");
  model_record_free (record);
}

static void
small_scope_holds (gconstpointer data)
{
  guint index = GPOINTER_TO_UINT (data);
  Record *record = model_record_new ();

  if (!model_check_small (record, index, FALSE))
    fail_with (record);
  model_report (record, model_get_small_scope (index)->name);
  model_record_free (record);
}

/* The same events, and the same of all that is looked at. */
static void
same_seed_is_same_run (void)
{
  Record *first = model_record_new ();
  Record *second = model_record_new ();

  for (guint64 seed = 1; seed <= 10; seed++)
    {
      g_assert_true (model_check_random (first, seed, 1, FALSE));
      g_assert_true (model_check_random (second, seed, 1, FALSE));
      g_assert_cmpuint (first->n_events, ==, second->n_events);
      g_assert_cmpmem (first->events, sizeof (Event) * first->n_events, second->events,
                       sizeof (Event) * second->n_events);
      g_assert_cmpuint (first->digest, ==, second->digest);

      /* From the list alone, too. */
      second->digest = 0;
      first->digest = 0;
      g_assert_true (model_check_random (first, seed, 1, FALSE));
      g_assert_true (model_run_in_child (second, model_run_list, NULL, FALSE));
      g_assert_cmpuint (first->digest, ==, second->digest);
      g_assert_cmpuint (first->n_events, ==, second->n_events);
    }
  model_record_free (first);
  model_record_free (second);
}

/* RECORD has the configuration. Returns how many they are. */
static guint
check_events (Record *record, const char *events)
{
  g_auto (GStrv) words = g_strsplit (events, " ", -1);

  record->n_events = 0;
  for (guint i = 0; words[i] != NULL; i++)
    g_assert_true (model_event_parse (words[i], &record->events[record->n_events++]));
  if (!model_run_in_child (record, model_run_list, NULL, FALSE))
    fail_with (record);

  return g_strv_length (words);
}

/* An executor whose functions have just returned is still in quarantine when the
 * others have stopped: the stop waits until it has, too. */
static void
stop_waits_for_what_leaves_quarantine (void)
{
  Record *record = model_record_new ();
  guint n_events;

  record->config = (Config) { .flavour = FLAVOUR_THREADS, .max_pools = 1, .min_pools = 1, .workers = 1,
                              .max_quarantined = 1, .n_actors = 2, .start = START_AT_ONCE };
  n_events = check_events (record,
                           "start:0:0 service:0:0 acquire:0:2 owner:0:0 submit:0:0 service:0:0 release:0:4 "
                           "advance:0:0 timer:0:0 advance:0:0 timer:0:0 service:0:0 " /* another one is there */
                           "finish:0:0 service:0:0 stop:0:2 service:0:0 stopped:1:0");
  g_assert_cmpuint (record->n_events, ==, n_events); /* each could be applied */
  model_record_free (record);
}

/* An outcome that is given in the grace of its job, after the end of the lease: the function
 * has no longer than the job had. */
static void
function_has_the_grace_of_its_job (void)
{
  Record *record = model_record_new ();
  guint n_events;

  record->config = (Config) { .flavour = FLAVOUR_THREADS, .max_pools = 1, .min_pools = 1, .workers = 1,
                              .n_actors = 2, .start = START_AT_ONCE };
  n_events = check_events (record,
                           "start:0:0 service:0:0 run:0:0 service:0:0 crash:0:0 advance:0:0 timer:0:0 give:0:0 "
                           "advance:0:0 timer:0:0 finish:0:0");
  g_assert_cmpuint (record->n_events, ==, n_events);
  model_record_free (record);
}

/* What a failure printed. */
static void
given_events_hold (void)
{
  Record *record = model_record_new ();

  g_assert_true (model_config_parse (g_getenv ("LP_MODEL_CONFIG"), &record->config));
  check_events (record, g_getenv ("LP_MODEL_EVENTS"));
  model_record_free (record);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  model_drop_records ();

  if (g_getenv ("LP_MODEL_EVENTS") != NULL && g_getenv ("LP_MODEL_CONFIG") != NULL)
    {
      g_test_add_func ("/model/given-events-hold", given_events_hold);
      return g_test_run ();
    }

  g_test_add_func ("/model/same-seed-is-same-run", same_seed_is_same_run);
  g_test_add_func ("/model/stop-waits-for-what-leaves-quarantine", stop_waits_for_what_leaves_quarantine);
  g_test_add_func ("/model/function-has-the-grace-of-its-job", function_has_the_grace_of_its_job);
  g_test_add_func ("/model/random-schedules-hold", random_schedules_hold);
  for (guint i = 0; model_get_small_scope (i) != NULL; i++)
    {
      g_autofree char *path = g_strdup_printf ("/model/small-scope-holds/%u", i);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), small_scope_holds);
    }

  return g_test_run ();
}
