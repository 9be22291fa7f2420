/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A worker program: give it to a manager of processes as its worker-argv. */

#include <leasepool.h>
#include <stdio.h>

static void
double_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  int number;

  g_variant_get (lp_job_get_parameters (job), "(i)", &number);
  *result = g_variant_new ("(i)", 2 * number);
}

static void
greet_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *name;
  g_autofree char *greeting = NULL;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &name);
  if (name[0] == '\0')
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "Nobody has an empty name");
      return;
    }

  g_message ("Greeting %s", name);
  greeting = g_strdup_printf ("Hello %s", name);
  *result = g_variant_new ("(s)", greeting);
}

static gboolean
is_prime (guint number)
{
  for (guint divisor = 2; divisor * divisor <= number; divisor++)
    if (number % divisor == 0)
      return FALSE;

  return number >= 2;
}

static void
count_primes_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GCancellable *cancellable = lp_job_get_cancellable (job);
  guint limit;
  guint n_primes = 0;

  g_variant_get (lp_job_get_parameters (job), "(u)", &limit);
  for (guint number = 0; number <= limit; number++)
    {
      if (number % 100 == 0)
        {
          if (g_cancellable_set_error_if_cancelled (cancellable, error))
            return;
          lp_job_set_progress (job, (double) number / limit, NULL);
        }
      n_primes += is_prime (number);
    }

  *result = g_variant_new ("(u)", n_primes);
}

int
main (void)
{
  g_autoptr(LpFunctions) functions = lp_functions_new ();
  g_autoptr(LpWorker) worker = lp_worker_new (functions);
  g_autoptr(GError) error = NULL;
  int status;

  lp_functions_add (functions, "double", G_VARIANT_TYPE ("(i)"), G_VARIANT_TYPE ("(i)"), double_func, NULL, NULL, NULL);
  lp_functions_add (functions, "greet", G_VARIANT_TYPE ("(s)"), G_VARIANT_TYPE ("(s)"), greet_func, NULL, NULL, NULL);
  lp_functions_add (functions, "count_primes", G_VARIANT_TYPE ("(u)"), G_VARIANT_TYPE ("(u)"), count_primes_func, NULL,
                    NULL, NULL);

  status = lp_worker_run (worker, &error);
  if (error != NULL)
    fprintf (stderr, "%s\n", error->message);

  return status;
}
