/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* Objects that a language has: it is told of their second reference and of the last but one, and takes the lock of its
 * interpreter for that. Whoever has that lock may drop the last reference of other objects. */

#include "config.h"

#include "lp-test.h"

#include <unistd.h>

/* A deadlock is to end. */
#define PATIENCE_SECONDS LP_TEST_PATIENCE_SECONDS

static GMutex interpreter;
static int n_waiting;           /* (atomic) of toggle notifies */

static void
toggle_cb (gpointer data, GObject *object, gboolean is_last)
{
  g_atomic_int_inc (&n_waiting);
  g_mutex_lock (&interpreter);
  g_mutex_unlock (&interpreter);
}

/* The only reference is that of the language. */
static void
give_to_language (gpointer object)
{
  g_object_add_toggle_ref (object, toggle_cb, NULL);
  g_object_unref (object);
}

static void
take_from_language (gpointer object)
{
  g_object_ref (object);
  g_object_remove_toggle_ref (object, toggle_cb, NULL);
}

static gpointer
find_main (gpointer lease)
{
  LpManager *manager = lp_lease_dup_manager (lease);

  g_assert_true (LP_IS_MANAGER (manager));
  g_object_unref (manager);

  return NULL;
}

/* One thread looks for the manager while another one, that has the lock, lets others go. */
static void
test_last_reference_of_others (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "tester");
  LpManager *other = lp_manager_new (LP_BACKEND_THREAD, 1);
  LpGrinder *grinder = lp_grinder_new (other);
  GThread *thread;

  alarm (PATIENCE_SECONDS);
  give_to_language (manager);
  g_atomic_int_set (&n_waiting, 0);

  g_mutex_lock (&interpreter);
  thread = g_thread_new ("finder", find_main, lease);
  while (g_atomic_int_get (&n_waiting) == 0)
    g_thread_yield ();
  g_object_unref (grinder);
  g_object_unref (other);
  g_mutex_unlock (&interpreter);

  g_thread_join (thread);
  take_from_language (manager);
  lp_lease_release (lease);
  g_object_unref (lease);
  lp_test_finish (manager);
  alarm (0);
}

static gboolean
has_no_threads (gpointer data)
{
  return lp_test_count_threads ("leasepool") == 0;
}

static void
test_is_not_found_once_disposed (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *lease = lp_test_acquire (manager, "tester");

  g_object_run_dispose (G_OBJECT (manager));
  g_assert_null (lp_lease_dup_manager (lease));
  lp_lease_release (lease);
  g_object_unref (lease);
  g_object_unref (manager);
  /* It stops behind the scenes. */
  lp_test_wait_for (has_no_threads, NULL, "the end of the threads");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/toggle/last-reference-of-others", test_last_reference_of_others);
  g_test_add_func ("/toggle/is-not-found-once-disposed", test_is_not_found_once_disposed);

  return g_test_run ();
}
