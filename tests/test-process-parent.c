/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Workers, and what they have started, end with the application, however it ends. */

#include "config.h"

#include "lp-test-conform.h"
#include "lp-test-proc.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* All that the application leaves becomes a child of this process. */
static gboolean
nobody_is_left (gpointer data)
{
  while (waitpid (-1, NULL, WNOHANG) > 0)
    ;

  return waitpid (-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static gboolean
has_so_many (gpointer n)
{
  return lp_test_count_children () == GPOINTER_TO_UINT (n);
}

/* The application has started its workers, and the function is entered if there is one. */
static GPid
spawn_parent (const char *mode, LpTestRemoteGate *gate, const char *directory)
{
  g_autofree char *program = g_test_build_filename (G_TEST_BUILT, "parent-program", NULL);
  char *argv[] = { program, (char *) mode, (char *) directory, NULL };
  g_autoptr (GError) error = NULL;
  char byte = 0;
  int output;
  GPid pid;

  g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (read (output, &byte, 1), ==, 1);
  close (output);
  if (g_strcmp0 (mode, "idle") != 0)
    lp_test_remote_gate_wait_entered (gate, 1);

  return pid;
}

static void
check_all_end (const char *mode, int signum)
{
  LpTestRemoteGate *gate = lp_test_remote_gate_new ();
  gint64 before;
  GPid pid;

  g_assert_no_errno (prctl (PR_SET_CHILD_SUBREAPER, 1));
  pid = spawn_parent (mode, gate, lp_test_remote_gate_get_directory (gate));
  lp_test_wait_for (has_so_many, GUINT_TO_POINTER (1), "the application to be the only child");

  before = g_get_monotonic_time ();
  g_assert_no_errno (kill (pid, signum));
  lp_test_wait_for (nobody_is_left, NULL, "the workers to end with their parent");
  g_test_message ("all had ended after %.3f s", (g_get_monotonic_time () - before) / 1e6);
  lp_test_remote_gate_free (gate);
}

static void
test_idle (void)
{
  check_all_end ("idle", SIGKILL);
}

static void
test_busy (void)
{
  check_all_end ("busy", SIGKILL);
}

static void
test_family (void)
{
  check_all_end ("family", SIGKILL);
}

static void
test_deaf (void)
{
  check_all_end ("deaf", SIGKILL);
}

static void
test_terminated (void)
{
  check_all_end ("family", SIGTERM);
}

static void
test_crashed (void)
{
  check_all_end ("family", SIGSEGV);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/process/parent/killed/idle", test_idle);
  g_test_add_func ("/process/parent/killed/busy", test_busy);
  g_test_add_func ("/process/parent/killed/family", test_family);
  g_test_add_func ("/process/parent/killed/deaf", test_deaf);
  g_test_add_func ("/process/parent/terminated", test_terminated);
  g_test_add_func ("/process/parent/crashed", test_crashed);

  return g_test_run ();
}
