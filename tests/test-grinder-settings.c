/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The settings of LpGrinder: every one with good values and bad ones. */

#include "config.h"

#include <math.h>

#include "lp-test-grinder.h"

#define TOO_LONG "at most 9223372036854 seconds"

typedef struct
{
  const char *name;
  double value;
  const char *rule;             /* NULL: a good value */
} NumberCase;

static const NumberCase number_cases[] = {
  { "max-wait-seconds", 0, "finite and > 0" },
  { "max-wait-seconds", -1, "finite and > 0" },
  { "max-wait-seconds", NAN, "finite and > 0" },
  { "max-wait-seconds", INFINITY, "finite and > 0" },
  { "max-wait-seconds", -INFINITY, "finite and > 0" },
  { "max-wait-seconds", 1e15, TOO_LONG },
  { "max-wait-seconds", 0.001, NULL },
  { "max-wait-seconds", 9223372036854.0, NULL },
  { "lease-seconds", 0, "finite and > 0" },
  { "lease-seconds", -1, "finite and > 0" },
  { "lease-seconds", NAN, "finite and > 0" },
  { "lease-seconds", INFINITY, "finite and > 0" },
  { "lease-seconds", -INFINITY, "finite and > 0" },
  { "lease-seconds", G_MAXDOUBLE, TOO_LONG },
  { "lease-seconds", 1, NULL },
  { "batch-size-threshold", 0, "> 0" },
  { "batch-size-threshold", -1, "> 0" },
  { "batch-size-threshold", G_MININT, "> 0" },
  { "batch-size-threshold", 1, NULL },
  { "batch-size-threshold", G_MAXINT, NULL },
  { "max-batch-size", -1, ">= 0" },
  { "max-batch-size", 0, NULL },
  { "max-batch-size", G_MAXINT, NULL },
  { "max-batches-in-flight", 0, "> 0" },
  { "max-batches-in-flight", -3, "> 0" },
  { "max-batches-in-flight", 1, NULL },
  { "max-batches-in-flight", G_MAXINT, NULL },
  { "max-pending", -1, ">= 0" },
  { "max-pending", 0, NULL },
  { "max-pending", G_MAXINT, NULL },
};

/* A message names the property, the value and the rule. */
static void
assert_judged (LpGrinder *grinder, const char *name, const char *rule)
{
  g_autoptr (GError) error = NULL;
  gboolean valid = lp_grinder_validate (grinder, &error);

  if (rule == NULL)
    {
      g_assert_no_error (error);
      g_assert_true (valid);
      return;
    }

  g_assert_false (valid);
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_true (g_str_has_prefix (error->message, name));
  g_assert_nonnull (strstr (error->message, rule));
  assert_start_fails (grinder, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
}

static void
set_number (LpGrinder *grinder, const char *name, double number)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (grinder), name);

  if (pspec->value_type == G_TYPE_INT)
    g_object_set (grinder, name, (int) number, NULL);
  else
    g_object_set (grinder, name, number, NULL);
}

static void
test_numbers (void)
{
  LpManager *manager = lp_test_start (1, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (number_cases); i++)
    {
      const NumberCase *row = &number_cases[i];
      LpGrinder *grinder = lp_grinder_new (manager);

      set_number (grinder, row->name, row->value);
      assert_judged (grinder, row->name, row->rule);
      g_assert_finalize_object (grinder);
    }
  lp_test_finish (manager);
}

static void
test_owner_prefix (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpGrinder *grinder = lp_grinder_new (manager);

  lp_grinder_set_owner_prefix (grinder, "");
  assert_judged (grinder, "owner-prefix", "non-empty");
  lp_grinder_set_owner_prefix (grinder, NULL);
  assert_judged (grinder, "owner-prefix", "a string");
  lp_grinder_set_owner_prefix (grinder, "two\nlines");
  assert_judged (grinder, "owner-prefix", "control characters");
  lp_grinder_set_owner_prefix (grinder, "\xff");
  assert_judged (grinder, "owner-prefix", "UTF-8");
  lp_grinder_set_owner_prefix (grinder, "mühle");
  assert_judged (grinder, "owner-prefix", NULL);
  g_assert_finalize_object (grinder);
  lp_test_finish (manager);
}

static void
test_defaults_and_accessors (void)
{
  LpManager *manager = lp_test_new (1);
  LpGrinder *grinder = lp_grinder_new (manager);

  g_assert_cmpfloat (lp_grinder_get_max_wait_seconds (grinder), ==, 10);
  g_assert_cmpint (lp_grinder_get_batch_size_threshold (grinder), ==, 20);
  g_assert_cmpint (lp_grinder_get_max_batch_size (grinder), ==, 0);
  g_assert_cmpint (lp_grinder_get_max_batches_in_flight (grinder), ==, 1);
  g_assert_cmpint (lp_grinder_get_max_pending (grinder), ==, 0);
  g_assert_cmpfloat (lp_grinder_get_lease_seconds (grinder), ==, 60);
  g_assert_cmpstr (lp_grinder_get_owner_prefix (grinder), ==, "work-grinder");

  lp_grinder_set_max_wait_seconds (grinder, 1.5);
  lp_grinder_set_batch_size_threshold (grinder, 2);
  lp_grinder_set_max_batch_size (grinder, 3);
  lp_grinder_set_max_batches_in_flight (grinder, 4);
  lp_grinder_set_max_pending (grinder, 5);
  lp_grinder_set_lease_seconds (grinder, 6.5);
  lp_grinder_set_owner_prefix (grinder, "seven");
  g_assert_cmpfloat (lp_grinder_get_max_wait_seconds (grinder), ==, 1.5);
  g_assert_cmpint (lp_grinder_get_batch_size_threshold (grinder), ==, 2);
  g_assert_cmpint (lp_grinder_get_max_batch_size (grinder), ==, 3);
  g_assert_cmpint (lp_grinder_get_max_batches_in_flight (grinder), ==, 4);
  g_assert_cmpint (lp_grinder_get_max_pending (grinder), ==, 5);
  g_assert_cmpfloat (lp_grinder_get_lease_seconds (grinder), ==, 6.5);
  g_assert_cmpstr (lp_grinder_get_owner_prefix (grinder), ==, "seven");
  g_assert_cmpuint (grinder_stat (grinder, "max_pending"), ==, 5);

  g_assert_finalize_object (grinder);
  g_assert_finalize_object (manager);
}

static void
count_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  (*(guint *) user_data)++;
}

static void
test_notified_when_changed (void)
{
  LpManager *manager = lp_test_new (1);
  LpGrinder *grinder = lp_grinder_new (manager);
  guint n = 0;

  g_signal_connect (grinder, "notify::max-pending", G_CALLBACK (count_cb), &n);
  lp_grinder_set_max_pending (grinder, 5);
  lp_grinder_set_max_pending (grinder, 5);
  g_assert_cmpuint (n, ==, 1);
  g_assert_finalize_object (grinder);
  g_assert_finalize_object (manager);
}

static void
test_frozen_while_it_runs (void)
{
  Fixture self = { NULL };

  set_up_with (&self, 1, 2, NULL);
  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, "*max-pending cannot be changed*");
  lp_grinder_set_max_pending (self.grinder, 7);
  g_test_assert_expected_messages ();
  g_assert_cmpint (lp_grinder_get_max_pending (self.grinder), ==, 0);
  assert_grinder_stops (self.grinder, LP_STOP_MODE_DRAIN);
  lp_grinder_set_max_pending (self.grinder, 7);
  g_assert_cmpint (lp_grinder_get_max_pending (self.grinder), ==, 7);
  tear_down (&self, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/grinder/settings/numbers", test_numbers);
  g_test_add_func ("/grinder/settings/owner-prefix", test_owner_prefix);
  g_test_add_func ("/grinder/settings/defaults-and-accessors", test_defaults_and_accessors);
  g_test_add_func ("/grinder/settings/notified-when-changed", test_notified_when_changed);
  g_test_add_func ("/grinder/settings/frozen-while-it-runs", test_frozen_while_it_runs);

  return g_test_run ();
}
