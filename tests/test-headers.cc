/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

/* The umbrella header compiles as C++, and what it declares links. */

#include <leasepool.h>

static void
test_types_from_cpp ()
{
  g_autoptr(LpRequest) request = lp_request_new ();
  g_autoptr(LpFunctions) functions = lp_functions_new ();
  LpStopMode mode = LP_STOP_MODE_DRAIN;

  lp_request_set_owner (request, "C++");
  g_assert_cmpstr (lp_request_get_owner (request), ==, "C++");
  g_assert_true (LP_IS_FUNCTIONS (functions));
  g_assert_cmpint (mode, ==, 2);
  g_assert_true (LP_CHECK_VERSION (0, 1, 0));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, nullptr);

  g_test_add_func ("/headers/types-from-cpp", test_types_from_cpp);

  return g_test_run ();
}
