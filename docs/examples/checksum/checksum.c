/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* lp-checksum: the SHA-256 of every regular file below some paths, computed by leased executors of threads, or of worker
 * processes.
 *
 * Several owners share one walker. An owner leases an executor, keeps a few jobs in flight on it, gives the executor
 * back after FILES_PER_LEASE files so that the next owner in line gets its turn, and asks for another one. There are
 * more owners than executors, so some owners always wait. A lease that reaches its soft expiry is renewed while its
 * jobs run. Files are found when an owner has room for them: at no time are there more than a few in memory.
 *
 * All of this runs on one main loop; only the function of checksum-module.c runs in the executors. What these are is a
 * property of the manager. */

#include "checksum-options.h"
#include "checksum-output.h"
#include "checksum-walker.h"

#include <glib-unix.h>
#include <leasepool.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#define FILES_PER_LEASE 128
#define JOBS_PER_WORKER 2
#define BIG_FILE (16 * 1000 * 1000)
#define MB 1e6

typedef struct
{
  Options options;
  Walker *walker;
  GQueue again;                 /* of File: accepted, but the lease ended before they ran */
  LpManager *manager;
  GMainLoop *loop;
  guint owners;                 /* those that have not ended */
  gboolean is_full;             /* the next file would pass the limit */
  gboolean stopping, stopped;
  int signal_number;            /* 0, or the one that ended the demo */

  gint64 started_at;
  guint64 found_bytes, files, bytes, errors, renewals;
  gint64 shown_at;
  guint64 shown_bytes;
  char *big_file;               /* N: how far the big file is that last said so */
  gboolean live;                /* one line that is drawn again */
} Demo;

typedef struct
{
  Demo *demo;
  LpRequest *request;
  LpLease *lease;               /* N */
  guint taken;                  /* files submitted under this lease */
  guint running;                /* jobs that have not ended */
} Owner;

typedef struct
{
  char *path;
  guint64 size;
  Owner *owner;
  LpJob *job;
} File;

static void owner_pump (Owner *self);

static void
file_free (File *self)
{
  g_clear_object (&self->job);
  g_free (self->path);
  g_free (self);
}

static void
demo_clear_line (Demo *self)
{
  if (self->live)
    g_printerr ("\r\033[K");
}

static void
demo_report (Demo *self, const char *message)
{
  self->errors++;
  demo_clear_line (self);
  print_message (message);
}

static void
demo_report_file (const char *path, const char *reason, gpointer user_data)
{
  Demo *self = user_data;

  self->errors++;
  demo_clear_line (self);
  print_problem (path, reason);
}

static File *
demo_next_file (Demo *self)
{
  g_autofree char *path = NULL;
  guint64 size;
  File *file;

  if (self->stopping)
    return NULL;
  if (!g_queue_is_empty (&self->again) || self->is_full)
    return g_queue_pop_head (&self->again);

  path = walker_next (self->walker, &size);
  if (path == NULL)
    return NULL;

  self->found_bytes += size;
  self->is_full = self->options.limit_mb > 0 && self->found_bytes > self->options.limit_mb * MB;
  if (self->is_full)
    return NULL;

  file = g_new0 (File, 1);
  file->path = g_steal_pointer (&path);
  file->size = size;
  return file;
}

static gboolean
demo_has_more (Demo *self)
{
  if (self->stopping)
    return FALSE;
  return !g_queue_is_empty (&self->again) || !(walker_is_done (self->walker) || self->is_full);
}

static void
demo_show_progress (Demo *self)
{
  gint64 now = g_get_monotonic_time ();
  double seconds = MAX (now - self->shown_at, 1) / (double) G_USEC_PER_SEC;

  g_printerr ("%s%" G_GUINT64_FORMAT " files  %.1f MB  %.1f MB/s  %u leases  %u waiters  %" G_GUINT64_FORMAT " errors%s%s",
              self->live ? "\r" : "", self->files, self->bytes / MB, (self->bytes - self->shown_bytes) / seconds / MB,
              lp_manager_get_leased_count (self->manager), lp_manager_get_waiting_count (self->manager), self->errors,
              self->big_file != NULL ? self->big_file : "", self->live ? "\033[K" : "\n");
  self->shown_at = now;
  self->shown_bytes = self->bytes;
  g_clear_pointer (&self->big_file, g_free);
}

static gboolean
progress_cb (gpointer user_data)
{
  demo_show_progress (user_data);
  return G_SOURCE_CONTINUE;
}

static void
demo_show_summary (Demo *self)
{
  g_autoptr(GVariant) stats = lp_manager_dup_stats (self->manager);
  double seconds = (g_get_monotonic_time () - self->started_at) / (double) G_USEC_PER_SEC;

  demo_show_progress (self);
  if (self->live)
    g_printerr ("\n");
  if (self->is_full)
    g_printerr ("stopped collecting at %d MB (--limit-mb)\n", self->options.limit_mb);
  g_printerr ("%" G_GUINT64_FORMAT " files, %.1f MB in %.2f s: %.1f MB/s, "
              "%" G_GUINT64_FORMAT " renewals, %" G_GUINT64_FORMAT " errors\n\n",
              self->files, self->bytes / MB, seconds, self->bytes / MB / seconds, self->renewals, self->errors);
  print_stats (stats);
}

static void
demo_quit_if_done (Demo *self)
{
  if (self->stopped && self->owners == 0)
    g_main_loop_quit (self->loop);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Demo *self = user_data;
  g_autoptr(GError) error = NULL;

  if (!lp_manager_stop_finish (LP_MANAGER (source), result, &error))
    demo_report (self, error->message);
  self->stopped = TRUE;
  demo_quit_if_done (self);
}

static void
demo_stop (Demo *self)
{
  if (self->stopping)
    return;

  self->stopping = TRUE;
  lp_manager_stop_async (self->manager, LP_STOP_MODE_CANCEL, -1, NULL, stopped_cb, self);
}

static gboolean
demo_signal (Demo *self, int signal_number)
{
  self->signal_number = signal_number;
  demo_stop (self);
  return G_SOURCE_REMOVE;       /* a second one ends the program at once */
}

static gboolean
interrupted_cb (gpointer user_data)
{
  return demo_signal (user_data, SIGINT);
}

static gboolean
terminated_cb (gpointer user_data)
{
  return demo_signal (user_data, SIGTERM);
}

static void
demo_count (Demo *self, const char *path, GVariant *sum)
{
  const char *digest;
  guint64 bytes;

  g_variant_get (sum, "(&st)", &digest, &bytes);
  self->files++;
  self->bytes += bytes;
  if (self->options.sums && !print_file_sum (path, digest) && !self->stopping)
    {
      demo_report (self, "Cannot write the sums");
      demo_stop (self);
    }
}

static void
big_file_cb (LpJob *job, GParamSpec *pspec, Demo *self)
{
  g_autofree char *status = lp_job_dup_status (job);

  g_free (self->big_file);
  self->big_file = g_strdup_printf ("  (%s)", status);
}

/* The lease was over before the job ran: another lease may run it. */
static gboolean
is_worth_another_lease (LpJob *job, GError *error)
{
  return lp_job_get_started_at (job) == 0 &&
         (g_error_matches (error, LP_ERROR, LP_ERROR_EXPIRED) ||
          g_error_matches (error, LP_ERROR, LP_ERROR_BROKEN_EXECUTOR) ||
          g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
}

static void
hashed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  File *file = user_data;
  Owner *owner = file->owner;
  Demo *demo = owner->demo;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) sum = lp_lease_submit_finish (LP_LEASE (source), result, &error);

  owner->running--;
  if (sum == NULL && !demo->stopping && is_worth_another_lease (file->job, error))
    {
      g_clear_object (&file->job);
      g_queue_push_tail (&demo->again, file);
    }
  else
    {
      if (sum != NULL)
        demo_count (demo, file->path, sum);
      else if (!demo->stopping)
        demo_report_file (file->path, error->message, demo);
      file_free (file);
    }
  owner_pump (owner);
}

static void
owner_submit (Owner *self, File *file)
{
  file->owner = self;
  file->job = lp_job_new_for_call ("sha256", g_variant_new ("(^ay)", file->path));
  lp_job_set_timeout_seconds (file->job, self->demo->options.timeout);
  if (file->size >= BIG_FILE)
    g_signal_connect (file->job, "notify::progress", G_CALLBACK (big_file_cb), self->demo);

  self->taken++;
  self->running++;
  lp_lease_submit_async (self->lease, file->job, NULL, hashed_cb, file);
}

static void
owner_renew (Owner *self)
{
  /* What a refusal means is told by the jobs, which are then cancelled. */
  if (lp_lease_renew (self->lease, -1, NULL))
    self->demo->renewals++;
}

static void
expiring_cb (LpManager *manager, LpLeaseInfo *info, Owner *self)
{
  if (self->lease != NULL && self->running > 0
      && g_str_equal (lp_lease_get_id (self->lease), lp_lease_info_get_id (info)))
    owner_renew (self);
}

static void
owner_end (Owner *self)
{
  Demo *demo = self->demo;

  g_signal_handlers_disconnect_by_data (demo->manager, self);
  g_object_unref (self->request);
  g_free (self);

  if (--demo->owners == 0)
    demo_stop (demo);
  demo_quit_if_done (demo);
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Owner *self = user_data;
  g_autoptr(GError) error = NULL;

  self->lease = lp_manager_acquire_finish (LP_MANAGER (source), result, &error);
  if (self->lease != NULL)
    {
      self->taken = 0;
      /* A lease counts from the grant: the signal may have come before the lease did. */
      if (lp_lease_get_soft_expires_at (self->lease) <= g_get_monotonic_time ())
        owner_renew (self);
      owner_pump (self);
      return;
    }

  if (!self->demo->stopping)
    demo_report (self->demo, error->message);
  owner_end (self);
}

static gboolean
owner_has_room (Owner *self)
{
  return lp_lease_get_state (self->lease) == LP_LEASE_STATE_ACTIVE &&
         self->taken < FILES_PER_LEASE && self->running < (guint) (self->demo->options.workers * JOBS_PER_WORKER);
}

static void
owner_pump (Owner *self)
{
  File *file;

  while (owner_has_room (self) && (file = demo_next_file (self->demo)) != NULL)
    owner_submit (self, file);
  if (self->running > 0)
    return;

  lp_lease_release (self->lease);
  g_clear_object (&self->lease);
  if (demo_has_more (self->demo))
    lp_manager_acquire_async (self->demo->manager, self->request, NULL, acquired_cb, self);
  else
    owner_end (self);
}

static void
owner_new (Demo *demo, int number)
{
  Owner *self = g_new0 (Owner, 1);
  g_autofree char *name = g_strdup_printf ("reader-%d", number);

  self->demo = demo;
  self->request = lp_request_new ();
  lp_request_set_owner (self->request, name);
  lp_request_set_lease_seconds (self->request, demo->options.lease_seconds);
  lp_request_set_timeout (self->request, demo->options.timeout);
  g_signal_connect (demo->manager, "lease-expiring", G_CALLBACK (expiring_cb), self);
  demo->owners++;
  lp_manager_acquire_async (demo->manager, self->request, NULL, acquired_cb, self);
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Demo *self = user_data;
  g_autoptr(GError) error = NULL;

  if (lp_manager_start_finish (LP_MANAGER (source), result, &error))
    {
      for (int i = 1; i <= self->options.owners && !self->stopping; i++)
        owner_new (self, i);
      return;
    }

  if (!self->stopping)
    demo_report (self, error->message);
  demo_stop (self);
}

/* The worker program is beside this one. */
static void
demo_set_worker_program (Demo *self)
{
  g_autofree char *self_path = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *directory = g_path_get_dirname (self_path != NULL ? self_path : g_get_prgname ());
  g_autofree char *program = g_build_filename (directory, "lp-checksum-worker", NULL);

  lp_manager_set_worker_argv (self->manager, (const char * const []) { program, NULL });
}

static void
demo_make_manager (Demo *self)
{
  const char *backend = self->options.is_process ? LP_BACKEND_PROCESS : LP_BACKEND_THREAD;

  self->manager = lp_manager_new (backend, self->options.pools);
  lp_manager_set_workers_per_pool (self->manager, self->options.workers);
  if (self->options.is_own)
    demo_set_worker_program (self);
  else
    lp_manager_set_function_module (self->manager, "checksum");
}

static void
demo_run (Demo *self)
{
  guint sources[3];

  demo_make_manager (self);
  self->loop = g_main_loop_new (NULL, FALSE);
  self->walker = walker_new (self->options.paths, demo_report_file, self);
  self->live = isatty (STDERR_FILENO) && !(self->options.sums && isatty (STDOUT_FILENO));
  self->started_at = self->shown_at = g_get_monotonic_time ();

  sources[0] = g_timeout_add (self->live ? 100 : 1000, progress_cb, self);
  sources[1] = g_unix_signal_add (SIGINT, interrupted_cb, self);
  sources[2] = g_unix_signal_add (SIGTERM, terminated_cb, self);
  lp_manager_start_async (self->manager, NULL, started_cb, self);
  g_main_loop_run (self->loop);
  demo_show_summary (self);

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    if (g_main_context_find_source_by_id (NULL, sources[i]) != NULL)
      g_source_remove (sources[i]);
  g_queue_clear_full (&self->again, (GDestroyNotify) file_free);
  walker_free (self->walker);
  g_free (self->big_file);
  g_main_loop_unref (self->loop);
  g_object_unref (self->manager);
}

int
main (int argc, char **argv)
{
  Demo demo = { 0 };

  setlocale (LC_ALL, "");
  if (!options_parse (&demo.options, &argc, &argv))
    return 2;

  demo_run (&demo);
  options_clear (&demo.options);
  if (fflush (stdout) == EOF)
    demo_report (&demo, "Cannot write the sums");
  if (demo.signal_number != 0)
    return 128 + demo.signal_number;
  return demo.errors == 0 ? 0 : 1;
}
