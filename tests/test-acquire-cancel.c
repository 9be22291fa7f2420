/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The rules of “Acquire”: cancelled asks, results that nobody fetches, and
 * what is told of leases by their id and in the stats. */

#include "config.h"

#include "lp-test-acquire.h"

static gboolean
has_revoked (gpointer data)
{
  return lp_test_counter (data, "revoked") > 0;
}

/* Cancelling */

static void
test_cancelled_before (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (LpRequest) request = new_request ("somebody", -1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_cancellable_cancel (cancellable);
  assert_fails (ask_full (GPOINTER_TO_INT (data), manager, request, cancellable), G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 0);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);

  lp_test_finish (manager);
}

static void
test_cancelled_while_waiting (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  g_autoptr (LpRequest) request = new_request ("somebody", 1000);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Asker *asker = queue_full (GPOINTER_TO_INT (data), manager, request, cancellable);
  Asker *next = queue (GPOINTER_TO_INT (data), manager, "next");

  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "cancelled"), ==, 1);
  assert_fails (asker, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  give_back (held);
  give_back (get_lease (next));
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 2);
  lp_test_finish (manager);
}

/* An acquire in CONTEXT, which nobody iterates meanwhile. */
static GAsyncResult **
acquire_in (GMainContext *context, LpManager *manager, LpRequest *request, GCancellable *cancellable)
{
  GAsyncResult **result = g_new0 (GAsyncResult *, 1);

  g_main_context_push_thread_default (context);
  lp_manager_acquire_async (manager, request, cancellable, lp_test_result_cb, result);
  g_main_context_pop_thread_default (context);

  return result;
}

static void
finish_in (GMainContext *context, LpManager *manager, GAsyncResult **result, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  g_assert_null (lp_manager_acquire_finish (manager, lp_test_wait_result (result), &error));
  g_main_context_pop_thread_default (context);

  g_assert_error (error, domain, code);
  g_clear_object (result);
  g_free (result);
}

/* The lease was granted, its callback cannot run: CANCELLABLE gives it to the
 * next waiter all the same. */
static void
cancel_between_grant_and_finish (GMainContext *context, gboolean waits_first)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = waits_first ? lp_test_acquire (manager, "holder") : NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult **result = acquire_in (context, manager, NULL, cancellable);
  Asker *next;

  if (held == NULL)
    block_acquired (manager, 1);
  next = queue (BLOCKING, manager, "next");
  if (held != NULL)
    {
      give_back (held);
      block_acquired (manager, 2);
    }
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);
  g_assert_cmpuint (lp_test_stat (manager, "waiting"), ==, 1);

  g_cancellable_cancel (cancellable);
  lp_test_block_for (is_answered, next, "the next waiter");
  give_back (get_lease (next));

  finish_in (context, manager, result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (lp_test_stat (manager, "available"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, lp_test_counter (manager, "released"));
  lp_test_finish (manager);
}

static void
test_cancelled_after_grant (gconstpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  cancel_between_grant_and_finish (context, GPOINTER_TO_INT (data));
}

static void
test_cancelled_after_grant_owner_blocked (gconstpointer data)
{
  cancel_between_grant_and_finish (g_main_context_default (), GPOINTER_TO_INT (data));
}

static void
cancel_and_finish_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (user_data);
  g_assert_null (lp_manager_acquire_finish (LP_MANAGER (source), result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static gboolean
is_cancelled (gpointer cancellable)
{
  return g_cancellable_is_cancelled (cancellable);
}

static void
test_cancelled_in_the_callback (void)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  lp_manager_acquire_async (manager, NULL, cancellable, cancel_and_finish_cb, cancellable);
  lp_test_wait_for (is_cancelled, cancellable, "the callback");
  lp_test_wait_stat (manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 1);

  lp_test_finish (manager);
}

/* Cancelling what has been fetched changes nothing. */
static void
test_cancelled_after_finish (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  g_autoptr (LpRequest) request = new_request ("somebody", -1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  LpLease *lease = get_lease (ask_full (GPOINTER_TO_INT (data), manager, request, cancellable));

  g_cancellable_cancel (cancellable);
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpuint (lp_test_stat (manager, "leased"), ==, 1);

  give_back (lease);
  lp_test_finish (manager);
}

/* Results nobody fetches */

static void
not_finishing_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
}

static void
test_result_nobody_finishes (gconstpointer data)
{
  GAsyncReadyCallback callback = data;
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held;
  Asker *next;

  /* Of an idle executor. */
  lp_manager_acquire_async (manager, NULL, NULL, callback, NULL);
  block_acquired (manager, 1);
  lp_test_wait_stat (manager, "available", 1);
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 1);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);

  /* Of one that was waited for: the next one has it. */
  held = lp_test_acquire (manager, "holder");
  lp_manager_acquire_async (manager, NULL, NULL, callback, NULL);
  next = queue (BLOCKING, manager, "next");
  give_back (held);
  give_back (get_lease (next));
  g_assert_cmpuint (lp_test_counter (manager, "acquired"), ==, 4);

  lp_test_finish (manager);
}

static void
test_stranded_lease_expires (void)
{
  LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.01, NULL);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (LpRequest) request = new_request ("stranded", -1);
  GAsyncResult **result;

  lp_request_set_lease_seconds (request, 0.02);
  result = acquire_in (context, manager, request, NULL);
  block_acquired (manager, 1);

  /* On a slow machine it may ask when the lease has expired already. */
  give_back (get_lease (ask (BLOCKING, manager, "next")));
  g_assert_cmpuint (lp_test_counter (manager, "revoked"), ==, 1);

  finish_in (context, manager, result, LP_ERROR, LP_ERROR_EXPIRED);
  lp_test_finish (manager);
}

static void
test_finish_after_hard_expiry (void)
{
  LpManager *manager = lp_test_start (1, "lease-grace-seconds", 0.01, NULL);
  g_autoptr (LpRequest) request = new_request ("late", -1);
  GAsyncResult **result;

  lp_request_set_lease_seconds (request, 0.02);
  result = acquire_in (g_main_context_default (), manager, request, NULL);
  lp_test_block_for (has_revoked, manager, "the expiry");

  finish_in (g_main_context_default (), manager, result, LP_ERROR, LP_ERROR_EXPIRED);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 0);
  lp_test_wait_stat (manager, "available", 1);
  lp_test_finish (manager);
}

/* Leases by their id */

static void
test_release_by_id (void)
{
  LpManager *manager = lp_test_start (2, NULL);
  LpManager *other = lp_test_start (2, NULL);
  LpLease *lease = lp_test_acquire (manager, "holder");
  LpLease *foreign = lp_test_acquire (other, "holder");
  g_autofree char *id = g_strdup (lp_lease_get_id (lease));
  g_autofree char *longer = g_strconcat (id, "0", NULL);
  g_autofree char *spaced = g_strdup_printf ("lease- %s", id + strlen ("lease-"));
  Asker *waiter;

  g_assert_false (lp_manager_release (other, id));
  g_assert_false (lp_manager_release (manager, lp_lease_get_id (foreign)));
  g_assert_false (lp_manager_release (manager, ""));
  g_assert_false (lp_manager_release (manager, "no lease at all"));
  g_assert_false (lp_manager_release (manager, "lease-99999999999999999999.99999999999999999999"));
  g_assert_false (lp_manager_release (manager, longer));
  g_assert_false (lp_manager_release (manager, spaced));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);
  g_assert_cmpint (lp_lease_get_state (foreign), ==, LP_LEASE_STATE_ACTIVE);

  g_assert_true (lp_manager_release (manager, id));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_RELEASED);
  g_assert_false (lp_manager_release (manager, id));
  g_object_unref (lease);
  g_assert_cmpuint (lp_test_counter (manager, "released"), ==, 1);

  /* The next lease of the same executor is another one. */
  lease = lp_test_acquire (manager, "holder");
  g_assert_false (lp_manager_release (manager, id));
  g_assert_cmpint (lp_lease_get_state (lease), ==, LP_LEASE_STATE_ACTIVE);

  /* It serves those who wait as any release. */
  give_back (foreign);
  foreign = lp_test_acquire (manager, "second");
  waiter = queue (BLOCKING, manager, "waiter");
  g_assert_true (lp_manager_release (manager, lp_lease_get_id (lease)));
  give_back (get_lease (waiter));

  give_back (lease);
  give_back (foreign);
  lp_test_finish (other);
  lp_test_finish (manager);
}

static void
test_ids_are_unique (void)
{
  LpManager *managers[2] = { lp_test_start (2, NULL), lp_test_start (2, NULL) };
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 1000; i++)
    {
      LpLease *lease = lp_test_acquire (managers[i % 2], "holder");

      g_assert_true (g_hash_table_add (ids, g_strdup (lp_lease_get_id (lease))));
      g_assert_cmpstr (lp_lease_get_id (lease), ==, lp_lease_get_id (lease));
      give_back (lease);
    }

  lp_test_finish (managers[0]);
  lp_test_finish (managers[1]);
}

/* Stats */

static double
wait_time (LpManager *manager, const char *key)
{
  g_autoptr (GVariant) stats = lp_manager_dup_stats (manager);
  g_autoptr (GVariant) times = g_variant_lookup_value (stats, "wait_time", G_VARIANT_TYPE ("a{sd}"));
  double value;

  g_assert_nonnull (times);
  g_assert_true (g_variant_lookup (times, key, "d", &value));

  return value;
}

static void
test_wait_time (gconstpointer data)
{
  LpManager *manager = lp_test_start (1, NULL);
  LpLease *held = lp_test_acquire (manager, "holder");
  Asker *waiter;
  gint64 end;

  g_assert_cmpfloat (wait_time (manager, "count"), ==, 1);
  /* A process is first asked whether it lives. */
  if (!lp_test_has_processes ())
    g_assert_cmpfloat (wait_time (manager, "max"), ==, 0);

  waiter = queue (GPOINTER_TO_INT (data), manager, "waiter");
  end = g_get_monotonic_time () + 20000;
  lp_test_block_for (is_past, &end, "20 ms");
  give_back (held);
  give_back (get_lease (waiter));

  g_assert_cmpfloat (wait_time (manager, "count"), ==, 2);
  g_assert_cmpfloat (wait_time (manager, "max"), >=, 0.02);
  g_assert_cmpfloat (wait_time (manager, "max"), <, 30);
  g_assert_cmpfloat (wait_time (manager, "mean"), >=, 0.01);
  lp_test_finish (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  add ("stats/wait-time", test_wait_time);
  add ("cancel/before", test_cancelled_before);
  add ("cancel/while-waiting", test_cancelled_while_waiting);
  add ("cancel/after-finish", test_cancelled_after_finish);
  lp_test_conform_add_data_func ("/acquire/cancel/after-grant/at-once", GINT_TO_POINTER (FALSE), test_cancelled_after_grant);
  lp_test_conform_add_data_func ("/acquire/cancel/after-grant/waited", GINT_TO_POINTER (TRUE), test_cancelled_after_grant);
  lp_test_conform_add_data_func ("/acquire/cancel/after-grant-owner-blocked/at-once", GINT_TO_POINTER (FALSE),
                        test_cancelled_after_grant_owner_blocked);
  lp_test_conform_add_data_func ("/acquire/cancel/after-grant-owner-blocked/waited", GINT_TO_POINTER (TRUE),
                        test_cancelled_after_grant_owner_blocked);
  lp_test_conform_add_func ("/acquire/cancel/in-the-callback", test_cancelled_in_the_callback);
  lp_test_conform_add_data_func ("/acquire/result/callback-null", NULL, test_result_nobody_finishes);
  lp_test_conform_add_data_func ("/acquire/result/nobody-finishes", not_finishing_cb, test_result_nobody_finishes);
  lp_test_conform_add_func ("/acquire/result/stranded-lease-expires", test_stranded_lease_expires);
  lp_test_conform_add_func ("/acquire/result/finish-after-hard-expiry", test_finish_after_hard_expiry);
  lp_test_conform_add_func ("/acquire/id/release", test_release_by_id);
  lp_test_conform_add_func ("/acquire/id/unique", test_ids_are_unique);

  return g_test_run ();
}
