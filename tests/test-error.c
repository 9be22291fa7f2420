/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include <leasepool.h>

static void
test_domain_name (void)
{
  g_assert_cmpstr (g_quark_to_string (LP_ERROR), ==, "lp-error-quark");
  g_assert_cmpuint (LP_ERROR, ==, lp_error_quark ());
}

static void
test_enum_is_registered (void)
{
  g_autoptr(GEnumClass) klass = g_type_class_ref (LP_TYPE_ERROR);

  g_assert_cmpuint (klass->n_values, ==, LP_ERROR_REMOTE + 1);
  g_assert_cmpstr (g_enum_get_value (klass, LP_ERROR_FAILED)->value_nick, ==, "failed");
  g_assert_cmpstr (g_enum_get_value (klass, LP_ERROR_UNSUPPORTED_BACKEND)->value_nick, ==, "unsupported-backend");
  g_assert_cmpint (g_enum_get_value_by_nick (klass, "would-deadlock")->value, ==, LP_ERROR_WOULD_DEADLOCK);
}

static void
test_other_enums_are_registered (void)
{
  g_autoptr(GEnumClass) stop = g_type_class_ref (LP_TYPE_STOP_MODE);
  g_autoptr(GEnumClass) lease = g_type_class_ref (LP_TYPE_LEASE_STATE);
  g_autoptr(GEnumClass) job = g_type_class_ref (LP_TYPE_JOB_STATE);
  g_autoptr(GEnumClass) reason = g_type_class_ref (LP_TYPE_RETIRE_REASON);

  /* 0 is what a binding makes of a wrong string. */
  g_assert_null (g_enum_get_value (stop, 0));
  g_assert_cmpint (g_enum_get_value_by_nick (stop, "cancel")->value, ==, LP_STOP_MODE_CANCEL);
  g_assert_cmpint (g_enum_get_value_by_nick (lease, "draining")->value, ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpint (g_enum_get_value_by_nick (job, "new")->value, ==, 0);
  g_assert_cmpint (g_enum_get_value_by_nick (reason, "start-failed")->value, ==, LP_RETIRE_REASON_START_FAILED);
}

static void
test_version (void)
{
  g_assert_true (LP_CHECK_VERSION (LP_MAJOR_VERSION, LP_MINOR_VERSION, LP_MICRO_VERSION));
  g_assert_true (LP_CHECK_VERSION (0, 99, 99));
  g_assert_false (LP_CHECK_VERSION (LP_MAJOR_VERSION, LP_MINOR_VERSION, LP_MICRO_VERSION + 1));
  g_assert_false (LP_CHECK_VERSION (LP_MAJOR_VERSION, LP_MINOR_VERSION + 1, 0));
  g_assert_false (LP_CHECK_VERSION (LP_MAJOR_VERSION + 1, 0, 0));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/error/domain-name", test_domain_name);
  g_test_add_func ("/error/enum-is-registered", test_enum_is_registered);
  g_test_add_func ("/error/other-enums-are-registered", test_other_enums_are_registered);
  g_test_add_func ("/error/version", test_version);

  return g_test_run ();
}
