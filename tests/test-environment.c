/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the environment may say, and to whom: a program that was started with more
 * rights than its caller has, here of another group, listens to none of it. */

#include "config.h"

#include "lp-test.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lp-debug-private.h"
#include "lp-environment-private.h"
#include "lp-module-private.h"

#define EVIL_DIRECTORY "/nonexistent/modules-of-somebody"
#define EVIL_PROGRAM   "/nonexistent/worker-of-somebody"

/* Whose group the program has. */
#define OTHER_GROUP 65534

/* What this process does with its environment, as words. */
static void
tell (void)
{
  g_auto (GStrv) directories = lp_module_dup_directories ();
  g_autoptr (LpManager) manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_autoptr (GError) error = NULL;

  g_print ("%s\n", getauxval (AT_SECURE) != 0 ? "secure" : "plain");
  if (g_strv_contains ((const char * const *) directories, EVIL_DIRECTORY))
    g_print ("module-path\n");
  if (lp_debug_enabled (LP_DEBUG_LEASE))
    g_print ("debug\n");

  /* An installed worker program may well start. */
  lp_manager_set_workers_per_pool (manager, 1);
  if (!lp_manager_start (manager, NULL, &error) && strstr (error->message, EVIL_PROGRAM) != NULL)
    g_print ("worker-program\n");
  else if (error == NULL)
    g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL));
}

static char *
ask (const char *program)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_subprocess_launcher_setenv (launcher, "LP_MODULE_PATH", EVIL_DIRECTORY, TRUE);
  g_subprocess_launcher_setenv (launcher, "LP_WORKER_PROGRAM", EVIL_PROGRAM, TRUE);
  g_subprocess_launcher_setenv (launcher, "LP_DEBUG", "lease", TRUE);
  process = g_subprocess_launcher_spawn (launcher, &error, program, "--tell", NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &text, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (process));

  return text;
}

static void
test_environment_is_read (void)
{
  g_autofree char *own = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *text = ask (own);

  g_assert_cmpstr (text, ==, "plain\nmodule-path\ndebug\nworker-program\n");
}

/* NULL: this user, or this file system, cannot have one. */
static char *
make_privileged_copy (const char *directory)
{
  g_autofree char *path = g_build_filename (directory, "program", NULL);
  g_autofree char *own = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *bytes = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (own, &bytes, &size, NULL));
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
  if (chown (path, (uid_t) -1, OTHER_GROUP) != 0 || chmod (path, 02755) != 0)
    return NULL;

  return g_steal_pointer (&path);
}

static void
test_environment_of_a_privileged_program_is_ignored (void)
{
  g_autofree char *directory = g_dir_make_tmp ("leasepool-test-XXXXXX", NULL);
  g_autofree char *program = make_privileged_copy (directory);
  g_autofree char *path = g_build_filename (directory, "program", NULL);
  g_autofree char *text = program != NULL ? ask (program) : NULL;

  if (program == NULL)
    g_test_skip ("only root can give a program the rights of another group: run this as root");
  else if (g_str_has_prefix (text, "plain\n"))
    g_test_skip ("the directory of temporary files gives nobody rights (nosuid): set TMPDIR to one that does");
  else
    g_assert_cmpstr (text, ==, "secure\n");

  g_unlink (path);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  if (argc == 2 && g_str_equal (argv[1], "--tell"))
    {
      tell ();
      return 0;
    }

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/environment/read", test_environment_is_read);
  g_test_add_func ("/environment/ignored-with-more-rights", test_environment_of_a_privileged_program_is_ignored);

  return g_test_run ();
}
