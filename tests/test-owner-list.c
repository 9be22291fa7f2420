/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* The list model of the leases, and the settings of a manager that runs. */

#include "config.h"

#include "lp-test.h"
#include "lp-test-conform.h"

static void
iterate (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static LpLeaseInfo *
get_info (LpManager *manager, guint position)
{
  g_autoptr (LpLeaseInfo) info = g_list_model_get_item (lp_manager_get_leases (manager), position);

  return info;                  /* the model holds it */
}

/* The owners in the order of the model. */
static void
assert_owners (LpManager *manager, const char *expected)
{
  GListModel *model = lp_manager_get_leases (manager);
  g_autoptr (GString) owners = g_string_new (NULL);

  iterate ();
  for (guint i = 0; i < g_list_model_get_n_items (model); i++)
    g_string_append_printf (owners, "%s%s", i > 0 ? " " : "", lp_lease_info_get_owner (get_info (manager, i)));
  g_assert_cmpstr (owners->str, ==, expected);
}

static void
release_and_clear (LpLease **lease)
{
  lp_lease_release (*lease);
  g_clear_object (lease);
}

/* --- The model --- */

static void
test_list_is_one_of_infos (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  g_autoptr (GListModel) model = NULL;

  g_object_get (manager, "leases", &model, NULL);
  g_assert_true (model == lp_manager_get_leases (manager));
  g_assert_true (g_list_model_get_item_type (model) == LP_TYPE_LEASE_INFO);
  g_assert_cmpuint (g_list_model_get_n_items (model), ==, 0);

  g_clear_object (&model);
  lp_test_finish (manager);
}

typedef struct
{
  GThread *thread;
  guint n_calls;
  guint position, removed, added;
} Changes;

static void
items_changed_cb (GListModel *model, guint position, guint removed, guint added, gpointer user_data)
{
  Changes *self = user_data;

  g_assert_true (g_thread_self () == self->thread);
  g_assert_true (g_main_context_is_owner (NULL));
  self->n_calls++;
  self->position = position;
  self->removed = removed;
  self->added = added;
}

static void
test_list_changes_in_the_owner_context (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 2, NULL);
  Changes changes = { g_thread_self () };
  g_autoptr (LpLease) first = NULL;
  g_autoptr (LpLease) second = NULL;

  g_signal_connect (lp_manager_get_leases (manager), "items-changed", G_CALLBACK (items_changed_cb), &changes);
  first = lp_test_acquire (manager, "first");
  second = lp_test_acquire (manager, "second");
  g_assert_cmpuint (changes.n_calls, ==, 0);
  g_assert_cmpuint (g_list_model_get_n_items (lp_manager_get_leases (manager)), ==, 0);

  iterate ();
  g_assert_cmpuint (changes.n_calls, ==, 2);
  g_assert_cmpuint (changes.position, ==, 1);
  g_assert_cmpuint (changes.added, ==, 1);

  lp_lease_release (first);
  g_assert_cmpuint (changes.n_calls, ==, 2);
  iterate ();
  g_assert_cmpuint (changes.n_calls, ==, 3);
  g_assert_cmpuint (changes.position, ==, 0);
  g_assert_cmpuint (changes.removed, ==, 1);

  lp_lease_release (second);
  iterate ();
  g_assert_cmpuint (changes.n_calls, ==, 4);
  lp_test_finish (manager);
}

static gpointer
acquire_and_release_thread (gpointer manager)
{
  for (int i = 0; i < 100; i++)
    {
      g_autoptr (LpLease) lease = lp_test_acquire (manager, "thread");

      lp_lease_release (lease);
    }

  return NULL;
}

static void
test_list_follows_other_threads (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 2, NULL);
  Changes changes = { g_thread_self () };
  GThread *threads[4];

  g_signal_connect (lp_manager_get_leases (manager), "items-changed", G_CALLBACK (items_changed_cb), &changes);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("acquirer", acquire_and_release_thread, manager);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  assert_owners (manager, "");
  g_assert_cmpuint (changes.n_calls, ==, 800);
  lp_test_finish (manager);
}

static void
test_list_is_in_the_order_of_the_grants (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 3, NULL);
  LpLease *first, *second, *third;

  lp_manager_get_leases (manager);
  first = lp_test_acquire (manager, "first");
  second = lp_test_acquire (manager, "second");
  assert_owners (manager, "first second");
  release_and_clear (&first);
  third = lp_test_acquire (manager, "third");
  assert_owners (manager, "second third");

  release_and_clear (&second);
  release_and_clear (&third);
  assert_owners (manager, "");
  lp_test_finish (manager);
}

/* In the same order as a model that was there before. */
static void
test_list_made_late_has_all (void)
{
  LpManager *manager = lp_test_start (3, "min-pools", 3, NULL);
  LpLease *first = lp_test_acquire (manager, "first");
  LpLease *second = lp_test_acquire (manager, "second");
  LpLease *third;

  iterate ();
  assert_owners (manager, "first second");
  g_assert_cmpstr (lp_lease_info_get_id (get_info (manager, 0)), ==, lp_lease_get_id (first));
  g_assert_cmpint (lp_lease_info_get_leased_at (get_info (manager, 1)), ==, lp_lease_get_leased_at (second));

  third = lp_test_acquire (manager, "third");
  release_and_clear (&first);
  assert_owners (manager, "second third");

  release_and_clear (&second);
  release_and_clear (&third);
  assert_owners (manager, "");
  lp_test_finish (manager);
}

/* What ends between the first look and the dispatch is not listed. */
static void
test_list_made_late_and_a_lease_that_ends (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 2, NULL);
  LpLease *first = lp_test_acquire (manager, "first");
  LpLease *second = lp_test_acquire (manager, "second");

  lp_manager_get_leases (manager);
  release_and_clear (&first);
  assert_owners (manager, "second");

  release_and_clear (&second);
  assert_owners (manager, "");
  lp_test_finish (manager);
}

static void
test_list_made_before_the_start (void)
{
  LpManager *manager = lp_test_new (1);
  LpLease *lease;

  assert_owners (manager, "");
  g_assert_true (lp_manager_start (manager, NULL, NULL));
  lease = lp_test_acquire (manager, "tester");
  assert_owners (manager, "tester");

  release_and_clear (&lease);
  lp_test_finish (manager);
}

static void
signal_info_cb (LpManager *manager, LpLeaseInfo *info, gpointer user_data)
{
  guint *n_calls = user_data;

  (*n_calls)++;
  g_assert_true (get_info (manager, 0) == info);
}

static void
test_list_has_the_info_of_the_signal (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  LpLease *lease;
  guint n_calls = 0;

  lp_manager_get_leases (manager);
  g_signal_connect (manager, "lease-acquired", G_CALLBACK (signal_info_cb), &n_calls);
  lease = lp_test_acquire (manager, "tester");
  iterate ();
  g_assert_cmpuint (n_calls, ==, 1);

  release_and_clear (&lease);
  lp_test_finish (manager);
}

static gboolean
is_expired (gpointer lease)
{
  return lp_lease_get_state (lease) == LP_LEASE_STATE_EXPIRED;
}

static void
test_list_without_ended_leases (void)
{
  LpManager *manager = lp_test_start (3, "default-lease-seconds", 0.05, "lease-grace-seconds", 0.0, NULL);
  g_autoptr (LpRequest) request = lp_request_new ();
  g_autoptr (LpLease) expiring = NULL;
  g_autoptr (LpLease) staying = NULL;

  lp_manager_get_leases (manager);
  lp_request_set_lease_seconds (request, 3600);
  lp_request_set_owner (request, "staying");
  staying = lp_manager_acquire (manager, request, NULL, NULL);
  g_assert_nonnull (staying);
  expiring = lp_test_acquire (manager, "expiring");
  lp_test_block_for (is_expired, expiring, "the lease to expire");
  assert_owners (manager, "staying");

  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  assert_owners (manager, "");
  lp_test_finish (manager);
}

static void
count_notify_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  (*(guint *) user_data)++;
}

static gboolean
has_two_jobs (gpointer info)
{
  return lp_lease_info_get_pending_jobs (info) == 2;
}

/* Pending jobs and state, while the lease drains, too. */
static void
test_list_items_follow_their_leases (void)
{
  LpManager *manager = lp_test_start (1, "workers-per-pool", 1, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpJob) job = lp_test_gate_job (gate);
  g_autoptr (LpJob) behind = lp_test_value_job (1);
  g_autoptr (LpJob) cancelled = lp_test_value_job (2);
  g_autoptr (GVariant) value = NULL;
  LpLease *lease;
  LpLeaseInfo *info;
  guint n_notifies = 0;

  lp_manager_get_leases (manager);
  lease = lp_test_acquire (manager, "tester");
  iterate ();
  info = get_info (manager, 0);
  g_signal_connect (info, "notify::pending-jobs", G_CALLBACK (count_notify_cb), &n_notifies);

  lp_test_submit (lease, job);
  lp_test_submit (lease, behind);
  lp_test_submit (lease, cancelled);
  iterate ();
  g_assert_cmpuint (lp_lease_info_get_pending_jobs (info), ==, 3);
  g_assert_cmpuint (n_notifies, ==, 1);

  lp_test_gate_wait_entered (gate, 1);
  lp_lease_release (lease);
  iterate ();
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_DRAINING);
  assert_owners (manager, "tester");
  lp_job_cancel (cancelled);
  lp_test_wait_for (has_two_jobs, info, "the job that was cancelled");

  lp_test_gate_open (gate);
  value = lp_job_wait (behind, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
  g_assert_nonnull (value);
  lp_test_wait_stat (manager, "leased", 0);
  assert_owners (manager, "");

  g_object_unref (lease);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

/* It says how things are, however often they change before it is looked at. */
static void
test_list_items_end_with_the_last_value (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  LpLease *lease;

  lp_manager_get_leases (manager);
  lease = lp_test_acquire (manager, "tester");
  for (int i = 0; i < 50; i++)
    {
      g_autoptr (LpJob) job = lp_test_value_job (i);
      g_autoptr (GVariant) value = NULL;

      lp_test_submit (lease, job);
      value = lp_job_wait (job, LP_TEST_PATIENCE_SECONDS, NULL, NULL);
      g_assert_nonnull (value);
    }
  iterate ();
  g_assert_cmpuint (lp_lease_info_get_pending_jobs (get_info (manager, 0)), ==, 0);

  release_and_clear (&lease);
  lp_test_finish (manager);
}

/* The model may be kept; its items stay as they were last. */
static void
test_list_outlives_its_manager (void)
{
  LpManager *manager = lp_test_start (1, "min-pools", 1, NULL);
  GListModel *model = g_object_ref (lp_manager_get_leases (manager));
  LpLease *lease = lp_test_acquire (manager, "tester");
  LpLeaseInfo *info;

  iterate ();
  info = g_list_model_get_item (model, 0);
  g_assert_finalize_object (manager);
  release_and_clear (&lease);
  iterate ();
  g_assert_cmpstr (lp_lease_info_get_owner (info), ==, "tester");

  g_object_unref (info);
  g_assert_finalize_object (model);
}

/* --- Settings --- */

static void
assert_write_is_critical (LpManager *manager, GParamSpec *pspec)
{
  g_auto (GValue) before = G_VALUE_INIT;
  g_auto (GValue) after = G_VALUE_INIT;
  g_autofree char *pattern = g_strdup_printf ("*%s cannot be changed*", pspec->name);

  g_value_init (&before, pspec->value_type);
  g_value_init (&after, pspec->value_type);
  g_object_get_property (G_OBJECT (manager), pspec->name, &before);

  /* Another value, where there is one that is easily made. */
  g_value_copy (&before, &after);
  if (G_VALUE_HOLDS_INT (&after))
    g_value_set_int (&after, 7);
  else if (G_VALUE_HOLDS_DOUBLE (&after))
    g_value_set_double (&after, 7);
  else if (G_VALUE_HOLDS_STRING (&after))
    g_value_set_string (&after, "seven");
  else if (G_VALUE_HOLDS_BOOLEAN (&after))
    g_value_set_boolean (&after, !g_value_get_boolean (&after));

  g_test_expect_message ("leasepool", G_LOG_LEVEL_CRITICAL, pattern);
  g_object_set_property (G_OBJECT (manager), pspec->name, &after);
  g_test_assert_expected_messages ();

  g_object_get_property (G_OBJECT (manager), pspec->name, &after);
  g_assert_cmpint (g_param_values_cmp (pspec, &before, &after), ==, 0);
}

static void
assert_all_are_frozen (LpManager *manager)
{
  g_autofree GParamSpec **pspecs = NULL;
  guint n_notifies = 0;
  guint n_settings = 0;
  guint n_pspecs;
  gulong id = g_signal_connect (manager, "notify", G_CALLBACK (count_notify_cb), &n_notifies);

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (manager), &n_pspecs);
  for (guint i = 0; i < n_pspecs; i++)
    if ((pspecs[i]->flags & G_PARAM_WRITABLE) && !g_str_equal (pspecs[i]->name, "units"))
      {
        assert_write_is_critical (manager, pspecs[i]);
        n_settings++;
      }
  g_assert_cmpuint (n_settings, >=, 30);
  g_assert_cmpuint (n_notifies, ==, 0);
  g_signal_handler_disconnect (manager, id);
}

static void
test_settings_of_a_running_manager (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 1, NULL);

  assert_all_are_frozen (manager);
  lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, NULL);
  lp_manager_set_max_pools (manager, 5);
  g_assert_cmpint (lp_manager_get_max_pools (manager), ==, 5);

  lp_test_finish (manager);
}

static void
test_settings_of_a_stopping_manager (void)
{
  LpManager *manager = lp_test_start (2, "min-pools", 1, NULL);
  LpTestGate *gate = lp_test_gate_new ();
  g_autoptr (LpLease) lease = lp_test_acquire (manager, "tester");
  g_autoptr (LpJob) job = lp_test_gate_job (gate);

  lp_test_submit (lease, job);
  lp_test_gate_wait_entered (gate, 1);
  lp_manager_stop_async (manager, LP_STOP_MODE_DRAIN, -1, NULL, NULL, NULL);
  assert_all_are_frozen (manager);

  lp_test_gate_open (gate);
  lp_test_finish (manager);
  lp_test_gate_unref (gate);
}

static void
test_settings_units_take_effect_at_once (void)
{
  LpManager *manager = lp_test_start (4, "check-interval", 3600.0, NULL);
  guint n_notifies = 0;

  g_signal_connect (manager, "notify::units", G_CALLBACK (count_notify_cb), &n_notifies);
  lp_manager_set_units (manager, 31);
  g_assert_cmpuint (n_notifies, ==, 1);
  g_assert_cmpuint (lp_manager_get_desired_executor_count (manager), ==, 4);
  lp_test_wait_stat (manager, "available", 4);

  lp_manager_set_units (manager, 11);
  lp_test_wait_stat (manager, "total", 2);

  lp_test_finish (manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/owner-list/is-one-of-infos", test_list_is_one_of_infos);
  lp_test_conform_add_func ("/owner-list/changes-in-the-owner-context", test_list_changes_in_the_owner_context);
  lp_test_conform_add_func ("/owner-list/follows-other-threads", test_list_follows_other_threads);
  lp_test_conform_add_func ("/owner-list/is-in-the-order-of-the-grants", test_list_is_in_the_order_of_the_grants);
  lp_test_conform_add_func ("/owner-list/made-late/has-all", test_list_made_late_has_all);
  lp_test_conform_add_func ("/owner-list/made-late/and-a-lease-that-ends", test_list_made_late_and_a_lease_that_ends);
  lp_test_conform_add_func ("/owner-list/made-before-the-start", test_list_made_before_the_start);
  lp_test_conform_add_func ("/owner-list/has-the-info-of-the-signal", test_list_has_the_info_of_the_signal);
  lp_test_conform_add_func ("/owner-list/without-ended-leases", test_list_without_ended_leases);
  lp_test_conform_add_func ("/owner-list/items/follow-their-leases", test_list_items_follow_their_leases);
  lp_test_conform_add_func ("/owner-list/items/end-with-the-last-value", test_list_items_end_with_the_last_value);
  lp_test_conform_add_func ("/owner-list/outlives-its-manager", test_list_outlives_its_manager);

  lp_test_conform_add_func ("/owner-settings/of-a-running-manager", test_settings_of_a_running_manager);
  lp_test_conform_add_func ("/owner-settings/of-a-stopping-manager", test_settings_of_a_stopping_manager);
  lp_test_conform_add_func ("/owner-settings/units-take-effect-at-once", test_settings_units_take_effect_at_once);

  return g_test_run ();
}
