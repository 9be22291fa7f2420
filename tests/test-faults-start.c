/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Processes that cannot be started for a while: the system has none to give, or the program is not there. */

#include "config.h"

#include "lp-test-remote.h"

#include <dlfcn.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <spawn.h>
#include <unistd.h>

/* --- No processes to be had --- */

static int n_to_refuse;         /* (atomic) */
static int n_refused;           /* (atomic) */

static gboolean
is_refused (void)
{
  if (g_atomic_int_get (&n_to_refuse) <= 0)
    return FALSE;
  g_atomic_int_add (&n_to_refuse, -1);
  g_atomic_int_inc (&n_refused);
  return TRUE;
}

/* In the place of the C library's: root has no limit to run into. GLib uses the one or the other. */
typedef pid_t (*ForkFunc) (void);
typedef int (*SpawnFunc) (pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                          char * const[], char * const[]);

pid_t
fork (void)
{
  ForkFunc real_fork = (ForkFunc) dlsym (RTLD_NEXT, "fork");

  if (is_refused ())
    {
      errno = EAGAIN;
      return -1;
    }
  return real_fork ();
}

int
posix_spawn (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
             const posix_spawnattr_t *attributes, char * const argv[], char * const environment[])
{
  SpawnFunc real_spawn = (SpawnFunc) dlsym (RTLD_NEXT, "posix_spawn");

  return is_refused () ? EAGAIN : real_spawn (pid, path, actions, attributes, argv, environment);
}

static void
assert_works_in (LpLease *lease)
{
  g_autoptr (LpJob) job = lp_test_value_job (1);

  lp_test_submit (lease, job);
  assert_value (job, 1);
}

static void
assert_works (LpManager *manager)
{
  LpLease *lease = lp_test_acquire (manager, "works");

  assert_works_in (lease);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
}

static LpManager *
start_one (void)
{
  return lp_test_start (1, "workers-per-pool", 1, "check-interval", 0.05, "start-timeout-seconds", PATIENCE_SECONDS,
                        NULL);
}

/* Who waits meanwhile is served when there are processes again; and there is no busy loop: each try waits for longer. */
static void
test_refused_for_a_while (void)
{
  LpManager *manager = start_one ();

  assert_works (manager);
  g_atomic_int_set (&n_to_refuse, 3);
  lp_manager_recycle (manager);
  assert_works (manager);
  g_assert_cmpint (g_atomic_int_get (&n_to_refuse), ==, 0);
  g_assert_cmpuint (lp_test_stat (manager, "total"), ==, 1);
  lp_test_finish (manager);
}

static void
test_refused_at_the_start (void)
{
  LpManager *manager = lp_test_new (2);
  g_autoptr (GError) error = NULL;

  lp_manager_set_min_pools (manager, 2);
  g_atomic_int_set (&n_to_refuse, 1);
  g_assert_false (lp_manager_start (manager, NULL, &error));
  g_assert_error (error, LP_ERROR, LP_ERROR_START_FAILED);
  g_test_message ("%s", error->message);
  g_assert_cmpuint (lp_test_count_children (), ==, 0);

  g_atomic_int_set (&n_to_refuse, 0);
  g_clear_error (&error);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);
  assert_works (manager);
  lp_test_finish (manager);
}

/* On each backend commands are processes. */
static void
test_refused_to_a_command (void)
{
  const char *argv[] = { "echo", "42", NULL };
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "command");
  g_autoptr (LpJob) refused = lp_job_new_for_command (argv, NULL);
  g_autoptr (LpJob) next = lp_job_new_for_command (argv, NULL);
  g_autoptr (GVariant) output = NULL;
  g_autoptr (GError) error = NULL;

  assert_works_in (lease);
  g_atomic_int_set (&n_to_refuse, 1);
  lp_test_submit (lease, refused);
  g_assert_null (lp_job_wait (refused, PATIENCE_SECONDS, NULL, &error));
  g_assert_cmpint (lp_job_get_state (refused), ==, LP_JOB_STATE_FAILED);
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_cmpint (g_atomic_int_get (&n_to_refuse), ==, 0);

  lp_test_submit (lease, next);
  output = get_value (next);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  lp_lease_release (lease);
  lp_test_wait_finalized (lease);
  lp_test_finish (manager);
}

/* --- A program that comes and goes --- */

static void
test_program_comes_and_goes (void)
{
  g_autofree char *directory = g_dir_make_tmp ("leasepool-test-XXXXXX", NULL);
  g_autofree char *program = g_build_filename (directory, "worker", NULL);
  const char *argv[] = { program, NULL };
  LpManager *manager = lp_test_new (1);
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (symlink (g_getenv ("LP_WORKER_PROGRAM"), program), ==, 0);
  lp_manager_set_worker_argv (manager, argv);
  lp_manager_set_check_interval (manager, 0.05);
  lp_manager_start (manager, NULL, &error);
  g_assert_no_error (error);

  for (int i = 0; i < 3; i++)
    {
      g_assert_cmpint (g_unlink (program), ==, 0);
      lp_manager_recycle (manager);
      lp_request_set_timeout (request, 0.1);
      g_assert_null (lp_manager_acquire (manager, request, NULL, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      g_clear_error (&error);

      g_assert_cmpint (symlink (g_getenv ("LP_WORKER_PROGRAM"), program), ==, 0);
      assert_works (manager);
    }

  lp_test_finish (manager);
  g_unlink (program);
  g_rmdir (directory);
}

int
main (int argc, char *argv[])
{
  lp_test_proc_init (&argc, &argv);

  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/faults/start/refused-for-a-while", test_refused_for_a_while);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/faults/start/refused", test_refused_at_the_start);
  lp_test_conform_add_func ("/faults/start/refused-to-a-command", test_refused_to_a_command);
  lp_test_conform_add_only (LP_BACKEND_PROCESS, "/faults/start/program-comes-and-goes", test_program_comes_and_goes);

  return g_test_run ();
}
