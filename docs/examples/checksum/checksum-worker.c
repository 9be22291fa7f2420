/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp-checksum-worker: a worker program with the function "sha256" built in. */

#include <leasepool.h>

void lp_module_register (LpFunctions *functions);

int
main (void)
{
  g_autoptr(LpFunctions) functions = lp_functions_new ();
  g_autoptr(LpWorker) worker = lp_worker_new (functions);
  g_autoptr(GError) error = NULL;
  int status;

  lp_module_register (functions);
  status = lp_worker_run (worker, &error);
  if (error != NULL)
    g_printerr ("lp-checksum-worker: %s\n", error->message);

  return status;
}
