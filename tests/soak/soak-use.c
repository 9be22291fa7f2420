/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the process has, and what is kept of it on purpose. */

#include "config.h"

#include "soak.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the bytes in use, what caches of threads and the windows of histograms come to. */
#define NOISE_BYTES (384.0 * 1024)

static guint
count_files (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static gboolean
is_child (const char *pid)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "stat", NULL);
  g_autofree char *stat = NULL;
  const char *end;
  int parent = 0;
  char state;

  return g_ascii_isdigit (pid[0])
         && g_file_get_contents (path, &stat, NULL, NULL)
         && (end = strrchr (stat, ')')) != NULL
         && sscanf (end + 1, " %c %d", &state, &parent) == 2
         && parent == getpid ();
}

static GArray *
list_children (void)
{
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (is_child (name))
      {
        int pid = atoi (name);

        g_array_append_val (pids, pid);
      }
  return pids;
}

int
soak_pick_child (GRand *random)
{
  g_autoptr (GArray) pids = list_children ();

  return pids->len > 0 ? g_array_index (pids, int, g_rand_int_range (random, 0, pids->len)) : 0;
}

/* What malloc() has given and not got back, to the byte: no pages, which depend on who came when. */
static gsize
count_bytes (void)
{
#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__) || !defined (HAVE_MALLINFO2)
  return 0;
#else
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
#endif
}

void
soak_use_measure (SoakUse *use, guint64 n_jobs)
{
  g_autoptr (GArray) pids = list_children ();

  use->n_jobs = n_jobs;
  use->n_bytes = count_bytes ();
  use->n_children = pids->len;
  use->n_descriptors = count_files ("/proc/self/fd") - 1;     /* the one that counts */
  use->n_threads = count_files ("/proc/self/task");
}

/* The names of all threads. */
char *
soak_dup_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  GString *names = g_string_new (NULL);
  const char *task;

  while (dir != NULL && (task = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/task", task, "comm", NULL);
      g_autofree char *name = NULL;

      if (g_file_get_contents (path, &name, NULL, NULL))
        g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", g_strstrip (name));
    }
  return g_string_free (names, FALSE);
}

static const SoakUse *
find_least (const SoakUse *uses, guint n_uses)
{
  const SoakUse *least = &uses[0];

  for (guint i = 1; i < n_uses; i++)
    if (uses[i].n_bytes < least->n_bytes)
      least = &uses[i];
  return least;
}

/* The least of the first third against the least of the last: what comes and goes is not in it, what is kept is in
 * every later one. */
double
soak_bytes_per_job (const SoakUse *uses, guint n_uses)
{
  guint third = n_uses / 3;
  const SoakUse *first, *last;
  double n_bytes;

  if (third == 0)
    return 0;

  first = find_least (uses, third);
  last = find_least (uses + n_uses - third, third);
  n_bytes = (double) last->n_bytes - (double) first->n_bytes - NOISE_BYTES;
  if (last->n_jobs <= first->n_jobs || n_bytes <= 0)
    return 0;
  return n_bytes / (double) (last->n_jobs - first->n_jobs);
}

/* --- What is lost on purpose --- */

static GArray *planted_pids;

static gpointer
stay_main (gpointer data)
{
  for (;;)
    pause ();
  return NULL;
}

static void
plant_child (void)
{
  char *argv[] = { (char *) "sleep", (char *) "600", NULL };
  GPid pid;

  if (planted_pids == NULL)
    planted_pids = g_array_new (FALSE, FALSE, sizeof (GPid));
  g_assert_true (g_spawn_async (NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                                NULL));
  g_array_append_val (planted_pids, pid);
}

void
soak_plant (SoakPlant plant)
{
  static guint n_jobs;
  static gpointer chain;        /* so that no compiler takes the memory away */

  if (plant == SOAK_PLANT_MEMORY)
    {
      gpointer *bytes = g_malloc0 (100);

      *bytes = chain;
      chain = bytes;
    }
  /* Four times in the jobs that a short run has at least. */
  if (n_jobs++ % 400 != 100)
    return;

  if (plant == SOAK_PLANT_DESCRIPTOR)
    g_assert_cmpint (fcntl (2, F_DUPFD_CLOEXEC, 0), >=, 0);
  if (plant == SOAK_PLANT_THREAD)
    g_thread_unref (g_thread_new ("planted", stay_main, NULL));
  if (plant == SOAK_PLANT_CHILD)
    plant_child ();
}

void
soak_plant_clear (void)
{
  for (guint i = 0; planted_pids != NULL && i < planted_pids->len; i++)
    kill (g_array_index (planted_pids, GPid, i), SIGKILL);
}
