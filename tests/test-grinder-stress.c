/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* LpGrinder under threads that submit and cancel as they like: whatever was
 * accepted ends exactly once. */

#include "config.h"

#include "lp-test-grinder.h"

#define N_THREADS 4

typedef struct
{
  LpGrinder *grinder;
  guint32 seed;
  guint n_items;
  guint n_accepted;             /* (its thread, then who joins it) */
  guint n_refused;
  GPtrArray *jobs;
  int *n_told;                  /* (atomic) */
} Submitter;

static void
ended_cb (LpCompletion *completion, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_completion_propagate (completion, &error);

  g_assert_true ((value != NULL) != (error != NULL));
  g_atomic_int_inc ((int *) data);
}

/* While its grinder, an executor or nobody has it. */
static void
ask (LpJob *job)
{
  const char *owner = lp_job_get_owner (job);
  gint64 started_at = lp_job_get_started_at (job);

  g_assert_true (owner == NULL || g_str_has_prefix (owner, "work-grinder-batch-"));
  g_assert_true (started_at == 0 || started_at >= lp_job_get_queued_at (job));
}

static void
submit_one (Submitter *self, GRand *rand)
{
  LpJob *job = lp_test_value_job (1);

  if (lp_grinder_enqueue (self->grinder, job, NULL))
    {
      lp_job_add_waiter (job, lp_completion_new_step (ended_cb, self->n_told));
      g_ptr_array_add (self->jobs, g_object_ref (job));
      self->n_accepted++;
      ask (job);
    }
  else
    {
      self->n_refused++;
      g_thread_yield ();
    }
  g_object_unref (job);

  if (self->jobs->len > 0)
    ask (self->jobs->pdata[g_rand_int_range (rand, 0, self->jobs->len)]);
  if (self->jobs->len > 0 && g_rand_int_range (rand, 0, 4) == 0)
    lp_job_cancel (self->jobs->pdata[g_rand_int_range (rand, 0, self->jobs->len)]);
}

static gpointer
submitter_main (gpointer data)
{
  Submitter *self = data;
  GRand *rand = g_rand_new_with_seed (self->seed);

  for (guint i = 0; i < self->n_items; i++)
    submit_one (self, rand);
  g_rand_free (rand);

  return NULL;
}

typedef struct
{
  int n_told;                   /* (atomic) */
  int n_accepted;
} Tally;

static gboolean
all_told (gpointer data)
{
  Tally *self = data;

  return g_atomic_int_get (&self->n_told) >= self->n_accepted;
}

static void
run_submitters (LpGrinder *grinder, LpStopMode mode, gboolean stop_early)
{
  guint32 seed = g_test_rand_int ();
  Submitter submitters[N_THREADS];
  GThread *threads[N_THREADS];
  Tally tally = { 0, 0 };

  g_test_message ("seed %u", seed);
  for (guint i = 0; i < N_THREADS; i++)
    {
      submitters[i] = (Submitter) { grinder, seed + i, lp_test_size (500, 20000, 100), 0, 0,
                                    g_ptr_array_new_with_free_func (g_object_unref), &tally.n_told };
      threads[i] = g_thread_new ("submitter", submitter_main, &submitters[i]);
    }

  if (stop_early)
    assert_grinder_stops (grinder, mode);
  for (guint i = 0; i < N_THREADS; i++)
    {
      g_thread_join (threads[i]);
      tally.n_accepted += (int) submitters[i].n_accepted;
    }
  if (!stop_early)
    assert_grinder_stops (grinder, mode);

  for (guint i = 0; i < N_THREADS; i++)
    {
      for (guint j = 0; j < submitters[i].jobs->len; j++)
        g_assert_true (lp_job_state_is_end (lp_job_get_state (submitters[i].jobs->pdata[j])));
      g_ptr_array_unref (submitters[i].jobs);
    }
  /* The grinder is the first one who is told of the end of an item: it may have stopped before the last others are. */
  lp_test_block_for (all_told, &tally, "those who wait for the items to be told");
  g_assert_cmpint (g_atomic_int_get (&tally.n_told), ==, tally.n_accepted);
  assert_accounted (grinder);
  assert_grinder_starts (grinder);
}

static void
set_up_stress (Fixture *self, gconstpointer data)
{
  set_up_with (self, 3, 5, "max-wait-seconds", 0.001, "max-batch-size", 7, "max-batches-in-flight", 3, NULL);
}

static void
set_up_bounded (Fixture *self, gconstpointer data)
{
  set_up_with (self, 2, 3, "max-wait-seconds", 0.001, "max-pending", 5, NULL);
}

static void
test_accepted_end_once (Fixture *self, gconstpointer data)
{
  run_submitters (self->grinder, LP_STOP_MODE_DRAIN, FALSE);
  run_submitters (self->grinder, LP_STOP_MODE_CANCEL, FALSE);
  run_submitters (self->grinder, LP_STOP_MODE_DRAIN, TRUE);
  run_submitters (self->grinder, LP_STOP_MODE_CANCEL, TRUE);
}

/* A batch that ends as soon as it has begun starts the next one, and that does
 * not nest. */
static void
test_thousands_of_batches (void)
{
  Fixture self = { NULL };
  guint n_items = 5000;

  set_up_with (&self, 1, 100000, "max-batch-size", 1, NULL);
  for (guint i = 0; i < n_items; i++)
    g_object_unref (enqueued (self.grinder, lp_test_value_job (1)));
  assert_grinder_stops (self.grinder, LP_STOP_MODE_DRAIN);
  g_assert_cmpuint (grinder_counter (self.grinder, "items_succeeded"), ==, n_items);
  g_assert_cmpuint (grinder_counter (self.grinder, "batches"), ==, n_items);
  tear_down (&self, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  ADD ("/stress/accepted-end-once", set_up_stress, test_accepted_end_once);
  ADD ("/stress/bounded", set_up_bounded, test_accepted_end_once);
  g_test_add_func ("/grinder/stress/thousands-of-batches", test_thousands_of_batches);

  return g_test_run ();
}
