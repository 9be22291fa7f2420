/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* One executor, and many who wait for it: what a hand-over costs, by how many wait. Who has had it waits again, with a
 * time-out, so there are as many deadlines as waiters. */

#include "lp-bench.h"

typedef struct
{
  LpManager *manager;
  LpRequest *request;
  LpLease *held;                /* (owned) between two runs */
  guint n_waiters;
  guint n_left;
  gboolean stopping;
  GArray *waits;                /* of double, nanoseconds; NULL: nobody wants them */
} Queue;

typedef struct
{
  Queue *queue;
  gint64 since;
} Waiter;

static void
wait_again (Waiter *waiter);

static void
note_wait (Queue *self, gint64 since)
{
  double waited = (double) (lp_bench_now () - since);

  if (self->waits != NULL && since > 0)
    g_array_append_val (self->waits, waited);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Waiter *waiter = user_data;
  Queue *self = waiter->queue;
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);

  if (self->stopping)
    {
      self->n_waiters--;
      g_assert_true (lease == NULL);
      return;
    }
  if (lease == NULL)
    g_error ("no lease: %s", error->message);

  note_wait (self, waiter->since);
  wait_again (waiter);
  if (--self->n_left == 0)
    {
      self->held = lease;
      return;
    }

  lp_lease_release (lease);
  g_object_unref (lease);
}

static void
wait_again (Waiter *waiter)
{
  waiter->since = lp_bench_now ();
  lp_manager_acquire_async (waiter->queue->manager, waiter->queue->request, NULL, acquired_cb, waiter);
}

/* N hand-overs; returns nanoseconds for each one. */
static double
hand_over (gpointer data, guint n)
{
  Queue *self = data;
  LpLease *lease = g_steal_pointer (&self->held);
  gint64 started = lp_bench_now ();

  self->n_left = n;
  lp_lease_release (lease);
  g_object_unref (lease);
  while (self->held == NULL)
    g_main_context_iteration (NULL, TRUE);

  return (double) (lp_bench_now () - started) / n;
}

/* What 99 of 100 waits of N times everybody do not exceed, as a part of what it is if each one waits for as many
 * hand-overs as there are others before it. Those who waited before this began are not counted. */
static double
wait_ratio (gpointer data, guint n)
{
  Queue *self = data;
  double ideal;
  double wait;

  self->waits = g_array_new (FALSE, FALSE, sizeof (double));
  ideal = hand_over (self, self->n_waiters) * self->n_waiters;
  g_array_set_size (self->waits, 0);
  ideal = hand_over (self, n * self->n_waiters) * self->n_waiters;
  wait = lp_bench_quantile (self->waits, 0.99);
  g_clear_pointer (&self->waits, g_array_unref);

  return wait / ideal;
}

static Queue *
queue_new (guint n_waiters, Waiter **waiters)
{
  Queue *self = g_new0 (Queue, 1);

  self->manager = lp_bench_manager (LP_BACKEND_THREAD, 1, 1);
  self->request = lp_request_new ();
  lp_request_set_timeout (self->request, 36000);
  self->held = lp_bench_acquire (self->manager);
  self->n_waiters = n_waiters;
  *waiters = g_new0 (Waiter, n_waiters);
  for (guint i = 0; i < n_waiters; i++)
    {
      (*waiters)[i].queue = self;
      wait_again (&(*waiters)[i]);
    }

  return self;
}

static void
queue_free (Queue *self, Waiter *waiters)
{
  self->stopping = TRUE;
  lp_lease_release (self->held);
  g_object_unref (self->held);
  lp_bench_stop (self->manager);
  while (self->n_waiters > 0)
    g_main_context_iteration (NULL, TRUE);
  g_object_unref (self->request);
  g_object_unref (self->manager);
  g_free (self);
  g_free (waiters);
}

int
main (void)
{
  static const guint many[] = { 1000, 100000 };
  Waiter *few_waiters;
  Queue *few;

  lp_bench_init ("waiters");
  few = queue_new (10, &few_waiters);

  for (guint i = 0; i < G_N_ELEMENTS (many); i++)
    {
      g_autofree char *name = g_strdup_printf ("one hand-over, %u waiters with a time-out", many[i]);
      g_autofree char *ratio_name = g_strdup_printf ("p99 of the waits / ideal FIFO, %u waiters", many[i]);
      LpBenchRow row = { name, "ns", 50000, 1.3 };
      LpBenchRow ratio_row = { ratio_name, "ratio", many[i] > 10000 ? 1 : 20, 1.5 };
      Waiter *waiters;
      Queue *queue = queue_new (lp_bench_scaled (many[i], 10), &waiters);

      lp_bench_compare (&row, &(LpBenchSide) { NULL, hand_over, queue },
                        &(LpBenchSide) { "the same, 10 waiters", hand_over, few });
      lp_bench_measure (&ratio_row, wait_ratio, queue);
      queue_free (queue, waiters);
    }

  queue_free (few, few_waiters);
  return 0;
}
