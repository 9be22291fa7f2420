/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "lp-histogram-private.h"

#define MINUTE (60 * G_TIME_SPAN_SECOND)

static double
lookup (const LpHistogram *histogram,
        const char        *key)
{
  g_autoptr(GVariant) summary = g_variant_ref_sink (lp_histogram_to_variant (histogram));
  double value;

  g_assert_cmpstr (g_variant_get_type_string (summary), ==, "a{sd}");
  g_assert_true (g_variant_lookup (summary, key, "d", &value));

  return value;
}

static void
assert_at_most_a_sixteenth_above (double value,
                                  double expected)
{
  g_assert_cmpfloat (value, >=, expected);
  g_assert_cmpfloat (value, <=, expected * (1.0 + 1.0 / 16.0));
}

static void
test_null_is_empty (void)
{
  const char *keys[] = { "count", "mean", "p50", "p95", "p99", "max" };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    g_assert_cmpfloat (lookup (NULL, keys[i]), ==, 0.0);

  lp_histogram_rotate (NULL, MINUTE);
  lp_histogram_free (NULL);
}

static void
test_add_allocates (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  lp_histogram_add (&histogram, 0, 1);

  g_assert_nonnull (histogram);
  g_assert_cmpfloat (lookup (histogram, "count"), ==, 1.0);
}

static void
test_one_value_is_exact (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  lp_histogram_add (&histogram, 0, 1234567);

  g_assert_cmpfloat (lookup (histogram, "mean"), ==, 1.234567);
  g_assert_cmpfloat (lookup (histogram, "p50"), ==, 1.234567);
  g_assert_cmpfloat (lookup (histogram, "p99"), ==, 1.234567);
  g_assert_cmpfloat (lookup (histogram, "max"), ==, 1.234567);
}

static void
test_negative_counts_as_zero (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  lp_histogram_add (&histogram, 0, -5);

  g_assert_cmpfloat (lookup (histogram, "count"), ==, 1.0);
  g_assert_cmpfloat (lookup (histogram, "max"), ==, 0.0);
}

static void
test_percentiles_are_within_a_sixteenth (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  for (gint64 value = 1; value <= 100000; value++)
    lp_histogram_add (&histogram, 0, value);

  assert_at_most_a_sixteenth_above (lookup (histogram, "p50"), 0.050);
  assert_at_most_a_sixteenth_above (lookup (histogram, "p95"), 0.095);
  assert_at_most_a_sixteenth_above (lookup (histogram, "p99"), 0.099);
  g_assert_cmpfloat (lookup (histogram, "max"), ==, 0.1);
  g_assert_cmpfloat_with_epsilon (lookup (histogram, "mean"), 0.0500005, 1e-12);
}

/* Both sides of every bucket boundary that is near a power of two. */
static void
test_every_power_is_within_a_sixteenth (void)
{
  for (guint power = 0; power < 63; power++)
    for (gint64 offset = -1; offset <= 1; offset++)
      {
        g_autoptr(LpHistogram) histogram = NULL;
        gint64 value = (G_GINT64_CONSTANT (1) << power) + offset;

        lp_histogram_add (&histogram, 0, value);
        lp_histogram_add (&histogram, 0, G_MAXINT64);

        assert_at_most_a_sixteenth_above (lookup (histogram, "p50"), (double) value / G_TIME_SPAN_SECOND);
      }
}

static void
test_previous_minute_is_kept (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  lp_histogram_add (&histogram, 0, 10);
  lp_histogram_add (&histogram, MINUTE, 20);

  g_assert_cmpfloat (lookup (histogram, "count"), ==, 2.0);
}

static void
test_older_minutes_are_forgotten (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  lp_histogram_add (&histogram, 0, 1000);
  lp_histogram_add (&histogram, MINUTE, 20);
  lp_histogram_add (&histogram, 2 * MINUTE, 30);

  g_assert_cmpfloat (lookup (histogram, "count"), ==, 2.0);
  g_assert_cmpfloat (lookup (histogram, "max"), ==, 0.00003);
}

static void
test_a_long_pause_forgets_all (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  lp_histogram_add (&histogram, 0, 1000);
  lp_histogram_add (&histogram, MINUTE, 1000);
  lp_histogram_add (&histogram, 10 * MINUTE, 30);

  g_assert_cmpfloat (lookup (histogram, "count"), ==, 1.0);
}

static void
test_rotate_forgets_without_adding (void)
{
  g_autoptr(LpHistogram) histogram = NULL;

  lp_histogram_add (&histogram, 0, 1000);

  lp_histogram_rotate (histogram, MINUTE);
  g_assert_cmpfloat (lookup (histogram, "count"), ==, 1.0);
  lp_histogram_rotate (histogram, 2 * MINUTE);
  g_assert_cmpfloat (lookup (histogram, "count"), ==, 0.0);
}

static void
test_merge_is_the_same_as_adding (void)
{
  g_autoptr(GRand) rand = g_rand_new_with_seed (1);
  g_autoptr(LpHistogram) even = NULL;
  g_autoptr(LpHistogram) odd = NULL;
  g_autoptr(LpHistogram) merged = NULL;
  g_autoptr(LpHistogram) whole = NULL;
  g_autoptr(GVariant) merged_summary = NULL;
  g_autoptr(GVariant) whole_summary = NULL;

  for (guint i = 0; i < 10000; i++)
    {
      gint64 value = (gint64) (g_rand_int (rand) >> g_rand_int_range (rand, 0, 32));

      lp_histogram_add (i % 2 == 0 ? &even : &odd, i * 10000, value);
      lp_histogram_add (&whole, i * 10000, value);
    }

  lp_histogram_merge (&merged, even);
  lp_histogram_merge (&merged, odd);

  merged_summary = g_variant_ref_sink (lp_histogram_to_variant (merged));
  whole_summary = g_variant_ref_sink (lp_histogram_to_variant (whole));
  g_assert_cmpvariant (merged_summary, whole_summary);
}

static void
test_merging_nothing_allocates_nothing (void)
{
  g_autoptr(LpHistogram) merged = NULL;

  lp_histogram_merge (&merged, NULL);

  g_assert_null (merged);
}

static void
test_merge_keeps_generations_apart (void)
{
  g_autoptr(LpHistogram) old = NULL;
  g_autoptr(LpHistogram) merged = NULL;

  lp_histogram_add (&old, 0, 1000);
  lp_histogram_add (&old, MINUTE, 20);
  lp_histogram_merge (&merged, old);

  lp_histogram_rotate (merged, 2 * MINUTE);

  g_assert_cmpfloat (lookup (merged, "count"), ==, 1.0);
  g_assert_cmpfloat (lookup (merged, "max"), ==, 0.00002);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/histogram/null-is-empty", test_null_is_empty);
  g_test_add_func ("/histogram/add-allocates", test_add_allocates);
  g_test_add_func ("/histogram/one-value-is-exact", test_one_value_is_exact);
  g_test_add_func ("/histogram/negative-counts-as-zero", test_negative_counts_as_zero);
  g_test_add_func ("/histogram/percentiles-are-within-a-sixteenth", test_percentiles_are_within_a_sixteenth);
  g_test_add_func ("/histogram/every-power-is-within-a-sixteenth", test_every_power_is_within_a_sixteenth);
  g_test_add_func ("/histogram/previous-minute-is-kept", test_previous_minute_is_kept);
  g_test_add_func ("/histogram/older-minutes-are-forgotten", test_older_minutes_are_forgotten);
  g_test_add_func ("/histogram/a-long-pause-forgets-all", test_a_long_pause_forgets_all);
  g_test_add_func ("/histogram/rotate-forgets-without-adding", test_rotate_forgets_without_adding);
  g_test_add_func ("/histogram/merge-is-the-same-as-adding", test_merge_is_the_same_as_adding);
  g_test_add_func ("/histogram/merging-nothing-allocates-nothing", test_merging_nothing_allocates_nothing);
  g_test_add_func ("/histogram/merge-keeps-generations-apart", test_merge_keeps_generations_apart);

  return g_test_run ();
}
