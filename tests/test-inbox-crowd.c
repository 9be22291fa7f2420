/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Many threads that put jobs into the inbox of an executor, while others close it: none is lost. */

#include "config.h"

#include "lp-test-inbox.h"

#define FEW_JOBS 5
#define MANY_JOBS 500
#define ROUNDS lp_test_size (200, 5000, 10)

/* --- Leases --- */

typedef struct
{
  LpLease *lease;
  GPtrArray *jobs;              /* that were accepted */
  int n_accepted;               /* (atomic) */
} Submitter;

static gpointer
submit_until_refused (gpointer data)
{
  Submitter *self = data;

  while (self->jobs->len < MANY_JOBS)
    {
      g_autoptr (LpJob) job = lp_test_value_job ((int) self->jobs->len + 1);
      g_autoptr (GError) error = NULL;

      if (!lp_lease_submit (self->lease, job, &error))
        {
          g_assert_error (error, LP_ERROR, LP_ERROR_EXPIRED);
          return NULL;
        }
      g_ptr_array_add (self->jobs, g_steal_pointer (&job));
      g_atomic_int_inc (&self->n_accepted);
    }
  return NULL;
}

static gboolean
has_accepted (gpointer n_accepted)
{
  return g_atomic_int_get ((int *) n_accepted) >= FEW_JOBS;
}

/* Whoever was not refused has had its job done when the lease has ended. */
static void
test_release_while_others_submit (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      Submitter submitters[2] = { { self->lease, NULL, 0 }, { self->lease, NULL, 0 } };
      GThread *threads[2];

      for (guint j = 0; j < 2; j++)
        {
          submitters[j].jobs = g_ptr_array_new_with_free_func (g_object_unref);
          threads[j] = g_thread_new ("submits", submit_until_refused, &submitters[j]);
        }
      for (guint j = 0; j < 2; j++)
        lp_test_block_for (has_accepted, &submitters[j].n_accepted, "some jobs to be accepted");
      lp_lease_release (self->lease);
      lp_test_block_released (self->lease);
      for (guint j = 0; j < 2; j++)
        {
          g_thread_join (threads[j]);
          for (guint k = 0; k < submitters[j].jobs->len; k++)
            g_assert_cmpint (lp_job_get_state (submitters[j].jobs->pdata[k]), ==, LP_JOB_STATE_SUCCEEDED);
          g_ptr_array_unref (submitters[j].jobs);
        }
      g_object_unref (self->lease);
      self->lease = lp_test_acquire (self->manager, "next");
    }
}

static gpointer
submit_many (gpointer data)
{
  Submitter *self = data;

  for (guint i = 0; i < ROUNDS * FEW_JOBS; i++)
    {
      g_ptr_array_add (self->jobs, lp_test_value_job ((int) i + 1));
      lp_test_submit (self->lease, self->jobs->pdata[i]);
      g_atomic_int_inc (&self->n_accepted);
    }
  return NULL;
}

/* For the thread sanitizer: the times are read by who submits. */
static void
test_renew_while_another_submits (Fixture *self, gconstpointer data)
{
  Submitter submitter = { self->lease, g_ptr_array_new_with_free_func (g_object_unref), 0 };
  GThread *thread = g_thread_new ("submits", submit_many, &submitter);

  while (g_atomic_int_get (&submitter.n_accepted) < (int) (ROUNDS * FEW_JOBS))
    {
      g_autoptr (GError) error = NULL;

      lp_lease_renew (self->lease, 300.0, &error);
      g_assert_no_error (error);
    }
  g_thread_join (thread);
  assert_all_done (submitter.jobs);
  g_ptr_array_unref (submitter.jobs);
}

/* --- All together --- */

#define N_SUBMITTERS 3
#define MOST_JOBS 64
#define MOST_NUMBERS (2 * N_SUBMITTERS * MOST_JOBS * N_BATCHES + 1)     /* each may have one inside it */
#define N_BATCHES lp_test_size (150, 3000, 8)

typedef struct
{
  LpLease *lease;
  GAsyncQueue *begun;           /* deferred jobs that somebody else ends */
  int n_accepted;               /* (atomic) */
  int *n_numbers;               /* (atomic) how many jobs have each number */
} Crowd;

typedef struct
{
  Crowd *crowd;
  LpJob *job;
  LpJob *other;                 /* (nullable) one that it cancels */
  int n_runs;                   /* (atomic) */
} Item;

static void
begin_item (Item *self)
{
  g_assert_cmpint (g_atomic_int_add (&self->n_runs, 1), ==, 0);
}

/* Each has one of its own, whichever way it came. */
static void
note_number (Item *self)
{
  g_assert_cmpint (self->job->number, >, 0);
  g_assert_cmpint (self->job->number, <, MOST_NUMBERS);
  g_assert_cmpint (g_atomic_int_add (&self->crowd->n_numbers[self->job->number], 1), ==, 0);
}

static void
submit_item (Item *self)
{
  g_atomic_int_inc (&self->crowd->n_accepted);
  lp_test_submit (self->crowd->lease, self->job);
}

static void
short_item_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  begin_item (user_data);
  *result = g_variant_new ("()");
}

static void
long_item_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  gint64 end = g_get_monotonic_time () + 20 * LP_WATCH_SHORT_USEC;

  begin_item (user_data);
  while (g_get_monotonic_time () < end)
    ;
  *result = g_variant_new ("()");
}

static void
deferred_item_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Item *self = user_data;

  begin_item (self);
  lp_job_defer (job);
  g_async_queue_push (self->crowd->begun, g_object_ref (job));
}

static void
cancelling_item_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Item *self = user_data;

  begin_item (self);
  lp_job_cancel (self->other);
  *result = g_variant_new ("()");
}

static void
nesting_item_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  Item *self = user_data;
  Item inner = { .crowd = self->crowd };
  g_autoptr (LpJob) inner_job = inner.job = lp_job_new_for_func (short_item_func, &inner, NULL);

  begin_item (self);
  submit_item (&inner);
  lp_test_assert_done (inner_job);
  note_number (&inner);
  *result = g_variant_new ("()");
}

/* Most are short, so that there are those who watch. */
static LpJob *
new_item_job (Item *self, GRand *random)
{
  switch (g_rand_int_range (random, 0, 100))
    {
    case 0: case 1: return lp_job_new_for_func (long_item_func, self, NULL);
    case 2: case 3: return lp_job_new_for_func (deferred_item_func, self, NULL);
    case 4: case 5: return lp_job_new_for_func (nesting_item_func, self, NULL);
    case 6: case 7: case 8: return lp_job_new_for_func (self->other != NULL ? cancelling_item_func : short_item_func,
                                                        self, NULL);
    default: return lp_job_new_for_func (short_item_func, self, NULL);
    }
}

static void
assert_item_ended (Item *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = lp_job_wait (self->job, PATIENCE_SECONDS, NULL, &error);

  if (result == NULL)
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (lp_job_get_state (self->job), ==, result != NULL ? LP_JOB_STATE_SUCCEEDED : LP_JOB_STATE_CANCELLED);
  g_assert_cmpint (g_atomic_int_get (&self->n_runs), ==, lp_job_get_started_at (self->job) != 0 ? 1 : 0);
  note_number (self);
}

/* Sleeps until all of them have ended, so that the next ones find threads that have run out of jobs. */
static void
run_batch (Crowd *crowd, GRand *random)
{
  Item items[MOST_JOBS];
  int n_items = g_rand_int_range (random, 1, MOST_JOBS + 1);

  for (int i = 0; i < n_items; i++)
    {
      LpJob *other = i > 0 ? items[g_rand_int_range (random, 0, i)].job : NULL;

      items[i] = (Item) { .crowd = crowd, .other = other };
      items[i].job = new_item_job (&items[i], random);
      submit_item (&items[i]);
      if (g_rand_int_range (random, 0, 50) == 0)
        lp_job_cancel (items[g_rand_int_range (random, 0, i + 1)].job);
    }
  for (int i = 0; i < n_items; i++)
    assert_item_ended (&items[i]);
  for (int i = 0; i < n_items; i++)
    g_object_unref (items[i].job);
}

static gpointer
crowd_main (gpointer data)
{
  Crowd *self = ((gpointer *) data)[0];
  GRand *random = ((gpointer *) data)[1];

  for (guint i = 0; i < N_BATCHES; i++)
    run_batch (self, random);
  g_rand_free (random);

  return NULL;
}

static gpointer
end_deferred_main (gpointer begun)
{
  gpointer job;

  while ((job = g_async_queue_pop (begun)) != begun)
    {
      lp_job_return_value (job, g_variant_new ("()"));
      g_object_unref (job);
    }
  return NULL;
}

static void
run_crowd (int workers, int max_jobs_per_worker)
{
  Fixture self;
  Crowd crowd = { .begun = g_async_queue_new () };
  GThread *threads[N_SUBMITTERS], *ends_deferred;
  gpointer data[N_SUBMITTERS][2];

  start_inbox (&self, workers, "max-jobs-per-worker", max_jobs_per_worker);
  crowd.lease = self.lease;
  crowd.n_numbers = g_new0 (int, MOST_NUMBERS);
  ends_deferred = g_thread_new ("ends-deferred", end_deferred_main, crowd.begun);
  for (guint i = 0; i < N_SUBMITTERS; i++)
    {
      data[i][0] = &crowd;
      data[i][1] = g_rand_new_with_seed ((guint32) g_test_rand_int ());
      threads[i] = g_thread_new ("submits", crowd_main, data[i]);
    }
  for (guint i = 0; i < N_SUBMITTERS; i++)
    g_thread_join (threads[i]);
  g_async_queue_push (crowd.begun, crowd.begun);
  g_thread_join (ends_deferred);

  /* Each has ended once. */
  g_assert_cmpuint (lp_lease_get_pending_jobs (self.lease), ==, 0);
  g_assert_cmpuint (lp_test_counter (self.manager, "jobs_succeeded") + lp_test_counter (self.manager, "jobs_cancelled"),
                    ==, (guint) crowd.n_accepted);
  tear_down_inbox (&self, NULL);
  g_async_queue_unref (crowd.begun);
  g_free (crowd.n_numbers);
}

static void
test_crowd (gconstpointer workers)
{
  run_crowd (GPOINTER_TO_INT (workers), 0);
}

static void
test_crowd_worn_out (gconstpointer workers)
{
  run_crowd (GPOINTER_TO_INT (workers), 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add ("/inbox/release/while-others-submit", Fixture, NULL, set_up_one, test_release_while_others_submit,
              tear_down_inbox);
  g_test_add ("/inbox/renew/while-another-submits", Fixture, NULL, set_up_one, test_renew_while_another_submits,
              tear_down_inbox);
  for (int i = 1; i <= 4; i++)
    {
      g_autofree char *path = g_strdup_printf ("/inbox/crowd/%d", i);
      g_autofree char *worn_out = g_strdup_printf ("/inbox/crowd/worn-out/%d", i);

      g_test_add_data_func (path, GINT_TO_POINTER (i), test_crowd);
      g_test_add_data_func (worn_out, GINT_TO_POINTER (i), test_crowd_worn_out);
    }

  return g_test_run ();
}
