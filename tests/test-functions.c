/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "lp-functions-private.h"

#include <leasepool.h>

#define N_THREADS 4
#define N_NAMES 500

static void
no_func (LpJob     *job,
         GVariant **result,
         gpointer   user_data,
         GError   **error)
{
  *result = g_variant_new ("()");
}

static void
count_destroyed (gpointer user_data)
{
  g_atomic_int_inc ((int *) user_data);
}

static void
assert_added (LpFunctions *functions,
              const char  *name,
              int         *destroyed)
{
  g_autoptr(GError) error = NULL;

  g_assert_true (lp_functions_add (functions, name, NULL, NULL, no_func, destroyed,
                                   destroyed != NULL ? count_destroyed : NULL, &error));
  g_assert_no_error (error);
}

static void
assert_refused (LpFunctions *functions,
                const char  *name,
                const char  *part_of_message)
{
  g_autoptr(GError) error = NULL;
  int destroyed = 0;

  g_assert_false (lp_functions_add (functions, name, NULL, NULL, no_func, &destroyed, count_destroyed, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, part_of_message));
  g_assert_true (g_utf8_validate (error->message, -1, NULL));

  /* A refusal owns the user data as well. */
  g_assert_cmpint (destroyed, ==, 1);
}

static void
test_lookup_returns_types (void)
{
  LpFunctions *functions = lp_functions_new ();
  const GVariantType *parameter_type = NULL, *result_type = NULL;

  g_assert_true (lp_functions_add (functions, "add", G_VARIANT_TYPE ("(ii)"), G_VARIANT_TYPE ("(i)"),
                                   no_func, NULL, NULL, NULL));

  g_assert_true (lp_functions_lookup (functions, "add", &parameter_type, &result_type));
  g_assert_true (g_variant_type_equal (parameter_type, G_VARIANT_TYPE ("(ii)")));
  g_assert_true (g_variant_type_equal (result_type, G_VARIANT_TYPE ("(i)")));
  g_assert_true (lp_functions_lookup (functions, "add", NULL, NULL));

  g_assert_finalize_object (functions);
}

static void
test_lookup_without_types (void)
{
  LpFunctions *functions = lp_functions_new ();
  const GVariantType *parameter_type = G_VARIANT_TYPE_UNIT, *result_type = G_VARIANT_TYPE_UNIT;

  assert_added (functions, "any", NULL);

  g_assert_true (lp_functions_lookup (functions, "any", &parameter_type, &result_type));
  g_assert_null (parameter_type);
  g_assert_null (result_type);

  g_assert_finalize_object (functions);
}

static void
test_lookup_of_unknown_name (void)
{
  LpFunctions *functions = lp_functions_new ();
  const GVariantType *parameter_type = G_VARIANT_TYPE_UNIT, *result_type = G_VARIANT_TYPE_UNIT;

  g_assert_false (lp_functions_lookup (functions, "nobody", &parameter_type, &result_type));
  g_assert_null (parameter_type);
  g_assert_null (result_type);
  g_assert_null (lp_functions_ref_function (functions, "nobody"));

  g_assert_finalize_object (functions);
}

static void
test_names_are_compared_exactly (void)
{
  LpFunctions *functions = lp_functions_new ();

  assert_added (functions, "grüße", NULL);
  assert_added (functions, "Grüße", NULL);
  g_assert_false (lp_functions_lookup (functions, "GRÜSSE", NULL, NULL));

  g_assert_finalize_object (functions);
}

static void
test_empty_name_is_refused (void)
{
  LpFunctions *functions = lp_functions_new ();

  assert_refused (functions, "", "empty");

  g_assert_finalize_object (functions);
}

static void
test_name_must_be_utf8 (void)
{
  LpFunctions *functions = lp_functions_new ();

  assert_refused (functions, "caf\xe9", "caf\\351");
  g_assert_false (lp_functions_lookup (functions, "caf\xe9", NULL, NULL));

  g_assert_finalize_object (functions);
}

static void
test_second_name_is_refused (void)
{
  LpFunctions *functions = lp_functions_new ();
  int destroyed = 0;

  assert_added (functions, "twice", &destroyed);
  assert_refused (functions, "twice", "twice");
  g_assert_cmpint (destroyed, ==, 0);

  g_assert_finalize_object (functions);
  g_assert_cmpint (destroyed, ==, 1);
}

static void
test_names_are_listed_in_order (void)
{
  LpFunctions *functions = lp_functions_new ();
  g_auto(GStrv) none = lp_functions_list_names (functions);
  g_auto(GStrv) names = NULL;
  const char * const expected[] = { "Z", "a", "b", "ä", NULL };

  g_assert_nonnull (none);
  g_assert_cmpuint (g_strv_length (none), ==, 0);

  assert_added (functions, "b", NULL);
  assert_added (functions, "ä", NULL);
  assert_added (functions, "a", NULL);
  assert_added (functions, "Z", NULL);

  names = lp_functions_list_names (functions);
  g_assert_cmpstrv (names, expected);

  g_assert_finalize_object (functions);
}

static void
test_types_and_names_are_copied (void)
{
  LpFunctions *functions = lp_functions_new ();
  GVariantType *type = g_variant_type_new ("(s)");
  const GVariantType *parameter_type;
  char name[] = "copied";

  g_assert_true (lp_functions_add (functions, name, type, NULL, no_func, NULL, NULL, NULL));
  g_variant_type_free (type);
  name[0] = 'X';

  g_assert_true (lp_functions_lookup (functions, "copied", &parameter_type, NULL));
  g_assert_true (g_variant_type_equal (parameter_type, G_VARIANT_TYPE ("(s)")));

  g_assert_finalize_object (functions);
}

/* A job that still runs keeps the function of a table that is gone. */
static void
test_function_outlives_table (void)
{
  LpFunctions *functions = lp_functions_new ();
  int destroyed = 0;
  LpFunction *function;

  assert_added (functions, "long", &destroyed);
  function = lp_functions_ref_function (functions, "long");
  g_assert_nonnull (function);
  g_assert_cmpstr (function->name, ==, "long");
  g_assert_true (function->func == no_func);
  g_assert_true (function->user_data == &destroyed);

  g_assert_finalize_object (functions);
  g_assert_cmpint (destroyed, ==, 0);

  lp_function_unref (function);
  g_assert_cmpint (destroyed, ==, 1);
}

/* The destroy notify runs without the lock: it may use the table of another manager, or drop one. */
static void
drop_table (gpointer user_data)
{
  LpFunctions *other = user_data;
  g_auto(GStrv) names = lp_functions_list_names (other);

  g_assert_cmpuint (g_strv_length (names), ==, 1);
  g_object_unref (other);
}

static void
test_destroy_may_drop_another_table (void)
{
  LpFunctions *functions = lp_functions_new ();
  LpFunctions *other = lp_functions_new ();
  int destroyed = 0;

  assert_added (other, "inner", &destroyed);
  g_assert_true (lp_functions_add (functions, "outer", NULL, NULL, no_func, other, drop_table, NULL));

  g_assert_finalize_object (functions);
  g_assert_cmpint (destroyed, ==, 1);
}

typedef struct
{
  LpFunctions *functions;
  int n_added;   /* (atomic) */
  int destroyed; /* (atomic) */
} Race;

static gpointer
race_thread (gpointer user_data)
{
  Race *race = user_data;

  for (int i = 0; i < N_NAMES; i++)
    {
      g_autofree char *name = g_strdup_printf ("name-%d", i);
      g_autoptr(LpFunction) function = NULL;
      g_auto(GStrv) names = NULL;
      const GVariantType *type = NULL;

      if (lp_functions_add (race->functions, name, G_VARIANT_TYPE ("(s)"), NULL, no_func,
                            &race->destroyed, count_destroyed, NULL))
        g_atomic_int_inc (&race->n_added);

      g_assert_true (lp_functions_lookup (race->functions, name, &type, NULL));
      g_assert_true (g_variant_type_equal (type, G_VARIANT_TYPE ("(s)")));

      function = lp_functions_ref_function (race->functions, name);
      g_assert_nonnull (function);

      if (i % 50 == 0)
        {
          names = lp_functions_list_names (race->functions);
          g_assert_true (g_strv_contains ((const char * const *) names, name));
        }
    }

  return NULL;
}

static void
test_adding_races_with_lookups (void)
{
  Race race = { lp_functions_new (), 0, 0 };
  GThread *threads[N_THREADS];

  for (int i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("race", race_thread, &race);
  for (int i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  /* Each name once, and each refused addition destroyed its data. */
  g_assert_cmpint (race.n_added, ==, N_NAMES);
  g_assert_cmpint (race.destroyed, ==, (N_THREADS - 1) * N_NAMES);

  g_assert_finalize_object (race.functions);
  g_assert_cmpint (race.destroyed, ==, N_THREADS * N_NAMES);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/functions/lookup-returns-types", test_lookup_returns_types);
  g_test_add_func ("/functions/lookup-without-types", test_lookup_without_types);
  g_test_add_func ("/functions/lookup-of-unknown-name", test_lookup_of_unknown_name);
  g_test_add_func ("/functions/names-are-compared-exactly", test_names_are_compared_exactly);
  g_test_add_func ("/functions/empty-name-is-refused", test_empty_name_is_refused);
  g_test_add_func ("/functions/name-must-be-utf8", test_name_must_be_utf8);
  g_test_add_func ("/functions/second-name-is-refused", test_second_name_is_refused);
  g_test_add_func ("/functions/names-are-listed-in-order", test_names_are_listed_in_order);
  g_test_add_func ("/functions/types-and-names-are-copied", test_types_and_names_are_copied);
  g_test_add_func ("/functions/function-outlives-table", test_function_outlives_table);
  g_test_add_func ("/functions/destroy-may-drop-another-table", test_destroy_may_drop_another_table);
  g_test_add_func ("/functions/adding-races-with-lookups", test_adding_races_with_lookups);

  return g_test_run ();
}
