/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Functions for what a worker writes: records and other output, from threads and forked children, too, and before it
 * ends or hangs. */

#include "config.h"

#include "worker-program.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Records --- */

static void
log_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint level, n;

  g_variant_get (lp_job_get_parameters (job), "(uu)", &level, &n);
  for (guint i = 0; i < n; i++)
    g_log ("flood", (GLogLevelFlags) level, "record %u", i);
  *result = g_variant_new ("()");
}

static gpointer
log_main (gpointer data)
{
  for (guint i = 0; i < 1000; i++)
    g_log ("flood", G_LOG_LEVEL_INFO, "%u %u", GPOINTER_TO_UINT (data), i);

  return NULL;
}

static void
log_threads_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("log", log_main, GUINT_TO_POINTER (i));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  *result = g_variant_new ("()");
}

static void
log_fields_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  static const guint8 binary[] = { 0xff, 0, 1 };
  g_autofree char *long_text = g_strnfill (100000, 'l');
  const GLogField fields[] = {
    { "MESSAGE", "caf\xe9", -1 },
    { "PRIORITY", "4", -1 },
    { "GLIB_DOMAIN", "fields", -1 },
    { "CODE_FILE", "odd.c", -1 },
    { "CODE_LINE", "12", -1 },
    { "CODE_FUNC", "odd_func", -1 },
    { "COUNTED", "three more", 5 },
    { "BINARY", binary, sizeof binary },
    { "LONG", long_text, -1 },
    { "AFTER", "it", -1 },
  };

  g_log_structured_array (G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS (fields));
  g_log ("long", G_LOG_LEVEL_INFO, "%s", long_text);
  *result = g_variant_new ("()");
}

/* The child writes a record, too; it must not get into the stream of its parent. */
static void
log_forked_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  pid_t child = fork ();

  if (child == 0)
    {
      g_log ("forked", G_LOG_LEVEL_MESSAGE, "of the child");
      _exit (0);
    }

  waitpid (child, NULL, 0);
  g_log ("forked", G_LOG_LEVEL_MESSAGE, "of the parent");
  *result = g_variant_new ("()");
}

/* Both return. */
static void
fork_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  pid_t child = fork ();

  if (child > 0)
    waitpid (child, NULL, 0);
  *result = g_variant_new ("()");
}

static void
log_and_crash_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  guint n;

  g_variant_get (lp_job_get_parameters (job), "(u)", &n);
  for (guint i = 0; i < n; i++)
    g_log ("flood", G_LOG_LEVEL_INFO, "record %u", i);
  raise (SIGKILL);
}

static void
log_fatal_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *how;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &how);
  if (g_str_equal (how, "error"))
    g_log ("fatal", G_LOG_LEVEL_ERROR, "the end");
  else if (g_str_equal (how, "structured"))
    g_log_structured ("fatal", G_LOG_LEVEL_CRITICAL, "MESSAGE", "the end");
  else
    g_log ("fatal", G_LOG_LEVEL_CRITICAL, "the end");
}

/* --- Output and end --- */

static void
print_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  const char *text;

  g_variant_get (lp_job_get_parameters (job), "(&s)", &text);
  printf ("%s\n", text);
  *result = g_variant_new ("()");
}

/* Never returns, blocks all signals, and has a child that does not either. */
void
busy_func (LpJob *job, GVariant **result, gpointer user_data, GError **error)
{
  sigset_t all;
  pid_t child = fork ();

  if (child == 0)
    while (TRUE)
      pause ();

  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, NULL);
  g_log ("busy", G_LOG_LEVEL_INFO, "%d", child);
  while (TRUE)
    ;
}

/* --- The functions --- */

void
add_output (LpFunctions *functions)
{
  add (functions, "log", "(uu)", "()", log_func);
  add (functions, "log-threads", NULL, "()", log_threads_func);
  add (functions, "log-fields", NULL, "()", log_fields_func);
  add (functions, "log-forked", NULL, "()", log_forked_func);
  add (functions, "fork", NULL, "()", fork_func);
  add (functions, "log-and-crash", "(u)", NULL, log_and_crash_func);
  add (functions, "log-fatal", "(s)", NULL, log_fatal_func);
  add (functions, "print", "(s)", "()", print_func);
  add (functions, "busy", NULL, NULL, busy_func);
}
