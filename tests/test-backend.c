/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "lp-backend-private.h"

#include <leasepool.h>

/* Two backends of a program: one that can be used, one that cannot, because its type is abstract. */
typedef struct
{
  LpExecutor parent_instance;
} TestExecutor;

typedef struct
{
  LpExecutorClass parent_class;
} TestExecutorClass;

typedef TestExecutor TestAbstract;
typedef TestExecutorClass TestAbstractClass;

GType test_executor_get_type (void);
GType test_abstract_get_type (void);

G_DEFINE_TYPE (TestExecutor, test_executor, LP_TYPE_EXECUTOR)
G_DEFINE_ABSTRACT_TYPE (TestAbstract, test_abstract, LP_TYPE_EXECUTOR)

static void
test_executor_class_init (TestExecutorClass *klass)
{
}

static void
test_executor_init (TestExecutor *self)
{
}

static void
test_abstract_class_init (TestAbstractClass *klass)
{
}

static void
test_abstract_init (TestAbstract *self)
{
}

/* The extension point is there as soon as a subclass can be: nothing of the library was called before. */
static void
implement_backends (void)
{
  GType executor = test_executor_get_type ();
  GType abstract = test_abstract_get_type ();

  g_assert_nonnull (g_io_extension_point_implement (LP_EXECUTOR_EXTENSION_POINT_NAME, executor, "test-Own", 0));
  g_assert_nonnull (g_io_extension_point_implement (LP_EXECUTOR_EXTENSION_POINT_NAME, executor, "Thread", 100));
  g_assert_nonnull (g_io_extension_point_implement (LP_EXECUTOR_EXTENSION_POINT_NAME, abstract, "test-abstract", 0));
}

static void
test_thread_is_built_in (void)
{
  g_assert_true (lp_backend_is_available (LP_BACKEND_THREAD));
  g_assert_true (lp_backend_resolve (LP_BACKEND_THREAD, NULL) == LP_TYPE_THREAD_EXECUTOR);
}

static void
test_names_are_compared_without_case (void)
{
  g_assert_true (lp_backend_is_available ("THREAD"));
  g_assert_true (lp_backend_is_available ("Test-oWN"));
  g_assert_true (lp_backend_resolve ("tEsT-own", NULL) == test_executor_get_type ());
}

static void
test_own_names_win (void)
{
  g_assert_true (lp_backend_resolve ("Thread", NULL) == LP_TYPE_THREAD_EXECUTOR);
}

static void
test_abstract_type_is_no_backend (void)
{
  g_assert_false (lp_backend_is_available ("test-abstract"));
}

static void
test_list_is_sorted_and_unique (void)
{
  g_auto(GStrv) names = lp_backend_list ();
  guint n_threads = 0;

  g_assert_true (g_strv_contains ((const char * const *) names, "test-Own"));
  g_assert_false (g_strv_contains ((const char * const *) names, "test-abstract"));

  for (guint i = 0; names[i] != NULL; i++)
    {
      g_assert_true (lp_backend_is_available (names[i]));
      n_threads += g_ascii_strcasecmp (names[i], "thread") == 0;
      if (i > 0)
        g_assert_cmpint (g_ascii_strcasecmp (names[i - 1], names[i]), <, 0);
    }

  g_assert_cmpuint (n_threads, ==, 1);
}

static void
test_unknown_name_lists_those_there_are (void)
{
  g_autoptr(GError) error = NULL;

  g_assert_true (lp_backend_resolve ("Quantum", &error) == G_TYPE_INVALID);
  g_assert_error (error, LP_ERROR, LP_ERROR_UNSUPPORTED_BACKEND);
  g_assert_nonnull (strstr (error->message, "“Quantum”"));
  g_assert_nonnull (strstr (error->message, "test-Own, thread"));

  g_assert_false (lp_backend_is_available ("Quantum"));
  g_assert_false (lp_backend_is_available (""));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  implement_backends ();

  g_test_add_func ("/backend/thread-is-built-in", test_thread_is_built_in);
  g_test_add_func ("/backend/names-are-compared-without-case", test_names_are_compared_without_case);
  g_test_add_func ("/backend/own-names-win", test_own_names_win);
  g_test_add_func ("/backend/abstract-type-is-no-backend", test_abstract_type_is_no_backend);
  g_test_add_func ("/backend/list-is-sorted-and-unique", test_list_is_sorted_and_unique);
  g_test_add_func ("/backend/unknown-name-lists-those-there-are", test_unknown_name_lists_those_there_are);

  return g_test_run ();
}
