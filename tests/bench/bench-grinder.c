/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Items of a grinder, which acquires a lease for each batch of them: against the same jobs, submitted to one lease that
 * is held all the time. */

#include "lp-bench.h"

#define BATCH 256

typedef LpJob *(*NewJobFunc) (void);

static void
noop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref (lp_bench_unit ());
}

static LpJob *
new_closure (void)
{
  return lp_job_new_for_func (noop_func, NULL, NULL);
}

static LpJob *
new_call (void)
{
  return lp_job_new_for_call ("noop", NULL);
}

/* --- Plain: a lease for all --- */

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  NewJobFunc new_job;
  guint in_flight;
} Plain;

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_submit_finish (LP_LEASE (source), result, &error);

  if (value == NULL)
    g_error ("a job failed: %s", error->message);
  lp_bench_slot_done (user_data);
}

static void
start_plain (LpBenchSlot *slot, gpointer data)
{
  Plain *self = data;
  g_autoptr (LpJob) job = self->new_job ();

  lp_lease_submit_async (self->lease, job, NULL, submitted_cb, slot);
}

/* As many as fill whole batches, on both sides. */
static guint
whole_batches (guint n)
{
  return MAX (n / BATCH, 1) * BATCH;
}

static double
run_plain (gpointer data, guint n)
{
  return lp_bench_window (start_plain, data, whole_batches (n), ((Plain *) data)->in_flight);
}

static Plain
plain_new (const char *backend, NewJobFunc new_job, guint in_flight)
{
  Plain self = { .new_job = new_job, .in_flight = in_flight };

  self.manager = lp_bench_manager (backend, 1, 2);
  self.lease = lp_bench_acquire (self.manager);

  return self;
}

static void
plain_clear (Plain *self)
{
  lp_bench_give_back (self->manager, self->lease);
}

/* --- Items: a lease for each batch --- */

typedef struct
{
  LpManager *manager;
  LpGrinder *grinder;
  NewJobFunc new_job;
  guint in_flight;
} Items;

static void
item_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_grinder_submit_finish (LP_GRINDER (source), result, &error);

  if (value == NULL)
    g_error ("an item failed: %s", error->message);
  lp_bench_slot_done (user_data);
}

static void
start_item (LpBenchSlot *slot, gpointer data)
{
  Items *self = data;
  g_autoptr (LpJob) job = self->new_job ();

  lp_grinder_submit_async (self->grinder, job, NULL, item_cb, slot);
}

static double
run_items (gpointer data, guint n)
{
  return lp_bench_window (start_item, data, whole_batches (n), ((Items *) data)->in_flight);
}

static Items
items_new (const char *backend, NewJobFunc new_job, guint in_flight)
{
  Items self = { .new_job = new_job, .in_flight = in_flight };

  self.manager = lp_bench_manager (backend, 1, 2);
  lp_bench_start (self.manager);
  self.grinder = lp_bench_grinder (self.manager, BATCH);

  return self;
}

static void
items_clear (Items *self)
{
  lp_bench_grinder_stop (self->grinder);
  lp_bench_stop (self->manager);
  g_object_unref (self->manager);
}

/* --- Measures --- */

/* IN_FLIGHT of one batch: each one begins when the last has ended. Of more: the next one waits already. */
static void
measure (const char *what, const char *backend, NewJobFunc new_job, guint in_flight, guint n, double goal)
{
  g_autofree char *name = g_strdup_printf ("items in batches of %d, %s, %u in flight", BATCH, what, in_flight);
  LpBenchRow row = { name, "ns", n, goal };
  Plain plain = plain_new (backend, new_job, in_flight);
  Items items = items_new (backend, new_job, in_flight);

  lp_bench_compare (&row, &(LpBenchSide) { NULL, run_items, &items },
                    &(LpBenchSide) { "the same jobs, submitted to one lease", run_plain, &plain });
  items_clear (&items);
  plain_clear (&plain);
}

int
main (void)
{
  lp_bench_init ("grinder");

  measure ("2 threads", LP_BACKEND_THREAD, new_closure, BATCH, 50000, 1.5);
  measure ("2 threads", LP_BACKEND_THREAD, new_closure, 4 * BATCH, 50000, 1.5);
  measure ("2 C workers", LP_BACKEND_PROCESS, new_call, BATCH, 20000, 2);
  measure ("2 C workers", LP_BACKEND_PROCESS, new_call, 4 * BATCH, 20000, 2);

  return 0;
}
