/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

#include "config.h"

#include "lp-functions-private.h"
#include "lp-module-private.h"

#include <glib/gstdio.h>
#include <leasepool.h>

static void
assert_loads (const char *name_or_path)
{
  LpFunctions *functions = lp_functions_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) result = NULL;
  LpFunction *function;

  g_assert_true (lp_module_load (name_or_path, functions, &error));
  g_assert_no_error (error);

  function = lp_functions_ref_function (functions, "answer");
  g_assert_nonnull (function);
  g_assert_true (g_variant_type_equal (function->result_type, G_VARIANT_TYPE_INT32));
  function->func (NULL, &result, function->user_data, &error);
  g_variant_take_ref (result);
  g_assert_cmpint (g_variant_get_int32 (result), ==, 42);

  lp_function_unref (function);
  g_assert_finalize_object (functions);
}

/* Each of @parts, ended by NULL, is in the message. */
static void
assert_refused (const char *name_or_path,
                ...)
{
  LpFunctions *functions = lp_functions_new ();
  g_autoptr(GError) error = NULL;
  const char *part;
  va_list parts;

  g_assert_false (lp_module_load (name_or_path, functions, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_INVALID_ARGUMENT);
  g_test_message ("%s", error->message);

  va_start (parts, name_or_path);
  while ((part = va_arg (parts, const char *)) != NULL)
    g_assert_nonnull (strstr (error->message, part));
  va_end (parts);

  g_assert_finalize_object (functions);
}

static void
test_absolute_path (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_BUILT, "test-module-good.so", NULL);

  assert_loads (path);
}

static void
test_name_is_searched (void)
{
  /* As NAME, and as NAME.so. */
  assert_loads ("test-module-good.so");
  assert_loads ("test-module-good");
}

static void
test_name_with_lib (void)
{
  g_autofree char *directory = g_dir_make_tmp ("leasepool-test-XXXXXX", NULL);
  g_autofree char *target = g_test_build_filename (G_TEST_BUILT, "test-module-good.so", NULL);
  g_autofree char *link = g_build_filename (directory, "libwith-lib.so", NULL);
  g_autofree char *search_path = g_strdup_printf ("::relative:/nowhere/at/all:%s", directory);
  g_autofree char *old = g_strdup (g_getenv ("LP_MODULE_PATH"));

  g_assert_no_errno (symlink (target, link));
  g_setenv ("LP_MODULE_PATH", search_path, TRUE);

  assert_loads ("with-lib");

  g_setenv ("LP_MODULE_PATH", old, TRUE);
  g_assert_no_errno (g_unlink (link));
  g_assert_no_errno (g_rmdir (directory));
}

static void
test_unknown_name_lists_what_was_tried (void)
{
  g_autofree char *as_is = g_test_build_filename (G_TEST_BUILT, "no-such-module: ", NULL);
  g_autofree char *with_lib = g_test_build_filename (G_TEST_BUILT, "libno-such-module.so: ", NULL);
  g_autofree char *with_suffix = g_test_build_filename (G_TEST_BUILT, "no-such-module.so: ", NULL);

  assert_refused ("no-such-module", as_is, with_lib, with_suffix, LP_MODULE_DIR "/libno-such-module.so: ",
                  "no such file", NULL);
}

static void
test_relative_directory_is_ignored (void)
{
  g_autofree char *old = g_strdup (g_getenv ("LP_MODULE_PATH"));

  g_setenv ("LP_MODULE_PATH", ".", TRUE);
  assert_refused ("test-module-good", ".: not an absolute directory", NULL);
  g_setenv ("LP_MODULE_PATH", old, TRUE);
}

static void
test_relative_path_is_refused (void)
{
  assert_refused ("./test-module-good.so", "relative path", NULL);
  assert_refused ("../test-module-good.so", "relative path", NULL);
}

static void
test_empty_name_is_refused (void)
{
  assert_refused ("", "empty", NULL);
}

static void
test_directory_is_refused (void)
{
  assert_refused ("/", "not a regular file", NULL);
  assert_refused ("..", "not a regular file", NULL);
}

static void
test_missing_file_is_refused (void)
{
  assert_refused ("/no/such/module.so", "/no/such/module.so: no such file", NULL);
}

static void
test_file_that_is_no_module_is_refused (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "test-module-load.c", NULL);

  assert_refused (path, path, NULL);
}

static void
test_module_without_register_function_is_refused (void)
{
  assert_refused ("test-module-empty", "does not export lp_module_register()", NULL);
}

/* The module finds out that its names are there; the table keeps the first ones. */
static void
test_loading_twice_into_one_table (void)
{
  LpFunctions *functions = lp_functions_new ();
  g_auto(GStrv) names = NULL;

  g_assert_true (lp_module_load ("test-module-good", functions, NULL));
  g_test_expect_message (G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "*answer*already*");
  g_assert_true (lp_module_load ("test-module-good", functions, NULL));
  g_test_assert_expected_messages ();

  names = lp_functions_list_names (functions);
  g_assert_cmpuint (g_strv_length (names), ==, 1);

  g_assert_finalize_object (functions);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/module/absolute-path", test_absolute_path);
  g_test_add_func ("/module/name-is-searched", test_name_is_searched);
  g_test_add_func ("/module/name-with-lib", test_name_with_lib);
  g_test_add_func ("/module/unknown-name-lists-what-was-tried", test_unknown_name_lists_what_was_tried);
  g_test_add_func ("/module/relative-directory-is-ignored", test_relative_directory_is_ignored);
  g_test_add_func ("/module/relative-path-is-refused", test_relative_path_is_refused);
  g_test_add_func ("/module/empty-name-is-refused", test_empty_name_is_refused);
  g_test_add_func ("/module/directory-is-refused", test_directory_is_refused);
  g_test_add_func ("/module/missing-file-is-refused", test_missing_file_is_refused);
  g_test_add_func ("/module/file-that-is-no-module-is-refused", test_file_that_is_no_module_is_refused);
  g_test_add_func ("/module/module-without-register-function-is-refused",
                   test_module_without_register_function_is_refused);
  g_test_add_func ("/module/loading-twice-into-one-table", test_loading_twice_into_one_table);

  return g_test_run ();
}
