/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The source object of callbacks that run one after the other: each holds it, and none for longer than that. */

#include "config.h"

#include "lp-test-job.h"

#define JOBS 50

/* With one worker: the jobs that were submitted before have ended, and all are told. */
static void
block_told (LpLease *lease)
{
  g_autoptr (LpJob) last = lp_test_value_job (3);

  lp_test_submit (lease, last);
  assert_value (last, 3);
}

/* A callback whose lease has been dropped meanwhile, and what it finds of the one before it. */
typedef struct
{
  LpLease *lease;               /* (owned) */
  int gone;                     /* (atomic) */
  int *before_gone;             /* (atomic) (nullable) */
  guint *n_told;
} Dropped;

static void
drop_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Dropped *self = user_data;

  if (self->before_gone != NULL)
    g_assert_true (g_atomic_int_get (self->before_gone));
  ++*self->n_told;
  g_clear_object (&self->lease);
  /* The source object of a wait is the job. */
  g_assert_cmpint (g_atomic_int_get (&self->gone), ==, LP_IS_JOB (source));
}

static gboolean
three_are_told (gpointer data)
{
  return *(guint *) data == 3;
}

/* The source object of one callback has gone when the next one runs, if that has another
 * one or is of another operation, also where both are run in one go. */
static void
test_source_until_the_next (void)
{
  LpManager *manager = lp_test_start (3, "workers-per-pool", 1, NULL);
  guint n_told = 0;
  Dropped dropped[3] = { { .n_told = &n_told }, { .n_told = &n_told }, { .n_told = &n_told } };

  for (int i = 0; i < 3; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (3);

      dropped[i].lease = lp_test_acquire (manager, "dropped");
      lp_test_watch (dropped[i].lease, &dropped[i].gone);
      if (i > 0)
        dropped[i].before_gone = &dropped[i - 1].gone;
      if (i < 2)
        lp_lease_submit_async (dropped[i].lease, job, NULL, drop_cb, &dropped[i]);
      else
        {
          lp_test_submit (dropped[i].lease, job);
          lp_job_wait_async (job, NULL, drop_cb, &dropped[i]);
        }
      block_told (dropped[i].lease);
    }

  lp_test_wait_for (three_are_told, &n_told, "the callbacks");
  lp_test_wait_for (lp_test_is_gone, &dropped[2].gone, "the last lease to go");
  lp_test_wait_stat (manager, "leased", 0);
  lp_test_finish (manager);
}

typedef struct
{
  int order[3];
  guint n_told;
} Order;

typedef struct
{
  Order *order;
  int number;
} Place;

static void
place_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Place *self = user_data;

  self->order->order[self->order->n_told++] = self->number;
}

static gboolean
all_are_placed (gpointer data)
{
  return ((Order *) data)->n_told == 3;
}

static void
iterate_gone (gpointer data, GObject *where_it_was)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* What goes with the source object of one may iterate the context: the next ones keep their order. */
static void
test_order_when_source_goes (void)
{
  LpManager *manager = lp_test_start (2, "workers-per-pool", 1, NULL);
  LpLease *first = lp_test_acquire (manager, "first");
  LpLease *second = lp_test_acquire (manager, "second");
  Order order = { { 0 }, 0 };
  Place places[3];

  g_object_weak_ref (G_OBJECT (first), iterate_gone, NULL);
  for (int i = 0; i < 3; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (3);

      places[i] = (Place) { &order, i + 1 };
      lp_lease_submit_async (i == 0 ? first : second, job, NULL, place_cb, &places[i]);
      block_told (i == 0 ? first : second);
    }
  g_object_unref (first);
  lp_test_wait_for (all_are_placed, &order, "the callbacks");
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (order.order[i], ==, i + 1);

  lp_lease_release (second);
  g_assert_finalize_object (second);
  lp_test_finish (manager);
}

typedef struct
{
  LpLease *lease;
  guint n_left;
  guint n_told;
} Chain;

static void
chain_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chain *self = user_data;

  if (source != NULL)
    self->n_told++;
  if (self->n_left == 0)
    return;

  self->n_left--;
  {
    g_autoptr (LpJob) job = lp_test_value_job (3);

    lp_lease_submit_async (self->lease, job, NULL, chain_cb, self);
  }
  /* Within: the next callbacks of the same context. */
  if (self->n_left % 7 == 0)
    while (g_main_context_iteration (NULL, FALSE))
      ;
}

static gboolean
chain_is_told (gpointer data)
{
  Chain *self = data;

  return self->n_left == 0 && self->n_told == 3 * JOBS;
}

/* Each callback submits the next one, some from within another: no reference is left, or missing. */
static void
test_source_of_a_chain (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  Chain chain = { lp_test_acquire (manager, "chain"), 3 * JOBS, 0 };

  for (int i = 0; i < 3; i++)
    chain_cb (NULL, NULL, &chain);
  lp_test_wait_for (chain_is_told, &chain, "the callbacks");

  lp_lease_release (chain.lease);
  g_assert_finalize_object (chain.lease);
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/job-source/until-the-next", test_source_until_the_next);
  g_test_add_func ("/job-source/goes-in-order", test_order_when_source_goes);
  g_test_add_func ("/job-source/of-a-chain", test_source_of_a_chain);

  return g_test_run ();
}
