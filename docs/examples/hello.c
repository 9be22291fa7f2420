/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include <leasepool.h>

static void
greet (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(s)", "Hello from a leased thread");
}

int
main (void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(LpManager) manager = lp_manager_new (LP_BACKEND_THREAD, 2);
  g_autoptr(LpJob) job = lp_job_new_for_func (greet, NULL, NULL);
  g_autoptr(LpLease) lease = NULL;
  g_autoptr(GVariant) result = NULL;
  const char *text;

  if (!lp_manager_start (manager, NULL, &error) ||
      !(lease = lp_manager_acquire (manager, NULL, NULL, &error)) ||
      !lp_lease_submit (lease, job, &error) ||
      !(result = lp_job_wait (job, -1, NULL, &error)))
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }

  g_variant_get (result, "(&s)", &text);
  g_print ("%s\n", text);
  lp_lease_release (lease);
  return lp_manager_stop (manager, LP_STOP_MODE_DRAIN, -1, NULL, &error) ? 0 : 1;
}
