/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* An uncontended lease: against what no lease can do without, an object, and one turn of the main loop. */

#include "lp-bench-floors.h"

/* --- try_acquire and release, against a plain object --- */

#define BENCH_TYPE_PLAIN (bench_plain_get_type ())
G_DECLARE_FINAL_TYPE (BenchPlain, bench_plain, BENCH, PLAIN, GObject)

struct _BenchPlain
{
  GObject parent_instance;
  gpointer member;
};

G_DEFINE_FINAL_TYPE (BenchPlain, bench_plain, G_TYPE_OBJECT)

static void
bench_plain_class_init (BenchPlainClass *klass)
{
}

static void
bench_plain_init (BenchPlain *self)
{
}

static double
make_plain (gpointer data, guint n)
{
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    g_object_unref (g_object_new (BENCH_TYPE_PLAIN, NULL));

  return (double) (lp_bench_now () - started) / n;
}

/* An object that has properties, of which none is set, and a signal. */
#define BENCH_TYPE_LENT (bench_lent_get_type ())
G_DECLARE_FINAL_TYPE (BenchLent, bench_lent, BENCH, LENT, GObject)

struct _BenchLent
{
  GObject parent_instance;
  gpointer what;
};

G_DEFINE_FINAL_TYPE (BenchLent, bench_lent, G_TYPE_OBJECT)

static void
bench_lent_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  g_value_set_int (value, 0);
}

static void
bench_lent_class_init (BenchLentClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = bench_lent_get_property;
  g_object_class_install_property (object_class, 1, g_param_spec_int ("state", NULL, NULL, 0, 1, 0,
                                                                      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_signal_new ("taken", BENCH_TYPE_LENT, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
bench_lent_init (BenchLent *self)
{
}

/* What is taken for who lends, for whom it is, and when: nothing is lent, and nothing remembered of it. */
#define LENT_SIZE 150

typedef struct
{
  GMutex lender;
  GMutex lent;
  GObject *listener;
  guint n_heard;
} Lender;

static void
lend (Lender *self)
{
  g_mutex_lock (&self->lender);
  g_mutex_lock (&self->lent);
  g_mutex_unlock (&self->lent);
  if (g_signal_handler_find (self->listener, G_SIGNAL_MATCH_UNBLOCKED, 0, 0, NULL, NULL, NULL) != 0)
    self->n_heard++;
  g_mutex_unlock (&self->lender);
}

static double
make_lent (gpointer data, guint n)
{
  Lender *self = data;
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    {
      BenchLent *lent;
      gint64 *taken = g_malloc (LENT_SIZE);

      *taken = g_get_monotonic_time ();
      lend (self);
      lent = g_object_new (BENCH_TYPE_LENT, NULL);
      *taken -= g_get_monotonic_time ();
      lend (self);
      g_object_unref (lent);
      g_free (taken);
    }

  return (double) (lp_bench_now () - started) / n;
}

static double
try_acquire (gpointer data, guint n)
{
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    {
      LpLease *lease = lp_manager_try_acquire (data, NULL, NULL);

      lp_lease_release (lease);
      g_object_unref (lease);
    }

  return (double) (lp_bench_now () - started) / n;
}

/* --- acquire_async, finish and release, against an empty GTask --- */

typedef struct
{
  LpManager *manager;
  LpRequest *request;
  GCancellable *cancellable;
} Trip;

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LpLease) lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);

  if (lease == NULL)
    g_error ("no lease: %s", error->message);
  lp_lease_release (lease);
  lp_bench_slot_done (user_data);
}

static void
start_acquire (LpBenchSlot *slot, gpointer data)
{
  Trip *self = data;

  lp_manager_acquire_async (self->manager, self->request, self->cancellable, acquired_cb, slot);
}

static double
acquire_async (gpointer data, guint n)
{
  return lp_bench_window (start_acquire, data, n, 1);
}

static void
task_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  if (!g_task_propagate_boolean (G_TASK (result), NULL))
    g_error ("a task failed");
  lp_bench_slot_done (user_data);
}

static void
start_task (LpBenchSlot *slot, gpointer data)
{
  Trip *self = data;
  g_autoptr (GTask) task = g_task_new (self->manager, self->cancellable, task_cb, slot);

  g_task_return_boolean (task, TRUE);
}

static double
empty_task (gpointer data, guint n)
{
  return lp_bench_window (start_task, data, n, 1);
}

static void
measure_trip (const char *name, Trip *trip, double goal)
{
  LpBenchRow row = { name, "ns", 50000, goal };

  lp_bench_compare (&row, &(LpBenchSide) { NULL, acquire_async, trip },
                    &(LpBenchSide) { "an empty GTask, same cancellable", empty_task, trip });
}

int
main (void)
{
  g_autoptr (LpManager) manager = NULL;
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Lender lender = { .n_heard = 0 };
  LpBenchRow row = { "try_acquire and release, uncontended", "ns", 200000, 2.5 };

  lp_bench_init ("acquire");
  manager = lp_bench_manager (LP_BACKEND_THREAD, 2, 2);
  lp_bench_start (manager);
  lp_request_set_owner (request, "benchmark");
  g_mutex_init (&lender.lender);
  g_mutex_init (&lender.lent);
  lender.listener = g_object_new (BENCH_TYPE_LENT, NULL);

  lp_bench_compare (&row, &(LpBenchSide) { NULL, try_acquire, manager },
                    &(LpBenchSide) { "g_object_new() and unref of a plain GObject", make_plain, NULL });
  row = (LpBenchRow) { LP_BENCH_FLOOR "a lease that nobody keeps in mind", "ns", 200000, 0 };
  lp_bench_compare (&row, &(LpBenchSide) { NULL, make_lent, &lender },
                    &(LpBenchSide) { "g_object_new() and unref of a plain GObject", make_plain, NULL });
  measure_trip ("acquire_async, finish, release through the main loop", &(Trip) { manager, NULL, NULL }, 1.9);
  measure_trip ("the same with a request and a cancellable", &(Trip) { manager, request, cancellable }, 2.4);

  g_object_unref (lender.listener);
  g_mutex_clear (&lender.lender);
  g_mutex_clear (&lender.lent);
  lp_bench_stop (manager);
  return 0;
}
