/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Only in builds with the thread sanitizer: it reports what is a race, and takes nothing for one that GLib orders. */

#include "config.h"

#include <glib.h>

static guint counter;
static GMutex mutex;

static gpointer
count_without_lock (gpointer data)
{
  counter++;

  return NULL;
}

static gpointer
count_with_lock (gpointer data)
{
  g_mutex_lock (&mutex);
  counter++;
  g_mutex_unlock (&mutex);

  return NULL;
}

static gpointer
count_and_push (gpointer data)
{
  counter++;
  g_async_queue_push (data, &counter);

  return NULL;
}

static void
count_on_two_threads (GThreadFunc func)
{
  GThread *first = g_thread_new ("first", func, NULL);
  GThread *second = g_thread_new ("second", func, NULL);

  g_thread_join (first);
  g_thread_join (second);
  g_assert_cmpuint (counter, ==, 2);
}

static void
test_race_is_reported (void)
{
  if (g_test_subprocess ())
    {
      count_on_two_threads (count_without_lock);
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);

  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*WARNING: ThreadSanitizer: data race*count_without_lock*");
}

static void
test_mutex_is_seen (void)
{
  if (g_test_subprocess ())
    {
      count_on_two_threads (count_with_lock);
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);

  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched ("*ThreadSanitizer*");
}

/* As with a mutex, but the library that locks is GLib itself. */
static void
test_queue_is_seen (void)
{
  if (g_test_subprocess ())
    {
      GAsyncQueue *queue = g_async_queue_new ();
      GThread *thread = g_thread_new ("first", count_and_push, queue);

      g_assert_true (g_async_queue_pop (queue) == &counter);
      counter++;
      g_thread_join (thread);
      g_async_queue_unref (queue);
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);

  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched ("*ThreadSanitizer*");
}

/* It guards each GVariant. */
static gpointer
count_with_bit_lock (gpointer data)
{
  static int bits;

  g_bit_lock (&bits, 0);
  counter++;
  g_bit_unlock (&bits, 0);

  return NULL;
}

static void
test_bit_lock_is_seen (void)
{
  if (g_test_subprocess ())
    {
      count_on_two_threads (count_with_bit_lock);
      return;
    }

  g_test_trap_subprocess (NULL, 0, 0);

  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched ("*ThreadSanitizer*");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  /* For the programs that the cases start: what these report is no report of the suite. */
  g_setenv ("TSAN_OPTIONS", "exitcode=66", TRUE);

  g_test_add_func ("/tsan/race-is-reported", test_race_is_reported);
  g_test_add_func ("/tsan/mutex-is-seen", test_mutex_is_seen);
  g_test_add_func ("/tsan/queue-is-seen", test_queue_is_seen);
  g_test_add_func ("/tsan/bit-lock-is-seen", test_bit_lock_is_seen);

  return g_test_run ();
}
