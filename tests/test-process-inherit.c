/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What processes get of the one that started them: their three descriptors and no
 * other, and nothing that others may not read on their command line. */

#include "config.h"

#include "lp-test.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define SECRET "correct-horse-battery-staple"

static char *
get_program (void)
{
  return g_test_build_filename (G_TEST_BUILT, "inherit-program", NULL);
}

/* Files that the application opened, and did not think of. */
typedef struct
{
  int fds[4];
} Leftovers;

static void
leave_open (Leftovers *self)
{
  g_assert_no_errno (pipe (self->fds));
  self->fds[2] = open ("/dev/null", O_RDONLY);
  self->fds[3] = fcntl (self->fds[0], F_DUPFD, 200);
  g_assert_cmpint (self->fds[3], >=, 200);
}

static void
close_leftovers (Leftovers *self)
{
  for (gsize i = 0; i < G_N_ELEMENTS (self->fds); i++)
    close (self->fds[i]);
}

/* Another manager, whose workers have their streams meanwhile. */
static LpManager *
start_processes (void)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_autoptr (GError) error = NULL;

  lp_manager_set_function_module (manager, "conform-module");
  lp_manager_set_start_timeout_seconds (manager, LP_TEST_PATIENCE_SECONDS);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);

  return manager;
}

static void
test_worker_has_three_descriptors (void)
{
  g_autofree char *program = get_program ();
  const char * const argv[] = { program, "--worker", NULL };
  LpManager *other = start_processes ();
  g_autoptr (LpManager) manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_autoptr (GError) error = NULL;
  Leftovers leftovers;

  leave_open (&leftovers);
  lp_manager_set_worker_argv (manager, argv);
  lp_manager_set_workers_per_pool (manager, 1);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "“descriptors: 0 1 2”"));

  close_leftovers (&leftovers);
  lp_test_finish (other);
}

/* What the command of a job wrote; it exited with the status of the program. */
static char *
dup_output (GVariant *result)
{
  g_autoptr (GVariant) output = g_variant_get_child_value (result, 1);
  const char *bytes;
  gsize size;
  int status;

  g_variant_get_child (result, 0, "i", &status);
  g_assert_cmpint (status, ==, 3);
  bytes = g_variant_get_fixed_array (output, &size, 1);
  return g_strndup (bytes, size);
}

static void
check_command (const char *backend)
{
  g_autofree char *program = get_program ();
  const char * const argv[] = { program, NULL };
  g_autoptr (LpJob) job = lp_job_new_for_command (argv, NULL);
  g_autoptr (GVariant) result = NULL;
  LpManager *other = start_processes ();
  LpManager *manager = lp_manager_new (backend, 1);
  g_autofree char *output = NULL;
  LpLease *lease;
  Leftovers leftovers;

  leave_open (&leftovers);
  lp_manager_set_function_module (manager, "conform-module");
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  lease = lp_test_acquire (manager, "command");
  lp_test_submit (lease, job);
  result = lp_job_wait (job, -1, NULL, NULL);
  g_assert_nonnull (result);
  output = dup_output (result);
  g_assert_cmpint (strncmp (output, "descriptors: 0 1 2\n", strlen ("descriptors: 0 1 2\n")), ==, 0);

  close_leftovers (&leftovers);
  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
  lp_test_finish (other);
}

static void
test_command_has_three_descriptors (void)
{
  check_command (LP_BACKEND_THREAD);
  check_command (LP_BACKEND_PROCESS);
}

/* What it reads from is a file in memory that nobody can change any more. */
static void
test_input_of_a_command_is_sealed (void)
{
  g_autofree char *program = get_program ();
  const char * const argv[] = { program, NULL };
  g_autoptr (GBytes) input = g_bytes_new_static (SECRET, strlen (SECRET));
  g_autoptr (LpJob) job = lp_job_new_for_command (argv, input);
  g_autoptr (GVariant) result = NULL;
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "command");
  g_autofree char *output = NULL;

  lp_test_submit (lease, job);
  result = lp_job_wait (job, -1, NULL, NULL);
  g_assert_nonnull (result);
  output = dup_output (result);
  g_assert_nonnull (strstr (output, "\nstandard input: shrink grow write seal\n"));

  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
}

static char *
read_of (int pid, const char *name, gsize *size)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", pid, name);
  char *bytes = NULL;

  g_assert_true (g_file_get_contents (path, &bytes, size, NULL));
  return bytes;
}

static int
ask_pid (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_job_new_for_call ("pid", NULL);
  g_autoptr (GVariant) result = NULL;
  int pid;

  lp_test_submit (lease, job);
  result = lp_job_wait (job, -1, NULL, NULL);
  g_assert_nonnull (result);
  g_variant_get (result, "(i)", &pid);
  return pid;
}

/* Everybody can read the command line of a process, and its owner what is in its
 * environment: parameters and names go through the stream. */
static void
test_nothing_secret_on_the_command_line (void)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_autofree char *command_line = NULL;
  g_autofree char *environment = NULL;
  g_autoptr (GError) error = NULL;
  LpLease *lease;
  gsize size;
  int pid;

  lp_manager_set_workers_per_pool (manager, 1);
  lp_manager_set_function_module (manager, "conform-module");
  lp_manager_set_worker_init_function (manager, "environment");
  lp_manager_set_worker_init_parameters (manager, g_variant_new ("(s)", SECRET));
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  lease = lp_test_acquire (manager, SECRET);
  pid = ask_pid (lease);

  /* The program, and nothing else. */
  command_line = read_of (pid, "cmdline", &size);
  g_assert_cmpstr (command_line, ==, g_getenv ("LP_WORKER_PROGRAM"));
  g_assert_cmpuint (size, ==, strlen (command_line) + 1);

  environment = read_of (pid, "environ", &size);
  g_assert_null (memmem (environment, size, SECRET, strlen (SECRET)));

  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/inherit/worker/three-descriptors", test_worker_has_three_descriptors);
  g_test_add_func ("/inherit/command/three-descriptors", test_command_has_three_descriptors);
  g_test_add_func ("/inherit/command/input-is-sealed", test_input_of_a_command_is_sealed);
  g_test_add_func ("/inherit/worker/nothing-secret-on-the-command-line", test_nothing_secret_on_the_command_line);

  return g_test_run ();
}
