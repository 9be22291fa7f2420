/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

#include "checksum-options.h"

#include "checksum-output.h"

#include <leasepool.h>
#include <math.h>
#include <string.h>

/* Worker processes are what a program of one's own can run in: its own process has threads. */
static const char *
check_words (Options *self)
{
  gboolean is_thread = self->backend != NULL && strcmp (self->backend, LP_BACKEND_THREAD) == 0;
  gboolean is_process = self->backend != NULL && strcmp (self->backend, LP_BACKEND_PROCESS) == 0;
  gboolean is_own = self->worker != NULL && strcmp (self->worker, "own") == 0;

  if (self->backend != NULL && !is_thread && !is_process)
    return "--backend must be thread or process";
  if (self->worker != NULL && !is_own && strcmp (self->worker, "module") != 0)
    return "--worker must be module or own";
  if (is_own && is_thread)
    return "--worker=own needs --backend=process";
  self->is_process = is_process || is_own;
  self->is_own = is_own;
  return NULL;
}

/* Returns: what is wrong with the options, or NULL. */
static const char *
check_options (Options *self)
{
  if (self->pools < 1 || self->workers < 0 || self->owners < 1)
    return "--pools and --owners must be at least 1, --workers 0 or more";
  if (!isfinite (self->lease_seconds) || self->lease_seconds <= 0 || !isfinite (self->timeout) || self->timeout <= 0)
    return "--lease-seconds and --timeout must be greater than 0";
  if (self->limit_mb < -1)
    return "--limit-mb must be 0 or more";
  return check_words (self);
}

static void
fill_in_defaults (Options *self)
{
  static const char * const default_paths[] = { "/usr/lib", "/usr/share", NULL };

  if (self->workers == 0)
    self->workers = MAX (1, (int) g_get_num_processors () / self->pools);
  if (self->limit_mb == -1)
    self->limit_mb = self->paths == NULL ? 300 : 0;
  if (self->paths == NULL)
    self->paths = g_strdupv ((char **) default_paths);
}

gboolean
options_parse (Options *self, int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
    { "backend", 0, 0, G_OPTION_ARG_STRING, &self->backend, "What the workers are: thread or process (thread)", "NAME" },
    { "worker", 0, 0, G_OPTION_ARG_STRING, &self->worker,
      "What worker processes run: module, the function module in leasepool-worker, or own, the program "
      "lp-checksum-worker, which implies --backend=process (module)", "NAME" },
    { "pools", 0, 0, G_OPTION_ARG_INT, &self->pools, "Executors at most (2)", "N" },
    { "workers", 0, 0, G_OPTION_ARG_INT, &self->workers, "Workers of an executor (0: processors / pools)", "N" },
    { "owners", 0, 0, G_OPTION_ARG_INT, &self->owners, "Owners that share the executors (4)", "N" },
    { "lease-seconds", 0, 0, G_OPTION_ARG_DOUBLE, &self->lease_seconds, "Length of a lease (0.2)", "SECONDS" },
    { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &self->timeout, "Longest wait for a lease, and for a file (60)", "SECONDS" },
    { "limit-mb", 0, 0, G_OPTION_ARG_INT, &self->limit_mb,
      "Stop at the file that passes N MB (300 without PATH, else 0: no limit)", "N" },
    { "sums", 0, 0, G_OPTION_ARG_NONE, &self->sums, "Print the sums for sha256sum -c", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &self->paths, NULL, "[PATH…]" },
    { NULL, 0, 0, 0, NULL, NULL, NULL }
  };
  g_autoptr(GOptionContext) context = g_option_context_new (NULL);
  g_autoptr(GError) error = NULL;
  const char *problem;

  *self = (Options) { .pools = 2, .owners = 4, .limit_mb = -1, .lease_seconds = 0.2, .timeout = 60 };
  g_option_context_set_summary (context, "The SHA-256 of every regular file below PATH (/usr/lib and /usr/share),\n"
                                "computed by leased executors. Links are not followed.");
  g_option_context_add_main_entries (context, entries, NULL);

  problem = g_option_context_parse (context, argc, argv, &error) ? check_options (self) : error->message;
  if (problem != NULL)
    print_message (problem);
  else
    fill_in_defaults (self);
  return problem == NULL;
}

void
options_clear (Options *self)
{
  g_strfreev (self->paths);
  g_free (self->backend);
  g_free (self->worker);
}
