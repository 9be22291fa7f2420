/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the interface of a job asks of whatever runs it: nobody can be told of the end of less. */

#include "lp-bench-errands.h"

#include "lp-bench-floors.h"
#include "lp-gather-private.h"
#include "lp-lookout-private.h"

#include <string.h>

/* --- An object as a job is --- */

typedef enum
{
  ERRAND_NEW,
  ERRAND_QUEUED,
  ERRAND_RUNNING,
  ERRAND_DONE,
} ErrandState;

typedef struct _BenchErrand BenchErrand;

typedef void (*ErrandFunc) (BenchErrand *errand, GVariant **result);

#define BENCH_TYPE_ERRAND (bench_errand_get_type ())
G_DECLARE_FINAL_TYPE (BenchErrand, bench_errand, BENCH, ERRAND, GObject)

struct _BenchErrand
{
  GObject parent_instance;

  ErrandFunc func;
  GList link;                   /* (lock) */
  int state;                    /* (atomic) */
  gint64 queued_at;
  gint64 started_at;
  gint64 ended_at;
  GVariant *result;
  GObject *source;              /* (owned) until the callback has returned */
  LpBenchSlot *slot;
  void (*callback) (GObject *source, BenchErrand *errand, gpointer user_data);

  char *name;
  GVariant *parameters;
  char **argv;
  GBytes *input;
};

G_DEFINE_FINAL_TYPE (BenchErrand, bench_errand, G_TYPE_OBJECT)

enum
{
  PROP_NAME = 1,
  PROP_PARAMETERS,
  PROP_ARGV,
  PROP_INPUT,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

static void
bench_errand_set_property (GObject *object, guint prop_id, const GValue *value, GParamSpec *pspec)
{
  BenchErrand *self = BENCH_ERRAND (object);

  if (value == g_param_spec_get_default_value (pspec))
    return;

  switch (prop_id)
    {
    case PROP_NAME: self->name = g_value_dup_string (value); break;
    case PROP_PARAMETERS: self->parameters = g_value_dup_variant (value); break;
    case PROP_ARGV: self->argv = g_value_dup_boxed (value); break;
    case PROP_INPUT: self->input = g_value_dup_boxed (value); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
bench_errand_finalize (GObject *object)
{
  BenchErrand *self = BENCH_ERRAND (object);

  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->parameters, g_variant_unref);
  g_clear_pointer (&self->argv, g_strfreev);
  g_clear_pointer (&self->input, g_bytes_unref);

  G_OBJECT_CLASS (bench_errand_parent_class)->finalize (object);
}

static void
bench_errand_class_init (BenchErrandClass *klass)
{
  const GParamFlags flags = G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  G_OBJECT_CLASS (klass)->set_property = bench_errand_set_property;
  G_OBJECT_CLASS (klass)->finalize = bench_errand_finalize;

  properties[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);
  properties[PROP_PARAMETERS] = g_param_spec_variant ("parameters", NULL, NULL, G_VARIANT_TYPE_ANY, NULL, flags);
  properties[PROP_ARGV] = g_param_spec_boxed ("argv", NULL, NULL, G_TYPE_STRV, flags);
  properties[PROP_INPUT] = g_param_spec_boxed ("input", NULL, NULL, G_TYPE_BYTES, flags);
  g_object_class_install_properties (G_OBJECT_CLASS (klass), N_PROPERTIES, properties);
}

static void
bench_errand_init (BenchErrand *self)
{
  self->link.data = self;
}

/* --- The threads --- */

static void
noop_func (BenchErrand *errand, GVariant **result)
{
  *result = lp_bench_unit ();
}

static void
run (BenchErrand *self)
{
  self->started_at = g_get_monotonic_time ();
  g_atomic_int_set (&self->state, ERRAND_RUNNING);
  self->func (self, &self->result);
  self->ended_at = g_get_monotonic_time ();
  g_atomic_int_set (&self->state, ERRAND_DONE);
}

static void
move_all (GQueue *to, GQueue *from)
{
  GList *link;

  while ((link = g_queue_pop_head_link (from)) != NULL)
    g_queue_push_tail_link (to, link);
}

/* With the lock, which is given up meanwhile. If one comes, some more may gather. */
static void
look_out (LpBenchErrands *self)
{
  self->looking = TRUE;
  g_atomic_int_set (&self->offered, FALSE);
  g_mutex_unlock (&self->lock);
  lp_bench_look (&self->offered, LP_LOOKOUT_USEC);
  if (g_atomic_int_get (&self->offered))
    lp_bench_look (NULL, LP_GATHER_USEC);
  g_mutex_lock (&self->lock);
  self->looking = FALSE;
}

/* With the lock, which is given up meanwhile. */
static void
fall_asleep (LpBenchErrands *self)
{
  self->n_awake--;
  g_cond_wait (&self->cond, &self->lock);
  self->n_awake++;
}

/* Runs whatever is there, with the lock but while it does. */
static void
run_all (LpBenchErrands *self)
{
  GQueue taken = self->asked;

  g_queue_init (&self->asked);
  g_mutex_unlock (&self->lock);
  for (GList *link = taken.head; link != NULL; link = link->next)
    run (link->data);
  g_mutex_lock (&self->lock);

  if (self->answered.length == 0)
    g_source_set_ready_time (self->source, 0);
  move_all (&self->answered, &taken);
}

static gpointer
thread_main (gpointer data)
{
  LpBenchErrands *self = data;

  g_mutex_lock (&self->lock);
  self->n_awake++;
  while (!self->ends)
    {
      if (self->asked.length == 0 && !self->looking)
        look_out (self);

      if (self->asked.length > 0)
        run_all (self);
      else if (!self->ends)
        fall_asleep (self);
    }
  g_mutex_unlock (&self->lock);

  return NULL;
}

/* --- Who submits, and is told --- */

static void
done_cb (GObject *source, BenchErrand *errand, gpointer user_data)
{
  g_autoptr (GVariant) value = NULL;

  if (g_atomic_int_get (&errand->state) != ERRAND_DONE)
    g_error ("an errand was told before its end");
  value = g_variant_ref (errand->result);
  lp_bench_slot_done (user_data);
}

static void
start (LpBenchSlot *slot, gpointer data)
{
  LpBenchErrands *self = data;
  g_autoptr (BenchErrand) errand = g_object_new (BENCH_TYPE_ERRAND, NULL);

  errand->func = noop_func;
  errand->source = g_object_ref (self->source_object);
  errand->slot = slot;
  errand->callback = done_cb;
  errand->queued_at = g_get_monotonic_time ();
  g_object_ref (errand);

  g_mutex_lock (&self->lock);
  if (g_atomic_int_compare_and_exchange (&errand->state, ERRAND_NEW, ERRAND_QUEUED))
    g_queue_push_tail_link (&self->asked, &errand->link);
  if (self->looking)
    g_atomic_int_set (&self->offered, TRUE);
  else if (self->n_awake == 0)
    g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static gboolean
answered_cb (gpointer data)
{
  LpBenchErrands *self = data;
  GQueue answered;
  GList *link;

  g_mutex_lock (&self->lock);
  g_source_set_ready_time (self->source, -1);
  answered = self->answered;
  g_queue_init (&self->answered);
  g_mutex_unlock (&self->lock);

  while ((link = g_queue_pop_head_link (&answered)) != NULL)
    {
      BenchErrand *errand = link->data;

      if (answered.head != NULL)
        __builtin_prefetch (answered.head->data, TRUE);
      errand->callback (errand->source, errand, errand->slot);
      g_object_unref (errand->source);
      g_object_unref (errand);
    }

  return G_SOURCE_CONTINUE;
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  return callback (data);
}

static GSourceFuncs source_funcs = { .dispatch = dispatch };

double
lp_bench_errands_pass (gpointer data, guint n)
{
  return lp_bench_window (start, data, n, ((LpBenchErrands *) data)->in_flight);
}

void
lp_bench_errands_init (LpBenchErrands *self, guint in_flight)
{
  memset (self, 0, sizeof *self);
  self->in_flight = in_flight;
  self->source_object = g_object_new (G_TYPE_OBJECT, NULL);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->source = g_source_new (&source_funcs, sizeof (GSource));
  g_source_set_callback (self->source, answered_cb, self, NULL);
  g_source_attach (self->source, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (self->threads); i++)
    self->threads[i] = g_thread_new ("errands", thread_main, self);
}

void
lp_bench_errands_clear (LpBenchErrands *self)
{
  g_mutex_lock (&self->lock);
  self->ends = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < G_N_ELEMENTS (self->threads); i++)
    g_thread_join (self->threads[i]);
  g_source_destroy (self->source);
  g_source_unref (self->source);
  g_object_unref (self->source_object);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}
