/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Backends from outside: modules of GIO that the library loads when a name is asked for. What was loaded stays, so each
 * case is a process of its own. */

#include "config.h"

#include <glib/gstdio.h>

#include <leasepool.h>
#include <string.h>

static void
set_path (const char *directory)
{
  g_setenv ("LP_MODULE_PATH", directory, TRUE);
}

static void
in_subprocess (GTestFunc func)
{
  if (g_test_subprocess ())
    {
      func ();
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  /* GIO tells of modules that it cannot load there; it must not have been asked to. */
  g_test_trap_assert_stderr_unmatched ("*leasepool-backend*");
}

static void
assert_not_provided (const char *name, const char *text)
{
  g_autoptr (LpManager) manager = lp_manager_new (name, 1);
  g_autoptr (GError) error = NULL;

  g_assert_false (lp_manager_validate (manager, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_UNSUPPORTED_BACKEND);
  if (strstr (error->message, text) == NULL)
    g_error ("“%s” is not in: %s", text, error->message);
}

/* --- Found --- */

static void
is_found_by_name (void)
{
  set_path (LP_TEST_EXAMPLE_BACKEND_DIR);
  g_assert_true (lp_backend_is_available ("Shared-POOL"));
}

static void
is_listed (void)
{
  g_auto (GStrv) names = NULL;

  set_path (LP_TEST_EXAMPLE_BACKEND_DIR);
  names = lp_backend_list ();
  g_assert_true (g_strv_contains ((const char * const *) names, "shared-pool"));
  g_assert_true (g_strv_contains ((const char * const *) names, LP_BACKEND_PROCESS));
}

/* Only when nobody has the name: what is not needed is not opened. */
static void
is_not_loaded_for_our_own (void)
{
  set_path (LP_TEST_BACKEND_MODULES_DIR);
  g_assert_true (lp_backend_is_available (LP_BACKEND_THREAD));
  g_assert_true (g_type_from_name ("AsksExecutor") == G_TYPE_INVALID);
  g_assert_true (lp_backend_is_available ("asks"));
  g_assert_true (g_type_from_name ("AsksExecutor") != G_TYPE_INVALID);
}

static void
may_ask_while_it_loads (void)
{
  set_path (LP_TEST_BACKEND_MODULES_DIR);
  g_assert_true (lp_backend_is_available ("asks"));
}

/* Also after it was looked for in vain. */
static void
is_found_once_it_is_there (void)
{
  g_autofree char *directory = g_dir_make_tmp ("lp-backend-XXXXXX", NULL);
  g_autofree char *link = g_build_filename (directory, "libleasepool-backend-late.so", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (link);

  set_path (directory);
  g_assert_false (lp_backend_is_available ("asks"));
  g_assert_true (g_file_make_symbolic_link (file, LP_TEST_BACKEND_MODULES_DIR "/libleasepool-backend-asks.so", NULL, NULL));
  g_assert_true (lp_backend_is_available ("asks"));

  g_assert_cmpint (g_unlink (link), ==, 0);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

static void
double_it (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int value;

  g_variant_get (lp_job_get_parameters (job), "(i)", &value);
  *result = g_variant_new ("(i)", 2 * value);
}

static void
add_functions (LpFunctions *functions)
{
  g_autoptr (GError) error = NULL;

  lp_functions_add (functions, "double", G_VARIANT_TYPE ("(i)"), G_VARIANT_TYPE ("(i)"), double_it, NULL, NULL, &error);
  g_assert_no_error (error);
}

static void
runs_named_functions (void)
{
  g_autoptr (LpManager) manager = NULL;
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (GError) error = NULL;

  set_path (LP_TEST_EXAMPLE_BACKEND_DIR);
  add_functions (functions);
  manager = lp_manager_new ("shared-pool", 2);
  lp_manager_set_functions (manager, functions);
  g_assert_true (lp_manager_start (manager, NULL, &error));
  g_assert_no_error (error);

  for (int i = 0; i < 100; i++)
    {
      g_autoptr (LpLease) lease = lp_manager_acquire (manager, NULL, NULL, &error);
      g_autoptr (LpJob) job = lp_job_new_for_call ("double", g_variant_new ("(i)", i));
      g_autoptr (GVariant) result = NULL;
      int value;

      g_assert_no_error (error);
      g_assert_true (lp_lease_submit (lease, job, &error));
      result = lp_job_wait (job, -1, NULL, &error);
      g_assert_no_error (error);
      g_variant_get (result, "(i)", &value);
      g_assert_cmpint (value, ==, 2 * i);
      lp_lease_release (lease);
    }

  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, &error));
  g_assert_no_error (error);
}

/* --- Not found --- */

static void
interpreter_says_where_it_looked (void)
{
  g_autofree char *directory = g_dir_make_tmp ("lp-backend-XXXXXX", NULL);

  set_path (directory);
  g_assert_false (lp_backend_is_available (LP_BACKEND_INTERPRETER));
  assert_not_provided (LP_BACKEND_INTERPRETER, directory);
  assert_not_provided (LP_BACKEND_INTERPRETER, LP_MODULE_DIR);
  assert_not_provided (LP_BACKEND_INTERPRETER, "there are: process, thread");

  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

static void
says_which_module_has_nothing_to_load (void)
{
  set_path (LP_TEST_BACKEND_MODULES_DIR);
  assert_not_provided ("silent", "libleasepool-backend-silent.so: it exports neither g_io_leasepool_backend_silent_load() nor "
                                 "g_io_module_load()");
}

static void
says_which_module_cannot_be_opened (void)
{
  g_autofree char *directory = g_dir_make_tmp ("lp-backend-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "libleasepool-backend-torn.so", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, "not a library", -1, &error);
  g_assert_no_error (error);
  set_path (directory);
  assert_not_provided ("torn", "libleasepool-backend-torn.so: ");

  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

static void
relative_directory_is_ignored (void)
{
  set_path ("tests/backends");
  assert_not_provided ("asks", "tests/backends: not an absolute directory, ignored");
}

/* A function module that lies beside it is for workers. */
static void
other_files_are_not_opened (void)
{
  g_autofree char *directory = g_dir_make_tmp ("lp-backend-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (directory, "libasks.so", NULL);
  g_autoptr (GFile) file = g_file_new_for_path (path);

  g_assert_true (g_file_make_symbolic_link (file, LP_TEST_BACKEND_MODULES_DIR "/libleasepool-backend-asks.so", NULL, NULL));
  set_path (directory);
  g_assert_false (lp_backend_is_available ("asks"));

  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

static void
run_case (gconstpointer func)
{
  in_subprocess ((GTestFunc) func);
}

int
main (int argc, char **argv)
{
  static const struct { const char *path; GTestFunc func; } cases[] = {
    { "/backend-module/is-found-by-name", is_found_by_name },
    { "/backend-module/is-listed", is_listed },
    { "/backend-module/is-not-loaded-for-our-own", is_not_loaded_for_our_own },
    { "/backend-module/may-ask-while-it-loads", may_ask_while_it_loads },
    { "/backend-module/is-found-once-it-is-there", is_found_once_it_is_there },
    { "/backend-module/runs-named-functions", runs_named_functions },
    { "/backend-module/interpreter-says-where-it-looked", interpreter_says_where_it_looked },
    { "/backend-module/says-which-has-nothing-to-load", says_which_module_has_nothing_to_load },
    { "/backend-module/says-which-cannot-be-opened", says_which_module_cannot_be_opened },
    { "/backend-module/relative-directory-is-ignored", relative_directory_is_ignored },
    { "/backend-module/other-files-are-not-opened", other_files_are_not_opened },
  };

  g_test_init (&argc, &argv, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].path, (gconstpointer) cases[i].func, run_case);

  return g_test_run ();
}
