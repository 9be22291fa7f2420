/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-histogram-private.h"

#include <math.h>
#include <string.h>

/*
 * Each power of two is cut into 16 buckets of equal width, and durations below
 * 16 us have a bucket each. A bucket is at most 1/16 of its lower end wide,
 * which bounds the error of a percentile to 6.25 %, from microseconds to
 * centuries, in one fixed array: adding is O(1) and merging is a sum.
 *
 * The window is two generations. The current one takes what is added; after 60
 * s it becomes the previous one and what was previous is forgotten. Readers see
 * both, so between 60 and 120 s of history.
 */
#define SUB_BITS 4
#define N_SUB_BUCKETS (1 << SUB_BITS)
/* The highest bit of a positive gint64 is 62; powers SUB_BITS to 62 follow
 * the linear part. */
#define N_BUCKETS ((62 - SUB_BITS + 2) * N_SUB_BUCKETS)

#define GENERATION_TIME (60 * G_TIME_SPAN_SECOND)

typedef struct
{
  guint64 count;
  guint64 sum;
  guint64 max;
  guint32 buckets[N_BUCKETS];
} Generation;

struct _LpHistogram
{
  gint64     started; /* when `current` began */
  Generation current;
  Generation previous;
};

static guint
bucket_of (guint64 value)
{
  guint power, sub;

  if (value < N_SUB_BUCKETS)
    return (guint) value;

  power = 63 - (guint) __builtin_clzll (value);
  sub = (guint) (value >> (power - SUB_BITS)) & (N_SUB_BUCKETS - 1);

  return (power - SUB_BITS + 1) * N_SUB_BUCKETS + sub;
}

/* The largest value that falls into a bucket. */
static guint64
bucket_end (guint bucket)
{
  guint shift;
  guint64 sub;

  if (bucket < N_SUB_BUCKETS)
    return bucket;

  shift = bucket / N_SUB_BUCKETS - 1;
  sub = N_SUB_BUCKETS + bucket % N_SUB_BUCKETS;
  return ((sub + 1) << shift) - 1;
}

static void
generation_add (Generation *self,
                guint64     value)
{
  self->count++;
  self->sum += value;
  self->max = MAX (self->max, value);
  self->buckets[bucket_of (value)]++;
}

static void
generation_merge (Generation       *into,
                  const Generation *from)
{
  if (from->count == 0)
    return;

  into->count += from->count;
  into->sum += from->sum;
  into->max = MAX (into->max, from->max);
  for (guint i = 0; i < N_BUCKETS; i++)
    into->buckets[i] += from->buckets[i];
}

static LpHistogram *
histogram_new (gint64 now)
{
  LpHistogram *histogram = g_new0 (LpHistogram, 1);

  histogram->started = now;

  return histogram;
}

/*
 * lp_histogram_rotate:
 * @histogram: (nullable): a histogram
 * @now: the time
 *
 * Forgets what has left the window. Adding does this too; a reader calls it
 * first, or it shows the last busy minute of an owner that has been idle since.
 */
void
lp_histogram_rotate (LpHistogram *histogram,
                     gint64       now)
{
  gint64 age;

  if (histogram == NULL)
    return;

  age = now - histogram->started;
  if (age < GENERATION_TIME)
    return;

  if (age < 2 * GENERATION_TIME)
    {
      histogram->previous = histogram->current;
      histogram->started += GENERATION_TIME;
    }
  else
    {
      memset (&histogram->previous, 0, sizeof histogram->previous);
      histogram->started = now;
    }

  memset (&histogram->current, 0, sizeof histogram->current);
}

/*
 * lp_histogram_add:
 * @histogram: (inout): a histogram, made here if it is %NULL
 * @now: the time
 * @duration: a duration; a negative one counts as 0
 *
 * Adds one duration in constant time.
 */
void
lp_histogram_add (LpHistogram **histogram,
                  gint64        now,
                  gint64        duration)
{
  if (*histogram == NULL)
    *histogram = histogram_new (now);

  lp_histogram_rotate (*histogram, now);
  generation_add (&(*histogram)->current, (guint64) MAX (duration, 0));
}

/*
 * lp_histogram_merge:
 * @into: (inout): a histogram, made here if it is %NULL and there is something
 *   to merge
 * @from: (nullable): another one
 *
 * Adds what @from holds to @into, each generation to its own. Rotate both to
 * the same time before.
 */
void
lp_histogram_merge (LpHistogram       **into,
                    const LpHistogram  *from)
{
  if (from == NULL)
    return;

  if (*into == NULL)
    *into = histogram_new (from->started);

  generation_merge (&(*into)->current, &from->current);
  generation_merge (&(*into)->previous, &from->previous);
}

/* The smallest bucket end that @fraction of the values do not exceed, never
 * more than the maximum. */
static guint64
percentile (const Generation *all,
            double            fraction)
{
  guint64 rank = (guint64) ceil (fraction * (double) all->count);
  guint64 seen = 0;

  for (guint i = 0; i < N_BUCKETS; i++)
    {
      seen += all->buckets[i];
      if (seen >= rank)
        return MIN (bucket_end (i), all->max);
    }

  return all->max;
}

static void
add_seconds (GVariantBuilder *builder,
             const char      *key,
             double           microseconds)
{
  g_variant_builder_add (builder, "{sd}", key, microseconds / G_TIME_SPAN_SECOND);
}

/*
 * lp_histogram_to_variant:
 * @histogram: (nullable): a histogram
 *
 * Returns: (transfer floating): a dictionary `a{sd}` with `count`, and in
 *   seconds `mean`, `p50`, `p95`, `p99` and `max`; all 0 if nothing was added.
 *   A percentile is at most 6.25 % above the true one and never below it.
 */
GVariant *
lp_histogram_to_variant (const LpHistogram *histogram)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sd}"));
  Generation all = { 0, };

  if (histogram != NULL)
    {
      generation_merge (&all, &histogram->current);
      generation_merge (&all, &histogram->previous);
    }

  g_variant_builder_add (&builder, "{sd}", "count", (double) all.count);
  add_seconds (&builder, "mean", all.count > 0 ? (double) all.sum / (double) all.count : 0.0);
  add_seconds (&builder, "p50", (double) percentile (&all, 0.50));
  add_seconds (&builder, "p95", (double) percentile (&all, 0.95));
  add_seconds (&builder, "p99", (double) percentile (&all, 0.99));
  add_seconds (&builder, "max", (double) all.max);

  return g_variant_builder_end (&builder);
}

void
lp_histogram_free (LpHistogram *histogram)
{
  g_free (histogram);
}
