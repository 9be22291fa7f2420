/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* How worker processes are started: launchers, environment, directory, init function. */

#include "config.h"

#include "lp-test-remote.h"

#include <glib/gstdio.h>
#include <sys/resource.h>

static char *
environment (LpLease *lease, const char *name)
{
  return call_string (lease, "environment", g_variant_new ("(s)", name));
}

/* --- Launchers --- */

static void
test_launcher_nice (void)
{
  const char * const launcher[] = { "nice", "-n", "5", NULL };
  LpManager *manager = lp_test_start (1, "worker-launcher", launcher, NULL);
  LpLease *lease = lp_test_acquire (manager, "nice");

  g_assert_cmpint (call_int (lease, "nice"), ==, MIN (getpriority (PRIO_PROCESS, 0) + 5, 19));
  finish (manager, lease);
}

static void
test_launcher_env (void)
{
  const char * const launcher[] = { "env", "LP_TEST_VARIABLE=from the launcher", NULL };
  LpManager *manager = lp_test_start (1, "worker-launcher", launcher, NULL);
  LpLease *lease = lp_test_acquire (manager, "env");
  g_autofree char *value = environment (lease, "LP_TEST_VARIABLE");

  g_assert_cmpstr (value, ==, "from the launcher");
  finish (manager, lease);
}

/* Each finds the rest of the line as its arguments. */
static void
test_launcher_nested (void)
{
  const char * const launcher[] = { "env", "LP_TEST_VARIABLE=nested", "nice", "-n", "3", "sh", "-c", "exec \"$@\"", "sh",
                                    NULL };
  LpManager *manager = lp_test_start (1, "worker-launcher", launcher, NULL);
  LpLease *lease = lp_test_acquire (manager, "nested");
  g_autofree char *value = environment (lease, "LP_TEST_VARIABLE");

  g_assert_cmpstr (value, ==, "nested");
  g_assert_cmpint (call_int (lease, "nice"), ==, MIN (getpriority (PRIO_PROCESS, 0) + 3, 19));
  finish (manager, lease);
}

/* Whether LAUNCHER can run a program here; else the test is skipped, loudly. Not everywhere may namespaces be made, and
 * not everywhere does systemd run. */
static gboolean
can_launch (const char * const *launcher)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;
  g_autofree char *why = NULL;
  int status;

  g_strv_builder_addv (builder, (const char **) launcher);
  g_strv_builder_add (builder, "true");
  argv = g_strv_builder_end (builder);
  if (g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &output, &status, &error)
      && g_spawn_check_wait_status (status, &error))
    return TRUE;

  why = g_strdup_printf ("NOT TESTED: %s cannot be used here: %s: %s", launcher[0], error->message,
                         output != NULL ? output : "");
  g_printerr ("%s\n", why);
  g_test_skip (why);

  return FALSE;
}

/* It runs jobs, and one that is killed there is gone. */
static void
check_launcher (const char * const *launcher)
{
  LpManager *manager;
  LpLease *lease;
  LpTestGate *gate;
  g_autoptr (LpJob) stuck = NULL;
  g_autoptr (GError) error = NULL;

  if (!can_launch (launcher))
    return;

  manager = lp_test_start (1, "worker-launcher", launcher, "workers-per-pool", 1, "cancel-grace-seconds", 0.1, NULL);
  lease = lp_test_acquire (manager, launcher[0]);
  gate = lp_test_gate_new ();
  stuck = lp_test_gate_job (gate);
  g_variant_unref (call (lease, "value", g_variant_new ("(i)", 1)));

  lp_test_submit (lease, stuck);
  lp_test_gate_wait_entered (gate, 1);
  lp_job_cancel (stuck);
  g_assert_null (lp_job_wait (stuck, PATIENCE_SECONDS, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_variant_unref (call (lease, "value", g_variant_new ("(i)", 2)));

  finish (manager, lease);
  lp_test_gate_unref (gate);
}

static void
test_launcher_bwrap (void)
{
  check_launcher ((const char * const[]) { "bwrap", "--die-with-parent", "--unshare-net", "--dev-bind", "/", "/",
                                           NULL });
}

/* A service of the user's systemd, which has its own environment. */
static void
test_launcher_systemd_run (void)
{
  check_launcher ((const char * const[]) { "systemd-run", "--user", "--pipe", "--quiet", "--collect",
                                           "--setenv=LP_MODULE_PATH", NULL });
}

/* The launcher becomes the worker, in a scope of its own. */
static void
test_launcher_systemd_scope (void)
{
  check_launcher ((const char * const[]) { "systemd-run", "--user", "--scope", "--quiet", "--collect", NULL });
}

static void
test_launcher_missing (void)
{
  const char * const launcher[] = { "/nowhere/launcher", NULL };
  LpManager *manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;

  lp_manager_set_worker_launcher (manager, launcher);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, "/nowhere/launcher"));
  g_assert_finalize_object (manager);
}

/* --- Environment and directory --- */

static void
test_environment (void)
{
  const char * const variables[] = { "LP_TEST_VARIABLE=a value = with more", "LP_TEST_EMPTY=", NULL };
  LpManager *manager = lp_test_start (1, "worker-environment", variables, NULL);
  LpLease *lease = lp_test_acquire (manager, "environment");
  g_autofree char *value = environment (lease, "LP_TEST_VARIABLE");
  g_autofree char *empty = environment (lease, "LP_TEST_EMPTY");
  g_autofree char *path = environment (lease, "PATH");

  g_assert_cmpstr (value, ==, "a value = with more");
  g_assert_cmpstr (empty, ==, "");

  /* The rest is that of the application. */
  g_assert_cmpstr (path, ==, g_getenv ("PATH"));
  g_assert_null (g_getenv ("LP_TEST_VARIABLE"));
  finish (manager, lease);
}

/* What is given wins over what is inherited. */
static void
test_environment_wins (void)
{
  const char * const variables[] = { "LP_TEST_INHERITED=of the workers", NULL };
  LpManager *manager;
  LpLease *lease;
  g_autofree char *value = NULL;

  g_setenv ("LP_TEST_INHERITED", "of the application", TRUE);
  manager = lp_test_start (1, "worker-environment", variables, NULL);
  lease = lp_test_acquire (manager, "environment");
  value = environment (lease, "LP_TEST_INHERITED");
  g_assert_cmpstr (value, ==, "of the workers");
  g_unsetenv ("LP_TEST_INHERITED");
  finish (manager, lease);
}

static void
test_directory (void)
{
  g_autofree char *directory = g_dir_make_tmp ("leasepool-cwd-XXXXXX", NULL);
  g_autofree char *before = g_get_current_dir ();
  g_autofree char *after = NULL;
  g_autofree char *value = NULL;
  LpManager *manager = lp_test_start (1, "worker-directory", directory, NULL);
  LpLease *lease = lp_test_acquire (manager, "directory");

  value = call_string (lease, "directory", NULL);
  g_assert_cmpstr (value, ==, directory);
  after = g_get_current_dir ();
  g_assert_cmpstr (after, ==, before);

  finish (manager, lease);
  g_assert_no_errno (g_rmdir (directory));
}

static void
test_directory_missing (void)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;

  lp_manager_set_worker_directory (manager, "/nowhere/directory");
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_assert_nonnull (strstr (error->message, "/nowhere/directory"));
  g_assert_finalize_object (manager);
}

/* --- Init function; what it does is in test-worker.c and test-start-stop.c --- */

static void
test_init_function_wrong_parameters (void)
{
  LpManager *manager = lp_test_new (1);
  g_autoptr (GError) error = NULL;

  lp_manager_set_worker_init_function (manager, "init");
  lp_manager_set_worker_init_parameters (manager, g_variant_new ("(s)", "wrong"));
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_cmpuint (error->domain, ==, LP_ERROR);
  g_assert_nonnull (strstr (error->message, "(s)"));
  g_assert_nonnull (strstr (error->message, "(iay)"));
  g_assert_finalize_object (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("/launch/launcher/nice", test_launcher_nice);
  add ("/launch/launcher/env", test_launcher_env);
  add ("/launch/launcher/nested", test_launcher_nested);
  add ("/launch/launcher/bwrap", test_launcher_bwrap);
  add ("/launch/launcher/systemd-run", test_launcher_systemd_run);
  add ("/launch/launcher/systemd-scope", test_launcher_systemd_scope);
  add ("/launch/launcher/missing", test_launcher_missing);
  add ("/launch/environment/is-added", test_environment);
  add ("/launch/environment/wins", test_environment_wins);
  add ("/launch/directory/is-the-workers", test_directory);
  add ("/launch/directory/missing", test_directory_missing);
  lp_test_conform_add_own_func ("/launch/init-function/wrong-parameters", test_init_function_wrong_parameters);

  return g_test_run ();
}
