/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* soak [--backend=NAME] [--seed=NUMBER] [--plant=WHAT] SECONDS: mixed load on a backend, or on both, each for so long,
 * while workers are killed. In the end nothing is lost: every job that was accepted has ended, and every lease; and
 * nothing is left: descriptors, children, threads and memory are as they were. It ends with 1 and says what, else.
 *
 * LP_MODULE_PATH and LP_WORKER_PROGRAM say where its module and the worker program are; "meson devenv" sets both.
 *
 * There is one manager after the other. The first is there so that everything has happened once. The second has most of
 * the time, with a measurement whenever nothing is under way; the others are stopped in mid-load. */

#include "config.h"

#include "soak.h"

#include <stdlib.h>
#include <unistd.h>

/* So much for what is slow, in seconds; nothing that works takes that long. */
#define PATIENCE 60
/* Per job. What is lost with every job is a block of malloc() at least, of 32 bytes. */
#define MAX_BYTES 16
#define MAX_POOLS 4
#define WORKERS 2
#define SHORT_MANAGERS 6
#define IDLE_LOOKS 10

static int n_problems;
static gint64 patience = PATIENCE;
/* So that 100 bytes a job are more than noise. */
static int min_jobs = 8000;
static gboolean verbose;

static void G_GNUC_PRINTF (1, 2)
problem (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("soak: %s\n", text);
  n_problems++;
}

static gboolean
wake_cb (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Iterates until CONDITION holds, or for so many seconds. */
static gboolean
iterate (double seconds, gboolean (*condition) (gpointer data), gpointer data)
{
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  guint source = g_timeout_add (20, wake_cb, NULL);
  gboolean held = FALSE;

  while (!(held = condition != NULL && condition (data)) && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
  return held;
}

static gboolean
is_quiet (gpointer data)
{
  return soak_load_is_quiet (data);
}

static gboolean
is_set (gpointer data)
{
  return *(gboolean *) data;
}

/* --- A manager --- */

static LpManager *
start_manager (const char *backend)
{
  LpManager *manager = lp_manager_new (backend, MAX_POOLS);
  g_autoptr (GError) error = NULL;

  g_object_set (manager,
                "workers-per-pool", WORKERS,
                "function-module", "soak-module",
                "check-interval", 0.5,
                "default-lease-seconds", 30.0,
                "lease-grace-seconds", 0.02,
                "cancel-grace-seconds", 0.02,
                "idle-linger-seconds", 0.1,
                "max-jobs-per-worker", 1000,
                "start-timeout-seconds", (double) PATIENCE,
                "units", 20,
                NULL);
  if (g_str_equal (backend, LP_BACKEND_PROCESS))
    lp_manager_set_forward_process_logs (manager, TRUE);
  if (!lp_manager_start (manager, NULL, &error))
    g_error ("The manager does not start: %s", error->message);
  return manager;
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!lp_manager_stop_finish (LP_MANAGER (source), result, &error))
    problem ("a stop failed: %s", error->message);
  *(gboolean *) user_data = TRUE;
}

static void
come_to_rest (SoakLoad *load, const char *when)
{
  if (iterate (patience, is_quiet, load))
    return;

  problem ("%s %s something has not ended:", load->backend, when);
  soak_load_print (load);
}

static void
stop_manager (SoakLoad *load, LpStopMode mode)
{
  gboolean stopped = FALSE;
  LpManager *weak = load->manager;

  soak_load_stop (load, mode, stopped_cb, &stopped);
  if (!iterate (patience + 20, is_set, &stopped))
    g_error ("A stop does not end");
  come_to_rest (load, "after a stop");

  g_object_add_weak_pointer (G_OBJECT (weak), (gpointer *) &weak);
  soak_load_clear (load);
  iterate (0.1, NULL, NULL);
  if (weak != NULL)
    problem ("%s: a manager is not finalized", load->backend);
}

/* --- Measurements --- */

static guint64
count_jobs (SoakLoad *load)
{
  return (guint64) g_atomic_int_get (&load->n_ended);
}

static void
measure (SoakLoad *load, GArray *uses)
{
  SoakUse use;

  soak_use_measure (&use, count_jobs (load));
  g_array_append_val (uses, use);
  if (verbose)
    g_print ("%s: %" G_GUINT64_FORMAT " jobs, %" G_GUINT64_FORMAT " kills, %u descriptors, %u children, %u threads, %"
             G_GSIZE_FORMAT " bytes\n", load->backend, use.n_jobs, load->n_kills, use.n_descriptors, use.n_children,
             use.n_threads, use.n_bytes);
}

static gboolean
is_no_more_than (gpointer data)
{
  const SoakUse *before = data;
  SoakUse now;

  soak_use_measure (&now, 0);
  return now.n_descriptors <= before->n_descriptors && now.n_children <= before->n_children
         && now.n_threads <= before->n_threads;
}

/* Threads and children are seen in /proc for a moment after they were joined and reaped. */
static void
check_nothing_is_left (SoakLoad *load, SoakUse *before)
{
  SoakUse now;

  if (iterate (MIN (patience, 10), is_no_more_than, before))
    return;

  soak_use_measure (&now, 0);
  if (now.n_descriptors > before->n_descriptors)
    problem ("%s: descriptors: %u more are left", load->backend, now.n_descriptors - before->n_descriptors);
  if (now.n_children > before->n_children)
    problem ("%s: children: %u more are left", load->backend, now.n_children - before->n_children);
  if (now.n_threads > before->n_threads)
    {
      g_autofree char *names = soak_dup_threads ();

      problem ("%s: threads: %u more are left, of %s", load->backend, now.n_threads - before->n_threads, names);
    }
}

/* With nothing under way there are no more than the bounds allow: a worker has a stream, its standard error, and a
 * descriptor of its process; the rest is for what has no worker. */
static void
check_bounds (SoakLoad *load, const SoakUse *idle, const SoakUse *now)
{
  guint n_workers = 2 * MAX_POOLS * WORKERS;    /* those that are being ended count, too */

  if (now->n_children > idle->n_children + n_workers)
    problem ("%s: %u children while nothing is under way", load->backend, now->n_children);
  if (now->n_threads > idle->n_threads + n_workers + 4)
    problem ("%s: %u threads while nothing is under way", load->backend, now->n_threads);
  if (now->n_descriptors > idle->n_descriptors + 5 * n_workers + 8)
    problem ("%s: %u descriptors while nothing is under way", load->backend, now->n_descriptors);
}

static double
check_memory (SoakLoad *load, const char *when, GArray *uses)
{
  double n_bytes = soak_bytes_per_job ((const SoakUse *) uses->data, uses->len);

  if (n_bytes > MAX_BYTES)
    problem ("%s: memory: %.0f bytes a job are kept %s", load->backend, n_bytes, when);
  return n_bytes;
}

/* --- The run --- */

static void
load_for (SoakLoad *load, double seconds)
{
  soak_load_go (load);
  iterate (seconds, NULL, NULL);
  soak_load_rest (load);
  come_to_rest (load, "in a pause");
  for (guint i = 0; i < G_N_ELEMENTS (load->helpers); i++)
    g_clear_pointer (&load->helpers[i], g_thread_join);
}

/* One manager for long: nothing grows while it lives. */
static void
run_long (SoakLoad *load, double seconds, const SoakUse *idle, GArray *uses)
{
  g_autoptr (LpManager) manager = start_manager (load->backend);
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  guint64 n_before = count_jobs (load);
  double lap = CLAMP (seconds / 24, 0.2, 5);

  soak_load_start (load, manager);
  /* The first laps fill the windows of the histograms. */
  while (n_problems == 0 && (g_get_monotonic_time () < end || count_jobs (load) - n_before < (guint64) min_jobs))
    {
      load_for (load, lap);
      measure (load, uses);
      check_bounds (load, idle, &g_array_index (uses, SoakUse, uses->len - 1));
    }
  g_clear_object (&manager);
  stop_manager (load, LP_STOP_MODE_DRAIN);
}

static void
run_short (SoakLoad *load, double seconds, LpStopMode mode, GArray *uses)
{
  g_autoptr (LpManager) manager = start_manager (load->backend);

  soak_load_start (load, manager);
  load_for (load, seconds / 2);
  soak_load_go (load);
  iterate (seconds / 2, NULL, NULL);
  g_clear_object (&manager);
  stop_manager (load, mode);
  measure (load, uses);
}

/* What is left of a first manager is the least that is seen in a while: what it had may be seen for a moment yet. */
static SoakUse
find_idle (void)
{
  SoakUse idle;

  soak_use_measure (&idle, 0);
  for (guint i = 0; i < IDLE_LOOKS; i++)
    {
      SoakUse now;

      iterate (0.05, NULL, NULL);
      soak_use_measure (&now, 0);
      idle.n_descriptors = MIN (idle.n_descriptors, now.n_descriptors);
      idle.n_children = MIN (idle.n_children, now.n_children);
      idle.n_threads = MIN (idle.n_threads, now.n_threads);
    }
  return idle;
}

static void
soak (const char *backend, double seconds, guint32 seed, SoakPlant plant)
{
  static const LpStopMode modes[] = { LP_STOP_MODE_CANCEL, LP_STOP_MODE_KILL, LP_STOP_MODE_DRAIN };
  SoakLoad load = { .backend = backend, .helper_seed = (int) seed };
  g_autoptr (GArray) warm = g_array_new (FALSE, FALSE, sizeof (SoakUse));
  g_autoptr (GArray) alive = g_array_new (FALSE, FALSE, sizeof (SoakUse));
  g_autoptr (GArray) stopped = g_array_new (FALSE, FALSE, sizeof (SoakUse));
  SoakUse idle;

  load.random = g_rand_new_with_seed (seed);
  run_short (&load, MIN (seconds / 10, 5), LP_STOP_MODE_DRAIN, warm);
  idle = find_idle ();

  /* What is lost before is taken for what has to be there. */
  load.plant = plant;
  run_long (&load, seconds * 0.6, &idle, alive);
  for (guint i = 0; i < SHORT_MANAGERS && n_problems == 0; i++)
    run_short (&load, seconds * 0.3 / SHORT_MANAGERS, modes[i % G_N_ELEMENTS (modes)], stopped);
  check_nothing_is_left (&load, &idle);

  g_print ("%s: seed %u, %" G_GUINT64_FORMAT " managers, %d jobs accepted, %d ended, %" G_GUINT64_FORMAT " leases, %"
           G_GUINT64_FORMAT " kills, %.1f bytes a job kept while a manager lives, %.1f after\n",
           backend, seed, load.n_managers, load.n_accepted, load.n_ended, load.n_all_leases, load.n_kills,
           check_memory (&load, "while a manager lives", alive),
           check_memory (&load, "from manager to manager", stopped));
  g_rand_free (load.random);
}

/* --- The program --- */

/* All records are made and none is shown: a lease that was dropped is worth a message. */
static GLogWriterOutput
write_nothing (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
    return g_log_writer_standard_streams (level, fields, n_fields, user_data);
  return G_LOG_WRITER_HANDLED;
}

static SoakPlant
parse_plant (const char *name)
{
  static const char * const names[] = { "none", "descriptor", "child", "thread", "memory", "job", "lease" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (name, names[i]) == 0)
      return (SoakPlant) i;
  g_error ("Nothing called “%s” can be planted", name);
}

int
main (int argc, char *argv[])
{
  g_autofree char *backend = NULL;
  g_autofree char *plant = g_strdup ("none");
  gint64 seed = g_random_int ();
  GOptionEntry entries[] = {
    { "backend", 0, 0, G_OPTION_ARG_STRING, &backend, "one backend only", "NAME" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "of an earlier run", "NUMBER" },
    { "plant", 0, 0, G_OPTION_ARG_STRING, &plant, "what is lost on purpose", "WHAT" },
    { "patience", 0, 0, G_OPTION_ARG_INT64, &patience, "how long what does not end is waited for", "SECONDS" },
    { "min-jobs", 0, 0, G_OPTION_ARG_INT, &min_jobs, "it goes on until there were so many", "NUMBER" },
    { "verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "print each measurement", NULL },
    G_OPTION_ENTRY_NULL
  };
  const char *backends[] = { LP_BACKEND_THREAD, LP_BACKEND_PROCESS };
  g_autoptr (GOptionContext) context = g_option_context_new ("SECONDS");
  g_autoptr (GError) error = NULL;

  /* GLib's own allocator, where it has one, keeps what it was given back; so do the caches of threads. */
  if (g_getenv ("G_SLICE") == NULL && g_setenv ("G_SLICE", "always-malloc", TRUE)
      && g_setenv ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", TRUE))
    execv ("/proc/self/exe", argv);

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2)
    {
      g_printerr ("%s\n", error != NULL ? error->message : "How many seconds?");
      return 2;
    }

  g_log_set_writer_func (write_nothing, NULL, NULL);
  g_print ("seed %u\n", (guint32) seed);
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++)
    if (backend == NULL || g_str_equal (backend, backends[i]))
      soak (backends[i], g_ascii_strtod (argv[1], NULL), (guint32) seed, parse_plant (plant));
  soak_plant_clear ();
  return n_problems == 0 ? 0 : 1;
}
