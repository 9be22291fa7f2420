/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A manager tells what its named functions take and give, wherever they are. */

#include "config.h"

#include "lp-test.h"
#include "lp-test-conform.h"
#include "lp-test-proc.h"

/* NULL: any type. */
static void
assert_types (LpManager *manager, const char *name, const char *parameters, const char *result)
{
  g_autoptr (GVariantType) parameter_type = NULL;
  g_autoptr (GVariantType) result_type = NULL;
  g_autofree char *parameters_found = NULL;
  g_autofree char *result_found = NULL;

  g_assert_true (lp_manager_lookup_function (manager, name, &parameter_type, &result_type));
  g_assert_true (lp_manager_lookup_function (manager, name, NULL, NULL));
  parameters_found = parameter_type != NULL ? g_variant_type_dup_string (parameter_type) : NULL;
  result_found = result_type != NULL ? g_variant_type_dup_string (result_type) : NULL;
  g_assert_cmpstr (parameters_found, ==, parameters);
  g_assert_cmpstr (result_found, ==, result);
}

static void
assert_unknown (LpManager *manager, const char *name)
{
  GVariantType *parameter_type = (GVariantType *) G_VARIANT_TYPE_UNIT;
  GVariantType *result_type = (GVariantType *) G_VARIANT_TYPE_UNIT;

  g_assert_false (lp_manager_lookup_function (manager, name, &parameter_type, &result_type));
  g_assert_null (parameter_type);
  g_assert_null (result_type);
  g_assert_false (lp_manager_lookup_function (manager, name, NULL, NULL));
}

static void
test_declared_types_are_told (void)
{
  LpManager *manager = lp_test_start (1, NULL);

  assert_types (manager, "add", "(ii)", "(i)");
  assert_types (manager, "unit", "()", NULL);
  assert_types (manager, "liar", NULL, "(i)");
  assert_types (manager, "echo", NULL, NULL);
  lp_test_finish (manager);
}

static void
test_unknown_names_have_none (void)
{
  LpManager *manager = lp_test_start (1, NULL);

  assert_unknown (manager, "no-such");
  assert_unknown (manager, "");
  lp_test_finish (manager);
}

static void
test_known_from_start_to_start (void)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;

  assert_unknown (manager, "add");
  for (int i = 0; i < 2; i++)
    {
      g_assert_true (lp_manager_start (manager, NULL, &error));
      assert_types (manager, "add", "(ii)", "(i)");
      g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, &error));
      assert_types (manager, "add", "(ii)", "(i)");
    }
  g_assert_no_error (error);

  lp_manager_set_function_module (manager, NULL);
  lp_manager_set_functions (manager, NULL);
  if (!lp_test_has_processes ())
    {
      g_assert_true (lp_manager_start (manager, NULL, &error));
      assert_unknown (manager, "add");
    }
  lp_test_finish (manager);
}

static gpointer
look_up_main (gpointer data)
{
  assert_types (data, "add", "(ii)", "(i)");
  return NULL;
}

static void
test_any_thread_may_ask_while_executors_come_and_go (void)
{
  LpManager *manager = lp_test_start (2, NULL);

  for (int i = 0; i < 5; i++)
    {
      GThread *thread = g_thread_new ("look-up", look_up_main, manager);

      lp_manager_recycle (manager);
      g_thread_join (thread);
      lp_test_wait_stat (manager, "available", 1);
      assert_types (manager, "add", "(ii)", "(i)");
    }
  lp_test_finish (manager);
}

/* One that is written without the library need not say what it has. */
static void
test_programs_that_do_not_say (void)
{
  LpTestProc self;

  lp_test_proc_set_up (&self, "good");
  lp_test_proc_start (&self);
  assert_unknown (self.manager, "work");
  lp_test_proc_tear_down (&self);
}

int
main (int argc, char **argv)
{
  lp_test_proc_init (&argc, &argv);
  lp_test_conform_add_func ("/lookup-function/declared-types-are-told", test_declared_types_are_told);
  lp_test_conform_add_func ("/lookup-function/unknown-names-have-none", test_unknown_names_have_none);
  lp_test_conform_add_func ("/lookup-function/known-from-start-to-start", test_known_from_start_to_start);
  lp_test_conform_add_func ("/lookup-function/any-thread-may-ask", test_any_thread_may_ask_while_executors_come_and_go);
  g_test_add_func ("/process/lookup-function/programs-that-do-not-say", test_programs_that_do_not_say);
  return g_test_run ();
}
