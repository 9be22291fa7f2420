/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What happens to one lease, while many others are alive, each with its deadline. The executors are of a class that
 * does nothing: there are more of them than a system has threads. */

#include "lp-bench.h"

#include <time.h>

#define BENCH_TYPE_EXECUTOR (bench_executor_get_type ())
G_DECLARE_FINAL_TYPE (BenchExecutor, bench_executor, BENCH, EXECUTOR, LpExecutor)

struct _BenchExecutor
{
  LpExecutor parent_instance;
};

G_DEFINE_FINAL_TYPE (BenchExecutor, bench_executor, LP_TYPE_EXECUTOR)

static void
bench_executor_class_init (BenchExecutorClass *klass)
{
}

static void
bench_executor_init (BenchExecutor *self)
{
}

/* So many are acquired, renewed and released together, since the clock is too coarse for one. */
#define BATCH 64

typedef struct
{
  LpManager *manager;
  LpRequest *brief;             /* a lease that expires soon */
  GPtrArray *alive;             /* of LpLease */
  LpLease *batch[BATCH];
} Fleet;

typedef enum
{
  ACQUIRE,
  RENEW,
  RELEASE
} Step;

static LpLease *
acquire_one (Fleet *self, LpRequest *request)
{
  g_autoptr (GError) error = NULL;
  LpLease *lease = lp_manager_try_acquire (self->manager, request, &error);

  if (lease == NULL)
    g_error ("no lease: %s", error->message);

  return lease;
}

static void
do_step (Fleet *self, Step step)
{
  for (guint i = 0; i < BATCH; i++)
    switch (step)
      {
      case ACQUIRE:
        self->batch[i] = acquire_one (self, NULL);
        break;
      case RENEW:
        if (!lp_lease_renew (self->batch[i], -1, NULL))
          g_error ("a lease was not renewed");
        break;
      case RELEASE:
      default:
        lp_lease_release (self->batch[i]);
        g_object_unref (self->batch[i]);
      }
}

/* N times one step; the others are not counted. */
static double
time_step (Fleet *self, guint n, Step wanted)
{
  gint64 spent = 0;
  guint n_batches = MAX (1, n / BATCH);

  for (guint i = 0; i < n_batches; i++)
    for (Step step = ACQUIRE; step <= RELEASE; step++)
      {
        gint64 started = lp_bench_now ();

        do_step (self, step);
        if (step == wanted)
          spent += lp_bench_now () - started;
      }

  return (double) spent / n_batches / BATCH;
}

static double
acquire (gpointer data, guint n)
{
  return time_step (data, n, ACQUIRE);
}

static double
renew (gpointer data, guint n)
{
  return time_step (data, n, RENEW);
}

static double
release (gpointer data, guint n)
{
  return time_step (data, n, RELEASE);
}

static gint64
cpu_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
wait_for_available (Fleet *self, guint n)
{
  while (lp_manager_get_available_count (self->manager) != n)
    g_usleep (1000);
}

/* The processor time of an expiry, and of the executor that replaces the one that was revoked. */
static double
expire (gpointer data, guint n)
{
  Fleet *self = data;
  guint n_batches = MAX (1, n / BATCH);
  gint64 spent = 0;

  for (guint i = 0; i < n_batches; i++)
    {
      gint64 before;

      for (guint k = 0; k < BATCH; k++)
        self->batch[k] = acquire_one (self, self->brief);
      before = cpu_time ();
      wait_for_available (self, BATCH);
      spent += cpu_time () - before;
      for (guint k = 0; k < BATCH; k++)
        g_object_unref (self->batch[k]);
    }

  return (double) spent / n_batches / BATCH;
}

static double
iterate (gpointer data, guint n)
{
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    g_main_context_iteration (NULL, FALSE);

  return (double) (lp_bench_now () - started) / n;
}

static void
fleet_init (Fleet *self, guint n_alive)
{
  self->manager = lp_bench_manager (LP_BACKEND_THREAD, (int) n_alive + BATCH, 1);
  lp_manager_set_executor_type (self->manager, BENCH_TYPE_EXECUTOR);
  lp_manager_set_min_pools (self->manager, (int) n_alive + BATCH);
  lp_manager_set_lease_grace_seconds (self->manager, 0);
  lp_bench_start (self->manager);

  self->brief = lp_request_new ();
  lp_request_set_lease_seconds (self->brief, 0.02);
  self->alive = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < n_alive; i++)
    g_ptr_array_add (self->alive, acquire_one (self, NULL));
}

static void
fleet_clear (Fleet *self)
{
  for (guint i = 0; i < self->alive->len; i++)
    lp_lease_release (self->alive->pdata[i]);
  g_ptr_array_unref (self->alive);
  lp_bench_stop (self->manager);
  g_object_unref (self->brief);
  g_object_unref (self->manager);
}

int
main (void)
{
  guint n_many = lp_bench_scaled (100000, 100);
  g_autofree char *suffix = g_strdup_printf (", %u leases alive", n_many);
  Fleet few = { NULL };
  Fleet many = { NULL };
  struct
  {
    const char *name;
    LpBenchFunc func;
    guint n;
  } measures[] = {
    { "try_acquire", acquire, 20000 },
    { "renew", renew, 20000 },
    { "release", release, 20000 },
    { "expire, processor time", expire, 10 * BATCH },
    { "one iteration of the owner's main loop", iterate, 100000 },
  };

  lp_bench_init ("many");
  lp_bench_be_quiet ();
  fleet_init (&few, 10);
  fleet_init (&many, n_many);

  for (guint i = 0; i < G_N_ELEMENTS (measures); i++)
    {
      g_autofree char *name = g_strconcat (measures[i].name, suffix, NULL);
      LpBenchRow row = { name, "ns", measures[i].n, 1.3 };

      lp_bench_compare (&row, &(LpBenchSide) { NULL, measures[i].func, &many },
                        &(LpBenchSide) { "the same, 10 leases alive", measures[i].func, &few });
    }

  fleet_clear (&many);
  fleet_clear (&few);
  return 0;
}
