/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The other process of the benchmarks: a worker, or with an argument one of the bare mechanisms it is compared with,
 * over its standard input and output, which are a socket or two pipes:
 *
 * echo         sends back each 64 bytes
 * lines        reads a guint32 and writes that many lines, each with a write of its own, as a log does
 * first-byte   writes one byte
 *
 * All of them end at the end of file. */

#include <leasepool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ECHO_SIZE 64

/* Nothing: not even a value is made. */
static void
noop_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref (user_data);
}

static void
echo_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_ref (lp_job_get_parameters (job));
}

static void
pid_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  *result = g_variant_new ("(i)", (int) getpid ());
}

/* Says that it runs, and stays. */
static void
hang_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  lp_job_set_progress (job, 0, NULL);
  for (;;)
    pause ();
}

static void
log_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint n;

  g_variant_get (lp_job_get_parameters (job), "(u)", &n);
  for (guint i = 0; i < n; i++)
    g_info ("record %08u of a worker that has something to say", i);
  *result = g_variant_new ("()");
}

static void
work_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint steps;
  volatile guint x = 1;

  g_variant_get (lp_job_get_parameters (job), "(u)", &steps);
  for (guint i = 0; i < steps; i++)
    x = x * 1664525 + 1013904223;
  *result = g_variant_new ("()");
}

static int
run_worker (void)
{
  g_autoptr (LpFunctions) functions = lp_functions_new ();
  g_autoptr (LpWorker) worker = lp_worker_new (functions);
  g_autoptr (GError) error = NULL;
  int status;

  lp_functions_add (functions, "noop", NULL, NULL, noop_func, g_variant_ref_sink (g_variant_new ("()")),
                    (GDestroyNotify) g_variant_unref, NULL);
  lp_functions_add (functions, "echo", NULL, NULL, echo_func, NULL, NULL, NULL);
  lp_functions_add (functions, "pid", NULL, G_VARIANT_TYPE ("(i)"), pid_func, NULL, NULL, NULL);
  lp_functions_add (functions, "hang", NULL, NULL, hang_func, NULL, NULL, NULL);
  lp_functions_add (functions, "log", G_VARIANT_TYPE ("(u)"), NULL, log_func, NULL, NULL, NULL);
  lp_functions_add (functions, "work", G_VARIANT_TYPE ("(u)"), NULL, work_func, NULL, NULL, NULL);

  status = lp_worker_run (worker, &error);
  if (error != NULL)
    fprintf (stderr, "%s\n", error->message);

  return status;
}

static int
run_echo (void)
{
  char bytes[ECHO_SIZE];
  gssize n;

  while ((n = read (STDIN_FILENO, bytes, sizeof bytes)) > 0)
    if (write (STDOUT_FILENO, bytes, (gsize) n) != n)
      return 1;

  return 0;
}

static int
run_lines (void)
{
  guint32 n;

  while (read (STDIN_FILENO, &n, sizeof n) == sizeof n)
    for (guint i = 0; i < n; i++)
      {
        char line[128];
        int length = g_snprintf (line, sizeof line, "record %08u of a worker that has something to say\n", i);

        if (write (STDOUT_FILENO, line, (gsize) length) != length)
          return 1;
      }

  return 0;
}

static int
run_first_byte (void)
{
  char byte = 0;

  return write (STDOUT_FILENO, &byte, 1) == 1 && read (STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
}

int
main (int argc, char **argv)
{
  if (argc < 2)
    return run_worker ();
  if (strcmp (argv[1], "echo") == 0)
    return run_echo ();
  if (strcmp (argv[1], "lines") == 0)
    return run_lines ();

  return run_first_byte ();
}
