/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Copyright 2026 The leasepool authors */

/* A manager that is started again under another owner context: what the first one
 * was to be told, and was not, since nobody iterated it. */

#include "config.h"

#include "lp-test.h"
#include "lp-test-conform.h"

static LpManager *
new_manager (void)
{
  LpManager *manager = lp_test_new (2);

  lp_manager_set_min_pools (manager, 1);
  return manager;
}

static void
start_in (LpManager *manager, GMainContext *context)
{
  g_autoptr (GError) error = NULL;

  if (context != NULL)
    g_main_context_push_thread_default (context);
  g_assert_true (lp_manager_start (manager, NULL, &error));
  g_assert_no_error (error);
  if (context != NULL)
    g_main_context_pop_thread_default (context);
}

/* Without iterating it. */
static void
stop_in (LpManager *manager, GMainContext *context)
{
  g_autoptr (GError) error = NULL;

  if (context != NULL)
    g_main_context_push_thread_default (context);
  g_assert_true (lp_manager_stop (manager, LP_STOP_MODE_KILL, -1, NULL, &error));
  g_assert_no_error (error);
  if (context != NULL)
    g_main_context_pop_thread_default (context);
}

/* What belongs to the last owner is destroyed there, so after the end too. */
static void
iterate (GMainContext *context)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}

/* Who is in the list now. */
static void
assert_listed (LpManager *manager, const char *owner)
{
  GListModel *model = lp_manager_get_leases (manager);
  g_autoptr (LpLeaseInfo) info = g_list_model_get_item (model, 0);

  g_assert_cmpuint (g_list_model_get_n_items (model), ==, owner != NULL ? 1 : 0);
  if (owner != NULL)
    g_assert_cmpstr (lp_lease_info_get_owner (info), ==, owner);
}

/* A lease of OWNER, which is listed when CONTEXT has been iterated. */
static LpLease *
acquire_listed (LpManager *manager, GMainContext *context, const char *owner)
{
  LpLease *lease = lp_test_acquire (manager, owner);

  iterate (context);
  assert_listed (manager, owner);
  return lease;
}

typedef struct
{
  GMainContext *context;        /* where it is to be told */
  guint n_removed;
  guint n_added;
} Changes;

static void
items_changed_cb (GListModel *model, guint position, guint removed, guint added, gpointer user_data)
{
  Changes *self = user_data;

  g_assert_true (g_main_context_is_owner (self->context));
  self->n_removed += removed;
  self->n_added += added;
}

static void
test_list_begins_empty (void)
{
  g_autoptr (GMainContext) first = g_main_context_new ();
  g_autoptr (GMainContext) second = g_main_context_new ();
  LpManager *manager = new_manager ();
  Changes changes = { first };
  g_autoptr (LpLease) old = NULL;
  g_autoptr (LpLease) lease = NULL;

  g_signal_connect (lp_manager_get_leases (manager), "items-changed", G_CALLBACK (items_changed_cb), &changes);
  start_in (manager, first);
  old = acquire_listed (manager, first, "old");
  stop_in (manager, first);
  assert_listed (manager, "old");

  changes = (Changes) { second };
  start_in (manager, second);
  assert_listed (manager, NULL);
  g_assert_cmpuint (changes.n_removed, ==, 1);

  /* The first context has not been told, and is not told any more. */
  lease = acquire_listed (manager, second, "new");
  iterate (first);
  assert_listed (manager, "new");
  g_assert_cmpuint (changes.n_added, ==, 1);
  g_assert_cmpuint (changes.n_removed, ==, 1);

  stop_in (manager, second);
  iterate (second);
  assert_listed (manager, NULL);
  g_assert_finalize_object (manager);
  iterate (second);
}

/* The manager is back at the first context when that is iterated at last. */
static void
test_list_of_a_run_before (void)
{
  g_autoptr (GMainContext) first = g_main_context_new ();
  g_autoptr (GMainContext) second = g_main_context_new ();
  LpManager *manager = new_manager ();
  g_autoptr (LpLease) old = NULL;
  g_autoptr (LpLease) lease = NULL;

  g_assert_nonnull (lp_manager_get_leases (manager));
  start_in (manager, first);
  old = acquire_listed (manager, first, "old");
  stop_in (manager, first);
  start_in (manager, second);
  stop_in (manager, second);
  start_in (manager, first);
  assert_listed (manager, NULL);

  lease = acquire_listed (manager, first, "new");
  stop_in (manager, first);
  iterate (first);
  assert_listed (manager, NULL);
  iterate (second);
  g_assert_finalize_object (manager);
  iterate (first);
}

static gpointer
start_and_stop_main (gpointer manager)
{
  start_in (manager, NULL);
  stop_in (manager, NULL);
  return NULL;
}

static gboolean
is_empty (gpointer model)
{
  return g_list_model_get_n_items (model) == 0;
}

/* A thread without a context of its own starts it, and this one iterates the
 * global default context: the list changes here. */
static void
test_list_changes_where_the_context_runs (void)
{
  g_autoptr (GMainContext) first = g_main_context_new ();
  LpManager *manager = new_manager ();
  GListModel *model = lp_manager_get_leases (manager);
  Changes changes = { first };
  g_autoptr (LpLease) old = NULL;
  GThread *thread;

  g_signal_connect (model, "items-changed", G_CALLBACK (items_changed_cb), &changes);
  start_in (manager, first);
  old = acquire_listed (manager, first, "old");
  stop_in (manager, first);

  changes = (Changes) { NULL };
  g_assert_true (g_main_context_acquire (NULL));
  thread = g_thread_new ("starter", start_and_stop_main, manager);
  g_thread_join (thread);
  assert_listed (manager, "old");
  lp_test_wait_for (is_empty, model, "the list to be cleared");
  g_assert_cmpuint (changes.n_removed, ==, 1);
  g_main_context_release (NULL);

  iterate (first);
  g_assert_cmpuint (changes.n_removed, ==, 1);
  g_assert_finalize_object (manager);
}

/* The size provider too is called in the owner context only. */
static gint64
size_func (LpManager *manager, gpointer user_data, GError **error)
{
  GMainContext **context = user_data;

  g_assert_true (g_main_context_get_thread_default () == *context);
  return 1;
}

static void
test_size_provider_is_not_called_in_the_first (void)
{
  g_autoptr (GMainContext) first = g_main_context_new ();
  g_autoptr (GMainContext) second = g_main_context_new ();
  GMainContext *expected = first;
  LpManager *manager = new_manager ();

  lp_manager_set_size_provider (manager, size_func, &expected, NULL);
  start_in (manager, first);
  lp_manager_notify_scale_changed (manager);
  stop_in (manager, first);

  expected = second;
  start_in (manager, second);
  iterate (first);
  stop_in (manager, second);
  g_assert_finalize_object (manager);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  lp_test_conform_add_func ("/owner-change/list/begins-empty", test_list_begins_empty);
  lp_test_conform_add_func ("/owner-change/list/of-a-run-before", test_list_of_a_run_before);
  lp_test_conform_add_func ("/owner-change/list/changes-where-the-context-runs", test_list_changes_where_the_context_runs);
  lp_test_conform_add_func ("/owner-change/size-provider", test_size_provider_is_not_called_in_the_first);

  return g_test_run ();
}
