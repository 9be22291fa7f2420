/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* What the system takes for what nobody can do without: the bare mechanisms below the other benchmarks. */

#define _GNU_SOURCE

#include "lp-bench-floors.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ECHO_SIZE 64
#define LARGE (64u << 20)

/* --- A source that is always ready --- */

static gboolean
count_cb (gpointer n_calls)
{
  ++*(guint *) n_calls;
  return G_SOURCE_CONTINUE;
}

static double
iterate (gpointer data, guint n)
{
  guint n_calls = 0;
  guint id = g_idle_add (count_cb, &n_calls);
  gint64 started = lp_bench_now ();

  while (n_calls < n)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (id);

  return (double) (lp_bench_now () - started) / n;
}

/* --- An echo that the main loop reads --- */

typedef struct
{
  LpBenchChild child;
  guint n_left;
} Echo;

static gboolean
readable_cb (int fd, GIOCondition condition, gpointer user_data)
{
  Echo *self = user_data;
  char bytes[ECHO_SIZE];

  lp_bench_read_all (fd, bytes, sizeof bytes);
  if (--self->n_left > 0)
    lp_bench_write_all (fd, bytes, sizeof bytes);

  return G_SOURCE_CONTINUE;
}

static double
echo_in_loop (gpointer data, guint n)
{
  Echo *self = data;
  guint id = g_unix_fd_add (self->child.from, G_IO_IN, readable_cb, self);
  gint64 started = lp_bench_now ();
  char bytes[ECHO_SIZE] = { 0 };

  self->n_left = n;
  lp_bench_write_all (self->child.to, bytes, sizeof bytes);
  while (self->n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (id);

  return (double) (lp_bench_now () - started) / n;
}

/* --- Bytes into a file in memory, and a view of them --- */

static double
fill_memfd (gpointer data, guint n)
{
  gsize size = lp_bench_scaled (LARGE, 1 << 20);
  g_autofree char *bytes = g_malloc (size);
  gint64 started;

  memset (bytes, 'x', size);
  started = lp_bench_now ();
  for (guint i = 0; i < 2 * n; i++)
    {
      int fd = memfd_create ("bench", MFD_CLOEXEC);
      guint sum = 0;
      const char *view;

      g_assert_cmpint (fd, >=, 0);
      lp_bench_write_all (fd, bytes, size);
      view = mmap (NULL, size, PROT_READ, MAP_SHARED, fd, 0);
      g_assert_true (view != MAP_FAILED);
      for (gsize at = 0; at < size; at += 4096)
        sum += (guchar) view[at];
      g_assert_cmpuint (sum, >, 0);
      munmap ((gpointer) view, size);
      close (fd);
    }

  return (double) (lp_bench_now () - started) / n;
}

static void
measure (const char *name, guint n, LpBenchFunc func, gpointer data)
{
  LpBenchRow row = { name, "ns", n, 0 };

  lp_bench_measure (&row, func, data);
}

int
main (void)
{
  LpBenchPartner partner;
  Echo echo;

  lp_bench_init ("floors");
  lp_bench_partner_init (&partner, FALSE, FALSE);
  measure ("another thread is woken, and wakes this one", 5000, lp_bench_partner_ask, &partner);
  lp_bench_partner_clear (&partner);
  lp_bench_partner_init (&partner, TRUE, FALSE);
  measure ("another thread is woken, and wakes this one's main loop", 5000, lp_bench_partner_ask, &partner);
  lp_bench_partner_clear (&partner);

  measure ("one iteration of a main loop with a source that is ready", 100000, iterate, NULL);

  lp_bench_child_init (&echo.child, "echo");
  measure ("a bare echo of 64 bytes, read in the main loop", 5000, echo_in_loop, &echo);
  lp_bench_child_clear (&echo.child);

  measure ("64 MiB into a file in memory and looked at, twice", 2, fill_memfd, NULL);

  return 0;
}
