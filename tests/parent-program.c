/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* An application that a test kills. It starts a manager of processes with two workers
 * and says with an empty line that it has:
 *
 * parent-program idle          two workers that do nothing
 * parent-program busy GATE     one that stays in a function, one that does nothing
 * parent-program family GATE   the same, and the function has started a program
 * parent-program deaf GATE     the same, and all of them ignore SIGTERM, SIGHUP and SIGINT
 */

#include <leasepool.h>
#include <stdio.h>
#include <string.h>

static LpLease *lease;

static void
fail_if (const GError *error)
{
  if (error != NULL)
    g_error ("%s", error->message);
}

static void
submit (const char *name, GVariant *parameters)
{
  g_autoptr (LpJob) job = lp_job_new_for_call (name, parameters);
  g_autoptr (GError) error = NULL;

  lp_lease_submit (lease, job, &error);
  fail_if (error);
}

static LpManager *
start (void)
{
  LpManager *manager = lp_manager_new (LP_BACKEND_PROCESS, 1);
  g_autoptr (GError) error = NULL;

  lp_manager_set_function_module (manager, "conform-module");
  lp_manager_set_workers_per_pool (manager, 2);
  lp_manager_start (manager, NULL, &error);
  fail_if (error);
  lease = lp_manager_acquire (manager, NULL, NULL, &error);
  fail_if (error);

  return manager;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (LpManager) manager = start ();
  const char *mode = argc > 1 ? argv[1] : "idle";

  if (g_str_equal (mode, "busy"))
    submit ("gate", g_variant_new ("(^ay)", argv[2]));
  else if (!g_str_equal (mode, "idle"))
    submit (mode, g_variant_new ("(^ay)", argv[2]));

  puts ("");
  fflush (stdout);
  g_main_loop_run (loop);

  return 0;
}
