/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The function module that leasepool-worker loads for the tour in C. */

#include <leasepool.h>

#include <unistd.h>

/* 8. Processes */
static void
count_primes (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int limit;
  int primes = 0;

  g_variant_get (lp_job_get_parameters (job), "(i)", &limit);
  for (int number = 2; number <= limit; number++)
    {
      int divisor = 2;

      while (number % divisor != 0)
        divisor++;
      primes += divisor == number;
    }

  *result = g_variant_new ("(i)", primes);
}

static void
crash (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  _exit (1);
}

G_MODULE_EXPORT void lp_module_register (LpFunctions *functions);

void
lp_module_register (LpFunctions *functions)
{
  lp_functions_add (functions, "count_primes", G_VARIANT_TYPE ("(i)"), G_VARIANT_TYPE ("(i)"), count_primes, NULL, NULL,
                    NULL);
  lp_functions_add (functions, "crash", G_VARIANT_TYPE ("()"), G_VARIANT_TYPE ("()"), crash, NULL, NULL, NULL);
}
