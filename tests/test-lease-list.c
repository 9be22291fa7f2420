/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors
 */

/* LpLeaseInfo and LpLeaseList alone: they know of no backend. What a manager puts into them is in test-owner-list.c, on
 * each. */

#include "lp-enum-types.h"
#include "lp-lease-info-private.h"
#include "lp-lease-list-private.h"

/* --- Lease infos --- */

static void
count_notify_cb (GObject    *object,
                 GParamSpec *pspec,
                 gpointer    user_data)
{
  GHashTable *counts = user_data;
  gpointer count = g_hash_table_lookup (counts, pspec->name);

  g_hash_table_insert (counts, (gpointer) pspec->name, GUINT_TO_POINTER (GPOINTER_TO_UINT (count) + 1));
}

static void
test_info_getters_equal_properties (void)
{
  LpLeaseInfo *info = lp_lease_info_new ("7", "indexer", 1000);
  g_autofree char *id = NULL;
  g_autofree char *owner = NULL;
  LpLeaseState state;
  gint64 leased_at, soft, hard;
  guint pending;

  lp_lease_info_update (info, LP_LEASE_STATE_DRAINING, 2000, 3000, 4);
  g_object_get (info,
                "id", &id, "owner", &owner, "state", &state, "leased-at", &leased_at,
                "soft-expires-at", &soft, "hard-expires-at", &hard, "pending-jobs", &pending,
                NULL);

  g_assert_cmpstr (id, ==, "7");
  g_assert_cmpstr (lp_lease_info_get_id (info), ==, "7");
  g_assert_cmpstr (owner, ==, "indexer");
  g_assert_cmpstr (lp_lease_info_get_owner (info), ==, "indexer");
  g_assert_cmpint (state, ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_DRAINING);
  g_assert_cmpint (leased_at, ==, 1000);
  g_assert_cmpint (lp_lease_info_get_leased_at (info), ==, 1000);
  g_assert_cmpint (soft, ==, 2000);
  g_assert_cmpint (lp_lease_info_get_soft_expires_at (info), ==, 2000);
  g_assert_cmpint (hard, ==, 3000);
  g_assert_cmpint (lp_lease_info_get_hard_expires_at (info), ==, 3000);
  g_assert_cmpuint (pending, ==, 4);
  g_assert_cmpuint (lp_lease_info_get_pending_jobs (info), ==, 4);

  g_assert_finalize_object (info);
}

static void
test_info_owner_may_be_absent (void)
{
  LpLeaseInfo *info = lp_lease_info_new ("7", NULL, 0);

  g_assert_null (lp_lease_info_get_owner (info));
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_ACTIVE);

  g_assert_finalize_object (info);
}

static void
test_info_is_read_only (void)
{
  LpLeaseInfo *info = lp_lease_info_new ("7", NULL, 0);
  g_autofree GParamSpec **pspecs = NULL;
  guint n_pspecs;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (info), &n_pspecs);
  g_assert_cmpuint (n_pspecs, ==, 7);
  for (guint i = 0; i < n_pspecs; i++)
    g_assert_cmpuint (pspecs[i]->flags & G_PARAM_READWRITE, ==, G_PARAM_READABLE);

  g_assert_finalize_object (info);
}

static void
test_info_notifies_only_what_changed (void)
{
  LpLeaseInfo *info = lp_lease_info_new ("7", NULL, 0);
  g_autoptr(GHashTable) counts = g_hash_table_new (g_str_hash, g_str_equal);

  lp_lease_info_update (info, LP_LEASE_STATE_ACTIVE, 2000, 3000, 0);
  g_signal_connect (info, "notify", G_CALLBACK (count_notify_cb), counts);

  lp_lease_info_update (info, LP_LEASE_STATE_ACTIVE, 2000, 3000, 0);
  g_assert_cmpuint (g_hash_table_size (counts), ==, 0);

  lp_lease_info_update (info, LP_LEASE_STATE_ACTIVE, 2000, 3000, 1);
  g_assert_cmpuint (g_hash_table_size (counts), ==, 1);
  g_assert_true (g_hash_table_contains (counts, "pending-jobs"));

  lp_lease_info_update (info, LP_LEASE_STATE_ACTIVE, 4000, 5000, 1);
  g_assert_cmpuint (g_hash_table_size (counts), ==, 3);
  g_assert_true (g_hash_table_contains (counts, "soft-expires-at"));
  g_assert_true (g_hash_table_contains (counts, "hard-expires-at"));

  lp_lease_info_update (info, LP_LEASE_STATE_EXPIRED, 4000, 5000, 1);
  g_assert_cmpuint (g_hash_table_size (counts), ==, 4);
  g_assert_cmpuint (GPOINTER_TO_UINT (g_hash_table_lookup (counts, "state")), ==, 1);
  g_assert_cmpuint (GPOINTER_TO_UINT (g_hash_table_lookup (counts, "pending-jobs")), ==, 1);

  g_assert_finalize_object (info);
}

static void
assert_all_is_set_cb (GObject    *object,
                      GParamSpec *pspec,
                      gpointer    user_data)
{
  LpLeaseInfo *info = LP_LEASE_INFO (object);
  guint *n_calls = user_data;

  (*n_calls)++;
  g_assert_cmpint (lp_lease_info_get_state (info), ==, LP_LEASE_STATE_RELEASED);
  g_assert_cmpint (lp_lease_info_get_hard_expires_at (info), ==, 3000);
  g_assert_cmpuint (lp_lease_info_get_pending_jobs (info), ==, 5);
}

static void
test_info_is_all_set_before_it_notifies (void)
{
  LpLeaseInfo *info = lp_lease_info_new ("7", NULL, 0);
  guint n_calls = 0;

  g_signal_connect (info, "notify", G_CALLBACK (assert_all_is_set_cb), &n_calls);
  lp_lease_info_update (info, LP_LEASE_STATE_RELEASED, 2000, 3000, 5);
  g_assert_cmpuint (n_calls, ==, 4);

  g_assert_finalize_object (info);
}

static void
drop_cb (GObject    *object,
         GParamSpec *pspec,
         gpointer    user_data)
{
  g_clear_object ((LpLeaseInfo **) user_data);
}

static void
test_info_may_be_dropped_by_a_handler (void)
{
  LpLeaseInfo *info = lp_lease_info_new ("7", NULL, 0);
  LpLeaseInfo *watched = info;

  g_object_add_weak_pointer (G_OBJECT (info), (gpointer *) &watched);
  g_signal_connect (info, "notify", G_CALLBACK (drop_cb), &info);
  lp_lease_info_update (info, LP_LEASE_STATE_RELEASED, 2000, 3000, 5);

  g_assert_null (info);
  g_assert_null (watched);
}

/* --- The list --- */

typedef struct
{
  LpLeaseList *list;
  GPtrArray   *mirror; /* what one who only follows items-changed believes */
  guint        n_changes;
} Fixture;

static void
mirror_cb (GListModel *model,
           guint       position,
           guint       removed,
           guint       added,
           gpointer    user_data)
{
  Fixture *fixture = user_data;

  fixture->n_changes++;
  if (removed > 0)
    g_ptr_array_remove_range (fixture->mirror, position, removed);
  for (guint i = position; i < position + added; i++)
    g_ptr_array_insert (fixture->mirror, (int) i, g_list_model_get_item (model, i));
}

static void
set_up (Fixture       *fixture,
        gconstpointer  data)
{
  fixture->list = lp_lease_list_new ();
  fixture->mirror = g_ptr_array_new_with_free_func (g_object_unref);
  g_signal_connect (fixture->list, "items-changed", G_CALLBACK (mirror_cb), fixture);
}

static void
tear_down (Fixture       *fixture,
           gconstpointer  data)
{
  g_assert_finalize_object (fixture->list);
  g_ptr_array_unref (fixture->mirror);
}

static void
assert_mirrored (Fixture *fixture)
{
  GListModel *model = G_LIST_MODEL (fixture->list);

  g_assert_cmpuint (g_list_model_get_n_items (model), ==, fixture->mirror->len);
  for (guint i = 0; i < fixture->mirror->len; i++)
    {
      g_autoptr(LpLeaseInfo) info = g_list_model_get_item (model, i);

      g_assert_true (info == g_ptr_array_index (fixture->mirror, i));
    }
}

static GSequenceIter *
append_new (Fixture    *fixture,
            const char *id)
{
  g_autoptr(LpLeaseInfo) info = lp_lease_info_new (id, NULL, 0);

  GSequenceIter *iter;

  lp_lease_list_append (fixture->list, info, &iter);
  return iter;
}

static void
assert_ids (Fixture    *fixture,
            const char *expected)
{
  g_autoptr(GString) ids = g_string_new (NULL);

  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (fixture->list)); i++)
    {
      g_autoptr(LpLeaseInfo) info = g_list_model_get_item (G_LIST_MODEL (fixture->list), i);

      g_string_append (ids, lp_lease_info_get_id (info));
    }

  g_assert_cmpstr (ids->str, ==, expected);
}

static void
test_list_has_lease_infos (Fixture       *fixture,
                           gconstpointer  data)
{
  GListModel *model = G_LIST_MODEL (fixture->list);

  g_assert_true (g_list_model_get_item_type (model) == LP_TYPE_LEASE_INFO);
  g_assert_cmpuint (g_list_model_get_n_items (model), ==, 0);
  g_assert_null (g_list_model_get_item (model, 0));
  g_assert_null (g_list_model_get_item (model, G_MAXUINT));
}

static void
test_list_keeps_the_order (Fixture       *fixture,
                           gconstpointer  data)
{
  GSequenceIter *b;

  append_new (fixture, "a");
  b = append_new (fixture, "b");
  append_new (fixture, "c");
  assert_ids (fixture, "abc");

  lp_lease_list_remove (fixture->list, b);
  assert_ids (fixture, "ac");
  append_new (fixture, "d");
  assert_ids (fixture, "acd");

  assert_mirrored (fixture);
  g_assert_null (g_list_model_get_item (G_LIST_MODEL (fixture->list), 3));
}

static void
test_list_drops_what_is_removed (Fixture       *fixture,
                                 gconstpointer  data)
{
  LpLeaseInfo *info = lp_lease_info_new ("a", NULL, 0);
  GSequenceIter *iter;

  lp_lease_list_append (fixture->list, info, &iter);

  lp_lease_list_remove (fixture->list, iter);

  g_assert_finalize_object (info);
}

static void
test_list_clears_in_one_change (Fixture       *fixture,
                                gconstpointer  data)
{
  append_new (fixture, "a");
  append_new (fixture, "b");
  fixture->n_changes = 0;

  lp_lease_list_clear (fixture->list);
  g_assert_cmpuint (fixture->n_changes, ==, 1);
  assert_ids (fixture, "");
  assert_mirrored (fixture);

  lp_lease_list_clear (fixture->list);
  g_assert_cmpuint (fixture->n_changes, ==, 1);
}

static void
test_list_is_followed_by_its_changes (Fixture       *fixture,
                                      gconstpointer  data)
{
  g_autoptr(GPtrArray) iters = g_ptr_array_new ();

  for (guint i = 0; i < 2000; i++)
    {
      if (iters->len == 0 || g_test_rand_int_range (0, 5) < 3)
        {
          g_ptr_array_add (iters, append_new (fixture, "x"));
        }
      else
        {
          guint victim = (guint) g_test_rand_int_range (0, (int) iters->len);

          lp_lease_list_remove (fixture->list, g_ptr_array_steal_index_fast (iters, victim));
        }

      g_assert_cmpuint (fixture->mirror->len, ==, iters->len);
    }

  g_assert_cmpuint (fixture->n_changes, ==, 2000);
  assert_mirrored (fixture);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/lease-info/getters-equal-properties", test_info_getters_equal_properties);
  g_test_add_func ("/lease-info/owner-may-be-absent", test_info_owner_may_be_absent);
  g_test_add_func ("/lease-info/is-read-only", test_info_is_read_only);
  g_test_add_func ("/lease-info/notifies-only-what-changed", test_info_notifies_only_what_changed);
  g_test_add_func ("/lease-info/is-all-set-before-it-notifies", test_info_is_all_set_before_it_notifies);
  g_test_add_func ("/lease-info/may-be-dropped-by-a-handler", test_info_may_be_dropped_by_a_handler);

#define add_list_case(name, func) g_test_add ("/lease-list/" name, Fixture, NULL, set_up, func, tear_down)
  add_list_case ("has-lease-infos", test_list_has_lease_infos);
  add_list_case ("keeps-the-order", test_list_keeps_the_order);
  add_list_case ("drops-what-is-removed", test_list_drops_what_is_removed);
  add_list_case ("clears-in-one-change", test_list_clears_in_one_change);
  add_list_case ("is-followed-by-its-changes", test_list_is_followed_by_its_changes);
#undef add_list_case

  return g_test_run ();
}
