/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

/* An LpRequest alone: it knows of no backend. What an acquire makes of one is in test-acquire*.c and test-waiters.c, on
 * each. */

#include "lp-request-private.h"

#include <leasepool.h>
#include <math.h>

static void
count_cb (GObject    *object,
          GParamSpec *pspec,
          gpointer    user_data)
{
  guint *count = user_data;

  *count += 1;
}

static void
test_defaults (void)
{
  LpRequest *request = lp_request_new ();

  g_assert_null (lp_request_get_owner (request));
  g_assert_cmpfloat (lp_request_get_lease_seconds (request), ==, -1.0);
  g_assert_true (lp_request_get_wait (request));
  g_assert_cmpfloat (lp_request_get_timeout (request), ==, -1.0);
  g_assert_cmpint (lp_request_get_priority (request), ==, 0);

  g_assert_finalize_object (request);
}

static void
test_defaults_are_those_of_the_specs (void)
{
  LpRequest *request = lp_request_new ();
  g_autofree GParamSpec **pspecs = NULL;
  guint n_pspecs;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (request), &n_pspecs);
  g_assert_cmpuint (n_pspecs, ==, 5);

  for (guint i = 0; i < n_pspecs; i++)
    {
      g_auto(GValue) value = G_VALUE_INIT;

      g_object_get_property (G_OBJECT (request), pspecs[i]->name, &value);
      g_assert_true (g_param_value_defaults (pspecs[i], &value));
    }

  g_assert_finalize_object (request);
}

static void
test_properties_and_methods_agree (void)
{
  LpRequest *request = g_object_new (LP_TYPE_REQUEST,
                                     "owner", "anna",
                                     "lease-seconds", 12.5,
                                     "wait", FALSE,
                                     "timeout", 0.25,
                                     "priority", G_MININT,
                                     NULL);
  g_autofree char *owner = NULL;
  double lease_seconds, timeout;
  gboolean wait;
  int priority;

  g_assert_cmpstr (lp_request_get_owner (request), ==, "anna");
  g_assert_cmpfloat (lp_request_get_lease_seconds (request), ==, 12.5);
  g_assert_false (lp_request_get_wait (request));
  g_assert_cmpfloat (lp_request_get_timeout (request), ==, 0.25);
  g_assert_cmpint (lp_request_get_priority (request), ==, G_MININT);

  lp_request_set_owner (request, "bert");
  lp_request_set_lease_seconds (request, 3.0);
  lp_request_set_wait (request, 7);
  lp_request_set_timeout (request, 0.0);
  lp_request_set_priority (request, G_MAXINT);

  g_object_get (request,
                "owner", &owner,
                "lease-seconds", &lease_seconds,
                "wait", &wait,
                "timeout", &timeout,
                "priority", &priority,
                NULL);
  g_assert_cmpstr (owner, ==, "bert");
  g_assert_cmpfloat (lease_seconds, ==, 3.0);
  g_assert_cmpint (wait, ==, TRUE);
  g_assert_cmpfloat (timeout, ==, 0.0);
  g_assert_cmpint (priority, ==, G_MAXINT);

  lp_request_set_owner (request, NULL);
  g_assert_null (lp_request_get_owner (request));

  g_assert_finalize_object (request);
}

static void
test_notify_only_on_change (void)
{
  LpRequest *request = lp_request_new ();
  guint count = 0;

  g_signal_connect (request, "notify", G_CALLBACK (count_cb), &count);

  lp_request_set_owner (request, NULL);
  lp_request_set_lease_seconds (request, -1.0);
  lp_request_set_wait (request, 5);
  lp_request_set_timeout (request, -1.0);
  lp_request_set_priority (request, 0);
  g_object_set (request, "wait", TRUE, "owner", NULL, NULL);
  g_assert_cmpuint (count, ==, 0);

  lp_request_set_owner (request, "anna");
  lp_request_set_owner (request, "anna");
  lp_request_set_lease_seconds (request, 1.0);
  lp_request_set_wait (request, FALSE);
  lp_request_set_timeout (request, 1.0);
  lp_request_set_priority (request, 1);
  g_assert_cmpuint (count, ==, 5);

  g_assert_finalize_object (request);
}

static void
test_owner_set_to_itself (void)
{
  LpRequest *request = lp_request_new ();

  lp_request_set_owner (request, "anna");
  lp_request_set_owner (request, lp_request_get_owner (request));
  g_assert_cmpstr (lp_request_get_owner (request), ==, "anna");

  lp_request_set_owner (request, lp_request_get_owner (request) + 2);
  g_assert_cmpstr (lp_request_get_owner (request), ==, "na");

  g_assert_finalize_object (request);
}

/* A value no rule allows still reaches validation, by property as by method. */
static void
test_every_number_arrives (void)
{
  LpRequest *request = lp_request_new ();

  g_object_set (request, "lease-seconds", -INFINITY, "timeout", (double) INFINITY, NULL);
  g_assert_true (isinf (lp_request_get_lease_seconds (request)));
  g_assert_cmpfloat (lp_request_get_lease_seconds (request), <, 0.0);
  g_assert_true (isinf (lp_request_get_timeout (request)));

  g_object_set (request, "lease-seconds", (double) NAN, "timeout", -7.0, NULL);
  g_assert_true (isnan (lp_request_get_lease_seconds (request)));
  g_assert_cmpfloat (lp_request_get_timeout (request), ==, -7.0);

  g_assert_finalize_object (request);
}

static void
test_null_is_valid (void)
{
  g_autoptr(GError) error = NULL;

  g_assert_true (lp_request_validate (NULL, &error));
  g_assert_no_error (error);
}

static void
test_defaults_are_valid (void)
{
  LpRequest *request = lp_request_new ();
  g_autoptr(GError) error = NULL;

  g_assert_true (lp_request_validate (request, &error));
  g_assert_no_error (error);

  g_assert_finalize_object (request);
}

static void
assert_refused (LpRequest  *request,
                const char *property,
                const char *value)
{
  g_autoptr(GError) error = NULL;

  g_assert_false (lp_request_validate (request, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, property));
  g_assert_nonnull (strstr (error->message, value));
  g_assert_nonnull (strstr (error->message, "finite"));

  g_assert_false (lp_request_validate (request, NULL));
}

static void
test_rule_of_lease_seconds (void)
{
  static const struct { double value; const char *shown; } bad[] = {
    { 0.0, "is 0:" }, { -0.5, "is -0.5:" }, { -2.0, "is -2:" }, { NAN, "nan" }, { INFINITY, "is inf:" },
    { -INFINITY, "is -inf:" },
  };
  static const double good[] = { -1.0, 1e-6, 1.0, 1e300 };
  LpRequest *request = lp_request_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      lp_request_set_lease_seconds (request, bad[i].value);
      assert_refused (request, "lease-seconds", bad[i].shown);
    }

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      lp_request_set_lease_seconds (request, good[i]);
      g_assert_true (lp_request_validate (request, NULL));
    }

  g_assert_finalize_object (request);
}

static void
test_rule_of_timeout (void)
{
  static const struct { double value; const char *shown; } bad[] = {
    { -0.5, "is -0.5:" }, { -2.0, "is -2:" }, { NAN, "nan" }, { INFINITY, "is inf:" }, { -INFINITY, "is -inf:" },
  };
  static const double good[] = { -1.0, 0.0, 1e-6, 1e300 };
  LpRequest *request = lp_request_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      lp_request_set_timeout (request, bad[i].value);
      assert_refused (request, "timeout", bad[i].shown);
    }

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    {
      lp_request_set_timeout (request, good[i]);
      g_assert_true (lp_request_validate (request, NULL));
    }

  g_assert_finalize_object (request);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/request/defaults", test_defaults);
  g_test_add_func ("/request/defaults-are-those-of-the-specs", test_defaults_are_those_of_the_specs);
  g_test_add_func ("/request/properties-and-methods-agree", test_properties_and_methods_agree);
  g_test_add_func ("/request/notify-only-on-change", test_notify_only_on_change);
  g_test_add_func ("/request/owner-set-to-itself", test_owner_set_to_itself);
  g_test_add_func ("/request/every-number-arrives", test_every_number_arrives);
  g_test_add_func ("/request/null-is-valid", test_null_is_valid);
  g_test_add_func ("/request/defaults-are-valid", test_defaults_are_valid);
  g_test_add_func ("/request/rule-of-lease-seconds", test_rule_of_lease_seconds);
  g_test_add_func ("/request/rule-of-timeout", test_rule_of_timeout);

  return g_test_run ();
}
