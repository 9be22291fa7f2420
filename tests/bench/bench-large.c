/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Many bytes to a local worker and back: against two copies of them, each into fresh memory. All that arrives is
 * looked at, a byte of each page. */

#include "lp-bench.h"

#include <string.h>
#include <sys/mman.h>

#define SIZE (64u << 20)
#define PAGE 4096

static guint sink;

static gsize
get_size (void)
{
  return lp_bench_scaled (SIZE, 1 << 20);
}

static void
look_at (const guint8 *bytes, gsize size)
{
  guint sum = 0;

  for (gsize i = 0; i < size; i += PAGE)
    sum += bytes[i];
  sink += sum;
}

typedef struct
{
  LpManager *manager;
  LpLease *lease;
  GBytes *bytes;
} Ours;

static void
called_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = lp_lease_call_finish (LP_LEASE (source), result, &error);
  g_autoptr (GVariant) bytes = NULL;
  gconstpointer data;
  gsize size;

  if (value == NULL)
    g_error ("a call failed: %s", error->message);

  bytes = g_variant_get_child_value (value, 0);
  data = g_variant_get_fixed_array (bytes, &size, 1);
  g_assert_cmpuint (size, ==, get_size ());
  look_at (data, size);
  lp_bench_slot_done (user_data);
}

static void
start_call (LpBenchSlot *slot, gpointer data)
{
  Ours *self = data;
  GVariant *bytes = g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, self->bytes, TRUE);

  lp_lease_call_async (self->lease, "echo", g_variant_new ("(@ay)", bytes), NULL, called_cb, slot);
}

static double
call (gpointer data, guint n)
{
  return lp_bench_window (start_call, data, n, 1);
}

static guint8 *
copy_of (const guint8 *bytes, gsize size)
{
  guint8 *copy = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  g_assert_true (copy != MAP_FAILED);
  memcpy (copy, bytes, size);

  return copy;
}

static double
copy_twice (gpointer data, guint n)
{
  const guint8 *bytes = g_bytes_get_data (((Ours *) data)->bytes, NULL);
  gsize size = get_size ();
  gint64 started = lp_bench_now ();

  for (guint i = 0; i < n; i++)
    {
      guint8 *there = copy_of (bytes, size);
      guint8 *back = copy_of (there, size);

      look_at (back, size);
      munmap (there, size);
      munmap (back, size);
    }

  return (double) (lp_bench_now () - started) / n;
}

int
main (void)
{
  gsize size = get_size ();
  guint8 *bytes = g_malloc (size);
  LpBenchRow row = { "64 MiB of bytes to a local C worker and back", "ns", 3, 2 };
  Ours ours;

  lp_bench_init ("large");
  memset (bytes, 'x', size);
  ours.bytes = g_bytes_new_take (bytes, size);
  ours.manager = lp_bench_manager (LP_BACKEND_PROCESS, 1, 1);
  ours.lease = lp_bench_acquire (ours.manager);

  lp_bench_compare (&row, &(LpBenchSide) { NULL, call, &ours },
                    &(LpBenchSide) { "two memcpy() into fresh memory", copy_twice, &ours });

  lp_bench_give_back (ours.manager, ours.lease);
  g_bytes_unref (ours.bytes);
  return 0;
}
