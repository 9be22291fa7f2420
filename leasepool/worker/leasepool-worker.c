/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The worker program for those who need none of their own: its functions come
 * from the function module of the manager. */

#include <leasepool.h>
#include <stdio.h>

int
main (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (LpWorker) worker = lp_worker_new (functions);
  g_autoptr (GError) error = NULL;
  int status = lp_worker_run (worker, &error);

  /* Not g_printerr(): it would replace what the locale of the process, C, does not have. */
  if (error != NULL)
    fprintf (stderr, "leasepool-worker: %s\n", error->message);

  return status;
}
